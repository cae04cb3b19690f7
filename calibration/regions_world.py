"""Regions, emissions, water, and the United States beside the world: tables and the figure of docs/laboratory.md.

Usage: python calibration/regions_world.py [FOLDER [IMAGE]]   (a minute, and one more for compiling the first time)

FOLDER is calibration/fits/regions beside this file by default. Written are totals.csv (calendar years),
states.csv (1 January) and, with IMAGE, a PNG.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import jevons as jv
from jevons.experiments.plan import read_plan
from jevons.experiments.run import draws_of
from jevons.plot import BLUE, GREEN, GREY, ORANGE, RED
from jevons.simulation import run_samples

Floats = NDArray[np.float64]
HERE = Path(__file__).parent
DRAWS = 300
YEARS = np.arange(2010.0, 2037.0)
REGIONS = {"us": "United States", "cn": "China", "rw": "rest of the world"}
TOTALS = {
    "electricity": ("cumulative_dc_electricity", "TWh/yr"),
    "emissions": ("cumulative_dc_emissions", "Mt/yr"),
    "emissions_consequential": ("cumulative_dc_emissions_consequential", "Mt/yr"),
    "water": ("cumulative_dc_water", "GL/yr"),
}
STATES = {
    **{f"electricity_{r}": (f"dc_electricity_{r}", "TWh/yr") for r in REGIONS},
    **{f"carbon_intensity_{r}": (f"carbon_intensity_{r}", "t/MWh") for r in REGIONS},
    **{f"emissions_consequential_{r}": (f"dc_emissions_consequential_{r}", "Mt/yr") for r in REGIONS},
    "direct_water": ("direct_water", "GL/yr"),
    "indirect_water": ("indirect_water", "GL/yr"),
}
LBNL_2028 = (325.0, 580.0)


def paths(name: str, fit: str) -> dict[str, Floats]:
    """Paths of every draw, shape (draws, years), by variable of the model."""
    model, plan = jv.load(name), read_plan("laboratory")
    samples = draws_of(plan, model, jv.shipped_fit("world", fit), DRAWS)
    outputs = [source for source, _ in (*TOTALS.values(), *STATES.values())]
    members = run_samples(jv.Simulation(model, YEARS, outputs), samples, 2)
    if members.failed.size:
        raise RuntimeError(f"{members.failed.size} of {DRAWS} draws did not run")
    return {output: members.values[:, :, k] for k, output in enumerate(outputs)}


def table(place: str, found: Mapping[str, Floats], kind: str) -> list[dict[str, object]]:
    """Median and 90 % band of each year."""
    rows = []
    for name, (source, unit) in (TOTALS if kind == "total" else STATES).items():
        values = np.diff(found[source], axis=1) if kind == "total" else found[source][:, :-1]
        for k, year in enumerate(YEARS[:-1]):
            median, low, high = np.quantile(values[:, k], (0.5, 0.05, 0.95))
            rows.append({"place": place, "quantity": name, "year": int(year), "unit": unit,
                         "median": median, "p05": low, "p95": high})  # fmt: skip
    return rows


def draw(totals: pd.DataFrame, states: pd.DataFrame, path: Path) -> None:
    """Four panels: who uses, with what carbon, what is emitted, and the United States beside their source."""
    from matplotlib.figure import Figure

    styles = {"us": (BLUE, "-", "o"), "cn": (ORANGE, "--", "s"), "rw": (GREEN, "-.", "^")}
    figure = Figure(figsize=(11, 7.6), layout="constrained")
    axes = figure.subplots(2, 2)

    def line(ax: object, rows: pd.DataFrame, colour: str, style: str, label: str, scale: float = 1.0) -> None:
        ax.fill_between(rows["year"], scale * rows["p05"], scale * rows["p95"], color=colour, alpha=0.13, lw=0)  # type: ignore[attr-defined]
        ax.plot(rows["year"], scale * rows["median"], color=colour, ls=style, lw=2, label=label)  # type: ignore[attr-defined]

    def pick(frame: pd.DataFrame, place: str, quantity: str) -> pd.DataFrame:
        return frame[(frame["place"] == place) & (frame["quantity"] == quantity) & (frame["year"] <= 2030)]

    for code, label in REGIONS.items():
        colour, style, _ = styles[code]
        line(axes[0, 0], pick(states, "world", f"electricity_{code}"), colour, style, label)
        line(axes[0, 1], pick(states, "world", f"carbon_intensity_{code}"), colour, style, label, 1000.0)
    axes[0, 0].set(title="Electricity of data centres, 1 January", ylabel="TWh/yr")
    known = pd.read_csv(HERE / "environment" / "carbon_intensity.csv", comment="#")
    for region, code in (("US", "us"), ("China", "cn")):
        rows = known[known["region"] == region]
        axes[0, 1].plot(rows["year"] + 0.5, rows["value"], styles[code][2], color=styles[code][0], ms=4, mfc="none",
                        label=f"{REGIONS[code]}: Ember, not fitted")  # fmt: skip
    axes[0, 1].set(title="Carbon intensity of generation, 1 January", ylabel="g/kWh", ylim=(0, None))
    line(axes[1, 0], pick(totals, "world", "emissions"), BLUE, "-", "at the mean of the grids")
    line(axes[1, 0], pick(totals, "world", "emissions_consequential"), ORANGE, "--", "that would not be without them")
    axes[1, 0].plot([2024], [180], "D", color=RED, label="IEA 2025 (combustion, mean of the grids)")
    axes[1, 0].set(title="Emissions of the world's data centres, calendar years", ylabel="Mt/yr")
    line(axes[1, 1], pick(totals, "us", "electricity"), BLUE, "-", "United States, fitted to six values")
    rows = pd.read_csv(HERE / "country" / "us.csv", comment="#")
    fitted = rows[(rows["variable"] == "dc_electricity") & (rows["role"] == "fit")]
    axes[1, 1].plot(fitted["date"].astype(int), fitted["value"], "o", color=RED, ms=5, label="LBNL 2024, 2025: fitted")
    bar = {"color": GREY, "lw": 7, "alpha": 0.7, "solid_capstyle": "butt"}
    axes[1, 1].plot([2028, 2028], LBNL_2028, label="LBNL 2024, range of 2028: not fitted", **bar)
    axes[1, 1].set(title="United States, calendar years", ylabel="TWh/yr")
    for ax in axes.flat:
        ax.set_xlim(2010, 2030.5)
        ax.set_xticks(range(2010, 2031, 5))
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=8, loc="upper left" if ax is not axes[0, 1] else "lower left")
    figure.suptitle("Regions: who uses, with what carbon, and the United States beside the world", fontweight="bold")
    figure.supxlabel(f"Median and 90 % band of {DRAWS} draws of the posterior, with the priors of the grids. "
                     "Shares of regions: IEA 2025. Grids: Ember 2026.", fontsize=8, color="0.4")  # fmt: skip
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Compute everything and write it."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "fits" / "regions"
    folder.mkdir(parents=True, exist_ok=True)
    totals, states = [], []
    for place, name, fit in (("world", "laboratory", "main"), ("us", "laboratory_us", "us")):
        found = paths(name, fit)
        totals += table(place, found, "total")
        states += table(place, found, "state")
    frames = {"totals": pd.DataFrame(totals), "states": pd.DataFrame(states)}
    for file, frame in frames.items():
        frame.to_csv(folder / f"{file}.csv", index=False, float_format="%.5g", lineterminator="\n")
    if len(sys.argv) > 2:
        draw(frames["totals"], frames["states"], Path(sys.argv[2]))
    print(frames["totals"][frames["totals"]["year"].isin([2018, 2024, 2028, 2030])].to_string(index=False))


if __name__ == "__main__":
    main()
