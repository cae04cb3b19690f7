"""Readings of the sources beside each other; projections against what others published; what a posterior learned."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from small import observation

from jevons import JevonsError, LogNormal, Normal
from jevons.inference.backfire import distinct_draws
from jevons.inference.evidence import EVIDENCE, read_experiments, weights_for
from jevons.inference.families import break_years, exceedance_table, family_table, shape_table
from jevons.inference.hindcast import break_year
from jevons.inference.history import History
from jevons.inference.learned import experiments_table, how_far, moved_table
from jevons.inference.projection import Projection

YEARS = np.arange(2010.0, 2026.0)


def test_break_years_of_many_paths_are_those_of_each():
    rng = np.random.default_rng(7)
    dates = rng.uniform(2012, 2022, (20, 1))
    logs = 0.02 * (YEARS - dates) + rng.uniform(-0.1, 0.2, (20, 1)) * np.maximum(0, YEARS - dates)
    paths = np.exp(logs + 0.02 * rng.standard_normal(logs.shape))
    for path, (year, before, after) in zip(paths, break_years(YEARS, paths), strict=True):
        found = break_year(YEARS, path)
        assert (year, before, after) == pytest.approx((found.year, found.before, found.after), abs=1e-9)
    with pytest.raises(ValueError, match="found 5 years, expected at least 6"):
        break_years(YEARS[:5], np.ones((2, 5)))


# Readings of the sources


def test_readings_are_averaged_with_equal_weights_however_many_draws_each_has():
    figures = {"many": {"x": np.zeros(900)}, "few": {"x": np.full(10, 1.0)}, "aside": {"x": np.full(50, 9.0)}}
    table = family_table(figures, ["many", "few"]).set_index("reading")
    assert table["in_average"].to_dict() == {"many": True, "few": True, "aside": False, "averaged": True}
    row = table.loc["averaged"]
    assert (row["p25"], row["p75"], row["draws"]) == (0.0, 1.0, 910)
    assert table.loc["aside", "median"] == 9.0
    spread = {"a": {"x": np.arange(1001.0)}, "b": {"x": 2000 + np.arange(501.0)}}
    mixed = family_table(spread, ["a", "b"]).set_index("reading").loc["averaged"]
    assert mixed["p25"] == pytest.approx(500, abs=1) and mixed["p75"] == pytest.approx(2250, abs=1)
    assert mixed["p05"] == pytest.approx(100, abs=1) and mixed["p95"] == pytest.approx(2450, abs=1)


def test_undefined_figures_of_a_reading():
    half = np.array([math.nan] * 6 + [1.0] * 4)
    table = family_table({"a": {"r": half}, "b": {"r": np.full(10, 3.0)}}, ["a", "b"]).set_index("reading")
    assert math.isnan(table.loc["a", "median"]) and table.loc["a", "undefined_share"] == 0.6
    assert table.loc["averaged", "median"] == 3.0
    assert table.loc["averaged", "undefined_share"] == pytest.approx(0.3)


def projection_of(values, years=(2023, 2030)):
    paths = {("base", "energy"): np.asarray(values, dtype=float)}
    return Projection(np.array(years), paths, {}, {"energy": "GWh/yr"}, failed=0)


def benchmark(date, value, **changes):
    given = {"statistic": "annual", "unit": "GWh/yr", "role": "benchmark", **changes}
    return observation("energy", date, value, **given)


def test_exceedance():
    two = {
        "main": projection_of([[100, 200], [100, 300], [100, 400], [200, 500]]),
        "other": projection_of([[100, 100], [100, 900]]),
    }
    rows = [
        benchmark(2030.0, 350, source="A", definition="Scope.", note="Note."),
        benchmark(2030.0, 250, source="B"),
        benchmark(2030.0, 2.75, statistic="ratio", reference_date=2023.0, unit="1", source="C"),
        benchmark(2040.0, 350, source="not projected"),
        benchmark(2030.0, 350, source="not a total", statistic="at"),
        benchmark(2030.0, 350, source="fitted", role="fit"),
        observation("else", 2030.0, 1.0, statistic="annual", role="benchmark", source="other variable"),
    ]
    table = exceedance_table(two, "base", ["energy"], History(rows), ["main", "other"])
    assert table["source"].tolist() == ["B", "A", "C"]
    assert table["above_main"].tolist() == [0.75, 0.5, 0.5]
    assert table["above_other"].tolist() == [0.5, 0.5, 0.5]
    assert table["above_averaged"].tolist() == [0.625, 0.5, 0.5]
    assert table.iloc[1][["definition", "note", "published", "value"]].tolist() == ["Scope.", "Note.", "2000-01", 350]
    assert exceedance_table(two, "base", [], History(rows), ["main"]).empty
    wrong = History([benchmark(2030.0, 1, unit="TWh/yr", source="A")])
    with pytest.raises(JevonsError, match="benchmark 'A': found unit 'TWh/yr', expected 'GWh/yr'"):
        exceedance_table(two, "base", ["energy"], wrong, ["main"])


def test_shapes_and_their_odds():
    figures = {shape: {"r": np.arange(5.0)} for shape in ("power", "near", "far")}
    evidence = {"power": -10.0, "near": -10.0 + math.log(2), "far": -10.0 - math.log(30)}
    table = shape_table(figures, evidence, "power").set_index("shape")
    assert table["posterior_odds"].to_dict() == pytest.approx({"power": 1.0, "near": 2.0, "far": 1 / 30})
    assert table["verdict"].to_dict() == {"power": "reference", "near": "none", "far": "against, strong"}
    assert table.loc["far", "median"] == 2.0


# What a posterior has learned


def test_prior_and_posterior_in_prior_standard_deviations(stored):
    rng = np.random.default_rng(3)
    u = rng.standard_normal((4000, 2))
    u = (u - u.mean(axis=0)) / u.std(axis=0)
    sample = np.column_stack([0.8 * np.exp(0.5 * (0.4 * u[:, 0] - 1.5)), -1.0 + 0.2 * (0.95 * u[:, 1] + 0.2)])
    table = pd.DataFrame({"name": ["a", "b"], "unit": ["GW", "1"]})
    fit = dataclasses.replace(stored, names=("a", "b"), sample=sample, parameters=table)
    found = moved_table(fit, {"a": LogNormal(0.8, 0.5), "b": Normal(-1.0, 0.2)}).set_index("parameter")
    assert found["sd_ratio"].tolist() == pytest.approx([0.4, 0.95])
    assert found["shift"].tolist() == pytest.approx([-1.5, 0.2])
    assert found["said"].tolist() == ["moved", "the prior"]
    assert found["posterior_sd"].tolist() == pytest.approx([0.2, 0.19])
    assert found["unit"].tolist() == ["GW", "1"]
    assert found.loc["a", "posterior_median"] == pytest.approx(np.median(sample[:, 0]))
    assert found.loc["b", "p95"] == pytest.approx(np.quantile(sample[:, 1], 0.95))


@pytest.mark.parametrize(
    ("ratio", "shift", "said"),
    [
        (0.95, 0.2, "the prior"), (0.95, -0.3, "hardly moved"), (0.85, 0.1, "hardly moved"),
        (0.7, -0.9, "hardly moved"),
        (0.7, -1.1, "moved"), (0.5, 0.0, "moved"),
    ],
)  # fmt: skip
def test_words_for_what_was_learned(ratio, shift, said):
    assert how_far(ratio, shift) == said


def test_a_posterior_reweighted_by_experiments():
    rng = np.random.default_rng(4)
    n = 1200
    sample = {
        "usage_price_elasticity": 0.8 * np.exp(0.4 * rng.standard_normal(n)),
        "satiation": 0.08 * np.exp(0.7 * rng.standard_normal(n)),
    }
    total = sample["usage_price_elasticity"] + 0.15
    total[7] = math.nan
    rebound = total - sample["satiation"]
    rebound[:60] = math.nan
    experiments = read_experiments()
    table = experiments_table(sample, experiments, total, dict(sample), rebound)
    table = table.set_index(["evidence", "quantity"]).sort_index()
    assert set(table.index.get_level_values("evidence")) == set(EVIDENCE)
    kept = np.arange(n) != 7
    draws = {k: x[kept] for k, x in sample.items()}
    w = weights_for(draws, experiments, total[kept])
    row = table.loc[("both", "satiation")]
    wanted = w.quantiles(draws["satiation"], (0.5, 0.05, 0.25, 0.75, 0.95))
    assert row[["median", "p05", "p25", "p75", "p95"]].tolist() == pytest.approx(wanted.tolist())
    assert row["ess"] == pytest.approx(distinct_draws(draws, w.weights)) and row["reliable"]
    r = rebound[kept]
    known = ~np.isnan(r)
    chance = w.weights[known] @ (r[known] > 1) / w.weights[known].sum()
    assert table.loc[("both", "probability_backfire"), "median"] == pytest.approx(chance)
    plain = table.loc[("none", "probability_backfire"), "median"]
    assert plain == pytest.approx(np.mean(r[known] > 1)) and chance < plain
    assert table.loc[("both", "satiation"), "median"] > table.loc[("none", "satiation"), "median"]


@pytest.mark.parametrize("n", [6, 40])
def test_experiments_on_too_few_draws_give_no_figure(n):
    few = {"usage_price_elasticity": np.linspace(0.5, 1.0, n), "satiation": np.linspace(0.02, 0.2, n)}
    table = experiments_table(few, read_experiments(), few["usage_price_elasticity"], {}, np.full(n, 0.5))
    assert table["reliable"].tolist() == (table["evidence"] == "none").tolist()
    weighed = table[table["evidence"] != "none"]
    assert weighed[["median", "p05", "p25", "p75", "p95"]].isna().all(axis=None)
    assert table.set_index(["evidence", "quantity"]).loc[("none", "rebound"), "median"] == 0.5
