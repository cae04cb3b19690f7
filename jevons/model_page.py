"""One HTML page of any model: diagram, behaviour, equations, units, loops, evidence. It asks nothing of the network."""

from __future__ import annotations

import importlib.resources
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jevons.diagnostics.state_path import end_or_span
from jevons.diagnostics.unit_report import UnitReport, unit_report
from jevons.elements import Stock
from jevons.errors import JevonsError
from jevons.html.elements import KINDS, Entries
from jevons.html.flow_diagram import MOST_PIPES, flow_diagrams
from jevons.html.markup import escape, linked, slug
from jevons.html.small_chart import panel, short
from jevons.loops import feedback_loops

if TYPE_CHECKING:
    from jevons.model import Model
    from jevons.trajectory import Trajectory

MOST_PANELS = 36
"""Stocks drawn under behaviour; all others have a line in their entries."""
MOST_LOOPS = 40
LONGEST_LOOP = 10
_MOST_FOUND = 200
MOST_FINDINGS = 60
LARGE_MODEL = 400
"""Elements from which on only short loops are looked for."""
_SHORT_LOOP = 5
_SCRIPT = """
const box = document.getElementById("find"), told = document.getElementById("found");
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let count = 0;
  for (const entry of document.querySelectorAll("article[data-name]")) {
    const hit = words.every(w => entry.dataset.name.includes(w));
    entry.hidden = !hit;
    count += hit;
  }
  for (const part of document.querySelectorAll("section.sector"))
    part.hidden = words.length > 0 && !part.querySelector("article:not([hidden])");
  told.textContent = words.length ? count + " found" : "";
});
addEventListener("hashchange", () => {
  const entry = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (entry && entry.hidden) { box.value = ""; box.dispatchEvent(new Event("input")); entry.scrollIntoView(); }
});
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def write_model_page(
    model: Model, path: str | Path, *, end: float | None = None, run: Trajectory | None = None
) -> Path:
    """Write a page about a model.

    Parameters
    ----------
    model : Model
    path : path
        File to write; a folder gets ``<model>.html``.
    end : float, optional
        End of the run whose behaviour is shown; by default that of the model's settings, else 25 units of time after
        its start.
    run : Trajectory, optional
        A run to show instead.

    Returns
    -------
    Path
        The file: one page that loads nothing. Where the model does not run, it says why.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        path = path / f"{slug(model.name)}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(model_page(model, end=end, run=run), encoding="utf-8", newline="\n")
    return path


def model_page(model: Model, *, end: float | None = None, run: Trajectory | None = None) -> str:
    """The page of `write_model_page` as text."""
    failure = ""
    if run is None:
        run, failure = _run(model, end_or_span(model, end))
    units = unit_report(model)
    entries = Entries(model, run, units)
    sections = [
        ("diagram", "Stocks and flows", _diagrams(model, entries)),
        ("behaviour", "Behaviour", _behaviour(model, run, failure, entries)),
        *(
            (f"sector-{i}", name, entries.sector(names))
            for i, (name, names) in enumerate(model.sectors.items())
            if names
        ),
        ("loops", "Feedback loops", _loops(model, entries)),
        ("units", "Units", _units(units, entries)),
    ]
    shown = [(ident, title, body) for ident, title, body in sections if body]
    contents = "".join(f'<li><a href="#{ident}">{escape(title)}</a></li>' for ident, title, _ in shown)
    main = "\n".join(
        f'<section id="{ident}"{_kind(ident)} aria-labelledby="{ident}-title">'
        f'<h2 id="{ident}-title">{escape(title)}</h2>{body}</section>'
        for ident, title, body in shown
    )
    folder = importlib.resources.files("jevons.html")
    style = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "model.css"))
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(model.name)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#behaviour">Skip to the model</a>\n'
        "<header><p class='kind'>jevons, a stock-and-flow model</p>"
        f"<h1>{escape(model.name)}</h1>{_head(model)}</header>\n"
        f'<nav aria-labelledby="contents-title"><h2 id="contents-title">Contents</h2><ol>{contents}</ol></nav>\n'
        '<div class="search"><label for="find">Find an element</label> <input id="find" type="search" '
        'autocomplete="off"><output id="found" for="find"></output></div>\n'
        f"<main>\n{main}\n</main>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _kind(ident: str) -> str:
    return ' class="sector"' if ident.startswith("sector-") else ""


def _run(model: Model, end: float) -> tuple[Trajectory | None, str]:
    try:
        run = model.run(end=end, on_failure="return", **_reported(model, end))
    except JevonsError as error:
        return None, str(error)
    return (run if run.times.size else None), "" if run.status.ok else str(run.status)


def _reported(model: Model, end: float) -> dict[str, float]:
    """Few enough dates for a page; a model's own where it has settings."""
    return {} if model.settings is not None else {"every": (end - model.start) / 200}


def _head(model: Model) -> str:
    count = Counter(type(e) for e in model.elements.values())
    counts = ", ".join(f"{count[kind]} {_many(name, count[kind])}" for kind, name in KINDS.items() if count[kind])
    rows = [("contents", escape(counts)), ("starts at", f"{short(model.start)} {escape(model.time_unit)}")]
    settings = model.settings
    if settings is not None:
        rows += [
            ("ends at", f"{short(settings.end)} {escape(model.time_unit)}"),
            ("method", f"{escape(settings.method)}, steps of {short(settings.dt)} {escape(model.time_unit)}"),
            ("reports every", f"{short(settings.every)} {escape(model.time_unit)}"),
        ]
    dimensions = getattr(model, "dimensions", {})
    rows += [(escape(name), escape(", ".join(elements))) for name, elements in dimensions.items()]
    rows.append(("fingerprint", f"<code>{escape(model.hash)}</code>"))
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    doc = "".join(f"<p>{linked(part)}</p>" for part in model.doc.split("\n\n") if part.strip())
    return f'{doc}<dl class="settings">{listed}</dl>'


def _many(name: str, count: int) -> str:
    if count == 1:
        return name
    return {"auxiliary": "auxiliaries", "unknown of the start": "unknowns of the start"}.get(name, f"{name}s")


def _diagrams(model: Model, entries: Entries) -> str:
    drawn = flow_diagrams(model, entries.ids)
    several = len(drawn) > 1
    found = "".join(
        f"{f'<h3>{escape(sector)}</h3>' if several else ''}"
        f'<div class="diagram" role="region" tabindex="0" aria-label="Diagram of {escape(sector)}">{svg}</div>'
        for sector, svg in drawn
    )
    stocks = [n for n, e in model.elements.items() if isinstance(e, Stock)]
    if not found and len(stocks) > 0:
        return f"<p>Too large to draw: no sector has {MOST_PIPES} stocks and flows or fewer.</p>"
    return found


def _behaviour(model: Model, run: Trajectory | None, failure: str, entries: Entries) -> str:
    said = f'<p class="missing">{escape(failure)}</p>' if failure else ""
    if run is None or not run.times.size:
        return said
    names = [n for n in model.stocks if n in run.names and np.isfinite(run[n].to_numpy()).any()]
    names = names or [n for n in run.names if np.isfinite(run[n].to_numpy()).any()]
    panels = []
    for i, name in enumerate(names[:MOST_PANELS]):
        values = run[name].to_numpy()
        unit = f" <small>[{escape(run.units[name])}]</small>" if run.units[name].strip() else ""
        described = (
            f"{name}, {short(float(values[0]))} at {short(run.times[0])} to {short(float(values[-1]))} at the end"
        )
        drawn = panel(run.times, values, f"behaviour-{i}", described)
        panels.append(f"<figure><figcaption>{entries.link(name)}{unit}</figcaption>{drawn}</figure>")
    span = f"From {short(float(run.times[0]))} to {short(float(run.times[-1]))} {escape(run.time_unit)}."
    more = f" {len(names) - MOST_PANELS} more are in their entries." if len(names) > MOST_PANELS else ""
    told = f"<p>{span} Axes that do not start at 0 are labelled so.{more}</p>"
    return f'{said}{told}<div class="panels">{"".join(panels)}</div>'


def _loops(model: Model, entries: Entries) -> str:
    if not model.stocks:
        return ""
    longest = LONGEST_LOOP if len(model.elements) <= LARGE_MODEL else _SHORT_LOOP
    try:
        loops = feedback_loops(model, longest, limit=_MOST_FOUND)
    except JevonsError as error:
        return f'<p class="missing">{escape(error)}</p>'
    listed = [loop for loop in loops if any(n in model for n in loop.path)]
    inside = len(loops) - len(listed)
    listed = listed[:MOST_LOOPS]
    letters = {"reinforcing": "R", "balancing": "B", "changes sign": "±", "unknown": "?"}
    items = "".join(
        f'<li><b title="{escape(loop.polarity)}">{letters[loop.polarity]}</b> '
        f"{' → '.join(entries.link(n) for n in (*loop.path, loop.path[0]))}</li>"
        for loop in listed
    )
    least = "" if loops.complete else "at least "
    shown = f"; the shortest {len(listed)} are listed" if len(listed) < loops.total else ""
    shown += f", without {inside} that lie inside of a delay or smooth" if inside else ""
    are = "is" if loops.total == 1 else "are"
    several = "" if loops.total == 1 else "s"
    told = f"<p>There {are} {least}{loops.total} loop{several} of up to {loops.length} names{shown}."
    key = " R reinforces, B balances, ± changes its sign with the state, ? is unknown; signs at the model's start.</p>"
    return f"{told}{key}<ul>{items}</ul>" if items else f"<p>No feedback loop of up to {loops.length} names.</p>"


def _units(report: UnitReport, entries: Entries) -> str:
    head = f"<p>{escape(report.summary().splitlines()[0])}.</p>"
    rows = "".join(
        f"<tr><td>{f.severity}</td><th scope='row'>{entries.link(f.name)}</th>"
        f"<td>{escape(f'{f.what}: {f.message}')}</td><td>{escape(f.found)}</td><td>{escape(f.expected)}</td>"
        f"<td><code>{escape(f.where)}</code></td></tr>"
        for f in report.findings[:MOST_FINDINGS]
    )
    heads = "".join(f"<th scope='col'>{h}</th>" for h in ("", "element", "what", "found", "expected", "in"))
    table = (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>' if rows else ""
    )
    rest = len(report.findings) - MOST_FINDINGS
    table += f"<p>… and {rest} more.</p>" if rest > 0 else ""
    return head + table + "".join(_missing(report, entries))


def _missing(report: UnitReport, entries: Entries) -> Iterator[str]:
    for title, given in (
        ("Missing units that follow from the equations", report.inferred),
        ("Missing units that nothing decides", report.free),
    ):
        if given:
            items = "".join(f"<li>{entries.link(n)}: {escape(unit)}</li>" for n, unit in given.items())
            yield f"<details><summary>{title}: {len(given)}</summary><ul>{items}</ul></details>"
