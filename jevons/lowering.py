"""From equations as written to what code can be generated from: smooth functions, dates, drivers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import Auxiliary, Driver, Element, Parameter
from jevons.functions import TIME

_KEPT = (sp.Piecewise, sp.Max, sp.Min, sp.floor, sp.ceiling)
_DATED = (fn.Step, fn.Pulse, fn.Ramp, fn.PulseTrain)
PULSE_TOLERANCE = sp.Float(1e-6)
"""Time by which a pulse that is stepped over literally may begin or end early, as in Vensim."""


@dataclass(frozen=True)
class Literal:
    """Dates compared with time at every step, as programs that step over a grid do.

    Attributes
    ----------
    tolerance : sympy.Expr
        Time by which the date of a step may lie ahead and count as reached: half a step. Pulses have their own.
    """

    tolerance: sp.Expr


def nodes(expression: Any) -> Iterator[Any]:
    """Every node of an expression, those that it shares once."""
    stack, seen = [sp.sympify(expression)], set()
    while stack:
        node = stack.pop()
        if node.args:
            if id(node) in seen:
                continue
            seen.add(id(node))
            stack.extend(node.args)
        yield node


def references(expression: Any) -> set[str]:
    """Names that an expression uses, time left out."""
    return {node.name for node in nodes(expression) if isinstance(node, sp.Symbol) and node != TIME}


def rebuilt(e: Any, args: Iterable[Any]) -> Any:
    """An expression with other arguments; what sympy is slow at (branches, extremes, whole parts) stays as written."""
    new = tuple(args)
    if all(a is b for a, b in zip(new, e.args, strict=True)):
        return e
    return e.func(*new, evaluate=False) if isinstance(e, _KEPT) else e.func(*new)


def rewritten(e: Any, rule: Callable[[Any], Any]) -> Any:
    """An expression in which `rule` has replaced nodes, innermost first; it gives back what it does not replace."""
    done: dict[Any, Any] = {}

    def walk(node: Any) -> Any:
        if not node.args:
            return rule(node)
        if node not in done:
            done[node] = rule(rebuilt(node, [walk(a) for a in node.args]))
        return done[node]

    return walk(e)


class Constants:
    """Auxiliaries of a set of elements that depend on parameters alone."""

    def __init__(self, elements: Mapping[str, Element]) -> None:
        self._elements = elements
        self._known: dict[str, sp.Expr | None] = {}

    def resolve(self, expression: sp.Expr) -> sp.Expr | None:
        """The expression in parameters alone; None where it depends on anything that moves.

        Names that no element has stay as they are.
        """
        if expression.has(TIME, fn.Lookup, fn.HiddenStockFunction, fn.ActiveInitial, fn.Switch, *_DATED):
            return None
        values = {}
        for symbol in expression.free_symbols:
            value = self._of(symbol)
            if value is None:
                return None
            if value is not symbol:
                values[symbol] = value
        return expression.xreplace(values) if values else expression

    def _of(self, symbol: sp.Symbol) -> sp.Expr | None:
        element = self._elements.get(symbol.name)
        if element is None or isinstance(element, Parameter):
            return symbol
        if symbol.name not in self._known:
            self._known[symbol.name] = None  # also where equations need each other
            if isinstance(element, Auxiliary):
                self._known[symbol.name] = self.resolve(sp.sympify(element.equation))
        return self._known[symbol.name]


def lower(
    expression: Any,
    elements: Mapping[str, Element],
    *,
    constants: Constants | None = None,
    literal: Literal | None = None,
    at_start: bool = False,
) -> sp.Expr:
    """Replace smooth functions, time functions and drivers by what code can be generated from.

    Parameters
    ----------
    elements : mapping
        What the expression may use; those of `constants` by default.
    literal : Literal, optional
        Compare dates with time. By default dates that depend on parameters alone become switches, at which
        integration restarts, and others are compared with time.
    at_start : bool
        Whether the value at the start of a run is meant.
    """
    e = sp.sympify(expression)
    found = list(nodes(e))
    symbols = {node for node in found if isinstance(node, sp.Symbol)}
    drivers = {s for s in symbols if isinstance(elements.get(s.name), Driver)}
    special = any(isinstance(node, fn.ModelFunction) for node in found)
    dated = TIME in symbols and any(isinstance(node, sp.core.relational.Relational) for node in found)
    if not (drivers or special or dated):
        return e
    e = _tabled(at_once(e, at_start), drivers)
    known = Constants(elements) if constants is None else constants

    def rule(node: Any) -> Any:
        if isinstance(node, fn.SmoothFunction):
            return node.definition()
        if isinstance(node, _DATED):
            return _switched(_literal_dates(node, literal) if literal else node.lowered(), known, literal)
        if isinstance(node, fn.Switch):
            return _switch(node.args[0], known, literal)
        if literal is None and isinstance(node, sp.core.relational.Relational):
            return _date_condition(node, known)
        return node

    return rewritten(e, rule)


def at_once(e: sp.Expr, at_start: bool) -> sp.Expr:
    """The expression as it is during a run, or as it is where initial values are computed."""

    def during(node: Any) -> Any:
        return node.args[0] if isinstance(node, fn.ActiveInitial) else node

    def first(node: Any) -> Any:
        if isinstance(node, fn.ActiveInitial):
            return first_of(node.args[1])
        if isinstance(node, fn.HiddenStockFunction):
            return first_of(node.start_value())
        return node

    def first_of(node: Any) -> Any:  # outermost first: what is left out need not have a start
        node = sp.sympify(node)
        if not node.has(fn.ActiveInitial, fn.HiddenStockFunction):
            return node
        other = first(node)
        return other if other is not node else rebuilt(node, [first_of(a) for a in node.args])

    if not any(isinstance(node, (fn.ActiveInitial, fn.HiddenStockFunction)) for node in nodes(e)):
        return e
    if not at_start:
        return rewritten(e, during)
    return first_of(e)


def switch_times(expression: sp.Expr) -> list[sp.Expr]:
    """Dates at which a lowered expression switches."""
    return sorted({node.args[0] for node in expression.atoms(fn.Switch)}, key=sp.default_sort_key)


def moving_dates(expression: Any, elements: Mapping[str, Element]) -> list[sp.Expr]:
    """Dates in an expression as written that depend on more than parameters."""
    e, known = sp.sympify(expression), Constants(elements)
    dates = [date for node in e.atoms(*_DATED) for date in switch_times(node.lowered())]
    dates += [node.args[0] for node in e.atoms(fn.Switch)]
    for node in e.atoms(sp.core.relational.Relational):
        found = _date_of(node)
        dates += [found[0]] if found else []
    moving = {date for date in dates if known.resolve(date) is None}
    return sorted(moving, key=sp.default_sort_key)


def _tabled(e: Any, drivers: set[sp.Symbol]) -> Any:
    """The expression with drivers looked up at the time."""
    if not drivers or not e.free_symbols & drivers:
        return e
    if isinstance(e, fn.Lookup):
        return fn.Lookup(e.args[0], _tabled(e.args[1], drivers))
    if not e.args:
        return fn.Lookup(e, TIME)
    return rebuilt(e, [_tabled(a, drivers) for a in e.args])


def _switched(e: sp.Expr, constants: Constants, literal: Literal | None) -> sp.Expr:
    if not e.has(fn.Switch):
        return e
    return e.xreplace({node: _switch(node.args[0], constants, literal) for node in e.atoms(fn.Switch)})


def _switch(date: sp.Expr, constants: Constants, literal: Literal | None) -> sp.Expr:
    if literal is not None:
        return _truth(_reached(date, literal.tolerance))
    fixed = constants.resolve(date)
    return _truth(sp.Ge(TIME, date)) if fixed is None else fn.Switch(fixed)


def _truth(condition: Any) -> sp.Expr:
    return sp.Piecewise((sp.S.One, condition), (sp.S.Zero, sp.true), evaluate=False)


def _reached(date: sp.Expr, tolerance: sp.Expr) -> Any:
    return sp.Gt(TIME + tolerance, date, evaluate=False)


def _literal_dates(node: fn.ModelFunction, literal: Literal) -> sp.Expr:
    """Ramps and pulses in closed form; they hold between any two steps what they hold at the first."""
    if isinstance(node, fn.Ramp):
        slope, start, end = node.args
        return slope * sp.Max(0, sp.Min(TIME, end) - start)
    if isinstance(node, fn.Pulse):
        height, start, duration = node.args
        return height * _truth(_between(start, start + duration))
    if isinstance(node, fn.PulseTrain):
        height, start, duration, interval, end, count = node.args
        since = TIME + PULSE_TOLERANCE - start
        number = sp.floor(since / interval, evaluate=False)
        on = sp.And(
            _between(start, end),
            sp.Lt(number, count, evaluate=False),
            sp.Lt(since - number * interval, duration, evaluate=False),
            evaluate=False,
        )
        return height * _truth(on)
    lowered: sp.Expr = node.lowered()
    return lowered


def _between(start: sp.Expr, end: sp.Expr) -> Any:
    """Whether a pulse that begins and ends at these dates is on."""
    begun = sp.Ge(TIME + PULSE_TOLERANCE, start, evaluate=False)
    return sp.And(begun, sp.Lt(TIME + PULSE_TOLERANCE, end, evaluate=False), evaluate=False)


def _date_of(node: Any) -> tuple[sp.Expr, bool] | None:
    """The date of ``time < date`` and whether the condition holds after it."""
    if not isinstance(node, (sp.StrictGreaterThan, sp.GreaterThan, sp.StrictLessThan, sp.LessThan)):
        return None
    left, right = node.args
    if not left.has(TIME) and not right.has(TIME):
        return None
    after = isinstance(node, (sp.StrictGreaterThan, sp.GreaterThan))
    if left == TIME and not right.has(TIME):
        return right, after
    if right == TIME and not left.has(TIME):
        return left, not after
    difference = left - right
    rate = difference.diff(TIME)
    if rate.is_number and rate != 0:  # for example time - date > 0
        return sp.expand(TIME - difference / rate), after == bool(rate > 0)
    return None


def _date_condition(node: Any, constants: Constants) -> Any:
    found = _date_of(node)
    date = None if found is None else constants.resolve(found[0])
    if found is None or date is None:
        return node
    half = sp.Rational(1, 2)
    return sp.Gt(fn.Switch(date), half) if found[1] else sp.Lt(fn.Switch(date), half)
