"""Switch off every loop of the world model in turn: change in fit, in the electricity of 2030 and in rebound.

Usage: python calibration/ablation_world.py [--folder FOLDER] [--resume]   (default: calibration/fits/ablation; about
ten minutes). Every finished loop is on the disk; --resume goes on from there. Cuts: calibration/ablation.toml.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import jevons as jv
from jevons.functions import Names
from jevons.inference.ablation import ablate, read_cuts

HERE = Path(__file__).parent
v = Names()
FROZEN_AT = 2024.0
YEAR = 2030
SHOCK_DATE = 2025.07
HORIZON = 5.0


def frozen_need(model: jv.Model) -> jv.Model:
    """Compute per service as in 2024, whatever efficiency does later."""
    rate = float(model.run(model.start, FROZEN_AT).at("algorithmic_efficiency", FROZEN_AT))
    frozen = jv.Parameter(
        "frozen_service_rate", "service/H100e/yr", value=rate, status="assumed", prior=jv.Range(rate, rate),
        source=f"ablation: algorithmic efficiency of {FROZEN_AT:g} in the fit", doc="Service per compute, frozen.",
    )  # fmt: skip
    need = jv.Auxiliary(
        "inference_compute", "MH100e", equation=v.service_demand / v.frozen_service_rate,
        doc="Compute wanted for AI service.",
    )  # fmt: skip
    return model.with_elements([need, frozen])


def no_ceiling(model: jv.Model) -> jv.Model:
    """Potential users by the tail of the distribution of reservation prices, without an end."""
    users = jv.Auxiliary(
        "potential_users", "Mperson",
        equation=v.adopter_ceiling * (v.service_price / v.reservation_price) ** (-v.adoption_slope),
        doc="Users at the going price.",
    )  # fmt: skip
    return model.with_elements([users])


def outcomes(model: jv.Model) -> dict[str, float]:
    """Electricity of 2030, and rebound after five years of DeepSeek's gains and of the one in inference alone.

    NaN where a run fails or R is not defined. Neither R vanishes without a price response: budgets for training do not
    follow its efficiency, capability adds to use, and capacity that is set free lowers the rent for all others.
    """
    member = jv.Simulation(model, [float(YEAR), YEAR + 1.0], ["cumulative_dc_electricity"]).run()
    total = float(member.values[1, 0] - member.values[0, 0]) if member.status.ok else math.nan
    found = {f"TWh_{YEAR}": total}
    shocks = [jv.load_scenario("deepseek"), jv.shock(model, "inference", 10.0, SHOCK_DATE, adjustment_time=1.0)]
    meter = jv.ReboundMeter(model, shocks, SHOCK_DATE, [HORIZON])
    for scenario in shocks:
        measured = meter.measure(scenario.name)
        found[f"R_{scenario.name}"] = measured.at(HORIZON)[0] if measured is not None else math.nan
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Ablation of the world model.")
    parser.add_argument("--folder", type=Path, default=HERE / "fits" / "ablation")
    parser.add_argument("--resume", action="store_true", help="go on from the loops the folder holds")
    given = parser.parse_args(arguments)
    history, config = jv.read_history("world"), jv.read_config("world")

    def problem(model: jv.Model) -> jv.Calibration:
        return config.calibration(model, history, "main")

    fitted = jv.fit(problem(jv.load("world", fit=None)), starts=8, seed=config.seed)
    result = ablate(
        fitted,
        read_cuts(HERE / "ablation.toml"),
        problem,
        outcomes,
        edits={"frozen_need": frozen_need, "no_ceiling": no_ceiling},
        label=f"electricity of {YEAR}, R of deepseek and inference {HORIZON:g} years after {SHOCK_DATE}",
        folder=given.folder,
        resume=given.resume,
    )
    result.table.to_csv(given.folder / "ablation.csv", index=False, float_format="%.5g")
    numbers = result.table.drop(columns=["what", "how"])
    print(numbers.to_string(index=False, float_format=lambda x: f"{x:.3g}"))


if __name__ == "__main__":
    main()
