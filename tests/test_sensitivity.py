"""Sensitivity: indices known in closed form, failures never hidden."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from small import accumulate, auxiliary, parameter, v
from small_ensembles import fragile

from jevons import Change, JevonsError, LogNormal, Normal, Range, Scenario
from jevons.ensemble.sensitivity import morris, sobol_indices
from jevons.errors import EnsembleError

pytest.importorskip("SALib", reason="SALib is not installed: pip install 'jevons[sensitivity]'")


@pytest.fixture(scope="module")
def model():
    """x(t) = a·b·t; sum = 2c + d; only `a` and `b` interact. `positive` = exp of a normal."""
    unit = Range(0.0, 1.0)
    return accumulate(
        v.a * v.b / v.year,
        parameter("a", 0.5, prior=unit),
        parameter("b", 0.5, prior=unit),
        parameter("c", 0.0, prior=Normal(1.0, 1.0)),
        parameter("d", 0.0, prior=Normal(0.0, 2.0)),
        parameter("e", 1.0, prior=LogNormal(1.0, 0.5)),
        auxiliary("sum", 2 * v.c + v.d),
        auxiliary("product", v.e * v.x),
    )


def by_name(table, column):
    return table.set_index("parameter")[column].to_dict()


def test_a_product_of_uniforms_has_its_exact_indices(model):
    """y = ab on the unit square: V = 7/144, V_a = V_b = 1/48, so S = 3/7 and S_T = 4/7."""
    table = sobol_indices(model, ["a", "b", "d"], "x", at=1.0, samples=2048, seed=1)
    for name in ("a", "b"):
        assert by_name(table, "first_order")[name] == pytest.approx(3 / 7, abs=0.02)
        assert by_name(table, "total")[name] == pytest.approx(4 / 7, abs=0.02)
    assert by_name(table, "total")["d"] == pytest.approx(0.0, abs=1e-12)
    row = table.set_index("parameter").loc["a"]
    assert row["first_order_low"] < 3 / 7 < row["first_order_high"] and row["total_low"] < 4 / 7 < row["total_high"]
    assert (table["runs"] == 2048 * 5).all() and (table["failed"] == 0).all() and (table["failure_rate"] == 0).all()


def test_a_sum_of_normals_has_the_shares_of_its_variances(model):
    """y = 2c + d with unit and double sd: half of the variance each, no interactions."""
    table = sobol_indices(model, ["c", "d"], "sum", at=1.0, samples=2048, seed=1)
    for column in ("first_order", "total"):
        assert by_name(table, column) == pytest.approx({"c": 0.5, "d": 0.5}, abs=0.03)


def test_a_statistic_over_dates_can_stand_for_a_date(model):
    options = {"samples": 64, "seed": 2}
    last = sobol_indices(model, ["a", "b"], "x", at=3.0, **options)
    for statistic in ("maximum", "final"):
        assert sobol_indices(model, ["a", "b"], "x", at=statistic, times=[1.0, 3.0], **options).equals(last)
    mean = sobol_indices(model, ["a", "b"], "x", at="mean", times=[1.0, 3.0], **options)
    assert np.allclose(mean["total"], last["total"])  # x grows in proportion


def test_the_same_seed_gives_the_same_table(model):
    for seed in (0, 5):
        first, second = (sobol_indices(model, ["a", "b"], "x", at=1.0, samples=64, seed=seed) for _ in range(2))
        assert first.equals(second)
        first, second = (morris(model, ["a", "b"], "x", at=1.0, seed=seed) for _ in range(2))
        assert first.equals(second)


def test_ranges_and_scenarios_reach_the_runs(model):
    narrow = sobol_indices(
        model, ["a", "b"], "x", at=1.0, samples=512, ranges={"a": (0.49, 0.51)},
        scenario=Scenario("half", {"b": Change(factor=0.5)}),
    )  # fmt: skip
    assert by_name(narrow, "total")["b"] > 0.99


def test_elementary_effects_of_a_linear_model_are_its_coefficients(model):
    """y = 2c + d with ranges of width 1 and 3: effects of 2 and 3, the same everywhere."""
    table = morris(model, ["c", "d"], "sum", at=1.0, ranges={"c": (0.0, 1.0), "d": (-1.0, 2.0)})
    assert by_name(table, "mu") == pytest.approx({"c": 2.0, "d": 3.0})
    assert by_name(table, "mu_star") == pytest.approx({"c": 2.0, "d": 3.0})
    assert by_name(table, "sigma") == pytest.approx({"c": 0.0, "d": 0.0}, abs=1e-9)
    assert table["parameter"].tolist() == ["d", "c"]
    assert (table["runs"] == 60).all() and (table["dropped"] == 0).all() and (table["failure_rate"] == 0).all()


def test_screening_finds_interactions_and_what_does_nothing(model):
    table = morris(model, ["a", "b", "d", "e"], "product", at=1.0, trajectories=40)
    assert by_name(table, "mu_star")["d"] == 0.0
    assert all(by_name(table, "sigma")[n] > 0.1 for n in ("a", "b", "e"))


def test_sobol_indices_are_refused_when_a_run_failed():
    with pytest.raises(
        JevonsError, match=r"\d+ of 192 runs failed \(\d+\.\d+%; diverged in \w+: \d+(.|\n)*Narrow"
    ) as caught:
        sobol_indices(fragile(), ["p"], "x", at=1.0, samples=64)
    assert "morris" in str(caught.value)


def test_morris_drops_whole_trajectories_and_says_so():
    """Levels 0, 1/3, 2/3, 1 of p on 0 to 1.25: only the last lies above 1 and fails."""
    with pytest.warns(UserWarning, match=r"runs failed(.|\n)*trajectories are dropped"):
        table = morris(fragile(), ["p", "year"], "x", at=1.0, trajectories=30, ranges={"year": (0.5, 1.5)})
    row = table.iloc[0]
    assert 0 < row["dropped"] < 30 and row["failed"] >= row["dropped"]
    assert row["failure_rate"] == row["failed"] / row["runs"] and row["runs"] == 90
    assert np.isfinite(table["mu_star"]).all()


def test_morris_gives_up_when_nothing_is_whole():
    with pytest.raises(JevonsError, match="trajectories are whole, expected 2"):
        morris(fragile(), ["p"], "x", at=1.0, ranges={"p": (1.5, 2.0)})


def test_an_output_that_does_not_vary_has_no_sensitivity(model):
    for study in (sobol_indices, morris):
        with pytest.raises(JevonsError, match="'sum' does not vary with a, b"):
            study(model, ["a", "b"], "sum", at=1.0, **({"samples": 8} if study is sobol_indices else {}))


def test_all_mistakes_come_at_once(model):
    with pytest.raises(EnsembleError) as caught:
        sobol_indices(model, ["aa"], "x", at="max", samples=100, seed=-1)
    for part in ("samples 100, expected a power of two such as 128", "'aa'", "at 'max'", "needs the dates", "seed -1"):
        assert part in str(caught.value)
    with pytest.raises(EnsembleError, match="levels 3, expected an even number"):
        morris(model, ["a"], "x", at=1.0, levels=3)


def test_without_salib_the_remedy_is_told(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "SALib", None)
    for study in (sobol_indices, morris):
        with pytest.raises(JevonsError, match=r"pip install 'jevons\[sensitivity\]'"):
            study(model, ["a"], "x", at=1.0)
