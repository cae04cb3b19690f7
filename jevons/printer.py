"""Printing sympy expressions as Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

    functions: Mapping[Any, str] = {
        sp.exp: "exp",
        sp.log: "log",
        sp.tanh: "tanh",
        sp.sinh: "sinh",
        sp.cosh: "cosh",
        sp.sin: "sin",
        sp.cos: "cos",
        sp.tan: "tan",
        sp.floor: "floor",
        sp.Abs: "abs",
        sp.Max: "max",
        sp.Min: "min",
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
        if isinstance(e, sp.Not):
            return f"(not {self.doprint(e.args[0])})"
        if isinstance(e, sp.core.relational.Relational):
            left, right = (self.doprint(a) for a in e.args)
            return f"({left} {e.rel_op} {right})"
        if isinstance(e, sp.logic.boolalg.BooleanAtom):
            return str(bool(e))
        if isinstance(e, (fn.Lookup, fn.LookupSlope)):
            name = "interpolate" if isinstance(e, fn.Lookup) else "interpolate_slope"
            first, n, extrapolate = self.tables[e.args[0].name]
            return f"{name}(tab, {first}, {n}, {extrapolate}, {self.doprint(e.args[1])})"
        if isinstance(e, sp.sign):
            text = self.doprint(e.args[0])
            return f"(-1.0 if {text} < 0.0 else 1.0 if {text} > 0.0 else {text})"
        if isinstance(e, sp.Heaviside):  # in derivatives of Max and Min
            text = self.doprint(e.args[0])
            return f"(0.0 if {text} < 0.0 else 1.0 if {text} > 0.0 else 0.5)"
        for kind, name in self.functions.items():
            if isinstance(e, kind):
                return f"{name}({', '.join(self.doprint(a) for a in e.args)})"
        raise TypeError(f"function {type(e).__name__} cannot be used in an equation")

    def _product(self, e: sp.Mul) -> str:
        above, below = fraction(e)
        top = "*".join(self.doprint(factor) for factor in above) or "1.0"
        bottom = "*".join(self._power(base, exponent) for base, exponent in below)
        return f"({top}/({bottom}))" if below else f"({top})"

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
        text = "float('nan')" if e.args[-1].cond != sp.true else self.doprint(e.args[-1].expr)
        pairs = e.args if e.args[-1].cond != sp.true else e.args[:-1]
        for value, condition in reversed(pairs):
            text = f"({self.doprint(value)} if {self.doprint(condition)} else {text})"
        return text
