"""The best chi-square with one parameter held: one point of a profile, with its slope and where the rest moves next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError
from jevons.inference.descent import descend, held_by_bound
from jevons.inference.information import split
from jevons.inference.problem import Calibration
from jevons.inference.records import Records

Floats = NDArray[np.float64]

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Point:
    """A refit with one parameter held, in prior standard deviations.

    Attributes
    ----------
    held : float
    u : array
        All that is free, the held one included.
    chi2 : float
        What is profiled; infinite if the model did not run.
    data, prior : float
        Its parts; an estimated scale of noise adds to neither.
    slope, curvature : float
        First and second derivative of the profile (the second without the curvature of the model).
    direction : array
        Derivative of the refitted `u` by the held one.
    converged : bool
    """

    held: float
    u: Floats
    chi2: float
    data: float
    prior: float
    slope: float
    curvature: float
    direction: Floats
    converged: bool


class Slices:
    """Refits of one problem along one parameter; each finished one is recorded, and replayed on resuming.

    Parameters
    ----------
    calibration : Calibration
    place : int
        Position of the parameter that is held.
    priors : bool
        Whether the priors belong to what is profiled.
    records : Records, optional
    """

    def __init__(self, calibration: Calibration, place: int, priors: bool, records: Records | None) -> None:
        self.calibration, self.place, self.priors, self.records = calibration, place, priors, records
        self.bounds = calibration.bounds()
        self.refits = self.failures = 0
        self._others = np.arange(len(calibration.free)) != place
        self._replay = records.read() if records is not None else []

    def at(self, u: Floats) -> Point:
        """The point at `u` as it is, nothing refitted."""
        return self._point(u, self._residuals(u), self._jacobian(u), True)

    def lowest(self, u: Floats) -> Point:
        """The lowest point that a descent in all parameters finds from `u`."""

        def find() -> Point:
            end = descend(self._residuals, self._jacobian, u, self.bounds)
            return self._point(end.u, end.residuals, self._jacobian(end.u), end.converged)

        return self._recorded("lowest", None, find)

    def refit(self, held: float, guesses: Sequence[Floats]) -> Point:
        """The best point with the parameter held, from the first guess from which the search converges."""

        def find() -> Point:
            tried = []
            for guess in guesses:
                tried.append(self._descent(held, guess))
                if tried[-1].converged:
                    return tried[-1]
            return min(tried, key=lambda point: point.chi2)

        point = self._recorded("refit", held, find)
        self.refits += 1
        self.failures += not point.converged
        return point

    def _descent(self, held: float, guess: Floats) -> Point:
        others, u = self._others, guess.copy()
        u[self.place] = held
        low, high = self.bounds

        def whole(part: Floats) -> Floats:
            complete = u.copy()
            complete[others] = part
            return complete

        latest: dict[bytes, Floats] = {}

        def slopes(part: Floats) -> Floats:
            latest.clear()
            latest[part.tobytes()] = self._jacobian(whole(part))
            return latest[part.tobytes()][:, others]

        end = descend(
            lambda part: self._residuals(whole(part)),
            slopes,
            guess[others],
            (low[others], high[others]),
            tolerance=TOLERANCE,
            most=150,
        )
        if not math.isfinite(end.chi2):
            return _nothing(u, self.place)
        found = whole(end.u)
        jacobian = latest.get(end.u.tobytes())
        return self._point(found, end.residuals, self._jacobian(found) if jacobian is None else jacobian, end.converged)

    def _point(self, u: Floats, residuals: Floats, jacobian: Floats, converged: bool) -> Point:
        """Slope and curvature: the envelope theorem, and what is left of the parameter once the others follow."""
        if not (residuals.size and np.isfinite(residuals).all() and np.isfinite(jacobian).all()):
            return _nothing(u, self.place)
        tied = held_by_bound(residuals, jacobian, u, self.bounds)
        follow = self._others & ~tied
        own = jacobian[:, self.place]
        direction = np.zeros(u.size)
        direction[follow] = np.linalg.lstsq(jacobian[:, follow], -own, rcond=None)[0]
        direction[self.place] = 1.0
        remaining = jacobian @ direction
        data = residuals[: len(self.calibration.rows)]
        return Point(
            held=float(u[self.place]),
            u=u,
            chi2=float(residuals @ residuals),
            data=float(data @ data),
            prior=float(u @ u),
            slope=2 * float(remaining @ residuals),
            curvature=2 * float(remaining @ remaining),
            direction=direction,
            converged=converged,
        )

    def _residuals(self, u: Floats) -> Floats:
        return self._wanted(self.calibration.residuals(u))

    def _jacobian(self, u: Floats) -> Floats:
        return self._wanted(self.calibration.jacobian(u))

    def _wanted(self, rows: Floats) -> Floats:
        if self.priors:
            return rows
        parts = split(self.calibration, rows)
        return np.concatenate([parts.data, parts.noise])

    def _recorded(self, kind: str, held: float | None, find: Any) -> Point:
        """What `find` finds; on resuming, what it found then: the walk asks the same questions in the same order."""
        if self._replay:
            record = self._replay.pop(0)
            if record["kind"] != kind or record["asked"] != held:
                found = f"{record['kind']} at {record['asked']}"
                mistake = f"found a {found}, expected a {kind} at {held}: not the records of this walk"
                raise CalibrationError(str(getattr(self.records, "path", "profile")), [mistake, "give another folder"])
            return _read(record["point"])
        point: Point = find()
        if self.records is not None:
            self.records.append({"kind": kind, "asked": held, "point": asdict(point)})
        return point


def _read(record: Mapping[str, Any]) -> Point:
    return Point(**{**record, "u": np.array(record["u"]), "direction": np.array(record["direction"])})


def _nothing(u: Floats, place: int) -> Point:
    nan = math.nan
    return Point(float(u[place]), u, math.inf, nan, nan, nan, nan, np.zeros(u.size), False)
