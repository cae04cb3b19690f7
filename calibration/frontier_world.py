"""The backfire frontier of the world model: refits along the elasticity, maps, thresholds and figures that are shipped.

Usage: python calibration/frontier_world.py [FOLDER [IMAGES]]   (after calibration/fit_world.py; about ten minutes)

FOLDER is calibration/fits/frontier beside this file by default. Plan: calibration/frontier.toml. Written are
refits.csv, map-<scenario>-<limit>.csv, thresholds.csv, static.csv and checks.csv; and, if a folder for
them is given, the figures of docs/frontier.md.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

import jevons as jv
from jevons import plot_frontier
from jevons.frontier.plane import Frontier
from jevons.frontier.run import SHIPPED, Plan, note, read_plan, threshold_table
from jevons.problems import open_problem, stored_fit

SCENARIOS = ("deepseek", "inference")
NODES = 25
GRID = (25, 20)
THREADS = 2
HORIZON = 5.0
WORDS = (
    "World model at its shipped fit, all other parameters refitted to history at each elasticity. The limit holds from "
    '{:g} on, in all three runs; "none": no limit.'
)


def refits(plan: Plan) -> pd.DataFrame:
    """Every parameter of the fit, refitted with elasticity and satiation held."""
    fit, stored = stored_fit(open_problem(plan.model.name), plan.model.name)
    best = stored.values[plan.elasticity]
    values = sorted({*map(float, np.geomspace(plan.low, plan.high, NODES)), best})
    rows = []
    for variant, satiation in plan.satiations.items():
        for value in tqdm(values, desc=f"refits, satiation {variant}", unit="refit"):
            end = jv.refit(fit, {plan.elasticity: value, plan.satiation: satiation})
            params = {n: v for n, v in end.values.items() if n in plan.model.parameters}
            rows.append({"variant": variant, "chi2_data": end.chi2_data, "chi2_prior": end.chi2_prior,
                         "converged": end.converged, **params})  # fmt: skip
    return pd.DataFrame(rows)


def checks(plan: Plan) -> pd.DataFrame:
    """R of refits half way between the nodes, against R of parameters interpolated there, at the fit's limits."""
    fit, _ = stored_fit(open_problem(plan.model.name), plan.model.name)
    table = plan.read_refits()
    nodes = table.table[plan.elasticity].to_numpy()
    middles = np.sqrt(nodes[1:] * nodes[:-1])[::4]
    meter = jv.ReboundMeter(plan.model, [plan.scenario(SCENARIOS[0])], plan.date, plan.horizons)
    rows = []
    for middle, interpolated in zip(middles, table.at(middles), strict=True):
        held = {plan.elasticity: float(middle), plan.satiation: plan.satiations[SHIPPED]}
        own = {n: v for n, v in jv.refit(fit, held).values.items() if n in plan.model.parameters}
        for kind, params in (("refitted", own), ("interpolated", interpolated)):
            found = meter.measure(SCENARIOS[0], params)
            for horizon in plan.horizons:
                r = math.nan if found is None else found.at(horizon)[0]
                rows.append((middle, kind, horizon, r))
    return pd.DataFrame(rows, columns=[plan.elasticity, "kind", "horizon_years", "rebound"])


def main(folder: Path, images: Path | None) -> None:
    """Write all tables, and the figures of the documentation if a folder for them is given."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = dataclasses.replace(read_plan(), refits=folder / "refits.csv")
    refits(plan).to_csv(plan.refits, index=False, float_format="%.12g")
    lines = []
    for satiation, value in plan.satiations.items():
        held = plan.read_refits(satiation)
        highest = float(plan.total(held.at([plan.high]))[0])
        lines.append((satiation, value, *plan.static_lines(held), highest))
    head = ["satiation", "value", "small_gain", "tenfold_gain", "highest_tried"]
    static = pd.DataFrame(lines, columns=head).set_index("satiation")
    static.to_csv(folder / "static.csv", float_format="%.6g")
    thresholds, maps = [], {}
    for scenario in SCENARIOS:
        for limit in plan.limits:
            plane = plan.plane(scenario, limit, GRID, THREADS)
            found = maps[scenario, limit] = plane.map(plan.read_refits(), progress=True)
            found.to_frame().to_csv(folder / f"map-{scenario}-{limit}.csv", index=False, float_format="%.5g")
            thresholds.append(threshold_table(plane, plan, scenario, limit, list(plan.satiations)))
    table = pd.concat(thresholds)
    table.to_csv(folder / "thresholds.csv", index=False, float_format="%.6g")
    if images is not None:
        figures(plan, maps, table, static, images)
    checks(plan).to_csv(folder / "checks.csv", index=False, float_format="%.6g")


def figures(
    plan: Plan, maps: Mapping[tuple[str, str], Frontier], table: pd.DataFrame, static: pd.DataFrame, folder: Path
) -> None:
    """Draw the figures of the documentation."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (float(static.loc[SHIPPED, "small_gain"]), float(static.loc[SHIPPED, "tenfold_gain"]))
    for limit in plan.limits:
        plot_frontier.maps(
            [maps[s, limit] for s in SCENARIOS], SCENARIOS, folder / f"frontier_{limit}.png",
            static=lines, believed=plan.believed(limit), note=note(plan, limit, SHIPPED),
        )  # fmt: skip
    keys = list(maps)
    plot_frontier.times(
        [maps[k] for k in keys], [f"{s}, {limit}" for s, limit in keys], folder / "frontier_times.png",
        static=lines,
        note=WORDS.format(plan.date)
        + " R may fall again later. Red: static law, small gain and (dashed) this gain.",
    )  # fmt: skip
    plot_frontier.thresholds(
        table, {limit: maps[SCENARIOS[0], limit].y for limit in plan.limits}, HORIZON,
        folder / "frontier_satiation.png",
        static=static["tenfold_gain"].to_dict(), highest=static["highest_tried"].to_dict(),
        note=WORDS.format(plan.date) + " Thin vertical lines: static law for the tenfold gain under each satiation.",
    )  # fmt: skip


if __name__ == "__main__":
    given = [Path(a) for a in sys.argv[1:]]
    main(given[0] if given else Path(__file__).parent / "fits" / "frontier", given[1] if len(given) > 1 else None)
