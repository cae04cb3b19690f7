"""Variables of a model file, and the names that an equation can see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jevons.errors import nearest
from jevons.functions import symbol
from jevons.interchange.dimensions import Binding, Dimensions, SubscriptMistake, canonical

CONTROL = ("initial_time", "final_time", "time_step", "saveper")
"""Names that control the run, which every macro sees."""


@dataclass
class Slot:
    """One element of a variable: what a scalar of the model is made from."""

    name: str
    variable: Variable
    labels: tuple[str, ...]
    binding: Binding
    component: Any
    index: int

    @property
    def symbol(self) -> Any:
        return symbol(self.name)

    @property
    def kind(self) -> str:
        """``Lookup``, ``Data`` or what its equation is."""
        kind = type(self.component).__name__.removeprefix("Abstract")
        equation = type(self.component.ast).__name__
        data = kind == "Data" and equation in ("DataStructure", "GetDataStructure", "NoneType")
        return kind if kind == "Lookup" or data else equation

    @property
    def is_table(self) -> bool:
        return self.kind in ("Lookup", "LookupsStructure")

    @property
    def is_data(self) -> bool:
        return self.kind in ("Data", "GetDataStructure")

    @property
    def is_stock(self) -> bool:
        return self.kind == "IntegStructure"


@dataclass
class Variable:
    """A name of the file with its elements by labels, and the range that each of its subscripts runs over.

    Attributes
    ----------
    name : str
        As the file writes it; with what calls it in front, where it belongs to a call of a macro.
    key : str
        Canonical name.
    broken : bool
        Whether some of its definitions are refused, so that elements are missing.
    """

    name: str
    key: str
    element: Any
    scope: Scope
    slots: dict[tuple[str, ...], Slot] = field(default_factory=dict)
    ranges: tuple[str, ...] = ()
    broken: bool = False

    @property
    def written(self) -> str:
        """As the file writes it, and which macro it belongs to."""
        macro = self.scope.macro_name
        return f"{self.name.removeprefix(self.scope.prefix)} (macro {macro})" if macro else self.name


class Scope:
    """The variables of a model, or of one call of a macro.

    Parameters
    ----------
    prefix : str
        What stands before the names of all elements.
    names : mapping
        Canonical name to the name as the file writes it.
    arguments : mapping
        Parameters of the macro, each bound to an expression or to the symbol of a table.
    caller : Scope, optional
        Where the macro is called.
    macro_name : str
        Empty for the model itself.
    owner : str
        Element of the model for which the macro is called, however indirectly.
    """

    def __init__(
        self,
        prefix: str = "",
        names: Mapping[str, str] | None = None,
        arguments: Mapping[str, Any] | None = None,
        caller: Scope | None = None,
        macro_name: str = "",
        owner: str = "",
    ) -> None:
        self.prefix = prefix
        self.names = dict(names or {})
        self.arguments = dict(arguments or {})
        self.caller = caller
        self.macro_name = macro_name
        self.owner = owner
        self.main: Scope = self if caller is None else caller.main
        self.variables: dict[str, Variable] = {}
        self.macros: dict[str, Any] = {}
        self.part_lines: Mapping[int, int] = {}

    def macro(self, name: str) -> Any:
        """The section of a macro; None where the name is no macro."""
        return self.main.macros.get(canonical(name))

    def inside(self, macro_name: str) -> bool:
        """Whether this is a call of a macro, or one that such a call makes."""
        scope: Scope | None = self
        while scope is not None:
            if scope.macro_name == macro_name:
                return True
            scope = scope.caller
        return False

    def find(self, name: str) -> Variable | None:
        """A variable by canonical name; a macro sees those of the model that end in ``$``, and the model's control."""
        found = self.variables.get(name)
        if found is None and self.caller is not None:
            bare = name.removesuffix("$")
            if name.endswith("$") or bare in CONTROL:
                return self.main.variables.get(bare) or self.main.variables.get(name)
        return found

    def hint(self, key: str) -> str:
        """The name nearest to a misspelt one, as the file writes it."""
        known = {k: v.name.removeprefix(self.prefix) for k, v in self.variables.items()}
        known |= {k: k for k in self.arguments} | {k: m.name for k, m in self.main.macros.items()}
        found = nearest(key, known)
        if not found:
            return ""
        return next((f"; did you mean {shown!r}?" for k, shown in known.items() if found.endswith(f" {k!r}?")), found)

    def add(self, element: Any, dimensions: Dimensions) -> list[Slot]:
        """Make the variable of an element of the file, slot by slot.

        Raises
        ------
        SubscriptMistake
            Where its definitions contradict each other, or use subscripts that are not defined.
        """
        key = canonical(element.name)
        shown = self.prefix + self.names.get(key, " ".join(element.name.strip().strip('"').split()))
        variable = self.variables.setdefault(key, Variable(shown, key, element, self))
        try:
            added = [slot for component in element.components for slot in self._part(variable, component, dimensions)]
        except SubscriptMistake:
            variable.broken = True
            raise
        variable.ranges = _ranges(variable.slots, element.components, dimensions)
        return added

    @staticmethod
    def _part(variable: Variable, component: Any, dimensions: Dimensions) -> list[Slot]:
        subscripts = [canonical(s) for s in component.subscripts[0]]
        exceptions = [[canonical(s) for s in group] for group in component.subscripts[1]]
        if any(len(group) != len(subscripts) for group in exceptions):
            raise SubscriptMistake(f":EXCEPT: with other than {len(subscripts)} subscripts")
        counts = {len(labels) for labels in variable.slots} - {len(subscripts)}
        if counts:
            raise SubscriptMistake(f"defined with {min(counts)} and with {len(subscripts)} subscripts")
        kept = {tuple(b.values()) for b in dimensions.combinations(subscripts, exceptions)}
        added = []
        for index, binding in enumerate(dimensions.combinations(subscripts)):
            if tuple(binding.values()) not in kept:
                continue
            labels = tuple(binding[s] for s in subscripts)
            shown = f"[{dimensions.label_names(labels)}]" if labels else ""
            if labels in variable.slots:
                lines = [
                    variable.scope.main.part_lines.get(id(c)) for c in (variable.slots[labels].component, component)
                ]
                where = f", in lines {lines[0]} and {lines[1]}" if None not in lines else ""
                raise SubscriptMistake(f"{variable.written}{shown} is defined more than once{where}")
            variable.slots[labels] = Slot(variable.name + shown, variable, labels, binding, component, index)
            added.append(variable.slots[labels])
        return added


def _ranges(slots: Iterable[tuple[str, ...]], components: Iterable[Any], dimensions: Dimensions) -> tuple[str, ...]:
    """For each subscript the narrowest range that holds all labels of a variable, one of its definitions' if it can."""
    columns = list(zip(*slots, strict=False))
    result = []
    for i, column in enumerate(columns):
        used = [canonical(c.subscripts[0][i]) for c in components if len(c.subscripts[0]) > i]
        wanted = set(column)
        fitting = [r for r in used if dimensions.is_range(r) and wanted <= set(dimensions.labels[r])]
        if not fitting:
            fitting = [r for r, labels in dimensions.labels.items() if wanted <= set(labels)]
        if fitting:
            result.append(min(fitting, key=lambda r: len(dimensions.labels[r])))
        else:
            result.append(dimensions.range_of(column[0]))
    return tuple(result)
