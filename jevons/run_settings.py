"""How a model is run unless it is told otherwise, and the grid of dates of a run in steps of a given length."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError, nearest

Floats = NDArray[np.float64]

ADAPTIVE = ("LSODA", "Radau", "BDF", "DOP853", "RK45", "RK23")
FIXED = {"Euler": 1, "RK2": 2, "RK4": 4}
"""Methods of fixed steps, each with its right-hand sides a step."""

DT = 1 / 32
"""Step of models without settings."""

MOST_STEPS = 2_000_000
_SAME = 1e-6  # of a step
_ROUNDING = 1e-12  # of a date


@dataclass(frozen=True)
class RunSettings:
    """How a model is run unless a run says otherwise: what a model file says of its simulation.

    Methods of fixed steps then step as simulation programs do: from the start in steps of `dt`, whatever switches
    between them.

    Parameters
    ----------
    end : float
        Date at which a run ends.
    dt : float
        Length of a step.
    every : float
        Distance of the reported dates. Where it is no multiple of `dt`, the first step is reported that comes to
        within half a step of each date.
    method : str
        ``Euler``, ``RK2`` (midpoint), ``RK4``, or an adaptive method of scipy.
    time_step : str, optional
        Parameter that holds the step. Its value is the step of a run; where a run is given another `dt`, the
        parameter follows, unless the run sets it too.
    end_name : str, optional
        Parameter that holds the end of a run. A window given to a run does not change it.
    dates : tuple of float, optional
        Grid of a model whose step varies, rising from the start: one step from each date to the next. A run that is
        given `dt` does without it.
    reported : tuple of float, optional
        Those of the `dates` that are reported; all of them by default.

    Raises
    ------
    JevonsError
        From `mistakes` when a model is built.
    """

    end: float
    dt: float
    every: float
    method: str = "Euler"
    time_step: str | None = None
    end_name: str | None = None
    dates: tuple[float, ...] | None = None
    reported: tuple[float, ...] | None = None

    def mistakes(self, start: float, parameters: Collection[str]) -> Iterator[str]:
        """What is wrong with the settings of a model that starts at `start` and has these parameters."""
        known = (*FIXED, *ADAPTIVE)
        if self.method not in known:
            hint = nearest(str(self.method), known)
            yield f"settings: method {self.method!r}, expected one of {', '.join(known)}{hint}"
        if not _finite(self.end):
            yield f"settings: end {self.end!r}, expected a finite number"
        for name in ("dt", "every"):
            value = getattr(self, name)
            if not (_finite(value) and value > 0):
                yield f"settings: {name} {value!r}, expected a number more than 0"
        for name in ("time_step", "end_name"):
            parameter = getattr(self, name)
            if parameter is not None and parameter not in parameters:
                yield f"settings: {name} {parameter!r} is not a parameter of the model{nearest(parameter, parameters)}"
        if self.dates is not None:
            rising = len(self.dates) > 1 and all(map(_finite, self.dates)) and bool((np.diff(self.dates) > 0).all())
            if not rising or abs(self.dates[0] - start) > _SAME * (self.dates[1] - self.dates[0]):
                yield f"settings: dates, expected two or more that rise from the model's start, {start:g}"
        if self.reported is not None:
            foreign = [t for t in self.reported if t not in (self.dates or ())]
            if self.dates is None or foreign or not self.reported or not (np.diff(self.reported) > 0).all():
                found = f"; {foreign[0]:g} is not" if foreign and self.dates else ""
                yield f"settings: reported, expected rising dates that are among `dates`{found}"


@dataclass(frozen=True)
class Choice:
    """Method, step and restarts of a run, after what it was told and what the model's settings say.

    Attributes
    ----------
    method : str
    dt : float
    break_points : bool
        Whether integration restarts where something switches.
    settings : RunSettings or None
    told : bool
        Whether the run was given `dt`.
    """

    method: str
    dt: float
    break_points: bool
    settings: RunSettings | None
    told: bool

    def tied(self, parameters: Sequence[str], p: Floats, params: Mapping[str, float] | None) -> Choice:
        """The choice with the step that the model's parameter holds; where `dt` was told, `p` gets it instead."""
        name = self.settings.time_step if self.settings else None
        if name is None or name not in parameters:
            return self
        place = parameters.index(name)
        if not self.told:
            return replace(self, dt=float(p[place]))
        if name not in (params or {}):
            p[place] = self.dt
        return self

    @property
    def dates(self) -> tuple[float, ...] | None:
        """The grid that the model's settings give, if the run keeps to it."""
        return None if self.settings is None or self.told or self.break_points else self.settings.dates

    def reported(self, start: float, end: float) -> Floats | None:
        """The reported dates that the model's settings give within a window, its end among them."""
        if self.settings is None or self.dates is None:
            return None
        dates = np.array(self.settings.reported or self.dates)
        inside = dates[(dates >= start - _ROUNDING * abs(start)) & (dates < end)]
        return np.append(inside, end)

    def grid(self, start: float, wanted: Floats, most: float = MOST_STEPS) -> Grid:
        """Steps from the start until the last wanted date, without restarts."""
        if self.dates is not None:
            return given_grid(start, wanted, self.dates)
        return even_grid(start, wanted, self.dt, most)


def choose(
    settings: RunSettings | None,
    method: str | None,
    dt: float | None,
    break_points: bool | None,
    known: Collection[str],
    default: str,
    default_adaptive: str = "",
) -> Choice:
    """Method, step and restarts of a run.

    Parameters
    ----------
    settings : RunSettings or None
        Of the model.
    method, dt, break_points
        As told, None where left out.
    known : collection of str
        Methods that can run.
    default : str
        Method of models without settings.
    default_adaptive : str, optional
        Stands for adaptive methods of the settings that cannot run here.

    Raises
    ------
    JevonsError
        For unknown methods.
    """
    asked = method or (settings.method if settings else default)
    if method is None and asked in ADAPTIVE and default_adaptive:
        asked = default_adaptive
    if asked not in known:
        where = "" if method is not None else " of the model's settings"
        hint = nearest(str(asked), known)
        raise JevonsError(f"method {asked!r}{where}, expected one of {', '.join(known)}{hint}")
    if break_points is None:
        break_points = settings is None or asked not in FIXED
    step = dt if dt is not None else settings.dt if settings else DT
    return Choice(asked, step, break_points, settings, dt is not None)


@dataclass(frozen=True)
class Grid:
    """Dates of a run in given steps.

    Attributes
    ----------
    dates : array of shape (n + 1,)
        The start, and where each step ends.
    steps : array of shape (n,)
        Lengths of the steps.
    places : array
        Positions of the reported dates.
    times : array
        The reported dates, as asked for where a step ends there but for rounding.
    rows : array
        Of each wanted date the place among the reported ones.
    """

    dates: Floats
    steps: Floats
    places: NDArray[np.int64]
    times: Floats
    rows: NDArray[np.int64]


def even_grid(start: float, wanted: Floats, dt: float, most: float = MOST_STEPS) -> Grid:
    """Steps of equal length from the start until the last wanted date is reached.

    Every date is the start and a whole number of steps, not a sum of steps. A wanted date is reported by the first
    step that comes to within half a step of it.

    Raises
    ------
    JevonsError
        For more steps than `most`.
    """
    places = np.maximum(np.ceil((wanted - start) / dt - 0.5 - _SAME), 0.0)
    count = max(float(places[-1]), 1.0)
    if not count <= most:
        raise JevonsError(
            f"run from {start:g} to {wanted[-1]:g} in steps of {dt:g}: {count:,.0f} steps, at most {most:,.0f} are "
            "taken; give a larger dt"
        )
    dates: Floats = start + dt * np.arange(int(count) + 1, dtype=np.float64)
    return _grid(dates, np.full(int(count), float(dt)), places.astype(np.int64), wanted)


def given_grid(start: float, wanted: Floats, dates: tuple[float, ...]) -> Grid:
    """One step from each date to the next, until the last wanted date is reached.

    Raises
    ------
    JevonsError
        Where the dates end before.
    """
    grid: Floats = np.array([start, *dates[1:]])
    steps: Floats = np.diff(grid)
    reached = grid + 0.5 * np.append(steps, steps[-1]) * (1 + _SAME)
    places = np.searchsorted(reached, wanted)
    if places[-1] >= grid.size:
        raise JevonsError(f"the model's dates end at {grid[-1]:g}, before {wanted[-1]:g}; end earlier, or give dt")
    last = max(int(places[-1]), 1)
    return _grid(grid[: last + 1], steps[:last], places, wanted)


def _grid(dates: Floats, steps: Floats, places: NDArray[np.int64], wanted: Floats) -> Grid:
    places, first, rows = np.unique(places, return_index=True, return_inverse=True)
    times, asked = dates[places], np.asarray(wanted, dtype=float)[first]
    around = np.append(steps, steps[-1])[places]
    return Grid(dates, steps, places, np.where(np.abs(times - asked) <= _SAME * around, asked, times), rows)


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
