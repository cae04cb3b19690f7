"""Functions for equations against analytic answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from small import accumulate, auxiliary, driver, flow, parameter, stock, table, v

from jevons import Model
from jevons.functions import (
    TIME,
    LookupSlope,
    delay1,
    delay3,
    lookup,
    pulse,
    ramp,
    smooth1,
    smooth3,
    smooth_max,
    smooth_min,
    smooth_positive,
    soft_limit,
    step,
    trend,
)

TAU = 2.0
ARRIVAL = 1.0
TIGHT = 1e-8


def response(equation, end=12.0, every=0.25, **options):
    """Course of an auxiliary `y` in a model with one idle stock."""
    model = accumulate(v.y / v.year, auxiliary("y", equation))
    return model.run(0, end, every=every, **options)


def erlang(t, order):
    """Step response of `order` first-order lags of TAU/order in a row."""
    z = np.maximum(t, 0) * order / TAU
    return 1 - np.exp(-z) * sum(z**k / math.factorial(k) for k in range(order))


@pytest.mark.parametrize(
    ("function", "order"),
    [(smooth1, 1), (delay1, 1), (smooth3, 3), (delay3, 3)],
    ids=lambda f: getattr(f, "__name__", f),
)
@pytest.mark.parametrize("method", ["LSODA", "Radau", "RK4"])
def test_step_response(function, order, method):
    run = response(function(step(1, v.year), v.tau), method=method)
    assert np.allclose(run["y"], erlang(run.times - ARRIVAL, order), atol=1e-6 if method == "RK4" else TIGHT)


@pytest.mark.parametrize(("function", "order"), [(delay1, 1), (delay3, 3)])
def test_impulse_response_and_conservation(function, order):
    """A pulse of width w gives the difference of two step responses over w, and all of it leaves."""
    width = 0.125
    run = response(function(pulse(1 / 0.125, v.year, width * v.year), v.tau), end=60.0)
    expected = (erlang(run.times - ARRIVAL, order) - erlang(run.times - ARRIVAL - width, order)) / width
    assert np.allclose(run["y"], expected, atol=TIGHT)
    assert run.at("x", 60.0) == pytest.approx(1.0, abs=1e-8)


def test_initial_value_of_delays_and_smooths():
    for function, order in ((smooth1, 1), (smooth3, 3), (delay1, 1), (delay3, 3)):
        run = response(function(sp.Integer(0) + 0 * v.x, v.tau, 5))
        assert np.allclose(run["y"], 5 * (1 - erlang(run.times, order)), atol=TIGHT)
        steady = response(function(7 * sp.exp(0 * v.x), v.tau))
        assert np.allclose(steady["y"], 7.0, rtol=1e-12)


def test_nested_delays_compose():
    run = response(smooth1(smooth1(step(1, v.year), v.tau / 2), v.tau / 2))
    assert np.allclose(run["y"], erlang(run.times - ARRIVAL, 2), atol=TIGHT)


def test_hidden_stocks_do_not_show():
    run = response(delay3(step(1, v.year), v.tau))
    assert set(run.names) == {"x", "inflow", "y"}


def test_trend_of_exponential_growth():
    """x = e^(gt) against its average over tau, which starts in the past growth `initial`."""
    g, initial = 0.3, 0.1
    run = response(trend(sp.exp(0.3 * TIME / v.year), v.tau, 0.1 / v.year).subs({}) * v.year)
    t = run.times
    steady = 1 / (1 + g * TAU)
    average = steady * np.exp(g * t) + (1 / (1 + initial * TAU) - steady) * np.exp(-t / TAU)
    assert np.allclose(run["y"], (np.exp(g * t) - average) / (TAU * average), atol=1e-7)
    assert run.at("y", 0.0) == pytest.approx(initial, abs=1e-12)


@pytest.mark.parametrize("method", ["LSODA", "RK45", "Euler"])
def test_step_pulse_ramp(method):
    run = response(step(3, v.year), method=method)
    assert np.array_equal(run["y"], np.where(run.times >= 1, 3.0, 0.0))
    run = response(pulse(3, v.year, v.tau), method=method)
    assert np.array_equal(run["y"], np.where((run.times >= 1) & (run.times < 3), 3.0, 0.0))
    assert run.at("x", 12.0) == pytest.approx(6.0, rel=1e-9)
    run = response(ramp(3 / v.year, v.year, v.tau * 2), method=method)
    assert np.allclose(run["y"], 3 * np.clip(run.times - 1, 0, 3), atol=1e-12)


POINTS = ((0.0, 1.0), (1.0, 3.0), (4.0, 0.0))


@pytest.mark.parametrize("outside", ["clamp", "extrapolate"])
@pytest.mark.parametrize("method", ["LSODA", "RK4"])
def test_lookup(outside, method):
    model = accumulate(
        1 / v.year, auxiliary("y", lookup("curve", v.x)), table("curve", POINTS, outside=outside), initial=-2
    )
    run = model.run(0, 10, method=method)
    x = run["x"].to_numpy()
    expected = np.interp(x, [0, 1, 4], [1, 3, 0])
    if outside == "extrapolate":
        expected = np.where(x < 0, 1 + 2 * x, np.where(x > 4, 4 - x, expected))
    assert np.allclose(run["y"], expected, atol=1e-9)
    assert (x < -0.5).any()
    assert (x > 5).any()


@pytest.mark.parametrize("outside", ["clamp", "extrapolate"])
@pytest.mark.parametrize("method", ["LSODA", "Radau", "DOP853", "RK4"])
def test_driver_integrates_exactly_across_its_knots(outside, method):
    knots = ((0.3, 0.0), (1.7, 4.0), (1.9, -1.0), (3.0, 2.0))
    model = accumulate(v.d / v.year, driver("d", knots, outside=outside))
    run = model.run(0, 5, method=method, dt=0.25)
    before, after = ((4.0 / 1.4), (3.0 / 1.1)) if outside == "extrapolate" else (0.0, 0.0)
    inside = 1.4 * 2.0 + 0.2 * 1.5 + 1.1 * 0.5
    expected = -before * 0.3**2 / 2 + inside + 2.0 * 2.0 + after * 2.0**2 / 2
    assert run.at("x", 5.0) == pytest.approx(expected, rel=1e-9)


def test_driver_can_be_looked_up_at_another_date():
    model = accumulate(1 / v.year, auxiliary("y", lookup("d", TIME - v.year)), driver("d", ((0, 0), (10, 10))))
    run = model.run(0, 5)
    assert np.allclose(run["y"], np.maximum(run.times - 1, 0), atol=1e-12)


def test_derivative_of_a_lookup_is_its_slope():
    x = sp.Symbol("x", real=True)
    assert lookup("curve", x**2).diff(x) == 2 * x * LookupSlope(v.curve, x**2)


NUMBERS = st.floats(-1e3, 1e3)
WIDTHS = st.floats(1e-2, 1e2)


def value(expression):
    return float(expression.definition())


@given(NUMBERS, WIDTHS)
def test_smooth_positive_bounds(x, width):
    found = value(smooth_positive(x, width))
    assert -1e-9 <= found - max(x, 0.0) <= width / 2 * (1 + 1e-9) + 1e-9
    assert found > 0 or x < -1e2 * width


@given(NUMBERS, NUMBERS, WIDTHS)
def test_smooth_max_and_min_bounds(a, b, width):
    high, low = value(smooth_max(a, b, width)), value(smooth_min(a, b, width))
    assert -1e-9 <= high - max(a, b) <= width / 2 + 1e-9
    assert -1e-9 <= min(a, b) - low <= width / 2 + 1e-9
    assert high + low == pytest.approx(a + b, abs=1e-9)
    assert value(smooth_max(b, a, width)) == high


@given(st.floats(0, 1e3), st.floats(1e-2, 1e3), st.floats(1, 20))
def test_soft_limit_bounds(x, limit, order):
    found = value(soft_limit(sp.Float(x), sp.Float(limit), sp.Float(order)))
    assert 0 <= found <= min(x, limit) * (1 + 1e-9)
    assert found >= min(x, limit) * 2 ** (-1 / order) * (1 - 1e-9)


def test_smooth_functions_in_a_model_follow_their_definition():
    model = accumulate(
        1 / v.year,
        auxiliary("positive", smooth_positive(v.x, 0.5)),
        auxiliary("largest", smooth_max(v.x, 1, 0.25)),
        auxiliary("smallest", smooth_min(v.x, 1, 0.25)),
        auxiliary("limited", soft_limit(smooth_positive(v.x, 0.5), 2, 4)),
        initial=-2,
    )
    run = model.run(0, 5)
    x = run.times - 2
    positive = (x + np.sqrt(x**2 + 0.25)) / 2
    assert np.allclose(run["positive"], positive, atol=1e-9)
    assert np.allclose(run["largest"] + run["smallest"], x + 1, atol=1e-9)
    assert np.allclose(run["largest"] - run["smallest"], np.sqrt((x - 1) ** 2 + 0.0625), atol=1e-9)
    assert np.allclose(run["limited"], positive / (1 + (positive / 2) ** 4) ** 0.25, atol=1e-9)


def test_kinked_functions_run_by_every_kind_of_method():
    """Max, Min, Abs, sign and floor have derivatives that code can be generated from."""
    rate = sp.Max(1 - v.x, sp.Rational(1, 4)) * sp.sign(1 + abs(v.x)) * sp.Min(2, 1 + sp.floor(abs(v.x) / 100))
    model = Model("kinks", [stock("x", 0), flow("f", rate / v.year, target="x"), parameter("year", 1.0, "yr")])
    kink = math.log(4)
    for method in ("LSODA", "Radau", "BDF", "RK4"):
        run = model.run(0, 4, method=method)
        expected = np.where(run.times < kink, 1 - np.exp(-run.times), 0.75 + 0.25 * (run.times - kink))
        assert np.allclose(run["x"], expected, atol=1e-4)


def test_sign_of_zero_is_zero():
    model = accumulate(0 / v.year, auxiliary("y", sp.sign(v.x)))
    assert model.run(0, 1).at("y", 0.0) == 0.0


def test_functions_print_by_their_own_names():
    x = sp.Symbol("x", real=True)
    assert str(smooth_positive(x, 2)) == "smooth_positive(x, 2)"
    assert sp.latex(delay3(x, 2)) == r"\operatorname{delay3}\left(x, 2, x\right)"
