"""Functions of the past: delays, smooths, trends, samples, earlier values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import Auxiliary
from jevons.functions import TIME
from jevons.interchange.translation.expressions import (
    SMALL,
    Expressions,
    Place,
    Untranslatable,
    choose,
    compare,
    guarded_division,
)

MOST_STAGES = 10_000

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]


def _orders(walker: Expressions, order: Any) -> int:
    """Stages of a delay or smooth, whose time may be shorter than so many steps: then it oscillates, as in Vensim."""
    wanted = walker.translation.start_value(order)
    if wanted is None or wanted < 1:
        raise Untranslatable("the order of a delay must be a number of at least 1 that does not change")
    if int(wanted) > MOST_STAGES:
        raise Untranslatable(f"a delay of {int(wanted):,} stages, at most {MOST_STAGES:,} are translated")
    return int(wanted)


def _delay(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    x, delay, start, order = (
        walker.expression(e, place) for e in (node.input, node.delay_time, node.initial, node.order)
    )
    return fn.delay_n(x, delay, start, _orders(walker, order))


def _delay_n(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    """DELAY N of Vensim, of fewer stages where one would be shorter than a step (Vensim Help, DELAY N)."""
    x, delay, start, order = (
        walker.expression(e, place) for e in (node.input, node.delay_time, node.initial, node.order)
    )
    translation = walker.translation
    wanted = stages = _orders(walker, order)
    length, step = translation.start_value(delay), translation.start_value(translation.time_step)
    if length is not None and step is not None:
        while stages > 1 and stages * step > length:
            stages -= 1
    if stages < wanted:
        translation.note(f"{place.owner}: delay of {wanted} stages taken with {stages}: the step is too long")
    if translation.changes(delay):
        return fn.delay_n(x, delay, start, stages, step=translation.time_step)
    return fn.delay_n(x, delay, start, stages)


def _smooth(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    x, delay, start, order = (
        walker.expression(e, place) for e in (node.input, node.smooth_time, node.initial, node.order)
    )
    return fn.smooth_n(x, delay, start, _orders(walker, order))


def _delay_fixed(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    x, delay, start = (walker.expression(e, place) for e in (node.input, node.delay_time, node.initial))
    return _pipeline(walker, x, delay, start)


def _pipeline(walker: Expressions, x: sp.Expr, delay: sp.Expr, start: sp.Expr) -> sp.Expr:
    """`x` of some time ago, in whole steps and one at least."""
    step = walker.translation.time_step
    length, width = walker.translation.start_value(delay), walker.translation.start_value(step)
    if length is None or width is None:
        raise Untranslatable("the time of a fixed delay must be known before the run")
    stages = round(max(length / width, 1.0) + SMALL)
    if stages > MOST_STAGES:
        raise Untranslatable(f"a delay of {stages:,} steps, at most {MOST_STAGES:,} are translated")
    exact = abs(stages * width - length) < 1e-9 * width and not walker.translation.changes(delay)
    return fn.pipeline_delay(x, delay / stages if exact else step, start, stages)


def _constant_delay(name: str, varying: str) -> Special:
    """DELAY MATERIAL and DELAY INFORMATION of Vensim, which are DELAY FIXED while the delay time stays the same.

    Source     Vensim Help, DELAY MATERIAL, DELAY INFORMATION, Material and information delays
    """

    def delay(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
        x, time, start = (walker.expression(a, place) for a in arguments[:3])
        if walker.translation.changes(time):
            raise Untranslatable(f"{name} with a delay time that changes during the run {varying}")
        return _pipeline(walker, x, time, start)

    return delay


def _trend(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    parts = (node.input, node.average_time, node.initial_trend)
    x, time, start = (walker.unconditional(walker.expression(part, place), place) for part in parts)
    average = fn.smooth1(x, time, x / (1 + start * time))
    return guarded_division(x - average, time * sp.Abs(average), sp.S.Zero)


def _forecast(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    parts = (node.input, node.average_time, node.horizon, node.initial_trend)
    x, time, horizon, start = (walker.unconditional(walker.expression(part, place), place) for part in parts)
    average = fn.smooth1(x, time, x / (1 + start))
    return x * (1 + guarded_division(x - average, time * average, sp.S.Zero) * horizon)


def _sample_if_true(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    translation = walker.translation
    before = set(translation.elements)
    condition = walker.condition(node.condition, place)
    x, start = walker.expression(node.input, place), walker.expression(node.initial, place)
    step, own = translation.time_step, fn.symbol(place.owner)
    parts = {
        name: element
        for name, element in translation.elements.items()
        if name not in before and isinstance(element, Auxiliary) and sp.sympify(element.equation).has(own)
    }
    if not (condition.has(own) or x.has(own) or parts):
        return fn.sample_if_true(condition, x, start, step)
    # a variable that asks for itself means the value it holds
    held = translation.held(f"{place.owner} held", start, place)
    condition, x = condition.xreplace({own: held}), x.xreplace({own: held})
    for name, part in parts.items():
        translation.elements[name] = dataclasses.replace(part, equation=sp.sympify(part.equation).xreplace({own: held}))
    translation.change(held, choose(condition, (x - held) / step, sp.S.Zero), place)
    return choose(condition, x, held)


def _previous(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """PREVIOUS(x, initial) of XMILE: `x` of the step before."""
    x = walker.expression(arguments[0], place)
    start = walker.expression(arguments[1], place) if len(arguments) > 1 else sp.S.Zero
    return fn.pipeline_delay(x, walker.translation.time_step, start, 1)


def _history(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """HISTORY(x, moment) of Stella: `x` at an earlier moment of the run.

    Equation   x of (time - moment) ago, or x at the moment from then on; 0 before the run and before the moment
    Valid for  a moment a fixed time ago, or one that is known before the run; Euler's method with the file's step
    Source     isee systems, Stella help, Data builtins
    """
    x, moment = (walker.expression(a, place) for a in arguments)
    translation, step = walker.translation, walker.translation.time_step
    lag = sp.expand(TIME - moment)
    if not lag.has(TIME) and not translation.changes(lag):
        known, width = translation.start_value(lag), translation.start_value(step)
        if known is not None and width is not None:
            if known < -SMALL * width:
                return sp.S.Zero  # a moment to come
            return x if known < SMALL * width else _pipeline(walker, x, lag, sp.S.Zero)
    if translation.changes(moment):
        raise Untranslatable("HISTORY is translated for a moment a fixed time ago, or one known before the run")
    now = compare("<", sp.Abs(TIME - moment), step / 2)
    return fn.sample_if_true(now, x, sp.S.Zero, step)


PAST_STRUCTURES: Mapping[str, Callable[[Expressions, Any, Place], sp.Expr]] = {
    "DelayStructure": _delay,
    "DelayNStructure": _delay_n,
    "SmoothStructure": _smooth,
    "SmoothNStructure": _smooth,
    "DelayFixedStructure": _delay_fixed,
    "TrendStructure": _trend,
    "ForecastStructure": _forecast,
    "SampleIfTrueStructure": _sample_if_true,
}


def _called(build: Callable[[Expressions, Any, Place], sp.Expr], *fields: str, **fixed: Any) -> Special:
    """A function that PySD knows in one language, called in the other: XMILE files that came from Vensim have them."""

    def call(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
        given = dict(zip(fields, arguments, strict=False))
        first = next(iter(given.values()))
        return build(walker, SimpleNamespace(**{"initial": first, **fixed, **given}), place)

    return call


def _initial(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    return fn.initial(walker.expression(arguments[0], place))


PAST_CALLS: Mapping[str, tuple[tuple[int, int], Special]] = {
    "previous": ((1, 2), _previous),
    "history": ((2, 2), _history),
    "delay_material": ((4, 4), _constant_delay("DELAY MATERIAL", "adds up inputs that arrive together")),
    "delay_information": ((3, 3), _constant_delay("DELAY INFORMATION", "drops inputs that later ones overtake")),
    "initial": ((1, 1), _initial),
    "init": ((1, 1), _initial),
    "delay1": ((2, 3), _called(_delay, "input", "delay_time", "initial", order=1)),
    "delay1i": ((3, 3), _called(_delay, "input", "delay_time", "initial", order=1)),
    "delay3": ((2, 3), _called(_delay, "input", "delay_time", "initial", order=3)),
    "delay3i": ((3, 3), _called(_delay, "input", "delay_time", "initial", order=3)),
    "delay_n": ((4, 4), _called(_delay_n, "input", "delay_time", "initial", "order")),
    "delay_fixed": ((3, 3), _called(_delay_fixed, "input", "delay_time", "initial")),
    "smooth": ((2, 2), _called(_smooth, "input", "smooth_time", order=1)),
    "smoothi": ((3, 3), _called(_smooth, "input", "smooth_time", "initial", order=1)),
    "smooth3": ((2, 2), _called(_smooth, "input", "smooth_time", order=3)),
    "smooth3i": ((3, 3), _called(_smooth, "input", "smooth_time", "initial", order=3)),
    "smooth_n": ((4, 4), _called(_smooth, "input", "smooth_time", "initial", "order")),
    "sample_if_true": ((3, 3), _called(_sample_if_true, "condition", "input", "initial")),
    "forecast": ((3, 3), _called(_forecast, "input", "average_time", "horizon", initial_trend=0)),
    "trend": ((3, 3), _called(_trend, "input", "average_time", "initial_trend")),
}
