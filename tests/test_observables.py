"""Observables: shares, indices and what compares two dates, their derivatives, and many runs at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small import auxiliary, flow, observation, parameter, stock, v
from small_calibrations import free, history

import jevons as jv
from jevons import Calibration, Model
from jevons.inference.history import STATISTICS
from jevons.inference.observable import EVERY, measurement, observed_unit, unit_factor
from jevons.inference.unknowns import Nuisance

GRID = np.arange(0.0, 8.0 + EVERY / 2, EVERY)
NAMES = ["a", "b"]
VARIABLES = pytest.mark.parametrize("variable", ["a", "a / b", "b/a"])
STATISTIC = pytest.mark.parametrize("statistic", STATISTICS)


def row_of(statistic, variable, date=6.0, reference=2.0):
    reference = math.nan if statistic in ("annual", "at", "index") else reference
    return observation(variable, date, 1.0, statistic=statistic, reference_date=reference)


def outputs_of(p):
    """a = exp(p₀ t) + p₁ and b = 2 + sin(p₀ t) p₁, and their derivatives by p."""
    t = GRID
    a, b = np.exp(p[0] * t) + p[1], 2 + np.sin(p[0] * t) * p[1]
    by_p0 = np.column_stack([t * np.exp(p[0] * t), t * np.cos(p[0] * t) * p[1]])
    by_p1 = np.column_stack([np.ones(t.size), np.sin(p[0] * t)])
    return np.column_stack([a, b]), np.stack([by_p0, by_p1], axis=2)


@VARIABLES
@STATISTIC
def test_derivatives_are_those_of_the_value(statistic, variable):
    measure = measurement(row_of(statistic, variable), GRID, NAMES)
    p, h = np.array([0.2, 0.7]), 1e-6
    exact = measure.derivative(*outputs_of(p))
    for j, step in enumerate(h * np.eye(2)):
        central = (measure.value(outputs_of(p + step)[0]) - measure.value(outputs_of(p - step)[0])) / (2 * h)
        assert exact[j] == pytest.approx(central, rel=1e-6, abs=1e-8)


@VARIABLES
@STATISTIC
def test_many_runs_at_once_are_the_runs(statistic, variable):
    measure = measurement(row_of(statistic, variable), GRID, NAMES)
    runs = np.array([outputs_of(p)[0] for p in np.random.default_rng(2).uniform(0.1, 0.5, (20, 2))])
    runs[3, :, 1] = 0.0
    runs[4, :, 0] = -1.0
    runs[5, GRID < 4] *= -1.0
    runs[6] = 0.0
    runs[7, 30:] = math.nan
    one = [measure.value(run) for run in runs]
    assert measure.values(runs) == pytest.approx(one, rel=1e-12, nan_ok=True)
    assert not np.isnan(one[:3]).any()


@pytest.mark.parametrize(("statistic", "value"), [("ratio", "a / b"), ("annual", "a / b"), ("log_growth_rate", "a"),
                                                  ("log_decline_rate", "b")])  # fmt: skip
def test_where_there_is_no_value_there_is_no_derivative(statistic, value):
    measure = measurement(row_of(statistic, value), GRID, NAMES)
    outputs, jacobian = outputs_of(np.array([0.2, 0.7]))
    assert math.isnan(measure.value(outputs * 0.0))
    assert np.isnan(measure.derivative(outputs * 0.0, jacobian)).all()


def shares():
    """x = 2 e^(gt) and y = 3 e^(-gt), in kg and t."""
    grown, shrunk = flow("grown", v.g * v.x, "kg/yr", target="x"), flow("shrunk", v.g * v.y, "kg/yr", source="y")
    given = [stock("x", 2.0, "kg", log=True), stock("y", 3.0, "kg", log=True), grown, shrunk]
    tonnes = auxiliary("tonnes", v.x * v.tonnes_a_kilogram, "t")
    scale = parameter("tonnes_a_kilogram", 1e-3, "t/kg")
    return Model("shares", [*given, tonnes, scale, free("g", 0.3, unit="1/yr")])


def test_shares_are_those_of_outputs_and_their_means():
    g, up, down = 0.3, math.expm1(0.3) / 0.3, -math.expm1(-0.3) / 0.3
    rows = [
        observation("x / y", 2.5, 1.0),
        observation("x / y", 2.0, 1.0, statistic="annual"),
        observation("x / y", 4.0, 1.0, statistic="ratio", reference_date=1.0),
        observation("x / y", 4.0, 1.0, statistic="log_growth_rate", reference_date=1.5, unit="1/yr"),
        observation("x/y", 4.0, 50.0, unit="percent"),
        observation("tonnes / x", 4.0, 3.0, unit="kg/kg"),
        observation("x / y", 4.0, 1.0, statistic="since", reference_date=1.0),
    ]
    calibration = Calibration(shares(), history(*rows), ["g"])

    def share(t):
        return 2 / 3 * math.exp(2 * g * t)

    means = 2 * math.exp(2 * g) * up / (3 * math.exp(-2 * g) * down)
    expected = [share(2.5), means, math.exp(6 * g), 2 * g, share(4.0), 1e-3, share(4.0) - share(1.0)]
    assert calibration.modelled(np.zeros(1)) == pytest.approx(expected, rel=1e-6)
    assert calibration.observed.tolist() == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.5, 3e-3, 1.0])
    assert observed_unit(calibration.model, rows[5]) == "(t)/(kg)"


def test_an_index_has_any_unit_and_a_free_base():
    row = observation("x", 2.0, 117.0, statistic="index", unit="widgets")
    assert unit_factor(shares(), row) == 1.0
    base = jv.LogNormal(100.0, 1.0)
    problem = Calibration(shares(), history(row), ["g"], nuisance=[Nuisance("index_base", "base", base, "test")])
    u = problem.coordinates({"g": 0.3, "index_base": 50.0})
    assert problem.modelled(u) == pytest.approx([50.0 * 2 * math.exp(0.6) * math.expm1(0.3) / 0.3], rel=1e-6)
    assert problem.observed.tolist() == [117.0]
