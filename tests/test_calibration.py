"""Calibration: known parameters recovered, measurements, draws, failures, files, profiles."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from small import auxiliary, flow, observation, parameter, stock, v

import jevons as jv
from jevons import Calibration, CalibrationError, LogNormal, Model, Normal, Range
from jevons.errors import FitError
from jevons.inference.fit import notable_moves, parameter_table, row_table
from jevons.inference.history import History
from jevons.inference.problem import EVERY, date_weights, measurement, year_weights
from jevons.inference.profile import backfire_table, profile, refit

VARIANTS = ("main", "no_bias")


def free(name, median, sd=0.5, unit="1"):
    return parameter(name, median, unit, prior=LogNormal(median, sd), status="fitted")


def grows():
    """Logistic growth, three parameters: x' = r x (1 - x/M)."""
    growth = flow("growth", v.rate * v.x * (1 - v.x / v.ceiling), target="x")
    given = [stock("x", v.start_value, log=True), growth, auxiliary("log_x", sp.log(v.x))]
    return Model("grows", [*given, free("rate", 1.0, unit="1/yr"), free("ceiling", 10.0), free("start_value", 0.1)])


GROWS = grows()
TRUTH = {"rate": 0.7, "ceiling": 14.0, "start_value": 0.15}


def logistic_at(t):
    r, m, x0 = TRUTH.values()
    return m / (1 + (m / x0 - 1) * np.exp(-r * np.asarray(t)))


def linear():
    """Stocks that are products of powers of the parameters: linear in their logarithms."""
    given = [stock("p", v.a * v.b), stock("q", v.a / v.b**2), stock("s", v.c * v.b), stock("w", v.c)]
    return Model("linear", [*given, free("a", 2.0, 0.5), free("b", 1.0, 0.3), free("c", 5.0, 1.0)])


def explodes(median=0.1, sd=2.0):
    """x' = k x² from 1: infinite at 1/k."""
    growth = flow("growth", v.k * v.x**2, target="x")
    return Model("explodes", [stock("x", 1.0), growth, free("k", median, sd, "1/yr")])


def history(*rows):
    return History(rows, "test")


@pytest.fixture(scope="module")
def linear_fit():
    rows = [
        observation("p", 1.0, 3.0, sigma=0.2), observation("q", 1.0, 1.0, sigma=0.3),
        observation("s", 2.0, 4.0, sigma=0.1), observation("w", 2.0, 6.0, sigma=0.4),
        observation("p", 2.0, 2.5, sigma=0.2),
    ]  # fmt: skip
    return jv.fit(Calibration(linear(), history(*rows), ["a", "b", "c"]), starts=4, seed=3, progress=False)


# Recovery


def test_known_parameters_come_back():
    """From rows without noise and with next to no error, computed by the closed solution."""
    dates = [1.0, 3.3, 5.0, 7.77, 9.1, 12.0]
    rows = [observation("x", t, float(logistic_at(t)), sigma=1e-5) for t in dates]
    fit = jv.fit(Calibration(GROWS, history(*rows), list(TRUTH)), starts=4, seed=1, progress=False)
    assert fit.values == pytest.approx(TRUTH, rel=1e-4)
    assert np.abs(fit.z).max() < 0.1
    assert fit.share_at_best == 1.0
    assert all(s.converged and s.final <= s.initial for s in fit.starts)
    assert fit.effective_parameters == pytest.approx(3.0, abs=1e-3)


def test_what_is_not_free_keeps_the_models_value():
    model = GROWS.with_values({"ceiling": 14.0, "start_value": 0.15})
    rows = [observation("x", t, float(logistic_at(t)), sigma=1e-4) for t in (2.0, 5.0)]
    fit = jv.fit(Calibration(model, history(*rows), ["rate"]), starts=2, progress=False)
    assert fit.values == pytest.approx({"rate": 0.7}, rel=1e-5)


def test_without_information_the_prior_stands():
    rows = [observation("x", 0.0, 0.15)]
    fit = jv.fit(Calibration(GROWS, history(*rows), ["rate", "start_value"]), starts=2, progress=False)
    assert fit.values["rate"] == pytest.approx(1.0, abs=1e-6)
    sd = np.sqrt(np.diag(fit.covariance))
    assert sd[0] == pytest.approx(1.0, abs=1e-6)
    assert sd[1] == pytest.approx(1 / math.sqrt(1 + (0.5 / 0.1) ** 2), rel=1e-4)
    assert fit.effective_parameters == pytest.approx(25 / 26, rel=1e-4)


def test_the_best_compromise_of_data_and_prior(linear_fit):
    """Linear in the coordinates, so that the normal equations give the answer."""
    powers = np.array([[1, 1, 0], [1, -2, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0]], dtype=float)
    sd, median = np.array([0.5, 0.3, 1.0]), np.log([2.0, 1.0, 5.0])
    sigma, data = np.array([0.2, 0.3, 0.1, 0.4, 0.2]), np.log([3.0, 1.0, 4.0, 6.0, 2.5])
    matrix = powers * sd / sigma[:, None]
    rest = (data - powers @ median) / sigma
    covariance = np.linalg.inv(matrix.T @ matrix + np.eye(3))
    assert linear_fit.u == pytest.approx(covariance @ matrix.T @ rest, abs=1e-7)
    assert linear_fit.covariance == pytest.approx(covariance, rel=1e-5)
    assert linear_fit.z == pytest.approx(matrix @ linear_fit.u - rest, abs=1e-6)
    assert linear_fit.chi2 == pytest.approx(linear_fit.chi2_data + linear_fit.u @ linear_fit.u)
    assert linear_fit.reduced_chi2 == linear_fit.chi2_data / (5 - linear_fit.effective_parameters)


def test_a_fit_is_reproducible(linear_fit):
    again = jv.fit(linear_fit.calibration, starts=4, seed=3, progress=False)
    assert again.u.tolist() == linear_fit.u.tolist()
    assert [s.initial for s in again.starts] == [s.initial for s in linear_fit.starts]
    other = jv.fit(linear_fit.calibration, starts=4, seed=4, progress=False)
    assert [s.initial for s in other.starts] != [s.initial for s in linear_fit.starts]
    assert other.u == pytest.approx(linear_fit.u, abs=1e-6)


def test_normal_priors_may_have_any_sign():
    bias = parameter("bias", 0.0, prior=Normal(0.0, 0.5), status="fitted")
    model = Model("bias", [stock("y", 3.0 * sp.exp(v.bias)), bias])
    calibration = Calibration(model, history(observation("y", 1.0, 3.0 * math.exp(-0.4), sigma=1e-4)), ["bias"])
    assert calibration.natural(np.array([-2.0])) == pytest.approx([-1.0])
    assert calibration.coordinates({"bias": -0.4}) == pytest.approx([-0.8])
    assert jv.fit(calibration, starts=2, progress=False).values["bias"] == pytest.approx(-0.4, abs=1e-6)


@given(st.lists(st.floats(-4, 4), min_size=3, max_size=3))
def test_coordinates_and_values_are_inverse(linear_fit, u):
    calibration = linear_fit.calibration
    assert calibration.coordinates(calibration.values(np.array(u))) == pytest.approx(u, abs=1e-12)


def test_only_rows_of_the_variant_known_in_time_count():
    rows = [
        observation("x", 1.0, 1.0),
        observation("x", 2.0, 1.0, variants=("other",)),
        observation("x", 3.0, 1.0, known="2024-01"),
        observation("x", 4.0, 1.0, role="hold-out"),
        observation("x", 5.0, 1.0, role="benchmark"),
    ]
    problem = Calibration(GROWS, history(*rows), ["rate"], variant="main", until="2023-12")
    assert [r.date for r in problem.rows] == [1.0]
    assert [r.date for r in Calibration(GROWS, history(*rows), ["rate"]).rows] == [1.0, 2.0, 3.0]


# Measurements


GRID = np.arange(2000.0, 2012.0 + EVERY / 2, EVERY)
COEFFICIENTS = st.lists(st.floats(-3, 3), min_size=4, max_size=4)


@given(COEFFICIENTS, st.floats(2000.0, 2012.0))
def test_dates_between_the_grid_are_exact_for_cubics(coefficients, date):
    cubic = np.polynomial.Polynomial(coefficients)
    weights = date_weights(GRID, date)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.count_nonzero(weights) <= 4
    assert weights @ cubic(GRID - 2006) == pytest.approx(cubic(date - 2006), abs=1e-8)


@given(COEFFICIENTS, st.integers(0, 8 * 11))
def test_annual_means_are_exact_for_cubics(coefficients, place):
    year = GRID[place]
    weights = year_weights(GRID, year)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert weights[(year > GRID) | (year + 1 < GRID)].tolist() == [0.0] * np.count_nonzero(
        (year > GRID) | (year + 1 < GRID)
    )
    integral = np.polynomial.Polynomial(coefficients).integ()
    mean = integral(year + 1 - 2006) - integral(year - 2006)
    assert weights @ np.polynomial.Polynomial(coefficients)(GRID - 2006) == pytest.approx(mean, abs=1e-8)


def test_a_quartic_is_not_exact():
    """So that the two tests above say something."""
    assert abs(date_weights(GRID, 2006.3) @ (GRID - 2006) ** 4 - 0.3**4) > 1e-8
    assert abs(year_weights(GRID, 2006.0) @ (GRID - 2006) ** 4 - 1 / 5) > 1e-8


@pytest.mark.parametrize("year", [2000.06, 2011.5, 1999.0])
def test_a_year_off_the_grid_is_refused(year):
    with pytest.raises(ValueError, match="is not among the reported dates"):
        year_weights(GRID, year)


def test_each_statistic():
    """On x = 2 exp(0.3 t), whose statistics are known."""
    growth = flow("growth", v.g * v.x, target="x")
    given = [stock("x", 2.0, log=True), growth, auxiliary("log_x", sp.log(v.x)), auxiliary("inverse", 1 / v.x)]
    model = Model("exponential", [*given, free("g", 0.3, unit="1/yr")])
    g, year = 0.3, math.expm1(0.3) / 0.3

    def x(t):
        return 2 * math.exp(g * t)

    expected = {
        "at": ("x", 3.3, math.nan, "1", x(3.3)),
        "annual": ("x", 4.0, math.nan, "1", x(4) * year),
        "ratio": ("x", 5.0, 2.0, "1", math.exp(3 * g)),
        "since": ("x", 4.5, 1.0, "1", x(4.5) - x(1)),
        "slope": ("log_x", 6.0, 2.0, "1/yr", g),
        "log_growth_rate": ("x", 6.0, 1.5, "1/yr", g),
        "log_decline_rate": ("inverse", 6.0, 1.5, "1/yr", g),
    }
    rows = [
        observation(variable, date, value, statistic=statistic, reference_date=reference, unit=unit)
        for statistic, (variable, date, reference, unit, value) in expected.items()
    ]
    calibration = Calibration(model, history(*rows), ["g"])
    assert calibration.modelled(np.zeros(1)) == pytest.approx([e[-1] for e in expected.values()], rel=1e-6)
    assert calibration.data_residuals(np.zeros(1)) == pytest.approx(np.zeros(len(rows)), abs=1e-4)
    moved = calibration.data_residuals(np.array([0.5]))
    assert (np.abs(moved) > 0.1).all()


def test_errors_are_relative_or_absolute():
    rows = [
        observation("p", 1.0, 1.0, sigma=0.5),
        observation("p", 2.0, 1.0, sigma=0.5, sigma_kind="absolute"),
        observation("p", 3.0, 300.0, sigma=50.0, sigma_kind="absolute", unit="percent"),
        observation("p", 3.0, 300.0, sigma=0.5, unit="percent"),
    ]
    calibration = Calibration(linear(), history(*rows), ["a"])
    assert calibration.observed == pytest.approx([1.0, 1.0, 3.0, 3.0])
    assert calibration.data_residuals(np.zeros(1)) == pytest.approx(
        [math.log(2) / 0.5, 1 / 0.5, -1 / 0.5, math.log(2 / 3) / 0.5]
    )


def test_rates_have_the_time_of_the_model():
    row = observation("x", 2.0, 0.05, statistic="log_growth_rate", reference_date=1.0, unit="1/month")
    assert Calibration(GROWS, history(row), ["rate"]).observed == pytest.approx([0.6])


def test_logarithms_of_what_is_not_positive_are_no_numbers():
    row = observation("x", 2.0, 1.0, statistic="ratio", reference_date=1.0)
    measure = measurement(row, GRID - 2000, ["x"])
    assert math.isnan(measure.value(np.where(GRID < 2002, -1.0, 1.0)[:, None]))
    assert math.isnan(measure.value(np.where(GRID < 2002.01, 0.0, 1.0)[:, None]))
    calibration = Calibration(linear(), history(observation("p", 1.0, 1.0)), ["a"])
    assert math.isnan(calibration.standardised(np.array([-1.0]))[0])


def test_derivatives(linear_fit):
    calibration = linear_fit.calibration
    u = np.array([0.3, -0.2, 0.5])
    jacobian = calibration.jacobian(u)
    for j in range(3):
        step = np.zeros(3)
        step[j] = 1e-4
        slope = (calibration.residuals(u + step) - calibration.residuals(u - step)) / 2e-4
        assert jacobian[:, j] == pytest.approx(slope, abs=1e-5)


# Draws


def test_draws_of_a_linear_problem_have_its_covariance(linear_fit):
    n = 500
    draws = jv.randomised_draws(linear_fit, n, seed=5, progress=False)
    assert draws.failed == 0
    assert draws.u.shape == (n, 3)
    white = np.linalg.solve(np.linalg.cholesky(linear_fit.covariance), (draws.u - linear_fit.u).T)
    assert np.abs(white.mean(axis=1)).max() < 4 / math.sqrt(n)
    spread = np.cov(white)
    assert np.abs(np.diag(spread) - 1).max() < 4 * math.sqrt(2 / n)
    assert np.abs(spread - np.diag(np.diag(spread))).max() < 4 / math.sqrt(n)
    again = jv.randomised_draws(linear_fit, 3, seed=5, progress=False)
    assert again.u == pytest.approx(draws.u[:3], abs=1e-6)


def test_draws_are_not_all_the_same_as_the_prior(linear_fit):
    sd = np.sqrt(np.diag(linear_fit.covariance))
    assert (sd < 0.7).all()


def test_draws_that_fail_are_counted(monkeypatch, linear_fit):
    calibration = linear_fit.calibration
    calls = iter(range(10**6))
    residuals = Calibration.residuals

    def broken(self, u):
        found = residuals(self, u)
        return found * math.nan if next(calls) == 0 else found

    monkeypatch.setattr(Calibration, "residuals", broken)
    draws = jv.randomised_draws(linear_fit, 4, seed=1, progress=False)
    assert draws.failed == 1
    assert draws.u.shape == (3, 3)
    monkeypatch.setattr(Calibration, "residuals", lambda self, u: residuals(self, u) * math.nan)
    none = jv.randomised_draws(dataclasses.replace(linear_fit, calibration=calibration), 2, progress=False)
    assert none.failed == 2
    assert none.u.shape == (0, 3)


# Failures


def test_a_run_that_fails_is_not_a_number_and_is_counted():
    calibration = Calibration(explodes(), history(observation("x", 4.0, 2.0)), ["k"])
    fine = calibration.residuals(np.zeros(1))
    assert np.isfinite(fine).all()
    assert (calibration.evaluations, calibration.failures) == (1, 0)
    failed = calibration.residuals(np.array([3.0]))
    assert np.isnan(failed[:1]).all()
    assert (calibration.evaluations, calibration.failures) == (2, 1)


def test_starts_that_fail_are_drawn_again():
    calibration = Calibration(explodes(), history(observation("x", 4.0, 2.0, sigma=1e-3)), ["k"])
    fit = jv.fit(calibration, starts=12, seed=2, progress=False)
    assert fit.values["k"] == pytest.approx(1 / 8, rel=1e-3)
    assert calibration.failures > 0
    assert sum(s.redrawn for s in fit.starts) > 0


def test_a_fit_without_a_start_that_runs():
    calibration = Calibration(explodes(100.0, 0.1), history(observation("x", 4.0, 2.0)), ["k"])
    with pytest.raises(FitError, match=r"fit of 'explodes': no start converged") as raised:
        jv.fit(calibration, starts=3, seed=0, progress=False)
    assert raised.value.mistakes == tuple(f"start {k}: no start ran" for k in range(3))


def test_a_search_that_fails_is_no_start():
    """Residuals without derivatives: least_squares gives up, and says why."""
    calibration = Calibration(GROWS, history(observation("x", 1.0, 1.0)), ["rate"])
    calibration.jacobian = lambda u: np.full((2, 1), math.nan)
    with pytest.raises(FitError) as raised:
        jv.fit(calibration, starts=2, seed=0, progress=False)
    assert len(raised.value.mistakes) == 2
    assert "no start ran" not in str(raised.value)


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


def config_mistake(call):
    with pytest.raises(CalibrationError) as raised:
        call()
    (mistake,) = raised.value.mistakes
    return mistake


def test_configurations_that_are_not_there(tmp_path):
    config = jv.read_config("world")
    assert config_mistake(lambda: config.variant("no_bais")) == (
        f"variant 'no_bais', expected one of {', '.join(config.variants)}; did you mean 'no_bias'?"
    )
    unknown = config_mistake(lambda: jv.read_config("wrold"))
    assert unknown == "no calibration is shipped for it (shipped: world); did you mean 'world'?"
    assert config_mistake(lambda: jv.read_config(tmp_path / "x.toml")) == "cannot be read (No such file or directory)"
    fits = config_mistake(lambda: jv.shipped_fit("world", "mian"))
    assert fits == "no shipped fit 'mian' (shipped: main, no_bias); did you mean 'main'?"


@pytest.mark.parametrize("text", ["model = ", "model = 'x'", "[variants]\nmain = 3", "\x00"])
def test_configurations_that_are_malformed(tmp_path, text):
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    assert config_mistake(lambda: jv.read_config(tmp_path / "x.toml")).startswith("malformed: ")


# Saving


@pytest.fixture
def saved(tmp_path, linear_fit):
    draws = jv.randomised_draws(linear_fit, 5, seed=1, progress=False)
    command = 'jevons fit "linear" \\ now'
    return jv.save_fit(linear_fit, draws, tmp_path / "deep" / "fit", {"d": 0.25}, command), draws, command


def test_a_fit_is_read_as_it_was_written(saved, linear_fit):
    folder, draws, command = saved
    stored = jv.load_fit(folder)
    assert stored.names == linear_fit.names
    assert stored.centre == pytest.approx(linear_fit.u, rel=1e-12)
    assert stored.covariance == pytest.approx(linear_fit.covariance, rel=1e-12)
    assert stored.values == pytest.approx({**linear_fit.values, "d": 0.25}, rel=1e-12)
    natural = [linear_fit.calibration.natural(u) for u in draws.u]
    assert stored.sample == pytest.approx(np.array(natural), rel=1e-7)
    assert [list(d) for d in stored.draws(2)] == [["d", "a", "b", "c"]] * 2
    assert len(stored.draws()) == 5
    assert stored.rows["z"].to_numpy() == pytest.approx(linear_fit.z, rel=1e-12)
    assert stored.rows["observed"].tolist() == pytest.approx(linear_fit.calibration.observed.tolist())
    assert len(stored.starts) == 4
    assert stored.meta["command"] == command
    assert stored.meta["chi2_data"] == linear_fit.chi2_data
    assert stored.meta["model_hash"] == linear_fit.calibration.model.hash
    assert stored.meta["history_hash"] == linear_fit.calibration.history.hash
    assert (stored.meta["rows"], stored.meta["free_parameters"], stored.meta["draws"]) == (5, 3, 5)
    assert "fixed" not in stored.meta


def test_more_draws_than_are_stored(saved):
    with pytest.raises(CalibrationError, match="asked for 6, stored are 5"):
        jv.load_fit(saved[0]).draws(6)


def test_a_fit_without_draws_can_be_saved(tmp_path, linear_fit):
    draws = jv.randomised_draws(linear_fit, 0, progress=False)
    stored = jv.load_fit(jv.save_fit(linear_fit, draws, tmp_path))
    assert stored.sample.shape == (0, 3)
    assert stored.draws() == []
    assert stored.fixed == {}


@pytest.mark.parametrize(
    "name", ["fit.toml", "parameters.csv", "rows.csv", "starts.csv", "covariance.csv", "draws.csv"]
)
def test_a_fit_with_a_file_missing_or_spoilt(saved, name):
    folder = saved[0]
    content = (folder / name).read_text(encoding="utf-8")
    (folder / name).write_text("", encoding="utf-8")
    if name != "fit.toml":
        with pytest.raises(CalibrationError, match="cannot be read"):
            jv.load_fit(folder)
    (folder / name).unlink()
    with pytest.raises(CalibrationError, match="cannot be read"):
        jv.load_fit(folder)
    (folder / name).write_text(content, encoding="utf-8")
    jv.load_fit(folder)


def test_a_fit_whose_files_do_not_belong_together(saved):
    folder = saved[0]
    for name, old, new in (
        ("covariance.csv", "\nb,", "\n#,"),
        ("draws.csv", "a,", "e,"),
        ("parameters.csv", "\nb,", "\ne,"),
    ):
        content = (folder / name).read_text(encoding="utf-8")
        assert old in content or content.startswith(old)
        changed = content.replace(old, new, 1)
        if name == "covariance.csv":
            changed = "\n".join(line for line in changed.split("\n") if not line.startswith("#"))
        (folder / name).write_text(changed, encoding="utf-8")
        with pytest.raises(CalibrationError, match="cannot be read"):
            jv.load_fit(folder)
        (folder / name).write_text(content, encoding="utf-8")


def test_tables_of_a_fit(linear_fit):
    table = parameter_table(linear_fit).set_index("name")
    assert table.loc["a", "prior_median"] == 2.0
    assert table.loc["b", "moved_sd"] == linear_fit.u[1]
    rows = row_table(linear_fit)
    assert rows["modelled"].tolist() == linear_fit.modelled.tolist()
    assert "5 rows, 3 free parameters" in repr(linear_fit)


# Refits with parameters held


def test_a_refit_moves_the_rest_by_its_covariance(linear_fit):
    """Of a linear problem: the others follow by their regression on what is held."""
    held = refit(linear_fit, {"b": linear_fit.values["b"] * math.exp(0.3 * 0.5)})
    moved = linear_fit.calibration.coordinates(held.values) - linear_fit.u
    covariance = linear_fit.covariance
    assert held.converged
    assert moved == pytest.approx(covariance[:, 1] / covariance[1, 1] * 0.5, abs=1e-5)
    own = float(linear_fit.calibration.coordinates(held.values)[1] ** 2)
    assert held.chi2_data + held.chi2_prior + own == pytest.approx(linear_fit.chi2 + 0.25 / covariance[1, 1], rel=1e-5)


def test_a_profile_is_lowest_at_the_fit(linear_fit):
    values = linear_fit.values["c"] * np.array([0.8, 1.0, 1.25])
    prior = LogNormal(5.0, 1.0)
    total = [
        h.chi2_data + h.chi2_prior + (math.log(h.values["c"] / prior.median) / prior.sd_log) ** 2
        for h in profile(linear_fit, "c", values)
    ]
    assert total[1] == pytest.approx(linear_fit.chi2, rel=1e-6)
    assert min(total[0], total[2]) > total[1] + 1
    assert profile(linear_fit, "c", values)[0].held == {"c": values[0]}


def test_a_refit_holds_what_is_free(linear_fit):
    assert config_mistake(lambda: refit(linear_fit, {"bb": 1.0})) == (
        "'bb' is no free parameter of the fit; did you mean 'b'?"
    )


def test_probability_of_backfire_is_that_of_the_prior_beyond_the_crossing():
    elasticity = [0.5, 1.0, 2.0]
    columns = {"demand_elasticity_2025": elasticity * 2, "satiation": [0.0] * 3 + [0.3] * 3}
    table = pd.DataFrame({**columns, "inference_5yr": [0.5, 0.9, 1.1, 0.1, 0.2, 0.3]})
    found = backfire_table(table, {"central": LogNormal(1.0, 0.5)}, ["inference"], 5.0).set_index("satiation")
    assert found.loc[0.0, "crossing_elasticity"] == pytest.approx(1.5)
    assert found.loc[0.0, "probability"] == pytest.approx(norm.sf(math.log(1.5) / 0.5))
    assert math.isnan(found.loc[0.3, "crossing_elasticity"])
    assert found.loc[0.3, "probability"] == pytest.approx(norm.sf(math.log(2.0) / 0.5))
    assert found["is_upper_bound"].tolist() == [False, True]


def test_notable_moves_name_what_moved_and_what_is_on_a_bound():
    table = pd.DataFrame(
        {
            "name": ["still", "moved", "bound", "fixed"],
            "unit": ["1"] * 4,
            "value": [1.0, 2.0, 3.0, 4.0],
            "moved_sd": [0.5, -1.2, 4.0, math.nan],
        }
    )
    assert notable_moves(table) == ["bound = 3 1 (+4.00 sd, on its bound)", "moved = 2 1 (-1.20 sd)"]
