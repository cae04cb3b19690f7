"""Plain numba: the same generated source, jitted as it is, one member at a time, members on threads."""

from __future__ import annotations

import functools
import math
import types
from typing import Any

import numpy as np
from equations import FIXED_POINT_ITERATIONS, FIXED_POINT_TOLERANCE, Equations
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NAMES = ("exp", "log", "sqrt", "pow", "tanh", "sinh", "cosh", "sin", "cos", "tan", "floor")


def interpolate(table: Any, first: int, n: int, extrapolate: int, x: float) -> float:
    """Linear interpolation by bisection."""
    if not extrapolate:
        x = min(max(x, table[first]), table[first + n - 1])
    low, high = 0, n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x >= table[first + middle]:
            low = middle
        else:
            high = middle
    x0, x1 = table[first + low], table[first + low + 1]
    y0, y1 = table[first + n + low], table[first + n + low + 1]
    return y0 + (y1 - y0) * ((x - x0) / (x1 - x0))  # type: ignore[no-any-return]


class PlainNumba:
    """Fixed-step runs compiled by numba."""

    def __init__(self, equations: Equations, threads: int = 2) -> None:
        import numba

        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        self.equations = equations
        self._members = _compile(equations)

    def run(self, rows: Floats) -> Floats:
        """Values: members, dates, outputs."""
        e = self.equations
        out = np.empty((len(rows), e.report.size, e.columns.size))
        self._members(
            rows, e.base, e.places, np.array(e.guesses), np.array(e.log), np.array(e.tables), e.nodes, e.steps,
            e.switches, e.report, e.columns, out,
        )  # fmt: skip
        return out


def _compile(equations: Equations) -> Any:
    import numba

    jit = functools.partial(numba.njit, error_model="numpy")
    namespace: dict[str, Any] = {name: getattr(math, name) for name in _NAMES}
    namespace |= {"float": float, "abs": abs, "max": max, "min": min, "interpolate": jit(interpolate)}
    wanted = ("rhs", "observe", "unknowns", "initial", "constants")
    exec(compile(equations.source, "<equations>", "exec"), namespace)
    functions = {name: jit(namespace[name]) for name in wanted if isinstance(namespace.get(name), types.FunctionType)}
    rhs, observe = functions["rhs"], functions["observe"]
    unknowns, initial = functions["unknowns"], functions["initial"]
    constants = functions.get("constants") or jit(_nothing)
    n, n_outputs = equations.n_stocks, equations.n_outputs

    @jit
    def start(t: float, p: Any, s: Any, tab: Any, u: Any, log: Any, x: Any) -> None:
        new = np.empty(u.size)
        for _ in range(FIXED_POINT_ITERATIONS if u.size else 0):
            unknowns(t, p, s, tab, u, new)
            change = 0.0
            for i in range(u.size):
                move = 0.5 * math.log(new[i] / u[i])
                u[i] *= math.exp(move)
                change = max(change, abs(move))
            if change < FIXED_POINT_TOLERANCE:
                break
        initial(t, p, s, tab, u, x)
        for i in range(n):
            if log[i]:
                x[i] = math.log(x[i])

    @jit
    def member(
        p: Any, u: Any, log: Any, tab: Any, nodes: Any, steps: Any, s: Any, report: Any, columns: Any, out: Any
    ) -> None:
        constants(p, tab)
        x, y, all_outputs = np.empty(n), np.empty(n), np.empty(n_outputs)
        k1, k2, k3, k4 = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        start(nodes[0], p, s[0], tab, u, log, x)
        following = 0
        for k in range(nodes.size):
            if following < report.size and report[following] == k:
                observe(nodes[k], x, p, s[k], tab, all_outputs)
                for j in range(columns.size):
                    out[following, j] = all_outputs[columns[j]]
                following += 1
            if k + 1 == nodes.size:
                break
            h = (nodes[k + 1] - nodes[k]) / steps[k]
            for step in range(steps[k]):
                t = nodes[k] + step * h
                rhs(t, x, p, s[k], tab, k1)
                for i in range(n):
                    y[i] = x[i] + 0.5 * h * k1[i]
                rhs(t + 0.5 * h, y, p, s[k], tab, k2)
                for i in range(n):
                    y[i] = x[i] + 0.5 * h * k2[i]
                rhs(t + 0.5 * h, y, p, s[k], tab, k3)
                for i in range(n):
                    y[i] = x[i] + h * k3[i]
                rhs(t + h, y, p, s[k], tab, k4)
                for i in range(n):
                    x[i] += h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i])

    @numba.njit(parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
    def members(
        rows: Any, base: Any, places: Any, guesses: Any, log: Any, tab: Any, nodes: Any, steps: Any, s: Any,
        report: Any, columns: Any, out: Any,
    ) -> None:  # fmt: skip
        for m in numba.prange(rows.shape[0]):
            p = base.copy()
            for j in range(places.size):
                p[places[j]] = rows[m, j]
            member(p, guesses.copy(), log, tab, nodes, steps, s, report, columns, out[m])

    return members


def _nothing(p: Any, tab: Any) -> None:
    """Stands for `constants` where a source has none."""
