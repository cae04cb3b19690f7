"""Vector functions of imported models, over arrays of expressions.

Every function takes numpy object arrays of sympy expressions (real symbols), one axis a dimension, and gives an
array or an expression back. Where all arguments are numbers the result is numbers. Functions that order, rank or
reorder act along the last axis, as Vensim's do along the last subscript.

`name(label, expression)` registers a hidden auxiliary and returns its symbol. It is needed where a condition would
hold another condition: sympy multiplies such conditions out whenever it rebuilds them, which grows without bound.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from jevons.errors import ModelError
from jevons.functions import ModelFunction

Name: TypeAlias = Callable[[str, sp.Expr], sp.Expr]
"""Registers a hidden auxiliary and returns its symbol."""
Axes: TypeAlias = Sequence[int] | None
"""Axes a function reduces; None for all."""
Array: TypeAlias = Any
"""A numpy object array of sympy expressions."""

LARGEST = sp.Float(sys.float_info.max)
"""Stands for 'no value yet' in minima and maxima; never shown, since the missing value replaces it."""


def expressions(values: Any) -> Array:
    """Anything nested as a numpy object array of sympy expressions; whole numbers become floating ones."""
    raw = np.asarray(values, dtype=object)
    out = np.empty(raw.shape, dtype=object)
    for index in np.ndindex(raw.shape):
        item = sp.sympify(raw[index])
        out[index] = sp.Float(float(item)) if is_number(item) else item
    return out


def is_number(e: sp.Basic) -> bool:
    """Whether an expression is a number as it stands; functions of time, such as a step, are not."""
    if isinstance(e, sp.Number) or not e.is_number:
        return isinstance(e, sp.Number)
    return not isinstance(e, sp.logic.boolalg.Boolean) and not e.has(ModelFunction)


def numbers(*arrays: Any) -> bool:
    """Whether everything in all arrays is a number."""
    return all(is_number(sp.sympify(e)) for a in arrays for e in np.asarray(a, dtype=object).flat)


def floats(array: Any) -> Any:
    """An array of number expressions as floats."""
    return np.vectorize(float, otypes=[float])(array)


def compare(left: sp.Expr, relation: str, right: sp.Expr) -> Any:
    """A relation, decided if both sides are numbers or the same expression; otherwise kept as written."""
    kinds = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge, "==": sp.Eq, "!=": sp.Ne}
    if is_number(left) and is_number(right):
        a, b = float(left), float(right)
        holds = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}
        return sp.true if holds[relation] else sp.false
    if left == right:
        return sp.true if relation in ("<=", ">=", "==") else sp.false
    return kinds[relation](left, right, evaluate=False)


def where(condition: Any, yes: Any, no: Any) -> sp.Expr:
    """`yes` where the condition holds, else `no`; decided where the condition is."""
    if condition in (sp.true, sp.false):
        return yes if condition == sp.true else no
    return yes if yes == no else sp.Piecewise((yes, condition), (no, True), evaluate=False)


def only_where(condition: Any, value: sp.Expr) -> sp.Expr:
    """`value` where the condition holds; elsewhere not a number."""
    if condition in (sp.true, sp.false):
        return value if condition == sp.true else sp.nan
    return sp.Piecewise((value, condition), evaluate=False)


def unconditional(e: sp.Expr, label: str, name: Name | None) -> sp.Expr:
    """An expression that may stand in a condition: itself, or the auxiliary made of it if it holds conditions."""
    if not e.has(sp.Piecewise):
        return e
    if name is None:
        raise ModelError("an array function", [f"{label} depends on conditions and needs an auxiliary: pass `name`"])
    return name(label, e)


def reduce_axes(x: Array, axes: Axes, of: Callable[[list[sp.Expr]], sp.Expr]) -> Any:
    """Apply a function to all elements along some axes; an expression if no axis is left."""
    x = expressions(x)
    gone = tuple(range(x.ndim)) if axes is None else tuple(sorted(a % x.ndim for a in axes))
    kept = [a for a in range(x.ndim) if a not in gone]
    moved = np.transpose(x, [*kept, *gone])
    shape = tuple(x.shape[a] for a in kept)
    out = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        out[index] = of(list(np.asarray(moved[index], dtype=object).flat))
    return out[()] if not shape else out


def _along_last(x: Array, of: Callable[[list[sp.Expr]], list[sp.Expr]]) -> Array:
    x = expressions(x)
    out = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape[:-1]):
        out[index] = of(list(x[index]))
    return out


def folded(e: sp.Expr) -> sp.Expr:
    """An expression, or the floating number that it is."""
    return sp.Float(float(e)) if is_number(e) else e


# --- sums and extremes ------------------------------------------------------------------------------------------------


def array_sum(x: Array, axes: Axes = None) -> Any:
    """Sum over axes (Vensim SUM, XMILE SUM), in the unit of `x`; of nothing 0."""
    return reduce_axes(x, axes, lambda items: folded(sp.Add(*items)))


def array_product(x: Array, axes: Axes = None) -> Any:
    """Product over axes (Vensim PROD, XMILE PROD); of nothing 1."""
    return reduce_axes(x, axes, lambda items: folded(sp.Mul(*items)))


def array_min(x: Array, axes: Axes = None) -> Any:
    """Least element over axes (Vensim VMIN, XMILE MIN), in the unit of `x`."""
    return reduce_axes(x, axes, lambda items: extreme(items, sp.Min, min))


def array_max(x: Array, axes: Axes = None) -> Any:
    """Greatest element over axes (Vensim VMAX, XMILE MAX), in the unit of `x`."""
    return reduce_axes(x, axes, lambda items: extreme(items, sp.Max, max))


def extreme(items: Sequence[sp.Expr], kind: Any, plain: Callable[..., float]) -> sp.Expr:
    """Least or greatest of some expressions; the numbers among them count as one."""
    if not items:
        raise ModelError("VMIN or VMAX", ["of an array without elements"])
    constants = [float(i) for i in items if is_number(i)]
    rest = list(dict.fromkeys(i for i in items if not is_number(i)))
    if constants:
        rest.append(sp.Float(plain(constants)))
    # sympy compares every pair when it evaluates, which costs more than it gains
    return rest[0] if len(rest) == 1 else kind(*rest, evaluate=False)


def array_size(x: Array, axes: Axes = None) -> Any:
    """Number of elements over axes (Vensim ELMCOUNT, XMILE SIZE); dimensionless."""
    return reduce_axes(x, axes, lambda items: sp.Float(len(items)))


def array_mean(x: Array, axes: Axes = None) -> Any:
    """Arithmetic mean over axes (XMILE MEAN), in the unit of `x`."""
    return reduce_axes(x, axes, _mean)


def _mean(items: Sequence[sp.Expr]) -> sp.Expr:
    return folded(sp.Add(*items) / sp.Float(len(items)))


def array_stddev(x: Array, axes: Axes = None) -> Any:
    """Standard deviation over axes (XMILE STDDEV), in the unit of `x`.

    Equation   sqrt(Σ (x_i - mean)² / n)
    Valid for  n ≥ 1 elements, which are the whole population
    """

    def deviation(items: list[sp.Expr]) -> sp.Expr:
        mean = _mean(items)
        squares = sp.Add(*((item - mean) ** 2 for item in items))
        return folded(sp.sqrt(squares / sp.Float(len(items))))

    return reduce_axes(x, axes, deviation)


# --- order ------------------------------------------------------------------------------------------------------------


def _places(items: Sequence[sp.Expr], name: Name | None = None) -> list[sp.Expr]:
    """Place of each element, from 0, when sorted from the least; equal elements keep their order."""
    if numbers(items):
        order = np.argsort([float(i) for i in items], kind="stable")
        return [sp.Integer(int(p)) for p in np.argsort(order)]
    plain = [unconditional(e, f"element {i + 1}", name) for i, e in enumerate(items)]
    return [
        sp.Add(
            *(where(compare(y, "<=" if j < i else "<", x), sp.S.One, sp.S.Zero) for j, y in enumerate(plain) if j != i)
        )
        for i, x in enumerate(plain)
    ]


def named(e: sp.Expr, label: str, name: Name | None) -> sp.Expr:
    """The auxiliary made of an expression, where it is more than a name and auxiliaries can be made."""
    return e if name is None or is_number(e) or e.is_Symbol else name(label, e)


def _is(place: sp.Expr, k: int) -> sp.Expr:
    """1 where a place is k, else 0; halves decide, so that no rounding does."""
    above = where(compare(place, "<", sp.Float(k + 0.5)), sp.S.One, sp.S.Zero)
    return above if k == 0 else where(compare(place, "<", sp.Float(k - 0.5)), sp.S.Zero, above)


def _by_direction(
    direction: Any, rising: Sequence[sp.Expr], falling: Sequence[sp.Expr], name: Name | None
) -> list[sp.Expr]:
    up = compare(unconditional(expressions(direction)[()], "direction", name), ">", sp.S.Zero)
    return [folded(where(up, a, b)) for a, b in zip(rising, falling, strict=True)]


def vector_sort_order(x: Array, direction: Any, name: Name | None = None) -> Array:
    """Position (from 0) of the element that comes first, second, ... along the last axis (Vensim VECTOR SORT ORDER).

    Equation   order_k = Σ_i i·[place_i = k], place_i = #{j: x_j < x_i, or x_j = x_i and j < i}
    Valid for  direction > 0: from the least; otherwise from the greatest, the reverse of it; dimensionless

    Parameters
    ----------
    x : array
    direction : sympy.Expr or float
    name : callable, optional
        Registers the places as auxiliaries.
    """

    def order(items: list[sp.Expr]) -> list[sp.Expr]:
        places = [unconditional(p, f"place {i + 1}", name) for i, p in enumerate(_places(items, name))]
        rising = [sp.Add(*(i * _is(p, k) for i, p in enumerate(places))) for k in range(len(items))]
        return _by_direction(direction, rising, rising[::-1], name)

    return _along_last(x, order)


def vector_rank(x: Array, direction: Any, name: Name | None = None) -> Array:
    """Rank (from 1) of every element along the last axis (Vensim VECTOR RANK).

    Equation   rank_i = 1 + place_i, or n - place_i from the greatest
    Valid for  direction > 0: the least has rank 1; otherwise the greatest; dimensionless
    """

    def rank(items: list[sp.Expr]) -> list[sp.Expr]:
        places = _places(items, name)
        return _by_direction(direction, [p + 1 for p in places], [len(items) - p for p in places], name)

    return _along_last(x, rank)


def pick(items: Sequence[sp.Expr], position: sp.Expr, name: Name | None = None) -> sp.Expr:
    """The element at a position (from 0, cut to a whole number); not a number outside of the array.

    Parameters
    ----------
    items : sequence of sympy.Expr
    position : sympy.Expr
        Dimensionless.
    name : callable, optional
    """
    if is_number(position):
        k = int(position)
        return items[k] if 0 <= k < len(items) else sp.nan
    at = unconditional(position, "position", name)
    bounded = [(item, compare(at, "<", sp.Integer(k + 1))) for k, item in enumerate(items[:-1])]
    inside = sp.Piecewise(*bounded, (items[-1], True), evaluate=False) if bounded else items[-1]
    below_top = only_where(compare(at, "<", sp.Integer(len(items))), inside)
    return only_where(compare(at, ">", sp.S.NegativeOne), below_top)


def vector_reorder(x: Array, order: Array, name: Name | None = None) -> Array:
    """Elements of `x` in a given order along the last axis (Vensim VECTOR REORDER), in the unit of `x`.

    Equation   y_k = x_[order_k]
    Valid for  0 ≤ order_k < n; not a number elsewhere
    """
    x, order = expressions(x), expressions(order)
    x = np.broadcast_to(x, (*order.shape[:-1], x.shape[-1]))
    out = np.empty(order.shape, dtype=object)
    for index in np.ndindex(order.shape):
        out[index] = pick(list(x[index[:-1]]), order[index], name)
    return out


def vector_elm_map(x: Array, offset: Any, base: Sequence[int] | int = 0, name: Name | None = None) -> Any:
    """The element of `x` that lies `offset` elements after a given one (Vensim VECTOR ELM MAP), in the unit of `x`.

    Equation   y = x_[base + offset], elements counted with the last subscript running fastest
    Valid for  0 ≤ base + offset < n, with the offset cut to a whole number; not a number elsewhere (Vensim: `:NA:`)

    Parameters
    ----------
    x : array
        All elements of the variable.
    offset : array or sympy.Expr
        Dimensionless; the result has its shape.
    base : sequence of int, or int
        Index of the element named in the call, or its place counted through the array.
    name : callable, optional
    """
    x = expressions(x)
    first = base if isinstance(base, int) else int(np.ravel_multi_index(tuple(base), x.shape))
    places = expressions(offset)
    items = list(x.flat)
    out = np.empty(places.shape, dtype=object)
    for index in np.ndindex(places.shape):
        out[index] = pick(items, folded(_whole(places[index]) + first), name)
    return out[()] if not places.shape else out


def _whole(e: sp.Expr) -> sp.Expr:
    """Towards zero, as Vensim cuts."""
    return sp.Integer(math.trunc(float(e))) if is_number(e) else e


def array_rank(x: Array, rank: Any, name: Name | None = None) -> sp.Expr:
    """Position (from 1) of the element with a given rank from the least, all axes as one row (XMILE RANK).

    Equation   Σ_i i·[1 + place_i = rank]
    Valid for  1 ≤ rank ≤ n; 0 elsewhere; dimensionless
    """
    wanted = unconditional(expressions(rank)[()], "rank", name)
    places = _places(list(expressions(x).flat), name)
    lags = [folded(unconditional(p, f"place {i + 1}", name) + 1 - wanted) for i, p in enumerate(places)]
    hits = []
    for i, lag in enumerate(lags):
        near = where(compare(lag, "<", sp.Float(0.5)), sp.Integer(i + 1), sp.S.Zero)
        hits.append(where(compare(lag, "<", sp.Float(-0.5)), sp.S.Zero, near))
    return folded(sp.Add(*hits))
