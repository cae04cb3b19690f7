"""CasADi: the same generated source with its symbols, integrated by CVODES; forward sensitivities for gradients."""

from __future__ import annotations

import functools
import shutil
from typing import Any

import numpy as np
from equations import Equations, symbolic_functions
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RTOL, ATOL = 1e-8, 1e-10
COMPILER_FLAGS = ["-O2"]


def _names() -> dict[str, Any]:
    import casadi as ca

    def interpolate(tab: Any, first: int, n: int, extrapolate: int, x: Any) -> Any:
        xs, ys = tab[first : first + n], tab[first + n : first + 2 * n]
        if not extrapolate:
            x = ca.fmin(ca.fmax(x, xs[0]), xs[-1])
        pieces = [ys[k] + (ys[k + 1] - ys[k]) / (xs[k + 1] - xs[k]) * (x - xs[k]) for k in range(n - 1)]
        value = pieces[0]
        for k in range(1, n - 1):
            value = ca.if_else(x >= xs[k], pieces[k], value)
        return value

    same = ("exp", "log", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan", "floor")
    return {
        **{name: getattr(ca, name) for name in same},
        "logical_and": ca.logic_and,
        "logical_or": ca.logic_or,
        "logical_not": ca.logic_not,
        "where": ca.if_else,
        "pow": ca.power,
        "abs": ca.fabs,
        "max": lambda *a: functools.reduce(ca.fmax, a),
        "min": lambda *a: functools.reduce(ca.fmin, a),
        "interpolate": interpolate,
    }


class Casadi:
    """A run as one CasADi function of the varied parameters: start, integration, outputs at the reported dates.

    Parameters
    ----------
    equations : Equations
    compiled : bool
        Let CasADi write the right-hand side as C and compile it with gcc.
    """

    def __init__(self, equations: Equations, compiled: bool = False, rtol: float = RTOL, atol: float = ATOL) -> None:
        import casadi as ca

        if equations.switches.shape[1]:
            raise ValueError("a model with dated switches needs a restart of the integrator at each")
        if compiled and shutil.which("gcc") is None:
            raise ImportError("gcc is not there")
        self.equations, e = equations, equations
        self._functions = symbolic_functions(e.source, _names())
        jit: dict[str, Any] = {}
        if compiled:
            jit = {"jit": True, "compiler": "shell", "jit_options": {"flags": COMPILER_FLAGS, "compiler": "gcc"}}
        t, x = ca.SX.sym("t"), ca.SX.sym("x", e.n_stocks)
        varied, u = ca.SX.sym("varied", e.places.size), ca.SX.sym("u", len(e.guesses))
        filled = ca.Function("filled", [varied], [self._vector(varied)])
        p = ca.SX.sym("p", e.n_vector)
        parts = ca.vertsplit(p)
        dx: list[Any] = [None] * e.n_stocks
        self._functions["rhs"](t, ca.vertsplit(x), parts, [], e.tables, dx)
        out: list[Any] = [None] * e.n_outputs
        self._functions["observe"](t, ca.vertsplit(x), parts, [], e.tables, out)
        observe = ca.Function("observe", [t, x, p], [ca.vertcat(*(out[c] for c in e.columns))])
        start: list[Any] = [None] * e.n_stocks
        self._functions["initial"](e.start, parts, [], e.tables, ca.vertsplit(u) if e.guesses else [], start)
        states = [ca.log(a) if log else a for a, log in zip(start, e.log, strict=True)]
        initial = ca.Function("initial", [p, u], [ca.vertcat(*states)])
        times = e.nodes[e.report]
        ode = {"t": t, "x": x, "p": p, "ode": ca.vertcat(*dx)}
        options = {"reltol": rtol, "abstol": atol, "max_num_steps": 100_000, **jit}
        integrator = ca.integrator("run", "cvodes", ode, float(times[0]), times, options)
        row = ca.MX.sym("row", e.places.size)
        full = filled(row)
        x0 = initial(full, self._unknowns(full))
        path = integrator(x0=x0, p=full)["xf"]
        values = observe.map(times.size)(ca.DM(times).T, path, ca.repmat(full, 1, times.size))
        self._run = ca.Function("trajectory", [row], [values])
        self._forward: Any = None

    def _vector(self, varied: Any) -> Any:
        """The full parameter vector, constants included."""
        import casadi as ca

        e = self.equations
        parts: list[Any] = [float(value) for value in e.base]
        for j, place in enumerate(e.places.tolist()):
            parts[place] = varied[j]
        if e.has_constants:
            self._functions["constants"](parts, e.tables)
        return ca.vertcat(*parts)

    def _unknowns(self, full: Any) -> Any:
        """The initial unknowns, solved for in logarithms by Newton's method."""
        import casadi as ca

        e = self.equations
        if not e.guesses:
            return ca.MX(0, 1)
        logs, p = ca.SX.sym("logs", len(e.guesses)), ca.SX.sym("p", e.n_vector)
        new: list[Any] = [None] * len(e.guesses)
        self._functions["unknowns"](
            e.start, ca.vertsplit(p), [], e.tables, [ca.exp(a) for a in ca.vertsplit(logs)], new
        )
        problem = {"x": logs, "p": p, "g": ca.vertcat(*(ca.log(a) for a in new)) - logs}
        solve = ca.rootfinder("unknowns", "newton", problem, {"abstol": 1e-13, "error_on_fail": False})
        return ca.exp(solve(ca.DM(np.log(e.guesses)), full))

    def run(self, row: Floats) -> Floats:
        """Values: dates, outputs."""
        return np.array(self._run(row)).T

    def prepare_gradient(self) -> None:
        """Build the forward sensitivities in all varied parameters at once."""
        import casadi as ca

        k = self.equations.places.size
        row = ca.MX.sym("row", k)
        values = self._run(row)
        seeds = self._run.forward(k)(row, values, ca.MX(ca.DM.eye(k)))
        self._forward = ca.Function("gradient", [row], [values, seeds])

    def gradient(self, row: Floats) -> tuple[Floats, Floats]:
        """Values, and derivatives by the varied parameters: dates, outputs, parameters."""
        values, seeds = (np.array(a) for a in self._forward(row))
        dates, outputs = self.equations.report.size, self.equations.columns.size
        derivatives = seeds.reshape(outputs, row.size, dates)
        return values.T, np.moveaxis(derivatives, (2, 0, 1), (0, 1, 2))
