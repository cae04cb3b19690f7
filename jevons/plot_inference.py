"""Pictures of a fit: where its starts ended, what the data hold, and profiles of the parameters."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jevons.errors import JevonsError
from jevons.inference.starts import SAME_OPTIMUM
from jevons.plot import BLUE, GREEN, GREY, ORANGE, RED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jevons.inference.fit import Fit
    from jevons.inference.identifiability import Identifiability
    from jevons.inference.profiles import Profile
    from jevons.inference.stored import StoredFit


def waterfall(fit: Fit | StoredFit, path: str | Path) -> Path:
    """Starts by their final chi-square above the best, coloured by the optimum at which they ended."""
    table = fit.waterfall()
    ended = table[np.isfinite(table["chi2"].to_numpy(float))]
    if not ended["converged"].any():
        raise JevonsError("waterfall: found no start that converged, expected a fit with its starts")
    figure, (ax,) = _figure(8, 4.2)
    best = float(ended.loc[ended["converged"], "chi2"].min())
    above = ended["chi2"] - best
    ax.plot(ended["rank"], above, color=GREY, lw=0.8, zorder=1)
    colours = itertools.cycle((BLUE, ORANGE, GREEN, "#8a6bb1"))
    for (number, rows), colour in zip(ended[ended["converged"]].groupby("optimum"), colours, strict=False):
        name = f"optimum {number}" if number else "converged"
        label = f"{name}: χ² {rows['chi2'].min():.2f}, {len(rows)} starts"
        ax.scatter(rows["rank"], above[rows.index], s=34, color=colour, zorder=3, label=label)
    failed = ended[~ended["converged"]]
    nowhere = len(table) - len(ended)
    if len(failed):
        label = f"not converged: {len(failed)}"
        ax.scatter(failed["rank"], above[failed.index], s=34, marker="x", color=RED, zorder=3, label=label)
    ax.set_yscale("symlog", linthresh=SAME_OPTIMUM)
    ax.yaxis.set_major_formatter(lambda x, _: f"{x:g}")
    ax.axhspan(0, SAME_OPTIMUM, color=BLUE, alpha=0.08, lw=0)
    low, high = min(float(above.min()), 0.0), max(float(above.max()), SAME_OPTIMUM)
    ax.set_ylim(2 * low - 0.01, 3 * high)
    ax.set_xlim(0.3, len(table) + 0.7)
    ax.set_xlabel("start, by rank" + (f"  ({nowhere} more ran nowhere)" if nowhere else ""))
    ax.set_ylabel("χ² above the best")
    ax.set_title("Where the starts ended; shaded: as good as the best", fontsize=11, loc="left")
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return _saved(figure, path)


def profile(profile: Profile, path: str | Path) -> Path:
    """Profile of a parameter: chi-square above the best, its parts, the interval, and that of the curvature."""
    from scipy.interpolate import PchipInterpolator

    figure, (ax,) = _figure(8, 4.6)
    x, rise = profile.values, profile.chi2 - profile.best_chi2
    _parabola(ax, profile)
    place = int(np.argmin(profile.chi2))
    fine = np.linspace(x[0], x[-1], 300)
    for values, colour, style, width, label in (
        (rise, BLUE, "-", 2.0, "profile, all others refitted"),
        (profile.chi2_data - profile.chi2_data[place], GREEN, ":", 1.3, "of which data"),
        (profile.chi2_prior - profile.chi2_prior[place], ORANGE, "--", 1.3, "of which priors"),
    ):
        smooth = PchipInterpolator(x, values)(fine) if len(x) > 1 else np.full(fine.size, values[0])
        ax.plot(fine, smooth, color=colour, ls=style, lw=width, label=label)
    ax.plot(x, rise, "o", color=BLUE, ms=4.5, zorder=3)
    doubtful = ~profile.converged
    if doubtful.any():
        ax.scatter(x[doubtful], rise[doubtful], marker="x", color=RED, s=40, zorder=4, label="not converged")
    ax.axhline(profile.threshold, color=RED, lw=1, ls="--")
    text = f"{profile.level:.0%}: {profile.threshold:.2f}"
    right_end: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
    ax.annotate(text, (0.995, profile.threshold), fontsize=8.5, color=RED, **right_end)
    for end in (profile.low, profile.high):
        if end == end:
            ax.axvline(end, color=GREY, lw=0.8)
    top = 1.6 * max(float(rise.max()), 0.3 * profile.threshold)
    low = min(float((part - part[place]).min()) for part in (profile.chi2_data, profile.chi2_prior))
    ax.set_ylim(max(low, -top) * 1.1 - 0.1, top)
    ax.set_xlabel(profile.name)
    ax.set_ylabel("χ² above the best")
    low_end = f"{profile.low:.3g}" if not profile.open_low else f"below {profile.searched[0]:.3g}"
    high_end = f"{profile.high:.3g}" if not profile.open_high else f"above {profile.searched[1]:.3g}"
    title = f"{profile.name} = {profile.best:.3g}, {profile.level:.0%} interval {low_end} to {high_end}"
    ax.set_title(title, fontsize=11, loc="left")
    ax.legend(frameon=False, fontsize=9, loc="upper center", ncols=2)
    return _saved(figure, path)


def _parabola(ax: Axes, profile: Profile) -> None:
    """What slope and curvature at the optimum would make of it, through their interval's ends."""
    low, high = profile.fisher
    if not (np.isfinite([low, high]).all() and low < profile.best < high):
        return
    positive = low > 0 and not np.isclose(low + high, 2 * profile.best, rtol=1e-9)
    to = np.log if positive else np.asarray
    x = np.linspace(min(low, profile.values[0]), max(high, profile.values[-1]), 200)
    half = (to(high) - to(low)) / 2
    rise = profile.threshold * ((to(x) - to(profile.best)) / half) ** 2
    ax.plot(x, rise, color=GREY, lw=1, alpha=0.8, label="curvature at the best alone", zorder=1)


def spectrum(found: Identifiability, path: str | Path) -> Path:
    """Eigenvalues of the Fisher information by direction, and how much of each parameter's prior is left."""
    directions = found.to_frame()
    n = len(directions)
    figure, (left, right) = _figure(15, max(4.0, 0.22 * n + 1.4), columns=2)
    place = np.arange(n)
    values = np.maximum(directions["eigenvalue"], 1e-8)
    colours = np.where(directions["held"], BLUE, ORANGE)
    left.hlines(place, 1, values, color=colours, lw=2.5)
    left.scatter(values, place, color=colours, s=22, zorder=3)
    left.axvline(1, color=GREY, lw=1)
    left.set_xscale("log")
    left.set_yticks(place, directions["direction"], fontsize=7)
    left.set_ylim(n - 0.4, -0.6)
    left.set_xlabel("eigenvalue (1: data say as much as priors)", fontsize=9)
    left.set_title(f"{found.held} of {n} directions held", fontsize=10.5, loc="left")
    _left_of_the_priors(right, found)
    rows = f"What {found.rows} rows tell of {n} parameters: {found.effective_parameters:.1f} effective"
    figure.suptitle(rows, fontsize=12.5, fontweight="bold")
    return _saved(figure, path)


def _left_of_the_priors(ax: Axes, found: Identifiability) -> None:
    shares = _by_share(found)
    place = np.arange(len(shares))
    unmoved = shares.index.isin(found.as_the_prior)
    ax.barh(place, shares, color=np.where(unmoved, ORANGE, BLUE), alpha=0.85, height=0.7)
    ax.axvline(0.9, color=GREY, lw=1, ls="--")
    ax.set_yticks(place, shares.index, fontsize=7)
    ax.set_xlim(0, 1.02)
    ax.set_ylim(len(shares) - 0.4, -0.6)
    ax.set_xlabel("posterior over prior sd", fontsize=9)
    ax.set_title(f"{int(unmoved.sum())} keep their prior", fontsize=10.5, loc="left")


def _by_share(found: Identifiability) -> pd.Series:
    import pandas as pd

    return pd.Series(found.posterior_sd).sort_values(kind="stable")


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, columns)).tolist()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _saved(figure: Figure, path: str | Path) -> Path:
    figure.savefig(path, dpi=130)
    return Path(path)
