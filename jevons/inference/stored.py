"""Fits and their posteriors as files: CSV tables for people, netCDF for programs, TOML for where they come from."""

from __future__ import annotations

import csv
import importlib.metadata
import math
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from jevons.errors import CalibrationError
from jevons.inference.fit import OUTSIDE, Fit, parameter_table, row_table
from jevons.inference.posterior import Posterior
from jevons.inference.sampling import Draws
from jevons.inference.starts import ranked, starts_table
from jevons.model import Model

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

FORMAT = 1
TABLES = ("parameters", "rows", "starts", "convergence")
TEXT = ("name", "unit", "source", "series", "variable", "family", "message", "quantity")
"""Columns that are text, whatever they look like: the unit 1 is no number."""


@dataclass(frozen=True)
class StoredFit:
    """A fit read from disk: values, covariance, and draws of the posterior.

    Attributes
    ----------
    names, centre, covariance
        As in `Fit`; `centre` is in prior standard deviations.
    sample : array of shape (draws, parameters)
        Draws of the posterior, natural values.
    fixed : mapping
        Values of parameters that the calibration holds away from the model's.
    parameters, rows, starts, convergence : pandas.DataFrame
    meta : mapping
        Seed, hashes, versions, chi-squares, and how the draws were made.
    """

    names: tuple[str, ...]
    centre: Floats
    covariance: Floats
    sample: Floats
    fixed: Mapping[str, float]
    parameters: pd.DataFrame
    rows: pd.DataFrame
    starts: pd.DataFrame
    convergence: pd.DataFrame
    meta: Mapping[str, Any]

    @property
    def values(self) -> dict[str, float]:
        """Fitted values of the model's parameters, and values of those that the calibration holds."""
        table = self.parameters.set_index("name")["value"]
        return {**self.fixed, **{n: float(table[n]) for n in self._of_model}}

    @property
    def _of_model(self) -> list[str]:
        outside = set(self.parameters.loc[self.parameters["status"] == OUTSIDE, "name"])
        return [n for n in self.names if n not in outside]

    def waterfall(self) -> pd.DataFrame:
        """As `Fit.waterfall`."""
        return ranked(self.starts.to_dict("records"))

    def draws(self, n: int | None = None) -> list[dict[str, float]]:
        """`n` stored draws spread evenly (all by default): natural values, parameters that are held included.

        Raises
        ------
        CalibrationError
            If more are asked for than are stored.
        """
        stored = len(self.sample)
        if n is not None and n > stored:
            raise CalibrationError("draws of a fit", [f"asked for {n}, stored are {stored}"])
        chosen = self.sample[np.linspace(0, stored - 1, stored if n is None else n).astype(int)]
        places = [(self.names.index(name), name) for name in self._of_model]
        return [{**self.fixed, **{name: float(row[k]) for k, name in places}} for row in chosen]

    def require(self, model: Model) -> None:
        """Refuse a model that is not the one fitted.

        Raises
        ------
        CalibrationError
            With every parameter that differs.
        """
        unknown = [n for n in self.fixed if n not in model.parameters]
        here = model if unknown or not self.fixed else model.with_values(self.fixed)
        if not unknown and here.hash == self.meta["model_hash"]:
            return
        differences = list(_differences(here, self.parameters))
        nothing = ["no parameter differs, so equations, initial values, tables, roles, ranges or units of variables do"]
        found = (
            f"model {model.name!r}: the fit is of {self.meta['model']!r} {self.meta['model_hash']}, not of {here.hash}"
        )
        raise CalibrationError(found, differences or nothing)


def _differences(model: Model, stored: pd.DataFrame) -> list[str]:
    rows = stored[stored["status"] != OUTSIDE].set_index("name")
    found = [f"{n!r} is in the model and not in the fit" for n in model.parameters if n not in rows.index]
    for name, row in rows.iterrows():
        if name not in model.parameters:
            found.append(f"{name!r} is in the fit and not in the model")
            continue
        parameter = model.parameters[str(name)]
        if math.isnan(row["moved_sd"]) and row["value"] != parameter.value:
            found.append(f"{name!r}: {row['value']:g} in the fit, {parameter.value:g} in the model")
        if row["unit"] != parameter.unit:
            found.append(f"{name!r}: unit {row['unit']!r} in the fit, {parameter.unit!r} in the model")
        if row.get("prior_of", "model") != "model":
            continue
        prior = parameter.prior
        kinds = [str(row["prior"]) if isinstance(row["prior"], str) else "", type(prior).__name__ if prior else ""]
        if kinds[0] != kinds[1]:
            found.append(f"{name!r}: prior {kinds[0] or 'none'} in the fit, {kinds[1] or 'none'} in the model")
            continue
        centre = getattr(prior, "median", getattr(prior, "mean", math.nan))
        width = getattr(prior, "sd_log", getattr(prior, "sd", math.nan))
        for what, here, there in (("centre", row["prior_median"], centre), ("width", row["prior_sd_log"], width)):
            if here != there and not (math.isnan(here) and math.isnan(there)):
                found.append(f"{name!r}: {what} of the prior {here:g} in the fit, {there:g} in the model")
    return found


def save_fit(
    fit: Fit,
    posterior: Posterior | Draws,
    folder: str | Path,
    *,
    fixed: Mapping[str, float] | None = None,
    draws: int = 1000,
    command: str = "",
) -> Path:
    """Write a fit and draws of its posterior.

    Writes ``fit.toml`` (seed, hashes, versions, chi-squares), ``parameters.csv``, ``rows.csv``, ``covariance.csv``,
    ``starts.csv``, ``convergence.csv``, and the draws as ``posterior.csv`` (one row a draw, where they come from in its
    first lines) and ``posterior.nc``.

    Parameters
    ----------
    draws : int
        How many of the posterior's draws, spread evenly over its chains.
    fixed : mapping, optional
        Parameters that the calibration holds away from the model's values.
    """
    import pandas as pd

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    calibration = fit.calibration
    parameter_table(fit).to_csv(folder / "parameters.csv", index=False)
    row_table(fit).to_csv(folder / "rows.csv", index=False)
    pd.DataFrame(fit.covariance, index=list(fit.names), columns=list(fit.names)).to_csv(folder / "covariance.csv")
    ends = starts_table(fit.starts, fit.optima, calibration.natural, fit.names)
    ends.to_csv(folder / "starts.csv", index=False)
    chains, natural, made = _draws(fit, posterior, draws)
    table = posterior.table if isinstance(posterior, Posterior) else pd.DataFrame(columns=["quantity"])
    table.to_csv(folder / "convergence.csv", index=False, float_format="%.6g")
    origin: dict[str, Any] = {
        "format": FORMAT,
        "model": calibration.model.name,
        "model_hash": calibration.model.hash,
        "history_hash": calibration.history.hash,
        "problem_hash": calibration.hash,
        "variant": calibration.label,
        "known_until": calibration.until or "",
        "seed": fit.seed,
        "code_version": importlib.metadata.version("jevons"),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba")},
    }
    meta = {
        **origin,
        "command": command,
        "starts": len(fit.starts),
        "share_of_starts_at_best": fit.share_at_best,
        "failed_starts": fit.failed_starts,
        "optima": len(fit.optima),
        "failed_evaluations": calibration.failures,
        "evaluations": calibration.evaluations,
        "gradients": calibration.gradients,
        "rows": len(fit.z),
        "free_parameters": len(fit.names),
        "effective_parameters": fit.effective_parameters,
        "chi2_data": fit.chi2_data,
        "chi2_prior": fit.chi2_prior,
        "chi2_noise": fit.chi2_noise,
        "reduced_chi2": fit.reduced_chi2,
        "largest_z": float(np.abs(fit.z).max()),
        "largest_move_sd": float(np.abs(fit.u).max()),
        "draws": len(natural),
        "posterior": made,
        "fixed": {name: float(x) for name, x in (fixed or {}).items()},
    }
    (folder / "fit.toml").write_text(tomli_w.dumps(meta), encoding="utf-8")
    frame = pd.DataFrame(natural, columns=list(fit.names))
    frame.insert(0, "chain", chains)
    with (folder / "posterior.csv").open("w", encoding="utf-8", newline="") as file:
        for line in tomli_w.dumps({**origin, "method": made["method"]}).splitlines():
            file.write(f"# {line}\n")
        frame.to_csv(file, index=False, float_format="%.8g", lineterminator="\n")
    data = frame.rename_axis("draw").to_xarray()
    for name, unit in zip(fit.names, _units(fit), strict=True):
        data[name].attrs["units"] = unit
    data.attrs.update({**origin, "method": made["method"]})
    data.to_netcdf(folder / "posterior.nc", engine="h5netcdf")
    return folder


def _draws(fit: Fit, posterior: Posterior | Draws, n: int) -> tuple[NDArray[np.int64], Floats, dict[str, Any]]:
    if isinstance(posterior, Posterior):
        chains, length, parameters = posterior.u.shape
        every = np.unique(np.linspace(0, length - 1, max(1, n // chains)).astype(int))
        u = posterior.u[:, every].reshape(-1, parameters)
        made = {"method": posterior.method, "converged": posterior.converged, "chains": chains, "length": length}
        made |= {"seed": posterior.seed, **posterior.summary(), **posterior.statistics}
        label = np.repeat(np.arange(chains), every.size)
    else:
        u, label = posterior.u[:n], np.zeros(len(posterior.u[:n]), dtype=int)
        made = {"method": "randomised maximum likelihood", "converged": False, "failed": posterior.failed}
    natural = np.array([fit.calibration.natural(x) for x in u]).reshape(-1, len(fit.names))
    return label, natural, made


def _units(fit: Fit) -> list[str]:
    parameters = fit.calibration.model.parameters
    names = [name.rpartition(".")[2] for name in fit.names]
    return [parameters[n].unit if n in parameters else "1" for n in names]


def load_fit(folder: str | Path) -> StoredFit:
    """Read what `save_fit` wrote.

    Raises
    ------
    CalibrationError
        If a file is missing, of another format, or does not belong to the others.
    """
    import pandas as pd

    folder = Path(folder)
    try:
        meta = tomllib.loads((folder / "fit.toml").read_text(encoding="utf-8"))
        if meta.get("format") != FORMAT:
            raise ValueError(f"format {meta.get('format')!r}, expected {FORMAT}: make it again")
        parameters, rows, starts, convergence = (
            pd.read_csv(folder / f"{name}.csv", dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=[""])
            for name in TABLES
        )
        with (folder / "covariance.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.reader(file))
        names = tuple(table[0][1:])
        covariance = np.array([[float(x) for x in line[1:]] for line in table[1:]])
        if covariance.shape != (len(names), len(names)):
            raise ValueError(f"covariance of shape {covariance.shape} for {len(names)} parameters")
        sample = _read_posterior(folder / "posterior.csv", names, meta)
        moved = parameters.set_index("name")["moved_sd"]
        centre = np.array([float(moved.get(n, math.nan)) for n in names])
        fixed = {str(k): float(v) for k, v in meta.pop("fixed", {}).items()}
    except (OSError, ValueError, KeyError, IndexError, tomllib.TOMLDecodeError) as error:
        raise CalibrationError(f"fit in {folder}", [f"cannot be read: {error}"]) from error
    return StoredFit(names, centre, covariance, sample, fixed, parameters, rows, starts, convergence, meta)


def _read_posterior(path: Path, names: tuple[str, ...], meta: Mapping[str, Any]) -> Floats:
    import pandas as pd

    with path.open(encoding="utf-8") as file:
        head = "".join(line[2:] for line in file if line.startswith("# "))
    origin = tomllib.loads(head)
    keys = ("format", "model", "model_hash", "history_hash", "problem_hash", "variant", "seed")
    differences = [
        f"{k}: {origin.get(k)!r} in posterior.csv, {meta.get(k)!r} in fit.toml"
        for k in keys
        if origin.get(k) != meta.get(k)
    ]
    if differences:
        raise ValueError("; ".join(differences))
    sample: Floats = pd.read_csv(path, comment="#")[list(names)].to_numpy(float)
    if len(sample) != meta["draws"]:
        raise ValueError(f"{len(sample)} draws in posterior.csv, {meta['draws']} in fit.toml")
    return sample
