"""Errors of observations: density, residual and draws say the same."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import kstest

from jevons.inference.noise import LogNormalNoise, NormalNoise, grouped

ERRORS = [(LogNormalNoise(0.3), 2.0, 1.0), (LogNormalNoise(0.3), 2.0, 2.5), (NormalNoise(1.7), -2.0, 1.0),
          (NormalNoise(1.7), 3.0, 0.4)]  # fmt: skip
BOTH = pytest.mark.parametrize(("noise", "modelled", "scale"), ERRORS)


def probability(noise, modelled, scale, upper):
    """Of an observation below `upper`, by quadrature of the density."""
    size = noise.sigma * scale
    edges = [modelled * math.exp(k * size) if isinstance(noise, LogNormalNoise) else modelled + k * size
             for k in range(-12, 13)]  # fmt: skip
    edges = [x for x in edges if x < upper]
    ends = [*edges, upper] if math.isfinite(upper) else edges
    return sum(
        quad(lambda y: math.exp(float(noise.log_density(y, modelled, scale))), a, b, epsabs=1e-13)[0]
        for a, b in itertools.pairwise(ends)
    )


@BOTH
def test_a_density_integrates_to_one_and_its_median_is_the_modelled_value(noise, modelled, scale):
    assert probability(noise, modelled, scale, math.inf) == pytest.approx(1.0, abs=1e-10)
    assert probability(noise, modelled, scale, modelled) == pytest.approx(0.5, abs=1e-10)


@BOTH
@pytest.mark.parametrize("sds", [-1.7, 0.4, 2.2])
def test_the_residual_is_the_normal_score_of_the_probability(noise, modelled, scale, sds):
    observed = modelled + sds * noise.sigma * scale
    if isinstance(noise, LogNormalNoise):
        observed = modelled * math.exp(sds * noise.sigma * scale)
    residual = float(noise.residual(modelled, observed, scale))
    assert residual == pytest.approx(-sds, abs=1e-12)
    assert probability(noise, modelled, scale, observed) == pytest.approx(float(ndtr(-residual)), abs=1e-9)


@BOTH
def test_half_the_squared_residual_is_the_density_but_for_what_the_model_does_not_move(noise, modelled, scale):
    observed = abs(modelled) * 1.1
    others = abs(modelled) * np.array([0.5, 0.9, 1.0, 1.7])
    rest = noise.log_density(observed, others, scale) + 0.5 * noise.residual(others, observed, scale) ** 2
    assert np.ptp(rest) < 1e-12
    wider = noise.log_density(observed, others, 3 * scale) + 0.5 * noise.residual(others, observed, 3 * scale) ** 2
    assert wider - rest == pytest.approx(np.full(4, -math.log(3)), abs=1e-12)


@BOTH
def test_draws_follow_the_density(noise, modelled, scale):
    draws = noise.sample(np.full(4000, modelled), np.random.default_rng(1), scale)
    scores = [-float(noise.residual(modelled, y, scale)) for y in draws]
    assert kstest(scores, "norm").pvalue > 0.01
    assert kstest(np.multiply(scores, 1.1), "norm").pvalue < 0.01
    assert np.mean(draws < modelled) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(4000))


def test_draws_have_the_shape_of_modelled_values_and_scales():
    rng = np.random.default_rng(0)
    for noise in (LogNormalNoise(0.3), NormalNoise(0.3)):
        drawn = noise.sample(2.0, rng, np.array([1.0, 1e-9, 1.0]))
        assert drawn.shape == (3,)
        assert drawn[1] == pytest.approx(2.0)
        assert len(set(drawn.tolist())) == 3


@BOTH
def test_the_slope_is_that_of_the_residual(noise, modelled, scale):
    m, h = abs(modelled), 1e-6
    central = (noise.residual(m + h, 1.3, scale) - noise.residual(m - h, 1.3, scale)) / (2 * h)
    assert noise.slope(m, scale) == pytest.approx(float(central), rel=1e-7)


def test_what_is_not_positive_has_no_logarithm():
    noise = LogNormalNoise(0.3)
    bad = np.array([-1.0, 0.0, math.nan])
    assert np.isnan(noise.residual(bad, 1.0)).all()
    assert noise.log_density(1.0, bad).tolist() == [-math.inf] * 3
    assert float(noise.log_density(-1.0, 1.0)) == -math.inf
    assert np.isnan(noise.sample(bad, np.random.default_rng(0))).all()
    assert math.isnan(noise.slope(0.0))
    assert float(NormalNoise(0.3).log_density(1.0, math.nan)) == -math.inf


def test_rows_of_one_kind_together_are_the_rows():
    noises = [LogNormalNoise(0.1), NormalNoise(2.0), LogNormalNoise(0.4), LogNormalNoise(0.2)]
    y, m, s = np.array([1.0, -3.0, 2.0, 5.0]), np.array([1.2, 4.0, 1.0, 5.5]), np.array([1.0, 2.0, 3.0, 0.5])
    found = np.full((2, 4), math.nan)
    for rows, noise in grouped(noises):
        found[0, rows] = noise.residual(m[rows], y[rows], s[rows])
        found[1, rows] = noise.log_density(y[rows], m[rows], s[rows])
    assert found[0] == pytest.approx([float(n.residual(*x)) for n, *x in zip(noises, m, y, s, strict=True)])
    assert found[1] == pytest.approx([float(n.log_density(*x)) for n, *x in zip(noises, y, m, s, strict=True)])
    assert [rows.tolist() for rows, _ in grouped(noises)] == [[0, 2, 3], [1]]
