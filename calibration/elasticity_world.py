"""Refit the world at given price elasticities and satiations, and measure DeepSeek's rebound at each; write the table.

The data cannot tell these elasticities apart; the rebound can. Usage: python calibration/elasticity_world.py [FOLDER]
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from tqdm.auto import tqdm

import jevons as jv

ELASTICITIES = (0.3, 0.5, 0.7, 0.9, 1.1, 1.4, 1.7, 2.1, 2.6)
SATIATIONS = (0.01, 0.05, 0.15)
HORIZONS = (1.0, 3.0, 5.0, 10.0)
SHOCKS = ("deepseek", "inference")


def main(folder: Path) -> None:
    """Write elasticity/profile.csv."""
    stored = jv.shipped_fit("world", "main")
    calibration = jv.read_config("world").calibration(jv.load("world", fit=None), jv.read_history("world"), "main")
    best = jv.summarise(calibration, stored.centre, (), 0)
    world = jv.load("world")
    at = 2025.07
    scenarios = [jv.load_scenario("deepseek"), jv.shock(world, "inference", 10.0, at)]
    meter = jv.ReboundMeter(world, scenarios, at, HORIZONS)
    rows = []
    cells = [(sat, eta) for sat in SATIATIONS for eta in ELASTICITIES]
    for satiation, elasticity in tqdm(cells, desc="refit", unit="fit"):
        held = jv.refit(best, {"usage_price_elasticity": elasticity, "satiation": satiation})
        run = world.run(2025, 2026, params=held.values)
        row = [satiation, elasticity, run.at("demand_elasticity", 2025.0), held.chi2_data, held.chi2_prior]
        for name in SHOCKS:
            measured = meter.measure(name, held.values)
            row += [float("nan")] * len(HORIZONS) if measured is None else [measured.at(h)[0] for h in HORIZONS]
        rows.append([*row, held.converged])
    target = folder / "elasticity"
    target.mkdir(parents=True, exist_ok=True)
    head = ["satiation", "usage_price_elasticity", "demand_elasticity_2025", "chi2_data", "chi2_prior"]
    head += [f"{name}_{h:g}yr" for name in SHOCKS for h in HORIZONS]
    with (target / "profile.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*head, "converged"])
        writer.writerows([f"{x:.5g}" if isinstance(x, float) else x for x in row] for row in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "fits")
