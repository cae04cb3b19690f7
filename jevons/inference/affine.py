"""The posterior by ensembles of walkers: no derivatives, many runs over lanes; a check on the other sampler."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons import compiled
from jevons.errors import CalibrationError, FitError
from jevons.inference.convergence import ensemble_table, has_converged
from jevons.inference.posterior import Posterior, Quantities, Reported
from jevons.inference.problem import Calibration
from jevons.inference.records import Records, code_versions, digest, open_records
from jevons.inference.threads import parallel, progress_counter

if TYPE_CHECKING:
    from jevons.inference.fit import Fit

Floats = NDArray[np.float64]

BLOCK = 200
"""Steps after which a block is stored and convergence is checked."""
BURN_IN = 0.3
"""Share of the steps that is left out."""
TRIES = 50
FEWEST = 8
"""Walkers: the snooker move splits them in four."""


def sample_ensembles(
    fit: Fit | Calibration,
    *,
    ensembles: int = 4,
    walkers: int | None = None,
    steps: int = 10_000,
    thin: int = 10,
    seed: int = 0,
    starts: Floats | None = None,
    quantities: Quantities | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Posterior:
    """Sample the posterior by independent ensembles of walkers until it has converged.

    Eight steps of ten are differential evolution, the others its snooker form, of emcee. An ensemble is one chain:
    R-hat compares ensembles, and the effective sample size is that of the mean over walkers (`ensemble_table`).
    The draws of an ensemble are ordered by step, then by walker.

    Source: ter Braak and Vrugt 2008, Stat. Comput. 18, 435; Nelson, Ford and Payne 2014, ApJS 210, 11; emcee.

    Parameters
    ----------
    fit : Fit or Calibration
        Walkers start about a best fit by its covariance, or from the prior of a calibration; where the model does not
        run they are drawn again.
    ensembles : int
        At least four.
    walkers : int, optional
        Of each ensemble: at least twice the parameters. Three times, in whole lanes, by default.
    steps : int
        Of each ensemble, at most, in whole blocks of 200: then it says that it has not converged.
    thin : int
        Every so many steps are kept; a divisor of 200.
    starts : array of shape (n, parameters), optional
        Search coordinates that walkers start from instead, at least one a walker.
    quantities : callable, optional
        As for `jevons.inference.posterior.sample`.
    folder : path, optional
        Each finished block is stored there.
    resume : bool
        Go on from the folder. The result is that of a job that was not interrupted, bit for bit.

    Raises
    ------
    FitError
        For numbers that do not do, or if no walkers are found where the model runs.
    CalibrationError
        If the folder belongs to another job, with the difference, or a block is damaged.
    """
    calibration = fit if isinstance(fit, Calibration) else fit.calibration
    n = len(calibration.free)
    lanes = 2 * compiled.LANES
    count_of = walkers if walkers is not None else max(lanes, -(-3 * n // lanes) * lanes)
    _check(ensembles, count_of, steps, thin, n, starts)
    cloud = _cloud(fit, starts)
    header = {"job": "sample_ensembles", "problem": calibration.hash, "starts": digest(cloud.digested), "seed": seed}
    header |= {"walkers": count_of, "thin": thin, "block": BLOCK, **code_versions()}
    records = open_records(folder, "blocks.jsonl", header, resume)
    every = [Ensemble(calibration, cloud, count_of, thin, seed, k, records) for k in range(ensembles)]
    for record in records.read() if records else []:
        if int(record["ensemble"]) < ensembles:
            every[int(record["ensemble"])].replay(record)
    reported = Reported(calibration, quantities)
    blocks = -(-steps // BLOCK)
    with progress_counter("sample ensembles", "step", progress, ensembles * blocks * BLOCK) as count:
        done = 0
        while True:
            done += 1
            parallel(partial(_advance, until=done, count=count), every, calibration.threads, "", False)
            result = _collected(calibration, every, done, done == blocks, seed, reported)
            if result is not None and (result.converged or done == blocks):
                return result


@dataclass(frozen=True)
class _Cloud:
    """Where walkers may start."""

    draw: Callable[[np.random.Generator, int], Floats]
    digested: Floats


def _cloud(fit: Fit | Calibration, starts: Floats | None) -> _Cloud:
    if starts is not None:
        given = np.array(starts, dtype=float)
        return _Cloud(lambda rng, n: given[rng.permutation(len(given))[:n]], given)
    if isinstance(fit, Calibration):
        size = len(fit.free)
        return _Cloud(lambda rng, n: rng.standard_normal((n, size)), np.zeros(size))
    centre, root = fit.u, np.linalg.cholesky(fit.covariance)
    return _Cloud(lambda rng, n: centre + rng.standard_normal((n, centre.size)) @ root.T, np.vstack([centre, root]))


@dataclass
class Ensemble:
    """One ensemble: its blocks so far, and how to take the next."""

    calibration: Calibration
    cloud: _Cloud
    walkers: int
    thin: int
    seed: int
    number: int
    records: Records | None = None
    kept: list[Floats] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    coords: Floats | None = None
    log_prob: Floats | None = None

    def advance(self, until: int, count: Callable[[], None]) -> None:
        """Take blocks until there are so many."""
        while len(self.kept) < until:
            self._block(count)

    def _block(self, count: Callable[[], None]) -> None:
        import emcee

        block = len(self.kept)
        if self.coords is None or self.log_prob is None:
            self.coords, self.log_prob = self._begin()
        moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]
        sampler = emcee.EnsembleSampler(
            self.walkers, self.coords.shape[1], self.calibration.log_densities, moves=moves, vectorize=True
        )
        # emcee would seed itself from the state that the whole process shares
        random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence([self.seed, self.number, block])))
        state = emcee.State(self.coords, log_prob=self.log_prob, random_state=random.get_state(), copy=True)
        kept, accepted = [], 0
        taken = sampler.sample(state, iterations=BLOCK, store=False, skip_initial_state_check=True)
        before = self.coords
        for step, now in enumerate(taken, start=1):
            accepted += int((now.coords != before).any(axis=1).sum())
            before = now.coords.copy()
            if step % self.thin == 0:
                kept.append(before)
            count()
        arrays = {"kept": np.array(kept), "coords": before, "log_prob": np.array(now.log_prob)}
        record = {"ensemble": self.number, "block": block, "accepted": accepted}
        if self.records is not None:
            self._store(arrays, block)
            self.records.append({**record, **{name: digest(x) for name, x in arrays.items()}})
        self._take(arrays, record)

    def _begin(self) -> tuple[Floats, Floats]:
        rng = np.random.default_rng([self.seed, self.number])
        coords = self.cloud.draw(rng, self.walkers)
        log_prob = self.calibration.log_densities(coords)
        for _ in range(TRIES):
            bad = np.flatnonzero(~np.isfinite(log_prob))
            if not bad.size:
                return coords, log_prob
            coords[bad] = self.cloud.draw(rng, self.walkers)[: bad.size]
            log_prob[bad] = self.calibration.log_densities(coords[bad])
        mistake = f"ensemble {self.number}: {bad.size} of {self.walkers} walkers find no place where the model runs"
        raise FitError("sampling by ensembles", [f"{mistake}, in {TRIES} tries"])

    def _file(self, block: int) -> Path:
        assert self.records is not None
        return self.records.path.parent / f"ensemble-{self.number}-block-{block}.npz"

    def _store(self, arrays: dict[str, Floats], block: int) -> None:
        """Whole or not at all, and on the disk when this returns."""
        path = self._file(block)
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise CalibrationError(str(path), [f"cannot be written ({error.strerror})"]) from error

    def replay(self, record: dict[str, Any]) -> None:
        """Take the block that a record tells of.

        Raises
        ------
        CalibrationError
            If its file is not there or holds other numbers.
        """
        path = self._file(int(record["block"]))
        try:
            with np.load(path) as stored:
                arrays = {name: stored[name] for name in ("kept", "coords", "log_prob")}
        except (OSError, ValueError, KeyError) as error:
            raise CalibrationError(str(path), [f"cannot be read ({error}); give another folder"]) from error
        if any(digest(x) != record[name] for name, x in arrays.items()):
            raise CalibrationError(str(path), ["holds other numbers than were stored; give another folder"])
        self._take(arrays, record)

    def _take(self, arrays: dict[str, Floats], record: dict[str, Any]) -> None:
        self.kept.append(arrays["kept"])
        self.accepted.append(int(record["accepted"]))
        self.coords, self.log_prob = arrays["coords"], arrays["log_prob"]


def _advance(ensemble: Ensemble, until: int, count: Callable[[], None]) -> None:
    ensemble.advance(until, count)


def _check(ensembles: int, walkers: int, steps: int, thin: int, parameters: int, starts: Floats | None) -> None:
    mistakes = []
    if ensembles < 4:
        mistakes.append(f"found {ensembles} ensembles, expected at least 4: R-hat compares independent ensembles")
    fewest = max(2 * parameters, FEWEST)
    if walkers < fewest:
        mistakes.append(f"found {walkers} walkers, expected at least {fewest} for {parameters} parameters")
    if steps < 1:
        mistakes.append(f"found {steps} steps, expected at least 1")
    if thin < 1 or BLOCK % thin:
        mistakes.append(f"found thin {thin}, expected a divisor of {BLOCK}")
    if starts is not None and (np.ndim(starts) != 2 or np.shape(starts)[1] != parameters or len(starts) < walkers):
        mistakes.append(f"starts of shape {np.shape(starts)}, expected ({walkers} or more, {parameters})")
    if mistakes:
        raise FitError("sampling by ensembles", mistakes)


def _collected(
    calibration: Calibration, ensembles: list[Ensemble], done: int, last: bool, seed: int, reported: Reported
) -> Posterior | None:
    """The posterior so far; None if the parameters have not converged and there is a next block."""
    steps = np.array([np.concatenate(ensemble.kept[:done]) for ensemble in ensembles])
    steps = steps[:, int(BURN_IN * steps.shape[1]) :]
    shape = steps.shape[:3]
    parameters = {name: steps[..., k] for k, name in enumerate(calibration.free)}
    table = ensemble_table(parameters)
    if not last and not has_converged(table):
        return None
    draws = steps.reshape(shape[0], -1, steps.shape[3])
    quantities = reported(draws)
    if quantities:
        table = ensemble_table({**parameters, **{name: x.reshape(shape) for name, x in quantities.items()}})
    taken = sum(sum(ensemble.accepted[:done]) for ensemble in ensembles)
    statistics = {"acceptance": taken / (len(ensembles) * done * BLOCK * shape[2]), "walkers": float(shape[2])}
    statistics["steps"] = float(done * BLOCK)
    return Posterior(calibration, calibration.free, draws, quantities, table, "affine ensembles", seed, statistics)
