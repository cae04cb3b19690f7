"""Verdicts on claims as text for a terminal and as a page of the documentation."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from jevons.claims.file import SEEN, ClaimFile
from jevons.claims.judgement import INSIDE, NOT_TESTABLE, OUTSIDE, VERDICTS, Verdict

PAGE = "claims.md"
PERCENT = ("share", "contribution", "growth_per_year")
NARROW = 0.05
"""Width of an interval, as a part of its end, below which numbers have four digits."""
MEANINGS = {
    OUTSIDE: "Outside: what is claimed and the 90 % interval have no value in common",
    INSIDE: "Inside: the 90 % interval does not exclude what is claimed",
    NOT_TESTABLE: "Not testable with the models shipped",
}


def number(x: float, percent: bool = False, digits: int = 3) -> str:
    """Some digits, without powers of ten where they can be avoided."""
    if math.isnan(x):
        return ""
    if percent:
        return f"{100 * x:.{digits}g} %"
    return f"{x:,.0f}" if 1000 <= abs(x) < 1e7 else f"{x:.{digits}g}"


def _digits(verdict: Verdict) -> int:
    """What is claimed or computed within narrow limits needs more of them."""
    ends = ((verdict.claim.low, verdict.claim.high), (verdict.low, verdict.high))
    return 4 if any(0 < high - low < NARROW * abs(high) < math.inf for low, high in ends) else 3


def _percent(verdict: Verdict) -> bool:
    statistic = verdict.claim.statistic
    return statistic.kind in PERCENT or "per" in statistic.entries


def interval(verdict: Verdict) -> str:
    """What is computed: the median and its interval, or one number."""
    percent, digits = _percent(verdict), _digits(verdict)
    low, median, high = (number(x, percent, digits) for x in (verdict.low, verdict.median, verdict.high))
    unit = verdict.claim.statistic.unit
    shown = "" if percent or unit in ("1", "") else f" {unit}"
    return f"{median}{shown}" if low == high else f"{median} ({low} to {high}){shown}"


def claimed(verdict: Verdict) -> str:
    """What is claimed, in the unit of the statistic."""
    percent, digits = _percent(verdict), _digits(verdict)
    low, high = (number(x, percent, digits) for x in (verdict.claim.low, verdict.claim.high))
    if verdict.single:
        return low
    if math.isinf(verdict.claim.high):
        return f"{low} or more"
    return f"{high} or less" if math.isinf(verdict.claim.low) else f"{low} to {high}"


def agreement(verdict: Verdict) -> str:
    """Share of the draws, as far as there are draws."""
    if math.isnan(verdict.share):
        return ""
    share = "<1 %" if 0 < verdict.share < 0.01 else f"{verdict.share:.0%}".replace("%", " %")
    return f"{share} of draws below" if verdict.single else f"{share} of draws"


def summary(file: ClaimFile, verdicts: Sequence[Verdict]) -> str:
    """All verdicts for a terminal, grouped: outside, inside, not testable."""
    lines = []
    for group in VERDICTS:
        members = [v for v in verdicts if v.verdict == group]
        lines += [f"{MEANINGS[group]} ({len(members)})", ""]
        for v in members:
            lines += _wrapped(f"{v.claim.number:>4}  ", v.claim.claim)
            if group != NOT_TESTABLE:
                meets = agreement(v)
                said = f"{v.claim.words}: {interval(v)}; claimed {claimed(v)}" + (f"; {meets}" if meets else "")
                lines += _wrapped(" " * 6, said)
            lines += _wrapped(" " * 6, v.why) if v.why else []
        lines.append("")
    counts = ", ".join(f"{sum(v.verdict == g for v in verdicts)} {g}" for g in VERDICTS)
    return "\n".join([*lines, f"{len(verdicts)} claims: {counts}."])


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, 112, initial_indent=head, subsequent_indent=" " * len(head))


def page(file: ClaimFile, verdicts: Sequence[Verdict], draws: int) -> str:
    """The page of the documentation."""
    by_number = {v.claim.number: v for v in verdicts}
    counts = {g: sum(v.verdict == g for v in verdicts) for g in VERDICTS}
    whole = {v.claim.order[0] for v in verdicts}
    parts = [
        "# Claims of early 2025, and what the model says of them",
        "",
        f"Written by `jevons claims --draws {draws} --docs docs` from `calibration/claims.toml`; not by hand.",
        "",
        f"{len(whole)} claims on DeepSeek, AI and electricity, some in parts, so {len(verdicts)} rows: "
        f"{counts[OUTSIDE]} outside, {counts[INSIDE]} inside, {counts[NOT_TESTABLE]} not testable.",
        "",
        "- Claims are paraphrased. A claim is no datum: none is fitted. Where no original was found, it says so.",
        f"- The interval is the 90 % interval over {draws} draws of the shipped posterior, with the median before it. "
        "Where a claim is arithmetic, it is what the ranges of its inputs give.",
        "- **Outside**: claim and interval have no value in common. **Inside**: they have; the model does not exclude "
        "the claim, which does not make it likely. The share of the draws that meet it is beside it.",
        "- A figure is read with its rounding, *about* as 10 % either way, *roughly* as 20. Yearly figures are totals "
        "of calendar years, others values on 1 January.",
        "- Rebounds hang on the prior of the price elasticity, which the data hardly move (docs/calibration.md).",
        "",
        "![What is claimed against what the model says](images/claims.png)",
        "",
    ]
    if file.headline:
        parts += ["## Most repeated", "", *_table([by_number[n] for n in file.headline if n in by_number], True), ""]
    for group in VERDICTS:
        members = [v for v in verdicts if v.verdict == group]
        if group == NOT_TESTABLE:
            parts += [f"## {MEANINGS[group]}", "", "| # | Claim | Why | Source |", "|---|---|---|---|"]
            parts += [_row(v.claim.number, v.claim.claim, v.why, _keys(v)) for v in members]
        else:
            parts += [f"## {MEANINGS[group]}", "", *_table(members, False)]
        parts.append("")
    parts += ["## Sources", "", "| Key | Source | Followed to |", "|---|---|---|"]
    for key, source in file.sources.items():
        text = f"[{source.text}]({source.url})" if source.url else source.text
        parts.append(_row(key, text, SEEN[source.seen]))
    parts += ["", "## Quantities from outside the model", "", "| Quantity | Value | From |", "|---|---|---|"]
    parts += [_row(n, f"{number(x)} {unit}", source) for n, (x, unit, source) in file.references.items()]
    return "\n".join(parts) + "\n"


def _table(verdicts: Sequence[Verdict], with_verdict: bool) -> list[str]:
    head = ["#", "Claim", *(["Verdict"] if with_verdict else []), "What is computed", "Model", "Claimed", "Draws"]
    lines = [_row(*head, "Source"), "|" + "---|" * (len(head) + 1)]
    for v in verdicts:
        c = v.claim
        text = f"{c.claim} *{v.why}*" if v.why and not with_verdict else c.claim
        cells = [c.number, text, *([v.verdict] if with_verdict else [])]
        computed = f"{c.words}<br>`{c.statistic}`" if not with_verdict else c.words
        lines.append(_row(*cells, computed, interval(v), claimed(v), agreement(v).replace(" of draws", ""), _keys(v)))
    return lines


def _keys(verdict: Verdict) -> str:
    return ", ".join(verdict.claim.sources)


def _row(*cells: str) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def write_page(file: ClaimFile, verdicts: Sequence[Verdict], draws: int, folder: str | Path) -> Path:
    """Write the page into a folder of documentation."""
    path = Path(folder) / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(file, verdicts, draws), encoding="utf-8")
    return path
