"""Fit the world model in both variants and write the shipped results.

Usage: python calibration/fit_world.py [FOLDER]

FOLDER is calibration/fits beside this file by default. About three minutes on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jevons as jv


def main(folder: Path) -> None:
    """Fit each variant of calibration/world.toml and save it."""
    config = jv.read_config("world")
    history = jv.read_history("world")
    for name, variant in config.variants.items():
        calibration = config.calibration(jv.load("world", fit=None), history, name)
        fit = jv.fit(calibration, starts=config.starts, seed=config.seed, spread=config.spread)
        print(fit)
        draws = jv.randomised_draws(fit, config.draws, config.seed)
        jv.save_fit(fit, draws, folder / f"world-{name}", variant.fixed, "python calibration/fit_world.py")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "fits")
