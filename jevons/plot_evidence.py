"""Picture of what natural experiments say of the elasticity and its satiation."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.inference.evidence import EVIDENCE, SATIATION, EvidencePosterior

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"none": "#777777", "price cuts": "#1f5fa8", "free to paid": "#d9781e", "both": "#2b8a57"}
LABELS = {
    "satiation": "Box-Cox exponent: rate at which it sinks with the price",
    "nonmoney_cost_share": "cost besides money over the price",
    "elasticity_width": "width of the hump in ln price",
}
NAMES = {"power": "power of the price", "full_price": "full price", "hump": "hump"}

Floats = NDArray[np.float64]


def plot_evidence(posteriors: Mapping[str, Sequence[EvidencePosterior]], path: str | Path) -> Path:
    """Prior and posterior of elasticity and satiation, with each experiment alone and with both.

    Parameters
    ----------
    posteriors : mapping
        For each entry of `evidence.EVIDENCE` the posteriors of one stance, one a shape; rows of the picture are
        the shapes in the order given.
    path : str or Path
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    shapes = [p.shape for p in posteriors["none"]]
    figure = Figure(figsize=(11, 2.75 * len(shapes) + 1.3), layout="constrained")
    axes = figure.subplots(len(shapes), 2, squeeze=False)
    stance = posteriors["none"][0].stance
    figure.suptitle(f"What price experiments say of the elasticity of AI service: stance {stance}", fontweight="bold")
    for row, shape in enumerate(shapes):
        left, right = axes[row]
        for evidence in (e for e in EVIDENCE if e in posteriors):
            posterior = posteriors[evidence][row]
            _curve(left, posterior, "total_elasticity", evidence)
            _curve(right, posterior, SATIATION[shape], evidence)
        left.axvline(1, ymax=0.75, color="#b3282d", lw=1, ls="--")
        left.set_xlim(0.15, 7)
        left.set_xticks((0.25, 0.5, 1, 2, 4), ("0.25", "0.5", "1", "2", "4"))
        left.set_xlabel("total price elasticity at the reference price (2025)")
        left.set_ylabel(NAMES[shape], fontweight="bold", fontsize=11)
        right.set_xlabel(LABELS[SATIATION[shape]])
        right.xaxis.set_major_locator(LogLocator(subs=(1.0,) if shape != "hump" else (1.0, 2.0, 5.0)))
        right.xaxis.set_major_formatter("{x:g}")
        for ax in (left, right):
            ax.set_yticks([])
            ax.minorticks_off()
            ax.set_ylim(0, 1.35 * ax.get_ylim()[1])
            ax.spines[["top", "right", "left"]].set_visible(False)
            ax.legend(frameon=False, fontsize=7.5, loc="upper left", ncols=2)
    note = (
        "Densities over the logarithm; numbers are medians and 90 % bands. Dotted: the weights of the draws are not "
        "reliable (Pareto k above 0.7). The prior of the satiation is before any experiment."
    )
    figure.supxlabel(textwrap.fill(note, 150), fontsize=8, color="#777777")
    figure.savefig(path, dpi=140)
    return Path(path)


def _curve(ax: Axes, posterior: EvidencePosterior, name: str, evidence: str) -> None:
    """Density of the logarithm, smoothed by a normal kernel of the rule of Silverman."""
    values = np.log(posterior.parameters[name])
    importance = posterior.importance
    weights = importance.weights
    mean = weights @ values
    width = 1.06 * np.sqrt(weights @ (values - mean) ** 2) * importance.ess**-0.2
    grid = np.linspace(values.min(), values.max(), 240)
    density: Floats = np.exp(-(((grid[:, None] - values) / width) ** 2) / 2) @ weights / width
    median, low, high = importance.quantiles(posterior.parameters[name])
    label = f"{'prior' if evidence == 'none' else evidence}: {median:.2g} ({low:.2g} to {high:.2g})"
    style = "-" if importance.reliable else ":"
    ax.semilogx(np.exp(grid), density, color=COLOURS[evidence], ls=style, lw=1.8, label=label)
    if evidence == "none":
        ax.fill_between(np.exp(grid), density, color=COLOURS[evidence], alpha=0.15, lw=0)
