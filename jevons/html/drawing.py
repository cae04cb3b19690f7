"""Figures of matplotlib as drawings inside a page: text stays text, colours follow the page, no address is repeated."""

from __future__ import annotations

import base64
import contextlib
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

BLUE, ORANGE, GREY, GREEN, RED, VIOLET = "#1f5fa8", "#d9781e", "#777777", "#2b8a57", "#b3282d", "#8a6bb1"
PAPER = "#fefefe"
COLOURS = (BLUE, ORANGE, GREEN, VIOLET, RED, GREY)
_CLASSES = {
    BLUE: "var(--blue)", ORANGE: "var(--orange)", GREY: "var(--grey)", GREEN: "var(--green)", RED: "var(--red)",
    VIOLET: "var(--violet)", PAPER: "var(--paper)", "#000000": "currentColor",
}  # fmt: skip
WIDTH = 5.4
LARGEST_SVG = 300_000
LONGEST_LABEL = 30
_STYLE = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 10,
    "axes.labelsize": 10, "axes.titlesize": 10.5, "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "legend.fontsize": 9,
    "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GREY,
    "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": "#000000", "ytick.labelcolor": "#000000",
    "figure.constrained_layout.use": True, "axes.titlelocation": "left", "axes.unicode_minus": True,
}  # fmt: skip


@contextlib.contextmanager
def canvas(height: float, panels: int = 1, **ratios: Any) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with panels below each other, in the style of the page; draw and call `inline` inside."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": "jevons"}):
        figure = Figure(figsize=(WIDTH, height))
        axes = np.atleast_1d(figure.subplots(panels, 1, **ratios)).tolist()
        yield figure, axes


def plain(text: object, longest: int = LONGEST_LABEL) -> str:
    """A label that is not mathematics and leaves room for the drawing."""
    label = str(text)
    label = label if len(label) <= longest else f"{label[: longest - 1]}…"
    return label.replace("$", r"\$")


def inline(figure: Figure, name: str, largest: int = LARGEST_SVG) -> str:
    """The figure as an SVG element, or as a PNG where that would be larger than `largest` bytes.

    `markup.figure` puts the words for who cannot see it where ``__ALT__`` is.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    if len(text.encode()) > largest:
        return _png(figure)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<(?!/)[^>]+>", lambda m: _own(m.group(0), name), text)
    text = re.sub(r">\s*\n\s*<", ">\n<", text)
    box = re.search(r'viewBox="([^"]+)"', text)
    view = box[1] if box else f"0 0 {72 * WIDTH:g} 288"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{view}"'
    head += f' role="img" aria-labelledby="{name}-alt"><title id="{name}-alt">__ALT__</title>'
    return head + text[text.index(">") + 1 :].strip()


def _own(tag: str, name: str) -> str:
    """A tag whose ids are the figure's own and whose colours are the page's."""
    tag = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', tag)
    tag = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", tag)
    tag = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', tag)
    tag = re.sub(r"font: ([^;\"]*?)([\d.]+px) [^;\"]*", r"font-size: \2", tag)
    for colour, role in _CLASSES.items():
        tag = tag.replace(colour, role)
    return tag


def _png(figure: Figure) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    coded = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="__ALT__" src="data:image/png;base64,{coded}">'


def density(values: Floats, grid: Floats) -> Floats:
    """Density by a normal kernel with the width of Silverman's rule."""
    width = 1.06 * float(np.std(values)) * len(values) ** -0.2
    if width <= 0:
        return np.zeros_like(grid)
    found: Floats = np.exp(-(((grid[:, None] - values) / width) ** 2) / 2).mean(axis=1) / (width * np.sqrt(2 * np.pi))
    return found


def bars(ax: Axes, place: Any, row: Any, colour: str, horizontal: bool = True, wide: float = 5) -> None:
    """A median with its 50 and 90 % bands, of which the inner is left out where it is not given."""
    low, high = float(row["p05"]), float(row["p95"])
    line = ax.hlines if horizontal else ax.vlines
    line(place, low, high, color=colour, lw=wide / 2.2, alpha=0.75)
    if "p25" in row and row["p25"] == row["p25"]:
        line(place, float(row["p25"]), float(row["p75"]), color=colour, lw=wide, alpha=0.75)
