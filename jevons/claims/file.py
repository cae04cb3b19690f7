"""The TOML form of a table of claims: read with every mistake at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jevons.claims.statistic import KINDS, Statistic, calculate
from jevons.errors import CalibrationError, nearest
from jevons.inference.config import ProjectedVariable, shipped_folder
from jevons.toml_file import read_toml

SHIPPED = "claims.toml"
SEEN = {
    "original": "the original was read",
    "copy": "read in a copy or a report of it",
    "data": "a value of a published data set",
    "unseen": "cited by others, not read here",
    "none": "no original found",
}
"""How far a source was followed."""


BOUNDS = ("value", "range", "at_least", "at_most")
CLAIM_KEYS = ("number", "claim", "sources", "words", "statistic", "model", "why", *BOUNDS)


@dataclass(frozen=True)
class Source:
    """Where a claim is from.

    Attributes
    ----------
    text, url : str
        Citation, and an address where there is one.
    seen : str
        How far it was followed: a key of `SEEN`.
    """

    text: str
    url: str
    seen: str


@dataclass(frozen=True)
class Claim:
    """One claim, or one part of it.

    Attributes
    ----------
    number : str
        Number of the claim, with a letter where it has several parts.
    claim, words : str
        What is said, paraphrased, and the model statistic in words.
    sources : tuple of str
        Keys of sources.
    low, high : float
        What is claimed, in the statistic's unit: equal for a single value, infinite on an open side, NaN for nothing.
    model : str
        Model that it is asked of; empty for arithmetic and what no model has.
    why : str
        What to know about the comparison, or why there is none.
    """

    number: str
    claim: str
    sources: tuple[str, ...]
    statistic: Statistic
    words: str = ""
    low: float = math.nan
    high: float = math.nan
    model: str = ""
    why: str = ""

    @property
    def order(self) -> tuple[int, str]:
        """Place among the claims: number, then letter."""
        digits = "".join(c for c in self.number if c.isdigit())
        return int(digits or 0), self.number[len(digits) :]


@dataclass(frozen=True)
class ModelOfClaims:
    """A model that claims are asked of.

    Attributes
    ----------
    fit : str
        Model whose shipped posterior gives the draws, for the parameters both have.
    variables : mapping of str to ProjectedVariable
        Columns that statistics may name.
    sampled : tuple of str
        Parameters outside that fit that are drawn from their priors, one independent value a draw.
    """

    fit: str
    variables: Mapping[str, ProjectedVariable]
    sampled: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClaimFile:
    """A table of claims as it was read.

    Attributes
    ----------
    claims : tuple of Claim
        In the order of their numbers.
    sources : mapping of str to Source
    references : mapping of str to (value, unit, source)
        Quantities from outside the models that statistics are divided by.
    models : mapping of str to ModelOfClaims
    headline : tuple of str
        Numbers that a page shows first.
    """

    claims: tuple[Claim, ...]
    sources: Mapping[str, Source]
    references: Mapping[str, tuple[float, str, str]]
    models: Mapping[str, ModelOfClaims]
    path: Path
    headline: tuple[str, ...] = ()


def read_claims(path: str | Path | None = None) -> ClaimFile:
    """Read a table of claims; the shipped one by default.

    Raises
    ------
    CalibrationError
        With every mistake in the file.
    """
    path = shipped_folder() / SHIPPED if path is None else Path(path)
    data = read_toml(path, f"claims {path}", CalibrationError)
    reader = _Reader()
    reader.known("", data, ("headline", "sources", "references", "models", "claims"))
    sources = {n: reader.source(n, e) for n, e in reader.table("sources", data.get("sources", {})).items()}
    references = {n: reader.reference(n, e) for n, e in reader.table("references", data.get("references", {})).items()}
    models = {n: reader.model(n, e) for n, e in reader.table("models", data.get("models", {})).items()}
    entries = data.get("claims", [])
    if not isinstance(entries, list) or not entries:
        reader.mistakes.append("no [[claims]]")
        entries = []
    claims = [reader.claim(k, reader.table(f"claims[{k}]", e)) for k, e in enumerate(entries)]
    numbers = [c.number for c in claims]
    reader.mistakes += [f"claim {n!r} is given {numbers.count(n)} times" for n in dict.fromkeys(numbers)
                        if numbers.count(n) > 1]  # fmt: skip
    headline = tuple(str(n) for n in data.get("headline", []))
    reader.mistakes += [f"headline: {n!r} is no claim{nearest(n, numbers)}" for n in headline if n not in numbers]
    ordered = tuple(sorted(claims, key=lambda c: c.order))
    made = ClaimFile(ordered, sources, references, models, path, headline)
    mistakes = reader.mistakes or [m for c in made.claims for m in _names(made, c)]
    if mistakes:
        raise CalibrationError(f"claims {path}", mistakes)
    return made


class _Reader:
    """Takes typed entries out of tables, and notes what is wrong with them."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def known(self, place: str, table: Mapping[str, Any], keys: Sequence[str], needed: Sequence[str] = ()) -> bool:
        unknown = [f"{place}unknown entry {k!r}, expected {', '.join(keys)}{nearest(k, keys)}"
                   for k in table if k not in keys]  # fmt: skip
        missing = [f"{place}entry {k!r} is missing" for k in needed if k not in table]
        self.mistakes += [*unknown, *missing]
        return not unknown and not missing

    def table(self, place: str, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.mistakes.append(f"{place}: found {value!r}, expected a table")
        return {}

    def text(self, place: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        self.mistakes.append(f"{place}: found {value!r}, expected text")
        return ""

    def number(self, place: str, value: Any, whole: bool = False) -> float:
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if good and (not whole or isinstance(value, int)):
            return float(value) if isinstance(value, float) else int(value)
        self.mistakes.append(f"{place}: found {value!r}, expected a {'whole ' if whole else ''}number")
        return 0

    def pair(self, place: str, value: Any, whole: bool = False) -> tuple[float, float]:
        if isinstance(value, list) and len(value) == 2:
            low, high = (self.number(place, x, whole) for x in value)
            if low <= high:
                return low, high
        self.mistakes.append(f"{place}: found {value!r}, expected [low, high]")
        return 0.0, 0.0

    def source(self, name: str, entry: Any) -> Source:
        place, table = f"sources.{name}", self.table(f"sources.{name}", entry)
        self.known(f"{place}: ", table, ("text", "url", "seen"), ("text", "seen"))
        seen = self.text(f"{place}.seen", table.get("seen", "none"))
        if seen not in SEEN:
            self.mistakes.append(
                f"{place}.seen: found {seen!r}, expected one of {', '.join(SEEN)}{nearest(seen, SEEN)}"
            )
        text, url = (self.text(f"{place}.{k}", table.get(k, "")) for k in ("text", "url"))
        return Source(text, url, seen)

    def reference(self, name: str, entry: Any) -> tuple[float, str, str]:
        place, table = f"references.{name}", self.table(f"references.{name}", entry)
        self.known(f"{place}: ", table, ("value", "unit", "source"), ("value", "unit", "source"))
        value = self.number(f"{place}.value", table.get("value", 1.0))
        if value <= 0:
            self.mistakes.append(f"{place}.value: found {value:g}, expected more than 0")
        unit, source = (self.text(f"{place}.{k}", table.get(k, "")) for k in ("unit", "source"))
        return float(value), unit, source

    def model(self, name: str, entry: Any) -> ModelOfClaims:
        place, table = f"models.{name}", self.table(f"models.{name}", entry)
        self.known(f"{place}: ", table, ("fit", "variables", "sampled"), ("fit",))
        variables = {}
        for key, value in self.table(f"{place}.variables", table.get("variables", {})).items():
            here = f"{place}.variables.{key}"
            given = self.table(here, value)
            self.known(f"{here}: ", given, ("unit", "source", "kind"), ("unit", "source", "kind"))
            kind = self.text(f"{here}.kind", given.get("kind", "start"))
            if kind not in ("total", "start"):
                self.mistakes.append(
                    f"{here}.kind: found {kind!r}, expected total or start{nearest(kind, ('total', 'start'))}"
                )
            unit, source = (self.text(f"{here}.{k}", given.get(k, "")) for k in ("unit", "source"))
            variables[key] = ProjectedVariable(key, unit, source, kind)
        sampled = table.get("sampled", [])
        if not isinstance(sampled, list) or not all(isinstance(n, str) for n in sampled):
            self.mistakes.append(f"{place}.sampled: found {sampled!r}, expected a list of parameters")
            sampled = []
        return ModelOfClaims(self.text(f"{place}.fit", table.get("fit", "")), variables, tuple(sampled))

    def claim(self, k: int, table: Mapping[str, Any]) -> Claim:
        number = str(table.get("number", f"[{k}]"))
        place = f"claim {number}"
        if "number" in table and not (number.rstrip("abcdefghij").isdigit() and isinstance(table["number"], str)):
            self.mistakes.append(f"{place}: number {table['number']!r}, expected digits and at most a letter, as text")
        self.known(f"{place}: ", table, CLAIM_KEYS, ("number", "claim", "sources", "statistic"))
        sources = table.get("sources", [])
        if not isinstance(sources, list) or not sources or not all(isinstance(s, str) for s in sources):
            self.mistakes.append(f"{place}: sources {sources!r}, expected a list of keys of [sources]")
            sources = []
        texts = {key: self.text(f"{place}: {key}", table.get(key, "")) for key in ("claim", "words", "model", "why")}
        statistic = self.statistic(place, self.table(f"{place}: statistic", table.get("statistic", {})))
        low, high = self.bounds(place, table, statistic.kind)
        if statistic.kind == "none" and not texts["why"]:
            self.mistakes.append(f"{place}: has no statistic and does not say why")
        return Claim(number, texts["claim"], tuple(sources), statistic, texts["words"], low, high, texts["model"],
                     texts["why"])  # fmt: skip

    def bounds(self, place: str, table: Mapping[str, Any], kind: str) -> tuple[float, float]:
        given = [b for b in BOUNDS if b in table]
        if not kind:
            return math.nan, math.nan
        if (len(given) != 1) if kind != "none" else given:
            expected = "none of them" if kind == "none" else "one of them"
            listed = ", ".join(BOUNDS)
            self.mistakes.append(f"{place}: found {' and '.join(given) or 'none'} of {listed}, expected {expected}")
            return math.nan, math.nan
        if not given:
            return math.nan, math.nan
        key = given[0]
        if key == "range":
            return self.pair(f"{place}: range", table["range"])
        value = float(self.number(f"{place}: {key}", table[key]))
        return -math.inf if key == "at_most" else value, math.inf if key == "at_least" else value

    def statistic(self, place: str, table: Mapping[str, Any]) -> Statistic:
        kind = table.get("kind", "none")
        if kind not in KINDS:
            self.mistakes.append(
                f"{place}: statistic of kind {kind!r}, expected one of {', '.join(KINDS)}{nearest(str(kind), KINDS)}"
            )
            return Statistic("", "")
        needed, allowed = KINDS[kind]
        keys = ("kind", "unit", *sorted(needed | allowed))
        required = [*sorted(needed), *(() if kind == "none" else ("unit",))]
        if not self.known(f"{place}: statistic: ", table, keys, required):
            return Statistic("", "")
        before = len(self.mistakes)
        for key, value in table.items():
            where = f"{place}: statistic.{key}"
            if key == "year":
                self.number(where, value, whole=True)
            elif key == "years":
                first, last = self.pair(where, value, whole=True)
                if first == last:
                    self.mistakes.append(f"{where}: found {value!r}, expected two different years")
            elif key in ("at", "horizon", "spread"):
                self.number(where, value)
            elif key in ("inputs", "shocks"):
                for name, x in self.table(where, value).items():
                    self.pair(f"{where}.{name}", x) if isinstance(x, list) else self.number(f"{where}.{name}", x)
            elif key == "scenarios":
                if not (isinstance(value, list) and len(value) == 2 and all(isinstance(s, str) for s in value)):
                    self.mistakes.append(
                        f"{where}: found {value!r}, expected two scenarios, the second the one compared with"
                    )
            else:
                self.text(where, value)
        self.mistakes += list(self.alternatives(f"{place}: statistic", kind, table))
        if len(self.mistakes) > before:
            return Statistic("", "")
        return Statistic(kind, table.get("unit", ""), {k: x for k, x in table.items() if k not in ("kind", "unit")})

    def alternatives(self, place: str, kind: str, table: Mapping[str, Any]) -> Iterator[str]:
        """Entries that stand for each other."""
        if kind in ("ratio", "difference"):
            over_time, over_scenarios = "years" in table, "scenarios" in table
            if (
                over_time == over_scenarios
                or over_scenarios != ("year" in table)
                or (over_scenarios and "scenario" in table)
            ):
                yield f"{place}: expected years, or scenarios and year"
        if kind == "rebound" and ("shocks" in table) == ("scenario" in table):
            yield f"{place}: expected shocks, or a scenario"
        if kind == "arithmetic" and isinstance(table["inputs"], dict) and isinstance(table["expression"], str):
            names = {k: x[0] if isinstance(x, list) and x else x for k, x in table["inputs"].items()}
            if all(isinstance(x, (int, float)) for x in names.values()):
                try:
                    calculate(table["expression"], names)
                except ValueError as error:
                    yield f"{place}.expression: {error}"


def _names(file: ClaimFile, claim: Claim) -> Iterator[str]:
    """What a claim names and the file does not have; units that do not match."""
    place, statistic = f"claim {claim.number}", claim.statistic
    for key in claim.sources:
        if key not in file.sources:
            yield f"{place}: source {key!r} is not in [sources]{nearest(key, file.sources)}"
    if claim.model and claim.model not in file.models:
        yield f"{place}: model {claim.model!r} is not in [models]{nearest(claim.model, file.models)}"
        return
    if not statistic.projected and statistic.kind not in ("rebound", "table"):
        return
    if statistic.kind != "table" and not claim.model:
        yield f"{place}: a statistic of kind {statistic.kind!r} needs a model"
        return
    variables = file.models[claim.model].variables if claim.model in file.models else {}
    units = {n: v.unit for n, v in variables.items()}
    entries = statistic.entries
    for key, name in ((k, entries[k]) for k in ("variable", "numerator", "denominator", "per") if k in entries):
        references = {n: r[1] for n, r in file.references.items()} if key in ("per", "denominator") else {}
        valid = {**references, **({} if key == "per" else units)}
        if statistic.kind == "contribution":
            valid = units
        if name not in valid:
            what = "reference" if key == "per" else "variable of the model in this file"
            yield f"{place}: {key} {name!r} is no {what}{nearest(name, valid)}"
    known = {**{n: r[1] for n, r in file.references.items()}, **units}
    named = [known[n] for n in statistic.variables if n in known]
    if len(named) == 2 and named[0] != named[1]:
        yield f"{place}: units differ ({named[0]!r} and {named[1]!r})"
    relative = len(named) == 2 or statistic.kind in ("ratio", "rebound") or "per" in entries
    expected = (
        "1/yr" if statistic.kind == "growth_per_year" else "1" if relative else named[0] if named else statistic.unit
    )
    if statistic.unit != expected:
        yield f"{place}: unit {statistic.unit!r}, expected {expected!r}"
