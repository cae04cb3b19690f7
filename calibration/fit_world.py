"""Fit the world in every reading of the data and every shape of satiation, sample the posteriors, write them.

Usage: python calibration/fit_world.py [FOLDER] [--only NAME] [--steps N] [--resume]

FOLDER is calibration/fits beside this file by default. A job that was stopped goes on with --resume; what is
unfinished is kept in FOLDER/unfinished and removed at the end.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import jevons as jv

JOBS = [
    ("world", "main"), ("world", "no_bias"), ("world", "older"), ("world", "iea"), ("world", "wide_bias"),
    ("world_full_price", "main"), ("world_hump", "main"),
]  # fmt: skip

AT_LEAST = {"world-main": 1100}
"""Steps of each chain where draws are weighted by experiments and by other beliefs afterwards."""


def fit_one(model: str, variant: str, folder: Path, steps: int, resume: bool) -> None:
    """Fit, sample and save one of the jobs."""
    config, world = jv.read_config(model), jv.load(model, fit=None)
    calibration = config.calibration(world, config.read_history(), variant)
    name = f"{model}-{variant}"
    unfinished = folder / "unfinished" / name
    fit = jv.fit(
        calibration, starts=config.starts, seed=config.seed, spread=config.spread, folder=unfinished, resume=resume
    )
    print(fit, flush=True)
    report = jv.reported_quantities(world, config, calibration)
    at_least = AT_LEAST.get(name, 0)
    posterior = jv.sample(
        fit, seed=config.seed, steps=steps, at_least=at_least, quantities=report, folder=unfinished, resume=resume
    )
    print(posterior, flush=True)
    fixed = {**config.values, **config.variant(variant).fixed}
    command = "python calibration/fit_world.py"
    jv.save_fit(fit, posterior, folder / name, fixed=fixed, draws=config.draws, command=command)
    shutil.rmtree(unfinished)


def main() -> None:
    """Do all jobs, or one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "fits")
    parser.add_argument("--only", help="one job, such as world-main")
    parser.add_argument("--steps", type=int, default=4000, help="most steps of each of four chains")
    parser.add_argument("--resume", action="store_true", help="go on from a job that was stopped")
    options = parser.parse_args()
    names = [f"{m}-{v}" for m, v in JOBS]
    if options.only is not None and options.only not in names:
        parser.error(f"--only {options.only}, expected one of {', '.join(names)}")
    for model, variant in JOBS:
        if options.only in (None, f"{model}-{variant}"):
            fit_one(model, variant, options.folder, options.steps, options.resume)


if __name__ == "__main__":
    main()
