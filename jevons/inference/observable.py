"""Observables: what a published figure says of a run, as a function of reported outputs, and its derivative."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jevons.inference.history import Observation
from jevons.model import Model
from jevons.run_settings import FIXED, choose
from jevons.simulation import Simulation
from jevons.units import convert

Floats = NDArray[np.float64]

EVERY = 0.125
"""Distance of the dates that a run reports to its observables."""
ON_STEP = 1e-6
"""Share of a step by which a date may miss it."""


@dataclass(frozen=True)
class Measurement:
    """How one observation is computed from a run: weights on the reported dates of an output, or of a ratio of two.

    Attributes
    ----------
    column, denominator : int
        Outputs; a denominator of -1 is none.
    weights, reference : array of shape (dates,)
        Of the date and of the reference date.
    """

    column: int
    denominator: int
    weights: Floats
    reference: Floats
    statistic: str
    span: float

    def value(self, outputs: Floats) -> float:
        """Modelled value of the observation, from outputs of shape (dates, outputs)."""
        now = self._level(self.weights, outputs)
        if self.statistic in ("annual", "at", "index"):
            return now
        then = self._level(self.reference, outputs)
        if self.statistic == "since":
            return now - then
        if self.statistic == "slope":
            return (now - then) / self.span
        if then == 0 or not now / then > 0:
            return math.nan
        if self.statistic == "ratio":
            return now / then
        rate = math.log(now / then) / self.span
        return rate if self.statistic == "log_growth_rate" else -rate

    def values(self, outputs: Floats) -> Floats:
        """As `value`, of many runs: outputs of shape (runs, dates, outputs)."""
        now = self._levels(self.weights, outputs)
        if self.statistic in ("annual", "at", "index"):
            return now
        then = self._levels(self.reference, outputs)
        if self.statistic in ("since", "slope"):
            return now - then if self.statistic == "since" else (now - then) / self.span
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = now / then
        factor[~((factor > 0) & (then != 0))] = math.nan
        if self.statistic == "ratio":
            return factor
        return np.log(factor) / (self.span if self.statistic == "log_growth_rate" else -self.span)

    def _levels(self, weights: Floats, outputs: Floats) -> Floats:
        places = np.flatnonzero(weights)
        level: Floats = np.asarray(outputs[:, places, self.column] @ weights[places])
        if self.denominator < 0:
            return level
        below = outputs[:, places, self.denominator] @ weights[places]
        quotient: Floats = np.divide(level, below, out=np.full(level.shape, math.nan), where=below != 0)
        return quotient

    def _level(self, weights: Floats, outputs: Floats) -> float:
        level = float(weights @ outputs[:, self.column])
        if self.denominator < 0:
            return level
        below = float(weights @ outputs[:, self.denominator])
        return level / below if below != 0 else math.nan

    def derivative(self, outputs: Floats, jacobian: Floats) -> Floats:
        """Derivative of `value`, from the outputs' derivatives of shape (dates, outputs, parameters)."""
        if math.isnan(self.value(outputs)):
            return np.full(jacobian.shape[2], math.nan)
        now_slope = self._level_slope(self.weights, outputs, jacobian)
        if self.statistic in ("annual", "at", "index"):
            return now_slope
        then_slope = self._level_slope(self.reference, outputs, jacobian)
        if self.statistic in ("since", "slope"):
            span = self.span if self.statistic == "slope" else 1.0
            return (now_slope - then_slope) / span
        now, then = self._level(self.weights, outputs), self._level(self.reference, outputs)
        relative: Floats = now_slope / now - then_slope / then
        if self.statistic == "ratio":
            return relative * (now / then)
        return relative / (self.span if self.statistic == "log_growth_rate" else -self.span)

    def _level_slope(self, weights: Floats, outputs: Floats, jacobian: Floats) -> Floats:
        slope: Floats = weights @ jacobian[:, self.column]
        if self.denominator < 0:
            return slope
        below = float(weights @ outputs[:, self.denominator])
        level = float(weights @ outputs[:, self.column]) / below
        return (slope - level * (weights @ jacobian[:, self.denominator])) / below


@dataclass(frozen=True)
class Part:
    """One condition of a calibration made ready to run; `parameters` maps the calibration's names to the model's."""

    runner: Simulation
    measurements: tuple[Measurement, ...]
    parameters: Mapping[str, str]
    rows: slice


def part_of(
    model: Model,
    rows: Sequence[Observation],
    parameters: Mapping[str, str],
    first: int,
    method: str | None = None,
    dt: float | None = None,
) -> Part:
    """The part for some rows, the first of which has this place among all.

    A model with settings runs by them unless `method` or `dt` say otherwise; a row between two of its steps is compared
    with the straight line from one to the other.
    """
    columns = tuple(dict.fromkeys(name for row in rows for name in row.variables)) or tuple(model.stocks)[:1]
    method = run_method(model, method)
    times = _dates_between_steps(model, rows, method, dt)
    stepped = times is not None
    if times is None:
        given = (d for row in rows for d in (row.date, row.reference_date) if not math.isnan(d))
        last = max(given, default=model.start + 1)
        times = np.arange(model.start, math.ceil(last) + 1 + EVERY / 2, EVERY)
    measures = tuple(measurement(row, times, columns, stepped) for row in rows)
    runner = Simulation(model, times, columns, method=method, dt=dt)
    return Part(runner, measures, parameters, slice(first, first + len(rows)))


def run_method(model: Model, method: str | None) -> str | None:
    """The method of a calibration's runs: derivatives need fixed steps, so RK4 stands for an adaptive one."""
    return "RK4" if method is None and model.settings and model.settings.method not in FIXED else method


def _dates_between_steps(
    model: Model, rows: Sequence[Observation], method: str | None, dt: float | None
) -> Floats | None:
    """Steps on either side of every date, of a model that is stepped over a grid; None for means over years."""
    if model.settings is None or not rows or any(by_year(row) for row in rows):
        return None
    p = np.array([parameter.value for parameter in model.parameters.values()])
    chosen = choose(model.settings, method, dt, None, FIXED, "RK4").tied(tuple(model.parameters), p, None)
    wanted = np.unique([d for row in rows for d in (row.date, row.reference_date) if not math.isnan(d)])
    last = float(wanted[-1])
    if chosen.dates is None:
        last = max(last, model.start) + chosen.dt
    nodes = chosen.grid(model.start, np.array([last])).dates
    k = np.clip(np.searchsorted(nodes, wanted), 1, nodes.size - 1)
    near = np.where(wanted - nodes[k - 1] < nodes[k] - wanted, k - 1, k)
    on_step = np.abs(nodes[near] - wanted) <= ON_STEP * (nodes[k] - nodes[k - 1])
    between = k[~on_step]
    found: Floats = nodes[np.unique(np.concatenate([near[on_step], between - 1, between]))]
    return found


def step_weights(times: Floats, date: float) -> Floats:
    """Weights of the step at a date, or of the straight line between those on either side of it."""
    weights = np.zeros(times.size)
    k = int(np.searchsorted(times, date))
    if 0 < k < times.size:
        share = (date - times[k - 1]) / (times[k] - times[k - 1])
        share = float(round(share)) if min(share, 1 - share) <= ON_STEP else share
        weights[k - 1 : k + 1] = 1 - share, share
    else:
        weights[min(k, times.size - 1)] = 1.0
    return weights


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


def by_year(row: Observation) -> bool:
    """Whether an observation compares means over years rather than values at dates."""
    return row.statistic in ("annual", "ratio", "index")


def measurement(row: Observation, times: Floats, columns: Sequence[str], stepped: bool = False) -> Measurement:
    """The measurement of an observation on a grid of dates, which are steps of the run if `stepped`."""
    weights = year_weights if by_year(row) else step_weights if stepped else date_weights
    reference = np.zeros(times.size)
    if not math.isnan(row.reference_date):
        reference = weights(times, row.reference_date)
    names = row.variables
    return Measurement(
        columns.index(names[0]),
        columns.index(names[1]) if len(names) > 1 else -1,
        weights(times, row.date),
        reference,
        row.statistic,
        row.date - row.reference_date,
    )


def unit_factor(model: Model, row: Observation) -> float:
    """What a row's value is multiplied by to be in the model's unit; 1 for an index, whose base is free.

    Units that the model does not check are text: its rows are in its own.
    """
    if row.statistic == "index" or not model.check_units:
        return 1.0
    if row.statistic == "ratio":
        return convert(1.0, row.unit, "1")
    if row.statistic in ("log_growth_rate", "log_decline_rate"):
        return convert(1.0, row.unit, f"1/{model.time_unit}")
    unit = observed_unit(model, row)
    return convert(1.0, row.unit, f"({unit})/{model.time_unit}" if row.statistic == "slope" else unit)


def observed_unit(model: Model, row: Observation) -> str:
    """The model's unit of an observation's variable, or of the ratio of its two."""
    units = [model.unit(name) for name in row.variables]
    return units[0] if len(units) == 1 else f"({units[0]})/({units[1]})"
