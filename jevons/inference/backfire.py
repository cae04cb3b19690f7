"""Beliefs put in the place of a fit's priors: its draws, weighted, and what becomes of the rebound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal
from jevons.errors import CalibrationError, nearest
from jevons.inference.config import CalibrationConfig
from jevons.inference.convergence import LARGEST_K_HAT, k_hat
from jevons.inference.stored import StoredFit
from jevons.inference.unknowns import Prior
from jevons.model import Model
from jevons.rebound.meter import ReboundMeter

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

SMALLEST_ESS = 100.0
DECIDES = math.log(3)
"""Logarithm of the Bayes factor below which data say nothing of worth (Kass and Raftery 1995)."""
STRENGTHS = ((math.log(150), "very strong"), (math.log(20), "strong"), (DECIDES, "positive"))
UNRELIABLE = "not reliable"
AS_FITTED = "as fitted"


@dataclass(frozen=True)
class Reweighted:
    """Draws of a posterior under other priors.

    Equation   w_i = p_new(θ_i)/p_fit(θ_i); Bayes factor of the new priors against the fit's = mean of w
    Source     importance sampling; reliability by Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25(72)
    Valid for  the same data and likelihood; the mean holds because the draws are from the fit's posterior

    Attributes
    ----------
    weights : array
        Sum to one.
    ess : float
        Effective number of draws, 1/Σ w²; a draw that occurs twice counts once.
    k_hat : float
        Shape of the largest weights' Pareto tail.
    log_bayes_factor : float
        Of the new priors against the fit's; NaN where the weights are not reliable.
    reliable : bool
        Whether the weights have no heavy tail and enough draws carry them; draws that are left as they are need not.
    """

    weights: Floats
    ess: float
    k_hat: float
    log_bayes_factor: float
    reliable: bool

    @property
    def verdict(self) -> str:
        """What the data say of the new priors against the fit's."""
        return verdict(self.log_bayes_factor)

    def probability_above_one(self, rebound: Floats) -> float:
        """P(R > 1) where R is defined; NaN where weights are not reliable or most of them are undefined."""
        defined = ~np.isnan(rebound)
        share = float(self.weights[defined].sum())
        if not self.reliable or share < 0.5:
            return math.nan
        return float(self.weights[defined] @ (rebound[defined] > 1)) / share

    def quantiles(self, values: Floats, probabilities: Sequence[float]) -> list[float]:
        """Weighted quantiles of the defined values; NaN where weights are not reliable or most are undefined."""
        defined = ~np.isnan(values)
        if not self.reliable or self.weights[defined].sum() < 0.5:
            return [math.nan] * len(probabilities)
        return weighted_quantiles(values[defined], self.weights[defined], probabilities)


def weighted_quantiles(values: Floats, weights: Floats, probabilities: Sequence[float]) -> list[float]:
    """Quantiles of weighted values, each standing in the middle of its weight."""
    order = np.argsort(values, kind="stable")
    shares = weights[order] / weights.sum()
    found: Floats = np.interp(probabilities, np.cumsum(shares) - shares / 2, values[order])
    return [float(x) for x in found]


def verdict(log_bayes_factor: float) -> str:
    """A Bayes factor in words: none, or for or against with its strength (Kass and Raftery 1995)."""
    if math.isnan(log_bayes_factor):
        return UNRELIABLE
    size = abs(log_bayes_factor)
    if size < DECIDES:
        return "none"
    strength = next(word for edge, word in STRENGTHS if size >= edge)
    return f"{'for' if log_bayes_factor > 0 else 'against'}, {strength}"


def log_density(prior: Prior, x: Floats) -> Floats:
    """Logarithm of a prior's density at natural values."""
    if isinstance(prior, LogNormal):
        logs = np.log(x)
        z, width = (logs - math.log(prior.median)) / prior.sd_log, prior.sd_log
        return np.asarray(-0.5 * z**2 - math.log(width) - logs - 0.5 * math.log(2 * math.pi))
    z = (np.asarray(x) - prior.mean) / prior.sd
    return np.asarray(-0.5 * z**2 - math.log(prior.sd) - 0.5 * math.log(2 * math.pi))


def reweight(sample: Mapping[str, Floats], base: Mapping[str, Prior], new: Mapping[str, Prior]) -> Reweighted:
    """Weigh draws of a posterior by other priors of some of its parameters.

    Parameters
    ----------
    sample : mapping of str to array of shape (draws,)
        Natural values of the parameters whose prior changes.
    base, new : mapping of str to LogNormal or Normal
        Priors of the fit, and in their place; parameters without a new one keep theirs.

    Raises
    ------
    CalibrationError
        If the fit has no draws or no prior of a parameter, or a draw is impossible under the new prior.
    """
    mistakes = [f"{n!r} has no draws{nearest(n, sample)}" for n in new if n not in sample]
    mistakes += [f"{n!r} has no prior in the fit{nearest(n, base)}" for n in new if n not in base]
    mistakes += [
        f"{n!r}: found a draw of {float(np.min(sample[n])):g}, expected more than 0 for a log-normal prior"
        for n, prior in new.items()
        if n in sample and isinstance(prior, LogNormal) and np.min(sample[n]) <= 0
    ]
    if mistakes:
        raise CalibrationError("other priors", mistakes)
    length = len(next(iter(sample.values())))
    logs = np.zeros(length)
    for name, prior in new.items():
        logs += log_density(prior, sample[name]) - log_density(base[name], sample[name])
    top = float(logs.max())
    raw = np.exp(logs - top)
    weights = raw / raw.sum()
    ess = distinct_draws(sample, weights)
    k = k_hat(logs)
    reliable = not new or (not (math.isnan(k) or k > LARGEST_K_HAT) and ess >= SMALLEST_ESS)
    factor = top + math.log(float(raw.mean())) if reliable else math.nan
    return Reweighted(weights, ess, k, factor, reliable)


def distinct_draws(sample: Mapping[str, Floats], weights: Floats) -> float:
    """Effective number of weighted draws, 1/Σ w²; a draw that occurs twice counts once, with both weights."""
    same = np.unique(np.column_stack(list(sample.values())), axis=0, return_inverse=True)[1].ravel()
    return float(1 / (np.bincount(same, weights) ** 2).sum())


def fitted_priors(config: CalibrationConfig, model: Model, stored: StoredFit) -> dict[str, Prior]:
    """Priors under which a fit was sampled: its variant's, else the calibration's, else the model's."""
    variant = config.variant(str(stored.meta["variant"]))
    own = {n.name: n.prior for n in config.nuisance}
    conditions = {f"{c.name}.{n}": p for c in config.conditions for n, p in c.priors.items()}
    found: dict[str, Prior] = {}
    for name in stored.names:
        parameter = model.parameters.get(name)
        places = (variant.priors.get(name), config.priors.get(name), own.get(name), conditions.get(name))
        prior = next((p for p in places if p is not None), parameter.prior if parameter is not None else None)
        if prior is None or not hasattr(prior, "sd_log" if isinstance(prior, LogNormal) else "sd"):
            raise CalibrationError(f"fit {stored.meta['variant']!r}", [f"found no prior of its parameter {name!r}"])
        found[name] = prior  # type: ignore[assignment]
    return found


def rebounds_by_limit(
    meter: ReboundMeter,
    samples: Sequence[Mapping[str, float]],
    shocks: Sequence[str],
    horizons: Sequence[float],
    lifted: Mapping[str, float],
    threads: int = 2,
) -> dict[str, Floats]:
    """R of every draw with some limits lifted: the same draws, and the changed values in all three runs.

    Parameters
    ----------
    meter : ReboundMeter
    shocks : sequence of str
        Scenarios of the meter.
    horizons : sequence of float
        Horizons of the meter.
    lifted : mapping of str to float
        Values of parameters in place of the draws'.

    Returns
    -------
    dict of str to array of shape (draws, horizons)
        By shock; NaN where R is undefined or a run fails.
    """
    given = [{**sample, **lifted} for sample in samples]
    nothing = [math.nan] * len(horizons)
    return {
        shock: np.array(
            [nothing if m is None else [m.at(h)[0] for h in horizons] for m in meter.measure_all(shock, given, threads)]
        )
        for shock in shocks
    }


def backfire_table(
    rebounds: Mapping[tuple[str, str], Floats],
    horizons: Sequence[float],
    sample: Mapping[str, Floats],
    base: Mapping[str, Prior],
    stances: Mapping[str, Mapping[str, Prior]],
    satiations: Mapping[str, Mapping[str, Prior]],
) -> pd.DataFrame:
    """P(R > 1) by belief about the elasticity, about its satiation, and by power limit.

    Parameters
    ----------
    rebounds : mapping of (shock, power limit) to array of shape (draws, horizons)
        R of every draw; NaN where it is undefined.
    sample : mapping of str to array of shape (draws,)
        Parameters whose prior changes.
    base : mapping of str to prior
        Of the fit.
    stances, satiations : mapping of str to mapping of str to prior
        Priors by belief; every pair of the two is a cell, and one cell more leaves both as fitted.

    Returns
    -------
    pandas.DataFrame
        shock, horizon_years, stance, satiation, power_limit, probability_backfire, rebound, p05, p95, undefined_share,
        ess, k_hat, reliable, log_bayes_factor, verdict. Figures are NaN where the weights are not reliable.
    """
    import pandas as pd

    pairs = [(a, b, {**stances[a], **satiations[b]}) for a in stances for b in satiations]
    cells = [(AS_FITTED, AS_FITTED, reweight(sample, base, {}))]
    cells += [(a, b, reweight(sample, base, priors)) for a, b, priors in pairs]
    rows = []
    for (shock, limit), paths in rebounds.items():
        for k, horizon in enumerate(horizons):
            r = paths[:, k]
            for stance, satiation, w in cells:
                undefined = float(w.weights[np.isnan(r)].sum())
                figures = (w.probability_above_one(r), *w.quantiles(r, (0.5, 0.05, 0.95)))
                rows.append(
                    (shock, horizon, stance, satiation, limit, *figures, undefined, w.ess, w.k_hat, w.reliable,
                     w.log_bayes_factor, w.verdict)
                )  # fmt: skip
    head = ["shock", "horizon_years", "stance", "satiation", "power_limit", "probability_backfire", "rebound", "p05",
            "p95", "undefined_share", "ess", "k_hat", "reliable", "log_bayes_factor", "verdict"]  # fmt: skip
    return pd.DataFrame(rows, columns=head)
