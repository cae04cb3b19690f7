"""Values that must be known before a run: orders of delays, dates, the control of the run itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import Auxiliary, Driver, Flow, Parameter, Table
from jevons.functions import TIME
from jevons.interchange.translation.expressions import Consequence, Untranslatable

if TYPE_CHECKING:
    from jevons.interchange.translation.model import Translation

_AT_START = {
    "Smooth1": 2, "Smooth3": 2, "SmoothN": 2, "Delay1": 2, "Delay3": 2, "DelayN": 2, "PipelineDelay": 2,
    "SampleIfTrue": 2, "Initial": 0, "ActiveInitial": 1,
}  # fmt: skip
"""Argument of a function of the past that gives its value at the start."""


class _Unknown(Exception):
    """The value depends on what only a run can tell."""


def required(translation: Translation, key: str) -> float:
    """Value at the start of a control variable."""
    found = value(translation, translation.control(key), None)
    if found is None:
        raise Untranslatable(f"{key.replace('_', ' ').upper()} cannot be computed before the run")
    return found


def value(translation: Translation, expression: sp.Expr, time: float | None) -> float | None:
    """Value of an expression at a date, the start by default; None where only a run can tell it."""
    try:
        found = _Evaluation(translation, time).number(sp.sympify(expression))
        return found if math.isfinite(found) else None
    except Consequence:
        raise
    except (_Unknown, Untranslatable, ArithmeticError, ValueError, TypeError, RecursionError):
        return None


_MOVING = (fn.HiddenStockFunction, fn.Noise, fn.Switch, fn.Step, fn.Pulse, fn.PulseTrain, fn.Ramp)


def changes(translation: Translation, expression: sp.Expr) -> bool:
    """Whether an expression may change during a run."""
    moves, names = _needs(expression)
    if moves:
        return True
    known = translation.changing
    open_names: list[tuple[str, list[str]]] = []  # a walk in depth with a stack of its own
    path: set[str] = set()

    def enter(name: str) -> None:
        moving, needed = _moves(translation, name)
        if moving:
            known[name] = True
        else:
            path.add(name)
            open_names.append((name, needed))

    for first in names:
        if first not in known:
            enter(first)
        while open_names:
            name, needed = open_names[-1]
            following = needed.pop() if needed else None
            if following is None or known.get(following):
                known[name] = following is not None
                path.discard(name)
                open_names.pop()
                if known[name]:  # so do all that need it
                    for user, _ in open_names:
                        known[user] = True
                    open_names.clear()
                    path.clear()
            elif following in path:
                needed.append(following)
                known[following] = True
            elif following not in known:
                needed.append(following)
                enter(following)
        if known[first]:
            return True
    return False


def _needs(expression: sp.Expr) -> tuple[bool, list[str]]:
    """Whether an expression changes by itself, and the names that it depends on during the run."""
    if expression.has(fn.Initial):
        expression = expression.replace(fn.Initial, lambda *_: sp.S.Zero)
    if expression.has(*_MOVING):
        return True, []
    symbols = expression.free_symbols
    return TIME in symbols, sorted(s.name for s in symbols if s != TIME)


def _moves(translation: Translation, name: str) -> tuple[bool, list[str]]:
    """The same of what has a name."""
    slot = translation.slots.get(name)
    if slot is not None and (slot.is_stock or slot.is_data):
        return True, []
    if isinstance(translation.elements.get(name), (Parameter, Table)):
        return False, []
    equation = _equation(translation, name)
    return (False, []) if equation is None else _needs(equation)


def _equation(translation: Translation, name: str) -> Any:
    slot = translation.slots.get(name)
    if slot is not None:
        return None if slot.is_table else translation.equation(slot)
    element = translation.elements.get(name)
    return element.equation if isinstance(element, (Auxiliary, Flow)) else None


class _Evaluation:
    """Evaluates expressions at one date."""

    def __init__(self, translation: Translation, time: float | None) -> None:
        self.translation = translation
        self.at_start = time is None
        self.time = time
        self.known: dict[str, float] = translation.at_start if time is None else {}
        self.busy: set[str] = set()

    def number(self, e: Any) -> float:
        if e.is_Symbol:
            return self._symbol(e)
        if e.is_number and not e.has(fn.ModelFunction):
            return float(e)
        if e.is_Add:
            return sum(self.number(a) for a in e.args)
        if e.is_Mul:
            return math.prod(self.number(a) for a in e.args)
        name = type(e).__name__
        if isinstance(e, sp.Piecewise):
            for result, condition in e.args:
                if self._holds(condition):
                    return self.number(result)
            raise _Unknown
        if name in _AT_START:
            if not self.at_start and name != "Initial":
                raise _Unknown
            return self.number(e.args[_AT_START[name]])
        if isinstance(e, fn.Switch):
            return float(self._now() >= self.number(e.args[0]) - 1e-9)
        if isinstance(e, fn.Lookup):
            return self._lookup(e)
        if hasattr(e, "lowered"):
            return self.number(e.lowered())
        if isinstance(e, fn.ModelFunction):
            raise _Unknown
        return float(e.func(*(sp.Float(self.number(a)) for a in e.args)))

    def _holds(self, condition: Any) -> bool:
        if condition in (sp.true, sp.false):
            return bool(condition)
        if isinstance(condition, sp.Not):
            return not self._holds(condition.args[0])
        if isinstance(condition, sp.And):
            return all(self._holds(a) for a in condition.args)
        if isinstance(condition, sp.Or):
            return any(self._holds(a) for a in condition.args)
        a, b = (self.number(x) for x in condition.args)
        decided = {"==": a == b, "!=": a != b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}
        return decided[condition.rel_op]

    def _now(self) -> float:
        if self.time is None:
            start = _Evaluation(self.translation, 0.0)  # a start that depends on the time takes it for 0
            start.at_start = True
            self.time = start.number(self.translation.control("initial_time"))
        return self.time

    def _symbol(self, s: sp.Symbol) -> float:
        if s == TIME:
            return self._now()
        if s.name in self.known:
            return self.known[s.name]
        if s.name in self.busy:
            raise _Unknown
        self.busy.add(s.name)
        try:
            result = self._named(s.name)
        finally:
            self.busy.discard(s.name)
        self.known[s.name] = result
        return result

    def _named(self, name: str) -> float:
        element = self.translation.elements.get(name)
        if isinstance(element, Parameter):
            return element.value
        if isinstance(element, Driver):
            return _interpolated(element, self._now())
        slot = self.translation.slots.get(name)
        if slot is not None and slot.is_data:
            raise _Unknown
        if slot is not None and slot.is_stock:
            if not self.at_start:
                raise _Unknown
            return self.number(self.translation.initial(slot))
        equation = _equation(self.translation, name)
        if equation is None:
            raise _Unknown
        return self.number(equation)

    def _lookup(self, e: Any) -> float:
        table = self.translation.elements.get(e.args[0].name)
        if not isinstance(table, Table):
            raise _Unknown
        return _interpolated(table, self.number(e.args[1]))


def _interpolated(table: Table, x: float) -> float:
    from jevons.system import interpolate

    xs, ys = zip(*table.points, strict=True)
    code = {"hold": 2, "forward": 3}.get(table.between, int(table.outside == "extrapolate"))
    return interpolate([*map(float, xs), *map(float, ys)], 0, len(xs), code, x)


MOST_STEPS = 50_000
"""Steps of different lengths that one model may take."""


def step_dates(translation: Translation) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Dates of all steps, and those reported, of a model whose step, end or saving interval changes with time.

    Raises
    ------
    Untranslatable
        Where they depend on stocks.
    """
    start = required(translation, "initial_time")
    fixed = {
        key: required(translation, key)
        for key in ("time_step", "saveper", "final_time")
        if not changes(translation, translation.control(key))
    }

    def at(key: str, time: float) -> float:
        found = fixed[key] if key in fixed else value(translation, translation.control(key), time)
        if found is None:
            raise Untranslatable(f"{key.replace('_', ' ').upper()} depends on stocks, so its steps are not known")
        return found

    dates, reported, time = [start], [], start
    while True:
        step, every = at("time_step", time), at("saveper", time)
        if not (math.isfinite(step) and step > 0):
            raise Untranslatable(f"TIME STEP is {step:g} at {time:g}, expected more than 0")
        since, tolerance = time - start, step * 1e-10
        if every <= 0 or since % every < tolerance or -since % every < tolerance:
            reported.append(time)
        if time >= at("final_time", time) - tolerance:
            break
        time += step
        dates.append(time)
        if len(dates) > MOST_STEPS:
            raise Untranslatable(f"more than {MOST_STEPS:,} steps")
    return tuple(dates), tuple(reported)
