"""Observations: rows of published figures with unit, error, source and the date they became known."""

from __future__ import annotations

import csv
import hashlib
import importlib.resources
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jevons.errors import HistoryError, nearest
from jevons.inference.noise import LogNormalNoise, Noise, NormalNoise
from jevons.units import UnitMismatch, parse_unit

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "series", "variable", "statistic", "date", "reference_date", "value", "low", "high", "unit", "sigma",
    "sigma_kind", "family", "definition", "source", "url", "verified", "role", "variants", "known", "note",
)  # fmt: skip
NUMBERS = ("date", "reference_date", "value", "low", "high", "sigma")
REQUIRED = ("series", "statistic", "date", "value", "unit", "definition", "source", "role", "known")
NEEDED = ("variable", "date", "value", "unit", "source")
"""Columns without which a file is no history; the others may be left out and then take `DEFAULTS`."""
DEFAULTS = {
    "statistic": "annual",
    "sigma_kind": "log",
    "role": "fit",
    "definition": "as the source",
    "known": "0000-01",
}
STATISTICS = ("annual", "at", "index", "ratio", "since", "slope", "log_growth_rate", "log_decline_rate")
NEED_REFERENCE = ("ratio", "since", "slope", "log_growth_rate", "log_decline_rate")
ROLES = ("fit", "hold-out", "benchmark")
VERIFIED = ("yes", "secondary", "no", "")
KEY = ("series", "statistic", "date", "reference_date", "source")
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_NAME = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^/"]|")*)/')
"""One name and the slash after it; what stands between quotation marks is taken whole."""


@dataclass(frozen=True)
class Observation:
    """One published figure.

    Attributes
    ----------
    series : str
        Reporting name.
    variable : str
        Model variable it is compared with, or a ratio of two (a share), ``"ai_electricity / dc_electricity"``;
        empty if there is none. A name that holds a slash stands between quotation marks (`quoted`).
    statistic : str
        ``annual`` mean over the calendar year from `date`; value ``at`` a date; an ``index`` of annual means whose
        base is free (see `Nuisance`); ``ratio`` of annual means (a growth factor), ``since``, ``slope``,
        ``log_growth_rate``, ``log_decline_rate`` against `reference_date`.
    value, low, high : float
        As published, in `unit`.
    sigma, sigma_kind : float, str
        Standard error, of the logarithm or absolute.
    known : str
        Month (YYYY-MM) in which it became public.
    """

    series: str
    variable: str
    statistic: str
    date: float
    reference_date: float
    value: float
    low: float
    high: float
    unit: str
    sigma: float
    sigma_kind: str
    family: str
    definition: str
    source: str
    url: str
    verified: str
    role: str
    variants: tuple[str, ...]
    known: str
    note: str

    @property
    def variables(self) -> tuple[str, ...]:
        """The model variables it needs: one, or numerator and denominator."""
        return tuple(map(_plain, _NAME.findall(f"{self.variable}/")))

    @property
    def noise(self) -> Noise:
        """Its error; an absolute one in the row's unit."""
        return LogNormalNoise(self.sigma) if self.sigma_kind == "log" else NormalNoise(self.sigma)

    @property
    def label(self) -> str:
        """Short name: series, statistic and dates."""
        reference = "" if math.isnan(self.reference_date) else f" from {self.reference_date:g}"
        return f"{self.series} {self.statistic} {self.date:g}{reference}"


def quoted(name: str) -> str:
    """A model variable as `Observation.variable` writes it, whatever characters it holds."""
    if not re.search(r'[/"]', name):
        return name
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{escaped}"'


def _plain(name: str) -> str:
    name = name.strip()
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if len(name) > 1 and name[0] == name[-1] == '"' else name


class History(Sequence[Observation]):
    """Observations of one model, checked.

    Examples
    --------
    ``history.select(role="fit", variant="main", known_until="2023-12")``
    """

    def __init__(self, observations: Iterable[Observation], name: str = "history") -> None:
        self._rows = tuple(observations)
        self.name = name

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def select(
        self,
        role: str | None = None,
        variant: str | None = None,
        known_until: str | None = None,
        series: str | None = None,
        without_families: Sequence[str] = (),
    ) -> History:
        """Rows of a role, a fit variant, known by the end of a month (``"2023-12"``), or not of some families."""
        if known_until is not None and not MONTH.fullmatch(known_until):
            mistake = f"known_until {known_until!r}, expected a month such as '2023-12'"
            raise HistoryError(f"history {self.name!r}", [mistake])
        rows = [
            row
            for row in self._rows
            if (role is None or row.role == role)
            and (variant is None or variant in row.variants)
            and (known_until is None or row.known <= known_until)
            and (series is None or row.series == series)
            and row.family not in without_families
        ]
        return History(rows, self.name)

    @property
    def hash(self) -> str:
        """Fingerprint of everything a fit uses."""
        used = [
            (r.series, r.variable, r.statistic, r.date, r.reference_date, r.value, r.unit, r.sigma, r.sigma_kind,
             r.variants, r.known)
            for r in self._rows if r.role == "fit"
        ]  # fmt: skip
        return hashlib.sha256("\n".join(sorted(map(repr, used))).encode()).hexdigest()[:16]

    def to_frame(self) -> pd.DataFrame:
        """All rows and columns as a table."""
        import pandas as pd

        return pd.DataFrame([vars(row) for row in self._rows], columns=list(COLUMNS))

    def to_csv(self, path: str | Path) -> Path:
        """Write all rows and columns; `read_history` reads them back unchanged."""
        path = Path(path)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in self._rows:
                cells = {**vars(row), "variants": ";".join(row.variants)}
                for column in NUMBERS:
                    cells[column] = "" if math.isnan(cells[column]) else repr(float(cells[column]))
                writer.writerow([cells[column] for column in COLUMNS])
        return path

    def __repr__(self) -> str:
        counts = ", ".join(f"{sum(r.role == role for r in self._rows)} {role}" for role in ROLES)
        return f"History {self.name!r}: {len(self._rows)} rows ({counts})"


def read_history(source: str | Path = "world") -> History:
    """Read the shipped history of a model by name, a CSV file, or a folder of CSV files.

    Raises
    ------
    HistoryError
        With every mistake found: file, line, column, what was found and what was expected.
    """
    folder = Path(str(importlib.resources.files("jevons.calibration")))
    shipped = folder / f"{source}.toml"
    path = Path(source)
    if path.suffix == "" and path.name == str(source) and shipped.exists():
        settings = tomllib.loads(shipped.read_text(encoding="utf-8"))
        if "history" not in settings:
            return read_history(str(settings.get("extends", "")))
        path = folder / str(settings["history"])
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    mistakes: list[str] = []
    rows: list[Observation] = []
    seen: dict[tuple[Any, ...], str] = {}
    if not files:
        mistakes.append(f"folder {path} holds no CSV file")
    for file in files:
        rows += _read_file(file, mistakes, seen)
    if mistakes:
        raise HistoryError(f"history {path.name!r}", mistakes)
    return History(rows, path.name)


def _read_file(file: Path, mistakes: list[str], seen: dict[tuple[Any, ...], str]) -> Iterator[Observation]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            numbered = list(_numbered_rows(stream))
    except OSError as error:
        mistakes.append(f"{file.name}: cannot be read ({error.strerror})")
        return
    except (csv.Error, UnicodeDecodeError) as error:
        mistakes.append(f"{file.name}: is not a CSV file ({error})")
        return
    if not numbered:
        mistakes.append(f"{file.name}: is empty, expected a header and at least one row")
        return
    (_, header), *records = numbered
    missing = [c for c in NEEDED if c not in header]
    mistakes += [f"{file.name}: column {c!r} is missing{nearest(c, header)}" for c in missing]
    unknown = [c for c in header if c not in COLUMNS]
    mistakes += [f"{file.name}: unknown column {c!r}{nearest(c, COLUMNS)}" for c in unknown]
    repeated = [c for c in COLUMNS if header.count(c) > 1]
    mistakes += [f"{file.name}: column {c!r} appears more than once" for c in repeated]
    if not records:
        mistakes.append(f"{file.name}: has a header and no row")
    if missing:
        return
    for number, cells in records:
        place = f"{file.name} line {number}"
        if len(cells) != len(header):
            hint = "; a text with a comma needs quotes" if len(cells) > len(header) else ""
            mistakes.append(f"{place}: {len(cells)} cells, expected {len(header)}{hint}")
            continue
        row = _observation(place, dict(zip(header, cells, strict=True)), mistakes)
        if row is None:
            continue
        key = tuple(repr(getattr(row, k)) for k in KEY)
        if key in seen:
            mistakes.append(f"{place}: duplicate of {seen[key]} ({row.label}, {row.source})")
        seen.setdefault(key, place)
        yield row


def _numbered_rows(stream: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of the line on which it begins."""
    reader = csv.reader(stream, strict=True)
    begin = 1
    for cells in reader:
        if cells:
            yield begin, cells
        begin = reader.line_num + 1


def _observation(place: str, record: dict[Any, Any], mistakes: list[str]) -> Observation | None:
    before = len(mistakes)
    defaults = {**DEFAULTS, "series": record["variable"]}
    fields: dict[str, Any] = {c: str(record.get(c, defaults.get(c, ""))).strip() for c in COLUMNS}
    mistakes += [f"{place}: column {c!r} is empty" for c in REQUIRED if not fields[c]]
    for column in NUMBERS:
        fields[column] = _number(place, column, fields[column], mistakes)
    for column, valid in (("statistic", STATISTICS), ("role", ROLES), ("verified", VERIFIED)):
        if fields[column] not in valid:
            hint = nearest(fields[column], valid)
            expected = ", ".join(filter(None, valid))
            mistakes.append(f"{place}: {column} {fields[column]!r}, expected one of {expected}{hint}")
    try:
        parse_unit(fields["unit"])
    except UnitMismatch as mismatch:
        if fields["variable"]:
            mistakes.append(f"{place}: {mismatch}")
    if fields["statistic"] in NEED_REFERENCE and math.isnan(fields["reference_date"]):
        mistakes.append(f"{place}: statistic {fields['statistic']} needs a reference_date")
    if fields["known"] and not MONTH.fullmatch(fields["known"]):
        mistakes.append(f"{place}: known {fields['known']!r}, expected a month such as 2023-12")
    if fields["statistic"] in NEED_REFERENCE and fields["reference_date"] == fields["date"]:
        mistakes.append(f"{place}: reference_date is the date itself, {fields['date']:g}")
    fields["variants"] = tuple(filter(None, map(str.strip, fields["variants"].split(";"))))
    if fields["low"] > fields["high"]:
        mistakes.append(f"{place}: low {fields['low']:g} and high {fields['high']:g}, expected low ≤ high")
    if fields["role"] == "fit":
        if not fields["sigma"] > 0 or fields["sigma_kind"] not in ("log", "absolute"):
            mistakes.append(
                f"{place}: a row to fit needs sigma > 0 of kind 'log' or 'absolute', found "
                f"{fields['sigma']!r}, {fields['sigma_kind']!r}"
            )
        if fields["sigma_kind"] == "log" and fields["value"] <= 0:
            mistakes.append(f"{place}: value {fields['value']!r} with a log error, expected more than 0")
        if fields["verified"] == "no":
            mistakes.append(f"{place}: an unverified row must not have role 'fit'")
        if not fields["variable"]:
            mistakes.append(f"{place}: a row to fit needs a model variable")
    return Observation(**fields) if len(mistakes) == before else None


def _number(place: str, column: str, text: str, mistakes: list[str]) -> float:
    if text == "":
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        mistakes.append(f"{place}: column {column!r} holds {text!r}, expected a number")
        return math.nan
    return number
