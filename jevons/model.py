"""The model: a checked, closed set of elements with roles."""

from __future__ import annotations

import functools
import hashlib
import importlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sympy as sp

from jevons import checks, structure, units
from jevons.elements import Element, Parameter, Roles, Sector, Stock, merged
from jevons.errors import ModelError, UnitError, nearest
from jevons.recursion import deep_recursion
from jevons.run_settings import RunSettings
from jevons.subscripts import dimension_mistakes

if TYPE_CHECKING:
    import pandas as pd

    from jevons.loops import Loop
    from jevons.trajectory import Trajectory


class Model:
    """A stock-and-flow model.

    Building a model checks it: names, references, sources, units of every equation and initial value, algebraic
    loops. All mistakes come in one `ModelError`. A model never changes; `with_values` and `with_elements` give
    new ones.

    Parameters
    ----------
    name : str
    *sectors : Sector or iterable of Element
        What the model consists of; names may be used before they are defined.
    start : float
        Date of the initial values, where every run begins.
    time_unit : str
        Unit of time, ``"yr"`` by default.
    roles : Roles, optional
        Efficiencies, services and energy, by name; shocks and rebound need them.
    doc : str
    check_units : bool
        False for models that come from elsewhere: units are kept as text and not looked at, documentation and
        evidence may be missing, and an auxiliary without a finite value does not end a run.
    settings : RunSettings, optional
        How the model is run unless a run says otherwise.
    dimensions : mapping of str to tuple of str, optional
        Names of the elements of each dimension, in order.
    subscripts : mapping of str to tuple of str, optional
        Name without subscripts to its dimensions, by position: elements ``name[A,B]`` are one array over them.
    unit_synonyms : iterable of iterable of str, optional
        Words that mean the same unit, for `jevons.unit_report`.

    Raises
    ------
    ModelError, UnitError

    Examples
    --------
    >>> from jevons import Flow, Model, Names, Parameter, Stock
    >>> v = Names()
    >>> tank = Model("tank", [
    ...     Stock("water", "m**3", initial=v.initial_water, doc="Water in the tank."),
    ...     Flow("leak", "m**3/hour", equation=v.water / v.residence_time, source="water", doc="Leak."),
    ...     Parameter("initial_water", "m**3", value=1.0, doc="At the start.", source="example", status="measured"),
    ...     Parameter("residence_time", "hour", value=5.0, doc="Mean.", source="example", status="measured"),
    ... ], start=0.0, time_unit="hour")
    >>> float(tank.run(0, 5)["water"].iloc[-1]).__round__(6)
    0.367879
    """

    @deep_recursion()
    def __init__(
        self,
        name: str,
        *sectors: Sector | Iterable[Element],
        start: float = 0.0,
        time_unit: str = "yr",
        roles: Roles | None = None,
        doc: str = "",
        check_units: bool = True,
        settings: RunSettings | None = None,
        dimensions: Mapping[str, Iterable[str]] | None = None,
        subscripts: Mapping[str, Iterable[str]] | None = None,
        unit_synonyms: Iterable[Iterable[str]] = (),
    ) -> None:
        parts = [s if isinstance(s, Sector) else Sector(name, [s] if isinstance(s, Element) else s) for s in sectors]
        elements = [element for part in parts for element in part.elements]
        self.name = name
        self.start = float(start)
        self.time_unit = time_unit
        self.roles = roles
        self.doc = doc
        self.check_units = check_units
        self.settings = settings
        self.dimensions: Mapping[str, tuple[str, ...]] = _tuples(dimensions)
        self.subscripts: Mapping[str, tuple[str, ...]] = _tuples(subscripts)
        self.unit_synonyms = tuple(tuple(words) for words in unit_synonyms)
        self.sectors: Mapping[str, tuple[str, ...]] = MappingProxyType(merged(part.parts for part in parts))
        _check(name, elements, roles, time_unit, check_units, self._option_mistakes(elements))
        self.elements: Mapping[str, Element] = MappingProxyType({e.name: e for e in elements})
        self.structure = _structure(name, elements, time_unit, check_units)

    def _option_mistakes(self, elements: Sequence[Element]) -> list[str]:
        """What is wrong with settings, dimensions and subscripts."""
        mistakes = list(dimension_mistakes((e.name for e in elements), self.dimensions, self.subscripts))
        if self.settings is not None:
            parameters = [e.name for e in elements if isinstance(e, Parameter)]
            mistakes += self.settings.mistakes(self.start, parameters)
        return mistakes

    @functools.cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """Parameters by name, as declared."""
        return MappingProxyType({n: e for n, e in self.elements.items() if isinstance(e, Parameter)})

    @property
    def values(self) -> dict[str, float]:
        """Value of every parameter."""
        return {name: parameter.value for name, parameter in self.parameters.items()}

    @functools.cached_property
    def stocks(self) -> tuple[str, ...]:
        """Names of the declared stocks."""
        return tuple(n for n, e in self.elements.items() if isinstance(e, Stock))

    def __getitem__(self, name: str) -> Element:
        self.require([name])
        return self.elements[name]

    def __contains__(self, name: object) -> bool:
        return name in self.elements

    def require(self, names: Iterable[str], among: Iterable[str] | None = None, what: str = "name") -> None:
        """Raise a `ModelError` that lists each name the model lacks, with the nearest valid one."""
        valid = self.elements if among is None else among if isinstance(among, Collection) else list(among)
        missing = [f"{what} {n!r} is not in the model{nearest(str(n), valid)}" for n in names if n not in valid]
        if missing:
            raise ModelError(f"model {self.name!r}", missing)

    def with_values(self, values: Mapping[str, float]) -> Model:
        """The same model with other parameter values.

        Raises
        ------
        ModelError
            For unknown names and values that are not finite numbers.
        """
        self.require(values, self.parameters, "parameter")
        text = [f"{n!r}: value {x!r}, expected a number" for n, x in values.items() if isinstance(x, str)]
        if text:
            raise ModelError(f"model {self.name!r}", text)
        replaced = {name: _with_value(self.parameters[name], float(value)) for name, value in values.items()}
        return self.with_elements(replaced.values())

    def with_elements(self, elements: Iterable[Element], name: str | None = None, roles: Roles | None = None) -> Model:
        """The same model with elements replaced (same name) or added."""
        given = {e.name: e for e in elements}
        sectors = [
            Sector(label, [given.pop(n, self.elements[n]) for n in names]) for label, names in self.sectors.items()
        ]
        if given:
            sectors.append(Sector("added", given.values()))
        return Model(
            name or self.name,
            *sectors,
            start=self.start,
            time_unit=self.time_unit,
            roles=roles or self.roles,
            doc=self.doc,
            **self._options,
        )

    @property
    def _options(self) -> dict[str, Any]:
        """What is not the default of the options that most models do without."""
        given = {
            "check_units": self.check_units,
            "settings": self.settings,
            "dimensions": dict(self.dimensions),
            "subscripts": dict(self.subscripts),
            "unit_synonyms": self.unit_synonyms,
        }
        return {name: value for name, value in given.items() if value not in (True, None, {}, ())}

    @functools.cached_property
    @deep_recursion()
    def hash(self) -> str:
        """Fingerprint of everything that decides a run; documentation and sources do not."""
        elements = sorted(self.elements.values(), key=lambda e: e.name)
        told = ("doc", "source", "status")
        parts = [f"{self.name} {self.start!r} {self.time_unit} {self.roles}"]
        for e in elements:
            fields = {k: sp.srepr(x) if isinstance(x, sp.Basic) else repr(x) for k, x in vars(e).items()}
            if fields.get("between") == repr("linear"):
                del fields["between"]
            parts.append(f"{type(e).__name__} {sorted((k, x) for k, x in fields.items() if k not in told)}")
        parts += [f"{name} {value!r}" for name, value in self._options.items()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def unit(self, name: str) -> str:
        """Unit of an element, hidden stocks included."""
        self.require([name], self.structure.elements)
        return self.structure.elements[name].unit

    def __reduce__(self) -> tuple[Any, ...]:
        sectors = [Sector(label, [self.elements[n] for n in names]) for label, names in self.sectors.items()]
        return _rebuild, (self.name, sectors, self.start, self.time_unit, self.roles, self.doc, self._options)

    # What follows is done by higher layers; a model only passes itself on (docs/decisions/0001).

    def run(self, start: float | None = None, end: float | None = None, **options: Any) -> Trajectory:
        """Integrate from the model's own start and report the window from `start` to `end`.

        A model with `settings` runs by them unless told otherwise. Options: ``params`` (values for this run),
        ``method`` (LSODA, Radau, BDF, DOP853, RK45, RK23, RK4, RK2, Euler), ``every`` (distance of reported dates),
        ``dt`` (largest fixed step), ``rtol``, ``atol``, ``max_calls``, ``break_points`` (restart where something
        switches), ``on_failure`` ('raise' or 'return'); all are explained at `jevons.integrate.run`.
        """
        result: Trajectory = _higher("integrate").run(self, start, end, **options)
        return result

    def loops(self, max_length: int = 12, **options: Any) -> list[Loop]:
        """Feedback loops with polarity, shortest first; see `jevons.loops.feedback_loops`."""
        result: list[Loop] = _higher("loops").feedback_loops(self, max_length, **options)
        return result

    def equations(self) -> str:
        """The equations with units, as text; see `jevons.display.equations`."""
        return str(_higher("display").equations(self))

    def diagram(self) -> str:
        """Stock-and-flow diagram as Mermaid source; see `jevons.display.mermaid`."""
        return str(_higher("display").mermaid(self))

    def sources(self) -> pd.DataFrame:
        """Parameters and tables with value, unit, prior, status and source."""
        result: pd.DataFrame = _higher("display").sources(self)
        return result

    def to_xmile(self, path: str | Path, **options: Any) -> Path:
        """Write the model as XMILE, with a diagram.

        Options ``dt``, ``end``, ``method``, ``params``: `jevons.interchange.writers.xmile.write_xmile`.
        """
        return Path(_higher("interchange.writers.xmile").write_xmile(self, path, **options))

    def to_vensim(self, path: str | Path, **options: Any) -> Path:
        """Write the model for Vensim (``.mdl``), with a sketch; options as of `to_xmile`."""
        return Path(_higher("interchange.writers.vensim").write_vensim(self, path, **options))

    def __repr__(self) -> str:
        return str(_higher("display").brief(self))

    def _repr_latex_(self) -> str:
        return str(_higher("display").latex(self))


def _higher(module: str) -> Any:
    return importlib.import_module(f"jevons.{module}")


def _rebuild(
    name: str,
    sectors: list[Sector],
    start: float,
    time_unit: str,
    roles: Roles | None,
    doc: str,
    options: Mapping[str, Any],
) -> Model:
    return Model(name, *sectors, start=start, time_unit=time_unit, roles=roles, doc=doc, **options)


def _tuples(names: Mapping[str, Iterable[str]] | None) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({name: tuple(values) for name, values in (names or {}).items()})


def _with_value(parameter: Parameter, value: float) -> Parameter:
    return Parameter(
        parameter.name,
        parameter.unit,
        value=value,
        source=parameter.source,
        status=parameter.status,
        prior=parameter.prior,
        doc=parameter.doc,
    )


def _structure(name: str, elements: list[Element], time_unit: str, check_units: bool) -> structure.Structure:
    try:
        return structure.build(elements, _unit_text(elements, time_unit) if check_units else lambda _: "")
    except structure.AlgebraicLoop as loop:
        mistake = f"algebraic loop: {' → '.join(loop.path)} (a stock or a delay must break it)"
        raise ModelError(f"model {name!r}", [mistake]) from None


def _unit_text(elements: list[Element], time_unit: str) -> Callable[[sp.Expr], str]:
    symbols = checks.unit_of({e.name: e for e in elements}, time_unit)
    time = units.parse_unit(time_unit)

    def text(expression: sp.Expr) -> str:
        unit = units.infer(expression, symbols, time)
        return "1" if unit is None else str(unit)

    return text


def _check(
    name: str, elements: list[Element], roles: Roles | None, time_unit: str, check_units: bool, found: list[str]
) -> None:
    mistakes = list(checks.declaration_mistakes(elements, evidence=check_units)) + found
    mistakes += checks.reference_mistakes(elements, roles)
    unit_mistakes = list(checks.unit_mistakes(elements, time_unit)) if check_units else []
    if unit_mistakes and not mistakes:
        raise UnitError(f"model {name!r}", unit_mistakes)
    if not mistakes and check_units:
        mistakes += checks.switch_mistakes(elements)
    if mistakes:
        raise ModelError(f"model {name!r}", mistakes + unit_mistakes)
