"""Calibration to a table over time: its columns as observations of a model, and priors for what has none."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal, Normal, Parameter, Range
from jevons.errors import CalibrationError, nearest
from jevons.inference.history import History, Observation, quoted
from jevons.inference.noise import LogNormalNoise, NormalNoise
from jevons.inference.problem import Calibration
from jevons.inference.unknowns import Prior
from jevons.model import Model

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Free = str | Sequence[str] | Mapping[str, Any]
Sigmas = float | Mapping[str, Any] | LogNormalNoise | NormalNoise | None

RELATIVE = 0.1
"""Standard error of a value for which none is given, as a share of the root mean square of its column."""
DECADE = 10.0
"""Ratio of the ends of a positive range from which its prior is one of the logarithm."""
_TOLD = 8
_TIME = re.compile(r"time|times|dates?|days?|weeks?|months?|years?|hours?|minutes?|seconds?|t", re.IGNORECASE)
_UNIT = re.compile(r"\s*(\([^()]*\)|\{[^{}]*\}|\[[^\[\]]*\])\s*$")
"""What some programs write after a name."""


def table_calibration(
    model: Model,
    table: pd.DataFrame,
    free: Free,
    *,
    columns: Sequence[str] | None = None,
    sigma: Sigmas = None,
    relative: float = RELATIVE,
    method: str | None = None,
    dt: float | None = None,
    threads: int = 2,
) -> Calibration:
    """A calibration of a model to a table over time.

    Parameters
    ----------
    model : Model
        For example one that was read from a file; it runs by its settings, with exact derivatives.
    table : DataFrame
        Dates as index, or in a column called time; one column a variable, in the model's unit. Cells without a number
        are no observations.
    free : sequence of str, or mapping of str to (low, high), LogNormal, Normal or None
        Parameters to calibrate. Without a range or a prior: the model's own prior, or limits; else
        LogNormal(value, 1) for a positive value and Normal(value, max(|value|, 1)) for another.
    columns : sequence of str, optional
        Columns to fit; all by default.
    sigma : float, or mapping of column to float, LogNormalNoise or NormalNoise, optional
        Standard error of the values, in their unit. A column left out has `relative` times its root mean square.
    method, dt : str, float, optional
        Of the runs, as for `Calibration`.

    Returns
    -------
    Calibration
        Its `notes` say which errors and priors were assumed.

    Raises
    ------
    CalibrationError
        With every mistake in table, errors and parameters.

    Notes
    -----
    A range (low, high) is a bound; within it the prior is normal about its middle with half its width as sd, in
    logarithms where low is positive and high ten times as much or more.
    """
    mistakes: list[str] = []
    names, priors, bounds, notes = _free(model, free, mistakes)
    rows = _rows(model, table, columns, sigma, relative, mistakes, notes)
    if mistakes:
        raise CalibrationError(f"calibration of {model.name!r} to a table", mistakes)
    return Calibration(
        model, History(rows, "table"), names, priors=priors, bounds=bounds, method=method, dt=dt, threads=threads,
        label="table", notes=notes,
    )  # fmt: skip


# Free parameters


def _free(
    model: Model, free: Free, mistakes: list[str]
) -> tuple[list[str], dict[str, Prior], dict[str, tuple[float, float]], list[str]]:
    """Names, priors that are not the model's, bounds, and what is assumed."""
    free = [free] if isinstance(free, str) else free
    given: list[tuple[str, Any]] = list(free.items()) if isinstance(free, Mapping) else [(name, None) for name in free]
    if not given:
        mistakes.append("no free parameter, expected names such as free=['Room Temperature']")
    priors: dict[str, Prior] = {}
    bounds: dict[str, tuple[float, float]] = {}
    notes: list[str] = []
    for name, wanted in given:
        parameter = model.parameters.get(name)
        if isinstance(wanted, (LogNormal, Normal)):
            priors[name] = wanted
        elif wanted is not None:
            ends = _ends(wanted)
            if ends is None:
                expected = "(low, high) with low < high, LogNormal or Normal"
                mistakes.append(f"{name!r}: found {wanted!r}, expected {expected}")
            else:
                priors[name], bounds[name] = _within(*ends), ends
        elif parameter is not None and not isinstance(parameter.prior, (LogNormal, Normal)):
            _assumed(parameter, priors, bounds, notes, mistakes)
    return [name for name, _ in given], priors, bounds, notes


def _ends(wanted: Any) -> tuple[float, float] | None:
    pair = (wanted.low, wanted.high) if isinstance(wanted, Range) else wanted
    try:
        low, high = (float(x) for x in pair)
    except (TypeError, ValueError):
        return None
    return (low, high) if -math.inf < low < high < math.inf else None


def _within(low: float, high: float) -> Prior:
    if low > 0 and high >= DECADE * low:
        return LogNormal(math.sqrt(low) * math.sqrt(high), math.log(high / low) / 2)
    return Normal(low + (high - low) / 2, (high - low) / 2)


def _assumed(
    parameter: Parameter,
    priors: dict[str, Prior],
    bounds: dict[str, tuple[float, float]],
    notes: list[str],
    mistakes: list[str],
) -> None:
    name, value, limits = parameter.name, parameter.value, parameter.prior
    if isinstance(limits, Range):
        if not limits.low < limits.high:
            mistakes.append(f"{name!r} is exact by definition; give a range, free={{{name!r}: (low, high)}}")
            return
        bounds[name] = (limits.low, limits.high)
        priors[name], why = _within(*bounds[name]), f"within the model's limits, {limits}"
    else:
        priors[name] = LogNormal(value, 1.0) if value > 0 else Normal(value, max(abs(value), 1.0))
        why = "about the model's value"
    notes.append(f"prior of {name!r} {priors[name]}, {why}")


# The table


def _rows(
    model: Model,
    table: pd.DataFrame,
    columns: Sequence[str] | None,
    sigma: Sigmas,
    relative: float,
    mistakes: list[str],
    notes: list[str],
) -> list[Observation]:
    dates, cells = _dated(table, mistakes)
    if columns is not None:
        wanted = [columns] if isinstance(columns, str) else list(columns)
        mistakes += [f"column {c!r} is not in the table{nearest(c, cells)}" for c in wanted if c not in cells]
        cells = {c: values for c, values in cells.items() if c in wanted}
    if not (math.isfinite(relative) and relative > 0):
        mistakes.append(f"relative {relative!r}, expected a share above 0 such as {RELATIVE:g}")
        relative = RELATIVE
    if isinstance(sigma, Mapping):
        mistakes += [f"sigma of {c!r}, which is no column to fit{nearest(c, cells)}" for c in sigma if c not in cells]
    found = _variables(model, cells, mistakes)
    end = model.settings.end if model.settings else math.inf
    outside = dates[(dates < model.start) | (dates > end + 1e-9 * abs(end))] if cells else dates[:0]
    if outside.size:
        span = f"from {model.start:g}" + (f" to {end:g}" if math.isfinite(end) else " on")
        mistakes.append(f"dates outside of the run, which goes {span}: {_listed(outside)}")
    rows: list[Observation] = []
    for column, name in found.items():
        values = _numbers(column, cells[column], dates, mistakes)
        known = np.flatnonzero(np.isfinite(values))
        if not known.size:
            mistakes.append(f"column {column!r} holds no number")
            continue
        error = sigma.get(column) if isinstance(sigma, Mapping) else sigma
        told = _noise(model, column, name, values[known], error, relative, mistakes, notes)
        if told is not None:
            rows += [_row(model, name, float(dates[i]), float(values[i]), *told) for i in known]
    return rows


def _dated(table: pd.DataFrame, mistakes: list[str]) -> tuple[Floats, dict[str, Any]]:
    """Dates of the rows, and the other columns by name."""
    import pandas as pd

    names = [str(c) for c in table.columns]
    repeated = [n for n in dict.fromkeys(names) if names.count(n) > 1]
    mistakes += [f"column {n!r} stands there more than once" for n in repeated]
    place = next((i for i, n in enumerate(names) if _TIME.fullmatch(n.strip())), None)
    if not isinstance(table.index, pd.RangeIndex) or table.index.name is not None:
        place = None
    given = table.index if place is None else table.iloc[:, place]
    dates = np.asarray(pd.to_numeric(pd.Series(list(given)), errors="coerce"), dtype=float)
    if not len(dates):
        mistakes.append("the table has no rows")
    if not np.isfinite(dates).all():
        wrong = list(given)[int(np.argmin(np.isfinite(dates)))]
        mistakes.append(f"date {wrong!r}, expected numbers in the model's unit of time as index, or a column 'time'")
    twice = np.unique([d for d, n in zip(*np.unique(dates, return_counts=True), strict=True) if n > 1])
    if twice.size:
        mistakes.append(f"dates that stand there more than once: {_listed(twice)}")
    return dates, {n: table.iloc[:, i] for i, n in enumerate(names) if i != place}


def _listed(dates: Iterable[float]) -> str:
    every = [f"{d:g}" for d in dates]
    return ", ".join(every[:_TOLD]) + (f" and {len(every) - _TOLD} more" if len(every) > _TOLD else "")


def _variables(model: Model, columns: Collection[str], mistakes: list[str]) -> dict[str, str]:
    """Model variable of each column."""
    computed = [n for n in model.elements if n in model.structure.order or n in model.stocks]
    by_key: dict[str, list[str]] = {}
    for name in computed:
        by_key.setdefault(_key(name), []).append(name)
    found: dict[str, str] = {}
    if not columns:
        mistakes.append("no column to fit")
    for column in columns:
        exact = [c for c in (column, _UNIT.sub("", column)) if c in computed]
        alike = exact[:1] or by_key.get(_key(column), [])
        if len(alike) == 1:
            found[column] = alike[0]
        elif alike:
            mistakes.append(f"column {column!r} may be any of {', '.join(map(repr, alike))}")
        elif column in model:
            kind = type(model.elements[column]).__name__.lower()
            mistakes.append(f"column {column!r} is a {kind} of the model: only what a run computes can be compared")
        else:
            mistakes.append(f"column {column!r} is no variable of the model{nearest(column, computed)}")
    taken = list(found.values())
    mistakes += [
        f"columns {', '.join(repr(c) for c, n in found.items() if n == name)} are all {name!r}"
        for name in dict.fromkeys(taken)
        if taken.count(name) > 1
    ]
    return found


def _key(name: str) -> str:
    """A name as programs agree on it: no quotation marks, blanks as one, none after a comma, lower case."""
    bare = re.sub(r"[\s_]+", " ", name.replace('"', "")).strip().casefold()
    return re.sub(r"\s*([\[\],])\s*", r"\1", bare)


def _numbers(column: str, cells: Any, dates: Floats, mistakes: list[str]) -> Floats:
    import pandas as pd

    values = np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=float)
    text = [i for i, cell in enumerate(cells) if isinstance(cell, str) and cell.strip() and math.isnan(values[i])]
    wrong = [*text, *np.flatnonzero(np.isinf(values)).tolist()]
    mistakes += [
        f"column {column!r} at {dates[i]:g}: found {cells.iloc[i]!r}, expected a number" for i in wrong[:_TOLD]
    ]
    return values


def _noise(
    model: Model,
    column: str,
    name: str,
    values: Floats,
    given: Any,
    relative: float,
    mistakes: list[str],
    notes: list[str],
) -> tuple[float, str] | None:
    """Size and kind of a column's error; None where there is none."""
    unit = model.unit(name)
    if given is None:
        scale = float(np.sqrt(np.mean(values**2)))
        if not scale > 0:
            mistakes.append(f"column {column!r} is 0 throughout: give its error, sigma={{{column!r}: ...}}")
            return None
        size = relative * scale
        notes.append(
            f"sigma of {name!r} {f'{size:.4g} {unit}'.strip()}, {relative:.3g} of the root mean square of its "
            f"{values.size} values"
        )
        return size, "absolute"
    kind = "log" if isinstance(given, LogNormalNoise) else "absolute"
    given = getattr(given, "sigma", given)
    try:
        size = float(given)
    except (TypeError, ValueError):
        size = math.nan
    if not (math.isfinite(size) and size > 0):
        mistakes.append(f"sigma of {column!r}: found {given!r}, expected a number above 0")
        return None
    if kind == "log" and not (values > 0).all():
        mistakes.append(f"column {column!r}: a logarithmic error needs values above 0, found {values.min():g}")
        return None
    return size, kind


def _row(model: Model, name: str, date: float, value: float, sigma: float, kind: str) -> Observation:
    return Observation(
        series=name, variable=quoted(name), statistic="at", date=date, reference_date=math.nan, value=value,
        low=math.nan, high=math.nan, unit=model.unit(name), sigma=sigma, sigma_kind=kind, family="table",
        definition="column of a table over time", source="table", url="", verified="", role="fit", variants=(),
        known="0000-01", note="",
    )  # fmt: skip
