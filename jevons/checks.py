"""Checks of a set of elements. Each returns the mistakes it found; nothing is raised before all have run."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons import units
from jevons.elements import (
    BETWEEN,
    OUTSIDE,
    STATUSES,
    Auxiliary,
    Driver,
    Element,
    Flow,
    InitialUnknown,
    LogNormal,
    Normal,
    Parameter,
    Range,
    Roles,
    Stock,
    Table,
    finite,
)
from jevons.errors import nearest
from jevons.functions import TIME
from jevons.lowering import moving_dates, nodes, references
from jevons.units import UnitMismatch, brief, show

_NOT_FINITE = tuple(type(e) for e in (sp.nan, sp.oo, -sp.oo, sp.zoo))


def declaration_mistakes(elements: Sequence[Element], evidence: bool = True) -> Iterator[str]:
    """Names, values, and with `evidence` units, documentation and sources: all that one element can get wrong alone."""
    known: set[Any] = set()
    for name, count in Counter(e.name for e in elements).items():
        if count > 1:
            yield f"{name!r}: defined {count} times, expected once"
    for element in elements:
        if not isinstance(element.name, str) or not element.name.strip():
            yield f"an element of kind {type(element).__name__}: found name {element.name!r}, expected text"
            continue
        if element.name == TIME.name:
            yield "'time': reserved for the model's time, choose another name"
        if evidence and not str(element.doc).strip():
            yield f"{element.name!r}: documentation is missing"
        try:
            if evidence:
                units.parse_unit(element.unit)
            if evidence and isinstance(element, Table):
                units.parse_unit(element.x_unit)
        except UnitMismatch as mismatch:
            yield f"{element.name!r}: {mismatch}"
        if isinstance(element, InitialUnknown) and not (finite(element.guess) and element.guess > 0):
            yield f"{element.name!r}: guess {element.guess!r}, expected a positive number"
        if isinstance(element, (Parameter, Table)):
            yield from _evidence_mistakes(element, evidence)
        for what, expression in element.expressions():
            if not isinstance(expression, sp.Expr):
                yield f"{element.name!r}: {what} is {type(expression).__name__}, expected an expression"
                continue
            found = list(nodes(expression))
            if any(isinstance(node, _NOT_FINITE) for node in found):
                yield f"{element.name!r}: {what} `{brief(expression)}` is not finite"
            symbols = {node for node in found if isinstance(node, sp.Symbol)}
            for foreign in sorted(symbols - known, key=lambda s: s.name):
                known.add(fn.symbol(foreign.name))
                if foreign not in known:
                    yield f"{element.name!r}: {what} uses a foreign symbol {foreign.name!r}, take it from Names()"
            if what != "equation" and any(
                isinstance(f, fn.HiddenStockFunction) and not isinstance(f, fn.Initial) for f in found
            ):
                yield f"{element.name!r}: {what} `{brief(expression)}` needs a past, which a start does not have"


def _evidence_mistakes(element: Parameter | Table, evidence: bool) -> Iterator[str]:
    name = element.name
    if evidence and not str(element.source).strip():
        yield f"{name!r}: source is missing"
    if element.status not in STATUSES:
        hint = nearest(str(element.status), STATUSES)
        yield f"{name!r}: status {element.status!r}, expected one of {', '.join(STATUSES)}{hint}"
    if isinstance(element, Parameter):
        if not finite(element.value):
            yield f"{name!r}: value {element.value!r}, expected a finite number"
        if evidence and element.status in ("fitted", "assumed") and element.prior is None:
            yield (
                f"{name!r}: status {element.status} without a prior or plausible range, "
                "expected for example prior=Range(low, high)"
            )
        yield from _prior_mistakes(name, element.prior)
        return
    if element.outside not in OUTSIDE:
        yield f"{name!r}: outside {element.outside!r}, expected 'clamp' or 'extrapolate'"
    if element.between not in BETWEEN:
        yield f"{name!r}: between {element.between!r}, expected 'linear', 'hold' or 'forward'"
    elif element.between != "linear" and element.outside == "extrapolate":
        yield f"{name!r}: between {element.between!r} with outside 'extrapolate', expected 'clamp'"
    xs = [x for x, _ in element.points]
    if len(xs) < 2 or not all(finite(x) and finite(y) for x, y in element.points):
        yield f"{name!r}: expected at least two points of finite numbers"
    elif not _rises(xs, jumps=element.between == "linear"):
        yield f"{name!r}: the points' arguments must rise strictly, but for jumps (two points at one argument) inside"


def _rises(xs: Sequence[float], *, jumps: bool) -> bool:
    """Whether arguments rise; with `jumps` two may be the same, but not the first or last two, nor three."""
    steps = [b - a for a, b in itertools.pairwise(xs)]
    if min(steps) > 0:
        return True
    inside = steps[0] > 0 and steps[-1] > 0
    return jumps and inside and min(steps) == 0 and not any(a == b == 0 for a, b in itertools.pairwise(steps))


def _prior_mistakes(name: str, prior: Any) -> Iterator[str]:
    if prior is not None and not isinstance(prior, (LogNormal, Normal, Range)):
        yield f"{name!r}: prior {prior!r}, expected LogNormal, Normal or Range"
    elif isinstance(prior, LogNormal) and not (prior.median > 0 and prior.sd_log > 0):
        yield f"{name!r}: prior {prior}, expected positive median and sd"
    elif isinstance(prior, Normal) and not prior.sd > 0:
        yield f"{name!r}: prior {prior}, expected a positive sd"
    elif isinstance(prior, Range) and not prior.low <= prior.high:
        yield f"{name!r}: range {prior}, expected low ≤ high"


def reference_mistakes(elements: Sequence[Element], roles: Roles | None) -> Iterator[str]:
    """Names that are used and not defined, or used for what they are not."""
    by_name = {e.name: e for e in elements}
    stocks = frozenset(e.name for e in elements if isinstance(e, Stock))
    for element in elements:
        for what, expression in element.expressions():
            if not isinstance(expression, sp.Expr):
                continue
            for name in sorted(references(expression)):
                if name not in by_name:
                    yield f"{element.name!r}: {what} uses {name!r}, which is not defined{nearest(name, by_name)}"
                elif isinstance(by_name[name], InitialUnknown) and what == "equation":
                    yield f"{element.name!r}: equation uses {name!r}, which exists only at the start of a run"
            yield from _table_mistakes(element.name, expression, by_name)
        if isinstance(element, Flow):
            yield from _flow_end_mistakes(element, by_name, stocks)
    if roles is not None:
        for role, name in roles.names():
            if name not in by_name:
                yield f"role {role}: {name!r} is not defined{nearest(name, by_name)}"
            elif role.startswith("efficiency") and not isinstance(by_name[name], (Parameter, Auxiliary)):
                yield f"role {role}: {name!r} is a {type(by_name[name]).__name__}, expected a Parameter"
            elif role == "service" and not isinstance(by_name[name], Auxiliary):
                yield f"role {role}: {name!r} is a {type(by_name[name]).__name__}, expected an Auxiliary"
            elif role == "cumulative_energy" and not isinstance(by_name[name], Stock):
                yield f"role {role}: {name!r} is a {type(by_name[name]).__name__}, expected a Stock"


def _table_mistakes(owner: str, expression: sp.Expr, by_name: Mapping[str, Element]) -> Iterator[str]:
    inside = set()
    found = list(nodes(expression))
    for node in found:
        if not isinstance(node, fn.Lookup):
            continue
        table = node.args[0]
        inside.add(table)
        element = by_name.get(table.name)
        if element is not None and not isinstance(element, Table):
            kind = type(element).__name__
            yield f"{owner!r}: looks up in {table.name!r}, which is a {kind}, expected a Table"
    for name in {node.name for node in found if isinstance(node, sp.Symbol)}:
        element = by_name.get(name)
        bare = isinstance(element, Table) and not isinstance(element, Driver)
        if bare and fn.symbol(name) not in inside:
            yield f"{owner!r}: table {name!r} needs an argument: lookup({name!r}, x)"


def _flow_end_mistakes(flow: Flow, by_name: Mapping[str, Element], stocks: Collection[str]) -> Iterator[str]:
    if flow.source is None and flow.target is None:
        yield f"{flow.name!r}: neither leaves nor enters a stock; make it an auxiliary"
    for end, name in (("source", flow.source), ("target", flow.target)):
        if name is not None and name not in stocks:
            found = type(by_name[name]).__name__ if name in by_name else "not defined"
            yield f"{flow.name!r}: {end} {name!r} is {found}, expected a stock{nearest(name, sorted(stocks))}"


def unit_of(elements: Mapping[str, Element], time_unit: str) -> Callable[[sp.Symbol], Any]:
    """Units of symbols for `units.infer`; a table's symbol gives the pair (argument, value)."""

    def lookup(symbol: sp.Symbol) -> Any:
        if symbol == TIME:
            return units.parse_unit(time_unit)
        element = elements[symbol.name]
        if isinstance(element, Table) and not isinstance(element, Driver):
            return units.parse_unit(element.x_unit), units.parse_unit(element.unit)
        return units.parse_unit(element.unit)

    return lookup


def unit_mistakes(elements: Sequence[Element], time_unit: str) -> Iterator[str]:
    """Units of every equation, initial value, flow and driver whose names and units are known."""
    try:
        time = units.parse_unit(time_unit)
    except UnitMismatch as mismatch:
        yield f"time: {mismatch}"
        return
    by_name = {e.name: e for e in elements if _units_parse(e)}
    symbols = unit_of(by_name, time_unit)
    for element in by_name.values():
        expected = units.parse_unit(element.unit)
        for what, expression in element.expressions():
            if not isinstance(expression, sp.Expr) or references(expression) - set(by_name):
                continue
            if isinstance(element, Stock) and expression.is_number:
                continue  # a number alone is in the stock's own unit, like the value of a parameter
            if any(_table_mistakes(element.name, expression, by_name)):
                continue
            try:
                found = units.infer(expression, symbols, time)
            except UnitMismatch as mismatch:
                yield f"{element.name!r}: {what}: {mismatch}"
                continue
            if found is not None and not units.same_unit(found, expected):
                yield (
                    f"{element.name!r}: {what} `{brief(expression)}`: found {show(found)}, "
                    f"expected {show(expected)}{_scale_hint(found, expected)}"
                )
        if isinstance(element, Flow):
            for end in {element.source, element.target} & set(by_name):
                rate = units.parse_unit(by_name[str(end)].unit) / time
                if not units.same_unit(expected, rate):
                    yield (f"{element.name!r}: flow of stock {end!r}: found {show(expected)}, expected {show(rate)}")
        if isinstance(element, Driver) and not units.same_unit(units.parse_unit(element.x_unit), time):
            yield f"{element.name!r}: driver over {element.x_unit!r}, expected {time_unit!r}"


def _units_parse(element: Element) -> bool:
    try:
        units.parse_unit(element.unit)
        if isinstance(element, Table):
            units.parse_unit(element.x_unit)
    except UnitMismatch:
        return False
    return True


def _scale_hint(found: Any, expected: Any) -> str:
    factor = units.factor_between(found, expected)
    return "" if factor is None else f" (same dimension, {factor:g} times too large)"


def switch_mistakes(elements: Iterable[Element]) -> Iterator[str]:
    """Dates of steps, pulses, ramps and date conditions may depend on parameters only."""
    by_name = {e.name: e for e in elements}
    for element in by_name.values():
        for _, expression in element.expressions():
            for date in moving_dates(expression, by_name):
                wrong = sorted(n for n in references(date) if not isinstance(by_name[n], Parameter))
                yield f"{element.name!r}: date `{brief(date)}` may use parameters only, found {wrong}"
