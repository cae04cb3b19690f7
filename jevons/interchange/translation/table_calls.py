"""Functions that read lookups, vectors and data in their own way."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.functions import TIME
from jevons.interchange.dimensions import canonical
from jevons.interchange.translation.curve_functions import Curve, strictly_monotone
from jevons.interchange.translation.expressions import (
    MISSING,
    SMALL,
    Expressions,
    Place,
    Untranslatable,
    choose,
    compare,
    number,
    subscripts_in,
)

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]
Points = Sequence[tuple[float, float]]


def _table_with(outside: str, between: str = "linear") -> Special:
    def read(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
        table = walker.translation.table_argument(arguments[0], place, outside, between)
        return fn.Lookup(table, walker.expression(arguments[1], place))

    return read


def _lookup(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    return fn.Lookup(walker.translation.table_argument(arguments[0], place), walker.expression(arguments[1], place))


def _points(walker: Expressions, node: Any, place: Place) -> Points:
    return walker.translation.points(walker.translation.table_argument(node, place))


def _curve(points: Points) -> Curve:
    xs, ys = zip(*points, strict=True)
    if any(b <= a for a, b in pairwise(xs)):
        raise Untranslatable("a lookup with two points at one place has neither an area nor a slope here")
    return Curve([number(x) for x in xs], [number(y) for y in ys])


def _area(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """LOOKUP AREA(lookup, start, end) of Vensim: beyond its ends a lookup keeps its last value.

    Source     Vensim Help, LOOKUP AREA
    """
    curve = _curve(_points(walker, arguments[0], place))
    start, end = (walker.expression(a, place) for a in arguments[1:])
    return curve.area(end) - curve.area(start)


def _slope(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """LOOKUP SLOPE(lookup, x, mode) of Vensim; see `Curve.slope`."""
    mode = _whole(walker, arguments[2], place, "the mode of LOOKUP SLOPE", (-1, 0, 1))
    x = walker.unconditional(walker.expression(arguments[1], place), place)
    return _curve(_points(walker, arguments[0], place)).slope(x, mode)


def _inverse(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """LOOKUP INVERT(lookup, y) of Vensim: the x at which a monotone lookup has the value y, or the nearer end."""
    points = _points(walker, arguments[0], place)
    strictly_monotone(points)
    return _curve(points).inverse(walker.expression(arguments[1], place))


def _vector_lookup(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """VECTOR LOOKUP(first element, x, least x, greatest x, mode) of Vensim.

    Equation   a curve through the elements of the last subscript at equal distances: 0 its value, 1 its area from the
               least x, 2 backward, 3 extrapolated, 4 forward, 5 inverse, 6 slope; 7 to 9 as 1, 5, 6, extrapolated
    Valid for  a mode known before the run; modes 5 and 8 where the elements rise or fall all the way
    Source     Vensim Help, VECTOR LOOKUP
    """
    mode = _whole(walker, arguments[4], place, "the mode of VECTOR LOOKUP", range(10))
    x, low, high = (walker.expression(a, place) for a in arguments[1:4])
    ys = _vector(walker, arguments[0], place)
    if len(ys) < 2:
        raise Untranslatable("VECTOR LOOKUP needs an array of two elements or more")
    if mode in (2, 4, 6, 9):
        x, low, high = (walker.unconditional(e, place) for e in (x, low, high))
    width = (high - low) / (len(ys) - 1)
    curve = Curve([low + k * width for k in range(len(ys))], ys)
    if mode in (0, 3):
        return curve.value(x, extrapolate=mode == 3)
    if mode in (2, 4):
        return curve.held(x, forward=mode == 4)
    if mode in (1, 7):
        return curve.area(x, extrapolate=mode == 7)
    if mode in (5, 8):
        return curve.inverse(x, extrapolate=mode == 8)
    return curve.slope(x, int(mode == 9))


def _vector(walker: Expressions, node: Any, place: Place) -> list[sp.Expr]:
    """Elements of an array along its last subscript, from the first on, whichever is named."""
    dimensions = walker.translation.dimensions
    subscripts = [canonical(s) for s in subscripts_in(node)]
    variable = place.scope.find(canonical(getattr(node, "reference", "")))
    if variable is None or not variable.ranges or len(subscripts) != len(variable.ranges):
        raise Untranslatable("VECTOR LOOKUP needs the first element of an array as its first argument")
    others = [dimensions.resolve(s, place.binding, frozenset())[0] for s in subscripts[:-1]]
    labels = [(*others, label) for label in dimensions.labels[variable.ranges[-1]]]
    return [variable.slots[key].symbol for key in labels if key in variable.slots]


def _whole(walker: Expressions, node: Any, place: Place, what: str, valid: Sequence[int]) -> int:
    expression = walker.expression(node, place)
    value = None if walker.translation.changes(expression) else walker.translation.start_value(expression)
    if value is None or value not in valid:
        found = "one that changes" if value is None else f"{value:g}"
        raise Untranslatable(f"{what} must be one of {', '.join(map(str, valid))}, known before the run; found {found}")
    if not expression.is_number:
        walker.translation.note(f"{place.owner}: {what} is taken as {value:g} in every run")
    return int(value)


def _time_shift(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    table = walker.translation.table_argument(arguments[0], place)
    return fn.Lookup(table, TIME + walker.expression(arguments[1], place))


def _data_between(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """GET DATA BETWEEN TIMES(data, time, mode) of Vensim.

    Equation   -1 the last point before ⌊time⌋, 0 interpolated, 1 the first point not before ⌊time⌋
    Valid for  whole numbers as times in mode 0; Vensim gives other values between them, by a rule it does not tell
    Source     what Vensim computes in SDEverywhere's test model `getdata`; its manual does not tell of the rounding
    """
    expression = walker.expression(arguments[2], place)
    mode = None if walker.translation.changes(expression) else walker.translation.start_value(expression)
    if mode is None:
        raise Untranslatable("GET DATA BETWEEN TIMES needs a mode that is known before the run and does not change")
    between = "forward" if mode >= 1 else "hold" if mode <= -1 else "linear"
    table = walker.translation.table_argument(arguments[0], place, None, between)
    time = walker.expression(arguments[1], place)
    if between == "linear":
        return fn.Lookup(table, time)
    whole = sp.floor(time + sp.Float(1e-9))
    return fn.Lookup(table, whole - (sp.Float(1e-6) if between == "hold" else 0))


def _table_edge(which: int) -> Special:
    def edge(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
        return number(_points(walker, arguments[0], place)[which][0])

    return edge


def _data_statistic(of: Callable[[list[float]], float]) -> Special:
    """GET DATA MEAN and the like (data, first time, last time) of Vensim, over the points between two dates."""

    def statistic(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
        limits = [walker.expression(a, place) for a in arguments[1:]]
        known = [None if walker.translation.changes(e) else walker.translation.start_value(e) for e in limits]
        if None in known:
            raise Untranslatable("statistics of data need dates that are known before the run and do not change")
        first, last = (float(k) for k in known if k is not None)
        points = _points(walker, arguments[0], place)
        values = [y for x, y in points if first - SMALL <= x <= last + SMALL]
        return number(of(values)) if values else MISSING

    return statistic


def _missing(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """X IF MISSING(x, otherwise) of Vensim: data are never missing where they are read, unless they are `:NA:`."""
    x, otherwise = (walker.expression(a, place) for a in arguments)
    x = walker.unconditional(x, place)
    return choose(compare("=", x, MISSING), otherwise, x)


_DATA_STATISTICS: Mapping[str, Callable[[list[float]], float]] = {
    "get_data_mean": statistics.fmean,
    "get_data_median": statistics.median,
    "get_data_minimum": min,
    "get_data_maximum": max,
    "get_data_total_points": len,
}

TABLE_CALLS: Mapping[str, tuple[tuple[int, int], Special]] = {
    "lookup": ((2, 2), _lookup),
    "lookup_extrapolate": ((2, 2), _table_with("extrapolate")),
    "lookup_forward": ((2, 2), _table_with("clamp", "forward")),
    "lookup_backward": ((2, 2), _table_with("clamp", "hold")),
    "lookup_area": ((3, 3), _area),
    "lookup_slope": ((3, 3), _slope),
    "lookup_invert": ((2, 2), _inverse),
    "vector_lookup": ((5, 5), _vector_lookup),
    "get_data_at_time": ((2, 2), _lookup),
    "get_data_between_times": ((3, 3), _data_between),
    "get_data_first_time": ((1, 1), _table_edge(0)),
    "get_data_last_time": ((1, 1), _table_edge(-1)),
    **{name: ((3, 3), _data_statistic(of)) for name, of in _DATA_STATISTICS.items()},
    "time_shift": ((2, 2), _time_shift),
    "x_if_missing": ((2, 2), _missing),
}
