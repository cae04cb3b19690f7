"""Result files of other programs: read Vensim's and Stella's tables, and compare runs with them."""

from __future__ import annotations

import codecs
import csv
import importlib
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import JevonsError, ListedError
from jevons.trajectory import Trajectory

if TYPE_CHECKING:
    import pandas as pd

LARGEST_FILE = 500_000_000
"""Bytes above which a file is refused."""

_BINARY = {".vdf", ".vdfx"}
_NOT_NUMBERS = {
    "nan": np.nan, "-nan": np.nan, "-nan(ind)": np.nan, "nan(ind)": np.nan, "1.#qnan": np.nan, "-1.#ind": np.nan,
    "1.#ind": np.nan, "na": np.nan, "n/a": np.nan, "?": np.nan, "--": np.nan, ":na:": np.nan,
    "∞": np.inf, "-∞": -np.inf, "inf": np.inf, "+inf": np.inf, "-inf": -np.inf, "infinity": np.inf,
    "-infinity": -np.inf, "1.#inf": np.inf, "-1.#inf": -np.inf,
}  # fmt: skip
_TIME_WORDS = re.compile(
    r"time|times|date|dates|days?|weeks?|months?|quarters?|years?|hours?|minutes?|seconds?|periods?|t", re.IGNORECASE
)
_UNIT = re.compile(r"\s*(\([^()]*\)|\{[^{}]*\})\s*$")


class ResultFileError(ListedError):
    """A result file that cannot be read as it stands; lists every mistake found."""


def read_results(path: str | Path) -> pd.DataFrame:
    """Table of a run as Vensim or Stella exports it.

    Comma, semicolon and tab separated tables with one variable a column or one a row, and Vensim's ``.dat`` text. Blank
    cells after the first date are a constant, which Vensim writes once. A decimal comma is understood where the
    separator is another character. Vensim's binary ``.vdf`` is read where pysimlin is installed; names are then lower
    case.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    DataFrame
        Index ``time``; one column a variable, named as in the file without quotation marks around it and without blanks
        after commas in brackets: ``"Stock"[A, B]`` is ``Stock[A,B]``.

    Raises
    ------
    ResultFileError
        Lists what cannot be read, with row and column.

    Examples
    --------
    ``compare_runs(model.run(), read_results("output.tab"))``
    """
    import pandas as pd

    path = Path(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ResultFileError(path.name, [f"{size:,} bytes; at most {LARGEST_FILE:,} are read"])
        raw = path.read_bytes()
    except OSError as error:
        raise ResultFileError(str(path), [f"cannot be opened: {error.strerror or error}"]) from None
    if path.suffix.lower() in _BINARY:
        return _vdf(path)
    text = _decoded(raw, path.name)
    if path.suffix.lower() == ".dat":
        return _dat(text, path.name)
    rows = _rows(text, path.name)
    if _one_variable_a_row(rows):
        width = max(len(row) for row in rows)
        rows = [list(column) for column in zip(*(row + [""] * (width - len(row)) for row in rows), strict=True)]
        across = True
    else:
        across = False
    times, names, values = _numbers(rows, path.name, across)
    frame = pd.DataFrame(values, index=pd.Index(times, name="time"), columns=names)
    return _without_repeats(frame, path.name)


def compare_runs(
    ours: Trajectory | pd.DataFrame, reference: pd.DataFrame, rtol: float = 1e-5, atol: float = 1e-5
) -> pd.DataFrame:
    r"""Worst difference of every variable of a reference.

    Parameters
    ----------
    ours : Trajectory or DataFrame
        Index of dates, one column a variable. Must hold every date of the reference, up to a tenth of its step
        (programs round dates).
    reference : DataFrame
        As `read_results` returns it.
    rtol, atol : float
        Two values agree where \|ours − reference\| ≤ atol + rtol \|reference\|; two missing ones agree.

    Returns
    -------
    DataFrame
        One row a variable of the reference, worst first. ``agrees``; ``difference`` (absolute) and ``relative``
        (difference over atol / rtol + \|reference\|: agreement is ``relative <= rtol``) at the worst date ``time``,
        with ``ours`` and ``reference`` there; ``of_maximum``, largest difference over the largest absolute value of the
        reference; ``reason`` where there is nothing to compare. Names match whatever their case, blanks or quotation
        marks, and with or without a unit in brackets behind them.

    Raises
    ------
    JevonsError
        Where ours lacks dates of the reference.

    Equation
    --------
    agreement: |x − y| ≤ atol + rtol |y|

    Valid for
    ---------
    any two runs of which the first has the dates of the second.

    Source
    ------
    the criterion of numpy.allclose and of PySD's integration tests.
    """
    import pandas as pd

    if not (rtol > 0 and atol >= 0):
        raise JevonsError(f"rtol must be positive and atol not negative; found {rtol!r} and {atol!r}")
    times, columns = _columns(ours)
    dates = np.asarray(reference.index, dtype=float)
    rows = _matching_rows(times, dates)
    rank: list[float] = []
    table = []
    for position, name in enumerate(reference.columns):
        y = np.asarray(reference.iloc[:, position], dtype=float)
        x = columns.get(canonical_name(str(name)))
        if x is None:
            x = columns.get(canonical_name(_UNIT.sub("", str(name))))
        if x is None:
            table.append((str(name), False, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, "missing"))
            rank.append(np.inf)
            continue
        row = _worst(x[rows], y, dates, rtol, atol)
        table.append((str(name), *row, ""))
        rank.append(np.inf if np.isnan(row[2]) else row[2])
    found = pd.DataFrame(
        table,
        columns=["variable", "agrees", "difference", "relative", "time", "ours", "reference", "of_maximum", "reason"],
    ).set_index("variable")
    return found.iloc[np.argsort(-np.asarray(rank), kind="stable")]


def canonical_name(name: str) -> str:
    """A name as two programs would agree on it: lower case, single blanks, no quotation marks."""
    return re.sub(r"[\s_ ]+", " ", plain_name(name)).strip().casefold()


def plain_name(name: str) -> str:
    """A name as models have it: without quotation marks around it, and without blanks after commas in brackets."""
    name = name.strip()
    base, bracket, subscripts = name.partition("[")
    if name.startswith('"'):
        quoted = re.match(r'"((?:[^"\\]|\\.)*)"\s*(\[.*\])?$', name, re.DOTALL)
        if quoted is None:
            return name
        base, subscripts = quoted.group(1), (quoted.group(2) or "")[1:]
        bracket = "[" if subscripts else ""
    elif bracket and not name.endswith("]"):
        return name
    base = base.strip().replace('\\"', '"')
    if not bracket:
        return base
    return f"{base}[{','.join(_labels(subscripts[:-1]))}]"


def _labels(subscripts: str) -> list[str]:
    """Labels between brackets; commas inside of quotation marks do not part them."""
    return [part.strip().strip('"') for part in re.findall(r'(?:"[^"]*"|[^,"])+', subscripts)]


def _vdf(path: Path) -> pd.DataFrame:
    """Vensim's binary format, which is not published; pysimlin, where it is installed, reads most files."""
    advice = "In Vensim, choose Model > Export Dataset, and export as tab delimited (.tab) or CSV, then read that file"
    try:
        simlin: Any = importlib.import_module("simlin")
    except ImportError:
        reason = "this is Vensim's binary format, which is not published; the package pysimlin reads most such files"
        raise ResultFileError(path.name, [f"{reason}, and is not installed. {advice}"]) from None
    try:
        frame: pd.DataFrame = simlin.load_vdf(path)
    except simlin.SimlinError as error:
        raise ResultFileError(path.name, [f"pysimlin cannot read it: {error}. {advice}"]) from None
    frame.columns = [re.sub(r",\s+", ",", str(name).replace("_", " ")) for name in frame.columns]
    frame.index.name = "time"
    return frame


def _decoded(raw: bytes, name: str) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            try:
                return raw.decode(encoding)
            except UnicodeDecodeError as error:
                raise ResultFileError(name, [f"announces {encoding}, but is not: byte {error.start}"]) from None
    if b"\0" in raw:
        raise ResultFileError(name, ["a binary file; expected a table as text (.tab, .csv, .dat)"])
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _rows(text: str, name: str) -> list[list[str]]:
    """Cells of the table, blank rows left out."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = next((line for line in text.split("\n") if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", first)
    separator = max("\t;,", key=lambda c: (bare.count(c) > 0) * (1000 if c == "\t" else 100 if c == ";" else 1))
    if not bare.count(separator):
        separator = ","
    csv.field_size_limit(1_000_000)
    try:
        rows = [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        ]
    except csv.Error as error:
        raise ResultFileError(name, [f"not a table: {error}"]) from None
    rows = [row for row in rows if any(row)]
    if separator != ",":
        rows = [[_decimal_point(cell) for cell in row] if i else row for i, row in enumerate(rows)]
    if len(rows) < 2:
        raise ResultFileError(name, [f"found {len(rows)} rows; expected a row of names and at least one date"])
    return rows


def _decimal_point(cell: str) -> str:
    return cell.replace(",", ".") if re.fullmatch(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?", cell) else cell


def _one_variable_a_row(rows: Sequence[Sequence[str]]) -> bool:
    """Whether dates stand in the first row: then all its cells but the first are numbers that rise."""
    dates = [_number(_decimal_point(cell)) for cell in rows[0][1:] if cell]
    if not dates or any(date is None for date in dates):
        return False
    return all(later > earlier for earlier, later in pairwise(dates))  # type: ignore[operator]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return _NOT_NUMBERS.get(cell.lower())


def _numbers(
    rows: list[list[str]], file: str, across: bool
) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
    header = list(rows[0])
    while header and not header[-1]:
        header.pop()
    mistakes = []
    label = _UNIT.sub("", plain_name(header[0])) if header else ""
    if header and _number(header[0]) is not None:
        raise ResultFileError(file, [f"the first row has no names: it begins with {header[0]!r}"])
    if not across and header[0] and not _TIME_WORDS.fullmatch(label) and len(header) > 1:
        column = [row[0] for row in rows[1:] if row[0]]
        found = [_number(cell) for cell in column]
        if any(value is None for value in found):
            wrong = column[found.index(None)]
            raise ResultFileError(
                file, [f"the first column, {header[0]!r}, holds {wrong!r}; expected dates, under a name such as 'Time'"]
            )
    names = [plain_name(cell) for cell in header[1:]]
    kind = ("column", "row") if across else ("row", "column")
    mistakes += [f"{kind[1]} {i + 2} has no name" for i, cell in enumerate(names) if not cell]
    values = np.full((len(rows) - 1, len(header)), np.nan)
    blank = np.zeros(values.shape, dtype=bool)
    for i, row in enumerate(rows[1:]):
        if any(row[len(header) :]):
            mistakes.append(f"{kind[0]} {i + 2} has {len(row)} cells, {len(header)} have names")
        for j in range(len(header)):
            cell = row[j] if j < len(row) else ""
            if not cell:
                blank[i, j] = True
                continue
            value = _number(cell)
            if value is None:
                mistakes.append(f"{kind[0]} {i + 2}, {header[j] or 'time'!r}: found {cell!r}, expected a number")
            else:
                values[i, j] = value
    times = values[:, 0]
    mistakes += [f"{kind[0]} {i + 2} has no date" for i in np.flatnonzero(~np.isfinite(times)) if not mistakes]
    falls = np.flatnonzero(np.diff(times) <= 0)
    if falls.size and not mistakes:
        k = int(falls[0])
        mistakes.append(f"dates must rise; {times[k]:g} is followed by {times[k + 1]:g} ({kind[0]} {k + 3})")
    if mistakes:
        more = [f"and {len(mistakes) - 20} more"] if len(mistakes) > 20 else []
        raise ResultFileError(file, [*mistakes[:20], *more])
    constant = blank[1:].all(axis=0) & ~blank[0] & (len(values) > 1)
    values[1:, constant] = values[0, constant]
    return times, names, values[:, 1:]


def _without_repeats(frame: pd.DataFrame, file: str) -> pd.DataFrame:
    wrong = []
    for name in [name for name, count in Counter(frame.columns).items() if count > 1]:
        columns = frame[name].to_numpy()
        if not np.array_equal(columns, np.repeat(columns[:, :1], columns.shape[1], axis=1), equal_nan=True):
            wrong.append(f"{name!r} stands there {columns.shape[1]} times, with different values")
    if wrong:
        raise ResultFileError(file, wrong)
    return frame.loc[:, ~frame.columns.duplicated()]


def _dat(text: str, file: str) -> pd.DataFrame:
    """Vensim's ``.dat``: a name on a line of its own, then lines of a date and a value."""
    import pandas as pd

    series: dict[str, tuple[list[float], list[float]]] = {}
    mistakes = []
    current: tuple[list[float], list[float]] | None = None
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        cells = line.strip().split("\t")
        if cells == [""]:
            continue
        if len(cells) == 1:
            current = series.setdefault(plain_name(cells[0]), ([], []))
            continue
        pair = [_number(cell.strip()) for cell in cells]
        if len(pair) != 2 or pair[0] is None or pair[1] is None or current is None:
            mistakes.append(f"line {number}: found {line.strip()[:60]!r}, expected a name, or a date and a value")
            continue
        current[0].append(pair[0])
        current[1].append(pair[1])
    if not series and not mistakes:
        mistakes.append("no variable in it")
    if mistakes:
        raise ResultFileError(file, mistakes[:20])
    times = np.unique(np.concatenate([np.asarray(dates) for dates, _ in series.values()]))
    values = np.full((times.size, len(series)), np.nan)
    for j, (dates, numbers) in enumerate(series.values()):
        if len(dates) == 1:
            values[:, j] = numbers[0]
        else:
            values[np.searchsorted(times, dates), j] = numbers
    return pd.DataFrame(values, index=pd.Index(times, name="time"), columns=list(series))


def _columns(run: Trajectory | pd.DataFrame) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Dates, and the columns by canonical name."""
    names: Sequence[str]
    if isinstance(run, Trajectory):
        times, names, values = run.times, run.names, run.values
    else:
        times = np.asarray(run.index, dtype=float)
        names, values = [str(name) for name in run.columns], run.to_numpy(dtype=float)
    return times, {canonical_name(name): values[:, j] for j, name in reversed(list(enumerate(names)))}


def _matching_rows(times: NDArray[np.float64], dates: NDArray[np.float64]) -> NDArray[np.intp]:
    if not dates.size or not times.size:
        raise JevonsError("a run without dates cannot be compared")
    near = (
        np.abs(times[None, :] - dates[:, None]).argmin(axis=1)
        if times.size * dates.size < 4_000_000
        else _nearest(times, dates)
    )
    step = np.min(np.diff(dates)) if dates.size > 1 else 1.0
    far = np.abs(times[near] - dates) > 0.1 * step + 1e-9 * np.abs(dates)
    if far.any():
        listed = ", ".join(f"{date:g}" for date in dates[far][:5])
        more = f" and {int(far.sum()) - 5} more" if far.sum() > 5 else ""
        raise JevonsError(
            f"the reference has dates that ours lacks: {listed}{more}. Ours has {times.size} dates from "
            f"{times[0]:g} to {times[-1]:g}; run with the reference's end and reporting interval"
        )
    return np.asarray(near, dtype=np.intp)


def _nearest(times: NDArray[np.float64], dates: NDArray[np.float64]) -> NDArray[np.intp]:
    above = np.clip(np.searchsorted(times, dates), 1, times.size - 1)
    return np.asarray(np.where(dates - times[above - 1] <= times[above] - dates, above - 1, above), dtype=np.intp)


def _worst(
    x: NDArray[np.float64], y: NDArray[np.float64], dates: NDArray[np.float64], rtol: float, atol: float
) -> tuple[bool, float, float, float, float, float, float]:
    with np.errstate(invalid="ignore"):
        difference = np.abs(x - y)
        difference[x == y] = 0.0  # two infinities
    both_missing = np.isnan(x) & np.isnan(y)
    difference[both_missing] = 0.0
    difference[np.isnan(difference)] = np.inf
    size = np.where(np.isfinite(y), np.abs(y), 0.0)
    floor = atol / rtol
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = np.where(difference == 0, 0.0, difference / (floor + size))
        of_maximum = 0.0 if not difference.any() else float(difference.max() / size.max(initial=0.0))
    k = int(np.argmax(relative))
    agrees = bool((difference <= atol + rtol * size).all())
    return agrees, float(difference[k]), float(relative[k]), float(dates[k]), float(x[k]), float(y[k]), of_maximum
