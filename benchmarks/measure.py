"""Measuring peers in turn, A B C A B C, so that a drift of the machine hits all alike."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHORTEST = 0.02
"""Seconds that one repetition lasts at least: shorter calls are repeated inside it."""


class NotInstalled(Exception):
    """A peer that is not there."""


@dataclass(frozen=True)
class Ready:
    """A peer that is built: what is timed, and how far its result is from ours.

    Attributes
    ----------
    call : callable
        Does the work once; returns seconds if it has measured itself, else anything that is no float.
    error, limit : float
        Largest difference from the reference, and what its method allows; NaN where there is nothing to compare.
    note : str
    """

    call: Callable[[], Any]
    error: float = float("nan")
    limit: float = float("nan")
    note: str = ""


@dataclass(frozen=True)
class Peer:
    """A peer and how it is built; `prepare` raises `ImportError` or `NotInstalled` where it is missing."""

    name: str
    prepare: Callable[[], Ready]


@dataclass
class Result:
    """What came out for one peer at one work."""

    work: str
    case: str
    peer: str
    seconds: list[float] = field(default_factory=list)
    error: float = float("nan")
    limit: float = float("nan")
    note: str = ""
    failure: str = ""

    @property
    def median(self) -> float:
        return float(np.median(self.seconds)) if self.seconds else float("nan")

    @property
    def quartiles(self) -> tuple[float, float]:
        low, high = np.percentile(self.seconds, [25, 75]) if self.seconds else (float("nan"),) * 2
        return float(low), float(high)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def relative_error(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Largest difference relative to each output's maximum over the dates; dates and outputs come last."""
    if found.shape != expected.shape:
        raise ValueError(f"shape {found.shape}, expected {expected.shape}")
    if not np.isfinite(found).all():
        return float("inf")
    size = np.abs(expected).max(axis=-2, keepdims=True)
    return float((np.abs(found - expected) / np.where(size > 0, size, 1.0)).max())


def compare(work: str, case: str, peers: Sequence[Peer], repetitions: int, budget: float) -> list[Result]:
    """Check and time peers; the first is ours.

    Parameters
    ----------
    repetitions : int
        Rounds; a peer whose share of the budget is used up sits out the later ones, after three at least.
    budget : float
        Seconds for each peer.
    """
    results, calls = [], []
    for peer in peers:
        result = Result(work, case, peer.name)
        results.append(result)
        say(f"  {work}, {case}: {peer.name}")
        try:
            ready = peer.prepare()
            result.error, result.limit, result.note = ready.error, ready.limit, ready.note
            if ready.error > ready.limit:
                result.failure = f"failed: differs by {ready.error:.1e}, allowed {ready.limit:.0e}"
                continue
            seconds = _once(ready.call, 1)
            number = max(1, round(SHORTEST / max(seconds, 1e-9)))
            calls.append((result, ready.call, number))
        except (ImportError, NotInstalled) as error:
            result.failure = "not installed"
            say(f"    {error}")
        except Exception as error:  # a peer may fail in any way; the table says so
            text = " ".join(str(error).split()) or type(error).__name__
            result.failure = f"failed: {text[:120]}"
            say(f"    {type(error).__name__}: {text}")
    for round_ in range(repetitions):
        for result, call, number in calls:
            if result.failure or (round_ >= 3 and sum(result.seconds) * number > budget):
                continue
            try:
                result.seconds.append(_once(call, number))
            except Exception as error:
                result.failure = f"failed: {error}"
    return results


def _once(call: Callable[[], Any], number: int) -> float:
    gc.collect()
    own = 0.0
    began = time.perf_counter()
    for _ in range(number):
        found = call()
        own += found if isinstance(found, float) else 0.0
    wall = time.perf_counter() - began
    return (own if own > 0 else wall) / number
