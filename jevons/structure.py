"""Structure of a set of elements: hidden stocks, dependencies, order of evaluation, algebraic loops."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from jevons import hidden_stocks
from jevons.elements import (
    Auxiliary,
    Element,
    Flow,
    InitialUnknown,
    Stock,
)
from jevons.lowering import Constants, Literal, at_once, lower, references, switch_times


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

    @functools.cached_property
    def constants(self) -> Constants:
        """Auxiliaries that depend on parameters alone."""
        return Constants(self.elements)

    def equation(self, name: str, literal: Literal | None = None) -> sp.Expr:
        """Equation of an auxiliary or flow with time functions lowered."""
        element = self.elements[name]
        assert isinstance(element, (Auxiliary, Flow))
        return lower(element.equation, self.elements, constants=self.constants, literal=literal)

    def initial(self, name: str, literal: Literal | None = None) -> sp.Expr:
        """Initial value of a stock, or equation of anything else, for the start of a run."""
        element = self.elements[name]
        expression = element.initial if isinstance(element, Stock) else element.equation  # type: ignore[attr-defined]
        return lower(expression, self.elements, constants=self.constants, literal=literal, at_start=True)

    @functools.cached_property
    def _ends(self) -> Mapping[str, tuple[list[sp.Symbol], list[sp.Symbol]]]:
        """Inflows and outflows of every stock."""
        ends: dict[str, tuple[list[sp.Symbol], list[sp.Symbol]]] = {s.name: ([], []) for s in self.stocks}
        for flow in self.of(Flow):
            for place, stock in enumerate((flow.target, flow.source)):
                if stock is not None:
                    ends[stock][place].append(flow.symbol)
        return ends

    def net_flow(self, stock: str) -> sp.Expr:
        """Sum of inflows less outflows, as flow symbols."""
        inflow, outflow = self._ends[stock]
        return sp.Add(*inflow) - sp.Add(*outflow)


def build(elements: Iterable[Element], unit_of_expression: Callable[[sp.Expr], str]) -> Structure:
    """Order a set of elements whose references are all known.

    Raises
    ------
    AlgebraicLoop
        With the path of names.
    """
    declared = {element.name: element for element in elements}
    expanded, hidden = hidden_stocks.expand(declared, unit_of_expression)
    dynamic = _depends_on(expanded, at_start=False)
    start = _depends_on(expanded, at_start=True)
    order = _sorted(dynamic, [e.name for e in expanded.values() if isinstance(e, (Auxiliary, Flow))])
    initial_order = _sorted(start, [e.name for e in expanded.values() if isinstance(e, Stock)])
    unknowns = [e for e in expanded.values() if isinstance(e, InitialUnknown)]
    needed = sorted({n for u in unknowns for n in _references(at_once(sp.sympify(u.equation), True), expanded)})
    unknown_order = _sorted(start, [n for n in needed if n in start])
    return Structure(expanded, frozenset(hidden), order, initial_order, unknown_order)


def _references(expression: Any, elements: Mapping[str, Element]) -> set[str]:
    return references(expression) & set(elements)


def _depends_on(elements: Mapping[str, Element], *, at_start: bool) -> dict[str, list[str]]:
    """For each computed name the computed names it needs; at the start stocks are computed too."""
    computed: tuple[type[Element], ...] = (Auxiliary, Flow, Stock) if at_start else (Auxiliary, Flow)
    names = {e.name for e in elements.values() if isinstance(e, computed)}
    graph = {}
    for name in names:
        ((_, expression),) = elements[name].expressions()
        graph[name] = sorted(references(at_once(expression, at_start)) & names)
    return graph


def _sorted(graph: Mapping[str, list[str]], wanted: list[str]) -> tuple[str, ...]:
    """Depth-first order of `wanted` and all they need."""
    done: dict[str, None] = {}
    for root in wanted:
        path: dict[str, None] = {}
        stack: list[tuple[str, int]] = [(root, 0)]
        while stack:
            name, position = stack.pop()
            if position == 0:
                if name in done:
                    continue
                if name in path:
                    raise AlgebraicLoop([*list(path)[list(path).index(name) :], name])
                path[name] = None
            needs = graph[name]
            if position < len(needs):
                stack.append((name, position + 1))
                stack.append((needs[position], 0))
            else:
                path.popitem()
                done[name] = None
    return tuple(done)


__all__ = ["AlgebraicLoop", "Structure", "build", "lower", "references", "switch_times"]
