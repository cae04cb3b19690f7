"""What equations say about units: linear equations of exponents, each with the place where it is from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.diagnostics.unit_text import ONE, Unit

ERROR, WARNING = "error", "warning"
_ROUNDED = (sp.floor, sp.ceiling)
_LARGEST_DENOMINATOR = 1000


@dataclass(frozen=True)
class Claim:
    """Two units that ought to be one.

    Attributes
    ----------
    name : str
        Element whose equation says so.
    what : str
        Part of the element: ``equation``, ``initial value``, ``flow of 'x'``.
    message : str
        What must agree, without the units.
    where : str
        The smallest expression in which the two meet.
    found, expected : Unit
    severity : {'error', 'warning'}
    firm : bool
        Whether units may be inferred from it: bare numbers say too little.
    """

    name: str
    what: str
    message: str
    where: str
    found: Unit
    expected: Unit
    severity: str = ERROR
    firm: bool = True


@dataclass(frozen=True)
class _Found:
    """Unit of an expression: `unit` is None where it fits everything, `bare` where it is numbers alone."""

    unit: Unit | None
    bare: bool = False


_ANY = _Found(None)


class Reader:
    """Reads the units of expressions and keeps what must agree.

    Parameters
    ----------
    unit_of : callable
        Unit of a symbol, for a table the pair (argument, values).
    time : Unit
    """

    def __init__(self, unit_of: Callable[[sp.Symbol], Any], time: Unit) -> None:
        self.unit_of = unit_of
        self.time = time
        self.claims: list[Claim] = []
        self._name = self._what = ""

    def equation(self, name: str, what: str, expression: sp.Expr, expected: Unit) -> None:
        """Read an expression that defines something of a known or unknown unit."""
        self._name, self._what = name, what
        found = self._unit(expression)
        if found.unit is not None and not found.bare:
            self.claim("the equation", expression, found.unit, expected)

    def claim(
        self, message: str, where: Any, found: Unit, expected: Unit, severity: str = ERROR, firm: bool = True
    ) -> bool:
        """Note two units that must agree; False where it is plain that they do not."""
        if found == expected:
            return True
        quotient = found / expected
        if quotient.one:
            return True
        self.claims.append(Claim(self._name, self._what, message, _brief(where), found, expected, severity, firm))
        return bool(quotient.unknown)

    def about(self, name: str, what: str) -> None:
        """Say which element the next claims are about."""
        self._name, self._what = name, what

    def _unit(self, e: Any) -> _Found:
        if e.is_number:
            return _ANY if e == 0 else _Found(ONE, bare=True)
        if isinstance(e, sp.Symbol):
            unit = self.unit_of(e)
            return _Found(unit[1] if isinstance(unit, tuple) else unit)
        if isinstance(e, sp.Add):
            return self._common(e, e.args, "terms of a sum")
        if isinstance(e, sp.Mul):
            return self._product(e)
        if isinstance(e, sp.Pow):
            return self._power(e)
        if isinstance(e, sp.Piecewise):
            for _, condition in e.args:
                self._condition(condition)
            return self._common(e, [value for value, _ in e.args], "branches of a condition")
        if isinstance(e, (sp.Max, sp.Min)):
            return self._common(e, e.args, f"arguments of {e.func.__name__}")
        if isinstance(e, sp.Mod):
            return self._common(e, e.args, "arguments of a remainder")
        if isinstance(e, (sp.Abs, *_ROUNDED)):
            return self._unit(e.args[0])
        if isinstance(e, fn.ModelFunction):
            return self._model_function(e)
        if isinstance(e, sp.core.relational.Relational) or not isinstance(e, sp.Expr):
            self._condition(e)
            return _Found(ONE, bare=True)
        if isinstance(e, sp.sign):
            self._unit(e.args[0])
            return _Found(ONE)
        for argument in e.args:
            self._require(argument, ONE, f"argument of {e.func.__name__}")
        return _Found(ONE)

    def _require(self, e: Any, expected: Unit, message: str, severity: str = ERROR) -> None:
        found = self._unit(e)
        if found.unit is not None and not found.bare:
            self.claim(message, e, found.unit, expected, severity)

    def _common(self, e: Any, arguments: Iterable[Any], message: str) -> _Found:
        """One unit of several expressions; numbers without a unit yield, with a warning."""
        known = [(a, f) for a, f in ((a, self._unit(a)) for a in arguments) if f.unit is not None]
        if not known:
            return _ANY
        united = [(a, f.unit) for a, f in known if not f.bare and f.unit is not None]
        if not united:
            return _Found(ONE, bare=True)
        expected = _most(united)
        agreed = True
        for a, unit in united:
            if unit is not expected:
                agreed &= self.claim(f"{message}: `{_brief(a, 40)}`", e, unit, expected)
        for a, found in known:
            if found.bare:
                self.claim(f"{message}: the number {_brief(a, 40)} has no unit", e, ONE, expected, WARNING, firm=False)
        return _Found(expected) if agreed else _ANY

    def _product(self, e: Any) -> _Found:
        unit, bare = ONE, True
        for argument in e.args:
            found = self._unit(argument)
            if found.unit is None:
                return _ANY
            unit = unit * found.unit
            bare = bare and found.bare
        return _Found(unit, bare)

    def _power(self, e: Any) -> _Found:
        base, exponent = e.args
        if base == sp.E:
            self._require(exponent, ONE, "argument of exp")
            return _Found(ONE)
        found = self._unit(base)
        if exponent.is_number:
            if found.unit is None:
                return _ANY
            power = Fraction(float(exponent)).limit_denominator(_LARGEST_DENOMINATOR)
            return _Found(found.unit**power, found.bare)
        self._require(exponent, ONE, "exponent", WARNING)
        if found.unit is not None and not found.bare:
            self.claim("base of a power with a variable exponent", base, found.unit, ONE, WARNING)
        return _Found(ONE)

    def _condition(self, condition: Any) -> None:
        if isinstance(condition, sp.core.relational.Relational):
            self._common(condition, condition.args, "sides of a comparison")
            return
        for argument in getattr(condition, "args", ()):
            if isinstance(argument, sp.Expr):
                self._unit(argument)
            else:
                self._condition(argument)

    def _model_function(self, e: fn.ModelFunction) -> _Found:
        if isinstance(e, (fn.Lookup, fn.LookupSlope)):
            return self._lookup(e)
        label = e.label()
        kinds = e.argument_kinds()
        needed = {"time": self.time, "one": ONE, "rate": ONE / self.time}
        common = []
        for argument, kind in zip(e.args, kinds, strict=False):
            if kind == "same":
                common.append(argument)
            elif kind in needed:
                self._require(
                    argument, needed[kind], f"{kind} argument of {label}" if kind != "one" else f"argument of {label}"
                )
            elif kind != "table":
                self._unit(argument)
        named = [a for a in common if not a.is_number]  # a number alone has the unit of its place
        numbers = _Found(ONE, bare=True) if any(a != 0 for a in common) else _ANY
        unit = self._common(e, named, f"arguments of {label}") if named else numbers if common else _Found(ONE)
        if e.result_kind in needed:
            return _Found(needed[e.result_kind])
        if e.result_kind == "same times time":
            return _Found(self.time if unit.bare else unit.unit * self.time) if unit.unit is not None else _ANY
        return unit

    def _lookup(self, e: Any) -> _Found:
        of_table = self.unit_of(e.args[0])
        x_unit, unit = of_table if isinstance(of_table, tuple) else (self.time, of_table)
        found = self._unit(e.args[1])
        if found.unit is not None and not found.bare:
            self.claim(f"argument of the table {e.args[0].name!r}", e.args[1], found.unit, x_unit, WARNING)
        return _Found(unit)


def _most(united: Sequence[tuple[Any, Unit]]) -> Unit:
    """The unit that most expressions have, known ones first."""
    known = [unit for _, unit in united if not unit.unknown]
    return max(known or [unit for _, unit in united], key=lambda u: sum(u == v for _, v in united))


def _brief(e: Any, limit: int = 90) -> str:
    text = e if isinstance(e, str) else str(e)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class Contradiction(Exception):
    """Claims that cannot all be true; `places` are their numbers."""

    def __init__(self, places: Sequence[int]) -> None:
        self.places = tuple(places)
        super().__init__(str(self.places))


class Solver:
    """Solves for unknown units, claim by claim, by elimination over the rational numbers.

    Each claim says that a product of unknown units is a known unit: one equation of exponents for every base.
    """

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Unit, dict[int, Fraction]]] = {}  # pivot -> quotient that must be 1, and its claims

    def add(self, place: int, quotient: Unit) -> None:
        """Add a claim that `quotient` is 1.

        Raises
        ------
        Contradiction
            With the claims that it contradicts, itself included; the claim is then left out.
        """
        proof: dict[int, Fraction] = {place: Fraction(1)}
        while True:
            pivot = next((name for name in quotient.unknown if name in self._rows), None)
            if pivot is None:
                break
            row, of_row = self._rows[pivot]
            factor = -quotient.unknown[pivot] / row.unknown[pivot]
            quotient = quotient * row**factor
            for k, f in of_row.items():
                proof[k] = proof.get(k, Fraction(0)) + f * factor
        if quotient.unknown:
            self._rows[min(quotient.unknown)] = (quotient, proof)
        elif quotient.powers:
            raise Contradiction([k for k, f in proof.items() if f])

    def unit(self, name: str) -> Unit:
        """The unit of an unknown, in which others remain that are free."""
        return self.reduced(Unit({}, {name: Fraction(1)}))

    def reduced(self, unit: Unit) -> Unit:
        """A unit with everything replaced that is known."""
        while True:
            pivot = next((name for name in unit.unknown if name in self._rows), None)
            if pivot is None:
                return unit
            row, _ = self._rows[pivot]
            unit = unit * row ** (-unit.unknown[pivot] / row.unknown[pivot])


def minimal(places: Sequence[int], quotients: Callable[[int], Unit]) -> tuple[int, ...]:
    """Claims of a contradiction without any that it does not need."""
    kept = list(places)
    for place in list(kept):
        without = [p for p in kept if p != place]
        solver = Solver()
        try:
            for p in without:
                solver.add(p, quotients(p))
        except Contradiction:
            kept = without
    return tuple(sorted(kept))
