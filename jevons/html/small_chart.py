"""Small line charts as SVG: a panel with its ends labelled, and a line without axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jevons.html.markup import escape

Floats = NDArray[np.float64]
MOST_POINTS = 120
FLAT = 1e-7
"""Share of a value below which its changes are rounding."""
_WIDTH, _HEIGHT = 260, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 6, 8, 18


def panel(times: Floats, values: Floats, name: str, described: str) -> str:
    """A line over time with the ends of both axes labelled."""
    x, y = _thinned(times, values)
    low, high = _ends(y)
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    points = _points(x, y, low, high, _LEFT, right, _TOP, bottom)
    labels = (
        f'<text x="{_LEFT - 4}" y="{_TOP + 4}" text-anchor="end">{short(high)}</text>'
        f'<text x="{_LEFT - 4}" y="{bottom + 1}" text-anchor="end">{short(low)}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{short(float(x[0]))}</text>'
        f'<text x="{right}" y="{_HEIGHT - 4}" text-anchor="end">{short(float(x[-1]))}</text>'
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="{name}-alt"><title id="{name}-alt">'
        f'{escape(described)}</title><path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
        f'<polyline class="line" points="{points}"/>{labels}</svg>'
    )


def spark(times: Floats, values: Floats) -> str:
    """A line alone; its ends are told in the text beside it."""
    x, y = _thinned(times, values, MOST_POINTS // 2)
    low, high = _ends(y)
    points = _points(x, y, low, high, 1, 119, 2, 28)
    return (
        f'<svg viewBox="0 0 120 30" preserveAspectRatio="none" aria-hidden="true"><polyline class="line" '
        f'points="{points}"/></svg>'
    )


def points_chart(points: tuple[tuple[float, float], ...], name: str, described: str) -> str:
    """A table's points."""
    array = np.array(points, dtype=float)
    return panel(array[:, 0], array[:, 1], name, described)


def short(x: float) -> str:
    """Up to four digits."""
    text = f"{x:.4g}" if abs(x) < 1e5 or abs(x) >= 1e7 else f"{x:.0f}"
    return text.replace("-", "−").replace("e+0", "e").replace("e+", "e").replace("e−0", "e−")


def _thinned(times: Floats, values: Floats, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """At most so many dates; the highest and lowest values stay."""
    finite = np.isfinite(values)
    x, y = times[finite], values[finite]
    if x.size == 0:
        return np.array([0.0, 1.0]), np.array([0.0, 0.0])
    if x.size <= most:
        return x, y
    kept = {0, x.size - 1}
    for part in np.array_split(np.arange(x.size), most // 2):
        kept |= {int(part[np.argmin(y[part])]), int(part[np.argmax(y[part])])}
    places = sorted(kept)
    return x[places], y[places]


def _ends(y: Floats) -> tuple[float, float]:
    """Range of the axis: zero is in it where it is near."""
    low, high = float(y.min()), float(y.max())
    if 0 < low < 0.5 * high:
        low = 0.0
    elif 0.5 * low < high < 0:
        high = 0.0
    if high - low <= FLAT * max(abs(high), abs(low), 1e-300):
        pad = abs(high) * 0.05 or 1.0
        low, high = low - pad, high + pad
    return low, high


def _points(x: Floats, y: Floats, low: float, high: float, left: float, right: float, top: float, bottom: float) -> str:
    span = float(x[-1] - x[0]) or 1.0
    px = left + (right - left) * (x - x[0]) / span
    py = bottom - (bottom - top) * (y - low) / (high - low)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px.tolist(), py.tolist(), strict=True))
