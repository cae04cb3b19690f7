"""Scores of predictive distributions against what was observed, on arrays.

References
----------
.. [Gneiting2007] Gneiting, T., Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and estimation.
   Journal of the American Statistical Association 102(477), 359-378.
.. [Ferro2014] Ferro, C. A. T. (2014). Fair scores for ensemble forecasts. Quarterly Journal of the Royal
   Meteorological Society 140(683), 1917-1923.
.. [Theil1966] Theil, H. (1966). Applied Economic Forecasting. North-Holland.
.. [Sterman1984] Sterman, J. D. (1984). Appropriate summary statistics for evaluating the historical fit of system
   dynamics models. Dynamica 10(2), 51-66.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LEVELS = (0.5, 0.9)
"""Probabilities of the central intervals that are reported."""
SMALLEST_SERIES = 8
"""Residuals below which an autocorrelation is not worth a judgement: the bound is above 0.69 there."""


def crps(draws: ArrayLike, observed: ArrayLike) -> Floats:
    """Continuous ranked probability score of an ensemble; smaller is better, in the unit of the observation.

    Equation   mean|X − y| − Σ_{i≠j} |X_i − X_j| / (2 n (n − 1)), sorted first, so in n log n
    Valid for  independent draws: then its mean is the score of the distribution they come from, for any n ≥ 2
    Source     [Gneiting2007]_, eq. 21; unbiased ("fair") form: [Ferro2014]_

    Parameters
    ----------
    draws : array of shape (n,) or (n, rows)
    observed : float or array of shape (rows,)

    Returns
    -------
    array of shape () or (rows,)
    """
    x = np.sort(np.asarray(draws, dtype=np.float64), axis=0)
    n = len(x)
    if n < 2:
        raise ValueError(f"found {n} draws, expected at least 2")
    weight = (2.0 * np.arange(1, n + 1) - n - 1).reshape((n,) + (1,) * (x.ndim - 1))
    spread = (weight * x).sum(axis=0) / (n * (n - 1))
    distance = np.abs(x - np.asarray(observed, dtype=np.float64)).mean(axis=0)
    return np.asarray(distance - spread, dtype=np.float64)


def normal_crps(mean: ArrayLike, sd: ArrayLike, observed: ArrayLike) -> Floats:
    """Continuous ranked probability score of a normal distribution.

    Equation   sd (w (2 Φ(w) − 1) + 2 φ(w) − 1/√π), w = (y − mean)/sd
    Valid for  sd > 0
    Source     [Gneiting2007]_, eq. 5 (there with the opposite sign)
    """
    from scipy.special import ndtr

    scale = np.asarray(sd, dtype=np.float64)
    w = (np.asarray(observed, dtype=np.float64) - np.asarray(mean, dtype=np.float64)) / scale
    density = np.exp(-(w**2) / 2) / math.sqrt(2 * math.pi)
    return np.asarray(scale * (w * (2 * ndtr(w) - 1) + 2 * density - 1 / math.sqrt(math.pi)), dtype=np.float64)


def log_score(centres: ArrayLike, sd: ArrayLike, observed: ArrayLike) -> Floats:
    """Logarithm of the predictive density at the observation; larger is better.

    Equation   ln (1/n) Σ_i N(y; centre_i, sd): the mixture over parameter draws of the density of the error
    Valid for  normal errors of known sd, on the scale (natural or logarithmic) of centres and observation; the score
               is that of a density on this scale, so scores compare predictors of one row, not rows of several units
    Source     [Gneiting2007]_, section 4.1

    Parameters
    ----------
    centres : array of shape (n,) or (n, rows)
        What each draw predicts before the error.
    sd : float or array of shape (rows,) or (n, rows)
        Where a draw has a scale of noise of its own, one a draw.
    observed : float or array of shape (rows,)
    """
    x, scale = np.asarray(centres, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    exponents = -(((np.asarray(observed, dtype=np.float64) - x) / scale) ** 2) / 2 - np.log(scale)
    largest = exponents.max(axis=0)
    mean = np.exp(exponents - largest).mean(axis=0)
    return np.asarray(largest + np.log(mean) - math.log(2 * math.pi) / 2, dtype=np.float64)


def probability_below(centres: ArrayLike, sd: ArrayLike, observed: ArrayLike) -> Floats:
    """Predictive probability of a value below the observation (its PIT), of the mixture that `log_score` scores."""
    from scipy.special import ndtr

    x = np.asarray(centres, dtype=np.float64)
    w = (np.asarray(observed, dtype=np.float64) - x) / np.asarray(sd, dtype=np.float64)
    return np.asarray(ndtr(w).mean(axis=0), dtype=np.float64)


def with_error(centres: ArrayLike, sd: ArrayLike, points: int = 31) -> Floats:
    """Draws of the observation: every draw of the centre with its error, at equally likely points of a normal.

    Without a random number, so that the intervals of few draws do not depend on a seed.

    Returns
    -------
    array of shape (n · points, ...)
    """
    from scipy.special import ndtri

    x = np.asarray(centres, dtype=np.float64)
    places = ndtri((np.arange(points) + 0.5) / points)
    places = places / math.sqrt(float((places**2).mean()))
    error = places.reshape((points,) + (1,) * x.ndim) * np.asarray(sd, dtype=np.float64)
    return np.asarray((x[None] + error).reshape((points * len(x), *x.shape[1:])), dtype=np.float64)


def interval(draws: ArrayLike, probability: float) -> tuple[Floats, Floats]:
    """Ends of the central interval of a probability, over the first axis."""
    if not 0 < probability < 1:
        raise ValueError(f"found probability {probability!r}, expected more than 0 and less than 1")
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), ((1 - probability) / 2, (1 + probability) / 2), axis=0)
    return np.asarray(low), np.asarray(high)


def coverage(low: ArrayLike, high: ArrayLike, observed: ArrayLike) -> float:
    """Share of the observations inside their intervals; NaN if there is none."""
    y = np.asarray(observed, dtype=np.float64)
    inside = (np.asarray(low) <= y) & (y <= np.asarray(high))
    return float(inside.mean()) if y.size else math.nan


@dataclass(frozen=True)
class Theil:
    """Where the mean squared error of a path comes from.

    Attributes
    ----------
    n : int
        Points; with five or six the shares are weak evidence.
    mse : float
    bias, variance, covariance : float
        Shares of the mean squared error: unequal means, unequal standard deviations, imperfect correlation. NaN if
        there is no error.
    r2 : float
        Squared correlation; NaN if one of the two does not vary.
    mape : float
        Mean absolute error relative to the observation.
    """

    n: int
    mse: float
    bias: float
    variance: float
    covariance: float
    r2: float
    mape: float


def theil(simulated: ArrayLike, observed: ArrayLike) -> Theil:
    """Theil's decomposition of the mean squared error.

    Equation   MSE = (x̄ − ȳ)² + (s_x − s_y)² + 2 s_x s_y (1 − r), standard deviations of the population
    Valid for  two points or more; observations other than zero for the relative error
    Source     [Theil1966]_, ch. 2; [Sterman1984]_
    """
    x, y = np.asarray(simulated, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or x.size < 2:
        raise ValueError(f"found arrays of shape {x.shape} and {y.shape}, expected two of one length of at least 2")
    mse = float(((x - y) ** 2).mean())
    sx, sy = float(x.std()), float(y.std())
    product = float(((x - x.mean()) * (y - y.mean())).mean())
    parts = (float((x.mean() - y.mean()) ** 2), (sx - sy) ** 2, 2 * (sx * sy - product))
    bias, variance, covariance = (part / mse if mse > 0 else math.nan for part in parts)
    r2 = (product / (sx * sy)) ** 2 if sx > 0 and sy > 0 else math.nan
    mape = float(np.abs(x / y - 1).mean()) if (y != 0).all() else math.nan
    return Theil(x.size, mse, bias, variance, covariance, r2, mape)


@dataclass(frozen=True)
class Autocorrelation:
    """Autocorrelation of the residuals of one series.

    Attributes
    ----------
    n : int
    lag : int
        In places of the series, which need not be equally far apart.
    value : float
        NaN with too few residuals to form it.
    bound : float
        95 % of white noise stays within ± this.
    enough : bool
        At least `SMALLEST_SERIES` residuals: with fewer, no value is evidence.
    """

    n: int
    lag: int
    value: float
    bound: float
    enough: bool

    @property
    def white(self) -> bool | None:
        """Whether the value is within the bound; None if there are too few residuals to say."""
        return bool(abs(self.value) <= self.bound) if self.enough else None


def autocorrelation(residuals: ArrayLike, dates: ArrayLike, lag: int = 1) -> Autocorrelation:
    """Autocorrelation of residuals in the order of their dates.

    Equation   Σ (e_t − ē)(e_{t+lag} − ē) / Σ (e_t − ē)²; bound 1.96/√n
    Valid for  large n; its expectation for white noise is about −1/n
    Source     Box, Jenkins: Time Series Analysis (1970), section 2.1.5; Bartlett 1946
    """
    e, t = np.asarray(residuals, dtype=np.float64), np.asarray(dates, dtype=np.float64)
    if e.shape != t.shape or e.ndim != 1:
        raise ValueError(f"found arrays of shape {e.shape} and {t.shape}, expected two of one length")
    if lag < 1:
        raise ValueError(f"found lag {lag}, expected 1 or more")
    e = e[np.argsort(t, kind="stable")]
    e = e - e.mean() if e.size else e
    total = float(e @ e)
    value = float(e[:-lag] @ e[lag:]) / total if e.size > lag and total > 0 else math.nan
    bound = 1.96 / math.sqrt(e.size) if e.size else math.nan
    return Autocorrelation(e.size, lag, value, bound, bool(e.size >= SMALLEST_SERIES and math.isfinite(value)))
