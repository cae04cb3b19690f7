"""Trees of XMILE equations made PySD's expression classes: names, subscripts, functions.

Reference: OASIS Standard, XML Interchange Language for System Dynamics (XMILE) Version 1.0, 2015, sections 3.5 and 3.7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jevons.interchange.pysd_classes import syntax, xmile_functions
from jevons.interchange.xmile_reader.modules import CONTROL, Dimension, Macro, Variable, combinations
from jevons.interchange.xmile_reader.repairs import (
    Call,
    EquationError,
    Name,
    Number,
    Operation,
    Rows,
    canonical,
    parse_equation,
)

NAMESPACES = frozenset({"std", "user", "isee", "vensim", "simile", "anylogic", "powersim", "insightmaker", "forio"})
_VALUES = CONTROL | {"time", "dt", "starttime", "stoptime", "inf", "nan"}
_PYSD = {"init", "delay", "delay1", "delay3", "delayn", "smth1", "smth3", "smthn", "trend", "forcst", "safediv"}
_PYSD |= {"if_then_else", "ramp", "pulse"}  # those of PySD's table that mean what XMILE says
_REDUCING = frozenset({"sum", "mean", "stddev", "prod", "size"})
_NUMERIC = (
    "abs arccos arcsin arctan cos cosh exp int ln log10 sin sinh sqrt tan tanh round step previous history counter "
    "cgrowth percent random uniform normal lognormal exprnd poisson"
)
_BY_ELEMENT = frozenset(_NUMERIC.split())
_LOOKUPS = {"lookup": "", "lookup_extrapolate": "extrapolate", "lookup_backward": "hold_backward"}
_LOOKUPS |= {"lookup_forward": "look_forward"}
_LOGIC = {"and": ":AND:", "or": ":OR:", "not": ":NOT:"}
_COMPARING = frozenset({"=", "<>", "<", "<=", ">", ">="})
_RANGE = re.compile(r"(.+?)\s*:\s*(.+)")
_OFFSET = re.compile(r"(.+?)\s*([+-])\s*([0-9]{1,9})")
MOST_TERMS = 200_000  # of computed subscripts in a whole file
MOST_NODES = 100_000  # of one equation


class ExpansionNeeded(Exception):
    """An equation for a whole array that differs from element to element."""


class ComputedSubscript(Exception):
    """A subscript that is an expression."""

    def __init__(self, place: int) -> None:
        self.place = place


@dataclass(frozen=True)
class Side:
    """Left-hand side: one label a dimension, an element or, for an equation of the whole array, the dimension."""

    dims: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    bound: bool = False  # every label is an element


class Lowering:
    """Turns trees into PySD's expression classes, for one left-hand side."""

    def __init__(self, variable: Variable, side: Side) -> None:
        self.ae, self.pysd = syntax(), xmile_functions()
        self.variable, self.scope, self.world, self.side = variable, variable.scope, variable.scope.world, side
        self.nodes = 0
        self.slices: list[tuple[str, ...]] = []  # wildcards of each array inside an array function

    def lower(self, tree: Any, array: str = "no") -> Any:
        """The AST of a tree; `array` says what a bare array means: ``no``, ``slice`` where asked for, or ``all``."""
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise EquationError(f"an equation of more than {MOST_NODES:,} parts, macros' defaults included")
        if isinstance(tree, Number):
            return tree.value
        if isinstance(tree, Name):
            return self.reference(tree, array)
        if isinstance(tree, Call):
            return self.call(tree, array)
        if isinstance(tree, Rows):
            return np.squeeze(np.array(tree.rows, dtype=float))
        assert isinstance(tree, Operation)
        return self.operation(tree, array)

    def operation(self, tree: Operation, array: str) -> Any:
        operands = tuple(self.lower(operand, array) for operand in tree.operands)
        first = tree.operators[0]
        if first in _LOGIC:
            return self.ae.LogicStructure([_LOGIC[operator] for operator in tree.operators], operands)
        if first in _COMPARING:
            return self.ae.LogicStructure([first], operands)
        if first == "//":
            return self.named("zidz", *operands)
        if first == "mod":
            return self.named("mod", *operands)
        return self.ae.ArithmeticStructure(list(tree.operators), operands)

    def named(self, function: str, *arguments: Any) -> Any:
        return self.ae.CallStructure(self.ae.ReferenceStructure(function), arguments)

    # names

    def reference(self, name: Name, array: str) -> Any:
        variable = self.variable if name.parts == ("self",) else self.scope.find(name.parts)
        key = str(name)
        if variable is None:
            if name.subscripts is None and key in _VALUES:
                return self.ae.ReferenceStructure(key)
            if name.subscripts is None and key == "pi":
                return self.named("pi")
            return self.dimension(name)
        try:
            labels = self.labels(variable, name.subscripts, array)
        except ComputedSubscript as computed:
            return self.computed(variable, name, computed.place, array)
        return 0 if labels is None else self.refer(variable, labels)  # 0 outside of the array

    def computed(self, variable: Variable, name: Name, place: int, array: str) -> Any:
        """An element by a computed number: the sum of all, each times whether it is meant."""
        assert name.subscripts is not None
        item = name.subscripts[place]
        try:
            index = self.lower(parse_equation(item, self.scope.knows), array)
        except EquationError as error:
            dimension = self.world.dimensions[variable.dims[place]]
            valid = self.world.hint(item, [*dimension.elements, *(d.name for d in self.world.dimensions.values())])
            raise EquationError(f"subscript {item!r} is no element of {dimension.name!r}{valid} ({error})") from None
        number = self.named("int", index)
        terms = []
        for count, element in enumerate(self.world.dimensions[variable.dims[place]].elements, 1):
            fixed = (*name.subscripts[:place], f"={element}", *name.subscripts[place + 1 :])
            chosen = self.reference(Name(name.parts, fixed), array)
            terms.append(self.pysd["if_then_else"](self.ae.LogicStructure(["="], (number, count)), chosen, 0))
            self.world.terms += 1
            if self.world.terms > MOST_TERMS:
                raise EquationError(f"computed subscripts over more than {MOST_TERMS:,} elements")
        return terms[0] if len(terms) == 1 else self.ae.ArithmeticStructure(["+"] * (len(terms) - 1), tuple(terms))

    def refer(self, variable: Variable, labels: tuple[str, ...]) -> Any:
        subscripts = self.ae.SubscriptsReferenceStructure(list(labels)) if labels else None
        return self.ae.ReferenceStructure(variable.key, subscripts)

    def dimension(self, name: Name) -> Any:
        """A dimension as a number: which element this is; or ``dimension.element``: the number of that one."""
        dimensions = self.world.dimensions
        if name.subscripts is None and name.parts[0] in dimensions:
            dimension = dimensions[name.parts[0]]
            if len(name.parts) == 2:
                place = dimension.place(name.parts[1])
                if place is not None:
                    return place + 1
            elif len(name.parts) == 1:
                if self.side.bound and name.parts[0] in self.side.dims:
                    place = dimension.place(self.side.labels[self.side.dims.index(name.parts[0])])
                    return 0 if place is None else place + 1
                return self.ae.ReferenceStructure(name.parts[0])
        hint = self.world.hint(str(name), self.scope.variables)
        where = f" in module {self.scope.title!r}" if self.scope.path else ""
        raise EquationError(f"no variable {str(name)!r}{where}{hint}")

    # arrays

    def labels(self, variable: Variable, items: tuple[str, ...] | None, array: str) -> tuple[str, ...] | None:
        """Subscripts of a reference; None where they lie outside of the array."""
        dims, side = variable.dims, self.side
        wild: list[str] = []
        if items is None:
            result = self.bare(variable, array, wild)
        elif len(items) != len(dims):
            have = f"has {len(dims)} dimension(s)" if dims else "is not an array"
            raise EquationError(f"{variable.title!r} {have}, but {len(items)} subscript(s) are given")
        else:
            found = [
                self.label(place, dim, item, array, wild)
                for place, (dim, item) in enumerate(zip(dims, items, strict=True))
            ]
            if any(label is None for label in found):
                return None
            result = tuple(str(label) for label in found)
            if dims == side.dims and items and all(canonical(i) == d for i, d in zip(items, side.dims, strict=True)):
                result = side.labels  # the dimensions in their order, also where one of them comes twice
        if wild:
            self.slices.append(tuple(wild))
        return result

    def bare(self, variable: Variable, array: str, wild: list[str]) -> tuple[str, ...]:
        dims, side = variable.dims, self.side
        if array == "all":
            return tuple(self.wildcard(dim, wild) for dim in dims)
        if dims == side.dims:
            return side.labels
        if set(dims) <= set(side.dims):
            return tuple(side.labels[side.dims.index(dim)] for dim in dims)
        if array == "slice":
            return tuple(self.wildcard(dim, wild) for dim in dims)
        names = ", ".join(self.world.dimensions[dim].name for dim in dims)
        raise EquationError(f"{variable.title!r} is an array over {names}; which element is not said")

    def label(self, number: int, dim: str, item: str, array: str, wild: list[str]) -> str | None:
        world, side, key = self.world, self.side, canonical(item)
        dimension = world.dimensions[dim]
        if item.startswith("="):
            return item[1:]
        if item.endswith(".*") and canonical(item[:-2]) in world.dimensions and array != "no":
            return self.wildcard(canonical(item[:-2]), wild)
        if item == "*":
            if array != "no":
                return self.wildcard(dim, wild)
            if dim in side.dims:
                return side.labels[side.dims.index(dim)]
            raise EquationError("a wildcard [*] outside of an array function")
        if key in dimension.places:
            return dimension.elements[dimension.places[key]]
        if key in side.dims:
            return side.labels[side.dims.index(key)]
        if key.endswith("!") or key in world.dimensions:
            key = key.removesuffix("!")
            return self.wildcard(key, wild) if array != "no" else world.dimensions[key].name
        if item.isdecimal() and len(item) < 10:
            return dimension.elements[int(item) - 1] if 0 < int(item) <= len(dimension.elements) else None
        if item.startswith("@") and item[1:].isdecimal() and len(item) < 10 and 0 < int(item[1:]) <= len(side.labels):
            return side.labels[int(item[1:]) - 1]
        dotted = key.split(".")
        if len(dotted) == 2 and dotted[0] in world.dimensions and dotted[1] in dimension.places:
            return dimension.elements[dimension.places[dotted[1]]]
        return self.part(number, dimension, item, array, wild)

    def part(self, number: int, dimension: Dimension, item: str, array: str, wild: list[str]) -> str | None:
        """A range, an element at a distance, or a computed one."""
        span = _RANGE.fullmatch(item)
        if span and array != "no":
            if span[1] == "*" and canonical(span[2]) in self.world.dimensions:
                return self.wildcard(canonical(span[2]), wild)
            first, last = dimension.place(span[1]), dimension.place(span[2])
            if first is not None and last is not None and 0 <= first <= last:
                name = f"{dimension.name} {first + 1} to {last + 1}"
                self.world.ranges[name] = dimension.elements[first : last + 1]
                return self.wildcard(name, wild)
        offset = _OFFSET.fullmatch(item)
        if offset and canonical(offset[1]) in self.side.dims:
            if not self.side.bound:
                raise ExpansionNeeded
            dim = canonical(offset[1])
            here = self.world.dimensions[dim].place(self.side.labels[self.side.dims.index(dim)])
            place = (here if here is not None else -1) + int(offset[2] + offset[3])
            return dimension.elements[place] if 0 <= place < len(dimension.elements) else None
        if ":" in item:
            raise EquationError(
                f"range {item!r} of {dimension.name!r} that is no range of its elements, or not within SUM and the like"
            )
        raise ComputedSubscript(number)

    def wildcard(self, dim: str, wild: list[str]) -> str:
        """``Dimension!``, as Vensim writes what a function runs over; a copy where it runs over one twice."""
        dimension = self.world.dimensions.get(dim)
        name, elements = (dimension.name, dimension.elements) if dimension else (dim, self.world.ranges[dim])
        copies = 1 + sum(label.removesuffix("!").split(" copy ")[0] == name for label in wild)
        if copies > 1:
            name = f"{name} copy {copies}"
            self.world.ranges[name] = elements
        wild.append(f"{name}!")
        return f"{name}!"

    # calls

    def call(self, call: Call, array: str) -> Any:
        parts = call.function.parts
        while len(parts) > 1 and parts[0] in NAMESPACES and self.scope.find(parts) is None:
            parts = parts[1:]
        function, count = ".".join(parts), len(call.arguments)
        if function in self.world.macros:
            return self.macro(self.world.macros[function], call, array)
        variable = self.scope.find(parts)
        if variable is not None and variable.tables:
            return self.table(variable, call.function, call.arguments, array)
        if function in _LOOKUPS and count == 2 and isinstance(call.arguments[0], Name):
            name = call.arguments[0]
            variable = self.scope.find(name.parts)
            if variable is None or not variable.tables:
                raise EquationError(f"{function.upper()} needs a graphical function, found {str(name)!r}")
            looked = self.table(variable, name, call.arguments[1:], array)
            return self.otherwise(function, looked)
        if function == "ismoduleinput" and count == 1 and isinstance(call.arguments[0], Name):
            asked = self.scope.find(call.arguments[0].parts)
            return int(asked is not None and asked.source is not None)
        if variable is not None:
            return self.flat(variable, call)
        if call.function.subscripts is not None:
            raise EquationError(f"{function.upper()} takes no subscripts")
        if function in ("min", "max") and count:
            return self.extreme(function, call.arguments, array)
        if function in _REDUCING and count == 1:
            return self.reduce(function, call.arguments[0])
        if function == "rank":
            return self.named("rank", *(self.lower(a, "no" if k == 1 else "all") for k, a in enumerate(call.arguments)))
        if not count and function in _VALUES:
            return self.ae.ReferenceStructure(function)
        if function in _BY_ELEMENT or function in _PYSD or array != "no":
            return self.builtin(function, tuple(self.lower(argument, array) for argument in call.arguments))
        return self.named(function, *(self.sliced(argument, "slice")[0] for argument in call.arguments))

    def builtin(self, function: str, arguments: tuple[Any, ...]) -> Any:
        if function not in _PYSD:
            return self.named(function, *arguments)
        if function == "pulse" and len(arguments) == 1:
            arguments = (*arguments, self.ae.ReferenceStructure("starttime"))
        if function == "pulse" and arguments[2:] == (0,):
            arguments = arguments[:2]  # an interval of 0: one pulse
        makers = self.pysd[function]
        if function == "if_then_else":
            makers = {3: makers}
        elif function == "init":
            makers = {1: makers}
        if len(arguments) not in makers:
            counts = " or ".join(str(count) for count in makers)
            raise EquationError(f"{function.upper()} takes {counts} arguments, found {len(arguments)}")
        return makers[len(arguments)](*arguments)

    def reduce(self, function: str, argument: Any) -> Any:
        if function == "size" and isinstance(argument, Name) and str(argument) in self.world.dimensions:
            return len(self.world.dimensions[str(argument)].elements)
        lowered, wild = self.sliced(argument, "all")
        if function == "size":
            return int(np.prod([len(self.elements(label)) for label in wild], dtype=int))
        return self.named(function, lowered)

    def sliced(self, argument: Any, array: str) -> tuple[Any, tuple[str, ...]]:
        """An argument of an array function, and what it runs over."""
        outer, self.slices = self.slices, []
        lowered = self.lower(argument, array)
        found, self.slices = self.slices, outer
        widest = max(found, key=len, default=())
        if not all(set(wild) <= set(widest) for wild in found):
            listed = " and ".join(sorted({", ".join(label.removesuffix("!") for label in wild) for wild in found}))
            raise EquationError(f"arrays over different dimensions in one array function: {listed}")
        return lowered, widest

    def elements(self, label: str) -> tuple[str, ...]:
        name = label.removesuffix("!")
        dimension = self.world.dimensions.get(canonical(name))
        return dimension.elements if dimension else self.world.ranges[name]

    def extreme(self, function: str, arguments: tuple[Any, ...], array: str) -> Any:
        """MIN and MAX: of an array, of numbers, or of both."""
        if len(arguments) == 1:
            return self.named(f"v{function}_xmile", self.sliced(arguments[0], "all")[0])
        parts = []
        for argument in arguments:
            if array == "all":  # inside of another array function: element by element
                parts.append(self.lower(argument, array))
                continue
            lowered, wild = self.sliced(argument, "slice")
            parts.append(self.named(f"v{function}_xmile", lowered) if wild else lowered)
        result = parts[0]
        for part in parts[1:]:
            result = self.named(function, result, part)
        return result

    def macro(self, macro: Macro, call: Call, array: str) -> Any:
        given, most = len(call.arguments), len(macro.parameters)
        least = sum(default is None for default in macro.defaults)
        if not least <= given <= most:
            raise EquationError(f"macro {macro.name!r} takes {least} to {most} arguments, found {given}")
        values = dict(zip(macro.parameters, call.arguments, strict=False))
        for name, default in list(zip(macro.parameters, macro.defaults, strict=True))[given:]:
            values[name] = substitute(default, {canonical(key): value for key, value in values.items()})
        return self.named(canonical(macro.name), *(self.lower(value, array) for value in values.values()))

    def table(self, variable: Variable, name: Name, arguments: tuple[Any, ...], array: str) -> Any:
        """A graphical function at a value."""
        if len(arguments) != 1:
            raise EquationError(f"graphical function {variable.title!r} takes 1 argument, found {len(arguments)}")
        try:
            labels = self.labels(variable, name.subscripts, array)
        except ComputedSubscript:
            raise EquationError(f"a graphical function of {variable.title!r} by a computed subscript") from None
        value = self.lower(arguments[0], array)
        if labels is None:
            return 0
        if not variable.has_equation:
            return self.ae.CallStructure(self.refer(variable, labels), (value,))
        if () in variable.tables:
            return self.ae.InlineLookupsStructure(value, variable.tables[()])
        if labels not in variable.tables and not self.side.bound and self.side.dims:
            raise ExpansionNeeded
        if labels not in variable.tables:
            raise EquationError(f"{variable.title!r} has no graphical function for {', '.join(labels)}")
        return self.ae.InlineLookupsStructure(value, variable.tables[labels])

    def otherwise(self, function: str, looked: Any) -> Any:
        """A table read in another way than its own."""
        if function == "lookup" or looked == 0:
            return looked
        if isinstance(looked, self.ae.InlineLookupsStructure):
            return self.ae.InlineLookupsStructure(looked.argument, replace(looked.lookups, type=_LOOKUPS[function]))
        return self.named(function, looked.function, *looked.arguments)

    def flat(self, variable: Variable, call: Call) -> Any:
        """An array called with the number of an element, counted row by row."""
        number = call.arguments[0] if len(call.arguments) == 1 else None
        if not variable.dims or call.function.subscripts is not None:
            raise EquationError(f"{variable.title!r} is neither a function nor a graphical function")
        if not isinstance(number, Number):
            raise EquationError(f"an element of {variable.title!r} by a computed number is not supported; write [...]")
        every = combinations(variable)
        place = int(number.value) - 1
        return self.refer(variable, every[place]) if 0 <= place < len(every) else 0


def substitute(tree: Any, values: dict[str, Any]) -> Any:
    """A tree with names replaced."""
    if isinstance(tree, Name):
        return values.get(str(tree), tree)
    if isinstance(tree, Call):
        return Call(tree.function, tuple(substitute(argument, values) for argument in tree.arguments))
    if isinstance(tree, Operation):
        return Operation(tree.operators, tuple(substitute(operand, values) for operand in tree.operands))
    return tree
