"""Pictures of an upgraded device: its path in three planes, and what the price of its service leaves out."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jevons.plot import BLUE, GREEN, GREY, ORANGE, RED
from jevons.rebound.device import DeviceRebound, DeviceUpgrade, device_rebound
from jevons.rebound.device_cases import with_energy_share
from jevons.rebound.device_paths import DevicePath, consumption_path, energy_path, expenditure_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EFFECTS = {
    "emplacement": (("dempl", "emb", "cap", "omd"), BLUE, (0, ())),
    "substitution": (("isub", "dsub"), ORANGE, (0, (4, 1.5))),
    "income": (("dinc", "iinc"), GREEN, (0, (1.2, 1))),
    "macro": (("macro",), RED, (0, (6, 1.5, 1, 1.5))),
}
"""Which segments belong to which effect, their colour, and their dashes."""

MARKS = {"orig": ("1", 6, 6), "star": ("2", -11, 5), "hat": ("3", 5, -12), "bar": ("4", 7, -3), "tilde": ("5", 7, -3)}
"""Number of a stage, and where it stands beside its point, in points."""

SOURCE = "Framework: Heun, Semieniuk and Brockway 2025 (The Energy Journal), Parts I and II."


def plot_device(result: DeviceRebound, path: str | Path) -> Path:
    """The path of an upgrade in the planes of energy, expenditure and consumption."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(14.5, 6), layout="constrained")
    upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=(1, 0.13)), object)
    axes = upper.subplots(1, 3)
    total = result["tot"]
    upper.suptitle(f"Rebound of one {result.upgrade.name}: {total:.1%} in total", fontsize=14, fontweight="bold")
    paths = (energy_path(result), expenditure_path(result), consumption_path(result, points=2000))
    for ax, drawn, title in zip(axes, paths, ("Energy", "Expenditure", "Consumption"), strict=True):
        _draw(ax, drawn)
        ax.set_title(title, fontsize=11, pad=18)
    _name_energy_lines(axes[0], paths[0], total)
    handles = [Line2D([], [], color=c, ls=s, lw=2.4, label=f"{n} effect") for n, (_, c, s) in EFFECTS.items()]
    handles.append(Line2D([], [], color=GREY, lw=0.8, label="constant energy, spending or budget"))
    handles.append(Line2D([], [], color="black", lw=1, ls=":", label="indifference"))
    lower.legend(handles=handles, loc="upper center", ncols=6, frameon=False, fontsize=9, handlelength=4)
    note = (
        "Stages: 1 before, 2 after the emplacement effect, 3 substitution, 4 income, 5 macro. Dashed: ray of income. "
        f"Static: one device, no adoption, no supply side. {SOURCE}"
    )
    lower.text(0.5, 0.28, textwrap.fill(note, 190), fontsize=8, color=GREY, ha="center", va="center")
    figure.savefig(path, dpi=140)
    return Path(path)


def _draw(ax: Axes, drawn: DevicePath) -> None:
    """Segments, stages, lines and curves of a plane."""
    for names, colour, style in EFFECTS.values():
        for segment in (s for s in drawn.segments if s.name in names):
            x, y = zip(segment.start, segment.end, strict=True)
            ax.plot(x, y, color=colour, ls=style, lw=2.4, zorder=3)
    corners = np.array([p for s in drawn.segments for p in (s.start, s.end)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = np.array((0.22, 0.2)) * (high - low)
    left, bottom, right, top = (float(v) for v in (*(low - margin), *(high + margin)))
    span = np.linspace(left, right, 2)
    for line in drawn.lines:
        ax.plot(span, line.at(span), color=GREY, lw=0.8, ls="--" if line.name == "ray" else "-", zorder=1)
    for curve in drawn.curves:
        ax.plot(curve.x, curve.y, color="black", lw=1, ls=":", zorder=2)
    for name, point in drawn.points.items():
        number, right_by, up_by = MARKS[name]
        ax.scatter(*point, s=26, color="black", zorder=5)
        ax.annotate(number, point, textcoords="offset points", xytext=(right_by, up_by), fontweight="bold", zorder=6)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_xlabel(drawn.x_label)
    ax.set_ylabel(drawn.y_label)
    ax.ticklabel_format(useOffset=False, style="plain")
    ax.locator_params(nbins=6)
    ax.spines[["top", "right"]].set_visible(False)


def _name_energy_lines(ax: Axes, drawn: DevicePath, total: float) -> None:
    """Names of three lines of constant energy, where they leave the picture above."""
    (left, right), (_, top) = ax.get_xlim(), ax.get_ylim()
    labels = {
        "0 %": ("R = 0%", "right"),
        "tot": (f"R = {total:.1%}", "left"),
        "100 %": ("R = 100%", "left" if total <= 1 else "right"),
    }
    for line in (n for n in drawn.lines if n.name in labels):
        text, side = labels[line.name]
        x = (top - line.intercept) / line.slope
        if left < x < right:
            ax.annotate(
                text, (x, top), textcoords="offset points", xytext=(0, 3), fontsize=8, color=GREY, ha=side
            )  # fmt: skip


def plot_service_price(
    chip: DeviceUpgrade, cases: Sequence[tuple[str, DeviceUpgrade]], path: str | Path, marked: float = 0.09
) -> Path:
    """Direct rebound by the price of energy alone and by the full cost of service.

    Parameters
    ----------
    chip : DeviceUpgrade
        An upgrade that saves energy alone, for the left panel: direct rebound by energy's share of cost.
    cases : sequence
        Names and upgrades for the right panel, each drawn with both prices.
    marked : float
        Share of energy to mark beside that of the chip [1].
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    figure.suptitle("What an energy-only price of computing gets wrong", fontsize=14, fontweight="bold")
    shares = np.geomspace(0.02, 1, 60)
    by_share = {
        price: [device_rebound(with_energy_share(replace(chip, service_price=price), s))["dir"] for s in shares]
        for price in ("full", "energy")
    }
    left.plot(shares, by_share["energy"], color=ORANGE, lw=2.2, ls=(0, (4, 1.5)), label="price of energy alone")
    left.plot(shares, by_share["full"], color=BLUE, lw=2.2, label="full cost of service")
    left.plot(
        shares, -chip.price_elasticity * shares, color=GREY, lw=1.2, ls=":", label="small gain, full cost: η s_E"
    )  # fmt: skip
    for share, marker, text in (
        (chip.energy_share, "o", ", the inputs here"),
        (marked, "s", ", as in the world model, 2025-2030"),
    ):
        value = device_rebound(with_energy_share(replace(chip, service_price="full"), share))["dir"]
        left.scatter(share, value, s=44, marker=marker, color=BLUE, zorder=4, label=f"s_E = {share:.2g}{text}")
    left.set_xscale("log")
    left.set_xticks((0.02, 0.05, 0.1, 0.2, 0.5, 1), ("0.02", "0.05", "0.1", "0.2", "0.5", "1"))
    left.minorticks_off()
    left.set_xlabel("share of energy in the cost of service, s_E [1]")
    left.set_ylabel("direct rebound [1]")
    left.set_title("Twice the FLOP per joule, same price per FLOP", fontsize=11, loc="left")
    left.legend(frameon=False, fontsize=8.5, loc="center left")
    place = np.arange(len(cases))
    for offset, price, colour, hatch, label in (
        (-0.19, "energy", ORANGE, "///", "price of energy alone"),
        (0.19, "full", BLUE, "", "full cost of service"),
    ):
        values = [device_rebound(replace(u, service_price=price))["dir"] for _, u in cases]
        right.bar(place + offset, values, 0.36, color=colour, hatch=hatch, edgecolor="white", label=label)
        for x, value in zip(place + offset, values, strict=True):
            right.annotate(
                f"{value:.3f}", (x, value), textcoords="offset points", xytext=(0, 3), ha="center", fontsize=9
            )
    right.set_xticks(place, [textwrap.fill(name, 18) for name, _ in cases])
    right.set_ylabel("direct rebound [1]")
    right.set_ylim(0, 1.1)
    right.set_title("Three gains of a server", fontsize=11, loc="left")
    right.legend(frameon=False, fontsize=8.5, loc="upper left", ncols=2)
    for ax in (left, right):
        ax.axhline(0, color=GREY, lw=0.8)
        ax.spines[["top", "right"]].set_visible(False)
    note = (
        f"Price elasticity {chip.price_elasticity:g} (assumed). Static: one device, no adoption, no supply side. "
        f"Inputs and their sources: jevons.rebound.device_cases. {SOURCE}"
    )
    figure.supxlabel(textwrap.fill(note, 165), fontsize=8, color=GREY)
    figure.savefig(path, dpi=140)
    return Path(path)
