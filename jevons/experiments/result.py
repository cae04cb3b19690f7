"""What an experiment found: paths of every draw, rebound, changes, and their quantiles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError
from jevons.experiments.plan import Reported
from jevons.inference.projection import BANDS, defined_quantiles, probability_above_one
from jevons.rebound.meter import ratio
from jevons.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
WITH, WITHOUT, NONE = "with", "without", "none"
"""Whether a row of a table is of the runs with the background, without it, or of a scenario that has none."""
_SAME = 1e-9


@dataclass(frozen=True)
class Runs:
    """Reported variables of one kind of run, each of shape (draws, dates); totals count from the date of the change."""

    levels: Mapping[str, Floats]
    totals: Mapping[str, Floats]


@dataclass(frozen=True)
class Experiment:
    """A scenario over the draws of a posterior.

    Attributes
    ----------
    scenario : Scenario
        In the units of the model.
    at : float
        Date from which years count: that of the first change.
    years : array of shape (n,)
        Time since then, 0 first.
    variables : tuple of Reported
    runs : mapping of str to Runs
        ``base``: the background alone; ``shocked``: the changes too; ``engineering``: the efficiency gains alone, with
        services as in the base run; missing if no efficiency changes.
    ran : array of bool
        Which of the draws asked for are in the runs.
    total_units : mapping of str to str
        Units of the totals.
    counterfactual : str
        What the engineering run holds, or why there is none.
    induced : bool
        Whether the scenario changes price-performance and no efficiency.
    without_background : Experiment or None
        The same changes without the background.
    """

    scenario: Scenario
    at: float
    years: Floats
    variables: tuple[Reported, ...]
    runs: Mapping[str, Runs]
    ran: NDArray[np.bool_]
    total_units: Mapping[str, str]
    counterfactual: str
    induced: bool = False
    without_background: Experiment | None = None

    @property
    def draws(self) -> int:
        """Draws that ran."""
        return int(self.ran.sum())

    @property
    def failed(self) -> int:
        """Draws in which a run failed; they are left out everywhere."""
        return int(self.ran.size - self.ran.sum())

    @property
    def measured(self) -> tuple[Reported, ...]:
        """Variables whose rebound is defined; none if no efficiency changes."""
        return tuple(v for v in self.variables if v.rebound) if "engineering" in self.runs else ()

    def place(self, horizon: float) -> int:
        """Position of a horizon among the years.

        Raises
        ------
        JevonsError
            If it was not run.
        """
        k = int(np.argmin(np.abs(self.years - horizon)))
        if abs(self.years[k] - horizon) > _SAME:
            raise JevonsError(f"horizon {horizon:g} was not run, the nearest is {self.years[k]:g}")
        return k

    def rebound(self, variable: str) -> Floats:
        """R of every draw over time, shape (draws, dates).

        Equation   R(t) = 1 − (base − shocked)/(base − engineering); NaN where the saving is below 1 % of the base
        Valid for  scenarios with a gain of efficiency; emissions and energy alike
        Source     Saunders 2008, doi 10.1016/j.eneco.2007.11.001; Sorrell and Dimitropoulos 2008
        """
        found: Floats = ratio(*(self.runs[r].levels[variable] for r in ("base", "shocked", "engineering")))
        return found

    def cumulative_rebound(self, variable: str) -> Floats:
        """R of what was used or emitted since the date, shape (draws, dates)."""
        found: Floats = ratio(*(self.runs[r].totals[variable] for r in ("base", "shocked", "engineering")))
        return found

    def crossing(self, variable: str) -> Floats:
        """Years after which R of each draw first exceeds 1, linear between dates; NaN where it never does."""
        found = self.rebound(variable)
        above = np.nan_to_num(found, nan=-math.inf) > 1
        result = np.full(len(found), math.nan)
        for i in np.flatnonzero(above.any(axis=1)):
            k = int(np.argmax(above[i]))
            result[i] = self.years[k]
            if k and np.isfinite(found[i, k - 1]):
                before, after = found[i, k - 1], found[i, k]
                result[i] -= (after - 1) / (after - before) * (self.years[k] - self.years[k - 1])
        return result

    def change(self, variable: str) -> Floats:
        """Shocked less base run, in the variable's unit, shape (draws, dates)."""
        return self.runs["shocked"].levels[variable] - self.runs["base"].levels[variable]

    def percent(self, variable: str) -> Floats:
        """Change over the base run in per cent; NaN where the base run has none of it."""
        base = self.runs["base"].levels[variable]
        return 100 * self.change(variable) / np.where(base == 0, math.nan, base)

    def total_change(self, variable: str) -> Floats:
        """What the change adds up to since the date, in the unit of the total; NaN for a level."""
        if variable not in self.runs["base"].totals:
            return np.full_like(self.change(variable), math.nan)
        return self.runs["shocked"].totals[variable] - self.runs["base"].totals[variable]

    def views(self) -> Iterator[tuple[str, Experiment]]:
        """The experiment, and the same without its background, each with what it is."""
        yield (WITH if self.scenario.background else NONE), self
        if self.without_background is not None:
            yield WITHOUT, self.without_background


def rebound_table(experiment: Experiment, horizons: tuple[float, ...]) -> pd.DataFrame:
    """R at horizons: median and bands of the draws in which it is defined, P(R > 1), first crossing of 1."""
    import pandas as pd

    rows = []
    for view, found in experiment.views():
        for variable in found.measured:
            r, total = found.rebound(variable.name), found.cumulative_rebound(variable.name)
            crossing = found.crossing(variable.name)
            crossed = crossing[~np.isnan(crossing)]
            for horizon in reported_horizons(found, horizons):
                k = found.place(horizon)
                summed = defined_quantiles(total[:, k])
                rows.append(
                    (found.scenario.name, view, variable.name, horizon, *defined_quantiles(r[:, k]),
                     summed[0], summed[1], summed[4], probability_above_one(r[:, k]), float(np.mean(np.isnan(r[:, k]))),
                     crossed.size / len(r), float(np.median(crossed)) if crossed.size else math.nan,
                     found.draws, found.failed, found.counterfactual)
                )  # fmt: skip
    columns = [
        "scenario", "background", "quantity", "horizon_years", "rebound", *BANDS, "cumulative", "cumulative_p05",
        "cumulative_p95", "probability_backfire", "undefined_share", "crossing_share", "crossing_years", "draws",
        "failed", "counterfactual",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def changes_table(experiment: Experiment, horizons: tuple[float, ...]) -> pd.DataFrame:
    """What the scenario changes at horizons: absolute, in per cent of the base run, and in all since the date."""
    import pandas as pd

    rows = []
    for view, found in experiment.views():
        for v in found.variables:
            base, shocked = (found.runs[r].levels[v.name] for r in ("base", "shocked"))
            for horizon in reported_horizons(found, horizons):
                k = found.place(horizon)
                rows.append(
                    (found.scenario.name, view, v.name, v.kind, v.unit, horizon, np.median(base[:, k]),
                     np.median(shocked[:, k]), *defined_quantiles(found.change(v.name)[:, k]),
                     *defined_quantiles(found.percent(v.name)[:, k]), found.total_units.get(v.name, ""),
                     *defined_quantiles(found.total_change(v.name)[:, k]), found.draws, found.failed)
                )  # fmt: skip
    columns = [
        "scenario", "background", "variable", "kind", "unit", "horizon_years", "base", "shocked", "change", *BANDS,
        "percent", *(f"percent_{b}" for b in BANDS), "total_unit", "total_change", *(f"total_{b}" for b in BANDS),
        "draws", "failed",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def paths_table(experiment: Experiment) -> pd.DataFrame:
    """Every reported variable over time in every run, and R, with bands."""
    import pandas as pd

    rows: list[tuple[object, ...]] = []
    for view, found in experiment.views():
        paths = [(run, v.name, v.unit, runs.levels[v.name]) for run, runs in found.runs.items() for v in found.variables
                 if v.name in runs.levels]  # fmt: skip
        paths += [("change", v.name, v.unit, found.change(v.name)) for v in found.variables]
        paths += [("rebound", v.name, "1", found.rebound(v.name)) for v in found.measured]
        paths += [("cumulative rebound", v.name, "1", found.cumulative_rebound(v.name)) for v in found.measured]
        for run, name, unit, values in paths:
            rows += [
                (found.scenario.name, view, name, run, unit, year, found.at + year, *defined_quantiles(values[:, k]))
                for k, year in enumerate(found.years)
            ]
    columns = ["scenario", "background", "variable", "run", "unit", "years", "date", "median", *BANDS]
    return pd.DataFrame(rows, columns=columns)


def summary_horizon(experiment: Experiment, wanted: float) -> float:
    """The horizon that a summary reports: the one wanted, or the last one run if that is earlier."""
    return wanted if experiment.years[-1] >= wanted - _SAME else float(experiment.years[-1])


def summary_row(experiment: Experiment, variables: tuple[str, ...], wanted: float) -> dict[str, object]:
    """One line: R of the headline variable and changes in per cent at one horizon."""
    horizon = summary_horizon(experiment, wanted)
    k = experiment.place(horizon)
    row: dict[str, object] = {"scenario": experiment.scenario.name, "title": experiment.scenario.title,
                              "horizon_years": horizon}  # fmt: skip
    nothing = (math.nan,) * (len(BANDS) + 1)
    r = experiment.rebound(experiment.measured[0].name)[:, k] if experiment.measured else None
    row |= dict(zip(("rebound", *BANDS), nothing if r is None else defined_quantiles(r), strict=True))
    row["probability_backfire"] = math.nan if r is None else probability_above_one(r)
    for name in variables:
        found = defined_quantiles(experiment.percent(name)[:, k])
        row |= dict(zip((f"{name}_percent", *(f"{name}_{b}" for b in BANDS)), found, strict=True))
    return row | {"draws": experiment.draws, "failed": experiment.failed}


def reported_horizons(experiment: Experiment, horizons: tuple[float, ...]) -> tuple[float, ...]:
    """Horizons of a plan that were run, and the last date."""
    last = float(experiment.years[-1])
    return tuple(dict.fromkeys([*(h for h in horizons if h <= last + _SAME), last]))
