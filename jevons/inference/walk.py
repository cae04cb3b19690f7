"""The walk of a profile: steps that chi-square sizes, from an optimum to where it has risen by a threshold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jevons.inference.slices import Point, Slices

Floats = NDArray[np.float64]

LOWER = 1e-3
"""A point lower than the centre by this much of chi-square is another, better optimum."""
LONGEST = 1.0
"""Longest step, in prior standard deviations; where the profile is flat, nothing else would hold it."""
HALVINGS = 8
MOST = 80
CLOSER = 12
CROSSED = 0.005
"""Share of the threshold within which a point lies on the crossing."""


class LowerPoint(Exception):
    """A refit came out lower than the centre of the walk."""

    def __init__(self, point: Point) -> None:
        self.point = point
        super().__init__(f"chi2 {point.chi2:g}")


@dataclass(frozen=True)
class Side:
    """One side of a profile.

    Attributes
    ----------
    points : tuple of Point
        By distance from the centre, which is left out.
    edge : float
        Where chi-square crosses the threshold, in prior standard deviations; NaN if it does not.
    note : str
        Why there is no edge; empty if there is one.
    """

    points: tuple[Point, ...]
    edge: float
    note: str


class Walk:
    """Both sides of a profile from one centre.

    Parameters
    ----------
    slices : Slices
    centre : Point
    threshold : float
        Rise of chi-square at the edges.
    least : int
        Points a side, at least.
    walls : (float, float)
        Where the walk ends at the latest.
    """

    def __init__(self, slices: Slices, centre: Point, threshold: float, least: int, walls: tuple[float, float]) -> None:
        self.slices, self.centre, self.least, self.walls = slices, centre, least, walls
        self.threshold = threshold
        self.target = centre.chi2 + threshold
        self.rise = threshold / least

    def side(self, sign: int) -> Side:
        """Walk down (-1) or up (+1)."""
        points, note = self._outwards(sign)
        above = [i for i, point in enumerate(points) if point.chi2 >= self.target]
        edge = math.nan
        if above:
            inner = points[above[0] - 1] if above[0] else self.centre
            found, edge = self._crossing(inner, points[above[0]])
            points, note = [*points, *found], ""
        points = self._filled(sign, points, edge)
        return Side(tuple(points), edge, note)

    def _outwards(self, sign: int) -> tuple[list[Point], str]:
        """Points by distance, as far as the first above the threshold or the wall."""
        wall = self.walls[sign > 0]
        path: list[Point] = [self.centre]
        beyond: list[Point] = []
        scale, cap, halved = 1.0, math.inf, 0
        note = ""
        while path[-1].chi2 < self.target:
            here = path[-1]
            room = sign * (wall - here.held)
            if room < 1e-9:
                note = f"chi2 rises by {here.chi2 - self.centre.chi2:.2g} only, up to the bound of the search"
                break
            if len(path) + len(beyond) > MOST or halved > HALVINGS:
                note = f"the walk ended after {len(path) - 1} points, where refits fail or chi2 hardly rises"
                break
            length = min(scale * self._step(here, sign), room, LONGEST, cap)
            point = self._refit(here, wall if length == room else here.held + sign * length)
            rise = point.chi2 - here.chi2
            if not math.isfinite(rise) or (rise > 2 * self.rise and halved < HALVINGS):
                beyond += [point] if math.isfinite(rise) else []
                cap, halved = length / 2, halved + 1
                continue
            path.append(point)
            if rise < self.rise / 2:
                scale = min(2 * scale, 4.0)
            elif halved:
                scale = max(scale / 2, 0.125)
            cap, halved = math.inf, 0
        return _by_distance(sign, [*path[1:], *beyond]), note

    def _step(self, here: Point, sign: int) -> float:
        """Step after which the parabola of slope and Fisher information at a point has risen by the wanted amount."""
        slope, curvature = sign * here.slope, here.curvature
        if curvature <= 0:
            return self.rise / slope if slope > 0 else LONGEST
        return (math.sqrt(slope**2 + 2 * curvature * self.rise) - slope) / curvature

    def _refit(self, here: Point, held: float) -> Point:
        """A refit that starts where the neighbour points to; else at the neighbour, else at the centre."""
        ahead = here.u + here.direction * (held - here.held)
        point = self.slices.refit(held, [ahead, here.u, self.centre.u])
        if point.chi2 < self.centre.chi2 - LOWER:
            raise LowerPoint(point)
        return point

    def _crossing(self, below: Point, above: Point) -> tuple[list[Point], float]:
        """Points ever closer to where chi-square crosses the threshold, and that place."""
        found: list[Point] = []
        near = CROSSED * self.threshold
        for _ in range(CLOSER):
            if min(self.target - below.chi2, above.chi2 - self.target) < near:
                break
            point = self._refit(below, self._between(below, above))
            if not math.isfinite(point.chi2):
                point = self._refit(above, (below.held + above.held) / 2)
            if not math.isfinite(point.chi2):
                break
            found.append(point)
            below, above = (point, above) if point.chi2 < self.target else (below, point)
        nearest = min(below, above, key=lambda p: abs(p.chi2 - self.target))
        ends = sorted([below.held, above.held])
        if abs(nearest.chi2 - self.target) < near and nearest.slope:
            place = nearest.held + (self.target - nearest.chi2) / nearest.slope
            return found, min(max(place, ends[0]), ends[1])
        share = (self.target - below.chi2) / (above.chi2 - below.chi2)
        return found, below.held + share * (above.held - below.held)

    def _between(self, below: Point, above: Point) -> float:
        """Crossing of the cubic through two points and their slopes, well inside, so that the bracket shrinks."""
        width = above.held - below.held
        low, high = below.chi2 - self.target, above.chi2 - self.target
        first, last = below.slope * width, above.slope * width

        def cubic(x: float) -> float:
            hermite = (1 + 2 * x) * (1 - x) ** 2 * low + x * (1 - x) ** 2 * first
            return hermite + x * x * (3 - 2 * x) * high + x * x * (x - 1) * last

        from scipy.optimize import brentq

        return below.held + min(max(float(brentq(cubic, 0.0, 1.0, xtol=1e-6)), 0.05), 0.95) * width

    def _filled(self, sign: int, points: Sequence[Point], edge: float) -> list[Point]:
        """The points of a side, with the widest gaps before the edge halved until there are enough."""
        known = list(points)
        for _ in range(2 * self.least):
            side = [self.centre, *_by_distance(sign, known)]
            inside = [p for p in side if math.isnan(edge) or sign * (p.held - edge) <= 1e-9]
            if len(inside) > self.least:
                break
            stops = [*(p.held for p in inside), *([] if math.isnan(edge) else [edge])]
            gaps = [sign * (b - a) for a, b in itertools.pairwise(stops)]
            if not gaps or max(gaps) < 1e-9:
                break
            widest = int(np.argmax(gaps))
            point = self._refit(inside[widest], (stops[widest] + stops[widest + 1]) / 2)
            if not math.isfinite(point.chi2):
                break
            known.append(point)
        return _by_distance(sign, known)


def _by_distance(sign: int, points: Sequence[Point]) -> list[Point]:
    return sorted(points, key=lambda point: sign * point.held)
