"""Discrete functions, noise and steps over a grid, against recomputation step by step."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from small import accumulate, auxiliary, driver, flow, parameter, stock, table, v

from jevons import Model, Simulation, kernels
from jevons.codegen import generate
from jevons.errors import ModelError
from jevons.functions import (
    TIME,
    active_initial,
    delay_n,
    initial,
    lookup,
    market_price,
    market_share,
    noise,
    normal_quantile,
    pipeline_delay,
    pulse,
    pulse_train,
    ramp,
    sample_if_true,
    smooth3,
    smooth_n,
    step,
)
from jevons.recursion import deep_recursion
from jevons.run_settings import RunSettings
from jevons.special_functions import digamma, loggamma
from jevons.special_functions import noise as plain_noise
from jevons.special_functions import normal_quantile as plain_quantile
from jevons.system import interpolate
from jevons.vector_math import vector_functions

STEP = 0.25
END = 6.0


def stepped(equation, *others, break_points=False, end=END, dt=STEP):
    """Values of an auxiliary `y` at every step of Euler's method, and the grid."""
    model = accumulate(v.y / v.year, auxiliary("y", equation), parameter("dt", dt, "yr"), *others)
    system = generate(model, break_points=break_points)
    functions = kernels.python_functions(system.source)
    p = np.array(system.defaults)
    state, _, _ = kernels.start_state(system, p)
    vector, x = kernels.vector(system, p), state.tolist()
    place = system.outputs.index("y")
    times, values = dt * np.arange(round(end / dt) + 1), []
    for t in times.tolist():
        on = kernels.switch_row(system, p, t)
        out, dx = [0.0] * len(system.outputs), [0.0] * len(x)
        functions.observe(t, x, vector, on, system.tables, out)
        functions.rhs(t, x, vector, on, system.tables, dx)
        values.append(out[place])
        x = [a + dt * b for a, b in zip(x, dx, strict=True)]
    return times, np.array(values)


def waves(t):
    return math.sin(3 * t) + 2


WAVES = sp.sin(3 * TIME / v.year) + 2


def pysd_delay(x, tau, start, order, times, dt):
    """DELAY N as PySD steps it: delay times move one place along before what flows is computed."""
    state, delays = np.full(order, start * tau(times[0])), np.full(order, tau(times[0]))
    values = []
    for t in times:
        values.append(state[-1] / delays[0])
        delays = np.roll(delays, 1)
        delays[0] = tau(t)
        outflows = state / delays
        inflows = np.roll(outflows, 1)
        inflows[0] = x(t)
        state = state + dt * (inflows - outflows) * order
    return values


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_delay_times_travel_along(order):
    def tau(t):
        return 2 + math.cos(t)

    equation = delay_n(WAVES, v.year * (2 + sp.cos(TIME / v.year)), 1.5, order, step=v.dt)
    times, values = stepped(equation)
    assert np.allclose(values, pysd_delay(waves, tau, 1.5, order, times, STEP), rtol=1e-12)
    _, ordinary = stepped(delay_n(WAVES, v.year * (2 + sp.cos(TIME / v.year)), 1.5, order))
    assert not np.allclose(values, ordinary, rtol=1e-3)


@pytest.mark.parametrize("order", [1, 4])
def test_constant_delay_times_need_no_pipeline(order):
    equation = delay_n(WAVES, 2 * v.tau, 1.5, order, step=v.dt)
    times, values = stepped(equation)
    assert np.allclose(values, pysd_delay(waves, lambda t: 4.0, 1.5, order, times, STEP), rtol=1e-12)
    model = accumulate(v.y / v.year, auxiliary("y", equation), parameter("dt", STEP, "yr"))
    assert len(model.structure.stocks) == 1 + order


@pytest.mark.parametrize("order", [1, 2, 5])
def test_smooth_of_any_order(order):
    times, values = stepped(smooth_n(WAVES, v.tau, 0.5, order))
    state, expected = np.full(order, 0.5), []
    for t in times:
        expected.append(state[-1])
        state = state + STEP * (np.append(waves(t), state[:-1]) - state) / (2.0 / order)
    assert np.allclose(values, expected, rtol=1e-12)


def test_smooth_of_order_three_is_smooth3():
    assert np.array_equal(stepped(smooth_n(WAVES, v.tau, order=3))[1], stepped(smooth3(WAVES, v.tau))[1])


def test_a_material_delay_keeps_what_is_in_it():
    model = accumulate(delay_n(2 / v.year, v.tau, 0, 7))
    run = model.run(0, 40, every=10)
    assert run["x"].iloc[-1] == pytest.approx(2 * (40 - 2), rel=1e-6)


@pytest.mark.parametrize("stages", [1, 3, 8])
def test_a_pipeline_gives_what_entered_so_many_steps_ago(stages):
    times, values = stepped(pipeline_delay(WAVES, v.dt, 7.0, stages))
    expected = [7.0] * stages + [waves(t) for t in times[:-stages]]
    assert np.allclose(values, expected, rtol=1e-14)


def test_sample_holds_what_it_took_last():
    condition = sp.And(sp.Gt(sp.sin(5 * TIME / v.year), 0), sp.Lt(TIME, 4 * v.year))
    times, values = stepped(sample_if_true(condition, WAVES, 9.0, v.dt))
    held, expected = 9.0, []
    for t in times:
        held = waves(t) if math.sin(5 * t) > 0 and t < 4 else held
        expected.append(held)
    assert values[0] == 9.0
    assert np.allclose(values, expected, rtol=1e-13)


def test_sample_checks_the_units_of_its_condition():
    with pytest.raises(ModelError, match="sides of a comparison"):
        accumulate(v.y / v.year, auxiliary("y", sample_if_true(sp.Gt(v.tau, v.x), v.x, 0, v.year)))


def test_initial_is_the_value_at_the_start():
    late = [auxiliary("z", initial(smooth_n(v.x + 1, v.tau, v.x + 3))), stock("w", initial(v.z) + 1)]
    model = accumulate(1 / v.year, *late, initial=2)
    run = model.run(0, 3, every=1)
    assert np.allclose(run["z"], 5)
    assert np.allclose(run["w"], 6)


def test_active_initial_breaks_a_loop_of_starts():
    elements = [
        stock("a", v.b),
        auxiliary("b", active_initial(2 * v.a, 3)),
        flow("g", v.a / v.tau, target="a"),
        parameter("tau", 2.0, "yr"),
    ]
    run = Model("m", elements).run(0, 2, every=1)
    assert np.allclose(run["a"], 3 * np.exp(run.times / 2), rtol=1e-7)
    assert np.allclose(run["b"], 2 * run["a"])


def test_literal_steps_pulses_and_ramps():
    times, values = stepped(step(3, v.tau) + 10 * pulse(1, 3 * v.year, 2 * v.dt))
    assert np.array_equal(values, np.where(times >= 2, 3.0, 0) + np.where((times >= 3) & (times < 3.5), 10.0, 0))
    times, values = stepped(ramp(2 / v.year, v.tau, 4 * v.year))
    assert np.allclose(values, 2 * (np.clip(times, 2, 4) - 2))
    assert values.min() == 0


@pytest.mark.parametrize("first", [0.0, 0.3, 1.13, 2.0])
@pytest.mark.parametrize("width", [0.1, 0.2, 0.25, 0.7])
def test_literal_pulses_are_those_of_pysd(first, width):
    """Dates on and off the grid, with tenths for steps, which no binary number is."""
    dt, interval, end = 0.1, 0.9, 3.7
    single = pulse(2, first * v.year, width * v.year)
    train = pulse_train(2, first * v.year, width * v.year, interval * v.year, end * v.year, 5)
    for equation, on in (
        (single, lambda t: first - 1e-6 <= t < first + width - 1e-6),
        (train, lambda t: first - 1e-6 <= t < end - 1e-6 and (t - first + 1e-6) % interval < width),
    ):
        times, values = stepped(equation, dt=dt)
        assert values.tolist() == [2.0 * on(t) for t in times.tolist()]


def test_a_step_forgives_half_a_step():
    times, values = stepped(step(1, 1.13 * v.year), dt=0.1)
    assert times[values.argmax()] == pytest.approx(1.2)
    model = Model(
        "m",
        [
            stock("x", 0.0),
            flow("f", step(1 / v.year, 1.13 * v.year), target="x"),
            parameter("year", 1.0, "yr"),
            parameter("dt", 0.1, "yr"),
        ],
        settings=RunSettings(2.0, 0.1, 0.1, time_step="dt"),
    )
    run = model.run()
    assert run.times[run["f"].to_numpy().argmax()] == pytest.approx(1.1)


@pytest.mark.parametrize("break_points", [False, True])
def test_dates_in_initial_values(break_points):
    model = accumulate(0 / v.year, stock("w", START), parameter("a", 0.6))
    run = model.run(0, 2, every=1.0, method="Euler", break_points=break_points)
    assert np.allclose(run["w"], 4 * 0.6, rtol=1e-15)


def test_a_quotient_is_rounded_once():
    model = accumulate(0 / v.year, auxiliary("y", v.x / 5), auxiliary("z", 2 * v.x / 3), initial=46)
    run = model.run(0, 1, every=1.0)
    assert run["y"].tolist() == [46 / 5] * 2
    assert run["z"].tolist() == [92 / 3] * 2


def test_literal_mode_has_neither_switches_nor_knots():
    others = [driver("d", ((0, 1), (1, 2), (5, 0)))]
    model = accumulate(v.y / v.year, auxiliary("y", step(v.d, v.tau) + pulse(1, v.tau, v.year)), *others)
    literal, restarting = generate(model, break_points=False), generate(model)
    assert (literal.n_switches, literal.knots) == (0, ())
    assert (restarting.n_switches, restarting.knots) == (2, (0.0, 1.0, 5.0))


@pytest.mark.parametrize("break_points", [False, True])
@pytest.mark.parametrize(("duration", "end", "count"), [(1, 100, 3), (1, 3.5, 3), (5, 100, 2)])
def test_pulse_train(break_points, duration, end, count):
    year = v.year
    equation = pulse_train(4, year / 2, duration * year / 2, 3 * year / 2, end * year, count)
    times, values = stepped(equation, break_points=break_points)
    on = np.zeros(times.size, bool)
    for k in range(count):
        first = 0.5 + 1.5 * k
        last = first + min(duration / 2, 1.5)
        on |= (times >= first) & (times < min(last, end))
    assert np.array_equal(values, 4.0 * on)


def test_a_date_may_be_an_auxiliary_of_parameters():
    others = [auxiliary("when", v.begin + v.tau, "yr"), auxiliary("begin", 2 * v.year, "yr")]
    model = accumulate(step(1 / v.year, v.when), *others)
    assert generate(model).n_switches == 1
    assert model.run(0, 10, every=5)["x"].iloc[-1] == pytest.approx(6.0, rel=1e-9)


def test_truncation_is_flat():
    whole = sp.sign(v.x - 3) * sp.floor(sp.Abs(v.x - 3))
    model = accumulate(1 / v.year, auxiliary("y", whole))
    run = model.run(0, 6, every=0.4)
    assert np.array_equal(run["y"], np.trunc(run["x"] - 3))
    from jevons.derivatives import derivative

    assert derivative(whole, v.x) == 0


# Noise

whole = st.integers(-(2**50), 2**50).map(float)


@given(whole, whole, whole)
@settings(deadline=None)
def test_noise_has_the_same_bits_in_machine_code(seed, stream, index):
    found = plain_noise(seed, stream, index)
    assert 0 < found < 1
    assert found == vector_functions()["noise"](seed, stream, index)
    assert found == float(kernels._TOLERANT_NAMES["noise"](*map(np.float64, (seed, stream, index))))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 2.0**51])
def test_noise_of_what_is_no_whole_number(bad):
    for arguments in itertools.permutations((bad, 1.0, 2.0)):
        assert math.isnan(plain_noise(*arguments))
        assert math.isnan(vector_functions()["noise"](*arguments))


def test_noise_is_uniform_and_independent():
    import scipy.stats

    grid = np.array([[[plain_noise(a, b, c) for c in range(400)] for b in range(5)] for a in range(5)])
    assert scipy.stats.kstest(grid.ravel(), "uniform").pvalue > 0.01
    z = scipy.stats.norm.ppf(grid).reshape(25, 400)
    correlations = np.corrcoef(z)[np.triu_indices(25, 1)]
    assert abs(correlations).max() < 4.5 / math.sqrt(400)
    assert scipy.stats.kstest(correlations * math.sqrt(400), "norm").pvalue > 0.01
    for lag in (1, 2, 7):
        assert abs((z[:, lag:] * z[:, :-lag]).mean()) < 4.5 / math.sqrt(z[:, lag:].size)
    pairs = np.histogram2d(grid[..., :-1].ravel(), grid[..., 1:].ravel(), bins=8)[0]
    assert scipy.stats.chisquare(pairs.ravel()).pvalue > 0.001


@given(st.floats(1e-300, 1 - 2**-53))
@settings(deadline=None)
def test_normal_quantile(u):
    import scipy.special

    expected = scipy.special.ndtri(u)
    assert plain_quantile(u) == pytest.approx(expected, rel=1e-13, abs=1e-15)
    assert vector_functions()["normal_quantile"](u) == pytest.approx(expected, rel=1e-13, abs=1e-15)


def test_normal_quantile_at_its_ends():
    for quantile in (plain_quantile, vector_functions()["normal_quantile"]):
        assert [quantile(0.0), quantile(1.0), quantile(0.5)] == [-math.inf, math.inf, 0]
        assert all(math.isnan(quantile(u)) for u in (-0.1, 1.1, math.nan))


def test_derivative_of_the_normal_quantile():
    slope = sp.lambdify(v.x, sp.diff(normal_quantile(v.x), v.x), [{"NormalQuantile": plain_quantile}, "math"])
    for u in (1e-6, 0.2, 0.5, 0.99):
        h = 1e-6 * u * (1 - u)
        assert slope(u) == pytest.approx((plain_quantile(u + h) - plain_quantile(u - h)) / (2 * h), rel=1e-6)


def test_derivative_of_loggamma():
    for x in (0.3, 1.0, 7.7, 40.0, -1.3):
        h = 1e-5
        assert digamma(x) == pytest.approx((loggamma(x + h) - loggamma(x - h)) / (2 * h), rel=1e-7, abs=1e-9)
    assert loggamma(-2.0) == math.inf
    assert math.isnan(digamma(0.0))


# All functions in all kinds of code

EVERYTHING = {
    "asin": sp.asin(v.a / 3),
    "acos": sp.acos(v.a / 3),
    "atan": sp.atan(3 * v.a),
    "ceiling": sp.ceiling(3 * v.a) + v.a,
    "loggamma": sp.loggamma(v.a),
    "log with a base": sp.log(v.a, 3),
    "truncation": sp.sign(v.a) * sp.floor(5 * sp.Abs(v.a)) * v.a,
    "noise": noise(3, 1, sp.floor(TIME / v.year)) * v.a,
    "normal quantile": normal_quantile(v.a / 3),
    "hold": lookup("held", v.a) * v.a,
    "forward": lookup("ahead", v.a) * v.a,
    "jump": lookup("jump", v.a),
    "largest of three": sp.Max(v.a, 1 / v.a, 2 * v.a - 1),
    "branches": sp.Piecewise((v.a**2, v.a > 1), (2 * v.a, True)),
    "literal dates": ramp(v.a / v.year, v.year, 3 * v.year)
    + pulse_train(v.a, v.year, v.year, 2 * v.year, 9 * v.year, 2),
    "sample": sample_if_true(v.year / 2 < TIME, v.a * v.x, v.a, v.year / 4),
    "delay with delay times": delay_n(v.a, v.year * (1 + v.x / 9), v.a, 3, step=v.year / 4),
    "delay": delay_n(v.a * v.x, 2 * v.year, v.a, 2),
    "smooth": smooth_n(v.a * v.x, 2 * v.year, 0.2, 4),
    "pipeline": pipeline_delay(v.a * v.x, v.year / 4, v.a, 3),
    "initial": initial(v.a * v.x + 1) * v.a,
    "active initial": active_initial(v.a * v.x, v.a),
    "error function": sp.erf(v.a) + sp.erfc(2 * v.a),
    "price": market_price(v.a, [1, 2, 3, 4], [0.4, 0.5, v.a, 0.7], [1, 2, v.a, 1.5], [2, 2, 1, v.a]),
    "share": sp.Add(*(market_share(kind, v.a - sp.Rational(6, 5)) for kind in (1, 2, 3, 4))),
    "quotient": sp.floor(v.a * 46 / 5) * v.a,
}
START = step(v.a, v.tau - 2 * v.year) + pulse(3 * v.a, v.tau - 2 * v.year, v.year) + step(100 * v.a, v.year)
TABLES = [
    table("held", ((0, 1), (1, 3), (2, 2)), between="hold"),
    table("ahead", ((0, 1), (1, 3), (2, 2)), between="forward"),
    table("jump", ((0, 1), (0.7, 2), (0.7, 5), (1.4, 6), (1.4, 1), (3, 2))),
]


@pytest.mark.slow
@pytest.mark.parametrize("break_points", [False, True])
def test_lanes_and_derivatives_agree_with_plain_runs(break_points):
    sums = [auxiliary(f"y{i}", e) for i, e in enumerate(EVERYTHING.values())]
    total = sp.Add(*(v[f"y{i}"] for i in range(len(sums)))) / v.year
    model = accumulate(total, *sums, *TABLES, parameter("a", 0.6), stock("w", START), initial=1)
    outputs = ["x", "w", *(s.name for s in sums)]
    simulation = Simulation(model, np.arange(0, 5.0), outputs, method="Euler", dt=0.25, break_points=break_points)
    places = np.array([0.6, 0.7, 0.95, 1.4, 1.7])
    members = simulation.run_members(places[:, None], ["a"])
    for i, a in enumerate(places.tolist()):
        plain = model.run(0, 4, params={"a": a}, method="Euler", dt=0.25, every=1.0, break_points=break_points)
        expected = np.column_stack([plain[name] for name in outputs])
        assert np.allclose(simulation.run({"a": a}).values, expected, rtol=1e-11)
        assert np.allclose(expected[:, 1], 4 * a, rtol=1e-14)
        assert np.allclose(members.values[i], expected, rtol=1e-11)
    _, slopes = simulation.gradient({"a": 0.83}, ["a"])
    low, high = (simulation.run({"a": 0.83 + h}).values for h in (-1e-6, 1e-6))
    assert np.allclose(slopes[..., 0], (high - low) / 2e-6, rtol=1e-6, atol=1e-6)


def test_a_market_in_an_adaptive_run():
    """Supply, requests, priorities and widths all move with the state; the Jacobian against differences."""
    x = v.x
    price = market_price(2 * x, [2, 3, 4], [3, 2 + x, 4], [5, 6 - x, 5.5], [3, 4, 2 + x / 5])
    part = market_share(3, (6 - x - v.price) / 4)
    model = accumulate((1 - part * x / 2) / v.year, auxiliary("price", price), initial=1)
    system = generate(model)
    functions = kernels.python_functions(system.source)
    vector = kernels.vector(system, np.array(system.defaults))

    def rate(value):
        slope = [0.0]
        functions.rhs(0.0, [value], vector, [], system.tables, slope)
        return slope[0]

    for value in (0.5, 1.0, 2.2):
        jac = [0.0]
        functions.jacobian(0.0, [value], vector, [], system.tables, jac)
        assert jac[0] == pytest.approx((rate(value + 1e-5) - rate(value - 1e-5)) / 2e-5, rel=1e-6)
    runs = [model.run(0, 6, every=2.0, method=method)["x"].to_numpy() for method in ("Radau", "RK45")]
    assert np.allclose(*runs, rtol=1e-7)


def test_markets_know_four_curves():
    for make in (lambda: market_share(5, v.x), lambda: market_price(v.x, [0], [1], [1], [1])):
        with pytest.raises(ModelError, match="expected 1, 2, 3 or 4"):
            make()


NESTED = {
    "else": lambda e, x, i: sp.Piecewise((i * x, sp.Lt(x, i - 490)), (e, True), evaluate=False),
    "then": lambda e, x, i: sp.Piecewise((e, sp.Gt(x, i - 490)), (i * x, True), evaluate=False),
    "sum": lambda e, x, i: (e + i * x) / 2 + sp.Float(0.1),
    "maximum": lambda e, x, i: sp.Max(e * sp.Float(0.9), (i - 400) * x, evaluate=False),
}
UNROLLED = {
    "else": lambda e, x, i: i * x if x < i - 490 else e,
    "then": lambda e, x, i: e if x > i - 490 else i * x,
    "sum": lambda e, x, i: (e + i * x) / 2 + 0.1,
    "maximum": lambda e, x, i: max(e * 0.9, (i - 400) * x),
}


@pytest.mark.parametrize("kind", NESTED)
def test_expressions_nested_500_deep(kind):
    symbolic, value = v.x + 2, 2.0
    with deep_recursion():
        for i in range(500):
            symbolic, value = NESTED[kind](symbolic, v.x + 2, i), UNROLLED[kind](value, 2.0, i)
    limit = sys.getrecursionlimit()
    model = accumulate(0 / v.year, auxiliary("y", symbolic))
    run = model.run(0, 1, method="Euler", every=1.0)
    assert run["y"].to_numpy() == pytest.approx(value, rel=1e-12)
    assert sys.getrecursionlimit() == limit


# Tables


def test_between_points():
    points = (0.0, 1.0, 2.0, 10.0, 20.0, 30.0)
    for x, hold, forward in [
        (-1, 10, 10),
        (0, 10, 10),
        (0.5, 10, 20),
        (1, 20, 20),
        (1.5, 20, 30),
        (2, 30, 30),
        (3, 30, 30),
    ]:
        assert interpolate(points, 0, 3, 2, x) == hold
        assert interpolate(points, 0, 3, 3, x) == forward


def test_a_jump_has_its_right_value():
    points = (0.0, 1.0, 1.0, 2.0, 0.0, 1.0, 5.0, 6.0)
    for how in (4, 5):
        assert interpolate(points, 0, 4, how, 1.0) == 5.0
        assert interpolate(points, 0, 4, how, 1.0 - 2**-40) == pytest.approx(1.0)
        assert [interpolate(points, 0, 4, how, x) for x in (0.0, 0.5, 1.5, 2.0)] == [0, 0.5, 5.5, 6]


@given(st.lists(st.integers(0, 6), min_size=3, max_size=8), st.floats(-1, 7))
@settings(max_examples=200)
def test_interpolation_in_tables_with_jumps_is_finite(steps, x):
    xs = [0.0, *np.cumsum(np.array(steps, float) + 0.5)]
    xs = sorted([*xs, xs[1]])
    points = (*xs, *range(len(xs)))
    for how in (4, 5):
        assert math.isfinite(interpolate(points, 0, len(xs), how, x))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"between": "cubic"}, "'c': between 'cubic', expected 'linear', 'hold' or 'forward'"),
        (
            {"between": "hold", "outside": "extrapolate"},
            "'c': between 'hold' with outside 'extrapolate', expected 'clamp'",
        ),
        ({"points": ((0, 0), (0, 1), (1, 1))}, "must rise strictly, but for jumps"),
        ({"points": ((0, 0), (1, 1), (1, 2), (1, 3), (2, 1))}, "must rise strictly"),
        ({"points": ((0, 0), (1, 1), (1, 2), (2, 3)), "between": "hold"}, "must rise strictly"),
        ({"points": ((0, 0), (2, 1), (1, 2), (3, 3))}, "must rise strictly"),
    ],
)
def test_mistakes_in_tables(changes, message):
    with pytest.raises(ModelError) as caught:
        accumulate(1 / v.year, table("c", **{"points": ((0, 0), (1, 1)), **changes}))
    assert message in str(caught.value)


@pytest.mark.parametrize("make", [lambda n: smooth_n(v.x, v.tau, order=n), lambda n: pipeline_delay(v.x, v.tau, 0, n)])
@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many"])
def test_orders_are_whole_numbers(make, wrong):
    with pytest.raises(ModelError, match="expected a whole number of at least 1"):
        make(wrong)
