"""Pictures: a trajectory, history with projection, rebound."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jevons.errors import JevonsError
from jevons.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jevons.ensemble.result import EnsembleResult
    from jevons.inference.history import History
    from jevons.inference.projection import Projection, ReboundEnsemble
    from jevons.inference.stored import StoredFit

BLUE, ORANGE, GREY, GREEN, RED = "#1f5fa8", "#d9781e", "#777777", "#2b8a57", "#b3282d"


def trajectory(run: Trajectory, names: Sequence[str], ax: Axes | None = None) -> Axes:
    """Plot variables of a run that share a unit; all of one unit must be named.

    Raises
    ------
    JevonsError
        If no name is given or the units differ.
    """
    if not names:
        raise JevonsError("plot needs at least one variable, for example run.plot('dc_electricity')")
    series = [run[name] for name in names]
    found = {run.units[name] for name in names}
    if len(found) > 1:
        listed = ", ".join(f"{n} [{run.units[n]}]" for n in names)
        raise JevonsError(f"plot: found different units ({listed}), expected one")
    axes = ax if ax is not None else _axes()
    for s in series:
        axes.plot(s.index, s.to_numpy(), label=str(s.name))
    axes.set_xlabel(run.time_unit)
    axes.set_ylabel(f"{names[0] if len(names) == 1 else ''} [{found.pop()}]".strip())
    if len(names) > 1:
        axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _axes() -> Axes:
    import matplotlib.pyplot as plt

    axes: Axes = plt.subplots(figsize=(7, 4), layout="constrained")[1]
    return axes


def history_and_projection(
    projection: Projection, history: History, bias: float | None, path: str | Path, *, own: bool = False
) -> Path:
    """Data-centre electricity: what sources say, the fit, the projection, and what others project.

    Parameters
    ----------
    bias : float or None
        Logarithm of the older family's estimates over the model; the older points are drawn as published and
        divided by exp(bias), as the model reads them. None if the fit does not estimate it.
    own : bool
        Whether the history is one's own and not the world's: its families then have their own names.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6), layout="constrained")
    past, future = figure.subplots(1, 2, width_ratios=(1.05, 1))
    title = "Data-centre electricity" if own else "World data-centre electricity: flat for a decade, then not"
    figure.suptitle(title, fontsize=15, fontweight="bold")
    for ax, last in ((past, 2026), (future, 2035)):
        _bands(ax, projection, last)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_ylabel("TWh per calendar year")
    older = bias is not None and any(r.family == "older" for r in history.select("fit"))
    if own:
        _own_observations(past, history, bias if older else None)
    else:
        _observations(past, history, bias or 0.0)
    past.set_xlim(2009.5, 2026.6)
    past.set_ylim(0, 1.08 * _highest(past) if own else 640)
    past.set_title("What sources say, and what the model makes of it", fontsize=11)
    past.legend(loc="upper left", frameon=False, fontsize=8.5)
    if own:
        _own_observations(future, history, bias if older else None, labels=False)
    else:
        _observations(future, history, bias or 0.0, labels=False)
    others = _benchmarks(future, history)
    top = float(projection.quantiles("baseline", "dc_electricity")[-1].max())
    future.set_xlim(2009.5, 2036.2)
    future.set_ylim(0, top * 1.05)
    future.set_title("Projection" + ", and the projections of others (never fitted)" * others, fontsize=11)
    future.legend(loc="upper left", frameon=False, fontsize=8.5)
    note = (
        f"Model: median, 50 and 90 % bands of {projection.draws} draws. Points stand at their calendar year; bars are "
        f"the sources' own ranges. {_about_families(bias if older else None, own)} Beyond 2026 the "
        "paths hang on limits of power, finance and chips for which there are no data."
    )
    note = textwrap.fill(note, 180)
    figure.supxlabel(note, fontsize=8, color=GREY, ha="center")
    figure.savefig(path, dpi=150)
    return Path(path)


def _about_families(bias: float | None, own: bool) -> str:
    if bias is None:
        return "Points are as published, before any bias between sources that the fit estimates."
    below = f"reads {1 - np.exp(bias):.0%} below"
    if own:
        return f"The older family {below} the others; the fit estimates that bias."
    return (
        f"The older family (Masanet et al. 2020 and after) {below} the IEA's newer line; the fit estimates that bias. "
        "Crypto and transmission networks excluded."
    )


def _highest(ax: Axes) -> float:
    """Upper end of everything drawn so far."""
    return float(ax.dataLim.y1)


def _bands(ax: Axes, projection: Projection, last: int) -> None:
    keep = projection.years <= last
    years = projection.years[keep]
    median, p05, p25, p75, p95 = projection.quantiles("baseline", "dc_electricity")[:, keep]
    ax.fill_between(years, p05, p95, color=BLUE, alpha=0.15, lw=0, label="model, 90 % band")
    ax.fill_between(years, p25, p75, color=BLUE, alpha=0.28, lw=0, label="model, 50 % band")
    ax.plot(years, median, color=BLUE, lw=2.2, label="model, baseline")
    if ("deepseek", "dc_electricity") in projection.paths and last > 2030:
        shocked = projection.quantiles("deepseek", "dc_electricity")[0, keep]
        ax.plot(years, shocked, color=ORANGE, lw=2, ls="--", label="with DeepSeek's gains, tenfold")
    ai = projection.paths["baseline", "ai_electricity"]
    conventional = np.median(projection.paths["baseline", "dc_electricity"] - ai, axis=0)[keep]
    ax.plot(years, conventional, color=GREEN, lw=1.2, ls=":", label="of which conventional computing")


def _observations(ax: Axes, history: History, bias: float, labels: bool = True) -> None:
    rows = [r for r in history.select(series="dc_electricity") if r.statistic == "annual" and r.role == "fit"]
    older = [r for r in rows if r.family == "older"]
    newer = [r for r in rows if r.family != "older"]
    size = 34 if labels else 12
    low = [r.value - r.low if r.low == r.low else 0 for r in older]
    high = [r.high - r.value if r.high == r.high else 0 for r in older]
    years = [r.date for r in older]
    values = np.array([r.value for r in older])
    if labels:
        ax.errorbar(years, values, yerr=[low, high], fmt="none", ecolor=GREY, elinewidth=1, capsize=2)
    ax.scatter(
        years, values, s=size, facecolor="white", edgecolor=GREY, zorder=3,
        label="older family, as published" if labels else None,
    )  # fmt: skip
    ax.scatter(
        years, values / np.exp(bias), s=size, color=GREY, zorder=3,
        label="older family, as the model reads it" if labels else None,
    )  # fmt: skip
    ax.scatter(
        [r.date for r in newer], [r.value for r in newer], s=size, color=RED, marker="s", zorder=4,
        label="IEA 2025 and 2026" if labels else None,
    )  # fmt: skip
    if labels:
        held = [
            r for r in history.select("hold-out", series="dc_electricity")
            if r.statistic == "annual" and r.variable and 2010 <= r.date <= 2026
        ]  # fmt: skip
        ax.scatter(
            [r.date for r in held], [r.value for r in held], s=26, color=GREY, marker="x", lw=1, zorder=2,
            label="others, not fitted",
        )  # fmt: skip


def _own_observations(ax: Axes, history: History, bias: float | None, labels: bool = True) -> None:
    """One's own figures by family, as published; filled where fitted."""
    rows = [
        r for r in history
        if r.variable and "dc_electricity" in (r.series, r.variable) and (r.statistic, r.unit) == ("annual", "TWh/yr")
    ]  # fmt: skip
    fitted = [r for r in rows if r.role == "fit"]
    families = dict.fromkeys(r.family for r in fitted)
    groups = [(f"fitted: {f}" if f else "fitted", [r for r in fitted if r.family == f]) for f in families]
    groups.append(("not fitted", [r for r in rows if r.role == "hold-out" and 2010 <= r.date <= 2026]))
    styles = (("s", RED), ("o", ORANGE), ("^", "#8a6bb1"), ("v", GREEN))
    for (name, chosen), (marker, colour) in zip(groups, itertools.cycle(styles)):
        if not chosen:
            continue
        held = name == "not fitted"
        years = [r.date for r in chosen]
        values, low, high = (np.array([getattr(r, k) for r in chosen]) for k in ("value", "low", "high"))
        if labels:
            error = np.nan_to_num([values - low, high - values])
            ax.errorbar(years, values, yerr=error, fmt="none", ecolor=GREY, elinewidth=1)
        ax.scatter(
            years, values, s=(26 if held else 34) if labels else 12, marker="x" if held else marker,
            color=GREY if held else colour, lw=1, zorder=4, label=name.replace("_", " ") if labels else None,
        )  # fmt: skip
        if bias is not None and not held and chosen[0].family == "older":
            ax.scatter(years, values / np.exp(bias), s=34 if labels else 12, facecolor="white", edgecolor=colour,
                       zorder=3, label="older, as the model reads it" if labels else None)  # fmt: skip


def _benchmarks(ax: Axes, history: History) -> bool:
    """Draw what others project, and say whether there is any."""
    rows = [
        r for r in history.select("benchmark", series="dc_electricity")
        if r.statistic == "annual" and r.variable == "dc_electricity" and r.date >= 2026
    ]  # fmt: skip
    styles = (("IEA", "D", RED), ("Gartner", "^", GREEN), ("Goldman", "v", ORANGE), ("", "o", GREY))
    seen = set()
    for row in rows:
        name, marker, colour = next(s for s in styles if s[0] in row.source)
        label = None if name in seen else f"{name or 'others'}, projections"
        seen.add(name)
        if row.low == row.low:
            ax.plot([row.date + 0.1] * 2, [row.low, row.high], color=colour, lw=1.2)
        ax.scatter(row.date + 0.1, row.value, s=30, marker=marker, facecolor="white", edgecolor=colour, zorder=5,
                   label=label)  # fmt: skip
    return bool(rows)


def rebound(ensemble: ReboundEnsemble, path: str | Path, counterfactual: str) -> Path:
    """Rebound of each shock by horizon with bands, and the path of one scenario over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    figure.suptitle(
        "How much of an efficiency gain is taken back?  R = 0: all is saved · R = 1: nothing · above 1: it burns more",
        fontsize=13, fontweight="bold",
    )  # fmt: skip
    table = ensemble.table[ensemble.table["rebound"].notna()]
    shocks = list(dict.fromkeys(table["shock"]))
    colours = dict(zip(shocks, (BLUE, GREEN, GREY, "#8a6bb1", ORANGE, RED), strict=False))
    horizons = sorted(set(table["horizon_years"]))
    for i, shock in enumerate(shocks):
        rows = table[table["shock"] == shock]
        x = [horizons.index(h) + (i - (len(shocks) - 1) / 2) * 0.13 for h in rows["horizon_years"]]
        centre = rows["rebound"].to_numpy()
        error = np.abs(np.vstack([centre - rows["p05"], rows["p95"] - centre]))
        left.vlines(x, rows["p25"], rows["p75"], color=colours[shock], lw=5, alpha=0.45)
        left.errorbar(
            x, centre, yerr=error, fmt="os^Dvp"[i % 6], color=colours[shock], capsize=3, ms=5,
            label=f"{shock} ×{rows['factor'].iloc[0]:g}",
        )  # fmt: skip
    left.set_xlabel("time after the gain")
    left.set_xticks(range(len(horizons)), [f"{h:g} yr" for h in horizons])
    left.set_title("Median, 50 % (thick) and 90 % bands over the draws of the fit", fontsize=11)
    left.legend(frameon=False, fontsize=9, ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    name = "deepseek" if "deepseek" in ensemble.paths else shocks[-1]
    paths = ensemble.paths[name]
    shown = np.isnan(paths).mean(axis=0) < 0.5
    median, p05, p25, p75, p95 = np.nanquantile(paths[:, shown], (0.5, 0.05, 0.25, 0.75, 0.95), axis=0)
    years = ensemble.horizons[shown]
    right.fill_between(years, p05, p95, color=ORANGE, alpha=0.18, lw=0, label="90 % band")
    right.fill_between(years, p25, p75, color=ORANGE, alpha=0.32, lw=0, label="50 % band")
    right.plot(years, median, color=ORANGE, lw=2.2, label="median")
    right.set_xlabel("years after the gain")
    right.set_title(f"{name}: rebound over time", fontsize=11)
    right.legend(frameon=False, fontsize=9)
    for ax in (left, right):
        ax.axhline(0, color=GREY, lw=0.8)
        ax.axhline(1, color=RED, lw=1, ls="--")
        ax.set_ylabel("rebound R")
        low_limit, high_limit = ax.get_ylim()
        ax.set_ylim(max(low_limit, -2), min(high_limit, 3))
        ax.spines[["top", "right"]].set_visible(False)
    note = (
        f"Counterfactual: {counterfactual}. R is left out where it saves less than 1 % of the base in most draws; "
        "bars are cut at -2 and 3."
    )
    figure.supxlabel(textwrap.fill(note, 170), fontsize=8, color=GREY)
    figure.savefig(path, dpi=150)
    return Path(path)


def fit_residuals(stored: StoredFit, path: str | Path) -> Path:
    """Standardised residual of every fitted row."""
    from matplotlib.figure import Figure

    rows = stored.rows.iloc[::-1]
    figure = Figure(figsize=(8, 0.2 * len(rows) + 1), layout="constrained")
    ax = figure.subplots()
    place = np.arange(len(rows))
    ax.axvspan(-2, 2, color=BLUE, alpha=0.08, lw=0)
    ax.axvline(0, color=GREY, lw=0.8)
    ax.scatter(rows["z"], place, s=18, color=BLUE)
    ax.set_yticks(place, [f"{r.series} {r.statistic} {r.date:g}" for r in rows.itertuples()], fontsize=7)
    ax.set_xlabel("(model − data) / sigma")
    ax.set_ylim(-1, len(rows))
    figure.savefig(path, dpi=120)
    return Path(path)


def fan(ensemble: EnsembleResult, output: str, ax: Axes | None = None) -> Axes:
    """Fan chart of an ensemble's output: median, 50 % and 90 % bands, one colour a scenario."""
    labels = ensemble.labels
    axes = ax if ax is not None else _axes()
    found = ensemble.summary.quantiles((0.05, 0.25, 0.5, 0.75, 0.95))[:, :, labels.outputs.index(output)]
    for scenario, bands, colour in zip(labels.scenarios, found, itertools.cycle((BLUE, ORANGE, GREEN, RED, GREY))):
        axes.fill_between(labels.dates, bands[:, 0], bands[:, 4], color=colour, alpha=0.15, lw=0)
        axes.fill_between(labels.dates, bands[:, 1], bands[:, 3], color=colour, alpha=0.3, lw=0)
        axes.plot(labels.dates, bands[:, 2], color=colour, lw=2, label=scenario)
    axes.set_xlabel(labels.time_unit)
    axes.set_ylabel(f"{output} [{labels.units[output]}]")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
