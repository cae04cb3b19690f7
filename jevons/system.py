"""A generated system: numbers and text that run without the symbolic model, and what its source calls."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jevons.clearing import market_price, market_price_slope, market_share, market_share_slope
from jevons.errors import ModelError, nearest
from jevons.special_functions import (
    digamma,
    loggamma,
    noise,
    normal_quantile,
)


@dataclass(frozen=True)
class System:
    """A model as numbers in, derivatives out. Plain text and arrays, so it pickles.

    Attributes
    ----------
    stocks, variables, parameters, unknowns : tuple of str
        Names by position; hidden stocks included. `variables` are auxiliaries and flows.
    log : tuple of bool
        Which stocks are integrated as logarithms.
    defaults : tuple of float
        Parameter values of the model.
    guesses : tuple of float
        Where the fixed point of the initial unknowns starts.
    tables : tuple of float
        Points of all tables, one after the other.
    knots : tuple of float
        Dates at which drivers bend.
    n_switches : int
    n_constants : int
        Expressions of parameters alone; `constants` computes them once a run, and puts them behind the parameters.
    start : float
    source : str
        Functions constants, rhs, observe, jacobian, switches, unknowns and initial.
    """

    stocks: tuple[str, ...]
    variables: tuple[str, ...]
    parameters: tuple[str, ...]
    unknowns: tuple[str, ...]
    log: tuple[bool, ...]
    defaults: tuple[float, ...]
    guesses: tuple[float, ...]
    tables: tuple[float, ...]
    knots: tuple[float, ...]
    n_switches: int
    n_constants: int
    start: float
    source: str

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names in the order `observe` writes them."""
        return self.stocks + self.variables

    @property
    def n_vector(self) -> int:
        """Length of the vector ``p`` of the generated functions: parameters, then constants."""
        return len(self.parameters) + self.n_constants


@dataclass(frozen=True)
class RunnableModel:
    """What a run needs of a model: its system, names in the order of declaration, units. Plain data.

    Attributes
    ----------
    names : tuple of str
        Stocks, auxiliaries and flows as declared, hidden ones left out.
    units : mapping of str to str
    energy : str or None
        Output of energy use, if the model has roles.
    dimensions, subscripts : mapping of str to tuple of str
        Elements of each dimension, and the dimensions of each array, as in `jevons.model.Model`.
    """

    name: str
    start: float
    time_unit: str
    system: System
    names: tuple[str, ...]
    units: Mapping[str, str]
    energy: str | None = None
    dimensions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subscripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        return self.system.parameters

    @property
    def stocks(self) -> tuple[str, ...]:
        """Stocks as declared."""
        return tuple(name for name in self.names if name in self.system.stocks)

    def unit(self, name: str) -> str:
        return self.units[name]

    def require(self, names: Iterable[str], among: Iterable[str], what: str = "name") -> None:
        """Raise a `ModelError` that lists each name that is missing, with the nearest valid one."""
        valid = list(among)
        missing = [f"{what} {n!r} is not in the model{nearest(str(n), valid)}" for n in names if n not in valid]
        if missing:
            raise ModelError(f"model {self.name!r}", missing)


CLAMP, EXTRAPOLATE, HOLD, FORWARD, JUMPS = 0, 1, 2, 3, 4


def interpolation_code(between: str, outside: str, xs: Sequence[float]) -> int:
    """How a table is interpolated, as a number; straight lines with jumps count 4 more."""
    if between != "linear":
        return HOLD if between == "hold" else FORWARD
    jumps = any(a == b for a, b in itertools.pairwise(xs))
    return (EXTRAPOLATE if outside == "extrapolate" else CLAMP) + (JUMPS if jumps else 0)


def interpolate(table: Any, first: int, n: int, how: int, x: float) -> float:
    """Interpolation in points stored as n arguments followed by n values, see `interpolation_code`."""
    if how % 4 != 1:
        if x <= table[first]:
            return float(table[first + n])
        if x >= table[first + n - 1]:
            return float(table[first + 2 * n - 1])
    k = interval(table, first, n, x)
    x0, x1 = table[first + k], table[first + k + 1]
    y0, y1 = table[first + n + k], table[first + n + k + 1]
    if how == 2:
        return float(y0 if x < x1 else y1)
    if how == 3:
        return float(y0 if x <= x0 else y1)
    return float(y0 + (y1 - y0) * ((x - x0) / (x1 - x0)))


def interpolate_slope(table: Any, first: int, n: int, how: int, x: float) -> float:
    """Slope of `interpolate`; at a knot that of the interval to the right."""
    if how == 2 or how == 3 or (how % 4 == 0 and (x < table[first] or x >= table[first + n - 1])):
        return 0.0
    k = interval(table, first, n, x)
    return float((table[first + n + k + 1] - table[first + n + k]) / (table[first + k + 1] - table[first + k]))


def interval(table: Any, first: int, n: int, x: float) -> int:
    low, high = 0, n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x >= table[first + middle]:
            low = middle
        else:
            high = middle
    return low


def _interpolate(table: Any, first: int, n: int, how: int, x: float) -> float:
    """`interpolate` for plain Python, searched in C: the same bits."""
    last = first + n - 1
    if how % 4 != 1:
        if x <= table[first]:
            return float(table[first + n])
        if x >= table[last]:
            return float(table[last + n])
    k = bisect_right(table, x, first + 1, last) - 1
    x0, x1 = table[k], table[k + 1]
    y0, y1 = table[k + n], table[k + n + 1]
    if how == 2:
        return float(y0 if x < x1 else y1)
    if how == 3:
        return float(y0 if x <= x0 else y1)
    return float(y0 + (y1 - y0) * ((x - x0) / (x1 - x0)))


PYTHON_NAMES: dict[str, Any] = {
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "pow": math.pow,
    "tanh": math.tanh,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "erf": math.erf,
    "erfc": math.erfc,
    "floor": math.floor,
    "ceil": math.ceil,
    "abs": abs,
    "max": max,
    "min": min,
    "interpolate": _interpolate,
    "interpolate_slope": interpolate_slope,
    "noise": noise,
    "normal_quantile": normal_quantile,
    "loggamma": loggamma,
    "digamma": digamma,
    "market_price": market_price,
    "market_price_slope": market_price_slope,
    "market_share": market_share,
    "market_share_slope": market_share_slope,
}
