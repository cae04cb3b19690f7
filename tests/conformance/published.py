"""Published models: what they are, how ours fare beside PySD, pysimlin and Vensim, and the table of that."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jevons.errors import JevonsError
from jevons.interchange.results import canonical_name, read_results

from .cases import Case
from .judge import run_ours, with_constants
from .pysd_back_end import LIMIT, PysdRun, run_pysd, run_pysd_floating
from .simlin_back_end import run_simlin

if TYPE_CHECKING:
    import pandas as pd

FILE = Path(__file__).with_name("published.csv")

OUR_LIMIT = 300
"""Seconds that reading and running one model may take."""

AGREEMENT = 1e-6
"""Of the largest value of a variable: how far two programs in double precision may be apart."""

SINGLE = 1e-3
"""The same for runs that Vensim kept in single precision."""

FLOOR = 1e-6
"""Added to the largest value, so that rounding errors around zero do not count."""

FAR_BELOW = -6e32
"""Below it lies only -2^109, which is :NA:, and what is computed with it."""

NOT_VARIABLES = {"time", "time step", "saveper", "initial time", "final time"}


@dataclass(frozen=True)
class Published:
    """A model of a public repository.

    Attributes
    ----------
    name, repository, path, commit : str
    equations : int
        Of the file, arrays counted once.
    missing : str
        ``na`` where the data that it names are not public.
    reference : str
        A run of Vensim's in the same repository, if there is one.
    """

    name: str
    repository: str
    path: str
    commit: str
    equations: int
    missing: str
    reference: str


@dataclass(frozen=True)
class Distance:
    """How far our run is from another program's.

    Attributes
    ----------
    worst : float
        Over all variables, of the largest difference over the largest value; NaN where nothing was compared.
    where : str
    variables, apart : int
        How many both have, and in how many they differ by more than allowed.
    reason : str
        Why nothing was compared.
    """

    worst: float = math.nan
    where: str = ""
    variables: int = 0
    apart: int = 0
    reason: str = ""

    @property
    def agrees(self) -> bool:
        return self.variables > 0 and self.apart == 0


@dataclass(frozen=True)
class PublishedRow:
    """One model of the table."""

    model: Published
    ours: str
    reason: str
    elements: int
    seconds: float
    pysd: Distance = field(default_factory=Distance)
    floating: Distance = field(default_factory=Distance)
    simlin: Distance = field(default_factory=Distance)
    vensim: Distance = field(default_factory=Distance)

    @property
    def agrees(self) -> bool:
        return any(d.agrees for d in (self.pysd, self.floating, self.simlin, self.vensim))


def read_published() -> list[Published]:
    """The list that the repository holds."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return [Published(**{**row, "equations": int(row["equations"])}) for row in csv.DictReader(file)]


def models_folder() -> Path | None:
    """Where `JEVONS_REAL_MODELS` points to: checkouts as ``owner/repository``."""
    named = os.environ.get("JEVONS_REAL_MODELS", "")
    return Path(named) if named else None


def judge_published(folder: Path, only: str = "", workers: int = 2) -> list[PublishedRow]:
    """Every model of the list that the folder has, beside all judges."""
    models = [m for m in read_published() if only in f"{m.repository}/{m.path}"]
    there = [m for m in models if (folder / m.repository / m.path).is_file()]
    cases = {m: _case(folder, m) for m in there}
    plain = run_pysd(list(cases.values()), LIMIT, workers)
    floating = run_pysd_floating(list(cases.values()), plain, LIMIT, workers)
    jobs = [(m, folder, plain.get(c.name), floating.get(c.name)) for m, c in cases.items()]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(_row, jobs))


def _case(folder: Path, model: Published) -> Case:
    return Case(f"{model.repository}/{model.path}", folder / model.repository / model.path, None, missing=model.missing)


def _row(job: tuple[Published, Path, PysdRun | None, PysdRun | None]) -> PublishedRow:
    model, folder, plain, floating = job
    case = _case(folder, model)
    began = time.perf_counter()
    ours = run_ours(case, OUR_LIMIT)
    seconds = time.perf_counter() - began
    elements = 0 if ours.model is None else len(ours.model.elements)
    if ours.run is None:
        return PublishedRow(model, ours.status, ours.reason, elements, seconds)
    as_said = ours.run
    if ours.model is not None and ours.model.settings is not None and ours.model.settings.method != "Euler":
        as_said = with_constants(ours.model.run(), ours.model)
    frame, said = run_simlin(case)
    vensim = Distance()
    if model.reference:
        try:
            found = read_results(folder / model.repository / model.reference)
            vensim = distance(as_said, found, SINGLE, gaps=True)
        except JevonsError as error:
            vensim = Distance(reason=str(error))
    return PublishedRow(
        model,
        "runs",
        "",
        elements,
        seconds,
        _from_pysd(ours.run, plain),
        _from_pysd(ours.run, floating),
        Distance(reason=said) if frame is None else distance(as_said, frame, AGREEMENT),
        vensim,
    )


def _from_pysd(run: pd.DataFrame, theirs: PysdRun | None) -> Distance:
    if theirs is None:
        return Distance(reason="not run")
    if theirs.status != "ran":
        return Distance(reason=f"{theirs.status}: {theirs.message}")
    return distance(run, theirs.frame, AGREEMENT)


def distance(run: pd.DataFrame, reference: pd.DataFrame, allowed: float, gaps: bool = False) -> Distance:
    """Worst difference over the variables that both have, of the largest value of each; with gaps, where there is one.

    Numbers below `FAR_BELOW` are :NA: or sums with it, and count as missing in both.
    """
    have = {canonical_name(str(name)): k for k, name in enumerate(run.columns)}
    names = [str(n) for n in reference.columns if canonical_name(str(n)) in have.keys() - NOT_VARIABLES]
    dates, at = np.asarray(run.index, dtype=float), np.asarray(reference.index, dtype=float)
    nearest = np.abs(dates[None, :] - at[:, None]).argmin(axis=1)
    step = np.diff(dates).min() if dates.size > 1 else 1.0
    both = np.abs(dates[nearest] - at) <= 1e-3 * step
    if not names or not both.any():
        return Distance(reason="no variable or no date in common")
    x = run.to_numpy(dtype=float)[np.ix_(nearest[both], [have[canonical_name(name)] for name in names])]
    y = reference[names].to_numpy(dtype=float)[both]
    x, y = (np.where(values < FAR_BELOW, np.nan, values) for values in (x, y))
    with np.errstate(invalid="ignore"):
        gap = np.where(x == y, 0.0, np.abs(x - y))
    missing = np.isnan(y) & (np.isnan(x) | gaps)
    gap = np.where(missing, 0.0, np.where(np.isnan(gap), np.inf, gap))
    relative = gap.max(axis=0) / (FLOOR + np.nan_to_num(np.abs(y)).max(axis=0))
    worst = int(np.argmax(relative))
    when = at[both][int(gap[:, worst].argmax())]
    where = f"{names[worst]} at {when:g}" if relative[worst] > allowed else ""
    return Distance(float(relative[worst]), where, len(names), int((relative > allowed).sum()))


def published_section(rows: Sequence[PublishedRow]) -> list[str]:
    """The part of the page about published models."""
    ran = [row for row in rows if row.ours == "runs"]
    large = [row for row in ran if row.model.equations >= 50]
    agreed = [row for row in ran if row.agrees]
    return [
        "## Published models",
        "",
        f"{len(rows)} models of {len({row.model.repository for row in rows})} public repositories "
        "(`tests/conformance/published.csv` says where each comes from, and which version). "
        f"{len(ran)} run; {len(agreed)} of these agree with at least one other program in every variable that both "
        f"report. Of the {len([r for r in rows if r.model.equations >= 50])} with 50 equations or more, {len(large)} "
        f"run and {sum(row.agrees for row in large)} agree.",
        "",
        "All are run with their own step: by Euler beside PySD, which has no other method, and by the method that "
        "the file names, Euler's or Runge-Kutta's, beside pysimlin and Vensim. The numbers are the worst over all "
        "variables and dates of |x − y| over the largest |y| of the variable, and behind it, where that is more than "
        f"allowed, in how many of the variables in common. {AGREEMENT:g} is allowed; {SINGLE:g} beside Vensim's own "
        "runs, which are kept in single precision. *Floating* is PySD with all states made floating-point numbers "
        "before the first step: it keeps a state that starts at a whole number as an integer, and cuts the first "
        "step's change. A column is empty where the other program refuses, fails or was not asked. *Elements* counts "
        "every element of an array, and the hidden stocks of delays; *seconds* are reading, translating and running "
        "once, on a busy machine of two cores.",
        "",
        "| model | equations | elements | seconds | jevons | PySD | PySD, floating | pysimlin | Vensim |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_line(row) for row in sorted(rows, key=lambda row: -row.model.equations)),
        "",
        *_refused(rows),
        *_apart(ran),
    ]


def _line(row: PublishedRow) -> str:
    model = row.model
    note = " (data not public)" if model.missing == "na" else ""
    floating = "" if row.pysd.agrees else _cell(row.floating)
    cells = (_cell(row.pysd), floating, _cell(row.simlin), _cell(row.vensim))
    seconds = f"{row.seconds:.1f}" if row.ours == "runs" else ""
    url = f"https://github.com/{model.repository}/blob/{model.commit}/{model.path}".replace(" ", "%20")
    return (
        f"| [{model.name}]({url}){note} | {model.equations} | {row.elements or ''} | {seconds} | "
        f"{row.ours} | {' | '.join(cells)} |"
    )


def _cell(found: Distance) -> str:
    if found.reason or not found.variables:
        return ""
    size = "0" if found.worst == 0 else f"{found.worst:.0e}"
    return size if found.agrees else f"{size} ({found.apart} of {found.variables})"


def _refused(rows: Sequence[PublishedRow]) -> list[str]:
    refused = [row for row in rows if row.ours != "runs"]
    lines = [f"- {row.model.name}: {row.ours}: {shorten(row.reason, 240)}" for row in refused]
    return ["### What does not run", "", *lines, ""] if refused else []


def _apart(rows: Sequence[PublishedRow]) -> list[str]:
    lines = []
    for row in rows:
        judges = (("PySD", row.pysd), ("pysimlin", row.simlin), ("Vensim", row.vensim))
        apart = [f"{who}: {d.worst:.0e} in {d.where}" for who, d in judges if d.variables and not d.agrees]
        if apart:
            lines.append(f"- {row.model.name}: {'; '.join(apart)}. {REASONS.get(row.model.path, '')}".rstrip())
    return ["### Where programs differ", "", *lines, ""] if lines else []


REASONS = {
    "test/metasd/WRLD3-03/wrld3-03.mdl": (
        "PySD's first step is cut to whole numbers; Vensim's own run, pysimlin and PySD with floating states agree "
        "with ours."
    ),
    "model_workgroup/models/mtl_1.8_models/psy_v21_2019_07_01.mdl": (
        "All 17 are NaN in PySD and numbers in ours: they sample from :NA:, or follow from what does, and PySD takes "
        ":NA: for NaN."
    ),
    "AggregateModel-v2-13Sept2017 (2).mdl": (
        "pysimlin starts four stocks at 0, whose initial equation (a rate times a time) gives 3.2 and 1.6; PySD agrees "
        "with ours."
    ),
    "model_workgroup/models/mtl_1.8_models/sp_v4_2019_08_26.mdl": "The three are random numbers.",
    "test/xmutil_test_models/C-LEARN v77 for Vensim.mdl": (
        "Beside Vensim's run nine are apart, why is not known: eight rates sampled at 2050, and a gap closed."
    ),
}
"""Why programs differ on a model, where that was found out; by path."""


def shorten(text: str, most: int) -> str:
    """On one line, cut after so many characters."""
    text = " ".join(text.replace("|", "\\|").split())
    return text if len(text) <= most else text[: most - 1] + "…"
