"""Picture of a run with fixed steps against the converged one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jevons.plot import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from jevons.diagnostics.step_adequacy import StepAdequacy

_MOST = 4
_LONGEST = 46


def worst(adequacy: StepAdequacy, path: str | Path) -> Path:
    """The stocks, then other variables, that differ most: one panel each, the date of the largest difference marked.

    Parameters
    ----------
    adequacy : StepAdequacy
    path : path
        File to write, ``.png`` or ``.svg``.
    """
    from matplotlib.figure import Figure

    run, converged = adequacy.runs
    finite = [d for d in adequacy.deviations if np.isfinite(converged[d.name]).all()]
    shown = sorted(finite, key=lambda d: (d.name not in adequacy.stocks, -d.relative))[:_MOST]
    columns = 2 if len(shown) > 1 else 1
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(5.6 * columns, 2.9 * rows + 0.9), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    unit = adequacy.time_unit
    stepped = f"{adequacy.method}, step {adequacy.dt:g} {unit}"
    for ax, deviation in zip(axes, shown, strict=False):
        x, y = converged[deviation.name], run[deviation.name]
        ax.plot(x.index, x.to_numpy(), color=GREY, lw=3.2, alpha=0.75, solid_capstyle="butt", label="converged")
        ax.plot(y.index, y.to_numpy(), color=BLUE, lw=1.3, ls="--", label=stepped)
        if np.isfinite(deviation.run):
            ax.vlines(deviation.time, *sorted((deviation.run, deviation.converged)), color=ORANGE, lw=2)
            ax.plot(deviation.time, deviation.run, "o", ms=4.5, color=ORANGE, label="largest difference")
        ax.set_title(f"{_plain(deviation.name)}: {deviation.percent} at {deviation.time:g}", fontsize=10, loc="left")
        ax.set_ylabel(_plain(converged.units[deviation.name]) or "unit not given", fontsize=9)
        ax.set_xlabel(_plain(unit), fontsize=9)
        ax.tick_params(labelsize=8.5)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    if shown:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(f"{_plain(adequacy.model)}: furthest from {_plain(adequacy.reference)}", fontsize=11)
    path = Path(path)
    figure.savefig(path, dpi=130)
    return path


def _plain(text: str) -> str:
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return text.replace("$", r"\$")
