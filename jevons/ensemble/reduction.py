"""What is left of many runs: counts, moments, extremes, quantiles, failures, a few whole paths."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.ensemble.sketch import Sketch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shape = tuple[int, int, int]  # scenarios, dates, outputs

FIRST = 5  # failed members that are named


@dataclass(frozen=True)
class Outcomes:
    """Members of one block under one scenario.

    Attributes
    ----------
    values : array of shape (members, dates, outputs)
    codes : array of shape (members,)
        0 where the run finished.
    reached : array of shape (members,)
    reasons : mapping of member's place to (status, variable)
        Why members failed.
    """

    values: Floats
    codes: NDArray[np.int8]
    reached: Floats
    reasons: Mapping[int, tuple[str, str]]


@dataclass
class Failure:
    """Members that failed in the same way: how many, and the first of them with their parameter values."""

    count: int = 0
    first: list[tuple[int, list[float]]] = field(default_factory=list)

    def add(self, other: Failure) -> None:
        self.count += other.count
        self.first = sorted([*self.first, *other.first])[:FIRST]


@dataclass(frozen=True)
class Summary:
    """Statistics over the members that finished; arrays of shape (scenarios, dates, outputs), then what is said.

    Attributes
    ----------
    count, mean, sd, minimum, maximum : array
    exceedances : array of shape (scenarios, dates, thresholds)
        Members above each threshold.
    sketch : Sketch
        One column for each entry of the arrays.
    failures : mapping of (scenario's place, status, variable) to Failure
    trajectories : mapping of member to array
    """

    count: Ints
    mean: Floats
    sd: Floats
    minimum: Floats
    maximum: Floats
    exceedances: Ints
    sketch: Sketch
    failures: Mapping[tuple[int, str, str], Failure]
    trajectories: Mapping[int, Floats]

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Quantiles of shape (scenarios, dates, outputs, levels), never beyond the extremes."""
        found = self.sketch.quantiles(levels).reshape(*self.count.shape, len(levels))
        return np.clip(found, self.minimum[..., None], self.maximum[..., None])


class Reduction:
    """Statistics of some blocks that can be merged with those of others.

    Everything is an integer, an extreme, or kept by block until `finish`: the result has the same bits in
    whatever order blocks come and however they are grouped.

    Notes
    -----
    Members that failed count nowhere, not even at dates before they failed: all dates speak of the same members.
    """

    def __init__(self, shape: Shape, thresholds: Sequence[tuple[int, float]]) -> None:
        self.shape = shape
        self.thresholds = tuple(thresholds)
        self.moments: dict[int, tuple[Ints, Floats, Floats]] = {}
        self.minimum = np.full(shape, math.nan)
        self.maximum = np.full(shape, math.nan)
        self.exceedances = np.zeros((*shape[:2], len(self.thresholds)), dtype=np.int64)
        self.sketch = Sketch(math.prod(shape))
        self.failures: dict[tuple[int, str, str], Failure] = {}
        self.trajectories: dict[int, Floats] = {}

    def add(self, block: int, first: int, rows: Floats, runs: Sequence[Outcomes], chosen: Iterable[int] = ()) -> None:
        """Take in a block.

        Parameters
        ----------
        block : int
        first : int
            Number of the block's first member.
        rows : array of shape (members, parameters)
        runs : sequence of Outcomes, one a scenario
        chosen : iterable of int
            Numbers of members whose whole paths are kept.
        """
        self.moments[block] = (
            np.zeros(self.shape, dtype=np.int64),
            np.full(self.shape, math.nan),
            np.zeros(self.shape),
        )
        for s, run in enumerate(runs):
            self._add_scenario(block, s, run)
            for place, reason in run.reasons.items():
                failed = (first + place, rows[place].tolist())
                self.failures.setdefault((s, *reason), Failure()).add(Failure(1, [failed]))
        for member in chosen:
            if first <= member < first + len(rows):
                self.trajectories[member] = np.stack([run.values[member - first] for run in runs])

    def _add_scenario(self, block: int, s: int, run: Outcomes) -> None:
        _, dates, outputs = self.shape
        values = np.ascontiguousarray(run.values.reshape(len(run.codes), -1)[run.codes == 0].T)
        if not values.size:
            return
        self.sketch.add(values, s * dates * outputs)
        finite = np.isfinite(values)
        full = bool(finite.all())
        if not full:
            values = np.where(finite, values, math.nan)
        count = np.full(len(values), values.shape[1]) if full else finite.sum(axis=1)
        with np.errstate(all="ignore"):
            mean = (values if full else np.where(finite, values, 0)).sum(axis=1) / count
            off = values - mean[:, None]
            np.square(off, out=off)
            spread = (off if full else np.where(finite, off, 0)).sum(axis=1)
        for mine, new in zip(self.moments[block], (count, mean, spread), strict=True):
            mine[s] = new.reshape(dates, outputs)
        # adding zero turns −0, which compares equal to 0, into it
        self.minimum[s] = np.fmin(self.minimum[s], np.fmin.reduce(values, axis=1).reshape(dates, outputs)) + 0.0
        self.maximum[s] = np.fmax(self.maximum[s], np.fmax.reduce(values, axis=1).reshape(dates, outputs)) + 0.0
        by_output = values.reshape(dates, outputs, -1)
        for k, (output, threshold) in enumerate(self.thresholds):
            self.exceedances[s, :, k] += (by_output[:, output] > threshold).sum(axis=-1)

    def merge(self, other: Reduction) -> None:
        """Take in what was reduced elsewhere."""
        self.moments.update(other.moments)
        self.minimum = np.fmin(self.minimum, other.minimum)
        self.maximum = np.fmax(self.maximum, other.maximum)
        self.exceedances += other.exceedances
        self.sketch.merge(other.sketch)
        for key, failure in other.failures.items():
            self.failures.setdefault(key, Failure()).add(failure)
        self.trajectories.update(other.trajectories)

    @property
    def failed(self) -> int:
        """Runs that failed, all scenarios together."""
        return sum(failure.count for failure in self.failures.values())

    def finish(self) -> Summary:
        """The statistics.

        Equation   μ = Σ n_b μ_b / Σ n_b;  s² = (Σ M_b + Σ n_b (μ_b − μ)²) / (Σ n_b − 1) over blocks b, with M_b the
                   sum of squares about the block's own mean; every sum is rounded once (`math.fsum`)
        Source     Chan, Golub and LeVeque 1983, doi 10.1080/00031305.1983.10483115
        """
        columns = math.prod(self.shape)
        ordered = [self.moments[block] for block in sorted(self.moments)]
        count, mean, spread = (np.array([m[i] for m in ordered]).reshape(-1, columns).T for i in range(3))
        total = count.sum(axis=1)
        centre, sd = np.full(columns, math.nan), np.full(columns, math.nan)
        with np.errstate(all="ignore"):
            mean = np.where(count > 0, mean, 0.0)
            for j in np.flatnonzero(total):
                centre[j] = _sum(count[j] * mean[j]) / total[j]
                if total[j] > 1:
                    between = _sum(count[j] * (mean[j] - centre[j]) ** 2)
                    sd[j] = math.sqrt((_sum(spread[j]) + between) / (total[j] - 1))
        return Summary(
            total.astype(np.int64).reshape(self.shape),
            centre.reshape(self.shape),
            sd.reshape(self.shape),
            self.minimum,
            self.maximum,
            self.exceedances,
            self.sketch,
            dict(sorted(self.failures.items())),
            dict(sorted(self.trajectories.items())),
        )


def _sum(values: Floats) -> float:
    try:
        return math.fsum(values.tolist())
    except (OverflowError, ValueError):  # beyond the range of numbers
        return math.nan


def failures_as_text(failures: Mapping[tuple[int, str, str], Failure]) -> list[dict[str, Any]]:
    """Failures in the types of JSON."""
    return [
        {"scenario": s, "status": status, "variable": variable, "count": f.count, "first": [list(m) for m in f.first]}
        for (s, status, variable), f in sorted(failures.items())
    ]


def failures_from_text(entries: Iterable[Mapping[str, Any]]) -> dict[tuple[int, str, str], Failure]:
    """The failures that `failures_as_text` was given."""
    return {
        (e["scenario"], e["status"], e["variable"]): Failure(e["count"], [(int(i), list(row)) for i, row in e["first"]])
        for e in entries
    }
