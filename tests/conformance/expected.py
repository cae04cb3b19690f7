"""What the tests expect of every model of the suite: a recorded verdict, so that a regression is seen."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from .judge import Row

FILE = Path(__file__).with_name("expected.csv")


def read_expected() -> dict[str, str]:
    """Model to our verdict."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return {row["model"]: row["jevons"] for row in csv.DictReader(file)}


def write_expected(rows: Iterable[Row]) -> None:
    """Record the verdicts, ours and PySD's."""
    with FILE.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["model", "jevons", "pysd"])
        out.writerows([row.name, row.ours, row.pysd] for row in rows)
