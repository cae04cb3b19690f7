"""Pictures and tables of what carries the rebound, and of what drove history."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jevons.plot import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from jevons.history_decomposition import HistoryDecomposition
    from jevons.model import Model
    from jevons.rebound.attribution import Attribution
    from jevons.scenario import Scenario

SMALLEST_SHARE = 0.01
"""Factors below this share of the largest contribution, in every period, are drawn as one."""

HATCH = "////"
"""Marks what lowers energy use, so that it can be told without colour."""


def loops(attribution: Attribution, path: str | Path) -> Path:
    """Rebound as a sum over loops at each horizon: bars that begin where the one above ends, and the total."""
    from matplotlib.figure import Figure

    names = [loop.name for loop in attribution.loops]
    count = len(attribution.horizons)
    figure = Figure(figsize=(3.1 * count + 2.6, 0.38 * len(names) + 2.9), layout="constrained")
    axes = figure.subplots(1, count, sharey=True, sharex=True, squeeze=False)[0]
    figure.suptitle(
        f"Which loop carries the rebound of {attribution.scenario.name!r}", fontsize=14, fontweight="bold"
    )  # fmt: skip
    for ax, horizon, total in zip(axes, attribution.horizons, attribution.rebound, strict=True):
        part = attribution.table[attribution.table["horizon_years"] == horizon]
        _waterfall(ax, part["shapley"].to_numpy(), float(total), "{:+.2f}")
        ax.set_title(f"after {horizon:g} yr: R = {total:.2f}", fontsize=11)
        ax.set_xlabel("rebound R [share of the saving]", fontsize=9)
        ax.axvline(1, color=GREY, lw=1, ls="--", zorder=0)
    ends = [np.cumsum(part["shapley"]) for _, part in attribution.table.groupby("horizon_years")]
    _limits(axes[0], [1.0, *attribution.rebound, *np.concatenate(ends)])
    axes[0].set_yticks(range(len(names) + 1), [*names, "R"])
    axes[0].invert_yaxis()
    note = (
        "Exact Shapley values over all coalitions of loops, at one parameter set: a loop's mean contribution over all "
        "orders in which loops can be switched on. Hatched: lowers energy use. Dashed: R = 1, "
        "nothing is saved. Source: own model runs. "
        f"{attribution.counterfactual[0].upper()}{attribution.counterfactual[1:]}."
    )
    _finish(figure, note, 45 * count, path)
    return Path(path)


def history(decomposition: HistoryDecomposition, path: str | Path) -> Path:
    """Contributions to the change of energy use, one panel a period, one bar a factor."""
    from matplotlib.figure import Figure

    table, totals = _with_others(decomposition.table), decomposition.totals
    rows = table[["sector", "factor"]].drop_duplicates()
    figure = Figure(figsize=(5.4 * len(totals) + 2.4, 0.3 * len(rows) + 2.4), layout="constrained")
    axes = figure.subplots(1, len(totals), sharey=True, sharex=True, squeeze=False)[0]
    figure.suptitle("What drove the electricity of data centres", fontsize=14, fontweight="bold")
    for ax, total in zip(axes, totals.to_dict("records"), strict=True):
        part = table[(table["start"] == total["start"]) & (table["end"] == total["end"])]
        values = part["contribution"].to_numpy()
        _bars(ax, np.zeros_like(values), values, "{:+.0f}")
        ax.set_title(
            f"{total['start']:g} to {total['end']:g}: {total['before']:.0f} to {total['after']:.0f} "
            f"{total['unit']} ({total['change']:+.0f})", fontsize=11,
        )  # fmt: skip
        ax.set_xlabel(f"contribution to the change [{total['unit']}]", fontsize=9)
        for place in np.flatnonzero(part["sector"].ne(part["sector"].shift()).to_numpy())[1:]:
            ax.axhline(float(place) - 0.5, color=GREY, lw=0.6)
    _limits(axes[0], table["contribution"])
    axes[0].set_yticks(range(len(rows)), [f"{r.sector}: {r.factor}" for r in rows.itertuples()], fontsize=8.5)
    axes[0].invert_yaxis()
    note = (
        "Logarithmic mean Divisia index (LMDI-I): the bars of a panel add up to the change. Rates at both dates; "
        f"one parameter set. Factors below {SMALLEST_SHARE:.0%} of the largest are added up. Hatched: lowers use. "
        "Source: own model runs."
    )
    _finish(figure, note, 70 * len(totals), path)
    return Path(path)


def _with_others(table: pd.DataFrame) -> pd.DataFrame:
    """The contributions, those that are small in every period added up at the end."""
    import pandas as pd

    size = table["contribution"].abs()
    largest = size.groupby([table["sector"], table["factor"]]).transform("max")
    small = largest < SMALLEST_SHARE * size.max()
    rest = table[small].groupby(["start", "end"], sort=False, as_index=False)["contribution"].sum()
    return pd.concat([table[~small], rest.assign(sector="all", factor="other factors")], ignore_index=True)


def _limits(ax: Axes, values: Iterable[float]) -> None:
    """Room for all bars and the numbers beside them."""
    given = [0.0, *values]
    low, high = min(given), max(given)
    ax.set_xlim(low - 0.05 * (high - low) * (low < 0), high + 0.2 * (high - low))


def _finish(figure: object, note: str, width: int, path: str | Path) -> None:
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    figure.supxlabel(textwrap.fill(note, width), fontsize=8, color=GREY)
    figure.savefig(path, dpi=140)


def _waterfall(ax: Axes, parts: np.ndarray, total: float, style: str) -> None:
    ends = np.cumsum(parts)
    _bars(ax, ends - parts, parts, style)
    ax.barh(len(parts), total, color=GREY, edgecolor="black", lw=0.6, height=0.7)
    for place, end in enumerate(ends):
        ax.plot([end, end], [place - 0.35, place + 1.35], color="black", lw=0.6)


def _bars(ax: Axes, left: np.ndarray, width: np.ndarray, style: str) -> None:
    """Horizontal bars from top to bottom, blue where they add and hatched orange where they take away."""
    places = np.arange(len(width))
    for chosen, colour, hatch in ((width >= 0, BLUE, ""), (width < 0, ORANGE, HATCH)):
        ax.barh(places[chosen], width[chosen], left=left[chosen], color=colour, hatch=hatch, edgecolor="black",
                lw=0.6, height=0.7)  # fmt: skip
    for place, start, x in zip(places, left, width, strict=True):
        text = style.format(x)
        text = style.format(0.0).replace("+", "") if float(text) == 0 else text.replace("-", "−")
        ax.annotate(text, (max(start, start + x), place), xytext=(4, 0), textcoords="offset points", va="center",
                    fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
    ax.axvline(0, color="black", lw=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)


def write_attribution(
    model: Model,
    folder: str | Path,
    scenario: Scenario | str = "deepseek",
    *,
    params: Mapping[str, float] | None = None,
    threads: int = 2,
) -> list[Path]:
    """Attribute rebound and history of a world model; write tables and pictures into a folder.

    Writes ``attribution_loops.csv`` (see `jevons.rebound.attribution.Attribution.table`),
    ``attribution_interactions.csv`` (pairs of loops), ``attribution_history.csv`` (see
    `jevons.history_decomposition.HistoryDecomposition.table`), ``attribution_loops.png`` and
    ``attribution_history.png``.

    Returns
    -------
    list of Path
        What was written.
    """
    from jevons.history_decomposition import decompose_history
    from jevons.rebound.attribution import attribute

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    attribution = attribute(model, scenario, params=params, threads=threads)
    decomposition = decompose_history(model, params=params)
    pairs = folder / "attribution_interactions.csv"
    interaction_table(attribution).to_csv(pairs, index=False, float_format="%.6g", lineterminator="\n")
    return [
        attribution.to_csv(folder / "attribution_loops.csv"),
        pairs,
        decomposition.to_csv(folder / "attribution_history.csv"),
        loops(attribution, folder / "attribution_loops.png"),
        history(decomposition, folder / "attribution_history.png"),
    ]


def interaction_table(attribution: Attribution) -> pd.DataFrame:
    """Every pair of loops once at each horizon: loop, other, horizon_years, interaction (in units of R)."""
    import pandas as pd

    names = [loop.name for loop in attribution.loops]
    rows = []
    for horizon in attribution.horizons:
        found = attribution.interactions(horizon).to_numpy()
        rows += [
            {"loop": a, "other": b, "horizon_years": horizon, "interaction": float(found[i, j])}
            for i, a in enumerate(names) for j, b in enumerate(names) if i < j
        ]  # fmt: skip
    return pd.DataFrame(rows)
