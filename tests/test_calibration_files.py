"""Calibrations that contradict themselves, the shipped configurations, and tables of a fit."""

from __future__ import annotations

import pytest
from small import flow, observation, parameter, stock, v
from small_calibrations import GROWS, config_mistake, free, history

import jevons as jv
from jevons import Calibration, CalibrationError, Model, Range
from jevons.inference.fit import parameter_table, row_table

VARIANTS = ("main", "no_bias")


# Mistakes


def mistakes(rows, names, model=GROWS, **options):
    with pytest.raises(CalibrationError) as raised:
        Calibration(model, history(*rows), names, **options)
    return raised.value.mistakes


ROW = observation("x", 2.0, 1.0)


@pytest.mark.parametrize(
    ("rows", "names", "expected"),
    [
        ([], ["rate"], "no row to fit: expected history rows of role 'fit' for this variant and date"),
        ([ROW], ["rte"], "free parameter 'rte' is not in the model; did you mean 'rate'?"),
        ([ROW], ["x"], "free parameter 'x' is not in the model"),
        ([ROW], ["rate", "rate"], "free parameter 'rate' is listed more than once"),
        ([observation("xx", 2.0, 1.0)], ["rate"], "xx at 2: variable 'xx' is not in the model; did you mean 'x'?"),
        ([observation("rate", 2.0, 1.0)], ["rate"], "rate at 2: variable 'rate' is not in the model"),
        ([observation("x", 2.0, 1.0, unit="GW")], ["rate"], "x at 2: found 'GW', expected a unit like '1'"),
        ([observation("x", -1.0, 1.0)], ["rate"], "x at -1: before the model's start, 0"),
        (
            [observation("x", 2.0, 1.0, statistic="since", reference_date=-3.0)],
            ["rate"],
            "x since 2 from -3: before the model's start, 0",
        ),
        (
            [observation("x", 2.03, 1.0, statistic="annual")],
            ["rate"],
            "x annual 2.03: a year must begin a multiple of 0.125 after the model's start",
        ),
        (
            [observation("x", 2.0, 1.0, statistic="ratio", reference_date=1.0, unit="yr")],
            ["rate"],
            "x ratio 2 from 1: found 'yr', expected a unit like '1'",
        ),
        (
            [observation("x", 2.0, 1.0, statistic="log_growth_rate", reference_date=1.0)],
            ["rate"],
            "x log_growth_rate 2 from 1: found '1', expected a unit like '1/yr'",
        ),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_messages(rows, names, expected):
    (mistake,) = mistakes(rows, names)
    assert mistake.startswith(expected)


@pytest.mark.parametrize("prior", [None, Range(0, 1)])
def test_a_free_parameter_needs_a_prior(prior):
    model = Model("x", [stock("x", v.a), parameter("a", 1.0, prior=prior)])
    assert mistakes([ROW], ["a"], model) == ("free parameter 'a': needs a LogNormal or Normal prior",)


def test_years_are_counted_from_the_models_start():
    """A model that begins within a year has its own grid."""
    growth = flow("growth", v.rate * v.x, target="x")
    late = Model("late", [stock("x", 1.0), growth, free("rate", 0.1, unit="1/yr")], start=2000.05)
    rows = [observation("x", 2001.0, 1.0, statistic="annual")]
    assert "x annual 2001: a year must begin a multiple of 0.125" in mistakes(rows, ["rate"], late)[0]
    Calibration(late, history(observation("x", 2001.05, 1.0, statistic="annual")), ["rate"])


def test_all_mistakes_in_one_message():
    rows = [observation("z", 1.0, 1.0), observation("x", 1.0, 1.0, unit="GW"), observation("x", -2.0, 1.0)]
    assert len(mistakes(rows, ["rte", "rate", "rate"])) == 5


def test_configurations(tmp_path, world, history):
    config = jv.read_config("world")
    assert config.model == "world"
    assert set(VARIANTS) <= set(config.variants)
    assert len(set(config.free)) == len(config.free) <= 40
    fixed = config.variant("no_bias").fixed
    problem = config.calibration(world, history, "no_bias")
    assert fixed
    assert not set(fixed) & set(problem.free)
    assert all(problem.model.values[n] == x for n, x in fixed.items())
    early = config.calibration(world, history, "main", "2023-12")
    assert len(early.rows) < len(config.calibration(world, history, "main").rows)
    assert max(r.known for r in early.rows) <= "2023-12"


def test_configurations_that_are_not_there(tmp_path):
    config = jv.read_config("world")
    assert config_mistake(lambda: config.variant("no_bais")) == (
        f"variant 'no_bais', expected one of {', '.join(config.variants)}; did you mean 'no_bias'?"
    )
    unknown = config_mistake(lambda: jv.read_config("wrold"))
    assert unknown.startswith("no calibration is shipped for it (shipped: ")
    assert unknown.endswith("; did you mean 'world'?")
    assert config_mistake(lambda: jv.read_config(tmp_path / "x.toml")) == "cannot be read (No such file or directory)"
    fits = config_mistake(lambda: jv.shipped_fit("world", "mian"))
    assert fits.startswith("no shipped fit 'mian' (shipped: ")
    assert fits.endswith("; did you mean 'main'?")


# Tables


def test_tables_of_a_fit(linear_fit):
    table = parameter_table(linear_fit).set_index("name")
    assert table.loc["a", "prior_median"] == 2.0
    assert table.loc["b", "moved_sd"] == linear_fit.u[1]
    rows = row_table(linear_fit)
    assert rows["modelled"].tolist() == linear_fit.modelled.tolist()
    assert "5 rows, 3 free parameters" in repr(linear_fit)
