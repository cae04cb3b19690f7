"""The TOML form of a calibration: read with every mistake at once, and written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from jevons.elements import LogNormal, Normal
from jevons.errors import CalibrationError, nearest
from jevons.inference.config import (
    BacktestConfig,
    CalibrationConfig,
    ConditionConfig,
    ProjectedVariable,
    ProjectionConfig,
    Variant,
    shipped_folder,
)
from jevons.inference.identifiability import Hint
from jevons.inference.unknowns import Nuisance, Prior
from jevons.toml_file import read_toml

KEYS = (
    "extends", "model", "history", "starts", "seed", "spread", "draws", "free", "add_free", "drop_free", "values",
    "priors", "bounds", "bias", "base", "noise_scale", "conditions", "hints", "variants", "projection", "backtest",
)  # fmt: skip
REQUIRED = ("model", "free", "variants")
DEFAULTS = {"starts": 16, "seed": 1, "spread": 1.0, "draws": 1000}
PRIOR_KEYS = ("median", "sd_log", "mean", "sd", "source")
NUISANCES = ("bias", "base", "noise_scale")
VARIANT_KEYS = ("doc", "fixed", "rows", "without_families", "priors")
Made = TypeVar("Made", ProjectionConfig, BacktestConfig)


class _Reader:
    """Takes typed entries out of tables, and notes what is wrong with them."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self.sources: dict[str, str] = {}

    def known(self, place: str, table: Mapping[str, Any], keys: Sequence[str]) -> None:
        for key in table:
            if key not in keys:
                self.mistakes.append(f"{place}unknown entry {key!r}, expected {', '.join(keys)}{nearest(key, keys)}")

    def table(self, place: str, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.mistakes.append(f"{place}: found {value!r}, expected a table")
        return {}

    def number(self, place: str, value: Any, kind: type = float, infinite: bool = False) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        good = number and (math.isfinite(value) or (infinite and not math.isnan(value)))
        if good and (kind is float or value == int(value)):
            return kind(value)
        self.mistakes.append(f"{place}: found {value!r}, expected a {'whole ' if kind is int else ''}number")
        return kind(1)

    def text(self, place: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        self.mistakes.append(f"{place}: found {value!r}, expected text")
        return ""

    def texts(self, place: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(x, str) for x in value):
            return tuple(value)
        self.mistakes.append(f"{place}: found {value!r}, expected a list of names")
        return ()

    def numbers(self, place: str, value: Any) -> dict[str, float]:
        return {name: self.number(f"{place}.{name}", x) for name, x in self.table(place, value).items()}

    def prior(self, place: str, value: Any, keys: Sequence[str] = ()) -> Prior | None:
        table = self.table(place, value)
        self.known(f"{place}: ", table, [*PRIOR_KEYS, *keys])
        given = {k: self.number(f"{place}.{k}", table[k]) for k in PRIOR_KEYS[:4] if k in table}
        if "source" in table:
            self.sources[place] = self.text(f"{place}.source", table["source"])
        if set(given) == {"median", "sd_log"} and given["median"] > 0 and given["sd_log"] > 0:
            return LogNormal(given["median"], given["sd_log"])
        if set(given) == {"mean", "sd"} and given["sd"] > 0:
            return Normal(given["mean"], given["sd"])
        self.mistakes.append(f"{place}: found {given}, expected median and sd_log, or mean and sd, with widths above 0")
        return None

    def priors(self, place: str, value: Any) -> dict[str, Prior]:
        found = {name: self.prior(f"{place}.{name}", entry) for name, entry in self.table(place, value).items()}
        return {name: prior for name, prior in found.items() if prior is not None}


def parse_config(path: Path, extends: str | None = None) -> CalibrationConfig:
    """Read a calibration from a file, laid over another if it does not name one itself."""
    reader = _Reader()
    data = _extended(path, reader, extends)
    reader.mistakes += [f"entry {key!r} is missing" for key in REQUIRED if key not in data]
    settings = {k: data.get(k, DEFAULTS[k]) for k in DEFAULTS}
    config = CalibrationConfig(
        model=reader.text("model", data.get("model", "")),
        free=reader.texts("free", data.get("free", [])),
        starts=reader.number("starts", settings["starts"], int),
        seed=reader.number("seed", settings["seed"], int),
        spread=reader.number("spread", settings["spread"]),
        draws=reader.number("draws", settings["draws"], int),
        variants={n: _variant(reader, n, e) for n, e in reader.table("variants", data.get("variants", {})).items()},
        projection=_plan(reader, "projection", ProjectionConfig, _projection, data.get("projection")),
        backtest=_plan(reader, "backtest", BacktestConfig, _backtest, data.get("backtest")),
        history=reader.text("history", data.get("history", "")),
        values=_values(reader, "values", data.get("values", {})),
        priors=reader.priors("priors", data.get("priors", {})),
        bounds=_bounds(reader, data.get("bounds", {})),
        nuisance=tuple(_nuisances(reader, data)),
        conditions=tuple(_conditions(reader, data.get("conditions", {}))),
        hints=tuple(_hints(reader, data.get("hints", []))),
        sources=reader.sources,
        folder=path.parent,
    )
    if reader.mistakes:
        raise CalibrationError(f"calibration {path}", reader.mistakes)
    return config


def _load(path: Path) -> dict[str, Any]:
    return read_toml(path, f"calibration {path}", CalibrationError)


def _extended(path: Path, reader: _Reader, extends: str | None, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The file over what it extends; tables are merged one level deep, everything else is replaced."""
    if path.resolve() in above:
        circle = ", ".join(p.name for p in (*above[above.index(path.resolve()) :], path))
        raise CalibrationError(f"calibration {above[0]}", [f"extends: goes round in a circle: {circle}"])
    data = _load(path)
    reader.known("", data, KEYS)
    if extends is not None and "model" not in data:
        data.setdefault("extends", extends)
    if "extends" in data:
        base_path = _base(path, reader.text("extends", data.pop("extends")))
        base = _extended(base_path, reader, None, (*above, path.resolve()))
        if base_path.parent.resolve() != path.parent.resolve():
            _reach_from(base_path.parent.resolve(), base)
        dropped = data.get("drop_free", [])
        if isinstance(dropped, list) and isinstance(base.get("hints"), list):
            base["hints"] = [h for h in base["hints"] if not _names_any(h, dropped)]
        for key, value in base.items():
            if isinstance(value, dict) and isinstance(data.get(key), dict):
                data[key] = {**value, **data[key]}
            else:
                data.setdefault(key, value)
    _change_free(reader, data)
    return data


def _base(path: Path, name: str) -> Path:
    """File that is extended: a path beside the file that names it, or the name of a shipped calibration."""
    if name.endswith(".toml"):
        return path.parent / name
    base = shipped_folder() / f"{name}.toml"
    if not base.exists():
        shipped = sorted(p.relative_to(shipped_folder()).with_suffix("").as_posix()
                         for p in shipped_folder().glob("**/*.toml"))  # fmt: skip
        mistake = f"extends: {name!r} is neither a path that ends in .toml nor shipped{nearest(name, shipped)}"
        raise CalibrationError(f"calibration {path}", [mistake])
    return base


def _reach_from(folder: Path, data: dict[str, Any]) -> None:
    """Make the paths of a file good from everywhere."""
    conditions = data.get("conditions")
    others = list(conditions.values()) if isinstance(conditions, dict) else []
    for key, place in (("forecasts", data.get("backtest")), *(("history", p) for p in (data, *others))):
        if isinstance(place, dict) and isinstance(place.get(key), str) and place[key]:
            place[key] = str(folder / place[key])


def _names_any(hint: Any, names: Sequence[Any]) -> bool:
    parameters = hint.get("parameters") if isinstance(hint, dict) else None
    return isinstance(parameters, list) and any(n in parameters for n in names)


def _change_free(reader: _Reader, data: dict[str, Any]) -> None:
    """Take `drop_free` from what is free, then add `add_free`."""
    changes = [reader.texts(k, data.pop(k)) if k in data else () for k in ("drop_free", "add_free")]
    if not any(changes):
        return
    drop, add = changes
    free = reader.texts("free", data.get("free", []))
    reader.mistakes += [f"drop_free: {n!r} is not free{nearest(n, free)}" for n in drop if n not in free]
    reader.mistakes += [f"add_free: {n!r} is free already" for n in add if n in free and n not in drop]
    data["free"] = [*(n for n in free if n not in drop), *add]


def _values(reader: _Reader, place: str, value: Any) -> dict[str, float]:
    """Numbers, or tables with value and source."""
    result = {}
    for name, entry in reader.table(place, value).items():
        if isinstance(entry, dict):
            reader.known(f"{place}.{name}: ", entry, ("value", "source"))
            if "source" in entry:
                reader.sources[f"{place}.{name}"] = reader.text(f"{place}.{name}.source", entry["source"])
            if "value" not in entry:
                reader.mistakes.append(f"{place}.{name}: entry 'value' is missing")
                continue
            entry = entry["value"]
        result[name] = reader.number(f"{place}.{name}", entry)
    return result


def _variant(reader: _Reader, name: str, entry: Any) -> Variant:
    place = f"variants.{name}"
    table = reader.table(place, entry)
    reader.known(f"{place}: ", table, VARIANT_KEYS)
    return Variant(
        name,
        reader.text(f"{place}.doc", table.get("doc", "")),
        fixed=reader.numbers(f"{place}.fixed", table.get("fixed", {})),
        rows=reader.text(f"{place}.rows", table.get("rows", name)),
        without_families=reader.texts(f"{place}.without_families", table.get("without_families", [])),
        priors=reader.priors(f"{place}.priors", table.get("priors", {})),
    )


def _bounds(reader: _Reader, value: Any) -> dict[str, tuple[float, float]]:
    result = {}
    for name, entry in reader.table("bounds", value).items():
        if isinstance(entry, list) and len(entry) == 2:
            low, high = (reader.number(f"bounds.{name}", x, infinite=True) for x in entry)
            result[name] = (low, high)
        else:
            reader.mistakes.append(f"bounds.{name}: found {entry!r}, expected [low, high]")
    return result


def _nuisances(reader: _Reader, data: Mapping[str, Any]) -> list[Nuisance]:
    found = []
    for kind in NUISANCES:
        for name, entry in reader.table(kind, data.get(kind, {})).items():
            place = f"{kind}.{name}"
            prior = reader.prior(place, entry, ("family", "series"))
            table = reader.table(place, entry) if isinstance(entry, dict) else {}
            family, series = (reader.text(f"{place}.{k}", table.get(k, "")) for k in ("family", "series"))
            source = reader.sources.pop(place, "")
            if prior is not None:
                found.append(Nuisance(name, kind, prior, source, family, series))
    return found


def _conditions(reader: _Reader, value: Any) -> list[ConditionConfig]:
    found = []
    for name, entry in reader.table("conditions", value).items():
        place = f"conditions.{name}"
        table = reader.table(place, entry)
        reader.known(f"{place}: ", table, ("history", "values", "priors"))
        history = reader.text(f"{place}.history", table.get("history", ""))
        if not history:
            reader.mistakes.append(f"{place}: entry 'history' is missing")
        values = _values(reader, f"{place}.values", table.get("values", {}))
        found.append(ConditionConfig(name, history, values, reader.priors(f"{place}.priors", table.get("priors", {}))))
    return found


def _hints(reader: _Reader, value: Any) -> list[Hint]:
    found = []
    for k, entry in enumerate(value if isinstance(value, list) else [value]):
        table = reader.table(f"hints[{k}]", entry)
        reader.known(f"hints[{k}]: ", table, ("parameters", "why", "unless_observed"))
        names = reader.texts(f"hints[{k}].parameters", table.get("parameters"))
        why, unless = (reader.text(f"hints[{k}].{x}", table.get(x, "")) for x in ("why", "unless_observed"))
        found.append(Hint(names, why, unless))
    return found


def _plan(
    reader: _Reader, place: str, kind: type[Made], make: Callable[[Mapping[str, Any]], Made], value: Any
) -> Made | None:
    """A projection or a backtest, if one is asked for."""
    if value is None:
        return None
    table = reader.table(place, value)
    needed = {f.name: f.default is MISSING and f.default_factory is MISSING for f in fields(kind)}
    reader.known(f"{place}: ", table, tuple(needed))
    missing = [f"{place}: entry {k!r} is missing" for k, is_needed in needed.items() if is_needed and k not in table]
    reader.mistakes += missing
    if missing or set(table) - set(needed):
        return None
    try:
        return make(table)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reader.mistakes.append(f"{place}: malformed: {error!r}")
        return None


def _projection(data: Mapping[str, Any]) -> ProjectionConfig:
    first, last = data["break_years"]
    return ProjectionConfig(
        start=int(data["start"]),
        end=int(data["end"]),
        scenarios=tuple(data["scenarios"]),
        counterfactuals=tuple(data["counterfactuals"]),
        counterfactual_years=tuple(data["counterfactual_years"]),
        break_years=(int(first), int(last)),
        shock_date=float(data["shock_date"]),
        bias=str(data["bias"]),
        shocks={k: float(v) for k, v in data["shocks"].items()},
        scenario_shocks={k: float(v) for k, v in data["scenario_shocks"].items()},
        variables=tuple(ProjectedVariable(name, **entry) for name, entry in data["variables"].items()),
        benchmark_years=tuple(int(y) for y in data.get("benchmark_years", ())),
        families=tuple(data.get("families", ())),
        power_limit={k: float(v) for k, v in data.get("power_limit", {}).items()},
    )


def _backtest(data: Mapping[str, Any]) -> BacktestConfig:
    first, last = data.get("growth", (0, 0))
    return BacktestConfig(
        level=str(data["level"]),
        origins=tuple(map(str, data["origins"])),
        pooled=tuple(map(str, data.get("pooled", ()))),
        growth=(int(first), int(last)),
        groups={k: tuple(map(str, v)) for k, v in data.get("groups", {}).items()},
        forecasts=str(data.get("forecasts", "")),
        region=str(data.get("region", "")),
        title=str(data.get("title", "")),
    )


def write_config(config: CalibrationConfig, path: str | Path) -> Path:
    """Write a calibration as TOML."""

    def prior(entry: Prior, place: str) -> dict[str, Any]:
        source = config.sources.get(place)
        return {**asdict(entry), **({"source": source} if source is not None else {})}

    def values(given: Mapping[str, float], place: str) -> dict[str, Any]:
        sources = {n: config.sources.get(f"{place}.{n}") for n in given}
        return {n: x if sources[n] is None else {"value": x, "source": sources[n]} for n, x in given.items()}

    data: dict[str, Any] = {
        "model": config.model, "history": config.history, "starts": config.starts, "seed": config.seed,
        "spread": config.spread, "draws": config.draws, "free": list(config.free),
    }  # fmt: skip
    if config.values:
        data["values"] = values(config.values, "values")
    if config.priors:
        data["priors"] = {n: prior(p, f"priors.{n}") for n, p in config.priors.items()}
    if config.bounds:
        data["bounds"] = {n: list(x) for n, x in config.bounds.items()}
    for entry in config.nuisance:
        rest = {k: x for k, x in (("family", entry.family), ("series", entry.series), ("source", entry.source)) if x}
        data.setdefault(entry.kind, {})[entry.name] = {**asdict(entry.prior), **rest}
    if config.conditions:
        data["conditions"] = {
            c.name: {
                "history": c.history,
                "values": values(c.values, f"conditions.{c.name}.values"),
                "priors": {n: prior(p, f"conditions.{c.name}.priors.{n}") for n, p in c.priors.items()},
            }
            for c in config.conditions
        }
    if config.hints:
        data["hints"] = [{**asdict(h), "parameters": list(h.parameters)} for h in config.hints]
    data["variants"] = {
        n: {
            "doc": v.doc, "fixed": dict(v.fixed), "rows": v.rows, "without_families": list(v.without_families),
            "priors": {k: prior(p, f"variants.{n}.priors.{k}") for k, p in v.priors.items()},
        }
        for n, v in config.variants.items()
    }  # fmt: skip
    if config.projection is not None:
        plan = asdict(config.projection)
        plan["variables"] = {v.pop("name"): _without_nan(v) for v in plan["variables"]}
        data["projection"] = {k: list(x) if isinstance(x, tuple) else x for k, x in plan.items()}
    if config.backtest is not None:
        judged = asdict(config.backtest)
        judged["groups"] = {k: list(x) for k, x in judged["groups"].items()}
        data["backtest"] = {k: list(x) if isinstance(x, tuple) else x for k, x in judged.items()}
    path = Path(path)
    path.write_text(tomli_w.dumps(data), encoding="utf-8")
    return path


def _without_nan(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: x for k, x in table.items() if x == x}
