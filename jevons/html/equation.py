"""Equations as HTML that reads as mathematics, wraps, and links every name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.functions import TIME
from jevons.html.markup import escape

_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4
_RELATIONS: dict[type, str] = {
    sp.StrictLessThan: "&lt;", sp.LessThan: "≤", sp.StrictGreaterThan: "&gt;", sp.GreaterThan: "≥",
    sp.Eq: "=", sp.Ne: "≠",
}  # fmt: skip
_BRACKETS = {sp.Abs: ("|", "|"), sp.floor: ("⌊", "⌋"), sp.ceiling: ("⌈", "⌉")}
_NAMES = {sp.log: "ln", sp.Max: "max", sp.Min: "min", sp.asin: "arcsin", sp.acos: "arccos", sp.atan: "arctan"}


class EquationPrinter:
    """Writes expressions.

    Parameters
    ----------
    link : callable
        Name of an element to markup that shows it.
    """

    def __init__(self, link: Callable[[str], str]) -> None:
        self.link = link

    def html(self, e: Any) -> str:
        """The expression as markup."""
        return self._show(sp.sympify(e), _SUM)

    def _show(self, e: Any, outer: int) -> str:
        text, own = self._write(e)
        return f'<span class="paren">(</span>{text}<span class="paren">)</span>' if own < outer else text

    def _write(self, e: Any) -> tuple[str, int]:
        if isinstance(e, sp.Symbol):
            return ("<i>time</i>" if e == TIME else self.link(e.name)), _ATOM
        if e.is_number and not e.args:
            text = plain_number(e)
            return text, _SUM if text.startswith("−") else _ATOM
        if isinstance(e, sp.Add):
            return self._sum(e), _SUM
        if isinstance(e, sp.Mul):
            return self._product(e)
        if isinstance(e, sp.Pow):
            return self._power(e)
        if isinstance(e, sp.Piecewise):
            return self._cases(e), _ATOM
        if type(e) in _RELATIONS:
            left, right = (self._show(a, _SUM) for a in e.args)
            return f"{left} {_RELATIONS[type(e)]} {right}", 0
        if isinstance(e, (sp.And, sp.Or)):
            word = " and " if isinstance(e, sp.And) else " or "
            return word.join(
                self._show(a, 0 if isinstance(a, sp.core.relational.Relational) else _SUM) for a in e.args
            ), 0
        if isinstance(e, sp.Not):
            return f"not {self._show(e.args[0], _ATOM)}", 0
        if type(e) in _BRACKETS:
            left, right = _BRACKETS[type(e)]
            return f"{left}{self._show(e.args[0], 0)}{right}", _ATOM
        return self._call(e), _ATOM

    def _sum(self, e: Any) -> str:
        parts = []
        terms = sorted(e.args, key=lambda a: a.could_extract_minus_sign())
        for i, term in enumerate(terms):
            negative = term.could_extract_minus_sign()
            shown = self._show(-term if negative else term, _PRODUCT)
            sign = "−" if negative else "+"
            parts.append((f"{sign}{shown}" if negative else shown) if i == 0 else f" {sign} {shown}")
        return "".join(parts)

    def _product(self, e: Any) -> tuple[str, int]:
        negative = e.could_extract_minus_sign()
        over, under = [], []
        for factor in sp.Mul.make_args(-e if negative else e):
            base, exponent = factor.as_base_exp()
            if exponent.is_number and exponent.is_negative and base != sp.E:
                under.append(base ** (-exponent))
            elif factor.is_Rational and factor.q != 1:
                over += [sp.Integer(factor.p)] if factor.p != 1 else []
                under.append(sp.Integer(factor.q))
            else:
                over.append(factor)
        top = " · ".join(self._show(f, 0 if len(over) == 1 and under else _POWER) for f in over) or "1"
        if under:
            bottom = " · ".join(self._show(f, _SUM if len(under) == 1 else _POWER) for f in under)
            text, own = fraction(top, bottom), _POWER
        else:
            text, own = top, _PRODUCT
        return (f"−{text}", _SUM) if negative else (text, own)

    def _power(self, e: Any) -> tuple[str, int]:
        base, exponent = e.args
        if base == sp.E:
            return f'<span class="fn">exp</span>({self._show(exponent, 0)})', _ATOM
        if exponent == sp.Rational(1, 2) or exponent == 0.5:
            return f"√({self._show(base, 0)})", _ATOM
        if exponent.is_number and exponent.is_negative:
            inverse = self._show(base ** (-exponent), _SUM)
            return fraction("1", inverse), _POWER
        return f"{self._show(base, _ATOM)}<sup>{self._show(exponent, 0)}</sup>", _POWER

    def _cases(self, e: Any) -> str:
        rows = []
        for value, condition in e.args:
            said = "otherwise" if condition == sp.true else f"if {self._show(condition, 0)}"
            rows.append(f"<span>{self._show(value, 0)}<i>; {said}</i></span>")
        return f'<span class="cases">{"".join(rows)}</span>'

    def _call(self, e: Any) -> str:
        args = e.args
        if isinstance(e, fn.Lookup):
            name, args = self.link(args[0].name), args[1:]
        elif isinstance(e, fn.ModelFunction):
            name = f'<span class="fn">{escape(e.label())}</span>'
        else:
            known = next((n for kind, n in _NAMES.items() if isinstance(e, kind)), None)
            name = f'<span class="fn">{escape(known or type(e).__name__)}</span>'
        return f"{name}({', '.join(self._show(a, 0) for a in args)})"


def fraction(top: str, bottom: str) -> str:
    """A fraction of markup; copied as text it has a slash and brackets."""
    hidden = '<span class="hide">{}</span>'
    return (
        f'<span class="frac"><span>{hidden.format("(")}{top}{hidden.format(") / (")}</span>'
        f"<span>{bottom}{hidden.format(')')}</span></span>"
    )


def plain_number(x: Any) -> str:
    """A number with up to ten digits, large and small ones with a power of ten."""
    if isinstance(x, sp.Rational) and not isinstance(x, sp.Integer):
        return f"{x.p}/{x.q}".replace("-", "−")
    try:
        text = f"{float(x):.10g}"
    except TypeError:
        return escape(x)
    mantissa, e, exponent = text.partition("e")
    shown = f"{mantissa} · 10<sup>{int(exponent)}</sup>" if e else mantissa
    return shown.replace("-", "−")


def length(e: Any, limit: int) -> int:
    """How many parts an expression has, counted up to a limit."""
    count = 0
    for _ in sp.preorder_traversal(sp.sympify(e)):
        count += 1
        if count >= limit:
            break
    return count
