"""What drove a model's energy use between two dates: its change as a sum over factors, exact in every sector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import IntegrationError, ScenarioError, nearest
from jevons.model import Model
from jevons.rebound.attribution import shipped_attribution
from jevons.rebound.index_decomposition import lmdi
from jevons.rebound.loop_switches import repeated, tables_of, unknown_keys
from jevons.rebound.meter import roles_of
from jevons.simulation import Simulation

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

PERIODS = ((2010.5, 2018.5), (2018.5, 2025.5))
"""Middle of the first and the last year: electricity then is close to the total of the calendar year."""

TOLERANCE = 1e-9
"""Largest difference, relative, between a sector's energy and the product of its factors, and of the total."""

_OTHER_TABLES = ("loop",)


@dataclass(frozen=True)
class Quotient:
    """A product of a model's quantities over another, with a name; constants in it do not matter."""

    name: str
    of: tuple[str, ...]
    over: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.of + self.over

    def value(self, values: Mapping[str, Floats]) -> Floats:
        """The quotient at every date."""
        result: Floats = np.prod([values[n] for n in self.of], axis=0) / np.prod([values[n] for n in self.over], axis=0)
        return result


@dataclass(frozen=True)
class EnergySector:
    """A part of energy use, and the factors whose product it is in proportion to."""

    name: str
    energy: Quotient
    factors: tuple[Quotient, ...]


@dataclass(frozen=True, repr=False)
class HistoryDecomposition:
    """Change of energy use by sector and factor.

    Attributes
    ----------
    table : pandas.DataFrame
        One line a period, sector and factor: `start`, `end` (decimal years), `before`, `after` (energy use of the
        sector), `log_change` (change of the logarithm of the factor), `contribution` (to the change of energy use),
        `unit`. The contributions of a period add up to its change.
    """

    table: pd.DataFrame

    @property
    def totals(self) -> pd.DataFrame:
        """Energy use before and after each period, its change, and what the contributions leave of it."""
        rows = []
        for (start, end), part in self.table.groupby(["start", "end"], sort=False):
            once = part.drop_duplicates("sector")
            before, after = float(once["before"].sum()), float(once["after"].sum())
            rest = (after - before) - math.fsum(part["contribution"])
            rows.append({"start": start, "end": end, "before": before, "after": after, "change": after - before,
                         "residual": rest, "unit": part["unit"].iloc[0]})  # fmt: skip
        return type(self.table)(rows)

    def to_csv(self, path: str | Path) -> Path:
        """Write the table."""
        self.table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
        return Path(path)

    def __repr__(self) -> str:
        lines = []
        for _, total in self.totals.iterrows():
            part = self.table[(self.table["start"] == total["start"]) & (self.table["end"] == total["end"])]
            before, after = f"{total['before']:.1f}", f"{total['after']:.1f} {total['unit']}"
            lines.append(f"{total['start']:g} to {total['end']:g}: {before} to {after}, {total['change']:+.1f}")
            lines += [f"  {r.sector:<14}{r.factor:<36}{r.contribution:+8.1f}" for r in part.itertuples()]
        return "\n".join(lines)


def read_sectors(path: str | Path | None = None) -> list[EnergySector]:
    """Sectors and their factors from a TOML file of ``[[sector]]`` tables, those of the world models by default.

    Raises
    ------
    ScenarioError
        With every mistake found.
    """
    path = shipped_attribution() if path is None else Path(path)
    mistakes: list[str] = []
    found = []
    for place, entry in tables_of(path, "sector", mistakes, _OTHER_TABLES):
        mistakes += unknown_keys(place, entry, ("name", "energy", "factors"))
        name = _text(f"{place}: name", entry.get("name"), mistakes)
        energy = entry.get("energy")
        named = {"name": "energy", **energy} if isinstance(energy, dict) else energy
        factors = entry.get("factors")
        if not isinstance(factors, list) or not factors:
            mistakes.append(f"{place}: factors {factors!r}, expected a list of tables")
            factors = []
        made = [_quotient(f"{place}: factor", f, mistakes) for f in factors]
        found.append(EnergySector(name, _quotient(f"{place}: energy", named, mistakes), tuple(made)))
        mistakes += [f"{place}: {m}" for m in repeated("factor", [f.name for f in made])]
    mistakes += repeated("sector", [s.name for s in found])
    if mistakes:
        raise ScenarioError(f"sectors {path.name!r}", mistakes)
    return found


def _quotient(place: str, entry: Any, mistakes: list[str]) -> Quotient:
    if not isinstance(entry, dict):
        mistakes.append(
            f"{place}: found {entry!r}, expected a table such as {{ name = 'x', of = ['y'], over = ['z'] }}"
        )
        return Quotient("", ())
    mistakes += unknown_keys(place, entry, ("name", "of", "over"))
    names = []
    for key in ("of", "over"):
        given = entry.get(key, [])
        if not isinstance(given, list) or not all(isinstance(n, str) for n in given) or (key == "of" and not given):
            mistakes.append(f"{place}: {key} {given!r}, expected a list of names")
            given = []
        names.append(tuple(given))
    return Quotient(_text(f"{place}: name", entry.get("name"), mistakes), *names)


def _text(place: str, value: Any, mistakes: list[str]) -> str:
    if isinstance(value, str) and value:
        return value
    mistakes.append(f"{place}: found {value!r}, expected text")
    return ""


def decompose_history(
    model: Model,
    periods: Sequence[tuple[float, float]] = PERIODS,
    sectors: Sequence[EnergySector] | None = None,
    params: Mapping[str, float] | None = None,
) -> HistoryDecomposition:
    """Decompose the change of a model's energy use into contributions of factors, without a residual.

    Equation   E = Σ_i c_i Π_x x_i;  ΔE_x = Σ_i L(E1_i, E0_i) ln(x1_i/x0_i), L the logarithmic mean
    Valid for  positive energy and factors; one parameter set; instantaneous rates at both dates
    Source     Ang 2005 (see `jevons.rebound.index_decomposition`)

    Parameters
    ----------
    periods : sequence of (start, end)
        Decimal years.
    sectors : sequence of EnergySector, optional
        Those of the world models by default (`read_sectors`).
    params : mapping, optional
        Values that differ from the model's.

    Raises
    ------
    ScenarioError
        For names that the model lacks, sectors whose factors do not multiply to their energy, and sectors that do not
        add up to all of it.
    IntegrationError
        If the run fails.
    """
    sectors = read_sectors() if sectors is None else list(sectors)
    energy = roles_of(model).energy
    mistakes = [*_missing(model, sectors), *_wrong_periods(model, periods)]
    if mistakes:
        raise ScenarioError(f"decomposition of model {model.name!r}", mistakes)
    names = list(dict.fromkeys([energy, *(n for s in sectors for q in (s.energy, *s.factors) for n in q.names)]))
    dates = sorted({float(d) for period in periods for d in period})
    member = Simulation(model, dates, names, params=params).run()
    if not member.status.ok:
        raise IntegrationError(member.status)
    values = dict(zip(names, member.values.T, strict=True))
    mistakes = list(_uneven(sectors, values, energy))
    if mistakes:
        raise ScenarioError(f"decomposition of model {model.name!r}", mistakes)
    unit = model.unit(energy)
    rows = [
        {"start": start, "end": end, **row, "unit": unit}
        for start, end in periods
        for sector in sectors
        for row in _rows(sector, values, dates.index(float(start)), dates.index(float(end)))
    ]
    import pandas as pd

    return HistoryDecomposition(pd.DataFrame(rows))


def _rows(sector: EnergySector, values: Mapping[str, Floats], first: int, last: int) -> Iterator[dict[str, Any]]:
    before, after = sector.energy.value(values)[[first, last]]
    changes = {f.name: f.value(values)[last] / f.value(values)[first] for f in sector.factors}
    start = {name: before if i == 0 else 1.0 for i, name in enumerate(changes)}
    parts = lmdi({name: (start[name], start[name] * change) for name, change in changes.items()})
    for name, change in changes.items():
        yield {
            "sector": sector.name, "factor": name, "before": before, "after": after,
            "log_change": math.log(change), "contribution": parts.of(name),
        }  # fmt: skip


def _missing(model: Model, sectors: Sequence[EnergySector]) -> Iterator[str]:
    outputs = [*model.structure.order, *model.stocks]
    for sector in sectors:
        for quotient in (sector.energy, *sector.factors):
            for n in quotient.names:
                if n not in outputs:
                    yield f"{sector.name}, {quotient.name}: {n!r} is no quantity of the model{nearest(n, outputs)}"


def _wrong_periods(model: Model, periods: Sequence[tuple[float, float]]) -> Iterator[str]:
    if not periods:
        yield "no period"
    for start, end in periods:
        if not model.start <= start < end:
            yield f"period {start:g} to {end:g}, expected rising dates from the model's start, {model.start:g}, on"


def _uneven(sectors: Sequence[EnergySector], values: Mapping[str, Floats], energy: str) -> Iterator[str]:
    """What is not positive, does not multiply to its sector's energy, or does not add up to all energy."""
    parts: list[Floats] = []
    for sector in sectors:
        every = {q.name: q.value(values) for q in (sector.energy, *sector.factors)}
        low = [name for name, x in every.items() if not (np.isfinite(x).all() and (x > 0).all())]
        if low:
            yield f"{sector.name}: {', '.join(low)} not positive at every date"
            continue
        own = sector.energy.value(values)
        scale = own / np.prod([f.value(values) for f in sector.factors], axis=0)
        off = float(np.ptp(scale) / scale.mean())
        if off > TOLERANCE:
            yield f"{sector.name}: energy over the product of the factors moves by {off:.2g} of it, expected a constant"
        parts.append(own)
    if len(parts) == len(sectors):
        total = np.sum(parts, axis=0)
        off = float(np.abs(total / values[energy] - 1).max())
        if off > TOLERANCE:
            yield f"the sectors differ from {energy!r} by {off:.2g} of it"
