"""HTML from text and tables; everything is escaped here."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jevons.html.inputs import Found

if TYPE_CHECKING:
    import pandas as pd

SPACE = "\u00a0"
NONE = "–"
LINK = re.compile(
    r"(?P<url>https?://[^\s<>\"]+[^\s<>\".,;:)])"
    r"|(?P<doi>\b10\.\d{4,9}/[^\s<>\";,]+[^\s<>\";,.)])"
    r"|(?P<arxiv>\barXiv[: ]\s?(?P<number>\d{4}\.\d{4,5}))"
    r"|(?P<hub>\bgithub\.com/[\w.-]+/[\w.-]*\w)",
    re.IGNORECASE,
)


def escape(text: object) -> str:
    """Text that means only itself in HTML."""
    return html.escape(str(text), quote=True)


def slug(text: str) -> str:
    """Text as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def link(url: str, text: str) -> str:
    """A link, or the text alone if the address is not one of the web."""
    if not re.match(r"https?://", url):
        return escape(text)
    return f'<a href="{escape(url)}" rel="noreferrer">{escape(text)}</a>'


def linked(text: str) -> str:
    """Escaped text with its addresses, DOIs, arXiv numbers and repositories made links."""
    parts, place = [], 0
    for match in LINK.finditer(text):
        parts.append(escape(text[place : match.start()]))
        shown = match.group(0)
        if match["url"]:
            target = shown
        elif match["doi"]:
            target = f"https://doi.org/{shown}"
        elif match["arxiv"]:
            target = f"https://arxiv.org/abs/{match['number']}"
        else:
            target = f"https://{shown}"
        parts.append(link(target, shown))
        place = match.end()
    parts.append(escape(text[place:]))
    return "".join(parts)


def number(x: Any, digits: int = 3, sign: bool = False) -> str:
    """Three significant digits, thousands separated; whole numbers as they are; a dash for what is not a number."""
    try:
        value = float(x)
    except (TypeError, ValueError):
        return escape(x)
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value.is_integer() and abs(value) < 1e7:
        return f"{value:{'+' if sign and value else ''},.0f}".replace("-", "−")
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    plus = "+" if sign and value > 0 else ""
    if abs(value) < 1e-4 or abs(value) >= 1e7:
        text = f"{value:.{digits - 1}e}"
        mantissa, _, exponent = text.partition("e")
        return f"{plus}{mantissa}e{int(exponent)}".replace("-", "−")
    text = f"{value:,.{min(places, 6)}f}"
    if float(text.replace(",", "")) == 0:
        text = "0"
    return f"{plus}{text}".replace("-", "−")


def fixed(x: Any, places: int = 2, sign: bool = False) -> str:
    """So many decimals."""
    value = float(x)
    if math.isnan(value):
        return NONE
    text = f"{value:{'+' if sign else ''}.{places}f}"
    return (text if float(text) else text.lstrip("+-")).replace("-", "−")


def percent(x: Any) -> str:
    """A probability or share in per cent; below 1 and above 99 it says so."""
    value = float(x)
    if math.isnan(value):
        return NONE
    if 0 < value < 0.005:
        return f"<1{SPACE}%"
    if 0.995 < value < 1:
        return f">99{SPACE}%"
    return f"{100 * value:.0f}{SPACE}%".replace("-", "−")


def chance(x: Any) -> str:
    """A probability from draws in per cent; draws cannot say never or always."""
    return {0.0: f"<1{SPACE}%", 1.0: f">99{SPACE}%"}.get(float(x), percent(x))


def value(x: Any, show: str | Callable[[Any], str], table: str) -> str:
    """A number of the text, with its full value and the table it is from; `show` is its text, or makes it."""
    shown = show if isinstance(show, str) else show(x)
    return f'<data value="{float(x):.6g}" title="{escape(table)}">{escape(shown)}</data>'


def band(row: Mapping[str, Any], middle: str, show: Callable[[Any], str], table: str) -> str:
    """Median and 90 % band."""
    low, high = (value(row[k], show, table) for k in ("p05", "p95"))
    return f"{value(row[middle], show, table)} ({low} to {high})"


def spread(row: Mapping[str, Any], show: Callable[[Any], str]) -> str:
    """Median and 90 % band as plain text."""
    if math.isnan(float(row["median"])):
        return NONE
    return f"{show(row['median'])} ({show(row['p05'])} to {show(row['p95'])})"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of markup that is already escaped."""
    return f'<p class="{kind}">{text}</p>' if kind else f"<p>{text}</p>"


def bullets(items: Iterable[str]) -> str:
    """A list of markup that is already escaped."""
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def missing(found: Found) -> str:
    """What to say instead of a table."""
    command = f"<code>{escape(found.command)}</code> makes it."
    return paragraph(f"Missing: <code>{escape(found.name)}</code> {escape(found.why)}. {command}", "missing")


def details(summary: str, body: str) -> str:
    """Something long, folded."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def figure(drawing: str, name: str, sees: str, alt: str) -> str:
    """A drawing with one sentence that says what to see.

    Parameters
    ----------
    drawing : str
        SVG or an image element, made by `drawing.inline`.
    sees : str
        Escaped markup.
    alt : str
        For who cannot see it; plain text.
    """
    body = drawing.replace("__ALT__", escape(alt))
    return f'<figure id="figure-{slug(name)}">{body}<figcaption>{sees}</figcaption></figure>'


@dataclass(frozen=True)
class Column:
    """How a column of a table is shown."""

    name: str
    head: str = ""
    show: Callable[[Any], str] = number

    @property
    def heading(self) -> str:
        """Its heading."""
        return self.head or self.name.replace("_", " ")


def words(x: Any) -> str:
    """Text of a cell; empty where there is none."""
    return "" if x is None or (isinstance(x, float) and math.isnan(x)) else str(x)


def yes(x: Any) -> str:
    """A truth value."""
    text = str(x).strip().lower()
    return {"true": "yes", "false": "no", "1": "yes", "0": "no", "1.0": "yes", "0.0": "no"}.get(text, words(x) or NONE)


def columns_of(frame: pd.DataFrame, known: Sequence[Column] = (), leave: Sequence[str] = ()) -> list[Column]:
    """The known columns that are there, then all others as they come."""
    here = [c for c in known if c.name in frame]
    names = {c.name for c in here}
    for name in frame.columns:
        if name in names or name in leave:
            continue
        kind = frame[name].dtype.kind
        here.append(Column(str(name), "", yes if kind == "b" else number if kind in "if" else words))
    return here


def table(
    frame: pd.DataFrame, caption: str, columns: Sequence[Column], name: str, *, links: Mapping[str, str] | None = None
) -> str:
    """A table that scrolls inside when it is wide; the first column heads its rows.

    Parameters
    ----------
    caption : str
        Plain text.
    name : str
        Makes its id.
    links : mapping of str to str
        Addresses by the text of a cell.
    """
    ident = f"table-{slug(name)}"
    heads = "".join(f'<th scope="col">{escape(c.heading)}</th>' for c in columns)
    lines = []
    for record in frame.to_dict("records"):
        cells = []
        for place, column in enumerate(columns):
            shown = column.show(record[column.name])
            address = (links or {}).get(shown, "")
            inner = link(address, shown) if address else linked(shown) if column.show is words else escape(shown)
            kind = "" if column.show is words else ' class="n"'
            cells.append(f'<th scope="row">{inner}</th>' if place == 0 else f"<td{kind}>{inner}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return frame_table(caption, f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody>", ident)


def frame_table(caption: str, inside: str, ident: str) -> str:
    """A table of ready-made markup, with its caption, in a box that scrolls."""
    head = f'<caption id="{ident}-caption"><span>{escape(caption)}</span></caption>'
    box = f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{ident}-caption">'
    return f'{box}<table id="{ident}">{head}{inside}</table></div>'
