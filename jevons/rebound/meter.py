"""Rebound of an efficiency gain, from three runs with identical parameters.

``R(t) = 1 − (E_base − E_shocked)/(E_base − E_engineering)``: the share of the engineering saving that is not
saved. R > 1 is backfire: the gain burns more, as Jevons said of coal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from jevons.elements import (
    Auxiliary,
    Element,
    Flow,
    InitialUnknown,
    Parameter,
    Roles,
    Stock,
    Table,
)
from jevons.errors import IntegrationError, JevonsError, ScenarioError, nearest
from jevons.functions import symbol
from jevons.model import Model
from jevons.rebound.definitions import rebound_ratio
from jevons.scenario import Change, Scenario, change_values, load_scenario, wrap
from jevons.simulation import Member, Simulation, run_samples

Floats = NDArray[np.float64]

SMALLEST_SAVING = 0.01
"""Engineering savings below this share of the base make R undefined (NaN)."""

INDUCED_GROWTH = "no engineering saving: cheaper hardware saves no energy by itself, reported as induced growth"
HORIZONS = (1.0, 3.0, 5.0, 10.0)
_PREFIX = "engineering_"


def roles_of(model: Model) -> Roles:
    """Roles of a model; a `ScenarioError` if it declares none."""
    if model.roles is None:
        raise ScenarioError(f"model {model.name!r}", ["declares no roles, so rebound cannot be measured"])
    return model.roles


def counterfactual(roles: Roles) -> str:
    """What the engineering run of a model holds and what it leaves free, in words."""
    held = ", ".join(name.replace("_", " ") for name in roles.services)
    return (
        f"engineering run: {held} as in the base run, met with the gained efficiency; "
        "prices, orders and the turnover of capital run freely"
    )


def shock(model: Model, kind: str, factor: float, at: float, adjustment_time: float = 0.0) -> Scenario:
    """Scenario in which one efficiency of a model improves.

    Parameters
    ----------
    kind : str
        One of the model's efficiencies (``inference``, ``training``, ``hardware``, ``facility``) or of its
        price-performance improvements (``hardware_price``).
    factor : float
        Gain, above 0.
    at, adjustment_time : float
        Date, and time over which the gain spreads.
    """
    roles = roles_of(model)
    kinds = {**roles.efficiencies, **roles.price_performance}
    if kind not in kinds:
        mistake = f"shock {kind!r}, expected one of {', '.join(kinds)}{nearest(kind, kinds)}"
        raise ScenarioError(f"model {model.name!r}", [mistake])
    change = Change(factor=factor, at=at, adjustment_time=adjustment_time)
    scenario = Scenario(kind, {kinds[kind]: change}, doc=f"{kind} efficiency times {factor} at {at}")
    scenario.check(model)
    return scenario


def shockable(model: Model) -> Model:
    """The model with every efficiency ready to change; unchanged until given a date and a factor."""
    names = _efficiencies(model)
    still = Change(factor=1.0, at=model.start, adjustment_time=0.0)
    return model.with_elements(
        [e for name in sorted(names) for e in wrap(model, name, still)], name=f"{model.name}, shockable"
    )


def _efficiencies(model: Model) -> set[str]:
    """Names of the parameters that shocks change."""
    roles = roles_of(model)
    names = {*roles.efficiencies.values(), *roles.price_performance.values()}
    changed = [f"{n!r} changes over time already" for n in sorted(names) if not isinstance(model[n], Parameter)]
    if changed:
        raise ScenarioError(f"model {model.name!r}", changed)
    return names


def change_parameters(model: Model, scenario: Scenario) -> dict[str, float]:
    """Parameter values by which a shockable model takes on a scenario of efficiency gains."""
    return {
        key: value
        for name, change in scenario.changes.items()
        for key, value in change_values(model, name, _as_factor(model, scenario, name)).items()
    }


def _as_factor(model: Model, scenario: Scenario, name: str) -> Change:
    """A change of an efficiency as a factor; one that comes at once may be given as a value."""
    change, element = scenario.changes[name], model[name]
    if change.until is not None:
        mistake = f"{name!r}: ends in {change.until:g}, expected a gain of efficiency that stays"
        raise ScenarioError(f"scenario {scenario.name!r}", [mistake])
    if change.factor is not None or change.value is None or not isinstance(element, Parameter):
        return change
    factor = change.value / element.value if element.value else 0.0
    if change.adjustment_time > 0 or factor <= 0:
        mistake = f"{name!r}: value {change.value:g}, expected a factor for a change of an efficiency"
        raise ScenarioError(f"scenario {scenario.name!r}", [mistake])
    return Change(factor=factor, at=change.at)


def with_engineering_run(model: Model) -> Model:
    """A model and, beside it, its engineering counterfactual, integrated together.

    The copy (prefix ``engineering_``) shares all parameters. Its efficiencies can change; its services are the
    base run's divided by the efficiency gained; everything else in it runs freely.
    """
    roles = roles_of(model)
    efficiencies = _efficiencies(model)
    copied = {
        name: symbol(_PREFIX + name)
        for name, e in model.elements.items()
        if not isinstance(e, (Parameter, Table)) or name in efficiencies
    }
    translation = {symbol(old): new for old, new in copied.items()}
    elements: list[Element] = []
    for name in sorted(efficiencies):
        for element in wrap(model, name, Change(factor=1.0, at=model.start)):
            if isinstance(element, Auxiliary):
                equation = element.equation.subs(symbol(f"{name}_reference"), symbol(name))
                elements.append(Auxiliary(_PREFIX + name, element.unit, equation=equation, doc=element.doc))
            elif element.name != f"{name}_reference":
                elements.append(element)
    for name, element in model.elements.items():
        if name not in copied or name in efficiencies:
            continue
        if name in roles.services:
            efficiency = roles.services[name]
            gain = symbol(efficiency) / copied[efficiency] if efficiency is not None else sp.S.One
            elements.append(
                Auxiliary(
                    _PREFIX + name,
                    element.unit,
                    equation=symbol(name) * gain,
                    doc=f"{element.doc} Held on the base run's path.",
                )
            )
        else:
            elements.append(_copy(element, copied, translation))
    return model.with_elements(elements, name=f"{model.name} with engineering run")


def _copy(element: Element, copied: Mapping[str, sp.Symbol], translation: Mapping[Any, Any]) -> Element:
    def renamed(name: str | None) -> str | None:
        return str(copied[name].name) if name is not None and name in copied else name

    def translated(expression: Any) -> sp.Expr:
        return sp.sympify(expression).xreplace(translation)

    name, doc = _PREFIX + element.name, element.doc
    if isinstance(element, Stock):
        return Stock(name, element.unit, initial=translated(element.initial), log=element.log, doc=doc)
    if isinstance(element, Flow):
        return Flow(
            name,
            element.unit,
            equation=translated(element.equation),
            source=renamed(element.source),
            target=renamed(element.target),
            doc=doc,
        )
    if isinstance(element, InitialUnknown):
        return InitialUnknown(name, element.unit, equation=translated(element.equation), guess=element.guess, doc=doc)
    assert isinstance(element, Auxiliary)
    return Auxiliary(name, element.unit, equation=translated(element.equation), doc=doc)


@dataclass(frozen=True, repr=False)
class Rebound:
    """Rebound of one shock over time.

    Attributes
    ----------
    times : array of shape (n,)
        Dates from the shock on.
    base, shocked, engineering : array of shape (n,)
        Energy use of the three runs.
    rebound : array of shape (n,)
        R(t); NaN where the engineering saving is below `SMALLEST_SAVING` of the base.
    cumulative : array of shape (n,)
        Rebound of the energy used since the shock; NaN likewise.
    unit : str
    counterfactual : str
        What the engineering run holds, in words.
    """

    scenario: Scenario
    times: Floats
    base: Floats
    shocked: Floats
    engineering: Floats
    rebound: Floats
    cumulative: Floats
    unit: str
    counterfactual: str

    def at(self, horizon: float) -> tuple[float, float]:
        """R and cumulative R a time after the shock; the horizon must be one of those measured.

        Raises
        ------
        JevonsError
        """
        horizons = self.times - self.times[0]
        place = int(np.argmin(np.abs(horizons - horizon)))
        if abs(horizons[place] - horizon) > 1e-6:
            raise JevonsError(
                f"horizon {horizon:g} was not measured, the nearest is {horizons[place]:g} "
                f"({horizons[0]:g} to {horizons[-1]:g}, {horizons.size} horizons)"
            )
        return float(self.rebound[place]), float(self.cumulative[place])

    def __repr__(self) -> str:
        years = [h for h in HORIZONS if np.abs(self.times - self.times[0] - h).min() < 1e-6]
        cells = ", ".join(f"{self.at(h)[0]:.3f} after {h:g}" for h in years)
        return f"Rebound of {self.scenario.name!r}: {cells or f'{self.times.size} dates'}; {self.counterfactual}"

    @property
    def induced_growth(self) -> Floats:
        """Energy of the shocked run over the base run, less one."""
        growth: Floats = self.shocked / self.base - 1
        return growth


def ratio(base: Floats, shocked: Floats, engineering: Floats) -> Floats:
    """``1 − (base − shocked)/(base − engineering)``, NaN where the saving is below 1 % of the base."""
    return rebound_ratio(base, shocked, engineering, SMALLEST_SAVING)


class ReboundMeter:
    """Measures the rebound of scenarios on one model, for many parameter sets.

    Parameters
    ----------
    model : Model
        With roles.
    at : float
        Date from which rebound is measured; horizons count from it.
    horizons : sequence of float
    every : float, optional
        Report a whole path up to the last horizon at this distance instead of the horizons alone.
    """

    def __init__(
        self,
        model: Model,
        scenarios: Sequence[Scenario],
        at: float,
        horizons: Sequence[float] = HORIZONS,
        every: float | None = None,
    ) -> None:
        roles = roles_of(model)
        self.model, self.roles, self.at = model, roles, at
        kinds = {**roles.efficiencies, **roles.price_performance}
        scenarios = [scenario.flat(model) for scenario in scenarios]
        for scenario in scenarios:
            others = [n for n in scenario.changes if n not in kinds.values()]
            if others:
                raise ScenarioError(
                    f"rebound of scenario {scenario.name!r}",
                    [f"{n!r} is not an efficiency{nearest(n, kinds.values())}" for n in others],
                )
        names = [s.name for s in scenarios]
        repeated = sorted({n for n in names if names.count(n) > 1})
        if repeated:
            raise ScenarioError("rebound", [f"scenario {n!r} is given more than once" for n in repeated])
        if not horizons or min(horizons) <= 0:
            raise ScenarioError("rebound", [f"horizons {list(horizons)}, expected one or more, above 0"])
        offsets = list(horizons) if every is None else list(np.arange(every, max(horizons) + every / 2, every))
        self.times = at + np.array([0.0, *offsets])
        energy = [roles.energy, roles.cumulative_energy]
        single, twin = shockable(model), with_engineering_run(model)
        self._runners = {}
        for scenario in scenarios:
            values = change_parameters(model, scenario)
            # The base run is stepped on the same grid and by the same code as the shocked one.
            unshocked = {key: 1.0 if key.endswith("_factor") else value for key, value in values.items()}
            self._runners[scenario.name] = (
                scenario,
                Simulation(single, self.times, energy, params=unshocked),
                Simulation(single, self.times, energy, params=values),
                Simulation(twin, self.times, [_PREFIX + n for n in energy], params=values),
            )
        self._reference = {
            name: f"{name}_reference" for name in {*roles.efficiencies.values(), *roles.price_performance.values()}
        }

    def runs(self, name: str, params: Mapping[str, float] | None = None) -> tuple[Member, Member, Member]:
        """Base, shocked and engineering run of a scenario: energy and cumulative energy at the meter's dates."""
        _, base, shocked, engineering = self._runners[name]
        given = dict(params or {})
        single = self._of_single(given)
        return base.run(single), shocked.run(single), engineering.run(given)

    def _of_single(self, params: Mapping[str, float]) -> dict[str, float]:
        return {self._reference.get(name, name): value for name, value in params.items()}

    def measure_all(self, name: str, samples: Sequence[Mapping[str, float]], threads: int = 1) -> list[Rebound | None]:
        """Rebound of a scenario for many parameter sets, over lanes; None where one of the three runs failed."""
        _, base, shocked, engineering = self._runners[name]
        single = [self._of_single(sample) for sample in samples]
        runs = (run_samples(base, single, threads), run_samples(shocked, single, threads),
                run_samples(engineering, samples, threads))  # fmt: skip
        return [
            None if any(r.codes[i] for r in runs) else self._rebound(name, *(r.values[i] for r in runs))
            for i in range(len(samples))
        ]

    def measure(self, name: str, params: Mapping[str, float] | None = None) -> Rebound | None:
        """Rebound of a scenario for one parameter set; None if one of the three runs failed."""
        members = self.runs(name, params)
        if not all(member.status.ok for member in members):
            return None
        return self._rebound(name, *(member.values for member in members))

    def _rebound(self, name: str, base: Floats, shocked: Floats, engineering: Floats) -> Rebound:
        scenario = self._runners[name][0]
        (e_base, c_base), (e_shock, c_shock), (e_engineering, c_engineering) = base.T, shocked.T, engineering.T
        since = [c - c[0] for c in (c_base, c_shock, c_engineering)]
        induced = all(n in self.roles.price_performance.values() for n in scenario.changes)
        nothing = np.full(self.times.size, math.nan)
        return Rebound(
            scenario=scenario,
            times=self.times,
            base=e_base,
            shocked=e_shock,
            engineering=e_engineering,
            rebound=nothing if induced else ratio(e_base, e_shock, e_engineering),
            cumulative=nothing if induced else ratio(since[0], since[1], since[2]),
            unit=self.model.unit(self.roles.energy),
            counterfactual=INDUCED_GROWTH if induced else counterfactual(self.roles),
        )


def measure_rebound(
    model: Model,
    scenario: Scenario | str,
    *,
    at: float | None = None,
    until: float = 10.0,
    every: float = 0.25,
    params: Mapping[str, float] | None = None,
) -> Rebound:
    """Rebound over time of one scenario at one parameter set.

    A scenario may be given by name (a shipped one) or as the path of a TOML file.

    Parameters
    ----------
    scenario : Scenario
        Changes of efficiencies only; see `shock`.
    at : float, optional
        Date from which time is counted; the first change of the scenario by default.
    until, every : float
        Length and resolution of the path.
    """
    if isinstance(scenario, str):
        scenario = load_scenario(scenario)
    dates: Iterable[float] = [c.at for c in scenario.changes.values() if c.at is not None]
    begin = at if at is not None else min(dates, default=model.start)
    meter = ReboundMeter(model, [scenario], begin, horizons=(until,), every=every)
    measured = meter.measure(scenario.name, params)
    if measured is None:
        raise IntegrationError(next(m.status for m in meter.runs(scenario.name, params) if not m.status.ok))
    return measured
