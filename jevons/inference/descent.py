"""One descent in least squares, and whether its end may be believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STILL_TO_GAIN = 0.01
"""Chi-square that one more step may promise beside failing runs, and the descent still counts as ended."""
NEAR_BOUND = 1e-3
FAILURES = 20
"""Runs in a row that may fail; by then the steps have shrunk by 4²⁰ and the descent is given up."""


@dataclass(frozen=True)
class Descent:
    """Where a descent ended.

    Attributes
    ----------
    u : array
    residuals, jacobian : array
        At `u`; NaN where nothing ran.
    chi2 : float
        Sum of the squared residuals; infinite where nothing ran.
    evaluations, gradients : int
        Residuals computed, and derivatives.
    moved, converged : bool
    message : str
        How it ended, or why that is no convergence.
    """

    u: Floats
    residuals: Floats
    jacobian: Floats
    chi2: float
    evaluations: int
    gradients: int
    moved: bool
    converged: bool
    message: str


def descend(
    residuals: Callable[[Floats], Floats],
    jacobian: Callable[[Floats], Floats],
    u: Floats,
    bounds: tuple[Floats, Floats],
    *,
    tolerance: float = 1e-10,
    most: int = 200,
) -> Descent:
    """Minimise the sum of squared residuals within bounds, low and high.

    A descent has converged only if the method says so, its last evaluation was finite, and it did not merely stop
    beside runs that fail: there the trust region shrinks until the step is small, which is no optimum.

    Method  Trust-region reflective (Branch, Coleman and Li 1999), as in `scipy.optimize.least_squares`.
    """
    from scipy.optimize import least_squares

    watched = _Watched(residuals, jacobian)
    start = np.clip(np.asarray(u, dtype=np.float64), *bounds)
    if not start.size:
        return _without_freedom(watched, start)
    try:
        result = least_squares(
            watched.residuals, start, jac=watched.jacobian, bounds=bounds, method="trf",
            xtol=tolerance, ftol=tolerance, gtol=100 * tolerance, max_nfev=most,
        )  # fmt: skip
    except _GivenUp:
        u, fun, slopes = watched.reached
        message, chi2 = f"the last {FAILURES} evaluations failed", float(fun @ fun)
        moved = bool(np.abs(u - start).max() > 0)
        return Descent(u, fun, slopes, chi2, watched.evaluations, watched.gradients, moved, False, message)
    except (ValueError, np.linalg.LinAlgError) as error:
        nothing = np.full(0, math.nan)
        return Descent(
            start, nothing, nothing, math.inf, watched.evaluations, watched.gradients, False, False, str(error)
        )
    found, slopes = np.asarray(result.x, dtype=np.float64), np.asarray(result.jac, dtype=np.float64)
    fun = np.asarray(result.fun, dtype=np.float64)
    moved = bool(np.abs(found - start).max() > 0)
    message = str(result.message)
    converged = bool(result.status > 0)
    if not (watched.finite and np.isfinite(fun).all()):
        converged, message = False, "the last evaluation failed"
    elif converged and watched.beside_failures:
        gain = promised_gain(fun, slopes, found, bounds)
        if not gain < STILL_TO_GAIN:
            converged, message = False, f"stopped beside runs that fail; one more step promised {gain:.3g} in chi2"
    return Descent(
        found, fun, slopes, 2 * float(result.cost), watched.evaluations, watched.gradients, moved, converged, message
    )


def promised_gain(residuals: Floats, jacobian: Floats, u: Floats, bounds: tuple[Floats, Floats]) -> float:
    """Fall of chi-square that the next Gauss-Newton step promises, coordinates held by a bound left out.

    Equation   gᵀ (JᵀJ)⁻¹ g with g = Jᵀr
    """
    free = ~held_by_bound(residuals, jacobian, u, bounds)
    if not np.isfinite(jacobian).all():
        return math.inf
    step = np.linalg.lstsq(jacobian[:, free], -residuals, rcond=None)[0]
    return float(np.sum((jacobian[:, free] @ step) ** 2))


def held_by_bound(residuals: Floats, jacobian: Floats, u: Floats, bounds: tuple[Floats, Floats]) -> NDArray[np.bool_]:
    """Coordinates at a bound that the gradient pushes outwards."""
    gradient = jacobian.T @ residuals
    low, high = bounds
    held: NDArray[np.bool_] = ((u < low + NEAR_BOUND) & (gradient > 0)) | ((u > high - NEAR_BOUND) & (gradient < 0))
    return held


class _GivenUp(Exception):
    """Too many runs in a row failed."""


class _Watched:
    """Residuals and derivatives that remember how many there were and which of the latest failed."""

    def __init__(self, residuals: Callable[[Floats], Floats], jacobian: Callable[[Floats], Floats]) -> None:
        self._residuals, self._jacobian = residuals, jacobian
        self.evaluations = self.gradients = 0
        self.finite = True
        self._in_a_row = self._since = self._before = 0  # that failed: lately, since the latest derivative, before it
        self._latest: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))
        self.reached: tuple[Floats, Floats, Floats] = (np.zeros(0), np.zeros(0), np.zeros(0))

    def residuals(self, u: Floats) -> Floats:
        self.evaluations += 1
        found = self._residuals(u)
        self.finite = bool(np.isfinite(found).all())
        self._in_a_row = 0 if self.finite else self._in_a_row + 1
        self._since += not self.finite
        if self._in_a_row == FAILURES:
            raise _GivenUp
        self._latest = u.copy(), found
        return found

    def jacobian(self, u: Floats) -> Floats:
        self.gradients += 1
        self._before, self._since = self._since, 0
        found = self._jacobian(u)
        self.reached = (*self._latest, found)
        return found

    @property
    def beside_failures(self) -> bool:
        return self._before + self._since > 0


def _without_freedom(watched: _Watched, u: Floats) -> Descent:
    fun = watched.residuals(u)
    message = "nothing is free" if watched.finite else "the last evaluation failed"
    chi2 = float(fun @ fun) if watched.finite else math.inf
    return Descent(u, fun, np.zeros((fun.size, 0)), chi2, 1, 0, False, watched.finite, message)
