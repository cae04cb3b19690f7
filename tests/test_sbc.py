"""Simulation-based calibration: truths drawn from the prior rank uniformly among the draws of their posteriors.

Talts, Betancourt, Simpson, Vehtari and Gelman 2018, arXiv:1804.06788.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare
from small import observation
from small_calibrations import GROWS, history

from jevons import Calibration, LogNormal
from jevons.inference.fit import fit
from jevons.inference.posterior import sample
from jevons.inference.unknowns import Nuisance

REPLICATES, BINS = 300, 10


@pytest.fixture(scope="module")
def scores():
    """Of each replicate: the truth, and draws of its posterior."""
    rows = [observation("x", 5.0, 1.0, sigma=0.3), observation("x", 2.0, 1.0, sigma=0.3)]
    scale = Nuisance("scale", "noise_scale", LogNormal(1.0, 0.3), "test")
    problem = Calibration(GROWS, history(*rows), ["rate", "ceiling"], nuisance=[scale], threads=1)
    rng = np.random.default_rng(11)
    truths, draws = [], []
    for k in range(REPLICATES):
        truth = rng.standard_normal(3)
        modelled, scales = problem.modelled(truth), problem.scales(truth)
        data = [float(n.sample(m, rng, s)) for n, m, s in zip(problem.noises, modelled, scales, strict=True)]
        found = fit(problem.with_data(np.array(data)), starts=1, seed=k, progress=False)
        draws.append(sample(found, steps=25, seed=k, progress=False).u.reshape(-1, 3))
        truths.append(truth)
    return np.array(truths), draws


def uniform(truths, draws):
    """Probability of ranks as uneven as these, for each parameter."""
    ranks = np.array([(u < truth).mean(axis=0) for truth, u in zip(truths, draws, strict=True)])
    counts = [np.histogram(column, BINS, (0, 1))[0] for column in ranks.T]
    return [chisquare(count).pvalue for count in counts]


@pytest.mark.slow
def test_truths_rank_uniformly_among_draws(scores):
    assert min(uniform(*scores)) > 0.003


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_draws_too_narrow_or_too_wide_would_be_noticed(scores, factor):
    truths, draws = scores
    wrong = [u.mean(axis=0) + factor * (u - u.mean(axis=0)) for u in draws]
    assert min(uniform(truths, wrong)) < 0.003


@pytest.mark.slow
def test_shifted_draws_would_be_noticed(scores):
    truths, draws = scores
    assert min(uniform(truths, [u + 0.3 * u.std(axis=0) for u in draws])) < 0.003
