"""Running a model: adaptive methods of scipy, fixed steps compiled by numba."""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons import kernels
from jevons.errors import IntegrationError, JevonsError, nearest
from jevons.system import RunnableModel, System
from jevons.trajectory import RunStatus, Status, Trajectory

if TYPE_CHECKING:
    from jevons.model import Model

Floats = NDArray[np.float64]
ADAPTIVE = ("LSODA", "Radau", "BDF", "DOP853", "RK45", "RK23")
FIXED = {"Euler": 1, "RK4": 4}
MOST_DATES = 200_000
_SAME_DATE = 1e-9
_STUCK_CALLS = 2_000  # right-hand sides at one date, up to
_STUCK_ULPS = 8  # units in the last place

_runnable: weakref.WeakKeyDictionary[Model, RunnableModel] = weakref.WeakKeyDictionary()


def runnable(model: Model) -> RunnableModel:
    """What a run needs of a model (kept while the model lives)."""
    if model not in _runnable:
        from jevons.codegen import generate

        system = generate(model)
        computed = {n for n in system.outputs if n not in model.structure.hidden}
        names = tuple(n for n in model.elements if n in computed)
        energy = model.roles.energy if model.roles else None
        units = {n: model.unit(n) for n in names}
        _runnable[model] = RunnableModel(model.name, model.start, model.time_unit, system, names, units, energy)
    return _runnable[model]


def compile_model(model: Model) -> System:
    """The generated system of a model (kept while the model lives)."""
    return runnable(model).system


def run(
    model: Model | RunnableModel,
    start: float | None = None,
    end: float | None = None,
    *,
    params: Mapping[str, float] | None = None,
    method: str = "LSODA",
    every: float = 0.125,
    dt: float = 1 / 32,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    max_calls: int = 200_000,
    on_failure: str = "raise",
) -> Trajectory:
    """Integrate a model from its own start and report a window.

    Parameters
    ----------
    start, end : float
        Reported window; the run always begins at ``model.start``. `start` defaults to it.
    params : mapping
        Parameter values for this run only.
    method : str
        ``LSODA`` (default), ``Radau``, ``BDF``, ``DOP853``, ``RK45``, ``RK23``: adaptive, scipy; ``RK4``,
        ``Euler``: fixed steps of at most `dt`, compiled.
    every : float
        Distance of reported dates.
    rtol, atol : float
        Tolerances of the adaptive methods (`atol` in units of each stock, or of its logarithm).
    max_calls : int
        Budget of right-hand sides per run, so that no run hangs.
    on_failure : {'raise', 'return'}
        Raise `IntegrationError`, or return what was reached, with the status.

    Returns
    -------
    Trajectory

    Notes
    -----
    Integration restarts at every break point: dates of steps, pulses and ramps, and knots of drivers. At such a
    date the reported values are those just after it.
    """
    if end is None:
        raise JevonsError("run needs the date of its end, for example run(2010, 2035)")
    if method not in (*ADAPTIVE, *FIXED):
        known = (*ADAPTIVE, *FIXED)
        raise JevonsError(f"method {method!r}, expected one of {', '.join(known)}{nearest(method, known)}")
    if on_failure not in ("raise", "return"):
        raise JevonsError(f"on_failure {on_failure!r}, expected 'raise' or 'return'")
    model = model if isinstance(model, RunnableModel) else runnable(model)
    system = model.system
    start = model.start if start is None else start
    p = parameter_vector(model, system, params)
    for name, value in {"start": start, "end": end, "every": every, "dt": dt}.items():
        if not isinstance(value, (int, float)):
            raise JevonsError(f"{name} {value!r}, expected a number")
    dates = {"start": start, "end": end, "every": every, "dt": dt, **dict(zip(system.parameters, p, strict=True))}
    bad = [name for name, value in dates.items() if not math.isfinite(value)]
    if bad:
        status = RunStatus(Status.NON_FINITE_INPUT, model.start, bad[0])
        return _outcome(model, system, np.empty(0), np.empty((0, 0)), p, status, on_failure)
    if not model.start <= start < end:
        raise JevonsError(f"window {start:g} to {end:g}: expected model start {model.start:g} ≤ start < end")
    for name, value in (("every", every), ("dt", dt)):
        if value <= 0:
            raise JevonsError(f"{name} {value:g}, expected more than 0")
    if (end - start) / every > MOST_DATES:
        raise JevonsError(
            f"window {start:g} to {end:g} every {every:g} has more than {MOST_DATES:,} dates: raise `every`"
        )
    report = _report_times(start, end, every)
    if method in FIXED:
        states, status = _run_fixed(system, p, report, FIXED[method], dt, max_calls)
    else:
        states, status = _run_adaptive(system, p, report, method, rtol, atol, max_calls)
    return _outcome(model, system, report, states, p, status, on_failure)


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


def break_points(system: System, p: Floats, end: float) -> Floats:
    """Dates strictly inside the run at which integration must restart."""
    dates = np.concatenate([kernels.switch_dates(system, p), np.array(system.knots)])
    dates = np.unique(dates)
    return dates[(dates > system.start + _SAME_DATE) & (dates < end - _SAME_DATE)]


def _outcome(
    model: RunnableModel,
    system: System,
    times: Floats,
    states: Floats,
    p: Floats,
    status: RunStatus,
    on_failure: str,
) -> Trajectory:
    reached = len(states)
    values = _observe(system, times[:reached], states, p) if reached else np.empty((0, len(system.outputs)))
    places = {n: i for i, n in enumerate(system.outputs)}
    names = sorted(model.names, key=places.__getitem__)  # in order of evaluation, so that the first failure is named
    columns = [places[n] for n in names]
    if not np.isfinite(values[:, columns]).all():
        row, column = np.argwhere(~np.isfinite(values[:, columns]))[0]
        status = RunStatus(Status.DIVERGED, float(times[row]), names[column], "not a finite number")
        values = values[:row]
        reached = int(row)
    if not status.ok and on_failure == "raise":
        raise IntegrationError(status)
    return Trajectory(
        times[:reached],
        values[:, [places[n] for n in model.names]],
        model.names,
        model.units,
        status,
        model.name,
        model.time_unit,
    )


def _observe(system: System, times: Floats, states: Floats, p: Floats) -> Floats:
    functions = kernels.python_functions(system.source)
    dates = kernels.switch_dates(system, p)
    values, rows = kernels.vector(system, p), []
    for t, x in zip(times.tolist(), states.tolist(), strict=True):
        out = [math.nan] * len(system.outputs)
        on = [float(t >= date - _SAME_DATE) for date in dates]
        try:
            functions.observe(t, x, values, on, system.tables, out)
        except (ValueError, OverflowError, ZeroDivisionError):
            out = kernels.outputs_at(system, p, t, np.array(x), on).tolist()
        rows.append(out)
    return np.array(rows)


def _start(system: System, p: Floats) -> tuple[Floats, RunStatus]:
    try:
        natural, _, solved = kernels.start_state(system, p)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        zero = [n for n, value in zip(system.parameters, p, strict=True) if value == 0]
        hint = f"; parameters that are zero: {', '.join(zero)}" if zero else ""
        return np.empty(0), RunStatus(Status.NOT_SOLVED, system.start, detail=f"{error}{hint}")
    if not solved:
        return natural, RunStatus(Status.NOT_SOLVED, system.start, ", ".join(system.unknowns))
    log = np.array(system.log, dtype=bool)
    for name, value, is_log in zip(system.stocks, natural, log, strict=True):
        if not math.isfinite(value) or (is_log and value <= 0):
            detail = f"initial value {value:g}" + (", expected positive for a log stock" if is_log else "")
            return natural, RunStatus(Status.DIVERGED, system.start, name, detail)
    x = natural.copy()
    x[log] = np.log(x[log])
    return x, RunStatus(Status.FINISHED, system.start)


class _BudgetUsedUp(Exception):
    pass


class _Stuck(Exception):
    pass


def _run_adaptive(
    system: System, p: Floats, report: Floats, method: str, rtol: float, atol: float, max_calls: int
) -> tuple[Floats, RunStatus]:
    import scipy.integrate

    x, status = _start(system, p)
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
            return _stack(rows, n), failure or _diverged(system, p, suspect, on, message)
        x = reached[-1]
    return _stack(rows, n), RunStatus(Status.FINISHED, float(report[-1]))


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


def _stack(rows: Sequence[Floats], n: int) -> Floats:
    return np.array(rows) if rows else np.empty((0, n))


def fixed_grid(system: System, p: Floats, report: Floats, dt: float) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Nodes (report times and break points), steps between them, switches after each node."""
    first = [system.start] if report[0] - system.start > _SAME_DATE else []
    nodes = np.concatenate([first, report, break_points(system, p, report[-1])])
    nodes.sort()
    nodes = nodes[np.append(True, np.diff(nodes) > _SAME_DATE)]
    lengths = np.diff(nodes)
    steps = np.maximum(1, np.ceil(lengths / dt - 1e-6)).astype(np.int64)
    middles = np.append(nodes[:-1] + 0.5 * lengths, nodes[-1] + _SAME_DATE)
    switches = (middles[:, None] >= kernels.switch_dates(system, p)[None, :]).astype(float)
    return nodes, steps, switches


def fixed_steps(
    system: System, p: Floats, report: Floats, order: int, dt: float, max_calls: int = 10**9
) -> tuple[Floats, RunStatus]:
    """All outputs at the reported dates reached, in plain Python, and how the run ended."""
    if not np.isfinite(p).all():
        bad = system.parameters[int(np.argmin(np.isfinite(p)))]
        return np.empty((0, len(system.outputs))), RunStatus(Status.NON_FINITE_INPUT, system.start, bad)
    states, status = _run_fixed(system, p, report, order, dt, max_calls)
    values = _observe(system, report[: len(states)], states, p) if len(states) else np.empty((0, len(system.outputs)))
    return values, status


def _run_fixed(
    system: System, p: Floats, report: Floats, order: int, dt: float, max_calls: int
) -> tuple[Floats, RunStatus]:
    """Fixed steps in plain Python, so that a single run never waits for a compiler."""
    x, status = _start(system, p)
    n = len(system.stocks)
    if not status.ok:
        return np.empty((0, n)), status
    nodes, steps, switches = fixed_grid(system, p, report, dt)
    calls = int(steps.sum()) * order
    if calls > max_calls:
        detail = f"{calls} right-hand sides needed, {max_calls} allowed"
        return np.empty((0, n)), RunStatus(Status.STEP_BUDGET, system.start, detail=detail)
    derivatives = kernels.python_functions(system.source).rhs
    values, tab = kernels.vector(system, p), system.tables
    reported = set(np.searchsorted(nodes, report - 2 * _SAME_DATE).tolist())
    rows: list[Floats] = []

    def rhs(t: float, y: list[float]) -> list[float]:
        dx = [0.0] * n
        try:
            derivatives(t, y, values, on, tab, dx)
        except (ValueError, OverflowError, ZeroDivisionError):
            dx = kernels.derivatives_at(system, p, t, np.array(y), on).tolist()
        return dx

    state = x.tolist()
    for k, node in enumerate(nodes.tolist()):
        if not all(map(math.isfinite, state)):
            stock = next(i for i, value in enumerate(state) if not math.isfinite(value))
            return _stack(rows, n), RunStatus(Status.DIVERGED, node, system.stocks[stock])
        if k in reported:
            rows.append(np.array(state))
        if k == nodes.size - 1:
            break
        h, on = float(nodes[k + 1] - node) / int(steps[k]), switches[k].tolist()
        for j in range(steps[k]):
            state = _step(rhs, node + j * h, state, h, order)
    return _stack(rows, n), RunStatus(Status.FINISHED, float(report[-1]))


def _step(
    rhs: Callable[[float, list[float]], list[float]], t: float, x: list[float], h: float, order: int
) -> list[float]:
    """One step of Euler or of classical Runge-Kutta."""
    k1 = rhs(t, x)
    if order == 1:
        return [a + h * k for a, k in zip(x, k1, strict=True)]
    k2 = rhs(t + 0.5 * h, [a + 0.5 * h * k for a, k in zip(x, k1, strict=True)])
    k3 = rhs(t + 0.5 * h, [a + 0.5 * h * k for a, k in zip(x, k2, strict=True)])
    k4 = rhs(t + h, [a + h * k for a, k in zip(x, k3, strict=True)])
    every = zip(x, k1, k2, k3, k4, strict=True)
    return [a + h / 6.0 * (b + 2.0 * c + 2.0 * d + e) for a, b, c, d, e in every]


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
