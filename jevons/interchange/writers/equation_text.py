"""Names and equations as text: what the languages of simulation programs have in common."""

from __future__ import annotations

import abc
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

import sympy as sp

from jevons import functions as fn
from jevons.elements import Table
from jevons.functions import TIME
from jevons.interchange.writers.arrays import Arrays
from jevons.interchange.writers.expanded import Expanded, part
from jevons.printer import fraction

LONGEST_EQUATION = 200_000
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def safe_names(
    wanted: Mapping[str, str],
    reserved: Collection[str],
    keeps: Callable[[str], bool],
    longest: int | None = None,
) -> dict[str, str]:
    """Names that differ in more than case, blanks and runs of underscores.

    Plain names stay as they are wherever they can, then those that `keeps` accepts; others become letters, digits and
    underscores. `wanted` gives the preferred name for each key.
    """
    result: dict[str, str] = {}
    taken = set(reserved)
    for key, name in sorted(wanted.items(), key=lambda item: not _PLAIN.fullmatch(item[1])):
        base = name
        if not (_PLAIN.fullmatch(name) or keeps(name)):
            base = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
            base = base if base[:1].isalpha() else f"v_{base}".strip("_")
        base = base[:longest]
        candidate, copy = base, 1
        while canonical(candidate) in taken:
            copy += 1
            ending = f"_{copy}"
            candidate = base[: longest - len(ending) if longest else None] + ending
        taken.add(canonical(candidate))
        result[key] = candidate
    return result


def canonical(name: str) -> str:
    """The form in which programs compare names."""
    return re.sub(r"[_\s]+", "_", name).strip("_").lower()


def number(value: Any) -> str:
    """A number at full precision; negative ones in parentheses."""
    value = float(value)
    if not math.isfinite(value):
        raise TypeError(f"number {value} has no counterpart")
    text = repr(value + 0.0)
    return f"({text})" if text.startswith("-") else text


class EquationPrinter(abc.ABC):
    """Prints lowered expressions; operands in parentheses, numbers at full precision.

    `references` gives each key as equations have it.
    """

    language: ClassVar[str]
    time: ClassVar[str]
    functions: ClassVar[Mapping[Any, str]] = {
        sp.exp: "EXP",
        sp.log: "LN",
        sp.tanh: "TANH",
        sp.sinh: "SINH",
        sp.cosh: "COSH",
        sp.sin: "SIN",
        sp.cos: "COS",
        sp.tan: "TAN",
        sp.asin: "ARCSIN",
        sp.acos: "ARCCOS",
        sp.atan: "ARCTAN",
        sp.Abs: "ABS",
    }
    integer: ClassVar[str]
    words: ClassVar[Mapping[str, str]]

    def __init__(self, expanded: Expanded, references: Mapping[str, str]) -> None:
        self.expanded = expanded
        self.references = references
        self._printed: dict[Any, str] = {}
        self.tables = {v.key: v.table for v in expanded.variables if v.table is not None}

    @abc.abstractmethod
    def choice(self, condition: str, then: str, otherwise: str) -> str:
        """One value where the condition holds, else the other."""

    @abc.abstractmethod
    def looked_up(self, key: str, table: Table, argument: str) -> str:
        """Value of a table."""

    @abc.abstractmethod
    def uniform(self, seed: str) -> str:
        """A random number in (0, 1)."""

    @abc.abstractmethod
    def normal(self, seed: str) -> str:
        """A standard normal random number."""

    def rounding(self) -> str:
        """Time by which a date may be missed: a small part of a step."""
        return repr(self.expanded.dt * 1e-3)

    def doprint(self, e: Any) -> str:
        """An expression as text; parts that it has several times are written out each time."""
        text = self._printed.get(e)
        if text is None:
            text = self._printed[e] = self._print(e)
            if len(text) > LONGEST_EQUATION:
                raise TypeError(f"written out, the equation is longer than {LONGEST_EQUATION:,} characters")
        return text

    def _print(self, e: Any) -> str:
        if isinstance(e, sp.Symbol):
            return self.time if e == TIME else self.references[e.name]
        if (e.is_number and not e.args) or isinstance(e, sp.Rational):
            return number(e)
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if isinstance(e, sp.Mul):
            return self._product(e)
        if isinstance(e, sp.Pow):
            return self._power(e.base, e.exp)
        if isinstance(e, (fn.Noise, fn.NormalQuantile)):
            return self._random(e)
        if isinstance(e, fn.Lookup):
            return self._lookup(e.args[0].name, self.doprint(e.args[1]))
        return self._function(e, [self.doprint(a) for a in e.args])

    def _function(self, e: Any, arguments: list[str]) -> str:
        listed = ", ".join(arguments)
        if isinstance(e, sp.Add):
            return f"({' + '.join(arguments)})"
        if isinstance(e, (sp.Max, sp.Min)):
            return self._nested("MAX" if isinstance(e, sp.Max) else "MIN", arguments)
        if isinstance(e, fn.Switch):  # time is a sum of steps, and may fall short of a date
            return self.choice(f"{self.time} >= ({listed} - {self.rounding()})", "1", "0")
        if isinstance(e, sp.sign):
            return self.choice(f"{listed} > 0", "1", self.choice(f"{listed} < 0", "(-1.0)", "0"))
        if isinstance(e, sp.floor):  # programs differ in how they round below zero
            whole = f"{self.integer}({listed})"
            return self.choice(f"{whole} > {listed}", f"({whole} - 1)", whole)
        if isinstance(e, sp.ceiling):
            whole = f"{self.integer}({listed})"
            return self.choice(f"{whole} < {listed}", f"({whole} + 1)", whole)
        for kind, name in self.functions.items():
            if isinstance(e, kind):
                return f"{name}({listed})"
        raise TypeError(f"function {type(e).__name__} has no counterpart in {self.language}")

    def _lookup(self, name: str, argument: str) -> str:
        points = part(name, "points")
        key = points if points in self.tables else name
        return self.looked_up(key, self.tables[key], argument)

    def _random(self, e: Any) -> str:
        """Random numbers of the same distribution; their sequence is the program's own."""
        inner = e.args[0]
        if isinstance(e, fn.Noise):
            return self.uniform(self.doprint(inner))
        if isinstance(inner, fn.Noise):
            return self.normal(self.doprint(inner.args[0]))
        raise TypeError(f"function {type(e).__name__} has no counterpart in {self.language}")

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
        if exponent == sp.Rational(1, 2):
            return f"SQRT({text})"
        if base.is_Number and base < 0:  # PySD would read the minus as that of the power
            text = f"(0 - {number(-base)})"
        return f"({text}^{self.doprint(exponent)})"

    def _piecewise(self, e: sp.Piecewise) -> str:
        if e.args[-1].cond != sp.true:
            raise TypeError(
                f"a Piecewise without a last branch for all other cases has no counterpart in {self.language}"
            )
        text = self.doprint(e.args[-1].expr)
        for value, condition in reversed(e.args[:-1]):
            text = self.choice(self.condition(condition), self.doprint(value), text)
        return text

    def condition(self, e: Any) -> str:
        if isinstance(e, (sp.And, sp.Or)):
            word = f" {self.words['and' if isinstance(e, sp.And) else 'or']} "
            return "(" + word.join(self.condition(a) for a in e.args) + ")"
        if isinstance(e, sp.Not):
            return f"({self.words['not']} {self.condition(e.args[0])})"
        if isinstance(e, sp.logic.boolalg.BooleanAtom):
            return "(1 = 1)" if e else "(1 = 0)"
        if isinstance(e, sp.core.relational.Relational):
            left, right = (self.doprint(a) for a in e.args)
            operator = {"==": "=", "!=": "<>"}.get(e.rel_op, e.rel_op)
            return f"({left} {operator} {right})"
        raise TypeError(f"condition {e} has no counterpart in {self.language}")


def wanted_names(expanded: Expanded, arrays: Arrays) -> dict[str, str]:
    """Preferred name of every variable and array by key."""
    return {v.key: v.wanted for v in expanded.variables if v.key not in arrays.of} | {b: b for b in arrays.over}


def with_elements(names: dict[str, str], arrays: Arrays) -> dict[str, str]:
    """Names with those of the arrays' elements, as programs head their columns."""
    elements = {key: f"{names[base]}[{','.join(labels)}]" for key, (base, labels) in arrays.of.items()}
    return names | elements


def array_references(references: dict[str, str], arrays: Arrays, reference: Callable[[str], str]) -> dict[str, str]:
    """References with those to the arrays' elements."""
    elements = {
        key: f"{references[base]}[{','.join(map(reference, labels))}]" for key, (base, labels) in arrays.of.items()
    }
    return references | elements


def documentation(doc: str, wanted: str, written: str) -> str:
    """Documentation on one line, with the name in the model where the file has another.

    PySD copies it between triple quotes.
    """
    text = f"{doc} Name in the model: {wanted}" if written != wanted else doc
    return "".join(c if c.isprintable() else " " for c in text).strip().replace('"""', "'''")
