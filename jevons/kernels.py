"""A generated system in plain Python: its functions, its start, its values at one moment."""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.recursion import deep_recursion
from jevons.system import PYTHON_NAMES, System

Floats = NDArray[np.float64]

FIXED_POINT_ITERATIONS = 5_000
FIXED_POINT_TOLERANCE = 1e-14
STALLED_TOLERANCE = 1e-9
_ROOT_EPSILON = 2.0**-26


@dataclass(frozen=True)
class PythonFunctions:
    """The generated functions as plain Python; `rates` of sources for steps over a grid."""

    constants: Any
    rhs: Any
    observe: Any
    jacobian: Any
    switches: Any
    unknowns: Any
    initial: Any
    rates: Any = None


_OWN = (
    "interpolate", "interpolate_slope", "noise", "normal_quantile", "loggamma", "digamma", "erf", "erfc",
    "market_price", "market_price_slope", "market_share", "market_share_slope",
)  # fmt: skip


def _scalar(function: Callable[..., float]) -> Callable[..., np.float64]:
    """The function with numpy scalars, which divide by zero without raising, for results."""
    return lambda *arguments: np.float64(function(*arguments))


_TOLERANT_NAMES: dict[str, Any] = {
    "number": np.float64,
    **{n: getattr(np, n) for n in ("exp", "log", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan", "floor", "ceil")},
    **{n: getattr(np, f"arc{n[1:]}") for n in ("asin", "acos", "atan")},
    "pow": np.power,
    **{n: _scalar(PYTHON_NAMES[n]) for n in _OWN},
}


class _NumpyNumbers(ast.NodeTransformer):
    """Turns the literals of a generated source into numpy scalars."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, float):
            return ast.Call(ast.Name("number", ast.Load()), [node], [])
        return node


@functools.lru_cache(maxsize=64)
@deep_recursion()
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
    namespace.setdefault("jacobian", _by_differences(namespace["rhs"]))
    names = (field.name for field in dataclasses.fields(PythonFunctions))
    return PythonFunctions(**{name: namespace[name] for name in names if name in namespace})


def _by_differences(rhs: Callable[..., None]) -> Callable[..., None]:
    """Jacobian by forward differences, for sources that do not hold it: good enough for Newton's method."""

    def jacobian(t: float, x: Sequence[float], p: Any, s: Any, tab: Any, jac: Any) -> None:
        n = len(x)
        here, there = [0.0] * n, [0.0] * n
        rhs(t, x, p, s, tab, here)
        for j in range(n):
            moved = list(x)
            moved[j] += _ROOT_EPSILON * max(abs(x[j]), _ROOT_EPSILON)
            rhs(t, moved, p, s, tab, there)
            for i in range(n):
                jac[i * n + j] = (there[i] - here[i]) / (moved[j] - x[j])

    return jacobian


def vector(system: System, p: Floats) -> list[float]:
    """The vector ``p`` of the generated functions: parameters, then the constants computed from them."""
    values = [*p.tolist(), *[0.0] * system.n_constants]
    try:
        python_functions(system.source).constants(values, system.tables)
    except (ValueError, OverflowError, ZeroDivisionError):
        tolerated = np.array(values)
        with np.errstate(all="ignore"):
            python_functions(system.source, tolerant=True).constants(tolerated, np.array(system.tables))
        values = tolerated.tolist()
    return values


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
        observe(np.float64(t), x, np.array(vector(system, p)), np.array(s), np.array(system.tables), out)
    return out


def derivatives_at(system: System, p: Floats, t: float, x: Floats, s: Sequence[float]) -> Floats:
    """All derivatives at one moment, NaN or infinite where they cannot be computed."""
    out = np.full(len(system.stocks), np.nan)
    rhs = python_functions(system.source, tolerant=True).rhs
    with np.errstate(all="ignore"):
        rhs(np.float64(t), x, np.array(vector(system, p)), np.array(s), np.array(system.tables), out)
    return out


def switch_dates(system: System, p: Floats) -> Floats:
    """Dates of the system's switches for a parameter vector."""
    dates = [0.0] * system.n_switches
    python_functions(system.source).switches(p.tolist(), dates)
    return np.array(dates)


def switch_row(system: System, p: Floats, t: float) -> list[float]:
    """State of the switches at a time."""
    return [float(t >= date) for date in switch_dates(system, p)]
