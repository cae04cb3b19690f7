"""Refitting with parameters held: what the data say of a parameter, and what follows if it were otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal
from jevons.errors import CalibrationError, nearest
from jevons.inference.fit import Fit
from jevons.inference.problem import BOUND, Calibration

if TYPE_CHECKING:
    import pandas as pd

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
    from scipy.optimize import least_squares

    unknown = [f"{n!r} is no free parameter of the fit{nearest(n, fit.names)}" for n in held if n not in fit.names]
    if unknown:
        raise CalibrationError("profile", unknown)
    calibration = fit.calibration
    reduced = Calibration(
        calibration.model.with_values(held),
        calibration.history,
        [n for n in fit.names if n not in held],
        variant=calibration.variant,
        until=calibration.until,
        threads=calibration.threads,
    )
    start = reduced.coordinates(fit.values)
    result = least_squares(
        reduced.residuals, start, jac=reduced.jacobian, bounds=(-BOUND - 1, BOUND + 1), method="trf",
        xtol=1e-9, ftol=1e-9, gtol=1e-7, max_nfev=150,
    )  # fmt: skip
    u = np.asarray(result.x)
    z = reduced.data_residuals(u)
    return Held(
        held=dict(held),
        values={**reduced.values(u), **held},
        chi2_data=float(z @ z),
        chi2_prior=float(u @ u),
        converged=bool(result.status > 0 and np.isfinite(z).all()),
    )


def backfire_table(
    table: pd.DataFrame, priors: Mapping[str, LogNormal], shocks: Sequence[str], horizon: float
) -> pd.DataFrame:
    """Probability of backfire by prior of the elasticity and by satiation.

    Parameters
    ----------
    table : pandas.DataFrame
        Refits with columns satiation, demand_elasticity_2025 and ``<shock>_<horizon>yr``.
    priors : mapping of str to LogNormal
        Of the total elasticity.
    shocks : sequence of str
    horizon : float
        Years after the gain.

    Returns
    -------
    pandas.DataFrame
        shock, satiation, crossing_elasticity (NaN if R stays below 1 in the range computed), prior, probability.
        Where R stays below 1 the probability is that of leaving the range: an upper bound.
    """
    import pandas as pd
    from scipy.stats import norm

    rows = []
    for shock in shocks:
        for satiation, cell in table.groupby("satiation"):
            elasticity = cell["demand_elasticity_2025"].to_numpy()
            rebound = cell[f"{shock}_{horizon:g}yr"].to_numpy()
            crossing = _crossing(elasticity, rebound)
            edge = crossing if math.isfinite(crossing) else float(elasticity.max())
            for name, prior in priors.items():
                beyond = float(norm.sf(math.log(edge / prior.median) / prior.sd_log))
                rows.append((shock, horizon, float(satiation), crossing, name, beyond, not math.isfinite(crossing)))
    head = ["shock", "horizon_years", "satiation", "crossing_elasticity", "prior", "probability", "is_upper_bound"]
    return pd.DataFrame(rows, columns=head)


def _crossing(elasticity: Floats, rebound: Floats) -> float:
    """Elasticity from which on the rebound exceeds one, by linear interpolation; NaN if it does not."""
    above = rebound > 1
    if not above[-1]:
        return math.nan
    first = int(np.argmax(above))
    if first == 0:
        return float(elasticity[0])
    x0, x1, y0, y1 = elasticity[first - 1], elasticity[first], rebound[first - 1], rebound[first]
    return float(x0 + (1 - y0) * (x1 - x0) / (y1 - y0))


def profile(fit: Fit, name: str, values: Sequence[float]) -> list[Held]:
    """Profile of one parameter: everything else refitted at each of its values."""
    return [refit(fit, {name: value}) for value in values]
