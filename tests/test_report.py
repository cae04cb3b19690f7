"""The main job writes what it promises."""

from __future__ import annotations

import csv
import math

import pytest

from jevons.report import run_projection


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
    assert list(rows[0]) == ["scenario", "year", "variable", "unit", "median", "p05", "p95"]
    variables = {"dc_electricity", "ai_electricity", "ai_compute", "ai_shipments", "service_price", "users"}
    for scenario in ("baseline", "deepseek"):
        for variable in variables:
            years = [int(r["year"]) for r in rows if r["scenario"] == scenario and r["variable"] == variable]
            assert years == list(range(2010, 2036))
    for row in rows:
        low, median, high = (float(row[k]) for k in ("p05", "median", "p95"))
        assert low <= median <= high and math.isfinite(median)
    assert {r["unit"] for r in rows if r["variable"] == "dc_electricity"} == {"TWh/yr"}


def test_scenarios_agree_before_the_gain_and_part_after(report):
    p = report.projection
    before = p.years < 2025
    base, shocked = p.paths["baseline", "dc_electricity"], p.paths["deepseek", "dc_electricity"]
    assert abs(base[:, before] / shocked[:, before] - 1).max() < 1e-9
    assert abs(base[:, ~before] / shocked[:, ~before] - 1).max() > 0.01


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


def test_parameters_table(report):
    rows = table(report, "parameters.csv")
    head = ["name", "unit", "value", "prior_median", "prior_sd_log", "moved_sd", "status", "source"]
    assert list(rows[0]) == head
    fitted = [r for r in rows if r["moved_sd"]]
    assert 0 < len(fitted) <= 40
    assert all(r["source"] and r["unit"] for r in rows)


def test_rebound_table(report):
    rows = table(report, "rebound.csv")
    head = "shock factor at horizon_years rebound p05 p95 cumulative undefined_share counterfactual"
    assert list(rows[0]) == head.split()
    assert {float(r["horizon_years"]) for r in rows} == {1, 3, 5, 10}
    assert {"inference", "training", "hardware", "facility", "deepseek"} <= {r["shock"] for r in rows}
    price = [r for r in rows if r["shock"] == "hardware_price"]
    assert all(r["rebound"] == "" and float(r["undefined_share"]) == 1 for r in price)
    assert all("induced growth" in r["counterfactual"] for r in price)
    assert all("engineering run" in r["counterfactual"] for r in rows if r["shock"] == "deepseek")


def test_backfire_is_a_table_not_a_number(report):
    rows = table(report, "backfire.csv")
    assert {r["prior"] for r in rows} == {"sceptic", "central", "enthusiast"}
    assert len({r["satiation"] for r in rows}) >= 3
    for shock in ("deepseek", "inference"):
        for satiation in {r["satiation"] for r in rows}:
            cell = {
                r["prior"]: float(r["probability"]) for r in rows if (r["shock"], r["satiation"]) == (shock, satiation)
            }
            assert cell["sceptic"] < cell["central"] < cell["enthusiast"]


def test_break_year_under_both_variants(report):
    rows = [r for r in table(report, "variants.csv") if r["figure"] == "break_year"]
    assert {r["variant"] for r in rows} == {"main", "no_bias"}
    for row in rows:
        assert 2015 < float(row["p05"]) <= float(row["median"]) <= float(row["p95"]) < 2024


def test_pictures_and_summary(report):
    for name in ("history_and_projection.png", "rebound.png", "fit.png"):
        data = next(f for f in report.files if f.name == name).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 20_000
    assert "Rebound after 1 year" in report.summary and "draws failed" in report.summary
    assert "chi-square moves by" in report.summary
