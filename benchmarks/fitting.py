"""Calibration of the world model from many starts: exact derivatives, finite differences, pyPESTO."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import Result, say

import jevons as jv
from jevons.inference.problem import BOUND, Calibration

WORK = "calibration of the world model"
SAME_OPTIMUM = 0.1
"""Chi-square by which the best starts may differ."""


def _problem(derivatives: str = "exact") -> Calibration:
    config = jv.read_config("world")
    history = jv.read_history("world")
    return Calibration(
        jv.load("world", fit=None), history, config.free, variant="main", threads=1, derivatives=derivatives
    )


def fits(starts: int, repetitions: int) -> list[Result]:
    """Time the whole search, each with the same starts; the check is the best chi-square against ours."""
    config = jv.read_config("world")
    best: list[float] = []

    def ours(calibration: Any) -> tuple[float, str]:
        fit = jv.fit(calibration, starts=starts, seed=config.seed, spread=config.spread, progress=False)
        ended = [s.final for s in fit.starts if s.converged]
        return (
            fit.chi2,
            f"{len(ended)} of {starts} converged, {calibration.evaluations} runs, {calibration.gradients} gradients",
        )

    searches: list[tuple[str, Callable[[], tuple[float, str]]]] = [
        ("jevons, exact derivatives", lambda: ours(_problem())),
        ("jevons, finite differences", lambda: ours(_problem("differences"))),
        ("pyPESTO, scipy least squares", lambda: _pypesto(_problem(), starts, config.seed, config.spread)),
    ]
    results = [Result(f"{WORK}, {starts} starts", "world", name) for name, _ in searches]
    for derivatives in ("exact", "differences"):
        _problem(derivatives).jacobian(np.zeros(len(config.free)))  # compile
    for _ in range(repetitions):
        for result, (name, search) in zip(results, searches, strict=True):
            if result.failure:
                continue
            say(f"  {WORK}: {name}")
            try:
                began = time.perf_counter()
                chi2, told = search()
                result.seconds.append(time.perf_counter() - began)
            except ImportError:
                result.failure = "not installed"
                continue
            except Exception as error:
                result.failure = f"failed: {' '.join(str(error).split())[:120]}"
                continue
            best.append(chi2)
            result.error, result.limit = abs(chi2 - best[0]), SAME_OPTIMUM
            result.note = f"best chi-square {chi2:.3f}; {told}"
            if result.error > SAME_OPTIMUM:
                result.note += ": another optimum, times do not compare"
    return results


def _pypesto(calibration: Calibration, starts: int, seed: int, spread: float) -> tuple[float, str]:
    """The same residuals, derivatives, bounds and starting points, searched by pyPESTO."""
    import logging

    import pypesto
    import pypesto.optimize
    from scipy.stats import norm, qmc

    logging.getLogger("pypesto").setLevel(logging.ERROR)
    n = len(calibration.free)
    design = norm.ppf(qmc.LatinHypercube(n, rng=np.random.default_rng(seed)).random(starts)) * spread
    guesses = np.clip(design, -BOUND * 0.95, BOUND * 0.95)
    # in functions, because pyPESTO copies what it is given
    objective = pypesto.Objective(res=lambda u: calibration.residuals(u), sres=lambda u: calibration.jacobian(u))
    bound = np.full(n, BOUND)
    problem = pypesto.Problem(objective, lb=-bound, ub=bound, x_guesses=guesses, x_names=list(calibration.free))
    options = {"xtol": 1e-10, "gtol": 1e-8, "maxfun": 200, "tr_solver": "exact"}  # those of `jevons.fit`
    result = pypesto.optimize.minimize(
        problem,
        optimizer=pypesto.optimize.ScipyOptimizer(method="ls_trf", tol=1e-10, options=options),
        n_starts=starts,
        engine=pypesto.engine.SingleCoreEngine(),
        progress_bar=False,
        filename=None,
    )
    values = np.array(result.optimize_result.fval, dtype=float)
    ended = int(np.isfinite(values).sum())
    if not ended:
        raise RuntimeError("no start ended")
    told = f"{ended} of {starts} ended, {calibration.evaluations} runs, {calibration.gradients} gradients"
    return 2 * float(np.nanmin(values)), told
