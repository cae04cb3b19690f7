"""Pictures and files of loop dominance: the shares of feedback loops over time, above what the model does."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError
from jevons.loop_scores.scores import LoopScores, loop_scores
from jevons.loops import BALANCING, REINFORCING, Loop
from jevons.plot import BLUE, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jevons.model import Model
    from jevons.trajectory import Trajectory

Floats = NDArray[np.float64]

METHOD = "Method: Schoenberg, Davidsen and Eberlein 2020; flows after Schoenberg, Hayward and Eberlein 2023."
MOST_MARKS = 8
"""Changes of dominance up to which each is marked."""
_KEY_WIDTH = 150
_FEW_NAMES = 6
_WHOLE = 5  # units of time from which the axis has whole ones
_THIN = 0.06  # share below which a label does not fit
_R_COLOURS = ("#0b3c6f", "#2f74b5", "#6aa5d8", "#a3c8e8", "#cfe2f3")
_B_COLOURS = ("#8a4500", "#d9781e", "#eda45c", "#f5c896", "#fae3c8")
_OTHER = "#b5b5b5"


@dataclass(frozen=True)
class _Area:
    """One pair of areas: above zero what reinforces, below what balances."""

    label: str
    above: Floats
    below: Floats
    colours: tuple[str, str]
    said: str

    @property
    def mean(self) -> float:
        return float(np.nan_to_num(self.above - self.below).mean())


def dominance(
    scores: LoopScores,
    run: Trajectory,
    variable: str,
    path: str | Path,
    *,
    partition: int = 0,
    most: int = 6,
    groups: Mapping[str, Iterable[str]] | None = None,
    title: str | None = None,
) -> Path:
    """Shares of loops over time, stacked, reinforcing above zero and balancing below, over a variable of the run.

    Parameters
    ----------
    most : int
        Loops, or groups, that have areas of their own; the others are drawn as one.
    groups : mapping, optional
        Draw loops together that run through the same groups of names (`LoopScores.grouped`), such as ``model.sectors``.
    title : str, optional
        Which side dominates when, by default.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if most < 1:
        raise JevonsError(f"most {most}, expected 1 or more")
    column = run[variable]
    areas = _groups(scores, partition, most, groups) if groups else _loops(scores, partition, most)
    if not areas:
        span = f"{scores.times[0]:g} to {scores.times[-1]:g}"
        raise JevonsError(f"no loop of model {scores.model!r} acts from {span}: nothing to draw")
    key = [line for area in areas for line in _wrapped(area)]
    note = _note(scores, partition, run.time_unit)
    figure = Figure(figsize=(11.5, 6.6 + 0.2 * len(key)), layout="constrained")
    top, bottom, text = figure.subplots(3, 1, height_ratios=(4.2, 1.9, 0.2 * len(key)))
    figure.suptitle(title or _title(scores, partition, run.time_unit), fontsize=13, fontweight="bold")
    _stack(top, scores.times, areas)
    shifts = scores.shifts(partition)
    dates = shifts.loc[shifts["what"] == "polarity", "time"].to_list()
    bottom.plot(column.index, column.to_numpy(), color=BLUE, lw=2)
    bottom.set_ylabel(f"{variable.replace('_', ' ')}\n[{run.units[variable]}]", parse_math=False)
    bottom.set_xlabel(run.time_unit)
    if column.min() >= 0:
        bottom.set_ylim(bottom=0)
    for ax in (top, bottom):
        ax.set_xlim(scores.times[0], scores.times[-1])
        ax.spines[["top", "right"]].set_visible(False)
        for date in dates if len(dates) <= MOST_MARKS else []:
            ax.axvline(date, color="black", lw=0.9, ls=":")
        if scores.times[-1] - scores.times[0] > _WHOLE:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    top.tick_params(labelbottom=False)
    text.set_axis_off()
    for row, line in enumerate(key):
        text.text(
            0, 1 - row / len(key), line, transform=text.transAxes, fontsize=8, va="top", family="monospace",
            parse_math=False,
        )  # fmt: skip
    figure.supxlabel(textwrap.fill(note, 165), fontsize=8, color=GREY)
    figure.savefig(path, dpi=130)
    return Path(path)


def write_loops(
    model: Model,
    start: float,
    end: float,
    folder: str | Path,
    *,
    variable: str | None = None,
    every: float = 0.125,
    parts: bool = False,
    most: int = 20,
    progress: bool | None = None,
) -> list[Path]:
    """Run a model, score its loops, and write tables and a figure.

    Files: ``loops.csv`` (every loop, strongest first), ``loop_scores.csv`` (the `most` strongest of each partition
    over time), ``dominant_loops.csv`` and ``loop_shifts.csv`` (by partition), ``loops.png`` (the largest partition;
    loops are drawn by the sectors they run through where the strongest six explain less than half). No figure where
    no loop acts.

    Parameters
    ----------
    variable : str, optional
        What the lower panel shows: energy use if the model has roles, else the first stock of the loops drawn.
    every : float
        Distance of the dates, in the model's unit of time.

    Returns
    -------
    list of Path
    """
    run = model.run(start, end, every=every)
    if variable is not None:
        model.require([variable], run.names)
    scores = loop_scores(model, run, parts=parts, progress=progress)
    return write_scores(model, run, scores, folder, variable=variable, most=most)


def write_scores(
    model: Model,
    run: Trajectory,
    scores: LoopScores,
    folder: str | Path,
    *,
    variable: str | None = None,
    most: int = 20,
) -> list[Path]:
    """Write the scores of a run's loops; files and parameters are those of `write_loops`."""
    import pandas as pd

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"loops.csv": scores.loops}
    partitions = range(len(scores.coverage))
    for file, made in (("dominant_loops.csv", scores.dominant), ("loop_shifts.csv", scores.shifts)):
        found = [made(p).assign(partition=p) for p in partitions]
        tables[file] = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    written = [scores.to_csv(folder / "loop_scores.csv", most)]
    for file, table in tables.items():
        table.to_csv(folder / file, index=False, lineterminator="\n")
        written.append(folder / file)
    figure = folder / "loops.png"
    figure.unlink(missing_ok=True)
    if scores.paths:
        told = (*(n for n in scores.stocks() if n in run.names), *run.names)  # hidden stocks are not in the run
        shown = variable or (model.roles.energy if model.roles else told[0])
        few = sum(area.mean for area in _loops(scores, 0, 6) if area.colours != (_OTHER, _OTHER))
        groups = model.sectors if few < 0.5 and len(model.sectors) > 1 else None
        written.append(dominance(scores, run, shown, figure, groups=groups))
    return written


def _loops(scores: LoopScores, partition: int, most: int) -> list[_Area]:
    own = [i for i in np.flatnonzero(scores.partition == partition) if np.nan_to_num(scores.relative[i]).any()]
    areas: list[_Area] = []
    used = [0, 0]
    for i in own[:most]:
        relative = scores.relative[i]
        side = int(-relative.clip(None, 0).sum() > relative.clip(0).sum())
        shades = (_R_COLOURS, _B_COLOURS)[side]
        colour = shades[min(used[side], len(shades) - 1)]
        used[side] += 1
        said = _path(scores.paths[i], scores)
        areas.append(_Area(scores.labels[i], relative.clip(0), relative.clip(None, 0), (colour, colour), said))
    return areas + _others([scores.relative[i] for i in own[most:]], "loops")


def _groups(scores: LoopScores, partition: int, most: int, groups: Mapping[str, Iterable[str]]) -> list[_Area]:
    import matplotlib

    table = scores.grouped(groups, partition)
    names = [str(name) for name in table["group"].unique()]
    shown = names[:most]
    colours = matplotlib.colormaps["cividis"](np.linspace(0.05, 0.98, len(shown)))
    areas, rest = [], []
    for k, name in enumerate(names):
        rows = table[table["group"] == name]
        above, below = rows[REINFORCING].to_numpy(), rows[BALANCING].to_numpy()
        count = int(rows["loops"].iloc[0])
        if k < most:
            colour = matplotlib.colors.to_hex(colours[k])
            said = f"{name} ({count} loop{'s' * (count > 1)})"
            areas.append(_Area(str(k + 1), above, below, (colour, colour), said))
        else:
            rest += [above, below]
    return areas + _others(rest, "groups")


def _others(relative: Sequence[Floats], what: str) -> list[_Area]:
    if not relative:
        return []
    above = np.sum([r.clip(0) for r in relative], axis=0)
    below = np.sum([r.clip(None, 0) for r in relative], axis=0)
    return [_Area("other", above, below, (_OTHER, _OTHER), f"all other {what}")]


def _path(loop: Loop, scores: LoopScores) -> str:
    """The loop in words: all its names if they are few, else its stocks."""
    names: Sequence[str] = loop.path
    if len(names) <= _FEW_NAMES:
        return " → ".join([*names, names[0]]).replace("_", " ")
    stocks = set(scores.link_scores.names[: scores.link_scores.stocks])
    kept = [n for n in names if n in stocks]
    return f"{' → '.join([*kept, kept[0]])} (stocks; {len(names)} names)".replace("_", " ")


def _wrapped(area: _Area) -> list[str]:
    first = f"{area.label:>5}  {area.mean:4.0%}  "
    return textwrap.wrap(area.said, _KEY_WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _stack(ax: Axes, times: Floats, areas: Sequence[_Area]) -> None:
    from matplotlib.patheffects import withStroke

    for side in (0, 1):
        edge = np.zeros(times.size)
        for area in areas:
            size = np.nan_to_num((area.above, area.below)[side])
            colour = area.colours[side]
            hatch = "////" if area.label == "other" else None
            ax.fill_between(times, edge, edge + size, facecolor=colour, edgecolor="white", lw=0.6, hatch=hatch)
            widest = _widest(np.abs(size))
            if widest is not None:
                middle = float((edge + size / 2)[widest])
                label = ax.text(
                    float(times[widest]), middle, area.label, ha="center", va="center", fontsize=9, zorder=5
                )
                label.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
            edge = edge + size
    ax.axhline(0, color="black", lw=1.2)
    for level in (-0.5, 0.5):
        ax.axhline(level, color="black", lw=0.9, ls="--")
    ax.set_ylim(-1, 1)
    ax.set_yticks([-1, -0.5, 0, 0.5, 1], ["100 %", "50 %", "0", "50 %", "100 %"])
    ax.set_ylabel("share of behaviour (relative loop score)\nbalancing  |  reinforcing")


def _widest(size: Floats) -> int | None:
    """Place of the label: where the area is thickest over a stretch of time; None if it is thin everywhere."""
    if size.size == 0:
        return None
    reach = max(1, size.size // 60)
    inner = np.array([size[max(0, k - reach) : k + reach + 1].min() for k in range(size.size)])
    thin = inner < _THIN
    margin = size.size // 25
    thin[:margin] = thin[size.size - margin :] = True
    middle = np.sin(np.linspace(0, np.pi, size.size))  # of places as thick, the one nearest to the middle
    return None if thin.all() else int(np.where(thin, -1.0, inner * (3 + middle)).argmax())


def _title(scores: LoopScores, partition: int, time_unit: str) -> str:
    shifts = scores.shifts(partition)
    changes = shifts[shifts["what"] == "polarity"]
    name = scores.model.replace("_", " ")
    sides = [side for side in scores.dominant(partition)["polarity"] if side]
    if len(changes) == 0 and sides:
        return f"{name}: {sides[0]} loops dominate throughout"
    if len(changes) == 1:
        row = changes.iloc[0]
        return f"{name}: {row['before']} loops dominate until {row['time']:.6g} {time_unit}, {row['after']} after"
    return f"Which loops make the model {name!r} behave as it does: dominance changes sides {len(changes)} times"


def _note(scores: LoopScores, partition: int, time_unit: str) -> str:
    count = int((scores.partition == partition).sum())
    known = f"all {count} loops" if scores.complete else f"the {count} loops found, not all there are,"
    span = f"{scores.times[0]:g} to {scores.times[-1]:g} {time_unit}"
    return (
        f"Model {scores.model!r}, one run, {span}; {known} of {'its largest' if partition == 0 else 'a'} set of stocks "
        "that feed back on each other. Percentages in the key: mean over the dates. A side dominates where it passes "
        f"the dashed line. {METHOD}"
    )
