"""Runs of scenarios over the draws of a posterior: without the changes, with them, and with the efficiency alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jevons.ensemble.design import Design
from jevons.errors import JevonsError, ScenarioError, nearest
from jevons.experiments.plan import Plan
from jevons.experiments.prepared import Prepared, dated, held_still, needed, only, prepare, whole_run
from jevons.experiments.result import Experiment, Runs
from jevons.inference.config import shipped_fit
from jevons.inference.stored import StoredFit
from jevons.inference.threads import parallel
from jevons.library import load
from jevons.model import Model
from jevons.rebound.meter import (
    INDUCED_GROWTH,
    change_parameters,
    counterfactual,
    roles_of,
    with_engineering_run,
)
from jevons.scenario import Change, Scenario, load_scenario, shipped_scenarios
from jevons.simulation import Members, Simulation, run_samples

Floats = NDArray[np.float64]
_NO_SAVING = "no efficiency changes, so there is no engineering saving and no rebound"
NO_EFFICIENCY = f"{_NO_SAVING}; the change against the base run is reported"
_ENGINEERING = "engineering_"
_SAME = 1e-9


@dataclass(frozen=True)
class _Bench:
    """Two prepared models that a group of scenarios shares."""

    single: Prepared
    background: Prepared
    twin: Model


class Laboratory:
    """A model on which scenarios are run with bands.

    Parameters
    ----------
    model : Model
        With roles.
    plan : Plan
    samples : sequence of mapping
        Parameter values, one mapping a draw.
    scenarios : sequence of Scenario
        Those that share one compiled system; one that needs more gets its own.
    threads : int
        The numbers do not depend on it.

    Raises
    ------
    ScenarioError
        If the plan or a scenario names what the model lacks.
    """

    def __init__(
        self,
        model: Model,
        plan: Plan,
        samples: Sequence[Mapping[str, float]],
        scenarios: Sequence[Scenario] = (),
        threads: int = 2,
    ) -> None:
        self.model, self.plan, self.threads = model, plan, threads
        self.samples = [dict(s) for s in samples]
        if not self.samples:
            raise JevonsError("experiments need one draw at least")
        self._roles = roles_of(model)
        self._efficiencies = frozenset(self._roles.efficiencies.values())
        self._shocks = self._efficiencies | frozenset(self._roles.price_performance.values())
        plan.check(model)
        self._shared = list(scenarios)
        self._ready: _Bench | None = None

    def on_one_thread(self) -> Laboratory:
        """The same laboratory with its shared models made, for runs that are side by side themselves."""
        if self._shared and self._ready is None:
            self._ready = self._prepared(*self._kinds(self._shared))
        other = copy.copy(self)
        other.threads = 1
        return other

    def run(self, scenario: Scenario, horizon: float | None = None, *, without_background: bool = True) -> Experiment:
        """Run a scenario over all draws.

        Parameters
        ----------
        horizon : float, optional
            Time after the date of the scenario to which it runs; the plan's last horizon by default.
        without_background : bool
            Where the scenario has a background, run its changes without it too.

        Raises
        ------
        ScenarioError
            If the model cannot take the scenario on.
        JevonsError
            If no draw runs, or the horizon is no positive number.
        """
        here = self._checked(scenario)
        last = self.plan.horizons[-1] if horizon is None else float(horizon)
        if not (np.isfinite(last) and last > 0):
            raise JevonsError(f"horizon {last:g}, expected more than 0")
        dates = [c.at for c in here.changes.values() if c.at is not None]
        at = min(dates, default=self.plan.date)
        every = np.arange(0.0, last + self.plan.resolution / 2, self.plan.resolution)
        offsets = np.union1d(every, [h for h in (*self.plan.horizons, last) if h <= last])
        offsets = offsets[np.diff(offsets, prepend=-1.0) > _SAME]
        found = self._measure(here, at, offsets[offsets <= last + _SAME])
        if here.background and without_background:
            bare = self._measure(replace(here, background={}), at, found.years)
            found = replace(found, without_background=bare)
        return found

    def _checked(self, scenario: Scenario) -> Scenario:
        """The scenario in the model's units, or all that an experiment cannot do with it."""
        here = scenario.converted(self.model)
        moved = [n for n, c in here.background.items() if n in self._shocks and dated(self.model, n, c)]
        mistakes = [f"background changes the efficiency {n!r} at a date, expected it for the whole run" for n in moved]
        mistakes += [
            f"{n!r}: value {c.value:g}, expected a factor for an efficiency that differs between draws"
            for n, c in here.changes.items()
            if n in self._shocks and c.value is not None and n in self.samples[0]
        ]
        if mistakes:
            raise ScenarioError(f"scenario {scenario.name!r}", mistakes)
        return here

    def _kinds(self, scenarios: Sequence[Scenario]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """Kinds of dated change that the single and the engineering model have to know."""
        backgrounds = [s.background for s in scenarios]
        single = needed(self.model, [*backgrounds, *(s.changes for s in scenarios)], self._shocks)
        for name in (n for v in self.plan.variables for n in v.sources if n in self.model.parameters):
            single.setdefault(name, set()).add("factor")  # so that it is an output
        behind = needed(self.model, backgrounds, ())
        return single, {n: k for n, k in behind.items() if n not in self._shocks}

    def _bench(self, scenario: Scenario) -> _Bench:
        """The shared models if they know every change of the scenario, else its own."""
        wanted = self._kinds([scenario])
        shared = self._kinds(self._shared)
        if any(
            not kinds <= known.get(n, set()) for w, known in zip(wanted, shared, strict=True) for n, kinds in w.items()
        ):
            return self._prepared(*wanted)
        if self._ready is None:
            self._ready = self._prepared(*shared)
        return self._ready

    def _prepared(self, single: Mapping[str, set[str]], behind: Mapping[str, set[str]]) -> _Bench:
        background = prepare(self.model, behind)
        return _Bench(prepare(self.model, single), background, with_engineering_run(background.model))

    def _measure(self, scenario: Scenario, at: float, offsets: Floats) -> Experiment:
        bench, plan = self._bench(scenario), self.plan
        gains = only(scenario, self._efficiencies)
        cheaper = only(scenario, self._shocks - self._efficiencies)
        sources = dict.fromkeys(n for v in plan.variables for n in (*v.sources, v.cumulative) if n)
        simulation = Simulation(bench.single.model, at + offsets, tuple(sources))
        moved = {**change_parameters(self.model, gains), **change_parameters(self.model, cheaper)}
        for name, change in scenario.changes.items():
            if name not in self._shocks and dated(self.model, name, change):
                moved |= bench.single.numbers(name, change)
        behind = _background_numbers(bench.single, self.model, scenario.background)
        base, shocked = [], []
        for sample in self.samples:
            world = whole_run(self.model, scenario.background, sample)
            own = bench.single.at_roots({**sample, **world})
            others = {n: c for n, c in scenario.changes.items() if n not in self._shocks}
            changed = bench.single.at_roots(whole_run(self.model, others, sample))
            base.append({**own, **behind, **held_still(moved)})
            shocked.append({**own, **behind, **moved, **changed})
        members = [run_samples(simulation, rows, self.threads) for rows in (base, shocked)]
        engineering = None
        if gains.changes:
            engineering = self._engineering(bench, scenario, gains, at + offsets)
            members.append(engineering)
        ran = np.all([m.codes == 0 for m in members], axis=0)
        if not ran.any():
            stopped = next(m.status(int(m.failed[0])) for m in members if m.failed.size)
            raise JevonsError(f"scenario {scenario.name!r}: none of the {ran.size} draws ran; the first: {stopped}")
        runs = {"base": members[0], "shocked": members[1]}
        return Experiment(
            scenario=scenario,
            at=at,
            years=offsets,
            variables=plan.variables,
            runs={name: self._read(m, list(sources), ran, "") for name, m in runs.items()}
            | ({"engineering": self._read(engineering, self._outputs(), ran, _ENGINEERING)} if engineering else {}),
            ran=ran,
            total_units={v.name: self.model.unit(v.cumulative) for v in plan.variables if v.cumulative},
            counterfactual=self._counterfactual(scenario),
            induced=bool(cheaper.changes) and not gains.changes,
        )

    def _outputs(self) -> list[str]:
        """Model variables that the rebound compares."""
        return list(dict.fromkeys(n for v in self.plan.variables if v.rebound for n in (*v.sources, v.cumulative)))

    def _engineering(self, bench: _Bench, scenario: Scenario, gains: Scenario, times: Floats) -> Members:
        """Runs with the gains of efficiency alone, services as in the base run."""
        numbers = {
            **_background_numbers(bench.background, self.model, scenario.background),
            **change_parameters(self.model, gains),
        }
        rows = [
            {**bench.background.at_roots({**s, **whole_run(self.model, scenario.background, s)}), **numbers}
            for s in self.samples
        ]
        copied = [_ENGINEERING + n for n in self._outputs()]
        return run_samples(Simulation(bench.twin, times, copied), rows, self.threads)

    def _read(self, members: Members, outputs: list[str], ran: NDArray[np.bool_], copy: str) -> Runs:
        """Reported variables of the draws that ran, and what their rates add up to since the date."""
        columns = dict(zip(outputs, np.moveaxis(members.values[ran], 2, 0), strict=True))
        levels, totals = {}, {}
        for variable in self.plan.variables:
            if copy and not variable.rebound:
                continue
            product = np.prod([columns[n] for n in variable.sources], axis=0)
            levels[variable.name] = product * (variable.scale(self.model) or np.nan)
            if variable.cumulative:
                totals[variable.name] = columns[variable.cumulative] - columns[variable.cumulative][:, :1]
        return Runs(levels, totals)

    def _counterfactual(self, scenario: Scenario) -> str:
        gains = [n for n in scenario.changes if n in self._efficiencies]
        others = [n for n in scenario.changes if n not in gains]
        if not gains:
            priced = any(n in self._shocks for n in others)
            beside = [n for n in others if n not in self._shocks]
            return INDUCED_GROWTH + (f"; {_listed(beside)} changes too" if beside else "") if priced else NO_EFFICIENCY
        text = counterfactual(self._roles)
        if others:
            text += f"; it has the gain of {_listed(gains)} alone; "
            text += f"what the change of {_listed(others)} uses or saves counts as rebound"
        if scenario.background:
            text += f"; {_listed(list(scenario.background))} changed in all runs"
        return text


def _background_numbers(prepared: Prepared, model: Model, background: Mapping[str, Change]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, change in background.items():
        if dated(model, name, change):
            found |= prepared.numbers(name, change)
    return found


def _listed(names: Sequence[str]) -> str:
    words = [n.replace("_", " ") for n in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def draws_of(plan: Plan, model: Model, stored: StoredFit, draws: int | None = None) -> list[dict[str, float]]:
    """Draws of a fit, each with one independent set of what the plan samples.

    Parameters
    ----------
    draws : int, optional
        How many of the fit's stored draws; all by default.

    Raises
    ------
    ScenarioError
        If the plan does not fit the model or the fit.
    """
    plan.check(model, stored.names)
    samples = stored.draws(draws)
    unknown = [n for n in samples[0] if n not in model.parameters]
    if unknown:
        mistakes = [f"the fit holds {n!r}, which is no parameter{nearest(n, model.parameters)}" for n in unknown]
        raise ScenarioError(f"experiments on model {model.name!r}", mistakes)
    if not plan.sampled:
        return samples
    design = Design.latin_hypercube(model, plan.sampled, len(samples), plan.seed)
    rows = np.concatenate([design.block(i) for i in range(design.blocks)])
    return [{**s, **dict(zip(design.names, row.tolist(), strict=True))} for s, row in zip(samples, rows, strict=True)]


def open_laboratory(
    plan: Plan,
    *,
    fit: str = "main",
    draws: int | None = None,
    scenarios: Sequence[Scenario] | None = None,
    threads: int = 2,
) -> Laboratory:
    """The plan's model with draws of a fit.

    Parameters
    ----------
    fit : str
        Variant of the shipped fit, or a folder with a fit.
    draws : int, optional
        How many of the fit's stored draws; all by default.
    scenarios : sequence of Scenario, optional
        Those that share one compiled system; all shipped ones that the model knows by default.

    Raises
    ------
    CalibrationError
        If there is no such fit, or it is of another model.
    """
    stored = shipped_fit(plan.fit, fit)
    stored.require(load(plan.fit, None))
    model = load(plan.model)
    if scenarios is None:
        scenarios = [load_scenario(name) for name in shipped_scenarios()]
    known = [s for s in scenarios if all(n in model for n in (*s.changes, *s.background))]
    return Laboratory(model, plan, draws_of(plan, model, stored, draws), [s.converted(model) for s in known], threads)


def run_experiments(
    laboratory: Laboratory, scenarios: Sequence[Scenario], horizon: float | None = None, *, progress: bool = True
) -> list[Experiment]:
    """Run several scenarios side by side on the laboratory's threads, with a progress bar."""
    for scenario in scenarios:
        scenario.check(laboratory.model)
    names = [s.name for s in scenarios]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise ScenarioError("experiments", [f"scenario {n!r} is given more than once" for n in repeated])
    threads, alone = laboratory.threads, laboratory.on_one_thread()
    found: list[Experiment] = parallel(
        lambda s: alone.run(s, horizon), scenarios, threads, "experiments", progress, "scenario"
    )
    return found
