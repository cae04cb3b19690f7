"""Rebound: closed forms, controls in which it must be 0 or 1, and what it refuses to say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jevons.models.market import m0
from jevons.models.textbook import bass

import jevons as jv
from jevons import Change, Scenario, ScenarioError, load_scenario, measure_rebound, shock
from jevons.errors import IntegrationError, JevonsError
from jevons.rebound.meter import (
    HORIZONS,
    INDUCED_GROWTH,
    SMALLEST_SAVING,
    ReboundMeter,
    change_parameters,
    counterfactual,
    ratio,
    shockable,
    with_engineering_run,
)

GAIN = 10.0
AT = 2025.07
KINDS = ("inference", "training", "hardware", "facility", "hardware_price")
# What makes services respond to price, capability or revenue, all switched off; so is what ties prices to power.
HELD = {
    "usage_price_elasticity": 0.0,
    "adoption_slope": 0.0,
    "capability_usage": 0.0,
    "conventional_price_elasticity": 0.0,
    "conventional_energy_share": 0.0,
    "price_response": 0.0,
    "chip_price_learning": 0.0,
    "chip_power_learning": 0.0,
    "electricity_price": 0.0,
    "facility_cost": 0.0,
    "training_revenue_share": 0.0,
    "release_steepness": 0.0,
    # and enough inference from the start, at constant algorithms, for its energy to count
    "algorithmic_progress_rate": 0.0,
    "reference_usage": 1e-4,
}


def closed_form(eta, psi, gain=GAIN):
    exponent = eta - 1 if math.isinf(psi) else psi * (eta - 1) / (psi + eta)
    return 1 - (1 - gain**exponent) / (1 - 1 / gain)


@pytest.fixture(scope="module")
def meter(fitted):
    """All kinds of shock on the fitted world."""
    gains = {"inference": 10.0, "training": 10.0, "hardware": 2.0, "facility": 2.0, "hardware_price": 2.0}
    scenarios = [shock(fitted, kind, gain, AT) for kind, gain in gains.items()]
    return ReboundMeter(fitted, scenarios, AT, (10.0,), every=0.5)


@pytest.fixture(scope="module")
def measured(meter):
    return {kind: meter.measure(kind) for kind in KINDS}


# Closed forms


@pytest.mark.parametrize(("eta", "psi"), list(itertools.product((0.5, 1.0, 1.5), (0.25, 1.0, 4.0, math.inf))))
def test_m0_long_run(eta, psi):
    model = m0(eta, psi)
    result = measure_rebound(model, shock(model, "algorithm", GAIN, 1.0), until=150, every=10)
    assert result.at(150)[0] == pytest.approx(closed_form(eta, psi), abs=2e-6)
    assert result.engineering == pytest.approx(result.base / GAIN, rel=1e-12)
    assert result.rebound[0] == pytest.approx(0.0, abs=1e-12)


def test_the_closed_form_has_the_published_values():
    assert closed_form(0.5, 0.25) == pytest.approx(0.64588008, abs=1e-8)
    assert closed_form(1.5, math.inf) == pytest.approx(3.40253073, abs=1e-8)
    assert closed_form(1.0, 4.0) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize(
    ("eta", "gain", "expected"),
    [
        (0.5, 10.0, 0.240253), (0.8, 10.0, 0.589953), (1.0, 10.0, 1.0), (1.1, 10.0, 1.287695), (1.5, 10.0, 3.402531),
        (1.5, 100.0, 10.0909),
    ],
)  # fmt: skip
def test_isoelastic_demand_under_a_finite_gain(eta, gain, expected):
    model = m0(eta)
    result = measure_rebound(model, shock(model, "algorithm", gain, 0.5), until=60, every=5)
    assert result.at(60)[0] == pytest.approx((gain**eta - 1) / (gain - 1), rel=1e-5)
    assert result.at(60)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("psi", [0.25, math.inf])
def test_without_elasticity_there_is_no_rebound_at_any_time(psi):
    model = m0(0.0, psi)
    result = measure_rebound(model, shock(model, "algorithm", GAIN, 1.0, adjustment_time=0.5), until=20)
    assert result.rebound.size > 70
    assert np.isnan(result.rebound[0])  # nothing gained yet
    assert np.abs(result.rebound[1:]).max() < 1e-12
    assert np.abs(result.cumulative[2:]).max() < 1e-12


def test_a_parameter_set_is_the_same_as_a_model_with_it():
    model = m0(0.5, 4.0)
    scenario = shock(model, "algorithm", GAIN, 1.0)
    given = measure_rebound(model, scenario, params={"elasticity": 1.5}, until=5)
    built = measure_rebound(m0(1.5, 4.0), scenario, until=5)
    assert given.rebound == pytest.approx(built.rebound, rel=1e-12)


def test_a_better_starting_point_does_not_count_as_gain():
    """An efficiency of 2 throughout, shocked tenfold, has the rebound of the shock alone."""
    model = m0(0.5)
    scenario = shock(model, "algorithm", GAIN, 10.0)
    result = measure_rebound(model, scenario, params={"algorithmic_efficiency": 2.0}, until=60, every=5)
    assert result.at(60)[0] == pytest.approx(closed_form(0.5, math.inf), abs=1e-5)
    assert result.engineering == pytest.approx(result.base / GAIN, rel=1e-9)


def test_cumulative_rebound_is_that_of_energy_since_the_shock():
    model = m0(0.8, 2.0)
    result = measure_rebound(model, shock(model, "algorithm", GAIN, 3.0), until=10, every=1 / 32)
    base, shocked, engineering = (
        np.array([np.trapezoid(e[: k + 1], result.times[: k + 1]) for k in range(e.size)])
        for e in (result.base, result.shocked, result.engineering)
    )
    expected = 1 - (base - shocked)[1:] / (base - engineering)[1:]
    assert math.isnan(result.cumulative[0])
    assert result.cumulative[1:] == pytest.approx(expected, abs=1e-3)
    assert result.cumulative[-1] != pytest.approx(result.rebound[-1], abs=1e-2)


# The ratio


def test_savings_below_a_hundredth_are_undefined():
    base, shocked = np.full(4, 100.0), np.full(4, 99.5)
    found = ratio(base, shocked, np.array([100.0, 99.01, 98.99, 101.01]))
    assert SMALLEST_SAVING == 0.01
    assert np.isnan(found).tolist() == [True, True, False, False]
    assert found[2] == pytest.approx(1 - 0.5 / 1.01)
    assert np.isnan(ratio(np.zeros(1), np.zeros(1), np.zeros(1))).all()


@given(
    base=st.floats(1.0, 1e6),
    share=st.floats(0.02, 0.98),
    expected=st.floats(-3.0, 5.0),
)
def test_ratio_gives_back_the_rebound(base, share, expected):
    engineering = base * (1 - share)
    shocked = base - (1 - expected) * (base - engineering)
    (found,) = ratio(np.array([base]), np.array([shocked]), np.array([engineering]))
    assert found == pytest.approx(expected, abs=1e-7)


# The world


def test_without_a_gain_there_is_nothing_to_measure(fitted):
    scenarios = [
        Scenario(kind, {name: Change(factor=1.0, at=AT)})
        for kind, name in {**fitted.roles.efficiencies, **fitted.roles.price_performance}.items()
    ]
    none = ReboundMeter(fitted, scenarios, AT, (10.0,), every=0.5)
    for kind in KINDS:
        result = none.measure(kind)
        assert np.array_equal(result.base, result.shocked)
        assert np.isnan(result.rebound).all()
        assert np.isnan(result.cumulative).all()
        assert result.engineering == pytest.approx(result.base, rel=1e-7)
        assert (result.induced_growth == 0).all()


def test_runs_before_the_shock_are_one(fitted):
    """A shock in 2028 seen from 2025: identical until then."""
    scenario = shock(fitted, "inference", 10.0, 2028.0)
    result = measure_rebound(fitted, scenario, at=2025.0, until=5.0, every=0.5)
    before = result.times < 2028
    assert before.sum() == 6
    assert np.array_equal(result.base[before], result.shocked[before])
    assert result.engineering[before] == pytest.approx(result.base[before], rel=1e-9)
    assert (result.shocked[~before] < result.base[~before]).all()


def test_the_base_run_is_the_world(fitted, measured):
    run = fitted.run(2005, AT + 10)
    for result in measured.values():
        expected = [run.at("dc_electricity", t) for t in result.times]
        assert result.base == pytest.approx(expected, rel=1e-6)
        assert result.unit == "TWh/yr"


def test_the_shocked_run_is_the_scenario(fitted, measured):
    run = shock(fitted, "inference", 10.0, AT).apply(fitted).run(2005, AT + 10)
    expected = [run.at("dc_electricity", t) for t in (AT + 1, AT + 10)]
    assert [measured["inference"].shocked[k] for k in (2, 20)] == pytest.approx(expected, rel=1e-6)


def test_services_that_do_not_respond_have_no_rebound(meter):
    """Elasticities, training ties and links from power to price off: shocked and engineering run use the same."""
    for kind in ("inference", "hardware", "facility"):
        result = meter.measure(kind, HELD)
        defined = ~np.isnan(result.rebound)
        assert defined.sum() >= 10, kind
        assert np.abs(result.rebound[defined]).max() < 1e-6, kind
        assert result.shocked == pytest.approx(result.engineering, rel=1e-9)
        assert (result.engineering / result.base).min() < 0.95, kind


def test_training_on_a_budget_saves_nothing(meter):
    """With the budget held, better training buys more training: R is 1, and more where gains are reinvested."""
    result = meter.measure("training", HELD)
    assert (result.engineering / result.base).min() < 0.96
    assert result.rebound[~np.isnan(result.rebound)] == pytest.approx(1.0, abs=1e-9)
    more = meter.measure("training", {**HELD, "reinvestment": 0.25})
    late = more.rebound[-8:]
    assert (late > 1.3).all()


def test_services_of_the_engineering_run_are_those_of_the_base(fitted):
    twin = with_engineering_run(fitted)
    values = change_parameters(fitted, shock(fitted, "inference", 10.0, AT))
    run = twin.run(2005, 2033, params=values, method="RK4")
    after = run.times >= AT + 1e-9
    for service, efficiency in fitted.roles.services.items():
        gain = np.where(after, 10.0, 1.0) if efficiency == "inference_efficiency" else 1.0
        assert np.allclose(run[f"engineering_{service}"] * gain, run[service], rtol=1e-12), service
    assert run.at("engineering_ai_capacity", 2033.0) < 0.9 * run.at("ai_capacity", 2033.0)


def test_energy_efficiency_of_chips_saves(measured):
    """Energy is a small part of the cost of compute, so that demand hardly answers."""
    result = measured["hardware"]
    assert math.isnan(result.rebound[0])  # new kit only: no saving at once
    for horizon in (3.0, 5.0, 10.0):
        assert 0 < result.at(horizon)[0] < 0.5
        assert 0 < result.at(horizon)[1] < 0.5
    assert result.shocked[-1] < result.base[-1]


def test_backfire_takes_time(measured):
    result = measured["inference"]
    assert result.rebound[0] == pytest.approx(0.0, abs=1e-9)
    assert 0 < result.at(1.0)[0] < 1
    assert result.at(1.0)[1] < 1
    assert result.shocked[2] < result.base[2]


def test_kinds_of_efficiency_differ(measured):
    """One figure for 'efficiency' would hide all of it: training saves nothing, chips nearly all."""
    at_five = {kind: measured[kind].at(5.0)[0] for kind in ("inference", "training", "hardware")}
    assert at_five["hardware"] < 0.5
    assert at_five["inference"] < at_five["training"]
    assert at_five["training"] > 0.9


def test_cheaper_hardware_is_induced_growth(measured):
    result = measured["hardware_price"]
    assert np.isnan(result.rebound).all()
    assert np.isnan(result.cumulative).all()
    assert result.counterfactual == INDUCED_GROWTH
    assert result.induced_growth[0] == pytest.approx(0.0, abs=1e-12)
    assert (result.induced_growth[4:] > 0.005).all()
    # it saves nothing: the engineering run, which cannot use more service, uses about as much as the base
    assert result.engineering == pytest.approx(result.base, rel=0.05)


def test_the_counterfactual_is_named(fitted, measured):
    text = measured["inference"].counterfactual
    assert text == counterfactual(fitted.roles)
    for service in ("inference compute", "training compute", "embedded compute", "conventional demand"):
        assert service in text


def test_a_scenario_of_several_gains(fitted):
    """Half of the training energy saved is no saving: between inference and training alone."""
    both = load_scenario("deepseek")
    result = measure_rebound(fitted, both, until=6.0, every=1.0)
    assert result.times[0] == AT
    assert result.times.tolist() == pytest.approx([AT + k for k in range(7)])
    assert math.isnan(result.rebound[0])
    assert np.isfinite(result.rebound[1:]).all()
    assert result.scenario is both


def test_horizons_and_paths_agree(fitted, measured):
    short = ReboundMeter(fitted, [shock(fitted, "inference", 10.0, AT)], AT)
    assert short.times.tolist() == pytest.approx([AT, *(AT + h for h in HORIZONS)])
    result = short.measure("inference")
    for horizon in HORIZONS:
        assert result.at(horizon) == pytest.approx(measured["inference"].at(horizon), rel=1e-9)


def test_a_value_is_as_good_as_a_factor_when_it_comes_at_once(fitted, measured):
    scenario = Scenario("value", {"inference_efficiency": Change(value=10.0, at=AT)})
    result = measure_rebound(fitted, scenario, until=10.0, every=0.5)
    assert result.rebound == pytest.approx(measured["inference"].rebound, rel=1e-12)


def test_an_undated_gain_counts_from_the_start():
    model = m0(0.5)
    result = measure_rebound(model, Scenario("whole", {"algorithmic_efficiency": Change(factor=GAIN)}), until=5)
    assert result.times[0] == 0.0
    assert np.isfinite(result.rebound).all()


def test_a_run_that_fails_is_no_rebound(meter, fitted):
    assert meter.measure("inference", {"ai_life": math.nan}) is None
    with pytest.raises(IntegrationError, match="non-finite input at 2005 in 'ai_life'"):
        measure_rebound(fitted, shock(fitted, "inference", 2.0, AT), params={"ai_life": math.nan})


# Mistakes


def mistakes(call, *arguments, **options):
    with pytest.raises(ScenarioError) as raised:
        call(*arguments, **options)
    return raised.value.mistakes


def test_a_model_without_roles():
    scenario = Scenario("x", {"imitation": Change(factor=2.0)})
    for call in (
        lambda: shock(bass(), "imitation", 2.0, 1.0),
        lambda: measure_rebound(bass(), scenario),
        lambda: shockable(bass()),
        lambda: with_engineering_run(bass()),
    ):
        assert mistakes(call) == ("declares no roles, so rebound cannot be measured",)


def test_unknown_kind_of_shock(fitted):
    (mistake,) = mistakes(shock, fitted, "infrence", 2.0, AT)
    assert mistake == (
        "shock 'infrence', expected one of inference, training, hardware, facility, hardware_price; "
        "did you mean 'inference'?"
    )


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_a_factor_must_be_positive(fitted, factor):
    (mistake,) = mistakes(shock, fitted, "inference", factor, AT)
    assert mistake == f"'inference_efficiency': factor {factor:g}, expected more than 0"


def test_a_shock_before_the_model_begins(fitted):
    (mistake,) = mistakes(shock, fitted, "inference", 2.0, 1999.0)
    assert "date 1999 is impossible" in mistake


def test_only_efficiencies_have_a_rebound(fitted):
    scenario = Scenario("growth", {"conventional_growth": Change(factor=2.0, at=AT)})
    assert mistakes(measure_rebound, fitted, scenario) == ("'conventional_growth' is not an efficiency",)
    close = Scenario("pue", {"hyperscale_pue": Change(factor=0.9), "facility_efficiency": Change(factor=2.0, at=AT)})
    assert mistakes(measure_rebound, fitted, close) == ("'hyperscale_pue' is not an efficiency",)


def test_a_scenario_that_the_model_lacks(fitted):
    scenario = Scenario("x", {"inference_eficiency": Change(factor=2.0, at=AT)})
    assert "did you mean 'inference_efficiency'?" in mistakes(measure_rebound, fitted, scenario)[0]


def test_a_slow_value_has_no_factor(fitted):
    scenario = Scenario("x", {"inference_efficiency": Change(value=10.0, at=AT, adjustment_time=1.0)})
    (mistake,) = mistakes(measure_rebound, fitted, scenario)
    assert mistake == "'inference_efficiency': value 10, expected a factor for a change of an efficiency"


def test_two_scenarios_of_one_name(fitted):
    twice = [shock(fitted, "inference", f, AT) for f in (2.0, 10.0)]
    assert mistakes(ReboundMeter, fitted, twice, AT) == ("scenario 'inference' is given more than once",)


def test_an_efficiency_that_changes_already(fitted):
    changed = load_scenario("deepseek").apply(fitted)
    found = mistakes(measure_rebound, changed, shock(changed, "hardware", 2.0, AT))
    assert found == (
        "'inference_efficiency' changes over time already",
        "'training_efficiency' changes over time already",
    )


def test_dates_that_no_run_can_report():
    model = m0(0.5)
    with pytest.raises(JevonsError, match=r"expected rising dates from the model's start, 0, on"):
        measure_rebound(model, shock(model, "algorithm", 2.0, 1.0), at=-5.0)


@pytest.mark.parametrize("until", [0.0, -1.0])
def test_a_horizon_lies_ahead(until):
    model = m0(0.5)
    (mistake,) = mistakes(measure_rebound, model, shock(model, "algorithm", 2.0, 1.0), until=until)
    assert mistake == f"horizons [{until}], expected one or more, above 0"


def test_horizons_must_rise():
    model = m0(0.5)
    with pytest.raises(JevonsError, match="expected rising dates"):
        ReboundMeter(model, [shock(model, "algorithm", 2.0, 1.0)], 1.0, (5.0, 1.0))


def test_a_horizon_that_was_not_measured_is_refused():
    result = measure_rebound(m0(), shock(m0(), "algorithm", 10.0, 1.0), until=4.0)
    assert "after 3" in repr(result)
    with pytest.raises(jv.JevonsError, match=r"horizon 9 was not measured, the nearest is 4 \(0 to 4"):
        result.at(9)


def test_a_scenario_may_be_given_by_name(fitted):
    by_name = measure_rebound(fitted, "deepseek", until=2.0, every=1.0)
    given = measure_rebound(fitted, load_scenario("deepseek"), until=2.0, every=1.0)
    assert np.array_equal(by_name.rebound, given.rebound, equal_nan=True)
