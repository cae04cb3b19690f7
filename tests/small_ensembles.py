"""Small models with known answers over their parameters, and simulations that misbehave."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sympy as sp
from small import auxiliary, flow, parameter, stock, v

from jevons import LogNormal, Model, Normal, Range
from jevons.simulation import Simulation


def relaxation() -> Model:
    """x = size · e^(−t/tau), and level = x + shift."""
    return Model(
        "relaxation",
        [
            stock("x", v.size),
            flow("outflow", v.x / v.tau, source="x"),
            auxiliary("level", v.x + v.shift),
            parameter("tau", 2.0, "yr", prior=LogNormal(2.0, 0.3)),
            parameter("size", 1.0, prior=Range(0.5, 1.5)),
            parameter("shift", 0.0, prior=Normal(0.0, 0.2)),
            parameter("exact", 1.0, prior=Range(1.0, 1.0)),
            parameter("bare", 1.0),
        ],
    )


def fragile() -> Model:
    """x' = √(1 − p) has no value for p above 1."""
    inflow = flow("inflow", sp.sqrt(1 - v.p) / v.year, target="x")
    given = [parameter("p", 0.5, prior=Range(0.0, 1.25)), parameter("year", 1.0, "yr")]
    return Model("fragile", [stock("x", 0.0), inflow, *given])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones included."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Slow(Simulation):
    """Takes its time with every slice, so that something can happen meanwhile."""

    delay = 0.05

    def run_members(self, rows: np.ndarray, names: Sequence[str], threads: int = 1):
        time.sleep(self.delay)
        return super().run_members(rows, names, threads)


class Deadly(Simulation):
    """Kills its process at members whose first parameter is above 1.4."""

    def run_members(self, rows: np.ndarray, names: Sequence[str], threads: int = 1):
        if rows[:, 0].max() > 1.4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run_members(rows, names, threads)
