"""Generated functions in complex numbers: derivatives of a discrete solution, independent of the tangents."""

from __future__ import annotations

import ast
import cmath
import math

import numpy as np

from jevons.integrate import _SAME_DATE
from jevons.system import System

STEP = 1e-30


class _RealComparisons(ast.NodeTransformer):
    def visit_Compare(self, node):
        self.generic_visit(node)
        node.left = ast.Call(ast.Name("real", ast.Load()), [node.left], [])
        node.comparators = [ast.Call(ast.Name("real", ast.Load()), [c], []) for c in node.comparators]
        return node


def _interpolate(table, first, n, extrapolate, x):
    k = _place(table, first, n, x)
    if not extrapolate and x.real <= table[first]:
        return table[first + n]
    if not extrapolate and x.real >= table[first + n - 1]:
        return table[first + 2 * n - 1]
    x0, x1, y0, y1 = table[first + k], table[first + k + 1], table[first + n + k], table[first + n + k + 1]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _place(table, first, n, x):
    return max(0, min(n - 2, sum(x.real >= table[first + i] for i in range(n)) - 1))


def functions(source: str) -> dict:
    """The generated functions, working on complex numbers."""
    namespace = {
        **{name: getattr(cmath, name) for name in ("exp", "log", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan")},
        "pow": lambda a, b: a**b if a != 0 else 0.0 * a,
        "floor": lambda z: math.floor(z.real),
        "abs": lambda z: z if z.real >= 0 else -z,
        "max": lambda *a: max(a, key=lambda z: complex(z).real),
        "min": lambda *a: min(a, key=lambda z: complex(z).real),
        "interpolate": lambda *a: _interpolate(*a[:-1], complex(a[-1])),
        "real": lambda z: complex(z).real,
        "float": float,
    }
    tree = ast.fix_missing_locations(_RealComparisons().visit(ast.parse(source)))
    exec(compile(tree, "<complex>", "exec"), namespace)
    return namespace


def run(system: System, p: list[complex], times, dt: float, starts=None) -> np.ndarray:
    """All outputs at the dates by classical Runge-Kutta on the grid of the compiled code; shape (dates, outputs)."""
    f, tab, n = functions(system.source), system.tables, len(system.stocks)
    values = [*p, *[0j] * system.n_constants]
    f["constants"](values, tab)
    dates = [0j] * system.n_switches
    f["switches"](values, dates)
    on = [float(system.start >= complex(d).real) for d in dates]
    u = [complex(g) for g in system.guesses]
    for _ in range(4_000 if u else 0):
        new = [0j] * len(u)
        f["unknowns"](system.start, values, on, tab, u, new)
        moved = [cmath.sqrt(a * b) for a, b in zip(u, new, strict=True)]
        settled = all(
            abs((a - b).real) <= 1e-15 * abs(b.real) and abs((a - b).imag) <= 1e-14 * abs(b.imag)
            for a, b in zip(u, moved, strict=True)
        )
        u = moved
        if settled:
            break
    x = [0j] * n
    f["initial"](system.start, values, on, tab, u, x)
    for stock, moved in (starts or {}).items():
        x[system.stocks.index(stock)] += moved
    x = [cmath.log(v) if log else complex(v) for v, log in zip(x, system.log, strict=True)]
    end = float(times[-1])
    dates = [complex(d) for d in dates]
    knots = [k for k in system.knots if system.start < k < end]
    fixed = [(float(system.start), -1, -1), *((float(t), i, -1) for i, t in enumerate(times))]
    moving = [(d, -1, i) for i, d in enumerate(dates) if system.start < d.real < end]
    nodes = sorted([*fixed, *((k, -1, -1) for k in knots), *moving], key=lambda node: complex(node[0]).real)
    place = {i: k for k, (_, _, i) in enumerate(nodes) if i >= 0}
    place.update({i: -1 if d.real <= system.start else len(nodes) for i, d in enumerate(dates) if i not in place})
    reports = np.zeros((len(times), len(system.outputs)), complex)

    def rhs(t, y):
        dx = [0j] * n
        f["rhs"](t, y, values, on, tab, dx)
        return dx

    for k, (t, report, _) in enumerate(nodes):
        if report >= 0:
            on = [float(t >= d.real - _SAME_DATE) for d in dates]
            out = [0j] * len(system.outputs)
            f["observe"](t, x, values, on, tab, out)
            reports[report] = out
        if k == len(nodes) - 1:
            break
        length = complex(nodes[k + 1][0] - t)
        steps = max(1, math.ceil(length.real / dt - 1e-6))
        h = length / steps
        on = [float(place[i] <= k) for i in range(len(dates))]
        for j in range(steps):
            a = t + j * h
            k1 = rhs(a, x)
            k2 = rhs(a + h / 2, [v + h / 2 * s for v, s in zip(x, k1, strict=True)])
            k3 = rhs(a + h / 2, [v + h / 2 * s for v, s in zip(x, k2, strict=True)])
            k4 = rhs(a + h, [v + h * s for v, s in zip(x, k3, strict=True)])
            x = [v + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4) for v, a1, a2, a3, a4 in zip(x, k1, k2, k3, k4, strict=True)]
    return reports


def jacobian(system: System, p, names, times, dt: float) -> np.ndarray:
    """Derivatives of all outputs by complex steps; shape (dates, outputs, names)."""
    columns = []
    for name in names:
        values = [complex(v) for v in p]
        starts = {name: 1j * STEP} if name in system.stocks else None
        if starts is None:
            values[system.parameters.index(name)] += 1j * STEP
        columns.append(run(system, values, times, dt, starts).imag / STEP)
    return np.stack(columns, axis=2)


__all__ = ["functions", "jacobian", "run"]
