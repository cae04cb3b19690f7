"""Refitting with parameters held: what follows if they were otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError, nearest
from jevons.inference.descent import descend
from jevons.inference.fit import Fit
from jevons.inference.information import split
from jevons.inference.problem import BOUND

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Held:
    """A refit with some parameters held.

    Attributes
    ----------
    held : mapping
        Parameters and the values they were held at.
    values : mapping
        All free parameters of the fit, refitted, the held ones included.
    chi2_data, chi2_prior : float
        Chi-square of the data, and of the priors of the parameters that were refitted.
    converged : bool
    """

    held: Mapping[str, float]
    values: Mapping[str, float]
    chi2_data: float
    chi2_prior: float
    converged: bool


def refit(fit: Fit, held: Mapping[str, float]) -> Held:
    """Refit from the best fit with parameters held at given values.

    Raises
    ------
    CalibrationError
        If a name is no free parameter of the fit.
    """
    require_free(fit, held)
    reduced = fit.calibration.hold(held)
    start = reduced.coordinates(fit.values)
    end = descend(reduced.residuals, reduced.jacobian, start, reduced.bounds(BOUND + 1), tolerance=1e-9, most=150)
    ran = math.isfinite(end.chi2)
    data = split(reduced, end.residuals).data if ran else np.full(1, math.nan)
    return Held(
        held=dict(held),
        values={**reduced.values(end.u), **held},
        chi2_data=float(data @ data),
        chi2_prior=float(end.u @ end.u),
        converged=end.converged,
    )


def profile(fit: Fit, name: str, values: Sequence[float]) -> list[Held]:
    """Refits at given values of one parameter; `profile_likelihood` chooses the values, and gives the interval."""
    return [refit(fit, {name: value}) for value in values]


def require_free(fit: Fit, names: Iterable[str]) -> None:
    """Refuse names that are not free in a fit."""
    unknown = [f"{n!r} is no free parameter of the fit{nearest(n, fit.names)}" for n in names if n not in fit.names]
    if unknown:
        raise CalibrationError("profile", unknown)
