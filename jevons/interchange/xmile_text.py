"""Names and equations as XMILE writes them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.functions import TIME
from jevons.printer import fraction

_NORMAL = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_FUNCTIONS: Mapping[Any, str] = {
    sp.exp: "EXP",
    sp.log: "LN",
    sp.tanh: "TANH",
    sp.sinh: "SINH",
    sp.cosh: "COSH",
    sp.sin: "SIN",
    sp.cos: "COS",
    sp.tan: "TAN",
    sp.Abs: "ABS",
}
_OF_XMILE = (
    "abs and arccos arcsin arctan cos delay delay1 delay3 delayn dt else endif exp exprnd forcst history if in inf "
    "init int ln log log10 lognormal max min mod normal not or out pi poisson previous pulse ramp random self "
    "smth1 smth3 smthn sin sqrt starttime step stoptime tan then time trend uniform while"
)
_OF_READERS = (
    "active_initial elmcount final_time get_time_value if_then_else initial initial_time integer invert_matrix "
    "modulo power prod pulse_train quantum random_0_1 random_uniform random_normal safediv saveper sinh cosh sum "
    "tanh time_step vmax vmin xidz xpulse xramp zidz"
)
_RESERVED = frozenset(f"{_OF_XMILE} {_OF_READERS}".split())


def safe_names(wanted: Mapping[Hashable, str]) -> dict[Hashable, str]:
    """Names of letters, digits and underscores that differ in more than case and runs of underscores.

    Normal names stay as they are wherever they can; `wanted` gives the preferred name for each key.
    """
    result: dict[Hashable, str] = {}
    taken = set(_RESERVED)
    for key, name in sorted(wanted.items(), key=lambda item: not _NORMAL.fullmatch(item[1])):
        base = name
        if not _NORMAL.fullmatch(name):
            base = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
            base = base if base[:1].isalpha() else f"v_{base}".strip("_")
        candidate, copy = base, 1
        while _canonical(candidate) in taken:
            copy += 1
            candidate = f"{base}_{copy}"
        taken.add(_canonical(candidate))
        result[key] = candidate
    return result


def _canonical(name: str) -> str:
    return re.sub(r"[_\s]+", "_", name).strip("_").lower()


def number(value: Any) -> str:
    """A number at full precision; negative ones in parentheses."""
    text = repr(float(value) + 0.0)
    return f"({text})" if text.startswith("-") else text


class XmilePrinter:
    """Prints lowered expressions as XMILE; operands in parentheses, numbers at full precision."""

    def __init__(self, safe: Mapping[Hashable, str], dt: float) -> None:
        self.safe = safe
        self.rounding = dt * 1e-3  # time is a sum of steps, and may fall short of a date

    def name(self, key: Hashable) -> str:
        """A name in an equation; some would be read as ``NOT ...`` without quotes."""
        safe = self.safe[key]
        return f'"{safe}"' if safe.lower().startswith("not") else safe

    def doprint(self, e: Any) -> str:
        if isinstance(e, sp.Symbol):
            return "TIME" if e == TIME else self.name(e.name)
        if (e.is_number and not e.args) or isinstance(e, sp.Rational):
            return number(e)
        arguments = [self.doprint(a) for a in e.args] if not isinstance(e, sp.Piecewise) else []
        listed = ", ".join(arguments)
        if isinstance(e, sp.Add):
            return f"({' + '.join(arguments)})"
        if isinstance(e, sp.Mul):
            return self._product(e)
        if isinstance(e, sp.Pow):
            return self._power(e.base, e.exp)
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if isinstance(e, (sp.Max, sp.Min)):
            return self._nested("MAX" if isinstance(e, sp.Max) else "MIN", arguments)
        if isinstance(e, fn.Switch):
            return f"(IF TIME >= ({arguments[0]} - {self.rounding!r}) THEN 1 ELSE 0)"
        if isinstance(e, fn.Lookup):
            return f"{self._table(e.args[0].name)}({arguments[1]})"
        if isinstance(e, sp.sign):
            return f"(IF {listed} > 0 THEN 1 ELSE (IF {listed} < 0 THEN (-1.0) ELSE 0))"
        if isinstance(e, sp.floor):  # programs differ in how INT rounds below zero
            return f"(IF INT({listed}) > {listed} THEN (INT({listed}) - 1) ELSE INT({listed}))"
        for kind, name in _FUNCTIONS.items():
            if isinstance(e, kind):
                return f"{name}({listed})"
        raise TypeError(f"function {type(e).__name__} has no counterpart in XMILE")

    def _table(self, name: str) -> str:
        return self.name(("points", name) if ("points", name) in self.safe else name)

    def _nested(self, name: str, arguments: list[str]) -> str:
        first, *rest = arguments
        return f"{name}({first}, {self._nested(name, rest)})" if rest else first

    def _product(self, e: sp.Mul) -> str:
        above, below = fraction(e)
        top = "*".join(self.doprint(factor) for factor in above) or "1.0"
        bottom = "*".join(self._power(base, exponent) for base, exponent in below)
        return f"({top}/({bottom}))" if below else f"({top})"

    def _power(self, base: Any, exponent: Any) -> str:
        if base == sp.E:
            return f"EXP({self.doprint(exponent)})"
        if exponent.is_Number and exponent < 0:
            return f"(1.0/{self._power(base, -exponent)})"
        text = self.doprint(base)
        if exponent == 1:
            return text
        return f"SQRT({text})" if exponent == sp.Rational(1, 2) else f"({text}^{self.doprint(exponent)})"

    def _piecewise(self, e: sp.Piecewise) -> str:
        if e.args[-1].cond != sp.true:
            raise TypeError("a Piecewise without a last branch for all other cases has no counterpart in XMILE")
        text = self.doprint(e.args[-1].expr)
        for value, condition in reversed(e.args[:-1]):
            text = f"(IF {self._condition(condition)} THEN {self.doprint(value)} ELSE {text})"
        return text

    def _condition(self, e: Any) -> str:
        if isinstance(e, (sp.And, sp.Or)):
            word = " AND " if isinstance(e, sp.And) else " OR "
            return "(" + word.join(self._condition(a) for a in e.args) + ")"
        if isinstance(e, sp.Not):
            return f"(NOT {self._condition(e.args[0])})"
        if isinstance(e, sp.core.relational.Relational):
            left, right = (self.doprint(a) for a in e.args)
            operator = {"==": "=", "!=": "<>"}.get(e.rel_op, e.rel_op)
            return f"({left} {operator} {right})"
        raise TypeError(f"condition {e} has no counterpart in XMILE")
