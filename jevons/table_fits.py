"""Calibration of a model to a file of data, in one call, and its tables and figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.inference.fit import Fit, fit, parameter_table, row_table
from jevons.inference.table_history import RELATIVE, Free, Sigmas, table_calibration
from jevons.model import Model

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_PANELS = 12
"""Columns that have a panel of their own in the figure; those that fit worst."""
_FINE = 400  # dates of a modelled line
_NORMAL_90 = 1.6448536269514722
_Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def calibrate(
    model: Model | str | Path,
    data: str | Path | pd.DataFrame,
    free: Free,
    *,
    columns: Sequence[str] | None = None,
    sigma: Sigmas = None,
    relative: float = RELATIVE,
    method: str | None = None,
    dt: float | None = None,
    starts: int = 8,
    seed: int = 0,
    threads: int = 2,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Fit:
    """Fit a model's parameters to a table over time.

    Parameters
    ----------
    model : Model, or path of a Vensim or XMILE file
        It runs by its settings: with the steps of its file.
    data : path or DataFrame
        Dates by variables, in the model's units: a CSV, a table that Vensim or Stella exported, or a run that
        `Trajectory.to_csv` wrote. Empty cells are skipped.
    free : sequence of str, or mapping of str to (low, high), LogNormal, Normal or None
        Parameters to fit; for those without a range or a prior see `jevons.inference.table_history.table_calibration`.
    columns : sequence of str, optional
        Columns to fit; all by default.
    sigma : float, or mapping of column to float, LogNormalNoise or NormalNoise, optional
        Standard error of the values, in their unit. A column left out has `relative` times its root mean square.
    method, dt : str, float, optional
        Other than the file's, such as ``method="RK4"``: a method of fixed steps.
    starts, seed, folder, resume, progress
        As for `jevons.fit`.

    Returns
    -------
    Fit
        What it assumed is in its text. ``model.with_values(fit.values)`` is the fitted model; `identifiability`,
        `profile_likelihood` and `sample` take the fit.

    Raises
    ------
    CalibrationError
        With every mistake in table, errors and parameters.
    FitError
        If no start converges.

    Examples
    --------
    ``jv.calibrate("teacup.mdl", "measured.csv", free=["Room Temperature", "Characteristic Time"])``

    ``jv.calibrate(model, frame, free={"Room Temperature": (50, 90)}, sigma={"Teacup Temperature": 2.0})``
    """
    if not isinstance(model, Model):
        from jevons.interchange.importer import read_model

        model = read_model(model)
    problem = table_calibration(
        model, read_table(data), free, columns=columns, sigma=sigma, relative=relative, method=method, dt=dt,
        threads=threads,
    )  # fmt: skip
    return fit(problem, starts=starts, seed=seed, folder=folder, resume=resume, progress=progress)


def read_table(data: str | Path | pd.DataFrame) -> pd.DataFrame:
    """A table over time from a file; a table passes through."""
    if not isinstance(data, (str, Path)):
        return data
    path = Path(data)
    with path.open("rb") as file:
        ours = file.read(3) == b"# {"
    if ours:
        from jevons.trajectory import Trajectory

        return Trajectory.read_csv(path).to_frame()
    from jevons.interchange.results import read_results

    return read_results(path)


def fitted_parameters(fit: Fit) -> pd.DataFrame:
    """The free parameters: value in the model, fitted value, its 90 % interval, and what they had as prior.

    The interval is that of the curvature at the best fit, priors included; `profile_likelihood` finds it without that
    approximation.
    """
    import pandas as pd

    table = parameter_table(fit).set_index("name").loc[list(fit.names)]
    reach = _NORMAL_90 * np.sqrt(np.diag(fit.covariance))
    low, high = fit.calibration.bounds(math.inf)
    ends = [fit.calibration.natural(np.clip(fit.u + side * reach, low, high)) for side in (-1, 1)]
    return pd.DataFrame(
        {
            "name": list(fit.names),
            "unit": table["unit"].to_numpy(),
            "model": [fit.calibration.model.parameters[n].value for n in fit.names],
            "fitted": [fit.values[n] for n in fit.names],
            "low90": ends[0],
            "high90": ends[1],
            "moved_sd": fit.u,
            "prior": [str(prior) for prior in fit.calibration.priors],
        }
    )


def write_table_fit(fit: Fit, folder: str | Path) -> list[Path]:
    """Write ``parameters.csv``, ``rows.csv`` (data beside model), ``run.csv`` (the fitted run) and ``fit.png``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"parameters.csv": fitted_parameters(fit), "rows.csv": row_table(fit)}
    for file, table in tables.items():
        table.to_csv(folder / file, index=False, lineterminator="\n")
    model = fit.calibration.model.with_values(fit.values)
    run = model.run() if model.settings else model.run(None, _last(fit))
    return [*(folder / file for file in tables), run.to_csv(folder / "run.csv"), fit_figure(fit, folder / "fit.png")]


def fit_figure(fit: Fit, path: str | Path) -> Path:
    """Data and fitted run, one panel a column; for many columns those that fit worst."""
    from matplotlib.figure import Figure

    rows = row_table(fit)
    names = list(dict.fromkeys(rows["series"]))
    worst = sorted(names, key=lambda n: -float((rows.loc[rows["series"] == n, "z"] ** 2).mean()))
    shown = [n for n in names if n in worst[:MOST_PANELS]]
    across = 1 if len(shown) == 1 else 2 if len(shown) < 5 else 3
    down = -(-len(shown) // across)
    figure = Figure(figsize=(min(6.8 * across, 14), 3.4 * down + 0.9), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    lines = _lines(fit, shown)
    for ax, name in zip(panels, shown, strict=False):
        _panel(ax, fit, rows[rows["series"] == name], name, *lines[name])
    for ax in panels[len(shown) :]:
        ax.set_axis_off()
    panels[0].legend(frameon=False, fontsize=8.5)
    from jevons.plot import GREY

    more = f"; {len(names) - len(shown)} more columns fit better than these" if len(names) > len(shown) else ""
    figure.suptitle(f"{fit.calibration.model.name}: fit of {len(fit.names)} parameters", fontsize=12.5, weight="bold")
    figure.supxlabel(
        f"Bars: one standard error. χ² of the data {fit.chi2_data:.1f} over {len(fit.z)} values{more}.",
        fontsize=8, color=GREY,
    )  # fmt: skip
    figure.savefig(path, dpi=130)
    return Path(path)


def _last(fit: Fit) -> float:
    return max(row.date for row in fit.calibration.rows)


def _lines(fit: Fit, names: Sequence[str]) -> dict[str, list[_Line]]:
    """Of each variable dates and values: of the model as it was, and as fitted; none where a run fails."""
    model, runner = fit.calibration.model, fit.calibration.runner
    lines: dict[str, list[_Line]] = {n: [] for n in names}
    end = max(_last(fit), model.start + runner.dt)
    options = {"method": runner.method, "dt": runner.dt} if fit.calibration.method_told else {}
    for values in ({}, fit.values):
        run = model.run(None, end, params=values, every=(end - model.start) / _FINE, on_failure="return", **options)
        for name in names:
            lines[name].append((run.times, run[name].to_numpy()))
    return lines


def _panel(
    ax: Axes,
    fit: Fit,
    rows: pd.DataFrame,
    name: str,
    before: _Line,
    after: _Line,
) -> None:
    from jevons.plot import BLUE, GREY

    model = fit.calibration.model
    ax.plot(*before, color=GREY, lw=1.2, ls="--", label="model as it was")
    ax.plot(*after, color=BLUE, lw=1.8, label="fitted")
    y, size = rows["observed"].to_numpy(), rows["sigma"].to_numpy()
    log = (rows["sigma_kind"] == "log").to_numpy()
    factor = np.exp(np.where(log, size, 0.0))
    bars = np.array([np.where(log, y - y / factor, size), np.where(log, y * factor - y, size)])
    dense = len(rows) > 60
    ax.errorbar(
        rows["date"], y, yerr=None if dense else bars, fmt="o", ms=2.6 if dense else 4, mfc="white", mec="black",
        mew=0.8, ecolor="black", elinewidth=0.7, zorder=3, label="data",
    )  # fmt: skip
    unit = model.unit(name)
    ax.set_title(_text(name), fontsize=10.5, loc="left")
    ax.set_ylabel(_text(f"[{unit}]") if unit else "", fontsize=9)
    ax.set_xlabel(_text(model.time_unit), fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)


def _text(text: str) -> str:
    """Text in which matplotlib sees no mathematics."""
    return text.replace("$", r"\$")
