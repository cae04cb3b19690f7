"""Effective samples a second on the posterior of the world: ours, NUTS, ensembles of walkers, and plain scipy.

Each sampler gets the same posterior and about the same time on the same threads, one after the other. NUTS and the
plain walk start from draws of the posterior that ours has made, so that they do not pay for finding it; ours and the
walkers start about the best fit: walkers that hardly move would be counted for the draws they were given. An effective
size of 0 is one that cannot be told. Writes a table to the path given:

    python benchmarks/sampling.py OUT.md --seconds 180
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import jevons as jv
from jevons.errors import JevonsError
from jevons.inference.affine import BLOCK, sample_ensembles
from jevons.inference.convergence import convergence_table
from jevons.inference.observable import EVERY
from jevons.inference.posterior import sample
from jevons.inference.problem import REACH, Calibration

CHAINS = 4
TUNE = 150
"""Warm-up draws of NUTS: all that minutes allow."""


@dataclass(frozen=True)
class Row:
    """What came out for one sampler."""

    name: str
    seconds: float
    draws: int
    ess: np.ndarray
    r_hat: float
    note: str

    def line(self, reference: Row) -> str:
        low, middle = np.min(self.ess) / self.seconds, np.median(self.ess) / self.seconds
        known = middle > 0
        times = f"{np.median(reference.ess) / reference.seconds / middle:,.3g}" if known else "cannot be told"
        rates = f"{low:.2g} | {middle:.2g}" if known else "- | -"
        r_hat = f"{self.r_hat:.3f}" if math.isfinite(self.r_hat) else "-"
        return f"| {self.name} | {self.seconds:.0f} | {self.draws} | {rates} | {times} | {r_hat} | {self.note} |"


HEAD = (
    "| sampler | seconds | draws | ESS/s, smallest | ESS/s, median | ours is faster by | largest R-hat | |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def sizes(table: Any) -> np.ndarray:
    """Effective sample size of each parameter, the lesser of bulk and tail."""
    return table[["ess_bulk", "ess_tail"]].min(axis=1).fillna(0.0).to_numpy()


def ours(fit: Any, seconds: float) -> tuple[Row, np.ndarray]:
    """Randomize-then-optimize with importance weights; it stops early if it has converged."""
    began = time.perf_counter()
    sample(fit, steps=20, seed=99, progress=False)
    steps = max(40, int(20 * seconds / (time.perf_counter() - began)))
    began = time.perf_counter()
    found = sample(fit, steps=steps, seed=1, progress=False)
    took = time.perf_counter() - began
    told = found.statistics
    note = (
        f"{'converged' if found.converged else 'not converged'}; {told['proposals']:.0f} proposals, worth "
        f"{told['importance_ess']:.0f}, {told['unsolved']:.0f} unsolved, k-hat {told['k_hat']:.2f}"
    )
    draws = found.u.reshape(-1, found.u.shape[2])
    return Row("jevons, randomize-then-optimize", took, len(draws), sizes(found.table), worst(found.table), note), draws


def worst(table: Any) -> float:
    return float(table["r_hat"].max(skipna=False))


def walkers(fit: Any, seconds: float) -> Row:
    """Ensembles by emcee, with many likelihoods at once over lanes."""
    calibration: Calibration = fit.calibration
    points = np.tile(fit.u, (128, 1))
    began = time.perf_counter()
    calibration.log_densities(points)
    cost = (time.perf_counter() - began) / len(points) / calibration.threads
    steps = max(BLOCK, round(seconds / (CHAINS * 128 * cost) / BLOCK) * BLOCK)
    began = time.perf_counter()
    found = sample_ensembles(fit, walkers=128, steps=steps, thin=2, seed=1, progress=False)
    took = time.perf_counter() - began
    told = found.statistics
    note = f"{told['walkers']:.0f} walkers, {told['steps']:.0f} steps, {told['acceptance']:.1%} accepted"
    drawn = found.u.shape[0] * found.u.shape[1]
    return Row("emcee, differential evolution over lanes", took, drawn, sizes(found.table), worst(found.table), note)


class FailedRun(ValueError):
    """A run without a density: NUTS calls it a divergence and goes on."""

    is_recoverable = True


def nuts(fit: Any, seconds: float, starts: np.ndarray) -> Row:
    """NUTS by nutpie, with our exact derivatives."""
    import nutpie

    calibration: Calibration = fit.calibration
    n = len(calibration.free)
    kept: dict[int, list[np.ndarray]] = {}
    calls, chains, lock, over = [0], iter(range(10**6)), threading.Lock(), threading.Event()

    def density() -> Callable[..., tuple[float, np.ndarray]]:
        def call(u: np.ndarray) -> tuple[float, np.ndarray]:
            if over.is_set():
                raise FailedRun("the time is over")
            calls[0] += 1
            if not np.abs(u).max() < REACH:
                raise FailedRun("beyond the reach of the problem")
            residuals, jacobian = calibration.residuals(u), calibration.jacobian(u)
            if not (np.isfinite(residuals).all() and np.isfinite(jacobian).all()):
                raise FailedRun("the model does not run")
            return -0.5 * float(residuals @ residuals), -(jacobian.T @ residuals)

        return call

    def expand(*_: Any) -> Callable[..., dict[str, np.ndarray]]:
        with lock:
            mine = kept.setdefault(next(chains), [])

        def call(u: np.ndarray) -> dict[str, np.ndarray]:
            if not over.is_set():
                mine.append(u.copy())
            return {"u": u}

        return call

    model = nutpie.compiled_pyfunc.from_pyfunc(
        n, density, expand, [np.dtype("float64")], [(n,)], ["u"],
        make_initial_point_fn=lambda seed: starts[int(seed) % len(starts)].copy(),
    )  # fmt: skip
    began = time.perf_counter()
    sampler = nutpie.sample(
        model, draws=100_000, tune=TUNE, chains=CHAINS, cores=calibration.threads, seed=1, progress_bar=False,
        blocking=False,
    )  # fmt: skip
    with contextlib.suppress(TimeoutError):
        sampler.wait(timeout=seconds)
    took = time.perf_counter() - began
    over.set()
    for _ in range(60):
        with contextlib.suppress(TimeoutError):
            sampler.cancel()
            break
        time.sleep(1.0)
    lengths = [len(chain) for chain in kept.values() if chain]
    going = [np.array(chain) for chain in kept.values() if len(chain) > 16]
    note = f"{calls[0]} gradients for {sum(lengths)} draws of {len(lengths)} chains"
    name = "NUTS (nutpie), exact derivatives"
    if len(going) < 2:
        return Row(name, took, sum(lengths), np.zeros(n), math.inf, f"{note}: too few to say more")
    shortest = min(map(len, going))
    first = TUNE if shortest > TUNE + 16 else shortest // 2
    note += "" if first == TUNE else "; still warming up, second half counted"
    u = np.array([chain[first:shortest] for chain in going])
    table = convergence_table({str(k): u[:, :, k] for k in range(n)})
    return Row(name, took, u.shape[0] * u.shape[1], sizes(table), worst(table), note)


def plain(fit: Any, seconds: float, starts: np.ndarray) -> Row:
    """Random-walk Metropolis, as one writes it with scipy: one LSODA run of the plain Python equations a step.

    How the walk mixes is measured with compiled runs, what a step costs with plain ones: a chain of plain runs would be
    too short to say anything.
    """
    calibration: Calibration = fit.calibration
    n = len(calibration.free)
    model, runner = calibration.model, calibration.runner
    end = float(runner.times[-1])

    def slow(u: np.ndarray) -> float:
        try:
            run = model.run(end=end, params=calibration.values(u), every=EVERY)
        except JevonsError:
            return -math.inf
        outputs = np.column_stack([run[name].to_numpy() for name in runner.outputs])
        modelled = np.array([m.value(outputs) for m in calibration.measurements])
        z = calibration.standardised(modelled)
        return -0.5 * float(z @ z) - 0.5 * float(u @ u) if np.isfinite(z).all() else -math.inf

    def quick(u: np.ndarray) -> float:
        z = calibration.residuals(u)
        return -0.5 * float(z @ z) if np.isfinite(z).all() else -math.inf

    off = max(abs(slow(u) - quick(u)) for u in starts[:3])
    if off > 1e-2:
        raise AssertionError(f"the plain likelihood is off by {off:.2g}")
    root = np.linalg.cholesky(np.cov(starts.T) + 1e-12 * np.eye(n))

    def walk(density: Callable[[np.ndarray], float], start: np.ndarray, seed: int, until: float, scale: float) -> Any:
        rng = np.random.default_rng(seed)
        u, now, path, moved = start, density(start), [], 0
        while time.perf_counter() < until:
            new = u + scale * (root @ rng.standard_normal(n))
            there = density(new)
            if math.log(rng.random()) < there - now:
                u, now, moved = new, there, moved + 1
            path.append(u)
        return np.array(path), moved / len(path)

    scale = 2.38 / math.sqrt(n)
    for _ in range(8):
        if walk(quick, starts[0], 5, time.perf_counter() + 1.0, scale)[1] > 0.1:
            break
        scale /= 2
    began = time.perf_counter()
    short, _ = walk(slow, starts[0], 6, began + seconds / 3, scale)
    cost = (time.perf_counter() - began) / len(short)
    each = 2 * seconds / 3 / CHAINS
    chains = [walk(quick, starts[k], k, time.perf_counter() + each, scale) for k in range(CHAINS)]
    shortest = min(len(path) for path, _ in chains)
    u = np.array([path[shortest // 10 : shortest] for path, _ in chains])
    table = convergence_table({str(k): u[:, :, k] for k in range(n)})
    note = (
        f"extrapolated: {cost * 1e3:.0f} ms a step in plain Python ({len(short)} steps), mixing from {CHAINS} x "
        f"{shortest} steps of compiled runs, {np.mean([moved for _, moved in chains]):.0%} accepted; two processes"
    )
    drawn = CHAINS * shortest
    return Row("scipy LSODA, random walk", cost * drawn / 2, drawn, sizes(table), worst(table), note)


def main() -> None:
    """Measure all samplers and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=180.0, help="time of each sampler")
    parser.add_argument("--starts", type=int, default=4, help="of the fit that comes first")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    config = jv.read_config("world")
    calibration = Calibration(
        jv.load("world", fit=None), jv.read_history("world"), config.free, variant="main", threads=given.threads
    )
    say("fit")
    fit = jv.fit(calibration, starts=given.starts, seed=config.seed, progress=False)
    calibration.log_densities(np.tile(fit.u, (32, 1)))  # compile
    say("ours")
    first, draws = ours(fit, given.seconds)
    rows = [first]
    starts = np.random.default_rng(0).permutation(np.unique(draws, axis=0))
    others: list[tuple[str, Callable[[], Row]]] = [
        ("NUTS", lambda: nuts(fit, given.seconds, starts)),
        ("emcee", lambda: walkers(fit, given.seconds)),
        ("plain scipy", lambda: plain(fit, given.seconds, starts)),
    ]
    for name, measure in others:
        say(name)
        try:
            rows.append(measure())
        except ImportError:
            rows.append(Row(name, math.nan, 0, np.full(1, math.nan), math.nan, "not installed"))
    told = f"{len(calibration.rows)} rows, {len(calibration.free)} parameters, {given.threads} threads"
    lines = [f"Posterior of the world: {told}.", "", HEAD, *(row.line(first) for row in rows)]
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    say("\n".join(lines))


if __name__ == "__main__":
    main()
