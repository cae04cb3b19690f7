"""The starts of a fit: where they begin, how each ends, on disk as it ends, and which optima they found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.inference.descent import descend
from jevons.inference.problem import Calibration
from jevons.inference.records import Records, code_versions, open_records
from jevons.inference.threads import parallel

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

SAME_OPTIMUM = 0.1
"""Total chi-squares that differ by less are as good as each other."""
SAME_PLACE = 1.0
"""Ends less far apart, in posterior standard deviations, are one place."""
REDRAWS = 50
FILE = "starts.jsonl"


@dataclass(frozen=True)
class Start:
    """One start of a fit: where it ended, in total chi-square, and how.

    Attributes
    ----------
    redrawn : int
        How often it was drawn again, because the model did not run there.
    initial, final : float
        Total chi-square at its begin and its end.
    u : tuple of float
        Its end, in prior standard deviations; empty if nothing ran.
    """

    index: int
    redrawn: int
    initial: float
    final: float
    evaluations: int
    converged: bool
    message: str
    u: tuple[float, ...] = ()


@dataclass(frozen=True)
class Optimum:
    """A place where starts ended.

    Attributes
    ----------
    number : int
        1 is the best.
    chi2 : float
    values : mapping
        Natural values of the free parameters, of the lowest start that ended here.
    u : tuple of float
    starts : tuple of int
        Indices of the starts that ended here, lowest first.
    """

    number: int
    chi2: float
    values: Mapping[str, float]
    u: tuple[float, ...]
    starts: tuple[int, ...]


def run_starts(
    calibration: Calibration,
    starts: int,
    seed: int,
    spread: float,
    folder: str | Path | None,
    resume: bool,
    progress: bool,
) -> tuple[Start, ...]:
    """All starts in order; with a folder, those finished there are read and each further one is appended."""
    from scipy.stats import norm, qmc

    header = {
        "job": "starts of a fit",
        "problem": calibration.hash,
        "derivatives": calibration.derivatives,
        "starts": starts,
        "seed": seed,
        "spread": spread,
        **code_versions(),
    }
    records = open_records(folder, FILE, header, resume)
    done = _finished(records)
    n = len(calibration.free)
    design = norm.ppf(qmc.LatinHypercube(n, rng=np.random.default_rng(seed)).random(starts)) * spread

    def run(k: int) -> Start:
        start = _search(calibration, k, design[k], np.random.default_rng([seed, k]), spread)
        if records is not None:
            records.append(asdict(start))
        return start

    missing = [k for k in range(starts) if k not in done]
    ended = parallel(run, missing, calibration.threads, "fit", progress, unit="start")
    done.update(zip(missing, ended, strict=True))
    return tuple(done[k] for k in range(starts))


def _finished(records: Records | None) -> dict[int, Start]:
    if records is None:
        return {}
    found = [Start(**{**record, "u": tuple(record["u"])}) for record in records.read()]
    return {start.index: start for start in found}


def _search(calibration: Calibration, k: int, u: Floats, rng: np.random.Generator, spread: float) -> Start:
    """One start; starts from which the model does not run are drawn again."""
    low, high = bounds = calibration.bounds()
    middle, reach = (low + high) / 2, 0.95 * (high - low) / 2
    u, redrawn = np.clip(u, middle - reach, middle + reach), 0
    initial = calibration.residuals(u)
    while not np.isfinite(initial).all() and redrawn < REDRAWS:
        redrawn += 1
        u = np.clip(rng.standard_normal(u.size) * spread, middle - reach, middle + reach)
        initial = calibration.residuals(u)
    if not np.isfinite(initial).all():
        return Start(k, redrawn, math.nan, math.inf, redrawn + 1, False, "no start ran")
    end = descend(calibration.residuals, calibration.jacobian, u, bounds)
    gradient_cost = 1 if calibration.derivatives == "exact" else u.size + 1
    message = end.message if end.moved or not end.converged else "nothing moved"
    return Start(
        index=k,
        redrawn=redrawn,
        initial=float(initial @ initial),
        final=end.chi2,
        evaluations=redrawn + 1 + end.evaluations + gradient_cost * end.gradients,
        converged=end.converged and end.moved,
        message=message,
        u=tuple(end.u.tolist()) if math.isfinite(end.chi2) else (),
    )


def cluster(
    starts: Sequence[Start],
    values: Callable[[Floats], Mapping[str, float]],
    curvature: Callable[[Floats], Floats],
) -> tuple[Optimum, ...]:
    """The distinct optima among the starts that converged, best first.

    An end belongs to an optimum if its chi-square is within 0.1 of it and its distance less than one posterior
    standard deviation, d² = Δuᵀ H Δu with the Gauss-Newton H of the optimum. So two places that fit equally well are
    two optima, and two ends along a direction that the data leave flat are one.

    Parameters
    ----------
    values : callable
        Natural values at a point.
    curvature : callable
        H = JᵀJ at a point, priors included.
    """
    groups: list[list[Start]] = []
    metrics: list[Floats] = []
    for start in sorted((s for s in starts if s.converged), key=lambda s: (s.final, s.index)):
        for group, metric in zip(groups, metrics, strict=True):
            apart = np.subtract(start.u, group[0].u)
            if start.final - group[0].final < SAME_OPTIMUM and float(apart @ metric @ apart) < SAME_PLACE**2:
                group.append(start)
                break
        else:
            groups.append([start])
            metrics.append(curvature(np.array(start.u)))
    return tuple(
        Optimum(number, group[0].final, values(np.array(group[0].u)), group[0].u, tuple(s.index for s in group))
        for number, group in enumerate(groups, start=1)
    )


def waterfall(starts: Sequence[Start], optima: Sequence[Optimum]) -> pd.DataFrame:
    """Starts by their final chi-square, lowest first: rank, start, chi2, converged, optimum (0 for none)."""
    place = _optimum_of(optima)
    return ranked([{**vars(start), "optimum": place.get(start.index, 0)} for start in starts])


def ranked(starts: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table of `waterfall`, from mappings with index, final, converged and optimum."""
    import pandas as pd

    in_order = sorted(starts, key=lambda s: (s["final"], s["index"]))
    rows = [
        (rank, int(s["index"]), float(s["final"]), bool(s["converged"]), int(s["optimum"]))
        for rank, s in enumerate(in_order, start=1)
    ]
    return pd.DataFrame(rows, columns=["rank", "start", "chi2", "converged", "optimum"])


def starts_table(
    starts: Sequence[Start], optima: Sequence[Optimum], natural: Callable[[Floats], Floats], names: Sequence[str]
) -> pd.DataFrame:
    """One row a start, as stored: how it ended, at which optimum (0: none), and its end in natural values."""
    import pandas as pd

    place = _optimum_of(optima)
    rows = []
    for start in starts:
        row = {key: value for key, value in vars(start).items() if key != "u"}
        end = natural(np.array(start.u)) if start.u else np.full(len(names), math.nan)
        ends = {f"end.{name}": float(value) for name, value in zip(names, end, strict=True)}
        rows.append({**row, "optimum": place.get(start.index, 0), **ends})
    columns = [*(key for key in Start.__dataclass_fields__ if key != "u"), "optimum", *(f"end.{n}" for n in names)]
    return pd.DataFrame(rows, columns=columns)


def _optimum_of(optima: Sequence[Optimum]) -> dict[int, int]:
    """Number of the optimum at which each start ended."""
    return {index: optimum.number for optimum in optima for index in optimum.starts}
