"""GET TIME VALUE of Vensim: years, months and days of the model's time.

The date at time 0 and what a unit of time stands for are settings of the model file, written after its sketch.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy as sp

from jevons.functions import TIME
from jevons.interchange.translation.expressions import Expressions, Place, Untranslatable, choose, compare

MONTHS = {0: 12, 1: 3, 2: 1}
"""Months in a unit of time, by its code (year, quarter, month): such models have years of 360 days."""
DAYS = {3: 7.0, 4: 1.0, 5: 1 / 24, 6: 1 / 1440, 7: 1 / 86400}
"""Days in a unit of time, by its code (week to second): such models have the real calendar."""
ROUNDING = 1e-6
"""Of a day or month, by which a date may miss the whole number it stands for."""
MEASURES = 11
_SETTING = re.compile(r"^(3[789]|40):\s*(\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Calendar:
    """Date at time 0, and the code of the unit of time."""

    year: int = 2000
    month: int = 1
    day: int = 1
    unit: int = 2


def calendar(path: Path) -> Calendar:
    """Calendar of a Vensim model; Vensim's own, months from January 2000, where the file has none."""
    text = path.read_text(encoding="latin-1")
    found = {int(code): int(value[:9]) for code, value in _SETTING.findall(text[text.rfind("///---") + 1 :])}
    given = Calendar(found.get(37, 2000), found.get(38, 1), found.get(39, 1), found.get(40, 2))
    try:
        datetime.date(given.year, given.month, given.day)
    except ValueError as error:
        raise Untranslatable(f"GET TIME VALUE: the date at time 0 in the settings of the file: {error}") from None
    if given.unit not in MONTHS and given.unit not in DAYS:
        raise Untranslatable(f"GET TIME VALUE: the settings of the file have the unknown unit of time {given.unit}")
    return given


def time_value(walker: Expressions, arguments: Sequence[Any], place: Place) -> sp.Expr:
    """GET TIME VALUE(relative to, offset, measure) of Vensim.

    Equation   0 time, 1 year, 2 quarter, 3 month, 4 day of the month, 5 of the week (0 is Sunday), 6 days since
               1 January of 1 BC, 7 hour, 8 minute, 9 second, 10 seconds modulo 500,000; of the current (0) or the
               initial time (1) plus the offset
    Valid for  models in weeks or less, by the Gregorian calendar; in months or more, with years of 360 days, which
               have no days of the week
    Source     Vensim Help, GET TIME VALUE
    """
    relative, offset, measure = (walker.expression(a, place) for a in arguments)
    origin, kind = (walker.translation.start_value(e) for e in (relative, measure))
    if origin == 2:
        raise Untranslatable("GET TIME VALUE(2, ...) reads the clock of the computer: no run could be repeated")
    if origin not in (0, 1):
        raise Untranslatable("GET TIME VALUE needs 0 (current time) or 1 (initial time) as its first argument")
    if kind is None or kind not in range(MEASURES):
        raise Untranslatable("GET TIME VALUE needs a measure from 0 to 10 that does not change, as its third argument")
    moment = (TIME if origin == 0 else walker.translation.initial_time) + offset
    if kind == 0:
        return moment
    if walker.translation.source.language != "vensim":
        raise Untranslatable("GET TIME VALUE needs the date at time 0, which only a Vensim file has")
    given = calendar(walker.translation.source.path)
    if given.unit in MONTHS:
        return _in_months(given, moment, int(kind))
    return _in_days(given, moment, int(kind), walker, place)


def _modulo(x: sp.Expr, m: int) -> sp.Expr:
    return x - m * sp.floor(x / m)


def _clock(days: sp.Expr, measure: int) -> sp.Expr:
    """Hour, minute and second of a day, and seconds modulo 500,000."""
    seconds = 86400 * days
    if measure == 9:
        return _modulo(seconds, 60)
    if measure == 10:
        return _modulo(sp.floor(seconds + ROUNDING), 500_000)
    return _modulo(sp.floor(seconds / (3600 if measure == 7 else 60) + ROUNDING), 24 if measure == 7 else 60)


def _in_months(given: Calendar, moment: sp.Expr, measure: int) -> sp.Expr:
    """Years of twelve months of thirty days, from year 0 on."""
    if measure == 5:
        raise Untranslatable(
            "GET TIME VALUE: a model in months or more has years of 360 days, which have no days of the week"
        )
    start = 12 * given.year + given.month - 1 + sp.Rational(given.day - 1, 30)
    months = start + MONTHS[given.unit] * moment
    whole = sp.floor(months + ROUNDING)
    if measure == 1:
        return sp.floor(whole / 12)
    if measure == 2:
        return sp.floor(_modulo(whole, 12) / 3) + 1
    if measure == 3:
        return _modulo(whole, 12) + 1
    days = 30 * months
    if measure == 4:
        return _modulo(sp.floor(days + ROUNDING), 30) + 1
    return sp.floor(days + ROUNDING) if measure == 6 else _clock(days, measure)


def _in_days(given: Calendar, moment: sp.Expr, measure: int, walker: Expressions, place: Place) -> sp.Expr:
    """The Gregorian calendar, also before it was introduced, with a year 0.

    Source     Howard Hinnant (2013), chrono-compatible low-level date algorithms, civil_from_days
    """

    def named(expression: sp.Expr) -> sp.Symbol:
        return walker.translation.helper(f"{place.owner} date", expression, place)

    start = datetime.date(given.year, given.month, given.day).toordinal() + 365  # since the first day of year 0
    days = start + sp.nsimplify(DAYS[given.unit], rational=True) * moment
    whole = sp.floor(days + ROUNDING)
    if measure == 6:
        return whole
    if measure == 5:
        return _modulo(whole + 6, 7)  # year 0 began on a Saturday
    if measure > 6:
        return _clock(days, measure)
    since = named(whole - 60)  # years that begin in March end with the leap day
    era = sp.floor(since / 146097)
    of_era = named(since - 146097 * era)
    year = named(
        sp.floor((of_era - sp.floor(of_era / 1460) + sp.floor(of_era / 36524) - sp.floor(of_era / 146096)) / 365)
    )
    of_year = named(of_era - (365 * year + sp.floor(year / 4) - sp.floor(year / 100)))
    shifted = named(sp.floor((5 * of_year + 2) / 153))
    if measure == 4:
        return of_year - sp.floor((153 * shifted + 2) / 5) + 1
    late = compare("<", shifted, sp.Float(9.5))
    if measure == 1:
        return year + 400 * era + choose(late, sp.S.Zero, sp.S.One)
    month = choose(late, shifted + 3, shifted - 9)
    return month if measure == 3 else sp.floor((month + 2) / 3)
