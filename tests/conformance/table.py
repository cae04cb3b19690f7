"""The page `docs/parity.md`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from .cases import LOOSER, NO_REFERENCE, OTHER_REFERENCE, PYSD_EXPECTS_FAILURE
from .judge import Row
from .published import PublishedRow, published_section, shorten
from .sdeverywhere import COMMIT, REPOSITORY

KNOWN = {
    "tests/rounding/test_rounding.xmile": (
        "on purpose: in XMILE's standard INT rounds down and MOD takes the sign of the divisor; the reference is "
        "Vensim's output, where both cut towards zero"
    ),
    "samples/Query_file/Query_file.mdl": (
        "random numbers: Vensim's own sequence is not published, so no other program can meet it"
    ),
    "samples/Roessler_Chaos/roessler_chaos.mdl": (
        "chaotic, and the reference was kept in single precision: ours and PySD's runs, in double precision, are equal "
        "to the last bit"
    ),
}
"""Why a file does not agree, where that is not for want of anything."""

INCOMPLETE = {
    "macro": "the file calls a macro that it does not define",
    "???": "the file has `???` for equations",
}
"""Why files of the suite are refused, by words of their names or of the reason; PySD refuses them too."""


def parity_page(rows: Sequence[Row], functions: Sequence[Row] = (), published: Sequence[PublishedRow] = ()) -> str:
    """The page, from the rows of the suite, of SDEverywhere's models, and of published ones."""
    lines = [
        "# Parity",
        "",
        "How models that are read from Vensim and XMILE files fare beside the programs that wrote them, and beside "
        f"PySD {version('pysd')}. Made by `python -m tests.conformance --write docs/parity.md`, with `SD_TEST_MODELS` "
        "set to a checkout of [SDXorg/test-models](https://github.com/SDXorg/test-models) and `JEVONS_REAL_MODELS` to "
        "checkouts of the repositories of `tests/conformance/published.csv`. Do not edit.",
        "",
        "## The public test suite",
        "",
        *_totals(rows),
        "",
        "Every Vensim and XMILE file of the suite that has a reference output is read and run as it says: Euler, its "
        "own step. A file **agrees** where every value of every column of the reference, which Vensim or Stella wrote, "
        "is met to |x − y| ≤ 1e-5 + 1e-5 |y|; a column that is missing is a disagreement. **Refused** means that the "
        "program said what it cannot read, **failed** that it stopped otherwise.",
        "",
        "### jevons agrees and PySD does not",
        "",
        *_pairs(rows, ours=True),
        "",
        "### PySD agrees and jevons does not",
        "",
        *_pairs(rows, ours=False),
        "",
        "### What does not agree",
        "",
        *_failures(rows),
        "",
        "### What is not 1e-5",
        "",
        *(f"- `{name}`: relative tolerance {rtol:g}, as in PySD's own suite." for name, rtol in LOOSER.items()),
        *(
            f"- `{name}`: held against Stella's `{file}`, not Vensim's `output.tab`."
            for name, file in OTHER_REFERENCE.items()
        ),
        *(f"- `{name}`: left out, {why}." for name, why in NO_REFERENCE.items()),
        f"- {len(PYSD_EXPECTS_FAILURE)} .xmile files are marked as failing in PySD's suite; here they count like all.",
        "",
        *(published_section(published) if published else ()),
        *(_functions(functions) if functions else ()),
        "## All files of the suite",
        "",
        "Differences are the worst over all columns and dates, |x − y| / (1 + |y|): of jevons from the reference, and "
        "from PySD in all variables that both report. The last column is about the limit of small steps: our adaptive "
        "method beside Euler's runs extrapolated to steps of zero (Romberg's table; it loses its order at kinks, so "
        "this is an upper bound); it is empty where equations jump, hold values from step to step or draw random "
        "numbers. *Floating*: agrees where PySD's states are made floating-point numbers before the first step.",
        "",
        "| file | jevons | PySD | to reference | to PySD | small steps |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row.name} | {row.ours} | {_pysd(row)} | {_number(row.to_reference)} | {_number(row.to_pysd)} | "
            f"{_number(row.small_steps)} |"
            for row in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def _functions(rows: Sequence[Row]) -> Iterable[str]:
    url = f"https://github.com/{REPOSITORY}/tree/{COMMIT}/models"
    yield "## SDEverywhere's models of single functions"
    yield ""
    yield (
        f"[{REPOSITORY}]({url}) keeps models of single functions with the runs that Vensim made of them. The criterion "
        "is that of the suite, at all dates at which Vensim's file has a value (it has none between the dates of "
        "data); its numbers are in single precision. PySD is not given data in Vensim's .dat format, which it does not "
        "read."
    )
    yield ""
    yield from _totals(rows)
    yield ""
    yield from _failures(rows)
    yield ""


def totals(rows: Sequence[Row]) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """Verdicts of jevons and of PySD by kind of file."""
    kinds = sorted({row.ending for row in rows}, key=lambda e: ("Vensim", "XMILE", "Stella").index(e.split()[0]))
    return {
        kind: (Counter(r.ours for r in rows if r.ending == kind), Counter(r.pysd for r in rows if r.ending == kind))
        for kind in kinds
    }


def _totals(rows: Sequence[Row]) -> Iterable[str]:
    yield "| files | number | jevons agrees | disagrees | refuses | fails | PySD agrees | disagrees | refuses | fails |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    every = (Counter(row.ours for row in rows), Counter(row.pysd for row in rows))
    kinds = totals(rows)
    for kind, counts in {**kinds, **({"all": every} if len(kinds) > 1 else {})}.items():
        cells = [str(count[verdict]) for count in counts for verdict in ("agree", "disagree", "refused", "failed")]
        yield f"| {kind} | {sum(counts[0].values())} | {' | '.join(cells)} |"


def _pairs(rows: Sequence[Row], ours: bool) -> Iterable[str]:
    found = [row for row in rows if (row.ours == "agree") is ours and (row.pysd == "agree") is not ours]
    if not found:
        yield "None."
        return
    other = "PySD" if ours else "jevons"
    yield f"{len(found)} files."
    yield ""
    yield f"| file | {other} | why |"
    yield "| --- | --- | --- |"
    for row in found:
        verdict, reason = (_pysd(row), row.pysd_reason) if ours else (row.ours, KNOWN.get(row.name, row.ours_reason))
        yield f"| {row.name} | {verdict} | {shorten(_without_paths(reason), 160)} |"


def _failures(rows: Sequence[Row]) -> Iterable[str]:
    incomplete: dict[str, list[str]] = {}
    for row in rows:
        if row.ours == "agree":
            continue
        kind = next((k for k in INCOMPLETE if row.ours == "refused" and k in row.name + row.ours_reason), "")
        if kind and row.pysd != "agree" and row.name not in KNOWN:
            incomplete.setdefault(kind, []).append(row.name)
            continue
        yield f"- `{row.name}`: {row.ours}; {shorten(KNOWN.get(row.name) or _without_paths(row.ours_reason), 300)}"
    for kind, names in incomplete.items():
        listed = ", ".join(f"`{name.partition('/')[2]}`" for name in names)
        yield f"- {len(names)} refused, by PySD too, because {INCOMPLETE[kind]}: {listed}"


def _pysd(row: Row) -> str:
    return f"{row.pysd} (floating: {row.floating})" if row.floating else row.pysd


def _without_paths(text: str) -> str:
    """Without folders of this machine."""
    return " ".join(word.rsplit("/", 1)[-1] if word.lstrip("'\"(").startswith("/") else word for word in text.split())


def _number(value: float) -> str:
    return "" if math.isnan(value) else "0" if value == 0 else f"{value:.0e}"
