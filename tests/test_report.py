"""The main job writes what it promises."""

from __future__ import annotations

import csv
import dataclasses
import math

import numpy as np
import pytest

import jevons as jv
from jevons import CalibrationError
from jevons.html.document import write_report
from jevons.report import SIDE_DRAWS, run_projection

BANDS = ["p05", "p25", "p75", "p95"]


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return run_projection(tmp_path_factory.mktemp("out"), draws=6, progress=False)


def table(report, name):
    return read(next(f for f in report.files if f.name == name))


def test_projection_has_every_year_scenario_and_variable(report):
    rows = table(report, "projection.csv")
    assert list(rows[0]) == ["scenario", "year", "variable", "unit", "median", *BANDS]
    variables = {"dc_electricity", "ai_electricity", "ai_compute", "ai_shipments", "service_price", "users"}
    for scenario in ("baseline", "deepseek"):
        for variable in variables:
            years = [int(r["year"]) for r in rows if r["scenario"] == scenario and r["variable"] == variable]
            assert years == list(range(2010, 2036))
    for row in rows:
        low, lower, median, upper, high = (float(row[k]) for k in ("p05", "p25", "median", "p75", "p95"))
        assert low <= lower <= median <= upper <= high and math.isfinite(median)
    assert {r["unit"] for r in rows if r["variable"] == "dc_electricity"} == {"TWh/yr"}


def test_scenarios_agree_before_the_gain_and_part_after(report):
    p = report.projection
    before = p.years < 2025
    base, shocked = p.paths["baseline", "dc_electricity"], p.paths["deepseek", "dc_electricity"]
    assert abs(base[:, before] / shocked[:, before] - 1).max() < 1e-9
    assert abs(base[:, ~before] / shocked[:, ~before] - 1).max() > 0.01


def test_every_benchmark_has_its_chance(report, history):
    rows = table(report, "exceedance.csv")
    published = [
        r for r in history.select("benchmark", series="dc_electricity")
        if r.variable == "dc_electricity" and r.statistic == "annual" and r.date <= 2035
    ]  # fmt: skip
    annual = [r for r in rows if (r["variable"], r["statistic"]) == ("dc_electricity", "annual")]
    assert sorted((float(r["year"]), float(r["value"])) for r in annual) == sorted((r.date, r.value) for r in published)
    assert all(r["source"] and r["definition"] and r["published"] for r in rows)
    paths = report.projection
    for row in annual:
        above = paths.in_year("baseline", "dc_electricity", float(row["year"])) > float(row["value"])
        assert float(row["above_main"]) == pytest.approx(above.mean(), abs=1e-5)
    families = [f for f in jv.read_config("world").projection.families if f"above_{f}" in rows[0]]
    for row in rows:
        mean = np.mean([float(row[f"above_{f}"]) for f in families])
        assert float(row["above_averaged"]) == pytest.approx(mean, abs=1e-5)


def test_fit_table(report):
    rows = table(report, "fit.csv")
    assert list(rows[0]) == ["series", "date", "unit", "observed", "sigma", "modelled", "z", "role"]
    assert {r["role"] for r in rows} == {"fit"}
    assert len(rows) >= 55
    levels = {
        float(r["date"]): r for r in rows if r["series"] == "dc_electricity" and float(r["observed"]) in (194, 415)
    }
    assert set(levels) == {2010.0, 2024.0}
    shipments = {float(r["date"]): float(r["observed"]) for r in rows if r["series"] == "ai_shipments"}
    assert shipments[2026.0] == 19.8


def test_parameters_table(report, stored):
    rows = table(report, "parameters.csv")
    head = ["name", "unit", "value", "prior_median", "prior_sd_log", "moved_sd", "status", "source",
            "posterior_median", "posterior_p05", "posterior_p95"]  # fmt: skip
    assert list(rows[0]) == head
    fitted = {r["name"]: r for r in rows if r["posterior_median"]}
    assert set(fitted) == set(stored.names)
    wanted = np.median(stored.sample[:, stored.names.index("satiation")])
    assert float(fitted["satiation"]["posterior_median"]) == pytest.approx(wanted, rel=1e-5)
    assert all(r["source"] and r["unit"] for r in rows)


def test_rebound_table(report):
    rows = table(report, "rebound.csv")
    tail = ["cumulative", "probability_backfire", "undefined_share", "draws", "counterfactual"]
    assert list(rows[0]) == ["shock", "factor", "at", "horizon_years", "rebound", *BANDS, *tail]
    assert {float(r["horizon_years"]) for r in rows} == {1, 3, 5, 10}
    assert {"inference", "training", "hardware", "facility", "deepseek"} <= {r["shock"] for r in rows}
    price = [r for r in rows if r["shock"] == "hardware_price"]
    assert all(r["rebound"] == "" and float(r["undefined_share"]) == 1 for r in price)
    assert all("induced growth" in r["counterfactual"] for r in price)
    deepseek = [r for r in rows if r["shock"] == "deepseek"]
    assert all("engineering run" in r["counterfactual"] for r in deepseek)
    for row in deepseek:
        chance = report.rebound.backfire("deepseek", float(row["horizon_years"]))
        assert float(row["probability_backfire"]) == pytest.approx(chance)
    assert list(table(report, "induced_growth.csv")[0])[-5:] == ["energy_change_percent", *BANDS]


def test_backfire_is_a_table_not_a_number(report):
    rows = table(report, "backfire.csv")
    cells = {(r["stance"], r["satiation"]) for r in rows}
    stances, speeds = {"sceptic", "central", "enthusiast"}, {"weak", "central", "strong"}
    assert cells == {(a, b) for a in stances for b in speeds} | {("as fitted", "as fitted")}
    assert {r["power_limit"] for r in rows} == {"as fitted", "lifted"}
    assert {float(r["horizon_years"]) for r in rows} == {1, 3, 5, 10}
    assert len(rows) == 10 * 2 * 4
    # six draws cannot carry a cell, and it says so
    cells = [r for r in rows if r["stance"] != "as fitted"]
    assert {r["reliable"] for r in cells} == {"False"} and {r["verdict"] for r in cells} == {"not reliable"}
    assert all(r["probability_backfire"] == r["log_bayes_factor"] == "" for r in cells)
    own = [r for r in rows if (r["stance"], r["power_limit"]) == ("as fitted", "as fitted")]
    rebound = {r["horizon_years"]: r for r in table(report, "rebound.csv") if r["shock"] == "deepseek"}
    for row in own:
        assert row["probability_backfire"] == rebound[row["horizon_years"]]["probability_backfire"]
    assert "?: too few of the fit's draws" in report.summary


def test_readings_and_their_average(report):
    rows = table(report, "families.csv")
    assert list(rows[0]) == ["reading", "figure", "median", *BANDS, "undefined_share", "draws", "in_average"]
    readings = {r["reading"] for r in rows}
    assert {"main", "no_bias", "averaged"} <= readings
    for figure in ("dc_electricity_2025", "dc_electricity_2030", "dc_electricity_2035", "rebound_deepseek_5yr"):
        assert {r["reading"] for r in rows if r["figure"] == figure} == readings
    for row in (r for r in rows if r["figure"] == "break_year"):
        assert 2015 < float(row["p05"]) <= float(row["median"]) <= float(row["p95"]) < 2024
    one = next(r for r in rows if (r["reading"], r["figure"]) == ("main", "dc_electricity_2030"))
    wanted = np.median(report.projection.in_year("baseline", "dc_electricity", 2030))
    assert float(one["median"]) == pytest.approx(wanted, rel=1e-5)


def test_evidence_tables(report):
    rows = table(report, "evidence_world.csv")
    assert {r["evidence"] for r in rows} == {"none", "price cuts", "free to paid", "both"}
    quantities = {"total_elasticity", "satiation", "dc_electricity_2030", "rebound", "probability_backfire"}
    assert quantities <= {r["quantity"] for r in rows}
    assert all((r["reliable"] == "True") == (r["evidence"] == "none") for r in rows)
    stances = table(report, "evidence.csv")
    assert {r["stance"] for r in stances} == {"sceptic", "central", "enthusiast"}
    assert {r["shape"] for r in stances} == {"power", "full_price", "hump"}


def test_pictures_and_summary(report):
    for name in ("history_and_projection", "rebound", "fit", "evidence", "elasticity", "unmoved"):
        data = next(f for f in report.files if f.name == f"{name}.png").read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 10_000
    text = report.summary
    assert next(f for f in report.files if f.name == "summary.txt").read_text(encoding="utf-8") == text + "\n"
    for said in ("50 %:", "Chance that 2030 is above", "is no one number", "What is not identified", "with equal"):
        assert said in text
    assert "nan" not in text.lower().split()
    assert max(len(line) for line in text.splitlines()) < 200


def test_parameters_that_keep_their_prior(report):
    rows = table(report, "unmoved.csv")
    assert all(float(r["sd_ratio"]) > 0.9 and abs(float(r["shift"])) < 0.25 for r in rows)
    assert "largest_power_growth" in {r["parameter"] for r in rows}


def test_another_fit_may_carry_the_table_of_backfire(tmp_path, monkeypatch, stored):
    """Its draws are used with its priors; the weights then reach every cell."""
    import jevons.report

    names = [stored.names.index(n) for n in ("usage_price_elasticity", "satiation")]
    prior = np.log([0.8, 0.05]) + np.random.default_rng(2).standard_normal((SIDE_DRAWS, 2)) * [0.48, 1.0]
    sample = np.tile(np.median(stored.sample, axis=0), (SIDE_DRAWS, 1))
    sample[:, names] = np.exp(prior)
    wide = dataclasses.replace(stored, sample=sample)
    shipped = jevons.report.shipped_fit
    monkeypatch.setattr(jevons.report, "shipped_fit", lambda m, v="main": wide if v == "wide" else shipped(m, v))
    monkeypatch.setattr(jevons.report, "shipped_fits", lambda: ["world-main"])
    monkeypatch.setattr(jevons.report, "_pictures", lambda *given: [])
    found = run_projection(tmp_path, draws=SIDE_DRAWS // 4, backfire_fit="wide", progress=False)
    rows = [r for r in table(found, "backfire.csv") if r["horizon_years"] == "5"]
    assert float(next(r for r in rows if r["stance"] == "as fitted")["ess"]) == pytest.approx(SIDE_DRAWS // 4)
    chance = {
        (r["stance"], r["power_limit"]): float(r["probability_backfire"])
        for r in rows if r["satiation"] == "central" and r["reliable"] == "True"
    }  # fmt: skip
    assert len(rows) == 20
    assert all(0 <= p <= 1 for p in chance.values())
    assert "no_bias" in found.summary.splitlines()[-1]


@pytest.fixture(scope="module")
def of_a_country(tmp_path_factory):
    """Two parameters and a bias fitted to the six values of the United States; one benchmark is in another unit."""
    fitted, out = tmp_path_factory.mktemp("fit"), tmp_path_factory.mktemp("out")
    for name in ("backfire.csv", "shapes.csv", "elasticity.png"):
        (out / name).write_text("of the world", encoding="utf-8")
    problem = jv.open_problem("us")
    rows = [
        dataclasses.replace(r, value=649e3, low=521e3, high=843e3, unit="GWh/yr") if r.value == 649 else r
        for r in problem.history
    ]  # fmt: skip
    config = dataclasses.replace(problem.config, free=("electricity_at_start", "conventional_growth"), priors={
        n: problem.config.priors[n] for n in ("electricity_at_start", "conventional_growth")
    })  # fmt: skip
    problem = dataclasses.replace(problem, config=config, history=jv.History(rows))
    problem.write(fitted)
    fit = jv.fit(problem.calibration, starts=1, seed=1, progress=False)
    jv.save_fit(fit, jv.randomised_draws(fit, 4, seed=1, progress=False), fitted, fixed=problem.fixed)
    return run_projection(out, variant=str(fitted), progress=False)


def test_of_one_s_own_data_nothing_is_said_that_is_of_the_world_s(of_a_country, tmp_path):
    found = of_a_country
    names = {f.name for f in found.files}
    assert {"projection.csv", "rebound.csv", "families.csv", "history_and_projection.png", "summary.txt"} <= names
    left_out = {"backfire.csv", "evidence_world.csv", "shapes.csv", "elasticity.png"}
    assert not left_out & names
    assert not left_out & {f.name for f in found.files[0].parent.iterdir()}
    text = found.summary
    assert text.startswith("Data-centre electricity in TWh a year")
    for said in ("holds the usage price elasticity at 0.648 and the satiation", "(backfire.csv)", "elasticity.png."):
        assert said in " ".join(text.split())
    for said in ("World", "is no one number", "with equal", "averaged", "other beliefs give others", "nan"):
        assert said not in text
    assert {r["reading"] for r in table(found, "families.csv")} == {"main"}
    above = table(found, "exceedance.csv")
    assert sorted(float(r["value"]) for r in above) == [452.5, 464, 649]
    assert "above_main" in above[0] and "above_averaged" not in above[0]
    fitted = {r["name"] for r in table(found, "parameters.csv") if r["posterior_median"]}
    assert fitted == {"electricity_at_start", "conventional_growth", "lbnl_2025_bias"}
    page = write_report(tmp_path / "page.html", source=found.files[0].parent).read_text(encoding="utf-8")
    assert "jevons project" in page


def test_a_fit_that_is_not_there():
    with pytest.raises(CalibrationError, match="no shipped fit 'mian'"):
        run_projection("nowhere", variant="mian", progress=False)
