"""Picture of claims against what a model says: one row a claim, both as multiples of the model's median."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jevons.claims.judgement import INSIDE, NOT_TESTABLE, OUTSIDE, Verdict
from jevons.claims.text import claimed, interval
from jevons.errors import JevonsError
from jevons.plot import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDEST = 20.0
"""Multiples of the median beyond which a claim is drawn at the edge."""


def drawable(verdict: Verdict) -> bool:
    """Whether a claim has an interval over draws, all of it above 0, so that it has a place on a scale of ratios."""
    computed = verdict.verdict != NOT_TESTABLE and verdict.claim.statistic.kind != "arithmetic"
    return computed and verdict.low > 0 and (verdict.claim.high > 0 or verdict.claim.low > 0)


def plot_claims(verdicts: Sequence[Verdict], path: str | Path) -> Path:
    """Forest plot of the claims that are compared with draws: those outside first.

    Raises
    ------
    JevonsError
        If none of them can be drawn.
    """
    from matplotlib.figure import Figure

    shown = [v for group in (OUTSIDE, INSIDE) for v in verdicts if v.verdict == group and drawable(v)]
    if not shown:
        raise JevonsError("no claim has an interval over draws above 0, so there is nothing to draw")
    left_out = sum(v.verdict != NOT_TESTABLE for v in verdicts) - len(shown)
    figure = Figure(figsize=(13, 0.27 * len(shown) + 2.0), layout="constrained")
    ax = figure.subplots()
    figure.suptitle("Claims of early 2025 against the model's 90 % interval", fontsize=14, fontweight="bold")
    for place, verdict in enumerate(shown):
        _row(ax, place, verdict)
    ax.axvline(1, color=GREY, lw=0.8, zorder=0)
    ax.set_xscale("log")
    ax.set_xlim(1 / WIDEST / 1.25, WIDEST * 1.25)
    ticks = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_ylim(len(shown) - 0.4, -0.6)
    labels = [f"{v.claim.number}  {textwrap.shorten(v.claim.words, 110, placeholder=' …')}" for v in shown]
    ax.set_yticks(range(len(shown)), labels, fontsize=7.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("multiple of the model's median, logarithmic scale")
    ax.spines[["top", "right", "left"]].set_visible(False)
    numbers = ax.secondary_yaxis("right")
    numbers.set_yticks(range(len(shown)), [f"{interval(v)};  claimed {claimed(v)}" for v in shown], fontsize=7.5)
    numbers.tick_params(length=0)
    numbers.spines["right"].set_visible(False)
    outside = sum(v.verdict == OUTSIDE for v in shown)
    if 0 < outside < len(shown):
        ax.axhline(outside - 0.5, color="black", lw=0.8, ls=":")
    _legend(ax)
    note = (
        f"Above the dotted line: outside. Arrows: open-ended claims; claims beyond {WIDEST:g} times the median stand "
        f"at the edge. {left_out} testable claims that are arithmetic, or can be 0 or below, are not drawn. Source: "
        "jevons, posterior of the shipped fits; claims and their sources in docs/claims.md."
    )
    figure.supxlabel(textwrap.fill(note, 170), fontsize=8, color=GREY)
    figure.savefig(path, dpi=110)
    return Path(path)


def _row(ax: Axes, place: int, verdict: Verdict) -> None:
    """The model's interval, and what is claimed, half a row below it."""
    scale, below = verdict.median, place + 0.22
    model = (verdict.low / scale, verdict.high / scale)
    ax.plot(model, (place - 0.12, place - 0.12), color=BLUE, lw=5, solid_capstyle="butt")
    ax.plot([1], [place - 0.12], marker="|", color="black", ms=8, mew=1.2)
    open_below = not verdict.claim.low > 0
    open_above = math.isinf(verdict.claim.high)
    ends = [x / scale for x in (verdict.claim.low, verdict.claim.high) if 0 < x < math.inf]
    ends = [min(max(x, 1 / WIDEST), WIDEST) for x in ends]
    filled = verdict.verdict == OUTSIDE
    ax.plot(ends, [below] * len(ends), color=ORANGE, lw=1.5, marker="D", ms=4.5, mec="black", mew=0.6,
            mfc="black" if filled else "white")  # fmt: skip
    for is_open, end, reach in ((open_below, ends[0], 1 / 1.35), (open_above, ends[-1], 1.35)):
        if is_open:
            ax.annotate(
                "", (end * reach, below), (end, below), arrowprops={"arrowstyle": "->", "color": ORANGE, "lw": 1.5},
                zorder=1,
            )  # fmt: skip


def _legend(ax: Axes) -> None:
    from matplotlib.lines import Line2D

    style: Any = {"color": ORANGE, "lw": 1.5, "marker": "D", "ms": 4.5, "mec": "black", "mew": 0.6}
    handles = [
        Line2D([], [], color=BLUE, lw=5, label="model: 90 % interval, median"),
        Line2D([], [], **style, mfc="black", label="claimed: outside"),
        Line2D([], [], **style, mfc="white", label="claimed: inside"),
    ]
    ax.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize=8.5)
