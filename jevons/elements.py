"""What a model is made of: stocks, flows, auxiliaries, parameters, tables, drivers.

Elements are immutable descriptions. They know nothing of each other; a `Sector` is a list of them and a
`jevons.model.Model` is a checked, closed set.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from jevons.functions import symbol

STATUSES = ("measured", "literature", "fitted", "assumed", "imported")
OUTSIDE = ("clamp", "extrapolate")
BETWEEN = ("linear", "hold", "forward")


@dataclass(frozen=True)
class LogNormal:
    """Prior of a positive parameter: its logarithm is normal around ln(median) with sd `sd_log`."""

    median: float
    sd_log: float

    def __str__(self) -> str:
        return f"LogNormal(median {self.median:g}, sd of ln {self.sd_log:g})"


@dataclass(frozen=True)
class Normal:
    """Prior of a parameter of any sign."""

    mean: float
    sd: float

    def __str__(self) -> str:
        return f"Normal({self.mean:g}, {self.sd:g})"


@dataclass(frozen=True)
class Range:
    """Plausible range of a parameter that is not fitted; a single point for what is so by definition."""

    low: float
    high: float

    def __str__(self) -> str:
        return "exact" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Element:
    """Anything with a name, a unit and documentation."""

    name: str
    unit: str
    doc: str = field(kw_only=True)

    @property
    def symbol(self) -> sp.Symbol:
        return symbol(self.name)

    def expressions(self) -> Iterator[tuple[str, sp.Expr]]:
        """The element's expressions, each with what it is (``equation``, ``initial value``)."""
        return iter(())


@dataclass(frozen=True)
class Stock(Element):
    """A quantity that accumulates its flows.

    Parameters
    ----------
    initial : sympy.Expr or float
        Value at the model's start: a number in the stock's unit, or an expression of parameters, other stocks'
        initial values and auxiliaries.
    log : bool
        Integrate ln(stock) instead; for positive stocks that span decades. Flows stay in natural units.
    """

    initial: Any = field(kw_only=True)
    log: bool = field(default=False, kw_only=True)

    def expressions(self) -> Iterator[tuple[str, sp.Expr]]:
        yield "initial value", expression(self.initial)


@dataclass(frozen=True)
class Flow(Element):
    """A rate of change: it leaves `source` and enters `target`; None is the world outside the model."""

    equation: Any = field(kw_only=True)
    source: str | None = field(default=None, kw_only=True)
    target: str | None = field(default=None, kw_only=True)

    def expressions(self) -> Iterator[tuple[str, sp.Expr]]:
        yield "equation", expression(self.equation)


@dataclass(frozen=True)
class Auxiliary(Element):
    """A quantity given by its equation at every moment."""

    equation: Any = field(kw_only=True)

    def expressions(self) -> Iterator[tuple[str, sp.Expr]]:
        yield "equation", expression(self.equation)


@dataclass(frozen=True)
class Parameter(Element):
    """A constant with its evidence.

    Parameters
    ----------
    value : float
    source : str
        Where the value comes from; for assumed values, why it is assumed.
    status : {'measured', 'literature', 'fitted', 'assumed', 'imported'}
        ``imported``: the number came with a model file, and its evidence is not known.
    prior : LogNormal, Normal, Range or None
        Prior for fitting, or plausible range; required for fitted and assumed values. A `Range` of one point is
        exact by definition.
    """

    value: float = field(kw_only=True)
    source: str = field(kw_only=True)
    status: str = field(kw_only=True)
    prior: LogNormal | Normal | Range | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Table(Element):
    """A function given by points.

    Parameters
    ----------
    unit : str
        Unit of the values.
    x_unit : str
        Unit of the argument.
    points : sequence of (x, y)
    outside : {'clamp', 'extrapolate'}
        What holds beyond the first and the last point.
    between : {'linear', 'hold', 'forward'}
        What holds between points: a straight line, the value of the last point at or before the argument, or that of
        the next point at or after it. Two points at one argument make a jump (linear only; the right value holds
        there).
    """

    x_unit: str = field(kw_only=True)
    points: tuple[tuple[float, float], ...] = field(kw_only=True)
    outside: str = field(kw_only=True)
    source: str = field(kw_only=True)
    status: str = field(kw_only=True)
    between: str = field(default="linear", kw_only=True)


@dataclass(frozen=True)
class Driver(Table):
    """An exogenous series: a table of time, used in equations by its name alone."""


@dataclass(frozen=True)
class InitialUnknown(Element):
    """A positive number that the start of the model must solve for: the fixed point x = equation(x).

    All unknowns of a model are solved together by damped iteration in logarithms from their guesses.
    Stocks' initial values may use it; equations may not.
    """

    equation: Any = field(kw_only=True)
    guess: float = field(kw_only=True)

    def expressions(self) -> Iterator[tuple[str, sp.Expr]]:
        yield "fixed-point equation", expression(self.equation)


@dataclass(frozen=True)
class Roles:
    """What shocks and rebound know of a model.

    Parameters
    ----------
    energy : str
        Auxiliary or flow with the rate of energy use.
    cumulative_energy : str
        Stock that integrates `energy`.
    efficiencies : mapping of str to str
        Kind of efficiency (``"inference"``) to the parameter that multiplies it (``"inference_efficiency"``).
    services : mapping of str to (str or None)
        Auxiliary that carries a service's demand for compute to the efficiency parameter that divides it.
        An engineering run holds these auxiliaries on the base run's path, divided by the efficiency gained.
    price_performance : mapping of str to str
        Improvements that save no energy by themselves (hardware price); reported as induced growth.
    """

    energy: str
    cumulative_energy: str
    efficiencies: Mapping[str, str]
    services: Mapping[str, str | None]
    price_performance: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> Iterator[tuple[str, str]]:
        """Every name the roles use, each with its role."""
        yield "energy", self.energy
        yield "cumulative_energy", self.cumulative_energy
        for kind, name in {**self.efficiencies, **self.price_performance}.items():
            yield f"efficiency {kind!r}", name
        for service, efficiency in self.services.items():
            yield "service", service
            if efficiency is not None:
                yield f"efficiency of service {service!r}", efficiency


class Sector:
    """A named list of elements; sectors add up (``capacity + price``)."""

    def __init__(self, name: str, elements: Iterable[Element], doc: str = "") -> None:
        self.name = name
        self.elements = tuple(elements)
        self.doc = doc
        self.parts: dict[str, tuple[str, ...]] = {name: tuple(element.name for element in self.elements)}

    def __add__(self, other: Sector) -> Sector:
        if not isinstance(other, Sector):
            return NotImplemented
        total = Sector(f"{self.name} + {other.name}", self.elements + other.elements)
        total.parts = merged([self.parts, other.parts])
        return total

    def __repr__(self) -> str:
        return f"Sector({self.name!r}, {len(self.elements)} elements)"


def merged(parts: Iterable[Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Names by sector; sectors of the same name become one."""
    result: dict[str, tuple[str, ...]] = {}
    for part in parts:
        for label, names in part.items():
            result[label] = result.get(label, ()) + names
    return result


def expression(value: Any) -> Any:
    """The sympy form of a number or expression; anything else stays as it is (text is never evaluated)."""
    try:
        return sp.sympify(value, strict=True)
    except sp.SympifyError:
        return value


def finite(value: Any) -> bool:
    """Whether something is a finite real number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
