"""Functions of numbers alone: what a Vensim or XMILE function gives for the values of its arguments at one moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.functions import TIME
from jevons.interchange.translation.expressions import SMALL, choose, compare, guarded_division, number, power

Build = Callable[..., sp.Expr]


def truncated(x: sp.Expr) -> sp.Expr:
    """INTEGER of Vensim: the whole part, towards zero."""
    if x.is_number:
        return number(math.trunc(float(x)))
    return sp.sign(x) * sp.floor(sp.Abs(x))


def _quantum(x: sp.Expr, step: sp.Expr) -> sp.Expr:
    """QUANTUM(x, step) of Vensim: `step` times the whole part of x/step; `x` where the step is as good as zero."""
    if step.is_number:
        return x if float(step) < SMALL else step * truncated(x / step)
    return choose(compare("<", step, sp.Float(SMALL)), x, step * truncated(x / step))


def _modulo(x: sp.Expr, m: sp.Expr) -> sp.Expr:
    """MODULO of Vensim, which has the sign of the dividend."""
    return x - _quantum(x, m)


def _floored_modulo(x: sp.Expr, m: sp.Expr) -> sp.Expr:
    """MOD of XMILE, which has the sign of the divisor."""
    return x - m * sp.floor(x / m)


def _rounded(x: sp.Expr) -> sp.Expr:
    return sp.floor(x + sp.Rational(1, 2))


def _logarithm(x: sp.Expr, base: sp.Expr) -> sp.Expr:
    return sp.log(x) / sp.log(base)


def extreme(kind: Any) -> Build:
    """MIN or MAX of any number of values, without sympy's comparison of every pair."""

    def build(*values: sp.Expr) -> sp.Expr:
        if all(v.is_number and not v.has(fn.ModelFunction) for v in values):
            chosen = max if kind is sp.Max else min
            return number(chosen(float(v) for v in values))
        distinct = list(dict.fromkeys(values))
        return distinct[0] if len(distinct) == 1 else kind(*distinct, evaluate=False)

    return build


least, greatest = extreme(sp.Min), extreme(sp.Max)


def normal_cdf(x: sp.Expr) -> sp.Expr:
    """Probability that a standard normal variable is below `x`."""
    return (1 + sp.erf(x / sp.sqrt(2))) / 2


def _normal_between(low: sp.Expr, high: sp.Expr, mean: sp.Expr = sp.S.Zero, sd: sp.Expr = sp.S.One) -> sp.Expr:
    """NORMALCDF(low, high, mean, sd) of Stella."""
    return normal_cdf((high - mean) / sd) - normal_cdf((low - mean) / sd)


def _normal_inverse(p: sp.Expr, mean: sp.Expr = sp.S.Zero, sd: sp.Expr = sp.S.One) -> sp.Expr:
    """INVNORM(p, mean, sd) of Stella."""
    return mean + sd * fn.normal_quantile(p)


def _factorial(n: sp.Expr) -> sp.Expr:
    return _rounded(sp.exp(sp.loggamma(n + 1)))


def _permutations(n: sp.Expr, r: sp.Expr) -> sp.Expr:
    return _rounded(sp.exp(sp.loggamma(n + 1) - sp.loggamma(n - r + 1)))


def _combinations(n: sp.Expr, r: sp.Expr) -> sp.Expr:
    return _rounded(sp.exp(sp.loggamma(n + 1) - sp.loggamma(r + 1) - sp.loggamma(n - r + 1)))


def _wave(shape: Any) -> Build:
    """SINWAVE and COSWAVE(amplitude, period) of Stella: |amplitude| times the sine or cosine of 2π time/period."""
    return lambda amplitude, period: sp.Abs(amplitude) * shape(2 * sp.pi * TIME / period)


# Functions whose arguments stand in conditions, so that the arguments themselves must hold none
CONDITIONAL: Mapping[str, tuple[tuple[int, int], Build]] = {
    "quantum": ((2, 2), _quantum),
    "modulo": ((2, 2), _modulo),
    "zidz": ((2, 2), lambda a, b: guarded_division(a, b, sp.S.Zero)),
    "xidz": ((3, 3), guarded_division),
    "switch": ((2, 2), lambda a, b: choose(compare(">", a, b), sp.S.One, sp.S.Zero)),
}

PLAIN: Mapping[str, tuple[tuple[int, int], Build]] = {
    "abs": ((1, 1), sp.Abs),
    "min": ((1, 99), least),
    "max": ((1, 99), greatest),
    "exp": ((1, 1), sp.exp),
    "ln": ((1, 1), sp.log),
    "log": ((2, 2), _logarithm),
    "log10": ((1, 1), lambda x: _logarithm(x, sp.Integer(10))),
    "sqrt": ((1, 1), sp.sqrt),
    "power": ((2, 2), power),
    "rootn": ((2, 2), lambda x, n: power(x, 1 / n)),
    "sin": ((1, 1), sp.sin),
    "cos": ((1, 1), sp.cos),
    "tan": ((1, 1), sp.tan),
    "arcsin": ((1, 1), sp.asin),
    "arccos": ((1, 1), sp.acos),
    "arctan": ((1, 1), sp.atan),
    "sinh": ((1, 1), sp.sinh),
    "cosh": ((1, 1), sp.cosh),
    "tanh": ((1, 1), sp.tanh),
    "gamma_ln": ((1, 1), sp.loggamma),
    "gammaln": ((1, 1), sp.loggamma),
    "factorial": ((1, 1), _factorial),
    "permutations": ((2, 2), _permutations),
    "combinations": ((2, 2), _combinations),
    "normalcdf": ((2, 4), _normal_between),
    "invnorm": ((1, 3), _normal_inverse),
    "pi": ((0, 0), lambda: sp.Float(math.pi)),
    "integer": ((1, 1), truncated),
    "int": ((1, 1), sp.floor),
    "ceiling": ((1, 1), sp.ceiling),
    "floor": ((1, 1), sp.floor),
    "mod": ((2, 2), _floored_modulo),
    "round": ((1, 1), _rounded),
    "percent": ((1, 1), lambda x: 100 * x),
    "active_initial": ((2, 2), lambda active, start: fn.active_initial(active, start)),
    "sinwave": ((2, 2), _wave(sp.sin)),
    "coswave": ((2, 2), _wave(sp.cos)),
    **CONDITIONAL,
}
