"""Natural experiments with the price of AI service, as likelihoods of the elasticity and its satiation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError, nearest
from jevons.inference.nuisances import Nuisances, Setting, read_nuisances, unit_nodes
from jevons.inference.satiation import Parameters, calibration_file, log_usage

Floats = NDArray[np.float64]

COLUMNS = (
    "event", "experiment", "use", "date", "model", "price_before", "price_after", "price_unit", "own_before",
    "own_after", "own_after_low", "control_before", "control_after", "platform_before", "platform_after",
    "quantity_unit", "own_share", "weeks", "source", "url", "status", "note",
)  # fmt: skip
WEEKS_PER_YEAR = 365.25 / 7


class Experiment(Protocol):
    """What a likelihood of the elasticity must do."""

    @property
    def name(self) -> str: ...
    @property
    def nuisances(self) -> Nuisances: ...
    def given(self, parameters: Parameters, setting: Setting) -> Floats:
        """Log likelihood of each draw at one value of what experiments share."""
        ...


def joint_log_likelihood(experiments: Sequence[Experiment], parameters: Parameters) -> Floats:
    """Log likelihood of each draw, what experiments share integrated out by quadrature.

    If the parameters have a ``usage_adjustment_time``, that is the response time.
    """
    from scipy.special import logsumexp

    n = len(np.asarray(next(iter(parameters.values()))))
    if not experiments:
        return np.zeros(n)
    terms = [
        math.log(w) + np.sum([e.given(parameters, setting) for e in experiments], axis=0)
        for w, setting in experiments[0].nuisances.settings(parameters.get("usage_adjustment_time"))
    ]
    return np.asarray(logsumexp(terms, axis=0))


def _long_run(parameters: Parameters, ratio: Any, slope: float) -> Floats:
    """Logarithm of quantity over that at the reference price: use per user, and adoption of a thin market."""
    adoption = np.asarray(parameters.get("adoption_elasticity", 0.0))
    return np.asarray(log_usage(parameters, ratio) + adoption / slope * (1 - np.asarray(ratio) ** slope))


@dataclass(frozen=True)
class PriceCut:
    """A model whose list price was cut while it stayed the same.

    Equation   β = ln(own growth / growth of others) / (share ln(p before / p after))
               β | D, m ~ N(μ_h/L + m/(1 - D), se² + (0.35/(1 - D))²),    se = placebo sd_h / L,    L = share ln(p/p')
    Valid for  growth that no price explains as at constant price (the placebo); D is the share of the gain that
               other models lost, m the response of the market

    Attributes
    ----------
    response, bias, se : float
        β; its mean and standard error without any response.
    before, after : float
        Price [USD/M tokens].
    weeks : float
        Time since the cut.
    """

    name: str
    response: float
    bias: float
    se: float
    before: float
    after: float
    weeks: float

    def moments(self, m: Any, diversion: Any, event_sd: float) -> tuple[Any, Any]:
        kept = 1 - diversion
        return self.bias + m / kept, np.sqrt(self.se**2 + (event_sd / kept) ** 2)


@dataclass(frozen=True)
class PriceCuts:
    """Same-model price cuts.

    Equation   m = κ r [ln z(p') - ln z(p)] / ln(p/p'),    r = φ + (1 - φ)(1 - exp(-h/τ))
    Valid for  the total elasticity, adoption included. D and κ by quadrature; with φ = 0 and κ = 1 the mean is
               η (1 - exp(-h/τ)), the response of the model's users
    Source     events in ``events.csv``
    """

    events: tuple[PriceCut, ...]
    nuisances: Nuisances
    name: str = "price cuts"

    def expected(self, event: PriceCut, parameters: Parameters, setting: Setting) -> Floats:
        """Response of the market if supply is unrationed."""
        slope = self.nuisances.adoption_slope
        low, high = (p / setting.reference_price for p in (event.after, event.before))
        change = _long_run(parameters, low, slope) - _long_run(parameters, high, slope)
        return np.asarray(setting.reached(event.weeks / WEEKS_PER_YEAR) * change / math.log(event.before / event.after))

    def log_likelihood(self, parameters: Parameters) -> Floats:
        """Log likelihood of each draw."""
        return joint_log_likelihood([self], parameters)

    def given(self, parameters: Parameters, setting: Setting) -> Floats:
        from scipy.special import logsumexp

        points, weights = unit_nodes(3)
        low, high = self.nuisances.unrationed
        expected = [self.expected(event, parameters, setting) for event in self.events]
        terms = []
        for p, w in zip(points, weights, strict=True):
            passed = low + (high - low) * p
            parts = [
                np.interp(np.arcsinh(passed * m), *self._tabulated[i]) for i, m in enumerate(expected)
            ]  # fmt: skip
            terms.append(math.log(w) + np.sum(parts, axis=0))
        return np.asarray(logsumexp(terms, axis=0))

    @cached_property
    def _tabulated(self) -> list[tuple[Floats, Floats]]:
        """Log density of each event's β over asinh of the response of the market."""
        x = np.linspace(math.asinh(-1.0), math.asinh(200.0), 900)
        return [(x, np.log(self.density(event, event.response, np.sinh(x)) + 1e-300)) for event in self.events]

    def density(self, event: PriceCut, response: Any, m: Any) -> Floats:
        """Density of β given the response of the market, diversion integrated out."""
        from scipy.stats import norm

        return self._averaged(event, m, lambda mean, sd: norm.pdf(np.asarray(response)[..., None], mean, sd))

    def cdf(self, event: PriceCut, response: Any, m: Any) -> Floats:
        """Probability of a smaller β given the response of the market."""
        from scipy.stats import norm

        return self._averaged(event, m, lambda mean, sd: norm.cdf(np.asarray(response)[..., None], mean, sd))

    def _averaged(self, event: PriceCut, m: Any, function: Any) -> Floats:
        diversion, weights = self.nuisances.diversion.nodes(16)
        values = function(*event.moments(np.asarray(m)[..., None], diversion, self.nuisances.cut_sd))
        return np.asarray(values @ weights)

    def simulate(self, parameters: Parameters, setting: Setting, rng: np.random.Generator) -> Floats:
        """Responses β, one row a draw, one column an event, from nuisances drawn."""
        n = self.nuisances
        count = len(np.asarray(next(iter(parameters.values()))))
        passed = rng.uniform(*n.unrationed, count)
        columns = []
        for event in self.events:
            diversion = rng.beta(*n.diversion.shape, count)
            market = passed * self.expected(event, parameters, setting) + n.cut_sd * rng.standard_normal(count)
            columns.append(event.bias + market / (1 - diversion) + event.se * rng.standard_normal(count))
        return np.column_stack(columns)


@dataclass(frozen=True)
class FreeToPaid:
    """A model that was free and became paid.

    Attributes
    ----------
    low, high : float
        Bounds of the logarithm of own use before over after; equal where it was measured, infinite where only a
        bound of the use after is known.
    price : float
        Paid price [USD/M tokens].
    weeks : float
        Time for which it was free.
    """

    name: str
    low: float
    high: float
    price: float
    weeks: float


@dataclass(frozen=True)
class FreeToPaidSwitches:
    """Free offers that became paid: demand at price zero is finite.

    Equation   y = a - ln(1 - δ) - cap + ε,    a = r ln[q(0)/q(p)],    ε ~ N(0, 0.7²)
               ln[q(0)/q(p)] = η0 x^sat/sat + η_N x^b/b (power), η0 (1 + s) ln((x + s)/s) (full price),
               Λ s(u) (hump);    x = p/p0
    Valid for  y the fall of the model's own use. Of the demand that remains at the paid price the share δ went
               elsewhere, so a < y: the fall of one model overstates that of demand. Caps hid demand at price zero,
               cap = 0 or exponential. r = 1 reads the offer as demand at zero in the long run, r < 1 as what two
               weeks of it could call up; δ by quadrature, the cap in closed form (exponentially modified normal)
    Source     events in ``events.csv``; the censoring and the leak are interpretations
    """

    events: tuple[FreeToPaid, ...]
    nuisances: Nuisances
    name: str = "free to paid"

    def expected(self, event: FreeToPaid, parameters: Parameters, setting: Setting) -> Floats:
        """Fall of demand for the service, in logarithms."""
        slope, paid = self.nuisances.adoption_slope, event.price / setting.reference_price
        fall = _long_run(parameters, np.zeros_like(paid), slope) - _long_run(parameters, paid, slope)
        return np.asarray(setting.reached(event.weeks / WEEKS_PER_YEAR) * fall)

    def log_likelihood(self, parameters: Parameters) -> Floats:
        """Log likelihood of each draw."""
        return joint_log_likelihood([self], parameters)

    def given(self, parameters: Parameters, setting: Setting) -> Floats:
        parts = [
            np.interp(np.log1p(self.expected(event, parameters, setting)), *self._tabulated[i])
            for i, event in enumerate(self.events)
        ]
        return np.asarray(np.sum(parts, axis=0))

    @cached_property
    def _tabulated(self) -> list[tuple[Floats, Floats]]:
        """Log density, or log probability of the bounds, over ln(1 + a)."""
        x = np.linspace(0.0, math.log1p(600.0), 1200)
        a = np.expm1(x)
        tables = []
        for event in self.events:
            if event.low == event.high:
                values = self.density(event.low, a)
            else:
                above = 1.0 if math.isinf(event.high) else self.cdf(event.high, a)
                values = above - self.cdf(event.low, a)
            tables.append((x, np.log(np.maximum(values, 1e-300))))
        return tables

    def density(self, fall: Any, a: Any) -> Floats:
        """Density of the fall of own use given that of demand."""
        return self._averaged(fall, a, cumulative=False)

    def cdf(self, fall: Any, a: Any) -> Floats:
        """Probability of a smaller fall of own use given that of demand."""
        return self._averaged(fall, a, cumulative=True)

    def _averaged(self, fall: Any, a: Any, cumulative: bool) -> Floats:
        from scipy.special import log_ndtr, ndtr

        n = self.nuisances
        elsewhere, weights = n.elsewhere.nodes(16)
        t = (np.asarray(fall)[..., None] - np.asarray(a)[..., None] + np.log1p(-elsewhere)) / n.switch_sd
        rate = n.switch_sd / n.cap
        tail = np.exp(rate**2 / 2 + rate * t + log_ndtr(-t - rate))
        if cumulative:
            free, capped = ndtr(t), ndtr(t) + tail
        else:
            free, capped = np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) / n.switch_sd, tail / n.cap
        return np.asarray((n.cap_probability * capped + (1 - n.cap_probability) * free) @ weights)

    def simulate(self, parameters: Parameters, setting: Setting, rng: np.random.Generator) -> Floats:
        """Falls of own use, one row a draw, one column an event, from nuisances drawn."""
        n = self.nuisances
        count = len(np.asarray(next(iter(parameters.values()))))
        columns = []
        for event in self.events:
            elsewhere = rng.beta(*n.elsewhere.shape, count)
            cap = rng.exponential(n.cap, count) * (rng.uniform(size=count) < n.cap_probability)
            fall = self.expected(event, parameters, setting) - np.log1p(-elsewhere) - cap
            columns.append(fall + n.switch_sd * rng.standard_normal(count))
        return np.column_stack(columns)


def read_experiments(
    path: str | Path | None = None, nuisances: Nuisances | None = None
) -> tuple[PriceCuts, FreeToPaidSwitches]:
    """The experiments of ``events.csv``, or of another file; rows with ``use`` no are left out.

    Raises
    ------
    CalibrationError
        With every mistake in the file.
    """
    import pandas as pd

    place = calibration_file("events.csv", path)
    priors = nuisances or read_nuisances()
    try:
        table = pd.read_csv(place)
    except (OSError, ValueError) as error:
        raise CalibrationError(f"events {place}", [f"cannot be read ({error})"]) from error
    mistakes = [f"column {c!r} is missing{nearest(c, table.columns)}" for c in COLUMNS if c not in table.columns]
    if mistakes:
        raise CalibrationError(f"events {place}", mistakes)
    rows = table.to_dict("records")
    mistakes = [f"{row['event']}: {mistake}" for row in rows for mistake in _mistakes(row)]
    if mistakes:
        raise CalibrationError(f"events {place}", mistakes)
    used = [row for row in rows if row["use"] == "yes"]
    cuts = tuple(_price_cut(row, priors) for row in used if row["experiment"] == "price_cut")
    switches = tuple(_free_to_paid(row) for row in used if row["experiment"] == "free_to_paid")
    return PriceCuts(cuts, priors), FreeToPaidSwitches(switches, priors)


def _mistakes(row: Mapping[Any, Any]) -> Iterator[str]:
    choices = {
        "experiment": ("price_cut", "free_to_paid"), "use": ("yes", "no"), "status": ("verified", "secondary"),
    }  # fmt: skip
    for column, allowed in choices.items():
        if row[column] not in allowed:
            yield f"{column} {row[column]!r}, expected one of {', '.join(allowed)}{nearest(str(row[column]), allowed)}"
    numbers = ["price_after", "own_before", "own_after", "own_share", "weeks"]
    if row["experiment"] == "price_cut":
        numbers += ["price_before", *(["control_before", "control_after"] if row["use"] == "yes" else [])]
    for column in numbers:
        value = row[column]
        if not isinstance(value, (int, float)) or not 0 < value < math.inf:
            yield f"{column} {value!r}, expected a positive number"
    for column in ("source", "url", "note"):
        if not isinstance(row[column], str):
            yield f"{column} is missing"


def _price_cut(row: Mapping[Any, Any], priors: Nuisances) -> PriceCut:
    weeks, mean, sd = np.array(priors.placebo).T
    length = row["own_share"] * math.log(row["price_before"] / row["price_after"])
    growth = math.log(row["own_after"] / row["own_before"]) - math.log(row["control_after"] / row["control_before"])
    bias, error = (float(np.interp(row["weeks"], weeks, values)) / length for values in (mean, sd))
    return PriceCut(
        row["event"], growth / length, bias, abs(error), row["price_before"], row["price_after"], row["weeks"]
    )


def _free_to_paid(row: Mapping[Any, Any]) -> FreeToPaid:
    low = math.log(row["own_before"] / row["own_after"])
    least = row["own_after_low"]
    high = math.log(row["own_before"] / least) if least > 0 else math.inf
    return FreeToPaid(row["event"], low, high, row["price_after"], row["weeks"])
