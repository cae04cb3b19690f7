"""Units: parsing, and the unit of a sympy expression.

Units are compared with their scale, not only with their dimension: kilowatts are not gigawatts, and a
product that comes out a thousand times too large is a mistake. pint works only when a model is built.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pint
import sympy as sp

from jevons import functions as fn

DEFINITIONS = (
    "year = 365.25 * day = yr = a = julian_year",
    "USD = [currency]",
    "bnUSD = 1e9 * USD",
    "H100e = [compute]",
    "workload = [conventional_compute]",
    "person = [person]",
    "service = [service]",
)
_RATIO_TOLERANCE = 1e-9


class UnitMismatch(Exception):
    """Raised inside an expression; the caller adds the element's name."""


@functools.cache
def registry() -> Any:
    """The unit registry: SI, and currency, compute, conventional compute, people and service."""
    ureg = pint.UnitRegistry(cache_folder=None)
    for definition in DEFINITIONS:
        ureg.define(definition)
    return ureg


@functools.cache
def parse_unit(text: str) -> Any:
    """Parse a unit.

    Parameters
    ----------
    text : str
        For example ``"kUSD/H100e/yr"``, ``"TWh/yr"``, ``"1"``.

    Returns
    -------
    pint.Unit

    Raises
    ------
    UnitMismatch
        If the text is no unit.
    """
    try:
        quantity = registry().parse_expression(text) if text.strip() not in {"", "1"} else None
    except Exception as error:  # pint raises many kinds for malformed text
        raise UnitMismatch(f"unit {text!r} is not known ({error})") from error
    if quantity is None:
        return registry().dimensionless
    if not isinstance(quantity, registry().Quantity) or quantity.magnitude != 1:
        raise UnitMismatch(f"unit {text!r} is not a unit (expected for example 'kUSD/H100e/yr')")
    return quantity.units


def factor_between(found: Any, expected: Any) -> float | None:
    """The number that turns `found` into `expected`, or None where the dimensions differ."""
    quantity = registry().Quantity(1.0, found)
    if quantity.dimensionality != expected.dimensionality:
        return None
    return float(quantity.to(expected).magnitude)


def same_unit(found: Any, expected: Any) -> bool:
    """Whether two units agree in dimension and scale."""
    if found == expected:
        return True
    factor = factor_between(found, expected)
    return factor is not None and abs(factor - 1.0) < _RATIO_TOLERANCE


def convert(value: float, found: str, expected: str) -> float:
    """Convert a number between two units given as text (used for data, never inside a model)."""
    factor = factor_between(parse_unit(found), parse_unit(expected))
    if factor is None:
        raise UnitMismatch(f"found {found!r}, expected a unit like {expected!r}")
    return value * factor


def show(unit: Any) -> str:
    """A unit in short form for a message."""
    text = f"{unit:~}"
    return text if text else "1"


def rescale_factor(text: str, scales: Mapping[str, float]) -> float:
    """By how much a value grows when base units shrink.

    Parameters
    ----------
    text : str
        Unit of the value.
    scales : mapping
        New units per old unit, by dimension, for example ``{"[time]": 12}`` for years to months. Only units
        that *are* a time, a currency, ... are rescaled; TWh and GW stay.
    """
    unit = parse_unit(text)
    factor = 1.0
    for name, exponent in registry().Quantity(1, unit).unit_items():
        dimension = dict(registry().get_dimensionality(name))
        if len(dimension) == 1:
            ((base, power),) = dimension.items()
            if power == 1 and base in scales:
                factor *= scales[base] ** float(exponent)
    return factor


def infer(expression: sp.Expr, unit_of: Callable[[sp.Symbol], Any], time_unit: Any) -> Any:
    """Unit of an expression.

    Parameters
    ----------
    expression : sympy.Expr
    unit_of : callable
        Unit of a symbol.
    time_unit : pint.Unit
        Unit of the model's time.

    Returns
    -------
    pint.Unit, or None for an exact zero, which fits every unit.

    Raises
    ------
    UnitMismatch
        With what was found and what was expected.
    """
    return _Inference(unit_of, time_unit).unit(sp.sympify(expression))


class _Inference:
    def __init__(self, unit_of: Callable[[sp.Symbol], Any], time_unit: Any) -> None:
        self.unit_of = unit_of
        self.time = time_unit
        self.one = registry().dimensionless

    def unit(self, e: Any) -> Any:
        if e.is_number:
            return None if e == 0 else self.one
        if isinstance(e, sp.Symbol):
            return self.unit_of(e)
        if isinstance(e, sp.Add):
            return self._common(e.args, "terms of a sum")
        if isinstance(e, sp.Mul):
            return self._product(e)
        if isinstance(e, sp.Pow):
            return self._power(e)
        if isinstance(e, sp.Piecewise):
            for _, condition in e.args:
                self._condition(condition)
            return self._common([value for value, _ in e.args], "branches")
        if isinstance(e, (sp.Max, sp.Min)):
            return self._common(e.args, f"arguments of {e.func.__name__}")
        if isinstance(e, sp.Abs):
            return self.unit(e.args[0])
        if isinstance(e, fn.ModelFunction):
            return self._model_function(e)
        for argument in e.args:
            self.require(argument, self.one, f"argument of {e.func.__name__}")
        return self.one

    def require(self, e: Any, expected: Any, what: str) -> None:
        found = self.unit(e)
        if found is not None and not same_unit(found, expected):
            raise UnitMismatch(f"{what} `{brief(e)}`: found {show(found)}, expected {show(expected)}")

    def _common(self, arguments: Any, what: str) -> Any:
        first: Any = None
        first_argument: Any = None
        for argument in sorted(arguments, key=lambda a: bool(a.is_number)):
            unit = self.unit(argument)
            if unit is None:
                continue
            if first is None:
                first, first_argument = unit, argument
            elif not same_unit(unit, first):
                raise UnitMismatch(
                    f"{what} differ: `{brief(first_argument)}` is {show(first)}, `{brief(argument)}` is {show(unit)}"
                )
        return first

    def _product(self, e: Any) -> Any:
        result = self.one
        for argument in e.args:
            unit = self.unit(argument)
            if unit is not None:
                result = result * unit
        return result

    def _power(self, e: Any) -> Any:
        base, exponent = e.args
        if isinstance(base, sp.core.numbers.Exp1):
            self.require(exponent, self.one, "argument of exp")
            return self.one
        unit = self.unit(base)
        self.require(exponent, self.one, "exponent")
        if unit is None or same_unit(unit, self.one):
            return self.one
        if not exponent.is_number:
            raise UnitMismatch(
                f"base `{brief(base)}` of a power with a variable exponent: found {show(unit)}, expected 1"
            )
        return unit ** float(exponent)

    def _condition(self, condition: Any) -> None:
        if isinstance(condition, sp.core.relational.Relational):
            self._common(condition.args, "sides of a comparison")
        else:
            for argument in condition.args:
                self._condition(argument)

    def _model_function(self, e: fn.ModelFunction) -> Any:
        kinds = e.argument_kinds()
        common = [a for a, kind in zip(e.args, kinds, strict=True) if kind == "same"]
        for argument, kind in zip(e.args, kinds, strict=True):
            if kind == "time":
                self.require(argument, self.time, f"time argument of {e.label()}")
            elif kind == "one":
                self.require(argument, self.one, f"argument of {e.label()}")
            elif kind == "rate":
                self.require(argument, self.one / self.time, f"rate argument of {e.label()}")
        if e.result_kind == "one":
            return self.one
        if e.result_kind == "rate":
            self._common(common, f"arguments of {e.label()}")
            return self.one / self.time
        unit = self._common(common, f"arguments of {e.label()}") if common else self.one
        if e.result_kind == "same times time":
            return None if unit is None else unit * self.time
        if isinstance(e, fn.Lookup):
            of_table = self.unit_of(e.args[0])
            x_unit, y_unit = of_table if isinstance(of_table, tuple) else (self.time, of_table)
            self.require(e.args[1], x_unit, f"argument of table {e.args[0].name!r}")
            return y_unit
        return unit


def brief(e: Any, limit: int = 70) -> str:
    """An expression cut to a length that a message can bear."""
    text = str(e)
    return text if len(text) <= limit else text[: limit - 1] + "…"
