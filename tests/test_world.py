"""The world model: known values, units, conservation, extremes, and no date in disguise."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import cumulative_simpson
from small import parameter, v

from jevons import (
    TIME,
    Change,
    Flow,
    InitialUnknown,
    Model,
    Parameter,
    Scenario,
    Stock,
    Table,
    UnitError,
    load_scenario,
)
from jevons.functions import Switch, symbol
from jevons.integrate import break_points, compile_model, parameter_vector
from jevons.units import rescale_factor

DATA = Path(__file__).parent / "data"
YEARS = range(2005, 2036)
SIGNED_STOCKS = {"expected_growth", "perceived_power_growth", "log_algorithmic_efficiency"}
SIGNED = {
    *SIGNED_STOCKS,
    "expected_growth_change", "rental_price_change", "adoption", "usage_change", "capability", "training_budget_change",
    "power_growth_perception", "allocated_power_growth", "vacancy", "power_trend_need",
}  # fmt: skip
EFFICIENCIES = (
    "inference_efficiency",
    "training_efficiency",
    "hardware_energy_efficiency",
    "facility_efficiency",
    "hardware_price_performance",
)


def annual(run, years=YEARS, shift=0.0, scale=1.0):
    """Electricity of calendar years, from the stock that counts it."""
    edges = [run.at("cumulative_dc_electricity", (year + shift) * scale) for year in [*years, years[-1] + 1]]
    return np.diff(edges)


def rebuilt(model, elements=(), start=None):
    """The model with elements replaced and another start."""
    given = {e.name: e for e in elements}
    kept = [given.pop(n, e) for n, e in model.elements.items()]
    return Model(model.name, [*kept, *given.values()], start=model.start if start is None else start, roles=model.roles)


@pytest.fixture(scope="module")
def study():
    with (DATA / "study_map.csv").open(encoding="utf-8", newline="") as file:
        return {row["parameter"]: float(row["value"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def base(fitted):
    return fitted.run(2005, 2036)


# Known values


def test_an_independent_prototype_gave_the_same_numbers(world, study):
    assert len(study) >= 70
    run = world.run(2005, 2036, params=study)
    found = [annual(run)[year - 2005] for year in (2024, 2025, 2026, 2030)]
    assert found == pytest.approx([394.2, 469.8, 583.0, 1247.8], rel=0.005)
    shipped = run.at("cumulative_shipments", 2026.0) - run.at("cumulative_shipments", 2022.0)
    assert shipped == pytest.approx(19.24, rel=0.005)


def test_the_study_values_are_not_the_priors(world, study):
    """Else the test above would say nothing about the equations."""
    moved = [name for name, value in study.items() if abs(value - world.values[name]) > 0.05 * abs(value)]
    assert len(moved) > 25


def test_methods_agree_at_the_shipped_fit(fitted, base):
    reference = annual(base)
    for method in ("Radau", "RK4"):
        assert annual(fitted.run(2005, 2036, method=method, dt=1 / 32)) == pytest.approx(reference, rel=1e-6)


def test_half_the_step_changes_nothing(fitted):
    coarse, fine = (annual(fitted.run(2005, 2036, method="RK4", dt=dt)) for dt in (1 / 32, 1 / 64))
    assert coarse == pytest.approx(fine, rel=1e-7)


# No date in disguise


def test_no_equation_or_parameter_holds_a_date(world, fitted):
    for model in (world, fitted):
        for element in model.elements.values():
            assert not isinstance(element, Table)
            numbers = {float(n) for _, e in element.expressions() for n in sp.sympify(e).atoms(sp.Number)}
            if isinstance(element, Parameter) and element.unit == "yr":
                numbers.add(element.value)
            assert not [n for n in numbers if 2011 < n < 2030], element.name
            assert not any(sp.sympify(e).has(Switch) for _, e in element.expressions())


def test_the_compiled_world_has_no_switch(fitted):
    system = compile_model(fitted)
    assert system.n_switches == 0
    assert not system.knots
    assert break_points(system, parameter_vector(fitted, system, None), 2100.0).size == 0


def test_only_the_reference_year_is_a_date(fitted):
    """A world begun a century later, with it moved, has the same history: no other date is hidden in it."""
    dates = [n for n, p in fitted.parameters.items() if p.unit == "yr" and p.value > 1000]
    assert dates == ["reference_year"]
    later = {name: fitted.values[name] + 100 for name in dates}
    moved = rebuilt(fitted, start=2105.0).run(2105, 2136, params=later)
    assert annual(moved, shift=100) == pytest.approx(annual(fitted.run(2005, 2036)), rel=1e-7)
    users = {e.name for e in fitted.elements.values() for _, x in e.expressions() if sp.sympify(x).has(TIME)}
    assert users
    assert users <= set(fitted.sectors["conventional"])


# Units


def test_rescaling_units_changes_no_electricity(fitted):
    scales = {"[time]": 12.0, "[currency]": 1000.0, "[compute]": 7.0}
    scaled = {n: p.value * rescale_factor(p.unit, scales) for n, p in fitted.parameters.items()}
    assert sum(scaled[n] != x for n, x in fitted.values.items()) > 50
    months = rebuilt(fitted, start=2005.0 * 12)
    options = {"method": "RK4", "max_calls": 10**6}
    run = months.run(2005 * 12, 2036 * 12, params=scaled, dt=12 / 32, every=12 / 8, **options)
    expected = fitted.run(2005, 2036, **options)
    assert annual(run, scale=12) == pytest.approx(annual(expected), rel=1e-8)
    assert run.at("ai_capacity", 2030 * 12) == pytest.approx(7 * expected.at("ai_capacity", 2030), rel=1e-8)
    price = 1000 / (7 * 12) * expected.at("rental_price", 2030)
    assert run.at("rental_price", 2030 * 12) == pytest.approx(price, rel=1e-8)


def expressions(model):
    return [(e, what, x) for e in model.elements.values() for what, x in e.expressions()]


def test_every_expression_is_checked_for_units(world):
    """Multiplied by a year, each of them alone is a unit error that names its element."""
    extra = parameter("one_year", 1.0, "yr")
    zero = []
    for element, what, expression in expressions(world):
        if expression == 0:
            zero.append(element.name)
            continue
        field = "initial" if isinstance(element, Stock) else "equation"
        mutant = dataclasses.replace(element, **{field: expression * v.one_year})
        with pytest.raises(UnitError) as raised:
            world.with_elements([mutant, extra])
        (mistake,) = raised.value.mistakes
        assert mistake.startswith(f"{element.name!r}: {what}"), mistake
        assert "found" in mistake
        assert "expected" in mistake
    assert len(expressions(world)) - len(zero) > 90
    assert zero == ["cumulative_dc_electricity", "cumulative_ai_electricity"]  # zero has every unit


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("ai_power", "MW"),
        ("connected_power", "kW"),
        ("conventional_power", "TW"),
        ("dc_electricity", "GWh/yr"),
        ("cumulative_dc_electricity", "PWh"),
        ("chip_power", "W/H100e"),
        ("chip_price", "USD/H100e"),
        ("ai_capacity", "kH100e"),
        ("users", "person"),
        ("conventional_revenue", "MUSD/yr"),
        ("rental_price", "kUSD/H100e/month"),
        ("electricity_price", "kUSD/kWh"),
        ("hours_per_year", "GWh/GW/yr"),
        ("construction_time", "month"),
        ("initial_training_budget", "MUSD/yr"),
    ],
)
def test_a_change_of_scale_is_a_unit_error(world, name, unit):
    mutant = dataclasses.replace(world[name], unit=unit)
    with pytest.raises(UnitError) as raised:
        world.with_elements([mutant])
    named = {mistake.split("'")[1] for mistake in raised.value.mistakes}
    users = {e.name for e, _, x in expressions(world) if symbol(name) in sp.sympify(x).free_symbols}
    ends = {e.name for e in world.elements.values() if isinstance(e, Flow) and name in (e.source, e.target)}
    assert named
    assert named <= {name, *users, *ends}


def test_the_scale_is_named_in_the_message(world):
    with pytest.raises(UnitError, match=r"'ai_it_electricity': .* \(same dimension, 1000 times too large\)"):
        world.with_elements([dataclasses.replace(world["ai_it_electricity"], unit="GWh/yr")])


# Documentation


def test_every_parameter_has_its_evidence(world):
    exact = [n for n, p in world.parameters.items() if p.prior is None]
    assert exact == ["hours_per_year"]
    assert "exact" in world.parameters["hours_per_year"].source
    for name, p in world.parameters.items():
        assert p.unit, name
        assert p.source.strip(), name
        assert p.doc.strip(), name
        assert p.status in ("measured", "literature", "fitted", "assumed"), name
        if p.status == "fitted":
            assert type(p.prior).__name__ in ("LogNormal", "Normal"), name


def test_priors_are_centred_on_the_values(world):
    for name, p in world.parameters.items():
        centre = getattr(p.prior, "median", getattr(p.prior, "mean", None))
        if centre is not None:
            assert p.value == centre, name
        elif p.prior is not None:
            assert p.prior.low <= p.value <= p.prior.high, name


def test_no_element_without_words(world):
    for name, element in world.elements.items():
        assert element.doc.strip().endswith("."), name
    assert sum(isinstance(e, Stock) for e in world.elements.values()) >= 20
    assert sum(isinstance(e, InitialUnknown) for e in world.elements.values()) == 2


# Conservation


def test_stocks_change_by_their_flows(fitted):
    """By Simpson's rule on a fine grid; every stock, at every date."""
    run = fitted.run(2005, 2036, method="RK4", dt=1 / 256, every=1 / 256)
    flows = [e for e in fitted.elements.values() if isinstance(e, Flow)]
    with_flow = set()
    for name in fitted.stocks:
        net, size = np.zeros(run.times.size), np.zeros(run.times.size)
        for flow in flows:
            sign = (flow.target == name) - (flow.source == name)
            if sign:
                with_flow.add(name)
                net += sign * run[flow.name].to_numpy()
                size += np.abs(run[flow.name].to_numpy())
        value = run[name].to_numpy()
        integral = cumulative_simpson(net, x=run.times, initial=0)
        moved = max(float(np.abs(value).max()), float(cumulative_simpson(size, x=run.times)[-1]))
        assert np.abs(value - value[0] - integral).max() < 1e-9 * moved, name
    assert set(fitted.stocks) - with_flow == {"new_power_per_workload"}


def test_energy_adds_up(base):
    total = base["ai_electricity"] + base["conventional_electricity"]
    assert np.allclose(base["dc_electricity"], total, rtol=1e-14)
    counted = base["ai_power"] * 8.76 * base["pue_ai"]
    assert (base["ai_electricity"] / counted).gt(0.3).all()
    assert np.allclose(
        base["inference_share"] * base["compute_demand"], base["compute_demand"] - base["training_compute"]
    )


def test_money_adds_up(base):
    revenue = base["service_price"] * base["service_demand"] * base["served_share"]
    assert np.allclose(base["ai_revenue"], revenue, rtol=1e-14)
    budget = base["training_compute"] * base["rental_price"]
    assert np.allclose(budget, base["training_budget"], rtol=1e-14)


def test_power_of_the_installed_base_is_that_of_its_vintages(fitted, base):
    """Between the least and the most power of any chip so far, the older base of the start included."""
    mean = base["ai_power"] / base["ai_capacity"]
    chip = base["chip_power"].to_numpy()
    assert np.all(np.diff(chip) < 0)
    highest = fitted.values["initial_power_ratio"] * chip[0]
    assert mean.iloc[0] == pytest.approx(highest)
    assert (mean <= highest * (1 + 1e-9)).all()
    assert (mean >= np.minimum.accumulate(chip) * (1 - 1e-9)).all()
    # once next to nothing of the first base is left, the history of new chips alone is the bound
    modern = base.times >= 2024
    assert (mean[modern] <= chip[base.times >= 2012][0]).all()


def test_all_capacity_was_shipped(fitted, base):
    retired = base["cumulative_shipments"].diff() - base["ai_capacity"].diff()
    assert (retired.dropna() > 0).all()
    assert (base["cumulative_shipments"] > base["ai_capacity"]).all()


# Extremes


@pytest.mark.parametrize("at", [None, 2025.0], ids=["from the start", "in 2025"])
@pytest.mark.parametrize("name", EFFICIENCIES)
def test_a_million_times_more_efficient(fitted, name, at):
    assert set(EFFICIENCIES) == {*fitted.roles.efficiencies.values(), *fitted.roles.price_performance.values()}
    run = Scenario("extreme", {name: Change(factor=1e6, at=at)}).apply(fitted).run(2005, 2036)
    assert run.status.ok
    frame = run.to_frame()
    assert np.isfinite(frame.to_numpy()).all()
    physical = [n for n in run.names if n not in SIGNED and n in fitted.elements]
    assert set(fitted.stocks) - SIGNED_STOCKS < set(physical)
    for stock in physical:
        assert frame[stock].min() >= -1e-9 * max(1.0, frame[stock].max()), stock
    for share in ("utilisation", "served_share", "space_availability", "hyperscale_share", "energy_cost_share"):
        assert frame[share].between(0, 1 + 1e-9).all(), share


def test_without_orders_ai_capacity_dies_out(fitted):
    nothing = {"order_finance_conventional": 1e-12, "order_finance_ai": 1e-12}
    run = fitted.run(2005, 2036, params=nothing)
    assert run.at("ai_on_order", 2020.0) < 1e-3 * run.at("ai_capacity", 2020.0)
    life = fitted.values["ai_life"]
    for t in (2022.0, 2025.0, 2030.0):
        left = run.at("ai_capacity", t) / run.at("ai_capacity", 2020.0)
        assert left == pytest.approx(np.exp(-(t - 2020) / life), rel=1e-3)
        power = run.at("ai_power", t) / run.at("ai_power", 2020.0)
        assert power == pytest.approx(np.exp(-(t - 2020) / life), rel=1e-3)


def test_without_adopters_training_and_embedded_use_are_left(fitted, base):
    run = fitted.run(2005, 2036, params={"adopter_ceiling": fitted.values["adopter_ceiling"] * 1e-9})
    assert (run["inference_compute"] < 1e-6 * run["compute_demand"]).all()
    left = run["training_compute"] + run["embedded_compute"]
    assert np.allclose(run["compute_demand"], left, rtol=1e-6)
    assert np.allclose(run["inference_share"], run["embedded_compute"] / left, atol=1e-6)
    assert run.at("ai_electricity", 2035.0) < 0.7 * base.at("ai_electricity", 2035.0)
    # nor embedded use: AI is training alone
    none = {"adopter_ceiling": 1e-6, "embedded_spending_share": 1e-12}
    alone = fitted.run(2005, 2036, params=none)
    assert (alone["inference_share"] < 1e-6).all()
    idle = fitted.values["idle_share"]
    used = alone["training_compute"] * alone["served_share"] / alone["ai_capacity"]
    expected = 8.76 * alone["ai_power"] * fitted.values["cluster_overhead"] * (idle + (1 - idle) * used)
    assert np.allclose(alone["ai_it_electricity"], expected, rtol=1e-9)


def test_electricity_a_thousand_times_dearer_is_the_cost(fitted, base):
    run = fitted.run(2005, 2036, params={"electricity_price": 1000 * fitted.values["electricity_price"]})
    assert base["energy_cost_share"].max() < 0.2
    assert run["energy_cost_share"].between(0.95, 1.0).all()
    more = fitted.run(2005, 2036, params={"electricity_price": 1e6 * fitted.values["electricity_price"]})
    assert more["energy_cost_share"].gt(0.9999).all()
    assert run.at("dc_electricity", 2035.0) < base.at("dc_electricity", 2035.0)


def test_kit_that_lives_for_ever(fitted, base):
    lives = {"ai_life": 1e9, "conventional_life": 1e9, "connection_life": 1e9}
    run = fitted.run(2005, 2036, params=lives)
    assert np.isfinite(run.values).all()
    assert run["ai_retirement"].max() < 1e-6
    for stock in ("ai_capacity", "ai_power", "conventional_power", "connected_power"):
        assert (run[stock].diff().dropna() > -1e-6).all(), stock
    assert base["conventional_power"].diff().min() < -1e-6


@pytest.mark.parametrize("life", [15.0, 1e9])
def test_sites_cannot_outgrow_their_connections(fitted, base, life):
    run = fitted.run(2005, 2060, params={"largest_power_growth": 1e-9, "connection_life": life})
    connected = run["connected_power"]
    assert (connected.diff().dropna() <= 1e-6).all()
    assert (run["dc_electricity"] < 8.76 * connected).all()
    assert run.at("dc_electricity", 2035.0) < 0.3 * base.at("dc_electricity", 2035.0)


# Counterfactuals


def year_2018(model):
    return float(annual(model.run(2005, 2019), range(2005, 2019))[-1])


def test_signs_of_the_counterfactuals(fitted):
    base = year_2018(fitted)
    assert year_2018(load_scenario("baseline").apply(fitted)) == pytest.approx(base, rel=1e-9)
    assert year_2018(load_scenario("no_consolidation").apply(fitted)) > 1.5 * base
    assert year_2018(load_scenario("no_pue_gain").apply(fitted)) > 1.1 * base
    assert year_2018(load_scenario("no_ai").apply(fitted)) < base


def test_without_ai_the_growth_of_the_twenties_is_halved(fitted, base):
    without = load_scenario("no_ai").apply(fitted).run(2005, 2036)
    assert without["ai_electricity"].max() < 0.01 * base["ai_electricity"].max()
    with_ai, alone = annual(base), annual(without)
    assert (alone < with_ai).all()
    assert alone[20] - alone[15] < 0.6 * (with_ai[20] - with_ai[15])


def test_roles_name_parameters_that_do_something(fitted, base):
    """Each efficiency is 1, and twice as much changes electricity: none of them is a dead handle."""
    for name in EFFICIENCIES:
        assert fitted.values[name] == 1.0
        run = fitted.run(2005, 2036, params={name: 2.0})
        assert np.abs(annual(run) / annual(base) - 1).max() > 0.005, name
    assert symbol("inference_efficiency") in fitted["algorithmic_efficiency"].equation.free_symbols
