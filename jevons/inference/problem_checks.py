"""What can be wrong with a calibration problem, all of it at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from jevons.elements import LogNormal, Normal
from jevons.errors import nearest
from jevons.inference.history import History, Observation
from jevons.inference.observable import EVERY, by_year, observed_unit, unit_factor
from jevons.model import Model
from jevons.units import UnitMismatch

if TYPE_CHECKING:
    from jevons.inference.unknowns import Condition, Nuisance

BOUND = 4.0
"""Parameters are searched within this many prior standard deviations."""
KINDS = {"bias": Normal, "base": LogNormal, "noise_scale": LogNormal}


def problem_mistakes(
    model: Model,
    chosen: Sequence[History],
    free: Sequence[str],
    priors: Mapping[str, object],
    given_priors: Mapping[str, object],
    bounds: Mapping[str, tuple[float, float]],
    nuisance: Sequence[Nuisance],
    conditions: Sequence[Condition],
) -> list[str]:
    """Mistakes in rows, free parameters, priors, bounds, nuisances and conditions."""
    mistakes = []
    if not any(len(rows) for rows in chosen):
        mistakes.append("no row to fit: expected history rows of role 'fit' for this variant and date")
    for name in free:
        if name not in model.parameters:
            mistakes.append(f"free parameter {name!r} is not in the model{_instead(model, name)}")
        elif model.settings and name in (model.settings.time_step, model.settings.end_name):
            mistakes.append(f"free parameter {name!r} holds the step or the end of a run, the same for all runs")
        elif not isinstance(priors[name], (LogNormal, Normal)):
            mistakes.append(f"free parameter {name!r}: needs a LogNormal or Normal prior")
    repeated = {n for n in free if list(free).count(n) > 1}
    mistakes += [f"free parameter {n!r} is listed more than once" for n in sorted(repeated)]
    names = [*free, *(n.name for n in nuisance), *(f"{c.name}.{n}" for c in conditions for n in c.own)]
    for name in given_priors:
        if name not in free:
            mistakes.append(f"prior of {name!r}, which is not free{nearest(name, free)}")
    every = {**priors, **{n.name: n.prior for n in nuisance}}
    every |= {f"{c.name}.{n}": prior for c in conditions for n, prior in c.own.items()}
    for name, (low, high) in bounds.items():
        if name not in names:
            mistakes.append(f"bounds of {name!r}, which is not free{nearest(name, names)}")
        elif not low < high:
            mistakes.append(f"bounds of {name!r}: {low:g} and {high:g}, expected low < high")
        elif name in every and not _reached(every[name], low, high):
            mistakes.append(
                f"bounds of {name!r}: {low:g} and {high:g}, expected some within {BOUND:g} prior standard deviations "
                f"of {getattr(every[name], 'median', getattr(every[name], 'mean', math.nan)):g}"
            )
    taken = [*model.parameters, *(n for n in names if "." in n)]
    mistakes += _nuisance_mistakes(nuisance, [row for rows in chosen for row in rows], taken)
    places = [(model, ""), *((c.model, f"{c.name}: ") for c in conditions)]
    for (where, label), rows in zip(places, chosen, strict=True):
        mistakes += [label + m for row in rows for m in _row_mistakes(where, row, nuisance)]
    for condition in conditions:
        if not condition.name.isidentifier():
            mistakes.append(f"condition {condition.name!r}, expected a plain name such as 'us'")
        if [c.name for c in conditions].count(condition.name) > 1:
            mistakes.append(f"condition {condition.name!r}: the name is taken")
        shared = [n for n in free if n not in condition.own and n in model.parameters]
        mistakes += [
            f"{condition.name}: shared {n!r} is not in the model{nearest(n, condition.model.parameters)}"
            for n in shared
            if n not in condition.model.parameters
        ]
        mistakes += [
            f"{condition.name}: its own {n!r}: needs a LogNormal or Normal prior, found {prior!r}"
            for n, prior in condition.own.items()
            if not isinstance(prior, (LogNormal, Normal))
        ]
        unknown = [n for n in condition.own if n not in condition.model.parameters]
        mistakes += [
            f"{condition.name}: its own {n!r} is not in the model{nearest(n, condition.model.parameters)}"
            for n in unknown
        ]
    return mistakes


def _instead(model: Model, name: str) -> str:
    """What may be meant by a name that is no parameter."""
    elements = [n for n in model.parameters if n.startswith(f"{name}[")]
    if elements:
        return f"; it is an array, name its elements, such as {elements[0]!r}"
    if name in model:
        return f": it is a {type(model.elements[name]).__name__.lower()}"
    return nearest(name, model.parameters)


def data_mistakes(rows: Iterable[Observation], observed: Iterable[float]) -> list[str]:
    """Figures that cannot have been observed."""
    expected = {True: "a number above 0, for its error is logarithmic", False: "a number"}
    return [
        f"{row.label}: value {y:g}, expected {expected[row.sigma_kind == 'log']}"
        for row, y in zip(rows, observed, strict=True)
        if not math.isfinite(y) or (row.sigma_kind == "log" and y <= 0)
    ]


def _nuisance_mistakes(
    nuisance: Sequence[Nuisance], rows: Sequence[Observation], taken: Sequence[str]
) -> Iterator[str]:
    names = [n.name for n in nuisance]
    for entry in nuisance:
        label = f"{entry.kind} {entry.name!r}"
        if entry.kind not in KINDS:
            hint = nearest(entry.kind, KINDS)
            yield f"nuisance {entry.name!r}: kind {entry.kind!r}, expected {', '.join(KINDS)}{hint}"
            continue
        if names.count(entry.name) > 1 or entry.name in taken:
            yield f"{label}: the name is taken"
        if not isinstance(entry.prior, KINDS[entry.kind]):
            yield f"{label}: prior {entry.prior}, expected a {KINDS[entry.kind].__name__}"
        meant = [row for row in rows if entry.applies(row)]
        if rows and not meant:
            families, series = sorted({r.family for r in rows}), sorted({r.series for r in rows})
            hint = nearest(entry.family, families) if entry.family else nearest(entry.series, series)
            sort = {"base": "index ", "bias": "level "}.get(entry.kind, "")
            yield f"{label}: no fitted {sort}row of family {entry.family!r} and series {entry.series!r}{hint}"
        if entry.kind != "noise_scale":
            absolute = [row.label for row in meant if row.sigma_kind != "log"]
            if absolute:
                yield f"{label}: multiplies, but {absolute[0]} has an absolute error, expected sigma_kind 'log'"


def _reached(prior: object, low: float, high: float) -> bool:
    """Whether some of what lies between the bounds can be searched."""
    if isinstance(prior, LogNormal):
        ends = [math.log(x / prior.median) / prior.sd_log if x > 0 else -math.inf for x in (low, high)]
    elif isinstance(prior, Normal):
        ends = [(x - prior.mean) / prior.sd for x in (low, high)]
    else:
        return True
    return ends[0] < BOUND and ends[1] > -BOUND


def _row_mistakes(model: Model, row: Observation, nuisance: Sequence[Nuisance]) -> Iterator[str]:
    yield from data_mistakes([row], [row.value])
    if not (row.sigma > 0 and math.isfinite(row.sigma)):
        yield f"{row.label}: sigma {row.sigma:g}, expected a number above 0"
    if row.sigma_kind not in ("log", "absolute"):
        hint = nearest(row.sigma_kind, ("log", "absolute"))
        yield f"{row.label}: sigma_kind {row.sigma_kind!r}, expected 'log' or 'absolute'{hint}"
    outputs = [n for n in model.elements if n not in model.parameters]
    unknown = [name for name in row.variables if name not in outputs]
    for name in unknown:
        yield f"{row.label}: variable {name!r} is not in the model{nearest(name, outputs)}"
    if len(row.variables) > 2:
        yield f"{row.label}: variable {row.variable!r}, expected one name or a ratio of two"
    if unknown or len(row.variables) > 2:
        return
    try:
        unit_factor(model, row)
    except UnitMismatch as mismatch:
        yield f"{row.label}: {mismatch}"
    own = observed_unit(model, row)
    if not model.check_units and row.statistic in ("annual", "at", "since") and row.unit != own:
        yield f"{row.label}: unit {row.unit!r}, expected the model's own as it is written, {own!r}"
    if row.statistic == "index" and not any(n.kind == "base" and n.applies(row) for n in nuisance):
        yield f"{row.label}: an index needs a free base: a nuisance of kind 'base' for series {row.series!r}"
    dates = [d for d in (row.date, row.reference_date) if not math.isnan(d)]
    if min(dates) < model.start:
        yield f"{row.label}: before the model's start, {model.start:g}"
    settings = model.settings
    if by_year(row) and settings and (settings.dates or _off_grid(EVERY * (EVERY / settings.dt))):
        yield f"{row.label}: means over years need steps of which {EVERY:g} is a multiple, found {settings.dt:g}"
    if by_year(row) and any(_off_grid(d - model.start) for d in dates):
        yield f"{row.label}: a year must begin a multiple of {EVERY:g} after the model's start"


def _off_grid(since_start: float) -> bool:
    return abs(since_start / EVERY - round(since_start / EVERY)) > 1e-9
