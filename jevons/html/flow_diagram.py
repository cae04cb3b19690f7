"""Stock-and-flow diagrams as drawings inside a page: one a sector, every symbol a link."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import sympy as sp

from jevons.elements import Auxiliary, Flow, Stock
from jevons.html.markup import escape
from jevons.lowering import references

if TYPE_CHECKING:
    from jevons.interchange.writers.expanded import Variable
    from jevons.interchange.writers.shapes import Arrow, Box, Page
    from jevons.model import Model

MOST_SYMBOLS = 40
"""Stocks, flows and auxiliaries of a sector up to which auxiliaries are drawn, too."""
MOST_PIPES = 250
"""Stocks and flows of a sector up to which it is drawn at all."""
_LINE = 13


def flow_diagrams(model: Model, ids: Mapping[str, str]) -> list[tuple[str, str]]:
    """The diagram of every sector with stocks or flows, as (sector, SVG).

    Parameters
    ----------
    ids : mapping of str to str
        Where on the page each element is.
    """
    from jevons.interchange.writers.expanded import Expanded, Variable
    from jevons.interchange.writers.layout import lay_out

    flows = [e for e in model.elements.values() if isinstance(e, Flow)]
    variables = []
    for sector, names in model.sectors.items():
        drawn = [model.elements[n] for n in names]
        symbols = [e for e in drawn if isinstance(e, (Stock, Flow, Auxiliary))]
        pipes = [e for e in symbols if isinstance(e, (Stock, Flow))]
        if len(pipes) > MOST_PIPES or not pipes:
            continue
        for e in symbols if len(symbols) <= MOST_SYMBOLS else pipes:
            if isinstance(e, Stock):
                inflows = tuple(f.name for f in flows if f.target == e.name)
                outflows = tuple(f.name for f in flows if f.source == e.name)
                variables.append(Variable(e.name, e.name, "stock", "", "", sector, inflows=inflows, outflows=outflows))
            else:
                equation = sp.sympify(e.equation)
                kind = "flow" if isinstance(e, Flow) else "aux"
                variables.append(Variable(e.name, e.name, kind, "", "", sector, equation))
    kept = {v.key for v in variables}
    whole = [v for v in variables if {*v.inflows, *v.outflows} <= kept]
    whole = _connected(whole)
    expanded = Expanded(
        model.name, "", model.time_unit, model.start, model.start + 1, 1.0, 1.0, "Euler", True, {}, tuple(whole), {}, {}
    )
    pages = lay_out(expanded, {v.key: v.key for v in whole})
    return [(page.name, _svg(page, ids, f"diagram-{i}")) for i, page in enumerate(pages)]


def _connected(variables: list[Variable]) -> list[Variable]:
    """Without auxiliaries that neither use nor are used by anything drawn."""
    drawn = {v.key for v in variables}
    uses = {v.key: references(v.equation) & drawn for v in variables if v.equation is not None}
    used = set().union(*uses.values())
    return [v for v in variables if v.kind != "aux" or uses[v.key] or v.key in used]


def _svg(page: Page, ids: Mapping[str, str], name: str) -> str:
    boxes = {b.identity: b for b in page.boxes}
    width, height = page.size
    parts = [_arrow(a, boxes, name) for a in page.arrows]
    for pipe in page.pipes:
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in pipe.points)
        parts.append(f'<polyline class="pipe" points="{points}"/><polyline class="bore" points="{points}"/>')
        (x0, y0), (x1, y1) = pipe.points[-2:]
        turn = math.degrees(math.atan2(y1 - y0, x1 - x0))
        parts.append(
            f'<path class="head" d="M0 0L-11 -6L-11 6Z" transform="translate({x1:.0f} {y1:.0f}) rotate({turn:.0f})"/>'
        )
    parts += [_box(b, ids) for b in page.boxes]
    described = f"Stocks, flows and what informs them in {page.name}"
    marker = (
        f'<defs><marker id="{name}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="tip" d="M0 1L7 4L0 7Z"/></marker></defs>'
    )
    return (
        f'<svg class="flows" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'role="img" aria-labelledby="{name}-alt"><title id="{name}-alt">{escape(described)}</title>{marker}'
        f"{''.join(parts)}</svg>"
    )


def _arrow(arrow: Arrow, boxes: Mapping[int, Box], name: str) -> str:
    from jevons.interchange.writers.shapes import arc

    start, end = boxes[arrow.start], boxes[arrow.end]
    points = arc((start.x, start.y), (end.x, end.y), arrow.bend)
    outside = [
        (x, y) for x, y in points.tolist()
        if not _inside(x, y, start) and not _inside(x, y, end)
    ]  # fmt: skip
    if len(outside) < 2:
        return ""
    path = "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in outside)
    kind = "use start" if arrow.initial else "use"
    return f'<path class="{kind}" d="{path}" marker-end="url(#{name}-tip)"/>'


def _inside(x: float, y: float, box: Box) -> bool:
    return abs(x - box.x) <= box.width / 2 + 2 and abs(y - box.y) <= box.height / 2 + 2


def _box(box: Box, ids: Mapping[str, str]) -> str:
    x, y, w, h = box.x, box.y, box.width, box.height
    if box.kind == "cloud":
        return f'<path class="cloud" transform="translate({x:.0f} {y:.0f})" d="{_CLOUD}"/>'
    if box.kind == "stock":
        shape = f'<rect class="stock" x="{x - w / 2:.0f}" y="{y - h / 2:.0f}" width="{w:.0f}" height="{h:.0f}" rx="3"/>'
        first = y - _LINE * (len(box.lines) - 1) / 2 + 4
    else:
        first = y + h / 2 + 2 + _LINE - 2
        if box.kind == "valve":
            shape = f'<path class="valve" transform="translate({x:.0f} {y:.0f})" d="M-8 -8L8 8V-8L-8 8Z"/>'
        else:
            shape = f'<circle class="{"ghost" if box.kind == "ghost" else "aux"}" cx="{x:.0f}" cy="{y:.0f}" r="5"/>'
    lines = "".join(
        f'<tspan x="{x:.0f}" y="{first + _LINE * i:.0f}">{escape(line)}</tspan>' for i, line in enumerate(box.lines)
    )
    inside = f'{shape}<text text-anchor="middle">{lines}</text>'
    return f'<a href="#{ids[box.key]}">{inside}</a>' if box.key in ids else inside


_CLOUD = "M-13 6a6 6 0 0 1 1 -12a8 8 0 0 1 14 -3a6 6 0 0 1 8 8a5 5 0 0 1 -2 8Z"
