"""Stocks of a model file, and which of its variables are their flows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import Auxiliary, Flow, Stock
from jevons.functions import symbol
from jevons.interchange.dimensions import canonical
from jevons.interchange.translation.scope import Slot

if TYPE_CHECKING:
    from jevons.interchange.translation.model import Translation


class StockFlows:
    """Adds the stocks of a translation, and turns auxiliaries that only add to or drain stocks into flows."""

    def __init__(self, translation: Translation, stocks: Sequence[Slot]) -> None:
        self.translation = translation
        self.elements = translation.elements
        self.stocks = stocks
        self.sources: dict[str, str] = {}
        self.targets: dict[str, str] = {}

    def add(self) -> None:
        shared = self._shared()
        rests = {slot.name: self._claim(slot, shared) for slot in self.stocks}
        self._keep_from_falling_below_zero()
        for slot in self.stocks:
            self._stock(slot)
        for name in dict.fromkeys([*self.targets, *self.sources]):
            element = self.elements[name]
            assert isinstance(element, Auxiliary)
            ends = {"source": self.sources.get(name), "target": self.targets.get(name)}
            self.elements[name] = Flow(name, element.unit, equation=element.equation, doc=element.doc, **ends)
        for slot in self.stocks:
            rest = rests[slot.name]
            if rest == 0:
                continue
            if slot.variable.key in self.translation.source.non_negative:
                flows = [symbol(n) for n, stock in self.targets.items() if stock == slot.name]
                flows += [-symbol(n) for n, stock in self.sources.items() if stock == slot.name]
                least = sp.Add(slot.symbol / self.translation.time_step, *flows)
                rest = sp.Max(rest, -sp.Max(0, least, evaluate=False), evaluate=False)
            name = self.translation.unused(f"{slot.name} net flow")
            doc = f"What changes {slot.name}."
            self.translation.owners[name] = slot.name
            self.elements[name] = Flow(name, self._rate_unit(slot), equation=rest, target=slot.name, doc=doc)

    def _rate_unit(self, slot: Slot) -> str:
        unit, time = slot.variable.element.units, self.translation.source.time_unit
        return f"({unit})/({time})" if unit and time else ""

    def _shared(self) -> set[str]:
        """Flows of several stocks at the same end, where a stock must not fall below zero: not one flow for all."""
        limited = self.translation.source.non_negative
        uses: dict[tuple[str, bool], list[bool]] = {}
        for slot in self.stocks:
            for term in sp.Add.make_args(self.translation.equation(slot)[0]):
                negative = term.could_extract_minus_sign()
                body = -term if negative else term
                if body.is_Symbol:
                    uses.setdefault((body.name, negative), []).append(slot.variable.key in limited)
        return {name for (name, _), kept in uses.items() if len(kept) > 1 and any(kept)}

    def _claim(self, slot: Slot, shared: set[str]) -> sp.Expr:
        """Take the terms of a net flow that are variables as flows; what is left is returned."""
        net, _ = self.translation.equation(slot)
        rest = []
        for term in sp.Add.make_args(net):
            sign, body = (-1, -term) if term.could_extract_minus_sign() else (1, term)
            ends = self.targets if sign > 0 else self.sources
            free = body.is_Symbol and body.name not in ends and body.name not in shared
            if free and type(self.elements.get(body.name)) is Auxiliary:
                ends[body.name] = slot.name
            else:
                rest.append(term)
        return sp.Add(*rest)

    def _stock(self, slot: Slot) -> None:
        _, initial = self.translation.equation(slot)
        if initial.has(fn.HiddenStockFunction):
            place = self.translation.place(slot)
            initial = self.translation.helper(f"{slot.name} initial", initial, place)
        element = slot.variable.element
        self.elements[slot.name] = Stock(
            slot.name, element.units or "", initial=initial, doc=element.documentation or ""
        )

    # Stocks and flows that the file keeps from falling below zero (XMILE)

    def _keep_from_falling_below_zero(self) -> None:
        limited = self.translation.source.non_negative
        if not limited:
            return
        for name, element in list(self.elements.items()):
            slot = self.translation.slots.get(name)
            if slot is not None and slot.variable.key in limited and isinstance(element, Auxiliary):
                self._replace(name, sp.Max(0, element.equation, evaluate=False))
        for slot in self.stocks:
            if slot.variable.key in limited:
                self._limit_flows(slot)

    def _limit_flows(self, slot: Slot) -> None:
        """Each outflow takes what the stock, its inflows and the outflows before it leave for one step.

        An inflow that turns negative counts as an outflow. What enters through a loop at the same instant is left out.
        """
        outflows = [n for n, stock in self.sources.items() if stock == slot.name]
        outflows.sort(key=lambda n: self._order(slot, n))
        left: Any = slot.symbol / self.translation.time_step
        for name in [n for n, stock in self.targets.items() if stock == slot.name]:
            if self.translation.slots[name].variable.key not in self.translation.source.non_negative:
                least = -sp.Max(0, left, evaluate=False)
                self._replace(name, sp.Max(self._equation(name), least, evaluate=False))
            if any(self._needs(name, o) for o in outflows):
                self.translation.note(
                    f"{slot.name}: what enters by {name} is not counted for its outflows of that step"
                )
            else:
                left = left + symbol(name)
        for name in outflows:
            available = sp.Max(0, left, evaluate=False)
            self._replace(name, sp.Min(self._equation(name), available, evaluate=False))
            left = left - symbol(name)

    def _equation(self, name: str) -> sp.Expr:
        element = self.elements[name]
        assert isinstance(element, Auxiliary)
        return element.equation

    def _needs(self, name: str, other: str) -> bool:
        """Whether an auxiliary needs another at the same instant."""
        seen: set[str] = set()
        todo = [name]
        while todo:
            current = todo.pop()
            if current == other:
                return True
            if current not in seen and isinstance(self.elements.get(current), Auxiliary):
                seen.add(current)
                todo += [s.name for s in self._equation(current).free_symbols]
        return False

    def _order(self, slot: Slot, name: str) -> int:
        _, outflows = self.translation.source.stock_flows.get(slot.variable.key, ((), ()))
        key = canonical(name.split("[")[0])
        return outflows.index(key) if key in outflows else len(outflows)

    def _replace(self, name: str, equation: sp.Expr) -> None:
        self.elements[name] = dataclasses.replace(self.elements[name], equation=equation)  # type: ignore[call-arg]
