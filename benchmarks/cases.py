"""The three models that are measured, with what is varied and what is reported."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from large_model import large_model
from numpy.typing import NDArray

import jevons as jv

Floats = NDArray[np.float64]

SPREAD = 0.1
"""Standard deviation of the logarithm of what is varied."""


@dataclass(frozen=True)
class Case:
    """A model, its run, the outputs reported and the parameters varied.

    Attributes
    ----------
    times : array
        Reported dates, the first is the model's start.
    outputs, varied : tuple of str
    dt : float
        Step of every fixed-step method; divides the distance of reported dates.
    """

    name: str
    model: jv.Model
    times: Floats
    outputs: tuple[str, ...]
    varied: tuple[str, ...]
    dt: float

    @property
    def start(self) -> float:
        return float(self.times[0])

    @property
    def end(self) -> float:
        return float(self.times[-1])

    @property
    def every(self) -> float:
        return float(self.times[1] - self.times[0])

    @property
    def centre(self) -> Floats:
        """Values of the varied parameters in the model."""
        return np.array([self.model.values[n] for n in self.varied])

    def rows(self, members: int, seed: int = 1) -> Floats:
        """Members: values of the varied parameters, log-normal around those of the model."""
        rng = np.random.default_rng(seed)
        rows: Floats = self.centre * np.exp(SPREAD * rng.standard_normal((members, len(self.varied))))
        return rows

    def params(self, row: Floats) -> Mapping[str, float]:
        return dict(zip(self.varied, row.tolist(), strict=True))


def small() -> Case:
    """Bass diffusion: one stock."""
    model = jv.load("bass")
    outputs = ("adopters", "adoption")
    return Case("small", model, np.arange(31.0), outputs, ("innovation", "imitation", "market"), 1 / 32)


WORLD_VARIED = (
    "conventional_growth", "conventional_growth_decay_time", "conventional_price_elasticity",
    "conventional_intensity_decline", "consolidation_rate", "hyperscale_density", "initial_traditional_pue",
    "traditional_pue_time", "hyperscale_pue", "chip_power_at_reference", "chip_price_at_reference",
    "chip_price_learning", "cluster_overhead", "usage_price_elasticity", "satiation", "imitation",
    "algorithmic_progress_rate", "queue_time", "target_vacancy", "largest_power_growth",
)  # fmt: skip


def world() -> Case:
    """The world model at the shipped fit, 2005 to 2035."""
    outputs = ("dc_electricity", "ai_electricity", "ai_capacity", "service_demand", "pue_fleet")
    return Case("world", jv.load("world"), np.arange(2005.0, 2036.0), outputs, WORLD_VARIED, 1 / 32)


def large() -> Case:
    """A made model of World3's size, 100 units of time."""
    model = large_model()
    sectors = range(4)
    outputs = ("total_output", *(f"capital_{i}" for i in sectors))
    varied = tuple(f"{name}_{i}" for i in sectors for name in ("growth", "life", "saving", "labour_share", "half"))
    return Case("large", model, np.arange(0.0, 101.0, 5.0), outputs, varied, 1 / 8)


CASES = {"small": small, "world": world, "large": large}


@functools.cache
def case(name: str) -> Case:
    """A case by name; built once."""
    return CASES[name]()
