"""Random functions that count: binomial, Poisson, geometric; by the inverse distribution of one uniform number.

See `jevons.interchange.translation.chance` for streams and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.interchange.translation.chance import add_steps, uniform, values
from jevons.interchange.translation.expressions import Expressions, Place, Untranslatable, choose, compare, number

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]

LARGEST_SUMMED_MEAN = 12
"""Mean up to which a Poisson number with a mean that is no number is summed exactly."""
MOST_SUMMED = 45
"""Largest such Poisson number; P(N > 45 | mean 12) is below 1e-12."""
MOST_TRIALS = 40
"""Trials up to which a binomial number with a probability that is no number is summed exactly."""
MOST_VALUES = 100_000
"""Values of a tabulated distribution."""
REST = 1e-15
"""Probability that a tabulated distribution leaves out at its end."""

Chances = Iterator[tuple[int, float]]


def _poisson_chances(mean: float) -> Chances:
    for k in range(MOST_VALUES):
        yield k, math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) if mean > 0 else float(k == 0)


def _binomial_chances(p: float, trials: int) -> Chances:
    for k in range(trials + 1):
        if p in (0.0, 1.0):
            yield k, float(k == trials * p)
        else:
            ways = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
            yield k, math.exp(ways + k * math.log(p) + (trials - k) * math.log1p(-p))


def _trial_chances(p: float, successes: int) -> Chances:
    """Trials until so many successes."""
    for k in range(successes, MOST_VALUES):
        ways = math.lgamma(k) - math.lgamma(successes) - math.lgamma(k - successes + 1)
        yield k, math.exp(ways + successes * math.log(p) + (k - successes) * (math.log1p(-p) if p < 1 else 0.0))
        if p == 1:
            return


def _tabulated(
    walker: Expressions, place: Place, u: sp.Expr, chances: Chances, least: float = -math.inf, most: float = math.inf
) -> sp.Expr:
    """The number at a uniform number: a table of steps over the cumulated probabilities between two ends."""
    kept, total, seen, past_peak = [], 0.0, 0.0, 0.0
    for k, chance in chances:
        seen += chance
        past_peak = max(past_peak, chance)
        if least <= k <= most and chance > 0:
            kept.append((k, chance))
            total += chance
        if k > most or (1 - seen < REST * 10 and chance < REST * past_peak):
            break
    if not kept or total <= 0:
        raise Untranslatable("a random number that has no value between its ends")
    if len(kept) == 1:
        return number(kept[0][0])
    steps: list[tuple[float, float]] = []
    below = 0.0
    for k, chance in kept:
        share = below / total
        if steps and share <= steps[-1][0]:
            break  # what is left is below the resolution of the numbers
        steps.append((share, float(k)))
        below += chance
    return fn.Lookup(add_steps(walker, f"{place.owner} values", steps, place), u)


def _summed(u: sp.Expr, chances: Sequence[sp.Expr]) -> sp.Expr:
    """The number at a uniform number: how many cumulated probabilities lie below it."""
    below, terms = sp.S.Zero, []
    for chance in chances:
        below += chance
        terms.append(choose(compare(">", u, below), sp.S.One, sp.S.Zero))
    return sp.Add(*terms)


def _poisson_number(walker: Expressions, place: Place, u: sp.Expr, mean: sp.Expr) -> sp.Expr:
    """Poisson number for a mean that may change.

    Equation   the least N with F(N) ≥ u; above a mean m of 12, ⌊m + √m z + (z² - 1)/6 + (z - z³)/(72 √m) + 1/2⌋
    Valid for  mean ≥ 0; above 12 off by one in less than 1 of 100 draws, and the variance too large by 1/12
    Source     Cornish & Fisher (1938), Revue de l'Institut International de Statistique 5, 307-320
    """
    if mean.is_number:
        return _tabulated(walker, place, u, _poisson_chances(float(mean)))
    mean = walker.unconditional(mean, place)
    scaled = walker.translation.helper(f"{place.owner} share", u * sp.exp(mean), place)
    term, terms = sp.S.One, []
    for k in range(MOST_SUMMED):
        terms.append(term)
        term = mean ** (k + 1) / math.factorial(k + 1)
    z, root = fn.normal_quantile(u), sp.sqrt(mean)
    wide = mean + root * z + (z**2 - 1) / 6 + (z - z**3) / (72 * root) + sp.Rational(1, 2)
    few = compare("<=", mean, sp.Integer(LARGEST_SUMMED_MEAN))
    return choose(few, _summed(scaled, terms), sp.Max(sp.floor(wide), 0, evaluate=False))


def _poisson(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """POISSON(mean, seed) of XMILE."""
    given = values(walker, arguments, place)
    return _poisson_number(walker, place, uniform(walker, given, 1, place), given[0])


def _ends(given: Sequence[sp.Expr], shift: sp.Expr, stretch: sp.Expr, name: str) -> tuple[float, float] | None:
    """Least and most number before it is stretched and shifted; None where they are not known."""
    if not all(e.is_number for e in (*given, shift, stretch)):
        return None
    low, high, h, r = (float(e) for e in (*given, shift, stretch))
    if r <= 0:
        raise Untranslatable(f"{name} needs a stretch of more than 0")
    return (low - h) / r - 1e-9, (high - h) / r + 1e-9


def _random_poisson(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM POISSON(least, most, mean, shift, stretch, seed) of Vensim, cut at both ends.

    Valid for  a mean that is a number; otherwise ends that cut nothing: least ≤ shift, and most is only a limit
    Source     Vensim Help, RANDOM number functions
    """
    given = values(walker, arguments, place)
    low, high, mean, shift, stretch = given[:5]
    ends = _ends((low, high), shift, stretch, "RANDOM POISSON")
    u = uniform(walker, given, 5, place)
    if ends is not None and mean.is_number:
        return shift + stretch * _tabulated(walker, place, u, _poisson_chances(float(mean)), *ends)
    if ends is None or ends[0] > 0:
        raise Untranslatable("RANDOM POISSON with a mean that changes needs numbers as ends, the least not above shift")
    return sp.Min(shift + stretch * _poisson_number(walker, place, u, mean), high, evaluate=False)


def _binomial_number(walker: Expressions, place: Place, u: sp.Expr, trials: sp.Expr, p: sp.Expr, name: str) -> sp.Expr:
    count = walker.translation.start_value(trials)
    if count is None or walker.translation.changes(trials) or count < 0 or not float(count).is_integer():
        raise Untranslatable(f"{name} needs a whole number of trials that is known before the run")
    if not trials.is_number:
        walker.translation.note(f"{place.owner}: {name} has {count:g} trials in every run")
    if p.is_number:
        return _tabulated(walker, place, u, _binomial_chances(float(p), int(count)))
    if count > MOST_TRIALS:
        raise Untranslatable(f"{name} of {count:g} trials; with a probability that is no number at most {MOST_TRIALS}")
    p = walker.unconditional(p, place)
    n = int(count)
    return _summed(u, [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n)])


def _random_binomial(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM BINOMIAL(least, most, probability, trials, shift, stretch, seed) of Vensim, cut at both ends.

    Valid for  a probability that is a number, or ends that cut nothing; up to 40 trials where it is none
    Source     Vensim Help, RANDOM number functions
    """
    given = values(walker, arguments, place)
    low, high, p, trials, shift, stretch = given[:6]
    ends = _ends((low, high), shift, stretch, "RANDOM BINOMIAL")
    u = uniform(walker, given, 6, place)
    if ends is not None and p.is_number and trials.is_number:
        chances = _binomial_chances(float(p), int(trials))
        return shift + stretch * _tabulated(walker, place, u, chances, *ends)
    most = walker.translation.start_value(trials)
    if ends is None or most is None or ends[0] > 0 or ends[1] < most:
        raise Untranslatable("RANDOM BINOMIAL with a probability that changes needs ends that cut nothing")
    return shift + stretch * _binomial_number(walker, place, u, trials, p, "RANDOM BINOMIAL")


def _binomial(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """BINOMIAL(trials, probability, seed) of Stella."""
    given = values(walker, arguments, place)
    return _binomial_number(walker, place, uniform(walker, given, 2, place), given[0], given[1], "BINOMIAL")


def _random_negative_binomial(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RANDOM NEGATIVE BINOMIAL(least, most, probability, successes, shift, stretch, seed) of Vensim: trials needed.

    Valid for  arguments that are numbers
    Source     Vensim Help, RANDOM number functions
    """
    given = values(walker, arguments, place)
    ends = _ends(given[:2], given[4], given[5], "RANDOM NEGATIVE BINOMIAL")
    if ends is None or not all(g.is_number for g in given[2:4]) or not 0 < float(given[2]) <= 1:
        raise Untranslatable("RANDOM NEGATIVE BINOMIAL needs numbers, and a probability above 0 and up to 1")
    successes = int(given[3])
    if successes < 1:
        raise Untranslatable("RANDOM NEGATIVE BINOMIAL needs at least one success")
    u = uniform(walker, given, 6, place)
    chances = _trial_chances(float(given[2]), successes)
    return given[4] + given[5] * _tabulated(walker, place, u, chances, *ends)


def _geometric(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """GEOMETRIC(probability, seed) of Stella: trials until the first success.

    Equation   ⌈ln u/ln(1 - p)⌉
    """
    given = values(walker, arguments, place)
    return sp.ceiling(sp.log(uniform(walker, given, 1, place)) / sp.log(1 - given[0]))


def _monte_carlo(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """MONTECARLO(percent, seed) of Stella: 1 with a probability of so many percent per unit of time, else 0."""
    given = values(walker, arguments, place)
    chance = walker.unconditional(given[0], place) * walker.translation.time_step / 100
    return choose(compare("<", uniform(walker, given, 1, place), chance), sp.S.One, sp.S.Zero)


COUNT_CALLS: Mapping[str, tuple[tuple[int, int], Special]] = {
    "poisson": ((1, 2), _poisson),
    "binomial": ((2, 3), _binomial),
    "geometric": ((1, 2), _geometric),
    "montecarlo": ((1, 2), _monte_carlo),
    "random_poisson": ((5, 6), _random_poisson),
    "random_binomial": ((6, 7), _random_binomial),
    "random_negative_binomial": ((6, 7), _random_negative_binomial),
}
