"""What is measured of jevons itself: the only module that knows how it is called."""

from __future__ import annotations

from typing import Any

import numpy as np
from cases import SPREAD, Case
from numpy.typing import NDArray

from jevons.elements import LogNormal
from jevons.ensemble.design import Design
from jevons.ensemble.run import Ensemble
from jevons.simulation import Simulation

Floats = NDArray[np.float64]


class Ours:
    """Fixed-step runs of a case."""

    def __init__(self, case: Case, method: str = "RK4") -> None:
        self.case = case
        self.simulation = Simulation(case.model, case.times, list(case.outputs), method=method, dt=case.dt)

    def run(self, row: Floats) -> Floats:
        """One run in machine code: values of the outputs at the reported dates."""
        return self.simulation.run_vector(self.simulation.vector(self.case.params(row))).values

    def run_python(self, row: Floats) -> Floats:
        """The same in plain Python: what `Simulation.run` does, so that one run waits for no compiler."""
        return self.simulation.run(self.case.params(row)).values

    def members(self, rows: Floats, threads: int = 2) -> Floats:
        """Many runs: members, dates, outputs."""
        return self.simulation.run_members(rows, self.case.varied, threads=threads).values

    def gradient(self, row: Floats) -> tuple[Floats, Floats]:
        """Outputs, and their derivatives by the varied parameters: dates, outputs, parameters."""
        member, jacobian = self.simulation.gradient(self.case.params(row), self.case.varied)
        return member.values, jacobian


def streamed(case: Case, members: int, **where: Any) -> Any:
    """An ensemble that keeps quantiles instead of values; `where` says on what it runs."""
    ranges = {name: LogNormal(float(x), SPREAD) for name, x in zip(case.varied, case.centre, strict=True)}
    design = Design.latin_hypercube(case.model, case.varied, members, seed=1, ranges=ranges)
    ensemble = Ensemble(case.model, design, outputs=case.outputs, times=case.times, dt=case.dt)
    return ensemble.run(progress=False, **where)


def adaptive(case: Case, row: Floats) -> Floats:
    """One run by scipy's LSODA with the plain Python body."""
    run = case.model.run(case.start, case.end, params=case.params(row), every=case.every, method="LSODA")
    return np.column_stack([run[n].to_numpy() for n in case.outputs])


def euler(case: Case, row: Floats) -> Floats:
    """One run by Euler's method."""
    return Ours(case, "Euler").run(row)
