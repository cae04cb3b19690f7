"""Projections and rebounds over draws, break years, counterfactuals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jevons.models.market import m0

import jevons as jv
from jevons import CalibrationError, Change, JevonsError, ReboundMeter, Scenario, ScenarioError
from jevons.inference.config import ProjectedVariable
from jevons.inference.hindcast import break_year, counterfactuals
from jevons.inference.projection import Projection, measured_rebounds, project, project_rebound
from jevons.inference.stored import StoredFit
from jevons.inference.threads import parallel

ENERGY = ProjectedVariable("energy", "MWh/yr", "cumulative_energy", "total")
CAPACITY = ProjectedVariable("capacity", "H100e", "capacity", "start")
SINCE = ProjectedVariable("since", "MWh", "cumulative_energy", "since", since=4.0)
BASE = Scenario("base")
TENFOLD = Scenario("tenfold", {"algorithmic_efficiency": Change(factor=10.0, at=3.5)})


def drawn(sample, names=("elasticity", "energy_intensity"), values=(0.5, 8.0), fixed=None):
    """A stored fit of the market model with the draws given."""
    table = pd.DataFrame({"name": names, "value": values})
    nothing = pd.DataFrame()
    sample = np.asarray(sample, dtype=float).reshape(-1, len(names))
    table["status"] = "fitted"
    centre, covariance = np.zeros(len(names)), np.eye(len(names))
    model = m0().with_values(fixed) if fixed else m0()
    meta = {"model": "m0", "model_hash": model.hash}
    return StoredFit(tuple(names), centre, covariance, sample, fixed or {}, table, nothing, nothing, nothing, meta)


SAMPLE = [(0.5, 8.0), (0.8, 6.0), (1.2, 9.0)]


def projected(scenarios=(BASE,), variables=(ENERGY, CAPACITY), sample=SAMPLE, model=None, **options):
    options = {"start": 2, "end": 6, "progress": False, **options}
    return project(model or m0(), drawn(sample), list(scenarios), list(variables), **options)


# Quantiles and tables


def test_quantiles():
    paths = {("a", "x"): np.outer(np.arange(101.0), [1.0, 2.0])[np.random.default_rng(1).permutation(101)]}
    p = Projection(np.array([2020, 2021]), paths, {}, {"x": "GW"}, failed=3)
    assert p.draws == 101
    assert p.quantiles("a", "x") == pytest.approx(np.array([[50, 100], [5, 10], [25, 50], [75, 150], [95, 190]]))
    frame = p.to_frame()
    assert list(frame.columns) == ["scenario", "year", "variable", "unit", "median", "p05", "p25", "p75", "p95"]
    assert frame.iloc[1].tolist() == ["a", 2021, "x", "GW", 100.0, 10.0, 50.0, 150.0, 190.0]
    assert sorted(p.in_year("a", "x", 2021)) == pytest.approx(np.arange(101.0) * 2)
    with pytest.raises(JevonsError, match="year 2022 is not projected, expected one of 2020 to 2021"):
        p.in_year("a", "x", 2022)


def test_variables_are_read_as_they_say():
    p = projected(variables=(ENERGY, CAPACITY, SINCE))
    assert p.years.tolist() == [2, 3, 4, 5, 6]
    assert p.failed == 0
    for k, (eta, intensity) in enumerate(SAMPLE):
        run = m0().run(0, 7, params={"elasticity": eta, "energy_intensity": intensity})
        energy = [run.at("cumulative_energy", y) for y in range(2, 8)]
        assert p.paths["base", "energy"][k] == pytest.approx(np.diff(energy), rel=1e-6)
        assert p.paths["base", "capacity"][k] == pytest.approx([run.at("capacity", y) for y in range(2, 7)], rel=1e-6)
        since = [max(0.0, e - energy[2]) for e in energy[:-1]]
        assert p.paths["base", "since"][k] == pytest.approx(since, rel=1e-6, abs=1e-6)
    assert p.fitted["base", "energy"] == pytest.approx(p.paths["base", "energy"][0])
    assert p.units == {"energy": "MWh/yr", "capacity": "H100e", "since": "MWh"}


def test_scenarios_of_efficiencies():
    p = projected([BASE, TENFOLD])
    base, shocked = (p.paths[s, "energy"] for s in ("base", "tenfold"))
    assert np.array_equal(base[:, 0], shocked[:, 0]) or shocked[:, 0] == pytest.approx(base[:, 0], rel=1e-9)
    assert (np.abs(shocked[:, 2:] / base[:, 2:] - 1) > 0.01).all()
    for k, (eta, intensity) in enumerate(SAMPLE):
        run = TENFOLD.apply(m0()).run(0, 7, params={"elasticity": eta, "energy_intensity": intensity})
        assert shocked[k, 4] == pytest.approx(run.at("cumulative_energy", 7) - run.at("cumulative_energy", 6), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(factor=2.0), [16.0, 12.0, 18.0]),
        (Change(value=3.0), [3.0, 3.0, 3.0]),
        (Change(factor=2.0, at=1.0), [16.0, 12.0, 18.0]),
        (Change(value=3.0, at=1.0), [3.0, 3.0, 3.0]),
    ],
    ids=["factor", "value", "dated factor", "dated value"],
)
def test_a_scenario_holds_for_draws_of_what_it_changes(change, expected):
    """The draw's own value is the reference; it does not undo the scenario."""
    p = projected([BASE, Scenario("changed", {"energy_intensity": change})], sample=SAMPLE)
    drawn_intensity = np.array([8.0, 6.0, 9.0])
    ratio = p.paths["changed", "energy"][:, -1] / p.paths["base", "energy"][:, -1]
    assert ratio == pytest.approx(np.array(expected) / drawn_intensity, rel=1e-9)
    fitted = p.fitted["changed", "energy"][-1] / p.fitted["base", "energy"][-1]
    assert fitted == pytest.approx(expected[0] / 8.0, rel=1e-9)


def test_values_that_the_variant_fixes_hold():
    stored = drawn(SAMPLE, fixed={"reference_demand": 5e6})
    fixed = project(m0(), stored, [BASE], [CAPACITY], start=2, end=3, progress=False)
    free = projected(start=2, end=3)
    assert fixed.paths["base", "capacity"] == pytest.approx(5 * free.paths["base", "capacity"])


def test_a_fit_of_another_model_is_refused(stored):
    with pytest.raises(CalibrationError, match="the fit is of 'world'"):
        project(m0(), stored, [BASE], [ENERGY], progress=False)
    shocks = [(jv.shock(m0(), "algorithm", 10.0, 1.0), 10.0)]
    with pytest.raises(CalibrationError, match="the fit is of 'world'"):
        project_rebound(m0(), stored, shocks, 1.0, progress=False)


def test_fewer_draws_are_spread_over_all():
    assert projected(draws=2).paths["base", "energy"].tolist() == projected().paths["base", "energy"][[0, 2]].tolist()
    with pytest.raises(CalibrationError, match="asked for 4, stored are 3"):
        projected(draws=4)


def test_threads_change_nothing():
    one, many = (projected(threads=n, sample=SAMPLE * 4).paths["base", "energy"] for n in (1, 4))
    assert np.array_equal(one, many)
    assert parallel(lambda x: x * x, list(range(50)), 3, "squares", False) == [x * x for x in range(50)]


# Failures


BAD = [(0.5, 8.0), (math.nan, 8.0), (0.8, 6.0), (0.5, math.inf)]


def test_failed_draws_are_counted_and_left_out():
    p = projected([BASE, TENFOLD], sample=BAD)
    assert (p.draws, p.failed) == (2, 2)
    assert p.ran.tolist() == [True, False, True, False]
    assert p.over_all(np.array([7.0, 8.0])) == pytest.approx([7.0, math.nan, 8.0, math.nan], nan_ok=True)
    good = projected([BASE, TENFOLD], sample=[BAD[0], BAD[2]])
    for key, paths in p.paths.items():
        assert np.array_equal(paths, good.paths[key])
        assert np.isfinite(paths).all()


def test_a_draw_that_fails_in_one_scenario_counts_for_none():
    harmful = Scenario("harmful", {"reference_demand": Change(factor=1e300)})
    p = projected([BASE, harmful], sample=[(0.5, 8.0), (0.5, 1e10), (0.5, 1.0)])
    assert (p.draws, p.failed) == (2, 1)
    assert p.paths["base", "energy"].shape == p.paths["harmful", "energy"].shape == (2, 5)


def test_when_nothing_runs():
    with pytest.raises(JevonsError, match="none of the 2 draws ran"):
        projected(sample=[(math.nan, 1.0)] * 2)
    broken = drawn(SAMPLE, values=(0.5, 1e305))
    with pytest.raises(JevonsError, match="does not run at the fitted values"):
        project(m0(), broken, [BASE], [ENERGY], start=2, end=6, progress=False)


def test_mistakes():
    with pytest.raises(JevonsError, match="scenario 'base' is given more than once"):
        projected([BASE, BASE])
    with pytest.raises(ScenarioError, match="did you mean 'elasticity'"):
        projected([Scenario("x", {"elastcity": Change(factor=2.0)})])


# Rebound over draws


def test_rebound_of_draws():
    model, long = m0(), 120.0
    sample = [(0.5, 8.0), (0.5, 7.0), (1.5, 8.0), (1.5, 5.0), (1.5, 6.0)]
    scenario = jv.shock(model, "algorithm", 10.0, 1.0)
    e = project_rebound(
        model, drawn(sample), [(scenario, 10.0)], 1.0, horizons=(1.0, long), resolution=30.0, progress=False
    )
    assert e.horizons.tolist() == [1.0, 30.0, 60.0, 90.0, 120.0]
    low, high = 0.24025307, 3.40253073
    assert e.paths["algorithm"].shape == (5, 5)
    assert e.paths["algorithm"][:, -1] == pytest.approx([low, low, high, high, high], abs=1e-5)
    assert e.backfire("algorithm", long) == pytest.approx(0.6)
    assert e.failed == {"algorithm": 0}
    row = e.table.set_index("horizon_years").loc[long]
    assert (row["shock"], row["factor"], row["at"]) == ("algorithm", 10.0, 1.0)
    assert row["rebound"] == pytest.approx(high, abs=1e-5)
    assert row["p05"] == pytest.approx(low, abs=1e-5)
    assert row["undefined_share"] == 0
    assert row["probability_backfire"] == pytest.approx(0.6)
    assert (row["p25"], row["p75"]) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))
    assert row["draws"] == 5
    assert row["counterfactual"].startswith("engineering run: compute as in the base run")
    assert e.table["horizon_years"].tolist() == [1.0, long]
    growth = e.induced.set_index("horizon_years").loc[long]
    assert growth["energy_change_percent"] == pytest.approx(100 * (10**0.5 - 1), rel=1e-4)
    assert growth["p05"] == pytest.approx(100 * (10**-0.5 - 1), rel=1e-4)


def test_a_meter_that_is_there_is_used_and_draws_may_differ_by_shock():
    model = m0()
    later = Scenario("later", {"algorithmic_efficiency": Change(factor=5.0, at=2.0)})
    shocks = [(jv.shock(model, "algorithm", 10.0, 1.0), 10.0), (later, 5.0)]
    own = project_rebound(model, drawn(SAMPLE), shocks, 1.0, horizons=(1.0, 3.0), resolution=1.0, progress=False)
    meter = ReboundMeter(model, [s for s, _ in shocks], 1.0, [1.0, 2.0, 3.0])
    given = project_rebound(
        model, drawn(SAMPLE), shocks, 1.0, horizons=(1.0, 3.0), draws={"algorithm": 2}, meter=meter, progress=False
    )
    assert given.horizons.tolist() == own.horizons.tolist() == [1.0, 2.0, 3.0]
    assert np.array_equal(given.paths["algorithm"], own.paths["algorithm"][[0, 2]], equal_nan=True)
    assert np.array_equal(given.paths["later"], own.paths["later"], equal_nan=True)
    assert given.table.set_index("shock")["draws"].to_dict() == {"algorithm": 2, "later": 3}
    one = measured_rebounds(meter, "algorithm", drawn(SAMPLE).draws(), 3.0)
    assert one == pytest.approx(own.over_all("algorithm", [3.0])[:, 0])


def test_a_rebound_that_is_undefined_for_most_has_no_figure():
    model = m0()
    scenario = jv.shock(model, "algorithm", 1.005, 1.0)
    e = project_rebound(model, drawn(SAMPLE), [(scenario, 1.005)], 1.0, horizons=(2.0,), progress=False)
    row = e.table.iloc[0]
    assert row["undefined_share"] == 1
    figures = ["rebound", "p05", "p25", "p75", "p95", "cumulative", "probability_backfire"]
    assert np.isnan(row[figures].astype(float)).all()
    assert math.isnan(e.backfire("algorithm", 2.0))
    assert np.isfinite(e.induced.iloc[0]["energy_change_percent"])


def test_failed_draws_of_a_rebound():
    model = m0()
    shocks = [(jv.shock(model, "algorithm", 10.0, 1.0), 10.0)]
    e = project_rebound(model, drawn(BAD), shocks, 1.0, horizons=(5.0,), progress=False)
    assert e.failed == {"algorithm": 2}
    assert e.paths["algorithm"].shape[0] == 2
    assert np.isnan(e.over_all("algorithm", [5.0])[:, 0]).tolist() == [False, True, False, True]
    with pytest.raises(JevonsError, match="rebound of 'algorithm': none of the 2 draws ran"):
        project_rebound(model, drawn([BAD[1], BAD[3]]), shocks, 1.0, horizons=(5.0,), progress=False)


# The world


@pytest.fixture(scope="module")
def world_projection(world, stored):
    plan = jv.read_config("world").projection
    names = ("baseline", "deepseek", "no_consolidation")
    scenarios = [jv.load_scenario(n) for n in names]
    return project(world, stored, scenarios, plan.variables, draws=6, progress=False)


def test_world_projection_is_complete(world_projection):
    p = world_projection
    assert p.years.tolist() == list(range(2010, 2036))
    assert (p.draws, p.failed) == (6, 0)
    frame = p.to_frame()
    counts = frame.groupby(["scenario", "variable"])["year"].agg(list)
    assert len(counts) == 3 * len(jv.read_config("world").projection.variables)
    assert all(years == list(range(2010, 2036)) for years in counts)
    assert np.isfinite(frame[["median", "p05", "p95"]].to_numpy()).all()
    assert (frame["p05"] <= frame["median"]).all()
    assert (frame["median"] <= frame["p95"]).all()
    assert set(frame["scenario"]) == {"baseline", "deepseek", "no_consolidation"}


def test_the_fitted_path_is_that_of_the_fitted_world(world_projection, fitted):
    run = fitted.run(2005, 2036)
    total = np.diff([run.at("cumulative_dc_electricity", y) for y in range(2010, 2037)])
    assert world_projection.fitted["baseline", "dc_electricity"] == pytest.approx(total, rel=1e-6)
    users = [run.at("users", y) for y in range(2010, 2036)]
    assert world_projection.fitted["baseline", "users"] == pytest.approx(users, rel=1e-5)
    shipped = [max(0.0, run.at("cumulative_shipments", y) - run.at("cumulative_shipments", 2022)) for y in (2020, 2026)]
    assert world_projection.fitted["baseline", "ai_shipments"][[10, 16]] == pytest.approx(shipped, rel=1e-6)


def test_draws_bracket_the_record(world_projection):
    low, high = world_projection.quantiles("baseline", "dc_electricity")[[1, 4]]
    assert low[15] < 485 * 1.1
    assert high[15] > 485 * 0.9
    spread = np.log(high / low)
    assert spread[20] > spread[15]
    assert spread[25] > 0.1


def test_scenarios_hold_over_world_draws(world_projection):
    p = world_projection
    base, shocked, old = (p.paths[s, "dc_electricity"] for s in ("baseline", "deepseek", "no_consolidation"))
    assert shocked[:, :15] == pytest.approx(base[:, :15], rel=1e-9)
    assert (np.abs(shocked[:, 20] / base[:, 20] - 1) > 1e-4).all()
    assert (old[:, 8] > 1.5 * base[:, 8]).all()


# Break years


YEARS = np.arange(2010.0, 2026.0)


@given(
    place=st.integers(0, 13 * 4),
    before=st.floats(-0.2, 0.2),
    change=st.floats(0.01, 0.5),
    sign=st.sampled_from([-1, 1]),
)
def test_break_of_an_exact_series(place, before, change, sign):
    date = 2011 + place / 4
    after = before + sign * change
    logs = before * (YEARS - date) + (after - before) * np.maximum(0, YEARS - date)
    found = break_year(YEARS, 200 * np.exp(logs))
    assert found.year == pytest.approx(date, abs=1e-9)
    assert found.before == pytest.approx(before, abs=1e-8)
    assert found.after == pytest.approx(after, abs=1e-8)


def test_break_of_a_noisy_series():
    rng = np.random.default_rng(4)
    logs = 0.01 * (YEARS - 2018) + 0.1 * np.maximum(0, YEARS - 2018)
    found = break_year(YEARS, np.exp(logs + 0.005 * rng.standard_normal(YEARS.size)))
    assert found.year == pytest.approx(2018, abs=1)
    assert found.before < 0.03 < 0.09 < found.after


def test_break_needs_six_years():
    with pytest.raises(ValueError, match="found 5 years, expected at least 6"):
        break_year(YEARS[:5], np.ones(5))


def test_the_worlds_break_is_in_the_second_half_of_the_decade(world_projection):
    p = world_projection
    past = p.years <= 2025
    for path in p.paths["baseline", "dc_electricity"]:
        found = break_year(p.years[past].astype(float), path[past])
        assert 2014 <= found.year <= 2023
        assert found.after > found.before + 0.03


# Counterfactuals


def test_counterfactuals():
    model = m0()
    half = Scenario("half", {"energy_intensity": Change(factor=0.5)}).apply(model)
    table = counterfactuals(model, {"half": half, "tenfold": TENFOLD.apply(model)}, [1, 2, 5])
    assert list(table.columns) == ["scenario", "1", "2", "5"]
    rows = table.set_index("scenario")
    assert list(rows.index) == ["base", "half", "tenfold"]
    assert rows.loc["base"].tolist() == pytest.approx([8000.0] * 3, rel=1e-9)
    assert rows.loc["half"].tolist() == pytest.approx([4000.0] * 3, rel=1e-9)
    run = TENFOLD.apply(model).run(0, 6)
    assert rows.loc["tenfold", "2"] == pytest.approx(8000.0, rel=1e-9)
    last = run.at("cumulative_energy", 6) - run.at("cumulative_energy", 5)
    assert rows.loc["tenfold", "5"] == pytest.approx(last, rel=1e-6)


def test_counterfactual_history_of_the_world(fitted):
    names = ("no_ai", "no_consolidation", "no_pue_gain")
    table = counterfactuals(fitted, {n: jv.load_scenario(n).apply(fitted) for n in names}, [2010, 2018, 2025])
    rows = table.set_index("scenario")
    assert rows.loc["no_ai", "2018"] < rows.loc["base", "2018"]
    assert rows.loc["no_ai", "2025"] < 0.95 * rows.loc["base", "2025"]
    assert rows.loc["no_consolidation", "2018"] > 1.5 * rows.loc["base", "2018"]
    assert rows.loc["no_pue_gain", "2018"] > rows.loc["base", "2018"]
