"""Functions of money: present values, depreciation, compound growth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.interchange.translation.expressions import Expressions, Place, Untranslatable
from jevons.interchange.translation.past import MOST_STAGES

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]


def _present_value(at_the_end: bool) -> Special:
    """NPV and NPVE(stream, discount rate, initial value, factor) of Vensim.

    Equation   (A + s h d) f, A' = s d from A0, d' = -d r/(1 + r h) from 1, or from 1/(1 + r h) at the end of the period
    Valid for  a step h and a discount rate r > -1/h (per time); in units of the stream times time
    Source     Vensim Help, NPV and NPVE
    """

    def value(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
        stream, rate, start, factor = (walker.expression(a, place) for a in arguments)
        translation, step = walker.translation, walker.translation.time_step
        first = 1 / (1 + rate * step) if at_the_end else sp.S.One
        discount = translation.held(f"{place.owner} discount", first, place)
        translation.change(discount, -discount * rate / (1 + rate * step), place)
        sum_so_far = translation.held(f"{place.owner} accumulated", start, place)
        translation.change(sum_so_far, stream * discount, place)
        return (sum_so_far + stream * step * discount) * factor

    return value


def _straight_line(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """DEPRECIATE STRAIGHTLINE(stream, time, fiscal period, initial) of Vensim.

    Equation   (s + B)/T, B' = (s - s of T/h - 1 steps ago)/h: what came in within the last T, spread evenly over T
    Valid for  Euler's method with the file's step h; T a whole number of steps, a fiscal period of one step, initial 0
    Source     Vensim Help, DEPRECIATE STRAIGHTLINE; SDEverywhere's test model `depreciate` for the timing
    """
    stream, time, period, start = (walker.expression(a, place) for a in arguments)
    translation, step = walker.translation, walker.translation.time_step
    length, width, fiscal, first = (translation.start_value(e) for e in (time, step, period, start))
    if length is None or width is None or translation.changes(time):
        raise Untranslatable("DEPRECIATE STRAIGHTLINE needs a time that is known before the run and does not change")
    if fiscal is None or fiscal > width * (1 + 1e-9) or first != 0:
        raise Untranslatable(
            "DEPRECIATE STRAIGHTLINE is translated for a fiscal period of one step and an initial value of 0: "
            "how Vensim collects within longer periods is not published"
        )
    stages = round(length / width)
    if stages < 1 or abs(stages * width - length) > 1e-6 * width:
        raise Untranslatable(f"DEPRECIATE STRAIGHTLINE over {length:g}, expected a multiple of the step {width:g}")
    if stages > MOST_STAGES:
        raise Untranslatable(f"a depreciation over {stages:,} steps, at most {MOST_STAGES:,} are translated")
    if stages == 1:
        return stream / time
    book = translation.held(f"{place.owner} book", sp.S.Zero, place)
    leaving = fn.pipeline_delay(stream, time / stages, sp.S.Zero, stages - 1)
    translation.change(book, (stream - leaving) / step, place)
    return (stream + book) / time


def _compound_growth(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """CGROWTH(percent) of Stella: the rate per time that compounds to a growth by so many percent per unit of time.

    Equation   ((1 + p/100)^h - 1)/h
    Valid for  a step h and p > -100; a stock times it as its inflow, under Euler's method
    Source     isee systems, Stella help, Financial builtins
    """
    percent, step = walker.expression(arguments[0], place), walker.translation.time_step
    return ((1 + percent / 100) ** step - 1) / step


FINANCE_CALLS: Mapping[str, tuple[tuple[int, int], Special]] = {
    "npv": ((4, 4), _present_value(at_the_end=False)),
    "npve": ((4, 4), _present_value(at_the_end=True)),
    "depreciate_straightline": ((4, 4), _straight_line),
    "cgrowth": ((1, 1), _compound_growth),
}
