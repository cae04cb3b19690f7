"""From a model's name, a file or a stored fit to the calibration problem it stands for; and what belongs beside it."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jevons.errors import CalibrationError
from jevons.inference.config import CalibrationConfig, read_config, shipped_fit
from jevons.inference.fit import Fit, summarise
from jevons.inference.history import History, read_history
from jevons.inference.problem import Calibration
from jevons.library import load
from jevons.model import Model

if TYPE_CHECKING:
    from jevons.inference.stored import StoredFit

CONFIG, HISTORY = "calibration.toml", "history.csv"


@dataclass(frozen=True)
class Problem:
    """A calibration problem with where it comes from.

    Attributes
    ----------
    model : Model
        At its prior medians.
    """

    config: CalibrationConfig
    model: Model
    history: History
    variant: str
    until: str | None = None

    @property
    def calibration(self) -> Calibration:
        """The problem itself, made anew."""
        return self.config.calibration(self.model, self.history, self.variant, self.until)

    @property
    def fixed(self) -> dict[str, float]:
        """Parameters held away from the model's values."""
        return {**self.config.values, **self.config.variant(self.variant).fixed}

    def write(self, folder: Path) -> None:
        """Write calibration and history into a folder, so that a stored fit there can be gone on with."""
        folder.mkdir(parents=True, exist_ok=True)
        self.history.to_csv(folder / HISTORY)
        dataclasses.replace(self.config, history=HISTORY).write(folder / CONFIG)


def open_problem(
    what: str,
    *,
    variant: str | None = None,
    history: str | Path | None = None,
    priors: str | Path | None = None,
    until: str | None = None,
) -> Problem:
    """The calibration problem of a model, a calibration file, or a folder with a fit.

    Parameters
    ----------
    what : str
        A model with a shipped calibration (``"world"``), a TOML file, or a folder that ``jevons fit`` wrote.
    variant : str, optional
        ``"main"`` by default, or that of the folder.
    history : path, optional
        CSV file or folder instead of the calibration's; all its rows of role ``fit`` are used.
    priors : path, optional
        TOML file of the same form as a calibration, laid over that of `what`.
    until : str, optional
        Use only what was known by the end of this month.

    Raises
    ------
    CalibrationError, HistoryError
        With every mistake found.

    Examples
    --------
    >>> import jevons as jv
    >>> jv.open_problem("world", variant="iea").variant
    'iea'
    """
    folder = Path(what)
    if (folder / "fit.toml").exists():
        meta = tomllib.loads((folder / "fit.toml").read_text(encoding="utf-8"))
        variant = variant or str(meta.get("variant") or "main")
        until = until or str(meta.get("known_until") or "") or None
        kept = folder / CONFIG
        config = read_config(kept if kept.exists() else str(meta["model"]))
    elif priors is not None:
        config = read_config(priors, extends=what)
    else:
        config = read_config(what)
    variant = variant or "main"
    if history is not None:
        chosen = config.variant(variant)
        config = dataclasses.replace(
            config,
            history=str(Path(history).resolve()),
            variants={**config.variants, variant: dataclasses.replace(chosen, rows="")},
        )
    rows = read_history(config.folder / config.history)
    return Problem(config, load(config.model, fit=None), rows, variant, until)


def stored_fit(problem: Problem, what: str) -> tuple[Fit, StoredFit]:
    """The stored fit that a problem was opened from (its shipped one, or the folder's), as a fit to go on from.

    Raises
    ------
    CalibrationError
        If there is none, or it is of another model or other data.
    """
    name = what if (Path(what) / "fit.toml").exists() else problem.variant
    stored = shipped_fit(problem.config.model, name)
    stored.require(problem.model)
    calibration = problem.calibration
    if stored.meta["problem_hash"] != calibration.hash:
        found = f"{stored.meta['problem_hash']} ({stored.meta['rows']} rows, {len(stored.names)} free)"
        mine = f"{calibration.hash} ({len(calibration.rows)} rows, {len(calibration.free)} free)"
        mistake = f"is of problem {found}, expected {mine}: rows, priors or bounds changed"
        raise CalibrationError("stored fit", [mistake])
    return summarise(calibration, stored.centre, (), int(stored.meta["seed"])), stored
