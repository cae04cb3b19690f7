"""Shapes in which the response of use to its price satiates, and what is believed of their parameters."""

from __future__ import annotations

import importlib.resources
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal, Normal
from jevons.errors import CalibrationError, nearest

Floats = NDArray[np.float64]
Parameters = Mapping[str, Floats]

SHAPES: Mapping[str, tuple[str, ...]] = {
    "power": ("usage_price_elasticity", "satiation"),
    "full_price": ("usage_price_elasticity", "nonmoney_cost_share"),
    "hump": ("peak_elasticity", "elasticity_width", "peak_price"),
}
PARTS = ("adoption", "tasks", "compute", "common")
SHAPE_PRIORS = ("nonmoney_cost_share", "elasticity_width", "peak_price")


def shape_of(parameters: Mapping[str, Any]) -> str:
    """The shape whose parameters are all given; `CalibrationError` if it is not exactly one."""
    found = [shape for shape, names in SHAPES.items() if all(n in parameters for n in names)]
    if len(found) != 1:
        expected = "; ".join(f"{shape}: {', '.join(names)}" for shape, names in SHAPES.items())
        mistake = f"parameters of {', '.join(found) or 'no shape'}, expected those of one ({expected})"
        raise CalibrationError("elasticity evidence", [mistake])
    return found[0]


def log_usage(parameters: Parameters, ratio: Any) -> Floats:
    """Logarithm of use per user over that at the reference price, long run.

    Equation   power       η0/sat (1 - x^sat)
               full_price  -η0 (1 + s) ln[(x + s)/(1 + s)], the cost besides money as it is at the reference price
               hump        4 w η_peak [1/(1 + exp((ln x - m)/w)) - 1/(1 + exp(-m/w))]
    Valid for  x >= 0: the limit at price zero is finite in all three

    Parameters
    ----------
    ratio : float or array
        Price over the reference price, x.
    """
    shape = shape_of(parameters)
    x = np.asarray(ratio, dtype=float)
    if shape == "power":
        eta, satiation = (parameters[n] for n in SHAPES[shape])
        power: Floats = eta / satiation * (1 - x**satiation)
        return power
    if shape == "full_price":
        eta, share = (parameters[n] for n in SHAPES[shape])
        full: Floats = -eta * (1 + share) * np.log((x + share) / (1 + share))
        return full
    peak, width, offset = (parameters[n] for n in SHAPES[shape])
    with np.errstate(divide="ignore"):
        position = (np.log(x) - offset) / width
    hump: Floats = 4 * width * peak * (_logistic(-position) - _logistic(offset / width))
    return hump


def usage_elasticity(parameters: Parameters) -> Floats:
    """Price elasticity of use per user at the reference price, long run."""
    if shape_of(parameters) != "hump":
        return np.asarray(parameters["usage_price_elasticity"], dtype=float)
    at = _logistic(parameters["peak_price"] / parameters["elasticity_width"])
    return np.asarray(4 * parameters["peak_elasticity"] * at * (1 - at))


def _logistic(x: Any) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(x), dtype=float)


@dataclass(frozen=True)
class Stance:
    """What somebody believes of the elasticity: its parts at the reference price, and how it satiates.

    Equation   total = (adoption + tasks + compute) common;    usage = (tasks + compute) common

    Attributes
    ----------
    adoption, tasks, compute, common, satiation : LogNormal
    nonmoney_cost_share, elasticity_width : LogNormal
    peak_price : Normal
        Logarithm over the reference price.
    """

    name: str
    doc: str
    adoption: LogNormal
    tasks: LogNormal
    compute: LogNormal
    common: LogNormal
    satiation: LogNormal
    nonmoney_cost_share: LogNormal
    elasticity_width: LogNormal
    peak_price: Normal

    def draw(self, shape: str, n: int, seed: int = 0) -> dict[str, Floats]:
        """Draws of ``adoption_elasticity``, ``total_elasticity`` and the parameters of a shape.

        The elasticity of use at the reference price has the same prior in all shapes: the peak of the hump is
        the one that gives it, η_peak = usage / (4 s (1 - s)) with s the logistic function at m/w.
        """
        if shape not in SHAPES:
            mistake = f"shape {shape!r}, expected one of {', '.join(SHAPES)}{nearest(shape, SHAPES)}"
            raise CalibrationError("elasticity evidence", [mistake])
        rng = np.random.default_rng(seed)

        def lognormal(prior: LogNormal) -> Floats:
            return prior.median * np.exp(prior.sd_log * rng.standard_normal(n))

        adoption, tasks, compute, common = (lognormal(getattr(self, part)) for part in PARTS)
        usage = (tasks + compute) * common
        drawn = {"adoption_elasticity": adoption * common, "total_elasticity": (adoption + tasks + compute) * common}
        if shape == "hump":
            width = lognormal(self.elasticity_width)
            offset = self.peak_price.mean + self.peak_price.sd * rng.standard_normal(n)
            at = _logistic(offset / width)
            own = {"peak_elasticity": usage / (4 * at * (1 - at)), "elasticity_width": width, "peak_price": offset}
        else:
            second = SHAPES[shape][1]
            own = {"usage_price_elasticity": usage, second: lognormal(getattr(self, second))}
        return {**drawn, **own}

    def total(self) -> LogNormal:
        """Log-normal with the moments of the logarithm of the total elasticity."""
        return self._approximated(PARTS[:3])

    def usage(self) -> LogNormal:
        """Log-normal with the moments of the logarithm of the elasticity of use per user."""
        return self._approximated(PARTS[1:3])

    def _approximated(self, parts: tuple[str, ...]) -> LogNormal:
        """Mean and sd of ln of a sum of log-normals by Gauss-Hermite quadrature; the common factor adds up."""
        x, w = np.polynomial.hermite_e.hermegauss(32)
        weights, total = np.ones(1), np.zeros(1)
        for part in parts:
            prior: LogNormal = getattr(self, part)
            weights = np.outer(weights, w / w.sum()).ravel()
            total = np.add.outer(total, prior.median * np.exp(prior.sd_log * x)).ravel()
        logs = np.log(total)
        mean = float(weights @ logs)
        variance = float(weights @ (logs - mean) ** 2)
        return LogNormal(self.common.median * math.exp(mean), math.hypot(math.sqrt(variance), self.common.sd_log))


def calibration_file(name: str, path: str | Path | None) -> Path:
    """A file of ``jevons.calibration``'s folder of elasticity, or the one given."""
    return Path(path) if path is not None else Path(
        str(importlib.resources.files("jevons.calibration").joinpath("elasticity", name))
    )  # fmt: skip


class Entries:
    """Reads entries of a TOML file and collects every mistake in them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[str] = []
        try:
            self.data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CalibrationError(f"priors {path}", [f"cannot be read ({error.strerror})"]) from error
        except ValueError as error:
            raise CalibrationError(f"priors {path}", [f"malformed: {error}"]) from error

    def numbers(self, table: str, name: str, keys: tuple[str, ...]) -> tuple[float, ...]:
        """The numbers of an entry; each entry also needs a reason and a source."""
        entry = self.entry(table, name)
        where = f"{table}.{name}"
        found = []
        for key in keys:
            value = entry.get(key)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
                self.mistakes.append(f"{where}: {key} = {value!r}, expected a number")
                value = 1.0
            elif key in ("median", "sd_log", "sd") and value <= 0:
                self.mistakes.append(f"{where}: {key} = {value!r}, expected a positive number")
                value = 1.0
            found.append(float(value))
        return tuple(found)

    def entry(self, table: str, name: str) -> dict[str, Any]:
        """An entry as it stands; a mistake if it is missing or has no reason or source."""
        place: Any = self.data
        for key in table.split("."):
            place = place.get(key, {}) if isinstance(place, dict) else {}
        entry = place.get(name) if isinstance(place, dict) else None
        if not isinstance(entry, dict):
            hint = nearest(name, place) if isinstance(place, dict) else ""
            self.mistakes.append(f"{table}: entry {name!r} is missing{hint}")
            return {}
        self.mistakes += [f"{table}.{name}: {key} is missing" for key in ("reason", "source") if not entry.get(key)]
        return entry

    def lognormal(self, table: str, name: str) -> LogNormal:
        return LogNormal(*self.numbers(table, name, ("median", "sd_log")))

    def check(self) -> None:
        """Raise `CalibrationError` with every mistake found, each once."""
        if self.mistakes:
            raise CalibrationError(f"priors {self.path}", list(dict.fromkeys(self.mistakes)))


def read_stances(path: str | Path | None = None) -> dict[str, Stance]:
    """The stances of ``priors.toml``, or of another file.

    Raises
    ------
    CalibrationError
        With every mistake in the file.
    """
    entries = Entries(calibration_file("priors.toml", path))
    listed = entries.data.get("stances")
    if not isinstance(listed, dict) or not listed:
        entries.mistakes.append("stances: none, expected at least one table [stances.<name>]")
        listed = {}
    cost, width = (entries.lognormal("shapes", name) for name in SHAPE_PRIORS[:2])
    peak = Normal(*entries.numbers("shapes", "peak_price", ("mean", "sd")))
    stances = {}
    for name, table in listed.items():
        doc = str(table.get("doc", "")) if isinstance(table, dict) else ""
        parts = {part: entries.lognormal(f"stances.{name}", part) for part in (*PARTS, "satiation")}
        stances[name] = Stance(name, doc, nonmoney_cost_share=cost, elasticity_width=width, peak_price=peak, **parts)
    entries.check()
    return stances
