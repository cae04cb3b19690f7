"""What natural experiments say of the price elasticity of AI service: priors, reweighted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError, nearest
from jevons.inference.convergence import LARGEST_K_HAT, k_hat, smoothed_weights
from jevons.inference.nuisances import Nuisances, read_nuisances
from jevons.inference.price_events import (
    Experiment,
    FreeToPaidSwitches,
    PriceCuts,
    joint_log_likelihood,
    read_experiments,
)
from jevons.inference.satiation import SHAPES, Stance, read_stances, shape_of, usage_elasticity

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EVIDENCE", "EvidencePosterior", "FreeToPaidSwitches", "ImportanceWeights", "Nuisances", "PriceCuts", "Stance",
    "evidence_posterior", "evidence_table", "read_experiments", "read_nuisances", "read_stances", "weights_for",
]  # fmt: skip

Floats = NDArray[np.float64]

EVIDENCE = ("none", "price cuts", "free to paid", "both")
SATIATION = {"power": "satiation", "full_price": "nonmoney_cost_share", "hump": "elasticity_width"}


@dataclass(frozen=True)
class ImportanceWeights:
    """Weights of draws under a likelihood.

    Attributes
    ----------
    weights : array
        Sum to one; smoothed in the tail by Pareto (Vehtari et al. 2024, JMLR 25).
    ess : float
        Effective number of draws, 1/Σ w².
    k_hat : float
        Shape of the largest weights' Pareto tail; above 0.7 the weights are not to be used. NaN without evidence.
    log_evidence : float
        Logarithm of the mean likelihood over the draws.
    """

    weights: Floats
    ess: float
    k_hat: float
    log_evidence: float

    @property
    def reliable(self) -> bool:
        """Whether the tail of the weights is short enough (or there is no evidence to weigh by)."""
        return math.isnan(self.k_hat) or self.k_hat <= LARGEST_K_HAT

    def mean(self, values: Any) -> float:
        """Weighted mean."""
        return float(self.weights @ np.asarray(values, dtype=float))

    def quantiles(self, values: Any, probabilities: Sequence[float] = (0.5, 0.05, 0.95)) -> Floats:
        """Weighted quantiles, median and 90 % band by default; NaN where the weights are not reliable."""
        if not self.reliable:
            return np.full(len(probabilities), np.nan)
        x = np.asarray(values, dtype=float)
        order = np.argsort(x)
        reached = np.cumsum(self.weights[order]) - 0.5 * self.weights[order]
        found: Floats = np.interp(probabilities, reached, x[order])
        return found


@dataclass(frozen=True)
class EvidencePosterior:
    """Draws of a stance and what evidence makes of them."""

    stance: str
    shape: str
    parameters: Mapping[str, Floats]
    importance: ImportanceWeights


def weights_for(
    draws: Mapping[str, Any] | pd.DataFrame,
    experiments: Sequence[Experiment],
    total_elasticity: Any = None,
) -> ImportanceWeights:
    """Weights of any draws, of a stance or of a fitted model, under the experiments.

    Parameters
    ----------
    draws : mapping or pandas.DataFrame
        Columns of one shape (``usage_price_elasticity`` and ``satiation``, or others in `satiation.SHAPES`).
        Optional: ``adoption_elasticity``; ``usage_adjustment_time`` [yr], else integrated over its prior.
    experiments : sequence
    total_elasticity : array, optional
        Total elasticity at the reference price, of which the part beyond use is adoption.

    Raises
    ------
    CalibrationError
        If a column is missing, of another length or not finite.
    """
    parameters = _columns(draws)
    if total_elasticity is not None:
        total = np.asarray(total_elasticity, dtype=float)
        size = len(usage_elasticity(parameters))
        if total.shape != (size,):
            mistake = f"total_elasticity has shape {total.shape}, expected ({size},)"
            raise CalibrationError("elasticity evidence", [mistake])
        parameters["adoption_elasticity"] = np.maximum(total - usage_elasticity(parameters), 0.0)
    return _weighted(joint_log_likelihood(experiments, parameters), bool(experiments))


def _columns(draws: Mapping[str, Any] | pd.DataFrame) -> dict[str, Floats]:
    names = SHAPES[shape_of(draws)]
    optional = [n for n in ("adoption_elasticity", "usage_adjustment_time") if n in draws]
    found = {n: np.asarray(draws[n], dtype=float) for n in (*names, *optional)}
    length = len(found[names[0]])
    mistakes = [f"{n}: {len(x)} values, expected {length}" for n, x in found.items() if len(x) != length]
    mistakes += [f"{n}: not all values are finite" for n, x in found.items() if not np.isfinite(x).all()]
    if mistakes:
        raise CalibrationError("elasticity evidence", mistakes)
    return found


def _weighted(log_likelihood: Floats, informed: bool) -> ImportanceWeights:
    n = len(log_likelihood)
    if not informed:
        return ImportanceWeights(np.full(n, 1 / n), float(n), math.nan, 0.0)
    top = float(log_likelihood.max())
    weights = smoothed_weights(log_likelihood)
    evidence = top + math.log(float(np.mean(np.exp(log_likelihood - top))))
    return ImportanceWeights(weights, float(1 / (weights @ weights)), k_hat(log_likelihood), evidence)


def evidence_posterior(
    stance: Stance | str,
    experiments: Sequence[Experiment],
    shape: str = "power",
    n: int = 4000,
    seed: int = 0,
) -> EvidencePosterior:
    """Draws of a stance's prior with importance weights under the experiments.

    Source     sampling importance resampling (Rubin 1987) with Pareto smoothing (Vehtari et al. 2024)

    Parameters
    ----------
    stance : Stance or str
        A stance, or the name of one in ``priors.toml``.
    experiments : sequence
        From `read_experiments`; empty for the prior.
    shape : {'power', 'full_price', 'hump'}
    n, seed : int
        Draws of the prior.

    Raises
    ------
    CalibrationError
        If there is no such stance or shape.
    """
    if isinstance(stance, str):
        known = read_stances()
        if stance not in known:
            mistake = f"stance {stance!r}, expected one of {', '.join(known)}{nearest(stance, known)}"
            raise CalibrationError("elasticity evidence", [mistake])
        stance = known[stance]
    parameters = stance.draw(shape, n, seed)
    return EvidencePosterior(stance.name, shape, parameters, weights_for(parameters, experiments))


def chosen(evidence: str, experiments: Sequence[Experiment]) -> list[Experiment]:
    """The experiments that an entry of `EVIDENCE` means."""
    if evidence not in EVIDENCE:
        mistake = f"evidence {evidence!r}, expected one of {', '.join(EVIDENCE)}{nearest(evidence, EVIDENCE)}"
        raise CalibrationError("elasticity evidence", [mistake])
    return [e for e in experiments if evidence in ("both", e.name)]


def evidence_table(
    stances: Mapping[str, Stance] | None = None,
    experiments: Sequence[Experiment] | None = None,
    shapes: Sequence[str] = tuple(SHAPES),
    n: int = 4000,
    seed: int = 0,
) -> pd.DataFrame:
    """Elasticity and satiation before and after the experiments, for each shape and stance.

    Returns
    -------
    pandas.DataFrame
        shape, stance, evidence; median, p05, p95 of the total elasticity at the reference price (about 2025);
        satiation (its name), satiation_median, _p05, _p95; probability_above_one; ess, k_hat, reliable,
        log_evidence. Where k_hat is above 0.7 quantiles and probability are NaN.
    """
    import pandas as pd

    known = read_stances() if stances is None else stances
    given = read_experiments() if experiments is None else experiments
    rows = []
    for shape in shapes:
        for stance in known.values():
            for evidence in EVIDENCE:
                posterior = evidence_posterior(stance, chosen(evidence, given), shape, n, seed)
                w, drawn = posterior.importance, posterior.parameters
                total, satiation = drawn["total_elasticity"], drawn[SATIATION[shape]]
                above = w.mean(total > 1) if w.reliable else math.nan
                rows.append(
                    (shape, stance.name, evidence, *w.quantiles(total), SATIATION[shape], *w.quantiles(satiation),
                     above, w.ess, w.k_hat, w.reliable, w.log_evidence)
                )  # fmt: skip
    head = ["shape", "stance", "evidence", "median", "p05", "p95", "satiation", "satiation_median", "satiation_p05",
            "satiation_p95", "probability_above_one", "ess", "k_hat", "reliable", "log_evidence"]  # fmt: skip
    return pd.DataFrame(rows, columns=head)
