"""Models that say how they are run: literal steps, settings, parameters that hold the step, awkward models."""

from __future__ import annotations

import math
import pickle
import re

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from small import accumulate, auxiliary, decay, driver, flow, parameter, stock, table, v

from jevons import Model, Names, Parameter, Simulation, step
from jevons.elements import Auxiliary, Flow, Stock
from jevons.ensemble.design import Design
from jevons.ensemble.run import Ensemble
from jevons.errors import IntegrationError, JevonsError, ModelError, UnitError
from jevons.functions import TIME, lookup
from jevons.integrate import ADAPTIVE, FIXED, runnable
from jevons.run_settings import MOST_STEPS, RunSettings, even_grid
from jevons.trajectory import Status, Trajectory

STEPS = RunSettings(end=10.0, dt=0.5, every=1.0, time_step="TIME STEP", end_name="FINAL TIME")
CONTROL = (parameter("TIME STEP", 0.5, "yr"), parameter("FINAL TIME", 10.0, "yr"))


def decaying(given=STEPS, *others, start=0.0, **options):
    """x' = -x/tau with tau 2 yr, 1 at the start."""
    elements = [stock("x", 1.0), flow("f", v.x / v.tau, source="x"), parameter("tau", 2.0, "yr"), *CONTROL, *others]
    return Model("decaying", elements, start=start, settings=given, **options)


def bare(elements, **options):
    """A model as it comes from a file: units not looked at, nothing documented."""
    return Model("bare", elements, check_units=False, **options)


def number(name, value):
    return Parameter(name, "", value=value, source="", status="imported", doc="")


# ---- a run without arguments


def test_a_run_without_arguments_is_euler_with_the_files_step():
    run = decaying().run()
    assert run.times.tolist() == [float(t) for t in range(11)]
    assert run["x"].to_numpy() == pytest.approx(0.75 ** (2 * run.times), rel=1e-14)
    assert run.status.kind is Status.FINISHED


@pytest.mark.parametrize(
    ("method", "factor"),
    [
        ("Euler", 1 - 0.25),
        ("RK2", 1 - 0.25 + 0.25**2 / 2),
        ("RK4", sum((-0.25) ** k / math.factorial(k) for k in range(5))),
    ],
)
def test_each_fixed_method_has_its_own_factor_a_step(method, factor):
    run = decaying().run(method=method)
    assert run["x"].to_numpy() == pytest.approx(factor ** (2 * run.times), rel=1e-13)
    assert decaying(RunSettings(10.0, 0.5, 1.0, method)).run() == run


def test_rk2_is_the_midpoint_rule_not_heuns():
    """x' = t²: the midpoint rule takes h (t + h/2)², Heun's h (t² + (t + h)²)/2."""
    model = accumulate((TIME / v.year) ** 2 / v.year)
    run = model.run(0, 1, method="RK2", dt=1.0, every=1.0)
    assert run["x"].iloc[-1] == 0.25


@pytest.mark.parametrize("method", FIXED)
def test_methods_converge_with_their_order(method):
    order = {"Euler": 1, "RK2": 2, "RK4": 4}[method]
    errors = [abs(decaying().run(method=method, dt=dt)["x"].iloc[-1] - math.exp(-5)) for dt in (0.25, 0.125)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def test_adaptive_methods_take_end_and_dates_from_the_settings():
    run = decaying().run(method="LSODA")
    assert run.times.tolist() == [float(t) for t in range(11)]
    assert run["x"].to_numpy() == pytest.approx(np.exp(-run.times / 2), rel=1e-7)
    assert decaying(RunSettings(10.0, 0.5, 1.0, "Radau")).run()["x"].iloc[-1] == pytest.approx(math.exp(-5), rel=1e-7)


# ---- the grid


def test_dates_are_the_start_and_a_number_of_steps_not_a_sum_of_steps():
    counts = RunSettings(end=100.0, dt=0.1, every=0.1)
    model = Model(
        "m",
        [
            stock("x", 0.0),
            flow("f", 1 / v.year, target="x"),
            auxiliary("now", TIME / v.year),
            parameter("year", 1.0, "yr"),
        ],
        settings=counts,
    )
    run = model.run()
    assert run["now"].tolist() == [0.1 * k for k in range(1001)]
    assert run.times[-1] == 100.0
    assert run.times[3] == 3 * 0.1


def test_a_report_is_the_first_step_within_half_a_step_of_its_date():
    run = decaying().run(dt=0.3, end=3.0)
    assert run.times == pytest.approx([0.0, 0.9, 2.1, 3.0])
    assert run["x"].to_numpy() == pytest.approx(0.85 ** np.array([0, 3, 7, 10]), rel=1e-13)


def test_a_window_reports_steps_from_the_models_start():
    run = decaying().run(2.5, 4.5)
    assert run.times.tolist() == [2.5, 3.5, 4.5]
    assert run["x"].to_numpy() == pytest.approx(0.75 ** np.array([5, 7, 9]), rel=1e-14)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(-3000, 3000),
    st.sampled_from([0.01, 0.0625, 0.1, 1 / 3, 0.7, 1.0, 5.0]),
    st.integers(1, 60),
    st.sampled_from([0.25, 1.0, 1.5, 4.0]),
)
def test_the_grid_keeps_its_promises(start, dt, count, every):
    """Dates on the grid; each report within half a step of what is asked; every wanted date has its row."""
    wanted = start + every * np.arange(count + 1.0)
    grid = even_grid(float(start), wanted, dt)
    assert np.array_equal(grid.dates, start + dt * np.arange(grid.dates.size))
    assert (np.diff(grid.places) > 0).all() and grid.places[-1] == max(grid.places)
    reported = grid.dates[grid.places][grid.rows]
    assert (np.abs(reported - wanted) <= dt * (0.5 + 2e-6)).all()
    assert grid.rows.size == wanted.size
    assert (np.abs(grid.times - grid.dates[grid.places]) <= 1e-6 * dt).all()


def test_no_file_asks_for_steps_without_end():
    message = "run from 0 to 10 in steps of 1e-08: 1,000,000,000 steps, at most 2,000,000 are taken; give a larger dt"
    with pytest.raises(JevonsError, match=re.escape(message)):
        decaying().run(dt=1e-8)
    with pytest.raises(JevonsError, match="20 steps, at most 10 are taken"):
        decaying().run(max_calls=10)
    with pytest.raises(JevonsError, match="1,000,000 steps, at most 200,000 are taken; give a larger dt"):
        Simulation(decaying(), [10.0], ["x"], dt=1e-5)
    assert MOST_STEPS == 2_000_000


# ---- literal steps do not restart


def test_literal_steps_go_over_switches():
    """A step at 1.2 is seen by the first step that is within half a step of it: at 1.0; restarts see it at 1.2."""
    elements = [stock("x", 0.0), flow("f", step(1, 1.2 * v.year) / v.year, target="x"), parameter("year", 1.0, "yr")]
    model = Model("m", [*elements, *CONTROL], settings=STEPS)
    assert model.run(end=3.0)["x"].tolist() == [0.0, 0.0, 1.0, 2.0]
    assert model.run(end=3.0, break_points=True)["x"].to_numpy() == pytest.approx([0.0, 0.0, 0.8, 1.8], abs=1e-12)
    assert model.run(end=3.0, method="LSODA")["x"].to_numpy() == pytest.approx([0.0, 0.0, 0.8, 1.8], abs=1e-8)


def test_literal_steps_go_over_knots():
    knots = driver("d", [(0.0, 0.0), (0.7, 0.7), (3.0, 0.0)])
    model = accumulate(v.d / v.year, knots)
    run = model.run(0, 2, method="Euler", dt=0.5, every=0.5, break_points=False)
    d = np.interp([0.0, 0.5, 1.0, 1.5], [0.0, 0.7, 3.0], [0.0, 0.7, 0.0])
    assert run["x"].to_numpy() == pytest.approx(np.append(0, np.cumsum(0.5 * d)), abs=1e-14)


def test_both_variants_are_kept():
    model = decaying()
    assert runnable(model) is runnable(model, True)
    assert runnable(model, False) is runnable(model, False)
    assert runnable(model, False) is not runnable(model)


# ---- parameters that hold the step and the end


def test_the_step_and_its_parameter_follow_each_other():
    model = decaying(STEPS, auxiliary("held", v["TIME STEP"], "yr"))
    assert model.run()["held"].iloc[0] == 0.5
    assert model.run(dt=0.25) == model.run(params={"TIME STEP": 0.25}) == model.with_values({"TIME STEP": 0.25}).run()
    assert model.run(dt=0.25)["x"].iloc[-1] == pytest.approx(0.875**40, rel=1e-13)
    both = model.run(dt=0.25, params={"TIME STEP": 1.0})
    assert both["held"].iloc[0] == 1.0
    assert both["x"].iloc[-1] == pytest.approx(0.875**40, rel=1e-13)
    with pytest.raises(JevonsError, match="dt 0, expected more than 0"):
        model.run(params={"TIME STEP": 0.0})


def test_the_end_follows_its_parameter():
    assert decaying().run(params={"FINAL TIME": 12.0}).times[-1] == 12.0
    assert decaying().with_values({"FINAL TIME": 4.0}).run(method="LSODA").times[-1] == 4.0
    assert decaying().run(end=3.0).times[-1] == 3.0


# ---- grids that are given


DATES = (0.0, 0.5, 1.5, 3.0, 3.25)
VARYING = RunSettings(end=3.25, dt=0.5, every=1.0, dates=DATES, reported=(0.0, 1.5, 3.25))


def test_a_given_grid_has_one_step_from_date_to_date():
    model = decaying(VARYING)
    x = np.append(1.0, np.cumprod(1 - np.diff(DATES) / 2))
    run = model.run()
    assert run.times.tolist() == [0.0, 1.5, 3.25]
    assert run["x"].to_numpy() == pytest.approx(x[[0, 2, 4]], rel=1e-14)
    everything = decaying(RunSettings(3.25, 0.5, 1.0, dates=DATES)).run()
    assert everything.times.tolist() == list(DATES)
    assert everything["x"].to_numpy() == pytest.approx(x, rel=1e-14)
    assert model.run(end=3.0).times.tolist() == [0.0, 1.5, 3.0]
    assert model.run(every=0.5, end=1.5).times.tolist() == [0.0, 0.5, 1.5]
    assert model.run(dt=0.25)["x"].iloc[-1] == pytest.approx(0.875**13, rel=1e-13)
    with pytest.raises(JevonsError, match=r"dates end at 3\.25, before 5; end earlier, or give dt"):
        model.run(end=5.0)


def test_a_simulation_steps_over_a_given_grid():
    simulation = Simulation(decaying(VARYING), [1.5, 3.25], ["x"])
    assert simulation.run().values[:, 0] == pytest.approx(decaying(VARYING).run()["x"].to_numpy()[1:], rel=1e-14)


# ---- what a model keeps


def test_settings_are_kept_and_decide_the_hash():
    model = decaying()
    plain = decaying(None)
    for kept in (pickle.loads(pickle.dumps(model)), model.with_values({"tau": 2.0}), model.with_elements([])):
        assert (kept.settings, kept.hash, kept.check_units) == (STEPS, model.hash, True)
    assert len({plain.hash, model.hash, decaying(VARYING).hash, decaying(None, check_units=False).hash}) == 4
    assert pickle.loads(pickle.dumps(decaying(None, check_units=False))).check_units is False


def test_hashes_of_models_without_the_new_options_are_what_they_were():
    """Computed before models had settings, and tables a way to run between their points."""
    assert decay().hash == "507a94d229e79156"
    with_table = accumulate(lookup("t", v.x) / v.year, table("t", [(0.0, 1.0), (1.0, 2.0)]))
    assert with_table.hash == "9c3b5d03a0c8cf22"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "euler"}, "settings: method 'euler', expected one of Euler, RK2, RK4, .*; did you mean 'Euler'"),
        ({"end": math.inf}, "settings: end inf, expected a finite number"),
        ({"dt": 0.0}, "settings: dt 0.0, expected a number more than 0"),
        ({"every": -1.0}, "settings: every -1.0, expected a number more than 0"),
        ({"time_step": "TIME STOP"}, "settings: time_step 'TIME STOP' is not .*; did you mean 'TIME STEP'"),
        (
            {"end_name": "FINAL TYME"},
            "settings: end_name 'FINAL TYME' is not .*; did you mean 'FINAL TIME'",
        ),
        ({"dates": (0.0, 2.0, 1.0)}, "settings: dates, expected two or more that rise from the model's start, 0"),
        ({"dates": (1.0, 2.0)}, "settings: dates, expected two or more"),
        ({"dates": (0.0, 1.0), "reported": (0.0, 0.4)}, "reported, expected rising dates .*; 0.4 is not"),
        ({"reported": (0.0, 0.5)}, "settings: reported, expected rising dates that are among `dates`"),
    ],
)
def test_settings_that_contradict_the_model(changes, message):
    fields = {"end": 10.0, "dt": 0.5, "every": 1.0, **changes}
    with pytest.raises(ModelError, match=message):
        decaying(RunSettings(**fields))


# ---- units that are not looked at


def test_units_documentation_and_evidence_may_be_missing():
    w = Names()
    elements = [
        Stock("Room Temperature", "degrees ???", initial=w["start"], doc=""),
        Flow("f", "", equation=-w["Room Temperature"] / w["a"] + w["start"], target="Room Temperature", doc=""),
        Auxiliary("s", "nonsense/", equation=sp.exp(w["Room Temperature"]), doc=""),
        number("start", 1.0),
        number("a", 3.0),
    ]
    run = bare(elements).run(0, 1)
    assert run["s"].iloc[0] == pytest.approx(math.e)
    assert run.units["Room Temperature"] == "degrees ???"
    with pytest.raises(ModelError, match="documentation is missing"):
        Model("checked", elements)


def test_hidden_stocks_of_such_models_have_no_unit():
    from jevons import smooth1

    model = bare([auxiliary("a", smooth1(TIME, v.tau), "??"), number("tau", 2.0)])
    assert {model.unit(name) for name in model.structure.hidden} == {""}
    assert model.run(0, 1)["a"].iloc[-1] == pytest.approx(1 - 2 * (1 - math.exp(-0.5)), rel=1e-6)


def test_other_mistakes_are_still_found():
    with pytest.raises(ModelError, match="uses 'nowhere', which is not defined"):
        bare([auxiliary("a", v.nowhere)])
    with pytest.raises(ModelError, match="expected a finite number"):
        bare([number("a", math.nan)])
    with pytest.raises(ModelError, match="algebraic loop"):
        bare([auxiliary("a", v.b), auxiliary("b", v.a)])


def test_imported_numbers_need_no_prior():
    imported = Parameter("a", "1", value=1.0, source="a file", status="imported", doc="Test.")
    assert Model("m", [imported])["a"] == imported


def test_nothing_of_pint_runs(monkeypatch):
    def refuse(*_):
        raise AssertionError("a unit was parsed")

    monkeypatch.setattr("jevons.units.parse_unit", refuse)
    model = bare([stock("x", 1.0), flow("f", v.x, "??", source="x"), number("a", 1.0)])
    assert model.run(0, 1)["x"].iloc[-1] == pytest.approx(math.exp(-1))
    with pytest.raises(AssertionError, match="a unit was parsed"):
        decay()
    assert UnitError is not ModelError


# ---- simulations and ensembles


def test_a_simulation_steps_as_a_run_does():
    model = decaying()
    run = model.run(every=0.5)
    simulation = Simulation(model, run.times, ["x", "f"])
    assert (simulation.method, simulation.dt, simulation.break_points) == ("Euler", 0.5, False)
    assert np.array_equal(simulation.run().values, run.to_frame()[["x", "f"]].to_numpy())
    between = Simulation(model, [0.9, 1.1, 1.4, 3.0], ["x"]).run().values[:, 0]
    assert between == pytest.approx(0.75 ** np.array([2, 2, 3, 6]), rel=1e-14)
    assert Simulation(model, [10.0], ["x"], dt=0.25).run().values[0, 0] == pytest.approx(0.875**40, rel=1e-13)
    assert Simulation(model, [1.0], ["x"], method="DOPRI5").break_points
    assert Simulation(decaying(RunSettings(1.0, 0.5, 1.0, "LSODA")), [1.0], ["x"]).method == "DOPRI5"
    fingerprints = {
        Simulation(m, [1.0], ["x"], **o).fingerprint
        for m, o in ((model, {}), (model, {"dt": 0.25}), (model, {"break_points": True}), (decaying(None), {}))
    }
    assert len(fingerprints) == 4
    with pytest.raises(JevonsError, match="'TIME STEP' holds the step, the same for all runs of a simulation: give dt"):
        simulation.run({"TIME STEP": 0.25})
    with pytest.raises(JevonsError, match="method 'RK3', expected one of"):
        Simulation(model, [1.0], ["x"], method="RK3")


def test_machine_code_and_derivatives_step_as_a_run_does():
    """Euler with a step that no binary number is, dates between steps among those asked for, a switch."""
    model = Model(
        "m",
        [
            stock("x", 1.0),
            flow("f", v.x / v.tau, source="x"),
            parameter("tau", 2.0, "yr"),
            flow("g", step(v.rate, v.at), target="x"),
            parameter("rate", 0.3, "1/yr"),
            parameter("at", 1.0, "yr"),
        ],
        settings=RunSettings(3.0, 0.1, 0.5),
    )
    times = [0.0, 0.33, 0.34, 1.0, 2.0, 3.0]
    simulation = Simulation(model, times, ["x"])
    alone = simulation.run().values
    members = simulation.run_members(np.array([[2.0], [1.0]]), ["tau"])
    assert members.values[0] == pytest.approx(alone, rel=1e-11)
    assert members.values[1] == pytest.approx(simulation.run({"tau": 1.0}).values, rel=1e-11)
    assert simulation.run_vector(simulation.base).values == pytest.approx(alone, rel=1e-11)
    member, jacobian = simulation.gradient({}, ["tau", "rate"])
    assert member.values == pytest.approx(alone, rel=1e-11)
    assert jacobian.shape == (6, 1, 2)
    for j, name in enumerate(["tau", "rate"]):
        h, value = 1e-6, model.values[name]
        high, low = (simulation.run({name: value + d}).values for d in (h, -h))
        assert jacobian[:, :, j] == pytest.approx((high - low) / (2 * h), rel=1e-6, abs=1e-9)


def test_an_ensemble_steps_as_the_file_says():
    model = decaying()
    design = Design.rows([{"tau": 2.0}, {"tau": 1.0}, {"tau": 4.0}])
    paths, failures = Ensemble(model, design, outputs="x", times=[10.0]).collect(threads=1, progress=False)
    assert not failures
    expected = (1 - 0.5 / paths.parameters[:, 0]) ** 20
    assert paths.values[:, 0, 0, 0] == pytest.approx(expected, rel=1e-11)


# ---- awkward models


@pytest.mark.parametrize("method", [*ADAPTIVE, *FIXED])
@pytest.mark.parametrize("given", [None, RunSettings(1.0, 0.25, 0.5)])
def test_auxiliaries_of_time_alone(method, given):
    model = Model("m", [auxiliary("y", TIME, "yr")], start=-1.0, settings=given)
    run = model.run(-1.0, 1.0, method=method, every=0.5)
    assert run["y"].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.mark.parametrize("method", [*ADAPTIVE, *FIXED])
@pytest.mark.parametrize("start", [-7.5, 1900.0])
def test_starts_before_and_after_zero(method, start):
    settings = RunSettings(start + 2.0, 1 / 64, 0.5)
    model = bare([stock("x", 1.0), flow("f", v.x, source="x")], start=start, settings=settings)
    run = model.run(method=method)
    assert run.times.tolist() == [start + 0.5 * k for k in range(5)]
    expected = (1 - 1 / 64) ** 128 if method == "Euler" else math.exp(-2)
    assert run["x"].iloc[-1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", ["Euler", "RK4", "LSODA"])
def test_an_unused_value_that_is_none_does_not_end_a_run(method):
    elements = [
        stock("x", 0.0),
        flow("f", 1 / v.one, target="x"),
        number("one", 1.0),
        auxiliary("bad", 1 / (v.x - 2)),
        auxiliary("worse", sp.log(1 - v.x)),
        auxiliary("after", v.worse + 1),
        auxiliary("more", sp.sqrt(0.5 - v.x)),
    ]
    run = bare(elements, settings=RunSettings(4.0, 0.5, 1.0)).run(method=method)
    assert run.status.kind is Status.FINISHED
    assert run.times.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert np.isnan(run["worse"].iloc[2:]).all() and np.isfinite(run["worse"].iloc[0])
    assert run["x"].iloc[-1] == pytest.approx(4.0)
    none = {name: np.flatnonzero(~np.isfinite(run[name])) for name in ("worse", "after", "more", "bad")}
    first = {name: float(run.times[rows[0]]) for name, rows in none.items() if rows.size}
    if method != "LSODA":  # which comes close to 1 and 2, not there
        assert first == {"worse": 1.0, "after": 1.0, "more": 1.0, "bad": 2.0}
    pattern = r"no finite value of '(.+)' at (.+), '(.+)' at (.+), '(.+)' at (.+?)( and 1 more)?"
    named = re.fullmatch(pattern, run.status.detail)
    assert named is not None
    pairs = dict(zip(named.groups()[0:6:2], map(float, named.groups()[1:6:2]), strict=True))
    assert all(first[name] == date for name, date in pairs.items())
    assert sorted(first.values())[:3] == list(pairs.values())
    with pytest.raises(IntegrationError):
        Model(
            "strict",
            [
                stock("x", 0.0),
                flow("f", 1 / v.year, target="x"),
                parameter("year", 1.0, "yr"),
                auxiliary("worse", sp.log(1 - v.x)),
            ],
        ).run(0, 4, method=method)


def test_a_stock_that_is_none_still_ends_a_run():
    elements = [stock("x", 1.0), flow("f", sp.log(1.25 - TIME), target="x"), auxiliary("a", 1 / (TIME - 1))]
    run = bare(elements, settings=RunSettings(4.0, 0.5, 0.5)).run(on_failure="return")
    assert (run.status.kind, run.status.element, run.status.time) == (Status.DIVERGED, "x", 2.0)
    assert run.times.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert "'a' at 1" in run.status.detail and "'f' at 1.5" in run.status.detail


def test_a_run_whose_status_has_a_note_reads_back(tmp_path):
    run = bare([auxiliary("a", 1 / TIME)], settings=RunSettings(1.0, 0.5, 0.5)).run()
    assert "'a' at 0" in run.status.detail
    again = Trajectory.read_csv(run.to_csv(tmp_path / "run.csv"))
    assert again == run


@pytest.mark.parametrize("literal", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_midpoint_rule_in_machine_code(literal):
    elements = [stock("x", 1.0), flow("f", v.x**2 / v.tau, source="x"), parameter("tau", 2.0, "yr")]
    elements += [flow("g", step(v.rate, v.at), target="x"), parameter("rate", 0.3, "1/yr"), parameter("at", 1.0, "yr")]
    model = Model("m", elements, settings=RunSettings(3.0, 0.25, 0.5, "RK2") if literal else None)
    simulation = Simulation(model, [0.0, 0.5, 1.5, 3.0], ["x", "f"], method="RK2", dt=0.25)
    assert simulation.break_points != literal
    rows = np.array([[2.0, 0.3], [1.0, 0.1], [0.7, 2.0]])
    members = simulation.run_members(rows, ["tau", "rate"])
    for row, found in zip(rows, members.values, strict=True):
        params = dict(zip(("tau", "rate"), row.tolist(), strict=True))
        run = model.run(0, 3, every=0.5, method="RK2", dt=0.25, params=params)
        assert found == pytest.approx(run.to_frame()[["x", "f"]].loc[[0.0, 0.5, 1.5, 3.0]].to_numpy(), rel=1e-12)
    member, slopes = simulation.gradient({}, ["tau", "rate", "x"])
    assert member.values == pytest.approx(members.values[0], rel=1e-12)
    for j, name in enumerate(["tau", "rate"]):
        high, low = (simulation.run({name: model.values[name] + d}).values for d in (1e-6, -1e-6))
        assert slopes[:, :, j] == pytest.approx((high - low) / 2e-6, rel=1e-6, abs=1e-9)


def test_machine_code_takes_steps_of_exactly_the_length_given():
    """Far from zero the differences of dates are not the step: a product of 40 steps would tell."""
    elements = [stock("x", 1.0), flow("f", v.x / v.tau, target="x"), parameter("tau", 2.0, "yr")]
    model = Model("m", elements, start=1e9, settings=RunSettings(1e9 + 4, 0.1, 0.1))
    simulation = Simulation(model, [1e9, 1e9 + 4], ["x"])
    exact = 1.0
    for _ in range(40):
        exact += 0.1 * (exact / 2.0)
    assert model.run()["x"].iloc[-1] == exact
    assert simulation.run_members(np.array([[2.0]]), ["tau"]).values[0, -1, 0] == exact
    member, slopes = simulation.gradient({}, ["x"])
    assert member.values[-1, 0] == exact
    assert slopes[-1, 0, 0] == pytest.approx(exact, rel=1e-14)


def test_values_that_are_missing_are_not_numbers():
    missing = sp.Float(-(2.0**109))
    y = sp.Piecewise((missing, sp.Lt(TIME, 1)), (TIME, True))
    run = bare([auxiliary("y", y), stock("s", missing)], settings=RunSettings(2.0, 1.0, 1.0)).run()
    assert run.status.detail == ""
    assert np.array_equal(run["y"], [math.nan, 1, 2], equal_nan=True)
    assert run["s"].isna().all()
    checked = accumulate(0 / v.year, auxiliary("y", missing)).run(0, 1, every=1.0)
    assert (checked["y"] == -(2.0**109)).all()
