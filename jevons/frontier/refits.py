"""Parameters refitted to history at several values of one of them, and between these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError, nearest

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class Refits:
    """Parameters refitted to history at several values of one of them, and between these.

    Between two refits positive parameters follow a monotone cubic in logarithms, others one in natural values.

    Parameters
    ----------
    name : str
        The parameter that was held.
    table : pandas.DataFrame
        One row a refit; one column a parameter, that of `name` among them.
    """

    def __init__(self, name: str, table: pd.DataFrame) -> None:
        mistakes = []
        if name not in table.columns:
            mistakes.append(f"no column {name!r}{nearest(name, [str(c) for c in table.columns])}")
        elif len(table) < 2 or (np.diff(np.sort(table[name])) <= 0).any():
            mistakes.append(f"{name!r}: {len(table)} rows, expected two or more of different values")
        numbers = table.to_numpy(dtype=float)
        if not np.isfinite(numbers).all():
            bad = [str(c) for c in table.columns if not np.isfinite(table[c]).all()]
            mistakes.append(f"not finite: {', '.join(bad)}")
        if mistakes:
            raise JevonsError("refits: " + "; ".join(mistakes))
        self.name = name
        self.table = table.sort_values(name).reset_index(drop=True)

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest value held."""
        return float(self.table[self.name].iloc[0]), float(self.table[self.name].iloc[-1])

    def at(self, values: Sequence[float] | Floats) -> list[dict[str, float]]:
        """Parameters at values of the one that was held; values outside what was refitted are refused."""
        from scipy.interpolate import PchipInterpolator

        x = np.asarray(values, dtype=float)
        low, high = self.range
        if (x < low * (1 - 1e-9)).any() or (x > high * (1 + 1e-9)).any():
            raise JevonsError(f"{self.name!r}: {x.min():g} to {x.max():g}, refitted were {low:g} to {high:g}")
        scaled = {}
        for column in self.table.columns:
            y = self.table[column].to_numpy(dtype=float)
            if column == self.name:
                scaled[str(column)] = x
            elif (y > 0).all():
                scaled[str(column)] = np.exp(PchipInterpolator(self.table[self.name], np.log(y))(x))
            else:
                scaled[str(column)] = PchipInterpolator(self.table[self.name], y)(x)
        return [{name: float(column[i]) for name, column in scaled.items()} for i in range(x.size)]
