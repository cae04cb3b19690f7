"""A model as other system dynamics programs have it: stocks, flows, auxiliaries, constants and tables."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from jevons.elements import (
    Auxiliary,
    Driver,
    Element,
    Flow,
    InitialUnknown,
    LogNormal,
    Normal,
    Parameter,
    Range,
    Stock,
    Table,
)
from jevons.errors import JevonsError, nearest
from jevons.functions import TIME, Lookup, symbol
from jevons.integrate import compile_model, parameter_vector
from jevons.kernels import start_state
from jevons.lowering import Literal, references

if TYPE_CHECKING:
    from jevons.model import Model

METHODS = ("Euler", "RK2", "RK4")
DEFAULT_STEP = 1 / 32
DEFAULT_DURATION = 30.0
CONTROLS = {"INITIAL TIME": "start", "FINAL TIME": "end", "TIME STEP": "step", "SAVEPER": "every"}
"""Names by which models from files say how they are run; the file has them of its own."""
EXACT_DATE = 1e-9


@dataclass(frozen=True)
class Variable:
    """One variable of the file.

    Attributes
    ----------
    key : str
        Its name in the equations here; the file's name is made from `wanted`.
    kind : {'stock', 'flow', 'aux', 'parameter', 'points'}
    equation : sympy.Expr or None
        Initial value of a stock, None for points.
    inflows, outflows : tuple of str
        Keys of a stock's flows.
    table : Table or None
    range : tuple of float or None
        Where a parameter may reasonably lie.
    """

    key: str
    wanted: str
    kind: str
    unit: str
    doc: str
    sector: str
    equation: sp.Expr | None = None
    inflows: tuple[str, ...] = ()
    outflows: tuple[str, ...] = ()
    table: Table | None = None
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Expanded:
    """What both file formats are written from.

    Attributes
    ----------
    start, end, dt, every : float
    method : {'Euler', 'RK2', 'RK4'}
    literal : bool
        Whether switches are read off the dates of the steps, as in models that came from a file.
    controls : mapping of str to str
        Names that stand for ``start``, ``end``, ``step`` or ``every`` of the run.
    """

    name: str
    doc: str
    time_unit: str
    start: float
    end: float
    dt: float
    every: float
    method: str
    literal: bool
    controls: Mapping[str, str]
    variables: tuple[Variable, ...]
    dimensions: Mapping[str, tuple[str, ...]]
    subscripts: Mapping[str, tuple[str, ...]]

    @property
    def sectors(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(v.sector for v in self.variables))


def expand(
    model: Model,
    *,
    dt: float | None = None,
    end: float | None = None,
    every: float | None = None,
    method: str | None = None,
    params: Mapping[str, float] | None = None,
) -> Expanded:
    """Everything that is written of a model.

    What is not given comes from the model's settings, if it has any; else Euler's method with steps of 1/32 for 30
    units of time, every step saved.

    Raises
    ------
    JevonsError
        If the initial values cannot be solved, or the dates make no sense.
    """
    settings = model.settings
    if settings and settings.dates is not None and dt is None:
        raise JevonsError(f"model {model.name!r}: its step varies, which is not written; give dt")
    dt = dt if dt is not None else (settings.dt if settings else DEFAULT_STEP)
    if end is None:
        end = settings.end if settings else model.start + DEFAULT_DURATION
    if not (math.isfinite(dt) and dt > 0 and math.isfinite(end) and end > model.start):
        raise JevonsError(f"dt {dt:g} and end {end:g}: expected a positive step and an end after {model.start:g}")
    every = every if every is not None else (max(settings.every, dt) if settings else dt)
    if not (math.isfinite(every) and every >= dt):
        raise JevonsError(f"every {every:g}: expected at least a step, {dt:g}")
    if method is None:
        method = settings.method if settings and settings.method in METHODS else "Euler"
    if method not in METHODS:
        raise JevonsError(f"method {method!r}, expected one of {', '.join(METHODS)}{nearest(method, METHODS)}")
    controls: dict[str, str] = {}
    if settings:
        controls = {name: role for name, role in CONTROLS.items() if name in model.elements}
        named = {settings.time_step: "step", settings.end_name: "end"}
        controls |= {name: role for name, role in named.items() if name is not None}
    return Expanded(
        name=model.name,
        doc=model.doc,
        time_unit=model.time_unit,
        start=model.start,
        end=float(end),
        dt=float(dt),
        every=float(every),
        method=method,
        literal=settings is not None,
        controls=controls,
        variables=tuple(_Expansion(model, params).variables(controls)),
        dimensions=model.dimensions,
        subscripts=model.subscripts,
    )


def part(name: str, of: str) -> str:
    """Key of what a stock or a driver brings with it; no element has such a name."""
    return f"{name}\x00{of}"


class _Expansion:
    """Makes the variables of one model."""

    def __init__(self, model: Model, params: Mapping[str, float] | None) -> None:
        self.structure = model.structure
        self.time_unit = model.time_unit
        self.sector_of = {name: label for label, names in model.sectors.items() for name in names}
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
        self.inflows: dict[str, list[str]] = {}
        self.outflows: dict[str, list[str]] = {}
        for flow in self.structure.of(Flow):
            if flow.source != flow.target:
                if flow.target is not None:
                    self.inflows.setdefault(flow.target, []).append(flow.name)
                if flow.source is not None:
                    self.outflows.setdefault(flow.source, []).append(flow.name)
        self.natural = frozenset(s.name for s in self.structure.stocks if not s.log)
        settings = model.settings
        step = symbol(settings.time_step) / 2 if settings and settings.time_step else sp.Float(EXACT_DATE)
        self.literal = Literal(step) if settings else None

    def variables(self, controls: Mapping[str, str]) -> Iterator[Variable]:
        structure = self.structure
        for stock in structure.stocks:
            yield from self._log_stock(stock) if stock.log else self._stock(stock)
        for name in structure.order:
            element = structure.elements[name]
            if name in controls:
                continue
            yield self._variable(element, self._kind(element), equation=self._equation(name))
        for parameter in structure.of(Parameter):
            if parameter.name not in controls:
                doc = f"{parameter.doc} Source: {parameter.source} ({parameter.status})".strip()
                value = self.constants[parameter.name]
                yield self._variable(
                    parameter, "parameter", doc, equation=sp.Float(value), range=_range(parameter, value)
                )
        for unknown in structure.of(InitialUnknown):
            doc = f"{unknown.doc} Solved for the start.".strip()
            yield self._variable(unknown, "parameter", doc, equation=sp.Float(self.constants[unknown.name]))
        for table in structure.of(Table):
            doc = f"{table.doc} Source: {table.source} ({table.status})".strip()
            if isinstance(table, Driver):
                yield self._variable(table, "aux", doc, equation=Lookup(symbol(table.name), TIME))
                yield Variable(
                    key=part(table.name, "points"),
                    wanted=f"{table.name}_table",
                    kind="points",
                    unit=table.unit,
                    doc=f"Points of {table.name}.",
                    sector=self._sector(table.name),
                    table=table,
                )
            else:
                yield self._variable(table, "points", doc, table=table)

    def _variable(self, element: Element, kind: str, doc: str | None = None, **fields: Any) -> Variable:
        return Variable(
            key=element.name,
            wanted=element.name,
            kind=kind,
            unit=element.unit,
            doc=element.doc if doc is None else doc,
            sector=self._sector(element.name),
            **fields,
        )

    def _sector(self, name: str) -> str:
        """Sector of a name; hidden stocks belong to whom they serve."""
        if name in self.sector_of:
            return self.sector_of[name]
        pieces = name.split("__")
        owners = ("__".join(pieces[:n]) for n in range(len(pieces) - 1, 0, -1))
        return next((self.sector_of[o] for o in owners if o in self.sector_of), next(iter(self.sector_of.values())))

    def _kind(self, element: Element) -> str:
        """Flows stay flows where a stock that is exported as it is uses them."""
        ends = {element.source, element.target} if isinstance(element, Flow) else set()
        return "flow" if ends & self.natural and len(ends) == 2 else "aux"

    def _stock(self, stock: Stock) -> Iterator[Variable]:
        yield self._variable(
            stock,
            "stock",
            equation=self._start(stock),
            inflows=tuple(self.inflows.get(stock.name, ())),
            outflows=tuple(self.outflows.get(stock.name, ())),
        )

    def _log_stock(self, stock: Stock) -> Iterator[Variable]:
        name, value = stock.name, self.initial[stock.name]
        if value <= 0:
            raise JevonsError(f"{name!r}: initial value {value:g}, expected positive for a log stock")
        log, growth = part(name, "ln"), part(name, "growth")
        start = self._start(stock)
        logarithm = sp.Float(math.log(value)) if start.is_number else sp.log(start)
        doc, sector = f"Logarithm of {name}.", self._sector(name)
        yield Variable(log, f"ln_{name}", "stock", "1", doc, sector, equation=logarithm, inflows=(growth,))
        yield Variable(
            key=growth,
            wanted=f"growth_of_{name}",
            kind="flow",
            unit=f"1/{self.time_unit}",
            doc=f"Inflows less outflows of {name}, relative.",
            sector=sector,
            equation=self.structure.net_flow(name) / stock.symbol,
        )
        yield self._variable(stock, "aux", equation=sp.exp(sp.Symbol(log, real=True)))

    def _start(self, stock: Stock) -> sp.Expr:
        """Initial value: its equation, or a number where other programs cannot compute it."""
        if self._computable(stock.name):
            return self._at_start(stock.name)
        return sp.Float(self.initial[stock.name])

    def _computable(self, name: str) -> bool:
        """Whether the value at the start needs neither a solved fixed point nor an equation for the start alone."""
        waiting, seen = [name], {name}
        while waiting:
            element = self.structure.elements[waiting.pop()]
            if isinstance(element, InitialUnknown):
                return False
            if not isinstance(element, (Stock, Auxiliary, Flow)):
                continue
            at_start = self._at_start(element.name)
            if not isinstance(element, Stock) and at_start != self._equation(element.name):
                return False
            needs = references(at_start) & set(self.structure.elements) - seen
            seen |= needs
            waiting += needs
        return True

    @functools.cache  # noqa: B019 # lives as long as one export
    def _at_start(self, name: str) -> sp.Expr:
        return _without_driver_lookups(self.structure.initial(name, self.literal), self.structure.elements)

    @functools.cache  # noqa: B019
    def _equation(self, name: str) -> sp.Expr:
        return _without_driver_lookups(self.structure.equation(name, self.literal), self.structure.elements)


def _without_driver_lookups(e: sp.Expr, elements: Mapping[str, Element]) -> sp.Expr:
    """Drivers by name again, where they are read at the current time."""
    return e.replace(
        lambda n: isinstance(n, Lookup) and n.args[1] == TIME and isinstance(elements.get(n.args[0].name), Driver),
        lambda n: n.args[0],
    )


def _range(parameter: Parameter, value: float) -> tuple[float, float] | None:
    """Two standard deviations of the prior each way, or the plausible range; the value is always inside."""
    prior = parameter.prior
    if isinstance(prior, LogNormal):
        low, high = (prior.median * math.exp(side * 2 * prior.sd_log) for side in (-1, 1))
    elif isinstance(prior, Normal):
        low, high = prior.mean - 2 * prior.sd, prior.mean + 2 * prior.sd
    elif isinstance(prior, Range) and prior.low < prior.high:
        low, high = prior.low, prior.high
    else:
        return None
    low, high = (float(f"{x:.6g}") for x in (low, high))
    return min(low, value), max(high, value)
