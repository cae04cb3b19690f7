"""Rewriting equations before they are printed: constants of a run, shared parts, pieces that are not nested deep."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import sympy as sp
from sympy.logic.boolalg import Boolean

from jevons import functions as fn
from jevons.derivatives import Statement
from jevons.lowering import rebuilt
from jevons.printer import SMALL_POWERS

MOST_COMPARED = 400
"""Equations up to which parts of sums and products that they share are looked for; beyond only whole expressions."""
MOST_NESTED, PIECE = 40, 10
"""Levels from which on an expression is cut, and levels of the pieces."""


class _Kind(NamedTuple):
    """Of an expression: whether it has no symbols but parameters, whether it has any, whether part of it is lazy."""

    fixed: bool
    symbols: bool
    lazy: bool
    depth: int


class Rewriting:
    """Rewrites the equations of one model, and names what it takes out of them.

    Parameters
    ----------
    parameters : frozenset of sympy.Symbol
        What does not change during a run.
    names : dict
        Printed names of symbols; those of what is taken out are added.

    Attributes
    ----------
    constants : dict
        Expressions of parameters alone, and the symbols that stand for them.
    """

    def __init__(self, parameters: frozenset[sp.Symbol], names: dict[sp.Symbol, str]) -> None:
        self._parameters, self.names = parameters, names
        self.constants: dict[sp.Expr, sp.Symbol] = {}
        self._kinds: dict[sp.Expr, _Kind] = {}

    def without_constants(self, equations: Iterable[Statement]) -> list[Statement]:
        """Equations with parts that depend on parameters alone replaced; these lie behind the parameters."""
        result = [(symbol, self._hoisted(e)) for symbol, e in equations]
        for i, symbol in enumerate(self.constants.values()):
            self.names[symbol] = f"p[{len(self._parameters) + i}]"
        return result

    def shared(self, equations: list[Statement]) -> list[Statement]:
        """Statements in which what equations share is computed once, and bases of small powers are symbols."""
        return self._named_bases(self._shallow(self._common_subexpressions(equations)))

    def nested(self, e: sp.Expr) -> bool:
        """Whether an expression is nested so deep that its derivative is not written out."""
        return self._kind(e).depth > MOST_NESTED

    def _common_subexpressions(self, equations: list[Statement]) -> list[Statement]:
        # A Piecewise is evaluated lazily; pulling its parts out could divide by the zero it guards against.
        lazy = {s for s, e in equations if self._kind(e).lazy}
        strict = [(s, e) for s, e in equations if s not in lazy]
        temporaries = (sp.Dummy(f"common_{i}", real=True) for i in itertools.count())
        small = len(strict) <= MOST_COMPARED and all(self._kind(e).depth <= MOST_NESTED for _, e in strict)
        find = sp.cse if small else repeated
        replacements, reduced = find([e for _, e in strict], symbols=temporaries, order="none")
        for i, (s, _) in enumerate(replacements):
            self.names[s] = f"c{i}"
        definitions = dict(replacements)
        reduced_by_symbol = dict(zip((s for s, _ in strict), reduced, strict=True))
        result: list[Statement] = []
        written: set[sp.Symbol] = set()

        def write_common(e: sp.Expr) -> None:
            for s in sorted(e.free_symbols & definitions.keys(), key=lambda s: self.names[s]):
                if s not in written:
                    written.add(s)
                    write_common(definitions[s])
                    result.append((s, definitions[s]))

        for s, e in equations:
            e = reduced_by_symbol.get(s, e)
            write_common(e)
            result.append((s, e))
        return result

    def _shallow(self, statements: list[Statement]) -> list[Statement]:
        """Statements of which none is nested deep: Python reads only so many parentheses, and derivatives grow."""
        result: list[Statement] = []
        cuts = itertools.count()

        def cut(e: sp.Expr) -> sp.Expr:
            if self._kind(e).depth <= PIECE:
                return e
            e = rebuilt(e, [cut(a) for a in e.args])
            if self._kind(e).depth <= PIECE:
                return e
            piece = sp.Dummy(real=True)
            self.names[piece] = f"n{next(cuts)}"
            result.append((piece, e))
            return piece

        for s, e in statements:
            deep = self._kind(e).depth > MOST_NESTED and not self._kind(e).lazy
            e = cut(e) if deep else e
            result.append((s, e))
        return result

    def _hoisted(self, e: sp.Expr) -> sp.Expr:
        """The expression with its parts that depend on parameters alone replaced by constants of a run."""
        if not e.args or isinstance(e, sp.Piecewise):  # a Piecewise is evaluated lazily and may guard its parts
            return e
        kind = self._kind(e)
        if kind.fixed and kind.symbols:
            return e if kind.lazy else self._constant(e)
        if isinstance(e, (sp.Add, sp.Mul)):
            kinds = [self._kind(a) for a in e.args]
            fixed = [a for a, k in zip(e.args, kinds, strict=True) if k.fixed and not k.lazy]
            if len(fixed) > 1 and any(k.symbols for k in kinds if k.fixed and not k.lazy):
                rest = [self._hoisted(a) for a in e.args if a not in fixed]
                return e.func(self._constant(e.func(*fixed)), *rest)
        if isinstance(e, fn.Lookup):
            return fn.Lookup(e.args[0], self._hoisted(e.args[1]))
        return rebuilt(e, [self._hoisted(a) for a in e.args])

    def _kind(self, e: sp.Expr) -> _Kind:
        """What decides where an expression may be computed; asked again and again of the same parts."""
        if e not in self._kinds:
            if not e.args:
                is_symbol = isinstance(e, sp.Symbol)
                self._kinds[e] = _Kind(not is_symbol or e in self._parameters, is_symbol, False, 0)
            else:
                parts = [self._kind(a) for a in e.args]
                lazy = isinstance(e, sp.Piecewise) or any(k.lazy for k in parts)
                depth = 1 + max(k.depth for k in parts)
                self._kinds[e] = _Kind(all(k.fixed for k in parts), any(k.symbols for k in parts), lazy, depth)
        return self._kinds[e]

    def _constant(self, e: sp.Expr) -> sp.Expr:
        sign, positive = e.as_coeff_Mul() if e.could_extract_minus_sign() else (sp.S.One, e)
        if sign == -1:
            return -self._constant(positive)
        if not e.args:
            return e
        if e not in self.constants:
            self.constants[e] = sp.Dummy(f"constant_{len(self.constants)}", real=True, positive=e.is_positive)
        return self.constants[e]

    def _named_bases(self, statements: Iterable[Statement]) -> list[Statement]:
        """Statements in which small powers have symbols as bases, so that they can be printed as products."""
        result: list[Statement] = []
        bases: dict[sp.Expr, sp.Symbol] = {}

        def named(e: sp.Expr) -> sp.Expr:
            if not e.args or isinstance(e, sp.Piecewise):
                return e
            e = rebuilt(e, [named(a) for a in e.args]) if not isinstance(e, fn.Lookup) else e
            if not isinstance(e, sp.Pow) or abs(e.exp) not in SMALL_POWERS or not e.base.args:
                return e
            if e.base not in bases:
                bases[e.base] = sp.Dummy(real=True)
                self.names[bases[e.base]] = f"b{len(bases) - 1}"
                result.append((bases[e.base], e.base))
            return sp.Pow(bases[e.base], e.exp)

        for symbol, e in statements:
            e = named(e)
            result.append((symbol, e))
        return result


def repeated(
    expressions: list[sp.Expr], symbols: Iterator[sp.Symbol], order: str = "none"
) -> tuple[list[Statement], list[sp.Expr]]:
    """As `sympy.cse` with order "none", but only expressions that appear whole more than once; linear in their size."""
    seen: set[sp.Expr] = set()
    again: set[sp.Expr] = set()

    def count(e: sp.Expr) -> None:
        if not e.args or isinstance(e, Boolean):
            return
        if e in seen:
            again.add(e)
            return
        seen.add(e)
        for a in e.args[1:] if isinstance(e, fn.Lookup) else e.args:
            count(a)

    named: dict[sp.Expr, sp.Symbol] = {}
    statements: list[Statement] = []

    def reduced(e: sp.Expr) -> sp.Expr:
        if not e.args or isinstance(e, Boolean):
            return e
        if e in named:
            return named[e]
        inner = [reduced(a) for a in e.args]
        result = rebuilt(e, inner)
        if e in again and not (isinstance(e, sp.Mul) and e.args[0] == -1 and len(e.args) == 2):
            named[e] = next(symbols)
            statements.append((named[e], result))
            return named[e]
        return result

    for e in expressions:
        count(e)
    return statements, [reduced(e) for e in expressions]
