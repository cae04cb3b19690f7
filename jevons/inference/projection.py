"""Projections and rebounds with bands, over the draws of a shipped fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError
from jevons.inference.config import CalibrationConfig, ProjectedVariable
from jevons.inference.problem import Calibration
from jevons.inference.stored import StoredFit
from jevons.inference.threads import progress_bar
from jevons.model import Model
from jevons.rebound.meter import HORIZONS, ReboundMeter, change_parameters, roles_of, shockable
from jevons.scenario import Change, Scenario, load_scenario
from jevons.simulation import Simulation, run_samples

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

QUANTILES = (0.5, 0.05, 0.25, 0.75, 0.95)
BANDS = ("p05", "p25", "p75", "p95")
"""Columns of the 90 % and 50 % bands, in the order of the quantiles after the median."""
REPORTED_HORIZON = 5.0


@dataclass(frozen=True)
class Projection:
    """Paths of every draw, by scenario and variable.

    Attributes
    ----------
    years : array of int
    paths : mapping of (scenario, variable) to array of shape (draws, years)
    fitted : mapping of (scenario, variable) to array of shape (years,)
        The path at the fit itself.
    failed : int
        Draws for which a run failed in any scenario; they are left out everywhere.
    ran : array of bool
        Which of the draws asked for are in the paths; empty means all.
    """

    years: NDArray[np.int64]
    paths: Mapping[tuple[str, str], Floats]
    fitted: Mapping[tuple[str, str], Floats]
    units: Mapping[str, str]
    failed: int
    ran: NDArray[np.bool_] = field(default_factory=lambda: np.ones(0, dtype=bool))

    @property
    def draws(self) -> int:
        """Draws that ran."""
        return len(next(iter(self.paths.values())))

    def quantiles(self, scenario: str, variable: str) -> Floats:
        """Median, 5, 25, 75 and 95 % over the draws; shape (5, years)."""
        result: Floats = np.quantile(self.paths[scenario, variable], QUANTILES, axis=0)
        return result

    def in_year(self, scenario: str, variable: str, year: float) -> Floats:
        """Values of all draws in a year.

        Raises
        ------
        JevonsError
            If the year is not projected.
        """
        places = np.flatnonzero(self.years == year)
        if not places.size:
            raise JevonsError(f"year {year:g} is not projected, expected one of {self.years[0]} to {self.years[-1]}")
        values: Floats = self.paths[scenario, variable][:, places[0]]
        return values

    def over_all(self, values: Floats) -> Floats:
        """Values of the draws that ran, at their places among all that were asked for; NaN for the others."""
        if not self.ran.size:
            return values
        result = np.full(self.ran.size, math.nan)
        result[self.ran] = values
        return result

    def to_frame(self) -> pd.DataFrame:
        """Long table: scenario, year, variable, unit, median, p05, p25, p75, p95."""
        import pandas as pd

        rows = []
        for scenario, variable in self.paths:
            found = self.quantiles(scenario, variable).T
            rows += [
                (scenario, int(year), variable, self.units[variable], *q)
                for year, q in zip(self.years, found, strict=True)
            ]
        return pd.DataFrame(rows, columns=["scenario", "year", "variable", "unit", "median", *BANDS])


def project(
    model: Model,
    stored: StoredFit,
    scenarios: Sequence[Scenario],
    variables: Sequence[ProjectedVariable],
    *,
    start: int = 2010,
    end: int = 2035,
    draws: int | None = None,
    threads: int = 2,
    progress: bool = True,
) -> Projection:
    """Project scenarios with bands.

    Parameters
    ----------
    model : Model
    stored : StoredFit
        Its values override the model's.
    draws : int, optional
        How many of the fit's stored draws; all by default.

    Returns
    -------
    Projection

    Raises
    ------
    CalibrationError
        If the fit is of another model.
    """
    stored.require(model)
    prepared = shockable(model)
    years = np.arange(start, end + 1)
    times = np.union1d(np.arange(start, end + 2, dtype=float), [v.since for v in variables if v.kind == "since"])
    outputs = tuple(dict.fromkeys(v.source for v in variables))
    names = [s.name for s in scenarios]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise JevonsError(f"project: scenario {', '.join(map(repr, repeated))} is given more than once")
    samples: list[Mapping[str, float]] = [stored.values, *stored.draws(draws)]
    results: list[dict[tuple[str, str], Floats] | None] = [{} for _ in samples]
    for given in progress_bar(scenarios, "project", "scenario", progress):
        scenario = given.flat(model)
        simulation = _simulation(prepared, model, scenario, times, outputs)
        members = run_samples(simulation, [_changed_sample(s, scenario.changes) for s in samples], threads)
        for i, result in enumerate(results):
            if members.codes[i] or result is None:
                results[i] = None
                continue
            columns = dict(zip(outputs, members.values[i].T, strict=True))
            for variable in variables:
                result[scenario.name, variable.name] = _column(variable, columns[variable.source], times, years)
    if results[0] is None:
        raise JevonsError("the model does not run at the fitted values")
    done = [r for r in results[1:] if r is not None]
    if not done:
        raise JevonsError(f"none of the {len(samples) - 1} draws ran")
    return Projection(
        years=years,
        paths={key: np.array([r[key] for r in done]) for key in results[0]},
        fitted=results[0],
        units={v.name: v.unit for v in variables},
        failed=len(samples) - 1 - len(done),
        ran=np.array([r is not None for r in results[1:]]),
    )


def _simulation(
    prepared: Model, model: Model, scenario: Scenario, times: Floats, outputs: tuple[str, ...]
) -> Simulation:
    """The simulation of a scenario; scenarios of efficiencies share one compiled system."""
    roles = roles_of(model)
    shocks = {*roles.efficiencies.values(), *roles.price_performance.values()}
    ours = Scenario(scenario.name, {n: c for n, c in scenario.changes.items() if n in shocks})
    others = Scenario(scenario.name, {n: c for n, c in scenario.changes.items() if n not in shocks})
    return Simulation(others.apply(prepared), times, outputs, params=change_parameters(model, ours))


def _changed_sample(sample: Mapping[str, float], changes: Mapping[str, Change]) -> dict[str, float]:
    """A draw under a scenario: a factor applies to the draw's value, a value replaces it."""
    result = {}
    for name, value in sample.items():
        change = changes.get(name)
        if change is None:
            result[name] = value
        elif change.at is not None:
            result[f"{name}_reference"] = value
        elif change.factor is not None:
            result[name] = value * change.factor
    return result


def _column(variable: ProjectedVariable, values: Floats, times: Floats, years: NDArray[np.int64]) -> Floats:
    at = {float(t): float(x) for t, x in zip(times, values, strict=True)}
    if variable.kind == "total":
        return np.array([at[y + 1.0] - at[float(y)] for y in years])
    if variable.kind == "since":
        return np.array([max(0.0, at[float(y)] - at[variable.since]) for y in years])
    return np.array([at[float(y)] for y in years])


@dataclass(frozen=True)
class ReboundEnsemble:
    """Rebound of several shocks over the draws of a fit.

    Attributes
    ----------
    table : pandas.DataFrame
        shock, factor, at, horizon_years, rebound, p05, p25, p75, p95, cumulative, probability_backfire,
        undefined_share, draws, counterfactual. Quantiles and P(R > 1) are over the draws with a defined rebound; they
        are empty where more than half are undefined.
    induced : pandas.DataFrame
        Change of energy use against the base, in per cent, for every shock; the only figure for improvements
        that save no energy.
    horizons : array of shape (n,)
    paths : mapping of str to array of shape (draws, n)
        R at each horizon.
    failed : mapping of str to int
    ran : mapping of str to array of bool
        Which of the draws asked for are in the paths.
    """

    table: pd.DataFrame
    induced: pd.DataFrame
    horizons: Floats
    paths: Mapping[str, Floats]
    failed: Mapping[str, int]
    ran: Mapping[str, NDArray[np.bool_]]

    def backfire(self, shock: str, horizon: float) -> float:
        """Share of the draws with R > 1 among those where R is defined; NaN where most are not."""
        return probability_above_one(self.paths[shock][:, int(np.argmin(np.abs(self.horizons - horizon)))])

    def over_all(self, shock: str, horizons: Sequence[float]) -> Floats:
        """R of all draws asked for at some horizons, shape (draws, horizons); NaN also where a run failed."""
        places = [int(np.argmin(np.abs(self.horizons - h))) for h in horizons]
        result = np.full((self.ran[shock].size, len(places)), math.nan)
        result[self.ran[shock]] = self.paths[shock][:, places]
        return result


def probability_above_one(rebound: Floats) -> float:
    """Share of draws with R > 1 among those where R is defined; NaN where most are not."""
    defined = rebound[~np.isnan(rebound)]
    return float(np.mean(defined > 1)) if defined.size and defined.size >= rebound.size / 2 else math.nan


def reported_quantities(
    model: Model, config: CalibrationConfig, calibration: Calibration
) -> Callable[[Floats], dict[str, Floats]]:
    """What a posterior must have converged for besides its parameters.

    Returns
    -------
    callable
        From natural values of shape (n, free) to energy in the benchmark years of the projection and the rebound of its
        scenarios after five years, each of shape (n,); NaN where a run fails.
    """
    plan = config.projection
    if plan is None or not plan.benchmark_years:
        return lambda natural: {}
    base = calibration.model
    energy = next(v for v in plan.variables if v.kind == "total")
    times = np.unique([float(t) for y in plan.benchmark_years for t in (y, y + 1)])
    simulation = Simulation(base, times, [energy.source])
    shocks = [load_scenario(name) for name in plan.scenario_shocks]
    meter = ReboundMeter(base, shocks, plan.shock_date, [REPORTED_HORIZON]) if shocks else None
    places = [k for k, name in enumerate(calibration.free) if name in base.parameters]
    names = [calibration.free[k] for k in places]

    def compute(natural: Floats) -> dict[str, Floats]:
        samples = natural[:, places]
        members = simulation.run_members(samples, names, calibration.threads)
        paths = members.values[:, :, 0]
        found = {}
        for year in plan.benchmark_years:
            first, last = np.searchsorted(times, [year, year + 1])
            found[f"{energy.name} {year}"] = paths[:, last] - paths[:, first]
        for shock in shocks:
            given = [dict(zip(names, row.tolist(), strict=True)) for row in samples]
            measured = meter.measure_all(shock.name, given, calibration.threads) if meter is not None else []
            found[f"rebound {shock.name} {REPORTED_HORIZON:g} yr"] = np.array(
                [math.nan if m is None else m.rebound[-1] for m in measured]
            )
        return found

    return compute


def project_rebound(
    model: Model,
    stored: StoredFit,
    shocks: Sequence[tuple[Scenario, float]],
    at: float,
    *,
    horizons: Sequence[float] = HORIZONS,
    resolution: float = 0.5,
    draws: int | Mapping[str, int] | None = None,
    meter: ReboundMeter | None = None,
    threads: int = 2,
    progress: bool = True,
) -> ReboundEnsemble:
    """Measure rebounds for many draws.

    Parameters
    ----------
    shocks : sequence of (Scenario, float)
        Scenarios of efficiency gains, each with its factor for the table.
    at : float
        Date from which horizons count.
    horizons : sequence of float
        Horizons of the tables.
    resolution : float
        Distance of the horizons of the paths.
    draws : int or mapping of str to int, optional
        How many of the fit's stored draws, of all shocks or by shock; all by default.
    meter : ReboundMeter, optional
        One of the same model, shocks and date that is there already; `resolution` is then its own.

    Raises
    ------
    CalibrationError
        If the fit is of another model.
    """
    import pandas as pd

    stored.require(model)
    if meter is None:
        every = np.arange(resolution, max(horizons) + resolution / 2, resolution)
        meter = ReboundMeter(model, [s for s, _ in shocks], at, np.union1d(every, horizons).tolist())
    fine: Floats = meter.times[1:] - meter.times[0]
    rows, induced_rows = [], []
    failed: dict[str, int] = {}
    paths: dict[str, Floats] = {}
    ran: dict[str, NDArray[np.bool_]] = {}
    for scenario, factor in progress_bar(shocks, "rebound", "shock", progress):
        name = scenario.name
        samples = stored.draws(draws.get(name) if isinstance(draws, Mapping) else draws)
        measured = meter.measure_all(name, samples, threads)
        done = [m for m in measured if m is not None]
        if not done:
            raise JevonsError(f"rebound of {name!r}: none of the {len(samples)} draws ran")
        failed[name] = len(samples) - len(done)
        ran[name] = np.array([m is not None for m in measured])
        paths[name] = np.array([m.rebound[1:] for m in done])
        cumulative = np.array([m.cumulative[1:] for m in done])
        growth = np.array([100 * m.induced_growth[1:] for m in done])
        for horizon in horizons:
            k = int(np.argmin(np.abs(fine - horizon)))
            r = paths[name][:, k]
            key = (name, factor, at, horizon)
            rows.append(
                (*key, *defined_quantiles(r), defined_quantiles(cumulative[:, k])[0], probability_above_one(r),
                 float(np.mean(np.isnan(r))), len(done), done[0].counterfactual)
            )  # fmt: skip
            induced_rows.append((*key, *np.quantile(growth[:, k], QUANTILES)))
    head = ["shock", "factor", "at", "horizon_years"]
    tail = ["cumulative", "probability_backfire", "undefined_share", "draws", "counterfactual"]
    table = pd.DataFrame(rows, columns=[*head, "rebound", *BANDS, *tail])
    induced = pd.DataFrame(induced_rows, columns=[*head, "energy_change_percent", *BANDS])
    return ReboundEnsemble(table, induced, fine, paths, failed, ran)


def measured_rebounds(
    meter: ReboundMeter, shock: str, samples: Sequence[Mapping[str, float]], horizon: float, threads: int = 2
) -> Floats:
    """R of a shock at one of the meter's horizons for many parameter sets; NaN where it is undefined or a run fails."""
    measured = meter.measure_all(shock, samples, threads)
    return np.array([math.nan if m is None else m.at(horizon)[0] for m in measured])


def defined_quantiles(values: Floats) -> tuple[float, ...]:
    """`QUANTILES` of the values that are no NaN; NaN where more than half are."""
    defined = values[~np.isnan(values)]
    if defined.size < max(1, values.size / 2):
        return (math.nan,) * len(QUANTILES)
    return tuple(np.quantile(defined, QUANTILES).tolist())
