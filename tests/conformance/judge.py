"""Runs ours beside the reference and beside PySD, and says how each fares."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jevons.errors import JevonsError, ModelError
from jevons.interchange.results import canonical_name, compare_runs

from .cases import ATOL, ENDINGS, RTOL

if TYPE_CHECKING:
    import pandas as pd

    from jevons.model import Model
    from jevons.trajectory import Trajectory

    from .cases import Case
    from .pysd_back_end import PysdRun

NOT_AVAILABLE = -(2.0**109)
"""Vensim's :NA:, a number in its equations and a blank cell in its outputs."""

LIMIT = 60
"""Seconds of processor time that reading and running one model may take."""


class TookTooLong(Exception):
    """Reading or running has not ended in time."""


@dataclass(frozen=True)
class Ours:
    """What we made of a model.

    Attributes
    ----------
    status : {'ran', 'refused', 'failed'}
        Refused: said what it does not know. Failed: anything else.
    run : DataFrame or None
        Variables over time, and the constants, which a run does not repeat.
    model : Model or None
    reason : str
    """

    status: str
    run: pd.DataFrame | None = None
    model: Model | None = None
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes
    ----------
    ours, pysd : str
        ``agree`` or ``disagree`` with the reference; ``refused``, ``failed``, ``not run``.
    ours_reason, pysd_reason : str
    to_reference, to_pysd : float
        Worst difference of ours over 1 + |value|: all columns of the reference, all variables that PySD reports.
    where_reference, where_pysd : str
    small_steps : float
        Worst difference of our adaptive run from Euler's run extrapolated to steps of zero, over 1 + |value|; NaN where
        the model has discrete functions.
    floating : str
        Verdict on PySD with floating-point states, where that is another than on PySD as it is.
    """

    name: str
    ending: str
    ours: str
    pysd: str
    ours_reason: str = ""
    pysd_reason: str = ""
    to_reference: float = float("nan")
    where_reference: str = ""
    to_pysd: float = float("nan")
    where_pysd: str = ""
    small_steps: float = float("nan")
    floating: str = ""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TookTooLong` in the main thread after so much processor time."""

    def ring(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run_ours(case: Case, limit: float = LIMIT) -> Ours:
    """Read the file and run it as it says: Euler, with its step, over its grid."""
    from jevons.interchange.importer import read_vensim, read_xmile

    model = None
    try:
        with time_limit(limit), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = read_vensim if case.ending == ".mdl" else read_xmile
            data = list(case.data) or None
            model = read(case.path, files=dict(case.files), data=data, missing=case.missing or "refuse")
            run = model.run(method="Euler")
    except TookTooLong:
        return Ours("failed", None, model, f"longer than {limit:g} s")
    except ModelError as error:
        return Ours("refused", None, model, _without_folder("; ".join(getattr(error, "mistakes", ())) or error, case))
    except JevonsError as error:
        return Ours("failed" if model is not None else "refused", None, model, _without_folder(error, case))
    except Exception as error:
        return Ours("failed", None, model, f"{type(error).__name__}: {error}")
    if not run.status.ok:
        return Ours("failed", None, model, str(run.status))
    return Ours("ran", with_constants(run, model), model)


def _without_folder(message: object, case: Case) -> str:
    folder = str(case.path.parent)
    return str(message).replace(f"{folder}/", "").replace(folder, "the model's folder")


def with_constants(run: Trajectory, model: Model) -> pd.DataFrame:
    """All variables of a run, constants included, as simulation programs export them."""
    import pandas as pd

    values = np.where(run.values == NOT_AVAILABLE, np.nan, run.values)
    columns = dict(zip(run.names, values.T, strict=True))
    constants = {name: np.full(run.times.size, value) for name, value in model.values.items() if name not in columns}
    return pd.DataFrame({**columns, **constants}, index=pd.Index(run.times, name="time"))


def against(
    run: pd.DataFrame, reference: pd.DataFrame, rtol: float = RTOL, gaps: bool = False
) -> tuple[str, str, float, str]:
    """Verdict on a run beside a reference, reason, worst difference over 1 + |value|, and where."""
    try:
        table = _compared(run, reference, gaps)
    except JevonsError as error:
        return "disagree", str(error), float("nan"), ""
    missing = table.index[table.reason != ""]
    size = np.abs(table.reference)
    wrong = table[(table.reason == "") & ~(table.agrees | (table.difference <= ATOL + rtol * size))]
    found = table[table.reason == ""]
    where, worst = "", float("nan")
    if len(found):
        top = found.iloc[0]
        worst = float(top.relative)
        where = f"{found.index[0]} at {top.time:g}" if worst > 0 else ""
    reasons = [f"lacks {len(missing)} columns: {', '.join(missing[:4])}"] if len(missing) else []
    reasons += [f"{name}: {r.ours:g} for {r.reference:g} at {r.time:g}" for name, r in wrong.iloc[:3].iterrows()]
    reasons += [f"and {len(wrong) - 3} more columns"] if len(wrong) > 3 else []
    return ("agree" if not reasons else "disagree"), "; ".join(reasons), worst, where


def _compared(run: pd.DataFrame, reference: pd.DataFrame, gaps: bool) -> pd.DataFrame:
    """Every column; those with gaps where the reference has values."""
    import pandas as pd

    if not gaps:
        return compare_runs(run, reference, rtol=RTOL, atol=ATOL)
    broken = [name for name in reference.columns if reference[name].isna().any()]
    parts = [reference.drop(columns=broken), *(reference[[name]].dropna() for name in broken)]
    tables = [compare_runs(run, part, rtol=RTOL, atol=ATOL) for part in parts if part.size]
    return pd.concat(tables).sort_values("relative", ascending=False, na_position="last", kind="stable")


def judge(
    case: Case, ours: Ours, pysd: PysdRun | None, small_steps: bool = False, floating: PysdRun | None = None
) -> Row:
    """The row of one model."""
    verdict, reason, worst, where = ours.status, ours.reason, float("nan"), ""
    if ours.status == "ran" and ours.run is not None:
        if case.reference is not None:
            verdict, reason, worst, where = against(ours.run, case.reference, case.rtol, case.gaps)
        else:
            verdict = "runs"
    theirs, their_reason = "not run", ""
    to_pysd, where_pysd = float("nan"), ""
    if pysd is not None:
        theirs, their_reason = pysd.status, pysd.message
        if pysd.status == "ran":
            if case.reference is not None:
                theirs, their_reason, _, _ = against(pysd.frame, case.reference, case.rtol, case.gaps)
            else:
                theirs = "runs"
            if ours.run is not None and ours.status == "ran":
                to_pysd, where_pysd = to_peer(ours.run, pysd.frame)
    otherwise = ""
    if theirs == "disagree" and floating is not None and floating.status == "ran" and case.reference is not None:
        verdict_floating = against(floating.frame, case.reference, case.rtol, case.gaps)[0]
        otherwise = verdict_floating if verdict_floating != theirs else ""
    extrapolated = float("nan")
    if small_steps and ours.status == "ran":
        from .small_steps import distance_to_limit

        extrapolated = distance_to_limit(ours.model)
    verdicts = (verdict, theirs, reason, their_reason)
    return Row(case.name, ENDINGS[case.ending], *verdicts, worst, where, to_pysd, where_pysd, extrapolated, otherwise)


def to_peer(run: pd.DataFrame, frame: pd.DataFrame) -> tuple[float, str]:
    """Worst difference in the variables that both have, over 1 + |value|."""
    have = {canonical_name(name) for name in run.columns}
    shared = [name for name in frame.columns if canonical_name(str(name)) in have]
    if not shared:
        return float("nan"), "no variable in common"
    try:
        table = compare_runs(run, frame[shared], rtol=RTOL, atol=ATOL)
    except JevonsError as error:
        return float("nan"), str(error)
    top = table.iloc[0]
    return float(top.relative), (f"{table.index[0]} at {top.time:g}" if top.relative > 0 else "")
