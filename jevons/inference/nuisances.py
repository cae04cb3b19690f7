"""What stands between an experiment with prices and the elasticity, with priors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal
from jevons.inference.satiation import Entries, calibration_file

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BetaPrior:
    """Prior of a share, by mean and standard deviation."""

    mean: float
    sd: float

    @property
    def shape(self) -> tuple[float, float]:
        size = self.mean * (1 - self.mean) / self.sd**2 - 1
        return self.mean * size, (1 - self.mean) * size

    def nodes(self, n: int) -> tuple[Floats, Floats]:
        """Points and weights: Gauss-Legendre in probability."""
        from scipy.stats import beta

        p, w = unit_nodes(n)
        return np.asarray(beta.ppf(p, *self.shape)), w


def unit_nodes(n: int) -> tuple[Floats, Floats]:
    """Points and weights of Gauss-Legendre quadrature on 0 to 1."""
    x, w = np.polynomial.legendre.leggauss(n)
    return (x + 1) / 2, w / 2


@dataclass(frozen=True)
class Setting:
    """Nuisances that all experiments share, at one value each."""

    response_time: Any
    immediate_share: Any
    reference_price: Any

    def reached(self, years: float) -> Any:
        """Share of the long-run response that shows after some time: φ + (1 - φ)(1 - exp(-h/τ))."""
        slow = -np.expm1(-years / self.response_time)
        return self.immediate_share + (1 - self.immediate_share) * slow


@dataclass(frozen=True)
class Nuisances:
    """Priors of what stands between an experiment and the elasticity; sources in ``priors.toml``.

    Attributes
    ----------
    response_time : LogNormal
        Time in which users of the platform adjust [yr].
    immediate_share : tuple of float
        Range of the share of the response that needs no redesign.
    reference_price : LogNormal
        Price per token that stands for the reference price [USD/M tokens].
    diversion, elsewhere : BetaPrior
        Share of the gain taken from other models; share of the remaining demand that went elsewhere.
    unrationed : tuple of float
        Range of the share of demand that supply let through.
    """

    response_time: LogNormal
    immediate_share: tuple[float, float]
    reference_price: LogNormal
    adoption_slope: float
    diversion: BetaPrior
    unrationed: tuple[float, float]
    cut_sd: float
    placebo: tuple[tuple[float, float, float], ...]
    elsewhere: BetaPrior
    cap_probability: float
    cap: float
    switch_sd: float

    def settings(self, response_time: Any = None) -> Iterator[tuple[float, Setting]]:
        """Quadrature over what is shared: weights and values; a response time given is not integrated over."""
        from scipy.stats import norm

        times = [(1.0, response_time)]
        if response_time is None:
            p, w = unit_nodes(8)
            t = self.response_time
            times = list(zip(w, t.median * np.exp(t.sd_log * norm.ppf(p)), strict=True))
        # dense near zero, where demand that hardly satiates needs it: φ = low + (high - low) t³
        t_nodes, w = unit_nodes(12)
        low, high = self.immediate_share
        shares = list(zip(3 * t_nodes**2 * w, low + (high - low) * t_nodes**3, strict=True))
        z, wz = np.polynomial.hermite_e.hermegauss(3)
        prices = self.reference_price.median * np.exp(self.reference_price.sd_log * z)
        for wt, tau in times:
            for ws, share in shares:
                for wp, price in zip(wz / wz.sum(), prices, strict=True):
                    yield float(wt * ws * wp), Setting(tau, float(share), float(price))

    def draw(self, n: int, rng: np.random.Generator) -> Setting:
        """Draws of what is shared."""
        time, price = (
            p.median * np.exp(p.sd_log * rng.standard_normal(n)) for p in (self.response_time, self.reference_price)
        )
        return Setting(time, rng.uniform(*self.immediate_share, n), price)


def read_nuisances(path: str | Path | None = None) -> Nuisances:
    """The nuisances of ``priors.toml``, or of another file; `CalibrationError` with every mistake."""
    e = Entries(calibration_file("priors.toml", path))
    placebo = e.entry("price_cut", "placebo")
    columns = [placebo.get(key) for key in ("weeks", "mean", "sd")]
    rows: tuple[tuple[float, float, float], ...] = ()
    if any(not isinstance(c, list) or len(c) != len(placebo.get("weeks", ())) for c in columns):
        e.mistakes.append("price_cut.placebo: expected lists weeks, mean and sd of one length")
    else:
        rows = tuple((float(h), float(m), float(s)) for h, m, s in zip(*columns, strict=True))

    def beta(table: str, name: str) -> BetaPrior:
        mean, sd = e.numbers(table, name, ("mean", "sd"))
        if not 0 < mean < 1 or sd**2 >= mean * (1 - mean):
            e.mistakes.append(f"{table}.{name}: mean {mean:g}, sd {sd:g}, expected those of a share")
        return BetaPrior(mean, sd)

    def bounds(table: str, name: str) -> tuple[float, float]:
        low, high = e.numbers(table, name, ("low", "high"))
        if not low <= high:
            e.mistakes.append(f"{table}.{name}: low {low:g} above high {high:g}")
        return low, high

    def value(table: str, name: str) -> float:
        return e.numbers(table, name, ("value",))[0]

    found = Nuisances(
        e.lognormal("shared", "response_time"), bounds("shared", "immediate_share"),
        e.lognormal("shared", "reference_price"), value("shared", "adoption_slope"), beta("price_cut", "diversion"),
        bounds("price_cut", "unrationed"), value("price_cut", "event_sd"), rows, beta("free_to_paid", "elsewhere"),
        value("free_to_paid", "cap_probability"), value("free_to_paid", "cap"), value("free_to_paid", "event_sd"),
    )  # fmt: skip
    e.check()
    return found
