"""Running a model: adaptive methods of scipy, fixed steps in plain Python."""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons import kernels
from jevons.errors import IntegrationError, JevonsError
from jevons.fixed_runs import SAME_DATE as _SAME_DATE
from jevons.fixed_runs import (
    break_points,
    fixed_grid,
    fixed_steps,
    run_between_nodes,
    run_over_grid,
    stacked,
    start_of_run,
)
from jevons.fixed_runs import observed as _observe
from jevons.run_settings import ADAPTIVE, FIXED, MOST_STEPS, choose
from jevons.system import RunnableModel, System
from jevons.trajectory import RunStatus, Status, Trajectory

if TYPE_CHECKING:
    from jevons.model import Model
    from jevons.run_settings import RunSettings

Floats = NDArray[np.float64]
METHOD, EVERY = "LSODA", 0.125  # of models without settings
MAX_CALLS = 200_000
MISSING = -(2.0**109)
"""What a value that is not available is in the arithmetic of imported models (Vensim's :NA:)."""
MOST_DATES = 200_000
_STUCK_CALLS = 2_000  # right-hand sides at one date, up to
_STUCK_ULPS = 8  # units in the last place

_runnable: weakref.WeakKeyDictionary[Model, dict[bool, RunnableModel]] = weakref.WeakKeyDictionary()


def runnable(model: Model, break_points: bool = True) -> RunnableModel:
    """What a run needs of a model (kept while the model lives).

    Without `break_points` whatever switches at a date asks for the time itself.
    """
    variants = _runnable.setdefault(model, {})
    if break_points not in variants:
        from jevons.codegen import generate

        system = generate(model, break_points)
        computed = {n for n in system.outputs if n not in model.structure.hidden}
        names = tuple(n for n in model.elements if n in computed)
        energy = model.roles.energy if model.roles else None
        units = {n: model.unit(n) for n in names}
        dimensions, subscripts = dict(model.dimensions), dict(model.subscripts)
        variants[break_points] = RunnableModel(
            model.name, model.start, model.time_unit, system, names, units, energy, dimensions, subscripts
        )
    return variants[break_points]


def compile_model(model: Model, break_points: bool = True) -> System:
    """The generated system of a model (kept while the model lives)."""
    return runnable(model, break_points).system


def run(
    model: Model | RunnableModel,
    start: float | None = None,
    end: float | None = None,
    *,
    params: Mapping[str, float] | None = None,
    method: str | None = None,
    every: float | None = None,
    dt: float | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    max_calls: int = MAX_CALLS,
    break_points: bool | None = None,
    on_failure: str = "raise",
) -> Trajectory:
    """Integrate a model from its own start and report a window.

    Parameters
    ----------
    start, end : float
        Reported window; the run always begins at ``model.start``. `start` defaults to it, `end` to that of the
        model's settings.
    params : mapping
        Parameter values for this run only.
    method : str
        ``LSODA``, ``Radau``, ``BDF``, ``DOP853``, ``RK45``, ``RK23``: adaptive, scipy; ``RK4``, ``RK2`` (midpoint),
        ``Euler``: fixed steps. By default that of the model's settings, else ``LSODA``.
    every : float
        Distance of reported dates; by default that of the model's settings, else 0.125.
    dt : float
        Length of fixed steps, or the largest one where integration restarts at break points; by default that of the
        model's settings, else 1/32.
    rtol, atol : float
        Tolerances of the adaptive methods (`atol` in units of each stock, or of its logarithm).
    max_calls : int
        Budget of right-hand sides per run, so that no run hangs; in steps of a given length at least
        `jevons.run_settings.MOST_STEPS` steps are allowed.
    break_points : bool, optional
        Whether integration restarts where something switches. Without, fixed steps go from the start in steps of
        `dt`, as simulation programs do. By default False for fixed steps of a model with settings, else True.
    on_failure : {'raise', 'return'}
        Raise `IntegrationError`, or return what was reached, with the status.

    Returns
    -------
    Trajectory

    Notes
    -----
    Break points are dates of steps, pulses and ramps, and knots of drivers. Where integration restarts, the reported
    values at such a date are those just after it. In a model with ``check_units=False`` an auxiliary may be without
    a finite value; the status says which. Values that are missing in such a model (-2¹⁰⁹) are reported as NaN.
    """
    settings = None if isinstance(model, RunnableModel) else model.settings
    if end is None and settings is None:
        raise JevonsError("run needs the date of its end, for example run(2010, 2035)")
    chosen = choose(settings, method, dt, break_points, (*ADAPTIVE, *FIXED), METHOD)
    if on_failure not in ("raise", "return"):
        raise JevonsError(f"on_failure {on_failure!r}, expected 'raise' or 'return'")
    tolerant = not isinstance(model, RunnableModel) and not model.check_units
    model = model if isinstance(model, RunnableModel) else runnable(model, chosen.break_points)
    system = model.system
    p = parameter_vector(model, system, params)
    chosen = chosen.tied(system.parameters, p, params)
    start = model.start if start is None else start
    end = _end(system, p, settings) if end is None and settings is not None else end
    distance = every if every is not None else settings.every if settings is not None else EVERY
    for name, value in {"start": start, "end": end, "every": distance, "dt": chosen.dt}.items():
        if not isinstance(value, (int, float)):
            raise JevonsError(f"{name} {value!r}, expected a number")
    assert end is not None
    numbers = {"start": start, "end": end, "every": distance, "dt": chosen.dt}
    bad = [n for n, x in (*numbers.items(), *zip(system.parameters, p, strict=True)) if not math.isfinite(x)]
    if bad:
        status = RunStatus(Status.NON_FINITE_INPUT, model.start, bad[0])
        return _outcome(model, system, np.empty(0), np.empty((0, len(system.outputs))), status, on_failure)
    if not model.start <= start < end:
        raise JevonsError(f"window {start:g} to {end:g}: expected model start {model.start:g} ≤ start < end")
    for name, value in (("every", distance), ("dt", chosen.dt)):
        if value <= 0:
            raise JevonsError(f"{name} {value:g}, expected more than 0")
    if (end - start) / distance > MOST_DATES:
        raise JevonsError(
            f"window {start:g} to {end:g} every {distance:g} has more than {MOST_DATES:,} dates: raise `every`"
        )
    own = chosen.reported(start, end) if every is None else None
    report = _report_times(start, end, distance) if own is None else own
    if chosen.method not in FIXED:
        states, status = _run_adaptive(system, p, report, chosen.method, rtol, atol, max_calls)
        values = _observe(system, report[: len(states)], states, p)
        return _outcome(model, system, report, values, status, on_failure, tolerant)
    order = FIXED[chosen.method]
    if chosen.break_points:
        states, status = run_between_nodes(system, p, report, order, chosen.dt, max_calls)
        values = _observe(system, report[: len(states)], states, p)
        return _outcome(model, system, report, values, status, on_failure, tolerant)
    grid = chosen.grid(model.start, report, MOST_STEPS if max_calls == MAX_CALLS else max_calls / order)
    values, status = run_over_grid(system, p, grid, order)
    return _outcome(model, system, grid.times, values, status, on_failure, tolerant)


def _end(system: System, p: Floats, settings: RunSettings) -> float:
    """The end of a run that the settings, or the parameter that they name, give."""
    if settings.end_name is None or settings.end_name not in system.parameters:
        return settings.end
    return float(p[system.parameters.index(settings.end_name)])


def parameter_vector(model: Model | RunnableModel, system: System, params: Mapping[str, float] | None) -> Floats:
    """Parameter values by position, with overrides."""
    p = np.array(system.defaults)
    if params:
        model.require(params, system.parameters, "parameter")
        places = {name: i for i, name in enumerate(system.parameters)}
        for name, value in params.items():
            p[places[name]] = float(value)
    return p


def _report_times(start: float, end: float, every: float) -> Floats:
    count = math.floor((end - start) / every + 1e-6)
    times = np.asarray(start + every * np.arange(count + 1), dtype=np.float64)
    return times if end - times[-1] < _SAME_DATE else np.append(times, end)


def _outcome(
    model: RunnableModel,
    system: System,
    times: Floats,
    values: Floats,
    status: RunStatus,
    on_failure: str,
    tolerant: bool = False,
) -> Trajectory:
    """The trajectory of outputs at the dates that were reached."""
    reached = len(values)
    places = {n: i for i, n in enumerate(system.outputs)}
    names = sorted(model.names, key=places.__getitem__)  # in order of evaluation, so that the first failure is named
    shown = values[:, [places[n] for n in model.names]]
    with np.errstate(all="ignore"):
        usable = math.isfinite(shown.sum(initial=0.0))
    finite = np.isfinite(values[:, [places[n] for n in names]]) if not usable else np.ones((reached, 1), dtype=bool)
    if not finite.all() and tolerant:
        note = _without_value(names, finite, times)
        status = replace(status, detail="; ".join(filter(None, (status.detail, note))))
    elif not finite.all():
        row, column = np.argwhere(~finite)[0]
        status = RunStatus(Status.DIVERGED, float(times[row]), names[column], "not a finite number")
        shown = shown[:row]
        reached = int(row)
    if not status.ok and on_failure == "raise":
        raise IntegrationError(status)
    if tolerant:
        shown[shown == MISSING] = math.nan
    return Trajectory(
        times[:reached],
        shown,
        model.names,
        model.units,
        status,
        model.name,
        model.time_unit,
        model.dimensions,
        model.subscripts,
    )


def _without_value(names: Sequence[str], finite: NDArray[np.bool_], times: Floats, told: int = 3) -> str:
    """Which variables have no finite value, each with the first date."""
    first = {
        n: float(times[int(np.argmin(column))]) for n, column in zip(names, finite.T, strict=True) if not column.all()
    }
    listed = ", ".join(f"{n!r} at {t:g}" for n, t in sorted(first.items(), key=lambda item: item[1])[:told])
    more = f" and {len(first) - told} more" if len(first) > told else ""
    return f"no finite value of {listed}{more}"


class _BudgetUsedUp(Exception):
    pass


class _Stuck(Exception):
    pass


def _run_adaptive(
    system: System, p: Floats, report: Floats, method: str, rtol: float, atol: float, max_calls: int
) -> tuple[Floats, RunStatus]:
    import scipy.integrate

    x, status = start_of_run(system, p)
    if not status.ok:
        return np.empty((0, 0)), status
    functions = kernels.python_functions(system.source)
    values, tab, n = kernels.vector(system, p), system.tables, len(system.stocks)
    dates = kernels.switch_dates(system, p)
    calls = calls_here = 0
    here = system.start  # where the method stands
    suspect = (system.start, x, True)  # the last state, or the first of a row of states without finite derivatives

    def rhs(t: float, y: Floats, on: list[float]) -> list[float]:
        nonlocal calls, calls_here, here, suspect
        calls += 1
        if abs(t - here) > _STUCK_ULPS * math.ulp(t):
            here, calls_here = t, 0
        calls_here += 1
        if calls > max_calls:
            raise _BudgetUsedUp
        if calls_here > _STUCK_CALLS:
            raise _Stuck
        dx = [0.0] * n
        try:
            functions.rhs(t, y.tolist(), values, on, tab, dx)
            finite = math.isfinite(sum(dx))
        except (ValueError, OverflowError, ZeroDivisionError):
            dx = [math.nan] * n
            finite = False
        if finite or suspect[2]:
            suspect = (t, y.copy(), finite)
        return dx

    def jacobian(t: float, y: Floats, on: list[float]) -> Floats:
        flat = [0.0] * (n * n)
        try:
            functions.jacobian(t, y.tolist(), values, on, tab, flat)
        except (ValueError, OverflowError, ZeroDivisionError):
            return np.full((n, n), math.nan)
        return np.array(flat).reshape(n, n)

    def options(on: list[float]) -> dict[str, Any]:
        given: dict[str, Any] = {"rtol": max(rtol, 3e-14), "atol": atol}
        if method in ("LSODA", "Radau", "BDF"):
            given["jac"] = lambda t, y: jacobian(t, y, on)
        return given

    method_class = getattr(scipy.integrate, method)
    nodes = [system.start, *break_points(system, p, report[-1]), float(report[-1])]
    rows: list[Floats] = []
    for a, b in itertools.pairwise(nodes):
        last = b == nodes[-1]
        inside = report[(report >= a - _SAME_DATE) & ((report < b - _SAME_DATE) | last)]
        on = [float(0.5 * (a + b) >= date) for date in dates]
        evaluate = np.unique(np.append(np.clip(inside, a, b), b))
        reached: list[Floats] = []
        failure: RunStatus | None = None
        message = "not a finite number"
        try:
            with np.errstate(all="ignore"):
                solver = method_class(lambda t, y, on=on: rhs(t, y, on), a, x, b, **options(on))
                message = _advance(solver, evaluate, reached) or message
        except _BudgetUsedUp:
            failure = RunStatus(Status.STEP_BUDGET, here, detail=f"{max_calls} right-hand sides")
        except _Stuck:
            message = "time no longer advances"
        except ValueError as error:
            message = str(error)
        if reached and evaluate[0] == a:
            reached[0] = x  # dense output is not exact where it begins
        finite = np.isfinite(reached).all(axis=1) if reached else np.empty(0, dtype=bool)
        good = len(reached) if finite.all() else int(np.argmin(finite))
        rows.extend(reached[: min(good, len(inside))])
        if good < len(evaluate):
            return stacked(rows, n), failure or _diverged(system, p, suspect, on, message)
        x = reached[-1]
    return stacked(rows, n), RunStatus(Status.FINISHED, float(report[-1]))


def _advance(solver: Any, dates: Floats, reached: list[Floats]) -> str | None:
    """Step a solver to the last of the dates, adding the state at each; gives the message of a failure."""
    while len(reached) < dates.size:
        message: str | None = solver.step()
        if solver.status == "failed":
            return message
        passed = dates[len(reached) : int(np.searchsorted(dates, solver.t, side="right"))]
        if passed.size:
            reached.extend(solver.dense_output()(passed).T)
    return None


def _diverged(
    system: System, p: Floats, suspect: tuple[float, Floats, bool], on: list[float], message: str
) -> RunStatus:
    """Name what has no finite value where a method gave up, or else the stock that moves fastest for its size."""
    time, x, _ = suspect
    outputs = kernels.outputs_at(system, p, time, x, on)
    failed = np.flatnonzero(~np.isfinite(outputs))
    if failed.size:
        return RunStatus(Status.DIVERGED, float(time), system.outputs[failed[0]], message)
    if not system.stocks:
        return RunStatus(Status.DIVERGED, float(time), detail=message)
    rate = kernels.derivatives_at(system, p, time, x, on)
    size = np.where(system.log, 1.0, np.abs(x) + 1e-300)
    speed = np.where(np.isfinite(rate), np.abs(rate) / size, np.inf)
    return RunStatus(Status.DIVERGED, float(time), system.stocks[int(np.argmax(speed))], message)


__all__ = [
    "ADAPTIVE",
    "FIXED",
    "break_points",
    "compile_model",
    "fixed_grid",
    "fixed_steps",
    "parameter_vector",
    "run",
]
