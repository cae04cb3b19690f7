"""Predictive distributions of history rows over draws of the parameters, and how a fit stands up to them.

References
----------
.. [Gelman1996] Gelman, A., Meng, X.-L., Stern, H. (1996). Posterior predictive assessment of model fitness via
   realized discrepancies. Statistica Sinica 6(4), 733-760.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError
from jevons.inference.problem import Calibration
from jevons.inference.scores import (
    autocorrelation,
    crps,
    interval,
    log_score,
    probability_below,
    theil,
    with_error,
)
from jevons.inference.threads import parallel

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """Rows of a calibration as predicted by draws of its parameters.

    Attributes
    ----------
    calibration : Calibration
        Whose rows are predicted.
    centres : array of shape (draws, rows)
        Modelled values, in the model's units; draws that failed are left out. NaN where a draw has no value for a
        row, or one that is not positive where the error is logarithmic: the density of the observation is zero there.
    sd : array of shape (draws, rows)
        Error of each row, on its own scale (of the logarithm, or in the model's unit); estimated scales included.
    failed : int
        Draws whose run failed.
    """

    calibration: Calibration
    centres: Floats
    sd: Floats
    failed: int

    @property
    def logarithmic(self) -> NDArray[np.bool_]:
        """Rows whose error is of the logarithm."""
        return np.array([row.sigma_kind == "log" for row in self.calibration.rows])

    def on_scale(self, values: Floats) -> Floats:
        """Values of all rows on the scale of their errors: logarithms where these are logarithmic."""
        logs = self.logarithmic
        return np.where(logs, np.log(np.where(logs, values, 1.0)), values)

    def table(self) -> pd.DataFrame:
        """One line a row: observation, median and bands with the row's own error, scores.

        Columns p05 to p95 and median are natural values; log_score, crps and z are on the scale of the error (of
        the logarithm for logarithmic errors); p_below is the predictive probability of less than the observation;
        undefined is the share of draws without a value, which are left out except that they lower the log score.
        """
        import pandas as pd

        calibration = self.calibration
        centres, observed = self.on_scale(self.centres), self.on_scale(calibration.observed)
        lines = []
        for i, row in enumerate(calibration.rows):
            good = np.isfinite(centres[:, i])
            scores = _row_scores(centres[good, i], self.sd[good, i], float(observed[i]), float(good.mean()))
            if row.sigma_kind == "log":
                scores |= {k: math.exp(scores[k]) for k in ("median", "p05", "p25", "p75", "p95")}
            told = {
                "series": row.series,
                "variable": row.variable,
                "statistic": row.statistic,
                "date": row.date,
                "reference_date": row.reference_date,
                "known": row.known,
                "family": row.family,
                "error_kind": row.sigma_kind,
                "observed": float(calibration.observed[i]),
            }
            lines.append({**told, **scores})
        return pd.DataFrame(lines)


def _row_scores(centres: Floats, sd: Floats, observed: float, share: float) -> dict[str, Any]:
    """Bands and scores of one row on the scale of its error; `share` of the draws have a value."""
    if len(centres) < 2:
        numbers = ("sigma", "median", "p05", "p25", "p75", "p95", "error", "z", "crps", "p_below")
        missed = {"inside_50": False, "inside_90": False, "log_score": -math.inf, "undefined": 1 - share}
        return {**dict.fromkeys(numbers, math.nan), **missed}
    drawn = with_error(centres, sd)
    (p25, p75), (p05, p95) = interval(drawn, 0.5), interval(drawn, 0.9)
    median = float(np.median(drawn))
    return {
        "sigma": math.sqrt(float((sd**2).mean())),
        "median": median,
        "p05": float(p05),
        "p25": float(p25),
        "p75": float(p75),
        "p95": float(p95),
        "inside_50": bool(p25 <= observed <= p75),
        "inside_90": bool(p05 <= observed <= p95),
        "error": median - observed,
        "z": (median - observed) / float(drawn.std()),
        "log_score": float(log_score(centres, sd, observed)) + math.log(share),
        "crps": float(crps(drawn, observed)),
        "p_below": float(probability_below(centres, sd, observed)),
        "undefined": 1 - share,
    }


def predict(calibration: Calibration, natural: Floats) -> Predictions:
    """Predict the rows of a calibration.

    Parameters
    ----------
    calibration : Calibration
        With the rows to predict, of the model and the free parameters that were drawn.
    natural : array of shape (draws, parameters)
        Values of the free parameters.

    Raises
    ------
    CalibrationError
        If fewer than two draws run.
    """
    logs = np.array([row.sigma_kind == "log" for row in calibration.rows])
    sigma = np.array([noise.sigma for noise in calibration.noises])

    def one(values: Floats) -> tuple[Floats, Floats]:
        u = calibration.coordinates(dict(zip(calibration.free, values.tolist(), strict=True)))
        return calibration.modelled(u), sigma * calibration.scales(u)

    found = parallel(one, natural, calibration.threads, "predict", False)
    good = [(np.where(logs & ~(m > 0), math.nan, m), sd) for m, sd in found if np.isfinite(m).any()]
    if len(good) < 2:
        raise CalibrationError("prediction", [f"{len(good)} of {len(natural)} draws ran, expected at least 2"])
    centres, sd = np.array([m for m, _ in good]), np.array([sd for _, sd in good])
    return Predictions(calibration, centres, sd, len(natural) - len(good))


@dataclass(frozen=True)
class PredictiveChecks:
    """A fit against data replicated from its own draws.

    Attributes
    ----------
    rows : pandas.DataFrame
        As `Predictions.table` has them; the rows are those that were fitted.
    coverage_50, coverage_90 : float
        Share of the fitted rows inside their bands.
    discrepancy : float
        Mean over the draws of the chi-square of the observations.
    p_discrepancy : float
        Probability that replicated data have a larger chi-square than the observed; near 1 where errors are stated
        too wide or the model has too many free parameters, near 0 where it does not fit.
    theil : pandas.DataFrame
        Decomposition of the error by series and statistic, with n; on the scale of the error.
    autocorrelation : pandas.DataFrame
        Of the standardised residuals by series and statistic, with n; `white` is empty with too few residuals.
    failed : int
        Draws that did not run.
    """

    rows: pd.DataFrame
    coverage_50: float
    coverage_90: float
    discrepancy: float
    p_discrepancy: float
    theil: pd.DataFrame
    autocorrelation: pd.DataFrame
    failed: int


def predictive_checks(calibration: Calibration, natural: Floats, lags: Sequence[int] = (1,)) -> PredictiveChecks:
    """Posterior predictive checks of the rows that were fitted.

    Equation   discrepancy T(y, θ) = Σ ((y − f(θ))/sd)²; T of replicated data is χ² with one degree a row, so
               p = mean over draws of P(χ²_n > T(y, θ))
    Valid for  independent errors; the same data are used twice, so p is drawn towards ½
    Source     [Gelman1996]_

    Parameters
    ----------
    natural : array of shape (draws, parameters)
        Draws of the free parameters of `calibration`, natural values.
    lags : sequence of int
        Of the autocorrelations, in places of a series.
    """
    from scipy.stats import chi2

    predictions = predict(calibration, natural)
    rows = predictions.table()
    z = (predictions.on_scale(predictions.centres) - predictions.on_scale(calibration.observed)) / predictions.sd
    z = z[np.isfinite(z).all(axis=1)]
    observed = (z**2).sum(axis=1)
    return PredictiveChecks(
        rows=rows,
        coverage_50=float(rows["inside_50"].mean()),
        coverage_90=float(rows["inside_90"].mean()),
        discrepancy=float(observed.mean()),
        p_discrepancy=float(chi2.sf(observed, z.shape[1]).mean()),
        theil=theil_by_series(rows),
        autocorrelation=autocorrelation_by_series(rows, lags),
        failed=predictions.failed,
    )


def theil_by_series(rows: pd.DataFrame) -> pd.DataFrame:
    """Theil's decomposition of every series and statistic with two rows or more, n beside it.

    On the scale of the error: of logarithms where all errors of the series are logarithmic. The last column says
    whether n is below eight, where the shares are weak evidence.
    """
    import pandas as pd

    table = []
    for (series, statistic), group in rows.groupby(["series", "statistic"], sort=True):
        if len(group) < 2:
            continue
        logs = bool((group["error_kind"] == "log").all())
        simulated, observed = group["median"].to_numpy(float), group["observed"].to_numpy(float)
        found = theil(np.log(simulated), np.log(observed)) if logs else theil(simulated, observed)
        mape = theil(simulated, observed).mape
        table.append(
            (series, statistic, "ln" if logs else "value", found.n, found.mse, found.bias, found.variance,
             found.covariance, found.r2, mape, found.n < 8)
        )  # fmt: skip
    head = ["series", "statistic", "scale", "n", "mse", "bias", "variance", "covariance", "r2", "mape", "weak"]
    return pd.DataFrame(table, columns=head)


def autocorrelation_by_series(rows: pd.DataFrame, lags: Sequence[int] = (1,)) -> pd.DataFrame:
    """Autocorrelation of the residuals over stated error, of every series and statistic with three rows or more."""
    import pandas as pd

    table = []
    for (series, statistic), group in rows.groupby(["series", "statistic"], sort=True):
        if len(group) < 3:
            continue
        residuals = (group["error"] / group["sigma"]).to_numpy(float)
        for lag in lags:
            found = autocorrelation(residuals, group["date"].to_numpy(float), lag)
            table.append((series, statistic, found.n, lag, found.value, found.bound, found.enough, found.white))
    head = ["series", "statistic", "n", "lag", "autocorrelation", "bound", "enough", "white"]
    return pd.DataFrame(table, columns=head)
