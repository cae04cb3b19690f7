"""Stocks with rules of their own: SINTEG and SHIFT IF TRUE of Vensim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from jevons.interchange.dimensions import canonical
from jevons.interchange.translation.expressions import (
    MISSING,
    Expressions,
    Place,
    Untranslatable,
    choose,
    compare,
    number,
)
from jevons.interchange.translation.number_functions import greatest, least
from jevons.interchange.translation.scope import Slot

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]


def _limited_stock(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """SINTEG(rate, initial, least, most, quantum, special, threshold) of Vensim; `:NA:` where a rule does not apply.

    Equation   S' = (L(S + h r) - S)/h, L(x) = min(max(x, least), most), and `special` within `threshold` of it
    Valid for  Euler's method with the file's step h; no quantum
    Source     Vensim Help, SINTEG
    """
    rate, start = (walker.expression(a, place) for a in arguments[:2])
    rules = [_rule(walker, a, place) for a in arguments[2:]]
    low, high, quantum, special, threshold = rules
    if quantum is not None:
        raise Untranslatable("SINTEG with a quantum: how Vensim rounds to its multiples is not published")
    if (special is None) != (threshold is None):
        raise Untranslatable("SINTEG needs both a special value and its threshold, or neither")
    translation, step = walker.translation, walker.translation.time_step
    stock = translation.held(f"{place.owner} held", start, place)
    if all(r is None for r in rules):
        translation.change(stock, rate, place)
        return stock
    following = stock + step * rate
    if low is not None:
        following = greatest(following, low)
    if high is not None:
        following = least(following, high)
    if special is not None and threshold is not None:
        following = walker.translation.helper(f"{place.owner} next", following, place)
        near = compare("<", sp.Abs(following - special), threshold)
        following = choose(near, special, following)
    translation.change(stock, (following - stock) / step, place)
    return stock


def _rule(walker: Expressions, argument: Any, place: Place) -> sp.Expr | None:
    value = walker.expression(argument, place)
    if value == MISSING:
        return None
    if walker.translation.changes(value):
        raise Untranslatable("SINTEG needs limits that are numbers or :NA:")
    return value


def _shift(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """SHIFT IF TRUE(first stock, condition, size, accumulate, new value) of Vensim.

    Equation   where the condition holds: S_k' + S_(k-1)/h - S_k/h for all k of the last subscript, S_1 becomes the new
               value; the last keeps what it has and takes what comes where `accumulate` is not zero
    Valid for  Euler's method with the file's step h: what is shifted arrives with the next step
    Source     Vensim Help, SHIFT IF TRUE
    """
    translation = walker.translation
    condition = walker.condition(arguments[1], place)
    size, accumulate = (translation.start_value(walker.expression(a, place)) for a in arguments[2:4])
    new = walker.expression(arguments[4], place)
    stocks = _following(walker, arguments[0], place)
    if size is None or not 1 <= round(size) <= len(stocks):
        raise Untranslatable(f"SHIFT IF TRUE needs a size from 1 to {len(stocks)} that is known before the run")
    chain = stocks[: round(size)]
    if accumulate is None:
        raise Untranslatable("SHIFT IF TRUE needs to know before the run whether it accumulates")
    if any(slot.kind != "IntegStructure" for slot in chain):
        raise Untranslatable("SHIFT IF TRUE needs stocks (INTEG) as its first argument")
    step = translation.time_step
    values = [slot.symbol for slot in chain]
    before = [new, *values[:-1]]
    for k, (slot, value) in enumerate(zip(chain, values, strict=True)):
        last = k == len(chain) - 1
        kept = sp.S.Zero if last and accumulate else value
        if k == 0 and last and accumulate:
            continue
        translation.change(slot.symbol, choose(condition, (before[k] - kept) / step, sp.S.Zero), place)
    translation.note(f"{place.owner}: SHIFT IF TRUE moves its stocks with the step after its condition holds")
    return number(0) if accumulate else choose(condition, values[-1], sp.S.Zero)


def _following(walker: Expressions, node: Any, place: Place) -> list[Slot]:
    """An element of an array and those after it along its last subscript."""
    translation = walker.translation
    variable = place.scope.find(canonical(getattr(node, "reference", "")))
    given = None if getattr(node, "subscripts", None) is None else [str(s) for s in node.subscripts.subscripts]
    if variable is None or not variable.ranges:
        raise Untranslatable("SHIFT IF TRUE needs an element of an array as its first argument")
    written = given if given is not None else list(variable.ranges)
    resolved = [translation.dimensions.resolve(each, place.binding, frozenset())[0] for each in written]
    labels = translation.dimensions.labels[variable.ranges[-1]]
    if resolved[-1] not in labels or tuple(resolved) not in variable.slots:
        raise Untranslatable(
            f"SHIFT IF TRUE: {variable.name} has no element {translation.dimensions.label_names(resolved)}"
        )
    rest = labels[labels.index(resolved[-1]) :]
    return [variable.slots[*resolved[:-1], label] for label in rest if (*resolved[:-1], label) in variable.slots]


STOCK_CALLS: Mapping[str, tuple[tuple[int, int], Special]] = {
    "sinteg": ((7, 7), _limited_stock),
    "shift_if_true": ((5, 5), _shift),
}
