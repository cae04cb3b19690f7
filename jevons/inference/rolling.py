"""Backtests from one origin after another: fitted to what was known then, judged by what came."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError, JevonsError
from jevons.inference.config import CalibrationConfig
from jevons.inference.fit import Fit, fit
from jevons.inference.history import MONTH, History
from jevons.inference.predictive import predict
from jevons.inference.problem import Calibration
from jevons.inference.records import code_versions, open_records
from jevons.inference.sampling import randomised_draws
from jevons.inference.scores import with_error
from jevons.inference.threads import progress_bar
from jevons.model import Model
from jevons.simulation import Simulation

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Sampler = Callable[[Fit], Floats]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Origin:
    """What a model fitted at one origin says of everything that was published later.

    Attributes
    ----------
    known_until : str
        Month; later knowledge, also of earlier years, is held out.
    fit : mapping
        rows, draws, failed, chi2_data, chi2_prior, effective_parameters, largest_move_sd.
    rows : pandas.DataFrame
        As `Predictions.table` has them, all rows of the variant; `held_out` is false where it was fitted.
    years : array of int
    path : array of shape (5, years)
        Annual energy (role of the model), predictive quantiles `QUANTILES` of what a source would publish.
    growth : array of shape (5, years − 1)
        Quantiles of ln(next year / year), without an error of sources.
    """

    known_until: str
    fit: Mapping[str, float]
    rows: pd.DataFrame
    years: NDArray[np.int64]
    path: Floats
    growth: Floats

    @property
    def year(self) -> int:
        """Year of the origin."""
        return int(self.known_until[:4])

    @property
    def held_out(self) -> pd.DataFrame:
        """Rows that were not known."""
        return self.rows[self.rows["held_out"]]


@dataclass(frozen=True)
class RollingBacktest:
    """Backtests of one variant, an origin each; structure and priors are those of today.

    Attributes
    ----------
    variant : str
        Name of the variant.
    level : str
        Series whose annual levels are compared with other predictors.
    origins : tuple of Origin
    """

    variant: str
    level: str
    origins: tuple[Origin, ...]

    def summary(
        self, groups: Mapping[str, Sequence[str]] | None = None, growth: tuple[int, int] | None = None
    ) -> pd.DataFrame:
        """One line an origin.

        Parameters
        ----------
        groups : mapping of str to sequence of str
            Names of groups of series that are also shown alone.
        growth : (int, int), optional
            Two consecutive years; the error of the modelled growth of the level between them is shown.

        Returns
        -------
        pandas.DataFrame
            rows known and held out; coverage of 50 and 90 % bands of the held-out rows, of all and by group; coverage
            in sample; mean log score (of the logarithm for logarithmic errors); mean CRPS over rows with a
            logarithmic error, of the logarithm.
        """
        import pandas as pd

        table = []
        for origin in self.origins:
            held = origin.held_out
            known = origin.rows[~origin.rows["held_out"]]
            line: dict[str, Any] = {"origin": origin.known_until, **_coverages(held, groups or {})}
            line["in_sample_90"] = _mean(known["inside_90"])
            line |= {k: origin.fit[k] for k in ("chi2_data", "chi2_prior", "effective_parameters")}
            line |= {"fitted": len(known), "failed_draws": int(origin.fit["failed"])}
            if growth is not None:
                line[f"growth_{growth[0]}_{growth[1]}_error"] = self.growth_error(origin, growth)
            table.append(line)
        return pd.DataFrame(table)

    def pooled(self, origins: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
        """Coverages and scores of the held-out rows of several origins together; a row counts at each of them.

        Raises
        ------
        CalibrationError
            If there is no such origin.
        """
        import pandas as pd

        have = [o.known_until for o in self.origins]
        missing = [f"origin {o!r}, expected one of {', '.join(have)}" for o in origins if o not in have]
        if missing:
            raise CalibrationError("backtest", missing)
        held = pd.concat([o.held_out for o in self.origins if o.known_until in origins])
        return {"origin": " + ".join(origins), **_coverages(held, groups or {})}

    def growth_error(self, origin: Origin, years: tuple[int, int]) -> float:
        """Median of the modelled ln growth less the observed one; NaN if no family has a level in both years."""
        first, last = years
        rows = origin.rows[(origin.rows["series"] == self.level) & (origin.rows["statistic"] == "annual")]
        at = {(r.family, r.date): float(r.observed) for r in rows.itertuples()}
        observed = [
            math.log(at[family, last] / at[family, first])
            for family in dict.fromkeys(rows["family"])
            if (family, first) in at and (family, last) in at
        ]
        if not observed or first not in origin.years[:-1] or last != first + 1:
            return math.nan
        modelled = float(origin.growth[2, int(np.flatnonzero(origin.years == first)[0])])
        return modelled - float(np.mean(observed))


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _coverages(held: pd.DataFrame, groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    logs = held[held["error_kind"] == "log"]
    line = {
        "held_out": len(held),
        "coverage_50": _mean(held["inside_50"]),
        "coverage_90": _mean(held["inside_90"]),
        "log_score": _mean(held["log_score"]),
        "crps_log": _mean(logs["crps"]),
    }
    for name, series in groups.items():
        part = held[held["series"].isin(list(series))]
        line |= {
            f"{name}_rows": len(part),
            f"{name}_coverage_50": _mean(part["inside_50"]),
            f"{name}_coverage_90": _mean(part["inside_90"]),
        }
    return line


def rolling_backtest(
    model: Model,
    history: History,
    config: CalibrationConfig,
    origins: Sequence[str],
    *,
    level: str,
    variant: str = "main",
    sample: Sampler | None = None,
    sampler: str = "randomised maximum likelihood, 150 draws",
    starts: int = 8,
    seed: int = 1,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> RollingBacktest:
    """Fit to what was known at each origin and predict every row that was published later.

    Parameters
    ----------
    origins : sequence of str
        Months, ``"2023-12"``.
    level : str
        Series whose annual levels other predictors are compared on.
    sample : callable, optional
        From a fit to draws of its free parameters, natural values of shape (draws, parameters); by default 150
        draws of `randomised_draws`.
    sampler : str
        What `sample` is, in words: an interrupted backtest is only gone on with by the same sampler.
    folder : path, optional
        Where each origin is written when it is finished.
    resume : bool
        Keep the origins that the folder holds.

    Returns
    -------
    RollingBacktest

    Raises
    ------
    CalibrationError
        If an origin is no month, knows no row or leaves none to predict; if the folder holds another backtest.

    Notes
    -----
    Parameters without data keep their priors. Structure, priors and errors were chosen with the whole history in
    view, so these are pseudo-backtests whatever the origin.
    """
    whole = config.calibration(model, history, variant)
    _check_origins(whole, origins)
    header = {
        "job": "rolling backtest",
        "model": whole.model.hash,
        "history": whole.history.hash,
        "problem": whole.hash,
        "variant": variant,
        "free": list(whole.free),
        "level": level,
        "starts": starts,
        "seed": seed,
        "sampler": sampler,
        **code_versions(),
    }
    records = open_records(folder, f"backtest-{variant}.jsonl", header, resume)
    done = {str(r["origin"]): r for r in records.read()} if records is not None else {}
    draw = sample if sample is not None else _randomised(seed, progress)
    for until in progress_bar([o for o in origins if o not in done], "backtest", "origin", progress):
        calibration = config.calibration(model, history, variant, until)
        record = _record(until, calibration, whole, level, starts, seed, draw, progress)
        if records is not None:
            records.append(record)
        done[until] = record
    return RollingBacktest(variant, level, tuple(_origin(done[until]) for until in origins))


def _randomised(seed: int, progress: bool) -> Sampler:
    def draw(fitted: Fit) -> Floats:
        drawn = randomised_draws(fitted, 150, seed, progress)
        return np.array([fitted.calibration.natural(u) for u in drawn.u])

    return draw


def _check_origins(whole: Calibration, origins: Sequence[str]) -> None:
    mistakes = []
    for origin in origins:
        if not MONTH.fullmatch(origin):
            mistakes.append(f"origin {origin!r}, expected a month such as '2023-12'")
            continue
        known = sum(row.known <= origin for row in whole.rows)
        if known == 0:
            mistakes.append(
                f"origin {origin}: no row to fit, the first became known {min(r.known for r in whole.rows)}"
            )
        if known == len(whole.rows):
            mistakes.append(f"origin {origin}: no row to predict, all {known} were known by then")
    repeated = sorted({o for o in origins if list(origins).count(o) > 1})
    mistakes += [f"origin {o} is given more than once" for o in repeated]
    if not origins:
        mistakes.append("no origin, expected one month or more")
    if mistakes:
        raise CalibrationError("backtest", mistakes)


def _record(
    until: str,
    calibration: Calibration,
    whole: Calibration,
    level: str,
    starts: int,
    seed: int,
    draw: Sampler,
    progress: bool,
) -> dict[str, Any]:
    """Fit, draw and predict at one origin; everything in plain numbers."""
    fitted = fit(calibration, starts=starts, seed=seed, progress=progress)
    natural = draw(fitted)
    if natural.ndim != 2 or natural.shape[1] != len(calibration.free):
        expected = f"(draws, {len(calibration.free)})"
        raise CalibrationError("backtest", [f"sample gave draws of shape {natural.shape}, expected {expected}"])
    predictions = predict(whole, natural)
    rows = predictions.table()
    rows["held_out"] = [row.known > until for row in whole.rows]
    errors = rows[(rows["series"] == level) & (rows["statistic"] == "annual") & (rows["error_kind"] == "log")]["sigma"]
    years, path, growth = annual_path(whole, natural, float(errors.median()) if len(errors) else 0.0)
    return {
        "origin": until,
        "fit": {
            "rows": len(fitted.z),
            "draws": len(natural),
            "failed": predictions.failed,
            "chi2_data": fitted.chi2_data,
            "chi2_prior": fitted.chi2_prior,
            "effective_parameters": fitted.effective_parameters,
            "largest_move_sd": float(np.abs(fitted.u).max()),
            "share_of_starts_at_best": fitted.share_at_best,
        },
        "rows": rows.to_dict(orient="list"),
        "years": years,
        "path": path,
        "growth": growth,
    }


def annual_path(calibration: Calibration, natural: Floats, sd_log: float) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Annual energy over draws: years, predictive quantiles with a logarithmic error, quantiles of ln growth.

    Empty for a model without roles. Draws that fail are left out.
    """
    model = calibration.model
    if model.roles is None:
        return np.zeros(0, dtype=np.int64), np.zeros((5, 0)), np.zeros((5, 0))
    last = math.ceil(max(row.date for row in calibration.rows)) + 1
    edges = np.arange(math.ceil(model.start), last + 1, dtype=float)
    simulation = Simulation(model, edges, (model.roles.cumulative_energy,))
    ours = [k for k, name in enumerate(calibration.free) if name in model.parameters]
    members = simulation.run_members(natural[:, ours], [calibration.free[k] for k in ours], calibration.threads)
    totals = np.array([np.diff(v[:, 0]) for v, code in zip(members.values, members.codes, strict=True) if not code])
    if not len(totals) or not (totals > 0).all():
        raise JevonsError(f"{len(totals)} of {len(natural)} draws ran, and annual energy is not positive in all")
    logs = np.log(totals)
    noisy = with_error(logs, sd_log) if sd_log > 0 else logs
    path = np.exp(np.quantile(noisy, QUANTILES, axis=0))
    growth = np.quantile(np.diff(logs, axis=1), QUANTILES, axis=0)
    return edges[:-1].astype(np.int64), path, growth


def _origin(record: Mapping[str, Any]) -> Origin:
    import pandas as pd

    return Origin(
        known_until=str(record["origin"]),
        fit=dict(record["fit"]),
        rows=pd.DataFrame(record["rows"]),
        years=np.array(record["years"], dtype=np.int64),
        path=np.array(record["path"], dtype=np.float64).reshape(5, -1),
        growth=np.array(record["growth"], dtype=np.float64).reshape(5, -1),
    )
