"""What is unknown in a calibration besides the model's parameters, and priors as standard normal coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal, Normal
from jevons.inference.history import History, Observation
from jevons.model import Model

Prior = LogNormal | Normal
Floats = NDArray[np.float64]

GROWTH = ("ratio", "log_growth_rate", "log_decline_rate")
"""Statistics from which a constant factor of the measurement drops out."""


@dataclass(frozen=True)
class Nuisance:
    """A free quantity of the measurement rather than of the model.

    Attributes
    ----------
    name : str
    kind : {'bias', 'base', 'noise_scale'}
        ``bias`` b: the sources it applies to publish exp(b) times the truth (normal prior); growth factors and rates
        have none. ``base``: an index is the base times the modelled value (log-normal prior); it applies to rows of
        statistic ``index`` only. ``noise_scale``: multiplies sigma (log-normal prior).
    prior : LogNormal or Normal
    source : str
    family, series : str
        It applies to fitted rows of this family and this series; an empty one means all.
    """

    name: str
    kind: str
    prior: Prior
    source: str
    family: str = ""
    series: str = ""

    def applies(self, row: Observation) -> bool:
        """Whether it concerns a row."""
        if (self.kind == "base" and row.statistic != "index") or (self.kind == "bias" and row.statistic in GROWTH):
            return False
        return (not self.family or row.family == self.family) and (not self.series or row.series == self.series)


@dataclass(frozen=True)
class Condition:
    """The same structure elsewhere, fitted together with the main problem: a country beside the world.

    Attributes
    ----------
    name : str
        Its own parameters are called ``name.parameter``.
    model : Model
        With the values that hold there.
    history : History
    own : mapping of str to LogNormal or Normal
        Parameters that have a value of their own there, with their prior; other free parameters are shared.
    """

    name: str
    model: Model
    history: History
    own: Mapping[str, Prior] = field(default_factory=dict)


def slope(prior: Prior, x: float) -> float:
    """Derivative of `natural`."""
    return prior.sd_log * natural(prior, x) if isinstance(prior, LogNormal) else prior.sd


def natural(prior: Prior, x: float) -> float:
    """Natural value at x prior standard deviations from the centre."""
    if isinstance(prior, LogNormal):
        return prior.median * math.exp(min(prior.sd_log * x, 700.0))
    return prior.mean + prior.sd * x


def naturals(prior: Prior, x: Floats) -> Floats:
    """As `natural`, of many."""
    if isinstance(prior, LogNormal):
        return np.asarray(prior.median * np.exp(np.minimum(prior.sd_log * x, 700.0)))
    return prior.mean + prior.sd * x


def log_mass(low: float, high: float) -> float:
    """Logarithm of the standard normal probability between two ends."""
    from scipy.special import log_ndtr

    if low > 0:
        low, high = -high, -low
    below, above = float(log_ndtr(low)), float(log_ndtr(high))
    return above + math.log1p(-math.exp(below - above))


def coordinate(prior: Prior, value: float) -> float:
    """Inverse of `natural`."""
    if isinstance(prior, LogNormal):
        return math.log(value / prior.median) / prior.sd_log
    return (value - prior.mean) / prior.sd


def possible(prior: Prior, value: float) -> bool:
    """Whether a prior allows a value."""
    return value > 0 or isinstance(prior, Normal)
