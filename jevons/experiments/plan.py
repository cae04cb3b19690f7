"""What experiments report: the model, whose posterior they draw from, the variables and the horizons."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from jevons.elements import Auxiliary, Flow, Parameter, Range, Stock, finite
from jevons.errors import ScenarioError, nearest
from jevons.model import Model
from jevons.toml_file import read_toml
from jevons.units import UnitMismatch, factor_between, parse_unit

KINDS = ("rate", "level")
_VARIABLE_KEYS = ("label", "source", "unit", "kind", "cumulative", "rebound")


@dataclass(frozen=True)
class Reported:
    """A variable that experiments report.

    Attributes
    ----------
    name : str
    label : str
        As people see it.
    sources : tuple of str
        Model variables or parameters whose product it is.
    unit : str
        Unit it is reported in; one of the product's dimension.
    kind : {'rate', 'level'}
        A flow per time, or a state.
    cumulative : str
        Stock that integrates a rate, reported in its own unit; empty for none.
    rebound : bool
        Whether its rebound is measured; needs `cumulative`.
    """

    name: str
    label: str
    sources: tuple[str, ...]
    unit: str
    kind: str
    cumulative: str = ""
    rebound: bool = False

    def scale(self, model: Model) -> float | None:
        """The number that turns the product of the sources into the reported unit; None for another dimension."""
        product = parse_unit("1")
        for source in self.sources:
            product = product * parse_unit(model.unit(source))
        return factor_between(product, parse_unit(self.unit))


@dataclass(frozen=True)
class Plan:
    """What is run and reported for every scenario.

    Attributes
    ----------
    model : str
        Shipped model that the scenarios are about.
    fit : str
        Model whose shipped fit the draws are from.
    sampled : tuple of str
        Parameters outside that fit that are drawn from their priors, one independent value a draw.
    seed : int
    date : float
        Date from which horizons count for a scenario without a date.
    horizons : tuple of float
        Time after the date at which tables report.
    resolution : float
        Distance of the dates of paths.
    variables : tuple of Reported
        The first whose rebound is measured is the headline.
    summary : tuple of str
        Variables of the table over all scenarios.
    limits : tuple of str
        Sentences that every page ends with: what no experiment on this model shows.
    """

    model: str
    fit: str
    seed: int
    date: float
    horizons: tuple[float, ...]
    resolution: float
    variables: tuple[Reported, ...]
    sampled: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def headline(self) -> Reported:
        """The variable whose rebound comes first."""
        return next(v for v in self.variables if v.rebound)

    def variable(self, name: str) -> Reported:
        """A reported variable by name."""
        return next(v for v in self.variables if v.name == name)

    def check(self, model: Model, fitted: Sequence[str] = ()) -> None:
        """Raise a `ScenarioError` that lists everything in the plan that `model` cannot do.

        Parameters
        ----------
        fitted : sequence of str
            Parameters that the draws of the fit hold.
        """
        mistakes = [m for v in self.variables for m in _variable_mistakes(model, v)]
        for name in self.sampled:
            if name not in model.parameters:
                mistakes.append(f"sampled {name!r} is no parameter{nearest(name, model.parameters)}")
                continue
            prior = model.parameters[name].prior
            if prior is None or (isinstance(prior, Range) and not prior.low < prior.high):
                mistakes.append(f"sampled {name!r} has prior {prior}, expected one with a width")
            if name in fitted:
                mistakes.append(f"sampled {name!r} is drawn by the fit already")
        if mistakes:
            raise ScenarioError(f"plan of experiments on model {model.name!r}", mistakes)


def _variable_mistakes(model: Model, variable: Reported) -> Iterator[str]:
    valid = [n for n, e in model.elements.items() if isinstance(e, (Auxiliary, Flow, Stock, Parameter))]
    unknown = [n for n in variable.sources if n not in valid]
    yield from (f"{variable.name}: source {n!r} is not in the model{nearest(n, valid)}" for n in unknown)
    if variable.rebound:
        fixed = [n for n in variable.sources if n in model.parameters]
        yield from (f"{variable.name}: rebound of the parameter {n!r}, expected computed variables" for n in fixed)
    try:
        if not unknown and variable.scale(model) is None:
            found = "*".join(model.unit(n) for n in variable.sources)
            yield f"{variable.name}: unit {variable.unit!r}, expected one like {found!r}"
        if variable.cumulative and variable.cumulative not in model.stocks:
            hint = nearest(variable.cumulative, model.stocks)
            yield f"{variable.name}: cumulative {variable.cumulative!r} is no stock{hint}"
        elif variable.cumulative:
            expected = parse_unit(variable.unit) * parse_unit(model.time_unit)
            if factor_between(parse_unit(model.unit(variable.cumulative)), expected) is None:
                found = model.unit(variable.cumulative)
                wanted = f"expected {variable.unit} over time"
                yield f"{variable.name}: cumulative {variable.cumulative!r} is in {found!r}, {wanted}"
    except UnitMismatch as error:
        yield f"{variable.name}: {error}"


def read_plan(source: str | Path = "laboratory") -> Plan:
    """Read the plan of a shipped model by its name, or one from a TOML file.

    Raises
    ------
    ScenarioError
        With every mistake found.
    """
    path = Path(source)
    if path.suffix != ".toml":
        path = Path(str(importlib.resources.files("jevons.calibration"))) / f"{source}.toml"
    data = read_toml(path, f"plan {path}", ScenarioError)
    mistakes = list(_plan_mistakes(data))
    if mistakes:
        raise ScenarioError(f"plan {path}", mistakes)
    variables = tuple(
        Reported(
            name=name,
            label=entry.get("label", name.replace("_", " ")),
            sources=(entry["source"],) if isinstance(entry["source"], str) else tuple(entry["source"]),
            unit=entry["unit"],
            kind=entry["kind"],
            cumulative=entry.get("cumulative", ""),
            rebound=entry.get("rebound", False),
        )
        for name, entry in data["variables"].items()
    )
    return Plan(
        model=data["model"],
        fit=data.get("fit", data["model"]),
        seed=data["seed"],
        date=float(data["date"]),
        horizons=tuple(float(h) for h in data["horizons"]),
        resolution=float(data["resolution"]),
        variables=variables,
        sampled=tuple(data.get("sampled", ())),
        summary=tuple(data.get("summary", data["variables"])),
        limits=tuple(data.get("limits", ())),
    )


def _plan_mistakes(data: Mapping[str, Any]) -> Iterator[str]:
    known = [f.name for f in fields(Plan)]
    yield from (
        f"{k}: unknown key, expected one of {', '.join(known)}{nearest(k, known)}" for k in data if k not in known
    )
    for key in ("model", "fit"):
        if not isinstance(data.get(key, data.get("model")), str):
            yield f"{key}: found {data.get(key)!r}, expected the name of a model"
    for key in ("date", "resolution"):
        if not finite(data.get(key)) or (key == "resolution" and data[key] <= 0):
            yield f"{key}: found {data.get(key)!r}, expected a number{' above 0' if key == 'resolution' else ''}"
    if not isinstance(data.get("seed"), int) or isinstance(data.get("seed"), bool):
        yield f"seed: found {data.get('seed')!r}, expected a whole number"
    horizons = data.get("horizons")
    if not isinstance(horizons, list) or not horizons or not all(finite(h) and h > 0 for h in horizons):
        yield f"horizons: found {horizons!r}, expected numbers above 0"
    elif horizons != sorted(set(horizons)):
        yield f"horizons: found {horizons!r}, expected rising numbers"
    for key in ("sampled", "summary", "limits"):
        if not _texts(data.get(key, [])):
            yield f"{key}: found {data[key]!r}, expected a list of texts"
    variables = data.get("variables")
    if not isinstance(variables, dict) or not variables:
        yield "no [variables.<name>] table"
        return
    if _texts(data.get("summary", [])):
        odd = [n for n in data.get("summary", []) if n not in variables]
        yield from (f"summary: {n!r} is no variable{nearest(n, variables)}" for n in odd)
    for name, entry in variables.items():
        if isinstance(entry, dict):
            yield from _entry_mistakes(name, entry)
        else:
            yield f"variables.{name}: found {entry!r}, expected a table with source, unit and kind"
    if not any(isinstance(e, dict) and e.get("rebound") is True for e in variables.values()):
        yield "no variable with rebound = true, expected the model's energy at least"


def _entry_mistakes(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    place = f"variables.{name}"
    for key in entry:
        if key not in _VARIABLE_KEYS:
            expected = f"expected one of {', '.join(_VARIABLE_KEYS)}"
            yield f"{place}.{key}: unknown key, {expected}{nearest(key, _VARIABLE_KEYS)}"
    source = entry.get("source")
    if not (isinstance(source, str) or (_texts(source) and source)):
        yield f"{place}.source: found {source!r}, expected a variable of the model, or several that are multiplied"
    for key in ("unit", "label", "cumulative"):
        if not isinstance(entry.get(key, None if key == "unit" else ""), str):
            yield f"{place}.{key}: found {entry.get(key)!r}, expected text"
    kind = entry.get("kind")
    if kind not in KINDS:
        yield f"{place}.kind: found {kind!r}, expected {' or '.join(KINDS)}{nearest(str(kind), KINDS)}"
    if not isinstance(entry.get("rebound", False), bool):
        yield f"{place}.rebound: found {entry['rebound']!r}, expected true or false"
    elif entry.get("rebound") and not entry.get("cumulative"):
        yield f"{place}: rebound without cumulative, expected the stock that integrates the rate"
    if kind == "level" and entry.get("cumulative"):
        yield f"{place}: cumulative {entry['cumulative']!r} of a level, expected none"


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(t, str) for t in value)
