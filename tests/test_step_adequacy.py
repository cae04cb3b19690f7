"""Fixed steps against analytic solutions: errors, orders, stability limits, and what makes the step part of a model."""

import math

import numpy as np
import pytest
from small import auxiliary, decay, driver, flow, parameter, stock, v

import jevons.functions as fn
from jevons import Model
from jevons.diagnostics.step_adequacy import FLOOR, discrete_parts, step_adequacy
from jevons.diagnostics.step_stability import amplification, stable_step
from jevons.errors import JevonsError
from jevons.run_settings import RunSettings


def oscillator(damping=0.4):
    return Model(
        "oscillator",
        [
            stock("x", 1.0), stock("u", 0.0), flow("move", v.u / v.year, target="x"),
            flow("force", -v.k * v.x - v.c * v.u, target="u"), parameter("year", 1.0, "yr"),
            parameter("k", 4.0, "1/yr"), parameter("c", damping, "1/yr"),
        ],
    )  # fmt: skip


def stepped(*elements, dt=0.25, end=8.0, time_step=None, **changes):
    settings = RunSettings(end=end, dt=dt, every=dt, time_step=time_step, **changes)
    return Model("stepped", elements, check_units=False, settings=settings)


def test_the_error_of_euler_is_the_analytic_one():
    tau, dt = 2.0, 0.125
    found = step_adequacy(decay(tau), "Euler", dt, end=8)
    times = np.arange(0, 8.01, 4 * dt)
    exact = np.exp(-times / tau)
    errors = np.abs((1 - dt / tau) ** (times / dt) - exact) / np.maximum(exact, FLOOR)
    worst = next(d for d in found.deviations if d.name == "x")
    assert worst.relative == pytest.approx(errors.max(), rel=1e-6)
    assert worst.time == times[errors.argmax()]
    assert found.worst == pytest.approx(worst.relative)
    assert found.errors[dt / 2] == pytest.approx(errors.max() / 2, rel=0.05)


@pytest.mark.parametrize(("method", "order", "dt"), [("Euler", 1, 1 / 16), ("RK2", 2, 1 / 8), ("RK4", 4, 1 / 4)])
def test_the_order_of_each_method_is_seen(method, order, dt):
    found = step_adequacy(oscillator(), method, dt, end=6, halvings=3)
    assert found.order == pytest.approx(order, rel=0.1)
    assert not any("order is" in text for text in found.advice())


def test_the_largest_step_keeps_the_tolerance_and_the_next_longer_does_not():
    found = step_adequacy(oscillator(), "RK4", 0.25, end=20)
    for tolerance, step in found.largest_step.items():
        assert found.errors[step] <= tolerance
        assert found.errors[2 * step] > tolerance


def test_a_step_shorter_than_the_finest_is_estimated_from_the_order():
    found = step_adequacy(decay(2.0), "Euler", 0.25, end=8, halvings=1)
    step = found.largest_step[0.001]
    assert step < min(found.errors)
    assert step_adequacy(decay(2.0), "Euler", step, end=8, halvings=1).worst == pytest.approx(0.001, rel=0.2)
    assert "about" in " ".join(found.advice())


@pytest.mark.parametrize(
    ("method", "value", "limit"),
    [
        ("Euler", -1 + 0j, 2.0),
        ("Euler", -1 + 2j, 0.4),
        ("RK2", -1 + 0j, 2.0),
        ("RK4", -1 + 0j, 2.785293563405282),
        ("RK4", -0.5 + 0j, 2 * 2.785293563405282),
    ],
)
def test_limits_of_stability_are_the_known_ones(method, value, limit):
    assert stable_step(method, value) == pytest.approx(limit, rel=1e-9)
    assert abs(amplification(method, np.array(0.999 * limit * value))) < 1
    assert abs(amplification(method, np.array(1.001 * limit * value))) > 1


def test_an_unstable_step_and_a_stock_too_fast_for_it_are_named():
    found = step_adequacy(decay(0.1), "Euler", 0.25, end=3)
    assert found.stability.ratio == pytest.approx(1.5)
    assert found.stability.largest_dt == pytest.approx(0.2)
    assert found.stability.fast == pytest.approx({"x": 0.1})
    told = " ".join(found.advice())
    assert "is unstable" in told
    assert "Steps up to 0.2 yr are stable" in told
    assert "x (0.1 yr)" in told
    good = step_adequacy(decay(0.1), "Euler", 0.001, end=1)
    assert good.stability.ratio < 1
    assert good.stability.fast == {}


def test_a_step_that_is_short_enough_is_said_to_be():
    found = step_adequacy(decay(2.0), "RK4", 0.25, end=4)
    assert found.advice() == [f"RK4 with 0.25 yr keeps all stocks within {100 * found.worst:.2g} %: short enough."]


def test_a_run_that_does_not_reach_its_end_says_so():
    growth = Model(
        "g", [stock("x", 1.0), flow("f", v.x**2 / v.y - v.x**3 / v.y / 50, target="x"), parameter("y", 1.0, "yr")]
    )
    found = step_adequacy(growth, "Euler", 1.0, end=12, halvings=7)
    assert math.isinf(found.worst)
    assert any("does not reach its end" in text for text in found.advice())
    assert math.isfinite(found.errors[min(found.errors)])


def test_settings_of_the_model_are_the_defaults():
    model = stepped(stock("x", 1.0), flow("out", v.x / v.tau, source="x"), parameter("tau", 2.0), dt=0.5, method="RK4")
    found = step_adequacy(model)
    assert (found.method, found.dt, found.runs[0].times[-1]) == ("RK4", 0.5, 8.0)
    assert found.reference.startswith("LSODA")
    assert step_adequacy(model, "Euler", 0.25).method == "Euler"


def test_a_bend_between_literal_steps_lowers_the_order():
    bend = driver("d", [(0.0, 1.0), (1.1, 0.0), (3.3, 5.0)])
    model = stepped(stock("x", 0.0), flow("in", v.d * v.one, target="x"), bend, parameter("one", 1.0), method="RK4")
    found = step_adequacy(model, halvings=3)
    assert found.order < 2.8
    assert any("order is" in text for text in found.advice())


def test_what_makes_the_step_part_of_the_model():
    base = [stock("x", 1.0), parameter("step", 0.25), parameter("tau", 2.0)]
    drained = flow("drain", v.x / v.step / 10, source="x")
    plain = stepped(*base, drained, time_step="step")
    assert discrete_parts(plain) == ("drain: its equation uses 'step'",)
    found = step_adequacy(plain)
    assert found.reference == "Euler with 0.00390625 yr"
    assert found.advice()[0].startswith("The step is part of this model (drain: its equation uses 'step')")
    late = auxiliary("late", fn.pipeline_delay(v.x, v.step, 0, 3))
    kept = auxiliary("kept", fn.sample_if_true(v.x > 0.5, v.x, 0, v.step))
    random = auxiliary("random", fn.noise(1, 2, v.time))
    every = stepped(*base, flow("out", (v.x + v.random) / v.tau, source="x"), late, kept, random, time_step="step")
    assert discrete_parts(every) == (
        "late: a delay of whole steps", "kept: a sample kept from step to step", "random: noise drawn each step",
    )  # fmt: skip
    assert discrete_parts(decay()) == ()


def test_the_order_is_seen_without_an_adaptive_reference():
    model = stepped(
        stock("x", 1.0), flow("out", v.x / (v.tau + v.step), source="x"), parameter("tau", 2.0),
        parameter("step", 0.25), time_step="step",
    )  # fmt: skip
    found = step_adequacy(model)
    assert found.reference.startswith("Euler")
    assert found.order == pytest.approx(1.0, abs=0.05)


def test_a_stock_that_nearly_dies_out_does_not_spoil_the_reference():
    prey, pred = v.prey, v.pred
    model = Model(
        "deep",
        [
            stock("prey", 1000.0), stock("pred", 20.0), parameter("r", 3.0, "1/yr"), parameter("m", 0.1, "1/yr"),
            flow("births", v.r * prey, target="prey"), flow("eaten", 0.01 * v.r * prey * pred, source="prey"),
            flow("gains", v.m * prey * pred / 100, target="pred"), flow("deaths", v.m * pred, source="pred"),
        ],
    )  # fmt: skip
    found = step_adequacy(model, "RK4", 1 / 64, end=50, halvings=1)
    assert found.runs[1]["prey"].min() > 0
    invariant = found.runs[1].to_frame()
    kept = 0.1 * (invariant.prey / 100 - np.log(invariant.prey)) + 3 * (invariant.pred / 100 - np.log(invariant.pred))
    assert np.ptp(kept.to_numpy()) < 1e-6 * abs(kept.iloc[0])


def test_a_difference_that_is_not_small_yet_says_nothing_of_shorter_steps():
    growth = Model("growth", [stock("x", 1.0), flow("f", 3 * v.x / v.year, target="x"), parameter("year", 1.0, "yr")])
    found = step_adequacy(growth, "Euler", 1 / 2, end=12, halvings=1)
    assert found.largest_step == {}
    assert "none of the steps tried, down to 0.25 yr, keeps 1 %" in " ".join(found.advice())


def test_a_control_of_the_run_does_not_make_the_step_part_of_the_model():
    model = stepped(
        stock("x", 1.0), flow("out", v.x / v.tau, source="x"), parameter("tau", 2.0), parameter("step", 0.25),
        auxiliary("SAVEPER", v.step), time_step="step",
    )  # fmt: skip
    found = step_adequacy(model)
    assert found.discrete == ()
    assert found.reference.startswith("LSODA")
    assert {d.name for d in found.deviations} == {"x", "out"}


def test_stages_of_one_step_are_not_called_fast():
    base = [stock("x", 1.0), parameter("step", 0.25), parameter("tau", 2.0), flow("out", v.x / v.tau, source="x")]
    late = auxiliary("late", fn.pipeline_delay(v.x, v.step, 0, 3))
    found = step_adequacy(stepped(*base, late, time_step="step"), halvings=1)
    assert found.stability.fast == {}


def test_tables_words_and_picture(tmp_path):
    found = step_adequacy(oscillator(), "Euler", 0.25, end=10)
    frame = found.to_frame()
    assert frame["worst"].is_monotonic_decreasing
    assert set(frame.index) == {"x", "u", "move", "force"}
    assert list(found.steps_frame().index) == list(found.errors)
    assert found.worst > 0.1
    assert "observed order of convergence" in repr(found)
    assert found._repr_html_().startswith("<pre>oscillator: Euler")
    path = found.plot(tmp_path / "worst.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_messages():
    with pytest.raises(JevonsError, match=r"method 'LSODA', expected one with fixed steps: Euler, RK2, RK4"):
        step_adequacy(decay(), "LSODA", end=1)
    with pytest.raises(JevonsError, match="dt 0, expected a number more than 0"):
        step_adequacy(decay(), dt=0, end=1)
    with pytest.raises(JevonsError, match="halvings 0, expected 1 or more"):
        step_adequacy(decay(), end=1, halvings=0)
    with pytest.raises(JevonsError, match="give `end`"):
        step_adequacy(decay())
