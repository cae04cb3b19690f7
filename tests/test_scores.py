"""Scores: closed forms, calibration of coverage, reference decompositions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from jevons.inference.scores import (
    autocorrelation,
    coverage,
    crps,
    interval,
    log_score,
    normal_crps,
    probability_below,
    theil,
    with_error,
)

VALUES = st.lists(st.floats(-50, 50), min_size=2, max_size=12)


@given(VALUES, st.floats(-50, 50))
def test_crps_is_its_definition(values, y):
    x = np.array(values)
    n = x.size
    expected = np.abs(x - y).mean() - np.abs(x[:, None] - x).sum() / (2 * n * (n - 1))
    assert float(crps(x, y)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("y", [-2.0, 0.3, 4.0])
def test_crps_of_normal_draws_is_that_of_the_normal(y):
    draws = 0.5 + 1.5 * norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert float(crps(draws, y)) == pytest.approx(float(normal_crps(0.5, 1.5, y)), abs=1e-4)
    # CRPS = ∫ (F(x) − 1[x ≥ y])² dx
    x = np.linspace(-20, 20, 400_001)
    integral = np.trapezoid((norm.cdf(x, 0.5, 1.5) - (x >= y)) ** 2, x)
    assert float(normal_crps(0.5, 1.5, y)) == pytest.approx(integral, abs=2e-4)


def test_crps_of_few_draws_has_no_bias():
    """Over many ensembles of three; the usual formula would be off by a tenth."""
    draws = np.random.default_rng(1).standard_normal((3, 200_000))
    assert float(crps(draws, 0.4).mean()) == pytest.approx(float(normal_crps(0.0, 1.0, 0.4)), abs=5e-3)
    usual = np.abs(draws - 0.4).mean() - np.abs(draws[:, None] - draws[None]).mean() / 2
    assert usual > float(normal_crps(0.0, 1.0, 0.4)) + 0.1


def test_crps_of_rows_is_that_of_each():
    draws = np.random.default_rng(2).standard_normal((40, 3))
    y = np.array([0.0, 1.0, -2.0])
    assert crps(draws, y) == pytest.approx([float(crps(draws[:, i], y[i])) for i in range(3)])
    with pytest.raises(ValueError, match="found 1 draws, expected at least 2"):
        crps([1.0], 0.0)


def test_log_score_is_the_density_of_the_mixture():
    centres, sd, y = np.array([[0.0, 3.0], [1.0, 5.0], [4.0, 5.5]]), np.array([0.5, 2.0]), np.array([0.8, -1.0])
    expected = [math.log(np.mean(norm.pdf(y[i], centres[:, i], sd[i]))) for i in range(2)]
    assert log_score(centres, sd, y) == pytest.approx(expected)
    assert probability_below(centres, sd, y) == pytest.approx(
        [np.mean(norm.cdf(y[i], centres[:, i], sd[i])) for i in range(2)]
    )


def test_each_draw_may_have_its_own_error():
    centres, sd = np.array([[0.0], [1.0]]), np.array([[0.5], [2.0]])
    density = (norm.pdf(0.3, 0.0, 0.5) + norm.pdf(0.3, 1.0, 2.0)) / 2
    assert log_score(centres, sd, np.array([0.3])) == pytest.approx([math.log(density)])
    found = with_error(centres, sd, 5)
    assert found.shape == (10, 1)
    assert np.ptp(found[1::2]) == pytest.approx(4 * np.ptp(found[::2]))


def test_log_score_of_normal_draws_is_that_of_the_convolution():
    centres = 2.0 + 0.6 * norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    assert float(log_score(centres, 0.8, 3.1)) == pytest.approx(norm.logpdf(3.1, 2.0, 1.0), abs=1e-3)


def test_log_score_far_away_is_finite():
    assert float(log_score([0.0, 1.0], 1e-3, 100.0)) == pytest.approx(norm.logpdf(100.0, 1.0, 1e-3) + math.log(0.5))


def test_log_score_is_proper():
    """The true distribution has the best mean score, wider, narrower and shifted ones less."""
    y = np.random.default_rng(3).standard_normal(4000)
    scores = {
        (m, s): float(np.mean(norm.logpdf(y, m, s))) - float(np.mean(log_score(np.full((2, y.size), m), s, y)))
        for m, s in [(0, 1), (0.5, 1), (0, 2), (0, 0.5)]
    }
    assert max(map(abs, scores.values())) < 1e-9
    means = {k: float(np.mean(log_score(np.full((1, y.size), k[0]), k[1], y))) for k in scores}
    assert max(means, key=means.__getitem__) == (0, 1)


def test_coverage_of_calibrated_intervals():
    """Centres and observations share a mean that is uncertain; the predictive interval has its nominal share."""
    rng = np.random.default_rng(4)
    rows = 4000
    truth = 0.7 * rng.standard_normal(rows)
    y = truth + 0.5 * rng.standard_normal(rows)
    draws = with_error(0.7 * rng.standard_normal((200, rows)), 0.5, 11)
    for probability in (0.5, 0.9):
        found = coverage(*interval(draws, probability), y)
        assert found == pytest.approx(probability, abs=0.025)
    narrow = coverage(*interval(0.7 * rng.standard_normal((200, rows)), 0.9), y)
    assert narrow < 0.85
    assert math.isnan(coverage([], [], []))


def test_draws_with_error_have_its_moments():
    found = with_error(np.array([1.0, 3.0]), 0.5)
    assert found.shape == (62,)
    assert found.mean() == pytest.approx(2.0)
    assert found.var() == pytest.approx(1.0 + 0.25)
    low, high = interval(with_error(np.zeros(1), 2.0, 2001), 0.9)
    assert (float(low), float(high)) == pytest.approx((-3.29, 3.29), abs=0.01)
    with pytest.raises(ValueError, match="found probability 1"):
        interval([1.0], 1)


def test_theil_reference_values():
    found = theil([1, 2, 3, 4, 6], [1, 2, 3, 5, 5])
    assert (found.n, found.mse, found.bias) == (5, pytest.approx(0.4), 0.0)
    assert found.variance == pytest.approx(0.0362795727, abs=1e-10)
    assert found.covariance == pytest.approx(0.9637204273, abs=1e-10)
    assert (found.r2, found.mape) == (pytest.approx(0.8648648649, abs=1e-10), pytest.approx(0.08))
    found = theil([190, 201, 215, 240, 300], [194, 198, 205, 255, 320])
    assert found.mse == pytest.approx(150)
    assert found.bias == pytest.approx(0.1802666667, abs=1e-10)
    assert found.variance == pytest.approx(0.5355429641, abs=1e-10)
    assert found.covariance == pytest.approx(0.2841903693, abs=1e-10)
    assert (found.r2, found.mape) == (
        pytest.approx(0.9774946498, abs=1e-10),
        pytest.approx(0.0411748178, abs=1e-10),
    )


@given(st.lists(st.tuples(st.floats(1, 50), st.floats(1, 50)), min_size=2, max_size=9))
def test_theils_shares_add_up(pairs):
    x, y = np.array(pairs).T
    found = theil(x, y)
    if found.mse > 1e-6:
        assert found.bias + found.variance + found.covariance == pytest.approx(1.0, abs=1e-6)
        assert min(found.bias, found.variance, found.covariance) > -1e-9


def test_theil_of_the_same_is_no_error():
    found = theil([1.0, 2.0], [1.0, 2.0])
    assert found.mse == 0.0
    assert math.isnan(found.bias)
    with pytest.raises(ValueError, match="expected two of one length of at least 2"):
        theil([1.0], [1.0])


def test_autocorrelation_knows_a_trend_from_an_alternation():
    dates = np.arange(10.0)
    rising = autocorrelation(np.arange(10.0), dates)
    assert rising.value == pytest.approx(0.7)  # 1 - 3/n for a straight line
    assert (rising.n, rising.enough, rising.white) == (10, True, False)
    assert autocorrelation((-1.0) ** np.arange(10), dates).value == pytest.approx(-0.9)
    shuffled = np.random.default_rng(0).permutation(10)
    assert autocorrelation(np.arange(10.0)[shuffled], dates[shuffled]).value == pytest.approx(0.7)
    assert autocorrelation(np.arange(10.0), dates, lag=2).value == pytest.approx(34.0 / 82.5)


def test_white_noise_stays_within_the_bound():
    rng = np.random.default_rng(5)
    inside = [autocorrelation(rng.standard_normal(60), np.arange(60.0)).white for _ in range(400)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.035)


def test_few_residuals_are_no_evidence():
    few = autocorrelation([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (few.n, few.enough, few.white) == (3, False, None)
    assert math.isnan(autocorrelation([1.0], [2000.0]).value)
    assert math.isnan(autocorrelation([], []).bound)
    with pytest.raises(ValueError, match="found lag 0"):
        autocorrelation([1.0, 2.0], [1.0, 2.0], lag=0)
    with pytest.raises(ValueError, match="expected two of one length"):
        autocorrelation([1.0, 2.0], [1.0])
