"""The laboratory: the world where its levers are neutral, balances of its grids, and what each lever does."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jevons.models.grids import REGIONS

import jevons as jv
from jevons import Change, Scenario, load_scenario
from jevons.inference.config import shipped_folder
from jevons.scenario import shipped_scenarios


@pytest.fixture(scope="module")
def laboratory():
    return jv.load("laboratory")


@pytest.fixture(scope="module")
def base(laboratory):
    return laboratory.run(2005, 2035)


def changed(laboratory, name, until=2035.0, **change):
    return Scenario("test", {name: Change(**change)}).apply(laboratory).run(2005, until)


def test_with_neutral_levers_it_is_the_world(laboratory, fitted):
    """Every name that both have takes the same path, step by step."""
    ours, theirs = (model.run(2005, 2035, method="RK4", dt=1 / 32) for model in (laboratory, fitted))
    shared = [n for n in theirs.names if n in ours.names]
    assert len(shared) == len(theirs.names)
    for name in shared:
        scale = np.abs(theirs[name].to_numpy()).max()
        assert np.abs(ours[name].to_numpy() - theirs[name].to_numpy()).max() <= 1e-12 * scale, name


def test_it_takes_the_values_and_draws_of_the_worlds_fit(laboratory, fitted, stored):
    shared = set(fitted.parameters) & set(laboratory.parameters)
    assert set(fitted.parameters) - shared == {"margin"}
    assert all(laboratory.values[n] == fitted.values[n] for n in shared)
    assert laboratory.values["supplier_margin"] == fitted.values["margin"]
    assert set(stored.draws(1)[0]) <= set(laboratory.parameters)
    assert jv.load("laboratory", fit="iea").values != laboratory.values


def test_levers_of_no_one_move_nothing_in_another_fit(laboratory, fitted, stored):
    draw = stored.draws(3)[1]
    ours, theirs = (m.run(2005, 2035, method="RK4", dt=1 / 16, params=draw) for m in (laboratory, fitted))
    assert np.allclose(ours["dc_electricity"], theirs["dc_electricity"], rtol=1e-12, atol=0)


# Grids


def test_regions_add_up_to_the_world(base):
    total = sum(base[f"dc_electricity_{code}"].to_numpy() for code in REGIONS)
    assert np.allclose(total, base["dc_electricity"], rtol=1e-12)


@pytest.mark.parametrize("code", REGIONS)
def test_generation_is_fossil_and_clean(base, laboratory, code):
    p = laboratory.values
    other, trend = base[f"other_demand_{code}"], base[f"fossil_trend_{code}"]
    supply, clean = base[f"dc_supply_{code}"], base[f"clean_supply_{code}"]
    fossil = other * trend + base[f"dc_fossil_{code}"]
    cleans = other * (1 - trend) + clean
    assert np.allclose(fossil + cleans, other + supply, rtol=1e-12)
    emissions = p[f"fossil_emission_factor_{code}"] * fossil + p[f"clean_emission_factor_{code}"] * cleans
    assert np.allclose(base[f"carbon_intensity_{code}"], emissions / (other + supply), rtol=1e-12)
    assert (base[f"dc_fossil_{code}"] > 0).all()


def test_intensities_of_2024_are_those_of_the_source(base):
    """Ember, release of 2026: 383.8, 559.0, 444.9 g/kWh, with the data centres of the model in them."""
    for code, intensity in {"us": 0.3838, "cn": 0.5590, "rw": 0.4449}.items():
        at = base[f"carbon_intensity_{code}"]
        mean_of_year = np.interp(2024.5, at.index, at.to_numpy())
        assert mean_of_year == pytest.approx(intensity, rel=0.01), code


def test_intensities_of_the_past_are_those_of_the_source(base):
    """Not fitted: the world's to 4 % from 2010 on, those of the regions from 2019 on, as the page says."""
    known = pd.read_csv(shipped_folder() / "environment" / "carbon_intensity.csv", comment="#")

    def modelled(codes, year):
        emitted = sum(base.annual_mean(f"grid_emissions_{c}", year) for c in codes)
        supply = sum(
            base.annual_mean(f"other_demand_{c}", year) + base.annual_mean(f"dc_supply_{c}", year) for c in codes
        )
        return 1000 * emitted / supply

    for region, codes, since, tolerance in (
        ("World", tuple(REGIONS), 2010, 0.04),
        ("US", ("us",), 2019, 0.08),
        ("China", ("cn",), 2019, 0.03),
    ):
        rows = known[(known["region"] == region) & (known["year"] >= since)]
        assert len(rows) >= 6
        for year, value in zip(rows["year"], rows["value"], strict=True):
            assert modelled(codes, int(year)) == pytest.approx(value, rel=tolerance), (region, year)


def test_the_scenario_of_the_page_can_be_run(laboratory, tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "laboratory.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    file = tmp_path / "my.toml"
    file.write_text(text, encoding="utf-8")
    scenario = jv.read_scenario(file)
    assert scenario.flat(laboratory).changes["carbon_price"].value == pytest.approx(0.1)
    assert scenario.apply(laboratory).run(2005, 2030).status.ok


def test_tables_of_the_page_are_those_of_the_program():
    page = (Path(__file__).parents[1] / "docs" / "laboratory.md").read_text(encoding="utf-8")
    table = pd.read_csv(shipped_folder() / "fits" / "regions" / "totals.csv")
    totals = table.set_index(["place", "quantity", "year"])
    columns = [("world", q) for q in ("electricity", "emissions", "emissions_consequential", "water")]
    columns += [("us", q) for q in ("electricity", "emissions", "emissions_consequential")]
    for year in (2018, 2024, 2028, 2030):
        (row,) = re.findall(rf"\n\| {year} \|(.*)\|\n", page)
        found = [totals.loc[(*column, year)] for column in columns]
        expected = [f"{x['median']:,.0f} ({x['p05']:,.0f} to {x['p95']:,.0f})" for x in found]
        assert [cell.strip() for cell in row.split("|")] == expected


def test_consequential_emissions_are_what_the_grids_would_not_emit(laboratory, base):
    """Between two runs, they differ by what all grids differ."""
    other = changed(laboratory, "inference_efficiency", factor=10.0, at=2025.07)
    of_grids = sum(other[f"grid_emissions_{c}"] - base[f"grid_emissions_{c}"] for c in REGIONS)
    ours = other["dc_emissions_consequential"] - base["dc_emissions_consequential"]
    scale = np.abs(ours).max()
    assert scale > 1.0
    # differences of numbers a thousand times larger
    assert np.abs(ours - of_grids).max() < 1e-8 * scale + 1e-11 * base["grid_emissions_cn"].max()


def test_load_that_grows_faster_than_clean_supply_raises_the_intensity(laboratory, base):
    slow = changed(laboratory, "clean_supply_time", value=8.0)
    for code in REGIONS:
        assert slow.at(f"carbon_intensity_{code}", 2035.0) > base.at(f"carbon_intensity_{code}", 2035.0)
    assert np.allclose(slow["dc_electricity"], base["dc_electricity"], rtol=1e-6)


def test_clean_supply_lags_growing_load_as_a_first_order_delay_does():
    """Load that grows at g is matched to m / (1 + gτ) once the start is forgotten."""
    laboratory = jv.load("laboratory")
    run = laboratory.run(2005, 2035)
    tau = laboratory.values["clean_supply_time"]
    target = (run["clean_match_us"] * run["dc_supply_us"]).to_numpy()
    times = run.times
    clean = [run.at("clean_supply_us", 2005.0)]
    for k in range(len(times) - 1):
        # exact for a target that is linear in time between two dates
        h = times[k + 1] - times[k]
        slope = (target[k + 1] - target[k]) / h
        lagged = target[k] - slope * tau
        clean.append(lagged + slope * h + (clean[-1] - lagged) * math.exp(-h / tau))
    assert np.allclose(run["clean_supply_us"], clean, rtol=2e-3)


def test_without_clean_odds_ratio_data_centres_run_on_fossil_plants(laboratory):
    run = changed(laboratory, "clean_odds_ratio", value=0.0)
    p = laboratory.values
    expected = sum(p[f"fossil_emission_factor_{c}"] * run[f"dc_supply_{c}"] for c in REGIONS)
    assert np.allclose(run["dc_emissions_consequential"], expected, rtol=1e-9)


def test_siting_moves_emissions_and_no_electricity(laboratory, base):
    run = changed(laboratory, "renewable_siting_cn", value=1.0, at=2025.0)
    assert np.allclose(run["dc_electricity"], base["dc_electricity"], rtol=1e-6)
    p, t = laboratory.values, 2035.0
    unmatched = [1 - r.at("clean_match_cn", t) for r in (run, base)]
    assert unmatched[0] == pytest.approx(p["renewable_region_ratio"] * unmatched[1], rel=1e-9)
    assert run.at("dc_emissions_consequential", t) < base.at("dc_emissions_consequential", t)
    assert run.at("dc_emissions_consequential_us", t) == pytest.approx(
        base.at("dc_emissions_consequential_us", t), rel=1e-6
    )


# Sites and water


def test_a_gain_of_site_efficiency_arrives_with_new_sites(laboratory):
    """Overhead h with turnover n(t): ln(h - 1/a) falls by the integral of n; nothing happens at once."""
    run = changed(laboratory, "facility_efficiency", factor=4.0, at=2025.0)
    assert run.at("facility_overhead", 2025.0) == 1.0
    times, turnover = run.times, run["site_turnover"].to_numpy()
    after = times >= 2025.0
    rates, steps = turnover[after], np.diff(times[after])
    passed = np.concatenate([[0.0], np.cumsum(steps * (rates[1:] + rates[:-1]) / 2)])
    expected = 0.25 + 0.75 * np.exp(-passed)
    assert np.allclose(run["facility_overhead"][after], expected, atol=2e-4)
    retrofit = changed(laboratory, "retrofit_rate", value=1.0)
    assert np.allclose(retrofit["facility_overhead"], 1.0, atol=1e-12)


def test_dry_cooling_saves_water_and_takes_power(laboratory, base):
    run = changed(laboratory, "dry_cooling", value=1.0, at=2026.0)
    share, penalty = run.at("dry_cooled_share", 2035.0), laboratory.values["dry_cooling_overhead"]
    assert 0.5 < share < 1
    assert run.at("pue_ai", 2035.0) == pytest.approx(base.at("pue_ai", 2035.0) + penalty * share, rel=1e-9)
    assert run.at("direct_water", 2035.0) == pytest.approx(
        laboratory.values["water_usage_effectiveness"] * run.at("dc_electricity", 2035.0) * (1 - share), rel=1e-9
    )
    assert run.at("dc_water", 2035.0) < base.at("dc_water", 2035.0)
    assert run.at("dc_electricity", 2030.0) > base.at("dc_electricity", 2030.0)


def test_water_on_site_closes_as_the_source_does(laboratory):
    """LBNL: 66 billion litres for 176 TWh; the world, IEA: 140 for 361."""
    effectiveness = laboratory.values["water_usage_effectiveness"]
    assert effectiveness * 176 == pytest.approx(66, rel=0.05)
    assert effectiveness * 361 == pytest.approx(140, rel=0.05)


def test_a_standard_of_pue_moves_the_floor(laboratory):
    run = changed(laboratory, "standard_coverage", value=1.0)
    assert run.at("traditional_overhead_floor", 2035.0) == laboratory.values["standard_overhead"]
    assert run.at("pue_traditional", 2035.0) == pytest.approx(1.5, abs=2e-3)


# Levers on the market


def test_a_price_of_carbon_is_paid_at_the_intensity_of_the_grids(laboratory, base):
    run = changed(laboratory, "carbon_price", value=100.0, unit="USD/t", at=2027.0)
    p = laboratory.values
    expected = p["electricity_price"] + 0.1 * run["priced_carbon_intensity"] * (1 + p["delivery_losses"])
    after = run.times >= 2027.0
    assert np.allclose(run["electricity_tariff"][after], expected[after], rtol=1e-12)
    assert run.at("electricity_tariff", 2026.0) == p["electricity_price"]
    assert 0.1 < run.at("electricity_tariff", 2030.0) < 0.12
    # dearer power takes from the revenue of conventional computing, and so from what AI is financed with
    for name in ("dc_electricity", "ai_electricity", "conventional_demand", "conventional_revenue", "training_budget"):
        assert run.at(name, 2035.0) < base.at(name, 2035.0), name


def test_power_a_thousand_times_dearer_becomes_all_the_cost(laboratory):
    run = changed(laboratory, "electricity_price", factor=1000.0, at=2024.0)
    assert run.status.ok
    assert run.at("energy_cost_share", 2026.0) > 0.97


def test_suppliers_enter_until_the_margin_is_competed_down(laboratory):
    gain = Change(factor=10.0, at=2025.0)
    scenario = Scenario("x", {"entry_response": Change(value=0.5), "training_efficiency": gain})
    run = scenario.apply(laboratory).run(2005, 2035)
    p = laboratory.values
    assert run.at("rival_suppliers", 2025.0) == 1.0
    assert run.at("rival_suppliers", 2035.0) == pytest.approx(10**0.5, rel=1e-6)
    assert run.at("margin", 2035.0) == pytest.approx(p["supplier_margin"] / 10**0.5, rel=1e-6)
    half = math.exp(-1.0 / p["entry_time"])
    assert math.log(run.at("rival_suppliers", 2026.0)) == pytest.approx(0.5 * math.log(10) * (1 - half), rel=1e-5)


def test_a_cap_on_compute_holds(laboratory):
    run = changed(laboratory, "compute_cap", value=30.0, unit="MH100e", at=2026.0)
    assert run.status.ok
    installed = run["ai_capacity"]
    assert run.at("ai_capacity", 2035.0) == pytest.approx(30.0, rel=0.02)
    # what was on order when the cap came is still delivered
    assert installed.max() < run.at("ai_capacity", 2026.0) + run.at("ai_on_order", 2026.0)


def test_longer_answers_that_are_felt_undo_an_equal_gain(laboratory, base):
    """Ten times the efficiency and ten times the tokens, weighed by the price of a task: nothing changes."""
    scenario = Scenario(
        "x",
        {
            "inference_efficiency": Change(factor=10.0, at=2025.0),
            "tokens_per_task": Change(value=10.0, at=2025.0),
            "task_price_weight": Change(value=1.0),
        },
    )
    run = scenario.apply(laboratory).run(2005, 2035)
    assert np.allclose(run["dc_electricity"], base["dc_electricity"], rtol=1e-6)
    assert run.at("service_price", 2026.0) == pytest.approx(base.at("service_price", 2026.0) / 10, rel=1e-6)


def test_a_loss_of_confidence_halves_what_is_expected(laboratory):
    rate, lasting = 50.0, math.log(2) / 50.0
    change = Change(value=rate, at=2025.0, until=2025.0 + lasting)
    scenario = Scenario("x", {"order_expectation_loss": change, "power_expectation_loss": change})
    run = scenario.apply(laboratory).run(2005, 2035, every=lasting)
    before = jv.load("laboratory").run(2005, 2035, every=lasting)
    end = run.times[np.searchsorted(run.times, 2025.0 + lasting)]
    for name in ("expected_growth", "perceived_power_growth"):
        assert run.at(name, float(end)) == pytest.approx(before.at(name, float(end)) / 2, rel=0.03), name
    assert run.at("ai_capacity", 2027.0) < before.at("ai_capacity", 2027.0)


def test_a_crash_of_expectations_is_a_bullwhip(laboratory, base):
    """The farther from use, the larger the dip: orders before completions before what stands (Sterman 2000, ch. 17)."""
    run = load_scenario("crash_chips").apply(laboratory).run(2005, 2035)
    after = run.times > 2025.2
    names = ("ai_orders", "ai_completion", "ai_capacity", "service_demand")
    dips = [float((run[n] / base[n].reindex(run.times))[after].min()) for n in names]
    assert dips == sorted(dips)
    assert dips[0] < 0.5 and dips[-1] > 0.8
    # nothing was learned and nothing lost: in the end the path comes back
    assert abs(run.at("dc_electricity", 2035.0) / base.at("dc_electricity", 2035.0) - 1) < 0.03


def test_claimed_savings_are_added_to_nothing(laboratory, base):
    run = changed(laboratory, "enabled_savings_claim", value=0.05, at=2025.0)
    assert run.at("claimed_enabled_savings", 2035.0) > 500
    assert (base["claimed_enabled_savings"] == 0).all()
    for name in ("dc_emissions", "dc_emissions_consequential", "grid_emissions_us"):
        assert np.allclose(run[name], base[name], rtol=1e-6)


# The library


@pytest.mark.parametrize("name", [n for n in shipped_scenarios() if load_scenario(n).changes])
def test_every_scenario_says_what_it_claims_and_changes_something(laboratory, base, name):
    scenario = load_scenario(name)
    assert scenario.title and scenario.source and scenario.doc
    assert scenario.claim or name.startswith("no_")
    run = scenario.apply(laboratory).run(2005, 2035)
    assert run.status.ok
    names = ["dc_electricity", "dc_emissions_consequential", "dc_water", "claimed_enabled_savings"]
    reference = scenario.apply_background(laboratory).run(2005, 2035) if scenario.background else base
    assert any(abs(run.at(n, 2034.0) - reference.at(n, 2034.0)) > 1e-4 * abs(reference.at(n, 2034.0)) for n in names)


def test_dates_of_the_library_leave_the_past_alone(laboratory, base):
    for name in shipped_scenarios():
        scenario = load_scenario(name)
        if scenario.claim:
            assert all(c.at is not None or k in scenario.background for k, c in scenario.changes.items()), name
            assert min(c.at for c in scenario.changes.values()) > 2024


# The United States


def test_the_united_states_take_their_own_fit(laboratory):
    """Six annual values of LBNL, 2014 to 2024; its range for 2028 is a benchmark, never fitted."""
    model = jv.load("laboratory_us")
    stored = jv.shipped_fit("world", "us")
    stored.require(jv.load("world", fit=None))
    assert model.values["electricity_at_start"] == stored.values["electricity_at_start"]
    run = model.run(2005, 2035)
    assert np.allclose(run["dc_electricity_us"], run["dc_electricity"], rtol=1e-12)
    assert (run["dc_electricity_cn"] == 0).all() and np.abs(run["dc_electricity_rw"]).max() == 0
    assert run.annual_mean("dc_electricity", 2023) == pytest.approx(176, rel=0.2)
    assert set(model.elements) == set(laboratory.elements)


def test_bands_of_2028_beside_the_range_of_the_source():
    model, stored = jv.load("laboratory_us"), jv.shipped_fit("world", "us")
    simulation = jv.Simulation(model, np.array([2028.0, 2029.0]), ["cumulative_dc_electricity"])
    draws = stored.draws(60)
    values = np.array([np.diff(simulation.run(draw).values[:, 0])[0] for draw in draws])
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    assert 325 < middle < 580
    assert (low, high) == (pytest.approx(442, rel=0.08), pytest.approx(706, rel=0.08))


def test_the_claim_of_savings_says_what_it_comes_to(laboratory):
    run = load_scenario("enabled_savings").apply(laboratory).run(2005, 2031)
    doc = load_scenario("enabled_savings").doc
    claimed, own = (float(x.replace(",", "")) for x in re.findall(r"([\d,]+) Mt", doc))
    assert run.at("claimed_enabled_savings", 2030.0) == pytest.approx(claimed, rel=0.01)
    assert run.at("dc_emissions", 2030.0) == pytest.approx(own, rel=0.01)
