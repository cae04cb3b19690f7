"""Is a run's step short enough: against shorter steps, an adaptive method, and the model's own times."""

from __future__ import annotations

import html
import importlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from jevons import functions as fn
from jevons.diagnostics.state_path import end_of
from jevons.diagnostics.step_stability import Stability, stability
from jevons.elements import Element, Flow, Stock
from jevons.errors import JevonsError, nearest
from jevons.integrate import FIXED
from jevons.lowering import references
from jevons.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd

    from jevons.model import Model

Floats = NDArray[np.float64]
TOLERANCES = (0.01, 0.001)
"""Relative differences for which the largest step that keeps them is given."""
FLOOR = 0.01
"""A difference is relative to the value at its date, or to this share of the variable's largest value where less."""
_DATES = 400
_NOISE = 1e-6  # of the reference, with room
_RTOL = 1e-11
_TINY, _SMALL = 1e-40, 1e-12  # absolute tolerances: what nearly dies out must not change its sign
_UNSTABLE = 1.001
_ASYMPTOTIC = 0.05
_ESTIMABLE = 0.3
_FEWEST = 20
_SHOWN = 6
_LONGER = (4.0, 2.0)


@dataclass(frozen=True)
class Deviation:
    """The largest relative difference of one variable between a run and the converged one.

    Attributes
    ----------
    name : str
    relative : float
        |run − converged| / max(|converged|, `FLOOR`·its largest value).
    time : float
        Date at which it is.
    run, converged : float
        Values there, in the variable's unit.
    """

    name: str
    relative: float
    time: float
    run: float
    converged: float

    @property
    def percent(self) -> str:
        """The relative difference as text."""
        return _percent(self.relative)


@dataclass(frozen=True)
class StepAdequacy:
    """How far a run with fixed steps is from the model's solution, and from which step it would not be.

    Attributes
    ----------
    model, time_unit, method : str
    dt : float
        Step that was asked about.
    reference : str
        What the runs are compared with: ``LSODA``, or the finest fixed step.
    deviations : tuple of Deviation
        Every variable at `dt`, worst first.
    errors : mapping of float to float
        Step to the largest relative difference of a stock; infinite where the run ended before its time.
    order : float
        Observed order of convergence; NaN where it cannot be told.
    largest_step : mapping of float to float
        Tolerance to the largest step that was tried and keeps it, or (below the finest) an estimate from the order;
        without those that cannot be told.
    stability : Stability
        The method against the eigenvalues along the run.
    discrete : tuple of str
        What makes the step a part of the model: elements, each with why.
    stocks : tuple of str
    runs : tuple of Trajectory
        The run at `dt`, and the converged one.
    """

    model: str
    time_unit: str
    method: str
    dt: float
    reference: str
    deviations: tuple[Deviation, ...]
    errors: Mapping[float, float]
    order: float
    largest_step: Mapping[float, float]
    stability: Stability
    discrete: tuple[str, ...]
    stocks: tuple[str, ...]
    runs: tuple[Trajectory, Trajectory]

    @property
    def worst(self) -> float:
        """Largest relative difference of a stock at `dt`."""
        return self.errors[self.dt]

    def to_frame(self) -> pd.DataFrame:
        """Every variable with its worst relative difference, its date and both values."""
        import pandas as pd

        rows = [(d.name, d.relative, d.time, d.run, d.converged) for d in self.deviations]
        return pd.DataFrame(rows, columns=["variable", "worst", "time", "run", "converged"]).set_index("variable")

    def steps_frame(self) -> pd.DataFrame:
        """Largest relative difference of a stock, by step."""
        import pandas as pd

        return pd.DataFrame(self.errors.items(), columns=["dt", "worst"]).set_index("dt")

    def advice(self) -> list[str]:
        """What to do, in sentences."""
        unit, dt = self.time_unit, f"{self.dt:g} {self.time_unit}"
        said = []
        if self.discrete:
            said.append(
                f"The step is part of this model ({_listed(self.discrete)}): another step is another model, and the "
                "differences below are not errors alone. Keep the file's step, or replace what is discrete."
            )
        if not math.isfinite(self.worst):
            said.append(f"With {dt} the run does not reach its end: shorten the step, or use method='LSODA'.")
        if self.stability.ratio > _UNSTABLE:
            said.append(
                f"{self.method} with {dt} is unstable at {self.stability.time:g}: a mode of time constant "
                f"{self.stability.time_constant:.3g} {unit} is multiplied by {self.stability.ratio:.4g} each step. "
                f"Steps up to {self.stability.largest_dt:.3g} {unit} are stable."
            )
        if self.stability.fast:
            named = [f"{n} ({tau:.3g} {unit})" for n, tau in self.stability.fast.items()]
            said.append(f"Time constants shorter than two steps: {_listed(named)}.")
        said += self._accuracy(dt) if math.isfinite(self.worst) else []
        expected = FIXED[self.method]
        if _NOISE < self.errors[min(self.errors)] < _ASYMPTOTIC and self.order < 0.7 * expected:
            said.append(
                f"The observed order is {self.order:.2g} where {self.method} has {expected}: something jumps or bends "
                "between steps."
            )
        return said

    def _accuracy(self, dt: str) -> list[str]:
        if self.worst <= min(TOLERANCES):
            said = [f"{self.method} with {dt} keeps all stocks within {_percent(self.worst)}: short enough."]
        else:
            worst = next(d for d in self.deviations if d.name in self.stocks)
            finest = min(self.errors)
            steps = [
                f"{_percent(tolerance)} holds up to {'about ' if step < finest else ''}{step:.3g} {self.time_unit}"
                for tolerance, step in self.largest_step.items()
            ] or [f"none of the steps tried, down to {finest:.3g} {self.time_unit}, keeps {_percent(max(TOLERANCES))}"]
            said = [
                f"The stock {worst.name!r} is off by {worst.percent} at {worst.time:g} "
                f"({worst.run:.5g}, converged {worst.converged:.5g}); {' and '.join(steps)}."
            ]
        other = self.deviations[0] if self.deviations else None
        if other is not None and other.name not in self.stocks and other.relative > max(2 * self.worst, TOLERANCES[0]):
            said.append(f"{other.name!r}, no stock, is off by {other.percent} at {other.time:g}.")
        return said

    def summary(self) -> str:
        """The findings in words."""
        unit = self.time_unit
        lines = [f"{self.model}: {self.method} with a step of {self.dt:g} {unit}, against {self.reference}"]
        lines += [f"  {text}" for text in self.advice()]
        lines += ["largest relative difference of a stock, by step"]
        lines += [f"  {dt:<10.4g} {_percent(e)}" for dt, e in self.errors.items()]
        if math.isfinite(self.order):
            lines += [f"observed order of convergence: {self.order:.2f}"]
        lines += ["worst variables"]
        lines += [
            f"  {d.name}: {d.percent} at {d.time:g} ({d.run:.5g}, converged {d.converged:.5g})"
            for d in self.deviations[:_SHOWN]
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def plot(self, path: str | Path) -> Path:
        """Draw the worst variables, the run against the converged one; see `jevons.plot_step_adequacy`."""
        return Path(importlib.import_module("jevons.plot_step_adequacy").worst(self, path))


def step_adequacy(
    model: Model,
    method: str | None = None,
    dt: float | None = None,
    *,
    end: float | None = None,
    params: Mapping[str, float] | None = None,
    halvings: int = 4,
) -> StepAdequacy:
    """Compare a run with fixed steps with shorter steps and with an adaptive method.

    Equation   worst_v(dt) = max_t |v_dt(t) − v(t)| / max(|v(t)|, 0.01·max|v|); order p = log2(worst(dt)/worst(dt/2));
               a step multiplies a mode λ by R(λ dt), 1 + z for Euler, and is stable where |R| ≤ 1 for Re λ < 0
    Valid for  models whose solution exists without steps; where the step is part of the model, the finest step stands
               in for it, and the result says so
    Source     Hairer, Nørsett & Wanner (1993), Solving Ordinary Differential Equations I, 2nd ed., ch. II.4;
               Hairer & Wanner (1996), II, 2nd ed., ch. IV.2

    Parameters
    ----------
    model : Model
    method : {'Euler', 'RK2', 'RK4'}, optional
        By default that of the model's settings where it is one of these, else Euler.
    dt : float, optional
        Step asked about; by default that of the model's settings, else 1/32 of the unit of time.
    end : float, optional
        End of the run; by default that of the model's settings.
    params : mapping of str to float, optional
    halvings : int
        How often the step is halved, 1 or more.

    Returns
    -------
    StepAdequacy

    Raises
    ------
    JevonsError
        For methods without a fixed step, steps and counts that are not positive, models without an end.
    IntegrationError
        Where not even the finest run reaches its end.
    """
    settings = model.settings
    if method is None:
        method = settings.method if settings is not None and settings.method in FIXED else "Euler"
    if method not in FIXED:
        raise JevonsError(
            f"method {method!r}, expected one with fixed steps: {', '.join(FIXED)}{nearest(method, FIXED)}"
        )
    step = dt if dt is not None else settings.dt if settings is not None else 1 / 32
    if not (math.isfinite(step) and step > 0):
        raise JevonsError(f"dt {step!r}, expected a number more than 0")
    if halvings < 1:
        raise JevonsError(f"halvings {halvings!r}, expected 1 or more")
    last = end_of(model, end)
    return _compare(model, method, float(step), last, dict(params or {}), halvings)


def _compare(
    model: Model, method: str, dt: float, end: float, params: Mapping[str, float], halvings: int
) -> StepAdequacy:
    span = end - model.start
    longer = _LONGER if span >= _FEWEST * _LONGER[0] * dt else ()
    shortest = max((*longer, 1.0)) * dt  # between reported dates, so that the longest step fits
    every = shortest * max(1, math.ceil(span / shortest / _DATES))
    discrete = discrete_parts(model)

    def fixed(step: float) -> Trajectory:
        return model.run(end=end, method=method, dt=step, every=every, params=params, on_failure="return")

    steps = [dt * factor for factor in (*longer, *(0.5**k for k in range(halvings + 1)))]
    runs = {step: fixed(step) for step in steps}
    name, converged = _reference(model, end, every, params, bool(discrete))
    if converged is None:
        finest = steps[-1] / 4
        name = f"{method} with {finest:g} {model.time_unit}"
        converged = model.run(end=end, method=method, dt=finest, every=every, params=params)
    stocks = [n for n in model.stocks if n in converged.names]
    errors = {step: _worst(run, converged, stocks) for step, run in runs.items()}
    if name.startswith(method):  # what is left of the finest step's own error cancels out between runs
        gaps = [_worst(runs[a], runs[b], stocks) for a, b in itertools.pairwise(steps) if runs[b].status.ok]
        order = _order(gaps)
    else:
        order = _order([errors[s] for s in steps])
    return StepAdequacy(
        model=model.name,
        time_unit=model.time_unit,
        method=method,
        dt=dt,
        reference=name,
        deviations=_deviations(runs[dt], converged, _moving(model)),
        errors=errors,
        order=order,
        largest_step=_largest(errors, order if order > 0 else float(FIXED[method])),
        stability=stability(model, method, dt, end, params),
        discrete=discrete,
        stocks=tuple(stocks),
        runs=(runs[dt], converged),
    )


def _reference(
    model: Model, end: float, every: float, params: Mapping[str, float], discrete: bool
) -> tuple[str, Trajectory | None]:
    """A run of an adaptive method with restarts at break points; none where the step is part of the model."""
    tried: tuple[tuple[str, float], ...] = (("LSODA", _TINY), ("LSODA", _SMALL), ("Radau", _SMALL))
    for method, atol in () if discrete else tried:
        run = model.run(
            end=end, method=method, every=every, rtol=_RTOL, atol=atol, params=params, on_failure="return"
        )  # fmt: skip
        if run.status.ok:
            return f"{method} with restarts at break points", run
    return "", None


def discrete_parts(model: Model) -> tuple[str, ...]:
    """Elements through which the step is part of the model, each with why."""
    settings = model.settings
    step = getattr(settings, "time_step", None)
    kinds = [
        (getattr(fn, "PipelineDelay", None), "a delay of whole steps"),
        (getattr(fn, "SampleIfTrue", None), "a sample kept from step to step"),
        (getattr(fn, "Noise", None), "noise drawn each step"),
    ]
    found = []
    matters = _feeding(model)
    for element in model.elements.values():
        whys = _why(element, kinds, step) if element.name in matters else []
        found += [f"{element.name}: {why}" for why in whys]
    return tuple(found)


def _feeding(model: Model) -> set[str]:
    """Whatever a stock depends on: not what only reports, or only says how the model is run."""
    elements = model.elements
    found = {n for n, e in elements.items() if isinstance(e, (Stock, Flow)) or _has_past(e)}
    queue = list(found)
    while queue:
        for _, expression in elements[queue.pop()].expressions():
            new = references(sp.sympify(expression)) & elements.keys() - found
            found |= new
            queue += new
    return found


def _has_past(element: Element) -> bool:
    return any(sp.sympify(e).has(fn.HiddenStockFunction) for _, e in element.expressions())


def _moving(model: Model) -> set[str]:
    """Stocks, and what depends on them or on time."""
    structure = model.structure
    found = {s.name for s in structure.stocks}
    for name in structure.order:
        symbols = structure.equation(name).free_symbols
        if fn.TIME in symbols or any(s.name in found for s in symbols):
            found.add(name)
    return found


def _why(element: Element, kinds: Sequence[tuple[type | None, str]], step: str | None) -> list[str]:
    said: dict[str, None] = {}
    for _, expression in element.expressions():
        e = sp.sympify(expression)
        said.update({why: None for kind, why in kinds if kind is not None and e.has(kind)})
        if not said and step is not None and fn.symbol(step) in e.free_symbols:
            said[f"its equation uses {step!r}"] = None
    return list(said)


def _relative(run: Trajectory, converged: Trajectory, name: str) -> Floats:
    """Relative differences at the dates of the converged run; infinite after a run that ended."""
    x, y = run[name].to_numpy(), converged[name].to_numpy()
    n = min(x.size, y.size)
    size = np.nanmax(np.abs(y)) if np.isfinite(y).any() else 0.0
    with np.errstate(all="ignore"):
        base = np.maximum(np.abs(y[:n]), FLOOR * size)
        share = np.where(x[:n] == y[:n], 0.0, np.abs(x[:n] - y[:n]) / base)
    share = np.append(share, np.full(y.size - n, np.inf))
    return np.where(np.isnan(share), 0.0, share)


def _worst(run: Trajectory, converged: Trajectory, names: Sequence[str]) -> float:
    if not run.status.ok:
        return math.inf
    return max((float(_relative(run, converged, n).max()) for n in names), default=0.0)


def _deviations(run: Trajectory, converged: Trajectory, names: set[str]) -> tuple[Deviation, ...]:
    found = []
    for name in (n for n in converged.names if n in names):
        share = _relative(run, converged, name)
        k = int(np.argmax(share))
        value = float(run[name].iloc[k]) if k < len(run.times) else math.nan
        worst = Deviation(name, float(share[k]), float(converged.times[k]), value, float(converged[name].iloc[k]))
        found.append(worst)
    return tuple(sorted(found, key=lambda d: -d.relative))


def _order(errors: Sequence[float]) -> float:
    """Order from the shortest steps whose difference is more than the reference's own."""
    pairs = [(a, b) for a, b in itertools.pairwise(errors) if math.isfinite(a) and b > _NOISE]
    return math.log2(pairs[-1][0] / pairs[-1][1]) if pairs else math.nan


def _largest(errors: Mapping[float, float], order: float) -> dict[float, float]:
    found = {}
    for tolerance in TOLERANCES:
        kept = [step for step in errors if all(e <= tolerance for s, e in errors.items() if s <= step)]
        finest = min(errors)  # the order tells how much shorter than this
        if kept:
            found[tolerance] = max(kept)
        elif errors[finest] < _ESTIMABLE:
            found[tolerance] = finest * (tolerance / errors[finest]) ** (1 / order)
    return found


def _percent(x: float) -> str:
    if not math.isfinite(x):
        return "no end"
    return f"{100 * x:,.0f} %" if x >= 1 else f"{100 * x:.2g} %"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
