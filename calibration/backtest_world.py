"""Fit the world model to what was known at the end of 2023 and predict 2024 and 2025; write the result.

Usage: python calibration/backtest_world.py [FOLDER]   (default: calibration/fits; about five minutes)
"""

from __future__ import annotations

import sys
from pathlib import Path

import jevons as jv

KNOWN_UNTIL = "2023-12"
YEARS = (2024, 2025)


def main(folder: Path) -> None:
    """Backtest with a free bias between the families, as the main variant has."""
    result = jv.backtest(
        jv.load("world", fit=None), jv.read_history("world"), jv.read_config("world"), KNOWN_UNTIL, YEARS
    )
    target = folder / f"backtest-{KNOWN_UNTIL}"
    target.mkdir(parents=True, exist_ok=True)
    result.scores.to_csv(target / "scores.csv", index=False, float_format="%.4g")
    result.rows.to_csv(target / "rows.csv", index=False, float_format="%.5g")
    print(result.fit)
    print(result.scores.to_string(index=False))
    print(f"{result.coverage:.0%} of {len(result.rows)} held-out rows inside 90 % bands; {result.failed} draws failed")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "fits")
