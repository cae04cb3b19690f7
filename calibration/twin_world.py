"""The world at its fit as an XMILE file: ``models/world.xmile``, for Stella, Simlin, PySD and others.

python calibration/twin_world.py models/world.xmile
"""

from __future__ import annotations

import argparse
from pathlib import Path

import jevons as jv
from jevons.interchange.writers.xmile import write_xmile

END = 2035.0
STEP = 1 / 32


def write(path: str | Path) -> Path:
    """Write the file."""
    return write_xmile(jv.load("world"), path, dt=STEP, end=END)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("path", type=Path)
    print(f"wrote {write(arguments.parse_args().path)}")
