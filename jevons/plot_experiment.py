"""Pictures of experiments: one scenario over time, and all of them side by side."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jevons.plot import BLUE, GREEN, GREY, ORANGE, RED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from jevons.experiments.result import Experiment

BLACK = "#222222"
_QUANTILES = (0.5, 0.05, 0.25, 0.75, 0.95)
_RUNS = (
    ("base", BLACK, "-", "base run"),
    ("shocked", ORANGE, "--", "with the change"),
    ("engineering", BLUE, ":", "engineering: same services, gained efficiency"),
)
_LINES = ((ORANGE, "-", "o"), (BLUE, "--", "s"), (GREEN, ":", "^"), (GREY, "-.", "v"))
_WRAP = 165
_R_LIMITS = (-1.0, 3.0)


def experiment(found: Experiment, path: str | Path, source: str = "", shown: tuple[str, ...] = ()) -> Path:
    """One scenario: the headline variable in all runs, and rebound over time, or the changes in per cent without it.

    Parameters
    ----------
    source : str
        What the draws are of, for the note.
    shown : tuple of str
        Variables of the right panel where there is no rebound; those with a total by default.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    title = found.scenario.title or found.scenario.name
    figure.suptitle("\n".join(textwrap.wrap(title, 95)), fontsize=12.5, fontweight="bold")
    _runs(left, found)
    if found.measured:
        _rebound(right, found)
    else:
        _changes(right, found, shown or tuple(v.name for v in found.variables if v.cumulative))
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=9)
        ax.set_xlabel("year", fontsize=9)
    note = f"Counterfactual: {found.counterfactual}." if found.measured else _sentence(found.counterfactual)
    note += f" {found.draws} draws" + (f" of {source}" if source else "")
    note += f"; {found.failed} failed and are left out." if found.failed else "."
    figure.supxlabel(textwrap.fill(note, _WRAP), fontsize=7.5, color=GREY)
    _save(figure, path, 100)
    return Path(path)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _save(figure: Any, path: str | Path, dpi: int) -> None:
    # without the version of matplotlib the bytes depend on the picture alone
    figure.savefig(path, dpi=dpi, metadata={"Software": None})


def _runs(ax: Axes, found: Experiment) -> None:
    variable = next(v for v in found.variables if v.rebound)
    dates = found.at + found.years
    band = np.quantile(found.runs["shocked"].levels[variable.name], (0.05, 0.95), axis=0)
    ax.fill_between(dates, *band, color=ORANGE, alpha=0.16, lw=0, label="with the change, 90 % band")
    for run, colour, style, label in _RUNS:
        if run in found.runs:
            median = np.median(found.runs[run].levels[variable.name], axis=0)
            ax.plot(dates, median, color=colour, ls=style, lw=2, label=f"{label}, median")
    ax.set_ylabel(f"{variable.label} [{variable.unit}]")
    ax.set_ylim(0, 1.3 * ax.dataLim.y1)
    ax.set_xlim(dates[0], dates[-1])
    ax.set_title(f"{variable.label[:1].upper()}{variable.label[1:]} over time", fontsize=10)
    ax.legend(frameon=False, fontsize=8, loc="upper left")


def _rebound(ax: Axes, found: Experiment) -> None:
    first, *others = found.measured
    r = found.rebound(first.name)
    dates = found.at + found.years
    known = np.isnan(r).mean(axis=0) < 0.5
    ax.axhline(1, color=RED, lw=1.2, ls=(0, (6, 3)))
    ax.axhline(0, color=GREY, lw=0.8)
    highest = [1.0]
    lowest = [0.0]
    if known.any():
        wide = np.nanquantile(r[:, known], _QUANTILES, axis=0)
        highest.append(float(wide.max()))
        lowest.append(float(wide.min()))
        _, p05, p25, p75, p95 = np.clip(wide, *_R_LIMITS)  # what is cut leaves room for the legend
        ax.fill_between(dates[known], p05, p95, color=ORANGE, alpha=0.18, lw=0, label=f"{first.label}, 90 % band")
        ax.fill_between(dates[known], p25, p75, color=ORANGE, alpha=0.34, lw=0, label=f"{first.label}, 50 % band")
        ax.plot(dates[known], _cut(wide[0]), color=ORANGE, lw=2.2, label=f"{first.label}, median")
    for (colour, style, _), variable in zip(_LINES[1:], others, strict=False):
        _median_line(ax, found, variable.name, colour, style, f"{variable.label}, median")
    if found.without_background is not None and found.without_background.measured:
        label = f"{first.label}, median without background"
        _median_line(ax, found.without_background, first.name, BLACK, (0, (1, 2)), label)
    if not known.any():
        ax.text(0.5, 0.45, "R is undefined: the saving stays\nbelow 1 % of the base run", ha="center", va="center",
                transform=ax.transAxes, fontsize=10, color=BLACK)  # fmt: skip
    top, bottom = min(max(highest) + 0.12, _R_LIMITS[1]), max(min(lowest) - 0.08, _R_LIMITS[0])
    ax.set_ylim(bottom, top + 0.32 * (top - bottom))
    ax.set_xlim(dates[0], dates[-1])
    ax.text(dates[-1], 1, "1: nothing is saved ", ha="right", va="bottom", fontsize=7.5, color=RED)
    cut = max(highest) + 0.12 > _R_LIMITS[1] or min(lowest) - 0.08 < _R_LIMITS[0]
    ax.set_ylabel(f"rebound R [1]{f', cut at {_R_LIMITS[0]:g} and {_R_LIMITS[1]:g}' if cut else ''}")
    ax.set_title("Share of the engineering saving that is taken back", fontsize=10)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)


def _median_line(ax: Axes, found: Experiment, name: str, colour: str, style: Any, label: str) -> None:
    r = found.rebound(name)
    known = np.isnan(r).mean(axis=0) < 0.5
    if known.any():
        median = _cut(np.nanquantile(r[:, known], 0.5, axis=0))
        ax.plot((found.at + found.years)[known], median, color=colour, ls=style, lw=1.5, label=label)


def _cut(line: Any) -> Any:
    """A line that ends where it leaves the limits of R."""
    return np.where((line >= _R_LIMITS[0]) & (line <= _R_LIMITS[1]), line, np.nan)


def _changes(ax: Axes, found: Experiment, names: tuple[str, ...]) -> None:
    dates = found.at + found.years
    ax.axhline(0, color=GREY, lw=0.8)
    for k, ((colour, style, marker), name) in enumerate(zip(_LINES, names, strict=False)):
        variable = next(v for v in found.variables if v.name == name)
        median, p05, p25, p75, p95 = np.nanquantile(found.percent(name), _QUANTILES, axis=0)
        if k == 0:
            ax.fill_between(dates, p05, p95, color=colour, alpha=0.18, lw=0, label=f"{variable.label}, 90 % band")
            ax.fill_between(dates, p25, p75, color=colour, alpha=0.34, lw=0, label=f"{variable.label}, 50 % band")
        ax.plot(dates, median, color=colour, ls=style, lw=1.8, marker=marker, ms=4, markevery=(2 * k, 8),
                label=f"{variable.label}, median")  # fmt: skip
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.34 * (high - low))
    ax.set_xlim(dates[0], dates[-1])
    ax.set_ylabel("change over the base run [%]")
    ax.set_title("What changes against the base run", fontsize=10)
    ax.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)


def overview(table: pd.DataFrame, path: str | Path, variable: str, label: str, source: str = "") -> Path:
    """All scenarios: R of the headline variable, and its change in per cent, at the horizon of the summary.

    Parameters
    ----------
    table : pandas.DataFrame
        As `jevons.experiments.result.summary_row` makes its rows.
    variable, label : str
        Name of the headline variable in the table, and as people see it.
    """
    from matplotlib.figure import Figure

    rows = table.iloc[::-1].reset_index(drop=True)
    place = np.arange(len(rows))
    figure = Figure(figsize=(11.5, 0.235 * len(rows) + 1.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    horizons = sorted(set(table["horizon_years"]))
    when = " or ".join(f"{h:g}" for h in horizons)
    figure.suptitle(f"Every scenario after {when} years: rebound, and what {label} changes by", fontsize=12.5,
                    fontweight="bold")  # fmt: skip
    _forest(left, rows, place, ("rebound", "p05", "p25", "p75", "p95"), ORANGE, _R_LIMITS)
    left.axvline(1, color=RED, lw=1.2, ls=(0, (6, 3)))
    left.set_xlabel("rebound R [1]; empty: no efficiency changes, or R is undefined")
    bands = tuple(f"{variable}_{b}" for b in ("percent", "p05", "p25", "p75", "p95"))
    _forest(right, rows, place, bands, BLUE, None)
    right.set_xlabel(f"change of {label} over the base run [%]")
    if np.nanmax(np.abs(rows[list(bands)].to_numpy(dtype=float)), initial=0.0) > 150:
        right.set_xscale("symlog", linthresh=20)
        ticks = [t for t in (-100, -50, -20, -10, 0, 10, 20, 50, 100, 300, 1000) if _inside(right, t)]
        right.set_xticks(ticks, [f"{t}" for t in ticks])
        right.set_xlabel(right.get_xlabel() + ", log beyond ±20")
    left.set_yticks(place, list(rows["scenario"]), fontsize=8)
    left.set_ylim(-0.8, len(rows) - 0.2)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#e6e6e6", lw=0.6)
        ax.set_axisbelow(True)
    note = f"Median, 50 % (thick) and 90 % bands{f' over draws of {source}' if source else ''}. R is cut at "
    note += f"{_R_LIMITS[0]:g} and {_R_LIMITS[1]:g} (arrows)."
    figure.supxlabel(textwrap.fill(note, _WRAP), fontsize=8, color=GREY)
    _save(figure, path, 90)
    return Path(path)


def _inside(ax: Axes, value: float) -> bool:
    low, high = ax.get_xlim()
    return bool(low <= value <= high)


def _forest(
    ax: Axes, rows: pd.DataFrame, place: Any, columns: tuple[str, ...], colour: str, limits: tuple[float, float] | None
) -> None:
    median, p05, p25, p75, p95 = (rows[c].to_numpy(dtype=float) for c in columns)
    ax.axvline(0, color=GREY, lw=0.8)
    low, high = limits or (-np.inf, np.inf)
    ax.hlines(place, np.clip(p05, low, high), np.clip(p95, low, high), color=colour, lw=1.2)
    ax.hlines(place, np.clip(p25, low, high), np.clip(p75, low, high), color=colour, lw=5, alpha=0.45)
    inside = (median >= low) & (median <= high)
    ax.scatter(median[inside], place[inside], s=22, color=colour, zorder=3)
    for end, marker in ((low, "<"), (high, ">")):
        beyond = p05 < low if marker == "<" else p95 > high
        ax.scatter(np.full(int(beyond.sum()), end), place[beyond], s=18, marker=marker, color=colour, zorder=3)
    if limits:
        ax.set_xlim(low - 0.1, high + 0.1)
