"""What a posterior has learned: from the data, against its priors, and what experiments would add."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal
from jevons.inference.backfire import SMALLEST_ESS, distinct_draws
from jevons.inference.evidence import EVIDENCE, ImportanceWeights, chosen, weights_for
from jevons.inference.price_events import Experiment
from jevons.inference.projection import QUANTILES
from jevons.inference.stored import StoredFit
from jevons.inference.unknowns import Prior

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

KEPT_WIDTH, KEPT_PLACE = 0.9, 0.25
"""A posterior is its prior if it is wider than this share of it, and moved by less than this many of its sd."""
FEWEST_DRAWS = 25
HARDLY_WIDTH, HARDLY_PLACE = 0.6, 1.0


def coordinates(prior: Prior, values: Floats) -> Floats:
    """Prior standard deviations from the prior's centre."""
    if isinstance(prior, LogNormal):
        return np.asarray(np.log(values / prior.median) / prior.sd_log)
    return (np.asarray(values) - prior.mean) / prior.sd


def moved_table(stored: StoredFit, priors: Mapping[str, Prior]) -> pd.DataFrame:
    """Prior and posterior of everything that is free.

    Returns
    -------
    pandas.DataFrame
        parameter, unit, prior, prior_median, prior_sd (of the logarithm if the prior is log-normal), posterior_median,
        posterior_sd, p05, p95; sd_ratio (posterior over prior), shift (of the mean, in prior sd), said: ``the prior``,
        ``hardly moved`` or ``moved``.
    """
    import pandas as pd

    units = dict(zip(stored.parameters["name"], stored.parameters["unit"], strict=True))
    rows = []
    for k, name in enumerate(stored.names):
        prior, values = priors[name], stored.sample[:, k]
        u = coordinates(prior, values)
        centre, width = (prior.median, prior.sd_log) if isinstance(prior, LogNormal) else (prior.mean, prior.sd)
        ratio, shift = float(u.std()), float(u.mean())
        median, low, high = np.quantile(values, (0.5, 0.05, 0.95))
        kind = "log-normal" if isinstance(prior, LogNormal) else "normal"
        rows.append(
            (name, units.get(name, ""), kind, centre, width, median, ratio * width, low, high, ratio, shift,
             how_far(ratio, shift))
        )  # fmt: skip
    head = ["parameter", "unit", "prior", "prior_median", "prior_sd", "posterior_median", "posterior_sd", "p05", "p95",
            "sd_ratio", "shift", "said"]  # fmt: skip
    return pd.DataFrame(rows, columns=head)


def how_far(sd_ratio: float, shift: float) -> str:
    """How far data moved a parameter, in words."""
    if sd_ratio > KEPT_WIDTH and abs(shift) < KEPT_PLACE:
        return "the prior"
    return "hardly moved" if sd_ratio > HARDLY_WIDTH and abs(shift) < HARDLY_PLACE else "moved"


def experiments_table(
    sample: Mapping[str, Floats],
    experiments: Sequence[Experiment],
    total_elasticity: Floats,
    quantities: Mapping[str, Floats],
    rebound: Floats,
) -> pd.DataFrame:
    """A posterior before and after natural experiments with the price, by importance weights.

    Parameters
    ----------
    sample : mapping of str to array of shape (draws,)
        With the parameters of one shape of satiation (see `weights_for`).
    total_elasticity : array of shape (draws,)
        At the reference price.
    quantities : mapping of str to array of shape (draws,)
        What is reported besides; a draw with a NaN among these and the elasticity is left out.
    rebound : array of shape (draws,)
        R, NaN where it is undefined: P(R > 1) is of the others.

    Returns
    -------
    pandas.DataFrame
        evidence, quantity, median, p05, p25, p75, p95, ess, k_hat, reliable, log_evidence. ``probability_backfire`` has
        its value in median and no bands. NaN where the weights are not reliable.
    """
    import pandas as pd

    shown = {"total_elasticity": np.asarray(total_elasticity, dtype=float), **quantities}
    good = np.isfinite(np.column_stack(list(shown.values()))).all(axis=1)
    draws = {name: values[good] for name, values in sample.items()}
    shown, r = {name: values[good] for name, values in shown.items()}, rebound[good]
    defined = ~np.isnan(r)
    rows: list[tuple[object, ...]] = []
    for evidence in EVIDENCE:
        w = _weights(draws, chosen(evidence, experiments), shown["total_elasticity"])
        ess = distinct_draws(draws, w.weights)
        usable = evidence == EVIDENCE[0] or (w.reliable and ess >= SMALLEST_ESS)
        last = (ess, w.k_hat, usable, w.log_evidence)
        for name, values in shown.items():
            rows.append((evidence, name, *_quantiles(w, values, usable), *last))
        share = float(w.weights[defined].sum())
        probability, bands = math.nan, (math.nan,) * len(QUANTILES)
        if usable and share >= 0.5:
            probability = float(w.weights[defined] @ (r[defined] > 1)) / share
            part = ImportanceWeights(w.weights[defined] / share, ess, w.k_hat, w.log_evidence)
            bands = _quantiles(part, r[defined], usable)
        rows.append((evidence, "rebound", *bands, *last))
        rows.append((evidence, "probability_backfire", probability, *[math.nan] * (len(QUANTILES) - 1), *last))
    head = ["evidence", "quantity", "median", "p05", "p25", "p75", "p95", "ess", "k_hat", "reliable", "log_evidence"]
    return pd.DataFrame(rows, columns=head)


def _weights(sample: Mapping[str, Floats], experiments: Sequence[Experiment], total: Floats) -> ImportanceWeights:
    """As `weights_for`; draws too few for the tail of their weights to be looked at are left equal."""
    if total.size < FEWEST_DRAWS:
        return ImportanceWeights(np.full(total.size, 1 / max(total.size, 1)), float(total.size), math.nan, math.nan)
    return weights_for(sample, experiments, total)


def _quantiles(w: ImportanceWeights, values: Floats, usable: bool) -> tuple[float, ...]:
    return tuple(w.quantiles(values, QUANTILES).tolist()) if usable else (math.nan,) * len(QUANTILES)
