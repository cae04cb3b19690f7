"""What an ensemble gives: quantiles, moments, exceedances, failures, paths."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.ensemble.reduction import Summary
from jevons.ensemble.store import Labels, read_manifest, read_paths, read_summary
from jevons.errors import EnsembleError, JevonsError, nearest
from jevons.trajectory import Status

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

_OWN = ("status", "reached", "parameters", "member", "scenario", "date", "parameter")
"""What datasets of members hold besides outputs."""


@dataclass(frozen=True, repr=False)
class EnsembleResult:
    """Statistics over the members that finished.

    A member that failed under a scenario counts nowhere in it, not even at dates before it failed; how many did
    is in `failures` and in what the result prints.

    Attributes
    ----------
    labels : Labels
        Model, scenarios, dates, outputs, units.
    summary : Summary
        The statistics as arrays.
    folder : Path or None
    seconds : float or None
        How long it ran; None when read from a folder.
    ran : int
        Members that ran then; the others were stored already.
    """

    labels: Labels
    summary: Summary
    folder: Path | None = None
    seconds: float | None = None
    ran: int = 0

    def quantiles(self, levels: Sequence[float] | None = None) -> pd.DataFrame:
        """Quantiles: scenario, date, output, unit, quantile, value.

        Valid for  interpolated between order statistics as by `numpy.quantile`, each known within a share of 1e-3
                   of itself (`jevons.ensemble.sketch.Sketch`); never beyond the extremes, which are exact

        Parameters
        ----------
        levels : sequence of float, optional
            Those of the run, if None; any others can be asked for.
        """
        levels = self.labels.levels if levels is None else tuple(levels)
        wrong = [f"quantile {q!r}, expected 0 to 1" for q in levels if not 0 <= q <= 1]
        if wrong:
            raise EnsembleError("quantiles", wrong)
        return self._tidy({"value": self.summary.quantiles(levels)}, ("quantile", levels))

    def mean(self) -> pd.DataFrame:
        """Means: scenario, date, output, unit, mean."""
        return self._tidy({"mean": self.summary.mean})

    def sd(self) -> pd.DataFrame:
        """Standard deviations, with n − 1: scenario, date, output, unit, sd."""
        return self._tidy({"sd": self.summary.sd})

    def statistics(self) -> pd.DataFrame:
        """Members that count, mean, sd, minimum and maximum."""
        names = ("count", "mean", "sd", "minimum", "maximum")
        return self._tidy({name: getattr(self.summary, name) for name in names})

    def exceedance(self) -> pd.DataFrame:
        """Members above the thresholds: scenario, date, output, unit, threshold, count, share; exact."""
        import pandas as pd

        labels, rows = self.labels, []
        for s, scenario in enumerate(labels.scenarios):
            for k, (j, threshold) in enumerate(labels.thresholds):
                output = labels.outputs[j]
                for t, date in enumerate(labels.dates):
                    count, among = int(self.summary.exceedances[s, t, k]), int(self.summary.count[s, t, j])
                    share = count / among if among else float("nan")
                    rows.append((scenario, date, output, labels.units[output], threshold, count, share))
        return pd.DataFrame(rows, columns=["scenario", "date", "output", "unit", "threshold", "count", "share"])

    def trajectories(self) -> pd.DataFrame:
        """Paths of the chosen members: scenario, member, date, output, unit, value; NaN where a run did not get."""
        import pandas as pd

        parts = [
            self._tidy({"value": path}).assign(member=member) for member, path in self.summary.trajectories.items()
        ]
        columns = ["scenario", "member", "date", "output", "unit", "value"]
        return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)

    def failures(self) -> pd.DataFrame:
        """Runs that failed: scenario, status, variable, count, share, and the first members with their parameters."""
        import pandas as pd

        names, columns = self.labels.parameters, ["scenario", "status", "variable", "count", "share", "members"]
        rows = []
        for (s, status, variable), failure in self.summary.failures.items():
            members = [i for i, _ in failure.first]
            values = [dict(zip(names, row, strict=True)) for _, row in failure.first]
            share = failure.count / self.labels.members
            scenario = self.labels.scenarios[s]
            rows.append((scenario, Status[status].text, variable, failure.count, share, members, values))
        return pd.DataFrame(rows, columns=[*columns, "parameters"])

    @property
    def failed(self) -> int:
        """Runs that failed, all scenarios together."""
        return sum(failure.count for failure in self.summary.failures.values())

    def members(self, outputs: Sequence[str] | None = None) -> Iterator[xr.Dataset]:
        """All members' values, one chunk after the other.

        Each dataset has the outputs over member, scenario and date, ``status`` (0 finished), ``reached``, and
        ``parameters`` over member and parameter. A million members need no more memory than one chunk. An output
        of such a name is called ``output status``.

        Raises
        ------
        JevonsError
            If the members were not kept (``run(folder, keep="members")``).
        """
        labels = self.labels
        outputs = labels.outputs if outputs is None else tuple(outputs)
        unknown = [
            f"output {n!r} is not in the ensemble{nearest(n, labels.outputs)}"
            for n in outputs
            if n not in labels.outputs
        ]
        if unknown:
            raise EnsembleError(f"ensemble of model {labels.model!r}", unknown)
        manifest = read_manifest(self.folder) if self.folder else None
        if self.folder is None or manifest is None or manifest["settings"]["keep"] != "members":
            raise JevonsError("the values of all members were not kept; run(folder, keep='members') keeps them")
        return self._members(outputs, sorted(self.folder.glob("chunk-*.nc")))

    def _members(self, outputs: Sequence[str], paths: Sequence[Path]) -> Iterator[xr.Dataset]:
        import xarray as xr

        labels = self.labels
        for path in paths:
            first, kept = read_paths(path)
            variables: dict[str, Any] = {
                f"output {name}" if name in _OWN else name: (
                    ("member", "scenario", "date"),
                    kept.values[..., labels.outputs.index(name)],
                    self._unit(name),
                )
                for name in outputs
            }
            variables["status"] = (("member", "scenario"), kept.codes)
            variables["reached"] = (("member", "scenario"), kept.reached)
            variables["parameters"] = (("member", "parameter"), kept.parameters)
            coords = {
                "member": np.arange(first, first + len(kept.codes)),
                "scenario": list(labels.scenarios),
                "date": labels.dates,
                "parameter": list(labels.parameters),
            }
            yield xr.Dataset(variables, coords=coords)

    def to_xarray(self) -> xr.Dataset:
        """Labelled dataset: statistics over scenario, date and output, quantiles also over quantile."""
        import xarray as xr

        labels, summary = self.labels, self.summary
        cube = ("scenario", "date", "output")
        variables: dict[str, Any] = {
            name: (cube, getattr(summary, name)) for name in ("count", "mean", "sd", "minimum", "maximum")
        }
        variables["quantiles"] = ((*cube, "quantile"), summary.quantiles(labels.levels))
        if labels.thresholds:
            variables["exceedances"] = (("scenario", "date", "threshold"), summary.exceedances)
        if summary.trajectories:
            variables["trajectories"] = (("member", *cube), np.array(list(summary.trajectories.values())))
        coords: dict[str, Any] = {
            "scenario": list(labels.scenarios),
            "date": ("date", labels.dates, {"units": labels.time_unit}),
            "output": list(labels.outputs),
            "unit": ("output", [labels.units[n] for n in labels.outputs]),
            "quantile": list(labels.levels),
            "threshold_output": ("threshold", [labels.outputs[j] for j, _ in labels.thresholds]),
            "threshold": [x for _, x in labels.thresholds],
            "member": list(summary.trajectories),
        }
        attributes = {"model": labels.model, "members": labels.members, "failed": self.failed}
        return xr.Dataset(variables, coords=coords, attrs=attributes)

    def to_csv(self, path: str | Path) -> Path:
        """Write one row a scenario, date and output: members, mean, sd, extremes and the run's quantiles."""
        frame = self.statistics()
        found = self.summary.quantiles(self.labels.levels).reshape(len(frame), -1)
        for k, level in enumerate(self.labels.levels):
            frame[f"q{level:g}"] = found[:, k]
        frame.to_csv(path, index=False, lineterminator="\n")
        return Path(path)

    def plot(self, output: str, ax: Axes | None = None) -> Axes:
        """Fan chart of an output: median, 50 % and 90 % bands, one colour a scenario."""
        if output not in self.labels.outputs:
            raise JevonsError(f"output {output!r} is not in the ensemble{nearest(output, self.labels.outputs)}")
        axes: Axes = importlib.import_module("jevons.plot").fan(self, output, ax)
        return axes

    def _unit(self, output: str) -> dict[str, str]:
        return {"units": self.labels.units[output]}

    def _tidy(self, values: dict[str, NDArray[Any]], last: tuple[str, Sequence[float]] | None = None) -> pd.DataFrame:
        """One row a scenario, date and output, in this order, and each of `last`."""
        import pandas as pd

        labels = self.labels
        axes: dict[str, Sequence[Any]] = {
            "scenario": labels.scenarios,
            "date": labels.dates.tolist(),
            "output": labels.outputs,
        }
        if last:
            axes[last[0]] = last[1]
        index = pd.MultiIndex.from_product(list(axes.values()), names=list(axes))
        frame = pd.DataFrame({name: array.reshape(-1) for name, array in values.items()}, index=index).reset_index()
        frame.insert(3, "unit", frame["output"].map(dict(labels.units)))
        return frame

    def __repr__(self) -> str:
        labels = self.labels
        runs = labels.members * len(labels.scenarios)
        share = self.failed / runs
        lines = [
            f"Ensemble of {labels.model!r}: {labels.members:,} members, {len(labels.scenarios)} scenario"
            f"{'' if len(labels.scenarios) == 1 else 's'} ({', '.join(labels.scenarios)}), {labels.dates.size} dates, "
            f"{len(labels.outputs)} outputs",
            f"{self.failed:,} of {runs:,} runs failed ({share:.2%})" + (": see failures()" if self.failed else ""),
        ]
        if self.seconds is not None:
            stored = labels.members - self.ran
            before = f", {stored:,} members were stored already" if stored else ""
            lines.append(f"{self.seconds:.3g} s, {self.ran / max(self.seconds, 1e-9):,.0f} members/s{before}")
        return "\n".join(lines)


def read_ensemble(folder: str | Path) -> EnsembleResult:
    """Read the result of an ensemble that ran with a folder.

    Raises
    ------
    JevonsError
        If the folder holds none, an unfinished one, or a damaged one.
    """
    folder = Path(folder)
    labels = Labels.of(read_manifest(folder))
    return EnsembleResult(labels, read_summary(folder, labels), folder)
