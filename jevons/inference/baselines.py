"""Predictors of a level that know no model: extrapolations with stated errors, and forecasts others published."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jevons.errors import HistoryError, nearest
from jevons.inference.history import MONTH, History
from jevons.inference.rolling import Origin, RollingBacktest
from jevons.inference.scores import log_score, normal_crps
from jevons.units import convert

if TYPE_CHECKING:
    import pandas as pd

GROWTH_SD = 0.07
"""Standard deviation of the mean growth rate over the years ahead that every extrapolation is given, 1/yr."""
ASSUMED_GROWTH = 0.12
COLUMNS = (
    "published", "region", "scope", "use", "base_year", "base_value", "year", "value", "low", "high", "unit", "source",
    "url", "status", "note",
)  # fmt: skip
USES = ("level", "growth", "listed")


@dataclass(frozen=True)
class Forecast:
    """A published forecast.

    Attributes
    ----------
    published : str
        Month.
    region, scope : str
    use : {'level', 'growth', 'listed'}
        Its own level, between base and target on a logarithmic line; only its growth, applied to the newest level
        known, because region or scope differ; or not used.
    base_year, base_value, year, value, low, high : float
        NaN where not given.
    status : str
        How the figure was checked.
    """

    published: str
    region: str
    scope: str
    use: str
    base_year: float
    base_value: float
    year: float
    value: float
    low: float
    high: float
    unit: str
    source: str
    url: str
    status: str
    note: str

    @property
    def growth(self) -> float:
        """Mean growth of the logarithm a year, from base to target; NaN without a base."""
        return math.log(self.value / self.base_value) / (self.year - self.base_year)

    @property
    def label(self) -> str:
        """Short name: the source up to its first colon, month, target, and whether only its growth is used."""
        kind = "" if self.use == "level" else f", {self.region}, growth only"
        return f"{self.source.split(':')[0]} ({self.published}{kind}), to {self.year:g}"

    def at(self, year: float, last: tuple[float, float] | None, unit: str) -> float:
        """The forecast of a year in a unit; NaN if it says nothing of it."""
        if self.use == "level" and year == self.year:
            return convert(self.value, self.unit, unit)
        if math.isnan(self.base_value) or not self.base_year <= year <= self.year:
            return math.nan
        if self.use == "level":
            return convert(self.base_value, self.unit, unit) * math.exp(self.growth * (year - self.base_year))
        if self.use == "growth" and last is not None:
            return last[1] * math.exp(self.growth * (year - last[0]))
        return math.nan


def read_forecasts(path: str | Path) -> list[Forecast]:
    """Published forecasts from a CSV file.

    Raises
    ------
    HistoryError
        With every mistake found, by line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            records = list(csv.DictReader(stream))
    except OSError as error:
        raise HistoryError(f"forecasts {path}", [f"cannot be read ({error.strerror})"]) from error
    mistakes: list[str] = []
    found = [_forecast(number, record, mistakes) for number, record in enumerate(records, start=2)]
    if not records:
        mistakes.append("no row, expected one or more")
    if mistakes:
        raise HistoryError(f"forecasts {path.name!r}", mistakes)
    return [f for f in found if f is not None]


def _forecast(number: int, record: Mapping[str, Any], mistakes: list[str]) -> Forecast | None:
    place, before = f"line {number}", len(mistakes)
    if set(record) != set(COLUMNS):
        missing = [c for c in COLUMNS if c not in record]
        mistakes.append(f"{place}: columns {sorted(map(str, record))}, missing {', '.join(missing) or 'none'}")
        return None
    fields: dict[str, Any] = {c: (record[c] or "").strip() for c in COLUMNS}
    for column in ("base_year", "base_value", "year", "value", "low", "high"):
        try:
            fields[column] = float(fields[column]) if fields[column] else math.nan
        except ValueError:
            mistakes.append(f"{place}: {column} {fields[column]!r}, expected a number")
            return None
    if not MONTH.fullmatch(fields["published"]):
        mistakes.append(f"{place}: published {fields['published']!r}, expected a month such as 2024-01")
    if fields["use"] not in USES:
        hint = nearest(fields["use"], USES)
        mistakes.append(f"{place}: use {fields['use']!r}, expected one of {', '.join(USES)}{hint}")
    if not fields["value"] > 0 or math.isnan(fields["year"]) or not fields["source"]:
        mistakes.append(f"{place}: needs a year, a value above 0 and a source")
    if fields["use"] == "growth" and not (fields["base_value"] > 0 and fields["base_year"] < fields["year"]):
        mistakes.append(f"{place}: a forecast used for its growth needs base_year before year, and base_value")
    return Forecast(**fields) if len(mistakes) == before else None


@dataclass(frozen=True)
class Extrapolation:
    """A level carried on at a rate.

    Equation   ln y(t) ~ N(ln level + rate (t − date), sd² + (growth_sd (t − date))²)
    Valid for  t after the date of the level
    Source     growth_sd 0.07 a year: the growth of 2000-2005 (doubled), 2005-2010 (+56 %) and 2010-2018 (+6 %) as
               published (Koomey 2011; Masanet et al. 2020) scatters by this much around its mean
    """

    name: str
    date: float
    level: float
    sd: float
    rate: float
    growth_sd: float = GROWTH_SD

    def centre(self, year: float) -> float:
        """Median of the logarithm."""
        return math.log(self.level) + self.rate * (year - self.date)

    def error(self, year: float) -> float:
        """Standard deviation of the logarithm, without the error of what it is compared with."""
        return math.hypot(self.sd, self.growth_sd * (year - self.date))


def known_levels(origin: Origin, history: History, series: str, unit: str) -> list[tuple[float, float, float]]:
    """Annual levels of a series known at an origin: date, value, error of ln, by date; the newest of each date.

    Rows that were fitted; if their dates are fewer than two, also what others had published by then.
    """
    levels = origin.rows[(origin.rows["series"] == series) & (origin.rows["statistic"] == "annual")]
    logs = levels[levels["error_kind"] == "log"]["sigma"]
    usual = float(logs.median()) if len(logs) else 0.1
    fitted = [
        (str(r.known), float(r.date), float(r.observed), float(r.sigma) if r.error_kind == "log" else usual)
        for r in levels[~levels["held_out"]].itertuples()
    ]
    others = [
        (r.known, r.date, convert(r.value, r.unit, unit), usual)
        for r in history.select("hold-out", None, origin.known_until, series)
        if r.statistic == "annual"
    ]
    enough = len({date for _, date, _, _ in fitted}) > 1
    found: dict[float, tuple[str, float, float]] = {}
    for known, date, value, error in fitted if enough else [*others, *fitted]:
        if date not in found or found[date][0] <= known:
            found[date] = (known, value, error)
    return [(date, value, error) for date, (_, value, error) in sorted(found.items())]


def extrapolations(levels: Sequence[tuple[float, float, float]]) -> list[Extrapolation]:
    """Flat, last growth and 12 % a year from the newest of at least one level; last growth needs two."""
    if not levels:
        return []
    date, level, sd = levels[-1]
    found = [Extrapolation("flat", date, level, sd, 0.0)]
    if len(levels) > 1:
        before, start, _ = levels[-2]
        rate = math.log(level / start) / (date - before)
        found.append(Extrapolation("last growth", date, level, sd, rate))
    return [*found, Extrapolation("12 %/yr", date, level, sd, math.log1p(ASSUMED_GROWTH))]


def compare(
    backtest: RollingBacktest,
    history: History,
    unit: str,
    forecasts: Sequence[Forecast] = (),
    growth: tuple[int, int] | None = None,
) -> pd.DataFrame:
    """The model beside every other predictor, on the annual levels of the years after each origin.

    Parameters
    ----------
    unit : str
        Of the level in the model.
    forecasts : sequence of Forecast
        Those published by the origin are shown.
    growth : (int, int), optional
        Years between which the error of growth is shown.

    Returns
    -------
    pandas.DataFrame
        origin, predictor, rows, rms and mean of the error of ln, log score and CRPS of ln (for a forecast without a
        distribution the CRPS is the mean absolute error and there is no log score), growth error, skill (one less
        the model's CRPS over the predictor's on the same rows: above 0 the model is better).
    """
    import pandas as pd

    table = []
    for origin in backtest.origins:
        targets = _targets(origin, backtest.level)
        levels = known_levels(origin, history, backtest.level, unit)
        last = (levels[-1][0], levels[-1][1]) if levels else None
        errors = targets["error"].to_numpy(float)
        step = backtest.growth_error(origin, growth) if growth is not None else math.nan
        scores = (_mean(targets["log_score"]), _mean(targets["crps"]))
        table.append((origin.known_until, "model", len(errors), _rms(errors), _mean(errors), *scores, step, math.nan))
        table += [
            (origin.known_until, *_score_extrapolation(predictor, targets, origin, backtest, growth))
            for predictor in extrapolations(levels)
        ]
        for forecast in forecasts:
            if forecast.published <= origin.known_until and forecast.use != "listed":
                line = _score_forecast(forecast, targets, last, unit)
                table += [(origin.known_until, *line)] if line is not None else []
    head = ["origin", "predictor", "rows", "rms_log_error", "mean_log_error", "log_score", "crps_log"]
    return pd.DataFrame(table, columns=[*head, "growth_error", "skill_of_model"])


def _targets(origin: Origin, level: str) -> pd.DataFrame:
    """Held-out annual levels of years after the origin, with a logarithmic error."""
    held = origin.held_out
    wanted = (held["series"] == level) & (held["statistic"] == "annual") & (held["error_kind"] == "log")
    return held[wanted & (held["date"] > origin.year)]


def _score_extrapolation(
    predictor: Extrapolation,
    targets: pd.DataFrame,
    origin: Origin,
    backtest: RollingBacktest,
    growth: tuple[int, int] | None,
) -> tuple[Any, ...]:
    dates, observed = targets["date"].to_numpy(float), np.log(targets["observed"].to_numpy(float))
    centre = np.array([predictor.centre(d) for d in dates])
    sd = np.array([math.hypot(predictor.error(d), s) for d, s in zip(dates, targets["sigma"], strict=True)])
    crps = normal_crps(centre, sd, observed)
    score = log_score(centre[None], sd, observed)
    step = math.nan
    if growth is not None:
        first = int(np.flatnonzero(origin.years == growth[0])[0]) if growth[0] in origin.years[:-1] else -1
        modelled = float(origin.growth[2, first]) if first >= 0 else math.nan
        step = predictor.rate - (modelled - backtest.growth_error(origin, growth))
    name = f"{predictor.name} ({100 * math.expm1(predictor.rate):.1f} %/yr)"
    name = name if predictor.name == "last growth" else predictor.name
    skill = 1 - _mean(targets["crps"]) / _mean(crps) if len(crps) else math.nan
    errors = centre - observed
    return (name, len(errors), _rms(errors), _mean(errors), _mean(score), _mean(crps), step, skill)


def _score_forecast(
    forecast: Forecast, targets: pd.DataFrame, last: tuple[float, float] | None, unit: str
) -> tuple[Any, ...] | None:
    predicted = np.array([forecast.at(float(d), last, unit) for d in targets["date"]])
    said = np.isfinite(predicted)
    if not said.any():
        return None
    errors = np.log(predicted[said] / targets["observed"].to_numpy(float)[said])
    absolute = float(np.abs(errors).mean())
    skill = 1 - _mean(targets["crps"].to_numpy(float)[said]) / absolute if absolute > 0 else math.nan
    return (forecast.label, len(errors), _rms(errors), _mean(errors), math.nan, absolute, math.nan, skill)


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _rms(values: Any) -> float:
    return math.sqrt(float(np.mean(np.square(values)))) if len(values) else math.nan
