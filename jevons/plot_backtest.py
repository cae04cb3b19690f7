"""Figure of the rolling backtests: one panel an origin, failures in full sight."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jevons.inference.baselines import Forecast, extrapolations, known_levels
from jevons.inference.history import History
from jevons.inference.rolling import Origin, RollingBacktest
from jevons.plot import BLUE, GREEN, GREY, ORANGE, RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIRST_YEAR = 2009
STYLES = {"flat": (GREY, ":"), "last growth": (GREEN, "--"), "12 %/yr": (ORANGE, "-.")}
MARKERS = ("D", "v", "^", "P", "X", "*")


def origins_figure(
    backtest: RollingBacktest,
    history: History,
    path: str | Path,
    unit: str,
    forecasts: Sequence[Forecast] = (),
    title: str = "",
) -> Path:
    """Annual levels observed and predicted from each origin, on a logarithmic axis.

    Parameters
    ----------
    unit : str
        Of the level in the model.
    forecasts : sequence of Forecast
        Published ones; each panel shows those that existed at its origin, within the years shown.
    title : str
        What the level is, in words.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    count = len(backtest.origins)
    columns = min(4, count)
    lines = -(-(count + 1) // columns)
    figure = Figure(figsize=(4.1 * columns, 3.7 * lines + 0.6), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(lines, columns, sharey=True)).ravel())
    shown = {f: MARKERS[i % len(MARKERS)] for i, f in enumerate(_in_view(forecasts, backtest))}
    for ax, origin in zip(axes, backtest.origins, strict=False):
        _panel(ax, origin, backtest, history, unit, shown)
        ax.set_yscale("log")
        ax.set_ylim(95, 1400)
        ax.yaxis.set_major_locator(FixedLocator([100, 150, 200, 300, 400, 600, 800, 1200]))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        ax.grid(axis="y", color=GREY, alpha=0.2, lw=0.5)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelleft=True, labelsize=8.5)
        ax.xaxis.set_major_locator(FixedLocator(list(range(FIRST_YEAR + 1, int(origin.years[-1]) + 1, 5))))
    legend: dict[str, object] = {}
    for ax in axes[:count]:
        handles, labels = ax.get_legend_handles_labels()
        legend |= {label: handle for handle, label in zip(handles, labels, strict=True) if label not in legend}
    for ax in axes[count:]:
        ax.axis("off")
    place = axes[count] if len(axes) > count else axes[-1]
    place.legend(list(legend.values()), list(legend), loc="center left", frameon=False, fontsize=8.5)
    figure.suptitle(
        f"{title or backtest.level}, {unit}: predicted from what was known at the end of each year", fontsize=13,
        fontweight="bold",
    )  # fmt: skip
    figure.supxlabel(
        "Bands: parameters and the error of a published figure. Filled points were known at the origin (vertical "
        "line), open ones came later; shapes are families of estimates.",
        fontsize=8, color=GREY,
    )  # fmt: skip
    figure.savefig(path, dpi=130)
    return Path(path)


def _in_view(forecasts: Sequence[Forecast], backtest: RollingBacktest) -> list[Forecast]:
    newest = max(o.known_until for o in backtest.origins)
    last = max(int(o.years[-1]) for o in backtest.origins)
    return [f for f in forecasts if f.use != "listed" and f.published <= newest and _years(f, last)]


def _years(forecast: Forecast, last: int) -> list[int]:
    """Years of the panel of which a forecast speaks, after its base."""
    first = forecast.year if forecast.base_year != forecast.base_year else forecast.base_year + 1
    published = int(forecast.published[:4])
    return [y for y in range(max(int(first), published), int(forecast.year) + 1) if y <= last]


def _panel(
    ax: Axes,
    origin: Origin,
    backtest: RollingBacktest,
    history: History,
    unit: str,
    forecasts: dict[Forecast, str],
) -> None:
    keep = origin.years >= FIRST_YEAR
    years, (p05, p25, p50, p75, p95) = origin.years[keep] + 0.5, origin.path[:, keep]
    ax.fill_between(years, p05, p95, color=BLUE, alpha=0.15, lw=0, label="model, 90 %")
    ax.fill_between(years, p25, p75, color=BLUE, alpha=0.28, lw=0, label="model, 50 %")
    ax.plot(years, p50, color=BLUE, lw=1.6, label="model, median")
    ax.axvline(origin.year + 1, color="black", lw=0.8, alpha=0.6)
    last = float(origin.years[-1])
    levels = known_levels(origin, history, backtest.level, unit)
    for predictor in extrapolations(levels):
        colour, dash = STYLES[predictor.name]
        line = np.linspace(predictor.date, last, 40)
        values = np.exp([predictor.centre(t) for t in line])
        ax.plot(line + 0.5, values, color=colour, ls=dash, lw=1.2, label=predictor.name)
    for date, value, _ in levels:
        ax.scatter(date + 0.5, value, marker="_", s=90, color=GREY, lw=1.2, label="level extrapolated from")
    newest = (levels[-1][0], levels[-1][1]) if levels else None
    for forecast, marker in forecasts.items():
        if forecast.published <= origin.known_until:
            said = _years(forecast, int(last))
            forecasted = [forecast.at(y, newest, unit) for y in said]
            label = forecast.source.split(":")[0] + (", its growth" if forecast.use == "growth" else "")
            ax.scatter(np.array(said) + 0.5, forecasted, marker=marker, s=26, color="#8a6bb1", zorder=3, label=label)
    rows = origin.rows[(origin.rows["series"] == backtest.level) & (origin.rows["statistic"] == "annual")]
    families = sorted(set(rows["family"]), reverse=True)
    for family, held in itertools.product(families, (False, True)):
        part = rows[(rows["held_out"] == held) & (rows["family"] == family)]
        when = "came later" if held else "known"
        ax.scatter(
            part["date"] + 0.5, part["observed"], s=30, marker="os^v"[families.index(family) % 4], zorder=4,
            facecolor="white" if held else RED, edgecolor=RED, lw=1.1,
            label=None if part.empty else f"observed, {family}, {when}",
        )  # fmt: skip
    held = origin.held_out
    ax.set_title(
        f"known by the end of {origin.year}: {len(rows) - int(rows['held_out'].sum())} of {len(rows)} levels\n"
        f"{held['inside_90'].mean():.0%} of {len(held)} later rows inside 90 %", fontsize=9,
    )  # fmt: skip
    ax.set_xlim(FIRST_YEAR, last + 1)
