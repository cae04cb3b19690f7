"""Functions of the past made explicit: delays, smooths, trends, pipelines and samples become stocks and flows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import Auxiliary, Element, Flow, Stock
from jevons.functions import symbol
from jevons.lowering import Constants, rebuilt

_SMOOTHS = (fn.Smooth1, fn.Smooth3, fn.SmoothN)


def expand(
    declared: Mapping[str, Element], unit_of_expression: Callable[[sp.Expr], str]
) -> tuple[dict[str, Element], list[str]]:
    """All elements with functions of the past replaced, and the names that this brought."""
    return _Expansion(declared, unit_of_expression).run()


def _towards(inflow: sp.Expr, time: sp.Expr) -> Callable[[sp.Expr], sp.Expr]:
    """Net flow of a stock that follows `inflow` with a time constant."""
    return lambda s: (inflow - s) / time


class _Expansion:
    def __init__(self, declared: Mapping[str, Element], unit_of_expression: Callable[[sp.Expr], str]) -> None:
        self.declared, self.unit = declared, unit_of_expression
        self.result: dict[str, Element] = {}
        self.hidden: list[str] = []
        self.made: dict[sp.Expr, sp.Expr] = {}
        self.constants = Constants(declared)

    def run(self) -> tuple[dict[str, Element], list[str]]:
        for name, element in self.declared.items():
            self.result[name] = self._expanded(element)
        return self.result, self.hidden

    def _expanded(self, element: Element) -> Element:
        if not isinstance(element, (Auxiliary, Flow)):
            return element
        equation = sp.sympify(element.equation)
        if not equation.has(fn.HiddenStockFunction):
            return element
        equation = self.expression(equation, element.name)
        if isinstance(element, Auxiliary):
            return Auxiliary(element.name, element.unit, equation=equation, doc=element.doc)
        ends = {"source": element.source, "target": element.target}
        return Flow(element.name, element.unit, equation=equation, doc=element.doc, **ends)

    def expression(self, e: sp.Expr, owner: str) -> sp.Expr:
        if not e.has(fn.HiddenStockFunction):
            return e
        args = [self.expression(a, owner) for a in e.args]
        if not isinstance(e, fn.HiddenStockFunction):
            return rebuilt(e, args)
        node = e.func(*args)
        if node not in self.made:
            label = f"{owner}__{node.label()}_{len(self.made) + 1}"
            self.made[node] = self._made(node, e.args, label, owner)
        return self.made[node]

    def _made(self, node: fn.HiddenStockFunction, written: tuple[sp.Expr, ...], label: str, owner: str) -> sp.Expr:
        """What stands for a function of the past; `written` are its arguments before their own expansion."""
        x = node.args[0]
        unit = self.unit(written[0])
        if isinstance(node, fn.Initial):
            return self._add(Stock(label, unit, initial=x, doc=f"Value at the start, for {owner}."))
        per_time = self.unit(written[0] / written[1])
        tau, start = node.args[1:3]
        if isinstance(node, fn.Trend):
            average = self._follower(label, unit, per_time, x / (1 + start * tau), lambda s: (x - s) / tau)
            return (x - average) / (tau * average)
        if isinstance(node, fn.SampleIfTrue):
            condition = node.condition

            def change(s: sp.Expr) -> sp.Expr:
                return sp.Piecewise(((x - s) / tau, condition), (sp.S.Zero, sp.true), evaluate=False)

            held = self._follower(label, unit, per_time, start, change)
            return sp.Piecewise((x, condition), (held, sp.true), evaluate=False)
        if isinstance(node, fn.PipelineDelay):
            return self._row(label, unit, per_time, x, tau, start, node.order)
        if isinstance(node, _SMOOTHS):
            return self._row(label, unit, per_time, x, tau / node.order, start, node.order)
        return self._material_delay(node, written, label, owner, unit)

    def _add(self, element: Element) -> sp.Symbol:
        self.result[element.name] = element
        self.hidden.append(element.name)
        return element.symbol

    def _follower(
        self, base: str, unit: str, flow_unit: str, initial: Any, net: Callable[[sp.Expr], sp.Expr]
    ) -> sp.Symbol:
        doc = f"Hidden stock of {base.split('__')[0]}."
        s = self._add(Stock(base, unit, initial=initial, doc=doc))
        self._add(Flow(f"{base}_change", flow_unit, equation=net(s), target=base, doc=doc))
        return s

    def _row(
        self, label: str, unit: str, per_time: str, x: sp.Expr, stage_time: sp.Expr, start: sp.Expr, order: int
    ) -> sp.Expr:
        """First-order smooths in a row; gives the last."""
        output = x
        for stage in range(1, order + 1):
            name = label if order == 1 else f"{label}_{stage}"
            output = self._follower(name, unit, per_time, start, _towards(output, stage_time))
        return output

    def _material_delay(
        self, node: fn.HiddenStockFunction, written: tuple[sp.Expr, ...], label: str, owner: str, unit: str
    ) -> sp.Expr:
        x, tau, start = node.args[:3]
        order = node.order
        content = self.unit(written[0] * written[1])
        stage_times = [tau / order] * order
        output: sp.Expr | None = None
        travels = len(node.args) == 5 and self.constants.resolve(written[1]) is None
        if travels:  # the delay times of earlier steps, one stock a step
            earlier = self._earlier(f"{label}_time", written, tau, node.args[4], max(order - 1, 1))
            stage_times = [t / order for t in [tau, *earlier[: order - 1]]]
            last = symbol(label if order == 1 else f"{label}_{order}")
            output = last / (earlier[0] / order)
        inflow, doc = x, f"Material delay of {owner}."
        for stage in range(1, order + 1):
            name = label if order == 1 else f"{label}_{stage}"
            s = self._add(Stock(name, content, initial=start * (tau / order), doc=f"In transit for {owner}."))
            if stage == 1:
                self._add(Flow(f"{name}_inflow", unit, equation=inflow, target=name, doc=doc))
            next_name = f"{label}_{stage + 1}" if stage < order else None
            flow = Flow(
                f"{name}_outflow", unit, equation=s / stage_times[stage - 1], source=name, target=next_name, doc=doc
            )
            inflow = self._add(flow)
        return inflow if output is None else output

    def _earlier(
        self, label: str, written: tuple[sp.Expr, ...], tau: sp.Expr, step: sp.Expr, count: int
    ) -> list[sp.Expr]:
        """The delay time of one step ago, of two, and so on."""
        unit, per_time = self.unit(written[1]), self.unit(written[1] / written[4])
        found: list[sp.Expr] = []
        for stage in range(1, count + 1):
            source = found[-1] if found else tau
            found.append(self._follower(f"{label}_{stage}", unit, per_time, tau, _towards(source, step)))
        return found
