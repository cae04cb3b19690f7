"""Scenarios: named changes of parameters, drivers and efficiencies, with dates."""

from __future__ import annotations

import contextlib
import datetime
import importlib.resources
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sympy as sp

from jevons.elements import Auxiliary, Driver, Element, LogNormal, Parameter, Range, finite
from jevons.errors import ScenarioError, nearest
from jevons.functions import TIME, Switch, symbol
from jevons.model import Model
from jevons.toml_file import read_toml
from jevons.units import UnitMismatch, factor_between, parse_unit

_CHANGE_KEYS = ("factor", "value", "at", "until", "adjustment_time", "unit")
_MOST_YEARS = 500.0
"""Units of time after its start up to which a model may be changed; or up to its end, if that is later."""
_FAR_OUTSIDE = 10.0
"""Multiple of the upper end of a plausible range from which a value is taken for a mistake."""
_TEXTS = ("name", "title", "doc", "source", "claim")
_SCENARIO_KEYS = (*_TEXTS, "changes", "background")


@dataclass(frozen=True)
class Change:
    """A change of one parameter or driver.

    Parameters
    ----------
    factor : float, optional
        What the old value is multiplied by; or
    value : float, optional
        the new value. Exactly one of the two.
    at : float, optional
        Date of the change; None changes the whole run, start included.
    adjustment_time : float
        First-order time over which the change spreads (in logarithms for a factor); 0 is at once.
    until : float, optional
        Date at which the change ends, at once; None for one that stays.
    unit : str, optional
        Unit of `value`, converted to the parameter's; None for the parameter's own.

    Notes
    -----
    ``x(t) = x0 · factor^s(t)`` or ``x0 + (value − x0)·s(t)`` with ``s = 1 − exp(−(t − at)/adjustment_time)`` from `at`
    to `until`, 0 before and after.
    """

    factor: float | None = None
    value: float | None = None
    at: float | None = None
    adjustment_time: float = 0.0
    until: float | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Scenario:
    """Named changes.

    Parameters
    ----------
    name : str
    changes : mapping of str to Change
        By parameter or driver.
    doc, source, title : str
        What it is, and where its numbers are from.
    claim : str
        What is claimed of it, and by whom.
    background : mapping of str to Change
        What holds in every run of an experiment, the base run included: the world in which the question is asked.

    Examples
    --------
    >>> from jevons import Change, Scenario
    >>> cheap = Scenario("tenfold", {"inference_efficiency": Change(factor=10, at=2025.07)})
    """

    name: str
    changes: Mapping[str, Change] = field(default_factory=dict)
    doc: str = ""
    source: str = ""
    title: str = ""
    claim: str = ""
    background: Mapping[str, Change] = field(default_factory=dict)

    def check(self, model: Model) -> None:
        """Raise a `ScenarioError` that lists everything in the scenario that `model` cannot do."""
        given = [*self.background.items(), *self.changes.items()]
        expected = "expected Change(factor=...) or Change(value=...), with at=... for a dated one"
        mistakes = [f"{name!r}: found {c!r}, {expected}" for name, c in given if not isinstance(c, Change)]
        mistakes += [m for name, change in given if isinstance(change, Change) for m in _mistakes(model, name, change)]
        mistakes += [f"{name!r} is in changes and in background" for name in self.changes if name in self.background]
        if mistakes:
            raise ScenarioError(f"scenario {self.name!r} for model {model.name!r}", mistakes)

    def converted(self, model: Model) -> Scenario:
        """The scenario with every value in the unit of the model's parameter."""
        self.check(model)
        if all(change.unit is None for change in (*self.changes.values(), *self.background.values())):
            return self
        return replace(
            self,
            changes={name: _in_model_unit(model, name, change) for name, change in self.changes.items()},
            background={name: _in_model_unit(model, name, change) for name, change in self.background.items()},
        )

    def apply_background(self, model: Model) -> Model:
        """The model with the background built in, and none of the changes: the base run of an experiment."""
        return replace(self, changes=self.background, background={}).apply(model)

    def flat(self, model: Model) -> Scenario:
        """Background and changes in one table, values in the units of the model's parameters."""
        here = self.converted(model)
        if not here.background:
            return here
        return replace(here, changes={**here.background, **here.changes}, background={})

    def apply(self, model: Model) -> Model:
        """The model with background and changes built in."""
        constant: list[Element] = []
        dated: dict[str, Change] = {}
        for name, change in self.flat(model).changes.items():
            element = model[name]
            if change.at is None and isinstance(element, Parameter):
                value = change.value if change.value is not None else element.value * (change.factor or 1.0)
                constant.append(replace(element, value=value))
            else:
                dated[name] = change
        changed = model.with_elements(constant) if constant else model
        if not dated:
            return changed
        return changed.with_elements([e for name, change in dated.items() for e in wrap(changed, name, change)])


def wrap(model: Model, name: str, change: Change) -> Iterator[Element]:
    """Elements that make a parameter or driver change over time.

    The old element goes on as ``<name>_reference``; the change's numbers become parameters, so that models
    which differ only in them share their compiled code.
    """
    old = model[name]
    at = model.start if change.at is None else change.at
    reference = symbol(f"{name}_reference")
    date, time, lag = (symbol(f"{name}_{part}") for part in ("change_date", "adjustment_time", "change_lag"))
    end = symbol(f"{name}_end_date")
    on = Switch(date)
    lasting = on if change.until is None else on - Switch(end)
    progress = lasting * (1 - lag * sp.exp(-on * (TIME - date) / time))
    if change.factor is not None:
        amount = symbol(f"{name}_factor")
        equation = reference * amount**progress
        size, unit = change.factor, "1"
    else:
        amount = symbol(f"{name}_changed_value")
        equation = reference + (amount - reference) * progress
        size, unit = float(change.value if change.value is not None else 0.0), old.unit
    yield Auxiliary(name, old.unit, equation=equation, doc=old.doc)
    yield replace(old, name=f"{name}_reference")
    slow = change.adjustment_time > 0
    numbers = [
        (amount.name, unit, size, "Size of the change."),
        (date.name, model.time_unit, at, "Date of the change."),
        (time.name, model.time_unit, change.adjustment_time if slow else 1.0, "Time over which it spreads."),
        (lag.name, "1", 1.0 if slow else 0.0, "1 if the change spreads, 0 if it comes at once."),
    ]
    if change.until is not None:
        numbers.append((end.name, model.time_unit, change.until, "Date at which the change ends."))
    for label, number_unit, value, doc in numbers:
        yield Parameter(
            label,
            number_unit,
            value=float(value),
            doc=doc,
            source="scenario",
            status="assumed",
            prior=Range(float(value), float(value)),
        )


def change_values(model: Model, name: str, change: Change) -> dict[str, float]:
    """Parameter values by which a model that was wrapped for `name` takes on another change."""
    return {
        e.name: e.value
        for e in wrap(model, name, change)
        if isinstance(e, Parameter) and e.name != (f"{name}_reference")
    }


def _in_model_unit(model: Model, name: str, change: Change) -> Change:
    if change.unit is None or change.value is None or not model.check_units:
        return replace(change, unit=None)
    factor = factor_between(parse_unit(change.unit), parse_unit(model[name].unit))
    return replace(change, value=change.value * (factor or math.nan), unit=None)


def _mistakes(model: Model, name: str, change: Change) -> Iterator[str]:
    valid = [n for n, e in model.elements.items() if isinstance(e, (Parameter, Driver))]
    if name not in valid:
        kind = f" ({type(model.elements[name]).__name__})" if name in model else ""
        yield f"{name!r}{kind} is no parameter or driver of the model{nearest(name, valid)}"
    given = [k for k in ("factor", "value") if getattr(change, k) is not None]
    if len(given) != 1:
        yield f"{name!r}: found {' and '.join(given) or 'neither factor nor value'}, expected one of the two"
    for key in given:
        if not finite(getattr(change, key)):
            yield f"{name!r}: {key} {getattr(change, key)!r}, expected a finite number"
    if finite(change.factor) and change.factor is not None and change.factor <= 0:
        yield f"{name!r}: factor {change.factor:g}, expected more than 0"
    if name in model.elements:
        yield from _impossible(model.elements[name], name, change)
    if change.at is not None:
        last = max(model.start + _MOST_YEARS, model.settings.end if model.settings else -math.inf)
        if not finite(change.at):
            yield f"{name!r}: date {change.at!r}, expected a decimal year such as 2025.07"
        elif not model.start <= change.at <= last:
            yield (
                f"{name!r}: date {change.at:g} is impossible, the model begins at {model.start:g} "
                f"(expected up to {last:g})"
            )
        if model.settings and name in (model.settings.time_step, model.settings.end_name):
            yield f"{name!r}: holds the step or the end of a run, and cannot change during it: leave its date out"
    if change.until is not None:
        begin = model.start if change.at is None else change.at
        if change.at is None:
            yield f"{name!r}: until {change.until!r} without a date; without one the whole run changes"
        elif not finite(change.until):
            yield f"{name!r}: until {change.until!r}, expected a decimal year such as 2026.5"
        elif finite(begin) and change.until <= begin:
            yield f"{name!r}: until {change.until:g}, expected a date after {begin:g}"
    if change.unit is not None and name in model.elements:
        if model.check_units:
            yield from _unit_mistakes(model.elements[name], name, change)
        elif change.unit != model.elements[name].unit:
            own = model.elements[name].unit
            yield f"{name!r}: unit {change.unit!r}, expected the model's own as it is written, {own!r}, or none"
    if not finite(change.adjustment_time) or change.adjustment_time < 0:
        yield f"{name!r}: adjustment_time {change.adjustment_time!r}, expected 0 or more"
    elif change.adjustment_time > 0 and change.at is None:
        yield f"{name!r}: adjustment_time {change.adjustment_time:g} without a date; without one the whole run changes"


def _impossible(element: Element, name: str, change: Change) -> Iterator[str]:
    """What no parameter of its kind can be: a share outside of 0 to 1, less than nothing, a multiple of nothing."""
    if not isinstance(element, Parameter):
        return
    if change.factor is not None and element.value == 0:
        yield f"{name!r}: factor on a parameter that is 0, expected a value"
    if change.value is None or not finite(change.value):
        return
    value, prior = change.value, element.prior
    if change.unit is not None and change.unit != element.unit:
        with contextlib.suppress(UnitMismatch):
            value *= factor_between(parse_unit(str(change.unit)), parse_unit(element.unit)) or 1.0
    share = isinstance(prior, Range) and element.unit == "1" and prior.low >= 0 and prior.high <= 1
    if share and not 0 <= value <= 1:
        yield f"{name!r}: value {value:g}, expected 0 to 1: it is a share"
    elif value < 0 and (isinstance(prior, LogNormal) or (isinstance(prior, Range) and prior.low >= 0)):
        yield f"{name!r}: value {value:g}, expected 0 or more"
    elif isinstance(prior, Range) and 0 <= prior.low < prior.high and value > _FAR_OUTSIDE * prior.high:
        unit = "" if element.unit == "1" else f" {element.unit}"
        hint = "" if element.unit == "1" else ": is it in another unit? Give it as unit = ..."
        yield f"{name!r}: value {value:g}{unit}, far beyond its range of {prior.low:g} to {prior.high:g}{hint}"


def _unit_mistakes(element: Element, name: str, change: Change) -> Iterator[str]:
    if change.factor is not None:
        yield f"{name!r}: unit {change.unit!r} beside a factor, expected none (a factor is a ratio)"
        return
    try:
        if factor_between(parse_unit(str(change.unit)), parse_unit(element.unit)) is None:
            yield f"{name!r}: unit {change.unit!r} is no unit of it, expected one like {element.unit!r}"
    except UnitMismatch as error:
        yield f"{name!r}: {error}"


def decimal_year(date: Any) -> Any:
    """A TOML or ISO date as a decimal year; numbers pass through, other things too (for a later message)."""
    if isinstance(date, str):
        try:
            date = datetime.date.fromisoformat(date)
        except ValueError:
            return date
    if isinstance(date, datetime.date):
        first = datetime.date(date.year, 1, 1)
        length = (datetime.date(date.year + 1, 1, 1) - first).days
        return date.year + (datetime.date(date.year, date.month, date.day) - first).days / length
    return date


def read_scenario(path: str | Path) -> Scenario:
    """Read a scenario from TOML.

    Raises
    ------
    ScenarioError
        With every key that is unknown or malformed.
    """
    path = Path(path)
    data = read_toml(path, f"scenario file {path}", ScenarioError)
    mistakes = list(_unknown_keys("", data, _SCENARIO_KEYS))
    mistakes += [f"{k}: found {data[k]!r}, expected text" for k in _TEXTS if not isinstance(data.get(k, ""), str)]
    tables = {key: _read_changes(key, data.get(key, {}), mistakes) for key in ("changes", "background")}
    if not tables["changes"] and "changes" not in data:
        mistakes.append("no [changes.<parameter>] table")
    if mistakes:
        raise ScenarioError(f"scenario file {path}", mistakes)
    return Scenario(
        name=data.get("name", path.stem),
        changes=tables["changes"],
        doc=data.get("doc", ""),
        source=data.get("source", ""),
        title=data.get("title", ""),
        claim=data.get("claim", ""),
        background=tables["background"],
    )


def _read_changes(key: str, table: Any, mistakes: list[str]) -> dict[str, Change]:
    """The changes of one table; what is wrong with it goes into `mistakes`."""
    if not isinstance(table, dict):
        mistakes.append(f"{key}: found {table!r}, expected a [{key}.<parameter>] table")
        return {}
    changes: dict[str, Change] = {}
    for name, entry in table.items():
        if not isinstance(entry, dict):
            mistakes.append(f"{key}.{name}: found {entry!r}, expected a table such as {{factor = 10, at = 2025.07}}")
            continue
        mistakes += _unknown_keys(f"{key}.{name}.", entry, _CHANGE_KEYS)
        entry = {**entry, **{date: decimal_year(entry.get(date)) for date in ("at", "until")}}
        for number in _CHANGE_KEYS[:-1]:
            if entry.get(number) is not None and not finite(entry[number]):
                expected = "a date such as 2025.07 or 2025-01-27" if number in ("at", "until") else "a number"
                mistakes.append(f"{key}.{name}.{number}: found {entry[number]!r}, expected {expected}")
        if not isinstance(entry.get("unit", ""), str):
            mistakes.append(f"{key}.{name}.unit: found {entry['unit']!r}, expected text such as 'USD/MWh'")
            del entry["unit"]
        changes[name] = Change(**{k: entry[k] for k in _CHANGE_KEYS if entry.get(k) is not None})
    return changes


def _unknown_keys(prefix: str, table: Iterable[str], known: tuple[str, ...]) -> Iterator[str]:
    for key in table:
        if key not in known:
            yield f"{prefix}{key}: unknown key, expected one of {', '.join(known)}{nearest(key, known)}"


def shipped_scenarios() -> dict[str, Path]:
    """Scenario files that come with the models, by name."""
    folder = importlib.resources.files("jevons.models").joinpath("scenarios")
    paths = [Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return {path.stem: path for path in sorted(paths)}


def load_scenario(name_or_path: str | Path) -> Scenario:
    """A shipped scenario by name, or one from a file."""
    shipped = shipped_scenarios()
    if str(name_or_path) in shipped:
        return read_scenario(shipped[str(name_or_path)])
    if Path(name_or_path).suffix == ".toml" or Path(name_or_path).exists():
        return read_scenario(name_or_path)
    hint = nearest(str(name_or_path), shipped)
    mistake = f"no shipped scenario and no file of that name{hint} (shipped: {', '.join(shipped) or 'none'})"
    raise ScenarioError(f"scenario {str(name_or_path)!r}", [mistake])
