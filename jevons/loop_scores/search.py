"""Finding feedback loops among scored links: all of them, or the strongest at each date where they are too many.

References
----------
.. [Eberlein2020] Eberlein, R., Schoenberg, W. (2020). Finding the Loops that Matter. arXiv:2006.08425.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.loop_scores.links import LinkScores
from jevons.loops import DELAY

Floats = NDArray[np.float64]

SEARCH_DATES = 50
"""Dates at which the strongest loops are looked for, spread over the run."""
WAYS = 5
"""Paths, the strongest, that are followed on from a name; the published search follows one."""
MOST_STEPS = 10_000
"""Steps of the search from one stock at one date."""


@dataclass(frozen=True)
class Found:
    """Loops by their links, and how they were found.

    Attributes
    ----------
    loops : tuple of tuple of int
        Places of the links of each loop, in the direction of cause, from a stock on.
    partitions : tuple of frozenset of int
        Names that feed back on each other, largest set first: loops are compared within one.
    complete : bool
        Whether the loops are all there are.
    """

    loops: tuple[tuple[int, ...], ...]
    partitions: tuple[frozenset[int], ...]
    complete: bool


def find_loops(links: LinkScores, most: int, progress: bool | None = None) -> Found:
    """Loops of all links that act at any date.

    All loops are listed if they are at most `most`. Otherwise, at up to `SEARCH_DATES` dates and from every stock, the
    strongest path is followed first, and a path ends at a name that `WAYS` others reached with larger scores.

    Source     [Eberlein2020]_, appendix I: it follows one way, and starts afresh at every date, not at every stock
    """
    import networkx as nx

    number = {links.links[i]: i for i in _acting(links)}
    sets = partitions(links)
    cycles: list[list[int]] = []
    complete = True
    for names in sets:
        inside = nx.DiGraph(sorted((a, b) for a, b in number if a in names and b in names))
        found: list[list[int]] = list(itertools.islice(nx.simple_cycles(inside), most - len(cycles) + 1))
        cycles += found
        complete = len(cycles) <= most
        if not complete:
            break
    loops = {from_stock([number[a, b] for a, b in itertools.pairwise([*c, c[0]])], links) for c in cycles}
    if not complete:
        loops = _strongest(links, sets, progress)
    return Found(tuple(sorted(loops, key=lambda loop: (len(loop), loop))), sets, complete)


def partitions(links: LinkScores, also: Iterable[int] = ()) -> tuple[frozenset[int], ...]:
    """Sets of names that feed back on each other along links that act (or are named in `also`), largest first."""
    import networkx as nx

    graph = nx.DiGraph(links.links[i] for i in sorted({*_acting(links), *also}))
    found = [frozenset(c) for c in nx.strongly_connected_components(graph) if len(c) > 1]
    return tuple(sorted(found, key=lambda names: (-len(names), min(names))))


def coverage(links: LinkScores, found: Found) -> Floats:
    """Of the scores of all paths from stock to stock, the share on paths of the loops found, by partition and date.

    A path runs from a stock through no other to a stock. The scores of all paths are summed without listing them. The
    share is 1 where all loops are known; else it has a ceiling below 1 where some paths are on no loop.
    """
    sizes = np.nan_to_num(np.abs(links.scores))
    result = np.ones((len(found.partitions), links.times.size))
    if found.complete:
        return result
    for p, names in enumerate(found.partitions):
        inside = [i for i, (a, b) in enumerate(links.links) if a in names and b in names]
        stocks = sorted(n for n in names if n < links.stocks)
        total, known = np.zeros((2, links.stocks, links.times.size))
        for start in stocks:
            strength = np.zeros((len(links.names), links.times.size))
            strength[start] = 1.0
            for i in inside:  # in the order of evaluation, links into stocks last
                a, b = links.links[i]
                into = total if b < links.stocks else strength
                into[b] += sizes[i] * strength[a]
        for path in {path for loop in found.loops for path in _between_stocks(loop, links)}:
            if links.links[path[0]][0] in names:
                known[links.links[path[-1]][1]] += sizes[list(path)].prod(axis=0)
        moving = total[stocks] > 0
        shares = np.where(moving, known[stocks] / np.where(moving, total[stocks], 1.0), 0.0)
        result[p] = shares.sum(axis=0) / np.maximum(moving.sum(axis=0), 1)
    return result


def _between_stocks(loop: Sequence[int], links: LinkScores) -> Iterable[tuple[int, ...]]:
    leaving = [i for i, link in enumerate(loop) if links.links[link][0] < links.stocks]
    return (tuple(loop[a:b]) for a, b in itertools.pairwise([*leaving, len(loop)]))


def _acting(links: LinkScores) -> list[int]:
    return [int(i) for i in np.flatnonzero(np.nan_to_num(links.scores).any(axis=1))]


def from_stock(loop: Sequence[int], links: LinkScores) -> tuple[int, ...]:
    """The loop turned so that it leaves its first stock first."""
    sources = [links.links[link][0] for link in loop]
    first = sources.index(min(sources))
    return (*loop[first:], *loop[:first])


def _strongest(links: LinkScores, sets: Sequence[frozenset[int]], progress: bool | None) -> set[tuple[int, ...]]:
    from tqdm.auto import tqdm

    finite = np.flatnonzero(np.isfinite(links.scores).all(axis=0))
    dates = finite[np.unique(np.linspace(0, finite.size - 1, min(SEARCH_DATES, finite.size)).round().astype(int))]
    delay = 0.0 if progress else DELAY
    bar: Any = tqdm(dates, desc="loops", unit="date", delay=delay, disable=progress is False, leave=False)
    found: set[tuple[int, ...]] = set()
    for date in bar:
        weights = np.abs(links.scores[:, date])
        for names in sets:
            onward: dict[int, list[tuple[float, int, int]]] = {name: [] for name in names}
            for link, (a, b) in enumerate(links.links):
                if weights[link] > 0 and a in names and b in names:
                    onward[a].append((float(weights[link]), link, b))
            for ways in onward.values():
                ways.sort(key=lambda way: (-way[0], way[1]))
            for stock in sorted(n for n in names if n < links.stocks):
                found.update(from_stock(loop, links) for loop in _from(stock, onward))
    return found


def _from(target: int, onward: dict[int, list[tuple[float, int, int]]]) -> list[tuple[int, ...]]:
    """Loops through a stock, strongest path first."""
    best: dict[int, list[float]] = {}
    path: list[int] = []
    stack = [(target, 1.0, iter(onward[target]))]
    visiting = {target}
    loops: list[tuple[int, ...]] = []
    steps = 0
    while stack and steps < MOST_STEPS:
        name, score, ways = stack[-1]
        for weight, link, onto in ways:
            if onto == target:
                loops.append((*path, link))
            elif onto not in visiting and _among_best(best.setdefault(onto, []), score * weight):
                visiting.add(onto)
                path.append(link)
                stack.append((onto, score * weight, iter(onward[onto])))
                break
        else:
            stack.pop()
            visiting.discard(name)
            if path:
                path.pop()
        steps += 1
    return loops


def _among_best(scores: list[float], score: float) -> bool:
    """Enter a score among the largest kept, a heap, if it is one of them."""
    if len(scores) < WAYS:
        heapq.heappush(scores, score)
        return True
    return heapq.heappushpop(scores, score) < score
