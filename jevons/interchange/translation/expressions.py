"""From PySD's syntax trees to sympy: references, arithmetic, logic, and what reduces arrays to scalars."""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from jevons import functions as fn
from jevons.interchange.dimensions import Binding, canonical

if TYPE_CHECKING:
    from jevons.interchange.translation.model import Translation
    from jevons.interchange.translation.scope import Scope

MISSING = sp.Float(-(2.0**109))
"""What Vensim's :NA: is in arithmetic."""
SMALL = 1e-6
"""Denominators below it count as zero in ZIDZ and XIDZ, as in Vensim."""
LARGEST_EXACT_POWER = 64
MOST_TERMS = 200_000
"""Terms of all sums and other functions over ranges in one model."""


class Untranslatable(Exception):
    """Something in an equation that has no translation; the caller adds variable and line."""


class Consequence(Untranslatable):
    """What follows from something that is refused already, and is not reported again."""


class Circular(Untranslatable):
    """A number that is needed before the run, and depends on itself."""


@dataclass(frozen=True)
class Place:
    """Where an expression stands: the element it belongs to, the labels its ranges stand for, and its scope."""

    owner: str
    binding: Binding
    scope: Scope

    def at(self, labels: Binding) -> Place:
        return replace(self, binding={**self.binding, **labels})


def number(value: Any) -> sp.Expr:
    """A number; whole ones stay exact, so that powers of them can be printed as products."""
    value = float(value)
    if value != value:
        return MISSING
    if value.is_integer() and abs(value) < 2**53:
        return sp.Integer(int(value))
    return sp.Float(value)


def choose(condition: Any, yes: sp.Expr, no: sp.Expr) -> sp.Expr:
    """``yes`` where the condition holds, else ``no``; evaluated lazily."""
    if condition in (sp.true, sp.false):
        return yes if condition == sp.true else no
    if yes == no:
        return yes
    return sp.Piecewise((yes, condition), (no, sp.true), evaluate=False)


def compare(operator: str, left: sp.Expr, right: sp.Expr) -> Any:
    """A comparison that sympy does not try to decide, except between numbers."""
    kind = {"=": sp.Eq, "<>": sp.Ne, "<": sp.Lt, ">": sp.Gt, "<=": sp.Le, ">=": sp.Ge}[operator]
    if left.is_number and right.is_number:
        a, b = float(left), float(right)
        decided = {"=": a == b, "<>": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[operator]
        return sp.true if decided else sp.false
    return kind(left, right, evaluate=False)


def guarded_division(above: sp.Expr, below: sp.Expr, otherwise: sp.Expr) -> sp.Expr:
    """``above/below``, or ``otherwise`` where the denominator is as good as zero."""
    if below.is_number:
        return otherwise if abs(float(below)) < SMALL else above / below
    return choose(compare("<", sp.Abs(below), sp.Float(SMALL)), otherwise, above / below)


class Expressions:
    """Translates the syntax trees of one model."""

    def __init__(self, translation: Translation) -> None:
        self.translation = translation
        self._terms = 0

    def expression(self, node: Any, place: Place) -> sp.Expr:
        """The sympy expression of a syntax tree."""
        if isinstance(node, (int, float, np.integer, np.floating)):
            return number(node)
        if isinstance(node, np.ndarray):
            raise Untranslatable("an array of numbers inside an equation")
        kind = type(node).__name__
        if kind == "LogicStructure":
            return choose(self.condition(node, place), sp.S.One, sp.S.Zero)
        method = getattr(self, f"_{kind.removesuffix('Structure').lower()}", None)
        if method is not None:
            result: sp.Expr = method(node, place)
            return result
        from jevons.interchange.translation.calls import STRUCTURES  # which needs this module

        if kind in STRUCTURES:
            built: sp.Expr = STRUCTURES[kind](self, node, place)
            return built
        if isinstance(node, str):
            raise Untranslatable(f"text {node!r} where a number is needed")
        raise Untranslatable(f"{kind.removesuffix('Structure')} inside another expression")

    def condition(self, node: Any, place: Place) -> Any:
        """A sympy Boolean; numbers are true where they are not zero."""
        if type(node).__name__ == "LogicStructure":
            operators = node.operators
            if operators == [":NOT:"] or [o.lower() for o in operators] == ["not"]:
                return sp.Not(self.condition(node.arguments[0], place))
            words = {o.lower().strip(":") for o in operators}
            if words <= {"and", "or"}:
                parts = [self.condition(a, place) for a in node.arguments]
                result = parts[0]
                for operator, part in zip(operators, parts[1:], strict=True):
                    join = sp.And if operator.lower().strip(":") == "and" else sp.Or
                    result = join(result, part)
                return result
            if len(operators) == 1:
                left, right = (self.unconditional(self.expression(a, place), place) for a in node.arguments)
                return compare(operators[0], left, right)
            raise Untranslatable(f"comparisons in a row: {' '.join(operators)}")
        value = self.expression(node, place)
        if isinstance(value, sp.Piecewise) and value.args[0].expr == 1 and value.args[-1] == (0, True):
            return value.args[0].cond
        return compare("<>", self.unconditional(value, place), sp.S.Zero)

    def unconditional(self, value: sp.Expr, place: Place) -> sp.Expr:
        """What may stand in a condition: sympy multiplies conditions out that hold other conditions."""
        return self.translation.helper(f"{place.owner} part", value, place) if value.has(sp.Piecewise) else value

    def _arithmetic(self, node: Any, place: Place) -> sp.Expr:
        operators, arguments = list(node.operators), list(node.arguments)
        values = [self.expression(a, place) for a in arguments]
        if operators == ["negative"]:
            return -values[0]
        if operators == ["+"] and len(values) == 1:
            return values[0]
        if set(operators) <= {"+", "-"}:
            signed = [v if o == "+" else -v for o, v in zip(operators, values[1:], strict=True)]
            return sp.Add(values[0], *signed)
        if set(operators) <= {"*", "/"}:
            factors = [v if o == "*" else self._inverse(v) for o, v in zip(operators, values[1:], strict=True)]
            return sp.Mul(values[0], *factors)
        if set(operators) == {"^"}:
            result = values[-1]
            for base in reversed(values[:-1]):
                result = power(base, result)
            return result
        raise Untranslatable(f"operators {' '.join(operators)}")

    @staticmethod
    def _inverse(value: sp.Expr) -> sp.Expr:
        if value.is_zero:
            raise Untranslatable("division by the number zero")
        return 1 / value

    def _reference(self, node: Any, place: Place) -> sp.Expr:
        return self.translation.reference(node.reference, listed(node.subscripts), place)

    def _initial(self, node: Any, place: Place) -> sp.Expr:
        return fn.initial(self.expression(node.initial, place))

    def _game(self, node: Any, place: Place) -> sp.Expr:
        return self.expression(node.expression, place)

    def _inlinelookups(self, node: Any, place: Place) -> sp.Expr:
        table = self.translation.tables.inline(node.lookups, place)
        return fn.Lookup(table, self.expression(node.argument, place))

    def _call(self, node: Any, place: Place) -> sp.Expr:
        from jevons.interchange.translation.calls import call

        return call(self, node, place)

    # Arrays

    def running_ranges(self, node: Any) -> list[str]:
        """Ranges marked with ``!`` in a tree, in the order in which they appear."""
        return list(dict.fromkeys(canonical(s) for s in subscripts_in(node) if s.strip().endswith("!")))

    def elements(self, node: Any, place: Place) -> Iterator[tuple[sp.Expr, Place]]:
        """The value of a tree for every combination of labels of the ranges it runs over."""
        node = starred(node, place)
        running = self.running_ranges(node)
        dimensions = self.translation.dimensions
        for key in running:
            if not dimensions.is_range(key.removesuffix("!")):
                raise Untranslatable(f"`{key}` runs over what is no range")
        choices = [dimensions.labels[key.removesuffix("!")] for key in running]
        self._terms += math.prod(map(len, choices))
        if self._terms > MOST_TERMS:
            raise Untranslatable(f"functions over ranges with more than {MOST_TERMS:,} terms in all")
        for labels in itertools.product(*choices):
            inner = place.at(dict(zip(running, labels, strict=True)))
            yield self.expression(node, inner), inner

    def vector(self, node: Any, key: str, place: Place) -> Any:
        """Values of a tree for all labels of a range that stands on the left side."""
        labels = self.translation.dimensions.labels[key]
        values = [self.expression(node, place.at({key: label})) for label in labels]
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array


def power(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """A power; numbers are worked out, so that exact ones cannot grow without bound."""
    if base.is_number and exponent.is_number and not (exponent.is_Integer and abs(exponent) <= LARGEST_EXACT_POWER):
        written = f"{float(base):g}^{float(exponent):g}"
        try:
            value = float(base) ** float(exponent)
        except OverflowError:
            raise Untranslatable(f"{written} is too large for a number") from None
        except ZeroDivisionError:
            raise Untranslatable("division by the number zero") from None
        if isinstance(value, complex):
            raise Untranslatable(f"{written} is not a real number")
        return number(value)
    if base.is_zero and exponent.is_negative:
        raise Untranslatable("division by the number zero")
    return sp.Pow(base, exponent)


def listed(subscripts: Any) -> list[str] | None:
    """Subscripts of a reference; None where it has none."""
    return None if subscripts is None else [str(s) for s in subscripts.subscripts]


def starred(tree: Any, place: Place) -> Any:
    """A tree in which whole arrays (``x``, ``x[*]``) run over their ranges, each marked with ``!``."""
    if type(tree).__name__ == "ReferenceStructure":
        return _starred_reference(tree, place)
    if not dataclasses.is_dataclass(tree) or isinstance(tree, type):
        return tree
    changes = {}
    for f in dataclasses.fields(tree):
        old = getattr(tree, f.name)
        if f.name == "function":
            continue
        if isinstance(old, (list, tuple)):
            new: Any = type(old)(starred(v, place) for v in old)
            same = all(a is b for a, b in zip(old, new, strict=True))
        else:
            new = starred(old, place)
            same = new is old
        if not same:
            changes[f.name] = new
    return dataclasses.replace(tree, **changes) if changes else tree


def _starred_reference(tree: Any, place: Place) -> Any:
    variable = place.scope.find(canonical(tree.reference))
    if variable is None or not variable.ranges:
        return tree
    written = listed(tree.subscripts)
    if written is None:
        if all(r in place.binding for r in variable.ranges):
            return tree
        written = ["*"] * len(variable.ranges)
    if not any(s.startswith("*") for s in written):
        return tree
    marked = [
        f"{r if s == '*' else canonical(s.strip('*:'))}!" if s.startswith("*") else s
        for s, r in zip(written, variable.ranges, strict=False)
    ]
    return with_subscripts(tree, marked)


def with_subscripts(reference: Any, subscripts: Sequence[str]) -> Any:
    """A reference with other subscripts."""
    kind = sys.modules[type(reference).__module__].SubscriptsReferenceStructure
    return dataclasses.replace(reference, subscripts=kind(tuple(subscripts)))


def subscripts_in(node: Any) -> Iterator[str]:
    """All subscripts of the references in a tree."""
    if type(node).__name__ == "ReferenceStructure":
        if node.subscripts is not None:
            yield from map(str, node.subscripts.subscripts)
        return
    for child in children(node):
        yield from subscripts_in(child)


def children(node: Any) -> Sequence[Any]:
    """Trees directly inside a tree."""
    if not hasattr(node, "__dataclass_fields__"):
        return ()
    found: list[Any] = []
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        found += value if isinstance(value, (list, tuple)) else [value]
    return found
