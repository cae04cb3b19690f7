"""Fitting: many starts of `scipy.optimize.least_squares`, and what the best of them says."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import FitError
from jevons.inference.information import fisher_information, split
from jevons.inference.observable import observed_unit
from jevons.inference.problem import BOUND, Calibration
from jevons.inference.starts import SAME_OPTIMUM, Optimum, Start, cluster, run_starts, waterfall

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

OUTSIDE = "outside the model"
"""Status of what is free without being a parameter of the model: nuisances, and a condition's own parameters."""


@dataclass(frozen=True)
class Fit:
    """The best fit with its Gauss-Newton covariance.

    Attributes
    ----------
    names : tuple of str
        Free parameters.
    values : mapping
        Their fitted values.
    u : array
        The same in prior standard deviations from the prior's centre ("moved").
    covariance : array
        Of `u`: inverse of JᵀJ, priors included.
    modelled, z : array
        Per row: modelled value, and (model − data)/sigma.
    chi2_data, chi2_prior, effective_parameters : float
    starts : tuple of Start
    chi2_noise : float
        What estimated scales of noise add to the total.
    """

    calibration: Calibration
    names: tuple[str, ...]
    values: Mapping[str, float]
    u: Floats
    covariance: Floats
    modelled: Floats
    z: Floats
    chi2_data: float
    chi2_prior: float
    effective_parameters: float
    starts: tuple[Start, ...]
    seed: int
    chi2_noise: float = 0.0

    @property
    def chi2(self) -> float:
        """Total chi-square: data, priors, and what estimated scales of noise add."""
        return self.chi2_data + self.chi2_prior + self.chi2_noise

    @property
    def reduced_chi2(self) -> float:
        """Data chi-square over rows less effective parameters."""
        return self.chi2_data / (len(self.z) - self.effective_parameters)

    @property
    def share_at_best(self) -> float:
        """Share of the starts that ended within 0.1 of the best total chi-square."""
        at_best = sum(s.final < self.chi2 + SAME_OPTIMUM for s in self.starts)
        return at_best / len(self.starts) if self.starts else math.nan

    @property
    def failed_starts(self) -> int:
        """Starts that did not converge."""
        return sum(not s.converged for s in self.starts)

    @functools.cached_property
    def optima(self) -> tuple[Optimum, ...]:
        """Distinct optima, best first (see `jevons.inference.starts.cluster`)."""

        def curvature(u: Floats) -> Floats:
            curved: Floats = fisher_information(self.calibration, u) + np.eye(u.size)
            return curved

        return cluster(self.starts, self.calibration.values, curvature)

    def waterfall(self) -> pd.DataFrame:
        """Starts by their final chi-square: rank, start, chi2, converged, optimum (1 is the best, 0 none)."""
        return waterfall(self.starts, self.optima)

    def __repr__(self) -> str:
        return (
            f"Fit of {self.calibration.model.name!r} ({self.calibration.label or 'all rows'}): "
            f"{len(self.z)} rows, {len(self.names)} free parameters ({self.effective_parameters:.1f} effective), "
            f"chi2 {self.chi2_data:.1f} data + {self.chi2_prior:.1f} prior, reduced {self.reduced_chi2:.2f}, "
            f"max |z| {np.abs(self.z).max():.2f}, max move {np.abs(self.u).max():.2f} sd, "
            + self._starts_in_words()
            + "".join(f"\n  assumed: {note}" for note in self.calibration.notes)
        )

    def _starts_in_words(self) -> str:
        if not self.starts:
            return "no starts"
        lower = [s.index for s in self.starts if not s.converged and s.final < self.chi2 - SAME_OPTIMUM]
        return (
            f"{self.share_at_best:.0%} of {len(self.starts)} starts at the best, "
            f"distinct optima {len(self.optima)}, failed starts {self.failed_starts}"
            + (f"; starts {lower} ended lower, but did not converge" if lower else "")
        )


def fit(
    calibration: Calibration,
    *,
    starts: int = 16,
    seed: int = 0,
    spread: float = 1.0,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Fit:
    """Fit from many starts drawn from the priors.

    Parameters
    ----------
    starts : int
    seed : int
    spread : float
        Width of the start distribution in prior standard deviations.
    folder : path, optional
        Where each start is stored as it ends (``starts.jsonl``).
    resume : bool
        Go on from the starts stored in the folder. The result is that of a fit that was not interrupted, bit for bit.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Fit

    Raises
    ------
    FitError
        If no start converges. A start counts as converged only if its last evaluation was finite, the search moved,
        and it did not merely stop beside runs that fail.
    CalibrationError
        If the folder holds starts and `resume` is not given, or starts of another fit.
    """
    done = run_starts(calibration, starts, seed, spread, folder, resume, progress)
    best = min((start for start in done if start.converged), key=lambda start: start.final, default=None)
    if best is None:
        endings = [f"start {s.index}: {s.message}" for s in done]
        raise FitError(f"fit of {calibration.model.name!r}: no start converged", endings)
    return summarise(calibration, np.array(best.u), done, seed)


def summarise(calibration: Calibration, u: Floats, starts: Sequence[Start], seed: int) -> Fit:
    """The fit at a point: residuals, covariance, effective parameters.

    Raises
    ------
    CalibrationError
        If the model does not run there.
    """
    parts = split(calibration, calibration.residuals(u))
    information = fisher_information(calibration, u)
    covariance: Floats = np.asarray(np.linalg.inv(information + np.eye(u.size)), dtype=np.float64)
    return Fit(
        calibration=calibration,
        names=calibration.free,
        values=calibration.values(u),
        u=u,
        covariance=covariance,
        modelled=calibration.modelled(u),
        z=parts.data,
        chi2_data=float(parts.data @ parts.data),
        chi2_prior=float(u @ u),
        effective_parameters=float(np.trace(information @ covariance)),
        starts=tuple(starts),
        seed=seed,
        chi2_noise=float(parts.noise @ parts.noise),
    )


def parameter_table(fit: Fit) -> pd.DataFrame:
    """All parameters: fitted ones with the prior they were fitted with and their move, the others with their status.

    ``prior_of`` says whose prior it is: the model's, or the calibration's instead.
    """
    import pandas as pd

    calibration = fit.calibration
    model = calibration.model
    used = dict(zip(fit.names, calibration.priors, strict=True))
    own = {f"{c.name}.{n}": c.model.parameters[n] for c in calibration.conditions for n in c.own}
    nuisance = {n.name: n for n in calibration.nuisance}
    moved = dict(zip(fit.names, fit.u, strict=True))
    sd = dict(zip(fit.names, np.sqrt(np.diag(fit.covariance)), strict=True))
    rows = []
    for name in dict.fromkeys([*model.parameters, *fit.names]):
        parameter = model.parameters.get(name)
        prior = used.get(name, parameter.prior if parameter is not None else None)
        if parameter is not None:
            unit, value, status, source = parameter.unit, parameter.value, parameter.status, parameter.source
        else:
            unit = own[name].unit if name in own else "1"
            value, status, source = math.nan, OUTSIDE, nuisance[name].source if name in nuisance else ""
        rows.append(
            {
                "name": name,
                "unit": unit,
                "value": fit.values.get(name, value),
                "prior_median": getattr(prior, "median", getattr(prior, "mean", math.nan)),
                "prior_sd_log": getattr(prior, "sd_log", getattr(prior, "sd", math.nan)),
                "moved_sd": moved.get(name, math.nan),
                "posterior_sd": sd.get(name, math.nan),
                "prior": type(prior).__name__ if prior is not None else "",
                "prior_of": "model" if parameter is not None and prior == parameter.prior else "calibration",
                "status": status,
                "source": source,
            }
        )
    return pd.DataFrame(rows)


def notable_moves(parameters: pd.DataFrame) -> list[str]:
    """Parameters that moved more than one prior standard deviation, largest first; those on a bound are named so."""
    moved = parameters[parameters["moved_sd"].abs() > 1]
    lines = []
    for row in moved.sort_values("moved_sd", key=abs, ascending=False).itertuples():
        bound = ", on its bound" if abs(row.moved_sd) > BOUND - 1e-3 else ""
        lines.append(f"{row.name} = {row.value:.4g} {row.unit} ({row.moved_sd:+.2f} sd{bound})")
    return lines


def row_table(fit: Fit) -> pd.DataFrame:
    """Fitted rows: observed, modelled, z."""
    import pandas as pd

    calibration = fit.calibration
    return pd.DataFrame(
        {
            "series": [r.series for r in calibration.rows],
            "variable": [r.variable for r in calibration.rows],
            "statistic": [r.statistic for r in calibration.rows],
            "date": [r.date for r in calibration.rows],
            "reference_date": [r.reference_date for r in calibration.rows],
            "unit": [observed_unit(calibration.model, r) if r.statistic in ("at", "annual", "since") else r.unit
                     for r in calibration.rows],
            "observed": calibration.observed,
            "sigma": [r.sigma for r in calibration.rows],
            "sigma_kind": [r.sigma_kind for r in calibration.rows],
            "modelled": fit.modelled,
            "z": fit.z,
            "role": [r.role for r in calibration.rows],
            "family": [r.family for r in calibration.rows],
            "source": [r.source for r in calibration.rows],
        }
    )  # fmt: skip
