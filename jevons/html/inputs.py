"""The tables a report is made from: read if they are there, named with the command that makes them if they are not."""

from __future__ import annotations

import functools
import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError
from jevons.inference.config import ProjectionConfig, read_config, shipped_folder
from jevons.inference.history import Observation, read_history

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

SAME = {
    "horizon_years": "horizon",
    "rebound_median": "rebound",
    "median_rebound": "rebound",
    "rebound_p05": "p05",
    "rebound_p25": "p25",
    "rebound_p75": "p75",
    "rebound_p95": "p95",
    "prior": "stance",
    "benchmark_twh": "value",
}
"""Names of columns that are read as another."""
SHIPPED = ("evidence.csv", "shapes.csv")
"""Tables that the project only passes on."""
MAY_BE_EMPTY = ("probability_backfire",)
"""Columns in which no number at all is an answer."""


@dataclass(frozen=True)
class Found:
    """A table, or why there is none.

    Attributes
    ----------
    name : str
        As the report calls it, ``backfire.csv`` or ``world-main/rows.csv``.
    command : str
        What makes it.
    frame : pandas.DataFrame or None
    why : str
        Empty if there is a table.
    """

    name: str
    command: str
    frame: pd.DataFrame | None
    why: str = ""

    @property
    def there(self) -> bool:
        """Whether it can be used."""
        return self.frame is not None

    @property
    def data(self) -> pd.DataFrame:
        """The table."""
        if self.frame is None:
            raise JevonsError(f"{self.name}: {self.why}")
        return self.frame


class Inputs:
    """Folder of the project's outputs, folder of the fits, and what is in them.

    Parameters
    ----------
    source : Path
        What ``jevons project`` wrote.
    fits : Path or None
        Where the calibration's scripts write; the shipped folder by default.
    model, variant : str
    """

    def __init__(self, source: Path, fits: Path | None, model: str, variant: str) -> None:
        self.source = source
        self.fits = shipped_folder() / "fits" if fits is None else fits
        self.model, self.variant = model, variant
        self.fit_name = f"{model}-{variant}"
        self.used: dict[str, Path] = {}
        self.absent: dict[str, str] = {}

    @functools.cached_property
    def plan(self) -> ProjectionConfig:
        """What the model's calibration says is projected."""
        plan = read_config(self.model).projection
        if plan is None:
            raise JevonsError(f"report of {self.model!r}: its calibration has no [projection] section")
        return plan

    @property
    def energy(self) -> str:
        """Name of the annual energy in the projection."""
        return next(v.name for v in self.plan.variables if v.kind == "total")

    @property
    def shock(self) -> str:
        """The efficiency gain that the report is about."""
        return next(iter(self.plan.scenario_shocks or self.plan.shocks))

    @functools.cached_property
    def observations(self) -> tuple[Observation, ...]:
        """The rows of history, benchmarks included."""
        try:
            return tuple(read_history(self.model))
        except JevonsError:
            return ()

    def output(self, name: str, needs: Sequence[str] = ()) -> Found:
        """A table of the project's outputs."""
        first = f"python calibration/evidence_{self.model}.py, then " if name in SHIPPED else ""
        return self._read(self.source / name, name, f"{first}jevons project --out out", needs, SAME)

    def fitted(self, name: str, needs: Sequence[str] = ()) -> Found:
        """A table of the fit."""
        checks = name.startswith("checks-")
        script = f"python calibration/{'checks' if checks else 'fit'}_{self.model}.py"
        command = f"{script} {self.variant}" if checks else f"{script} --only {self.fit_name}"
        return self._read(self.fits / self.fit_name / name, f"{self.fit_name}/{name}", command, needs)

    def made(self, folder: str, name: str, needs: Sequence[str] = ()) -> Found:
        """A table of what judges the fit: profiles, backtest, ablation."""
        commands = {
            "profiles": f"jevons profile {self.model} --out calibration/fits/profiles",
            "backtest": f"jevons backtest {self.model} --out calibration/fits/backtest",
        }
        command = commands.get(folder, f"python calibration/{folder}_{self.model}.py")
        return self._read(self.fits / folder / name, f"{folder}/{name}", command, needs)

    def shipped(self, name: str, needs: Sequence[str] = ()) -> Found:
        """A table of the calibration's own inputs."""
        return self._read(shipped_folder() / name, f"calibration/{name}", "pip install --force-reinstall jevons", needs)

    def listed(self, folder: str, pattern: str) -> list[str]:
        """Names of the files of a folder of the fits."""
        return sorted(p.name for p in (self.fits / folder).glob(pattern))

    def meta(self) -> Mapping[str, Any]:
        """What the fit says of itself; empty if there is none."""
        path = self.fits / self.fit_name / "fit.toml"
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            self.absent[f"{self.fit_name}/fit.toml"] = f"python calibration/fit_{self.model}.py --only {self.fit_name}"
            return {}
        self.used[f"{self.fit_name}/fit.toml"] = path
        return found

    def unconverged(self) -> dict[str, float]:
        """Other fits of the model and its shapes whose posterior has not converged, with the largest R-hat."""
        found = {}
        for path in sorted(self.fits.glob(f"{self.model}*/fit.toml")):
            name = path.parent.name
            try:
                said = tomllib.loads(path.read_text(encoding="utf-8")).get("posterior", {})
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
                continue
            if name != self.fit_name and not said.get("converged", False):
                found[name] = float(said.get("largest_r_hat", math.nan))
                self.used[f"{name}/fit.toml"] = path
        return found

    def _read(
        self, path: Path, name: str, command: str, needs: Sequence[str], same: Mapping[str, str] | None = None
    ) -> Found:
        import pandas as pd

        try:
            frame = pd.read_csv(path, comment="#" if path.name == "posterior.csv" else None)
        except FileNotFoundError:
            return self._missing(name, command, "is not there")
        except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            return self._missing(name, command, f"cannot be read ({type(error).__name__})")
        renamed = {old: new for old, new in (same or {}).items() if old in frame and new not in frame}
        frame = frame.rename(columns=renamed)
        lacking = [c for c in needs if c not in frame]
        if lacking:
            return self._missing(name, command, f"has no column {', '.join(lacking)}")
        if frame.empty:
            return self._missing(name, command, "has no rows")
        bare = [c for c in needs if c not in MAY_BE_EMPTY and frame[c].isna().all()]
        if bare:
            return self._missing(name, command, f"has nothing in column {', '.join(bare)}")
        self.used[name] = path
        return Found(name, command, frame)

    def _missing(self, name: str, command: str, why: str) -> Found:
        self.absent[name] = command
        return Found(name, command, None, why)

    def digests(self) -> list[tuple[str, str, int]]:
        """Every file that was read: name, first digits of its SHA-256, bytes."""
        found = []
        for name, path in sorted(self.used.items()):
            content = path.read_bytes()
            found.append((name, hashlib.sha256(content).hexdigest()[:16], len(content)))
        return found
