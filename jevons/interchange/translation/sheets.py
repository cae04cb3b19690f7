"""Sheets of spreadsheets (``.xlsx``, ``.xlsm``, ``.xls``) and of delimited text: cells, and ranges that have names."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import nearest

LARGEST_UNPACKED = 500_000_000
"""Bytes above which the contents of a workbook are refused."""
MOST_CELLS = 2_000_000
"""Cells above which a sheet is refused."""
MOST_ROWS = 1_048_576
_WORKBOOKS = {".xlsx", ".xlsm"}
_ADDRESS = re.compile(r"\$?([A-Za-z]{1,3})\$?([1-9][0-9]{0,6})")

Floats = NDArray[np.float64]
Area = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last; from 0."""


@dataclass(frozen=True)
class Sheet:
    """Cells of a sheet or of a text file that are not empty, and the ranges that have names."""

    cells: Mapping[tuple[int, int], Any]
    rows: int
    columns: int
    names: Mapping[str, Area]

    def area(self, area: Area) -> Floats:
        top, bottom, left, right = area
        found = [[cell_number(self.cells.get((r, c))) for c in range(left, right)] for r in range(top, bottom)]
        return np.array(found, dtype=float).reshape(bottom - top, right - left)


# --- cells ------------------------------------------------------------------------------------------------------------


def column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def address(text: str) -> tuple[int, int] | None:
    found = _ADDRESS.fullmatch(text.strip())
    return (int(found[2]) - 1, column_number(found[1])) if found else None


def cell_name(row: int, column: int) -> str:
    letters, rest = "", column + 1
    while rest:
        rest, last = divmod(rest - 1, 26)
        letters = chr(ord("A") + last) + letters
    return f"{letters}{row + 1}"


def cell_number(value: Any) -> float:
    """A cell as a number; not a number where it is none."""
    if isinstance(value, (int, float, np.number)):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return float("nan")
    return float("nan")


def cell_label(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def shown_cell(value: Any) -> str:
    return "is empty" if value is None else f"holds {str(value)[:40]!r}"


# --- files ------------------------------------------------------------------------------------------------------------


class UnreadableSheet(Exception):
    """Why a file cannot be read."""


@lru_cache(maxsize=32)
def read_sheet(path: Path, changed: int, tab: str) -> Sheet:
    """A sheet of a file as it is now; `changed` tells one state of the file from another."""
    suffix = path.suffix.lower()
    if suffix in _WORKBOOKS:
        return _workbook(path, tab)
    if suffix == ".xls":
        return _old_workbook(path, tab)
    if suffix in (".csv", ".tab", ".tsv", ".txt", ".dat"):
        return _text(path, tab)
    raise UnreadableSheet(f"files of type {suffix!r} are not read; expected .xlsx, .xlsm, .xls, .csv, .tab or .txt")


def _collect(cells: Iterator[tuple[int, int, Any]], names: Mapping[str, Area]) -> Sheet:
    kept: dict[tuple[int, int], Any] = {}
    for row, column, value in cells:
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        kept[row, column] = value
        if len(kept) > MOST_CELLS:
            raise UnreadableSheet(f"a sheet of more than {MOST_CELLS:,} cells")
    rows = 1 + max((r for r, _ in kept), default=-1)
    columns = 1 + max((c for _, c in kept), default=-1)
    return Sheet(kept, rows, columns, names)


def _sheet_name(wanted: str, there: Sequence[str]) -> str:
    """The sheet of a name; the case of letters does not count."""
    found = next((name for name in there if name.lower() == wanted.strip().lower()), None)
    if found is None:
        raise UnreadableSheet(f"there is no sheet {wanted!r}{nearest(wanted, there)}; sheets: {', '.join(there)}")
    return found


def _workbook(path: Path, tab: str) -> Sheet:
    import openpyxl  # type: ignore[import-untyped]

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > LARGEST_UNPACKED:
            raise UnreadableSheet(f"it unpacks to {unpacked:,} bytes; at most {LARGEST_UNPACKED:,} are read")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        raise UnreadableSheet(f"not an Excel workbook: {error}") from None
    try:
        name = _sheet_name(tab, book.sheetnames)
        sheet = book[name]
        names: dict[str, Area] = {}
        for scope in (book.defined_names, getattr(sheet, "defined_names", {})):
            for label, defined in scope.items():
                names.update({label.lower(): area for area in _destinations(defined, name)})
        sheet.reset_dimensions()
        cells = (
            (r, c, value)
            for r, row in enumerate(sheet.iter_rows(values_only=True, max_row=MOST_ROWS))
            for c, value in enumerate(row)
        )
        return _collect(cells, names)
    finally:
        book.close()


def _destinations(defined: Any, sheet: str) -> Iterator[Area]:
    """Areas of a defined name that lie in a sheet."""
    try:
        places = list(defined.destinations)
    except (AttributeError, TypeError, ValueError):
        return
    for title, cells in places:
        ends = [address(part) for part in cells.split(":")]
        if title.lower() == sheet.lower() and len(ends) in (1, 2) and None not in ends:
            (top, left), (bottom, right) = ends[0], ends[-1]  # type: ignore[misc]
            yield top, bottom + 1, left, right + 1


def _old_workbook(path: Path, tab: str) -> Sheet:
    import xlrd  # type: ignore[import-untyped]

    try:
        with io.StringIO() as log:
            book = xlrd.open_workbook(str(path), logfile=log)
            name = _sheet_name(tab, book.sheet_names())
            sheet = book.sheet_by_name(name)
    except UnreadableSheet:
        raise
    except Exception as error:  # its parser lets errors of many types through
        raise UnreadableSheet(f"not an Excel workbook: {error}") from None
    names: dict[str, Area] = {}
    for defined in book.name_obj_list:
        try:
            where, top, bottom, left, right = defined.area2d()
        except (xlrd.XLRDError, AttributeError, TypeError, AssertionError):
            continue
        if where.name == name:
            names[defined.name.lower()] = (top, bottom, left, right)
    errors = xlrd.XL_CELL_ERROR
    cells = (
        (r, c, None if sheet.cell_type(r, c) == errors else sheet.cell_value(r, c))
        for r in range(sheet.nrows)
        for c in range(sheet.row_len(r))
    )
    return _collect(cells, names)


def _text(path: Path, tab: str) -> Sheet:
    raw = path.read_bytes()
    if b"\0" in raw[:4096]:
        raise UnreadableSheet("a binary file, expected delimited text")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    # Vensim takes the second argument for the delimiter, and a name of a sheet for none
    given = "\t" if tab.strip().lower() in ("\\t", "tab") or tab == "\t" else tab.strip()[:1]
    delimiter = given if given and not given.isalnum() else "," if path.suffix.lower() == ".csv" else "\t"
    csv.field_size_limit(1_000_000)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return _collect(((r, c, value) for r, row in enumerate(rows) for c, value in enumerate(row)), {})
    except csv.Error as error:
        raise UnreadableSheet(f"not a table: {error}") from None
