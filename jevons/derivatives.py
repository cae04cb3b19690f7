"""Derivatives of generated functions: a row of statements, differentiated forward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.lowering import rebuilt
from jevons.printer import SMALL_POWERS, Printer

Statement = tuple[sp.Symbol, sp.Expr]

_CALLS = (
    sp.exp, sp.log, sp.tanh, sp.sinh, sp.cosh, sp.sin, sp.cos, sp.tan,
    sp.asin, sp.acos, sp.atan, sp.loggamma, sp.Abs, sp.Max, sp.Min, sp.floor, sp.ceiling, sp.sign,
    sp.erf, sp.erfc, fn.Lookup, fn.Noise, fn.NormalQuantile, fn.MarketPrice, fn.MarketShare,
)  # fmt: skip


def derivative(e: sp.Expr, argument: sp.Symbol) -> sp.Expr:
    """Derivative of an expression, with floor, ceiling, sign and noise constant between their jumps.

    Conditions and extremes are differentiated here: sympy tries to decide each comparison, which takes long.
    """
    if argument not in e.free_symbols:
        return sp.S.Zero
    if isinstance(e, sp.Piecewise):
        return _of_branches([derivative(value, argument) for value, _ in e.args], [c for _, c in e.args])
    if isinstance(e, (sp.Max, sp.Min)):
        return sp.Add(*(derivative(a, argument) * _holds(e, i) for i, a in enumerate(e.args)))
    held: dict[sp.Expr, sp.Dummy] = {}
    inside: dict[sp.Dummy, sp.Expr] = {}
    for node in _outermost(e, _HELD):
        held[node] = sp.Dummy(real=True)
        if isinstance(node, (sp.Piecewise, sp.Max, sp.Min)):
            inside[held[node]] = node
    bare = e.xreplace(held) if held else e
    partial = sp.diff(bare, argument)
    for dummy, node in inside.items():
        slope = derivative(node, argument)
        if slope != 0:
            partial += sp.diff(bare, dummy) * slope
    return partial.xreplace({dummy: node for node, dummy in held.items()})


_HELD = (sp.floor, sp.ceiling, sp.sign, fn.Noise, sp.Piecewise, sp.Max, sp.Min)


def _outermost(e: sp.Expr, kinds: tuple[type, ...]) -> list[sp.Expr]:
    """Nodes of some kinds that lie in no other such node."""
    if isinstance(e, kinds):
        return [e]
    if not e.args or not e.has(*kinds):
        return []
    return list(dict.fromkeys(node for a in e.args for node in _outermost(a, kinds)))


def _of_branches(slopes: list[sp.Expr], conditions: list[Any]) -> sp.Expr:
    if all(slope == slopes[0] for slope in slopes) and conditions[-1] == sp.true:
        return slopes[0]
    return sp.Piecewise(*zip(slopes, conditions, strict=True), evaluate=False)


def _holds(e: sp.Expr, place: int) -> sp.Expr:
    """1 where an argument of a maximum or minimum is the one, 1/2 where it shares that."""
    others = [a for i, a in enumerate(e.args) if i != place]
    rest = others[0] if len(others) == 1 else e.func(*others, evaluate=False)
    difference = e.args[place] - rest if isinstance(e, sp.Max) else rest - e.args[place]
    return sp.Heaviside(difference, evaluate=False)


class Tangents:
    """Lines of a function that computes values and, beside them, their derivative along one direction.

    Every call, power and reciprocal becomes a statement of its own, so that its derivative reuses its value and
    all other statements are sums and products. What depends on the direction only is written to `directional`,
    to be run once a direction after `values`.

    Parameters
    ----------
    names : mapping
        Printed names of symbols; temporaries are added.
    printer_of : callable
        Makes the printer for these names.
    directions : mapping
        Printed direction of every symbol that moves.
    """

    def __init__(
        self,
        names: dict[sp.Symbol, str],
        printer_of: Callable[[dict[sp.Symbol, str]], Printer],
        directions: dict[sp.Symbol, str],
    ) -> None:
        self.names, self.printer, self.directions = names, printer_of(names), directions
        self.values: list[str] = []
        self.directional: list[str] = []
        self._defined: dict[sp.Expr, sp.Symbol] = {}
        self._temporaries = 0

    def state(self, symbol: sp.Symbol, place: int, log: bool) -> None:
        """A stock, read from the state."""
        name = self.names[symbol]
        self.values.append(f"{name} = exp(x[{place}])" if log else f"{name} = x[{place}]")
        self.directional.append(f"{name}_d = {name}*xd[{place}]" if log else f"{name}_d = xd[{place}]")
        self.directions[symbol] = f"{name}_d"

    def statements(self, statements: Iterable[Statement]) -> None:
        """Statements that name their symbol."""
        for symbol, e in statements:
            self._write(symbol, self._atoms(sp.sympify(e)))

    def targets(self, places: Sequence[tuple[str, str, sp.Expr]]) -> None:
        """Results: printed target, printed target of the direction, expression."""
        for target, direction, e in places:
            e = self._atoms(sp.sympify(e))
            self.values.append(f"{target} = {self.printer.doprint(e)}")
            self.directional.append(f"{direction} = {' + '.join(self._terms(e)) or '0.0'}")

    def lines(self) -> list[str]:
        return self.values + self.directional

    def _define(self, e: sp.Expr) -> sp.Symbol:
        if e not in self._defined:
            symbol = sp.Dummy(f"atom_{self._temporaries}", real=True)
            self.names[symbol] = f"a{self._temporaries}"
            self._temporaries += 1
            self._defined[e] = symbol
            self._write(symbol, e)
        return self._defined[e]

    def _write(self, symbol: sp.Symbol, e: sp.Expr) -> None:
        name = self.names[symbol]
        self.values.append(f"{name} = {self.printer.doprint(e)}")
        terms = self._terms(e, symbol)
        if terms:
            direction = f"pd{name[1:]}" if name.startswith("p[") else f"{name}_d"
            self.directional.append(f"{direction} = {' + '.join(terms)}")
            self.directions[symbol] = direction

    def _terms(self, e: sp.Expr, value: sp.Symbol | None = None) -> list[str]:
        """Printed products of partial derivative and direction."""
        terms = []
        for argument in sorted(e.free_symbols & self.directions.keys(), key=self.names.__getitem__):
            partial = _partial(e, argument, value)
            if partial == 0:
                continue
            direction = self.directions[argument]
            if partial == 1:
                terms.append(direction)
                continue
            text = self.printer.doprint(partial)
            if not isinstance(partial, sp.Symbol) and not partial.is_number:
                name = f"q{self._temporaries}"
                self._temporaries += 1
                self.values.append(f"{name} = {text}")
                text = name
            terms.append(f"{text}*{direction}")
        return terms

    def _atoms(self, e: sp.Expr) -> sp.Expr:
        """The expression with calls, powers and reciprocals replaced by temporaries."""
        if not e.args:
            return e
        if isinstance(e, sp.Piecewise):  # evaluated lazily: no part of it may leave it
            return self._define(e)
        if isinstance(e, fn.Lookup):
            return self._define(fn.Lookup(e.args[0], self._simple(e.args[1])))
        if isinstance(e, sp.Pow):
            if e.base == sp.E:
                return self._define(sp.exp(self._simple(e.exp), evaluate=False))
            base, exponent = self._simple(e.base), self._simple(e.exp)
            power = sp.Pow(base, exponent, evaluate=False)
            return power if exponent in SMALL_POWERS else self._define(power)
        if isinstance(e, _CALLS):
            return self._define(e.func(*(self._simple(a) for a in e.args), evaluate=False))
        return rebuilt(e, [self._atoms(a) for a in e.args])

    def _simple(self, e: sp.Expr) -> sp.Expr:
        """A symbol or number with the value of the expression."""
        e = self._atoms(e)
        return e if not e.args or e.is_number else self._define(e)


def _partial(e: sp.Expr, argument: sp.Symbol, value: sp.Symbol | None) -> sp.Expr:
    """Partial derivative of a statement; calls use the value they already have."""
    if value is not None and isinstance(e, sp.exp):
        return value
    if value is not None and isinstance(e, fn.MarketPrice):
        return derivative(e, argument).xreplace({e: value})
    if value is not None and isinstance(e, sp.tanh):
        return 1 - value**2
    if value is not None and isinstance(e, sp.Pow) and e.exp not in SMALL_POWERS:
        base, exponent = e.args
        if exponent == -1:
            return -(value**2)
        if exponent == sp.Rational(1, 2):
            return sp.Rational(1, 2) / value
        if argument == exponent:
            return sp.Piecewise((sp.S.Zero, sp.Eq(value, 0)), (value * sp.log(base), True))
        at_zero = exponent * sp.Pow(base, exponent - 1)
        return sp.Piecewise((at_zero, sp.Eq(base, 0)), (exponent * value / base, True))
    return derivative(e, argument)
