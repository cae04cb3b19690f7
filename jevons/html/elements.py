"""The elements of a model as entries of a page: equation, unit, value, evidence, what uses what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp

from jevons.elements import Auxiliary, Driver, Element, Flow, InitialUnknown, Parameter, Range, Stock, Table
from jevons.html.equation import EquationPrinter, length, plain_number
from jevons.html.markup import escape, linked, slug
from jevons.html.small_chart import FLAT, points_chart, short, spark
from jevons.lowering import references

if TYPE_CHECKING:
    from jevons.diagnostics.unit_report import UnitReport
    from jevons.model import Model
    from jevons.trajectory import Trajectory

KINDS: Mapping[type[Element], str] = {
    Stock: "stock", Flow: "flow", Auxiliary: "auxiliary", Driver: "driver", Table: "table",
    InitialUnknown: "unknown of the start", Parameter: "parameter",
}  # fmt: skip
LONG = 90
"""Parts of an expression from which on it is folded."""
_MANY = 14
_MOST_ROWS = 60


class Entries:
    """Writes the entries of one model.

    Parameters
    ----------
    model : Model
    run : Trajectory or None
    units : UnitReport
    """

    def __init__(self, model: Model, run: Trajectory | None, units: UnitReport) -> None:
        self.model, self.run, self.units = model, run, units
        self.ids = {name: f"e{i}-{slug(name)[:40]}" for i, name in enumerate(model.elements)}
        self.printer = EquationPrinter(self.link)
        self.flows = [e for e in model.elements.values() if isinstance(e, Flow)]
        self.uses = {name: self._uses(e) for name, e in model.elements.items()}
        self.used_by: dict[str, list[str]] = {name: [] for name in model.elements}
        for name, used in self.uses.items():
            for other in used:
                self.used_by[other].append(name)

    def link(self, name: str) -> str:
        """An element's name as a link to its entry."""
        if name not in self.ids:
            return escape(name)
        return f'<a href="#{self.ids[name]}">{escape(name)}</a>'

    def links(self, names: Iterable[str]) -> str:
        """Names as links, separated by commas."""
        return ", ".join(self.link(n) for n in names)

    def sector(self, names: Sequence[str]) -> str:
        """All entries of a sector: stocks first, parameters last."""
        ordered = [self.model[n] for kind in KINDS for n in names if type(self.model[n]) is kind]
        return "\n".join(self.entry(e) for e in ordered)

    def entry(self, e: Element) -> str:
        """One element."""
        unit = f" <small>[{escape(e.unit)}]</small>" if e.unit.strip() else ""
        tag = f'<span class="tag">{KINDS[type(e)]}</span>'
        head = f"<h4>{escape(e.name)}{unit} {tag}{self._verdict(e.name)}</h4>"
        doc = f'<p class="doc">{linked(e.doc.strip())}</p>' if e.doc.strip() else ""
        body = self._spark(e.name) + head + self._equation(e) + doc + self._evidence(e) + self._references(e.name)
        return f'<article id="{self.ids[e.name]}" data-name="{escape(e.name.lower())}">{body}</article>'

    def _verdict(self, name: str) -> str:
        inferred = self.units.inferred.get(name)
        said = f' <span class="tag open">unit follows: {escape(inferred)}</span>' if inferred is not None else ""
        if self.units.verdicts.get(name) == "mismatch":
            said += ' <a class="tag bad" href="#units">unit does not agree</a>'
        return said

    def _equation(self, e: Element) -> str:
        lines = []
        if isinstance(e, Stock):
            net = [("+", f) for f in self.flows if f.target == e.name] + [
                ("−", f) for f in self.flows if f.source == e.name
            ]
            terms = "".join(
                f"{'' if i == 0 and sign == '+' else sign if i == 0 else f' {sign} '}{self.link(f.name)}"
                for i, (sign, f) in enumerate(net)
            )
            lines.append(f"d/d<i>t</i> {escape(e.name)} = {terms or '0'}{' (as logarithm)' if e.log else ''}")
            lines.append(f"{escape(e.name)}({plain_number(self.model.start)}) = {self._shown(e.initial)}")
        elif isinstance(e, Flow):
            ends = " → ".join(self.link(end) if end else "outside" for end in (e.source, e.target))
            lines.append(f"{escape(e.name)} = {self._shown(e.equation)}")
            lines.append(f"<small>{ends}</small>")
        elif isinstance(e, (Auxiliary, InitialUnknown)):
            lines.append(f"{escape(e.name)} = {self._shown(e.equation)}")
            if isinstance(e, InitialUnknown):
                lines.append(f"<small>solved from {plain_number(e.guess)}</small>")
        elif isinstance(e, Parameter):
            lines.append(f"{escape(e.name)} = {plain_number(e.value)}")
        elif isinstance(e, Table):
            return self._table(e)
        return f'<div class="eq">{"".join(f"<div>{line}</div>" for line in lines)}</div>'

    def _shown(self, expression: object) -> str:
        parts = length(expression, 10 * LONG)
        text = self.printer.html(expression)
        if parts < LONG:
            return text
        more = " or more" if parts >= 10 * LONG else ""
        return f"<details><summary>an expression of {parts}{more} parts</summary>{text}</details>"

    def _table(self, e: Table) -> str:
        argument = "time" if isinstance(e, Driver) else "its argument"
        x_unit = f" [{escape(e.x_unit)}]" if e.x_unit.strip() else ""
        between = getattr(e, "between", "linear")
        told = {"linear": "linear between points", "hold": "held until the next point", "forward": "the next point"}
        beyond = {"clamp": "constant beyond them", "extrapolate": "extrapolated beyond them"}
        drawn = points_chart(e.points, f"{self.ids[e.name]}-chart", f"{e.name} by {argument}")
        rows = "".join(
            f"<tr><td class='n'>{short(x)}</td><td class='n'>{short(y)}</td></tr>" for x, y in e.points[:_MOST_ROWS]
        )
        more = f"<p>… and {len(e.points) - _MOST_ROWS} more</p>" if len(e.points) > _MOST_ROWS else ""
        head = f"<tr><th scope='col'>{argument}{x_unit}</th><th scope='col'>value</th></tr>"
        summary = f"{len(e.points)} points, {told.get(between, between)}, {beyond.get(e.outside, e.outside)}"
        table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"
        figure = f'<div class="panels"><figure>{drawn}</figure></div>'
        return f"{figure}<details><summary>{escape(summary)}</summary>{table}</details>"

    def _evidence(self, e: Element) -> str:
        if not isinstance(e, (Parameter, Table)):
            return ""
        parts = []
        prior = getattr(e, "prior", None)
        if isinstance(prior, Range):
            exact = prior.low == prior.high
            parts.append("exact" if exact else f"range {short(prior.low)} to {short(prior.high)}")
        elif prior is not None:
            parts.append(escape(prior))
        parts += [escape(e.status)] if e.status else []
        parts += [linked(e.source.strip())] if e.source.strip() else []
        return f'<p class="refs">{"; ".join(parts)}</p>' if parts else ""

    def _references(self, name: str) -> str:
        said = []
        for what, names in (("Uses", self.uses[name]), ("Used by", self.used_by[name])):
            if len(names) > _MANY:
                said.append(f"<details><summary>{what} {len(names)} elements</summary>{self.links(names)}</details>")
            elif names:
                said.append(f'<p class="refs">{what}: {self.links(names)}</p>')
        return "".join(said)

    def _uses(self, e: Element) -> list[str]:
        found: set[str] = set()
        for _, expression in e.expressions():
            found |= references(sp.sympify(expression))
        if isinstance(e, Stock):
            found |= {f.name for f in self.flows if e.name in (f.source, f.target)}
        return [n for n in self.model.elements if n in found]

    def _spark(self, name: str) -> str:
        if self.run is None or name not in self.run.names:
            return ""
        values = self.run[name].to_numpy()
        finite = values[np.isfinite(values)]
        if not finite.size:
            return ""
        told = f"{short(float(finite[0]))} → {short(float(finite[-1]))}"
        if float(np.ptp(finite)) <= FLAT * float(np.abs(finite).max()):
            return f'<div class="spark">{short(float(finite[0]))} throughout</div>'
        return f'<div class="spark">{spark(self.run.times, values)}{told}</div>'
