"""Random functions with a continuous distribution: one uniform number a step, through the inverse distribution.

Every call has a stream of its own, made from the name of its variable; a seed of its own, where it gives one, changes
the stream, and the parameter NOISE SEED changes all. The numbers are not those that Vensim or Stella would draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import Table
from jevons.interchange.translation.expressions import Expressions, Place, Untranslatable, choose, compare, number
from jevons.interchange.translation.number_functions import greatest, least, normal_cdf

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]
Distribution = Callable[[sp.Expr], sp.Expr]


def uniform(walker: Expressions, arguments: Sequence[sp.Expr], seed_at: int, place: Place) -> sp.Expr:
    """A number in (0, 1) from the stream of a call, whose seed is the argument at a place, 0 without it."""
    seed = arguments[seed_at] if len(arguments) > seed_at else sp.S.Zero
    return walker.translation.noise(place, seed)


def values(walker: Expressions, arguments: Sequence[Any], place: Place) -> list[sp.Expr]:
    return [walker.expression(a, place) for a in arguments]


def _folded(e: sp.Expr) -> sp.Expr:
    return number(float(e)) if e.is_number else e


def truncated_share(u: sp.Expr, below: sp.Expr, above: sp.Expr) -> sp.Expr:
    """A uniform number between two probabilities."""
    below, above = _folded(below), _folded(above)
    return u if (below, above) == (0, 1) else below + (above - below) * u


def _uniform(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM UNIFORM(low, high, seed) of Vensim, RANDOM and UNIFORM of XMILE."""
    given = values(walker, arguments, place)
    return given[0] + (given[1] - given[0]) * uniform(walker, given, 2, place)


def _unit_uniform(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    return uniform(walker, values(walker, arguments, place), 0, place)


def _random_normal(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM NORMAL(least, most, mean, sd, seed) of Vensim: a normal distribution cut at both ends.

    Equation   mean + sd Φ⁻¹(Φ(a) + (Φ(b) - Φ(a)) u), a and b the ends less the mean, over sd; the mean where sd = 0
    Source     Vensim Help, RANDOM number functions
    """
    given = values(walker, arguments, place)
    low, high, mean, sd = given[:4]
    sd = walker.unconditional(sd, place)
    below, above = (normal_cdf((edge - mean) / sd) if sd != 0 else sp.S.Zero for edge in (low, high))
    u = truncated_share(uniform(walker, given, 4, place), below, above)
    return choose(compare(">", sd, sp.S.Zero), mean + sd * fn.normal_quantile(u), mean)


def _normal(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """NORMAL(mean, sd, seed, least, most) of XMILE; Stella's ends are optional."""
    given = values(walker, arguments, place)
    mean, sd = given[:2]
    ends = [*given[3:], *(sp.Float(1e300) for _ in range(5 - max(len(given), 3)))]
    below = normal_cdf((ends[0] - mean) / sd) if len(given) > 3 else sp.S.Zero
    above = normal_cdf((ends[1] - mean) / sd) if len(given) > 4 else sp.S.One
    return mean + sd * fn.normal_quantile(truncated_share(uniform(walker, given, 2, place), below, above))


def _lognormal(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """LOGNORMAL(mean, sd, seed) of XMILE, mean and sd of the variable itself, not of its logarithm.

    Equation   exp(ln m - v/2 + √v z), v = ln(1 + (sd/m)²)
    Source     OASIS, XMILE Version 1.0 (2015), section 3.5.2; Stella help: LOGNORMAL(10, 5) has a mean of 10
    """
    given = values(walker, arguments, place)
    variance = sp.log(1 + (given[1] / given[0]) ** 2)
    z = fn.normal_quantile(uniform(walker, given, 2, place))
    return sp.exp(sp.log(given[0]) - variance / 2 + sp.sqrt(variance) * z)


def _random_exponential(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM EXPONENTIAL(least, most, shift, stretch, seed) of Vensim: an exponential distribution cut at both ends.

    Equation   s - r ln(1 - (1 - exp(-(most - s)/r)) u), s = max(least, shift)
    Source     Vensim Help, RANDOM number functions
    """
    given = values(walker, arguments, place)
    low, high, shift, stretch = given[:4]
    start = greatest(low, shift)
    most = _folded(1 - sp.exp(-(high - start) / stretch))
    return start - stretch * sp.log(1 - most * uniform(walker, given, 4, place))


def _exponential(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """EXPRND(mean, seed) of XMILE."""
    given = values(walker, arguments, place)
    return -given[0] * sp.log(uniform(walker, given, 1, place))


def _weibull_quantile(p: sp.Expr, shape: sp.Expr) -> sp.Expr:
    return (-sp.log(1 - p)) ** (1 / shape)


def _random_weibull(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM WEIBULL(least, most, shape, shift, stretch, seed) of Vensim, cut at both ends.

    Equation   h + r c (-ln(1 - p))^(1/k), c = 1/Γ(1 + 1/k), so that the mean is 1 before stretching
    Valid for  shape k > 0, stretch r > 0
    Source     Vensim Help, RANDOM number functions: from 0 with mean 1, then stretched, shifted and cut
    """
    given = values(walker, arguments, place)
    low, high, shape, shift, stretch = given[:5]
    scale = stretch * sp.exp(-sp.loggamma(1 + 1 / shape))

    def below(edge: sp.Expr) -> sp.Expr:
        return 1 - sp.exp(-(greatest((edge - shift) / scale, sp.S.Zero) ** shape))

    p = truncated_share(uniform(walker, given, 5, place), below(low), below(high))
    return shift + scale * _weibull_quantile(p, shape)


def _weibull(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """WEIBULL(shape, scale, seed) of Stella."""
    given = values(walker, arguments, place)
    return given[1] * _weibull_quantile(uniform(walker, given, 2, place), given[0])


def _triangle(walker: Expressions, place: Place, start: sp.Expr, peak: sp.Expr, stop: sp.Expr, p: sp.Expr) -> sp.Expr:
    """Quantile of a triangular distribution."""
    p = walker.unconditional(p, place)
    split = walker.unconditional((peak - start) / (stop - start), place)
    rising = start + sp.sqrt(p * (stop - start) * (peak - start))
    return choose(compare("<", p, split), rising, stop - sp.sqrt((1 - p) * (stop - start) * (stop - peak)))


def _random_triangular(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM TRIANGULAR(least, most, start, peak, stop, seed) of Vensim, cut at both ends.

    Source     Vensim Help, RANDOM number functions
    """
    given = values(walker, arguments, place)
    low, high, start, peak, stop = (walker.unconditional(g, place) for g in given[:5])

    def below(edge: sp.Expr) -> sp.Expr:
        x = walker.unconditional(least(greatest(edge, start), stop), place)
        rising = (x - start) ** 2 / ((stop - start) * (peak - start)) if peak != start else sp.S.Zero
        falling = 1 - (stop - x) ** 2 / ((stop - start) * (stop - peak)) if peak != stop else sp.S.One
        return choose(compare("<", x, peak), rising, falling)

    p = truncated_share(uniform(walker, given, 5, place), below(low), below(high))
    return _triangle(walker, place, start, peak, stop, p)


def _triangular(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """TRIANGULAR(least, mode, most, seed) of Stella."""
    given = values(walker, arguments, place)
    start, peak, stop = (walker.unconditional(g, place) for g in given[:3])
    return _triangle(walker, place, start, peak, stop, uniform(walker, given, 3, place))


def _logistic(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """LOGISTIC(mean, scale, seed) of Stella."""
    given = values(walker, arguments, place)
    u = uniform(walker, given, 2, place)
    return given[0] + given[1] * (sp.log(u) - sp.log(1 - u))


def _pareto(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """PARETO(shape, scale, seed) of Stella: at least `scale`."""
    given = values(walker, arguments, place)
    return given[1] * uniform(walker, given, 2, place) ** (-1 / given[0])


def _random_lookup(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM LOOKUP(density, least, most, shift, stretch, seed) of Vensim, for a density that is a lookup.

    Equation   x_i + 2 c/(y_i + √(y_i² + 2 m_i c)), c what is left of u times the area within segment i, m_i its slope
    Valid for  ends, shift and stretch that are numbers; a density that is nowhere negative, 0 outside of its points
    Source     Vensim Help, RANDOM number functions
    """
    table = walker.translation.table_argument(arguments[0], place)
    given = values(walker, arguments[1:], place)
    if not all(g.is_number for g in given[:4]):
        raise Untranslatable("RANDOM LOOKUP needs numbers for its ends, shift and stretch")
    low, high, shift, stretch = (float(g) for g in given[:4])
    if stretch <= 0:
        raise Untranslatable("RANDOM LOOKUP needs a stretch of more than 0")
    points = _density(walker.translation.points(table), (low - shift) / stretch, (high - shift) / stretch)
    segments, area = [], 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if y0 > 0 or y1 > 0:
            segments.append((area, x0, y0, (y1 - y0) / (x1 - x0)))
            area += (x1 - x0) * (y0 + y1) / 2
    if not area > 0:
        raise Untranslatable("RANDOM LOOKUP: the density has no area between the ends")
    c = area * uniform(walker, given, 4, place)

    def read(label: str, column: int) -> sp.Expr:
        if len(segments) == 1:
            return number(segments[0][column])
        steps = [(s[0], s[column]) for s in segments]
        return fn.Lookup(add_steps(walker, f"{place.owner} {label}", steps, place), c)

    start, x, y, slope = (read(label, k) for k, label in enumerate(("area", "place", "density", "density slope")))
    left = c - start
    return shift + stretch * (x + 2 * left / (y + sp.sqrt(y**2 + 2 * slope * left)))


def _density(points: Sequence[tuple[float, float]], low: float, high: float) -> list[tuple[float, float]]:
    """Points of a density between two ends."""
    if any(y < 0 for _, y in points) or any(b[0] <= a[0] for a, b in pairwise(points)):
        raise Untranslatable("RANDOM LOOKUP: the density must not be negative, nor have two points at one place")
    xs, ys = zip(*points, strict=True)
    low, high = max(low, xs[0]), min(high, xs[-1])
    if low >= high:
        raise Untranslatable("RANDOM LOOKUP: the density has no area between the ends")

    def at(x: float) -> float:
        for (x0, y0), (x1, y1) in pairwise(points):
            if x0 <= x <= x1:
                return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        raise AssertionError

    return [(low, at(low)), *((x, y) for x, y in zip(xs, ys, strict=True) if low < x < high), (high, at(high))]


def add_steps(walker: Expressions, label: str, steps: Sequence[tuple[float, float]], place: Place) -> sp.Symbol:
    """A table of steps that the file does not name: each value holds until the next."""
    translation = walker.translation
    name, count = label, 1
    while name in translation.elements or name in translation.slots:
        count += 1
        name = f"{label} {count}"
    table = Table(
        name, "", x_unit="", points=tuple(steps), outside="clamp", between="hold", doc=f"Part of {place.owner}.",
        source=translation.source.path.name, status="imported",
    )  # fmt: skip
    return translation.add(table)


def _pink_noise(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM PINK NOISE(mean, sd, correlation time, seed) of Vensim: normal, with a memory of the correlation time T.

    Equation   P' = (w - P)/T, w = mean + sd √((2 - h/T)/(h/T)) z; P starts at mean + sd z
    Valid for  Euler's method with the file's step h < 2T; z normal, within six standard deviations
    Source     Vensim Help, RANDOM PINK NOISE; structure of E. Anderson
    """
    given = values(walker, arguments, place)
    mean, sd, time = given[:3]
    translation, step = walker.translation, walker.translation.time_step

    def z() -> sp.Expr:
        share = truncated_share(uniform(walker, given, 3, place), normal_cdf(sp.Integer(-6)), normal_cdf(sp.Integer(6)))
        return fn.normal_quantile(share)

    pink = translation.held(f"{place.owner} held", mean + sd * z(), place)
    white = mean + sd * sp.sqrt((2 - step / time) / (step / time)) * z()
    translation.change(pink, (white - pink) / time, place)
    return pink


RANDOM_CALLS: Mapping[str, tuple[tuple[int, int], Special]] = {
    "random_0_1": ((0, 1), _unit_uniform),
    "random_uniform": ((2, 3), _uniform),
    "random": ((2, 3), _uniform),
    "uniform": ((2, 3), _uniform),
    "random_normal": ((4, 5), _random_normal),
    "normal": ((2, 5), _normal),
    "lognormal": ((2, 3), _lognormal),
    "random_exponential": ((4, 5), _random_exponential),
    "exprnd": ((1, 2), _exponential),
    "random_weibull": ((5, 6), _random_weibull),
    "weibull": ((2, 3), _weibull),
    "random_triangular": ((5, 6), _random_triangular),
    "triangular": ((3, 4), _triangular),
    "logistic": ((2, 3), _logistic),
    "pareto": ((2, 3), _pareto),
    "random_lookup": ((5, 6), _random_lookup),
    "random_pink_noise": ((3, 4), _pink_noise),
}
