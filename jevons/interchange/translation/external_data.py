"""Numbers that a model takes from other files: Vensim's GET XLS and GET DIRECT functions, and data files.

Spreadsheets (``.xlsx``, ``.xlsm``, ``.xls``) and delimited text are read. A model names its files; only files in the
model's folder or below it are opened, whatever it names, and those the caller gives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from jevons.errors import ListedError, nearest
from jevons.interchange.translation.sheets import (
    Area,
    Floats,
    Sheet,
    UnreadableSheet,
    address,
    cell_label,
    cell_name,
    cell_number,
    column_number,
    read_sheet,
    shown_cell,
)

LARGEST_FILE = 50_000_000
"""Bytes above which a file is refused."""
_FILL = ("interpolate", "look_forward", "hold_backward", "raw")


class ExternalDataError(ListedError):
    """Numbers of a model that cannot be read from another file; says which function asked for them."""


@dataclass(frozen=True)
class SeriesTable:
    """Points of one or more series.

    Attributes
    ----------
    times : array, shape (n,)
        Dates, or arguments of a lookup; rising.
    values : array, shape (n, labels of the first dimension, ...)
        Not a number where the file has no value.
    """

    times: Floats
    values: Floats


def read_data(
    structure: Any,
    subscripts: Sequence[Sequence[str]],
    folder: str | Path,
    files: Mapping[str, Path] | None = None,
    keyword: str | None = None,
) -> SeriesTable:
    """Series over time of a data variable (GET XLS DATA, GET DIRECT DATA).

    Parameters
    ----------
    structure : pysd GetDataStructure
    subscripts : sequence of sequence of str
        Labels by dimension of the left-hand side; at most one dimension has more than one.
    folder : path
        Folder of the model.
    files : mapping, optional
        Paths of files whose names begin with a question mark.
    keyword : {'interpolate', 'look_forward', 'hold_backward', 'raw'}, optional
        How values missing in the file are filled; without it, and with ``raw``, they stay not a number.
    """
    source = (structure.file, structure.tab, structure.time_row_or_col, structure.cell)
    return _series(_Request("DATA", *source), subscripts, folder, files, keyword)


def read_lookup(
    structure: Any, subscripts: Sequence[Sequence[str]], folder: str | Path, files: Mapping[str, Path] | None = None
) -> SeriesTable:
    """Points of a lookup (GET XLS LOOKUPS, GET DIRECT LOOKUPS), missing ones interpolated; see `read_data`."""
    source = (structure.file, structure.tab, structure.x_row_or_col, structure.cell)
    return _series(_Request("LOOKUPS", *source), subscripts, folder, files, "interpolate")


def read_constants(
    structure: Any, subscripts: Sequence[Sequence[str]], folder: str | Path, files: Mapping[str, Path] | None = None
) -> Floats:
    """Constants (GET XLS CONSTANTS, GET DIRECT CONSTANTS), in the shape of the labels.

    The last dimension runs across and the one before down; with an asterisk after the cell, the other way round. At
    most two dimensions have more than one label. See `read_data`.
    """
    request = _Request("CONSTANTS", structure.file, structure.tab, structure.cell)
    shape = tuple(len(labels) for labels in subscripts)
    long = [n for n in shape if n > 1]
    if len(long) > 2:
        raise request.error(f"at most two dimensions can be read, found {len(long)} with {long} labels")
    rows, columns = [1] * (2 - len(long)) + long
    turned = structure.cell.endswith("*") and rows * columns > 1
    if turned:
        rows, columns = columns, rows
    sheet, cell = request.open(folder, files), structure.cell.rstrip("*")
    corner = address(cell)
    if corner is not None:
        area = (corner[0], corner[0] + rows, corner[1], corner[1] + columns)
    else:
        area = request.named(sheet, cell)
        found = (area[1] - area[0], area[3] - area[2])
        if found != (rows, columns):
            raise request.error(
                f"range {cell!r} has {found[0]} rows and {found[1]} columns, expected {rows} and {columns}"
            )
    values = sheet.area(area)
    wrong = [
        f"cell {cell_name(area[0] + i, area[2] + j)} {shown_cell(sheet.cells.get((area[0] + i, area[2] + j)))}, "
        "expected a number"
        for i, j in np.argwhere(np.isnan(values))
    ]
    if wrong:
        raise request.error(*wrong[:20])
    return (values.T if turned else values).reshape(shape)


def read_subscript_labels(
    structure: Mapping[str, str] | Any, folder: str | Path, files: Mapping[str, Path] | None = None
) -> list[str]:
    """Labels of a subscript range (GET XLS SUBSCRIPT, GET DIRECT SUBSCRIPT), across and then down; blanks left out.

    Parameters
    ----------
    structure : mapping
        ``file``, ``tab``, ``firstcell``, ``lastcell`` (a cell, a row, a column, or empty) and ``prefix``.
    folder, files
        See `read_data`.
    """
    given = structure if isinstance(structure, Mapping) else vars(structure)
    first, last = given["firstcell"].strip(), (given.get("lastcell") or "").strip()
    request = _Request("SUBSCRIPT", given["file"], given["tab"], first, last)
    sheet = request.open(folder, files)
    corner = address(first)
    if corner is None:
        area = request.named(sheet, first)
    else:
        end = address(last)
        bottom, right = (end[0] + 1, end[1] + 1) if end else (sheet.rows, sheet.columns)
        if end is None and last.isdigit():
            bottom = int(last)
        elif end is None and last:
            right = request.column(last) + 1
        area = (corner[0], bottom, corner[1], right)
    prefix = given.get("prefix") or ""
    inside = sorted((r, c) for r, c in sheet.cells if area[0] <= r < area[1] and area[2] <= c < area[3])
    labels = [prefix + text for text in (cell_label(sheet.cells[place]) for place in inside) if text]
    if not labels:
        raise request.error("no labels: the cells are empty")
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise request.error(f"labels that repeat: {', '.join(repeated[:5])}")
    return labels


def read_data_file(data: Any) -> dict[str, tuple[Floats, Floats]]:
    """Series of data variables, by name.

    Parameters
    ----------
    data : path, DataFrame, or sequence of these
        Tables as Vensim exports them: one column a variable, named ``name[label,...]``, over time. Of a series that is
        in more than one, the last counts.

    Returns
    -------
    dict
        Name to dates and values; dates without a value are left out.
    """
    import pandas as pd

    if isinstance(data, (list, tuple)):
        return {name: series for part in data for name, series in read_data_file(part).items()}
    if isinstance(data, pd.DataFrame):
        frame = data
        column = next((c for c in frame.columns if str(c).strip().lower() == "time"), None)
        frame = frame if column is None else frame.set_index(column)
    else:
        from jevons.interchange.results import read_results

        frame = read_results(data)
    try:
        times = frame.index.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise ExternalDataError(
            "data", [f"the index holds {frame.index[0]!r}, expected dates as numbers, or a column 'Time'"]
        ) from None
    out = {}
    for place, name in enumerate(frame.columns):
        values = np.array([cell_number(v) for v in frame.iloc[:, place]], dtype=float)
        kept = ~np.isnan(values) & ~np.isnan(times)
        order = np.argsort(times[kept], kind="stable")
        out[str(name)] = (times[kept][order], values[kept][order])
    return out


# --- requests ---------------------------------------------------------------------------------------------------------


class _Request:
    """One call of a function that reads a file."""

    def __init__(self, kind: str, file: str, tab: str, *arguments: str) -> None:
        self.file, self.tab, self.arguments = file.strip(), tab, arguments
        listed = ", ".join(f"'{a}'" for a in (file, tab, *arguments))
        self.subject = f"GET {kind}({listed})"

    def error(self, *mistakes: str) -> ExternalDataError:
        return ExternalDataError(self.subject, mistakes)

    def open(self, folder: str | Path, files: Mapping[str, Path] | None) -> Sheet:
        path = self._path(Path(folder), files or {})
        size, changed = path.stat().st_size, path.stat().st_mtime_ns
        if size > LARGEST_FILE:
            raise self.error(f"{path.name} has {size:,} bytes; at most {LARGEST_FILE:,} are read")
        try:
            return read_sheet(path, changed, self.tab)
        except UnreadableSheet as reason:
            raise self.error(f"{path.name}: {reason}") from None

    def _path(self, folder: Path, files: Mapping[str, Path]) -> Path:
        given = {name.lstrip("?").lower(): Path(path) for name, path in files.items()}
        known = given.get(self.file.lstrip("?").lower())
        if known is not None:
            if not known.is_file():
                raise self.error(f"the file given for {self.file!r} does not exist: {known}")
            return known
        if self.file.startswith("?"):
            raise self.error(
                f"{self.file!r} stands for a file that the model does not name{nearest(self.file, files)}; "
                f"give it: files={{{self.file!r}: 'path'}}"
            )
        written = self.file.replace("\\", "/")
        parts = PurePosixPath(written).parts
        if not parts or written.startswith("/") or ":" in parts[0] or ".." in parts or "\0" in written:
            raise self.error(
                f"{self.file!r} leads out of the model's folder, where nothing is read; "
                f"give the file: files={{{self.file!r}: 'path'}}"
            )
        root, path = folder.resolve(), folder
        for part in parts:
            path = _entry(path, part)
        if not path.is_file():
            there = [p.name for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
            raise self.error(f"there is no file {self.file!r} in {folder}{nearest(self.file, there)}")
        if not path.resolve().is_relative_to(root):
            raise self.error(f"{self.file!r} is a link that leads out of the model's folder, where nothing is read")
        return path.resolve()

    def named(self, sheet: Sheet, name: str) -> Area:
        area = sheet.names.get(name.lower())
        if area is None:
            hint = nearest(name.lower(), sheet.names)
            raise self.error(f"{name!r} is neither a cell nor the name of a range in sheet {self.tab!r}{hint}")
        return area

    def column(self, text: str) -> int:
        if not re.fullmatch(r"[A-Za-z]{1,3}", text.strip()):
            raise self.error(f"{text!r} is neither a row nor a column")
        return column_number(text.strip())


def _entry(folder: Path, name: str) -> Path:
    """A file or folder by name; the case of letters does not count where there is none of that name."""
    exact = folder / name
    if exact.exists() or not folder.is_dir():
        return exact
    return next((p for p in sorted(folder.iterdir()) if p.name.lower() == name.lower()), exact)


def _series(
    request: _Request,
    subscripts: Sequence[Sequence[str]],
    folder: str | Path,
    files: Mapping[str, Path] | None,
    keyword: str | None,
) -> SeriesTable:
    keyword = keyword.strip(":").strip().lower().replace(" ", "_") if keyword else None
    if keyword is not None and keyword not in _FILL:
        raise request.error(f"keyword {keyword!r}, expected one of {', '.join(_FILL)}")
    shape = tuple(len(labels) for labels in subscripts)
    long = [n for n in shape if n > 1]
    if len(long) > 1:
        raise request.error(f"at most one dimension can be read, found {len(long)} with {long} labels")
    sheet = request.open(folder, files)
    times, values, place = _points(request, sheet, long[0] if long else 1)
    known = ~np.isnan(times)
    times, values = times[known], values[known]
    if not len(times):
        raise request.error(f"no dates or arguments: {place} holds no number")
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    repeated = [a for a, b in pairwise(times) if a == b]
    if repeated:
        raise request.error(f"{repeated[0]:g} stands more than once in {place}")
    empty = np.flatnonzero(np.isnan(values).all(axis=0))
    if empty.size:
        raise request.error(*(f"series {int(k) + 1} of {values.shape[1]} holds no number" for k in empty[:20]))
    if keyword is not None and keyword != "raw":
        for k in range(values.shape[1]):
            _fill(times, values[:, k], keyword)
    return SeriesTable(times, values.reshape(len(times), *shape))


def _points(request: _Request, sheet: Sheet, size: int) -> tuple[Floats, Floats, str]:
    """Arguments, values of `size` series, and where the arguments stand."""
    axis, cell = (a.strip() for a in request.arguments)
    corner = address(cell)
    if axis.isdigit():
        if corner is None:
            raise request.error(f"{cell!r} is not a cell, as it must be where dates stand in a row")
        top, left = corner
        row = int(axis) - 1
        times = sheet.area((row, row + 1, left, max(sheet.columns, left)))[0]
        values = sheet.area((top, top + size, left, max(sheet.columns, left))).T
        return times, values, f"row {axis} from column {cell_name(0, left)[:-1]} on"
    if corner is not None:
        top, left = corner
        column = request.column(axis)
        times = sheet.area((top, max(sheet.rows, top), column, column + 1))[:, 0]
        values = sheet.area((top, max(sheet.rows, top), left, left + size))
        return times, values, f"column {axis.upper()} from row {top + 1} on"
    first, second = request.named(sheet, axis), request.named(sheet, cell)
    dates, values = sheet.area(first), sheet.area(second)
    if min(dates.shape) > 1:
        raise request.error(f"range {axis!r} has {dates.shape[0]} rows and {dates.shape[1]} columns, expected one line")
    if dates.shape[1] != 1:
        values = values.T
    if values.shape != (dates.size, size):
        raise request.error(
            f"range {cell!r} has {values.shape[0]} points of {values.shape[1]} series, "
            f"expected {dates.size} of {size}, by range {axis!r} and the labels"
        )
    return dates.ravel(), values, f"range {axis!r}"


def _fill(times: Floats, values: Floats, keyword: str) -> None:
    missing, known = np.isnan(values), ~np.isnan(values)
    x, y = times[known], values[known]
    if keyword == "interpolate":
        values[missing] = np.interp(times[missing], x, y)
    else:
        ahead = keyword == "look_forward"
        places = np.searchsorted(x, times[missing], side="left" if ahead else "right") - (0 if ahead else 1)
        values[missing] = y[np.clip(places, 0, len(x) - 1)]
