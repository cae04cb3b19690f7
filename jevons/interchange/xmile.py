"""XMILE 1.0: a model for other system dynamics programs, which integrate the same thing by Euler's method.

Reference: OASIS Standard, XML Interchange Language for System Dynamics (XMILE) Version 1.0, 2015.
"""

from __future__ import annotations

import importlib.metadata
import math
import xml.etree.ElementTree as ET
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from jevons.elements import Driver, Flow, InitialUnknown, Parameter, Stock, Table
from jevons.errors import JevonsError
from jevons.integrate import compile_model, parameter_vector
from jevons.interchange.xmile_text import XmilePrinter, number, safe_names
from jevons.kernels import start_state
from jevons.structure import lower

if TYPE_CHECKING:
    from jevons.model import Model

NAMESPACE = "http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"


def write_xmile(
    model: Model,
    path: str | Path,
    *,
    dt: float = 1 / 32,
    end: float | None = None,
    params: Mapping[str, float] | None = None,
) -> Path:
    """Write a model as XMILE 1.0.

    Parameters
    ----------
    model : Model
        Delays become stocks and flows, smooth functions their definitions, a stock ``x`` with ``log=True`` a stock
        ``ln_x`` and an auxiliary ``x = EXP(ln_x)``.
    path : str or Path
        Ends in ``.xmile``, ``.stmx`` or ``.xml``; other endings are not read by PySD.
    dt, end : float
        Step and last date of the run that the file asks for; it begins at ``model.start`` and lasts 30 units of time
        by default.
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
    Initial values are numbers, because XMILE cannot solve for them: they do not follow a parameter that is changed
    in the file. Dates of steps and pulses should lie on the grid of `dt`; `Model.run` restarts at them wherever
    they lie, other programs take effect at the next step. PySD keeps eight decimals of a table's points unless it
    reads the file under ``numpy.printoptions(precision=17)``.

    Examples
    --------
    >>> model.to_xmile("world.xmile")  # doctest: +SKIP
    >>> pysd.read_xmile("world.xmile").run()["dc_electricity"]  # doctest: +SKIP
    """
    end = model.start + 30 if end is None else end
    if not (math.isfinite(dt) and dt > 0 and math.isfinite(end) and end > model.start):
        raise JevonsError(f"dt {dt:g} and end {end:g}: expected a positive step and an end after {model.start:g}")
    root = ET.Element("xmile", {"version": "1.0", "xmlns": NAMESPACE})
    header = ET.SubElement(root, "header")
    _child(header, "vendor", "jevons")
    _child(header, "product", "jevons").set("version", importlib.metadata.version("jevons"))
    _child(header, "name", model.name)
    if model.doc:
        _child(header, "caption", model.doc)
    specs = ET.SubElement(root, "sim_specs", {"method": "Euler", "time_units": _unit(model.time_unit)})
    for tag, value in (("start", model.start), ("stop", float(end)), ("dt", float(dt))):
        _child(specs, tag, repr(value))
    variables = ET.SubElement(ET.SubElement(root, "model"), "variables")
    _Export(model, variables, dt, params).write()
    ET.indent(root)
    path = Path(path)
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    return path


class _Export:
    """Writes the variables of one model."""

    def __init__(self, model: Model, variables: ET.Element, dt: float, params: Mapping[str, float] | None) -> None:
        self.structure = model.structure
        self.time_unit = model.time_unit
        self.variables = variables
        system = compile_model(model)
        vector = parameter_vector(model, system, params)
        try:
            natural, unknowns, solved = start_state(system, vector)
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            raise JevonsError(f"model {model.name!r}: no initial values ({error})") from error
        if not solved or not np.isfinite([*natural, *vector]).all():
            raise JevonsError(f"model {model.name!r}: the initial values could not be solved")
        self.constants = dict(zip(system.parameters, vector.tolist(), strict=True))
        self.constants |= dict(zip(system.unknowns, unknowns.tolist(), strict=True))
        self.initial = dict(zip(system.stocks, natural.tolist(), strict=True))
        wanted: dict[Hashable, str] = {name: name for name in self.structure.elements}
        for stock in self.structure.stocks:
            if stock.log:
                wanted |= {
                    ("ln", stock.name): f"ln_{stock.name}",
                    ("growth", stock.name): f"growth_of_{stock.name}",
                }
        wanted |= {("points", driver.name): f"{driver.name}_table" for driver in self.structure.of(Driver)}
        self.safe = safe_names(wanted)
        self.printer = XmilePrinter(self.safe, dt)

    def write(self) -> None:
        structure = self.structure
        for stock in structure.stocks:
            self._log_stock(stock) if stock.log else self._stock(stock)
        for name in structure.order:
            element = structure.elements[name]
            equation = lower(element.equation, {})  # type: ignore[attr-defined] # drivers keep their names
            self._variable(self._tag(element), name, element.unit, element.doc, self._print(name, equation))
        for element in structure.of(Parameter):
            doc = f"{element.doc} Source: {element.source} ({element.status})"
            self._variable("aux", element.name, element.unit, doc, number(self.constants[element.name]))
        for element in structure.of(InitialUnknown):
            doc = f"{element.doc} Solved for the start."
            self._variable("aux", element.name, element.unit, doc, number(self.constants[element.name]))
        for table in structure.of(Table):
            doc = f"{table.doc} Source: {table.source} ({table.status})"
            if isinstance(table, Driver):
                points = ("points", table.name)
                self._variable("aux", table.name, table.unit, doc, f"{self.printer.name(points)}(TIME)")
                self._points(points, table, f"Points of {table.name}.")
            else:
                self._points(table.name, table, doc)

    def _tag(self, element: Any) -> str:
        """Flows stay flows where a stock that is exported as it is uses them."""
        natural = [s.name for s in self.structure.stocks if not s.log]
        if isinstance(element, Flow) and {element.source, element.target} & set(natural):
            return "flow"
        return "aux"

    def _stock(self, stock: Stock) -> None:
        node = self._variable("stock", stock.name, stock.unit, stock.doc, number(self.initial[stock.name]))
        for flow in self.structure.of(Flow):
            if flow.source != flow.target and stock.name in (flow.source, flow.target):
                tag = "inflow" if flow.target == stock.name else "outflow"
                _child(node, tag, self.printer.name(flow.name))

    def _log_stock(self, stock: Stock) -> None:
        name, value = stock.name, self.initial[stock.name]
        if value <= 0:
            raise JevonsError(f"{name!r}: initial value {value:g}, expected positive for a log stock")
        net = self._print(name, self.structure.net_flow(name) / stock.symbol)
        log, growth = ("ln", name), ("growth", name)
        node = self._variable("stock", log, "1", f"Logarithm of {name}.", number(math.log(value)))
        _child(node, "inflow", self.printer.name(growth))
        self._variable("flow", growth, f"1/{self.time_unit}", f"Inflows less outflows of {name}, relative.", net)
        self._variable("aux", name, stock.unit, stock.doc, f"EXP({self.printer.name(log)})")

    def _points(self, key: Hashable, table: Table, doc: str) -> None:
        node = self._variable("gf", key, table.unit, doc)
        node.set("type", "extrapolate" if table.outside == "extrapolate" else "continuous")
        for tag, place in (("xpts", 0), ("ypts", 1)):
            _child(node, tag, ",".join(repr(float(point[place])) for point in table.points))

    def _variable(self, tag: str, key: Hashable, unit: str, doc: str, equation: str | None = None) -> ET.Element:
        safe = self.safe[key]
        node = ET.SubElement(self.variables, tag, {"name": safe})
        if equation is not None:
            _child(node, "eqn", equation)
        renamed = isinstance(key, str) and safe != key
        _child(node, "doc", f"{doc} Name in the model: {key}" if renamed else doc)
        _child(node, "units", _unit(unit))
        return node

    def _print(self, name: str, expression: sp.Expr) -> str:
        try:
            return self.printer.doprint(expression)
        except TypeError as error:
            raise JevonsError(f"{name!r}: {error}") from error


def _child(node: ET.Element, tag: str, text: str) -> ET.Element:
    child = ET.SubElement(node, tag)
    child.text = "".join(c if c.isprintable() else " " for c in text)
    if tag == "doc":  # PySD copies it between triple quotes
        child.text = child.text.replace('"""', "'''")
    return child


def _unit(unit: str) -> str:
    return unit.replace("**", "^")
