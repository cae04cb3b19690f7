"""XMILE 1.0: a model for other system dynamics programs, with its diagram.

Reference: OASIS Standard, XML Interchange Language for System Dynamics (XMILE) Version 1.0, 2015.
"""

from __future__ import annotations

import importlib.metadata
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jevons.errors import JevonsError
from jevons.interchange.writers.arrays import collapsed, elements, find_arrays
from jevons.interchange.writers.equation_text import (
    array_references,
    canonical,
    documentation,
    number,
    safe_names,
    wanted_names,
    with_elements,
)
from jevons.interchange.writers.expanded import Expanded, Variable, expand
from jevons.interchange.writers.layout import lay_out
from jevons.interchange.writers.shapes import Page, angle
from jevons.interchange.writers.xmile_text import RESERVED, XmilePrinter, keeps, reference, references, unit_text

if TYPE_CHECKING:
    from jevons.model import Model

NAMESPACE = "http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"
_METHODS = {"Euler": "euler", "RK2": "rk2", "RK4": "rk4"}
_BETWEEN_PAGES = 60
_HEADING = 40


def write_xmile(
    model: Model,
    path: str | Path,
    *,
    dt: float | None = None,
    end: float | None = None,
    method: str | None = None,
    params: Mapping[str, float] | None = None,
) -> Path:
    """Write a model as XMILE 1.0.

    Parameters
    ----------
    model : Model
        Delays become stocks and flows, smooth functions their definitions, a stock ``x`` with ``log=True`` a stock
        ``ln_x`` and an auxiliary ``x = EXP(ln_x)``. Sectors become groups and frames of the diagram.
    path : str or Path
        Ends in ``.xmile``, ``.stmx`` or ``.xml``; other endings are not read by PySD.
    dt, end : float
        Step and last date of the run that the file asks for; it begins at ``model.start``. By default those of the
        model's settings, or 1/32 and 30 units of time after the start.
    method : {'Euler', 'RK2', 'RK4'}
        By default that of the settings, or Euler's.
    params : mapping
        Parameter values other than the model's.

    Returns
    -------
    Path

    Raises
    ------
    JevonsError
        If the initial values cannot be solved, or a function has no counterpart.

    Notes
    -----
    Initial values are equations, which follow a parameter that is changed in the file; numbers only where they need a
    fixed point that XMILE cannot solve for. Dates of steps and pulses should lie on the grid of `dt`; `Model.run`
    restarts at them wherever they lie, other programs take effect at the next step. Random numbers have the same
    distribution, but not the same sequence. PySD keeps eight decimals of a table's points unless it reads the file
    under ``numpy.printoptions(precision=17)``.

    Examples
    --------
    >>> model.to_xmile("world.xmile")  # doctest: +SKIP
    >>> pysd.read_xmile("world.xmile").run()["dc_electricity"]  # doctest: +SKIP
    """
    expanded = expand(model, dt=dt, end=end, method=method, params=params)
    root = _Export(expanded).document()
    ET.indent(root)
    path = Path(path)
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    return path


class _Export:
    """Writes one model."""

    def __init__(self, expanded: Expanded) -> None:
        self.expanded = expanded
        self.arrays = find_arrays(expanded, keeps, as_one=True)
        names = safe_names(wanted_names(expanded, self.arrays), RESERVED, keeps)
        taken = {*RESERVED, *map(canonical, names.values())}
        others = {("dimension", d): d for d in self.arrays.dimensions} | {("group", s): s for s in expanded.sectors}
        safe = safe_names({"\x00".join(key): name for key, name in others.items()}, taken, keeps)
        self.dimensions = {d: safe[f"dimension\x00{d}"] for d in self.arrays.dimensions}
        self.groups = {s: safe[f"group\x00{s}"] for s in expanded.sectors}
        self.names = with_elements(names, self.arrays)
        said = references(names, expanded.controls)
        if expanded.every != expanded.dt:  # XMILE has a word for the step alone
            said |= {name: number(expanded.every) for name, role in expanded.controls.items() if role == "every"}
        self.references = array_references(said, self.arrays, reference)
        self.printer = XmilePrinter(expanded, self.references)

    def document(self) -> ET.Element:
        expanded = self.expanded
        root = ET.Element("xmile", {"version": "1.0", "xmlns": NAMESPACE})
        header = ET.SubElement(root, "header")
        _child(header, "vendor", "jevons")
        _child(header, "product", "jevons").set("version", importlib.metadata.version("jevons"))
        _child(header, "name", expanded.name)
        if expanded.doc:
            _child(header, "caption", expanded.doc)
        ET.SubElement(ET.SubElement(header, "options"), "has_model_view")
        specs = {"method": _METHODS[expanded.method], "time_units": unit_text(expanded.time_unit)}
        run = ET.SubElement(root, "sim_specs", specs)
        for tag, value in (("start", expanded.start), ("stop", expanded.end), ("dt", expanded.dt)):
            _child(run, tag, repr(value))
        if expanded.time_unit == "yr":
            unit = ET.SubElement(ET.SubElement(root, "model_units"), "unit", {"name": "yr"})
            for alias in ("year", "years"):
                _child(unit, "alias", alias)
        if self.arrays.dimensions:
            most = max(map(len, self.arrays.over.values()))
            header.find("options").append(ET.Element("uses_arrays", {"max_dimensions": str(most)}))  # type: ignore[union-attr]
            dimensions = ET.SubElement(root, "dimensions")
            for dimension, labels in self.arrays.dimensions.items():
                node = ET.SubElement(dimensions, "dim", {"name": self.dimensions[dimension]})
                for label in labels:
                    ET.SubElement(node, "elem", {"name": label})
        model = ET.SubElement(root, "model")
        self.variables = ET.SubElement(model, "variables")
        self.drawn = collapsed(expanded, self.arrays)
        for variable in expanded.variables:
            if variable.key not in self.arrays.of:
                self._points(variable) if variable.kind == "points" else self._variable(variable)
        for base, variables in elements(expanded, self.arrays).items():
            self._array(base, variables)
        if expanded.every != expanded.dt:  # XMILE has no word for it; this is what readers look for
            saved = ET.SubElement(self.variables, "aux", {"name": "SAVEPER"})
            _child(saved, "eqn", repr(expanded.every))
            _child(saved, "doc", "The frequency with which output is stored.")
        for sector, name in self.groups.items():
            group = ET.SubElement(self.variables, "group", {"name": name})
            for variable in self.drawn.variables:
                if variable.sector == sector:
                    ET.SubElement(group, "entity", {"name": self.names[variable.key]})
        self._view(ET.SubElement(ET.SubElement(model, "views"), "view", {"type": "stock_flow"}))
        return root

    def _variable(self, variable: Variable) -> None:
        tag = variable.kind if variable.kind in ("stock", "flow") else "aux"
        node = ET.SubElement(self.variables, tag, {"name": self.names[variable.key]})
        _child(node, "eqn", self._equation(variable))
        for end, keys in (("inflow", variable.inflows), ("outflow", variable.outflows)):
            for key in keys:
                _child(node, end, self.references[key])
        self._told(node, variable)

    def _array(self, base: str, variables: list[Variable]) -> None:
        """One variable over dimensions, with an equation for each element."""
        first = variables[0]
        tag = first.kind if first.kind in ("stock", "flow") else "aux"
        node = ET.SubElement(self.variables, tag, {"name": self.names[base]})
        dimensions = ET.SubElement(node, "dimensions")
        for dimension in self.arrays.over[base]:
            ET.SubElement(dimensions, "dim", {"name": self.dimensions[dimension]})
        for variable in variables:
            labels = ",".join(self.arrays.of[variable.key][1])  # PySD takes blanks as part of a label
            _child(ET.SubElement(node, "element", {"subscript": labels}), "eqn", self._equation(variable))
        for end, keys in (("inflow", first.inflows), ("outflow", first.outflows)):
            for key in keys:
                _child(node, end, self.references[self.arrays.of[key][0]])
        self._told(node, first)

    def _told(self, node: ET.Element, variable: Variable) -> None:
        _child(node, "doc", self._doc(variable))
        _child(node, "units", unit_text(variable.unit))
        if variable.range is not None:
            low, high = variable.range
            ET.SubElement(node, "range", {"min": repr(low), "max": repr(high)})

    def _equation(self, variable: Variable) -> str:
        equation = variable.equation
        assert equation is not None
        try:
            return self.printer.doprint(equation)
        except TypeError as error:
            raise JevonsError(f"{variable.key!r}: {error}") from error

    def _doc(self, variable: Variable) -> str:
        return documentation(variable.doc, variable.wanted, self.names[variable.key])

    def _points(self, variable: Variable) -> None:
        """A table; the schema leaves no place for its unit and documentation but a comment."""
        table = variable.table
        assert table is not None
        between = getattr(table, "between", "linear")
        if between == "forward":
            raise JevonsError(f"{table.name!r}: a table that holds the next point has no counterpart in XMILE")
        told = f" {self.names[variable.key]} [{unit_text(variable.unit)}]: {self._doc(variable)} "
        self.variables.append(ET.Comment(told.replace("--", "- -").replace("--", "- -")))
        kind = "discrete" if between == "hold" else "extrapolate" if table.outside == "extrapolate" else "continuous"
        node = ET.SubElement(self.variables, "gf", {"name": self.names[variable.key], "type": kind})
        for tag, place in (("xpts", 0), ("ypts", 1)):
            _child(node, tag, ",".join(repr(float(point[place])) for point in table.points))

    def _view(self, view: ET.Element) -> None:
        """All pages beside and below each other, each in a frame with its name."""
        pages = lay_out(self.drawn, self.names)
        widths = [page.size[0] + _BETWEEN_PAGES for page in pages]
        area = sum(page.size[0] * page.size[1] for page in pages)
        line = max(*widths, 1.6 * area**0.5) if len(pages) > 1 else widths[0]
        x = y = below = 0.0
        uid = 1
        for page, width in zip(pages, widths, strict=True):
            if x and x + width > line:
                x, y = 0.0, below
            uid = self._page(view, page, x + _BETWEEN_PAGES, y + _BETWEEN_PAGES, uid)
            x += width
            below = max(below, y + page.size[1] + _HEADING + _BETWEEN_PAGES)
        view.set("page_width", repr(line + 2 * _BETWEEN_PAGES))
        view.set("page_height", repr(below + _BETWEEN_PAGES))

    def _page(self, view: ET.Element, page: Page, left: float, top: float, uid: int) -> int:
        place = {"x": repr(left), "y": repr(top), "width": repr(page.size[0]), "height": repr(page.size[1] + _HEADING)}
        ET.SubElement(view, "group", {"name": self.groups[page.name], **place})
        top += _HEADING
        pipes = {pipe.valve: pipe for pipe in page.pipes}
        ghosts: dict[int, int] = {}
        for box in page.boxes:
            at = {"x": _px(left + box.x), "y": _px(top + box.y)}
            label = r"\n".join(box.lines)
            if box.kind == "stock":
                if box.height > 50:  # with a size, the place is that of the upper left corner
                    at = {"x": _px(left + box.x - box.width / 2), "y": _px(top + box.y - box.height / 2)}
                    at |= {"width": _px(box.width), "height": _px(box.height)}
                ET.SubElement(view, "stock", {"name": self._drawn(box.key, label), **at, "label_side": "center"})
            elif box.kind == "valve":
                flow = ET.SubElement(view, "flow", {"name": self._drawn(box.key, label), **at, "label_side": "bottom"})
                points = ET.SubElement(flow, "pts")
                for px, py in pipes[box.identity].points:
                    ET.SubElement(points, "pt", {"x": _px(left + px), "y": _px(top + py)})
            elif box.kind == "ghost":
                ghosts[box.identity] = uid
                alias = ET.SubElement(view, "alias", {"uid": str(uid), **at, "label_side": "bottom"})
                _child(alias, "of", self.references[box.key])
                uid += 1
            elif box.kind != "cloud":
                ET.SubElement(view, "aux", {"name": self._drawn(box.key, label), **at, "label_side": "bottom"})
        for arrow in page.arrows:
            start, end = page.boxes[arrow.start], page.boxes[arrow.end]
            fields = {"uid": str(uid), "angle": f"{angle(start, end, arrow.bend):.2f}"}
            uid += 1
            if arrow.initial:
                fields["line_style"] = "dashed"
            connector = ET.SubElement(view, "connector", fields)
            origin = ET.SubElement(connector, "from")
            if arrow.start in ghosts:
                ET.SubElement(origin, "alias", {"uid": str(ghosts[arrow.start])})
            else:
                origin.text = self.references[start.key]
            _child(connector, "to", self.references[end.key])
        return uid

    def _drawn(self, key: str, label: str) -> str:
        """The name with line breaks, where it is one of words."""
        name = self.names[key]
        return label if label.replace(r"\n", " ") == name.replace("_", " ") else name


def _px(x: float) -> str:
    return f"{x:.1f}"


def _child(node: ET.Element, tag: str, text: str) -> ET.Element:
    child = ET.SubElement(node, tag)
    child.text = "".join(c if c.isprintable() else " " for c in text)
    return child
