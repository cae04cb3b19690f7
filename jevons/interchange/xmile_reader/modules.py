"""What an XMILE file declares: dimensions, macros, and variables, those of modules named ``module.variable``.

Reference: OASIS Standard, XML Interchange Language for System Dynamics (XMILE) Version 1.0, 2015, sections 3.1, 3.7, 4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from jevons.errors import JevonsError, nearest
from jevons.interchange.pysd_classes import syntax
from jevons.interchange.source import Refusal
from jevons.interchange.xmile_reader.file import attribute, child, children, is_written, local, or_nothing, words
from jevons.interchange.xmile_reader.repairs import EquationError, Name, canonical, display, parse_equation, shown

CONTROL = frozenset({"time_step", "initial_time", "final_time", "saveper"})
TAGS = ("stock", "flow", "aux", "gf")
_BETWEEN = {"continuous": "interpolate", "extrapolate": "extrapolate", "discrete": "hold_backward"}
MOST_SCOPES = 2_000
DEEPEST_MODULE = 50
MOST_ELEMENTS = 100_000  # of one array


@dataclass(frozen=True)
class Dimension:
    name: str
    elements: tuple[str, ...]
    mapped: tuple[str, ...] = ()  # dimensions that correspond to it place by place

    @cached_property
    def places(self) -> dict[str, int]:
        return {canonical(element): place for place, element in enumerate(self.elements)}

    def place(self, label: str) -> int | None:
        """Place of an element, from 0, by its name or number."""
        place = self.places.get(canonical(label))
        if place is not None:
            return place
        return int(label) - 1 if label.isdecimal() and len(label) < 10 else None


@dataclass(eq=False)
class Variable:
    """A stock, flow, auxiliary or graphical function, or a macro's parameter, where it stands.

    Attributes
    ----------
    tag : str
    node : lxml element or None
    scope : Scope
    key : str
        Canonical name with its modules.
    title : str
        The same as the file writes it.
    dims : tuple of str
        Canonical names of its dimensions.
    tables : dict
        Graphical functions by element; the empty key is one for all.
    has_equation : bool
    source : Variable or None
        What is connected to this input of a module.
    """

    tag: str
    node: Any
    scope: Scope
    key: str
    title: str
    dims: tuple[str, ...] = ()
    tables: dict[tuple[str, ...], Any] = field(default_factory=dict)
    has_equation: bool = True
    source: Variable | None = None


@dataclass(eq=False)
class Scope:
    """What a model, module or macro calls by short names."""

    world: World
    model: Any = None  # lxml element
    path: tuple[str, ...] = ()
    title: str = ""
    parent: Scope | None = None
    variables: dict[str, Variable] = field(default_factory=dict)
    modules: dict[str, Scope] = field(default_factory=dict)

    def find(self, parts: tuple[str, ...]) -> Variable | None:
        """A variable by the parts of its name: here, or qualified by a module in, beside or above this one."""
        if parts[0] == "":
            return self.outermost().below(parts[1:])
        if len(parts) == 1 or ".".join(parts) in self.variables:
            return self.variables.get(".".join(parts))
        scope: Scope | None = self
        while scope is not None:
            found = scope.below(parts)
            if found is not None:
                return found
            scope = scope.parent
        for candidate in self.world.scopes:  # names of modules are unique in a file
            if candidate.path[-1:] == parts[:1]:
                return candidate.below(parts[1:])
        return None

    def below(self, parts: tuple[str, ...]) -> Variable | None:
        scope: Scope | None = self
        for part in parts[:-1]:
            scope = scope.modules.get(part) if scope is not None else None
        return scope.variables.get(parts[-1]) if scope is not None and parts else None

    def outermost(self) -> Scope:
        return self if self.parent is None else self.parent.outermost()

    def key(self, name: str) -> str:
        return ".".join((*self.path, name))

    def knows(self, name: str) -> bool:
        return name in self.variables or name in self.world.macros


@dataclass(frozen=True)
class Macro:
    name: str
    parameters: tuple[str, ...]
    defaults: tuple[Any, ...]  # trees, or None


@dataclass(eq=False)
class World:
    """What a whole file shares."""

    dimensions: dict[str, Dimension] = field(default_factory=dict)
    macros: dict[str, Macro] = field(default_factory=dict)
    scopes: list[Scope] = field(default_factory=list)
    ranges: dict[str, tuple[str, ...]] = field(default_factory=dict)  # made for slices and repeated dimensions
    hints: int = 0
    terms: int = 0  # spent on computed subscripts
    built: int = 0  # components

    def hint(self, name: str, valid: Iterable[str]) -> str:
        """The nearest valid name; not for ever in a file of many names and many mistakes."""
        self.hints += 1
        valid = list(valid) if self.hints <= 50 else []
        return nearest(name, valid) if len(valid) <= 5_000 else ""


def combinations(variable: Variable) -> list[tuple[str, ...]]:
    """Labels of every element of an array."""
    dimensions = variable.scope.world.dimensions
    count = math.prod(len(dimensions[dim].elements) for dim in variable.dims)
    if count > MOST_ELEMENTS:
        raise EquationError(f"an array of {count:,} elements; up to {MOST_ELEMENTS:,} are read")
    return list(itertools.product(*(dimensions[dim].elements for dim in variable.dims)))


class Declarations:
    """Collects what a file declares.

    Parameters
    ----------
    name : str
        Of the file.
    root : lxml element
    repairs : list of str
    """

    def __init__(self, name: str, root: Any, repairs: list[str]) -> None:
        self.ae = syntax()
        self.name, self.root, self.repairs = name, root, repairs
        self.world = World()
        self.refused: list[Refusal] = []
        self.models: dict[str, Any] = {}
        self.saveper: Any = None
        self.borrowed: list[tuple[Variable, str]] = []

    def refuse(self, name: str, node: Any, text: str, reason: str) -> None:
        line = node.sourceline if node is not None else None
        self.refused.append(Refusal(name, line, shown(text), reason))

    def dimensions(self) -> None:
        for node in (dim for block in children(self.root, "dimensions") for dim in children(block, "dim")):
            name = display(node.get("name", ""))
            labels = [display(elem.get("name", "")) for elem in children(node, "elem")]
            size = node.get("size", "")
            if not labels and size.isdecimal() and len(size) < 10 and 0 < int(size) <= 100_000:
                labels = [str(number) for number in range(1, int(size) + 1)]
            if labels and len({canonical(label) for label in labels}) == len(labels):
                mapped = tuple(display("".join(other.itertext())) for other in node if local(other).endswith("maps_to"))
                self.world.dimensions.setdefault(canonical(name), Dimension(name, tuple(labels), mapped))
            else:
                self.refuse(name, node, size, "a dimension without elements, or with one of them twice")

    def scope(self, model: Any, parent: Scope | None, name: str, chain: tuple[Any, ...]) -> Scope:
        """The variables of a model and of the modules in it."""
        path = (*parent.path, canonical(name)) if parent else ()
        title = f"{parent.title}.{display(name)}".strip(".") if parent else ""
        scope = Scope(self.world, model, path, title, parent)
        self.world.scopes.append(scope)
        if len(self.world.scopes) > MOST_SCOPES:
            raise JevonsError(f"{self.name!r}: more than {MOST_SCOPES:,} modules")
        if any("encrypt" in str(key) for key in model.keys()) or model.get("resource"):  # noqa: SIM118 # an lxml element
            what = "kept in another file" if model.get("resource") else "encrypted"
            self.refuse(title, model, model.get("resource", ""), f"a model that is {what}")
        if parent is not None and child(model, "sim_specs", "dt") is not None:
            self.refuse(title, model, words(model, "sim_specs", "dt"), "a module with a time step of its own")
        for node in self.variables(model):
            if local(node) == "module":
                self.module(scope, node, (*chain, model))
            else:
                self.declare(scope, node)
        return scope

    def variables(self, model: Any) -> Iterator[Any]:
        """Definitions in a model; the first XMILE files had no <variables> around them."""
        blocks = list(children(model, "variables")) or [model]
        wanted = (*TAGS, "module")
        pending = [child for block in blocks for child in block if local(child) in (*wanted, "group")]
        for node in pending:
            if local(node) == "group":
                for inner in children(node, *wanted):
                    yield from self.nested(inner)
            else:
                yield from self.nested(node)

    def nested(self, node: Any) -> Iterator[Any]:
        """A definition, and those inside of it: one that was never closed holds those that follow it."""
        yield node
        for inner in children(node, "stock", "flow", "aux", "module"):
            yield from self.nested(inner)

    def module(self, scope: Scope, node: Any, chain: tuple[Any, ...]) -> None:
        name = display(node.get("name", ""))
        key = canonical(attribute(node, "model_name") or name)
        model = self.models.get(key)
        if child(node, "dimensions", "dim") is not None:
            self.refuse(name, node, "", "an array of modules is not supported")
        elif node.get("resource"):
            self.refuse(name, node, node.get("resource"), "a module that is kept in another file")
        elif model is None:
            self.refuse(name, node, "", f"no model of the name of this module{self.world.hint(key, self.models)}")
        elif len(chain) > DEEPEST_MODULE:
            self.refuse(name, node, "", f"modules nested more than {DEEPEST_MODULE} deep")
        elif model in chain:
            self.refuse(name, node, "", "a module that contains itself")
        elif canonical(name) in scope.modules:
            self.refuse(name, node, "", "a second module of this name")
        else:
            scope.modules[canonical(name)] = self.scope(model, scope, name, chain)

    def declare(self, scope: Scope, node: Any, tag: str = "") -> None:
        name, tag = display(node.get("name", "")), tag or local(node)
        key = canonical(name)
        if key in CONTROL and tag in ("aux", "flow"):
            if key == "saveper":
                self.saveper = Variable(tag, node, scope, key, name)
            return
        dims = tuple(canonical(dim.get("name", "")) for dim in children(or_nothing(child(node, "dimensions")), "dim"))
        title = f"{scope.title}.{name}".strip(".")
        wrong = [dim for dim in dims if dim not in self.world.dimensions]
        if not name:
            self.refuse("", node, "", f"a <{tag}> without a name")
        elif key in scope.variables:
            self.refuse(title, node, "", "a second definition of this name")
        elif wrong:
            valid = self.world.hint(wrong[0], self.world.dimensions)
            self.refuse(title, node, wrong[0], f"no dimension {wrong[0]!r}{valid}")
        else:
            scope.variables[key] = Variable(tag, node, scope, scope.key(key), title, dims)
            self.tables(scope.variables[key])

    def tables(self, variable: Variable) -> None:
        node = variable.node
        try:
            own = node if variable.tag == "gf" else child(node, "gf")
            if own is not None and own is not node and own.get("name"):
                self.named_table(variable, own)
            elif own is not None and (variable.tag != "gf" or child(own, "ypts") is not None):
                variable.tables[()] = self.table(own)
            for element in children(node, "element"):
                inner = child(element, "gf")
                inner = element if inner is None and variable.tag == "gf" else inner
                if inner is not None:
                    variable.tables[self.element_labels(variable, element)] = self.table(inner)
        except EquationError as error:
            variable.tables = {}
            variable.scope.variables.pop(canonical(display(node.get("name", ""))))
            self.refuse(variable.title, node, words(node, "gf", "ypts") or words(node, "ypts"), str(error))
            return
        equations = [eqn for block in (node, *children(node, "element")) for eqn in children(block, "eqn")]
        written = {" ".join("".join(eqn.itertext()).split()) for eqn in equations if is_written(eqn)}
        variable.has_equation = variable.tag != "gf" and not written <= {"0+0"}  # what Stella writes for a mere table

    def named_table(self, variable: Variable, node: Any) -> None:
        """A graphical function with a name of its own inside of a variable: defined there, or defined elsewhere."""
        name = canonical(node.get("name"))
        if child(node, "ypts") is None:
            self.borrowed.append((variable, name))
            return
        variable.tables[()] = self.table(node)
        if name not in variable.scope.variables:
            self.declare(variable.scope, node)

    def lend(self) -> None:
        """Give variables the graphical functions that they only name."""
        for variable, name in self.borrowed:
            found = variable.scope.variables.get(name)
            if found is not None and found is not variable and found.tables:
                variable.tables = found.tables
            else:
                hint = self.world.hint(name, variable.scope.variables)
                self.refuse(variable.title, variable.node, name, f"no graphical function {name!r}{hint}")

    def table(self, node: Any) -> Any:
        ys = _numbers(child(node, "ypts"), "ypts")
        scale, points = child(node, "xscale"), child(node, "xpts")
        if points is not None and "".join(points.itertext()).strip():
            xs = _numbers(points, "xpts")
        elif scale is not None:
            try:
                xs = np.linspace(float(scale.get("min", "0")), float(scale.get("max", "1")), len(ys))
            except ValueError:
                raise EquationError("a graphical function whose scale is no number") from None
        else:
            raise EquationError("a graphical function without <xscale> and <xpts>")
        if len(xs) != len(ys):
            raise EquationError(f"a graphical function with {len(xs)} x-values and {len(ys)} y-values")
        kind = node.get("type") or ("discrete" if node.get("discrete", "").lower() == "true" else "continuous")
        if kind.lower() not in _BETWEEN:
            raise EquationError(f"graphical function of type {kind!r}; expected {', '.join(_BETWEEN)}")
        order = np.argsort(xs, kind="stable")
        return self.ae.LookupsStructure(
            x=tuple(xs[order].tolist()),
            y=tuple(ys[order].tolist()),
            x_limits=(float(xs.min()), float(xs.max())),
            y_limits=(float(ys.min()), float(ys.max())),
            type=_BETWEEN[kind.lower()],
        )

    def element_labels(self, variable: Variable, element: Any) -> tuple[str, ...]:
        text = element.get("subscript", "")
        items = [item.strip() for item in text.split(",")]
        if len(items) != len(variable.dims):
            raise EquationError(f"element [{text}] of a variable with {len(variable.dims)} dimension(s)")
        labels = []
        for dim, item in zip(variable.dims, items, strict=True):
            dimension = self.world.dimensions[dim]
            place = dimension.place(item)
            if place is None or not 0 <= place < len(dimension.elements):
                valid = self.world.hint(item, dimension.elements)
                raise EquationError(f"{item!r} is no element of {dimension.name!r}{valid}")
            labels.append(dimension.elements[place])
        return tuple(labels)

    def connect(self) -> None:
        """Give the inputs of modules what they are connected to."""
        for scope in self.world.scopes:
            for node in self.variables(scope.model):
                name = canonical(node.get("name", ""))
                if local(node) == "module" and name in scope.modules:
                    self.connect_module(scope, scope.modules[name], name, node)

    def connect_module(self, scope: Scope, module: Scope, name: str, node: Any) -> None:
        for link in children(node, "connect"):
            source, target = (qualified(link.get(end, "")) for end in ("from", "to"))
            found = scope.find(source) if source else None
            inside = target[1:] if len(target) > 1 and target[0] == name else target
            wanted = (scope.find(target) if target[0] == "" else module.find(inside)) if target else None
            text = f'<connect to="{link.get("to", "")}" from="{link.get("from", "")}"/>'
            if found is None or wanted is None:
                missing = link.get("from", "") if found is None else link.get("to", "")
                self.refuse(node.get("name", ""), link, text, f"no variable {missing!r} to connect")
            elif wanted is found:
                self.refuse(node.get("name", ""), link, text, "an input connected to itself")
            elif found.tables and not found.has_equation:
                wanted.tables, wanted.has_equation, wanted.dims = found.tables, False, found.dims
            elif wanted.source is None:
                wanted.source = found

    def declare_macro(self, node: Any) -> None:
        name = display(node.get("name", ""))
        parameters = [display("".join(parm.itertext())) for parm in children(node, "parm")]
        try:
            if canonical(name) in self.world.macros:
                raise EquationError("a second macro of this name")
            if child(node, "sim_specs") is not None:
                raise EquationError("a macro that runs over a time of its own is not supported")
            texts = [parm.get("default", "") for parm in children(node, "parm")]
            defaults = tuple(parse_equation(text) if text.strip() else None for text in texts)
            self.world.macros[canonical(name)] = Macro(name, tuple(parameters), defaults)
        except EquationError as error:
            self.refuse(name, node, words(node, "eqn"), str(error))


def qualified(text: str) -> tuple[str, ...]:
    """The parts of a name; empty where it is none."""
    try:
        tree = parse_equation(text, lambda name: bool(name))
    except EquationError:
        return (canonical(text),)
    return tree.parts if isinstance(tree, Name) and tree.subscripts is None else (canonical(text),)


def _numbers(node: Any, what: str) -> Any:
    if node is None:
        raise EquationError(f"a graphical function without <{what}>")
    text = "".join(node.itertext())
    separator = node.get("sep") or ","
    words = text.split(separator) if separator.strip() else text.split()
    words = [word.strip() for word in words]
    if words and not words[-1]:
        words.pop()
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise EquationError(f"a graphical function with values that are no numbers: {error}") from None
    if not len(numbers) or not np.isfinite(numbers).all():
        raise EquationError(f"a graphical function with empty or infinite <{what}>")
    return numbers
