"""Functions of Vensim and XMILE as sympy expressions: which function a call means, and the smallest of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.errors import nearest
from jevons.interchange.translation.array_calls import ARRAY_CALLS, ARRAY_STRUCTURES
from jevons.interchange.translation.chance import RANDOM_CALLS
from jevons.interchange.translation.chance_counts import COUNT_CALLS
from jevons.interchange.translation.expressions import Expressions, Place, Untranslatable, choose
from jevons.interchange.translation.finance import FINANCE_CALLS
from jevons.interchange.translation.number_functions import CONDITIONAL, PLAIN
from jevons.interchange.translation.past import PAST_CALLS, PAST_STRUCTURES
from jevons.interchange.translation.refused_functions import WITHOUT_MEANING
from jevons.interchange.translation.special_stocks import STOCK_CALLS
from jevons.interchange.translation.table_calls import TABLE_CALLS
from jevons.interchange.translation.time_functions import TIME_CALLS

Special = Callable[[Expressions, Sequence[Any], Place], sp.Expr]
"""A function that needs more than the values of its arguments."""


def call(walker: Expressions, node: Any, place: Place) -> sp.Expr:
    """A call: of a macro, of a lookup variable, or of a function, in this order."""
    translation, name = walker.translation, node.function.reference
    if place.scope.macro(name) is not None:
        return translation.macro_call(name, node.arguments, place)
    table = translation.table(name, node.function.subscripts, place)
    if table is not None:
        if len(node.arguments) != 1:
            raise Untranslatable(f"lookup {name!r} needs one argument, found {len(node.arguments)}")
        return fn.Lookup(table, walker.expression(node.arguments[0], place))
    if name in SPECIAL:
        counts, special = SPECIAL[name]
        _check_count(name, counts, node.arguments)
        return special(walker, node.arguments, place)
    if name in PLAIN:
        counts, plain = PLAIN[name]
        _check_count(name, counts, node.arguments)
        values = [walker.expression(a, place) for a in node.arguments]
        if name in CONDITIONAL:
            values = [walker.unconditional(v, place) for v in values]
        return plain(*values)
    if name in WITHOUT_MEANING:
        raise Untranslatable(f"function {_written(name)} {WITHOUT_MEANING[name]}")
    hint = nearest(name, [*PLAIN, *SPECIAL, *STRUCTURED, *translation.names_in(place.scope)])
    raise Untranslatable(f"function {_written(name)} is not known{hint}")


def _written(name: str) -> str:
    return name.removeprefix("X").replace("_", " ").upper()


def _check_count(name: str, counts: tuple[int, int], arguments: Sequence[Any]) -> None:
    low, high = counts
    if not low <= len(arguments) <= high:
        expected = str(low) if low == high else f"{low} to {high}"
        plural = "" if expected == "1" else "s"
        raise Untranslatable(f"function {_written(name)} takes {expected} argument{plural}, found {len(arguments)}")


def _if_then_else(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    condition = walker.condition(arguments[0], place)
    if condition == sp.true:
        return walker.expression(arguments[1], place)
    if condition == sp.false:
        return walker.expression(arguments[2], place)
    return choose(condition, walker.expression(arguments[1], place), walker.expression(arguments[2], place))


SPECIAL: Mapping[str, tuple[tuple[int, int], Special]] = {
    "if_then_else": ((3, 3), _if_then_else),
    **ARRAY_CALLS,
    **COUNT_CALLS,
    **FINANCE_CALLS,
    **PAST_CALLS,
    **RANDOM_CALLS,
    **STOCK_CALLS,
    **TABLE_CALLS,
    **TIME_CALLS,
}

STRUCTURES: Mapping[str, Callable[[Expressions, Any, Place], sp.Expr]] = {**PAST_STRUCTURES, **ARRAY_STRUCTURES}
"""Functions that PySD's syntax has nodes of their own for."""

STRUCTURED = ("integ", "game", "with_lookup", "allocate_available", "allocate_by_priority", "delayn", "smth1", "smth3")
"""Names of such functions that are in no other table, for hints."""
