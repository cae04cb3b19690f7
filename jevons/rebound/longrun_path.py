"""Equilibria and balanced growth paths of a model, from the exact slopes of its generated functions.

A balanced growth path moves every stock at a rate of its own that does not change. In the coordinates y (ln x of
positive stocks, x of others) it is a point that time only shifts:

Equation   y' = h(y, t);  h(y + g s, t + s) = h(y, t) = g for every s;  hence J g = −∂h/∂t with J = ∂h/∂y;
           an equilibrium is g = 0
Valid for  rates h that are smooth at the path, and depend on time through exponentials or not at all
Source     homogeneity and balanced growth: Barro and Sala-i-Martin (2004), Economic Growth, 2nd ed., ch. 2;
           comparative statics and their correspondence with stability: Samuelson (1947), Foundations of Economic
           Analysis, ch. 9
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jevons import kernels
from jevons.errors import IntegrationError, ModelError
from jevons.integrate import break_points, compile_model, parameter_vector, run, runnable
from jevons.model import Model
from jevons.rebound.longrun_rates import Rates, causes

Floats = NDArray[np.float64]

LENGTHS = (50.0, 200.0, 800.0, 3200.0)
"""Lengths of the run whose end starts the search, in the model's unit of time."""
STILL = 1e-9
"""Rates below this, per unit of time, count as standstill."""
UNCHANGED = 1e-7
"""Largest change of rates along the path found, relative to the fastest; more is no balanced growth."""
SINGULAR = 1e-11
"""Ratio of singular values below which nothing pulls a combination of stocks back."""
MOST_STEPS = 60
_MOST_NAMED = 3
_NEAR = 1e-3  # distance from the end of the run within which the path is where the run goes


class NotFound(Exception):
    """No point that satisfies the conditions; says why."""


@dataclass(frozen=True)
class SteadyPath:
    """An equilibrium or balanced growth path.

    Attributes
    ----------
    date : float
        Date of the values; any for an equilibrium.
    values : array of shape (stocks,)
        All stocks at the date, in natural units; those that do not matter are where a run left them.
    growth : array
        Rate of each stock that matters: of its logarithm per unit of time where it is positive, else its own.
    eigenvalues : array of complex
        Of the Jacobian in co-moving coordinates, less what the past decides; per unit of time.
    """

    rates: Rates
    date: float
    values: Floats
    growth: Floats
    jacobian: Floats
    held: Floats
    eigenvalues: NDArray[np.complex128]

    @property
    def moving(self) -> bool:
        """Whether it is balanced growth and no equilibrium."""
        return bool(np.abs(self.growth).max(initial=0.0) > STILL)

    @property
    def stable(self) -> bool:
        """Whether small deviations die away."""
        return bool((self.eigenvalues.real < 0).all())

    def later(self, span: float) -> SteadyPath:
        """The same path a time later."""
        x = self.rates.moved(self.values, self.growth * span)
        _, j, _ = self.rates.jacobian(self.date + span, x)
        return dataclasses.replace(self, date=self.date + span, values=x, jacobian=j)

    @property
    def span(self) -> float:
        """Time in which the fastest stock grows by a factor e; 1 for an equilibrium."""
        return 1.0 / float(np.abs(self.growth).max(initial=0.0)) if self.moving else 1.0

    def response(self, parameter: str) -> tuple[Floats, Floats]:
        """Derivatives of y and of g by ln(parameter), between paths side by side at this date.

        Equation   J dy + ∂h/∂lnA = dg, and the same a span s later, where dy has grown by s dg
        Valid for  rates of what the past decides that the parameter leaves alone; they are given as part of dg
        Source     differentiation of h(y, t) = g

        Returns
        -------
        dy, dg : arrays of shape (stocks that matter,)
        """
        k = len(self.growth)
        if not k:
            return np.zeros(0), np.zeros(0)
        push, rates_change = self._push(parameter), np.zeros(k)
        if self.moving:
            difference = self.later(self.span)._push(parameter) - push
            rates_change = -self._solve(difference) / self.span
        dy = self._solve(rates_change - push)
        return dy, self.jacobian @ dy + push

    def _push(self, parameter: str) -> Floats:
        direction = self.rates.direction(parameter)
        _, push = self.rates.slope(self.date, self.values, np.zeros(len(self.growth)), 0.0, direction)
        return push

    def _solve(self, target: Floats) -> Floats:
        """Solution of J dy = target with what the past decides held."""
        system = np.vstack([self.jacobian, self.held])
        full = np.append(target, np.zeros(len(self.held)))
        return np.asarray(np.linalg.lstsq(system, full, rcond=None)[0], dtype=float)

    def elasticity(self, output: str, parameter: str) -> float:
        """Elasticity of an output to a parameter, at the same date on paths side by side."""
        dy, _ = self.response(parameter)
        e, slope = self.rates.output(output, self.date, self.values, dy, 0.0, self.rates.direction(parameter))
        return slope / e

    def growth_of(self, output: str) -> float:
        """Rate of growth of an output, per unit of time."""
        e, slope = self.rates.output(output, self.date, self.values, self.growth, 1.0)
        return slope / e


def steady_path(
    model: Model, output: str, params: Mapping[str, float], around: Mapping[str, float] | None = None
) -> SteadyPath:
    """The equilibrium or balanced growth path that a model goes to, for all on which an output depends.

    Parameters
    ----------
    params : mapping
        Parameter values, natural units.
    around : mapping, optional
        Stocks (natural units) near which to search; by default the end of a long run.

    Raises
    ------
    ModelError
        If there is none; says which stocks keep moving, and how fast.
    """
    stocks = causes(model.structure, output)
    rates = Rates(model, stocks, params)
    if around is not None:
        date, x = _given(model, rates, around)
        try:
            return _polished(rates, date, x)
        except NotFound as found:
            raise _keeps_moving(model, rates, date, x, str(found)) from None
    reason, last = "", None
    for length in LENGTHS:
        ended = _end_of_run(model, params, length)
        if ended is None:
            break
        last = ended
        try:
            path = _polished(rates, *ended)
        except NotFound as found:
            reason = str(found)
            continue
        start = ended[1][rates.places]
        distance = np.abs(path.values[rates.places] - start) / np.maximum(np.abs(start), 1e-300)
        if path.stable and (distance.max(initial=0.0) < _NEAR or length == LENGTHS[-1]):
            return path
        reason = "" if path.stable else "there is a steady path, but nothing pulls runs towards it"
    assert last is not None
    raise _keeps_moving(model, rates, *last, reason)


def _end_of_run(model: Model, params: Mapping[str, float], length: float) -> tuple[float, Floats] | None:
    system = compile_model(model)
    p = parameter_vector(model, system, params)
    settled = max([model.start, *break_points(system, p, math.inf)])
    every = dataclasses.replace(runnable(model), names=system.stocks, units={n: model.unit(n) for n in system.stocks})
    end = settled + length
    ended = run(every, model.start, end, params=params, every=end - model.start, on_failure="return")
    if ended.status.ok:
        return end, ended.values[-1]
    if length == LENGTHS[0]:
        raise IntegrationError(ended.status)
    return None


def _given(model: Model, rates: Rates, around: Mapping[str, float]) -> tuple[float, Floats]:
    x, _, _ = kernels.start_state(rates.system, rates.parameters)
    for name, value in around.items():
        x[rates.system.stocks.index(name)] = float(value)
    return max([model.start, *break_points(rates.system, rates.parameters, math.inf)]), x


def _polished(rates: Rates, date: float, x: Floats) -> SteadyPath:
    """Newton's method in y, first with logarithms of all that is positive, then only where the model takes them."""
    positive = x > 0
    choices = [positive, positive & np.array(rates.system.log, dtype=bool)]
    reasons = []
    for log in choices:
        rates.log = log
        try:
            return _newton(rates, date, x)
        except NotFound as reason:
            reasons.append(str(reason))
    rates.log = positive
    raise NotFound(reasons[0])


def _newton(rates: Rates, date: float, start: Floats) -> SteadyPath:
    x, k, before = start.copy(), len(rates.names), math.inf
    first, exogenous = start[rates.places], rates.exogenous(date, start)
    for _ in range(MOST_STEPS):
        h, j, in_time = rates.jacobian(date, x)
        if not (np.isfinite(h).all() and np.isfinite(j).all() and np.isfinite(in_time).all()):
            raise NotFound("the search leaves the range of numbers")
        rows, rows_rate = rates.held(x, h, exogenous)
        system = np.vstack([j, rows])
        _require_pull(rates, system)
        growth = np.asarray(np.linalg.lstsq(system, np.append(-in_time, rows_rate), rcond=None)[0], dtype=float)
        totals = rates.totals @ (first - x[rates.places])
        size = np.abs(rates.totals * np.where(rates.log, x, 1.0)[rates.places]).max(axis=1, initial=1e-300)
        back = np.append(totals / size, np.zeros(len(rows) - len(totals)))
        step = np.asarray(np.linalg.lstsq(system, np.append(growth - h, back), rcond=None)[0], dtype=float)
        scale = np.where(rates.log[rates.places], 1.0, np.maximum(np.abs(x[rates.places]), 1e-12))
        length = float(np.abs(step / scale).max(initial=0.0))
        if length < 1e-13 or (length < 1e-6 and length > 0.3 * before):
            return _checked(SteadyPath(rates, date, x, growth, j, rows, _eigenvalues(j, rows)), h)
        before = length
        limit = float(np.abs(np.where(rates.log[rates.places], step, 0.0)).max(initial=0.0))
        x = rates.moved(x, step * min(1.0, 2.0 / max(limit, 1e-300)))
    raise NotFound(f"the search did not converge in {MOST_STEPS} steps" if k else "nothing moves")


def _require_pull(rates: Rates, system: Floats) -> None:
    """Refuse where nothing pulls a combination of stocks back."""
    if not system.size:
        return
    _, values, directions = np.linalg.svd(system)
    if values[-1] > SINGULAR * values[0]:
        return
    free = np.abs(directions[-1])
    names = [rates.names[i] for i in np.argsort(-free)[:_MOST_NAMED] if free[i] > 0.1]
    text = ", ".join(map(repr, names))
    raise NotFound(f"nothing pulls {text} back: the long run depends on where it starts, by more than a total")


def _checked(path: SteadyPath, h: Floats) -> SteadyPath:
    fastest = float(np.abs(path.growth).max(initial=0.0))
    wrong = np.abs(h - path.growth)
    if wrong.max(initial=0.0) > UNCHANGED * max(fastest, 1.0):
        raise NotFound("no point at which all rates are constant")
    if path.moving:
        later = path.later(path.span)
        then, _ = path.rates.slope(later.date, later.values, np.zeros(len(h)), 0.0)
        if not np.isfinite(then).all() or np.abs(then - path.growth).max() > UNCHANGED * fastest:
            raise NotFound("rates that are constant at one date change along the path")
    return path


def _eigenvalues(j: Floats, rows: Floats) -> NDArray[np.complex128]:
    """Eigenvalues of J on what the held rows leave free."""
    import scipy.linalg

    free = scipy.linalg.null_space(rows) if len(rows) else np.eye(len(j))
    reduced = free.T @ j @ free
    values: NDArray[np.complex128] = (
        np.linalg.eigvals(reduced).astype(complex) if reduced.size else np.zeros(0, complex)
    )
    return values[np.argsort(-values.real)]


def _keeps_moving(model: Model, rates: Rates, date: float, x: Floats, reason: str) -> ModelError:
    """The stocks whose rates change most, with how fast they move."""
    rates.log = x > 0
    h, _ = rates.slope(date, x, np.zeros(len(rates.names)), 0.0)
    _, acceleration = rates.slope(date, x, np.where(np.isfinite(h), h, 0.0), 1.0)
    order = np.argsort(-np.abs(np.where(np.isfinite(acceleration), acceleration, math.inf)))[:_MOST_NAMED]
    unit = model.time_unit
    mistakes = [
        f"{rates.names[i]!r} {_motion(float(h[i]), bool(rates.log[rates.places[i]]), unit)} at {date:g}, a rate that "
        f"changes by {acceleration[i]:.3g} per {unit} each {unit}"
        for i in order
        if not (abs(h[i]) < STILL and abs(acceleration[i]) < STILL)
    ]
    told = [reason] if reason else []
    return ModelError(f"long run of model {model.name!r}: no equilibrium and no balanced growth", [*told, *mistakes])


def _motion(rate: float, log: bool, unit: str) -> str:
    return f"moves by {rate:.3g} {'of itself ' if log else ''}per {unit}"
