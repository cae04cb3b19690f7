"""Projections and rebounds with bands, over the draws of a shipped fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError
from jevons.inference.config import ProjectedVariable
from jevons.inference.fit import StoredFit
from jevons.inference.threads import progress_bar
from jevons.model import Model
from jevons.rebound_meter import HORIZONS, ReboundMeter, change_parameters, roles_of, shockable
from jevons.scenario import Change, Scenario
from jevons.simulation import Simulation, run_samples

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

QUANTILES = (0.5, 0.05, 0.95)


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
    """

    years: NDArray[np.int64]
    paths: Mapping[tuple[str, str], Floats]
    fitted: Mapping[tuple[str, str], Floats]
    units: Mapping[str, str]
    failed: int

    @property
    def draws(self) -> int:
        """Draws that ran."""
        return len(next(iter(self.paths.values())))

    def quantiles(self, scenario: str, variable: str) -> Floats:
        """Median, 5 % and 95 % over the draws; shape (3, years)."""
        result: Floats = np.quantile(self.paths[scenario, variable], QUANTILES, axis=0)
        return result

    def to_frame(self) -> pd.DataFrame:
        """Long table: scenario, year, variable, unit, median, p05, p95."""
        import pandas as pd

        rows = []
        for scenario, variable in self.paths:
            median, low, high = self.quantiles(scenario, variable)
            rows += [
                (scenario, int(year), variable, self.units[variable], m, lo, hi)
                for year, m, lo, hi in zip(self.years, median, low, high, strict=True)
            ]
        return pd.DataFrame(rows, columns=["scenario", "year", "variable", "unit", "median", "p05", "p95"])


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
    """
    fitted = model.with_values(stored.values)
    prepared = shockable(fitted)
    years = np.arange(start, end + 1)
    times = np.union1d(np.arange(start, end + 2, dtype=float), [v.since for v in variables if v.kind == "since"])
    outputs = tuple(dict.fromkeys(v.source for v in variables))
    names = [s.name for s in scenarios]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise JevonsError(f"project: scenario {', '.join(map(repr, repeated))} is given more than once")
    samples: list[Mapping[str, float]] = [{}, *stored.draws(draws)]
    results: list[dict[tuple[str, str], Floats] | None] = [{} for _ in samples]
    for scenario in progress_bar(scenarios, "project", "scenario", progress):
        simulation = _simulation(prepared, fitted, scenario, times, outputs)
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
    )


def _simulation(
    prepared: Model, fitted: Model, scenario: Scenario, times: Floats, outputs: tuple[str, ...]
) -> Simulation:
    """The simulation of a scenario; scenarios of efficiencies share one compiled system."""
    scenario.check(fitted)
    roles = roles_of(fitted)
    shocks = {*roles.efficiencies.values(), *roles.price_performance.values()}
    ours = Scenario(scenario.name, {n: c for n, c in scenario.changes.items() if n in shocks})
    others = Scenario(scenario.name, {n: c for n, c in scenario.changes.items() if n not in shocks})
    return Simulation(others.apply(prepared), times, outputs, params=change_parameters(fitted, ours))


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
        shock, factor, at, horizon_years, rebound, p05, p95, cumulative, undefined_share, counterfactual.
        Quantiles are over the draws with a defined rebound; they are empty where more than half are undefined.
    induced : pandas.DataFrame
        Change of energy use against the base, in per cent, for every shock; the only figure for improvements
        that save no energy.
    horizons : array of shape (n,)
    paths : mapping of str to array of shape (draws, n)
        R at each horizon.
    failed : mapping of str to int
    """

    table: pd.DataFrame
    induced: pd.DataFrame
    horizons: Floats
    paths: Mapping[str, Floats]
    failed: Mapping[str, int]

    def backfire(self, shock: str, horizon: float) -> float:
        """Share of the draws with R > 1 among those where R is defined; NaN where most are not."""
        values = self.paths[shock][:, int(np.argmin(np.abs(self.horizons - horizon)))]
        defined = values[~np.isnan(values)]
        return float(np.mean(defined > 1)) if defined.size >= values.size / 2 else math.nan


def project_rebound(
    model: Model,
    stored: StoredFit,
    shocks: Sequence[tuple[Scenario, float]],
    at: float,
    *,
    horizons: Sequence[float] = HORIZONS,
    resolution: float = 0.5,
    draws: int | None = None,
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
    """
    import pandas as pd

    fitted = model.with_values(stored.values)
    fine = np.union1d(np.arange(resolution, max(horizons) + resolution / 2, resolution), horizons)
    meter = ReboundMeter(fitted, [s for s, _ in shocks], at, fine.tolist())
    samples = stored.draws(draws)
    rows, induced_rows = [], []
    failed: dict[str, int] = {}
    paths: dict[str, Floats] = {}
    for scenario, factor in progress_bar(shocks, "rebound", "shock", progress):
        name = scenario.name
        measured = meter.measure_all(name, samples, threads)
        done = [m for m in measured if m is not None]
        if not done:
            raise JevonsError(f"rebound of {name!r}: none of the {len(samples)} draws ran")
        failed[name] = len(samples) - len(done)
        paths[name] = np.array([m.rebound[1:] for m in done])
        cumulative = np.array([m.cumulative[1:] for m in done])
        growth = np.array([100 * m.induced_growth[1:] for m in done])
        for horizon in horizons:
            k = int(np.argmin(np.abs(fine - horizon)))
            undefined = float(np.mean(np.isnan(paths[name][:, k])))
            median, low, high = _defined_quantiles(paths[name][:, k])
            total = _defined_quantiles(cumulative[:, k])[0]
            key = (name, factor, at, horizon)
            rows.append((*key, median, low, high, total, undefined, done[0].counterfactual))
            induced_rows.append((*key, *np.quantile(growth[:, k], QUANTILES)))
    head = ["shock", "factor", "at", "horizon_years"]
    table = pd.DataFrame(
        rows, columns=[*head, "rebound", "p05", "p95", "cumulative", "undefined_share", "counterfactual"]
    )
    induced = pd.DataFrame(induced_rows, columns=[*head, "energy_change_percent", "p05", "p95"])
    return ReboundEnsemble(table, induced, fine, paths, failed)


def _defined_quantiles(values: Floats) -> tuple[float, float, float]:
    defined = values[~np.isnan(values)]
    if defined.size < max(1, values.size / 2):
        return math.nan, math.nan, math.nan
    median, low, high = np.quantile(defined, QUANTILES)
    return float(median), float(low), float(high)
