"""What a diagram consists of: boxes, pipes and arrows on a page."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LINE_HEIGHT, CHARACTER_WIDTH = 13, 6.2
MARGIN = 50


@dataclass(frozen=True)
class Box:
    """Something drawn at a place.

    Attributes
    ----------
    identity : int
        Unique on the page.
    kind : {'stock', 'aux', 'points', 'ghost', 'valve', 'cloud'}
    key : str
        Key of the variable; empty for a cloud.
    x, y : float
        Centre of its symbol.
    lines : tuple of str
        Label, broken into lines; below the symbol, or inside a stock.
    width, height : float
        Of the symbol.
    """

    identity: int
    kind: str
    key: str
    x: float
    y: float
    lines: tuple[str, ...]
    width: float
    height: float

    @property
    def rectangle(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of symbol and label."""
        if self.kind in ("stock", "cloud"):
            return self.x - self.width / 2, self.y - self.height / 2, self.x + self.width / 2, self.y + self.height / 2
        half = max(self.width / 2, max(map(len, self.lines)) * CHARACTER_WIDTH / 2)
        below = self.height / 2 + 2 + LINE_HEIGHT * len(self.lines)
        return self.x - half, self.y - self.height / 2, self.x + half, self.y + below


@dataclass(frozen=True)
class Pipe:
    """A flow's pipe, from one box to another through its valve; the points are its corners."""

    key: str
    start: int
    end: int
    valve: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Arrow:
    """An arrow from what is used to what uses it; `bend` turns its start off the straight line, in degrees."""

    start: int
    end: int
    bend: float
    initial: bool


@dataclass(frozen=True)
class Page:
    """The diagram of one sector."""

    name: str
    boxes: tuple[Box, ...]
    pipes: tuple[Pipe, ...]
    arrows: tuple[Arrow, ...]

    @property
    def size(self) -> tuple[float, float]:
        right = max(b.rectangle[2] for b in self.boxes)
        return right + MARGIN, max(b.rectangle[3] for b in self.boxes) + MARGIN


def arc(start: tuple[float, float], end: tuple[float, float], bend: float, points: int = 24) -> Floats:
    """Points on the circle from `start` to `end` that leaves `start` `bend` degrees off the straight line."""
    p, q = np.array(start), np.array(end)
    along = np.linspace(0.0, 1.0, points)[:, None]
    if abs(bend) < 1e-3:
        return np.asarray(p + (q - p) * along, dtype=np.float64)
    half = math.radians(bend)
    chord = q - p
    normal = np.array([chord[1], -chord[0]])  # to the left of the way, y downwards
    centre = (p + q) / 2 - normal / (2 * math.tan(half))
    turns = half * (1 - 2 * along)
    radius = normal / (2 * math.sin(half))
    cosine, sine = np.cos(turns), np.sin(turns)
    x = radius[0] * cosine + radius[1] * sine
    y = radius[1] * cosine - radius[0] * sine
    return np.asarray(centre + np.hstack([x, y]), dtype=np.float64)


def angle(start: Box, end: Box, bend: float) -> float:
    """Direction in which an arrow leaves, in degrees, 0 to the right and growing to the left."""
    return (math.degrees(math.atan2(start.y - end.y, end.x - start.x)) + bend) % 360


def broken(name: str, longest: int) -> tuple[str, ...]:
    """A name in lines, broken at blanks and underscores, and where a word is too long."""
    lines = [""]
    for word in name.replace("_", " ").split():
        while len(word) > longest:
            lines.append(word[:longest])
            word = word[longest:]
        joined = f"{lines[-1]} {word}".strip()
        if len(joined) <= longest:
            lines[-1] = joined
        else:
            lines.append(word)
    return tuple(line for line in lines if line) or (name,)
