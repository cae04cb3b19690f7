"""Runs in fixed steps, in plain Python, so that a single run never waits for a compiler."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from jevons import kernels
from jevons.run_settings import Grid
from jevons.system import System
from jevons.trajectory import RunStatus, Status

Floats = NDArray[np.float64]
Derivatives = Callable[[float, list[float], list[float]], list[float]]
SAME_DATE = 1e-9


def break_points(system: System, p: Floats, end: float) -> Floats:
    """Dates strictly inside the run at which integration must restart."""
    dates = np.concatenate([kernels.switch_dates(system, p), np.array(system.knots)])
    dates = np.unique(dates)
    return dates[(dates > system.start + SAME_DATE) & (dates < end - SAME_DATE)]


def observed(system: System, times: Floats, states: Floats, p: Floats) -> Floats:
    """All outputs at some dates."""
    values, observe = np.empty((len(times), len(system.outputs))), _outputs(system, p)
    for row, (t, x) in enumerate(zip(times.tolist(), states.tolist(), strict=True)):
        values[row], _ = observe(t, x)
    return values


def _outputs(system: System, p: Floats) -> Callable[[float, list[float]], tuple[list[float], bool]]:
    """All outputs of a date and a state, and whether plain arithmetic sufficed for them."""
    function = kernels.python_functions(system.source).observe
    dates = kernels.switch_dates(system, p).tolist()
    vector, tab, width = kernels.vector(system, p), system.tables, len(system.outputs)

    def observe(t: float, x: list[float]) -> tuple[list[float], bool]:
        out = [math.nan] * width
        on = [float(t >= date - SAME_DATE) for date in dates]
        try:
            function(t, x, vector, on, tab, out)
        except (ValueError, OverflowError, ZeroDivisionError):
            return kernels.outputs_at(system, p, t, np.array(x), on).tolist(), False
        return out, True

    return observe


def start_of_run(system: System, p: Floats) -> tuple[Floats, RunStatus]:
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


def stacked(rows: Sequence[Floats], n: int) -> Floats:
    return np.array(rows) if rows else np.empty((0, n))


def fixed_grid(system: System, p: Floats, report: Floats, dt: float) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Nodes (report times and break points), steps between them, switches after each node."""
    first = [system.start] if report[0] - system.start > SAME_DATE else []
    nodes = np.concatenate([first, report, break_points(system, p, report[-1])])
    nodes.sort()
    nodes = nodes[np.append(True, np.diff(nodes) > SAME_DATE)]
    lengths = np.diff(nodes)
    steps = np.maximum(1, np.ceil(lengths / dt - 1e-6)).astype(np.int64)
    middles = np.append(nodes[:-1] + 0.5 * lengths, nodes[-1] + SAME_DATE)
    switches = (middles[:, None] >= kernels.switch_dates(system, p)[None, :]).astype(float)
    return nodes, steps, switches


def fixed_steps(
    system: System,
    p: Floats,
    report: Floats,
    order: int,
    dt: float,
    max_calls: int = 10**9,
    grid: Grid | None = None,
) -> tuple[Floats, RunStatus]:
    """All outputs at the reported dates reached, and how the run ended; over the steps of `grid` if there is one."""
    if not np.isfinite(p).all():
        bad = system.parameters[int(np.argmin(np.isfinite(p)))]
        return np.empty((0, len(system.outputs))), RunStatus(Status.NON_FINITE_INPUT, system.start, bad)
    if grid is not None:
        return run_over_grid(system, p, grid, order)
    states, status = run_between_nodes(system, p, report, order, dt, max_calls)
    return observed(system, report[: len(states)], states, p), status


def run_between_nodes(
    system: System, p: Floats, report: Floats, order: int, dt: float, max_calls: int
) -> tuple[Floats, RunStatus]:
    """States at the reported dates: equal steps of at most `dt` between those dates and the break points."""
    x, status = start_of_run(system, p)
    n = len(system.stocks)
    if not status.ok:
        return np.empty((0, n)), status
    nodes, steps, switches = fixed_grid(system, p, report, dt)
    calls = int(steps.sum()) * order
    if calls > max_calls:
        detail = f"{calls} right-hand sides needed, {max_calls} allowed"
        return np.empty((0, n)), RunStatus(Status.STEP_BUDGET, system.start, detail=detail)
    derivatives = _derivatives(system, p)
    held: list[float] = []  # the switches, from one node to the next

    def rhs(t: float, y: list[float]) -> list[float]:
        return derivatives(t, y, held)

    reported = set(np.searchsorted(nodes, report - 2 * SAME_DATE).tolist())
    rows: list[Floats] = []
    state = x.tolist()
    for k, node in enumerate(nodes.tolist()):
        failure = _failure(system, node, state)
        if failure:
            return stacked(rows, n), failure
        if k in reported:
            rows.append(np.array(state))
        if k == nodes.size - 1:
            break
        h, held = float(nodes[k + 1] - node) / int(steps[k]), switches[k].tolist()
        for j in range(steps[k]):
            state = _step(rhs, node + j * h, state, h, order)
    return stacked(rows, n), RunStatus(Status.FINISHED, float(report[-1]))


def run_over_grid(system: System, p: Floats, grid: Grid, order: int) -> tuple[Floats, RunStatus]:
    """All outputs at the reported dates of a grid, one step after the other; switches are asked at every stage."""
    x, status = start_of_run(system, p)
    values = np.empty((grid.places.size, len(system.outputs)))
    if not status.ok:
        return values[:0], status
    derivatives, observe = _derivatives(system, p), _outputs(system, p)
    switches = kernels.switch_dates(system, p).tolist()
    rates = kernels.python_functions(system.source).rates if order == 1 and not any(system.log) else None

    def rhs(t: float, y: list[float]) -> list[float]:
        return derivatives(t, y, [float(t >= date - SAME_DATE) for date in switches])

    reported = set(grid.places.tolist())
    state, steps, row = x.tolist(), grid.steps.tolist(), 0
    for k, date in enumerate(grid.dates.tolist()):
        failure = _failure(system, date, state)
        if failure:
            return values[:row], failure
        out: list[float] | None = None
        if k in reported:
            out, plain = observe(date, state)
            values[row] = out
            out, row = out if plain else None, row + 1
        if k == len(steps):
            break
        if rates is None or out is None:
            state = _step(rhs, date, state, steps[k], order)
        else:  # the outputs hold all flows
            slopes, h = [0.0] * len(state), steps[k]
            rates(out, slopes)
            state = [a + h * b for a, b in zip(state, slopes, strict=True)]
    return values[:row], RunStatus(Status.FINISHED, float(grid.times[-1]))


def _failure(system: System, time: float, state: list[float]) -> RunStatus | None:
    if math.isfinite(sum(state)) or all(map(math.isfinite, state)):
        return None
    stock = next(i for i, value in enumerate(state) if not math.isfinite(value))
    return RunStatus(Status.DIVERGED, time, system.stocks[stock])


def _derivatives(system: System, p: Floats) -> Derivatives:
    """Right-hand side of a date, a state and the switches; not finite where it cannot be computed."""
    function = kernels.python_functions(system.source).rhs
    values, tab, n = kernels.vector(system, p), system.tables, len(system.stocks)

    def derivatives(t: float, y: list[float], on: list[float]) -> list[float]:
        dx = [0.0] * n
        try:
            function(t, y, values, on, tab, dx)
        except (ValueError, OverflowError, ZeroDivisionError):
            dx = kernels.derivatives_at(system, p, t, np.array(y), on).tolist()
        return dx

    return derivatives


def _step(
    rhs: Callable[[float, list[float]], list[float]], t: float, x: list[float], h: float, order: int
) -> list[float]:
    """One step of Euler, of the midpoint rule, or of classical Runge-Kutta."""
    k1 = rhs(t, x)
    if order == 1:
        return [a + h * k for a, k in zip(x, k1, strict=True)]
    k2 = rhs(t + 0.5 * h, [a + 0.5 * h * k for a, k in zip(x, k1, strict=True)])
    if order == 2:
        return [a + h * k for a, k in zip(x, k2, strict=True)]
    k3 = rhs(t + 0.5 * h, [a + 0.5 * h * k for a, k in zip(x, k2, strict=True)])
    k4 = rhs(t + h, [a + h * k for a, k in zip(x, k3, strict=True)])
    every = zip(x, k1, k2, k3, k4, strict=True)
    return [a + h / 6.0 * (b + 2.0 * c + 2.0 * d + e) for a, b, c, d, e in every]
