"""Printing sympy expressions as Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import sympy as sp

from jevons import functions as fn

SMALL_POWERS = (2, 3, 4)
"""Exponents that are printed as products."""


def fraction(e: sp.Mul) -> tuple[list[sp.Expr], list[tuple[sp.Expr, sp.Expr]]]:
    """Factors of a product above the line, and (base, exponent) of those below it, exponents positive."""
    above: list[sp.Expr] = []
    below: list[tuple[sp.Expr, sp.Expr]] = []
    for factor in e.args:
        base, exponent = factor.as_base_exp()
        if exponent.is_Number and exponent < 0 and not isinstance(factor, sp.exp):
            below.append((base, -exponent))
        else:
            above.append(factor)
    return above, below


class Printer:
    """Prints sympy expressions as Python; numbers at full precision."""

    functions: ClassVar[Mapping[Any, str]] = {
        sp.exp: "exp",
        sp.log: "log",
        sp.tanh: "tanh",
        sp.sinh: "sinh",
        sp.cosh: "cosh",
        sp.sin: "sin",
        sp.cos: "cos",
        sp.tan: "tan",
        sp.asin: "asin",
        sp.acos: "acos",
        sp.atan: "atan",
        sp.loggamma: "loggamma",
        sp.erf: "erf",
        sp.erfc: "erfc",
        sp.floor: "floor",
        sp.ceiling: "ceil",
        sp.Abs: "abs",
        sp.Max: "max",
        sp.Min: "min",
        fn.Noise: "noise",
        fn.NormalQuantile: "normal_quantile",
        fn.MarketShare: "market_share",
        fn.MarketShareSlope: "market_share_slope",
    }

    def __init__(
        self,
        names: Mapping[sp.Symbol, str],
        tables: Mapping[str, tuple[int, int, int]],
    ) -> None:
        self.names = names
        self.tables = tables

    def doprint(self, e: Any) -> str:
        if isinstance(e, sp.Symbol):
            return self.names[e]
        if (e.is_number and not e.args) or isinstance(e, sp.Rational):
            return repr(float(e))
        if isinstance(e, sp.Add):
            return "(" + " + ".join(self.doprint(a) for a in e.args) + ")"
        if isinstance(e, sp.Mul):
            return self._product(e)
        if isinstance(e, sp.Pow):
            return self._power(e.base, e.exp)
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if isinstance(e, (sp.And, sp.Or)):
            word = " and " if isinstance(e, sp.And) else " or "
            return "(" + word.join(self.doprint(a) for a in e.args) + ")"
        if isinstance(e, sp.ITE):  # what sympy makes of a condition inside a condition
            condition, then, otherwise = (self.doprint(a) for a in e.args)
            return f"({then} if {condition} else {otherwise})"
        if isinstance(e, sp.Not):
            return f"(not {self.doprint(e.args[0])})"
        if isinstance(e, sp.core.relational.Relational):
            left, right = (self.doprint(a) for a in e.args)
            return f"({left} {e.rel_op} {right})"
        if isinstance(e, sp.logic.boolalg.BooleanAtom):
            return str(bool(e))
        if isinstance(e, (fn.Lookup, fn.LookupSlope)):
            name = "interpolate" if isinstance(e, fn.Lookup) else "interpolate_slope"
            first, n, how = self.tables[e.args[0].name]
            return f"{name}(tab, {first}, {n}, {how}, {self.doprint(e.args[1])})"
        if isinstance(e, sp.sign):
            text = self.doprint(e.args[0])
            return f"(-1.0 if {text} < 0.0 else 1.0 if {text} > 0.0 else {text})"
        if isinstance(e, sp.Heaviside):  # in derivatives of Max and Min
            text = self.doprint(e.args[0])
            return f"(0.0 if {text} < 0.0 else 1.0 if {text} > 0.0 else 0.5)"
        if isinstance(e, sp.polygamma) and e.args[0] == 0:  # in derivatives of loggamma
            return f"digamma({self.doprint(e.args[1])})"
        if isinstance(e, fn.MarketPrice):
            return f"market_price({self._requests(e.args)})"
        if isinstance(e, fn.MarketPriceSlope):
            about = ", ".join(self.doprint(a) for a in e.args[:3])
            return f"market_price_slope({about}, {self._requests(e.args[3:])})"
        called = self.functions.get(type(e))
        if called is not None:
            return f"{called}({', '.join([self.doprint(a) for a in e.args])})"
        raise TypeError(f"function {type(e).__name__} cannot be used in an equation")

    def _requests(self, args: tuple[sp.Expr, ...]) -> str:
        """Supply, and each of the columns of a table of requests."""
        supply, *rows = map(self.doprint, args)
        return ", ".join([supply, *(f"({', '.join(rows[k::4])},)" for k in range(4))])

    def _product(self, e: sp.Mul) -> str:
        above, below = fraction(e)
        bottom = [self._power(base, exponent) for base, exponent in below]
        factor = above[0] if above else sp.S.One
        if isinstance(factor, sp.Rational) and factor.q & (factor.q - 1):  # rounded as the quotient that it is
            above = above[1:] if factor.p == 1 else [sp.Integer(factor.p), *above[1:]]
            bottom.insert(0, repr(float(factor.q)))
        top = "*".join(self.doprint(factor) for factor in above) or "1.0"
        return f"({top}/({'*'.join(bottom)}))" if bottom else f"({top})"

    def _power(self, base: Any, exponent: Any) -> str:
        if base == sp.E:
            return f"exp({self.doprint(exponent)})"
        if exponent.is_Number and exponent < 0:
            return f"(1.0/{self._power(base, -exponent)})"
        text = self.doprint(base)
        if exponent == 1:
            return text
        if exponent == sp.Rational(1, 2):
            return f"sqrt({text})"
        if exponent in SMALL_POWERS and isinstance(base, sp.Symbol):
            return "(" + "*".join([text] * int(exponent)) + ")"
        return f"pow({text}, {self.doprint(exponent)})"

    def _piecewise(self, e: sp.Piecewise) -> str:
        """One conditional expression, without parentheses in parentheses, of which Python reads only so many."""
        text: list[str] = []
        rest: sp.Expr = e
        while isinstance(rest, sp.Piecewise):
            closed = rest.args[-1].cond == sp.true
            if closed and len(rest.args) == 2 and isinstance(rest.args[0].expr, sp.Piecewise):
                (inner, condition), (value, _) = rest.args
                text.append(f"{self.doprint(value)} if not {self.doprint(condition)} else")
                rest = inner
                continue
            for value, condition in rest.args[:-1] if closed else rest.args:
                text.append(f"{self.doprint(value)} if {self.doprint(condition)} else")
            rest = rest.args[-1].expr if closed else sp.nan
        last = "float('nan')" if rest is sp.nan else self.doprint(rest)
        return f"({' '.join([*text, last])})" if text else last
