"""Small calibration problems that several test files share."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from small import auxiliary, flow, parameter, stock, v

from jevons import CalibrationError, LogNormal, Model
from jevons.inference.history import History


def free(name, median, sd=0.5, unit="1"):
    return parameter(name, median, unit, prior=LogNormal(median, sd), status="fitted")


def grows():
    """Logistic growth, three parameters: x' = r x (1 - x/M)."""
    growth = flow("growth", v.rate * v.x * (1 - v.x / v.ceiling), target="x")
    given = [stock("x", v.start_value, log=True), growth, auxiliary("log_x", sp.log(v.x))]
    return Model("grows", [*given, free("rate", 1.0, unit="1/yr"), free("ceiling", 10.0), free("start_value", 0.1)])


GROWS = grows()
TRUTH = {"rate": 0.7, "ceiling": 14.0, "start_value": 0.15}


def logistic_at(t):
    r, m, x0 = TRUTH.values()
    return m / (1 + (m / x0 - 1) * np.exp(-r * np.asarray(t)))


def linear():
    """Stocks that are products of powers of the parameters: linear in their logarithms."""
    given = [stock("p", v.a * v.b), stock("q", v.a / v.b**2), stock("s", v.c * v.b), stock("w", v.c)]
    return Model("linear", [*given, free("a", 2.0, 0.5), free("b", 1.0, 0.3), free("c", 5.0, 1.0)])


def explodes(median=0.1, sd=2.0):
    """x' = k x² from 1: infinite at 1/k."""
    growth = flow("growth", v.k * v.x**2, target="x")
    return Model("explodes", [stock("x", 1.0), growth, free("k", median, sd, "1/yr")])


def history(*rows):
    return History(rows, "test")


def config_mistake(call):
    with pytest.raises(CalibrationError) as raised:
        call()
    (mistake,) = raised.value.mistakes
    return mistake
