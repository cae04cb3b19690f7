"""The backfire frontier: against closed forms, against single measurements, and every mistake it reports."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jevons.models.market import m0

import jevons as jv
from jevons import CalibrationError, JevonsError, ModelError, ScenarioError
from jevons.cli_frontier import frontier as command
from jevons.frontier.plane import FAILED, OK, UNDEFINED, Axis, Plane, crossing_time, frontier
from jevons.frontier.refits import Refits
from jevons.frontier.run import Limit, Plan, read_plan, threshold_table
from jevons.frontier.static import arc_elasticities
from jevons.functions import Names
from jevons.inference.config import shipped_table
from jevons.plot_frontier import levels_of, maps, positions, region, thresholds, times

LONG = 200.0
GAIN = 10.0
X = Axis("elasticity", (0.4, 0.7, 1.2, 1.6))
Y = Axis("inverse_supply_elasticity", (0.0, 1.0, 20.0, 50.0))
v = Names()


def gain(factor=GAIN, at=0.0):
    return jv.shock(m0(), "algorithm", factor, at)


def closed_form(eta, inverse):
    """R of the market in the long run."""
    power = eta - 1 if inverse == 0 else (eta - 1) / inverse / (1 / inverse + eta)
    return 1 - (1 - GAIN**power) / (1 - 1 / GAIN)


@pytest.fixture(scope="module")
def plane():
    return Plane(m0(), gain(), X, Y, (0.25, 10.0, LONG))


@pytest.fixture(scope="module")
def found(plane):
    return plane.map()


def with_total():
    """The market with its elasticity as an output."""
    total = jv.Auxiliary("total", "1", equation=v.elasticity, doc="Elasticity of demand.")
    return m0().with_elements([total])


# --- the static law


def test_every_cell_is_the_closed_form_in_the_long_run(found):
    wanted = [[closed_form(eta, inverse) for eta in X.values] for inverse in Y.values]
    assert found.rebound[-1] == pytest.approx(np.array(wanted), abs=1e-6)
    assert not found.failed.any()


def test_the_frontier_is_the_vertical_line_at_one_whatever_supply_is(plane):
    table = plane.thresholds(LONG)
    assert table["elasticity"].to_numpy() == pytest.approx(np.ones(4), abs=1e-6)
    assert table["total_elasticity"].to_numpy() == pytest.approx(np.ones(4), abs=1e-6)
    assert table["rebound"].to_numpy() == pytest.approx(np.ones(4), abs=1e-6)


def test_a_limit_compresses_rebound_towards_one_from_both_sides(found):
    beyond = found.rebound[-1] - 1
    assert (beyond[:, :2] < 0).all() and (beyond[:, 2:] > 0).all()
    assert (np.diff(np.abs(beyond), axis=0) < 0).all()
    etas, psi = np.array(X.values), 1 / Y.values[-1]
    slope = (etas - 1) / etas * math.log(GAIN) / (1 - 1 / GAIN)  # of R - 1 by ψ at ψ = 0
    assert beyond[-1] / psi == pytest.approx(slope, rel=0.08)
    closer = np.array([closed_form(eta, 1e5) - 1 for eta in X.values]) * 1e5
    assert closer == pytest.approx(slope, rel=1e-3)


def test_early_the_frontier_is_elsewhere(found, plane):
    """Rebound takes time: after a quarter of a year nothing has backfired where supply is unlimited."""
    assert (found.rebound[0][0] < 1).all()
    assert np.isnan(found.crossing(0.25)[0])
    assert np.isnan(plane.thresholds(0.25)["elasticity"].to_numpy()[0])


def test_arc_elasticity_of_a_constant_elasticity_is_that_elasticity():
    samples = [{"elasticity": eta} for eta in (0.3, 1.0, 1.7)]
    arcs = arc_elasticities(m0(), ["service_demand"], "price", 10.0, 3.0, samples)
    assert arcs == pytest.approx([0.3, 1.0, 1.7], rel=1e-9)


def test_a_demand_that_satiates_moves_the_static_line_by_its_arc():
    """D = exp(η/σ (1 − x^σ)): over a fall by a the elasticity is η (1 − a^(−σ))/(σ ln a), and R = 1 where it is 1."""
    sigma = 0.2
    satiating = jv.Auxiliary(
        "service_demand", "service/yr",
        equation=v.reference_demand * jv.functions.sp.exp(
            v.elasticity / v.satiation * (1 - (v.price / v.reference_price) ** v.satiation)
        ),
        doc="Demand that satiates.",
    )  # fmt: skip
    number = jv.Parameter("satiation", "1", value=sigma, status="assumed", prior=jv.Range(sigma, sigma), source="test",
                          doc="Satiation.")  # fmt: skip
    model = m0().with_elements([satiating, number])
    mean = (1 - GAIN**-sigma) / (sigma * math.log(GAIN))
    arc = arc_elasticities(model, ["service_demand"], "price", GAIN, 1.0, [{"elasticity": 1.0}])
    assert arc == pytest.approx(mean, rel=1e-9)
    meter = jv.ReboundMeter(model, [gain()], 0.0, [LONG])
    for inverse in (0.0, 4.0):
        found = meter.measure("algorithm", {"elasticity": 1 / mean, "inverse_supply_elasticity": inverse})
        assert found is not None and found.at(LONG)[0] == pytest.approx(1, abs=1e-6)


def test_the_world_declares_the_elasticity_that_its_demand_has(fitted):
    point = arc_elasticities(fitted, ["potential_users", "desired_usage"], "service_price", 1 + 1e-6, 2025.07)
    said = jv.Simulation(fitted, [2025.07], ["demand_elasticity"]).run().values[0, 0]
    assert point == pytest.approx([said], rel=1e-6)


# --- tables


def test_interpolated_crossings_lie_between_the_cells_around_them(found):
    for horizon in found.horizons:
        for at, row in zip(found.crossing(horizon), found.rebound[found.horizons.index(horizon)], strict=True):
            if not math.isnan(at):
                k = np.searchsorted(found.elasticity[0], at)
                assert row[k - 1] < 1 <= row[k]
    assert found.crossing(LONG) == pytest.approx(np.ones(4), abs=0.12)


def test_the_table_has_a_row_a_cell_and_horizon(found):
    table = found.to_frame()
    assert len(table) == 3 * 4 * 4
    assert set(table["status"]) == {OK}
    one = table[(table["elasticity"] == 1.6) & (table["inverse_supply_elasticity"] == 1.0)].set_index("horizon_years")
    single = jv.measure_rebound(m0(), gain(), params={"elasticity": 1.6, "inverse_supply_elasticity": 1.0})
    assert (one["rebound"][10.0], one["cumulative_rebound"][10.0]) == pytest.approx(single.at(10.0), rel=1e-9)
    assert (one["total_elasticity"] == 1.6).all()
    assert one["crossing_years"].nunique() == 1


def test_runs_that_fail_and_gains_that_save_nothing_are_told_apart():
    y = Axis("inverse_supply_elasticity", (0.0, 1.0))
    broken = frontier(m0(), gain(), X, y, (1.0,), refits={"reference_rent": -1.0})
    assert set(broken.to_frame()["status"]) == {FAILED}
    nothing = frontier(m0(), gain(1.0), X, y, (1.0,)).to_frame()
    assert set(nothing["status"]) == {UNDEFINED}
    assert nothing["crossing_years"].isna().all()


def test_a_limit_may_hold_from_a_date_on(found):
    y = dataclasses.replace(Y, since=3.0)
    late = frontier(with_total(), gain(), X, y, (1.0, 10.0), elasticity="total")
    unlimited = np.tile(late.rebound[0][0], (4, 1))
    assert late.rebound[0] == pytest.approx(unlimited, rel=1e-9)
    assert late.rebound[1][0] == pytest.approx(found.rebound[1][0], rel=1e-9)
    assert np.abs(late.rebound[1][1:] - found.rebound[1][:1]).min() > 1e-3
    held = frontier(with_total(), gain(), X, y, (1.0, 10.0), refits={"inverse_supply_elasticity": 1.0})
    assert held.rebound[0] == pytest.approx(np.tile(held.rebound[0][0], (4, 1)), rel=1e-9)
    assert held.rebound[1][1] == pytest.approx(found.rebound[1][1], rel=1e-9)
    assert held.elasticity == pytest.approx(late.elasticity)


@given(st.floats(0.3, 9.0), st.floats(0.05, 0.9), st.floats(0.05, 2.0))
def test_a_straight_path_crosses_where_it_is_one(at, start, step):
    years = np.arange(0.0, 20.0, 0.25)
    up, down = crossing_time(years, start + (1 - start) / at * years)
    assert up == pytest.approx(at)
    assert math.isinf(down)
    tent = 1 + np.where(years < at + step, years - at, at + 2 * step - years)
    up, down = crossing_time(years, tent)
    if tent.max() >= 1 + 0.25:  # the tip is on the grid or between, and the crossing up is seen
        assert up == pytest.approx(at, abs=0.25)
        assert down == pytest.approx(at + 2 * step, abs=0.25)


def test_paths_without_a_crossing():
    years = np.arange(1.0, 5.0)
    assert crossing_time(years, np.full(4, 0.5)) == (math.inf, pytest.approx(math.nan, nan_ok=True))
    assert all(math.isnan(t) for t in crossing_time(years, np.full(4, math.nan)))
    assert crossing_time(years, np.array([math.nan, 1.2, 1.1, 0.9])) == (2.0, pytest.approx(3.5))
    assert crossing_time(years, np.array([0.8, math.nan, 1.2, 1.3])) == (pytest.approx(2.0), math.inf)


# --- refits


def test_refits_are_exact_where_they_were_made_and_smooth_between():
    x = np.array([0.5, 1.0, 1.4, 2.0])
    table = pd.DataFrame({"eta": x, "rate": 3 * np.exp(-2 * x), "bias": 0.3 - 0.2 * x})
    refits = Refits("eta", table.iloc[::-1])
    middle = np.array([0.5, 0.61, 1.0, 1.77, 2.0])
    found = pd.DataFrame(refits.at(middle))
    assert found["rate"].to_numpy() == pytest.approx(3 * np.exp(-2 * middle), rel=1e-12)
    assert found["bias"].to_numpy() == pytest.approx(0.3 - 0.2 * middle, abs=1e-12)
    assert found["eta"].to_numpy() == pytest.approx(middle)


def test_mistakes_in_refits():
    good = pd.DataFrame({"eta": [0.5, 1.0], "rate": [1.0, 2.0]})
    with pytest.raises(JevonsError, match="no column 'etta'; did you mean 'eta'"):
        Refits("etta", good)
    with pytest.raises(JevonsError, match="expected two or more of different values"):
        Refits("eta", pd.DataFrame({"eta": [1.0, 1.0]}))
    with pytest.raises(JevonsError, match="not finite: rate"):
        Refits("eta", good.assign(rate=[1.0, math.nan]))
    with pytest.raises(JevonsError, match=r"2 to 2, refitted were 0\.5 to 1"):
        Refits("eta", good).at([2.0])


# --- mistakes


def test_every_mistake_of_a_plane_at_once():
    with pytest.raises(ScenarioError) as caught:
        Plane(m0(), gain(), Axis("elastcity", (1.0,)), Axis("elastcity", (2.0, 1.0)), (0.1,), elasticity="capacit")
    text = str(caught.value)
    assert "x 'elastcity' is no parameter; did you mean 'elasticity'" in text
    assert "values [2.0, 1.0], expected finite ones that rise" in text
    assert "x and y are both 'elastcity'" in text
    assert "horizons [0.1], expected multiples of 0.25 years above 0" in text
    assert "elasticity 'capacit' is not in the model; did you mean 'capacity'" in text


def test_other_mistakes(found, plane):
    with pytest.raises(JevonsError, match=r"horizon 3 was not measured, expected one of 0\.25, 10, 200"):
        found.crossing(3.0)
    with pytest.raises(JevonsError, match="horizon 3 was not measured"):
        plane.thresholds(3.0)
    with pytest.raises(JevonsError, match="refits of 'other', expected those of 'elasticity'"):
        plane.map(Refits("other", pd.DataFrame({"other": [1.0, 2.0]})))
    with pytest.raises(JevonsError, match="'capacity' does not respond to 'price' directly; fall 1, expected"):
        arc_elasticities(m0(), ["capacity"], "price", 1.0, 1.0)
    with pytest.raises(ModelError, match="did you mean 'price'"):
        arc_elasticities(m0(), ["service_demand"], "prices", 2.0, 1.0)


def test_mistakes_in_the_file_of_a_plan(tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text('modell = "world"\n[elasticity]\nparameter = "x"\n[limits.power]\nlow = 1\nunlimitd = 2\n')
    with pytest.raises(CalibrationError) as caught:
        read_plan(file)
    for part in ("found no model", "modell is unknown; did you mean 'model'", "found no elasticity.label",
                 "limits.power.unlimitd is unknown; did you mean 'unlimited'",
                 "found no satiation.values"):  # fmt: skip
        assert part in str(caught.value)


# --- the shipped tables of the world


@pytest.fixture(scope="module")
def plan():
    return read_plan()


def test_shipped_refits_pass_through_the_shipped_fit(plan, stored):
    found = plan.read_refits().at([stored.values[plan.elasticity]])[0]
    assert found == pytest.approx({n: stored.values[n] for n in found}, rel=2e-3, abs=2e-4)
    table = shipped_table("frontier", "refits.csv")
    assert table["converged"].all()
    plausible = table[table["usage_price_elasticity"] <= 2.5]
    spread = plausible.groupby("variant")["chi2_data"].agg(lambda c: c.max() - c.min())
    assert (spread < 2.706).all()  # history does not tell these elasticities apart at 90 %
    assert set(table["variant"]) == set(plan.satiations)


def test_a_shipped_cell_is_what_a_single_measurement_finds(plan):
    table = shipped_table("frontier", "map-deepseek-power.csv")
    cell = table[(table["horizon_years"] == 5) & (table["usage_price_elasticity"] > 1)].iloc[30]
    params = plan.read_refits().at([cell["usage_price_elasticity"]])[0]
    limit = jv.Scenario("cap", {"largest_power_growth": jv.Change(value=cell["largest_power_growth"], at=2025.07)})
    model = limit.apply(plan.model.with_values(params))
    single = jv.measure_rebound(model, "deepseek", until=5.0)
    assert single.at(5.0) == pytest.approx((cell["rebound"], cell["cumulative_rebound"]), abs=2e-3)
    elasticity = jv.Simulation(plan.model, [2025.07], ["demand_elasticity"]).run(params).values[0, 0]
    assert elasticity == pytest.approx(cell["total_elasticity"], rel=1e-3)


def test_shipped_thresholds_lie_on_the_shipped_maps():
    thresholds = shipped_table("frontier", "thresholds.csv")
    found = thresholds["rebound"].dropna()
    assert len(found) > 100
    assert found.to_numpy() == pytest.approx(np.ones(len(found)), abs=1e-5)
    shipped = thresholds[thresholds["satiation"] == "shipped"]
    for (scenario, limit), part in shipped.groupby(["scenario", "limit"]):
        table = shipped_table("frontier", f"map-{scenario}-{limit}.csv")
        for row in part.dropna().itertuples():
            near = table[(table["horizon_years"] == row.horizon_years)
                         & np.isclose(table.iloc[:, 2], row.largest_growth, rtol=1e-4)]  # fmt: skip
            below, above = near["total_elasticity"] < row.total_elasticity, near["rebound"] >= 1
            assert not (below & above).any()


def test_interpolated_refits_do_as_well_as_refits():
    table = shipped_table("frontier", "checks.csv").pivot(
        index=["usage_price_elasticity", "horizon_years"], columns="kind", values="rebound"
    )
    assert len(table) >= 15
    assert np.abs(table["refitted"] - table["interpolated"]).max() < 2e-3


# --- figures and the command


def test_heights_and_levels():
    axis = Axis("limit", (0.1, 1.0, 10.0, 1e6), unlimited=1e6)
    place = positions(axis)
    assert np.diff(place)[:2] == pytest.approx([math.log(10)] * 2)
    assert 0 < place[3] - place[2] < math.log(1e5)
    assert positions(Axis("limit", (0.0, 1.0, 2.0))) == pytest.approx([0, 1, 2])
    assert levels_of(np.array([0.86, 0.97]))[0] == 0.85
    assert 1.05 in levels_of(np.array([0.86, 0.97, math.nan]))
    assert 0.95 in levels_of(np.array([1.3, 1.4]))
    assert 1.0 in levels_of(np.array([math.nan]))


def test_regions_hold_the_share_that_they_name():
    random = np.random.default_rng(1)
    x, y = np.exp(0.3 * random.standard_normal((2, 4000)))
    a, b, density, heights = region(x, y)
    area = (np.log(a[0, 1]) - np.log(a[0, 0])) * (np.log(b[1, 0]) - np.log(b[0, 0]))
    for mass, height in zip((0.5, 0.9), heights, strict=True):
        assert density[density >= height].sum() * area == pytest.approx(mass, abs=0.03)
        radius = 0.3 * math.sqrt(-2 * math.log(1 - mass))  # of the circle that holds it
        assert (density >= height).sum() * area == pytest.approx(math.pi * radius**2, rel=0.12)


def small_plan(tmp_path):
    """A plan on the market, with refits at three elasticities."""
    draws = [{"elasticity": float(e), "inverse_supply_elasticity": float(s)}
             for e, s in np.exp(0.2 * np.random.default_rng(2).standard_normal((40, 2)))]  # fmt: skip
    stored = SimpleNamespace(
        names=("elasticity", "inverse_supply_elasticity"), draws=lambda: draws,
        values={"inverse_supply_elasticity": 1.0}, meta={"variant": "small"},
    )  # fmt: skip
    refits = tmp_path / "refits.csv"
    pd.DataFrame(
        {"variant": "shipped", "chi2_data": 1.0, "chi2_prior": 1.0, "converged": True, "elasticity": [0.5, 1.0, 2.0],
         "capacity_adjustment_time": [1.0, 0.9, 0.8]}
    ).to_csv(refits, index=False)  # fmt: skip
    return Plan(
        model=with_total(), stored=stored, date=1.0, horizons=(1.0, 5.0, 10.0), total_elasticity="total",
        refits=refits, static_demand=("service_demand",), price="price",
        efficiency="algorithm", elasticity="elasticity", label="elasticity",
        low=0.5, high=2.0, limits={"power": Limit("inverse_supply_elasticity", "1/ψ", 0.1, 10.0, 20.0)},
        satiation="satiation", satiations={"shipped": 0.0}, shocks={"algorithm": {"factor": 10.0}},
    )  # fmt: skip


def test_the_command_writes_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr("jevons.frontier.run.read_plan", lambda: small_plan(tmp_path))
    out = tmp_path / "out"
    args = ["--scenario", "algorithm", "--limit", "power", "--grid", "4x4", "--out", str(out)]
    result = CliRunner().invoke(command, args, catch_exceptions=False)
    assert result.exit_code == 0
    assert "The static law has R = 1 at a total elasticity of 1, for a gain of factor 10 1." in result.output
    assert "R = 1 after 10 years, power: total elasticity" in result.output
    table = pd.read_csv(out / "map-algorithm-power.csv")
    assert len(table) == 4 * 4 * 3
    assert table["inverse_supply_elasticity"].max() == 20
    assert {p.name for p in out.iterdir()} == {
        "map-algorithm-power.csv", "thresholds.csv", "frontier-algorithm-power.png", "times-algorithm-power.png"
    }  # fmt: skip


def test_mistakes_of_the_command(tmp_path, monkeypatch):
    result = CliRunner().invoke(command, ["--grid", "25by20", "--out", str(tmp_path)])
    assert result.exit_code == 2 and "expected two whole numbers from 3 on, such as 25x20" in result.output
    plan = small_plan(tmp_path)
    monkeypatch.setattr("jevons.frontier.run.read_plan", lambda: plan)
    with pytest.raises(JevonsError, match="satiation 'weakk', expected one of shipped"):
        CliRunner().invoke(command, ["--satiation", "weakk", "--out", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(ScenarioError, match="deepsek"):
        CliRunner().invoke(command, ["--scenario", "deepsek", "--out", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(JevonsError, match="limit 'powr', expected one of power; did you mean 'power'"):
        plan.limit("powr")
    with pytest.raises(CalibrationError, match="has prior 0 to 50, expected a log-normal one"):
        dataclasses.replace(plan, stored=SimpleNamespace(**{**vars(plan.stored), "names": ("elasticity",)})).believed(
            "power"
        )


def test_a_scenario_that_does_not_lower_the_price_has_no_static_line(plan):
    assert plan.fall(jv.load_scenario("deepseek")) == 10
    assert plan.fall(plan.scenario("inference")) == 10
    assert plan.fall(jv.shock(plan.model, "training", 10.0, plan.date)) is None


def test_every_figure_is_drawn(tmp_path, found):
    plan = small_plan(tmp_path)
    plane = plan.plane("algorithm", "power", (4, 4), 1)
    table = threshold_table(plane, plan, "algorithm", "power", ["shipped"])
    files = [
        maps([found, found], ["a", "b"], tmp_path / "a.png"),
        times([found], ["a"], tmp_path / "b.png", static=(1.0, math.nan)),
        thresholds(table, {"power": plane.y}, 10.0, tmp_path / "c.png", static={"shipped": 1.0}),
    ]
    assert all(f.read_bytes().startswith(b"\x89PNG") for f in files)
    blank = dataclasses.replace(found, rebound=np.full_like(found.rebound, math.nan))
    assert maps([blank], ["nothing"], tmp_path / "d.png").exists()


@pytest.mark.slow
def test_the_world_at_the_fit_is_the_world_that_is_shipped(plan, fitted):
    """A cell at the best elasticity and the fitted limit is the plain measurement."""
    best, limit = (plan.stored.values[n] for n in (plan.elasticity, "largest_power_growth"))
    x = Axis(plan.elasticity, (0.5, best, 1.0))
    y = Axis("largest_power_growth", (0.1, limit, 100.0), since=plan.date)
    found = frontier(plan.model, "deepseek", x, y, at=plan.date, elasticity="demand_elasticity",
                     refits=plan.read_refits())  # fmt: skip
    single = jv.measure_rebound(fitted, "deepseek")
    assert found.rebound[1, 1, 1] == pytest.approx(single.at(5.0)[0], abs=1e-3)
    assert (np.diff(found.elasticity, axis=1) > 0).all()
