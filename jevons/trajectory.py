"""Results of a run: variables over time with units, and how the run ended."""

from __future__ import annotations

import csv
import enum
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons import subscripts as arrays
from jevons.errors import JevonsError, nearest

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes


class Status(enum.Enum):
    """How a run ended, each with advice."""

    FINISHED = "finished", "the run reached its end"
    DIVERGED = (
        "diverged",
        "a value left the range of numbers: look at the flows of this stock, shorten dt, or integrate the stock "
        "as a logarithm",
    )
    STEP_BUDGET = (
        "step budget used up",
        "the system is stiffer than the method can bear: use method='Radau', loosen rtol, or raise max_calls",
    )
    NON_FINITE_INPUT = "non-finite input", "give every parameter and date a finite number"
    NOT_SOLVED = (
        "initial values not solved",
        "the values at the start cannot be computed: look at the parameters that they use, and at the guesses of "
        "initial unknowns",
    )

    def __init__(self, text: str, advice: str) -> None:
        self.text = text
        self.advice = advice


@dataclass(frozen=True)
class RunStatus:
    """Status of one run, with where it stopped."""

    kind: Status
    time: float
    element: str | None = None
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.kind is Status.FINISHED

    def __str__(self) -> str:
        where = f" at {self.time:g}" + (f" in {self.element!r}" if self.element else "")
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.kind.text}{where}{detail}: {self.kind.advice}"


class Trajectory:
    """Variables over time.

    Parameters
    ----------
    times : array of shape (n,)
    values : array of shape (n, variables)
    names : sequence of str
    units : mapping of str to str
    status : RunStatus
    model : str
        Name of the model.
    time_unit : str
    dimensions, subscripts : mapping of str to tuple of str
        Elements of each dimension, and the dimensions of each array, as in `jevons.model.Model`.

    Examples
    --------
    ``run["dc_electricity"]`` is a pandas Series over dates; ``run.to_csv(path)`` reads back with
    ``Trajectory.read_csv(path)`` to an equal object. ``run.array("Stock A")`` holds all of ``Stock A[...]``.
    """

    def __init__(
        self,
        times: NDArray[np.float64],
        values: NDArray[np.float64],
        names: Sequence[str],
        units: Mapping[str, str],
        status: RunStatus,
        model: str = "",
        time_unit: str = "yr",
        dimensions: Mapping[str, Sequence[str]] | None = None,
        subscripts: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.times = np.asarray(times, dtype=float)
        self.values = np.asarray(values, dtype=float)
        self.names = tuple(names)
        self.units = {name: units[name] for name in self.names}
        self.status = status
        self.model = model
        self.time_unit = time_unit
        self.dimensions = {name: tuple(elements) for name, elements in (dimensions or {}).items()}
        self.subscripts = {name: tuple(over) for name, over in (subscripts or {}).items()}
        self._columns = {name: i for i, name in enumerate(self.names)}

    def _column(self, name: str) -> NDArray[np.float64]:
        if name not in self._columns:
            elements = [n for n in self.names if n.startswith(f"{name}[")]
            if elements and name in self.subscripts:
                raise JevonsError(
                    f"{name!r} is an array of {len(elements)}: use run.array({name!r}), or a full name such as "
                    f"{elements[0]!r}"
                )
            raise JevonsError(f"{name!r} is not in this trajectory{nearest(name, self.names)}")
        column: NDArray[np.float64] = self.values[:, self._columns[name]]
        return column

    def __getitem__(self, name: str) -> pd.Series:
        import pandas as pd

        index = pd.Index(self.times, name="time")
        series = pd.Series(self._column(name), index=index, name=name)
        series.attrs["unit"] = self.units[name]
        return series

    def array(self, name: str) -> xr.DataArray:
        """A variable over dates and its dimensions; NaN for combinations of labels that it does not have.

        Raises
        ------
        JevonsError
            If it is neither a variable nor an array.
        """
        found = self._arrays()
        if name not in found and name not in self._columns:
            raise JevonsError(f"{name!r} is not in this trajectory{nearest(name, (*found, *self.names))}")
        return self._labelled(name, found.get(name), ())

    def _arrays(self) -> dict[str, dict[tuple[str, ...], int]]:
        return arrays.arrays(self.names, self.subscripts)

    def _labelled(self, name: str, columns: dict[tuple[str, ...], int] | None, taken: Sequence[str]) -> xr.DataArray:
        import xarray as xr

        if columns is None:
            array = xr.DataArray(self._column(name), dims=("time",))
            units = {self.units[name]}
        else:
            array = arrays.labelled(self.values, columns, self.subscripts[name], self.dimensions, taken)
            units = {self.units[self.names[column]] for column in columns.values()}
        array = array.assign_coords(time=("time", self.times, {"units": self.time_unit})).rename(name)
        array.attrs["units"] = units.pop() if len(units) == 1 else ""
        return array

    def at(self, name: str, time: float) -> float:
        """Value at a date, by cubic interpolation between the reported dates (exact at them)."""
        column = self._column(name)
        if not self.times.size:
            raise JevonsError(f"the trajectory is empty: {self.status}")
        if not self.times[0] - 1e-9 <= time <= self.times[-1] + 1e-9:
            raise JevonsError(f"{time:g} is outside of the trajectory, {self.times[0]:g} to {self.times[-1]:g}")
        k = int(np.argmin(np.abs(self.times - time)))
        if abs(self.times[k] - time) < 1e-9:
            return float(column[k])
        if self.times.size < 4:
            return float(np.interp(time, self.times, column))
        first = int(np.clip(np.searchsorted(self.times, time) - 2, 0, self.times.size - 4))
        x, y = self.times[first : first + 4], column[first : first + 4]
        weights = [np.prod([(time - x[j]) / (x[i] - x[j]) for j in range(4) if j != i]) for i in range(4)]
        return float(np.dot(weights, y))

    def annual_mean(self, name: str, year: float) -> float:
        """Mean over one unit of time from `year`, by Simpson's rule on the reported dates."""
        from scipy.integrate import simpson

        column = self._column(name)
        inside = (self.times >= year - 1e-9) & (self.times <= year + 1 + 1e-9)
        if (
            inside.sum() < 3
            or abs(self.times[inside][0] - year) > 1e-6
            or (abs(self.times[inside][-1] - year - 1) > 1e-6)
        ):
            raise JevonsError(f"the trajectory does not cover the year from {year:g} with three dates or more")
        return float(simpson(column[inside], x=self.times[inside]))

    def to_frame(self, units: bool = False) -> pd.DataFrame:
        """All variables over time; with `units` the columns read ``name [unit]``."""
        import pandas as pd

        columns = [f"{n} [{self.units[n]}]" for n in self.names] if units else list(self.names)
        frame = pd.DataFrame(self.values, index=pd.Index(self.times, name="time"), columns=columns)
        frame.attrs["units"] = dict(self.units)
        return frame

    def to_csv(self, path: str | Path) -> Path:
        """Write a CSV whose first lines, marked ``#``, hold model, status and units."""
        import pandas as pd

        head = {
            "model": self.model,
            "time_unit": self.time_unit,
            "status": [self.status.kind.name, self.status.time, self.status.element, self.status.detail],
            "units": self.units,
        }
        if self.dimensions or self.subscripts:
            head |= {"dimensions": self.dimensions, "subscripts": self.subscripts}
        frame = pd.DataFrame(self.values, columns=list(self.names))
        frame.insert(0, "time", self.times)
        path = Path(path)
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write("# " + json.dumps(head, ensure_ascii=False) + "\n")
            # Python 3.11 leaves a lone carriage return unquoted
            quoted = any("\r" in name for name in self.names)
            writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
            writer.writerow(["time", *self.names])
            frame.to_csv(file, index=False, header=False, lineterminator="\n")
        return path

    @classmethod
    def read_csv(cls, path: str | Path) -> Trajectory:
        """Read what `to_csv` wrote.

        Raises
        ------
        JevonsError
            If the file is not such a CSV.
        """
        try:
            with Path(path).open(encoding="utf-8", newline="") as file:
                first, _, rest = file.read().partition("\n")
            head = json.loads(first.removeprefix("# "))
            kind, time, element, detail = head["status"]
            (_, *names), *rows = csv.reader(io.StringIO(rest, newline=""))
            # each number as Python reads it: exactly what was written; an empty field is not a number
            numbers = np.array([[float(cell or "nan") for cell in row] for row in rows], dtype=float)
            numbers = numbers.reshape(len(rows), 1 + len(names))
            return cls(
                numbers[:, 0],
                numbers[:, 1:],
                names,
                head["units"],
                RunStatus(Status[kind], time, element, detail),
                head["model"],
                head["time_unit"],
                head.get("dimensions"),
                head.get("subscripts"),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise JevonsError(f"{path}: not a trajectory written by to_csv ({error})") from error

    def to_xarray(self) -> xr.Dataset:
        """Labelled dataset with units as attributes; elements ``name[A,B]`` of an array are one variable `name`."""
        import xarray as xr

        gathered = self._arrays()
        inside = {self.names[column] for columns in gathered.values() for column in columns.values()}
        names = list(dict.fromkeys(self._variable(n, inside) for n in self.names))
        variables = {n: self._labelled(n, gathered.get(n), names) for n in names}
        attrs = {"model": self.model, "status": str(self.status)}
        time = {"time": ("time", self.times, {"units": self.time_unit})}
        return xr.Dataset(variables, coords=time, attrs=attrs)

    @staticmethod
    def _variable(name: str, inside: set[str]) -> str:
        return name.partition("[")[0] if name in inside else name

    def plot(self, *names: str, ax: Axes | None = None) -> Axes:
        """Plot variables that share a unit over time."""
        import importlib

        axes: Axes = importlib.import_module("jevons.plot").trajectory(self, names, ax)
        return axes

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Trajectory)
            and self.names == other.names
            and self.units == other.units
            and self.status == other.status
            and (self.model, self.time_unit) == (other.model, other.time_unit)
            and (self.dimensions, self.subscripts) == (other.dimensions, other.subscripts)
            and np.array_equal(self.times, other.times)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        span = f"{self.times[0]:g} to {self.times[-1]:g}, {self.times.size} dates" if self.times.size else "empty"
        return f"Trajectory of {self.model!r}: {len(self.names)} variables, {span}; {self.status}"
