"""A rolling backtest with its tables and figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError
from jevons.inference.baselines import compare, read_forecasts
from jevons.inference.fit import Fit
from jevons.inference.posterior import sample
from jevons.inference.rolling import RollingBacktest, rolling_backtest
from jevons.plot_backtest import origins_figure

if TYPE_CHECKING:
    import pandas as pd

    from jevons.problems import Problem

Floats = NDArray[np.float64]

DRAWS = 400


def run_backtest(
    problem: Problem,
    folder: str | Path,
    *,
    origins: Sequence[str] | None = None,
    steps: int = 150,
    starts: int = 8,
    resume: bool = False,
    progress: bool = True,
) -> tuple[RollingBacktest, pd.DataFrame, pd.DataFrame]:
    """Judge a model by the future: fit and sample at every origin, predict what was published later, write it down.

    Writes ``summary-<variant>.csv``, ``predictors-<variant>.csv``, ``rows-<variant>.csv`` and
    ``backtest-<variant>.png``; each origin is on the disk when it is finished.

    Parameters
    ----------
    problem : Problem
        Whose calibration has a ``[backtest]`` section.
    origins : sequence of str, optional
        Months, those of the calibration by default.
    steps : int
        Of each of four chains at every origin.

    Returns
    -------
    (RollingBacktest, pandas.DataFrame, pandas.DataFrame)
        The backtest, its summary by origin, and the predictors side by side.
    """
    import pandas as pd

    plan = problem.config.backtest
    if plan is None:
        raise CalibrationError(f"calibration of {problem.config.model!r}", ["has no [backtest] section"])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    result = rolling_backtest(
        problem.model,
        problem.history,
        problem.config,
        origins or plan.origins,
        level=plan.level,
        variant=problem.variant,
        sample=partial(_draws, steps=steps),
        sampler=f"randomize-then-optimize, 4 chains of {steps} steps, {DRAWS} draws",
        starts=starts,
        folder=folder,
        resume=resume,
        progress=progress,
    )
    forecasts = read_forecasts(problem.config.folder / plan.forecasts) if plan.forecasts else []
    summary = result.summary(plan.groups, plan.growth)
    pooled = [o for o in plan.pooled if o in {origin.known_until for origin in result.origins}]
    if pooled:
        summary = pd.concat([summary, pd.DataFrame([result.pooled(pooled, plan.groups)])], ignore_index=True)
    unit = problem.model.unit(plan.level)
    predictors = compare(result, problem.history, unit, forecasts, plan.growth)
    rows = pd.concat([o.held_out.assign(origin=o.known_until) for o in result.origins])
    for name, table in (("summary", summary), ("predictors", predictors), ("rows", rows)):
        table.to_csv(folder / f"{name}-{problem.variant}.csv", index=False, float_format="%.5g")
    shown = [f for f in forecasts if f.region == plan.region]
    figure = folder / f"backtest-{problem.variant}.png"
    origins_figure(result, problem.history, figure, unit, shown, plan.title)
    return result, summary, predictors


def _draws(fit: Fit, steps: int) -> Floats:
    return sample(fit, steps=steps, seed=1, progress=False).thinned(DRAWS)
