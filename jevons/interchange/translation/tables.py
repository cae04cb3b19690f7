"""Lookups and data of a model file as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from jevons.elements import Auxiliary, Driver, Table
from jevons.functions import symbol
from jevons.interchange.dimensions import canonical
from jevons.interchange.translation.expressions import MISSING, Place, Untranslatable, listed
from jevons.interchange.translation.scope import Slot

if TYPE_CHECKING:
    from jevons.interchange.translation.model import Translation

DATA = " (data)"
"""Ending of the name of the driver that a data variable reads."""

Points = Sequence[tuple[float, float]]


class Tables:
    """Makes the tables of a translation."""

    def __init__(self, translation: Translation) -> None:
        self.translation = translation
        self._inline: dict[int, tuple[Any, sp.Symbol]] = {}

    def add_lookup(self, slot: Slot) -> None:
        """The table of a lookup variable."""
        ast = slot.component.ast
        if type(ast).__name__ == "GetLookupsStructure":
            external = self.translation.external
            points, outside, between = external.lookup(slot, self.translation.dimensions), "clamp", "linear"
        else:
            points, (outside, between) = _points(ast), _modes(ast.type)
        self._add(slot.name, points, outside, between, slot)

    def add_data(self, slot: Slot) -> None:
        """A data variable: an auxiliary that reads a driver, so that it is reported."""
        element = slot.variable.element
        points, between = self.translation.external.data(slot, self.translation.dimensions)
        value: sp.Expr = MISSING
        if points:
            value = self._add(slot.name + DATA, points, "clamp", between, slot, Driver)
        else:
            self.translation.note(f"{slot.variable.name}: no data given, taken as missing (:NA:)")
        self.translation.add(Auxiliary(slot.name, element.units or "", equation=value, doc=element.documentation or ""))

    def _add(
        self, name: str, points: Points, outside: str, between: str, slot: Slot, kind: type[Table] = Table
    ) -> sp.Symbol:
        if name != slot.name:
            name = self.translation.unused(name)
            self.translation.owners[name] = slot.name
        element = slot.variable.element
        return self.translation.add(
            kind(
                name, element.units or "", x_unit=self.translation.source.time_unit if kind is Driver else "",
                points=tuple(points), outside=outside, between=between, doc=element.documentation or "",
                source=self.translation.source_of(slot), status="imported",
            )
        )  # fmt: skip

    def inline(self, lookups: Any, place: Place) -> sp.Symbol:
        """The table of a lookup written inside an equation; all elements of an array share it."""
        if id(lookups) not in self._inline:  # kept too, so that its identity stays its own
            slot = self.translation.slots[place.owner]
            name = f"{slot.variable.name} lookup"
            self._inline[id(lookups)] = lookups, self._add(name, _points(lookups), *_modes(lookups.type), slot)
        return self._inline[id(lookups)][1]

    def find(self, name: str, subscripts: Any, place: Place) -> sp.Symbol | None:
        """The symbol of a lookup variable; None where the name is something else."""
        key = canonical(name)
        bound = place.scope.arguments.get(key)
        if isinstance(bound, sp.Symbol) and isinstance(self.translation.elements.get(bound.name), Table):
            return bound
        variable = place.scope.find(key)
        if variable is None or not any(slot.is_table for slot in variable.slots.values()):
            return None
        slot = self.translation.slot(variable, listed(subscripts), place)
        if not slot.is_table:
            return None
        self.translation.translated(slot)
        return slot.symbol

    def argument(self, node: Any, place: Place, outside: str | None, between: str | None) -> sp.Symbol:
        """The table that an argument names, or a copy of it that is read in another way."""
        if type(node).__name__ != "ReferenceStructure":
            raise Untranslatable("the first argument must name a lookup or data variable")
        found = self.find(node.reference, node.subscripts, place)
        if found is None:
            found = self.translation.reference(node.reference, listed(node.subscripts), place)
        elements = self.translation.elements
        table = self._data_of(elements.get(found.name)) or elements.get(found.name)
        slot = self.translation.slots.get(found.name)
        if not isinstance(table, Table) and slot is not None and slot.is_data:
            raise Untranslatable(f"data variable {slot.name!r} has no values")
        if not isinstance(table, Table):
            raise Untranslatable(f"{node.reference!r} is neither a lookup nor data")
        new = (outside or table.outside, between or table.between)
        if new == (table.outside, table.between) and not isinstance(table, Driver):
            return table.symbol
        name = f"{table.name} ({', '.join(new)})"
        if name not in elements:
            fields = {f.name: getattr(table, f.name) for f in dataclasses.fields(table)}
            self.translation.owners[name] = found.name
            self.translation.add(Table(**{**fields, "name": name, "outside": new[0], "between": new[1]}))
        return symbol(name)

    def _data_of(self, element: Any) -> Any:
        """The driver that a data variable reads."""
        if isinstance(element, Auxiliary) and isinstance(element.equation, sp.Symbol):
            slot = self.translation.slots.get(element.name)
            return self.translation.elements.get(element.equation.name) if slot is not None and slot.is_data else None
        return None


def _points(lookups: Any) -> list[tuple[float, float]]:
    points = [(float(x), float(y)) for x, y in zip(lookups.x, lookups.y, strict=True)]
    return points if len(points) > 1 else [points[0], (points[0][0] + 1.0, points[0][1])]


def _modes(kind: str) -> tuple[str, str]:
    """What holds beyond the points, and between them."""
    return ("extrapolate" if kind == "extrapolate" else "clamp"), ("hold" if kind == "hold_backward" else "linear")
