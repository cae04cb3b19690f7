"""Errors of observations: how far off a published figure may be, as density, as residual and as a draw.

The modelled value is the median of what is observed, under both errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class Noise(Protocol):
    """What every error does; `scale` multiplies its sigma, which may be an array of one a row."""

    @property
    def sigma(self) -> Any: ...

    def residual(self, modelled: ArrayLike, observed: ArrayLike, scale: ArrayLike = 1.0) -> Floats: ...

    def slope(self, modelled: float, scale: float = 1.0) -> float: ...

    def log_density(self, observed: ArrayLike, modelled: ArrayLike, scale: ArrayLike = 1.0) -> Floats: ...

    def sample(self, modelled: ArrayLike, rng: np.random.Generator, scale: ArrayLike = 1.0) -> Floats: ...


@dataclass(frozen=True)
class LogNormalNoise:
    """ln(observed) is normal about ln(modelled).

    Equation   residual = (ln modelled − ln observed)/(scale·sigma); density in `observed`, with its factor 1/observed
    Units      sigma has none: 0.1 is about ten per cent
    Valid for  positive values; others have residual NaN and density zero
    """

    sigma: Any

    def residual(self, modelled: ArrayLike, observed: ArrayLike, scale: ArrayLike = 1.0) -> Floats:
        """Standardised distance of model and data, of the shape of `modelled`."""
        ratio = np.asarray(modelled, dtype=float) / np.asarray(observed, dtype=float)
        logs = np.log(ratio, out=np.full(ratio.shape, math.nan), where=ratio > 0)
        return np.asarray(logs / (self.sigma * np.asarray(scale)))

    def slope(self, modelled: float, scale: float = 1.0) -> float:
        """Derivative of the residual by the modelled value; NaN where the residual is."""
        return float(1.0 / (modelled * self.sigma * scale)) if modelled > 0 else math.nan

    def log_density(self, observed: ArrayLike, modelled: ArrayLike, scale: ArrayLike = 1.0) -> Floats:
        """Logarithm of the density of what is observed."""
        y, m = np.broadcast_arrays(np.asarray(observed, dtype=float), np.asarray(modelled, dtype=float))
        size = self.sigma * np.asarray(scale, dtype=float)
        good = (y > 0) & (m > 0)
        log_y = np.log(y, out=np.zeros(y.shape), where=good)
        z = (log_y - np.log(m, out=np.zeros(m.shape), where=good)) / size
        return np.where(good, -0.5 * z * z - np.log(size) - HALF_LOG_TWO_PI - log_y, -math.inf)

    def sample(self, modelled: ArrayLike, rng: np.random.Generator, scale: ArrayLike = 1.0) -> Floats:
        """One draw of what would be observed for every modelled value; NaN where that is not positive."""
        m, size = np.broadcast_arrays(np.asarray(modelled, dtype=float), self.sigma * np.asarray(scale, dtype=float))
        return np.where(m > 0, m, math.nan) * np.exp(size * rng.standard_normal(m.shape))


@dataclass(frozen=True)
class NormalNoise:
    """Observed is normal about modelled.

    Equation   residual = (modelled − observed)/(scale·sigma)
    Units      sigma has the unit of the modelled value
    """

    sigma: Any

    def residual(self, modelled: ArrayLike, observed: ArrayLike, scale: ArrayLike = 1.0) -> Floats:
        """Standardised distance of model and data, of the shape of `modelled`."""
        return np.asarray(
            (np.asarray(modelled, dtype=float) - np.asarray(observed, dtype=float)) / (self.sigma * np.asarray(scale))
        )

    def slope(self, modelled: float, scale: float = 1.0) -> float:
        """Derivative of the residual by the modelled value."""
        return float(1.0 / (self.sigma * scale))

    def log_density(self, observed: ArrayLike, modelled: ArrayLike, scale: ArrayLike = 1.0) -> Floats:
        """Logarithm of the density of what is observed; -inf where the modelled value is no number."""
        size = self.sigma * np.asarray(scale, dtype=float)
        z = (np.asarray(observed, dtype=float) - np.asarray(modelled, dtype=float)) / size
        found = -0.5 * z * z - np.log(size) - HALF_LOG_TWO_PI
        return np.where(np.isnan(found), -math.inf, found)

    def sample(self, modelled: ArrayLike, rng: np.random.Generator, scale: ArrayLike = 1.0) -> Floats:
        """One draw of what would be observed for every modelled value."""
        m, size = np.broadcast_arrays(np.asarray(modelled, dtype=float), self.sigma * np.asarray(scale, dtype=float))
        return np.asarray(m + size * rng.standard_normal(m.shape))


def grouped(noises: Sequence[Noise]) -> list[tuple[NDArray[np.int64], Noise]]:
    """The errors of many rows as one error a kind, with arrays of sigmas, and the rows that each is of."""
    groups: list[tuple[NDArray[np.int64], Noise]] = []
    for kind in (LogNormalNoise, NormalNoise):
        rows = np.array([i for i, noise in enumerate(noises) if isinstance(noise, kind)], dtype=np.int64)
        if rows.size:
            groups.append((rows, kind(np.array([noises[i].sigma for i in rows]))))
    return groups
