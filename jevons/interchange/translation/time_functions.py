"""Functions of the model's time: test inputs, counters, clocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.functions import TIME
from jevons.interchange.translation.calendar_time import time_value
from jevons.interchange.translation.expressions import Expressions, Place, Untranslatable

MOST_PULSES = 10_000

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]


def _step(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    height, at = (walker.expression(a, place) for a in arguments)
    return fn.step(height, at)


def _ramp(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    slope, start, end = (walker.expression(a, place) for a in arguments)
    return fn.ramp(slope, start, end)


def _endless_ramp(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """RAMP(slope, start) of XMILE, whose arguments PySD gives in this order: it never ends."""
    slope, start = (walker.expression(a, place) for a in arguments)
    return slope * sp.Max(0, TIME - start) * fn.Switch(start)


def _pulse(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    start, width = (walker.expression(a, place) for a in arguments)
    return fn.pulse(sp.S.One, start, _at_least_a_step(walker, width))


def _at_least_a_step(walker: Expressions, width: sp.Expr) -> sp.Expr:
    """A pulse lasts for one step at least."""
    step = walker.translation.time_step
    known = walker.translation.start_value(width)
    shortest = walker.translation.start_value(step)
    if known is None or shortest is None:
        return sp.Max(width, step, evaluate=False)
    return width if known >= shortest else step


def _pulse_train(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    start, interval, width, end = (walker.expression(a, place) for a in arguments)
    return _train(walker, sp.S.One, start, interval, _at_least_a_step(walker, width), end)


def _train(
    walker: Expressions, height: sp.Expr, start: sp.Expr, interval: sp.Expr, width: sp.Expr, end: sp.Expr
) -> sp.Expr:
    first, gap, last = (walker.translation.start_value(e) for e in (start, interval, end))
    horizon = walker.translation.end
    if first is None or gap is None:
        raise Untranslatable("a train of pulses whose start or interval changes during the run")
    if gap <= 0:
        return fn.pulse(height, start, width)
    # a train still runs at its end: in Vensim (SDEverywhere's test model `pulsetrain`), and at the last step of XMILE
    end += walker.translation.time_step / 2
    count = math.floor((min(horizon, horizon if last is None else last) - first) / gap + 1e-9) + 1
    if count > MOST_PULSES:
        raise Untranslatable(f"a train of {count:,} pulses, at most {MOST_PULSES:,} are translated")
    if count < 1:
        return sp.S.Zero
    return fn.pulse_train(height, start, width, interval, end, count)


def _xmile_pulse(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """XMILE PULSE(size, first, interval), as PySD orders it: (first, [interval,] size); size is spread over a step.

    Source     OASIS, XMILE Version 1.0 (2015), section 3.5.4: without an interval, or with one of 0, one pulse
    """
    values = [walker.expression(a, place) for a in arguments]
    start, size, step = values[0], values[-1], walker.translation.time_step
    if len(values) == 2:
        return fn.pulse(size / step, start, step)
    return _train(walker, size / step, start, values[1], step, walker.translation.final_time)


def _counter(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """COUNTER(first, last) of Stella.

    Equation   first + (time - start of the run) modulo (last - first)
    Valid for  last > first, in units of time
    Source     isee systems, Stella help, Test input builtins: counts from `first` at the start of the run, and begins
               anew when it reaches `last`
    """
    first, last = (walker.expression(a, place) for a in arguments)
    since, cycle = TIME - walker.translation.initial_time, last - first
    # dates are sums of steps, so that the end of a cycle may be missed by rounding
    return first + since - cycle * sp.floor(since / cycle + sp.Float(1e-9))


TIME_CALLS: Mapping[str, tuple[tuple[int, int], Special]] = {
    "step": ((2, 2), _step),
    "ramp": ((3, 3), _ramp),
    "Xramp": ((2, 2), _endless_ramp),
    "pulse": ((2, 2), _pulse),
    "pulse_train": ((4, 4), _pulse_train),
    "Xpulse": ((2, 2), _xmile_pulse),
    "Xpulse_train": ((3, 3), _xmile_pulse),
    "counter": ((2, 2), _counter),
    "get_time_value": ((3, 3), time_value),
}
