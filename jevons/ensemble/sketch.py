"""Quantiles of more values than memory holds: a logarithmic histogram that forgets the order of arrival."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ACCURACY = 1e-3
MOST_BINS = 1 << 15  # of one sign: 28 decades
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_SCALE = 1 / math.log(_GAMMA)
_OFFSET = 1 << 20  # beyond the bin of every magnitude, 5e-324 to 1.8e308
_ROOM = 256


class Sketch:
    """Counts of values in logarithmic bins, for many columns.

    Equation   bin(x) = ⌈ln|x| / ln γ⌉, γ = (1 + α)/(1 − α); a bin stands for 2 γ^bin / (γ + 1) with the sign of x
    Valid for  α = `ACCURACY` = 1e-3: each order statistic is within α of itself, whatever the distribution.
               Zeros are counted as such; NaN and infinity are not counted. Magnitudes 28 decades and more below
               the largest of their sign share the lowest bin
    Source     Masson, Rim and Lee 2019, doi 10.14778/3352063.3352135

    The counts are integers and the lowest bin depends only on the largest magnitude, so that the same values give
    the same sketch bit by bit in any order and however they were parted and merged. That is why this is no
    t-digest or KLL sketch of a library: their results depend on the order of arrival and on the merges, and an
    ensemble would change with its number of workers.

    Parameters
    ----------
    columns : int
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._positive = [_Bins() for _ in range(columns)]
        self._negative = [_Bins() for _ in range(columns)]
        self._zeros = np.zeros(columns, dtype=np.int64)

    def add(self, values: Floats, first: int = 0) -> None:
        """Count values of shape (columns, values); row 0 goes into column `first`."""
        values = np.ascontiguousarray(values)
        if not values.size:
            return
        low, high = values.min(axis=1), values.max(axis=1)
        plain = bool(low.min() > 0) and bool(high.max() < math.inf)  # False with NaN
        with np.errstate(divide="ignore", invalid="ignore"):
            bins = np.log(values if plain else np.abs(values))
            bins *= _SCALE
            np.ceil(bins, out=bins)
            if plain:
                for j, row in enumerate(bins.astype(np.int64), start=first):
                    self._positive[j].add(row)
                return
        for j, (row, x) in enumerate(zip(bins, values, strict=True), start=first):
            finite = np.isfinite(x)
            self._zeros[j] += np.count_nonzero(x == 0)
            self._positive[j].add(row[finite & (x > 0)].astype(np.int64))
            self._negative[j].add(row[finite & (x < 0)].astype(np.int64))

    def merge(self, other: Sketch) -> None:
        """Add the counts of another sketch of the same columns."""
        self._zeros += other._zeros
        for mine, others in ((self._positive, other._positive), (self._negative, other._negative)):
            for a, b in zip(mine, others, strict=True):
                a.add(*b.counted())

    def arrays(self) -> tuple[Ints, Ints, Ints]:
        """Column, key and count of the bins that are not empty; keys rise with the values they stand for."""
        columns, keys, counts = [], [], []
        for j in range(self.columns):
            bins, of_bin = self._positive[j].counted()
            below, of_below = self._negative[j].counted()
            zeros = self._zeros[j : j + 1][self._zeros[j : j + 1] > 0]
            keys += [-(below + _OFFSET)[::-1], np.zeros(zeros.size, dtype=np.int64), bins + _OFFSET]
            counts += [of_below[::-1], zeros, of_bin]
            columns.append(np.full(bins.size + below.size + zeros.size, j, dtype=np.int64))
        return np.concatenate(columns), np.concatenate(keys), np.concatenate(counts)

    @classmethod
    def from_arrays(cls, columns: int, column: Ints, key: Ints, count: Ints) -> Sketch:
        """The sketch that gave these arrays."""
        sketch = cls(columns)
        edges = np.searchsorted(column, np.arange(columns + 1))
        for j in range(columns):
            keys, counts = key[edges[j] : edges[j + 1]], count[edges[j] : edges[j + 1]]
            sketch._zeros[j] = counts[keys == 0].sum()
            sketch._positive[j].add(keys[keys > 0] - _OFFSET, counts[keys > 0])
            sketch._negative[j].add(-keys[keys < 0] - _OFFSET, counts[keys < 0])
        return sketch

    def counts(self) -> Ints:
        """Number of values in each column; shape (columns,)."""
        sides = zip(self._positive, self._negative, strict=True)
        return self._zeros + np.array([a.counts.sum() + b.counts.sum() for a, b in sides], dtype=np.int64)

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Quantiles, interpolated between order statistics as by `numpy.quantile`; shape (columns, levels).

        Each order statistic is within a share `ACCURACY` of itself; NaN where nothing was counted.
        """
        column, key, count = self.arrays()
        values = np.sign(key) * np.exp((np.abs(key) - _OFFSET) / _SCALE) * (2 / (1 + _GAMMA))
        edges = np.searchsorted(column, np.arange(self.columns + 1))
        result = np.full((self.columns, len(levels)), math.nan)
        for j in range(self.columns):
            part = slice(edges[j], edges[j + 1])
            passed = np.cumsum(count[part])
            if not passed.size:
                continue
            rank = np.asarray(levels) * (passed[-1] - 1)
            below = np.floor(rank).astype(np.int64)
            share = rank - below
            a = values[part][np.searchsorted(passed, below, side="right")]
            b = values[part][np.searchsorted(passed, np.minimum(below + 1, passed[-1] - 1), side="right")]
            result[j] = a + share * (b - a)
        return result


class _Bins:
    """Counts of the bins of one sign."""

    def __init__(self) -> None:
        self.low = 0
        self.top = 0
        self.counts = np.zeros(0, dtype=np.int64)

    def add(self, bins: Ints, counts: Ints | None = None) -> None:
        """Count each bin once, or by its own count."""
        if not bins.size:
            return
        low, high = int(bins.min()), int(bins.max())
        self.top = max(self.top, high) if self.counts.size else high
        floor = self.top - MOST_BINS + 1
        self._cover(max(min(low, self.low) if self.counts.size else low, floor), self.top)
        if low < floor:
            bins = np.maximum(bins, floor)
            low = floor
        # integers below 2^53 as weights of bincount are exact
        found = np.bincount(bins - low, weights=counts)
        self.counts[low - self.low : low - self.low + found.size] += found.astype(np.int64)

    def _cover(self, low: int, high: int) -> None:
        """Make the array hold the bins from `low` to `high`; what lies below the lowest allowed goes into that."""
        start = self.low if self.counts.size else low
        stop = start + self.counts.size
        if low < start or high >= stop:
            wider = (start if low >= start else low - _ROOM, stop if high < stop else high + 1 + _ROOM)
            grown = np.zeros(wider[1] - wider[0], dtype=np.int64)
            grown[start - wider[0] : stop - wider[0]] = self.counts
            self.low, self.counts = wider[0], grown
        below = self.top - MOST_BINS + 1 - self.low
        if below > 0:
            kept = self.counts[below:].copy()
            kept[0] += self.counts[:below].sum()
            self.low, self.counts = self.low + below, kept

    def counted(self) -> tuple[Ints, Ints]:
        """Bins that are not empty, and their counts."""
        full = np.flatnonzero(self.counts)
        return full + self.low, self.counts[full]
