"""Pictures of the backfire frontier: rebound over elasticity and limit, when it crosses one, and where."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.plot import BLUE, GREEN, GREY, ORANGE, RED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from jevons.frontier.plane import Axis, Frontier

Floats = NDArray[np.float64]

LEVELS = (-3.0, -1.0, -0.5, 0.0, 0.25, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.35, 1.5, 2.0, 3.0, 10.0)
FEW = (-1.0, 0.0, 0.5, 0.8, 1.5, 2.0, 3.0)
"""Levels that are labelled where lines are crowded."""
DIVERGING = "PuOr_r"
TIMES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)
MASSES = (0.5, 0.9)
SMALL = 8
STATIC = "static law: R = 1 at every supply elasticity"


def maps(
    frontiers: Sequence[Frontier],
    titles: Sequence[str],
    path: str | Path,
    *,
    static: tuple[float, float] | None = None,
    believed: pd.DataFrame | None = None,
    note: str = "",
) -> Path:
    """Rebound over the plane: a row a scenario, a column a horizon.

    Parameters
    ----------
    frontiers : sequence of Frontier
        With the same axes and horizons.
    titles : sequence of str
    static : (float, float), optional
        Total elasticity at which the static law has R = 1, for a small and for the large gain.
    believed : pandas.DataFrame, optional
        Draws of total elasticity and of the limit; smallest regions of 50 and 90 % are outlined.
    """
    from matplotlib.figure import Figure

    first = frontiers[0]
    columns = len(first.horizons)
    figure = Figure(figsize=(4.6 * columns + 1, 3.9 * len(frontiers) + 1.6), layout="constrained")
    axes, foot = _grid(figure, len(frontiers), columns)
    figure.suptitle("Where an efficiency gain backfires: rebound R by elasticity and limit", fontsize=13,
                    fontweight="bold")  # fmt: skip
    shown = levels_of(np.concatenate([f.rebound.ravel() for f in frontiers]))
    filled = None
    for row, (found, title) in enumerate(zip(frontiers, titles, strict=True)):
        for k, horizon in enumerate(found.horizons):
            ax = axes[row, k]
            filled = _filled(ax, found, found.rebound[k], shown, DIVERGING) or filled
            _lines(ax, found, found.rebound[k], shown)
            _overlay(ax, found, static, believed)
            ax.set_title(f"{title}, after {horizon:g} yr", fontsize=10)
            _axes_of(ax, found.y, last=row == len(frontiers) - 1, first=k == 0, label=found.x.label)
            if row == 0:
                _own_elasticity(ax, found)
    if filled is not None:
        bar = figure.colorbar(filled, ax=axes, ticks=shown, format="{x:g}", fraction=0.025, pad=0.01)
        bar.set_label("rebound R (above 1: backfire)")
    _legend(foot, static is not None, believed is not None)
    _note(figure, note, 55 * columns + 10)
    figure.savefig(path, dpi=130)
    return Path(path)


def times(
    frontiers: Sequence[Frontier],
    titles: Sequence[str],
    path: str | Path,
    *,
    static: tuple[float, float] | None = None,
    note: str = "",
) -> Path:
    """Years after the gain until R first exceeds 1; hatched where it never does."""
    from matplotlib.figure import Figure

    columns = min(2, len(frontiers))
    rows = math.ceil(len(frontiers) / columns)
    figure = Figure(figsize=(5.6 * columns + 1, 3.9 * rows + 1.1), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    figure.suptitle("How long until an efficiency gain backfires", fontsize=13, fontweight="bold")
    filled = None
    for ax, found, title in zip(axes.ravel(), frontiers, titles, strict=False):
        longest = max(found.horizons)
        years = np.where(np.isinf(found.crossing_years), math.nan, found.crossing_years)
        levels = [t for t in TIMES if t <= longest]
        filled = _filled(ax, found, years, levels, "cividis_r", why=f"R below 1 for {longest:g} yr") or filled
        _lines(ax, found, years, levels, thick=None, colour="#333333", form="{:g} yr")
        _overlay(ax, found, static, None)
        ax.set_title(title, fontsize=10)
        _axes_of(ax, found.y, last=True, first=True, label=found.x.label)
    for ax in axes.ravel()[len(frontiers) :]:
        ax.set_visible(False)
    if filled is not None:
        bar = figure.colorbar(filled, ax=axes, fraction=0.025, pad=0.01)
        bar.set_label("years after the gain until R > 1")
    _note(figure, note, 80 * columns)
    figure.savefig(path, dpi=130)
    return Path(path)


def thresholds(
    table: pd.DataFrame,
    axes_of: Mapping[str, Axis],
    horizon: float,
    path: str | Path,
    *,
    static: Mapping[str, float] | None = None,
    highest: Mapping[str, float] | None = None,
    note: str = "",
) -> Path:
    """Total elasticity at which R = 1 at a horizon, by limit, a line for every satiation.

    Parameters
    ----------
    table : pandas.DataFrame
        See `jevons.frontier.run.threshold_table`.
    axes_of : mapping of str to Axis
        The limit's axis, by name of the limit.
    static : mapping of str to float, optional
        Elasticity of the static law for the large gain, by satiation.
    highest : mapping of str to float, optional
        Largest total elasticity that was tried, by satiation.
    """
    from matplotlib.figure import Figure

    chosen = table[table["horizon_years"] == horizon]
    scenarios, limits = list(dict.fromkeys(chosen["scenario"])), list(dict.fromkeys(chosen["limit"]))
    figure = Figure(figsize=(5.2 * len(limits) + 0.6, 3.6 * len(scenarios) + 1.2), layout="constrained")
    grid = figure.subplots(len(scenarios), len(limits), squeeze=False, sharex=True)
    figure.suptitle(f"Elasticity from which a gain backfires after {horizon:g} years", fontsize=13, fontweight="bold")
    styles = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"))
    for i, scenario in enumerate(scenarios):
        for k, limit in enumerate(limits):
            ax, axis = grid[i, k], axes_of[limit]
            part = chosen[(chosen["scenario"] == scenario) & (chosen["limit"] == limit)]
            groups = part.groupby("satiation", sort=False)
            for (satiation, rows), (colour, dash, marker) in zip(groups, styles, strict=False):
                place = positions(axis)[[list(axis.values).index(v) for v in rows["largest_growth"]]]
                some = rows["total_elasticity"].notna()
                none = "" if some.all() else f", no R = 1 in {int((~some).sum())} of {len(rows)}"
                if highest is not None and none:
                    none += f" (tried to {highest[str(satiation)]:.1f})"
                ax.plot(rows["total_elasticity"], place, color=colour, ls=dash, marker=marker, ms=3.5,
                        label=f"satiation {satiation}{none}")  # fmt: skip
                if static is not None and not math.isnan(static[str(satiation)]):
                    ax.axvline(static[str(satiation)], color=colour, ls=dash, lw=0.9, alpha=0.8)
            ax.axvline(1, color=RED, lw=1.6)
            ax.annotate("static law,\nsmall gain", (1, 0.03), xycoords=("data", "axes fraction"), color=RED,
                        fontsize=SMALL, ha="right", xytext=(-4, 0), textcoords="offset points")  # fmt: skip
            ax.set_title(f"{scenario}, {limit}", fontsize=10)
            ax.set_xlim(0.5, max(2.0, 1.03 * float(chosen["total_elasticity"].max(skipna=True))))
            ax.legend(frameon=False, fontsize=SMALL, loc="upper right")
            _axes_of(ax, axis, last=i == len(scenarios) - 1, first=True, label="total elasticity at which R = 1")
            low, high = ax.get_ylim()
            ax.set_ylim(low, high + 0.28 * (high - low))
    _note(figure, note, 85 * len(limits))
    figure.savefig(path, dpi=130)
    return Path(path)


def positions(axis: Axis) -> Floats:
    """Heights at which values are drawn: logarithms, and one step above the others for what stands for no limit."""
    values = np.asarray(axis.values, dtype=float)
    finite = values < axis.unlimited
    logs = np.log(np.where(values > 0, values, math.nan)) if (values > 0).all() else values
    if finite.all() or finite.sum() < 2:
        return np.asarray(logs)
    steps = np.arange(1, (~finite).sum() + 1)
    top, step = logs[finite][-1], 1.6 * (logs[finite][-1] - logs[finite][0]) / finite.sum()
    return np.concatenate([logs[finite], top + step * steps])


def levels_of(values: Floats) -> list[float]:
    """Levels of contours that values reach, one and a level either side of it always among them."""
    known = values[~np.isnan(values)]
    one = LEVELS.index(1.0)
    low = int(np.searchsorted(LEVELS, known.min(), side="right")) - 1 if known.size else one - 1
    high = int(np.searchsorted(LEVELS, known.max())) if known.size else one + 1
    return list(LEVELS[max(0, min(low, one - 1)) : max(high, one + 1) + 1])


def region(
    x: Floats, y: Floats, masses: Sequence[float] = MASSES, cells: int = 70
) -> tuple[Floats, Floats, Floats, list[float]]:
    """Smoothed density of draws over logarithms, and the heights that enclose given shares of the draws.

    Returns
    -------
    (x, y, density, heights)
        Natural coordinates of the grid; heights in the order of `masses`.
    """
    from scipy.stats import gaussian_kde

    points = np.log(np.vstack([x, y]))
    kernel = gaussian_kde(points)
    sides = [np.linspace(p.min() - 0.2, p.max() + 0.2, cells) for p in points]
    a, b = np.meshgrid(*sides)
    density = kernel(np.vstack([a.ravel(), b.ravel()])).reshape(a.shape)
    at_points = np.sort(kernel(points))
    heights = [float(np.quantile(at_points, 1 - mass)) for mass in masses]
    return np.exp(a), np.exp(b), density, heights


def _grid(figure: Any, rows: int, columns: int) -> tuple[Any, Axes]:
    """Panels that share their scales, and a strip below them for a legend."""
    places = figure.add_gridspec(rows + 1, columns, height_ratios=[1.0] * rows + [0.05])
    axes = np.empty((rows, columns), dtype=object)
    for i, k in itertools.product(range(rows), range(columns)):
        shared = axes[0, 0] if i or k else None
        axes[i, k] = figure.add_subplot(places[i, k], sharex=shared, sharey=shared)
        axes[i, k].tick_params(labelbottom=i == rows - 1, labelleft=k == 0)
    foot = figure.add_subplot(places[rows, :])
    foot.axis("off")
    return axes, foot


def _own_elasticity(ax: Axes, found: Frontier) -> None:
    """A second scale: the parameter that is varied, beside the total elasticity it gives."""
    total, own = found.elasticity[0], np.asarray(found.x.values, dtype=float)
    if np.allclose(total, own) or (np.diff(total) <= 0).any():
        return
    beside = ax.secondary_xaxis("top", functions=(_between(total, own), _between(own, total)))
    beside.set_xticks([t for t in (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0) if own[0] <= t <= own[-1]])
    beside.xaxis.set_major_formatter("{x:g}")
    beside.tick_params(labelsize=SMALL - 1, colors=GREY)
    beside.set_xlabel(found.x.name.replace("_", " "), fontsize=SMALL, color=GREY)


def _between(given: Floats, wanted: Floats) -> Callable[[Any], Any]:
    """Straight lines between points, for an axis."""
    return lambda values: np.interp(np.asarray(values, dtype=float), given, wanted)


def _filled(
    ax: Axes, found: Frontier, values: Floats, levels: Sequence[float], colours: str, why: str = "R undefined"
) -> Any:
    """Filled contours over hatches, which show, with the reason, where there is no value."""
    from matplotlib import colormaps

    place = np.repeat(positions(found.y)[:, None], values.shape[1], axis=1)
    ax.patch.set(facecolor="#eeeeee", hatch="///", edgecolor=GREY, linewidth=0)
    missing = np.isnan(values)
    if missing.mean() > 0.05:
        held = np.argwhere(missing)
        j, i = held[np.argmin(np.abs(held - held.mean(axis=0)).sum(axis=1))]
        ax.text(found.elasticity[j, i], place[j, i], why, fontsize=SMALL + 1, ha="center", va="center", zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # fmt: skip
    if missing.all():
        return None
    return ax.contourf(
        found.elasticity, place, np.clip(values, levels[0], levels[-1]), levels=levels,
        colors=[colormaps[colours](c) for c in shades(levels, diverging=colours == DIVERGING)],
    )  # fmt: skip


def shades(levels: Sequence[float], diverging: bool) -> list[float]:
    """Places on a colour map of the intervals between levels, in even steps; from the middle at one if diverging."""
    n = len(levels) - 1
    if not diverging:
        return [float(c) for c in np.linspace(0.0, 1.0, n)]
    below = list(levels).index(1.0)
    width = 0.42 / max(below, n - below)
    return [0.5 + width * (i - below + (1 if i >= below else 0)) for i in range(n)]


def _lines(
    ax: Axes,
    found: Frontier,
    values: Floats,
    levels: Sequence[float],
    thick: float | None = 1.0,
    colour: str = "#333333",
    form: str = "{:g}",
) -> None:
    """Contour lines, few enough of them labelled; one of them thick."""
    if np.isnan(values).all():
        return
    place = np.repeat(positions(found.y)[:, None], values.shape[1], axis=1)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    thin = [v for v in levels if low < v < high and v != thick]
    if thin:
        drawn = ax.contour(found.elasticity, place, values, levels=thin, colors=colour, linewidths=0.6,
                           linestyles="-")  # fmt: skip
        marked = thin if len(thin) <= 6 else [v for v in thin if v in FEW]
        if marked:
            ax.clabel(drawn, levels=marked, fmt=form.format, fontsize=SMALL - 1)
    if thick is not None and low < thick < high:
        drawn = ax.contour(found.elasticity, place, values, levels=[thick], colors="black", linewidths=2.4)
        ax.clabel(drawn, fmt="R = 1", fontsize=SMALL)


def _overlay(ax: Axes, found: Frontier, static: tuple[float, float] | None, believed: pd.DataFrame | None) -> None:
    """Lines of the static law, and where the draws of the fit are."""
    from matplotlib.patheffects import withStroke

    low, high = float(found.elasticity.min()), float(found.elasticity.max())
    if static is not None:
        for at, dash in zip(static, ("-", "--"), strict=True):
            if low < at < high:
                ax.axvline(at, color=RED, lw=1.6, ls=dash)
    if believed is not None:
        x, y, density, heights = region(believed["total_elasticity"].to_numpy(), believed[found.y.name].to_numpy())
        ring = ax.contour(x, np.log(y), density, levels=sorted(heights), colors=BLUE, linewidths=(1.2, 1.8),
                          linestyles=("--", "-"))  # fmt: skip
        ring.set_path_effects([withStroke(linewidth=3.2, foreground="white")])
    ax.set_xlim(low, high)


def _legend(ax: Axes, static: bool, believed: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color="black", lw=2.4, label="model: R = 1")]
    if static:
        handles += [
            Line2D([], [], color=RED, lw=1.6, label=f"{STATIC}, small gain"),
            Line2D([], [], color=RED, lw=1.6, ls="--", label="static law, this gain"),
        ]
    if believed:
        handles += [
            Line2D([], [], color=BLUE, lw=1.8, label="50 % of the draws"),
            Line2D([], [], color=BLUE, lw=1.0, ls="--", label="90 %"),
        ]
    ax.legend(handles=handles, loc="center", ncols=len(handles), frameon=False, fontsize=SMALL)


def _axes_of(ax: Axes, y: Axis, last: bool, first: bool, label: str) -> None:
    """A logarithmic scale whose top says that there is no limit."""
    place = positions(y)
    values = np.asarray(y.values, dtype=float)
    finite = values < y.unlimited
    if (values > 0).all():
        marks = [m for m in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if values[0] <= m <= values[finite][-1] * 1.001]
        ticks, words = [math.log(m) for m in marks], [f"{m:g}" for m in marks]
    else:
        ticks, words = list(place[finite]), [f"{v:g}" for v in values[finite]]
    if not finite.all():
        ticks, words = [*ticks, float(place[-1])], [*words, "none"]
    ax.set_yticks(ticks, words, fontsize=SMALL)
    ax.tick_params(labelsize=SMALL, labelleft=first)
    ax.set_ylim(place[0], place[-1])
    if first:
        ax.set_ylabel(y.label or y.name, fontsize=SMALL + 0.5)
    if last:
        ax.set_xlabel(label, fontsize=SMALL + 0.5)


def _note(figure: Any, note: str, width: int) -> None:
    if note:
        figure.supxlabel(textwrap.fill(note, width), fontsize=SMALL - 0.5, color=GREY)
