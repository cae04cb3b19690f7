"""Profile likelihoods: how far one parameter may go while all others follow, and the interval that this gives."""

from __future__ import annotations

import math
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal
from jevons.errors import CalibrationError, FitError
from jevons.inference.fit import Fit, summarise
from jevons.inference.profile import require_free
from jevons.inference.records import code_versions, digest, open_records
from jevons.inference.slices import Point, Slices
from jevons.inference.threads import parallel
from jevons.inference.walk import LOWER, LowerPoint, Side, Walk

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

RESTARTS = 10


@dataclass(frozen=True)
class BetterOptimum:
    """A lower optimum that a profile found on its way, and went on from.

    Attributes
    ----------
    values : mapping
        Natural values.
    u : array
    chi2, fit_chi2 : float
        Its chi-square, and that of the fit.
    """

    values: Mapping[str, float]
    u: Floats
    chi2: float
    fit_chi2: float


@dataclass(frozen=True)
class Profile:
    """Profile likelihood of one parameter; every value is natural.

    Attributes
    ----------
    name : str
    names : tuple of str
        All that is free.
    level, threshold : float
        Of the interval, and the rise of chi-square that belongs to it.
    priors : bool
        Whether the priors belong to what is profiled.
    values : array of shape (points,)
        Of the parameter, rising.
    chi2, chi2_data, chi2_prior : arrays of shape (points,)
        What is profiled, and the parts of data and priors.
    parameters : array of shape (points, names)
        Everything refitted.
    converged : array of bool
    best, best_chi2 : float
        The optimum.
    low, high : float
        The interval; NaN where it is open.
    fisher : (float, float)
        The interval that the curvature at the optimum alone would give.
    searched : (float, float)
        How far was searched.
    better_optimum : BetterOptimum or None
    refits, failures : int
        Inner fits, and how many of them did not converge from any guess.
    status : str
        ``"closed"``, or what is open and why.
    """

    name: str
    names: tuple[str, ...]
    level: float
    threshold: float
    priors: bool
    values: Floats
    chi2: Floats
    chi2_data: Floats
    chi2_prior: Floats
    parameters: Floats
    converged: NDArray[np.bool_]
    best: float
    best_chi2: float
    low: float
    high: float
    fisher: tuple[float, float]
    searched: tuple[float, float]
    better_optimum: BetterOptimum | None
    refits: int
    failures: int
    status: str

    @property
    def open_low(self) -> bool:
        """Whether the interval has no lower end within what was searched."""
        return math.isnan(self.low)

    @property
    def open_high(self) -> bool:
        """Whether the interval has no upper end within what was searched."""
        return math.isnan(self.high)

    def to_frame(self) -> pd.DataFrame:
        """One row a point: the parameter's value, chi2, chi2_data, chi2_prior, converged, and everything refitted."""
        import pandas as pd

        parts = {"chi2": self.chi2, "chi2_data": self.chi2_data, "chi2_prior": self.chi2_prior}
        refitted = {name: self.parameters[:, k] for k, name in enumerate(self.names) if name != self.name}
        return pd.DataFrame({self.name: self.values, **parts, "converged": self.converged, **refitted})

    def __repr__(self) -> str:
        low = f"below {self.searched[0]:.4g}" if self.open_low else f"{self.low:.4g}"
        high = f"above {self.searched[1]:.4g}" if self.open_high else f"{self.high:.4g}"
        text = (
            f"{self.name} = {self.best:.4g}, {self.level:.0%} profile interval {low} to {high} "
            f"(curvature alone: {self.fisher[0]:.4g} to {self.fisher[1]:.4g}), {self.status}; "
            f"{len(self.values)} points, {self.refits} refits, {self.failures} failed"
        )
        if self.better_optimum is not None:
            text += (
                f"; found a better optimum: chi2 {self.best_chi2:.4g}, the fit had {self.better_optimum.fit_chi2:.4g}"
            )
        return text


def profile_likelihood(
    fit: Fit,
    name: str,
    *,
    level: float = 0.9,
    priors: bool = True,
    points: int = 6,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    folder: str | Path | None = None,
    resume: bool = False,
) -> Profile:
    """Profile likelihood of one parameter, with its interval.

    Equation   PL(θ) = min χ²(θ, others); the interval is where PL(θ) − min PL is below the `level` quantile of χ²(1)
    Valid for  the level holds as the number of data grows; the interval stays right under any rescaling of θ
    Source     Raue et al. 2009, doi 10.1093/bioinformatics/btp358; Royston 2007, Stata Journal 7(3), 376-387

    Parameters
    ----------
    name : str
        A free parameter.
    level : float
    priors : bool
        Profile data and priors together; else the data alone, from their own optimum within the search bounds.
    points : int
        On each side, at least; steps are sized so that chi-square rises by about the same amount on each.
    bounds : (float, float)
        Natural values beyond which not to go; the search bounds of the calibration hold besides.
    folder : path, optional
        Where each refit is stored as it ends.
    resume : bool
        Go on from the refits stored in the folder.

    Raises
    ------
    CalibrationError
        If the name is not free, a setting makes no sense, or the folder holds another walk.
    FitError
        If better optima are found over and over: the fit was none.
    """
    return _profile(fit, name, level, priors, points, bounds, folder, resume, 1)


def profiles(
    fit: Fit,
    names: Sequence[str] | None = None,
    *,
    level: float = 0.9,
    priors: bool = True,
    points: int = 6,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> dict[str, Profile]:
    """Profile likelihoods of several parameters (all by default), on the calibration's threads.

    If one of them finds a better optimum, those of higher optima are done again from it.
    """
    wanted = tuple(fit.names if names is None else names)
    require_free(fit, wanted)
    found: dict[str, Profile] = {}
    missing, best = wanted, fit
    for turn in range(1, RESTARTS + 1):

        def one(name: str, best: Fit = best, turn: int = turn) -> Profile:
            unbounded = (-math.inf, math.inf)
            return _profile(best, name, level, priors, points, unbounded, folder, resume, turn)

        done = parallel(one, missing, fit.calibration.threads, "profiles", progress, unit="parameter")
        found.update(zip(missing, done, strict=True))
        lowest = min(found.values(), key=lambda p: p.best_chi2, default=None)
        missing = tuple(n for n in wanted if lowest and found[n].best_chi2 > lowest.best_chi2 + LOWER)
        if not missing or lowest is None or lowest.better_optimum is None:
            break
        best = summarise(fit.calibration, lowest.better_optimum.u, fit.starts, fit.seed)
    return {name: found[name] for name in wanted}


def _profile(
    fit: Fit,
    name: str,
    level: float,
    priors: bool,
    points: int,
    bounds: tuple[float, float],
    folder: str | Path | None,
    resume: bool,
    turn: int,
) -> Profile:
    from scipy.stats import chi2

    require_free(fit, [name])
    calibration, place = fit.calibration, fit.names.index(name)
    walls = _walls(fit, name, bounds)
    _require_settings(name, level, points, walls, bounds)
    header = {
        "job": f"profile of {name}",
        "problem": calibration.hash,
        "derivatives": calibration.derivatives,
        "fit": digest(fit.u),
        "level": level,
        "priors": priors,
        "points": points,
        "walls": walls,
        **code_versions(),
    }
    suffix = "" if turn == 1 else f"-{turn}"
    records = open_records(folder, f"profile-{urllib.parse.quote(name, safe='')}{suffix}.jsonl", header, resume)
    slices = Slices(calibration, place, priors, records)
    centre = slices.at(fit.u) if priors else slices.lowest(fit.u)
    threshold = float(chi2.ppf(level, 1))
    first, better = centre.chi2, None
    for _ in range(RESTARTS):
        walk = Walk(slices, centre, threshold, points, walls)
        try:
            low, high = walk.side(-1), walk.side(+1)
            break
        except LowerPoint as lower:
            centre = min(slices.lowest(lower.point.u), lower.point, key=lambda point: point.chi2)
            better = BetterOptimum(calibration.values(centre.u), centre.u, centre.chi2, first)
    else:
        mistake = (
            f"better optima were found {RESTARTS} times over, the last with chi2 {centre.chi2:g}, at first {first:g}"
        )
        raise FitError(f"profile of {name!r}", [mistake, "fit again, from more starts"])
    return _gathered(slices, name, (level, threshold), centre, (low, high), walls, better)


def _gathered(
    slices: Slices,
    name: str,
    asked: tuple[float, float],
    centre: Point,
    sides: tuple[Side, Side],
    walls: tuple[float, float],
    better: BetterOptimum | None,
) -> Profile:
    calibration, place = slices.calibration, slices.place

    def natural(u: float) -> float:
        moved = centre.u.copy()
        moved[place] = u
        return float(calibration.natural(moved)[place])

    points = [*reversed(sides[0].points), centre, *sides[1].points]
    parameters = np.array([calibration.natural(point.u) for point in points])
    half = math.sqrt(2 * asked[1] / centre.curvature) if centre.curvature > 0 else math.inf
    notes = [f"open {way}: {side.note}" for way, side in zip(("below", "above"), sides, strict=True) if side.note]
    return Profile(
        name=name,
        names=calibration.free,
        level=asked[0],
        threshold=asked[1],
        priors=slices.priors,
        values=parameters[:, place],
        chi2=np.array([point.chi2 for point in points]),
        chi2_data=np.array([point.data for point in points]),
        chi2_prior=np.array([point.prior for point in points]),
        parameters=parameters,
        converged=np.array([point.converged for point in points]),
        best=natural(centre.held),
        best_chi2=centre.chi2,
        low=natural(sides[0].edge),
        high=natural(sides[1].edge),
        fisher=(natural(centre.held - half), natural(centre.held + half)),
        searched=(natural(walls[0]), natural(walls[1])),
        better_optimum=better,
        refits=slices.refits,
        failures=slices.failures,
        status="; ".join(notes) or "closed",
    )


def _walls(fit: Fit, name: str, bounds: tuple[float, float]) -> tuple[float, float]:
    """How far to walk, in prior standard deviations."""
    calibration, place = fit.calibration, fit.names.index(name)
    low, high = (float(side[place]) for side in calibration.bounds())
    positive = isinstance(calibration.priors[place], LogNormal)

    def coordinate(value: float) -> float:
        if positive and value <= 0:
            return -math.inf
        if math.isinf(value):
            return value
        return float(calibration.coordinates({**fit.values, name: value})[place])

    return max(low, coordinate(bounds[0])), min(high, coordinate(bounds[1]))


def _require_settings(
    name: str, level: float, points: int, walls: tuple[float, float], bounds: tuple[float, float]
) -> None:
    mistakes = []
    if not 0 < level < 1:
        mistakes.append(f"level {level!r}, expected a number between 0 and 1")
    if points < 1:
        mistakes.append(f"points {points!r}, expected at least 1")
    if not walls[0] < walls[1]:
        mistakes.append(f"bounds {bounds!r}, expected a range that the search bounds leave open")
    if mistakes:
        raise CalibrationError(f"profile of {name!r}", mistakes)
