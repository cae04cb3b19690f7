"""What the names in equations stand for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import sympy as sp

from jevons.elements import Table
from jevons.functions import TIME
from jevons.interchange.dimensions import canonical
from jevons.interchange.translation.expressions import MISSING, Consequence, Place, Untranslatable
from jevons.interchange.translation.scope import Slot, Variable

if TYPE_CHECKING:
    from jevons.interchange.translation.model import Translation

ALIASES = {"dt": "time_step", "starttime": "initial_time", "stoptime": "final_time"}
NUMBERS = {"inf": sp.Float(1e300), "nan": MISSING, "pi": sp.Float(math.pi)}


class Names:
    """Looks up the names of a translation."""

    def __init__(self, translation: Translation) -> None:
        self.translation = translation
        self._unread = {canonical(r.name.split("[")[0]) for r in translation.source.refused if r.name}

    def meaning(self, name: str, subscripts: list[str] | None, place: Place) -> sp.Expr:
        """What a name in an equation stands for."""
        key = canonical(name)
        if key in place.scope.arguments:
            if subscripts is not None:
                raise Untranslatable(f"argument {name!r} of a macro, which is one element, with subscripts")
            bound: sp.Expr = place.scope.arguments[key]
            if isinstance(self.translation.elements.get(getattr(bound, "name", "")), Table):
                raise Untranslatable(f"lookup {name!r} used without an argument")
            return bound
        variable = place.scope.find(key) or place.scope.find(ALIASES.get(key, key))
        if variable is None:
            return self._other_name(name, key, subscripts, place)
        slot = self.slot(variable, subscripts, place)
        if slot.is_table:
            raise Untranslatable(f"lookup {variable.name!r} used without an argument")
        if slot.is_data:
            self.translation.translated(slot)
        return slot.symbol

    def _other_name(self, name: str, key: str, subscripts: list[str] | None, place: Place) -> sp.Expr:
        """A name that is no variable: time, a subscript as a number, a constant."""
        if subscripts is None:
            if key.removesuffix("$") == "time":
                return TIME
            position = self.translation.dimensions.number(key, place.binding)
            if position is not None:
                return sp.Integer(position)
            if self.translation.dimensions.is_range(key):
                raise Untranslatable(f"range {name!r} used as a number, and not on the left side")
            if key in NUMBERS:
                return NUMBERS[key]
        if key in self._unread:
            raise Consequence
        written = " ".join(name.strip('"').replace("_", " ").split())
        raise Untranslatable(f"uses {written!r}, which is not defined{place.scope.hint(key)}")

    def slot(self, variable: Variable, subscripts: list[str] | None, place: Place) -> Slot:
        """The element of a variable that a reference means."""
        written = list(variable.ranges) if subscripts is None else subscripts
        if variable.broken:
            raise Consequence
        if len(written) != len(variable.ranges):
            raise Untranslatable(f"{variable.written!r} has {len(variable.ranges)} subscripts, found {len(written)}")
        labels: list[str] = []
        taken: set[str] = set()
        for each in written:
            label, given = self.translation.dimensions.resolve(each, place.binding, frozenset(taken))
            if given and given != canonical(each):
                taken.add(given)
            labels.append(label)
        slot = variable.slots.get(tuple(labels))
        if slot is None:
            if variable.key in self._unread:
                raise Consequence
            shown = self.translation.dimensions.label_names(labels)
            raise Untranslatable(f"uses {variable.written}[{shown}], which is not defined")
        return slot
