"""Numbers that a model file takes from other files, by slot."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jevons.errors import nearest
from jevons.interchange.dimensions import Dimensions, canonical
from jevons.interchange.source import SourceModel
from jevons.interchange.translation.expressions import MISSING, Untranslatable
from jevons.interchange.translation.scope import Slot

BETWEEN = {
    None: "linear", "interpolate": "linear", "look_forward": "forward", "hold_backward": "hold",
    "look forward": "forward", "hold backward": "hold",
}  # fmt: skip
"""How data are read between their points, by keyword."""


class External:
    """Reads what other files hold, once each.

    Parameters
    ----------
    source : SourceModel
    files : mapping
        Paths for names with a question mark.
    data : path or DataFrame, optional
        Values of data variables without an equation.
    allow_missing : bool
        Whether data variables may have no values.
    """

    def __init__(
        self, source: SourceModel, files: Mapping[str, str | Path], data: Any, allow_missing: bool = False
    ) -> None:
        self.allow_missing = allow_missing
        self.folder = source.path.parent
        self.named = source.files
        self.files = {name: Path(path) for name, path in files.items()}
        self._data = data
        self._series: Mapping[str, Any] | None = None
        self._known: dict[int, Any] = {}

    def labels(self, structure: Any) -> Sequence[str]:
        """Labels of a subscript range."""
        from jevons.interchange.translation.external_data import read_subscript_labels

        return list(read_subscript_labels(structure, self.folder, self.files))

    def constants(self, slot: Slot, dimensions: Dimensions) -> Any:
        """Numbers of a definition, in the shape of its ranges."""
        from jevons.interchange.translation.external_data import read_constants

        return self._once(
            slot, lambda labels: read_constants(self._structure(slot), labels, self.folder, self.files), dimensions
        )

    def lookup(self, slot: Slot, dimensions: Dimensions) -> list[tuple[float, float]]:
        """Points of a lookup."""
        from jevons.interchange.translation.external_data import read_lookup

        def read(labels: Any) -> Any:
            return read_lookup(self._structure(slot), labels, self.folder, self.files)

        return self._points(slot, self._once(slot, read, dimensions))

    def data(self, slot: Slot, dimensions: Dimensions) -> tuple[list[tuple[float, float]], str]:
        """Points of a data variable over time, and how it is read between them."""
        keyword = getattr(slot.component, "keyword", None)
        word = keyword.strip(":").lower() if keyword else None
        points = self._read(slot, dimensions, keyword)
        if word == "raw" and points:
            return _at_their_dates_alone(points), "hold"
        return points, BETWEEN.get(word, "linear")

    def _read(self, slot: Slot, dimensions: Dimensions, keyword: str | None) -> list[tuple[float, float]]:
        if type(slot.component.ast).__name__ == "GetDataStructure":
            from jevons.interchange.translation.external_data import read_data

            def read(labels: Any) -> Any:
                return read_data(self._structure(slot), labels, self.folder, self.files, keyword)

            return self._points(slot, self._once(slot, read, dimensions))
        return self._given(slot)

    def _structure(self, slot: Slot) -> Any:
        """The call that reads a file, with the file's own name for a short one."""
        ast = slot.component.ast
        if ast.file in self.named and ast.file not in self.files:
            return dataclasses.replace(ast, file=self.named[ast.file])
        return ast

    def _given(self, slot: Slot) -> list[tuple[float, float]]:
        if self._data is None:
            if self.allow_missing:
                return []
            raise Untranslatable(
                "data variable without values: give a file with them, data='...', or run without them, missing='na'"
            )
        if self._series is None:
            from jevons.interchange.translation.external_data import read_data_file

            self._series = {canonical(name): series for name, series in read_data_file(self._data).items()}
        series = self._series.get(canonical(slot.name))
        if series is None:
            if self.allow_missing:
                return []
            raise Untranslatable(f"not in the data given{nearest(slot.name, self._series)}")
        times, values = series
        return _clean(times, values)

    def _once(self, slot: Slot, read: Any, dimensions: Dimensions) -> Any:
        key = id(slot.component)
        if key not in self._known:
            subscripts = [canonical(s) for s in slot.component.subscripts[0]]
            labels = [[dimensions.names[x] for x in dimensions.labels[s]] for s in subscripts if dimensions.is_range(s)]
            self._known[key] = read(labels)
        return self._known[key]

    @staticmethod
    def _points(slot: Slot, table: Any) -> list[tuple[float, float]]:
        values = np.asarray(table.values)
        column = values.reshape(len(table.times), -1)
        return _clean(table.times, column[:, slot.index if column.shape[1] > 1 else 0])


def _at_their_dates_alone(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of a table that holds, missing (:NA:) between the dates of a series."""
    missing, moment = float(MISSING), 1e-6
    result = [(points[0][0] - 1.0, missing)]
    for time, value in points:
        result += [(time - moment, value), (time + moment, missing)]
    return result


def _clean(times: Any, values: Any) -> list[tuple[float, float]]:
    points = [(float(t), float(v)) for t, v in zip(times, values, strict=True) if v == v and t == t]
    if not points:
        raise Untranslatable("its series has no values")
    return sorted(points) if len(points) > 1 else [points[0], (points[0][0] + 1.0, points[0][1])]
