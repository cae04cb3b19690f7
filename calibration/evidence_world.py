"""What price experiments say of each stance, and what the shapes of satiation make of the world: shipped tables.

Usage: python calibration/evidence_world.py [FOLDER]   (after calibration/fit_world.py)

FOLDER is calibration/fits beside this file by default. Written are evidence/evidence.csv, which needs no fit, and
evidence/shapes.csv, for which the main fits of all three shapes are needed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm.auto import tqdm

import jevons as jv
from jevons.errors import CalibrationError
from jevons.inference.evidence import evidence_table
from jevons.inference.families import figures_of, shape_table
from jevons.inference.projection import measured_rebounds
from jevons.inference.satiation import SHAPES
from jevons.report import ELASTICITY_VARIABLE, EVIDENCE_DRAWS, HORIZON

MODELS = {"power": "world", "full_price": "world_full_price", "hump": "world_hump"}
REFERENCE = "power"


def shapes(fits: Path) -> None:
    """Write shapes.csv: the same figures under each shape, and the data's verdict between them."""
    figures, evidence, histories = {}, {}, {}
    for shape in tqdm(SHAPES, desc="shapes", unit="shape"):
        name = MODELS[shape]
        config, model, stored = jv.read_config(name), jv.load(name, fit=None), jv.load_fit(fits / f"{name}-main")
        plan = config.projection
        assert plan is not None
        scenario = jv.load_scenario(plan.scenarios[0])
        projection = jv.project(
            model, stored, [scenario], plan.variables, start=plan.start, end=plan.end, progress=False
        )  # fmt: skip
        gains = [jv.load_scenario(s) for s in plan.scenario_shocks]
        meter = jv.ReboundMeter(model, gains, plan.shock_date, [HORIZON])
        measured = {
            f"rebound_{gain.name}_{HORIZON:g}yr": measured_rebounds(meter, gain.name, stored.draws(), HORIZON)
            for gain in gains
        }
        year = int(plan.shock_date)
        measured[f"{ELASTICITY_VARIABLE}_{year}"] = projection.in_year(plan.scenarios[0], ELASTICITY_VARIABLE, year)
        figures[shape] = figures_of(projection, plan, measured)
        evidence[shape] = float(stored.meta["posterior"]["log_evidence"])
        histories[shape] = stored.meta["history_hash"]
    if len(set(histories.values())) > 1:
        raise CalibrationError("shapes", [f"found fits of different histories {histories}, expected one: fit again"])
    shape_table(figures, evidence, REFERENCE).to_csv(
        fits / "evidence" / "shapes.csv", index=False, float_format="%.6g"
    )  # fmt: skip


def main(fits: Path) -> None:
    """Write both tables."""
    (fits / "evidence").mkdir(parents=True, exist_ok=True)
    evidence_table(n=EVIDENCE_DRAWS).to_csv(fits / "evidence" / "evidence.csv", index=False, float_format="%.6g")
    shapes(fits)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "fits")
