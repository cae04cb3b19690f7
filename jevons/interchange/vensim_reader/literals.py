"""What stands in an equation of Vensim as it is: numbers, names, subscripts, arrays and tables."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from jevons.interchange.pysd_classes import syntax

# Every pattern can match a text in one way only, so that none takes exponential time to fail.
NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_SIGNED = rf"(?:[+-]\s*)?{NUMBER}"
QUOTED = r'"[^"\\]*+(?:\\[\s\S][^"\\]*+)*+"'
BRACKET = rf'\[([^\]"]*+(?:{QUOTED}[^\]"]*+)*+)\]'
_SUBSCRIPT = re.compile(rf"(?:{QUOTED}|\w[\w'$ ]*) ?!?")
_SUBSCRIPTS = re.compile(rf"(?:{QUOTED}|[^,\"])+")
_PAIR = re.compile(rf"\(\s*({_SIGNED})\s*,\s*({_SIGNED})\s*\)")
_TABLE = re.compile(r"\s*\(\s*(?:(\[[^\]]*\])\s*,\s*)?(?=\()")
_POINT = re.compile(rf"\(\s*({_SIGNED})\s*,\s*({_SIGNED})\s*\)\s*(?:,\s*)?")
_FLAT_TABLE = re.compile(r"\s*\(([\d\s.,eE+-]+)\)\s*")
_TABLE_END = re.compile(r"\s*\)\s*")
_PLAIN = re.compile(rf"[\s\\]*({_SIGNED})[\s\\]*")
_ARRAY = re.compile(r"[\d\s\\.,;eE+-]+")
_TABBED = re.compile(r"[\s\\]*TABBED[ _]ARRAY[\s\\]*\(([\d\s\\.eE+-]+)\)[\s\\]*", re.IGNORECASE)


class Unreadable(Exception):
    """A piece of text that is no Vensim equation; says why in plain words."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text


def plain_value(text: str) -> Any:
    """Value of a text that is a number, an array of numbers or a tabbed array; None where it is none of them."""
    plain = _PLAIN.fullmatch(text)
    if plain:
        return number(plain[1])
    if ("," in text or ";" in text) and _ARRAY.fullmatch(text):
        rows = [[float(_number(value, text)) for value in row.split(",")] for row in text.strip(" ,;\\").split(";")]
        if len({len(row) for row in rows}) > 1:
            raise Unreadable("rows of numbers differ in length", text.strip()[:60])
        return np.squeeze(np.array(rows))
    tabbed = _TABBED.fullmatch(text)
    if tabbed:
        return np.array([float(_number(value, text)) for value in tabbed[1].replace("\\", " ").split()])
    return None


def _number(text: str, around: str) -> int | float:
    match = _PLAIN.fullmatch(text)
    if not match:
        raise Unreadable(f"{text.strip()[:40]!r} is not a number", around.strip()[:60])
    return number(match[1])


def number(text: str) -> int | float:
    """Number of a literal: an integer where it has neither point nor exponent."""
    compact = "".join(text.split())
    if compact.lstrip("+-").isdecimal() and len(compact) <= 300:
        return int(compact)
    value = float(compact)
    if not math.isfinite(value):
        raise Unreadable("a number is too large", compact[:40])
    return value


def canonical_name(text: str) -> str:
    """Name as PySD writes references: lower case, blanks as ``_``, quotes kept."""
    return "_".join(text.split()).lower() if text[:1] != '"' else re.sub(r"\s+", "_", text.strip()).lower()


def split_subscripts(text: str) -> list[str]:
    """Subscripts between brackets, without blanks around them."""
    parts = [" ".join(part.split()) for part in _SUBSCRIPTS.findall(text)]
    for part in parts:
        if not _SUBSCRIPT.fullmatch(part):
            raise Unreadable("a subscript is neither the name of an element nor of a range", part[:60])
    if not parts or len(parts) != len(_commas(text)) + 1:
        raise Unreadable("a subscript is missing between brackets", text[:60])
    return [part[:-1].rstrip() + "!" if part.endswith("!") else part for part in parts]


def split_names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(" ".join(name.split()) for name in _SUBSCRIPTS.findall(text))


def _commas(text: str) -> list[str]:
    return re.findall(",", re.sub(QUOTED, "", text))


def _table(box: str | None, points: list[tuple[int | float, int | float]]) -> Any:
    # A stable sort keeps the order of two points at the same x: a jump stays the jump that was drawn.
    points = sorted(points, key=lambda point: point[0])
    limits = [(number(x), number(y)) for x, y in _PAIR.findall(box)] if box else []
    if not limits:
        limits = [(math.nan, math.nan)] * 2
    return syntax().LookupsStructure(
        x=tuple(float(x) for x, _ in points),
        y=tuple(float(y) for _, y in points),
        x_limits=tuple(float(x) for x, _ in limits),
        y_limits=tuple(float(y) for _, y in limits),
        type="interpolate",
    )


def read_table(text: str, position: int = 0) -> tuple[Any, int] | None:
    """Points between parentheses and where they end; None where something else stands there."""
    start = _TABLE.match(text, position)
    if start:
        points, position = [], start.end()
        while point := _POINT.match(text, position):
            points.append((number(point[1]), number(point[2])))
            position = point.end()
        end = _TABLE_END.match(text, position)
        return (_table(start[1], points), end.end()) if points and end else None
    flat = _FLAT_TABLE.match(text, position)
    if flat:
        values = [_number(value, text) for value in flat[1].split(",")]
        if len(values) % 2:
            raise Unreadable("a table written as all x then all y has an odd number of values", text[:60])
        half = len(values) // 2
        return _table(None, list(zip(values[:half], values[half:], strict=True))), flat.end()
    return None
