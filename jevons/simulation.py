"""Many runs of one model in machine code: over lanes, over threads, and with exact derivatives."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons import compiled
from jevons.errors import JevonsError, nearest
from jevons.integrate import compile_model, fixed_steps, parameter_vector
from jevons.run_settings import choose
from jevons.system import System
from jevons.trajectory import RunStatus, Status

if TYPE_CHECKING:
    from jevons.model import Model

Floats = NDArray[np.float64]

METHODS = {**compiled.FIXED, **compiled.ADAPTIVE}
SLICE = 16 * compiled.LANES
"""Members that a thread takes at a time."""
MOST_STEPS = 200_000
"""Steps of a given length that every member may take: each has its place in memory."""


@dataclass(frozen=True)
class Member:
    """One run: values of shape (dates, outputs), NaN from where it stopped, and how it ended."""

    values: Floats
    status: RunStatus


@dataclass(frozen=True)
class Members:
    """Many runs.

    Attributes
    ----------
    values : array of shape (members, dates, outputs)
        NaN from the first date that a member did not reach.
    codes : array of shape (members,)
        How each ended: its position in `Status`, 0 when it finished.
    reached : array of shape (members,)
        Date reached.
    culprit : array of shape (members,)
        Position of the element that stopped it: among stocks, auxiliaries and flows (diverged) or among parameters
        (non-finite input); -1 for none.
    """

    values: Floats
    codes: NDArray[np.int8]
    reached: Floats
    culprit: NDArray[np.int32]
    system: System

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def failed(self) -> NDArray[np.int64]:
        """Positions of the members that did not finish."""
        return np.flatnonzero(self.codes)

    def status(self, i: int) -> RunStatus:
        """How a member ended, with the element that stopped it."""
        return run_status(self.system, int(self.codes[i]), float(self.reached[i]), int(self.culprit[i]))


def run_status(system: System, code: int, reached: float, culprit: int) -> RunStatus:
    """The status that compiled code writes as numbers."""
    kind = list(Status)[code]
    if kind is Status.NOT_SOLVED:
        return RunStatus(kind, reached, ", ".join(system.unknowns) or None)
    if culprit < 0:
        return RunStatus(kind, reached)
    names = system.parameters if kind is Status.NON_FINITE_INPUT else system.outputs
    return RunStatus(kind, reached, names[culprit])


class Simulation:
    """A model, the dates and outputs wanted, and a method: run it for any number of parameter sets.

    It pickles without compiled code, which is made (or loaded from disk) where it runs.

    Parameters
    ----------
    model : Model
    times : array
        Reported dates, rising, from the model's start on.
    outputs : sequence of str
    method : {'RK4', 'RK2', 'Euler', 'DOPRI5'}
        Steps of equal length at most `dt`, or Dormand and Prince 5(4) with steps that keep the error of each member
        within `rtol` and `atol`. At every break point (date of a step, pulse or ramp, knot of a driver) of each
        member integration restarts. By default that of the model's settings, with DOPRI5 for an adaptive one, else
        RK4.
    dt : float
        Largest step; by default that of the model's settings, else 1/32 (1/32 yr agrees with adaptive integration
        to 1e-7 on the world model).
    rtol, atol : float
        Tolerances of DOPRI5 (`atol` in units of each stock, or of its logarithm).
    max_steps : int
        Most steps of DOPRI5, so that no run hangs.
    params : mapping, optional
        Values that hold for every member unless it changes them.
    break_points : bool, optional
        Whether integration restarts where something switches. Without, steps of `dt` go from the start as
        simulation programs do, and of each date the first step is reported that comes to within half a step of it.
        By default False for fixed steps of a model with settings, else True.

    Raises
    ------
    JevonsError
        For unknown outputs, parameters or methods, dates that do not rise from the model's start, and too many steps.

    Examples
    --------
    >>> import jevons as jv
    >>> import numpy as np
    >>> simulation = jv.Simulation(jv.load("bass"), np.arange(0.0, 21.0), ["adopters"])
    >>> simulation.run({"imitation": 0.5}).values.shape
    (21, 1)
    """

    def __init__(
        self,
        model: Model,
        times: Iterable[float],
        outputs: Sequence[str],
        *,
        method: str | None = None,
        dt: float | None = None,
        rtol: float = 1e-8,
        atol: float = 1e-10,
        max_steps: int = 100_000,
        params: Mapping[str, float] | None = None,
        break_points: bool | None = None,
    ) -> None:
        self._model: Model | None = model
        self._tangents: str | None = None
        chosen = choose(model.settings, method, dt, break_points, METHODS, "RK4", "DOPRI5")
        self.system = compile_model(model, chosen.break_points)
        self.base = parameter_vector(model, self.system, params)
        self.times = np.asarray(list(times), dtype=float)
        rising = self.times.size > 0 and bool((np.diff(self.times) > 0).all())
        if not rising or not np.isfinite(self.times).all() or self.times[0] < model.start - 1e-9:
            raise JevonsError(f"dates of a run: expected rising dates from the model's start, {model.start:g}, on")
        chosen = chosen.tied(self.system.parameters, self.base, params)
        for name, number in {"dt": chosen.dt, "rtol": rtol, "atol": atol, "max_steps": max_steps}.items():
            if not (math.isfinite(number) and number > 0):
                raise JevonsError(f"{name} {number!r}, expected a number more than 0")
        self.outputs = tuple(outputs)
        model.require([n for n in self.outputs if n not in self.system.outputs], self.system.outputs, "output")
        self.units = {name: model.unit(name) for name in self.outputs if name in model.elements}
        self.method, self.dt, self.break_points = chosen.method, float(chosen.dt), chosen.break_points
        literal = self.method in compiled.FIXED and not self.break_points
        self._grid = chosen.grid(model.start, self.times, MOST_STEPS) if literal else None
        self._step_name = model.settings.time_step if literal and model.settings else None
        longest = self.dt if self._grid is None else 1.5 * float(self._grid.steps.max())  # one step to each node
        self._steps = (METHODS[self.method], longest, float(rtol), float(atol), int(max_steps))
        self._places = {name: i for i, name in enumerate(self.system.parameters)}
        report, knots = self._nodes()
        lengths = np.empty(0) if self._grid is None else self._grid.steps
        columns = np.array([self.system.outputs.index(n) for n in self.outputs], dtype=np.int64)
        self._fixed = (
            self.system.start, report, knots, columns, lengths, np.array(self.system.guesses),
            np.array(self.system.log, dtype=np.bool_), np.array(self.system.tables or (0.0,)), self.system.n_switches,
        )  # fmt: skip

    def _nodes(self) -> tuple[Floats, Floats]:
        """Dates at which every member has a node: where outputs are recorded, and others."""
        if self._grid is None:
            knots = np.array(self.system.knots)
            return self.times, knots[(knots > self.system.start) & (knots < self.times[-1])]
        last = int(self._grid.places[-1])
        inside = np.setdiff1d(np.arange(1, last), self._grid.places, assume_unique=True)
        return self._grid.dates[self._grid.places], self._grid.dates[inside]

    def _asked(self, values: Floats, axis: int) -> Floats:
        """Values at the dates asked for, from those at the steps that report them."""
        return values if self._grid is None else np.take(values, self._grid.rows, axis=axis)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None}

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of a full vector."""
        return self.system.parameters

    @property
    def fingerprint(self) -> str:
        """Hash of all that the results depend on but the rows."""
        parts: tuple[Any, ...] = (self.system, self.base.tolist(), self.times.tolist(), self.outputs, self._steps)
        if self._grid is not None:
            parts += (self._grid.dates.tolist(), self._grid.places.tolist())
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def places(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Positions of parameters in a full vector."""
        names = list(names)
        for name in names:
            if name not in self._places:
                raise JevonsError(f"parameter {name!r} is not in the model{nearest(name, self.system.parameters)}")
            if name == self._step_name:
                raise JevonsError(f"parameter {name!r} holds the step, the same for all runs of a simulation: give dt")
        return np.array([self._places[n] for n in names], dtype=np.int64)

    def run(self, params: Mapping[str, float] | None = None) -> Member:
        """Run once with some parameters changed; methods of fixed steps in plain Python, without a compiler."""
        p = self.vector(params)
        if self.method not in compiled.FIXED:
            return self.run_vector(p)
        report = self._fixed[1]
        found, status = fixed_steps(self.system, p, report, self._steps[0], self.dt, grid=self._grid)
        values = np.full((report.size, len(self.outputs)), math.nan)
        values[: len(found)] = found[:, self._fixed[3]]
        wrong = np.argwhere(~np.isfinite(values[: len(found)]))
        if wrong.size:
            row, column = wrong[0]
            values[row:] = math.nan
            status = RunStatus(Status.DIVERGED, float(report[row]), self.outputs[column])
        return Member(self._asked(values, 0), status)

    def vector(self, params: Mapping[str, float] | None) -> Floats:
        """Full parameter vector with some parameters changed."""
        p = self.base.copy()
        if params:
            p[self.places(params)] = list(params.values())
        return p

    def run_vector(self, p: Floats) -> Member:
        """Run once in machine code, with a full parameter vector."""
        kernel = compiled.member_kernel(self.system.source, self.method in compiled.ADAPTIVE, 1, self._grid is not None)
        members = self._empty(1)
        self._run(kernel, np.ascontiguousarray(p[None, :]), np.arange(p.size), members, 0, 1)
        return Member(self._asked(members.values[0], 0), members.status(0))

    def run_members(self, rows: Floats, names: Sequence[str], threads: int = 1) -> Members:
        """Run many members.

        Parameters
        ----------
        rows : array of shape (members, parameters)
        names : sequence of str
            Parameters that the columns hold; all others have the values of this simulation.
        threads : int
            The numbers do not depend on it.

        Returns
        -------
        Members
        """
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(names):
            raise JevonsError(f"rows of shape {rows.shape}, expected (members, {len(names)})")
        places = self.places(names)
        members = self._empty(len(rows))
        if not len(rows):
            return replace(members, values=self._asked(members.values, 1))
        literal = self._grid is not None
        kernel = compiled.member_kernel(self.system.source, self.method in compiled.ADAPTIVE, exact=literal)
        slices = [(first, min(first + SLICE, len(rows))) for first in range(0, len(rows), SLICE)]
        if threads == 1 or len(slices) == 1:
            for first, last in slices:
                self._run(kernel, rows, places, members, first, last)
            return replace(members, values=self._asked(members.values, 1))
        self._run(kernel, rows, places, members, *slices[0])  # compiles once
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda s: self._run(kernel, rows, places, members, *s), slices[1:]))
        return replace(members, values=self._asked(members.values, 1))

    def gradient(self, params: Mapping[str, float] | None = None, wrt: Sequence[str] = ()) -> tuple[Member, Floats]:
        """Run one member with the exact derivatives of its outputs.

        Parameters
        ----------
        params : mapping, optional
        wrt : sequence of str
            Parameters, or stocks for the derivative with respect to their initial value (natural units).

        Returns
        -------
        member : Member
        jacobian : array of shape (dates, outputs, len(wrt))
            Derivatives of the discrete solution; a date that is a parameter moves its break point.
            At a kink the derivative is one-sided; NaN from where the run stopped.

        Notes
        -----
        Tangent of every generated statement, integrated with the same steps (discretise, then differentiate).
        """
        return self.gradient_vector(self.vector(params), wrt)

    def gradient_vector(self, p: Floats, wrt: Sequence[str]) -> tuple[Member, Floats]:
        """As `gradient`, for a full parameter vector."""
        if self.method not in compiled.FIXED:
            raise JevonsError(
                f"gradients need a method of fixed steps, {', '.join(compiled.FIXED)}, found {self.method!r}"
            )
        system, width = self.system, compiled.DIRECTION_LANES
        blocks = max(1, -(-len(wrt) // width))
        seeds = np.zeros((blocks, system.n_vector * width))
        start_seeds = np.zeros((blocks, len(system.stocks) * width))
        for j, name in enumerate(wrt):
            block, lane = divmod(j, width)
            if name in system.stocks:
                start_seeds[block, system.stocks.index(name) * width + lane] = 1.0
            elif name in self._places:
                seeds[block, self._places[name] * width + lane] = 1.0
            else:
                known = (*system.parameters, *system.stocks)
                raise JevonsError(f"{name!r} is neither a parameter nor a stock{nearest(name, known)}")
        full = np.zeros(system.n_vector)
        full[: p.size] = p
        values = np.full((self._fixed[1].size, len(self.outputs)), math.nan)
        gradients = np.full((*values.shape, blocks * width), math.nan)
        if not np.isfinite(p).all():
            bad = int(np.argmin(np.isfinite(p)))
            member = Member(self._asked(values, 0), run_status(system, 3, system.start, bad))
            return member, self._asked(gradients[:, :, : len(wrt)], 0)
        order, dt = self._steps[:2]
        kernel = compiled.gradient_kernel(self._tangent_source(), self._grid is not None)
        ended = kernel(full, seeds, start_seeds, *self._fixed, len(system.outputs), order, dt, values, gradients)
        member = Member(self._asked(values, 0), run_status(system, *ended))
        return member, self._asked(gradients[:, :, : len(wrt)], 0)

    def _tangent_source(self) -> str:
        if self._tangents is None:
            if self._model is None:
                raise JevonsError(
                    "gradients of a simulation that was sent elsewhere: call gradient() before sending it"
                )
            from jevons.codegen import generate_tangents

            self._tangents = generate_tangents(self._model, break_points=self.break_points)
        return self._tangents

    def _empty(self, members: int) -> Members:
        shape = (members, self._fixed[1].size, len(self.outputs))
        return Members(
            np.full(shape, math.nan),
            np.zeros(members, np.int8),
            np.full(members, self.system.start),
            np.full(members, -1, np.int32),
            self.system,
        )

    def _run(self, kernel: Any, rows: Floats, places: Any, members: Members, first: int, last: int) -> None:
        part = slice(first, last)
        kernel(
            rows[part], places, self.base, *self._fixed, self.system.n_vector, len(self.system.outputs), *self._steps,
            members.values[part], members.codes[part], members.reached[part], members.culprit[part],
        )  # fmt: skip


def run_samples(simulation: Simulation, samples: Sequence[Mapping[str, float]], threads: int = 1) -> Members:
    """Run one member for every mapping of parameters; parameters that a mapping leaves out keep their value."""
    names = list(dict.fromkeys(name for sample in samples for name in sample))
    base = simulation.base[simulation.places(names)]
    rows = np.tile(base, (len(samples), 1))
    for i, sample in enumerate(samples):
        rows[i] = [sample.get(name, value) for name, value in zip(names, base, strict=True)]
    return simulation.run_members(rows, names, threads)
