"""Many runs of one model with fixed steps: members are rows of parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jevons import kernels
from jevons.errors import JevonsError
from jevons.integrate import compile_model, fixed_grid, parameter_vector
from jevons.model import Model
from jevons.trajectory import RunStatus, Status

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """One run: `values[k, j]` is output j at date k; all NaN where the run failed, with the status."""

    values: Floats
    status: RunStatus


class Runner:
    """Runs one model many times with fourth-order Runge-Kutta, reporting chosen outputs at fixed dates.

    Parameters
    ----------
    model : Model
    times : array
        Reported dates, rising, from the model's start on.
    outputs : sequence of str
    dt : float
        Largest step; 1/32 yr agrees with adaptive integration to 1e-7 on the world model.
    params : mapping, optional
        Values that hold for every member. Break points are those of these values: members may not move them.
    """

    def __init__(
        self,
        model: Model,
        times: Iterable[float],
        outputs: Sequence[str],
        dt: float = 1 / 32,
        params: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model
        self.system = compile_model(model)
        self.base = parameter_vector(model, self.system, params)
        self.times = np.asarray(list(times), dtype=float)
        rising = self.times.size > 0 and bool((np.diff(self.times) > 0).all())
        if not rising or not np.isfinite(self.times).all() or self.times[0] < model.start - 1e-9:
            raise JevonsError(f"dates of a run: expected rising dates from the model's start, {model.start:g}, on")
        self.outputs = tuple(outputs)
        model.require([n for n in self.outputs if n not in self.system.outputs], self.system.outputs, "output")
        self._columns = np.array([self.system.outputs.index(n) for n in self.outputs], dtype=np.int64)
        self._places = {name: i for i, name in enumerate(self.system.parameters)}
        self._nodes, self._steps, self._switches = fixed_grid(self.system, self.base, self.times, dt)
        self._report = np.searchsorted(self._nodes, self.times - 1e-8)
        self._functions = kernels.compiled_functions(self.system.source)
        self._tables = np.array(self.system.tables or (0.0,))
        self._log = np.array(self.system.log, dtype=bool)
        dates = kernels.switch_dates(self.system, self.base)
        self._start_switches = (self.system.start >= dates).astype(float)

    def places(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Positions of parameters in the vector that `run_vector` takes."""
        names = list(names)
        self.model.require(names, self.system.parameters, "parameter")
        return np.array([self._places[n] for n in names], dtype=np.int64)

    def run(self, params: Mapping[str, float] | None = None) -> Member:
        """Run with some parameters changed."""
        p = self.base.copy()
        if params:
            p[self.places(params)] = list(params.values())
        return self.run_vector(p)

    def run_vector(self, p: Floats) -> Member:
        """Run with a full parameter vector."""
        n, system = len(self.system.stocks), self.system
        failed = np.full((self.times.size, len(self.outputs)), math.nan)
        if not np.isfinite(p).all():
            name = system.parameters[int(np.argmin(np.isfinite(p)))]
            return Member(failed, RunStatus(Status.NON_FINITE_INPUT, system.start, name))
        x = np.empty(n)
        u = np.array(system.guesses)
        if self._functions.start(system.start, p, self._start_switches, self._tables, u, self._log, x):
            return Member(failed, RunStatus(Status.NOT_SOLVED, system.start, ", ".join(system.unknowns)))
        states = np.full((self._nodes.size, n), math.nan)
        reached, stock = self._functions.integrate(
            4, x, p, self._nodes, self._steps, self._switches, self._tables, states
        )
        if stock >= 0 or not np.isfinite(states[-1]).all():
            name = system.stocks[max(stock, 0)]
            return Member(failed, RunStatus(Status.DIVERGED, float(self._nodes[reached]), name))
        out = np.empty((self.times.size, len(system.outputs)))
        self._functions.observe(self.times, states[self._report], p, self._switches[self._report], self._tables, out)
        values = out[:, self._columns]
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            where = RunStatus(Status.DIVERGED, float(self.times[row]), self.outputs[column])
            return Member(failed, where)
        return Member(values, RunStatus(Status.FINISHED, float(self.times[-1])))
