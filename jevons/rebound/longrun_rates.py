"""Rates of change of the stocks that matter for an output, and their exact slopes."""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons import kernels
from jevons.codegen import generate_tangents
from jevons.elements import Flow, Stock
from jevons.integrate import compile_model, parameter_vector
from jevons.model import Model
from jevons.structure import Structure, references
from jevons.system import PYTHON_NAMES, System

Floats = NDArray[np.float64]

_tangents: weakref.WeakKeyDictionary[Model, dict[str, Any]] = weakref.WeakKeyDictionary()


def causes(structure: Structure, name: str) -> tuple[str, ...]:
    """Stocks on which a quantity depends, directly or through others, in order of declaration."""
    flows: list[Flow] = structure.of(Flow)
    found: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here in found or here not in structure.elements:
            continue
        found.add(here)
        element = structure.elements[here]
        if isinstance(element, Stock):
            waiting += [f.name for f in flows if here in (f.source, f.target)]
        else:
            waiting += [n for _, e in element.expressions() for n in references(e)]
    return tuple(s.name for s in structure.stocks if s.name in found)


class Rates:
    """Rates of the stocks that matter and their exact slopes, at one parameter set.

    Parameters
    ----------
    model : Model
    stocks : sequence of str
        Stocks that matter: a closed set of causes (`causes`).
    params : mapping

    Attributes
    ----------
    log : array of bool
        Stocks whose coordinate y is a logarithm; of the others it is the stock itself.
    totals : array of shape (totals, stocks)
        Combinations of the stocks that no flow changes.
    """

    def __init__(self, model: Model, stocks: Sequence[str], params: Mapping[str, float]) -> None:
        self.system: System = compile_model(model)
        self.parameters = parameter_vector(model, self.system, params)
        self.names = tuple(stocks)
        self.places = np.array([self.system.stocks.index(n) for n in stocks], dtype=np.int64)
        self.log = np.zeros(len(self.system.stocks), dtype=bool)
        self.functions = _tangent_functions(model)
        self._p = kernels.vector(self.system, self.parameters)
        self._still = [0.0] * self.system.n_vector
        self.totals = _stoichiometry(model.structure, stocks)

    def direction(self, parameter: str) -> list[float]:
        """Direction of the generated parameters, constants included, for a rise of ln(parameter)."""
        p = [*self.parameters.tolist(), *[0.0] * self.system.n_constants]
        pd = [0.0] * self.system.n_vector
        place = self.system.parameters.index(parameter)
        pd[place] = p[place]
        self.functions["constants_tangent"](p, self.system.tables, pd)
        return pd

    def slope(self, date: float, x: Floats, yd: Floats, td: float, pd: Any = None) -> tuple[Floats, Floats]:
        """Rates h of the stocks that matter, and their derivative along (y, t, parameters)."""
        n = len(self.system.stocks)
        dx, dxd = [0.0] * n, [0.0] * n
        self._call("rhs_tangent", date, x, dx, yd, td, pd, dxd)
        rate, change = np.array(dx)[self.places], np.array(dxd)[self.places]
        natural = np.array([self.log[i] and not self.system.log[i] for i in self.places])
        size = np.where(natural, x[self.places], 1.0)
        return rate / size, change / size - np.where(natural, rate / size * yd, 0.0)

    def output(self, name: str, date: float, x: Floats, yd: Floats, td: float, pd: Any = None) -> tuple[float, float]:
        """Value of an output and its derivative along (y, t, parameters)."""
        out, outd = [0.0] * len(self.system.outputs), [0.0] * len(self.system.outputs)
        self._call("observe_tangent", date, x, out, yd, td, pd, outd)
        place = self.system.outputs.index(name)
        return float(out[place]), float(outd[place])

    def _call(self, function: str, date: float, x: Floats, out: Any, yd: Floats, td: float, pd: Any, outd: Any) -> None:
        system = self.system
        moved = np.zeros(len(x))
        moved[self.places] = yd
        scale = [1.0 if log or not is_log else v for v, log, is_log in zip(x, system.log, self.log, strict=True)]
        xd = [float(m * s) for m, s in zip(moved, scale, strict=True)]
        on = kernels.switch_row(system, self.parameters, date)
        try:
            state = [math.log(v) if log else float(v) for v, log in zip(x, system.log, strict=True)]
            self.functions[function](date, state, self._p, on, system.tables, out, td, xd, pd or self._still, outd)
        except (ValueError, OverflowError, ZeroDivisionError):
            out[:] = [math.nan] * len(out)
            outd[:] = [math.nan] * len(outd)

    def jacobian(self, date: float, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Rates h, J = ∂h/∂y and ∂h/∂t."""
        k = len(self.names)
        h, slope_in_time = self.slope(date, x, np.zeros(k), 1.0)
        columns = [self.slope(date, x, unit, 0.0)[1] for unit in np.eye(k)]
        return h, np.array(columns).T.reshape(k, k), slope_in_time

    def exogenous(self, date: float, x: Floats) -> NDArray[np.bool_]:
        """Stocks that matter whose rate depends on no stock: exogenous exponentials, and what never moves."""
        _, j, _ = self.jacobian(date, x)
        constant: NDArray[np.bool_] = np.abs(j).max(axis=1, initial=0.0) <= 1e-12 * (1 + np.abs(j).max(initial=0.0))
        return constant

    def held(self, x: Floats, h: Floats, exogenous: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Rows that hold what the past decides, and their rates: totals that no flow changes, exogenous stocks."""
        totals = self.totals * np.where(self.log, x, 1.0)[self.places]
        largest = np.abs(totals).max(axis=1, initial=1e-300)[:, None]
        rows = np.vstack([totals / largest, np.eye(len(h))[exogenous]])
        return rows, np.append(np.zeros(len(totals)), h[exogenous])

    def moved(self, x: Floats, step: Floats) -> Floats:
        """The state after a step in y."""
        result = x.copy()
        log = self.log[self.places]
        result[self.places] = np.where(log, x[self.places] * np.exp(np.where(log, step, 0.0)), x[self.places] + step)
        return result


def _tangent_functions(model: Model) -> dict[str, Any]:
    if model not in _tangents:
        namespace: dict[str, Any] = {**PYTHON_NAMES, "__builtins__": {"float": float}}
        exec(compile(generate_tangents(model), "<generated tangents>", "exec"), namespace)
        _tangents[model] = namespace
    return _tangents[model]


def _stoichiometry(structure: Structure, stocks: Sequence[str]) -> Floats:
    """Combinations of the stocks that no flow changes, a row each."""
    import scipy.linalg

    flows: list[Flow] = structure.of(Flow)
    matrix = np.array([[(f.target == n) - (f.source == n) for f in flows] for n in stocks], dtype=float)
    if not matrix.size:
        return np.eye(len(stocks))
    rows: Floats = scipy.linalg.null_space(matrix.T).T
    return rows
