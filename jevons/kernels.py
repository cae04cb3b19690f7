"""Callable functions of a generated system, and fixed-step integration compiled by numba."""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.codegen import PYTHON_NAMES, System, _interval, interpolate, interpolate_slope

Floats = NDArray[np.float64]

FIXED_POINT_ITERATIONS = 5_000
FIXED_POINT_TOLERANCE = 1e-14
STALLED_TOLERANCE = 1e-9


@dataclass(frozen=True)
class PythonFunctions:
    """The generated functions as plain Python."""

    rhs: Any
    observe: Any
    jacobian: Any
    switches: Any
    unknowns: Any
    initial: Any


_TOLERANT_NAMES: dict[str, Any] = {
    "number": np.float64,
    **{n: getattr(np, n) for n in ("exp", "log", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan", "floor")},
    "pow": np.power,
    "interpolate": lambda *a: np.float64(interpolate(*a)),
    "interpolate_slope": lambda *a: np.float64(interpolate_slope(*a)),
}


class _NumpyNumbers(ast.NodeTransformer):
    """Turns the literals of a generated source into numpy scalars."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, float):
            return ast.Call(ast.Name("number", ast.Load()), [node], [])
        return node


@functools.lru_cache(maxsize=64)
def python_functions(source: str, tolerant: bool = False) -> PythonFunctions:
    """Plain Python functions of a generated source, which holds no text of the model.

    With `tolerant` they take numpy scalars and give NaN or infinity where mathematics ends, instead of raising.
    """
    namespace: dict[str, Any] = {**PYTHON_NAMES, "__builtins__": {"float": float}}
    tree = ast.parse(source)
    if tolerant:
        namespace.update(_TOLERANT_NAMES)
        tree = ast.fix_missing_locations(_NumpyNumbers().visit(tree))
    exec(compile(tree, "<generated system>", "exec"), namespace)
    return PythonFunctions(
        **{n: namespace[n] for n in ("rhs", "observe", "jacobian", "switches", "unknowns", "initial")}
    )


@dataclass(frozen=True)
class CompiledFunctions:
    """Machine code of a system.

    Attributes
    ----------
    start(t, p, s, tab, u, log, x) -> int
        Solves for the initial unknowns and writes the initial state; 0 when solved.
    integrate(order, x, p, grid, steps, s, tab, out) -> (int, int)
        Fixed steps between the grid's nodes; order 1 is Euler, 4 is Runge-Kutta. Returns the node reached and
        the stock that failed (-1 when none did).
    observe(grid, x, p, s, tab, out)
        All outputs at the grid's nodes.
    switches(p, out)
    """

    start: Any
    integrate: Any
    observe: Any
    switches: Any


@functools.lru_cache(maxsize=64)
def compiled_functions(source: str) -> CompiledFunctions:
    """Compile a generated source with numba; a few seconds, once per source and process."""
    import numba

    jit = functools.partial(numba.njit, nogil=True, error_model="numpy")
    names = dict(PYTHON_NAMES)
    interval = jit(_interval)
    names["interpolate"] = jit(_with_global(interpolate, _interval=interval))
    names["interpolate_slope"] = jit(_with_global(interpolate_slope, _interval=interval))
    names["float"] = float
    namespace: dict[str, Any] = names
    exec(compile(source, "<generated system>", "exec"), namespace)
    rhs, observe_one = jit(namespace["rhs"]), jit(namespace["observe"])
    unknowns, initial = jit(namespace["unknowns"]), jit(namespace["initial"])

    @jit
    def start(t: Any, p: Any, s: Any, tab: Any, u: Any, log: Any, x: Any) -> int:
        status = _solve_unknowns(t, p, s, tab, u)
        initial(t, p, s, tab, u, x)
        for i in range(x.size):
            if log[i]:
                x[i] = np.log(x[i])
        return status  # type: ignore[no-any-return]

    @jit
    def _solve_unknowns(t: Any, p: Any, s: Any, tab: Any, u: Any) -> int:
        n = u.size
        if n == 0:
            return 0
        new = np.empty(n)
        change = np.inf
        for _ in range(FIXED_POINT_ITERATIONS):
            unknowns(t, p, s, tab, u, new)
            change = 0.0
            for i in range(n):
                if not new[i] > 0.0 or not np.isfinite(new[i]):
                    return 1
                move = 0.5 * np.log(new[i] / u[i])
                u[i] *= np.exp(move)
                change = max(change, abs(move))
            if change < FIXED_POINT_TOLERANCE:
                return 0
        return 0 if change < STALLED_TOLERANCE else 1

    @jit
    def integrate(order: Any, x: Any, p: Any, grid: Any, steps: Any, s: Any, tab: Any, out: Any) -> tuple[int, int]:
        n = x.size
        k1, k2, k3, k4, y = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        out[0, :] = x
        for k in range(grid.size - 1):
            h = (grid[k + 1] - grid[k]) / steps[k]
            on = s[k]
            for j in range(steps[k]):
                t = grid[k] + j * h
                rhs(t, x, p, on, tab, k1)
                if order == 1:
                    for i in range(n):
                        x[i] += h * k1[i]
                    continue
                for i in range(n):
                    y[i] = x[i] + 0.5 * h * k1[i]
                rhs(t + 0.5 * h, y, p, on, tab, k2)
                for i in range(n):
                    y[i] = x[i] + 0.5 * h * k2[i]
                rhs(t + 0.5 * h, y, p, on, tab, k3)
                for i in range(n):
                    y[i] = x[i] + h * k3[i]
                rhs(t + h, y, p, on, tab, k4)
                for i in range(n):
                    x[i] += h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i])
            for i in range(n):
                if not np.isfinite(x[i]):
                    return k + 1, i
            out[k + 1, :] = x
        return grid.size - 1, -1

    @jit
    def observe(grid: Any, x: Any, p: Any, s: Any, tab: Any, out: Any) -> None:
        for k in range(grid.size):
            observe_one(grid[k], x[k], p, s[k], tab, out[k])

    return CompiledFunctions(start, integrate, observe, jit(namespace["switches"]))


def _with_global(function: Any, **replaced: Any) -> Any:
    """The same function with some of its globals replaced (by their compiled versions)."""
    import types

    return types.FunctionType(function.__code__, {**function.__globals__, **replaced}, function.__name__)


def start_state(system: System, p: Floats) -> tuple[Floats, Floats, bool]:
    """Initial state in plain Python.

    Returns
    -------
    natural : array of shape (stocks,)
    unknowns : array of shape (unknowns,)
    solved : bool
    """
    functions = python_functions(system.source)
    s = switch_row(system, p, system.start)
    values, tab = p.tolist(), system.tables
    u = list(system.guesses)
    solved = not u
    for _ in range(FIXED_POINT_ITERATIONS if u else 0):
        new = [0.0] * len(u)
        functions.unknowns(system.start, values, s, tab, u, new)
        if not all(np.isfinite(new)) or min(new) <= 0:
            break
        moves = [0.5 * float(np.log(b / a)) for a, b in zip(u, new, strict=True)]
        u = [a * float(np.exp(m)) for a, m in zip(u, moves, strict=True)]
        solved = max(map(abs, moves)) < STALLED_TOLERANCE
        if max(map(abs, moves)) < FIXED_POINT_TOLERANCE:
            break
    out = [0.0] * len(system.stocks)
    functions.initial(system.start, values, s, tab, u, out)
    return np.array(out), np.array(u), solved


def outputs_at(system: System, p: Floats, t: float, x: Floats, s: Sequence[float]) -> Floats:
    """All outputs at one moment, NaN or infinite where they cannot be computed."""
    out = np.full(len(system.outputs), np.nan)
    observe = python_functions(system.source, tolerant=True).observe
    with np.errstate(all="ignore"):
        observe(np.float64(t), x, p, np.array(s), np.array(system.tables), out)
    return out


def derivatives_at(system: System, p: Floats, t: float, x: Floats, s: Sequence[float]) -> Floats:
    """All derivatives at one moment, NaN or infinite where they cannot be computed."""
    out = np.full(len(system.stocks), np.nan)
    rhs = python_functions(system.source, tolerant=True).rhs
    with np.errstate(all="ignore"):
        rhs(np.float64(t), x, p, np.array(s), np.array(system.tables), out)
    return out


def switch_dates(system: System, p: Floats) -> Floats:
    """Dates of the system's switches for a parameter vector."""
    dates = [0.0] * system.n_switches
    python_functions(system.source).switches(p.tolist(), dates)
    return np.array(dates)


def switch_row(system: System, p: Floats, t: float) -> list[float]:
    """State of the switches at a time."""
    return [float(t >= date) for date in switch_dates(system, p)]
