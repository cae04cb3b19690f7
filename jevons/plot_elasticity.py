"""Pictures of what data say of a parameter: prior, posterior and profile beside each other."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.plot import BLUE, GREEN, GREY, ORANGE, RED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from jevons.inference.stored import StoredFit

Floats = NDArray[np.float64]

TITLES = {
    "the prior": "Energy data leave {name} where the prior puts it",
    "hardly moved": "Energy data hardly move {name}: what is believed of it is mostly the prior",
    "moved": "Energy data move {name}, and what is left of the prior is wide",
}
RISE = 2.706
"""Rise of chi-square at the ends of a 90 % interval of one parameter."""


def elasticity(stored: StoredFit, moved: pd.DataFrame, profiles: pd.DataFrame, name: str, path: str | Path) -> Path:
    """Prior, posterior and profile of a parameter.

    Parameters
    ----------
    moved : pandas.DataFrame
        See `moved_table`.
    profiles : pandas.DataFrame
        Columns parameter, value, chi2, chi2_data, chi2_prior.
    """
    from matplotlib.figure import Figure

    row = moved.set_index("parameter").loc[name]
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    words = name.replace("_", " ")
    figure.suptitle(TITLES[row["said"]].format(name=f"the {words}"), fontsize=13, fontweight="bold")
    _densities(left, stored, row, name)
    left.set_title("Prior, and posterior given the history", fontsize=11, loc="left")
    left.set_xlabel(words)
    low, median, high = (row[k] for k in ("p05", "posterior_median", "p95"))
    label = f"posterior: {median:.2f} ({low:.2f} to {high:.2f}), width {row['sd_ratio']:.0%} of the prior's"
    left.plot([], [], lw=0, label=label)
    left.legend(frameon=False, fontsize=9, loc="upper left")
    left.set_ylim(0, 1.35 * left.get_ylim()[1])
    right.set_title("Best fit with it held, all others refitted", fontsize=11, loc="left")
    _profile(right, profiles[profiles["parameter"] == name])
    right.axhline(RISE, color=RED, lw=1, ls="--")
    right.annotate("90 %", (0.99, RISE), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=RED)
    right.set_xlabel(words)
    right.set_ylabel("chi-square above the best")
    right.set_xlim(left.get_xlim())
    right.legend(frameon=False, fontsize=9)
    note = (
        "Densities over the logarithm. Where the dotted line is flat, the data alone do not tell values apart, and the "
        "prior decides."
    )
    figure.supxlabel(textwrap.fill(note, 150), fontsize=8, color=GREY)
    figure.savefig(path, dpi=140)
    return Path(path)


def unmoved(
    stored: StoredFit, moved: pd.DataFrame, profiles: pd.DataFrame, names: Sequence[str], path: str | Path
) -> Path:
    """Prior and posterior of every parameter whose posterior is its prior, and profiles where there are any."""
    from matplotlib.figure import Figure

    columns = min(4, max(1, len(names)))
    rows = max(1, math.ceil(len(names) / columns))
    figure = Figure(figsize=(max(9, 3 * columns), 2.1 * rows + 1), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.suptitle(
        f"{len(names)} of {len(stored.names)} free parameters keep their prior: history says next to nothing of them",
        fontsize=12, fontweight="bold",
    )  # fmt: skip
    table = moved.set_index("parameter")
    for ax, name in zip(axes, names, strict=False):
        _densities(ax, stored, table.loc[name], name)
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=7)
        given = profiles[profiles["parameter"] == name]
        if len(given):
            beside = ax.twinx()
            _profile(beside, given)
            beside.set_yticks([])
            beside.spines[["top", "right", "left"]].set_visible(False)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    note = "Grey: prior. Blue: posterior. Lines over them: profile of chi-square with its parts, where it was computed."
    figure.supxlabel(note, fontsize=8, color=GREY)
    figure.savefig(path, dpi=120)
    return Path(path)


def _densities(ax: Axes, stored: StoredFit, row: Any, name: str) -> None:
    """Prior and smoothed posterior, over the logarithm if the prior is log-normal."""
    positive = row["prior"] == "log-normal"
    values = stored.sample[:, stored.names.index(name)]
    x = np.log(values) if positive else values
    centre = math.log(row["prior_median"]) if positive else float(row["prior_median"])
    width = float(row["prior_sd"])
    grid = np.linspace(centre - 3 * width, centre + 3 * width, 240)
    kernel = 1.06 * float(x.std()) * x.size**-0.2
    posterior: Floats = np.exp(-(((grid[:, None] - x) / kernel) ** 2) / 2).mean(axis=1) / kernel
    prior: Floats = np.exp(-(((grid - centre) / width) ** 2) / 2) / width
    shown = np.exp(grid) if positive else grid
    ax.fill_between(shown, prior, color=GREY, alpha=0.3, lw=0, label="prior")
    ax.plot(shown, posterior, color=BLUE, lw=2, label="posterior")
    if positive:
        _logarithmic(ax)
    ax.set_xlim(shown[0], shown[-1])
    ax.set_ylim(0, 1.1 * max(float(prior.max()), float(posterior.max())))
    ax.set_yticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)


def _logarithmic(ax: Axes) -> None:
    from matplotlib.ticker import LogLocator

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()


def _profile(ax: Axes, given: pd.DataFrame) -> None:
    """Chi-square above the best, and its parts, by the parameter held."""
    given = given.sort_values("value")
    best = given.loc[given["chi2"].idxmin()]
    for column, colour, style, label in (
        ("chi2", BLUE, "-", "profile"),
        ("chi2_data", GREEN, ":", "of which data"),
        ("chi2_prior", ORANGE, "--", "of which priors"),
    ):
        marker = "o" if column == "chi2" else ""
        ax.plot(given["value"], given[column] - best[column], color=colour, ls=style, marker=marker, ms=4, label=label)
    ax.spines[["top", "right"]].set_visible(False)
    if float(given["value"].min()) > 0:
        _logarithmic(ax)
