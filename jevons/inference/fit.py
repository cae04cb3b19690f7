"""Fitting: many starts of `scipy.optimize.least_squares`, and what the best of them says."""

from __future__ import annotations

import csv
import importlib.metadata
import math
import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError, FitError
from jevons.inference.problem import BOUND, Calibration
from jevons.inference.sampling import Draws
from jevons.inference.threads import parallel

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

SAME_OPTIMUM = 0.1
REDRAWS = 50


@dataclass(frozen=True)
class Start:
    """One start of a fit: where it ended, in total chi-square, and how."""

    index: int
    redrawn: int
    initial: float
    final: float
    evaluations: int
    converged: bool
    message: str


@dataclass(frozen=True)
class Fit:
    """The best fit with its Gauss-Newton covariance.

    Attributes
    ----------
    names : tuple of str
        Free parameters.
    values : mapping
        Their fitted values.
    u : array
        The same in prior standard deviations from the prior's centre ("moved").
    covariance : array
        Of `u`: inverse of JᵀJ, priors included.
    modelled, z : array
        Per row: modelled value, and (model − data)/sigma.
    chi2_data, chi2_prior, effective_parameters : float
    starts : tuple of Start
    """

    calibration: Calibration
    names: tuple[str, ...]
    values: Mapping[str, float]
    u: Floats
    covariance: Floats
    modelled: Floats
    z: Floats
    chi2_data: float
    chi2_prior: float
    effective_parameters: float
    starts: tuple[Start, ...]
    seed: int

    @property
    def chi2(self) -> float:
        """Total chi-square, data and priors."""
        return self.chi2_data + self.chi2_prior

    @property
    def reduced_chi2(self) -> float:
        """Data chi-square over rows less effective parameters."""
        return self.chi2_data / (len(self.z) - self.effective_parameters)

    @property
    def share_at_best(self) -> float:
        """Share of the starts that ended within 0.1 of the best total chi-square."""
        return sum(s.final < self.chi2 + SAME_OPTIMUM for s in self.starts) / len(self.starts)

    def __repr__(self) -> str:
        return (
            f"Fit of {self.calibration.model.name!r} ({self.calibration.variant or 'all rows'}): "
            f"{len(self.z)} rows, {len(self.names)} free parameters ({self.effective_parameters:.1f} effective), "
            f"chi2 {self.chi2_data:.1f} data + {self.chi2_prior:.1f} prior, reduced {self.reduced_chi2:.2f}, "
            f"max |z| {np.abs(self.z).max():.2f}, max move {np.abs(self.u).max():.2f} sd, "
            f"{self.share_at_best:.0%} of {len(self.starts)} starts at the best"
        )


def fit(
    calibration: Calibration, *, starts: int = 16, seed: int = 0, spread: float = 1.0, progress: bool = True
) -> Fit:
    """Fit from many starts drawn from the priors.

    Parameters
    ----------
    starts : int
    seed : int
    spread : float
        Width of the start distribution in prior standard deviations.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Fit

    Raises
    ------
    FitError
        If no start converges. A start counts as converged only if its last evaluation was finite and the
        search moved.
    """
    from scipy.stats import norm, qmc

    n = len(calibration.free)
    design = norm.ppf(qmc.LatinHypercube(n, rng=np.random.default_rng(seed)).random(starts)) * spread

    def search(k: int) -> tuple[Start, Any]:
        return _search(calibration, k, design[k], np.random.default_rng([seed, k]), spread)

    ended = parallel(search, range(starts), calibration.threads, "fit", progress, unit="start")
    done = [start for start, _ in ended]
    results = [result for start, result in ended if start.converged]
    best = min(results, key=lambda result: float(result.cost), default=None)
    if best is None:
        endings = [f"start {s.index}: {s.message}" for s in done]
        raise FitError(f"fit of {calibration.model.name!r}: no start converged", endings)
    return summarise(calibration, np.asarray(best.x), tuple(done), seed)


def _search(calibration: Calibration, k: int, u: Floats, rng: np.random.Generator, spread: float) -> tuple[Start, Any]:
    """One start; starts from which the model does not run are drawn again."""
    from scipy.optimize import least_squares

    limit = BOUND * 0.95
    evaluations = 0

    def residuals(u: Floats) -> Floats:
        nonlocal evaluations
        evaluations += 1
        return calibration.residuals(u)

    def jacobian(u: Floats) -> Floats:
        nonlocal evaluations
        evaluations += 1 if calibration.derivatives == "exact" else u.size + 1
        return calibration.jacobian(u)

    u, redrawn = np.clip(u, -limit, limit), 0
    initial = residuals(u)
    while not np.isfinite(initial).all() and redrawn < REDRAWS:
        redrawn += 1
        u = np.clip(rng.standard_normal(u.size) * spread, -limit, limit)
        initial = residuals(u)
    if not np.isfinite(initial).all():
        return Start(k, redrawn, math.nan, math.inf, evaluations, False, "no start ran"), None
    before = float(initial @ initial)
    try:
        result = least_squares(
            residuals, u, jac=jacobian, bounds=(-BOUND, BOUND), method="trf",
            xtol=1e-10, ftol=1e-10, gtol=1e-8, max_nfev=200,
        )  # fmt: skip
    except (ValueError, np.linalg.LinAlgError) as error:
        return Start(k, redrawn, before, math.inf, evaluations, False, str(error)), None
    finite, moved = bool(np.isfinite(result.fun).all()), bool(np.abs(result.x - u).max() > 0)
    converged = bool(result.status > 0) and finite and moved
    return Start(k, redrawn, before, 2 * float(result.cost), evaluations, converged, str(result.message)), result


def summarise(calibration: Calibration, u: Floats, starts: Sequence[Start], seed: int) -> Fit:
    """The fit at a point: residuals, covariance, effective parameters."""
    jacobian = calibration.jacobian(u)
    data = jacobian[: len(calibration.rows)]
    information = data.T @ data
    covariance: Floats = np.asarray(np.linalg.inv(information + np.eye(u.size)), dtype=np.float64)
    modelled = calibration.modelled(u)
    z = calibration.standardised(modelled)
    return Fit(
        calibration=calibration,
        names=calibration.free,
        values=calibration.values(u),
        u=u,
        covariance=covariance,
        modelled=modelled,
        z=z,
        chi2_data=float(z @ z),
        chi2_prior=float(u @ u),
        effective_parameters=float(np.trace(information @ covariance)),
        starts=tuple(starts),
        seed=seed,
    )


def parameter_table(fit: Fit) -> pd.DataFrame:
    """All parameters: fitted ones with prior and move, the others with their status."""
    import pandas as pd

    rows = []
    moved = dict(zip(fit.names, fit.u, strict=True))
    sd = dict(zip(fit.names, np.sqrt(np.diag(fit.covariance)), strict=True))
    for name, parameter in fit.calibration.model.parameters.items():
        prior = parameter.prior
        free = name in moved
        rows.append(
            {
                "name": name,
                "unit": parameter.unit,
                "value": fit.values[name] if free else parameter.value,
                "prior_median": getattr(prior, "median", getattr(prior, "mean", math.nan)),
                "prior_sd_log": getattr(prior, "sd_log", getattr(prior, "sd", math.nan)),
                "moved_sd": moved.get(name, math.nan),
                "posterior_sd": sd.get(name, math.nan),
                "prior": type(prior).__name__ if prior is not None else "",
                "status": parameter.status,
                "source": parameter.source,
            }
        )
    return pd.DataFrame(rows)


def notable_moves(parameters: pd.DataFrame) -> list[str]:
    """Parameters that moved more than one prior standard deviation, largest first; those on a bound are named so."""
    moved = parameters[parameters["moved_sd"].abs() > 1]
    lines = []
    for row in moved.sort_values("moved_sd", key=abs, ascending=False).itertuples():
        bound = ", on its bound" if abs(row.moved_sd) > BOUND - 1e-3 else ""
        lines.append(f"{row.name} = {row.value:.4g} {row.unit} ({row.moved_sd:+.2f} sd{bound})")
    return lines


def row_table(fit: Fit) -> pd.DataFrame:
    """Fitted rows: observed, modelled, z."""
    import pandas as pd

    calibration = fit.calibration
    return pd.DataFrame(
        {
            "series": [r.series for r in calibration.rows],
            "variable": [r.variable for r in calibration.rows],
            "statistic": [r.statistic for r in calibration.rows],
            "date": [r.date for r in calibration.rows],
            "reference_date": [r.reference_date for r in calibration.rows],
            "unit": [calibration.model.unit(r.variable) if r.statistic in ("at", "annual", "since") else r.unit
                     for r in calibration.rows],
            "observed": calibration.observed,
            "sigma": [r.sigma for r in calibration.rows],
            "sigma_kind": [r.sigma_kind for r in calibration.rows],
            "modelled": fit.modelled,
            "z": fit.z,
            "role": [r.role for r in calibration.rows],
            "family": [r.family for r in calibration.rows],
            "source": [r.source for r in calibration.rows],
        }
    )  # fmt: skip


@dataclass(frozen=True)
class StoredFit:
    """A shipped fit: values, covariance, and draws of the parameters.

    Attributes
    ----------
    names, centre, covariance
        As in `Fit`; `centre` is in prior standard deviations.
    sample : array of shape (draws, parameters)
        Draws by randomised maximum likelihood, natural values.
    fixed : mapping
        Values of parameters that the variant fixes away from the model's.
    parameters, rows, starts : pandas.DataFrame
    meta : mapping
        Seed, hashes, versions, chi-squares.
    """

    names: tuple[str, ...]
    centre: Floats
    covariance: Floats
    sample: Floats
    fixed: Mapping[str, float]
    parameters: pd.DataFrame
    rows: pd.DataFrame
    starts: pd.DataFrame
    meta: Mapping[str, Any]

    @property
    def values(self) -> dict[str, float]:
        """Fitted values, and those the variant fixes."""
        table = self.parameters.set_index("name")["value"]
        return {**{n: float(table[n]) for n in self.names}, **self.fixed}

    def draws(self, n: int | None = None) -> list[dict[str, float]]:
        """The first `n` stored draws (all by default), natural values, parameters the variant fixes included.

        Raises
        ------
        CalibrationError
            If more are asked for than are stored.
        """
        stored = len(self.sample)
        if n is not None and n > stored:
            raise CalibrationError("draws of a fit", [f"asked for {n}, stored are {stored}"])
        return [{**self.fixed, **dict(zip(self.names, row.tolist(), strict=True))} for row in self.sample[:n]]


def save_fit(
    fit: Fit, draws: Draws, folder: str | Path, fixed: Mapping[str, float] | None = None, command: str = ""
) -> Path:
    """Write a fit and its draws as CSV tables and a TOML file with seed, hashes and versions."""
    import pandas as pd

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    parameter_table(fit).to_csv(folder / "parameters.csv", index=False)
    row_table(fit).to_csv(folder / "rows.csv", index=False)
    pd.DataFrame(fit.covariance, index=list(fit.names), columns=list(fit.names)).to_csv(folder / "covariance.csv")
    pd.DataFrame([vars(s) for s in fit.starts]).to_csv(folder / "starts.csv", index=False)
    natural = np.array([fit.calibration.natural(u) for u in draws.u]).reshape(-1, len(fit.names))
    pd.DataFrame(natural, columns=list(fit.names)).to_csv(folder / "draws.csv", index=False, float_format="%.8g")
    calibration = fit.calibration
    meta: dict[str, Any] = {
        "model": calibration.model.name,
        "model_hash": calibration.model.hash,
        "variant": calibration.variant or "",
        "known_until": calibration.until or "",
        "history_hash": calibration.history.hash,
        "seed": fit.seed,
        "starts": len(fit.starts),
        "share_of_starts_at_best": fit.share_at_best,
        "failed_evaluations": calibration.failures,
        "evaluations": calibration.evaluations,
        "gradients": calibration.gradients,
        "draws": len(draws.u),
        "failed_draws": draws.failed,
        "rows": len(fit.z),
        "free_parameters": len(fit.names),
        "effective_parameters": fit.effective_parameters,
        "chi2_data": fit.chi2_data,
        "chi2_prior": fit.chi2_prior,
        "reduced_chi2": fit.reduced_chi2,
        "largest_z": float(np.abs(fit.z).max()),
        "largest_move_sd": float(np.abs(fit.u).max()),
        "code_version": importlib.metadata.version("jevons"),
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "scipy": importlib.metadata.version("scipy"),
        "numba": importlib.metadata.version("numba"),
        "command": command,
    }
    lines = [f"{key} = {_toml(value)}" for key, value in meta.items()]
    lines += ["", "[fixed]", *(f"{key} = {_toml(float(value))}" for key, value in (fixed or {}).items())]
    (folder / "fit.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def load_fit(folder: str | Path) -> StoredFit:
    """Read what `save_fit` wrote.

    Raises
    ------
    CalibrationError
        If a file is missing or does not fit the others.
    """
    import pandas as pd

    folder = Path(folder)
    try:
        meta = tomllib.loads((folder / "fit.toml").read_text(encoding="utf-8"))
        parameters = pd.read_csv(folder / "parameters.csv")
        rows = pd.read_csv(folder / "rows.csv")
        starts = pd.read_csv(folder / "starts.csv")
        with (folder / "covariance.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.reader(file))
        names = tuple(table[0][1:])
        draws = pd.read_csv(folder / "draws.csv")
        sample = draws[list(names)].to_numpy(float)
        covariance = np.array([[float(x) for x in line[1:]] for line in table[1:]])
        moved = parameters.set_index("name")["moved_sd"]
        centre = np.array([float(moved[n]) for n in names])
        fixed = {str(k): float(v) for k, v in meta.pop("fixed", {}).items()}
        if covariance.shape != (len(names), len(names)):
            raise ValueError(f"covariance of shape {covariance.shape} for {len(names)} parameters")
    except (OSError, ValueError, KeyError, IndexError, tomllib.TOMLDecodeError) as error:
        raise CalibrationError(f"fit in {folder}", [f"cannot be read: {error}"]) from error
    return StoredFit(names, centre, covariance, sample, fixed, parameters, rows, starts, meta)


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
