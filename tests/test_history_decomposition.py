"""Decomposition of a model's history: exact sums, closed forms, independent recomputation, mistakes."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import sympy as sp
from small import auxiliary, flow, parameter, stock, v

from jevons import TIME, Model, Roles
from jevons.errors import IntegrationError, ScenarioError
from jevons.history_decomposition import (
    PERIODS,
    EnergySector,
    HistoryDecomposition,
    Quotient,
    decompose_history,
    read_sectors,
)
from jevons.plot_attribution import history

GROWTH, DECLINE, OTHER = 0.3, 0.2, 0.05


def two_sectors() -> Model:
    """Energy of two sectors: one a product of two exponentials and a constant, one that grows by itself."""
    return Model(
        "two",
        [
            auxiliary("demand", sp.exp(v.growth * TIME)),
            auxiliary("intensity", 3 * sp.exp(-v.decline * TIME)),
            auxiliary("first", 2 * v.demand * v.intensity),
            auxiliary("second", sp.exp(v.other * TIME)),
            auxiliary("rate", (v.first + v.second) / v.year, "1/yr"),
            flow("use", v.rate, target="used"),
            stock("used", 0.0),
            parameter("growth", GROWTH, "1/yr"),
            parameter("decline", DECLINE, "1/yr"),
            parameter("other", OTHER, "1/yr"),
            parameter("year", 1.0, "yr"),
            parameter("efficiency", 1.0),
        ],
        roles=Roles("rate", "used", {"any": "efficiency"}, {"first": "efficiency"}),
    )


SECTORS = (
    EnergySector("a", Quotient("energy", ("first",)),
                 (Quotient("demand", ("demand",)), Quotient("intensity", ("intensity",)))),
    EnergySector("b", Quotient("energy", ("second",)), (Quotient("all", ("second",)),)),
)  # fmt: skip


def part(found: HistoryDecomposition, sector: str, factor: str, start: float) -> pd.Series:
    table = found.table
    rows = table[(table["sector"] == sector) & (table["factor"] == factor) & (table["start"] == start)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_exponentials_have_their_closed_form():
    found = decompose_history(two_sectors(), [(1.0, 5.0), (5.0, 7.0)], SECTORS)
    for start, end in ((1.0, 5.0), (5.0, 7.0)):
        before, after = (6 * math.exp((GROWTH - DECLINE) * t) for t in (start, end))
        mean = (after - before) / math.log(after / before)
        for factor, rate in (("demand", GROWTH), ("intensity", -DECLINE)):
            row = part(found, "a", factor, start)
            assert row["log_change"] == pytest.approx(rate * (end - start), rel=1e-12)
            assert row["contribution"] == pytest.approx(mean * rate * (end - start), rel=1e-12)
            assert (row["before"], row["after"], row["unit"]) == (
                pytest.approx(before, rel=1e-12), pytest.approx(after, rel=1e-12), "1/yr",
            )  # fmt: skip
        grown = math.exp(OTHER * end) - math.exp(OTHER * start)
        assert part(found, "b", "all", start)["contribution"] == pytest.approx(grown, rel=1e-12)
    totals = found.totals
    assert totals["change"].sum() == pytest.approx(totals["after"].iloc[1] - totals["before"].iloc[0], rel=1e-14)


def test_values_may_be_given():
    found = decompose_history(two_sectors(), [(1.0, 5.0)], SECTORS, params={"growth": 0.7})
    assert part(found, "a", "demand", 1.0)["log_change"] == pytest.approx(2.8, rel=1e-12)


def test_the_sums_leave_nothing(fitted):
    found = decompose_history(fitted)
    assert len(found.totals) == len(PERIODS) == 2
    assert (found.totals["residual"].abs() <= 1e-12 * found.totals["change"].abs()).all()
    run = fitted.run(2005, 2026, every=0.5)["dc_electricity"]
    for total, (start, end) in zip(found.totals.to_dict("records"), PERIODS, strict=True):
        assert (total["before"], total["after"]) == pytest.approx((run[start], run[end]), rel=1e-6)
    by_sector = found.table.groupby(["start", "sector"])
    for _, rows in by_sector:
        change = rows["after"].iloc[0] - rows["before"].iloc[0]
        assert rows["contribution"].sum() == pytest.approx(change, rel=1e-12, abs=1e-12)
        assert rows["log_change"].sum() == pytest.approx(math.log(rows["after"].iloc[0] / rows["before"].iloc[0]))


def test_an_independent_count_of_conventional_computing(fitted):
    """Logarithmic means of another run, with the constants of the equations left in."""
    run = fitted.run(2005, 2019, every=0.5)
    start, end = PERIODS[0]
    at = {t: {n: float(run[n][t]) for n in run.names} for t in (start, end)}
    energy = [8.76 * at[t]["conventional_power"] * at[t]["pue_conventional"] for t in (start, end)]
    mean = (energy[1] - energy[0]) / math.log(energy[1] / energy[0])
    found = decompose_history(fitted)
    for factor, name in (
        ("PUE", "pue_conventional"),
        ("consolidation on hyperscale sites", "servers_per_workload"),
        ("demand at constant cost", "autonomous_demand"),
    ):
        expected = mean * math.log(at[end][name] / at[start][name])
        assert part(found, "conventional", factor, start)["contribution"] == pytest.approx(expected, rel=1e-5)


def test_efficiency_held_energy_flat_and_then_ran_out(fitted):
    """What the model says of both periods: consolidation and PUE offset demand before 2018 and hardly after."""
    found = decompose_history(fitted)
    before, after = (
        sum(part(found, "conventional", f, start)["contribution"] for f in ("consolidation on hyperscale sites", "PUE"))
        for start, _ in PERIODS
    )
    assert before < -200 and -60 < after < 0


def test_table_and_text(tmp_path, fitted):
    found = decompose_history(fitted)
    again = pd.read_csv(found.to_csv(tmp_path / "h.csv"))
    assert again["contribution"].to_numpy() == pytest.approx(found.table["contribution"].to_numpy(), rel=1e-5)
    assert "2010.5 to 2018.5" in repr(found) and "consolidation" in repr(found)
    assert history(found, tmp_path / "h.png").stat().st_size > 10_000


# Mistakes


def test_mistakes_of_names_and_periods_are_listed():
    wrong = (EnergySector("a", Quotient("energy", ("frst",)), (Quotient("all", ("first",), ("growth",)),)),)
    with pytest.raises(ScenarioError) as error:
        decompose_history(two_sectors(), [(5.0, 5.0), (-1.0, 3.0)], wrong)
    for text in (
        "4 mistakes",
        "a, energy: 'frst' is no quantity of the model; did you mean 'first'?",
        "a, all: 'growth' is no quantity of the model",
        "period 5 to 5, expected rising dates from the model's start, 0, on",
        "period -1 to 3",
    ):
        assert text in str(error.value)
    with pytest.raises(ScenarioError, match="no period"):
        decompose_history(two_sectors(), [], SECTORS)


def test_factors_that_do_not_multiply_to_energy():
    wrong = (EnergySector("a", Quotient("energy", ("first",)), (Quotient("demand", ("demand",)),)), SECTORS[1])
    with pytest.raises(ScenarioError, match="a: energy over the product of the factors moves by"):
        decompose_history(two_sectors(), [(1.0, 5.0)], wrong)


def test_sectors_that_do_not_add_up():
    with pytest.raises(ScenarioError, match="the sectors differ from 'rate' by"):
        decompose_history(two_sectors(), [(1.0, 5.0)], SECTORS[:1])


def test_what_is_not_positive_cannot_be_decomposed():
    model = two_sectors().with_elements([auxiliary("second", (TIME - 3 * v.year) / v.year)])
    with pytest.raises(ScenarioError, match="b: energy, all not positive at every date"):
        decompose_history(model, [(1.0, 5.0)], SECTORS)


def test_a_run_that_fails_says_so():
    with pytest.raises(IntegrationError):
        decompose_history(two_sectors(), [(1.0, 5.0)], SECTORS, params={"growth": 1e4})


def test_every_mistake_of_a_file_is_listed(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        """
        [[sectors]]
        [[sector]]
        name = "a"
        energy = 3
        factors = [{ name = "f", of = ["x"] }, { name = "f", off = ["x"], of = [] }, 4]
        [[sector]]
        name = "a"
        energy = { of = ["x"], over = "y" }
        [[sector]]
        energy = { of = ["x"] }
        factors = [{ of = ["x"] }]
        """,
        encoding="utf-8",
    )
    with pytest.raises(ScenarioError) as error:
        read_sectors(path)
    for text in (
        "unknown table 'sectors', expected one of sector, loop; did you mean 'sector'?",
        "sector 1 (a): energy: found 3, expected a table",
        "sector 1 (a): factor: unknown key 'off', expected one of name, of, over; did you mean 'of'?",
        "sector 1 (a): factor: of [], expected a list of names",
        "sector 1 (a): factor: found 4, expected a table",
        "sector 1 (a): factor 'f' is given more than once",
        "sector 2 (a): energy: over 'y', expected a list of names",
        "sector 2 (a): factors None, expected a list of tables",
        "sector 3 (no name): name: found None, expected text",
        "sector 3 (no name): factor: name: found None, expected text",
        "sector 'a' is given more than once",
    ):
        assert text in str(error.value)


def test_the_shipped_sectors_are_read():
    assert [s.name for s in read_sectors()] == ["conventional", "AI service", "AI training", "embedded AI"]
