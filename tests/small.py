"""Short forms for the small models that the tests build."""

from __future__ import annotations

import math
from typing import Any

from jevons import Auxiliary, Driver, Flow, Model, Names, Observation, Parameter, Stock, Table

v = Names()


def parameter(name: str, value: float, unit: str = "1", **changes: Any) -> Parameter:
    return Parameter(name, unit, **{"value": value, "source": "test", "status": "measured", "doc": "Test.", **changes})


def stock(name: str, initial: Any = 1.0, unit: str = "1", **changes: Any) -> Stock:
    return Stock(name, unit, **{"initial": initial, "doc": "Test.", **changes})


def flow(name: str, equation: Any, unit: str = "1/yr", **changes: Any) -> Flow:
    return Flow(name, unit, **{"equation": equation, "doc": "Test.", **changes})


def auxiliary(name: str, equation: Any, unit: str = "1", **changes: Any) -> Auxiliary:
    return Auxiliary(name, unit, **{"equation": equation, "doc": "Test.", **changes})


def table(name: str, points: Any, x_unit: str = "1", unit: str = "1", **changes: Any) -> Table:
    return Table(
        name,
        unit,
        **{
            "x_unit": x_unit,
            "points": tuple(points),
            "outside": "clamp",
            "source": "test",
            "status": "measured",
            "doc": "Test.",
            **changes,
        },
    )


def driver(name: str, points: Any, unit: str = "1", **changes: Any) -> Driver:
    return Driver(
        name,
        unit,
        **{
            "x_unit": "yr",
            "points": tuple(points),
            "outside": "clamp",
            "source": "test",
            "status": "measured",
            "doc": "Test.",
            **changes,
        },
    )


def accumulate(rate: Any, *others: Any, initial: Any = 0, start: float = 0.0) -> Model:
    """A stock `x` with the inflow `rate` (per year); `year` is 1 yr and `tau` 2 yr."""
    given = [stock("x", initial), flow("inflow", rate, target="x"), parameter("tau", 2.0, "yr")]
    return Model("test", [*given, parameter("year", 1.0, "yr"), *others], start=start)


def decay(tau: float = 2.0, initial: float = 1.0, *others: Any) -> Model:
    """Exponential decay of `x`."""
    outflow = flow("outflow", v.x / v.tau, source="x")
    return Model("decay", [stock("x", initial), outflow, parameter("tau", tau, "yr"), *others])


def logistic() -> Model:
    """Logistic growth from 0.1 at rate 1: x = 1 / (1 + 9 e^-t)."""
    growth = flow("growth", v.x * (1 - v.x) / v.year, target="x")
    return Model("logistic", [stock("x", 0.1), growth, parameter("year", 1.0, "yr")])


def observation(variable: str, date: float, value: float, **changes: Any) -> Observation:
    """A row to fit: a value at a date with an error of 10 %."""
    fields: dict[str, Any] = {
        "series": variable, "variable": variable, "statistic": "at", "date": date, "reference_date": math.nan,
        "value": value, "low": math.nan, "high": math.nan, "unit": "1", "sigma": 0.1, "sigma_kind": "log",
        "family": "test", "definition": "Test.", "source": "test", "url": "", "verified": "yes", "role": "fit",
        "variants": ("main",), "known": "2000-01", "note": "",
    }  # fmt: skip
    return Observation(**{**fields, **changes})
