"""What runs in a worker: a chunk of an ensemble, from its description to its statistics."""

from __future__ import annotations

import functools
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jevons.ensemble.design import BLOCK, Design
from jevons.ensemble.reduction import Floats, Outcomes, Reduction
from jevons.simulation import Members, Simulation

SLICE = 128  # members that a thread runs together; fixed, so that no number depends on the threads
_AHEAD = 2  # blocks in flight

Advance = Callable[[int, int], None]  # told the members and the failures of each block


@dataclass(frozen=True)
class Variant:
    """A simulation of one scenario, and how the design's columns enter it.

    Attributes
    ----------
    columns : tuple of int
        Columns of the design that this scenario leaves to vary.
    names : tuple of str
        The parameter that each of them is here.
    factors : tuple of float
        What the scenario multiplies each by.
    """

    simulation: Simulation
    columns: tuple[int, ...]
    names: tuple[str, ...]
    factors: tuple[float, ...]

    def run(self, rows: Floats) -> Members:
        mine = np.ascontiguousarray(rows[:, list(self.columns)] * np.array(self.factors))
        return self.simulation.run_members(mine, self.names)


@dataclass(frozen=True)
class Task:
    """An ensemble as it travels to workers: descriptions, no compiled code.

    Attributes
    ----------
    variants : bytes
        The pickled `Variant` of each scenario; made once, read once in each process.
    design : Design
    shape : (scenarios, dates, outputs)
    thresholds : tuple of (output's place, value)
    chosen : tuple of int
        Members whose paths are kept.
    keep_members : bool
        Whether all members' values are sent back.
    """

    variants: bytes
    design: Design
    shape: tuple[int, int, int]
    thresholds: tuple[tuple[int, float], ...]
    chosen: tuple[int, ...]
    keep_members: bool

    def cut(self, first: int, last: int) -> Task:
        """The task with no more of the design than these blocks need."""
        return replace(self, design=self.design.cut(first, last))


@dataclass(frozen=True)
class Paths:
    """All members of a chunk.

    Attributes
    ----------
    parameters : array of shape (members, parameters)
    values : array of shape (members, scenarios, dates, outputs)
    codes : array of shape (members, scenarios)
    reached : array of shape (members, scenarios)
    """

    parameters: Floats
    values: Floats
    codes: NDArray[np.int8]
    reached: Floats


@dataclass(frozen=True)
class Chunk:
    """A finished chunk: blocks `first` up to, but without, `last`."""

    first: int
    last: int
    reduction: Reduction
    paths: Paths | None


def run_chunk(task: Task, first: int, last: int, threads: int = 1, advance: Advance | None = None) -> Chunk:
    """Run the members of some blocks under every scenario."""
    reduction = Reduction(task.shape, task.thresholds)
    kept: list[Paths] = []
    for block, rows, runs in _blocks(task, first, last, threads):
        before = reduction.failed
        reduction.add(block, block * BLOCK, rows, runs, task.chosen)
        if task.keep_members:
            kept.append(_paths(rows, runs))
        if advance:
            advance(len(rows), reduction.failed - before)
    return Chunk(first, last, reduction, _joined(kept) if kept else None)


@functools.lru_cache(maxsize=4)
def _variants(pickled: bytes) -> tuple[Variant, ...]:
    variants: tuple[Variant, ...] = pickle.loads(pickled)
    return variants


Pending = tuple[int, Floats, list[list[Future[Members]]]]


def _blocks(task: Task, first: int, last: int, threads: int) -> Iterator[tuple[int, Floats, list[Outcomes]]]:
    variants = _variants(task.variants)
    ahead: deque[Pending] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="members")
    try:
        for block, rows in zip(range(first, last), task.design.iterate(first, last), strict=True):
            if block == first:
                for variant in variants:  # compiles before several threads would do so at once
                    variant.run(rows[:1])
            parts = [rows[i : i + SLICE] for i in range(0, len(rows), SLICE)]
            ahead.append((block, rows, [[pool.submit(v.run, part) for part in parts] for v in variants]))
            if len(ahead) == _AHEAD:
                yield _finished(ahead.popleft())
        while ahead:
            yield _finished(ahead.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(pending: Pending) -> tuple[int, Floats, list[Outcomes]]:
    block, rows, futures = pending
    return block, rows, [_outcomes([f.result() for f in of_scenario]) for of_scenario in futures]


def _outcomes(parts: Sequence[Members]) -> Outcomes:
    reasons: dict[int, tuple[str, str]] = {}
    for k, part in enumerate(parts):
        for i in np.flatnonzero(part.codes):
            status = part.status(int(i))
            reasons[k * SLICE + int(i)] = (status.kind.name, status.element or "")
    return Outcomes(
        np.concatenate([p.values for p in parts]),
        np.concatenate([p.codes for p in parts]),
        np.concatenate([p.reached for p in parts]),
        reasons,
    )


def _paths(rows: Floats, runs: Sequence[Outcomes]) -> Paths:
    return Paths(
        rows,
        np.stack([r.values for r in runs], axis=1),
        np.stack([r.codes for r in runs], axis=1),
        np.stack([r.reached for r in runs], axis=1),
    )


def _joined(kept: Sequence[Paths]) -> Paths:
    return Paths(
        np.concatenate([p.parameters for p in kept]),
        np.concatenate([p.values for p in kept]),
        np.concatenate([p.codes for p in kept]),
        np.concatenate([p.reached for p in kept]),
    )
