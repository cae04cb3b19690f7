"""Loops that matter: how much each feedback loop contributes to what a run does, and which ones dominate when.

The score of a loop is the product of the scores of its links; loops are compared with those they share names with.
It explains one run. What happens without a loop is another question, which a run without it answers.

References
----------
.. [Schoenberg2020] Schoenberg, W., Davidsen, P., Eberlein, R. (2020). Understanding model behavior using the Loops
   that Matter method. System Dynamics Review 36(2), 158-190.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError, ModelError, nearest
from jevons.loop_scores.links import LinkScores, link_scores
from jevons.loop_scores.search import Found, coverage, find_loops, from_stock, partitions
from jevons.loops import BALANCING, CHANGES, REINFORCING, UNKNOWN, Loop

if TYPE_CHECKING:
    import pandas as pd

    from jevons.model import Model
    from jevons.trajectory import Trajectory

Floats = NDArray[np.float64]

MOST_LOOPS = 20_000
"""Loops up to which all are listed."""
LONGEST_TOLD = 12
"""Names of a loop up to which its text has all of them."""
DOMINANT = 0.5
"""Share of behaviour that dominant loops explain."""
_LETTERS = {REINFORCING: "R", BALANCING: "B", CHANGES: "±", UNKNOWN: "0"}


@dataclass(frozen=True, eq=False)
class LoopScores:
    """Feedback loops along a run, strongest first.

    Attributes
    ----------
    model : str
    times : array of shape (dates,)
        In the model's unit of time.
    labels : tuple of str
        ``R1``, ``B1``, ``±1``, ...: what the loop is along the run (reinforcing, balancing, changing sign), and its
        place among its like; ``0`` for a loop that never acts.
    paths : tuple of Loop
        Of each loop names in the direction of cause and polarity.
    partition : array of int, shape (loops,)
        Set of names, counted from 0, within which the loop is compared; 0 is the largest.
    scores : array of shape (loops, dates)
        Product of the scores of the loop's links, dimensionless.
    relative : array of shape (loops, dates)
        Signed share of the loop in the sum of all scores' sizes in its partition; those sizes add up to 1, or to 0
        where nothing in the partition moves. NaN where a derivative is not finite.
    complete : bool
        Whether all loops were found.
    coverage : array of shape (partitions, dates)
        Share of what moves the stocks that comes along paths of these loops: 1 where `complete`. See `loop_scores`.
    link_scores : LinkScores
    """

    model: str
    times: Floats
    labels: tuple[str, ...]
    paths: tuple[Loop, ...]
    partition: NDArray[np.int64]
    scores: Floats
    relative: Floats
    complete: bool
    coverage: Floats
    link_scores: LinkScores

    @property
    def links(self) -> pd.DataFrame:
        """Scores of links: source, target, time, score."""
        import pandas as pd

        scored = self.link_scores
        n, dates = scored.scores.shape
        ends = [(scored.names[a], scored.names[b]) for a, b in scored.links]
        return pd.DataFrame(
            {
                "source": np.repeat([a for a, _ in ends], dates),
                "target": np.repeat([b for _, b in ends], dates),
                "time": np.tile(self.times, n),
                "score": scored.scores.ravel(),
            }
        )

    @property
    def loops(self) -> pd.DataFrame:
        """Loops: loop, partition, polarity, mean_share and largest_share over the dates, date of it, path."""
        import pandas as pd

        size = np.nan_to_num(np.abs(self.relative))
        rows = {
            "loop": self.labels,
            "partition": self.partition,
            "polarity": [p.polarity for p in self.paths],
            "mean_share": size.mean(axis=1),
            "largest_share": size.max(axis=1, initial=0.0),
            "at": self.times[size.argmax(axis=1)] if len(size) else np.empty(0),
            "path": [" → ".join([*p.path, p.path[0]]) for p in self.paths],
        }
        return pd.DataFrame(rows)

    def dominant(self, partition: int = 0) -> pd.DataFrame:
        """The dominant loops at each date.

        Returns
        -------
        pandas.DataFrame
            Columns time; polarity of the side that explains more; side, the share of all its loops; loops, the fewest
            of them that explain half of behaviour or more, strongest first; share, what those explain; strongest, the
            loop of the largest share on either side. Empty text where nothing moves.
        """
        import pandas as pd

        self._require(partition)
        own = np.flatnonzero(self.partition == partition)
        rows = []
        for time, column in zip(self.times, np.nan_to_num(self.relative[own]).T, strict=True):
            up, down = column.clip(0).sum(), -column.clip(None, 0).sum()
            if up == down == 0:
                rows.append((float(time), "", 0.0, "", 0.0, ""))
                continue
            sided = column if up >= down else -column
            order = np.argsort(-sided, kind="stable")
            shares = np.cumsum(sided[order].clip(0))
            n = int(np.searchsorted(shares, DOMINANT - 1e-12)) + 1
            names = [self.labels[own[i]] for i in order[:n]]
            strongest = self.labels[own[int(np.argmax(np.abs(column)))]]
            polarity = REINFORCING if up >= down else BALANCING
            rows.append((float(time), polarity, max(up, down), " ".join(names), float(shares[n - 1]), strongest))
        return pd.DataFrame(rows, columns=["time", "polarity", "side", "loops", "share", "strongest"])

    def shifts(self, partition: int = 0) -> pd.DataFrame:
        """Dates at which dominance passes on: time, what (``polarity`` or ``strongest``), before, after.

        The date is that at which the two are level, by cubic interpolation of their shares between the dates of the
        scores; where a share jumps, as that of a loop that changes sign, only the step in which it does is known.
        """
        import pandas as pd

        table = self.dominant(partition)
        own = np.flatnonzero(self.partition == partition)
        signed = self.relative[own].sum(axis=0)
        place = {self.labels[i]: i for i in own}
        rows: list[tuple[float, str, str, str]] = []
        for what in ("polarity", "strongest"):
            for k, (before, after) in enumerate(itertools.pairwise(table[what])):
                if before == after or not before or not after:
                    continue
                if what == "polarity":
                    gap = signed
                else:
                    gap = np.abs(self.relative[place[before]]) - np.abs(self.relative[place[after]])
                rows.append((_level(self.times, gap, k), what, before, after))
        rows.sort()
        return pd.DataFrame(rows, columns=["time", "what", "before", "after"])

    def grouped(self, groups: Mapping[str, Iterable[str]], partition: int = 0) -> pd.DataFrame:
        """Shares of loops that run through the same groups of names, for example the sectors of a model.

        Returns
        -------
        pandas.DataFrame
            Columns group (the groups that a loop touches, joined by ``+``; ``none``), loops, and, one row a date: time,
            reinforcing and balancing (signed sums of relative scores). Groups of the largest mean share first.
        """
        import pandas as pd

        self._require(partition)
        group_of = {name: label for label, names in groups.items() for name in names}
        members: dict[str, list[int]] = {}
        for i in np.flatnonzero(self.partition == partition):
            touched = {group_of[name] for name in self.paths[i].path if name in group_of}
            members.setdefault(" + ".join(g for g in groups if g in touched) or "none", []).append(int(i))
        order = sorted(members, key=lambda g: -float(np.nan_to_num(np.abs(self.relative[members[g]])).sum()))
        frames = []
        for group in order:
            own = self.relative[members[group]]
            sides = {REINFORCING: own.clip(0).sum(axis=0), BALANCING: own.clip(None, 0).sum(axis=0)}
            frames.append(pd.DataFrame({"group": group, "loops": len(own), "time": self.times, **sides}))
        columns = ["group", "loops", "time", REINFORCING, BALANCING]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def to_frame(self, most: int | None = None, partition: int | None = None) -> pd.DataFrame:
        """Loops over time: time, partition, loop, polarity, score, relative.

        With `most`, that many of the strongest loops of each partition, and the others of each sign in sum (``other R``
        and ``other B``).
        """
        import pandas as pd

        frames = []
        for p in range(len(self.coverage)) if partition is None else [partition]:
            self._require(p)
            own = np.flatnonzero(self.partition == p)
            shown, others = own[:most], own[len(own) if most is None else most :]
            columns = [(self.labels[i], self.paths[i].polarity, self.scores[i], self.relative[i]) for i in shown]
            if others.size:
                unknown = np.full(self.times.size, np.nan)
                columns += [
                    ("other R", REINFORCING, unknown, self.relative[others].clip(0).sum(axis=0)),
                    ("other B", BALANCING, unknown, self.relative[others].clip(None, 0).sum(axis=0)),
                ]
            for label, polarity, scores, relative in columns:
                fields = {"time": self.times, "partition": p, "loop": label, "polarity": polarity}
                frames.append(pd.DataFrame({**fields, "score": scores, "relative": relative}))
        columns_of = ["time", "partition", "loop", "polarity", "score", "relative"]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns_of)

    def to_csv(self, path: str | Path, most: int | None = None) -> Path:
        """Write `to_frame` as CSV."""
        self.to_frame(most).to_csv(path, index=False, lineterminator="\n")
        return Path(path)

    def stocks(self, partition: int = 0) -> tuple[str, ...]:
        """Stocks that loops of a partition run through."""
        self._require(partition)
        names = set(self.link_scores.names[: self.link_scores.stocks])
        found = {n: None for i in np.flatnonzero(self.partition == partition) for n in self.paths[i].path if n in names}
        return tuple(sorted(found, key=self.link_scores.names.index))

    def _require(self, partition: int) -> None:
        if not 0 <= partition < len(self.coverage):
            raise JevonsError(f"partition {partition}, expected a number from 0 to {len(self.coverage) - 1}")

    def _told(self, i: int) -> str:
        """The names of a loop, of a long one its stocks."""
        path = self.paths[i].path
        if len(path) <= LONGEST_TOLD:
            return " → ".join([*path, path[0]])
        stocks = set(self.link_scores.names[: self.link_scores.stocks])
        kept = [n for n in path if n in stocks]
        return f"{' → '.join([*kept, kept[0]])} (stocks; {len(path)} names)"

    def __repr__(self) -> str:
        table = self.loops.head(10)
        lines = [
            f"{row.loop:>4} {row.mean_share:6.1%} on average, {row.largest_share:.1%} at {row.at:g}: {self._told(i)}"
            for i, row in enumerate(table.itertuples())
        ]
        count = f"{len(self.paths)} loops in {len(self.coverage)} partitions" + (", all there are" * self.complete)
        if not self.complete:
            low = ", ".join(f"{c:.0%}" for c in np.nanmean(self.coverage, axis=1))
            count += f": the strongest found, not all; along their paths comes {low} of what moves the stocks"
        return "\n".join([f"Loops of {self.model!r}, {self.times[0]:g} to {self.times[-1]:g}: {count}", *lines])


def loop_scores(
    model: Model,
    run: Trajectory,
    loops: Iterable[Loop | Sequence[str]] | None = None,
    *,
    every: float | None = None,
    most: int = MOST_LOOPS,
    parts: bool = False,
    progress: bool | None = None,
) -> LoopScores:
    """Score the feedback loops of a model along a run.

    Equation   score = Π over the loop's links of their scores (`jevons.loop_scores.links.link_scores`);
               relative score = score / Σ |scores| over all loops of the partition
    Valid for  loops that were found: where `complete` is false, or loops are given, shares are shares of those;
               `coverage` is then, of the scores of all paths from stock to stock into each stock, the part on paths
               of these loops, meaned over the partition's stocks
    Source     [Schoenberg2020]_, equations 3 and 4

    Parameters
    ----------
    run : Trajectory
        A run of this model with these parameter values.
    loops : iterable of Loop or of names, optional
        Only these, each by its names in the direction of cause. Hidden stocks of delays have their hidden names.
    every : float, optional
        Distance of the dates, in the model's unit of time: a multiple of the run's; all of its dates by default.
    most : int
        Loops up to which all are listed; where there are more, the strongest are searched for.
    parts : bool
        Tell apart loops that one equation holds in one link: terms and factors that share a variable are given names.
    progress : bool, optional
        Show a bar while loops are searched for; after two seconds by default.
    """
    if most < 1:
        raise JevonsError(f"most {most}, expected 1 or more")
    links = link_scores(model, run, every=every, parts=parts)
    if loops is None:
        return _scored(model, links, find_loops(links, most, progress))
    named = _named(model, links, [tuple(p.path) if isinstance(p, Loop) else tuple(p) for p in loops])
    return _scored(model, links, Found(named, partitions(links, {i for loop in named for i in loop}), complete=False))


def _named(model: Model, links: LinkScores, paths: Iterable[tuple[str, ...]]) -> tuple[tuple[int, ...], ...]:
    """Links of loops that are given by names."""
    number = {(links.names[a], links.names[b]): i for i, (a, b) in enumerate(links.links)}
    loops: list[tuple[int, ...]] = []
    mistakes: dict[str, None] = {}
    for path in paths:
        unknown = [f"{n!r} is not a name on links{nearest(n, links.names)}" for n in path if n not in links.names]
        pairs = list(itertools.pairwise([*path, *path[:1]]))
        lacking = [f"no link {a} → {b}" for a, b in pairs if not unknown and (a, b) not in number]
        if len(set(path)) < max(len(path), 1):
            lacking.append(f"loop {' → '.join(path) or '()'}: expected names, each once")
        mistakes.update(dict.fromkeys(unknown + lacking))
        if not unknown and not lacking:
            loops.append(from_stock([number[pair] for pair in pairs], links))
    if mistakes:
        raise ModelError(f"loops of model {model.name!r}", list(mistakes))
    return tuple(dict.fromkeys(loops))


def _scored(model: Model, links: LinkScores, found: Found) -> LoopScores:
    dates = links.times.size
    sizes, signs = np.zeros((len(found.loops), dates)), np.zeros((len(found.loops), dates))
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(links.scores))
    for i, loop in enumerate(found.loops):
        sizes[i] = logs[list(loop)].sum(axis=0)  # as logarithms: products of long loops leave the range of numbers
        signs[i] = np.sign(links.scores[list(loop)]).prod(axis=0)
    place = {name: p for p, names in enumerate(found.partitions) for name in names}
    partition = np.array([place[links.links[loop[0]][0]] for loop in found.loops], dtype=np.int64)
    relative = np.zeros_like(sizes)
    for p in range(len(found.partitions)):
        own = partition == p
        top = sizes[own].max(axis=0, initial=-np.inf)
        with np.errstate(invalid="ignore"):
            weights = np.exp(sizes[own] - np.where(np.isneginf(top), 0.0, top))
        total = weights.sum(axis=0)
        relative[own] = signs[own] * weights / np.where(total == 0, 1.0, total)
    with np.errstate(over="ignore"):
        scores = signs * np.exp(sizes)
    order = np.argsort(-np.nan_to_num(np.abs(relative)).mean(axis=1), kind="stable")
    polarities = [_polarity(signs[i]) for i in order]
    return LoopScores(
        model.name,
        links.times,
        tuple(_labels(polarities)),
        tuple(_loop(found.loops[i], polarity, links) for i, polarity in zip(order, polarities, strict=True)),
        partition[order],
        scores[order],
        relative[order],
        found.complete,
        coverage(links, found),
        links,
    )


def _loop(loop: Sequence[int], polarity: str, links: LinkScores) -> Loop:
    signs = [{REINFORCING: 1, BALANCING: -1}.get(_polarity(np.sign(links.scores[link])), 0) for link in loop]
    return Loop(tuple(links.names[links.links[link][0]] for link in loop), polarity, tuple(signs))


def _polarity(signs: Floats) -> str:
    acting = {sign for sign in signs.tolist() if sign in (1.0, -1.0)}
    if len(acting) != 1:
        return CHANGES if acting else UNKNOWN
    return REINFORCING if acting == {1.0} else BALANCING


def _labels(polarities: Iterable[str]) -> Iterable[str]:
    counts = dict.fromkeys(_LETTERS, 0)
    for polarity in polarities:
        counts[polarity] += 1
        yield f"{_LETTERS[polarity]}{counts[polarity]}"


def _level(times: Floats, gap: Floats, k: int) -> float:
    """Where a quantity passes through zero between dates k and k + 1."""
    from scipy.interpolate import BarycentricInterpolator
    from scipy.optimize import brentq

    a, b = float(times[k]), float(times[k + 1])
    if not gap[k] * gap[k + 1] < 0:  # a third loop was the strongest in between, or none moved
        return b
    first = int(np.clip(k - 1, 0, max(0, times.size - 4)))
    points = slice(first, first + 4)
    if times.size < 4 or not np.isfinite(gap[points]).all():
        return a + (b - a) * float(gap[k] / (gap[k] - gap[k + 1]))
    cubic = BarycentricInterpolator(times[points], gap[points])
    return float(brentq(lambda t: float(cubic(t)), a, b, xtol=1e-12))
