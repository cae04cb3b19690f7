"""Integration: pulses, dates, order of convergence, and how runs end."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import sympy as sp
from small import accumulate, auxiliary, decay, driver, flow, logistic, parameter, stock, v

from jevons import InitialUnknown, Model
from jevons.errors import IntegrationError, JevonsError
from jevons.functions import TIME, pulse, step
from jevons.integrate import ADAPTIVE, FIXED, break_points, compile_model, fixed_grid
from jevons.kernels import start_state
from jevons.simulation import Simulation
from jevons.trajectory import RunStatus, Status

METHODS = (*ADAPTIVE, *FIXED)
NOT_EULER = (*ADAPTIVE, "RK4")


def pulsed(width=0.1, at=30.0):
    """Decay of `x` with a pulse of unit area."""
    given = [
        stock("x", 0),
        flow("inflow", pulse(v.height, v.at, v.width) - v.x / v.tau, target="x"),
        parameter("height", 1 / width, "1/yr"),
        parameter("at", at, "yr"),
        parameter("width", width, "yr"),
        parameter("tau", 2.0, "yr"),
    ]
    return Model("pulsed", given)


@pytest.mark.parametrize("method", NOT_EULER)
def test_a_short_pulse_in_a_long_run_is_not_missed(method):
    run = pulsed().run(0, 50, method=method, every=0.25)
    t = run.times
    expected = np.where(t >= 30.1, 20 * np.exp(-(t - 30.1) / 2) * -np.expm1(-0.05), 0.0)
    assert np.allclose(run["x"], expected, atol=1e-7)
    assert run.at("x", 30.25) > 0.9


@pytest.mark.parametrize("width", [0.1, 1e-3, 1e-6])
def test_a_pulse_has_its_area_whatever_its_width(width):
    run = pulsed(width, at=29.99).run(0, 31, every=1.0)
    assert run.at("x", 31.0) == pytest.approx(math.exp(-0.505) * math.expm1(width / 2) * 2 / width, rel=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_a_date_condition_restarts_integration(method):
    late, early = sp.Ge(TIME, v.tau * 10), sp.Lt(TIME, 20.1 * v.year)
    rate = sp.Piecewise((10, sp.And(late, early)), (0, True)) / v.year
    model = accumulate(rate, parameter("unused", 1.0))
    assert break_points(compile_model(model), np.array([2.0, 1.0, 1.0]), 50.0).tolist() == [20.0, 20.1]
    run = model.run(0, 50, method=method, every=0.25)
    assert run.at("x", 20.0) == pytest.approx(0.0, abs=1e-12)
    assert run.at("x", 50.0) == pytest.approx(1.0, rel=1e-9)
    moved = model.run(0, 50, method=method, params={"tau": 2.001})
    assert moved.at("x", 50.0) == pytest.approx(0.9, rel=1e-9)


@pytest.mark.parametrize(
    "condition", [sp.Gt(TIME, v.at), v.at < TIME, v.at <= TIME, TIME - v.at > 0, 2 * (v.at - TIME) < 0], ids=str
)
def test_every_way_to_write_a_date_condition(condition):
    model = accumulate(sp.Piecewise((1, condition), (0, True)) / v.year, parameter("at", 3.7, "yr"))
    assert break_points(compile_model(model), np.array([2.0, 1.0, 3.7]), 5.0).tolist() == [3.7]
    assert model.run(0, 5).at("x", 5.0) == pytest.approx(1.3, rel=1e-9)


def test_break_points_move_with_parameters_and_include_knots():
    model = accumulate((step(1, v.tau) + v.d) / v.year, driver("d", ((0.5, 1), (2.5, 1), (9, 1))))
    system = compile_model(model)
    assert break_points(system, np.array([2.0, 1.0]), 5.0).tolist() == [0.5, 2.0, 2.5]
    assert break_points(system, np.array([7.0, 1.0]), 5.0).tolist() == [0.5, 2.5]
    nodes, steps, switches = fixed_grid(system, np.array([2.0, 1.0]), np.array([1.0, 3.0]), 0.3)
    assert nodes.tolist() == [0.0, 0.5, 1.0, 2.0, 2.5, 3.0]
    assert steps.tolist() == [2, 2, 4, 2, 2]
    assert switches[:, 0].tolist() == [0, 0, 0, 1, 1, 1]


def test_values_at_a_break_are_those_just_after_it():
    model = accumulate(step(1, v.tau) / v.year, auxiliary("y", step(1, v.tau)))
    for method in METHODS:
        assert model.run(0, 4, method=method)["y"].loc[[1.875, 2.0]].tolist() == [0.0, 1.0]


def test_a_step_at_the_start_acts_from_the_start():
    model = accumulate(step(1, 0 * v.tau) / v.year, start=0.0)
    for method in METHODS:
        assert model.run(0, 1, method=method).at("x", 1.0) == pytest.approx(1.0, rel=1e-12)


EXACT = 1 / (1 + 9 * math.exp(-4.0))


@pytest.mark.parametrize(("method", "order"), FIXED.items())
def test_observed_order_of_convergence(method, order):
    steps = 2.0 ** -np.arange(2, 7)
    errors = [abs(logistic().run(0, 4, method=method, dt=h, every=4.0).at("x", 4.0) - EXACT) for h in steps]
    slope, _ = np.polyfit(np.log(steps), np.log(errors), 1)
    assert slope == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("method", NOT_EULER)
def test_methods_agree_with_the_closed_form(method):
    run = logistic().run(0, 10, method=method)
    assert np.allclose(run["x"], 1 / (1 + 9 * np.exp(-run.times)), rtol=1e-7)


@pytest.mark.parametrize("method", ["LSODA", "Radau", "RK45"])
def test_tighter_tolerance_is_more_accurate(method):
    def error(rtol):
        run = logistic().run(0, 10, method=method, rtol=rtol, atol=rtol)
        return np.abs(run["x"] - 1 / (1 + 9 * np.exp(-run.times))).max()

    assert error(1e-10) < 1e-7 < 1e-2 * error(1e-3) * 1e3
    assert error(1e-10) < 1e-2 * error(1e-4)


@pytest.mark.parametrize("method", NOT_EULER)
def test_a_log_stock_runs_like_a_natural_one(method):
    def model(log):
        growth = flow("growth", v.x * (1 - v.x) / v.year, target="x")
        other = flow("outflow", v.y * v.x / v.year, source="y")
        stocks = [stock("x", 0.1, log=log), stock("y", 5, log=log)]
        return Model("logistic", [*stocks, growth, other, parameter("year", 1.0, "yr")])

    natural, logarithm = (model(log).run(0, 8, method=method, dt=1 / 64) for log in (False, True))
    assert np.allclose(natural.values, logarithm.values, rtol=1e-6)
    assert not np.array_equal(natural.values, logarithm.values)


def test_a_log_stock_spans_decades_and_stays_positive():
    run = Model("m", [stock("x", 1, log=True), flow("f", v.x / v.tau, source="x"), parameter("tau", 0.05, "yr")]).run(
        0, 30
    )
    assert run.at("x", 30.0) == pytest.approx(math.exp(-600), rel=1e-5)


def test_stiff_methods_use_few_calls():
    model = Model(
        "stiff",
        [
            stock("x", 1),
            stock("y", 0),
            flow("f", (sp.cos(TIME / v.year) - v.x) / v.fast, target="x"),
            flow("g", (v.x - v.y) / v.year, target="y"),
            parameter("fast", 1e-6, "yr"),
            parameter("year", 1.0, "yr"),
        ],
    )
    run = model.run(0, 10, method="Radau", max_calls=20_000)
    assert run.at("x", 10.0) == pytest.approx(math.cos(10), abs=2e-6)
    with pytest.raises(IntegrationError) as caught:
        model.run(0, 10, method="RK45", max_calls=20_000)
    assert caught.value.status.kind is Status.STEP_BUDGET


# ---- how runs end ------------------------------------------------------------------------------------------


def blow_up():
    given = [
        stock("large", 1e9),
        stock("x", 1),
        flow("f", v.x**2 / v.year, target="x"),
        parameter("year", 1.0, "yr"),
    ]
    return Model("blow up", given)


@pytest.mark.parametrize("method", ADAPTIVE)
@pytest.mark.parametrize("every", [0.125, 5.0])
def test_blow_up_names_stock_and_time(method, every):
    run = blow_up().run(0, 5, method=method, every=every, on_failure="return")
    assert run.status.kind is Status.DIVERGED
    assert run.status.element in ("x", "f")
    assert run.status.time == pytest.approx(1.0, abs=1e-3)
    assert np.isfinite(run.values).all()
    assert run.times.size in ((8, 9) if every == 0.125 else (1,))
    x = run["x"].loc[:0.99]
    assert np.allclose(x, 1 / (1 - x.index), rtol=1e-5)


@pytest.mark.parametrize("method", FIXED)
def test_blow_up_of_fixed_steps_names_stock_and_time(method):
    run = blow_up().run(0, 5, method=method, on_failure="return")
    assert run.status.kind is Status.DIVERGED
    assert run.status.element in ("x", "f")
    assert 1.0 <= run.status.time <= 2.0
    assert np.isfinite(run.values).all()
    assert run.times[-1] < run.status.time


def test_failure_is_raised_by_default_and_pickles():
    with pytest.raises(IntegrationError) as caught:
        blow_up().run(0, 5)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.status == caught.value.status
    assert "diverged at 1" in str(again)
    assert Status.DIVERGED.advice in str(again)


@pytest.mark.parametrize("method", METHODS)
def test_budget_used_up(method):
    run = logistic().run(0, 100, method=method, max_calls=60, on_failure="return")
    assert run.status.kind is Status.STEP_BUDGET
    assert "60" in run.status.detail
    assert (run.times <= run.status.time + 1e-9).all()
    assert run.times.size > 0 or method in FIXED
    with pytest.raises(IntegrationError, match="step budget used up"):
        logistic().run(0, 100, method=method, max_calls=60)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_input_that_is_not_finite(method, value):
    run = decay().run(0, 1, method=method, params={"tau": value}, on_failure="return")
    assert run.status == RunStatus(Status.NON_FINITE_INPUT, 0.0, "tau")
    assert run.times.size == 0
    with pytest.raises(IntegrationError, match="non-finite input at 0 in 'tau'"):
        decay().run(0, 1, method=method, params={"tau": value})


def test_date_that_is_not_finite():
    run = decay().run(0, math.nan, on_failure="return")
    assert run.status == RunStatus(Status.NON_FINITE_INPUT, 0.0, "end")


def unknown_model(equation, guess=1.0, **options):
    unknown = InitialUnknown("u", "1", equation=equation, guess=guess, doc="Test.")
    outflow = flow("f", v.x / v.tau, source="x")
    given = [stock("x", v.u, **options), outflow, parameter("tau", 2.0, "yr"), parameter("target", 3.0), unknown]
    return Model("m", given)


@pytest.mark.parametrize("method", METHODS)
def test_initial_fixed_point(method):
    run = unknown_model(sp.sqrt(v.u * v.target)).run(0, 1, method=method)
    assert run.at("x", 0.0) == pytest.approx(3.0, rel=1e-12)
    moved = unknown_model(sp.sqrt(v.u * v.target)).run(0, 1, method=method, params={"target": 5.0})
    assert moved.at("x", 0.0) == pytest.approx(5.0, rel=1e-12)


def test_initial_fixed_point_through_stocks_and_auxiliaries():
    """u balances what the start gives: y(0) = u, a = 1 + 1/y, u = a: the golden ratio."""
    given = [
        stock("y", v.u),
        flow("f", v.y / v.tau, source="y"),
        auxiliary("a", 1 + 1 / v.y),
        parameter("tau", 2.0, "yr"),
        InitialUnknown("u", "1", equation=v.a, guess=1.0, doc="Test."),
    ]
    run = Model("m", given).run(0, 1)
    assert run.at("y", 0.0) == pytest.approx((1 + math.sqrt(5)) / 2, rel=1e-12)
    assert run.at("a", 0.0) == pytest.approx((1 + math.sqrt(5)) / 2, rel=1e-12)


def test_compiled_and_plain_start_agree():
    model = unknown_model(sp.sqrt(v.u * v.target), log=True)
    system = compile_model(model)
    natural, _, solved = start_state(system, np.array(system.defaults))
    assert solved
    member = Simulation(model, [0.0, 1.0], ["x"]).run()
    assert member.values[0] == pytest.approx(natural, rel=1e-12)


@pytest.mark.parametrize("equation", [2 * v.u, v.u**-3, -v.u, 1 / (v.u - 1), sp.log(v.u) - 5], ids=str)
@pytest.mark.parametrize("method", ["LSODA", "RK4"])
def test_initial_fixed_point_that_cannot_be_solved(equation, method):
    model = unknown_model(equation, guess=1.5 if equation == v.u**-3 else 1.0)
    run = model.run(0, 1, method=method, on_failure="return")
    assert run.status.kind is Status.NOT_SOLVED
    assert run.times.size == 0
    with pytest.raises(IntegrationError, match="initial values not solved"):
        model.run(0, 1, method=method)


def test_compiled_start_says_what_it_cannot_solve():
    member = Simulation(unknown_model(2 * v.u), [0.0, 1.0], ["x"]).run()
    assert (member.status.kind, member.status.element) == (Status.NOT_SOLVED, "u")
    assert np.isnan(member.values).all()


def test_log_stock_that_starts_at_zero():
    model = Model(
        "m", [stock("x", 0 * v.tau / v.tau + v.zero, log=True), parameter("tau", 1.0, "yr"), parameter("zero", 0.0)]
    )
    for method in ("LSODA", "RK4"):
        run = model.run(0, 1, method=method, on_failure="return")
        assert (run.status.kind, run.status.element) == (Status.DIVERGED, "x")
        assert "expected positive for a log stock" in run.status.detail


def test_initial_value_that_is_not_computable():
    model = accumulate(0 / v.year, stock("bad", sp.log(v.tau / v.year - 2)))
    run = model.run(0, 1, on_failure="return")
    assert run.status.kind is Status.NOT_SOLVED


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("name", "equation"),
    [
        ("bad", sp.log(1 - v.x)),
        ("bad", 1 / sp.Max(1 - v.x, 0)),
        ("bad", sp.sqrt(0.999 - v.x)),
        ("bad", sp.exp(1000 * v.x)),
    ],
    ids=str,
)
def test_a_variable_that_stops_being_a_number_is_reported(method, name, equation):
    model = accumulate(1 / v.year, auxiliary(name, equation), auxiliary("after", 1 + v.bad), stock("large", 1e9))
    run = model.run(0, 3, method=method, dt=0.125, on_failure="return")
    assert (run.status.kind, run.status.element) == (Status.DIVERGED, name)
    assert 0.6 < run.status.time < 1.3
    assert np.isfinite(run.values).all()
    assert run.times[-1] < run.status.time
    with pytest.raises(IntegrationError, match="in 'bad'"):
        model.run(0, 3, method=method, dt=0.125)


@pytest.mark.parametrize("method", METHODS)
def test_a_flow_that_stops_being_a_number_is_reported(method):
    outflow = flow("f", (sp.sqrt(v.x) + 1) / v.year, source="x")
    model = Model("m", [stock("large", 1e9), stock("x", 1), outflow, parameter("year", 1.0, "yr")])
    run = model.run(0, 5, method=method, on_failure="return")
    assert run.status.kind is Status.DIVERGED
    assert run.status.element in ("x", "f")
    assert run.status.time == pytest.approx(2 - 2 * math.log(2), abs=0.3)
    assert np.isfinite(run.values).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_piecewise_without_default_is_never_silent(method):
    model = accumulate(1 / v.year, auxiliary("bad", sp.Piecewise((v.x, v.x < 1))))
    run = model.run(0, 3, method=method, on_failure="return")
    assert (run.status.kind, run.status.element) == (Status.DIVERGED, "bad")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0,), {}, "run needs the date of its end"),
        ((0, 1), {"method": "lsoda"}, "method 'lsoda', expected one of .*; did you mean 'LSODA'"),
        ((0, 1), {"on_failure": "ignore"}, "on_failure 'ignore'"),
        ((-1, 1), {}, "window -1 to 1: expected model start 0"),
        ((2, 1), {}, "window 2 to 1"),
        ((0, 1), {"every": 0}, "every 0, expected more than 0"),
        ((0, 1), {"dt": -1}, "dt -1, expected more than 0"),
        ((0, 1e9), {}, "more than 200,000 dates: raise `every`"),
        (("now", 1), {}, "start 'now', expected a number"),
    ],
)
def test_what_cannot_be_run(arguments, options, message):
    with pytest.raises(JevonsError, match=message):
        decay().run(*arguments, **options)


@pytest.mark.parametrize("method", METHODS)
def test_a_window_begins_at_the_models_start(method):
    whole, window = decay().run(0, 4, method=method), decay().run(2, 4, method=method)
    assert window.times[0] == 2.0
    assert np.allclose(window["x"], whole["x"].loc[2.0:], rtol=1e-7)


def test_report_dates_end_at_the_end():
    assert decay().run(0, 1, every=0.3).times == pytest.approx([0, 0.3, 0.6, 0.9, 1.0])
    assert decay().run(0, 0.3, every=0.1).times == pytest.approx([0, 0.1, 0.2, 0.3])
    assert decay().run(0, 1, every=7).times.tolist() == [0.0, 1.0]


def test_a_model_without_stocks_runs():
    model = Model("m", [auxiliary("y", TIME / v.year), parameter("year", 1.0, "yr")])
    for method in ("LSODA", "RK4"):
        assert model.run(0, 1, method=method, every=0.5)["y"].tolist() == [0.0, 0.5, 1.0]
