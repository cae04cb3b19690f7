"""Experiments: agreement with the rebound meter, backgrounds, mixed scenarios, tables, pages, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jevons.models.market import m0
from jevons.models.textbook import bass
from small import driver, parameter

import jevons as jv
from jevons import Change, JevonsError, Scenario, ScenarioError
from jevons.cli_experiments import chosen, columns, experiment, experiments
from jevons.experiments import pages
from jevons.experiments.plan import Plan, Reported, read_plan
from jevons.experiments.prepared import held_still, needed, prepare
from jevons.experiments.result import (
    Experiment,
    Runs,
    changes_table,
    paths_table,
    rebound_table,
    reported_horizons,
    summary_row,
)
from jevons.experiments.run import NO_EFFICIENCY, Laboratory, draws_of, open_laboratory, run_experiments
from jevons.plot_experiment import experiment as draw
from jevons.plot_experiment import overview
from jevons.rebound.meter import INDUCED_GROWTH, ReboundMeter, counterfactual, ratio, shock
from jevons.scenario import load_scenario, shipped_scenarios

AT = 1.0
ENERGY = Reported("electricity", "electricity", ("energy_use",), "GWh/yr", "rate", "cumulative_energy", rebound=True)
VARIABLES = (
    ENERGY,
    Reported("price", "price", ("price",), "kUSD/service", "level"),
    Reported("use", "use", ("service_demand", "compute_per_service"), "H100e", "rate"),
)
PLAN = Plan("m0", "m0", 7, 0.5, (1.0, 3.0), 0.5, VARIABLES, summary=("electricity", "use"), limits=("One market.",))
SAMPLES = [{"elasticity": float(e), "scarcity_response": 1.0 + 0.1 * k} for k, e in enumerate(np.linspace(0.3, 1.5, 9))]
GAIN = Change(factor=4.0, at=AT, adjustment_time=0.5)
RENT = Change(value=20.0, unit="kUSD/H100e/yr", at=AT + 0.5, until=AT + 2)

gain = Scenario("gain", {"algorithmic_efficiency": GAIN}, title="A gain of four", claim="It saves.", source="test")
mixed = Scenario("mixed", {"algorithmic_efficiency": GAIN, "compute_per_service": Change(factor=2.0, at=AT + 0.3)})
policy = Scenario("policy", {"reference_rent": RENT})
capped = Scenario(
    "capped",
    {"algorithmic_efficiency": GAIN},
    background={
        "inverse_supply_elasticity": Change(value=20.0, at=0.5),
        "energy_intensity": Change(factor=2.0),
        "reference_rent": Change(factor=3.0, at=0.25),
    },
)
SCENARIOS = (gain, mixed, policy, capped)


def market():
    """One market with a price-performance of hardware beside the efficiency."""
    model = m0(0.8, 2.0)
    rent = replace(model["rent"], equation=model["rent"].equation / jv.symbol("price_performance"))
    roles = replace(model.roles, price_performance={"hardware_price": "price_performance"})
    return model.with_elements([rent, parameter("price_performance", 1.0)], roles=roles)


@pytest.fixture(scope="module")
def laboratory():
    return Laboratory(market(), PLAN, SAMPLES, SCENARIOS)


@pytest.fixture(scope="module")
def one(laboratory):
    """The same with the first draw alone."""
    return Laboratory(laboratory.model, PLAN, SAMPLES[:1], SCENARIOS)


@pytest.fixture(scope="module")
def found(laboratory):
    return {e.scenario.name: e for e in run_experiments(laboratory, SCENARIOS, progress=False)}


def built(model, sample, times, names=("energy_use", "cumulative_energy")):
    """A run of a model with a scenario built in, by the same method, without anything shared."""
    run = jv.Simulation(model.with_values(sample), times, names).run()
    assert run.status.ok
    return run.values.T


# Agreement with the meter


def test_a_gain_of_efficiency_is_what_the_meter_measures(laboratory, found):
    e = found["gain"]
    meter = ReboundMeter(laboratory.model, [gain], AT, e.years[1:].tolist())
    for i, measured in enumerate(meter.measure_all("gain", SAMPLES)):
        for run in ("base", "shocked", "engineering"):
            assert 1e3 * e.runs[run].levels["electricity"][i] == pytest.approx(getattr(measured, run), rel=1e-12)
        assert e.rebound("electricity")[i] == pytest.approx(measured.rebound, abs=1e-12, nan_ok=True)
        assert e.cumulative_rebound("electricity")[i] == pytest.approx(measured.cumulative, abs=1e-11, nan_ok=True)
    assert e.counterfactual == counterfactual(laboratory.model.roles)
    assert np.nanmax(e.rebound("electricity")) > 1 > np.nanmin(e.rebound("electricity"))


@pytest.mark.slow
def test_several_efficiencies_of_the_world_agree_with_the_meter(fitted, stored):
    energy = Reported(
        "electricity", "electricity", ("dc_electricity",), "TWh/yr", "rate", "cumulative_dc_electricity", rebound=True
    )
    plan = Plan("world", "world", 1, 2025.0, (1.0, 5.0), 1.0, (energy,))
    samples = draws_of(plan, fitted, stored, 3)
    deepseek = load_scenario("deepseek")
    e = Laboratory(fitted, plan, samples).run(deepseek)
    meter = ReboundMeter(fitted, [deepseek], e.at, e.years[1:].tolist())
    for i, measured in enumerate(meter.measure_all("deepseek", samples)):
        assert e.rebound("electricity")[i] == pytest.approx(measured.rebound, abs=1e-12, nan_ok=True)


@settings(max_examples=15, deadline=None)
@given(factor=st.floats(0.2, 50), at=st.floats(0.1, 3), time=st.sampled_from([0.0, 0.7]), ends=st.booleans())
def test_any_change_is_that_of_the_model_with_it_built_in(one, factor, at, time, ends):
    until = at + 1.3 if ends else None
    scenario = Scenario("any", {"reference_rent": Change(factor=factor, at=at, until=until, adjustment_time=time)})
    e = one.run(scenario, 2.0)
    expected, total = built(scenario.apply(one.model), SAMPLES[0], e.at + e.years)
    assert 1e3 * e.runs["shocked"].levels["electricity"][0] == pytest.approx(expected, rel=1e-11)
    assert e.runs["shocked"].totals["electricity"][0] == pytest.approx(total - total[0], rel=1e-9, abs=1e-9)


def test_a_parameter_with_factors_and_values_takes_on_both(laboratory):
    """`reference_rent` is set by one shipped scenario and multiplied by another: two layers, each without the other."""
    kinds = needed(laboratory.model, [s.changes for s in SCENARIOS] + [s.background for s in SCENARIOS], ())
    assert kinds["reference_rent"] == {"factor", "value"}
    prepared = prepare(laboratory.model, kinds)
    assert prepared.roots["reference_rent"] == "reference_rent_reference_reference"
    times = np.array([0.0, 1.0, 2.5])
    for change in (Change(factor=3.0, at=0.25), Change(value=2e4, at=0.5, adjustment_time=0.5)):
        params = prepared.at_roots(SAMPLES[2]) | prepared.numbers("reference_rent", change)
        ours = jv.Simulation(prepared.model, times, ["energy_use"]).run(params).values[:, 0]
        plain = Scenario("plain", {"reference_rent": change}).apply(laboratory.model)
        assert ours == pytest.approx(built(plain, SAMPLES[2], times, ["energy_use"])[0], rel=1e-12)


def test_a_change_held_still_leaves_every_bit_as_it_was(laboratory):
    prepared = prepare(laboratory.model, {"reference_rent": {"factor", "value"}, "elasticity": {"factor"}})
    simulation = jv.Simulation(prepared.model, [0.0, 1.0, 2.5], ["energy_use", "price"])
    own = prepared.at_roots(SAMPLES[4])
    numbers = prepared.numbers("reference_rent", Change(value=5.0, at=0.25, adjustment_time=0.5)) | prepared.numbers(
        "elasticity", Change(factor=7.0, at=0.25)
    )
    names = list(own | numbers)
    rows = np.array([[(own | numbers)[n] for n in names], [(own | held_still(numbers))[n] for n in names]])
    never = prepared.numbers("elasticity", Change(factor=1.0, at=0.25))
    still = np.array([[(own | numbers | {"reference_rent_change_date": 0.25} | never)[n] for n in names]])
    moved, held = simulation.run_members(rows, names).values
    assert not np.array_equal(moved, held)
    still[0, names.index("reference_rent_change_lag")] = 1.0
    still[0, names.index("reference_rent_adjustment_time")] = 1e200
    assert np.array_equal(simulation.run_members(still, names).values[0], held)


# Backgrounds


def test_the_background_holds_in_every_run(laboratory, found):
    e, model = found["capped"], laboratory.model
    for i in (0, 4, 8):
        for run, changed in (("base", capped.apply_background(model)), ("shocked", capped.apply(model))):
            expected = built(changed, SAMPLES[i], e.at + e.years)[0]
            # integration restarts at other dates: steps of 1/32 then differ
            assert 1e3 * e.runs[run].levels["electricity"][i] == pytest.approx(expected, rel=2e-6)
    held = capped.apply_background(model)
    in_background = ReboundMeter(held, [gain], AT, e.years[1:].tolist())
    for i, measured in enumerate(in_background.measure_all("gain", SAMPLES)):
        assert e.rebound("electricity")[i] == pytest.approx(measured.rebound, abs=2e-5, nan_ok=True)
    assert "in all runs" in e.counterfactual


def test_without_its_background_a_scenario_is_its_changes_alone(found):
    bare = found["capped"].without_background
    assert bare is not None and bare.scenario.background == {}
    plain, r = found["gain"].rebound("electricity"), bare.rebound("electricity")
    assert r == pytest.approx(plain, abs=1e-12, nan_ok=True)
    assert np.nanmax(np.abs(found["capped"].rebound("electricity") - r)) > 0.1
    assert found["gain"].without_background is None


def test_a_background_that_differs_throughout_needs_no_date(laboratory):
    e = laboratory.run(replace(gain, background={"energy_intensity": Change(factor=2.0)}), 1.0)
    assert e.without_background is not None
    doubled, plain = (x.runs["base"].levels["electricity"] for x in (e, e.without_background))
    assert doubled == pytest.approx(2 * plain, rel=1e-12)
    assert e.rebound("electricity") == pytest.approx(e.without_background.rebound("electricity"), nan_ok=True)


def test_scenarios_side_by_side_are_the_same_bits_as_one_by_one(laboratory, found):
    for scenario in SCENARIOS:
        alone = laboratory.run(scenario)
        for run, runs in alone.runs.items():
            for name, values in runs.levels.items():
                assert np.array_equal(values, found[scenario.name].runs[run].levels[name])


# Which runs there are


def test_a_mixed_scenario_counts_what_else_changes_as_rebound(laboratory, found):
    e, alone = found["mixed"], found["gain"]
    engineering, plain = (x.runs["engineering"].levels["electricity"] for x in (e, alone))
    assert engineering == pytest.approx(plain, rel=1e-12)
    assert e.runs["base"].levels["electricity"] == pytest.approx(alone.runs["base"].levels["electricity"], rel=1e-6)
    k = e.place(3.0)
    for i in (0, 8):
        expected = built(mixed.apply(laboratory.model), SAMPLES[i], e.at + e.years)[0]
        assert 1e3 * e.runs["shocked"].levels["electricity"][i] == pytest.approx(expected, rel=1e-11)
    assert (e.rebound("electricity")[:, k] > alone.rebound("electricity")[:, k]).all()
    assert "alone" in e.counterfactual and "compute per service" in e.counterfactual


def test_without_an_efficiency_there_is_no_rebound(found):
    e = found["policy"]
    assert e.counterfactual == NO_EFFICIENCY
    assert e.measured == () and "engineering" not in e.runs and not e.induced
    assert rebound_table(e, PLAN.horizons).empty
    assert np.abs(e.percent("electricity")).max() > 1


def test_cheaper_hardware_is_induced_growth(laboratory):
    e = laboratory.run(shock(laboratory.model, "hardware_price", 4.0, AT))
    assert e.induced and e.counterfactual == INDUCED_GROWTH and e.measured == ()
    assert "induced growth" in " ".join(pages.sentences(e))
    both = {"price_performance": Change(factor=4.0, at=AT), "elasticity": Change(factor=1.1, at=AT)}
    assert "elasticity changes too" in laboratory.run(Scenario("both", both)).counterfactual


def test_nothing_changed_changes_nothing_exactly(laboratory):
    still = {
        "algorithmic_efficiency": Change(factor=1.0, at=AT, adjustment_time=0.5),
        "reference_rent": Change(value=laboratory.model.values["reference_rent"], at=AT),
        "compute_per_service": Change(factor=1.0, at=AT),
    }
    e = laboratory.run(Scenario("still", still))
    for variable in VARIABLES:
        assert not e.change(variable.name).any()
    assert not e.total_change("electricity").any()
    assert np.isnan(e.rebound("electricity")).all() and np.isnan(e.crossing("electricity")).all()
    row = rebound_table(e, PLAN.horizons).iloc[0]
    assert math.isnan(row["rebound"]) and math.isnan(row["probability_backfire"]) and row["undefined_share"] == 1
    text = " ".join(pages.sentences(e))
    assert "is what it would have been" in text and "R is undefined" in text and "exceed" not in text


def test_a_scenario_without_dates_counts_from_the_plan(laboratory):
    e = laboratory.run(Scenario("twice", {"energy_intensity": Change(factor=2.0)}))
    assert e.at == PLAN.date
    assert e.percent("electricity") == pytest.approx(100.0)
    use = m0()["energy_use"]
    grown = replace(use, equation=use.equation * jv.symbol("size"))
    driven = market().with_elements([driver("size", [(0, 1), (5, 2)]), grown])
    e = Laboratory(driven, PLAN, [{}]).run(Scenario("driver", {"size": Change(factor=3.0)}))
    assert e.percent("electricity") == pytest.approx(200.0)


def test_a_change_that_the_shared_model_does_not_know_gets_its_own(laboratory):
    scenario = Scenario("other", {"elasticity": Change(factor=1.5, at=AT)})
    alone = Laboratory(laboratory.model, PLAN, SAMPLES).run(scenario)
    assert np.array_equal(laboratory.run(scenario).percent("electricity"), alone.percent("electricity"))


# Units, products, totals


def test_variables_are_in_their_units_and_products_are_products(laboratory, found):
    e = found["mixed"]
    names = ["service_demand", "compute_per_service", "price", "energy_use"]
    demand, each, price, energy = built(mixed.apply(laboratory.model), SAMPLES[3], e.at + e.years, names)
    shocked = e.runs["shocked"].levels
    assert shocked["use"][3] == pytest.approx(demand * each, rel=1e-11)
    assert shocked["price"][3] == pytest.approx(price / 1e3, rel=1e-11)
    assert shocked["electricity"][3] == pytest.approx(energy / 1e3, rel=1e-11)


def test_totals_count_from_the_date(found):
    e = found["gain"]
    total = e.runs["shocked"].totals["electricity"]
    assert (total[:, 0] == 0).all() and e.total_units == {"electricity": "MWh"}
    table = changes_table(e, (3.0,)).set_index("variable")
    assert table.loc["electricity", "total_change"] == pytest.approx(
        np.median(e.total_change("electricity")[:, e.place(3.0)])
    )
    assert math.isnan(table.loc["price", "total_change"])


# What is computed from the runs


def of_rebound(*paths):
    """An experiment whose R over time is given: base 100, engineering 50."""
    r = np.array(paths, dtype=float)
    base = np.full_like(r, 100.0)
    engineering = np.where(np.isnan(r), 100.0, 50.0)
    shocked = np.where(np.isnan(r), 100.0, 100 - (1 - r) * 50)
    levels = {"base": base, "shocked": shocked, "engineering": engineering}
    runs = {k: Runs({"electricity": v}, {"electricity": np.cumsum(v, axis=1)}) for k, v in levels.items()}
    years = np.arange(r.shape[1], dtype=float)
    return Experiment(gain, AT, years, (ENERGY,), runs, np.ones(len(r), bool), {"electricity": "MWh"}, "test")


def test_rebound_is_the_meters_ratio_and_crossing_is_where_a_line_passes_one():
    e = of_rebound([0.0, 0.5, 1.5, 0.5], [0.0, 0.2, 0.4, 0.6], [1.2, 0.1, 0.1, 0.1], [math.nan, 1.4, 2.0, 2.0])
    assert e.rebound("electricity")[:3] == pytest.approx(
        np.array([[0, 0.5, 1.5, 0.5], [0, 0.2, 0.4, 0.6], [1.2, 0.1, 0.1, 0.1]])
    )
    assert e.crossing("electricity") == pytest.approx([1.5, math.nan, 0.0, 1.0], nan_ok=True)
    row = rebound_table(e, (1.0,)).iloc[0]
    assert row["crossing_share"] == 0.75 and row["crossing_years"] == pytest.approx(1.0)
    assert row["probability_backfire"] == 0.25
    totals = [e.runs[k].totals["electricity"] for k in ("base", "shocked", "engineering")]
    assert e.cumulative_rebound("electricity") == pytest.approx(ratio(*totals), nan_ok=True)


def test_quantiles_are_of_the_draws_where_rebound_is_defined():
    e = of_rebound([0.0, 0.2], [0.0, 0.4], [0.0, 0.9], [0.0, math.nan])
    row = rebound_table(e, (1.0,)).iloc[0]
    assert row["rebound"] == pytest.approx(0.4) and row["undefined_share"] == 0.25
    assert row["p95"] == pytest.approx(np.quantile([0.2, 0.4, 0.9], 0.95))


def test_draws_that_fail_are_counted_and_left_out(laboratory):
    samples = [*SAMPLES[:2], {**SAMPLES[2], "reference_demand": 1e308}, SAMPLES[3]]
    e = Laboratory(laboratory.model, PLAN, samples, SCENARIOS).run(gain)
    assert (e.draws, e.failed) == (3, 1) and e.ran.tolist() == [True, True, False, True]
    whole = Laboratory(laboratory.model, PLAN, SAMPLES[:4], SCENARIOS).run(gain)
    assert np.array_equal(e.rebound("electricity"), whole.rebound("electricity")[[0, 1, 3]], equal_nan=True)
    assert "did not run and are left out: 1 of 4" in " ".join(pages.sentences(e))
    assert (changes_table(e, (1.0,))["failed"] == 1).all()


# Draws


def test_what_the_fit_leaves_out_is_drawn_from_its_prior_and_by_the_seed(fitted, stored):
    energy = replace(ENERGY, sources=("dc_electricity",), unit="TWh/yr", cumulative="cumulative_dc_electricity")
    plan = replace(PLAN, variables=(energy,), sampled=("electricity_price",))
    prior = fitted.parameters["electricity_price"].prior
    first, again = (draws_of(plan, fitted, stored, 40) for _ in range(2))
    values = np.array([s["electricity_price"] for s in first])
    assert first == again and np.unique(values).size == 40
    assert values != pytest.approx(
        [s["electricity_price"] for s in draws_of(replace(plan, seed=8), fitted, stored, 40)]
    )
    middle, width = (prior.median, prior.sd_log) if hasattr(prior, "median") else (0.5 * (prior.low + prior.high), 1.0)
    assert np.median(values) == pytest.approx(middle, rel=0.2 * width)
    others = [{n: x for n, x in s.items() if n != "electricity_price"} for s in first]
    assert others == stored.draws(40)


# What is refused


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (Scenario("s", {"algorithmic_eficiency": GAIN}), "did you mean 'algorithmic_efficiency'"),
        (
            Scenario("s", {"elasticity": GAIN}, background={"algorithmic_efficiency": GAIN}),
            "at a date, expected it for",
        ),
        (replace(gain, changes={"algorithmic_efficiency": replace(GAIN, until=3.0)}), "expected a gain of efficiency"),
        (Scenario("s", {"reference_rent": replace(RENT, unit="MWh")}), "is no unit of it"),
    ],
)
def test_scenarios_that_cannot_be_measured_are_refused(laboratory, scenario, message):
    with pytest.raises(ScenarioError, match=message):
        laboratory.run(scenario)


def test_an_efficiency_that_differs_between_draws_is_changed_by_a_factor(laboratory):
    samples = [{**s, "algorithmic_efficiency": 1.0 + 0.1 * k} for k, s in enumerate(SAMPLES)]
    given = Laboratory(laboratory.model, PLAN, samples, SCENARIOS)
    with pytest.raises(ScenarioError, match="expected a factor for an efficiency that differs"):
        given.run(Scenario("s", {"algorithmic_efficiency": Change(value=4.0, at=AT)}))
    assert np.isfinite(given.run(gain).rebound("electricity")[:, -1]).all()


def test_runs_that_cannot_be_asked_for_are_refused(laboratory):
    with pytest.raises(JevonsError, match="horizon -1, expected more than 0"):
        laboratory.run(gain, -1.0)
    with pytest.raises(JevonsError, match=r"horizon 2\.2 was not run, the nearest is 2"):
        laboratory.run(gain).place(2.2)
    with pytest.raises(JevonsError, match="one draw at least"):
        Laboratory(laboratory.model, PLAN, [])
    with pytest.raises(ScenarioError, match="'gain' is given more than once"):
        run_experiments(laboratory, [gain, policy, gain], progress=False)
    with pytest.raises(JevonsError, match="none of the 1 draws ran; the first"):
        Laboratory(laboratory.model, PLAN, [{"reference_demand": 1e308}], SCENARIOS).run(gain)
    with pytest.raises(ScenarioError, match="declares no roles"):
        Laboratory(bass(), PLAN, SAMPLES)


def test_a_plan_is_checked_against_its_model(laboratory):
    bad = replace(
        PLAN,
        sampled=("elastcity", "elasticity", "algorithmic_efficiency"),
        variables=(
            replace(ENERGY, sources=("energy_us",)),
            replace(ENERGY, name="power", unit="GWh"),
            replace(ENERGY, name="total", cumulative="price_change"),
            replace(ENERGY, name="money", cumulative="price"),
            replace(ENERGY, name="odd", unit="florins"),
            replace(ENERGY, name="fixed", sources=("energy_use", "elasticity")),
        ),
    )
    with pytest.raises(ScenarioError) as error:
        bad.check(laboratory.model, fitted=("elasticity",))
    for message in (
        "energy_us' is not in the model; did you mean 'energy_use'", "power: unit 'GWh', expected one like 'MWh/yr'",
        "'price_change' is no stock", "money: cumulative 'price' is in 'USD/service', expected GWh/yr over time",
        "odd: unit 'florins' is not known",
        "fixed: rebound of the parameter 'elasticity'",
        "sampled 'elastcity' is no parameter; did you mean 'elasticity'",
        "sampled 'elasticity' is drawn by the fit already",
    ):  # fmt: skip
        assert message in str(error.value)
    exact = laboratory.model.with_elements([parameter("price_performance", 1.0)])
    with pytest.raises(ScenarioError, match="has prior None, expected one with a width"):
        replace(PLAN, sampled=("price_performance",)).check(exact)


WRONG = """
model = 1
seed = 1.5
date = "soon"
resolution = 0
horizons = [3, 1]
sampled = "all"
summary = ["electricty"]
limit = []
[variables.electricity]
source = []
unit = 1
kind = "rat"
rebound = true
colour = "red"
[variables.price]
source = "price"
unit = "USD"
kind = "level"
cumulative = "x"
rebound = 1
"""


def test_every_mistake_of_a_plan_is_told_at_once(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(WRONG, encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        read_plan(path)
    for message in (
        "model: found 1, expected the name", "seed: found 1.5", "date: found 'soon'", "summary: 'electricty' is",
        "resolution: found 0, expected a number above", "horizons: found [3, 1], expected rising", "sampled: found",
        "limit: unknown key", "did you mean 'limits'", "electricity.source: found []", "electricity.unit: found 1",
        "kind: found 'rat', expected rate or level; did you mean 'rate'", "electricity.colour: unknown key",
        "variables.electricity: rebound without cumulative", "cumulative 'x' of a level", "price.rebound: found 1",
    ):  # fmt: skip
        assert message in str(error.value), message
    for text, message in (
        ("model = ", "is not TOML"),
        ("model = 'm'\n[variables]\nx = 1\n", "variables.x: found 1, expected a table"),
        ("model = 'm'\nhorizons = [0]\n", r"horizons: found \[0\], expected numbers above 0"),
        ("model = 'm'\n", r"no \[variables.<name>\] table"),
        ("[variables.x]\nsource = 'x'\nunit = '1'\nkind = 'level'\n", "no variable with rebound = true"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ScenarioError, match=message):
            read_plan(path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_plan(tmp_path / "missing.toml")


def test_scenarios_of_the_command_are_shipped_ones():
    assert "deepseek" in chosen(None) and "baseline" not in chosen(None)
    assert chosen("krein, deepseek,krein") == ["krein", "deepseek"]
    with pytest.raises(ScenarioError, match="'krain' is not shipped; did you mean 'krein'"):
        chosen("krain")
    with pytest.raises(ScenarioError, match="expected names of scenarios"):
        chosen(",")


def test_the_commands_refuse_unknown_names_and_bad_files(tmp_path):
    wrong = CliRunner().invoke(experiment, ["deepsek"])
    assert isinstance(wrong.exception, ScenarioError) and "did you mean 'deepseek'" in str(wrong.exception)
    path = tmp_path / "mine.toml"
    path.write_text("[changes.elasticity]\nfactr = 2\nat = 'soon'\n", encoding="utf-8")
    bad = CliRunner().invoke(experiment, [str(path)])
    assert "factr: unknown key" in str(bad.exception) and "at: found 'soon'" in str(bad.exception)
    assert CliRunner().invoke(experiments, ["--horizon", "0"]).exit_code == 2
    for command in (experiment, experiments):
        assert f"Example: jevons {command.name}" in CliRunner().invoke(command, ["--help"]).output


# Tables, pages, pictures


def test_tables_have_their_columns_and_read_back(found, tmp_path):
    import pandas as pd

    e = found["capped"]
    tables = {"rebound": rebound_table(e, (1.0, 3.0)), "changes": changes_table(e, (1.0, 3.0)), "paths": paths_table(e)}
    assert list(tables["rebound"]) == [
        "scenario", "background", "quantity", "horizon_years", "rebound", "p05", "p25", "p75", "p95",
        "cumulative", "cumulative_p05", "cumulative_p95", "probability_backfire", "undefined_share",
        "crossing_share", "crossing_years", "draws", "failed", "counterfactual",
    ]  # fmt: skip
    assert list(tables["changes"])[:13] == [
        "scenario", "background", "variable", "kind", "unit", "horizon_years", "base", "shocked", "change", "p05",
        "p25", "p75", "p95",
    ]  # fmt: skip
    assert list(tables["paths"]) == [
        "scenario", "background", "variable", "run", "unit", "years", "date", "median", "p05", "p25", "p75", "p95"
    ]  # fmt: skip
    assert reported_horizons(e, (1.0, 3.0)) == (1.0, 3.0)
    assert set(tables["rebound"]["background"]) == {"with", "without"}
    assert set(tables["paths"]["run"]) == {"base", "shocked", "engineering", "change", "rebound", "cumulative rebound"}
    for name, table in tables.items():
        path = tmp_path / f"{name}.csv"
        table.to_csv(path, index=False, float_format="%.6g")
        back = pd.read_csv(path, dtype={"unit": str})
        assert len(back) == len(table) and list(back) == list(table)
    row = tables["changes"].query("background == 'with' and variable == 'electricity' and horizon_years == 3").iloc[0]
    change = np.quantile(e.change("electricity")[:, e.place(3.0)], [0.5, 0.05, 0.25, 0.75, 0.95])
    assert row[["change", "p05", "p25", "p75", "p95"]].to_numpy(float) == pytest.approx(change)


def test_a_shorter_run_reports_its_last_date(laboratory):
    e = laboratory.run(gain, 2.0)
    assert reported_horizons(e, PLAN.horizons) == (1.0, 2.0)
    assert summary_row(e, PLAN.summary, 5.0)["horizon_years"] == 2.0
    assert laboratory.run(gain, 0.7).years.tolist() == pytest.approx([0, 0.5, 0.7])


def test_pages_are_made_the_same_again_and_say_what_was_asked(laboratory, found):
    made = [pages.page(found["capped"], laboratory.model, PLAN, "capped.png", "a test") for _ in range(2)]
    assert made[0] == made[1]
    for part in (
        "# capped", "`inverse_supply_elasticity` | to 20, from 0.5, at once | all runs", "P(R > 1)",
        "times 4, from 1, spread over 0.5 yr", "![capped](capped.png)",
        "times 2, throughout | all runs", "## Counterfactual", "Without the background",
        "## What it does not show", "One market.", "jevons experiment capped", "9 draws of a test",
    ):  # fmt: skip
        assert part in made[0], part
    page = pages.page(found["gain"], laboratory.model, PLAN, "gain.png", "a test")
    assert "# A gain of four" in page and "## Claim\n\nIt saves." in page and "Source: test." in page
    again = laboratory.run(gain)
    assert pages.page(again, laboratory.model, PLAN, "gain.png", "a test") == page
    assert "from 1.5 to 3, at once" in pages.page(found["policy"], laboratory.model, PLAN, "p.png", "a test")


def test_the_numbers_of_a_sentence_are_those_of_the_runs(found):
    e = found["gain"]
    k = e.place(3.0)
    median, low, high = np.quantile(e.percent("electricity")[:, k], [0.5, 0.05, 0.95])
    text = pages.sentences(e)[0]
    assert f"{abs(median):.1f} % {'higher' if median > 0 else 'lower'}" in text
    assert f"−{abs(low):.1f} to +{high:.1f} %" in text
    r = e.rebound("electricity")[:, k]
    assert f"R = {np.median(r):.3f}" in pages.sentences(e)[1]
    assert f"in {100 * np.mean(r > 1):.0f} % of the draws" in pages.sentences(e)[1]


def test_what_only_the_changed_run_has_is_said_and_what_no_run_has_is_not(laboratory):
    claim = jv.Auxiliary("claim", "MWh/yr", equation=jv.symbol("claimed") * jv.symbol("energy_use"), doc="Test.")
    model = laboratory.model.with_elements([claim, parameter("claimed", 0.0)])
    saved = Reported("saved", "claimed savings", ("claim",), "GWh/yr", "rate")
    given = Laboratory(model, replace(PLAN, variables=(*VARIABLES, saved)), SAMPLES[:2])
    with_it = given.run(Scenario("claim", {"claimed": Change(value=0.5, at=AT)}))
    assert "Claimed savings: +4.00 GWh/yr (+4.00 to +4.00), and none in the base run" in " ".join(
        pages.sentences(with_it)
    )
    assert "electricity is what it would have been" in pages.sentences(with_it)[0]
    assert "claimed savings" in {row[0] for row in pages.change_rows(with_it, (1.0,))}
    assert "claimed savings" not in {row[0] for row in pages.change_rows(given.run(gain), (1.0,))}


def test_the_index_is_in_order(found):
    ordered = pages.in_order(list(found.values()))
    assert [e.scenario.name for e in ordered][-1] == "policy"
    values = [np.median(e.rebound("electricity")[:, -1]) for e in ordered[:-1]]
    assert values == sorted(values, reverse=True)
    text = pages.index(ordered, PLAN, "overview.png", "a test")
    assert text.index("(mixed.md)") < text.index("(gain.md)") < text.index("(policy.md)")
    assert "| [policy](policy.md) | – | – | – |" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0123456, "0.0123"), (-1234.5, "−1,234"), (99.96, "100.0"), (1.5e9, "1.5e+09"), (math.nan, "–")],
)
def test_numbers_have_three_digits(value, text):
    assert pages.number(value) == text


def test_shares_are_never_rounded_to_none_or_all():
    assert [pages.share(x) for x in (0.0, 0.004, 0.5, 0.996, 1.0, math.nan)] == [
        "0 %", "under 1 %", "50 %", "over 99 %", "100 %", "–"
    ]  # fmt: skip


def test_columns_are_aligned():
    assert columns([("a", "bb"), ("long", "1")]) == "a     bb\nlong   1"


@pytest.mark.parametrize("name", ["capped", "policy"])
def test_pictures_are_small_and_the_same_again(found, tmp_path, name):
    first, second = (draw(found[name], tmp_path / f"{k}.png", "a test").read_bytes() for k in "ab")
    assert first == second and 10_000 < len(first) <= pages.MOST_BYTES


def test_the_overview_takes_scenarios_without_rebound(found, tmp_path):
    import pandas as pd

    table = pd.DataFrame([summary_row(e, PLAN.summary, 5.0) for e in found.values()])
    assert math.isnan(table.set_index("scenario").loc["policy", "rebound"])
    assert overview(table, tmp_path / "o.png", "electricity", "electricity").stat().st_size > 10_000


# The shipped laboratory


def test_every_shipped_scenario_can_be_run_and_the_plan_fits_its_model():
    model, plan = jv.load("laboratory"), read_plan()
    stored = jv.shipped_fit(plan.fit)
    plan.check(model, stored.names)
    assert plan.headline.sources == (model.roles.energy,)
    samples = draws_of(plan, model, stored, 2)
    scenarios = [load_scenario(n).converted(model) for n in shipped_scenarios()]
    laboratory = Laboratory(model, plan, samples, scenarios)
    shared = laboratory._kinds(scenarios)
    for scenario in scenarios:
        laboratory._checked(scenario)
        for own, known in zip(laboratory._kinds([scenario]), shared, strict=True):
            assert all(kinds <= known[n] for n, kinds in own.items())


@pytest.mark.slow
def test_the_command_runs_the_laboratory(tmp_path):
    out, docs = tmp_path / "out", tmp_path / "docs"
    arguments = ["--draws", "3", "--only", "deepseek_under_grid_cap,crash", "--out", str(out), "--docs", str(docs)]
    result = CliRunner().invoke(experiments, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "deepseek_under_grid_cap" in result.output
    assert {p.name for p in out.iterdir()} == {"summary.csv", "overview.png", "deepseek_under_grid_cap", "crash"}
    assert {p.name for p in (out / "crash").iterdir()} == {"rebound.csv", "changes.csv", "paths.csv", "figure.png"}
    assert {p.name for p in docs.iterdir()} == {
        f"{n}.{e}" for n in ("deepseek_under_grid_cap", "crash") for e in ("md", "png")
    }
    one = CliRunner().invoke(
        experiment, ["crash", "--draws", "3", "--horizon", "2", "--out", str(tmp_path / "one")], catch_exceptions=False
    )
    assert one.exit_code == 0 and "no efficiency changes" in one.output
    assert (tmp_path / "one" / "figure.png").exists()


def test_the_laboratory_opens_with_the_worlds_fit():
    laboratory = open_laboratory(read_plan(), draws=2, scenarios=[])
    assert laboratory.model.name == "laboratory" and len(laboratory.samples) == 2
    assert set(read_plan().sampled) <= set(laboratory.samples[0])
    with pytest.raises(JevonsError, match=r"no shipped fit 'mian'.*did you mean 'main'"):
        open_laboratory(read_plan(), fit="mian")
