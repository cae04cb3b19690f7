"""Check a shipped fit of the world against data replicated from its own draws; write the tables beside the fit.

Usage: python calibration/checks_world.py [VARIANT] [FOLDER]   (default: main, calibration/fits/world-<variant>)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import jevons as jv
from jevons.errors import CalibrationError
from jevons.inference.predictive import predictive_checks

FITS = Path(__file__).parent / "fits"


def main(variant: str, folder: Path) -> None:
    """Predictive checks of the stored draws: rows, Theil's decomposition, autocorrelation of residuals."""
    stored = jv.shipped_fit("world", variant)
    calibration = jv.read_config("world").calibration(jv.load("world", fit=None), jv.read_history("world"), variant)
    missing = [f"the fit has no draws of {name!r}: fit again" for name in calibration.free if name not in stored.names]
    if missing:
        raise CalibrationError(f"checks of world-{variant}", missing)
    draws = np.column_stack([stored.sample[:, stored.names.index(name)] for name in calibration.free])
    found = predictive_checks(calibration, draws)
    tables = {"rows": found.rows, "theil": found.theil, "autocorrelation": found.autocorrelation}
    for name, table in tables.items():
        table.to_csv(folder / f"checks-{name}.csv", index=False, float_format="%.5g")
    print(
        f"{found.coverage_50:.0%} and {found.coverage_90:.0%} of {len(found.rows)} fitted rows inside 50 and 90 % bands"
    )
    print(f"chi-square {found.discrepancy:.1f} over the draws, P(replicated > observed) = {found.p_discrepancy:.2f}")
    print(found.theil.to_string(index=False, float_format=lambda x: f"{x:.3g}"))
    print(found.autocorrelation.to_string(index=False, float_format=lambda x: f"{x:.2f}"))


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "main"
    main(chosen, Path(sys.argv[2]) if len(sys.argv) > 2 else FITS / f"world-{chosen}")
