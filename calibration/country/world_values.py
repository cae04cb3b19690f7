"""Write country/base.toml: a country beside the world, with everything that is global at the value of the world's fit.

Usage: python calibration/country/world_values.py [FILE]

To be run again after the world is fitted again; FILE is base.toml beside this file by default.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
FITTED = HERE.parent / "fits" / "world-main" / "parameters.csv"
HEAD = """\
# A country beside the world: what is global (prices, learning, elasticities) at the values of the world's fit.
# Written by calibration/country/world_values.py; a country's own file extends it, see docs/your-own-data.md.
extends = "world"

[values]
"""
SOURCE = "world, variant main: fitted, calibration/fits/world-main"


def text() -> str:
    """The file, from the shipped fit."""
    table = pd.read_csv(FITTED)
    fitted = table[table["moved_sd"].notna() & table["unit"].notna()]
    lines = [
        f'{name} = {{ value = {value:.6g}, source = "{SOURCE}" }}'
        for name, value in zip(fitted["name"], fitted["value"], strict=True)
    ]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "base.toml"
    file.write_text(text(), encoding="utf-8")
    print(file)
