"""Structure of a set of elements: hidden stocks, dependencies, order of evaluation, algebraic loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import (
    Auxiliary,
    Driver,
    Element,
    Flow,
    InitialUnknown,
    Stock,
)
from jevons.functions import TIME, symbol


class AlgebraicLoop(Exception):
    """Equations that need each other at the same instant; `path` starts and ends with the same name."""

    def __init__(self, path: list[str]) -> None:
        self.path = path
        super().__init__(" → ".join(path))


@dataclass(frozen=True)
class Structure:
    """A closed set of elements with hidden stocks made explicit and equations in order of evaluation.

    Attributes
    ----------
    elements : mapping
        All elements by name, hidden ones included.
    hidden : frozenset of str
        Names that the delays, smooths and trends brought.
    order : tuple of str
        Auxiliaries and flows, each after what it needs.
    initial_order : tuple of str
        What initial values need, in order: stocks, auxiliaries and flows at the start.
    unknown_order : tuple of str
        What the fixed-point equations of the initial unknowns need, in order.
    """

    elements: Mapping[str, Element]
    hidden: frozenset[str]
    order: tuple[str, ...]
    initial_order: tuple[str, ...]
    unknown_order: tuple[str, ...]

    def of(self, *kinds: type[Element]) -> list[Any]:
        """Elements of the given kinds, as declared."""
        return [e for e in self.elements.values() if isinstance(e, kinds)]

    @property
    def stocks(self) -> list[Stock]:
        return self.of(Stock)

    def equation(self, name: str) -> sp.Expr:
        """Equation of an auxiliary or flow with time functions lowered."""
        element = self.elements[name]
        assert isinstance(element, (Auxiliary, Flow))
        return lower(element.equation, self.elements)

    def initial(self, name: str) -> sp.Expr:
        """Initial value of a stock, or equation of anything else, for the start of a run."""
        element = self.elements[name]
        if isinstance(element, Stock):
            return lower(element.initial, self.elements)
        if isinstance(element, InitialUnknown):
            return lower(element.equation, self.elements)
        return self.equation(name)

    def net_flow(self, stock: str) -> sp.Expr:
        """Sum of inflows less outflows, as flow symbols."""
        flows = self.of(Flow)
        inflow = [flow.symbol for flow in flows if flow.target == stock]
        outflow = [flow.symbol for flow in flows if flow.source == stock]
        return sp.Add(*inflow) - sp.Add(*outflow)


def build(elements: Iterable[Element], unit_of_expression: Callable[[sp.Expr], str]) -> Structure:
    """Order a set of elements whose references are all known.

    Raises
    ------
    AlgebraicLoop
        With the path of names.
    """
    declared = {element.name: element for element in elements}
    expanded, hidden = _expand(declared, unit_of_expression)
    dynamic = _depends_on(expanded, at_start=False)
    start = _depends_on(expanded, at_start=True)
    order = _sorted(dynamic, [e.name for e in expanded.values() if isinstance(e, (Auxiliary, Flow))])
    initial_order = _sorted(start, [e.name for e in expanded.values() if isinstance(e, Stock)])
    unknowns = [e for e in expanded.values() if isinstance(e, InitialUnknown)]
    needed = sorted({n for u in unknowns for n in _references(u.equation, expanded)})
    unknown_order = _sorted(start, [n for n in needed if n in start])
    return Structure(expanded, frozenset(hidden), order, initial_order, unknown_order)


def references(expression: Any) -> set[str]:
    """Names that an expression uses, time left out."""
    return {s.name for s in sp.sympify(expression).free_symbols if s != TIME}


def lower(expression: Any, elements: Mapping[str, Element]) -> sp.Expr:
    """Replace smooth functions, time functions and drivers by what code can be generated from."""
    e = sp.sympify(expression)
    drivers = {s: fn.Lookup(s, TIME) for s in e.free_symbols if isinstance(elements.get(s.name), Driver)}
    if drivers:
        e = _substitute_outside_lookups(e, drivers)
    e = e.replace(lambda n: isinstance(n, fn.SmoothFunction), lambda n: n.definition())
    e = e.replace(lambda n: isinstance(n, (fn.Step, fn.Pulse, fn.Ramp)), lambda n: n.lowered())
    return e.replace(_is_date_condition, _switch_condition)


def switch_times(expression: sp.Expr) -> list[sp.Expr]:
    """Dates at which a lowered expression switches."""
    return sorted({node.args[0] for node in expression.atoms(fn.Switch)}, key=sp.default_sort_key)


def _substitute_outside_lookups(e: sp.Expr, drivers: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    if isinstance(e, fn.Lookup):
        return fn.Lookup(e.args[0], _substitute_outside_lookups(e.args[1], drivers))
    if not e.args:
        return drivers.get(e, e)
    return e.func(*(_substitute_outside_lookups(a, drivers) for a in e.args))


def _is_date_condition(node: Any) -> bool:
    return isinstance(node, sp.core.relational.Relational) and _date_of(node) is not None


def _date_of(node: Any) -> tuple[sp.Expr, bool] | None:
    """The date of ``time < date`` and whether the condition holds after it."""
    left, right = node.args
    after = isinstance(node, (sp.StrictGreaterThan, sp.GreaterThan))
    if not isinstance(node, (sp.StrictGreaterThan, sp.GreaterThan, sp.StrictLessThan, sp.LessThan)):
        return None
    if left == TIME and not right.has(TIME):
        return right, after
    if right == TIME and not left.has(TIME):
        return left, not after
    difference = left - right
    rate = difference.diff(TIME)
    if rate.is_number and rate != 0:  # for example time - date > 0
        return sp.expand(TIME - difference / rate), after == bool(rate > 0)
    return None


def _switch_condition(node: Any) -> Any:
    found = _date_of(node)
    assert found is not None
    date, after = found
    half = sp.Rational(1, 2)
    return sp.Gt(fn.Switch(date), half) if after else sp.Lt(fn.Switch(date), half)


def _references(expression: Any, elements: Mapping[str, Element]) -> set[str]:
    return references(expression) & set(elements)


def _depends_on(elements: Mapping[str, Element], *, at_start: bool) -> dict[str, list[str]]:
    """For each computed name the computed names it needs; at the start stocks are computed too."""
    computed: tuple[type[Element], ...] = (Auxiliary, Flow, Stock) if at_start else (Auxiliary, Flow)
    names = {e.name for e in elements.values() if isinstance(e, computed)}
    graph = {}
    for name in names:
        ((_, expression),) = elements[name].expressions()
        graph[name] = sorted(references(expression) & names)
    return graph


def _sorted(graph: Mapping[str, list[str]], wanted: list[str]) -> tuple[str, ...]:
    """Depth-first order of `wanted` and all they need."""
    done: dict[str, None] = {}
    for root in wanted:
        path: list[str] = []
        stack: list[tuple[str, int]] = [(root, 0)]
        while stack:
            name, position = stack.pop()
            if position == 0:
                if name in done:
                    continue
                if name in path:
                    raise AlgebraicLoop([*path[path.index(name) :], name])
                path.append(name)
            needs = graph[name]
            if position < len(needs):
                stack.append((name, position + 1))
                stack.append((needs[position], 0))
            else:
                path.pop()
                done[name] = None
    return tuple(done)


def _expand(
    declared: Mapping[str, Element], unit_of_expression: Callable[[sp.Expr], str]
) -> tuple[dict[str, Element], list[str]]:
    """Turn delays, smooths and trends inside equations into hidden stocks and flows."""
    result: dict[str, Element] = {}
    hidden: list[str] = []
    made: dict[sp.Expr, sp.Expr] = {}

    def add(element: Element) -> sp.Symbol:
        result[element.name] = element
        hidden.append(element.name)
        return element.symbol

    def stock_with_inflow(base: str, unit: str, flow_unit: str, initial: Any, net: Any) -> sp.Symbol:
        doc = f"Hidden stock of {base.split('__')[0]}."
        s = add(Stock(base, unit, initial=initial, doc=doc))
        add(Flow(f"{base}_change", flow_unit, equation=net(s), target=base, doc=doc))
        return s

    def replace(node: fn.HiddenStockFunction, owner: str) -> sp.Expr:
        written, written_tau, _ = node.args
        node = node.func(*(expand(a, owner) for a in node.args))
        if node in made:
            return made[node]
        x, tau, start = node.args
        label = f"{owner}__{node.label()}_{len(made) + 1}"
        unit = unit_of_expression(written)
        per_time = unit_of_expression(written / written_tau)
        order = node.stages
        stage_time = tau / order
        output: sp.Expr = x
        if isinstance(node, fn.Trend):
            average = stock_with_inflow(label, unit, per_time, x / (1 + start * tau), lambda s: (x - s) / tau)
            made[node] = (x - average) / (tau * average)
            return made[node]
        for stage in range(1, order + 1):
            name = label if order == 1 else f"{label}_{stage}"
            inflow = output
            if isinstance(node, (fn.Smooth1, fn.Smooth3)):
                output = stock_with_inflow(name, unit, per_time, start, lambda s, i=inflow: (i - s) / stage_time)
            else:
                s = add(
                    Stock(
                        name,
                        unit_of_expression(written * written_tau),
                        initial=start * stage_time,
                        doc=f"In transit for {owner}.",
                    )
                )
                out_name = f"{name}_outflow"
                doc = f"Material delay of {owner}."
                if stage == 1:
                    add(Flow(f"{name}_inflow", unit, equation=inflow, target=name, doc=doc))
                next_name = f"{label}_{stage + 1}" if stage < order else None
                add(Flow(out_name, unit, equation=s / stage_time, source=name, target=next_name, doc=doc))
                output = symbol(out_name)
        made[node] = output
        return output

    def expand(e: Any, owner: str) -> sp.Expr:
        e = sp.sympify(e)
        if not e.has(fn.HiddenStockFunction):
            return e
        if isinstance(e, fn.HiddenStockFunction):
            return replace(e, owner)
        return e.func(*(expand(a, owner) for a in e.args))

    for name, element in declared.items():
        if isinstance(element, Auxiliary):
            result[name] = Auxiliary(name, element.unit, equation=expand(element.equation, name), doc=element.doc)
        elif isinstance(element, Flow):
            result[name] = Flow(
                name,
                element.unit,
                equation=expand(element.equation, name),
                source=element.source,
                target=element.target,
                doc=element.doc,
            )
        else:
            result[name] = element
    return result, hidden
