"""A model whose parameters are ready to change, so that all scenarios share one compiled system."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from jevons.elements import Parameter
from jevons.model import Model
from jevons.scenario import Change, Scenario, change_values, wrap

FAR = 1000.0
"""Time after the model's start at which nothing happens any more: beyond every run."""
_NEVER = 1e200
"""Adjustment time in which a change does not move: exp(-t/1e200) is 1 in floating point."""


@dataclass(frozen=True)
class Prepared:
    """A model with some parameters wrapped for dated changes; unchanged until given numbers.

    A parameter that is changed by a factor in one scenario and set to a value in another is wrapped twice. A change
    that stays ends at a date beyond every run, so one form serves both.

    Attributes
    ----------
    model : Model
    layers : mapping of (str, str) to (str, Model)
        For a parameter and a kind of change (``"factor"``, ``"value"``): the name that is wrapped, and the model in
        which it still is a parameter.
    roots : mapping of str to str
        Where the parameter's own value is now.
    """

    model: Model
    layers: Mapping[tuple[str, str], tuple[str, Model]]
    roots: Mapping[str, str]

    def at_roots(self, values: Mapping[str, float]) -> dict[str, float]:
        """Parameter values of the unprepared model as values of this one."""
        return {self.roots.get(name, name): value for name, value in values.items()}

    def numbers(self, name: str, change: Change) -> dict[str, float]:
        """Parameter values by which the model takes on a dated change."""
        place, before = self.layers[name, kind_of(change)]
        far = before.start + FAR
        return change_values(before, place, replace(change, until=far if change.until is None else change.until))


def prepare(model: Model, kinds: Mapping[str, Collection[str]]) -> Prepared:
    """Wrap parameters and drivers for the kinds of change they may undergo."""
    start, far = model.start, model.start + FAR
    still = {
        "factor": Change(factor=1.0, at=start, until=far),
        "value": Change(value=0.0, at=far - 1, until=far),  # no value is neutral for every draw, a far date is
    }
    layers: dict[tuple[str, str], tuple[str, Model]] = {}
    roots: dict[str, str] = {}
    before = model
    for kind in ("value", "factor"):
        wrapped = []
        for name in sorted(n for n, k in kinds.items() if kind in k):
            place = roots.get(name, name)
            layers[name, kind] = (place, before)
            wrapped += list(wrap(before, place, still[kind]))
            roots[name] = f"{place}_reference"
        if wrapped:
            before = before.with_elements(wrapped, name=f"{model.name}, prepared")
    return Prepared(before, layers, roots)


def kind_of(change: Change) -> str:
    """Whether a change is by a factor or to a value."""
    return "factor" if change.factor is not None else "value"


def dated(model: Model, name: str, change: Change) -> bool:
    """Whether a change needs more than another value of a parameter."""
    return change.at is not None or not isinstance(model[name], Parameter)


def needed(model: Model, changes: Iterable[Mapping[str, Change]], efficiencies: Collection[str]) -> dict[str, set[str]]:
    """Kinds of dated change by parameter; gains of efficiencies are factors, however they are given."""
    kinds: dict[str, set[str]] = {name: {"factor"} for name in efficiencies}
    for table in changes:
        for name, change in table.items():
            if name not in efficiencies and dated(model, name, change):
                kinds.setdefault(name, set()).add(kind_of(change))
    return kinds


def held_still(numbers: Mapping[str, float]) -> dict[str, float]:
    """Numbers of a change that changes nothing; its dates stay, so that integration restarts at the same places."""
    neutral = {"change_lag": 1.0, "adjustment_time": _NEVER}
    return {
        name: next((x for ending, x in neutral.items() if name.endswith(f"_{ending}")), value)
        for name, value in numbers.items()
    }


def whole_run(model: Model, changes: Mapping[str, Change], values: Mapping[str, float]) -> dict[str, float]:
    """Values of the parameters that differ throughout, for the values of one draw."""
    result = {}
    for name, change in changes.items():
        element = model[name]
        if isinstance(element, Parameter) and change.at is None:
            own = values.get(name, element.value)
            result[name] = own * change.factor if change.factor is not None else float(change.value or 0.0)
    return result


def only(scenario: Scenario, names: Collection[str]) -> Scenario:
    """The scenario with some of its changes alone, and no background."""
    return replace(scenario, changes={n: c for n, c in scenario.changes.items() if n in names}, background={})
