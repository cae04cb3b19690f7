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
from small import auxiliary, flow, observation, parameter, stock, v
from small_calibrations import GROWS, TRUTH, config_mistake, explodes, free, history, linear, logistic_at

import jevons as jv
from jevons import Calibration, LogNormal, Model, Normal
from jevons.errors import FitError
from jevons.inference.fit import notable_moves
from jevons.inference.observable import EVERY, date_weights, measurement, year_weights
from jevons.inference.profile import profile, refit

VARIANTS = ("main", "no_bias")


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
