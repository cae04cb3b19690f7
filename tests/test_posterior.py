"""The posterior: against analytic answers and quadrature, by two samplers, interrupted, and not converged."""

from __future__ import annotations

import dataclasses
import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from small import observation
from small_calibrations import GROWS, explodes, history

import jevons as jv
from jevons import Calibration, CalibrationError
from jevons.errors import FitError
from jevons.inference import affine, posterior
from jevons.inference.affine import sample_ensembles
from jevons.inference.convergence import convergence_table, has_converged
from jevons.inference.fit import summarise
from jevons.inference.posterior import Posterior, sample, uniqueness
from jevons.inference.rto import Proposer

CURVED = [observation("x", 5.0, 6.0, sigma=0.15), observation("x", 2.0, 0.5, sigma=0.5)]
TWO_OPTIMA = [CURVED[0], observation("growth", 2.0, 0.5, sigma=0.3, unit="1/yr")]


@pytest.fixture(scope="module")
def curved():
    """Two parameters along a curved ridge."""
    calibration = Calibration(GROWS, history(*CURVED), ["rate", "ceiling"])
    return jv.fit(calibration, starts=2, seed=1, progress=False)


@pytest.fixture(scope="module")
def sampled(curved):
    return sample(curved, seed=1, progress=False)


@pytest.fixture(scope="module")
def linear_sampled(linear_fit):
    return sample(linear_fit, seed=2, progress=False)


class Grid:
    """Quadrature of a posterior of two parameters; errors are far below those of the draws."""

    def __init__(self, calibration, n=161):
        low, high = calibration.bounds(6.0)
        axes = [a + (np.arange(n) + 0.5) * (b - a) / n for a, b in zip(low, high, strict=True)]
        self.u = np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)
        log = calibration.log_densities(self.u)
        self.cell = np.prod((high - low) / n)
        self.log_evidence = float(log.max() + np.log(np.exp(log - log.max()).sum() * self.cell))
        self.weights = np.exp(log - self.log_evidence) * self.cell

    def below(self, k, x):
        return float(self.weights[self.u[:, k] <= x].sum())


def agrees(found, grid):
    """Mean, spread, and probabilities below some values, within four Monte Carlo errors."""
    table = found.table.set_index("quantity")
    flat = found.u.reshape(-1, 2)
    for k, name in enumerate(found.names):
        size = table.loc[name, ["ess_bulk", "ess_tail"]].min()
        mean = grid.weights @ grid.u[:, k]
        sd = math.sqrt(grid.weights @ (grid.u[:, k] - mean) ** 2)
        assert flat[:, k].mean() == pytest.approx(mean, abs=4 * sd / math.sqrt(size))
        assert flat[:, k].std() == pytest.approx(sd, rel=6 / math.sqrt(2 * size))
        for x in np.quantile(flat[:, k], (0.05, 0.5, 0.95)):
            p = grid.below(k, x)
            assert np.mean(flat[:, k] <= x) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / size) + 0.01)


# Linear problems


def test_proposals_of_a_linear_problem_are_the_posterior(linear_fit, linear_sampled):
    """All weights are equal, and the draws have the normal equations' mean and covariance."""
    told = linear_sampled.statistics
    assert linear_sampled.converged
    assert told["importance_ess"] == pytest.approx(told["proposals"], rel=1e-6)
    assert (told["k_hat"], told["unsolved"], told["folded"]) == (0.0, 0.0, 0.0)
    flat = linear_sampled.u.reshape(-1, 3)
    size = linear_sampled.table["ess_bulk"].min()
    white = np.linalg.solve(np.linalg.cholesky(linear_fit.covariance), (flat - linear_fit.u).T)
    assert np.abs(white.mean(axis=1)).max() < 4 / math.sqrt(size)
    assert np.abs(np.cov(white) - np.eye(3)).max() < 5 * math.sqrt(2 / size)


def test_evidence_of_a_linear_problem_is_the_marginal_likelihood(linear_sampled):
    powers = np.array([[1, 1, 0], [1, -2, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0]], dtype=float)
    spread = powers * [0.5, 0.3, 1.0]
    sigma, data = np.array([0.2, 0.3, 0.1, 0.4, 0.2]), np.log([3.0, 1.0, 4.0, 6.0, 2.5])
    marginal = multivariate_normal(powers @ np.log([2.0, 1.0, 5.0]), spread @ spread.T + np.diag(sigma**2))
    exact = marginal.logpdf(data) - data.sum()
    assert linear_sampled.statistics["log_evidence"] == pytest.approx(exact, abs=1e-6)


# Nonlinear problems


def test_a_nonlinear_posterior_agrees_with_quadrature(curved, sampled):
    grid = Grid(curved.calibration)
    assert sampled.converged
    agrees(sampled, grid)
    n = sampled.statistics["importance_ess"]
    assert sampled.statistics["importance_ess"] < 0.999 * sampled.statistics["proposals"]
    assert sampled.statistics["log_evidence"] == pytest.approx(grid.log_evidence, abs=4 / math.sqrt(n))


def test_quadrature_would_notice_a_wrong_sampler(curved, sampled):
    """The test above fails for draws without their weights' correction, ten per cent too narrow, or shifted."""
    grid = Grid(curved.calibration)
    centre = sampled.u.mean(axis=(0, 1))
    for wrong in (centre + 0.8 * (sampled.u - centre), sampled.u + 0.3 * sampled.u.std(axis=(0, 1))):
        with pytest.raises(AssertionError):
            agrees(dataclasses.replace(sampled, u=wrong), grid)


def test_a_truncated_posterior_agrees_with_quadrature():
    calibration = Calibration(
        GROWS, history(*CURVED), ["rate", "ceiling"], bounds={"rate": (0.95, 1.4), "ceiling": (0.0, 12.0)}
    )
    found = sample(jv.fit(calibration, starts=2, seed=1, progress=False), seed=3, progress=False)
    grid = Grid(calibration)
    low, high = calibration.bounds(math.inf)
    assert found.converged
    assert ((found.u >= low) & (found.u <= high)).all()
    agrees(found, grid)
    n = found.statistics["importance_ess"]
    assert found.statistics["log_evidence"] == pytest.approx(grid.log_evidence, abs=4 / math.sqrt(n))


def test_an_optimum_left_out_is_told():
    """Growth of half a unit: while it takes off, or when it is nearly done."""
    calibration = Calibration(GROWS, history(*TWO_OPTIMA), ["rate", "ceiling"])
    fit = jv.fit(calibration, starts=12, seed=1, spread=2.0, progress=False)
    assert len(fit.optima) == 2
    found = sample(fit, steps=50, seed=1, progress=False)
    reached = dataclasses.replace(fit, starts=(*fit.starts, dataclasses.replace(fit.starts[0], final=fit.chi2 + 1.0)))
    assert sample(reached, steps=1, progress=False).statistics["optima_left_out"] == 1.0
    assert found.statistics["optima_left_out"] == 1.0
    good = convergence_table({"x": np.random.default_rng(0).standard_normal((4, 2000))})
    assert has_converged(good)
    assert not dataclasses.replace(found, table=good).converged
    grid = Grid(calibration)
    top = grid.weights[np.abs(grid.u - fit.u).max(axis=1) < 0.1].max()
    other = grid.weights[np.abs(grid.u - np.array(fit.optima[1].u)).max(axis=1) < 0.1].max()
    assert 0.01 < other / top < 1


def test_draws_are_unique_wherever_the_search_begins(curved, sampled):
    solved, elsewhere = uniqueness(curved, sampled, n=12)
    assert (solved, elsewhere) == (12, 0)


def test_a_proposal_solves_its_equation(curved):
    proposer = Proposer(curved.calibration, curved.u)
    target = np.array([0.7, -1.2])
    found = proposer.propose(target)
    assert proposer.basis.T @ curved.calibration.residuals(found.u) == pytest.approx(target, abs=1e-6)
    slopes = proposer.basis.T @ curved.calibration.jacobian(found.u)
    assert proposer.slopes(found.u) == pytest.approx(slopes)
    residuals = curved.calibration.residuals(found.u)
    weight = 0.5 * (target @ target - residuals @ residuals) - np.linalg.slogdet(slopes)[1]
    assert found.log_weight == pytest.approx(weight, abs=1e-5)
    again = proposer.propose(target, found.u + 0.3)
    assert again.u == pytest.approx(found.u, abs=1e-6)
    assert again.log_weight == pytest.approx(found.log_weight, abs=1e-5)


def test_where_powells_method_stalls_a_trust_region_goes_on(curved, monkeypatch):
    import scipy.optimize

    target = np.array([0.7, -1.2])
    proposer = Proposer(curved.calibration, curved.u)
    expected = proposer.propose(target)
    root, calls = scipy.optimize.root, []

    def stalls(fun, x0, **options):
        calls.append(1)
        return root(fun, x0, **{**options, "options": {"maxfev": 2}})

    monkeypatch.setattr(scipy.optimize, "root", stalls)
    found = proposer.propose(target)
    assert calls == [1]
    assert found.u == pytest.approx(expected.u, abs=1e-5)
    assert found.u.tolist() != expected.u.tolist()
    assert proposer.propose(np.array([1e3, 0.0])) is None


def test_threads_do_not_change_the_draws(curved):
    """Callbacks release the interpreter lock inside the solver's compiled code, while another thread is in it."""
    calibration = curved.calibration
    found = []
    for threads in (1, 4):
        calibration.threads = threads
        found.append(sample(curved, steps=30, seed=5, progress=False).u.tolist())
    calibration.threads = 2
    assert found[0] == found[1]


def test_quantities_are_computed_once_a_draw_and_reported(linear_fit):
    seen = []

    def product(values):
        seen.extend(map(tuple, values.tolist()))
        return {"ab": values[:, 0] * values[:, 1], "always": np.ones(len(values))}

    found = sample(linear_fit, seed=2, quantities=product, progress=False)
    assert found.converged
    assert len(set(seen)) == len(seen)
    natural = found.natural.reshape(*found.u.shape)
    assert found.quantities["ab"] == pytest.approx(natural[..., 0] * natural[..., 1])
    assert found.table["quantity"].tolist() == ["a", "b", "c", "ab", "always"]
    assert found.table.set_index("quantity").loc["always", "sd"] == 0.0
    with pytest.raises(FitError, match=r"quantity 'one' has shape \(1,\), expected \(\d+,\): one a draw"):
        sample(linear_fit, steps=20, quantities=lambda values: {"one": np.ones(1)}, progress=False)


def test_a_posterior_as_a_table(sampled):
    frame = sampled.to_frame()
    chains, draws, _ = sampled.u.shape
    assert frame.columns.tolist() == ["chain", "draw", "rate", "ceiling"]
    assert frame["rate"].tolist() == sampled.natural[:, 0].tolist()
    assert frame.loc[draws, ["chain", "draw"]].tolist() == [1, 0]
    assert (sampled.thinned(7) == sampled.natural[np.linspace(0, chains * draws - 1, 7).astype(int)]).all()
    assert len(sampled.thinned(10**6)) == chains * draws
    assert repr(sampled).startswith("Posterior of 'grows' (randomize-then-optimize): converged; 4 chains of ")


# Ensembles of walkers


@pytest.fixture(scope="module")
def walked(curved):
    return sample_ensembles(curved, thin=5, seed=1, progress=False)


def test_ensembles_agree_with_the_other_sampler_and_with_quadrature(curved, sampled, walked):
    assert walked.converged
    assert walked.method == "affine ensembles"
    agrees(walked, Grid(curved.calibration))
    one, other = (p.table.set_index("quantity") for p in (sampled, walked))
    for name in sampled.names:
        error = math.hypot(*(t.loc[name, "sd"] / math.sqrt(t.loc[name, "ess_bulk"]) for t in (one, other)))
        assert one.loc[name, "mean"] == pytest.approx(other.loc[name, "mean"], abs=4 * error)


def test_ensembles_may_start_from_the_prior_or_from_given_points(curved):
    for fit, starts in ((curved.calibration, None), (curved, np.random.default_rng(0).normal(0, 0.3, (64, 2)))):
        found = sample_ensembles(fit, starts=starts, steps=200, seed=1, progress=False)
        assert found.u.shape == (4, 14 * 32, 2)
        assert np.isfinite(found.u).all()
    assert sample_ensembles(curved, steps=200, seed=1, walkers=10, progress=False).u.shape == (4, 140, 2)


def test_ensembles_are_seeded_by_their_own_seed(curved, monkeypatch):
    def run(seed):
        return sample_ensembles(curved, steps=200, seed=seed, progress=False).u

    one = run(1)
    np.random.seed(7)  # noqa: NPY002 - what must not matter
    curved.calibration.threads = 1
    assert run(1).tolist() == one.tolist()
    curved.calibration.threads = 2
    assert run(2).tolist() != one.tolist()
    assert len({one[k].tobytes() for k in range(4)}) == 4


def test_walkers_are_drawn_again_where_the_model_does_not_run():
    calibration = Calibration(explodes(), history(observation("x", 4.0, 2.0)), ["k"])
    found = sample_ensembles(calibration, steps=200, seed=1, progress=False)
    assert calibration.failures > 0
    assert np.isfinite(calibration.log_densities(found.u.reshape(-1, 1)[:50])).all()
    never = Calibration(explodes(100.0, 0.1), history(observation("x", 4.0, 2.0)), ["k"])
    with pytest.raises(FitError, match="ensemble 0: 32 of 32 walkers find no place where the model runs, in 50 tries"):
        sample_ensembles(never, steps=200, progress=False)


def test_what_ensembles_cannot_do(curved):
    with pytest.raises(FitError) as raised:
        sample_ensembles(curved, ensembles=3, walkers=6, steps=0, thin=7, starts=np.zeros((3, 1)), progress=False)
    assert raised.value.mistakes == (
        "found 3 ensembles, expected at least 4: R-hat compares independent ensembles",
        "found 6 walkers, expected at least 8 for 2 parameters",
        "found 0 steps, expected at least 1",
        "found thin 7, expected a divisor of 200",
        "starts of shape (3, 1), expected (6 or more, 2)",
    )


# Interrupted, and going on


def of_rto(fit, **options):
    return sample(fit, seed=3, steps=60, progress=False, **options)


def of_ensembles(fit, **options):
    return sample_ensembles(fit, seed=3, steps=600, progress=False, **options)


BOTH = pytest.mark.parametrize(("run", "file"), [(of_rto, "steps.jsonl"), (of_ensembles, "blocks.jsonl")])


@BOTH
def test_a_job_goes_on_to_the_same_bits(tmp_path, curved, run, file):
    """From whatever was stored when it was cut off: all chains at other lengths, the last line torn."""
    whole = run(curved, folder=tmp_path)
    lines = (tmp_path / file).read_bytes().splitlines(keepends=True)
    for cut in (1, len(lines) // 3, len(lines) - 1):
        (tmp_path / file).write_bytes(b"".join(lines[:cut]) + lines[cut][:20])
        again = run(curved, folder=tmp_path, resume=True)
        assert again.u.tolist() == whole.u.tolist()
        assert repr(again.statistics) == repr(whole.statistics)
        assert again.table.equals(whole.table)


def test_chains_of_other_lengths_do_not_change_what_is_said(tmp_path, curved):
    """One chain was ahead when the job was cut off: its further steps count only when the others have come so far."""
    whole = sample(curved, seed=3, steps=60, folder=tmp_path / "a", progress=False)
    sample(curved, seed=3, steps=100, folder=tmp_path / "b", progress=False)
    again = sample(curved, seed=3, steps=60, folder=tmp_path / "b", resume=True, progress=False)
    assert again.u.tolist() == whole.u.tolist()
    assert repr(again.statistics) == repr(whole.statistics)


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import jevons as jv
from jevons.inference import records
from test_posterior import CURVED, GROWS, Calibration, history, {run}

fit = jv.fit(Calibration(GROWS, history(*CURVED), ["rate", "ceiling"]), starts=2, seed=1, progress=False)
append, left = records.Records.append, [{after}]

def deadly(self, record):
    append(self, record)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

records.Records.append = deadly
{run}(fit, folder={folder!r})
"""


@BOTH
def test_a_killed_job_goes_on_to_the_same_bits(tmp_path, curved, run, file):
    after = 90 if run is of_rto else 6
    script = KILLED.format(tests=str(Path(__file__).parent), run=run.__name__, folder=str(tmp_path), after=after)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    stored = len((tmp_path / file).read_bytes().splitlines()) - 1
    assert after <= stored <= after + 1
    assert run(curved, folder=tmp_path, resume=True).u.tolist() == run(curved).u.tolist()


@BOTH
def test_a_folder_of_another_job_is_refused(tmp_path, curved, run, file):
    run(curved, folder=tmp_path)
    with pytest.raises(CalibrationError, match=r"resume to go on from them"):
        run(curved, folder=tmp_path)
    other = summarise(curved.calibration.with_data(curved.calibration.observed * 1.01), curved.u, [], 0)
    with pytest.raises(CalibrationError) as raised:
        run(other, folder=tmp_path, resume=True)
    difference = f"problem: found {curved.calibration.hash!r}, expected {other.calibration.hash!r}"
    assert raised.value.mistakes == (difference, "give another folder")
    with pytest.raises(CalibrationError, match="resume needs the folder to go on from"):
        run(curved, resume=True)


def test_a_damaged_block_is_refused(tmp_path, curved):
    of_ensembles(curved, folder=tmp_path)
    block = tmp_path / "ensemble-1-block-0.npz"
    with np.load(block) as stored:
        arrays = dict(stored)
    np.savez(block, **{**arrays, "coords": arrays["coords"] + 1e-15})
    with pytest.raises(CalibrationError, match="holds other numbers than were stored"):
        of_ensembles(curved, folder=tmp_path, resume=True)
    block.write_bytes(b"PK")
    with pytest.raises(CalibrationError, match=r"cannot be read \(.*\); give another folder"):
        of_ensembles(curved, folder=tmp_path, resume=True)


# Not converged


@BOTH
def test_too_few_steps_are_called_so(curved, run, file):
    few = {of_rto: sample, of_ensembles: sample_ensembles}[run](curved, steps=20, progress=False)
    assert not few.converged
    assert "NOT CONVERGED" in repr(few)


def test_a_heavy_tail_of_weights_has_not_converged(linear_sampled):
    heavy = {**linear_sampled.statistics, "k_hat": 0.8}
    assert not dataclasses.replace(linear_sampled, statistics=heavy).converged
    assert "NOT CONVERGED" in repr(dataclasses.replace(linear_sampled, statistics=heavy))


# Mistakes


def test_what_a_sampler_needs(curved, monkeypatch):
    with pytest.raises(FitError, match="found 3 chains, expected at least 4"):
        sample(curved, chains=3, progress=False)
    with pytest.raises(FitError, match="found 0 steps, expected at least 1"):
        sample(curved, steps=0, progress=False)
    monkeypatch.setattr(Proposer, "propose", lambda self, *given: None)
    with pytest.raises(FitError, match="a chain without a solution among its 10 proposals"):
        sample(curved, steps=10, progress=False)


def test_a_best_fit_where_nothing_runs():
    calibration = Calibration(explodes(), history(observation("x", 4.0, 2.0)), ["k"])
    with pytest.raises(FitError, match="do not run at the best fit"):
        Proposer(calibration, np.array([3.0]))


def test_more_draws_than_convergence_needs_may_be_asked_for(linear_fit):
    few, many = (sample(linear_fit, steps=600, at_least=n, seed=1, progress=False) for n in (0, 400))
    assert few.converged
    assert many.converged
    assert few.statistics["proposals"] < many.statistics["proposals"] == 1600


def test_what_is_not_solved_weighs_nothing_and_counts_against_the_evidence(linear_fit, linear_sampled, monkeypatch):
    propose, calls = Proposer.propose, []

    def every_other(self, *given):
        calls.append(1)
        return propose(self, *given) if len(calls) % 2 else None

    monkeypatch.setattr(Proposer, "propose", every_other)
    linear_fit.calibration.threads = 1
    found = sample(linear_fit, steps=100, seed=2, progress=False)
    linear_fit.calibration.threads = 2
    assert found.statistics["unsolved"] == 200
    assert np.isfinite(found.u).all()
    expected = linear_sampled.statistics["log_evidence"] + math.log(0.5)
    assert found.statistics["log_evidence"] == pytest.approx(expected, abs=1e-6)


def test_modules_agree_on_what_a_posterior_is(walked):
    assert isinstance(walked, Posterior)
    assert isinstance(walked.table, pd.DataFrame)
    assert affine.Posterior is posterior.Posterior
