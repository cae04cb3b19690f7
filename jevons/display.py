"""A model for people: equations as text and LaTeX, a stock-and-flow diagram, the table of sources."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from jevons.elements import (
    Auxiliary,
    Driver,
    Element,
    Flow,
    InitialUnknown,
    Parameter,
    Roles,
    Stock,
    Table,
)
from jevons.functions import TIME
from jevons.recursion import deep_recursion
from jevons.structure import references

if TYPE_CHECKING:
    import pandas as pd

    from jevons.model import Model

OUTSIDE = "outside"
LATEX_LINES = 16
"""Equations in one aligned block; longer blocks are slow to typeset and do not break over pages."""

MOST_SHOWN = 400
"""Elements up to which a model shows itself whole; of a larger one it shows the first `SHOWN`."""
SHOWN = 100
LONGEST_CELL = 300
"""Letters of an equation in a model that is not shown whole."""

_HEADINGS: Mapping[type[Element], str] = {
    Stock: "Stocks",
    Flow: "Flows",
    Auxiliary: "Auxiliaries",
    Driver: "Drivers",
    Table: "Tables",
    InitialUnknown: "Unknowns of the start",
    Parameter: "Parameters",
}


def brief(model: Model) -> str:
    """The model as text, of a large one the beginning, and how much more there is."""
    if len(model.elements) <= MOST_SHOWN:
        return equations(model)
    more = len(model.elements) - SHOWN
    note = f"... and {more:,} more elements: equations() gives all, model[name] one"
    return f"{_equations(model, SHOWN)}\n{note}\n"


def equations(model: Model) -> str:
    """The model as text, by sector.

    Returns
    -------
    str
        Stocks with their flows and initial values, flows with where they go, auxiliaries, tables, parameters with
        value and status; roles at the end. Sources are in `sources`. A name in an equation that might be read as more
        than one stands between quotation marks.
    """
    return _equations(model)


def _equations(model: Model, most: int | None = None) -> str:
    kinds = [(kind, sum(type(e) is kind for e in model.elements.values())) for kind in _HEADINGS]
    counts = ", ".join(f"{count} {_HEADINGS[kind].lower()}" for kind, count in kinds if count)
    head = f"{model.name}: {counts}; starts at {_number(model.start)} {model.time_unit}"
    lines = [_printable(head), *(map(_printable, model.doc.split("\n")) if model.doc else ())]
    ends = _flows(model)
    left = len(model.elements) if most is None else most
    for sector, names in model.sectors.items():
        if left <= 0:
            break
        lines += ["", _printable(f"── {sector} ──")]
        for kind, heading in _HEADINGS.items():
            shown = [n for n in names if type(model.elements[n]) is kind][: max(left, 0)]
            left -= len(shown)
            rows = [row for n in shown for row in _rows(model, model.elements[n], ends)]
            if rows:
                lines += [heading, *_aligned(rows, None if most is None else LONGEST_CELL)]
    if model.roles is not None:
        lines += ["", "── roles ──", *_aligned(_role_rows(model.roles))]
    return "\n".join(lines) + "\n"


@deep_recursion()
def latex(model: Model) -> str:
    """The equations as LaTeX for MathJax, in aligned blocks by sector; parameters are in `sources`.

    Of a model of more than `MOST_SHOWN` elements the first `SHOWN` that have equations, for browsers are slow at more.
    """
    printer = LatexPrinter({"symbol_names": _Typeset(), "mul_symbol": "dot", "full_prec": False})
    blocks = []
    kinds = (Stock, Flow, Auxiliary, InitialUnknown)
    ends = _flows(model)
    every = sum(isinstance(e, kinds) for e in model.elements.values())
    left = every if len(model.elements) <= MOST_SHOWN else SHOWN
    more = every - left
    for names in model.sectors.values():
        chosen = [model.elements[n] for kind in kinds for n in names if isinstance(model.elements[n], kind)][:left]
        left -= len(chosen)
        lines = [line for element in chosen for line in _latex_lines(model, element, printer, ends)]
        for first in range(0, len(lines), LATEX_LINES):
            body = " \\\\\n".join(lines[first : first + LATEX_LINES])
            blocks.append(f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$")
    if more > 0:
        blocks.append(f"$$\\text{{... and {more:,} more equations}}$$")
    return "\n\n".join(blocks)


def mermaid(model: Model, information: bool = False) -> str:
    """Stock-and-flow diagram as Mermaid source.

    Parameters
    ----------
    model : Model
        What to draw; names may hold any characters.
    information : bool
        Draw auxiliaries and what informs them and the flows, too.

    Returns
    -------
    str
        Stocks are boxes, flows hexagons between them, clouds the world outside of the model; thick arrows carry
        material, dotted ones information.
    """
    place_of = {name: i for i, name in enumerate(model.elements)}
    ids = {name: f"n{i}" for name, i in place_of.items()}
    kinds: tuple[type[Element], ...] = (Stock, Flow, Auxiliary, Driver) if information else (Stock, Flow)
    shapes: dict[type[Element], tuple[str, str]] = {Stock: ("[", "]"), Flow: ("{{", "}}"), Auxiliary: ("(", ")")}
    lines = ["flowchart LR"]
    arrows: list[str] = []
    for place, (sector, names) in enumerate(model.sectors.items()):
        nodes: list[str] = []
        for name in (n for n in names if isinstance(model[n], kinds)):
            element = model[name]
            left, right = shapes.get(type(element), ("([", "])"))
            nodes.append(f'{ids[name]}{left}"{_mermaid_text(name)}"{right}')
            if isinstance(element, Flow):
                clouds = [f"{ids[name]}_{side}" for side, end in _ends(element) if end is None]
                nodes += [f'{cloud}(("☁"))' for cloud in clouds]
                ends = [f"{ids[name]}_{side}" if end is None else ids[end] for side, end in _ends(element)]
                arrows += [f"{ends[0]} ==> {ids[name]}", f"{ids[name]} ==> {ends[1]}"]
            if information and isinstance(element, (Flow, Auxiliary)):
                used = sorted((n for n in references(element.equation) if n in place_of), key=place_of.__getitem__)
                arrows += [f"{ids[n]} -.-> {ids[name]}" for n in used if isinstance(model[n], kinds)]
        if nodes:
            lines += [f'  subgraph s{place}["{_mermaid_text(sector)}"]', *(f"    {n}" for n in nodes), "  end"]
    return "\n".join([*lines, *(f"  {arrow}" for arrow in arrows)]) + "\n"


def sources(model: Model) -> pd.DataFrame:
    """Evidence of every parameter, table and driver, one a row.

    Returns
    -------
    pandas.DataFrame
        Columns name, kind, value (NaN for tables), unit, prior, status, source, documentation.
    """
    import pandas as pd

    columns = ["name", "kind", "value", "unit", "prior", "status", "source", "documentation"]
    rows = [
        (
            e.name,
            type(e).__name__.lower(),
            float(e.value) if isinstance(e, Parameter) else math.nan,
            e.unit,
            str(e.prior) if isinstance(e, Parameter) and e.prior is not None else "",
            e.status,
            e.source,
            e.doc,
        )
        for e in model.elements.values()
        if isinstance(e, (Parameter, Table))
    ]
    return pd.DataFrame(rows, columns=columns)


# Text


class _TextPrinter(StrPrinter):  # type: ignore[misc]
    """sympy's text, with conditions as Python writes them, and names that are more than words in quotation marks."""

    def _print_Symbol(self, e: sp.Symbol) -> str:  # noqa: N802 - sympy dispatches on the name
        name = str(e.name)
        if _WORDS.fullmatch(name):
            return name
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    def _print_Piecewise(self, e: sp.Piecewise) -> str:  # noqa: N802 - sympy dispatches on the name
        parts = [
            self._print(value) if condition == sp.true else f"{self._print(value)} if {self._print(condition)}"
            for value, condition in e.args
        ]
        return f"({' else '.join(parts)})"


_WORDS = re.compile(r"[^\W\d](?:[\w.]| (?=\w))*(?:\[\w[\w .]*(?:,\w[\w .]*)*\])?")
"""Names that read as one in an equation: words, and subscripts."""


@deep_recursion()
def _text(e: Any) -> str:
    return str(_TextPrinter({"full_prec": False}).doprint(sp.sympify(e)))


def _number(value: float) -> str:
    return f"{value:.10g}"


def _rows(model: Model, element: Element, ends: _Ends) -> Iterator[tuple[str, ...]]:
    """Rows of one element: name, unit, what it is, the rest."""
    name, unit = element.name, f"[{element.unit}]"
    if isinstance(element, Stock):
        yield name, unit, f"d/dt {name} = {_net_flow(ends[name])}" + (" (as logarithm)" if element.log else "")
        yield "", "", f"{name}({_number(model.start)}) = {_text(element.initial)}"
    elif isinstance(element, Flow):
        route = " → ".join(end or OUTSIDE for _, end in _ends(element))
        yield name, unit, route, f"= {_text(element.equation)}"
    elif isinstance(element, Auxiliary):
        yield name, unit, f"= {_text(element.equation)}"
    elif isinstance(element, InitialUnknown):
        yield name, unit, f"= {_text(element.equation)}, from {_number(element.guess)}"
    elif isinstance(element, Table):
        points = ", ".join(f"{_number(x)}: {_number(y)}" for x, y in element.points)
        of = f"of time [{element.x_unit}]" if isinstance(element, Driver) else f"of [{element.x_unit}]"
        between = "" if element.between == "linear" else f", {element.between} between points"
        yield name, unit, of, element.status, f"{points} ({element.outside}{between})"
    elif isinstance(element, Parameter):
        yield name, unit, f"= {_number(element.value)}", element.status


def _ends(flow: Flow) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
    return ("from", flow.source), ("to", flow.target)


_Ends = Mapping[str, tuple[list[str], list[str]]]
"""Of each stock the flows into it and out of it."""


def _flows(model: Model) -> _Ends:
    ends: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in model.stocks}
    for e in model.elements.values():
        if isinstance(e, Flow):
            for side, stock in enumerate((e.target, e.source)):
                if stock is not None:
                    ends[stock][side].append(e.name)
    return ends


def _net_flow(ends: tuple[list[str], list[str]], show: Callable[[str], str] = str, minus: str = "−") -> str:
    """Inflows less outflows, written out."""
    inflow = " + ".join(map(show, ends[0]))
    outflow = "".join(f" {minus} {show(name)}" for name in ends[1])
    return (inflow + outflow if inflow else outflow.strip()) or "0"


def _role_rows(roles: Roles) -> Iterator[tuple[str, ...]]:
    yield "energy", roles.energy
    yield "cumulative energy", roles.cumulative_energy
    for kind, name in roles.efficiencies.items():
        yield f"efficiency: {kind}", name
    for service, efficiency in roles.services.items():
        yield "service", f"{service} / {efficiency}" if efficiency else service
    for kind, name in roles.price_performance.items():
        yield f"price performance: {kind}", name


def _printable(text: str) -> str:
    """Text without the control characters that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _aligned(rows: Iterable[Sequence[str]], longest: int | None = None) -> list[str]:
    """Rows as indented lines, all columns but each row's last padded; cells of at most `longest` letters."""
    rows = [[_printable(" ".join(cell.split())) for cell in row] for row in rows]
    if longest is not None:
        rows = [[c if len(c) <= longest else f"{c[: longest - 1]}…" for c in row] for row in rows]
    widths = [0] * max(map(len, rows))
    for row in rows:
        for i, cell in enumerate(row[:-1]):
            widths[i] = max(widths[i], len(cell))
    padded = ("  ".join([*(c.ljust(w) for c, w in zip(row[:-1], widths, strict=False)), row[-1]]) for row in rows)
    return [f"  {line}".rstrip() for line in padded]


# LaTeX


class _Typeset(dict[sp.Symbol, str]):
    """Names of symbols as the LaTeX printer asks for them."""

    def __missing__(self, symbol: sp.Symbol) -> str:
        return "t" if symbol == TIME else _latex_name(symbol.name)

    def __contains__(self, symbol: object) -> bool:
        return isinstance(symbol, sp.Symbol)

    def get(self, symbol: Any, default: Any = None) -> Any:
        return self[symbol]


_LATEX_CHARACTERS = {
    **{c: f"\\{c}" for c in "_#%&${}"},
    " ": "\\ ",
    "\\": "{\\backslash}",
    "^": "{\\wedge}",
    "~": "{\\sim}",
    "<": "{\\lt}",
    ">": "{\\gt}",
    "-": "\\text{-}",
    "'": "\\text{'}",
    "`": "\\text{'}",
}


def _latex_text(text: str) -> str:
    return "".join(_LATEX_CHARACTERS.get(c, c) for c in _printable(" ".join(text.split())))


def _latex_name(name: str) -> str:
    return f"\\mathrm{{{_latex_text(name)}}}"


def _latex_unit(unit: str) -> str:
    def token(found: re.Match[str]) -> str:
        if found[1]:
            return f"^{{{found[1]}}}"
        return "\\cdot " if found[0] == "*" else _latex_text(found[0])

    text = re.sub(r"(?:\*\*|\^)\(?(-?[\d.]+)\)?|\*| +|[^*^ ]|.", token, unit)
    return f"[\\mathrm{{{text}}}]"


def _latex_lines(model: Model, element: Element, printer: LatexPrinter, ends: _Ends) -> Iterator[str]:
    name, unit = _latex_name(element.name), _latex_unit(element.unit)
    if isinstance(element, Stock):
        rate = _latex_unit(f"{element.unit}/{model.time_unit}")
        net = _net_flow(ends[element.name], _latex_name, "-")
        yield f"\\frac{{d}}{{dt}}\\,{name} &= {net} && {rate}"
        start = f"{name}({_number(model.start)})"
        yield f"{start} &= {printer.doprint(sp.sympify(element.initial))} && {unit}"
    elif isinstance(element, (Flow, Auxiliary, InitialUnknown)):
        yield f"{name} &= {printer.doprint(sp.sympify(element.equation))} && {unit}"


# Mermaid


def _mermaid_text(text: str) -> str:
    """A label in which only letters, digits and harmless marks stand for themselves."""
    joined = " ".join(text.split())
    return "".join(c if c.isalnum() or c in " _-.,:/()+" else f"#{ord(c)};" for c in joined)
