"""From a parsed model file to the elements of a model."""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import sympy as sp

from jevons import functions as fn
from jevons.elements import Auxiliary, Element, Flow, Parameter, Range, Stock, Table
from jevons.errors import JevonsError
from jevons.functions import TIME, symbol
from jevons.interchange.dimensions import MOST_ELEMENTS, Dimensions, SubscriptMistake, canonical
from jevons.interchange.source import SourceModel
from jevons.interchange.translation import start_values
from jevons.interchange.translation.expressions import (
    Circular,
    Consequence,
    Expressions,
    Place,
    Untranslatable,
    listed,
    number,
)
from jevons.interchange.translation.macros import Macros
from jevons.interchange.translation.names import Names
from jevons.interchange.translation.refusals import Refusals, reason_of
from jevons.interchange.translation.scope import Scope, Slot, Variable
from jevons.interchange.translation.tables import Tables
from jevons.recursion import deep_recursion

MISTAKES = (Untranslatable, SubscriptMistake, JevonsError, ValueError, TypeError, ArithmeticError, RecursionError)
"""What the translation of an equation may end with."""


class Translation:
    """The translation of one model file.

    Attributes
    ----------
    elements : dict
        Elements by name, in the order of the file.
    owners : dict
        For elements that the file does not name, the element they are a part of.
    refusals : Refusals
    notes : list of str
        What a user should know of how the file was read.
    too_large : bool
        Whether the file was given up, so that variables are missing.
    """

    def __init__(self, source: SourceModel, external: Any) -> None:
        self.source = source
        self.external = external
        self.elements: dict[str, Element] = {}
        self.owners: dict[str, str] = {}
        self.refusals = Refusals(source.refused)
        self.notes: list[str] = list(source.repairs)
        self.walker = Expressions(self)
        self.tables = Tables(self)
        self.macros = Macros(self)
        self.names = Names(self)
        self.slots: dict[str, Slot] = {}
        self.at_start: dict[str, float] = {}
        self.changing: dict[str, bool] = {}
        self.too_large = False
        self._failed: set[str] = set()
        self._busy: set[tuple[str, str]] = set()
        self._queue: deque[Slot] = deque()
        self._streams: dict[str, int] = {}
        self._shared: dict[Any, Any] = {}
        self._built: dict[tuple[str, str], Any] = {}
        main, *macros = source.abstract.sections
        self.scope = Scope(names=source.names)
        self.scope.macros = {canonical(m.name): m for m in macros}
        self.scope.part_lines = source.part_lines
        try:
            self.dimensions = Dimensions(main.subscripts, external.labels, source.mappings)
        except (SubscriptMistake, JevonsError) as mistake:
            self.refusals.add("", reason_of(mistake))
            self.dimensions = Dimensions([])
            return
        try:
            self.declare(main.elements, self.scope)
        except Consequence:
            return
        self._note_checks(main)

    def _note_checks(self, section: Any) -> None:
        names = [" ".join(c.name.strip('"').split()) for c in (*section.constraints, *section.test_inputs)]
        if names:
            self.note(f"reality checks are not read: {', '.join(names)}")

    # What the file defines

    def declare(self, elements: Iterable[Any], scope: Scope) -> None:
        """Enter the variables of the model, or of a call of a macro, and queue them for translation."""
        for element in elements:
            key = canonical(element.name)
            try:
                slots = scope.add(element, self.dimensions)
                self._enter(slots)
            except SubscriptMistake as mistake:
                variable = scope.variables[key]
                variable.broken = True
                self.refusals.add(variable.written, str(mistake), line=self.source.lines.get(key))

    def _enter(self, slots: list[Slot]) -> None:
        if self.too_large or len(self.slots) + len(slots) > MOST_ELEMENTS:
            self.too_large = True
            self.refusals.add("", f"more than {MOST_ELEMENTS:,} elements in all")
            self._queue.clear()
            raise Consequence
        for slot in slots:
            if slot.name in self.slots:
                other = self.slots[slot.name].variable.written
                raise SubscriptMistake(f"{slot.name!r} is also the name of an element of {other!r}")
            self.slots[slot.name] = slot
        self._queue.extend(slots)

    def _refuse(self, slot: Slot, error: Exception) -> None:
        self._failed.add(slot.name)
        variable = slot.variable
        line = self.source.part_lines.get(id(slot.component))
        if line is None and variable.scope is self.scope:
            line = self.source.lines.get(variable.key)
        shown = f"[{self.dimensions.label_names(slot.labels)}]" if slot.labels else ""
        name = variable.written + shown
        self.refusals.add(name, reason_of(error), variable=variable.written, line=line)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @deep_recursion()
    def translate(self) -> None:
        """Translate every variable; what cannot be translated goes to `refusals`."""
        from tqdm.auto import tqdm

        from jevons.interchange.translation.stocks import StockFlows

        stocks: list[Slot] = []
        bar: Any = tqdm(desc="translating", unit="variable", delay=2, leave=False, disable=None)
        with bar:
            while self._queue:
                slot = self._queue.popleft()
                bar.total = bar.n + len(self._queue) + 1
                bar.update()
                try:
                    self.translated(slot)
                except Consequence:
                    continue
                except MISTAKES as error:
                    self._refuse(slot, error)
                    continue
                if slot.is_stock:
                    stocks.append(slot)
        if not self.refusals:
            StockFlows(self, stocks).add()

    # Elements

    def place(self, slot: Slot) -> Place:
        return Place(slot.name, slot.binding, slot.variable.scope)

    def equation(self, slot: Slot) -> Any:
        """The sympy expression of a slot; of a stock the pair of its net flow and its initial value."""
        if slot.is_stock:
            return self._once(slot, " flow", self._flow), self.initial(slot)
        return self._once(slot, "", self._equation)

    def initial(self, slot: Slot) -> sp.Expr:
        """Initial value of a stock."""
        value: sp.Expr = self._once(
            slot, " initial", lambda s: self.walker.expression(s.component.ast.initial, self.place(s))
        )
        return value

    def translated(self, slot: Slot) -> None:
        """Translate a slot, unless it has been."""
        if slot.is_stock:
            self.equation(slot)
        elif slot.name not in self.elements:
            self._once(slot, " element", self._element)

    def _once(self, slot: Slot, part: str, build: Callable[[Slot], Any]) -> Any:
        """What is built from a slot; a mistake in it is reported for this slot alone, not for all who use it."""
        key = (slot.name, part)
        if key in self._built:
            return self._built[key]
        if slot.name in self._failed:
            raise Consequence
        if key in self._busy:
            raise Circular("a number that must be known before the run depends on itself")
        self._busy.add(key)
        try:
            value = build(slot)
        except Circular:
            raise
        except Consequence:
            self._failed.add(slot.name)
            raise
        except MISTAKES as error:
            self._refuse(slot, error)
            raise Consequence from None
        finally:
            self._busy.discard(key)
        self._built[key] = value
        return value

    def _equation(self, slot: Slot) -> sp.Expr:
        ast = slot.component.ast
        if slot.kind == "ndarray":
            return number(self._array_element(slot, np.asarray(ast)))
        if slot.kind == "GetConstantsStructure":
            return number(self._array_element(slot, self.external.constants(slot, self.dimensions)))
        return self.walker.expression(ast, self.place(slot))

    def _flow(self, slot: Slot) -> sp.Expr:
        return self.walker.expression(slot.component.ast.flow, self.place(slot))

    def _array_element(self, slot: Slot, values: Any) -> float:
        flat = np.ravel(values)
        wanted = 1
        for s in slot.component.subscripts[0]:
            key = canonical(s)
            wanted *= len(self.dimensions.labels[key]) if self.dimensions.is_range(key) else 1
        if flat.size == 1:
            return float(flat[0])
        if flat.size != wanted:
            raise Untranslatable(f"{flat.size} numbers for {wanted} elements")
        return float(flat[slot.index])

    def _element(self, slot: Slot) -> None:
        if slot.is_table:
            self.tables.add_lookup(slot)
            return
        if slot.is_data:
            self.tables.add_data(slot)
            return
        value = self.equation(slot)
        element = slot.variable.element
        unit, doc = element.units or "", element.documentation or ""
        if self._is_constant(slot) and value.is_number:
            self.add(
                Parameter(
                    slot.name, unit, value=float(value), doc=doc, source=self.source_of(slot), status="imported",
                    prior=_limits(element.limits, float(value)),
                )
            )  # fmt: skip
        else:
            self.add(Auxiliary(slot.name, unit, equation=value, doc=doc))

    @staticmethod
    def _is_constant(slot: Slot) -> bool:
        return slot.kind in ("int", "float", "ndarray", "GetConstantsStructure", "int64", "float64") or (
            slot.kind == "ArithmeticStructure"
            and slot.component.ast.operators == ["negative"]
            and isinstance(slot.component.ast.arguments[0], (int, float))
        )

    def source_of(self, slot: Slot) -> str:
        """File and line of a slot."""
        line = self.source.part_lines.get(id(slot.component)) or self.source.lines.get(slot.variable.key)
        return self.source.path.name + (f", line {line}" if line else "")

    def add(self, element: Element) -> sp.Symbol:
        """Add an element; its symbol."""
        self.elements[element.name] = element
        return element.symbol

    def helper(self, label: str, expression: sp.Expr, place: Place) -> sp.Symbol:
        """Add an auxiliary that the file does not name."""
        return self._part(Auxiliary(self.unused(label), "", equation=expression, doc=f"Part of {place.owner}."), place)

    def held(self, label: str, initial: sp.Expr, place: Place) -> sp.Symbol:
        """Add a stock that the file does not name."""
        return self._part(Stock(self.unused(label), "", initial=initial, doc=f"What {place.owner} holds."), place)

    def change(self, stock: sp.Symbol, rate: sp.Expr, place: Place) -> None:
        """Add the flow of a stock that the file does not name."""
        doc = f"What changes {stock.name}."
        name = self.unused(f"{stock.name} net flow")
        self._part(Flow(name, "", equation=rate, target=stock.name, doc=doc), place)

    def _part(self, element: Element, place: Place) -> sp.Symbol:
        self.owners[element.name] = place.owner
        return self.add(element)

    def unused(self, label: str) -> str:
        """A name that nothing has yet."""
        name, count = label, 1
        while name in self.elements or name in self.slots:
            count += 1
            name = f"{label} {count}"
        return name

    def home(self, name: str) -> str:
        """Canonical name of the variable of the file to which an element belongs; empty where there is none."""
        for _ in range(len(self.owners) + 1):
            slot = self.slots.get(name)
            if slot is not None and slot.variable.scope is self.scope:
                return slot.variable.key
            name = slot.variable.scope.owner if slot is not None else self.owners.get(name, "")
        return ""

    # Tables

    def table(self, name: str, subscripts: Any, place: Place) -> sp.Symbol | None:
        """The symbol of a lookup variable; None where the name is something else."""
        return self.tables.find(name, subscripts, place)

    def table_argument(
        self, node: Any, place: Place, outside: str | None = None, between: str | None = None
    ) -> sp.Symbol:
        """The table that an argument names, or a copy of it that is read in another way."""
        return self.tables.argument(node, place, outside, between)

    def points(self, table: sp.Symbol) -> tuple[tuple[float, float], ...]:
        element = self.elements[table.name]
        assert isinstance(element, Table)
        return element.points

    # Names in equations

    def names_in(self, scope: Scope) -> list[str]:
        """Names that an equation in a scope can use."""
        return [*scope.variables, *scope.main.macros]

    def reference(self, name: str, subscripts: list[str] | None, place: Place) -> sp.Expr:
        """What a name in an equation stands for."""
        return self.names.meaning(name, subscripts, place)

    def slot(self, variable: Variable, subscripts: list[str] | None, place: Place) -> Slot:
        """The element of a variable that a reference means."""
        return self.names.slot(variable, subscripts, place)

    def shared(self, key: Any, build: Callable[[], Any]) -> Any:
        """What several elements share; built once."""
        if key not in self._shared:
            self._shared[key] = build()
        return self._shared[key]

    def profile(self, node: Any, place: Place) -> Any:
        """Priority profiles, one row a request: type, priority, width, extra."""
        variable = place.scope.find(canonical(getattr(node, "reference", "")))
        subscripts = listed(getattr(node, "subscripts", None)) or []
        if variable is None or len(subscripts) < 2:
            raise Untranslatable("the profile of an allocation must be an array of requests by four numbers")
        requests = self.dimensions.labels[canonical(subscripts[-2])]
        kinds = self.dimensions.labels[variable.ranges[-1]][:4]
        rows = np.empty((len(requests), 4), dtype=object)
        for i, request in enumerate(requests):
            for j, kind in enumerate(kinds):
                labels = [*subscripts[:-2], request, kind]
                rows[i, j] = self._known(self.slot(variable, labels, place).symbol)
        return rows

    def _known(self, expression: sp.Expr) -> sp.Expr:
        """The number that an expression keeps during a run, or the expression."""
        value = None if self.changes(expression) else self.start_value(expression)
        return expression if value is None else number(value)

    def macro_call(self, name: str, arguments: Any, place: Place) -> sp.Expr:
        """The result of a call of a macro, whose variables become elements named after the caller."""
        return self.macros.call(name, arguments, place)

    # Control and values before the run

    def control(self, key: str) -> sp.Expr:
        """The symbol of a control variable.

        Raises
        ------
        Consequence
            Where the file does not say it, which is refused once.
        """
        variable = self.scope.variables.get(key)
        if variable is None and key == "saveper":
            return self.control("time_step")
        written = key.replace("_", " ").upper()
        if variable is None:
            self.refusals.add("", f"the model does not say its {written}")
        elif () not in variable.slots:
            self.refusals.add(variable.name, f"{written} with subscripts", line=self.source.lines.get(key))
        else:
            return variable.slots[()].symbol
        raise Consequence

    @property
    def time_step(self) -> sp.Expr:
        return self.control("time_step")

    @property
    def initial_time(self) -> sp.Expr:
        return self.control("initial_time")

    @property
    def final_time(self) -> sp.Expr:
        return self.control("final_time")

    @property
    def start(self) -> float:
        return start_values.required(self, "initial_time")

    @property
    def end(self) -> float:
        return start_values.required(self, "final_time")

    def start_value(self, expression: sp.Expr) -> float | None:
        """The value of an expression when the run starts; None where it cannot be known before."""
        return start_values.value(self, expression, None)

    def changes(self, expression: sp.Expr) -> bool:
        """Whether an expression may change during a run."""
        return start_values.changes(self, expression)

    def noise(self, place: Place, seed: sp.Expr) -> sp.Expr:
        """A uniform random number that stays for one step, from a stream of its own."""
        variable = self.scope.variables.get("noise_seed")
        if variable is not None:
            base = variable.slots[()].symbol
        elif "NOISE SEED" in self.elements:
            base = symbol("NOISE SEED")
        else:
            doc = "Seed of all random numbers; give every member of an ensemble its own."
            base = self.add(
                Parameter("NOISE SEED", "", value=0.0, doc=doc, source=self.source.path.name, status="imported")
            )
        count = self._streams[place.owner] = self._streams.get(place.owner, 0) + 1
        stream = zlib.crc32(f"{place.owner}|{count}".encode()) % 2**31
        index = sp.floor((TIME - self.initial_time) / self.time_step + sp.Float(1e-6))
        return fn.noise(base + seed, sp.Integer(stream), index)


def _limits(limits: Any, value: float) -> Range | None:
    low, high = (None if x is None or x != x else float(x) for x in (*(limits or ()), None, None)[:2])
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high) and low <= value <= high):
        return None
    return Range(low, high) if low < high else None
