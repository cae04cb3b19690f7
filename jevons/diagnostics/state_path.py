"""The states of a run with what delays and smooths keep, and what the generated system says at one of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons import integrate, kernels
from jevons.elements import Flow
from jevons.errors import JevonsError
from jevons.system import System
from jevons.trajectory import Trajectory

if TYPE_CHECKING:
    from jevons.model import Model

Floats = NDArray[np.float64]
SPAN = 25.0
"""Units of time that a model without settings is run where nothing else is said."""


def stock_path(
    model: Model,
    end: float,
    *,
    every: float,
    params: Mapping[str, float] | None = None,
    method: str = "LSODA",
    dt: float = 1 / 32,
    break_points: bool = True,
    atol: float = 1e-12,
    on_failure: str = "raise",
) -> Trajectory:
    """A run that reports every stock and nothing else, the hidden ones of delays and smooths included."""
    made = integrate.runnable(model, break_points)
    stocks = made.system.stocks
    all_stocks = replace(made, names=stocks, units={name: model.unit(name) for name in stocks})
    return integrate.run(
        all_stocks, end=end, every=every, params=params, method=method, dt=dt, break_points=break_points,
        atol=atol, on_failure=on_failure,
    )  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """The system at one date, with time and whatever depends on it held there.

    Natural values throughout: a stock that is integrated as a logarithm is not one here.

    Attributes
    ----------
    system : System
    p : array
        Parameter values.
    time : float
    """

    system: System
    p: Floats
    time: float

    @functools.cached_property
    def switches(self) -> list[float]:
        return kernels.switch_row(self.system, self.p, self.time)

    @functools.cached_property
    def _vector(self) -> list[float]:
        return kernels.vector(self.system, self.p)

    def state(self, x: Floats) -> Floats:
        """What is integrated: logarithms of some stocks."""
        y = np.array(x, dtype=float)
        log = np.array(self.system.log, dtype=bool)
        with np.errstate(all="ignore"):
            y[log] = np.log(y[log])
        return y

    def rates(self, x: Floats) -> Floats:
        """Net flow of every stock; not finite where it cannot be computed."""
        rate = np.zeros(len(self.system.stocks))
        y, flat = self.state(x), [0.0] * rate.size
        functions = kernels.python_functions(self.system.source)
        try:
            functions.rhs(self.time, y.tolist(), self._vector, self.switches, self.system.tables, flat)
            rate[:] = flat
        except (ValueError, OverflowError, ZeroDivisionError):
            rate = kernels.derivatives_at(self.system, self.p, self.time, y, self.switches)
        with np.errstate(all="ignore"):
            return np.where(self.system.log, rate * x, rate)

    def outputs(self, x: Floats) -> dict[str, float]:
        """Every stock, flow and auxiliary."""
        values = kernels.outputs_at(self.system, self.p, self.time, self.state(x), self.switches)
        return dict(zip(self.system.outputs, values.tolist(), strict=True))

    def jacobian(self, x: Floats) -> Floats:
        """Derivative of each net flow by each stock, rows and columns in the order of the system's stocks.

        Equation   J_ij = ∂f_i/∂x_j; of a logarithm y = ln x the generated code has ∂(f_i/x_i)/∂y_j
        Valid for  one date: time does not move
        """
        n = len(self.system.stocks)
        y, flat = self.state(x), [0.0] * (n * n)
        try:
            functions = kernels.python_functions(self.system.source)
            functions.jacobian(self.time, y.tolist(), self._vector, self.switches, self.system.tables, flat)
        except (ValueError, OverflowError, ZeroDivisionError):
            tolerant = kernels.python_functions(self.system.source, tolerant=True)
            made = np.zeros(n * n)
            arrays = [np.array(a) for a in (self._vector, self.switches, self.system.tables)]
            with np.errstate(all="ignore"):
                tolerant.jacobian(np.float64(self.time), y, *arrays, made)
            flat = made.tolist()
        with np.errstate(all="ignore"):
            log = np.array(self.system.log, dtype=bool)
            size = np.where(log, x, 1.0)
            matrix = np.array(flat).reshape(n, n) * size[:, None] / size[None, :]
            return np.asarray(matrix + np.diag(np.where(log, self.rates(x) / size, 0.0)), dtype=np.float64)


def moment(model: Model, time: float, params: Mapping[str, float] | None = None) -> Moment:
    """The system of a model at a date.

    Raises
    ------
    JevonsError
        For a date that is no number.
    """
    if not math.isfinite(time):
        raise JevonsError(f"at {time!r}, expected a finite date")
    system = integrate.compile_model(model)
    return Moment(system, integrate.parameter_vector(model, system, params), float(time))


def initial_state(here: Moment) -> Floats:
    """Natural values of all stocks at the start of a run."""
    natural, _, _ = kernels.start_state(here.system, here.p)
    return natural


def end_of(model: Model, end: float | None) -> float:
    """The end of a run: as given, else as the model's settings say.

    Raises
    ------
    JevonsError
        Where neither says so.
    """
    if end is not None:
        return float(end)
    settings = model.settings
    if settings is None:
        raise JevonsError(f"model {model.name!r} has no settings that say when a run ends: give `end`")
    return float(settings.end)


def end_or_span(model: Model, end: float | None) -> float:
    """The end of a run: as given, as the model's settings say, else `SPAN` units of time after the start."""
    if end is None and model.settings is None:
        return model.start + SPAN
    return end_of(model, end)


def conserved_totals(model: Model, stocks: Sequence[str]) -> list[dict[str, Fraction]]:
    """Sums of stocks that no flow changes, as weights by stock: what leaves one of them enters another.

    Equation   wᵀ N = 0, with N = +1 where a flow enters a stock and −1 where it leaves one
    Valid for  stocks with flows; a stock without flows is constant by itself and left out
    """
    flows = model.structure.of(Flow)
    touched = [s for s in stocks if any(s in (f.source, f.target) and f.source != f.target for f in flows)]
    rows: list[tuple[dict[int, Fraction], dict[str, Fraction]]] = []
    totals = []
    for stock in touched:
        row = {
            i: Fraction((f.target == stock) - (f.source == stock))
            for i, f in enumerate(flows)
            if (f.target == stock) != (f.source == stock)
        }
        weights = {stock: Fraction(1)}
        for other, of_other in rows:
            pivot = min(other)
            if pivot in row:
                factor = -row[pivot] / other[pivot]
                _add(row, other, factor)
                _add(weights, of_other, factor)
        if row:
            rows.append((row, weights))
        else:
            totals.append(_whole(weights))
    return totals


def _add(to: dict[Any, Fraction], what: Mapping[Any, Fraction], factor: Fraction) -> None:
    for key, value in what.items():
        total = to.get(key, Fraction(0)) + factor * value
        if total:
            to[key] = total
        else:
            to.pop(key, None)


def _whole(weights: dict[str, Fraction]) -> dict[str, Fraction]:
    """Weights as whole numbers, the first of them positive."""
    scale = Fraction(math.lcm(*(w.denominator for w in weights.values())))
    first = next(iter(weights.values()))
    scale = scale if first > 0 else -scale
    return {name: w * scale for name, w in weights.items()}
