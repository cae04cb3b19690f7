"""The elements of an XMILE model: stocks, flows, auxiliaries, graphical functions and macros as PySD's classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jevons.interchange.pysd_classes import structures, syntax
from jevons.interchange.xmile_reader.expressions import ExpansionNeeded, Lowering, Side
from jevons.interchange.xmile_reader.file import child, children, is_true, is_written, local, or_nothing, words
from jevons.interchange.xmile_reader.modules import Declarations, Scope, Variable, World, combinations, qualified
from jevons.interchange.xmile_reader.repairs import EquationError, Name, Rows, canonical, display, parse_equation

_DISCRETE = {
    "conveyor": "a conveyor",
    "queue": "a queue",
    "oven": "an oven",
    "leak": "a leak of a conveyor",
    "overflow": "the overflow of a queue",
    "multiplier": "a flow that changes its unit on the way",
    "distrib_eq": "a flow spread over a conveyor",
}
MOST_BUILT = 500_000

Finish = Callable[[Lowering, Any], Any]


class Elements:
    """Builds the elements of what was declared.

    Parameters
    ----------
    declared : Declarations
    """

    def __init__(self, declared: Declarations) -> None:
        self.ae, self.am = syntax(), structures()
        self.declared, self.world = declared, declared.world
        self.names: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        self.stock_flows: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self.non_negative: set[str] = set()
        self.macros: set[str] = set()

    def elements(self, scope: Scope, prefix: str = "") -> Iterator[Any]:
        defaults = self.behaviour(scope)
        for variable in list(scope.variables.values()):
            if variable.node is None:
                continue
            key = prefix + variable.key
            if key in self.lines:  # a module's variable, and a name with a full stop in it
                self.declared.refuse(variable.title, variable.node, "", "a second definition of this name")
                continue
            self.names[key] = variable.title
            self.lines[key] = variable.node.sourceline
            try:
                components = self.components(variable, defaults.get(variable.tag, False), key)
            except (EquationError, RecursionError) as error:
                text = " ".join(words(variable.node, "eqn").split())
                self.declared.refuse(variable.title, variable.node, text, str(error))
                continue
            self.kinds[key] = variable.tag if variable.source is None or variable.tag == "flow" else "aux"
            yield self.am.AbstractElement(
                name=variable.title,
                components=components,
                units=words(variable.node, "units").strip(),
                limits=self.limits(variable),
                documentation=words(variable.node, "doc").strip(),
            )

    def behaviour(self, scope: Scope) -> dict[str, bool]:
        """Whether stocks and flows of a model stay positive unless they say otherwise."""
        result = {"stock": False, "flow": False}
        for block in (child(self.declared.root, "behavior"), child(scope.model, "behavior")):
            for kind in result:
                for node in (child(block, "non_negative"), child(block, kind, "non_negative")):
                    if node is not None:
                        result[kind] = is_true(node)
        return result

    def limits(self, variable: Variable) -> tuple[float | None, float | None]:
        node = child(variable.node, "yscale" if variable.tag == "gf" else "range")
        try:
            low, high = (float(node.get(end)) if node.get(end) else None for end in ("min", "max"))
        except (AttributeError, ValueError):
            return (None, None)
        return (low, high)

    def components(self, variable: Variable, default: bool, key: str) -> list[Any]:
        """The components of an element: one for the whole array, or one an element."""
        node = variable.node
        if variable.source is not None:
            source = variable.source
            side = Side(variable.dims, tuple(self.world.dimensions[dim].name for dim in variable.dims))
            lowering = Lowering(variable, side)
            ast = lowering.refer(source, lowering.bare(source, "no", []))
            return [self.am.AbstractComponent(subscripts=(list(side.labels), []), ast=ast)]
        for part in node.iter():
            tag = local(part)
            if tag in _DISCRETE and part is not node:
                raise EquationError(f"{_DISCRETE[tag]} (<{tag}>) is not supported")
            if tag == "event" and part.get("sim_action", "").lower() == "stop":
                raise EquationError("an event that stops the run (<event_poster>) is not supported")
        if child(node, "event_poster") is not None:
            self.declared.repairs.append(
                f"line {node.sourceline}: pauses and messages of {variable.title!r} are left out"
            )
        limited = child(node, "non_negative")
        positive = default if limited is None else is_true(limited)
        if variable.tag == "stock":
            inflows, outflows = self.flows(variable)
            self.stock_flows[key] = (
                tuple(self.name_of(variable, f) for f in inflows),
                tuple(self.name_of(variable, f) for f in outflows),
            )
        if positive and variable.tag in ("stock", "flow"):
            self.non_negative.add(key)
        if variable.tables and not variable.has_equation:
            return self.lookups(variable)

        at_start = None
        if is_written(child(node, "init_eqn")):
            at_start = parse_equation(words(node, "init_eqn"), variable.scope.knows)

        def finish(lowering: Lowering, ast: Any) -> Any:
            if at_start is not None:
                ast = lowering.named("active_initial", ast, lowering.lower(at_start))
            labels = lowering.side.labels
            if variable.tables:
                if labels not in variable.tables and () not in variable.tables:
                    if not lowering.side.bound:
                        raise ExpansionNeeded
                    raise EquationError(f"no graphical function for element {', '.join(labels)}")
                table = variable.tables.get(labels) or variable.tables[()]
                ast = self.ae.InlineLookupsStructure(ast, table)
            if variable.tag == "flow" and positive:
                ast = lowering.named("max", ast, 0)
            if variable.tag == "stock":
                ast = self.ae.IntegStructure(self.net(lowering, inflows, outflows), ast, positive)
            return ast

        return self.defined(variable, finish)

    def defined(self, variable: Variable, finish: Finish) -> list[Any]:
        """Components by element where there are such equations, else of the whole."""
        node, result, done = variable.node, [], set()
        for element in children(node, "element"):
            labels = self.declared.element_labels(variable, element)
            equation = child(element, "eqn")
            if equation is None:
                continue
            if labels in done:
                raise EquationError(f"element {', '.join(labels)} is defined twice")
            done.add(labels)
            result += self.component(variable, equation, labels, finish)
        equations = list(children(node, "eqn"))
        if not result:
            if not equations:
                raise EquationError(self.why_none(variable))
            if len(equations) == 1:
                return self.component(variable, equations[0], None, finish)
            every = combinations(variable) if variable.dims else []
            if len(every) != len(equations):
                raise EquationError(f"{len(equations)} equations for {len(every) or 1} element(s)")
            return [
                c
                for e, labels in zip(equations, every, strict=True)
                for c in self.component(variable, e, labels, finish)
            ]
        missing = [labels for labels in combinations(variable) if labels not in done]
        if missing and not (equations and is_written(equations[0])):
            listed = "; ".join(", ".join(labels) for labels in missing[:5])
            self.declared.repairs.append(f"line {node.sourceline}: {variable.title!r} has no equation for {listed}")
            return result
        for labels in missing:
            result += self.component(variable, equations[0], labels, finish)
        return result

    def why_none(self, variable: Variable) -> str:
        for stock in variable.scope.variables.values():
            out = [canonical("".join(n.itertext())) for n in children(or_nothing(stock.node), "outflow")]
            if variable.tag == "flow" and canonical(variable.title.rsplit(".", 1)[-1]) in out:
                for tag in ("conveyor", "queue", "oven"):
                    if child(stock.node, tag) is not None:
                        return f"no equation: {_DISCRETE[tag]} drives it"
        return "no equation"

    def component(self, variable: Variable, equation: Any, labels: tuple[str, ...] | None, finish: Finish) -> list[Any]:
        """One component; or one an element, where the equation of an array is not the same for all."""
        dimensions = self.world.dimensions
        whole = tuple(dimensions[dim].name for dim in variable.dims)
        tree = parse_equation("".join(equation.itertext()), variable.scope.knows)
        if isinstance(tree, Rows) and not whole:
            raise EquationError("several numbers for a variable that is no array")
        repeated = len(set(variable.dims)) < len(variable.dims) and not isinstance(tree, Rows)
        if labels is None and not repeated:
            try:
                return [self.built(variable, tree, Side(variable.dims, whole), finish)]
            except ExpansionNeeded:
                pass
        every = combinations(variable) if labels is None else [labels]
        return [self.built(variable, tree, Side(variable.dims, one, bound=True), finish) for one in every]

    def built(self, variable: Variable, tree: Any, side: Side, finish: Finish) -> Any:
        self.world.built += 1
        if self.world.built > MOST_BUILT:
            raise EquationError(f"the equations of the file are written for more than {MOST_BUILT:,} elements")
        lowering = Lowering(variable, side)
        ast = finish(lowering, lowering.lower(tree))
        return self.am.AbstractComponent(subscripts=(list(side.labels), []), ast=ast)

    def lookups(self, variable: Variable) -> list[Any]:
        whole = [self.world.dimensions[dim].name for dim in variable.dims]
        return [
            self.am.AbstractLookup(subscripts=(list(labels) or whole, []), ast=table)
            for labels, table in variable.tables.items()
        ]

    def flows(self, stock: Variable) -> tuple[list[Name], list[Name]]:
        found: tuple[list[Name], list[Name]] = ([], [])
        for names, tag in zip(found, ("inflow", "outflow"), strict=True):
            for node in children(stock.node, tag):
                text = "".join(node.itertext()).strip()
                name = Name(qualified(text)) if text else Name(())
                flow = stock.scope.find(name.parts) if name.parts else None
                if flow is None:
                    valid = self.world.hint(
                        canonical(text), [k for k, v in stock.scope.variables.items() if v.tag == "flow"]
                    )
                    raise EquationError(f"no flow {text!r}{valid}")
                names.append(name)
        return found

    def name_of(self, variable: Variable, name: Name) -> str:
        found = variable.scope.find(name.parts)
        assert found is not None
        return found.key

    def net(self, lowering: Lowering, inflows: list[Name], outflows: list[Name]) -> Any:
        """Inflows less outflows, as PySD writes them."""
        terms = [lowering.lower(name) for name in (*inflows, *outflows)]
        if not terms:
            return 0
        if not inflows:
            terms[0] = self.ae.ArithmeticStructure(["negative"], (terms[0],))
        operators = ["+"] * (len(inflows) - 1) + ["-"] * (len(outflows) - (not inflows))
        return self.ae.ArithmeticStructure(operators, terms) if operators else terms[0]

    def macro(self, node: Any) -> tuple[list[str], list[Any]] | None:
        """Parameters and elements of a macro; its result is the element that has its name."""
        name = display(node.get("name", ""))
        key = canonical(name)
        declared = self.world.macros.get(key)
        if declared is None or key in self.macros:
            return None
        self.macros.add(key)
        scope = Scope(World(self.world.dimensions, self.world.macros, [], self.world.ranges), node)
        scope.world.scopes.append(scope)
        for parameter in declared.parameters:
            scope.variables[canonical(parameter)] = Variable("parameter", None, scope, canonical(parameter), parameter)
        for inner in self.declared.variables(node) if child(node, "variables") is not None else ():
            if canonical(inner.get("name", "")) in scope.variables and inner.get("access") == "input":
                continue  # a parameter
            if local(inner) == "module":
                self.declared.refuse(inner.get("name", ""), inner, "", "a module inside of a macro is not supported")
            else:
                self.declared.declare(scope, inner)
        elements = list(self.elements(scope, f"{key}."))
        if not (key in scope.variables and canonical(words(node, "eqn")) in (key, "")):
            own = Variable("aux", node, scope, key, name)
            try:
                if key in scope.variables:
                    raise EquationError("a variable of the macro has the name of the macro, and is not its result")
                elements += [self.am.AbstractElement(name, self.defined(own, lambda lowering, ast: ast))]
            except EquationError as error:
                self.declared.refuse(name, node, words(node, "eqn"), str(error))
        return list(declared.parameters), elements
