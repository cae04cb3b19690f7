"""What the past says of the model: break year, counterfactuals, and forecasts made blind to what they forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
