"""Experiments as pages: what was asked, who claims what, what changes, what came out, and what it does not show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jevons.experiments.plan import Plan, Reported
from jevons.experiments.result import NONE, WITHOUT, Experiment, reported_horizons, summary_horizon
from jevons.inference.projection import defined_quantiles, probability_above_one
from jevons.model import Model
from jevons.scenario import Change

_NO_COMPARISON = 1e6
"""Change in per cent from which two runs are not compared: one of them has next to none of it."""
HORIZON = 5.0
"""Horizon of the sentences and of the table over all scenarios, years."""
MOST_BYTES = 120_000
"""Largest picture of a page."""


def changes_rows(model: Model, experiment: Experiment) -> list[tuple[str, str, str]]:
    """Parameter, what happens to it, and in which runs, for every change of a scenario."""
    scenario = experiment.scenario
    rows = [(name, _change(model, name, c), "changed run") for name, c in scenario.changes.items()]
    return rows + [(name, _change(model, name, c), "all runs") for name, c in scenario.background.items()]


def _change(model: Model, name: str, change: Change) -> str:
    if change.factor is not None:
        what = f"times {change.factor:g}"
    else:
        what = f"to {change.value:g} {_unit(model.unit(name))}".rstrip()
    if change.at is None:
        return f"{what}, throughout"
    text = f"{what}, {'in' if change.until else 'from'} {_date(change.at)}"
    if change.until is not None:
        text = f"{what}, from {_date(change.at)} to {_date(change.until)}"
    return text + (f", spread over {change.adjustment_time:g} yr" if change.adjustment_time else ", at once")


def _date(date: float) -> str:
    return f"{date:.2f}".rstrip("0").rstrip(".")


def _unit(unit: str) -> str:
    return "" if unit == "1" else unit


def number(value: float) -> str:
    """Three significant digits, never an exponent within six digits, with a true minus."""
    if math.isnan(value):
        return "–"
    if value <= 0:
        return f"−{number(-value)}" if value else "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.3g}" if digits > 6 or abs(value) >= 1e6 else f"{value:,.{digits}f}"


def share(value: float) -> str:
    """A share in per cent; "under 1 %" and "over 99 %" where rounding would make it none or all."""
    if math.isnan(value):
        return "–"
    if 0 < value < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < value < 1 else f"{100 * value:.0f} %"


def band(low: float, high: float) -> str:
    """An interval as text."""
    return "–" if math.isnan(low) else f"{number(low)} to {number(high)}"


def sentences(experiment: Experiment) -> list[str]:
    """The result in a few plain sentences, every number from the draws."""
    horizon = summary_horizon(experiment, HORIZON)
    k = experiment.place(horizon)
    variables = experiment.variables
    energy = next(v for v in variables if v.rebound)
    found = [_moved(experiment, energy, k, horizon)]
    if experiment.measured:
        found.append(_rebounds(experiment, k))
        crossing = _crossing(experiment, energy)
        if crossing:
            found.append(crossing)
    elif experiment.induced:
        found.append("Cheaper hardware saves no energy by itself, so this is induced growth and not a rebound.")
    emissions = [v for v in variables if v.rebound and v is not energy]
    if emissions:
        parts = [f"{v.label} {_by(experiment.percent(v.name)[:, k])}" for v in emissions]
        found.append(f"It changes {' and '.join(parts)}.")
    for v in variables:
        if _new(experiment, v):
            median, low, _, _, high = map(_signed, defined_quantiles(experiment.change(v.name)[:, k]))
            amount = f"{median} {v.unit} ({low} to {high})"
            found.append(f"{_upper(v.label)}: {amount}, and none in the base run; nothing is subtracted for them.")
    bare = experiment.without_background
    if bare is not None:
        found.append(_background(experiment, bare, energy, k))
    if experiment.failed:
        found.append(f"Draws that did not run and are left out: {experiment.failed} of {experiment.ran.size}.")
    return found


def _by(values: NDArray[np.float64]) -> str:
    return f"by {_percent(values)}" if values.any() else "not at all"


def _new(experiment: Experiment, variable: Reported) -> bool:
    """Whether there is something of a variable with the changes and nothing of it without."""
    base, shocked = (experiment.runs[r].levels[variable.name] for r in ("base", "shocked"))
    return bool(shocked.any() and not base.any())


def _moved(experiment: Experiment, variable: Reported, k: int, horizon: float) -> str:
    change = experiment.percent(variable.name)[:, k]
    years = "one year" if horizon == 1 else f"{horizon:g} years"
    median, low, _, _, high = defined_quantiles(change)
    if abs(median) < 0.05 and max(abs(low), abs(high)) < 0.05:
        return f"{years[:1].upper()}{years[1:]} after the change {variable.label} is what it would have been."
    direction = "higher" if median > 0 else "lower"
    sign = float(np.mean(change > 0 if median > 0 else change < 0))
    sure = "in all draws" if sign == 1 else f"in {share(sign)} of the draws"
    return (
        f"{years[:1].upper()}{years[1:]} after the change {variable.label} is {number(abs(median))} % {direction} than "
        f"without it (90 % band {_signed(low)} to {_signed(high)} %; {direction} {sure})."
    )


def _rebounds(experiment: Experiment, k: int) -> str:
    r = {v.label: experiment.rebound(v.name)[:, k] for v in experiment.measured}
    (label, first), *others = r.items()
    median, low, _, _, high = defined_quantiles(first)
    if math.isnan(median):
        return "The engineering saving is below 1 % of the base run in most draws, so R is undefined."
    kind = "the saving grows" if median < 0 else "part of the saving is taken back" if median <= 1 else "backfire"
    text = f"The rebound of {label} is R = {number(median)} ({number(low)} to {number(high)}): {kind}"
    text += f"; R exceeds 1 in {share(probability_above_one(first))} of the draws"
    parts = [f"{number(m)} for {name}" for name, x in others if not math.isnan(m := defined_quantiles(x)[0])]
    return text + (f". R is {' and '.join(parts)}." if parts else ".")


def _crossing(experiment: Experiment, variable: Reported) -> str:
    if np.isnan(experiment.rebound(variable.name)).all():
        return ""
    crossing = experiment.crossing(variable.name)
    crossed = crossing[~np.isnan(crossing)]
    last = f"{experiment.years[-1]:g}"
    if not crossed.size:
        return f"No draw crosses R = 1 within {last} years."
    some, after = share(crossed.size / crossing.size), number(float(np.median(crossed)))
    return f"Within {last} years {some} of the draws exceed R = 1 at some time, at the median after {after} years."


def _background(experiment: Experiment, bare: Experiment, energy: Reported, k: int) -> str:
    names = " and ".join(n.replace("_", " ") for n in experiment.scenario.background)
    text = f"Without the background ({names}) the same changes move {energy.label} by "
    text += _percent(bare.percent(energy.name)[:, k])
    if not experiment.measured:
        return text + "."
    found = defined_quantiles(bare.rebound(energy.name)[:, k])
    known = not math.isnan(found[0])
    return text + (f", and R is {number(found[0])} ({band(found[1], found[4])})." if known else ", and R is undefined.")


def _percent(values: NDArray[np.float64]) -> str:
    median, low, _, _, high = defined_quantiles(values)
    return f"{_signed(median)} % ({_signed(low)} to {_signed(high)} %)"


def _signed(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"+{number(value)}" if value > 0 else number(value)


def rebound_rows(experiment: Experiment, horizons: Sequence[float]) -> list[list[str]]:
    """R of every measured variable at horizons, as text; without the background that of the first alone."""
    rows = []
    for view, found in experiment.views():
        for variable in found.measured if view != WITHOUT else found.measured[:1]:
            r, total = found.rebound(variable.name), found.cumulative_rebound(variable.name)
            label = variable.label + (f", {view} background" if view != NONE else "")
            for horizon in horizons:
                k = found.place(horizon)
                q = defined_quantiles(r[:, k])
                above = probability_above_one(r[:, k])
                rows.append(
                    [label, f"{horizon:g}", number(q[0]), band(q[2], q[3]), band(q[1], q[4]),
                     number(defined_quantiles(total[:, k])[0]), share(above), share(float(np.mean(np.isnan(r[:, k]))))]
                )  # fmt: skip
    return rows


REBOUND_HEAD = ("rebound of", "years", "R", "50 % band", "90 % band", "cumulative R", "P(R > 1)", "undefined")


def change_rows(experiment: Experiment, horizons: Sequence[float]) -> list[list[str]]:
    """Changes of every reported variable that there is any of at horizons, as text."""
    rows = []
    for v in experiment.variables:
        if not any(experiment.runs[r].levels[v.name].any() for r in ("base", "shocked")):
            continue
        for horizon in horizons:
            k = experiment.place(horizon)
            base = float(np.median(experiment.runs["base"].levels[v.name][:, k]))
            change = defined_quantiles(experiment.change(v.name)[:, k])
            percent = defined_quantiles(experiment.percent(v.name)[:, k])
            rows.append(
                [v.label, v.unit, f"{horizon:g}", number(base), *_signed_cells(change), *_signed_cells(percent)]
            )
    return rows


CHANGES_HEAD = ("variable", "unit", "years", "base run", "change", "90 % band", "change, %", "90 % band, %")


def _signed_cells(quantiles: Sequence[float]) -> tuple[str, str]:
    """A median and its 90 % band, with signs."""
    median, low, _, _, high = quantiles
    return _signed(median), "–" if math.isnan(low) else f"{_signed(low)} to {_signed(high)}"


def page(experiment: Experiment, model: Model, plan: Plan, picture: str, source: str) -> str:
    """One scenario as Markdown."""
    scenario = experiment.scenario
    horizons = reported_horizons(experiment, plan.horizons)
    title = scenario.title or scenario.name
    parts = [f"# {title}", f"Scenario `{scenario.name}`.", _joined(scenario.doc)]
    if scenario.claim:
        parts += ["## Claim", _joined(scenario.claim)]
    parts += [f"Source: {_joined(scenario.source) or 'none given'}."]
    parts += ["## What changes", _table(("parameter", "change", "in"), [
        [f"`{name}`", change, runs] for name, change, runs in changes_rows(model, experiment)
    ])]  # fmt: skip
    parts += ["## Counterfactual", f"{_upper(experiment.counterfactual)}."]
    parts += ["## Result", " ".join(sentences(experiment)), f"![{title}]({picture})"]
    if experiment.measured:
        parts.append(_table(REBOUND_HEAD, rebound_rows(experiment, horizons)))
    parts.append(_table(CHANGES_HEAD, change_rows(experiment, horizons)))
    years = f"Years count from {_date(experiment.at)}. Median and bands over {experiment.draws} draws of {source}"
    parts.append(f"{years}; {experiment.failed} failed.")
    if plan.limits:
        parts += ["## What it does not show", "\n".join(f"- {text}" for text in plan.limits)]
    asked = f"jevons experiment {scenario.name} --draws {experiment.ran.size}"
    parts.append(f"Again: `{asked}`. [All scenarios](index.md)")
    return "\n\n".join(p for p in parts if p) + "\n"


def index(experiments: Sequence[Experiment], plan: Plan, picture: str, source: str) -> str:
    """All scenarios as one Markdown table, in the order given."""
    labels = [plan.variable(n).label for n in plan.summary]
    head = ("scenario", "R", "90 % band", "P(R > 1)", *(f"{label}, %" for label in labels))
    rows = []
    for e in experiments:
        cells = summary_cells(e, plan)
        title = e.scenario.title or e.scenario.name
        rows.append([f"[{title}]({e.scenario.name}.md)", *cells[1:]])
    draws = max((e.ran.size for e in experiments), default=0)
    failed = sum(e.failed for e in experiments)
    parts = [
        "# Scenarios",
        f"Scenarios on the model `{plan.model}`: rebound R of {plan.headline.label} and changes against the base run, "
        f"{HORIZON:g} years after the change. Median over {draws} draws of {source}; failed: {failed}. R is empty "
        "where no efficiency changes.",
        f"![All scenarios]({picture})",
        _table(head, rows),
        "Made by `jevons experiments --docs docs/scenarios`.",
    ]
    return "\n\n".join(parts) + "\n"


def summary_cells(experiment: Experiment, plan: Plan) -> list[str]:
    """One line over all scenarios: name, R, band, P(R > 1), changes in per cent."""
    k = experiment.place(summary_horizon(experiment, HORIZON))
    cells = [experiment.scenario.name]
    if experiment.measured:
        r = experiment.rebound(experiment.measured[0].name)[:, k]
        q, above = defined_quantiles(r), probability_above_one(r)
        cells += [number(q[0]), band(q[1], q[4]), share(above)]
    else:
        cells += ["–", "–", "–"]
    changes = [defined_quantiles(experiment.percent(n)[:, k])[0] for n in plan.summary]
    return cells + [_signed(x) if abs(x) < _NO_COMPARISON else "–" for x in changes]


def in_order(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Scenarios with a rebound first, the largest R first; then the others, the largest change first."""

    def key(e: Experiment) -> tuple[bool, float, str]:
        k = e.place(summary_horizon(e, HORIZON))
        name = next(v for v in e.variables if v.rebound).name
        value = defined_quantiles(e.rebound(name)[:, k] if e.measured else e.percent(name)[:, k])[0]
        return not e.measured, math.inf if math.isnan(value) else -value, e.scenario.name

    return sorted(experiments, key=key)


def write_page(text: str, path: Path) -> Path:
    """Write a page with the line ends of every platform's repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _joined(text: str) -> str:
    return " ".join(text.split())


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
