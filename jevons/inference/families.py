"""Readings of the sources beside each other and averaged, and projections against what others published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError
from jevons.inference.backfire import verdict, weighted_quantiles
from jevons.inference.config import ProjectionConfig
from jevons.inference.history import History, Observation
from jevons.inference.projection import BANDS, QUANTILES, Projection, defined_quantiles

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

AVERAGED = "averaged"


def break_years(years: Floats, paths: Floats) -> Floats:
    """As `break_year`, of many paths at once.

    Parameters
    ----------
    years : array of shape (n,)
    paths : array of shape (draws, n)

    Returns
    -------
    array of shape (draws, 3)
        Date of the break, growth before and after.
    """
    years, logs = np.asarray(years, dtype=float), np.log(paths)
    if years.size < 6:
        raise ValueError(f"found {years.size} years, expected at least 6")
    dates = np.arange(years[1], years[-2] + 1e-9, 0.25)
    designs = [
        np.column_stack([np.ones_like(years), years - date, np.maximum(0.0, years - date)]) for date in dates
    ]  # fmt: skip
    solved = np.array([logs @ np.linalg.pinv(design).T for design in designs])
    errors = [((c @ design.T - logs) ** 2).sum(axis=1) for c, design in zip(solved, designs, strict=True)]
    best = np.argmin(errors, axis=0)
    found = solved[best, np.arange(len(logs))]
    return np.column_stack([dates[best], found[:, 1], found[:, 1] + found[:, 2]])


def figures_of(projection: Projection, plan: ProjectionConfig, rebounds: Mapping[str, Floats]) -> dict[str, Floats]:
    """What is compared between readings and shapes: break year, growth, yearly totals, elasticity, rebounds.

    Parameters
    ----------
    rebounds : mapping of str to array of shape (draws,)
        Passed on by name.
    """
    base, (energy, *_) = plan.scenarios[0], (v.name for v in plan.variables if v.kind == "total")
    paths = projection.paths[base, energy]
    past = (projection.years >= plan.break_years[0]) & (projection.years <= plan.break_years[1])
    year, before, after = break_years(projection.years[past].astype(float), paths[:, past]).T
    growth = {"growth_before_percent": 100 * before, "growth_after_percent": 100 * after}
    totals = {f"{energy}_{y}": projection.in_year(base, energy, y) for y in plan.benchmark_years}
    return {"break_year": year, **growth, **totals, **rebounds}


def family_table(figures: Mapping[str, Mapping[str, Floats]], averaged: Sequence[str]) -> pd.DataFrame:
    """Figures under each reading of the sources, and averaged.

    Parameters
    ----------
    figures : mapping of reading to mapping of figure to array of shape (draws,)
    averaged : sequence of str
        Readings whose draws are mixed with equal weights, however many each has: they fit different data, which no
        likelihood compares.

    Returns
    -------
    pandas.DataFrame
        reading, figure, median, p05, p25, p75, p95, undefined_share, draws, in_average; last the reading ``averaged``.
    """
    import pandas as pd

    rows: list[tuple[object, ...]] = []
    mixed: dict[str, list[Floats]] = {}
    for reading, of_reading in figures.items():
        for figure, values in of_reading.items():
            undefined = float(np.mean(np.isnan(values)))
            inside = reading in averaged
            rows.append((reading, figure, *defined_quantiles(values), undefined, values.size, inside))
            if inside:
                mixed.setdefault(figure, []).append(values)
    for figure, parts in mixed.items():
        undefined = float(np.mean([np.mean(np.isnan(x)) for x in parts]))
        size = sum(x.size for x in parts)
        rows.append((AVERAGED, figure, *_mixed_quantiles(parts), undefined, size, True))
    head = ["reading", "figure", "median", *BANDS, "undefined_share", "draws", "in_average"]
    return pd.DataFrame(rows, columns=head)


def _mixed_quantiles(parts: Sequence[Floats]) -> tuple[float, ...]:
    values = np.concatenate(parts)
    weights = np.concatenate([np.full(x.size, 1 / x.size) for x in parts])
    defined = ~np.isnan(values)
    if weights[defined].sum() < len(parts) / 2:
        return (math.nan,) * len(QUANTILES)
    return tuple(weighted_quantiles(values[defined], weights[defined], QUANTILES))


def exceedance_table(
    projections: Mapping[str, Projection],
    scenario: str,
    totals: Sequence[str],
    history: History,
    averaged: Sequence[str],
) -> pd.DataFrame:
    """Probability that a projection is above what others published.

    Every benchmark of the history that is an annual figure of a projected yearly total, or a ratio of two.

    Parameters
    ----------
    projections : mapping of str to Projection
        By reading of the sources.
    totals : sequence of str
        Projected variables that are totals of the calendar year.
    averaged : sequence of str
        Readings that are averaged with equal weights.

    Returns
    -------
    pandas.DataFrame
        variable, statistic, year, reference_year, source, published, definition, note, unit, value; above_<reading>,
        above_averaged. One row a benchmark, in order of year and value.
    """
    import pandas as pd

    readings = list(projections)
    first = projections[readings[0]]
    rows = []
    for row in history.select("benchmark"):
        if row.variable not in totals or not _comparable(row, first, scenario):
            continue
        shares = {}
        for reading, projection in projections.items():
            values = projection.in_year(scenario, row.variable, row.date)
            if row.statistic == "ratio":
                values = values / projection.in_year(scenario, row.variable, row.reference_date)
            shares[reading] = float(np.mean(values > row.value))
        mean = float(np.mean([shares[r] for r in averaged])) if averaged else math.nan
        reference = row.reference_date if row.statistic == "ratio" else math.nan
        rows.append(
            (row.variable, row.statistic, row.date, reference, row.source, row.known, row.definition, row.note,
             row.unit, row.value, *(shares[r] for r in readings), mean)
        )  # fmt: skip
    head = ["variable", "statistic", "year", "reference_year", "source", "published", "definition", "note", "unit",
            "value", *(f"above_{r}" for r in readings), f"above_{AVERAGED}"]  # fmt: skip
    return pd.DataFrame(rows, columns=head).sort_values(["variable", "statistic", "year", "value"], kind="stable")


def _comparable(row: Observation, projection: Projection, scenario: str) -> bool:
    if (scenario, row.variable) not in projection.paths or row.statistic not in ("annual", "ratio"):
        return False
    wanted = [row.date] + ([row.reference_date] if row.statistic == "ratio" else [])
    if not all(year in projection.years for year in wanted):
        return False
    unit = projection.units[row.variable]
    if row.statistic == "ratio" or row.unit == unit:
        return True
    raise JevonsError(f"benchmark {row.source!r}: found unit {row.unit!r}, expected {unit!r} as projected")


def shape_table(
    figures: Mapping[str, Mapping[str, Floats]], log_evidence: Mapping[str, float], reference: str
) -> pd.DataFrame:
    """Figures under each shape of the model, with posterior odds against one of them.

    Parameters
    ----------
    figures : mapping of shape to mapping of figure to array of shape (draws,)
    log_evidence : mapping of shape to float
        Of the same data.
    reference : str
        The shape that the others are held against; prior odds are even.

    Returns
    -------
    pandas.DataFrame
        shape, figure, median, p05, p25, p75, p95, undefined_share, draws, log_evidence, posterior_odds, verdict.
    """
    table = family_table(figures, ()).drop(columns="in_average").rename(columns={"reading": "shape"})
    table["log_evidence"] = table["shape"].map(dict(log_evidence))
    difference = table["log_evidence"] - log_evidence[reference]
    table["posterior_odds"] = np.exp(difference)
    table["verdict"] = [
        "reference" if shape == reference else verdict(float(d))
        for shape, d in zip(table["shape"], difference, strict=True)
    ]
    return table
