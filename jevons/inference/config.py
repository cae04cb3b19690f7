"""Calibrations kept as files: which parameters are free, their priors, nuisances, conditions, in which variants."""

from __future__ import annotations

import importlib.resources
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jevons.errors import CalibrationError, nearest
from jevons.inference.history import History, read_history
from jevons.inference.identifiability import Hint
from jevons.inference.problem import Calibration
from jevons.inference.stored import StoredFit, load_fit
from jevons.inference.unknowns import Condition, Nuisance, Prior
from jevons.model import Model

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Variant:
    """One way to read the data.

    Attributes
    ----------
    fixed : mapping of str to float
        Parameters held.
    rows : str
        Tag of the history rows it fits; its own name by default, empty for all rows.
    without_families : tuple of str
        Families of sources it leaves out.
    priors : mapping of str to LogNormal or Normal
        Instead of the calibration's.
    """

    name: str
    doc: str
    fixed: Mapping[str, float] = field(default_factory=dict)
    rows: str = ""
    without_families: tuple[str, ...] = ()
    priors: Mapping[str, Prior] = field(default_factory=dict)


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
    variables: tuple[ProjectedVariable, ...]
    benchmark_years: tuple[int, ...] = ()
    families: tuple[str, ...] = ()
    power_limit: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BacktestConfig:
    """What a rolling backtest judges.

    Attributes
    ----------
    level : str
        Series whose annual levels all predictors are compared on.
    origins, pooled : tuple of str
        Months; those over which coverage is pooled.
    growth : (int, int)
        Years whose growth is judged by itself.
    groups : mapping of str to tuple of str
        Series whose coverage is shown alone.
    forecasts, region : str
        CSV file of published forecasts, and which region of it the figure shows.
    """

    level: str
    origins: tuple[str, ...]
    pooled: tuple[str, ...] = ()
    growth: tuple[int, int] = (0, 0)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    forecasts: str = ""
    region: str = ""
    title: str = ""


@dataclass(frozen=True)
class ConditionConfig:
    """A condition in a file: where its history is, what differs there."""

    name: str
    history: str
    values: Mapping[str, float] = field(default_factory=dict)
    priors: Mapping[str, Prior] = field(default_factory=dict)


@dataclass(frozen=True)
class CalibrationConfig:
    """A calibration read from TOML (see docs/calibration.md for the format).

    Attributes
    ----------
    model : str
    free : tuple of str
    values : mapping of str to float
        Parameters held away from the model's values.
    priors : mapping of str to LogNormal or Normal
        Instead of the model's.
    sources : mapping of str to str
        Of the priors and values.
    bounds : mapping of str to (low, high)
    """

    model: str
    free: tuple[str, ...]
    starts: int
    seed: int
    spread: float
    draws: int
    variants: Mapping[str, Variant]
    projection: ProjectionConfig | None = None
    backtest: BacktestConfig | None = None
    history: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    priors: Mapping[str, Prior] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    nuisance: tuple[Nuisance, ...] = ()
    conditions: tuple[ConditionConfig, ...] = ()
    hints: tuple[Hint, ...] = ()
    folder: Path = field(default=Path(), compare=False)

    def calibration(
        self,
        model: Model,
        history: History,
        variant: str,
        until: str | None = None,
        *,
        derivatives: str = "exact",
    ) -> Calibration:
        """The calibration problem of a variant, with what was known by the end of a month (see `Calibration`)."""
        chosen = self.variant(variant)
        values = {**self.values, **chosen.fixed}
        mistakes = [
            f"value of {n!r}, which is not in the model{nearest(n, model.parameters)}"
            for n in values
            if n not in model.parameters
        ]
        mistakes += self._hint_mistakes(model)
        if mistakes:
            raise CalibrationError(f"calibration of {self.model!r}", mistakes)
        free = [name for name in self.free if name not in chosen.fixed]
        priors = {n: p for n, p in {**self.priors, **chosen.priors}.items() if n not in chosen.fixed}
        bounds = {n: ends for n, ends in self.bounds.items() if n not in chosen.fixed}
        here = model.with_values(values) if values else model
        conditions = [
            Condition(c.name, here.with_values(c.values) if c.values else here, self.read_history(c.history), c.priors)
            for c in self.conditions
        ]
        return Calibration(
            here, history, free, variant=chosen.rows or None, until=until, derivatives=derivatives, priors=priors,
            label=variant, bounds=bounds, nuisance=self.nuisance, conditions=conditions,
            without_families=chosen.without_families,
        )  # fmt: skip

    def _hint_mistakes(self, model: Model) -> list[str]:
        """Hints that name what is neither free nor in the model."""
        own = [f"{c.name}.{n}" for c in self.conditions for n in c.priors]
        known = [*model.parameters, *self.free, *(n.name for n in self.nuisance), *own]
        mistakes = []
        for hint in self.hints:
            unknown = [n for n in hint.parameters if n not in known]
            mistakes += [f"hint on {n!r}, which is neither free nor in the model{nearest(n, known)}" for n in unknown]
            seen = hint.unless_observed
            if seen and seen not in model.elements:
                mistakes.append(f"hint unless {seen!r} is observed, which is not in the model"
                                f"{nearest(seen, model.elements)}")  # fmt: skip
        return mistakes

    def variant(self, name: str) -> Variant:
        """A variant by name; `CalibrationError` with the nearest name if there is none."""
        if name not in self.variants:
            mistake = f"variant {name!r}, expected one of {', '.join(self.variants)}{nearest(name, self.variants)}"
            raise CalibrationError(f"calibration of {self.model!r}", [mistake])
        return self.variants[name]

    def read_history(self, name: str | None = None) -> History:
        """Its history, or that of a condition; a relative path is relative to the file it was read from."""
        path = self.history if name is None else name
        if not path:
            raise CalibrationError(f"calibration of {self.model!r}", ["names no history, expected entry 'history'"])
        return read_history(self.folder / path)

    def write(self, path: str | Path) -> Path:
        """Write it as TOML; `read_config` reads it back equal."""
        from jevons.inference.config_file import write_config

        return write_config(self, path)


def shipped_folder() -> Path:
    """Where the shipped calibrations are."""
    return Path(str(importlib.resources.files("jevons.calibration")))


def read_config(source: str | Path, *, extends: str | None = None) -> CalibrationConfig:
    """Read a calibration by the name of its model, or from a TOML file.

    Parameters
    ----------
    extends : str, optional
        What the file is laid over if it does not say so itself.

    Raises
    ------
    CalibrationError
        With every mistake found.
    """
    from jevons.inference.config_file import parse_config

    path = Path(source)
    if path.suffix != ".toml":
        path = shipped_folder() / f"{source}.toml"
        if not path.exists():
            shipped = shipped_calibrations()
            mistake = f"no calibration is shipped for it (shipped: {', '.join(shipped)}){nearest(str(source), shipped)}"
            raise CalibrationError(f"model {str(source)!r}", [mistake])
    return parse_config(path, extends)


def shipped_calibrations() -> list[str]:
    """Names of the shipped calibrations: files that say which parameters are free."""
    files = sorted(shipped_folder().glob("*.toml"))
    return [p.stem for p in files if "free" in tomllib.loads(p.read_text(encoding="utf-8"))]


def shipped_fit(model: str, variant: str = "main") -> StoredFit:
    """The shipped fit of a model, or the fit in a folder.

    Parameters
    ----------
    variant : str
        Name of a shipped fit (that of a country included), or a folder that `save_fit` wrote.

    Raises
    ------
    CalibrationError
        If there is none of that name.
    """
    if (Path(variant) / "fit.toml").exists():
        return load_fit(variant)
    folder = shipped_folder() / "fits" / f"{model}-{variant}"
    country = shipped_folder() / "country" / variant
    if not folder.exists() and (country / "fit.toml").exists():
        folder = country
    if not folder.exists():
        shipped = [f.removeprefix(f"{model}-") for f in shipped_fits() if f.startswith(f"{model}-")]
        shipped += shipped_countries()
        hint = nearest(variant.removeprefix(f"{model}-"), shipped)
        mistake = f"no shipped fit {variant!r} (shipped: {', '.join(shipped) or 'none'}){hint}"
        raise CalibrationError(f"model {model!r}", [mistake])
    return load_fit(folder)


def shipped_table(name: str, file: str) -> pd.DataFrame:
    """A shipped table that a calibration script wrote."""
    import pandas as pd

    try:
        return pd.read_csv(shipped_folder() / "fits" / name / file)
    except OSError as error:
        raise CalibrationError(f"table {name!r}", [f"{file} cannot be read ({error.strerror})"]) from error


def shipped_countries() -> list[str]:
    """Countries with a shipped fit of the world model, whose variants they are."""
    return sorted(p.parent.name for p in (shipped_folder() / "country").glob("*/fit.toml"))


def shipped_fits() -> list[str]:
    """Names of the shipped fits, ``<model>-<variant>``."""
    return sorted(p.parent.name for p in (shipped_folder() / "fits").glob("*/fit.toml"))
