"""Many runs of one model in machine code: over lanes, over threads, and with exact derivatives."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons import compiled
from jevons.errors import JevonsError, nearest
from jevons.integrate import compile_model, fixed_steps, parameter_vector
from jevons.system import System
from jevons.trajectory import RunStatus, Status

if TYPE_CHECKING:
    from jevons.model import Model

Floats = NDArray[np.float64]

METHODS = {**compiled.FIXED, **compiled.ADAPTIVE}
SLICE = 16 * compiled.LANES
"""Members that a thread takes at a time."""


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
    method : {'RK4', 'Euler', 'DOPRI5'}
        Steps of equal length at most `dt`, or Dormand and Prince 5(4) with steps that keep the error of each member
        within `rtol` and `atol`. At every break point (date of a step, pulse or ramp, knot of a driver) of each
        member integration restarts.
    dt : float
        Largest step; 1/32 yr agrees with adaptive integration to 1e-7 on the world model.
    rtol, atol : float
        Tolerances of DOPRI5 (`atol` in units of each stock, or of its logarithm).
    max_steps : int
        Most steps of DOPRI5, so that no run hangs.
    params : mapping, optional
        Values that hold for every member unless it changes them.

    Raises
    ------
    JevonsError
        For unknown outputs, parameters or methods, and dates that do not rise from the model's start.

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
        method: str = "RK4",
        dt: float = 1 / 32,
        rtol: float = 1e-8,
        atol: float = 1e-10,
        max_steps: int = 100_000,
        params: Mapping[str, float] | None = None,
    ) -> None:
        self._model: Model | None = model
        self._tangents: str | None = None
        self.system = compile_model(model)
        self.base = parameter_vector(model, self.system, params)
        self.times = np.asarray(list(times), dtype=float)
        rising = self.times.size > 0 and bool((np.diff(self.times) > 0).all())
        if not rising or not np.isfinite(self.times).all() or self.times[0] < model.start - 1e-9:
            raise JevonsError(f"dates of a run: expected rising dates from the model's start, {model.start:g}, on")
        if method not in METHODS:
            raise JevonsError(f"method {method!r}, expected one of {', '.join(METHODS)}{nearest(method, METHODS)}")
        for name, number in {"dt": dt, "rtol": rtol, "atol": atol, "max_steps": max_steps}.items():
            if not (math.isfinite(number) and number > 0):
                raise JevonsError(f"{name} {number!r}, expected a number more than 0")
        self.outputs = tuple(outputs)
        model.require([n for n in self.outputs if n not in self.system.outputs], self.system.outputs, "output")
        self.units = {name: model.unit(name) for name in self.outputs if name in model.elements}
        self.method = method
        self._steps = (METHODS[method], float(dt), float(rtol), float(atol), int(max_steps))
        self._places = {name: i for i, name in enumerate(self.system.parameters)}
        knots = np.array(self.system.knots)
        inside = (knots > self.system.start) & (knots < self.times[-1])
        columns = np.array([self.system.outputs.index(n) for n in self.outputs], dtype=np.int64)
        self._fixed = (
            self.system.start, self.times, knots[inside], columns, np.array(self.system.guesses),
            np.array(self.system.log, dtype=np.bool_), np.array(self.system.tables or (0.0,)), self.system.n_switches,
        )  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None}

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of a full vector."""
        return self.system.parameters

    @property
    def fingerprint(self) -> str:
        """Hash of all that the results depend on but the rows."""
        parts = (self.system, self.base.tolist(), self.times.tolist(), self.outputs, self._steps)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def places(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Positions of parameters in a full vector."""
        names = list(names)
        for name in names:
            if name not in self._places:
                raise JevonsError(f"parameter {name!r} is not in the model{nearest(name, self.system.parameters)}")
        return np.array([self._places[n] for n in names], dtype=np.int64)

    def run(self, params: Mapping[str, float] | None = None) -> Member:
        """Run once with some parameters changed; methods of fixed steps in plain Python, without a compiler."""
        p = self.vector(params)
        if self.method not in compiled.FIXED:
            return self.run_vector(p)
        order, dt = self._steps[:2]
        values, status = fixed_steps(self.system, p, self.times, order, dt)
        member = Member(np.full((self.times.size, len(self.outputs)), math.nan), status)
        member.values[: len(values)] = values[:, self._fixed[3]]
        wrong = np.argwhere(~np.isfinite(member.values[: len(values)]))
        if not wrong.size:
            return member
        row, column = wrong[0]
        member.values[row:] = math.nan
        return Member(member.values, RunStatus(Status.DIVERGED, float(self.times[row]), self.outputs[column]))

    def vector(self, params: Mapping[str, float] | None) -> Floats:
        """Full parameter vector with some parameters changed."""
        p = self.base.copy()
        if params:
            p[self.places(params)] = list(params.values())
        return p

    def run_vector(self, p: Floats) -> Member:
        """Run once in machine code, with a full parameter vector."""
        kernel = compiled.member_kernel(self.system.source, self.method in compiled.ADAPTIVE, lanes=1)
        members = self._empty(1)
        self._run(kernel, np.ascontiguousarray(p[None, :]), np.arange(p.size), members, 0, 1)
        return Member(members.values[0], members.status(0))

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
            return members
        kernel = compiled.member_kernel(self.system.source, self.method in compiled.ADAPTIVE)
        slices = [(first, min(first + SLICE, len(rows))) for first in range(0, len(rows), SLICE)]
        if threads == 1 or len(slices) == 1:
            for first, last in slices:
                self._run(kernel, rows, places, members, first, last)
            return members
        self._run(kernel, rows, places, members, *slices[0])  # compiles once
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda s: self._run(kernel, rows, places, members, *s), slices[1:]))
        return members

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
            Derivatives of the discrete solution (RK4 or Euler); a date that is a parameter moves its break point.
            At a kink the derivative is one-sided; NaN from where the run stopped.

        Notes
        -----
        Tangent of every generated statement, integrated with the same steps (discretise, then differentiate).
        """
        return self.gradient_vector(self.vector(params), wrt)

    def gradient_vector(self, p: Floats, wrt: Sequence[str]) -> tuple[Member, Floats]:
        """As `gradient`, for a full parameter vector."""
        if self.method not in compiled.FIXED:
            raise JevonsError(f"gradients need method 'RK4' or 'Euler', found {self.method!r}")
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
        values = np.full((self.times.size, len(self.outputs)), math.nan)
        gradients = np.full((self.times.size, len(self.outputs), blocks * width), math.nan)
        if not np.isfinite(p).all():
            bad = int(np.argmin(np.isfinite(p)))
            return Member(values, run_status(system, 3, system.start, bad)), gradients[:, :, : len(wrt)]
        order, dt = self._steps[:2]
        kernel = compiled.gradient_kernel(self._tangent_source())
        ended = kernel(full, seeds, start_seeds, *self._fixed, len(system.outputs), order, dt, values, gradients)
        return Member(values, run_status(system, *ended)), gradients[:, :, : len(wrt)]

    def _tangent_source(self) -> str:
        if self._tangents is None:
            if self._model is None:
                raise JevonsError(
                    "gradients of a simulation that was sent elsewhere: call gradient() before sending it"
                )
            from jevons.codegen import generate_tangents

            self._tangents = generate_tangents(self._model)
        return self._tangents

    def _empty(self, members: int) -> Members:
        shape = (members, self.times.size, len(self.outputs))
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
