"""Curves through points: value, slope, area and inverse of a piecewise linear curve, as expressions.

The points are numbers (a lookup) or expressions (a vector whose values may change); the arguments at which the curve
is read are expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import sympy as sp

from jevons.interchange.translation.expressions import MISSING, Untranslatable, choose, compare
from jevons.interchange.translation.number_functions import greatest, least


@dataclass(frozen=True)
class Curve:
    """A piecewise linear curve.

    Attributes
    ----------
    xs, ys : sequence of sympy.Expr
        Coordinates of the points, x rising; at least two.
    """

    xs: Sequence[sp.Expr]
    ys: Sequence[sp.Expr]

    def _slopes(self) -> list[sp.Expr]:
        return [(y1 - y0) / (x1 - x0) for (x0, x1), (y0, y1) in zip(pairwise(self.xs), pairwise(self.ys), strict=True)]

    def _inside(self, x: sp.Expr) -> list[sp.Expr]:
        """How far `x` reaches into each segment."""
        return [greatest(least(x, high), low) - low for low, high in pairwise(self.xs)]

    def _outside(self, x: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        """How far `x` lies below the first point (negative), and above the last."""
        return least(x - self.xs[0], sp.S.Zero), greatest(x - self.xs[-1], sp.S.Zero)

    def value(self, x: sp.Expr, *, extrapolate: bool = False) -> sp.Expr:
        """Height at `x`; beyond the ends the last value, or the line through the last two points."""
        slopes = self._slopes()
        result = self.ys[0] + sp.Add(*(m * d for m, d in zip(slopes, self._inside(x), strict=True)))
        if not extrapolate:
            return result
        below, above = self._outside(x)
        return result + slopes[0] * below + slopes[-1] * above

    def held(self, x: sp.Expr, *, forward: bool = False) -> sp.Expr:
        """Height of the last point not after `x`, or of the first point not before it."""
        relation = ">" if forward else ">="
        result = self.ys[0]
        points = zip(self.xs[:-1] if forward else self.xs[1:], pairwise(self.ys), strict=True)
        for at, (before, after) in points:
            result += choose(compare(relation, x, at), after - before, sp.S.Zero)
        return result

    def area(self, x: sp.Expr, *, extrapolate: bool = False) -> sp.Expr:
        """Area under the curve from the first point to `x`, negative before it.

        Equation   Σ y_i d_i + m_i d_i²/2, d_i the length of `x` within segment i, and what lies beyond the ends
        """
        slopes = self._slopes()
        terms = [y * d + m * d**2 / 2 for y, m, d in zip(self.ys[:-1], slopes, self._inside(x), strict=True)]
        below, above = self._outside(x)
        terms += [self.ys[0] * below, self.ys[-1] * above]
        if extrapolate:
            terms += [slopes[0] * below**2 / 2, slopes[-1] * above**2 / 2]
        return sp.Add(*terms)

    def slope(self, x: sp.Expr, mode: int) -> sp.Expr:
        """Slope at `x`, at a point the mean of both sides; beyond the ends 0, of the last segment (1), or NA (-1).

        Source     Vensim Help, LOOKUP SLOPE
        """
        slopes = self._slopes()
        ends = {0: (sp.S.Zero, sp.S.Zero), 1: (slopes[0], slopes[-1]), -1: (MISSING, MISSING)}[mode]
        first, last = slopes[0], slopes[-1]
        if mode == 1:
            at_ends = (first, last)
        else:  # the slope on the other side of an end point is the one beyond it, where there is one
            at_ends = (first / 2, last / 2) if mode == 0 else (first, last)
        cases: list[tuple[sp.Expr, sp.Expr]] = [
            (ends[0], compare("<", x, self.xs[0])),
            (at_ends[0], compare("<=", x, self.xs[0])),
        ]
        for k, m in enumerate(slopes):
            cases.append((m, compare("<", x, self.xs[k + 1])))
            following = slopes[k + 1] if k + 1 < len(slopes) else None
            at = at_ends[1] if following is None else (m + following) / 2
            cases.append((at, compare("<=", x, self.xs[k + 1])))
        return chosen([*cases, (ends[1], sp.true)])

    def inverse(self, y: sp.Expr, *, extrapolate: bool = False) -> sp.Expr:
        """Where a rising or falling curve has the value `y`; beyond its ends the nearer one.

        Equation   x_0 + Σ (x_(i+1) - x_i) min(max((y - y_i)/(y_(i+1) - y_i), 0), 1)
        Valid for  curves that only rise or only fall
        """
        result = self.xs[0]
        for (x0, x1), (y0, y1) in zip(pairwise(self.xs), pairwise(self.ys), strict=True):
            result += (x1 - x0) * least(greatest((y - y0) / (y1 - y0), sp.S.Zero), sp.S.One)
        if extrapolate:
            (xa, xb), (ya, yb) = self.xs[:2], self.ys[:2]
            (xc, xd), (yc, yd) = self.xs[-2:], self.ys[-2:]
            result += (xb - xa) * least((y - ya) / (yb - ya), sp.S.Zero)
            result += (xd - xc) * greatest((y - yd) / (yd - yc), sp.S.Zero)
        return result


def chosen(cases: Sequence[tuple[sp.Expr, sp.Expr]]) -> sp.Expr:
    """The expression of the first case whose condition holds."""
    kept = []
    for expression, condition in cases:
        if condition == sp.false:
            continue
        kept.append((expression, condition))
        if condition == sp.true:
            break
    return kept[0][0] if kept[0][1] == sp.true else sp.Piecewise(*kept, evaluate=False)


def strictly_monotone(points: Sequence[tuple[float, float]]) -> None:
    """Refuse points whose curve has no inverse."""
    rises = [b[1] - a[1] for a, b in pairwise(points)]
    if not (all(r > 0 for r in rises) or all(r < 0 for r in rises)):
        raise Untranslatable("the inverse of a lookup that neither rises nor falls all the way")
