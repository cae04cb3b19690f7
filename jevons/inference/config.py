"""Calibrations that come with a model: which parameters are free, in which variants, and the shipped fits."""

from __future__ import annotations

import importlib.resources
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jevons.elements import LogNormal
from jevons.errors import CalibrationError, nearest
from jevons.inference.fit import StoredFit, load_fit
from jevons.inference.history import History
from jevons.inference.problem import Calibration
from jevons.model import Model

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Variant:
    """One way to read the data: parameters it fixes, and why."""

    name: str
    doc: str
    fixed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ProjectedVariable:
    """How a column of the projection is read from a run.

    Attributes
    ----------
    name, unit : str
    source : str
        Model variable.
    kind : {'total', 'start', 'since'}
        Total of the calendar year, from a cumulative stock; value on 1 January; growth since `since`, 0 before.
    """

    name: str
    unit: str
    source: str
    kind: str
    since: float = math.nan


@dataclass(frozen=True)
class ProjectionConfig:
    """What the main job projects, measures and switches off."""

    start: int
    end: int
    scenarios: tuple[str, ...]
    counterfactuals: tuple[str, ...]
    counterfactual_years: tuple[int, ...]
    break_years: tuple[int, int]
    shock_date: float
    bias: str
    shocks: Mapping[str, float]
    scenario_shocks: Mapping[str, float]
    elasticity_priors: Mapping[str, LogNormal]
    variables: tuple[ProjectedVariable, ...]


@dataclass(frozen=True)
class CalibrationConfig:
    """A calibration read from TOML: free parameters, starts, seed, variants."""

    model: str
    free: tuple[str, ...]
    starts: int
    seed: int
    spread: float
    draws: int
    variants: Mapping[str, Variant]
    projection: ProjectionConfig | None = None

    def calibration(
        self, model: Model, history: History, variant: str, until: str | None = None, *, derivatives: str = "exact"
    ) -> Calibration:
        """The calibration problem of a variant, with what was known by the end of a month (see `Calibration`)."""
        chosen = self.variant(variant)
        fixed_model = model.with_values(chosen.fixed) if chosen.fixed else model
        free = [name for name in self.free if name not in chosen.fixed]
        return Calibration(fixed_model, history, free, variant=variant, until=until, derivatives=derivatives)

    def variant(self, name: str) -> Variant:
        """A variant by name; `CalibrationError` with the nearest name if there is none."""
        if name not in self.variants:
            mistake = f"variant {name!r}, expected one of {', '.join(self.variants)}{nearest(name, self.variants)}"
            raise CalibrationError(f"calibration of {self.model!r}", [mistake])
        return self.variants[name]


def _folder() -> Path:
    return Path(str(importlib.resources.files("jevons.calibration")))


def read_config(source: str | Path) -> CalibrationConfig:
    """Read a calibration by the name of its model, or from a TOML file.

    Raises
    ------
    CalibrationError
    """
    path = Path(source)
    if path.suffix != ".toml":
        path = _folder() / f"{source}.toml"
        if not path.exists():
            shipped = sorted(p.stem for p in _folder().glob("*.toml"))
            mistake = f"no calibration is shipped for it (shipped: {', '.join(shipped)}){nearest(str(source), shipped)}"
            raise CalibrationError(f"model {str(source)!r}", [mistake])
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        variants = {
            name: Variant(name, str(entry.get("doc", "")), {k: float(v) for k, v in entry.get("fixed", {}).items()})
            for name, entry in data["variants"].items()
        }
        return CalibrationConfig(
            model=str(data["model"]),
            free=tuple(data["free"]),
            starts=int(data["starts"]),
            seed=int(data["seed"]),
            spread=float(data["spread"]),
            draws=int(data["draws"]),
            variants=variants,
            projection=_projection(data["projection"]) if "projection" in data else None,
        )
    except OSError as error:
        raise CalibrationError(f"calibration {path}", [f"cannot be read ({error.strerror})"]) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationError(f"calibration {path}", [f"malformed: {error!r}"]) from error


def _projection(data: Mapping[str, Any]) -> ProjectionConfig:
    first, last = data["break_years"]
    return ProjectionConfig(
        start=int(data["start"]),
        end=int(data["end"]),
        scenarios=tuple(data["scenarios"]),
        counterfactuals=tuple(data["counterfactuals"]),
        counterfactual_years=tuple(data["counterfactual_years"]),
        break_years=(int(first), int(last)),
        shock_date=float(data["shock_date"]),
        bias=str(data["bias"]),
        shocks={k: float(v) for k, v in data["shocks"].items()},
        scenario_shocks={k: float(v) for k, v in data["scenario_shocks"].items()},
        elasticity_priors={k: LogNormal(**entry) for k, entry in data["elasticity_priors"].items()},
        variables=tuple(ProjectedVariable(name, **entry) for name, entry in data["variables"].items()),
    )


def shipped_fit(model: str, variant: str = "main") -> StoredFit:
    """The shipped fit of a model.

    Raises
    ------
    CalibrationError
        If there is none of that name.
    """
    folder = _folder() / "fits" / f"{model}-{variant}"
    if not folder.exists():
        shipped = [f.removeprefix(f"{model}-") for f in shipped_fits() if f.startswith(f"{model}-")]
        hint = nearest(variant.removeprefix(f"{model}-"), shipped)
        mistake = f"no shipped fit {variant!r} (shipped: {', '.join(shipped) or 'none'}){hint}"
        raise CalibrationError(f"model {model!r}", [mistake])
    return load_fit(folder)


def shipped_profile(name: str = "elasticity") -> pd.DataFrame:
    """A shipped table of refits with parameters held, with the rebound at each."""
    import pandas as pd

    try:
        return pd.read_csv(_folder() / "fits" / name / "profile.csv")
    except OSError as error:
        raise CalibrationError(f"profile {name!r}", [f"cannot be read ({error.strerror})"]) from error


def shipped_fits() -> list[str]:
    """Names of the shipped fits, ``<model>-<variant>``."""
    return sorted(p.parent.name for p in (_folder() / "fits").glob("*/fit.toml"))
