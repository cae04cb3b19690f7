"""Convergence: of chains, of ensembles of walkers, and of weighted draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from jevons.inference.convergence import (
    convergence_table,
    effective_weights,
    ensemble_table,
    has_converged,
    k_hat,
    smoothed_weights,
    weighted_table,
)


def chains_of(rho, n, chains=4, seed=0):
    """AR(1) with standard normal margins."""
    rng = np.random.default_rng(seed)
    x = np.empty((chains, n))
    x[:, 0] = rng.standard_normal(chains)
    for t in range(1, n):
        x[:, t] = rho * x[:, t - 1] + math.sqrt(1 - rho**2) * rng.standard_normal(chains)
    return x


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, -0.4])
def test_effective_sample_size_of_an_autoregression(rho):
    n = 20_000
    table = convergence_table({"x": chains_of(rho, n)})
    exact = 4 * n * (1 - rho) / (1 + rho)
    assert table.loc[0, "ess_bulk"] == pytest.approx(exact, rel=0.1)
    assert table.loc[0, "r_hat"] < 1.01
    assert has_converged(table)


def test_separated_chains_are_noticed():
    x = chains_of(0.0, 2000)
    assert has_converged(convergence_table({"x": x}))
    x[3] += 0.5
    table = convergence_table({"x": x})
    assert table.loc[0, "r_hat"] > 1.01
    assert not has_converged(table)
    stuck = chains_of(0.0, 2000)
    stuck[0] = 0.3
    assert not has_converged(convergence_table({"x": stuck}))
    assert not has_converged(convergence_table({"x": np.repeat(np.arange(4.0)[:, None], 100, axis=1)}))


def test_walkers_are_one_chain():
    """Walkers that all follow one autoregression are no more than one; independent ones are as many as they are."""
    n, k = 4000, 16
    noise = np.random.default_rng(1).standard_normal((4, n, k))
    together = chains_of(0.9, n)[:, :, None] + 1e-3 * noise
    table = ensemble_table({"x": together, "z": noise, "always": np.ones_like(noise)})
    assert table.loc[0, "ess_bulk"] == pytest.approx(4 * n * 0.1 / 1.9, rel=0.15)
    assert table.loc[0, "ess_tail"] < 4 * table.loc[0, "ess_bulk"]
    assert table.loc[1, "ess_bulk"] == pytest.approx(4 * n * k, rel=0.1)
    assert table.loc[1, "ess_tail"] == pytest.approx(4 * n * k, rel=0.15)
    assert has_converged(table)
    noise[2] += 0.5
    assert not has_converged(ensemble_table({"z": noise}))


def test_walkers_that_hardly_move_have_not_converged():
    """Even if they began at draws of the posterior: then the places they began at are all that they are worth."""
    rng = np.random.default_rng(2)
    x = np.repeat(rng.standard_normal((4, 1, 128)), 300, axis=1)
    x += 0.05 * rng.standard_normal(x.shape).cumsum(axis=1) / math.sqrt(300)
    table = ensemble_table({"x": x})
    assert table.loc[0, "r_hat"] < 1.05
    assert math.isnan(table.loc[0, "ess_bulk"])
    assert not has_converged(table)


def test_too_few_draws_or_nothing_that_moves_has_not_converged():
    assert not has_converged(convergence_table({"x": chains_of(0.0, 7)}))
    assert not has_converged(ensemble_table({"x": np.random.default_rng(0).standard_normal((4, 49, 32))}))
    assert has_converged(ensemble_table({"x": np.random.default_rng(0).standard_normal((4, 50, 32))}))
    assert not has_converged(convergence_table({"x": chains_of(0.0, 60)}))
    assert not has_converged(convergence_table({"x": np.ones((4, 100))}))
    assert not has_converged(convergence_table({}))
    broken = chains_of(0.0, 1000)
    broken[0, 0] = math.nan
    assert not has_converged(convergence_table({"x": broken}))


def test_the_tail_of_weights():
    rng = np.random.default_rng(3)
    for shape in (0.3, 0.9):
        assert k_hat(np.log(rng.pareto(1 / shape, 20_000) + 1)) == pytest.approx(shape, abs=0.15)
    assert k_hat(np.zeros(100)) == 0.0
    assert math.isnan(k_hat(np.zeros(10)))
    assert k_hat(np.append(norm.rvs(size=200, random_state=1), -math.inf)) < 1
    assert effective_weights(np.zeros(50)) == pytest.approx(50)
    assert effective_weights(np.array([0.0, -math.inf, -math.inf])) == pytest.approx(1)


# Weights


def test_equal_weights_are_no_weights():
    x = np.random.default_rng(0).standard_normal((4, 2000))
    one, other = convergence_table({"x": x}), weighted_table({"x": x}, np.full(x.shape, 1 / x.size))
    assert other[["mean", "sd", "r_hat"]].to_numpy() == pytest.approx(one[["mean", "sd", "r_hat"]].to_numpy(), abs=1e-3)
    assert other.loc[0, ["ess_bulk", "ess_tail"]].tolist() == pytest.approx([x.size] * 2)


def test_weighted_draws_of_one_normal_for_another():
    """Proposals N(0, 1.3²) for N(0.2, 1): mean and error of the mean against many repetitions."""
    rng = np.random.default_rng(1)
    found, sizes = [], []
    for _ in range(300):
        x = 1.3 * rng.standard_normal((4, 250))
        logs = norm.logpdf(x, 0.2) - norm.logpdf(x, 0, 1.3)
        table = weighted_table({"x": x}, smoothed_weights(logs))
        found.append(table.loc[0, "mean"])
        sizes.append(table.loc[0, "ess_bulk"])
    assert np.mean(found) == pytest.approx(0.2, abs=4 * np.std(found) / math.sqrt(300))
    assert 1 / np.var(found) == pytest.approx(np.mean(sizes), rel=4 * math.sqrt(2 / 300))
    assert np.mean(sizes) > 1100, "wide proposals serve a mean better than as many draws"


def test_separated_weighted_chains_are_noticed():
    x = np.random.default_rng(0).standard_normal((4, 1000))
    logs = norm.logpdf(x, 0.1) - norm.logpdf(x)
    assert has_converged(weighted_table({"x": x}, smoothed_weights(logs)))
    x[3] += 0.5
    assert not has_converged(weighted_table({"x": x}, smoothed_weights(logs)))


def test_draws_without_weight_do_not_count():
    x = np.random.default_rng(0).standard_normal((4, 1000))
    logs = np.zeros(x.shape)
    x[:, ::2], logs[:, ::2] = math.nan, -math.inf
    weights = smoothed_weights(logs)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights[:, ::2] == 0).all()
    table = weighted_table({"x": x}, weights)
    assert table.loc[0, "ess_bulk"] == pytest.approx(2000, rel=0.01)
    assert table.loc[0, "mean"] == pytest.approx(x[:, 1::2].mean())
