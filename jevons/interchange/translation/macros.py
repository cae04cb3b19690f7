"""Calls of macros, whose variables become elements named after the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from jevons.interchange.dimensions import canonical
from jevons.interchange.translation.expressions import Consequence, Place, Untranslatable
from jevons.interchange.translation.scope import Scope

if TYPE_CHECKING:
    from jevons.interchange.translation.model import Translation

MOST_CALLS = 20_000
"""Calls of macros in one model, so that macros that call others several times each come to an end."""


class Macros:
    """Makes the elements that calls of macros stand for, once a call and element."""

    def __init__(self, translation: Translation) -> None:
        self.translation = translation
        self._results: dict[Any, tuple[Any, sp.Expr]] = {}
        self._calls = 0
        self._count: Counter[tuple[str, str]] = Counter()

    def call(self, name: str, arguments: Sequence[Any], place: Place) -> sp.Expr:
        """The result of a call."""
        key = (id(arguments), place.owner, tuple(place.binding.items()), place.scope.prefix)
        if key not in self._results:  # the arguments are kept too, so that their identity stays their own
            self._results[key] = arguments, self._call(name, arguments, place)
        return self._results[key][1]

    def _call(self, name: str, arguments: Sequence[Any], place: Place) -> sp.Expr:
        section = place.scope.macro(name)
        names = {canonical(e.name): " ".join(e.name.strip().strip('"').split()) for e in section.elements}
        shown = names.get(canonical(section.name), section.name)
        if place.scope.inside(shown):
            raise Untranslatable(f"macro {shown!r} calls itself")
        self._calls += 1
        if self._calls > MOST_CALLS:
            self.translation.refusals.add("", f"more than {MOST_CALLS:,} calls of macros")
            raise Consequence
        parameters = [canonical(p) for p in section.params]
        if len(arguments) != len(parameters):
            raise Untranslatable(
                f"macro {shown!r} takes {len(parameters)} arguments ({', '.join(section.params)}), "
                f"found {len(arguments)}"
            )
        prefix = self._prefix(name, names.values(), place)
        bound = {
            parameter: self._argument(argument, f"{prefix}{parameter}", place)
            for parameter, argument in zip(parameters, arguments, strict=True)
        }
        scope = Scope(prefix, names, bound, place.scope, shown, place.scope.owner or place.owner)
        self.translation.declare(section.elements, scope)
        output = scope.variables.get(canonical(section.name))
        if output is None:
            self.translation.refusals.add(shown, "a macro that does not define its own name")
            raise Consequence
        result: sp.Expr = self.translation.slot(output, None, place).symbol
        return result

    def _prefix(self, name: str, names: Any, place: Place) -> str:
        """What stands before the names of the macro's variables: no name of the model begins so."""
        while True:
            self._count[place.owner, canonical(name)] += 1
            prefix = f"{place.owner}.{canonical(name)} {self._count[place.owner, canonical(name)]}."
            if not any(prefix + each in self.translation.slots for each in names):
                return prefix

    def _argument(self, argument: Any, label: str, place: Place) -> sp.Expr:
        if type(argument).__name__ == "ReferenceStructure":
            table = self.translation.table(argument.reference, argument.subscripts, place)
            if table is not None:
                return table
        value = self.translation.walker.expression(argument, place)
        if value.is_Symbol or value.is_number:
            return value
        return self.translation.helper(label, value, place)
