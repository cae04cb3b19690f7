"""A calibration problem: model, history, free parameters; residuals of data and priors.

Search happens in prior standard deviations (of the logarithm for positive parameters); every number that leaves
this module is natural.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal, Normal
from jevons.errors import CalibrationError, JevonsError, nearest
from jevons.inference.history import History, Observation
from jevons.model import Model
from jevons.simulation import Member, Simulation
from jevons.units import UnitMismatch, convert

Floats = NDArray[np.float64]

EVERY = 0.125
DIFFERENCE = 1e-6
BOUND = 4.0
"""Parameters are searched within this many prior standard deviations."""


@dataclass(frozen=True)
class Measurement:
    """How one observation is computed from a run: weights on the reported dates of one output."""

    column: int
    weights: Floats
    reference: Floats
    statistic: str
    span: float

    def value(self, outputs: Floats) -> float:
        """Modelled value of the observation, from outputs of shape (dates, outputs)."""
        column = outputs[:, self.column]
        now = float(self.weights @ column)
        if self.statistic in ("annual", "at"):
            return now
        then = float(self.reference @ column)
        if self.statistic == "since":
            return now - then
        if self.statistic == "slope":
            return (now - then) / self.span
        if then == 0 or now / then <= 0:
            return math.nan
        if self.statistic == "ratio":
            return now / then
        rate = math.log(now / then) / self.span
        return rate if self.statistic == "log_growth_rate" else -rate

    def derivative(self, outputs: Floats, jacobian: Floats) -> Floats:
        """Derivative of `value`, from the outputs' derivatives of shape (dates, outputs, parameters)."""
        column, slopes = outputs[:, self.column], jacobian[:, self.column]
        now_slope: Floats = self.weights @ slopes
        if self.statistic in ("annual", "at"):
            return now_slope
        then_slope: Floats = self.reference @ slopes
        if self.statistic in ("since", "slope"):
            span = self.span if self.statistic == "slope" else 1.0
            return (now_slope - then_slope) / span
        now, then = float(self.weights @ column), float(self.reference @ column)
        relative: Floats = now_slope / now - then_slope / then
        if self.statistic == "ratio":
            return relative * (now / then)
        return relative / (self.span if self.statistic == "log_growth_rate" else -self.span)


def date_weights(times: Floats, date: float) -> Floats:
    """Weights of cubic interpolation at a date."""
    weights = np.zeros(times.size)
    nearest_place = int(np.argmin(np.abs(times - date)))
    if abs(times[nearest_place] - date) < 1e-9:
        weights[nearest_place] = 1.0
        return weights
    first = int(np.clip(np.searchsorted(times, date) - 2, 0, times.size - 4))
    x = times[first : first + 4]
    for i in range(4):
        weights[first + i] = np.prod([(date - x[j]) / (x[i] - x[j]) for j in range(4) if j != i])
    return weights


def year_weights(times: Floats, year: float) -> Floats:
    """Weights of Simpson's mean over the year from a date that is among the times."""
    weights = np.zeros(times.size)
    first, last = (int(np.argmin(np.abs(times - t))) for t in (year, year + 1))
    n = last - first
    if n < 2 or n % 2 or abs(times[first] - year) > 1e-9 or abs(times[last] - year - 1) > 1e-9:
        raise ValueError(f"the year from {year:g} is not among the reported dates")
    weights[first : last + 1] = 2.0
    weights[first + 1 : last : 2] = 4.0
    weights[[first, last]] = 1.0
    result: Floats = weights / (3.0 * n)
    return result


def measurement(row: Observation, times: Floats, columns: Sequence[str]) -> Measurement:
    """The measurement of an observation on a grid of dates."""
    by_year = row.statistic in ("annual", "ratio")
    weights = year_weights if by_year else date_weights
    reference = np.zeros(times.size)
    if not math.isnan(row.reference_date):
        reference = weights(times, row.reference_date)
    return Measurement(
        columns.index(row.variable),
        weights(times, row.date),
        reference,
        row.statistic,
        row.date - row.reference_date,
    )


class Calibration:
    """A model, what is known of the past, and which parameters are free.

    Parameters
    ----------
    model : Model
    history : History
        Rows of role ``fit`` are used, those of `variant` if given.
    free : sequence of str
        Free parameters; each needs a `LogNormal` or `Normal` prior. All others keep the model's value.
    variant : str, optional
    until : str, optional
        Use only what was known by the end of this month, ``"2023-12"``.
    derivatives : {'exact', 'differences'}
        Exact derivatives of the discrete solution, or forward differences (for comparison).

    Attributes
    ----------
    evaluations, gradients, failures : int
        Runs so far, runs with exact derivatives so far, and how many of all failed.

    Raises
    ------
    CalibrationError
        With every mistake found.
    """

    def __init__(
        self,
        model: Model,
        history: History,
        free: Sequence[str],
        *,
        variant: str | None = None,
        until: str | None = None,
        threads: int = 2,
        derivatives: str = "exact",
    ) -> None:
        if derivatives not in ("exact", "differences"):
            raise JevonsError(f"derivatives {derivatives!r}, expected 'exact' or 'differences'")
        self.model, self.variant, self.until, self.derivatives = model, variant, until, derivatives
        self.history = history
        self.rows = history.select("fit", variant, until)
        self.free = tuple(free)
        _check(model, self.rows, self.free)
        self.priors = [model.parameters[name].prior for name in self.free]
        self._factor = [unit_factor(model, row) for row in self.rows]
        self.observed = np.array([row.value * f for row, f in zip(self.rows, self._factor, strict=True)])
        last = max(d for row in self.rows for d in (row.date, row.reference_date) if not math.isnan(d))
        times = np.arange(model.start, math.ceil(last) + 1 + EVERY / 2, EVERY)
        columns = tuple(dict.fromkeys(row.variable for row in self.rows))
        self.runner = Simulation(model, times, columns)
        self.measurements = [measurement(row, times, columns) for row in self.rows]
        self._free_places = self.runner.places(self.free)
        self.threads = threads
        self.evaluations = self.gradients = self.failures = 0
        self._counting = threading.Lock()

    def natural(self, u: Floats) -> Floats:
        """Parameter values from search coordinates."""
        return np.array([_natural(prior, x) for prior, x in zip(self.priors, u, strict=True)])

    def coordinates(self, values: Mapping[str, float]) -> Floats:
        """Search coordinates (prior standard deviations from the centre) of parameter values."""
        return np.array([_coordinate(prior, values[name]) for name, prior in zip(self.free, self.priors, strict=True)])

    def values(self, u: Floats) -> dict[str, float]:
        """Free parameters by name."""
        return dict(zip(self.free, self.natural(u).tolist(), strict=True))

    def vector(self, u: Floats) -> Floats:
        """All parameters of the model at search coordinates."""
        p = self.runner.base.copy()
        p[self._free_places] = self.natural(u)
        return p

    def modelled(self, u: Floats) -> Floats:
        """Modelled value of every row; all NaN where the run fails, which is counted."""
        member = self.runner.run_vector(self.vector(u))
        self._count(member, "evaluations")
        if not member.status.ok:
            return np.full(len(self.rows), math.nan)
        return np.array([m.value(member.values) for m in self.measurements])

    def _count(self, member: Member, kind: str) -> None:
        with self._counting:
            setattr(self, kind, getattr(self, kind) + 1)
            self.failures += not member.status.ok

    def data_residuals(self, u: Floats) -> Floats:
        """Distance of model and data in standard errors, one a row."""
        return self.standardised(self.modelled(u))

    def standardised(self, modelled: Floats) -> Floats:
        """(model − data)/sigma, in logarithms where the error is logarithmic."""
        z = np.empty(len(self.rows))
        for i, row in enumerate(self.rows):
            if row.sigma_kind == "log":
                ratio = modelled[i] / self.observed[i]
                z[i] = math.log(ratio) / row.sigma if ratio > 0 else math.nan
            else:
                z[i] = (modelled[i] - self.observed[i]) / (row.sigma * self._factor[i])
        return z

    def residuals(self, u: Floats) -> Floats:
        """Data residuals followed by prior residuals."""
        return np.concatenate([self.data_residuals(u), u])

    def jacobian(self, u: Floats) -> Floats:
        """Derivative of the residuals of data and priors."""
        data = self._exact(u) if self.derivatives == "exact" else self._differences(u)
        return np.vstack([data, np.eye(u.size)])

    def _exact(self, u: Floats) -> Floats:
        member, slopes = self.runner.gradient_vector(self.vector(u), self.free)
        self._count(member, "gradients")
        if not member.status.ok:
            return np.full((len(self.rows), u.size), math.nan)
        natural = np.array([_slope(prior, x) for prior, x in zip(self.priors, u, strict=True)])
        rows = []
        for m, row, factor in zip(self.measurements, self.rows, self._factor, strict=True):
            size = m.value(member.values) * row.sigma if row.sigma_kind == "log" else row.sigma * factor
            rows.append(m.derivative(member.values, slopes) * natural / size)
        return np.array(rows)

    def _differences(self, u: Floats) -> Floats:
        centre = self.data_residuals(u)

        def column(j: int) -> Floats:
            moved = u.copy()
            moved[j] += DIFFERENCE
            result: Floats = (self.data_residuals(moved) - centre) / DIFFERENCE
            return result

        return np.column_stack([column(j) for j in range(u.size)])


def _slope(prior: object, x: float) -> float:
    """Derivative of `_natural`."""
    if isinstance(prior, LogNormal):
        return prior.sd_log * _natural(prior, x)
    assert isinstance(prior, Normal)
    return prior.sd


def _natural(prior: object, x: float) -> float:
    if isinstance(prior, LogNormal):
        return prior.median * math.exp(prior.sd_log * x)
    assert isinstance(prior, Normal)
    return prior.mean + prior.sd * x


def _coordinate(prior: object, value: float) -> float:
    if isinstance(prior, LogNormal):
        return math.log(value / prior.median) / prior.sd_log
    assert isinstance(prior, Normal)
    return (value - prior.mean) / prior.sd


def unit_factor(model: Model, row: Observation) -> float:
    """What a row's value is multiplied by to be in the model's unit."""
    if row.statistic == "ratio":
        return convert(1.0, row.unit, "1")
    if row.statistic in ("log_growth_rate", "log_decline_rate"):
        return convert(1.0, row.unit, f"1/{model.time_unit}")
    unit = model.unit(row.variable)
    return convert(1.0, row.unit, f"({unit})/{model.time_unit}" if row.statistic == "slope" else unit)


def _off_grid(since_start: float) -> bool:
    return abs(since_start / EVERY - round(since_start / EVERY)) > 1e-9


def _check(model: Model, rows: History, free: Sequence[str]) -> None:
    mistakes = []
    if not len(rows):
        mistakes.append("no row to fit: expected history rows of role 'fit' for this variant and date")
    for name in free:
        if name not in model.parameters:
            mistakes.append(f"free parameter {name!r} is not in the model{nearest(name, model.parameters)}")
        elif not isinstance(model.parameters[name].prior, (LogNormal, Normal)):
            mistakes.append(f"free parameter {name!r}: needs a LogNormal or Normal prior")
    repeated = {n for n in free if list(free).count(n) > 1}
    mistakes += [f"free parameter {n!r} is listed more than once" for n in sorted(repeated)]
    outputs = [n for n in model.elements if n not in model.parameters]
    for row in rows:
        if row.variable not in outputs:
            mistakes.append(
                f"{row.label}: variable {row.variable!r} is not in the model{nearest(row.variable, outputs)}"
            )
            continue
        try:
            unit_factor(model, row)
        except UnitMismatch as mismatch:
            mistakes.append(f"{row.label}: {mismatch}")
        dates = [d for d in (row.date, row.reference_date) if not math.isnan(d)]
        if min(dates) < model.start:
            mistakes.append(f"{row.label}: before the model's start, {model.start:g}")
        if row.statistic in ("annual", "ratio") and any(_off_grid(d - model.start) for d in dates):
            mistakes.append(f"{row.label}: a year must begin a multiple of {EVERY:g} after the model's start")
    if mistakes:
        raise CalibrationError(f"calibration of {model.name!r}", mistakes)
