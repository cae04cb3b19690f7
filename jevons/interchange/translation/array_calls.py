"""Functions of arrays: reductions, vectors, matrices, allocation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from jevons.interchange.dimensions import canonical
from jevons.interchange.translation import array_functions as af
from jevons.interchange.translation.array_matrices import invert_matrix
from jevons.interchange.translation.array_select import vector_select
from jevons.interchange.translation.expressions import (
    MISSING,
    Expressions,
    Place,
    Untranslatable,
    choose,
    compare,
    number,
    subscripts_in,
)

ACTIONS = 11
"""Numerical actions of VECTOR SELECT, counted from 0."""

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]
Register = Callable[[str, sp.Expr], sp.Symbol]


def _reduction(of: Callable[..., Any]) -> Special:
    def reduce(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
        values: list[Any] = []
        for argument in arguments:
            values += [value for value, _ in walker.elements(argument, place)]
        return of(_array(values))

    return reduce


def _array(values: Sequence[Any]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _elmcount(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    name = canonical(getattr(arguments[0], "reference", ""))
    if not walker.translation.dimensions.is_range(name):
        raise Untranslatable(f"ELMCOUNT needs a subscript range, found {name!r}")
    return sp.Integer(len(walker.translation.dimensions.labels[name]))


def _size(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    return sp.Integer(sum(1 for _ in walker.elements(arguments[0], place)))


def _rank(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    values = _array([value for value, _ in walker.elements(arguments[0], place)])
    return sp.sympify(af.array_rank(values, walker.expression(arguments[1], place), _registrar(walker, place)))


def _vector_select(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    running = list(dict.fromkeys(k for a in arguments[:2] for k in walker.running_ranges(a)))
    labels = [walker.translation.dimensions.labels[k.removesuffix("!")] for k in running]
    pairs = []
    for combination in itertools.product(*labels):
        inner = place.at(dict(zip(running, combination, strict=True)))
        pairs.append([walker.expression(a, inner) for a in arguments[:2]])
    missing, action, errors = (walker.expression(a, place) for a in arguments[2:])
    selection, values = (_array([p[i] for p in pairs]) for i in (0, 1))
    register, errors = _registrar(walker, place), _static(walker, errors)
    if not walker.translation.changes(action):
        return sp.sympify(vector_select(selection, values, missing, _static(walker, action), errors, name=register))
    results = [vector_select(selection, values, missing, number(k), errors, name=register) for k in range(ACTIONS)]
    chosen: sp.Expr = MISSING
    for k in reversed(range(ACTIONS)):
        chosen = choose(compare("=", sp.floor(action), number(k)), sp.sympify(results[k]), chosen)
    return chosen


def _static(walker: Expressions, value: sp.Expr) -> sp.Expr:
    """A number known before the run, where there is one."""
    known = walker.translation.start_value(value)
    return value if known is None else number(known)


def _vector(of: Callable[..., Any]) -> Special:
    """A function of the whole last range of its first argument, of which the left side takes one element."""

    def element(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
        def build(register: Register) -> Any:
            x = walker.vector(arguments[0], _vector_range(walker, arguments[0]), place)
            return of(x, *(walker.expression(a, place) for a in arguments[1:]), register)

        return _element_of(build, arguments, walker, place)

    return element


def _element_of(build: Callable[[Register], Any], key: Any, walker: Expressions, place: Place, ranges: int = 1) -> Any:
    """One element of an array that all elements of the left side's last ranges share; built once."""
    dimensions = walker.translation.dimensions
    last = [k for k in place.binding if dimensions.is_range(k)][-ranges:]
    if len(last) < ranges:
        raise Untranslatable(f"a function of arrays needs {ranges} range{'s' * (ranges > 1)} on the left side")
    others = tuple((k, label) for k, label in place.binding.items() if k not in last)
    result = walker.translation.shared((id(key), place.scope.prefix, others), lambda: build(_registrar(walker, place)))
    at = tuple(dimensions.labels[k].index(place.binding[k]) for k in last)
    if any(i >= n for i, n in zip(at, result.shape, strict=True)):
        raise Untranslatable(f"the left side has more elements than the array of {result.shape}")
    return sp.sympify(result[at])


def _vector_range(walker: Expressions, node: Any) -> str:
    ranges = [canonical(s) for s in subscripts_in(node)]
    ranges = [r for r in ranges if walker.translation.dimensions.is_range(r)]
    if not ranges:
        raise Untranslatable("a function of vectors needs a range among the subscripts of its first argument")
    return ranges[-1]


def _registrar(walker: Expressions, place: Place) -> Register:
    return lambda label, expression: walker.translation.helper(f"{place.owner} {label}", expression, place)


def _vector_reorder(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    x = walker.vector(arguments[0], _vector_range(walker, arguments[0]), place)
    order = _array([walker.expression(arguments[1], place)])
    return sp.sympify(af.vector_reorder(x, order)[0])


def _vector_elm_map(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """VECTOR ELM MAP(element, offset): elements are counted with the last subscript running fastest."""
    name = canonical(getattr(arguments[0], "reference", ""))
    variable = place.scope.find(name)
    if variable is None or not variable.ranges or not subscripts_in(arguments[0]):
        raise Untranslatable("the first argument of VECTOR ELM MAP must be an element of an array")
    labels = walker.translation.dimensions.labels
    slots = [variable.slots[k] for k in itertools.product(*(labels[r] for r in variable.ranges)) if k in variable.slots]
    array = _array([slot.symbol for slot in slots])
    first = walker.expression(arguments[0], place)
    offset = walker.expression(arguments[1], place)
    base = [slot.symbol for slot in slots].index(first)
    return sp.sympify(af.vector_elm_map(array, offset, base, _registrar(walker, place)))


def _invert_matrix(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    dimensions = walker.translation.dimensions
    ranges = [canonical(s) for s in subscripts_in(arguments[0]) if dimensions.is_range(canonical(s))]
    if len(ranges) < 2:
        raise Untranslatable("INVERT MATRIX needs two ranges among the subscripts of its first argument")

    def build(register: Register) -> Any:
        rows, columns = (dimensions.labels[r] for r in ranges[-2:])
        matrix = np.empty((len(rows), len(columns)), dtype=object)
        for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
            matrix[i, j] = walker.expression(arguments[0], place.at({ranges[-2]: row, ranges[-1]: column}))
        return invert_matrix(matrix, register)

    return _element_of(build, arguments, walker, place, ranges=2)


def _allocate_available(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    from jevons.interchange.translation.allocation import allocate_available

    def build(register: Register) -> Any:
        request = walker.vector(node.request, _vector_range(walker, node.request), place)
        profile = walker.translation.profile(node.pp, place)
        return allocate_available(request, profile, walker.expression(node.avail, place), register)

    return _element_of(build, node, walker, place)


def _allocate_by_priority(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    from jevons.interchange.translation.allocation import allocate_by_priority

    def build(register: Register) -> Any:
        request = walker.vector(node.request, _vector_range(walker, node.request), place)
        priority = walker.vector(node.priority, _vector_range(walker, node.priority), place)
        width, supply = (walker.expression(e, place) for e in (node.width, node.supply))
        size = _static(walker, walker.expression(node.size, place))
        return allocate_by_priority(request, priority, size, width, supply, register)

    return _element_of(build, node, walker, place)


ARRAY_CALLS: Mapping[str, tuple[tuple[int, int], Special]] = {
    "sum": ((1, 1), _reduction(af.array_sum)),
    "prod": ((1, 1), _reduction(af.array_product)),
    "vmin": ((1, 1), _reduction(af.array_min)),
    "vmax": ((1, 1), _reduction(af.array_max)),
    "vmin_xmile": ((1, 1), _reduction(af.array_min)),
    "vmax_xmile": ((1, 1), _reduction(af.array_max)),
    "mean": ((1, 99), _reduction(af.array_mean)),
    "stddev": ((1, 99), _reduction(af.array_stddev)),
    "rank": ((2, 2), _rank),
    "size": ((1, 1), _size),
    "elmcount": ((1, 1), _elmcount),
    "vector_select": ((5, 5), _vector_select),
    "vector_sort_order": ((2, 2), _vector(af.vector_sort_order)),
    "vector_rank": ((2, 2), _vector(af.vector_rank)),
    "vector_reorder": ((2, 2), _vector_reorder),
    "vector_elm_map": ((2, 2), _vector_elm_map),
    "invert_matrix": ((1, 2), _invert_matrix),
}

ARRAY_STRUCTURES: Mapping[str, Callable[[Expressions, Any, Place], sp.Expr]] = {
    "AllocateAvailableStructure": _allocate_available,
    "AllocateByPriorityStructure": _allocate_by_priority,
}
