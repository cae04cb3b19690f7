"""Whether chains have converged: R-hat across independent chains, effective sample size, tail of the weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

LARGEST_R_HAT = 1.01
SMALLEST_ESS = 400.0
LARGEST_K_HAT = 0.7
FEWEST_STEPS = 50
FEWEST_TIMES = 10
FEWEST_DRAWS = 8
COLUMNS = ["quantity", "mean", "sd", "r_hat", "ess_bulk", "ess_tail"]


def convergence_table(chains: Mapping[str, Floats]) -> pd.DataFrame:
    """R-hat and effective sample size of every quantity.

    Parameters
    ----------
    chains : mapping of str to array of shape (chains, draws)
        Chains must be independent of each other: walkers of one ensemble are not.

    Returns
    -------
    pandas.DataFrame
        quantity, mean, sd, r_hat, ess_bulk, ess_tail. The last three are NaN for a quantity that is the same in all
        draws of all chains, and for chains of fewer than 8 draws.

    Notes
    -----
    Rank-normalised split R-hat, and bulk and tail effective sample sizes, of Vehtari, Gelman, Simpson, Carpenter and
    Bürkner 2021, doi:10.1214/20-BA1221, computed by ArviZ.
    """
    import pandas as pd
    from arviz_stats.base import array_stats

    rows = []
    for name, x in chains.items():
        if np.ptp(x) == 0 or x.shape[1] < 8:
            rows.append((name, float(x.mean()), 0.0 if np.ptp(x) == 0 else float(x.std()), *[math.nan] * 3))
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            r_hat = float(array_stats.rhat(x, chain_axis=0, draw_axis=1))
            bulk = float(array_stats.ess(x, chain_axis=0, draw_axis=1))
            tail = float(array_stats.ess(x, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95)))
        rows.append((name, float(x.mean()), float(x.std()), r_hat, bulk, tail))
    return pd.DataFrame(rows, columns=COLUMNS)


def ensemble_table(chains: Mapping[str, Floats]) -> pd.DataFrame:
    """As `convergence_table`, of ensembles whose walkers move by each other's places.

    Equation   R-hat across ensembles, each one chain of all its walkers. The mean over the walkers, F(t), is a chain:
               its effective size gives the Monte Carlo error s of the grand mean, and the effective sample size is
               var(x)/s², x being normal scores of the ranks (bulk), or whether below the 5 % or the 95 % quantile
               (tail, the lesser of the two)
    Source     Goodman and Weare 2010, Commun. Appl. Math. Comput. Sci. 5, 65, section 5, doi:10.2140/camcos.2010.5.65

    Parameters
    ----------
    chains : mapping of str to array of shape (ensembles, steps, walkers)
        Ensembles must be independent of each other. With fewer than 50 steps, or 10 effective ones an ensemble,
        nothing is said: walkers that hardly move are worth no more than the places they began at.
    """
    import pandas as pd
    from arviz_stats.base import array_stats
    from scipy.special import ndtri
    from scipy.stats import rankdata

    rows = []
    for name, x in chains.items():
        if np.ptp(x) == 0 or x.shape[1] < FEWEST_STEPS:
            rows.append((name, float(x.mean()), 0.0 if np.ptp(x) == 0 else float(x.std()), *[math.nan] * 3))
            continue
        scores = ndtri((rankdata(x).reshape(x.shape) - 0.375) / (x.size + 0.25))
        low, high = np.quantile(x, (0.05, 0.95))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            r_hat = float(array_stats.rhat(x.reshape(len(x), -1), chain_axis=0, draw_axis=1))
            bulk, below, above = (_mean_size(y) for y in (scores, (x <= low) * 1.0, (x <= high) * 1.0))
        rows.append((name, float(x.mean()), float(x.std()), r_hat, bulk, min(below, above)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _mean_size(x: Floats) -> float:
    """Independent draws that would give the grand mean as exactly, from (ensembles, steps, walkers)."""
    from arviz_stats.base import array_stats

    means = x.mean(axis=2)
    size = float(array_stats.ess(means, chain_axis=0, draw_axis=1, method="mean"))
    spread = float(means.var())
    return float(x.var()) * size / spread if spread > 0 and size >= FEWEST_TIMES * len(x) else math.nan


def weighted_table(values: Mapping[str, Floats], weights: Floats) -> pd.DataFrame:
    """As `convergence_table`, of independent draws with importance weights.

    Equation   x are normal scores of the weighted ranks, Σw = 1, m = Σw x. The Monte Carlo error of m is
               s² = Σw²(x − m)², the effective sample size (Σw x² − m²)/s² (bulk; for the tails the same of
               whether a draw is below the 5 % or the 95 % quantile, the lesser). R-hat compares the halves of all
               chains: √((n−1)/n + B/W), with B the variance of their means, W the mean of their variances, and n
               the effective number of draws in a half; the larger of that of x and of |x|
    Valid for  weights without a heavy tail, see `k_hat`; with equal weights it is the rank-normalised split R-hat
    Source     Owen 2013, Monte Carlo theory, methods and examples, section 9.3; Vehtari et al. 2021

    Parameters
    ----------
    values : mapping of str to array of shape (chains, draws)
    weights : array of shape (chains, draws)
        Not negative. Draws that are NaN are left out, quantity by quantity.
    """
    import pandas as pd

    rows = []
    for name, given in values.items():
        used = (weights > 0) & np.isfinite(given)
        if not used.any():
            rows.append((name, *[math.nan] * 5))
            continue
        w = np.where(used, weights, 0.0) / weights[used].sum()
        x = np.where(used, given, 0.0)
        mean = float((w * x).sum())
        sd = math.sqrt(max(0.0, float((w * (x - mean) ** 2).sum())))
        if np.ptp(given[used]) == 0 or x.shape[1] < FEWEST_DRAWS:
            rows.append((name, mean, 0.0 if np.ptp(given[used]) == 0 else sd, *[math.nan] * 3))
            continue
        shares = _weighted_ranks(x, w)
        tails = min(_weighted_size((shares <= p).astype(np.float64), w) for p in (0.05, 0.95))
        folded = _weighted_ranks(np.abs(shares - 0.5), w)
        r_hat = max(_weighted_r_hat(_scores(shares), w), _weighted_r_hat(_scores(folded), w))
        rows.append((name, mean, sd, r_hat, _weighted_size(_scores(shares), w), tails))
    return pd.DataFrame(rows, columns=COLUMNS)


def _weighted_ranks(x: Floats, w: Floats) -> Floats:
    """Share of the weight below each value, half of its own included."""
    order = np.argsort(x, axis=None, kind="stable")
    cumulated = np.cumsum(w.ravel()[order])
    shares = np.empty(x.size)
    shares[order] = cumulated - 0.5 * w.ravel()[order]
    return shares.reshape(x.shape)


def _scores(shares: Floats) -> Floats:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(shares, 1e-6, 1 - 1e-6)))


def _weighted_size(x: Floats, w: Floats) -> float:
    mean = float((w * x).sum())
    error = float((w**2 * (x - mean) ** 2).sum())
    return float((w * (x - mean) ** 2).sum()) / error if error > 0 else math.nan


def _weighted_r_hat(x: Floats, w: Floats) -> float:
    half = x.shape[1] // 2
    parts = [(a[:, side], b[:, side]) for a, b in [(x, w)] for side in (slice(0, half), slice(half, 2 * half))]
    values, weights = (np.concatenate(both) for both in zip(*parts, strict=True))
    total = weights.sum(axis=1)
    if not (total > 0).all():
        return math.inf
    share = weights / total[:, None]
    means = (share * values).sum(axis=1)
    sizes = 1 / (share**2).sum(axis=1)
    within = float((((share * (values - means[:, None]) ** 2).sum(axis=1)) * sizes / np.maximum(sizes - 1, 1)).mean())
    n = float(sizes.mean())
    return math.sqrt((n - 1) / n + float(means.var(ddof=1)) / within)


def has_converged(table: pd.DataFrame) -> bool:
    """Whether every quantity has R-hat below 1.01 and effective sample sizes above 400, in bulk and tails.

    What is the same in all chains is let pass: they began at different points. Something has to move.
    """
    moves = table["sd"] != 0
    ess = table[["ess_bulk", "ess_tail"]].min(axis=1, skipna=False)
    good = (table["r_hat"] < LARGEST_R_HAT) & (ess > SMALLEST_ESS)
    return bool(moves.any() and good[moves].all())


def k_hat(log_weights: Floats) -> float:
    """Pareto shape of the largest importance weights: above 0.7 they cannot be trusted.

    Source: Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25(72), computed by ArviZ.
    """
    from arviz_stats.base import array_stats

    finite = log_weights[np.isfinite(log_weights)]
    if finite.size < 25 or np.ptp(finite) < 1e-6:
        return math.nan if finite.size < 25 else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, k = array_stats.psislw(-finite)  # made for leave-one-out, it expects them negated
    return float(k)


def smoothed_weights(log_weights: Floats) -> Floats:
    """Weights of the same shape that sum to one, their largest smoothed by a Pareto tail; zero for -inf.

    Source: Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25(72), computed by ArviZ.
    """
    from arviz_stats.base import array_stats

    finite = np.isfinite(log_weights)
    smooth = log_weights[finite]
    if smooth.size >= 25 and np.ptp(smooth) > 1e-6:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            smooth, _ = array_stats.psislw(-smooth)
    weights = np.zeros(log_weights.shape)
    weights[finite] = np.exp(smooth - smooth.max())
    weights /= weights.sum()
    return weights


def effective_weights(log_weights: Floats) -> float:
    """Effective sample size of importance weights, (Σw)²/Σw²."""
    w = np.exp(log_weights - np.max(log_weights))
    return float(w.sum() ** 2 / (w**2).sum())
