"""What the past says of the model: break year, counterfactuals, and forecasts made blind to what they forecast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError
from jevons.inference.config import CalibrationConfig
from jevons.inference.fit import Fit, fit
from jevons.inference.history import History, Observation
from jevons.inference.problem import EVERY, measurement, unit_factor
from jevons.inference.sampling import randomised_draws
from jevons.model import Model
from jevons.simulation import Simulation

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Break:
    """Two-segment fit of the logarithm of a series: growth before and after, and when it changed."""

    year: float
    before: float
    after: float


def break_year(years: Floats, values: Floats) -> Break:
    """Date at which growth changed, by least squares of a continuous two-segment line through ln(values).

    Parameters
    ----------
    years, values : array of shape (n,)
        At least six points; the break is searched on a grid of quarters with two points or more on each side.
    """
    years, logs = np.asarray(years, dtype=float), np.log(values)
    if years.size < 6:
        raise ValueError(f"found {years.size} years, expected at least 6")
    best: tuple[float, Break] | None = None
    for date in np.arange(years[1], years[-2] + 1e-9, 0.25):
        design = np.column_stack([np.ones_like(years), years - date, np.maximum(0.0, years - date)])
        coefficients, *_ = np.linalg.lstsq(design, logs, rcond=None)
        error = float(((design @ coefficients - logs) ** 2).sum())
        if best is None or error < best[0]:
            slope = float(coefficients[1])
            best = error, Break(float(date), slope, slope + float(coefficients[2]))
    assert best is not None
    return best[1]


@dataclass(frozen=True)
class Backtest:
    """Predictions from what was known at a date, against what came.

    Attributes
    ----------
    known_until : str
    scores : pandas.DataFrame
        One row a predictor: the model, flat, last growth, 12 % a year; world electricity of the years after.
    rows : pandas.DataFrame
        Held-out rows with prediction, 90 % predictive interval and whether it covers the observation.
    coverage : float
        Share of held-out rows inside their interval.
    failed : int
        Draws that did not run.
    """

    known_until: str
    fit: Fit
    scores: pd.DataFrame
    rows: pd.DataFrame
    coverage: float
    failed: int


def backtest(
    model: Model,
    history: History,
    config: CalibrationConfig,
    known_until: str,
    years: Sequence[int],
    *,
    variant: str = "main",
    starts: int = 8,
    draws: int = 150,
    seed: int = 1,
    progress: bool = True,
) -> Backtest:
    """Fit to what was known by the end of a month and predict the years after.

    Notes
    -----
    The naive predictors start from the newest level known, older family as published: no model can be right
    across a change of family without being told of it. Structure and priors were chosen with these years in view,
    so this is a pseudo-backtest.
    """
    calibration = config.calibration(model, history, variant, known_until)
    result = fit(calibration, starts=starts, seed=seed, progress=progress)
    held_out = [r for r in history.select("fit", variant) if r.known > known_until]
    if not held_out:
        raise CalibrationError("backtest", [f"no row to predict: all that {variant!r} fits was known by {known_until}"])
    rows, failed = _predict(result, held_out, draws, seed, progress)
    covered = rows["inside"].mean() if len(rows) else math.nan
    scores = _scores(result, rows, history, years, known_until)
    return Backtest(known_until, result, scores, rows, float(covered), failed)


def _predict(
    result: Fit, held_out: Sequence[Observation], draws: int, seed: int, progress: bool
) -> tuple[pd.DataFrame, int]:
    import pandas as pd

    calibration = result.calibration
    model = calibration.model
    last = math.ceil(max(r.date for r in held_out)) + 1
    times = np.arange(model.start, last + EVERY / 2, EVERY)
    columns = tuple(dict.fromkeys(r.variable for r in held_out))
    simulation = Simulation(model, times, columns)
    measures = [measurement(r, times, columns) for r in held_out]
    rng = np.random.default_rng(seed)
    sampled = randomised_draws(result, draws, seed, progress)

    natural = np.array([calibration.natural(u) for u in [result.u, *sampled.u]])
    members = simulation.run_members(natural, calibration.free, calibration.threads)
    results = [
        None if members.codes[i] else np.array([m.value(members.values[i]) for m in measures])
        for i in range(len(members))
    ]
    if results[0] is None:
        raise CalibrationError("backtest", ["the fitted model does not run to the end of the held-out rows"])
    drawn = np.array([r for r in results[1:] if r is not None])
    table = []
    for i, row in enumerate(held_out):
        factor = unit_factor(model, row)
        observed = row.value * factor
        noise = rng.standard_normal(len(drawn)) * row.sigma
        predicted = drawn[:, i] * np.exp(noise) if row.sigma_kind == "log" else drawn[:, i] + noise * factor
        low, high = np.quantile(predicted[np.isfinite(predicted)], (0.05, 0.95))
        centre = float(results[0][i])
        error = math.log(centre / observed) if row.sigma_kind == "log" and centre > 0 else centre - observed
        table.append(
            (row.series, row.variable, row.statistic, row.date, observed, centre, low, high, error,
             bool(low <= observed <= high))
        )  # fmt: skip
    names = ["series", "variable", "statistic", "date", "observed", "predicted", "p05", "p95", "error", "inside"]
    return pd.DataFrame(table, columns=names), draws - len(drawn)


def _scores(result: Fit, rows: pd.DataFrame, history: History, years: Sequence[int], known_until: str) -> pd.DataFrame:
    import pandas as pd

    levels = rows[(rows["series"] == "dc_electricity") & (rows["statistic"] == "annual")]
    observed = {int(r.date): float(r.observed) for r in levels.itertuples()}
    model = {int(r.date): float(r.predicted) for r in levels.itertuples()}
    wanted = [y for y in years if y in observed]
    known = sorted(
        (r.date, r.value)
        for r in history.select("fit", series="dc_electricity", known_until=known_until)
        if r.statistic == "annual"
    )
    if len(known) < 2:
        raise CalibrationError("backtest", [f"naive predictors need two annual levels known by {known_until}"])
    (before, level_before), (last, level) = known[-2], known[-1]
    growth = math.log(level / level_before) / (last - before)
    predictors = {
        "model": model,
        "flat": dict.fromkeys(wanted, level),
        f"last growth ({100 * growth:.1f} %/yr)": {y: level * math.exp(growth * (y - last)) for y in wanted},
        "12 %/yr": {y: level * 1.12 ** (y - last) for y in wanted},
    }
    table = []
    for name, predicted in predictors.items():
        errors = [math.log(predicted[y] / observed[y]) for y in wanted]
        rms = math.sqrt(sum(e * e for e in errors) / len(errors)) if errors else math.nan
        step = math.nan
        if len(wanted) > 1:
            a, b = wanted[-2], wanted[-1]
            step = math.log(predicted[b] / predicted[a]) - math.log(observed[b] / observed[a])
        table.append((name, *(predicted[y] for y in wanted), rms, step))
    head = ["predictor", *(f"TWh_{y}" for y in wanted), "rms_log_error", "growth_error"]
    table.append(("observed", *(observed[y] for y in wanted), 0.0, 0.0))
    return pd.DataFrame(table, columns=head)


def counterfactuals(model: Model, scenarios: Mapping[str, Model], years: Sequence[int]) -> pd.DataFrame:
    """Annual energy with parts of history switched off: one row a scenario, one column a year.

    Parameters
    ----------
    scenarios : mapping of str to Model
        The model with each scenario applied; the model itself is the first row.
    """
    import pandas as pd

    assert model.roles is not None
    stock = model.roles.cumulative_energy
    times = np.arange(min(years), max(years) + 2, dtype=float)
    rows = []
    for name, changed in {"base": model, **scenarios}.items():
        member = Simulation(changed, times, [stock]).run()
        values = dict(zip(times, member.values[:, 0], strict=True))
        rows.append((name, *(values[y + 1.0] - values[float(y)] for y in years)))
    return pd.DataFrame(rows, columns=["scenario", *map(str, years)])
