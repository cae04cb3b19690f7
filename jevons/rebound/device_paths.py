"""Paths of an upgraded device in the planes of energy, expenditure and consumption, as data.

Points are stages, segments the effects between them. On an iso line energy (or expenditure) is constant; on an
indifference curve utility is.

Source     Heun, Semieniuk and Brockway 2025, see `jevons.rebound.device`
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jevons.errors import JevonsError
from jevons.rebound.device import DeviceRebound, DeviceStage

Floats = NDArray[np.float64]
Point = tuple[float, float]


@dataclass(frozen=True)
class Segment:
    """One effect, from where to where."""

    name: str
    start: Point
    end: Point


@dataclass(frozen=True)
class Line:
    """A straight line, y = slope x + intercept."""

    name: str
    slope: float
    intercept: float

    def at(self, x: ArrayLike) -> Floats:
        """Height of the line at x."""
        return np.asarray(self.slope * np.asarray(x, float) + self.intercept, float)


@dataclass(frozen=True)
class Curve:
    """A curve through points of a plane; NaN where it is not defined."""

    name: str
    x: Floats
    y: Floats


@dataclass(frozen=True)
class DevicePath:
    """The path of an upgrade in one plane.

    Attributes
    ----------
    plane : {'energy', 'expenditure', 'consumption'}
    x_label, y_label : str
        Names of the axes with units.
    points : mapping
        Where each stage is; tilde is after the macro effect.
    segments, lines, curves : tuple
    """

    plane: str
    x_label: str
    y_label: str
    points: Mapping[str, Point]
    segments: tuple[Segment, ...]
    lines: tuple[Line, ...]
    curves: tuple[Curve, ...] = ()


def energy_path(result: DeviceRebound, *, indexed: bool = False) -> DevicePath:
    """Energy of the device, and indirect energy: embodied, of upkeep, of other goods, of growth [MJ/yr].

    Lines have constant total energy: a rebound of 100 % (as before the upgrade), of 0 % (all that was expected is
    saved), and after each effect. The last ends where the total rebound is `Re_tot`.

    Parameters
    ----------
    indexed : bool
        Both axes over their values before the upgrade.
    """
    x = {name: stage.energy for name, stage in result.stages.items()}
    y = {name: result.indirect_energy(name) for name in result.stages}
    changes, saved = result.energy_changes, x["orig"] - result.expected_saving
    corners = _walk(
        (x["orig"], y["orig"]),
        [
            ("dempl", (saved, None)),
            ("emb", (None, y["orig"] + changes["emb"])),
            ("omd", (None, y["star"])),
            ("isub", (None, y["hat"])),
            ("dsub", (x["hat"], None)),
            ("dinc", (x["bar"], None)),
            ("iinc", (None, y["bar"])),
            ("macro", (None, y["tilde"])),
        ],
    )
    at = {"100 %": "orig", "empl": "star", "sub": "hat", "inc": "bar", "tot": "tilde"}
    through = {"0 %": (saved, y["orig"])} | {name: (x[stage], y[stage]) for name, stage in at.items()}
    points = {name: (x[name], y[name]) for name in result.stages}
    labels = ("energy of the device [MJ/yr]", "indirect energy [MJ/yr]")
    return _path("energy", labels, points, corners, through, indexed)


def expenditure_path(result: DeviceRebound, *, indexed: bool = False) -> DevicePath:
    """Cost of energy, and all other spending: capital, upkeep, other goods [$/yr].

    Lines have constant spending; the first is the budget, on which the path ends. There is no macro effect here.

    Parameters
    ----------
    indexed : bool
        Both axes over their values before the upgrade.
    """
    stages = {name: stage for name, stage in result.stages.items() if name != "tilde"}
    x = {name: stage.energy_price * stage.energy for name, stage in stages.items()}
    y = {name: s.discounted_capital + s.upkeep + s.other_goods for name, s in stages.items()}
    capital = stages["star"].discounted_capital - stages["orig"].discounted_capital
    corners = _walk(
        (x["orig"], y["orig"]),
        [
            ("dempl", (x["orig"] - result.gross_savings, None)),
            ("cap", (None, y["orig"] + capital)),
            ("omd", (None, y["star"])),
            ("isub", (None, y["hat"])),
            ("dsub", (x["hat"], None)),
            ("dinc", (x["bar"], None)),
            ("iinc", (None, y["bar"])),
        ],
    )
    points = {name: (x[name], y[name]) for name in stages}
    money = result.upgrade.money_unit
    labels = (f"energy [{money}/yr]", f"capital, upkeep and other goods [{money}/yr]")
    return _path("expenditure", labels, points, corners, {n: points[n] for n in ("orig", "star", "hat")}, indexed)


def consumption_path(result: DeviceRebound, *, points: int = 200, reach: float = 10.0) -> DevicePath:
    """Service and other goods over their values before the upgrade [1].

    Lines are budgets, steeper where service is dear, and the ray along which income is spent. Curves are indifferent:
    the first goes through the stages before and after substitution, the second through the last.

    Parameters
    ----------
    points : int
        Points of a curve.
    reach : float
        How far a curve goes beyond its stages, as a factor.
    """
    orig = result.stages["orig"]

    def at(stage: DeviceStage) -> Point:
        return stage.service / orig.service, stage.other_goods / orig.other_goods

    places = {name: at(stage) for name, stage in result.stages.items() if name != "tilde"}
    hat, bar = places["hat"], places["bar"]
    corners = _walk(
        places["star"],
        [("isub", (None, hat[1])), ("dsub", (hat[0], None)), ("dinc", (bar[0], None)), ("iinc", (None, bar[1]))],
    )
    lines = []
    for name, (x, y) in places.items():
        slope = -result.stages[name].service_price * orig.service / orig.other_goods
        lines.append(Line(name, slope, y - slope * x))
    lines.append(Line("ray", hat[1] / hat[0], 0.0))
    share, sigma = result.stages["orig"].service_share, result.substitution_elasticity
    curves = []
    for name, through, ends in (("orig", places["orig"], (1.0, hat[0])), ("bar", bar, (bar[0],))):
        grid = np.sort(np.append(np.geomspace(min(ends) / reach, max(ends) * reach, points), ends))
        curves.append(Curve(name, grid, indifference_curve(grid, through, share, sigma)))
    labels = (f"service, over {orig.service:g} {result.upgrade.service_unit}/yr [1]", "other goods, over before [1]")
    return DevicePath("consumption", *labels, MappingProxyType(places), corners, tuple(lines), tuple(curves))


def indifference_curve(x: ArrayLike, through: Point, share: float, sigma: float) -> Floats:
    """Other goods that with service x give the utility of a point; NaN where none do.

    Equation   y = [f/(1-f) (x1^ρ - x^ρ) + y1^ρ]^(1/ρ), ρ = (σ-1)/σ; σ = 1: y = y1 (x1/x)^(f/(1-f))
    Valid for  x > 0, 0 < f < 1, σ > 0; x and y over their values before the upgrade
    Source     Heun, Semieniuk and Brockway 2025, Part I

    Parameters
    ----------
    x : array_like
        Service [1].
    through : (float, float)
        Service and other goods at a point of the curve [1].
    share, sigma : float
        Share of the service before the upgrade f, and elasticity of substitution σ [1].
    """
    wrong = []
    if not 0 < share < 1:
        wrong.append(f"share {share:g}, expected between 0 and 1")
    if not (sigma > 0 and math.isfinite(sigma)):
        wrong.append(f"sigma {sigma:g}, expected above 0 and finite")
    if min(through) <= 0:
        wrong.append(f"through {through}, expected both above 0")
    if wrong:
        raise JevonsError(f"indifference curve: {'; '.join(wrong)}")
    service = np.asarray(x, float)
    weight = share / (1 - share)
    with np.errstate(all="ignore"):
        if sigma == 1:
            return np.asarray(through[1] * (through[0] / service) ** weight, float)
        rho = (sigma - 1) / sigma
        powers = [np.expm1(rho * np.log(v)) for v in (through[0], service, through[1])]
        inner = weight * (powers[0] - powers[1]) + powers[2]
        return np.asarray(np.exp(np.log1p(inner) / rho), float)


def _walk(start: Point, steps: Sequence[tuple[str, tuple[float | None, float | None]]]) -> tuple[Segment, ...]:
    """Segments tip to tail; a step names the coordinate it changes."""
    found, here = [], start
    for name, (x, y) in steps:
        there = (here[0] if x is None else x, here[1] if y is None else y)
        found.append(Segment(name, here, there))
        here = there
    return tuple(found)


def _path(
    plane: str,
    labels: tuple[str, str],
    points: Mapping[str, Point],
    segments: Sequence[Segment],
    through: Mapping[str, Point],
    indexed: bool,
) -> DevicePath:
    """A path whose lines have a constant sum of both axes; divided by the first point if indexed."""
    x0, y0 = points["orig"] if indexed else (1.0, 1.0)

    def scaled(point: Point) -> Point:
        return point[0] / x0, point[1] / y0

    lines = tuple(Line(name, -x0 / y0, (x + y) / y0) for name, (x, y) in through.items())
    if indexed:
        labels = (
            labels[0].partition(" [")[0] + ", over before [1]",
            labels[1].partition(" [")[0] + ", over before [1]",
        )
    return DevicePath(
        plane,
        *labels,
        MappingProxyType({name: scaled(p) for name, p in points.items()}),
        tuple(Segment(s.name, scaled(s.start), scaled(s.end)) for s in segments),
        lines,
    )
