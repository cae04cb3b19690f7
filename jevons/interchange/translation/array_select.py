"""VECTOR SELECT of imported models, over arrays of expressions."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from jevons.errors import ModelError
from jevons.interchange.translation.array_functions import (
    LARGEST,
    Array,
    Axes,
    Name,
    compare,
    expressions,
    extreme,
    folded,
    is_number,
    only_where,
    reduce_axes,
    unconditional,
    where,
)

_WEIGHTED = (0, 1, 2, 3, 4)
_KINDS = {0: "sum", 1: "product", 2: "min", 3: "max", 4: "mean", 5: "product", 6: "sum"}
_KINDS |= {7: "product", 8: "min", 9: "max", 10: "mean"}


def vector_select(
    selection: Array,
    values: Array,
    missing: Any,
    numerical_action: Any,
    error_action: Any = 0,
    axes: Axes = None,
    name: Name | None = None,
) -> Any:
    """Sum, product, extreme or mean of the elements whose selection is not zero (Vensim VECTOR SELECT).

    Equation   with s the selection and x the values, over the elements with s ≠ 0:
               0 Σ s·x, 1 Π s·x, 2 min s·x, 3 max s·x, 4 mean s·x, 5 Π x^s,
               6 Σ x, 7 Π x, 8 min x, 9 max x, 10 mean x
    Valid for  actions that are whole numbers; `missing` where all selections are zero
    Source     PySD 3.14, `functions.vector_select`, which follows what Vensim computes where its manual differs

    Parameters
    ----------
    selection, values : array
        Of shapes that fit together.
    missing : sympy.Expr or float
        Value, in the unit of the result, where nothing is selected.
    numerical_action : int
    error_action : int
        1: nothing selected is an error; 2: more than one; 3: both. Where that depends on the run, the result is
        not a number there, which stops the run.
    axes : sequence of int, optional
        Axes that are reduced.
    name : callable, optional
        Needed where the selection changes in the run.
    """
    action = _action(numerical_action, "numerical action", range(11))
    errors = _action(error_action, "error action", range(4))
    chosen, given = np.broadcast_arrays(expressions(selection), expressions(values))
    absent = expressions(missing)[()]
    places = np.empty(chosen.shape, dtype=object)
    for place, index in enumerate(product(*(range(n) for n in chosen.shape))):
        places[index] = sp.Integer(place)
    flat_selection, flat_values = list(chosen.flat), list(given.flat)

    def select(items: list[sp.Expr]) -> sp.Expr:
        pairs = [(flat_selection[int(i)], flat_values[int(i)]) for i in items]
        return _select(pairs, absent, action, errors, name)

    return reduce_axes(places, axes, select)


def _action(value: Any, what: str, valid: range) -> int:
    given = expressions(value)[()]
    if not is_number(given) or float(given) not in valid:
        raise ModelError("VECTOR SELECT", [f"{what} is {value}, expected a whole number from 0 to {valid[-1]}"])
    return int(given)


def _select(
    pairs: list[tuple[sp.Expr, sp.Expr]], missing: sp.Expr, action: int, errors: int, name: Name | None
) -> sp.Expr:
    kind = _KINDS[action]
    neutral = {"sum": sp.S.Zero, "mean": sp.S.Zero, "product": sp.S.One, "min": LARGEST, "max": -LARGEST}[kind]
    terms, taken, conditions = [], [], []
    for s, x in pairs:
        on = compare(unconditional(s, "selection", name), "!=", sp.S.Zero)
        value = s * x if action in _WEIGHTED else x**s if action == 5 else x
        if on == sp.false:
            continue
        terms.append(where(on, value, neutral))
        taken.append(where(on, sp.S.One, sp.S.Zero))
        conditions.append(on)
    count = sp.Add(*taken)
    if count == 0:
        if errors in (1, 3):
            raise ModelError("VECTOR SELECT", ["nothing is selected, which its error action forbids"])
        return missing
    if is_number(count) and float(count) > 1 and errors in (2, 3):
        raise ModelError("VECTOR SELECT", [f"{int(count)} elements are selected, its error action allows one"])
    if not is_number(count) and (name is not None or errors in (2, 3)):
        count = unconditional(count, "number selected", name)
    result = {
        "sum": lambda: sp.Add(*terms),
        "mean": lambda: sp.Add(*terms) / (count if is_number(count) else sp.Max(count, sp.S.One, evaluate=False)),
        "product": lambda: sp.Mul(*terms),
        "min": lambda: extreme(terms, sp.Min, min),
        "max": lambda: extreme(terms, sp.Max, max),
    }[kind]()
    if is_number(count):
        return folded(result)
    if errors in (2, 3):
        result = only_where(compare(count, "<", sp.Float(1.5)), result)
    some = sp.Or(*conditions) if name is None and errors < 2 else compare(count, ">", sp.Float(0.5))
    return only_where(some, result) if errors in (1, 3) else where(some, result, missing)
