"""Vensim: a model as .mdl text with equations, diagram and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jevons.errors import JevonsError
from jevons.interchange.writers.arrays import collapsed, find_arrays
from jevons.interchange.writers.equation_text import (
    array_references,
    canonical,
    documentation,
    number,
    safe_names,
    wanted_names,
    with_elements,
)
from jevons.interchange.writers.expanded import Expanded, Variable, expand
from jevons.interchange.writers.layout import lay_out
from jevons.interchange.writers.shapes import CHARACTER_WIDTH, LINE_HEIGHT, Box, Page, Pipe, arc
from jevons.interchange.writers.vensim_text import (
    LONGEST_NAME,
    RESERVED,
    VensimPrinter,
    free_text,
    keeps,
    reference,
    references,
    unit_text,
    wrapped,
)

if TYPE_CHECKING:
    from jevons.model import Model

_METHODS = {"Euler": 0, "RK2": 4, "RK4": 5}  # fixed steps
_FONT = "$192-192-192,0,Arial|10||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|96,96,100,0"
_STARS = "*" * 56
_SKETCH = "\\\\\\---/// Sketch information - do not modify anything except names"
_SKETCH_VERSION = "V300  Do not put anything below this section - it will be ignored"


def write_vensim(
    model: Model,
    path: str | Path,
    *,
    dt: float | None = None,
    end: float | None = None,
    method: str | None = None,
    params: Mapping[str, float] | None = None,
) -> Path:
    """Write a model as Vensim's .mdl text.

    Parameters
    ----------
    model : Model
        Delays become stocks and flows, smooth functions their definitions, a stock ``x`` with ``log=True`` a stock
        ``ln_x`` and a variable ``x = EXP(ln_x)``. Sectors become groups and views.
    path : str or Path
        Ends in ``.mdl``.
    dt, end : float
        Step and last date; the run begins at ``model.start``. By default those of the model's settings, or 1/32 and
        30 units of time after the start.
    method : {'Euler', 'RK2', 'RK4'}
        By default that of the settings, or Euler's.
    params : mapping
        Parameter values other than the model's.

    Returns
    -------
    Path

    Raises
    ------
    JevonsError
        If the initial values cannot be solved, or a function has no counterpart.

    Notes
    -----
    As in XMILE, initial values are numbers only where they need a fixed point. A table that goes on beyond its ends
    is written with both end lines added, since Vensim holds the last value. Vensim and PySD compute with the same
    double precision; PySD prints the points of tables with eight decimals unless it reads the file under
    ``numpy.printoptions(precision=17)``.

    Examples
    --------
    >>> model.to_vensim("world.mdl")  # doctest: +SKIP
    """
    expanded = expand(model, dt=dt, end=end, method=method, params=params)
    path = Path(path)
    path.write_text(_Export(expanded).document(), encoding="utf-8", newline="\n")
    return path


class _Export:
    """Writes one model."""

    def __init__(self, expanded: Expanded) -> None:
        self.expanded = expanded
        self.arrays = find_arrays(expanded, keeps, as_one=False)
        names = safe_names(wanted_names(expanded, self.arrays), RESERVED, keeps, LONGEST_NAME)
        taken = {*RESERVED, *map(canonical, names.values())}
        self.dimensions = safe_names({d: d for d in self.arrays.dimensions}, taken, keeps, LONGEST_NAME)
        self.names = with_elements(names, self.arrays)
        self.references = array_references(references(names, expanded.controls), self.arrays, reference)
        self.printer = VensimPrinter(expanded, self.references)

    def document(self) -> str:
        parts = ["{UTF-8}\n"]
        for dimension, elements in self.arrays.dimensions.items():
            listed = ", ".join(map(reference, elements))
            parts.append(_written(f"{reference(self.dimensions[dimension])}:\n\t{wrapped(listed)}", "", ""))
        for sector in self.expanded.sectors:
            parts.append(_group(sector, ""))
            parts += [self._entry(v) for v in self.expanded.variables if v.sector == sector]
        parts.append(_group("Control", "Simulation Control Parameters"))
        parts += self._control()
        for page in lay_out(collapsed(self.expanded, self.arrays), self.names):
            parts.append("\n".join([_SKETCH, _SKETCH_VERSION, *_Sketch(page, self.references).lines(), ""]))
        parts.append("///---\\\\\\\n")
        parts += self._settings()
        return "".join(parts)

    def _entry(self, variable: Variable) -> str:
        name = self.references[variable.key]
        unit = unit_text(variable.unit)
        if variable.range is not None:
            unit += f" [{variable.range[0]!r},{variable.range[1]!r}]"
        doc = free_text(documentation(variable.doc, variable.wanted, self.names[variable.key]))
        if variable.table is not None and variable.kind == "points":
            return _written(f"{name}(\n\t{_points(variable)})", unit, doc)
        return _written(f"{name}=\n\t{wrapped(self._equation(variable))}", unit, doc)

    def _equation(self, variable: Variable) -> str:
        assert variable.equation is not None
        try:
            text = self.printer.doprint(variable.equation)
        except TypeError as error:
            raise JevonsError(f"{variable.key!r}: {error}") from error
        if variable.kind != "stock":
            return text[1:-1] if text.startswith("(-") and text.count("(") == 1 else text
        flows = " + ".join(self.references[key] for key in variable.inflows)
        flows += "".join(f" - {self.references[key]}" for key in variable.outflows)
        return f"INTEG ({flows.strip() or '0'}, {text})"

    def _control(self) -> Iterator[str]:
        expanded = self.expanded
        unit = unit_text(expanded.time_unit)
        for name, value, told in (
            ("FINAL TIME", number(expanded.end), "The final time for the simulation."),
            ("INITIAL TIME", number(expanded.start), "The initial time for the simulation."),
            ("TIME STEP", number(expanded.dt), "The time step for the simulation."),
            (
                "SAVEPER",
                "TIME STEP" if expanded.every == expanded.dt else number(expanded.every),
                "The frequency with which output is stored.",
            ),
        ):
            positive = " [0,?]" if name in ("TIME STEP", "SAVEPER") else ""
            yield _written(f"{name}  = \n\t{value.strip('()')}", unit + positive, told)

    def _settings(self) -> Iterator[str]:
        """What Vensim keeps behind the diagram: units that mean the same, method, time."""
        expanded = self.expanded
        yield ":L\x7f<%^E!@\n"
        if expanded.time_unit == "yr":
            yield "22:yr,year,years\n"
        yield f"15:0,0,0,{_METHODS[expanded.method]},0,0\n"
        yield "19:100,0\n27:0,\n34:0,\n4:Time\n35:Date\n36:YYYY-MM-DD\n37:2000\n38:1\n39:1\n40:2\n41:0\n42:0\n"
        yield f"24:{expanded.start!r}\n25:{expanded.end!r}\n26:{expanded.end!r}\n"


def _written(definition: str, unit: str, doc: str) -> str:
    return f"{definition}\n\t~\t{unit}\n\t~\t{doc}\n\t|\n\n"


def _group(name: str, doc: str) -> str:
    told = free_text(" ".join(name.split()))
    return f"{_STARS}\n\t.{told}\n{_STARS}~\n\t\t{doc}\n\t|\n\n"


def _points(variable: Variable) -> str:
    """Points of a table behind the box that holds them."""
    table = variable.table
    assert table is not None
    xs, ys = ([float(p[i]) for p in table.points] for i in (0, 1))
    box = f"[({min(xs)!r},{min(ys)!r})-({max(xs)!r},{max(ys)!r})]"
    return ",".join([box, *(f"({x!r},{y!r})" for x, y in zip(xs, ys, strict=True))])


class _Sketch:
    """One page as the records of a view: 10 a variable, 11 a valve, 12 a cloud, 1 a pipe or an arrow."""

    def __init__(self, page: Page, names: Mapping[str, str]) -> None:
        self.page = page
        self.names = names
        self.number_of: dict[int, int] = {}
        self.label_of: dict[int, int] = {}
        self.count = 0

    def lines(self) -> Iterator[str]:
        yield f"*{' '.join(self.page.name.split())}"
        yield _FONT
        pipes = {pipe.valve: pipe for pipe in self.page.pipes}
        valves = [box for box in self.page.boxes if box.kind == "valve"]
        for box in self.page.boxes:
            if box.kind == "cloud":
                yield f"12,{self._next(box)},48,{_at(box)},10,8,0,3,0,0,-1,0,0,0"
            elif box.kind != "valve":
                yield self._variable(box)
        for box in valves:  # the pipes first, then the valve, then its name
            number_of_pipes = len(pipes[box.identity].points)
            first = self.count + 1
            self.count += number_of_pipes
            identity = self._next(box)
            yield from self._pipes(pipes[box.identity], first, identity)
            yield f"11,{identity},0,{_at(box)},6,8,34,3,0,0,1,0,0,0"
            self.count += 1
            self.label_of[box.identity] = self.count
            half = LINE_HEIGHT * len(box.lines) / 2
            label = f"{round(box.x)},{round(box.y + 10 + half)},{_half_width(box)},{round(half)}"
            yield f"10,{self.count},{self.names[box.key]},{label},40,3,0,0,-1,0,0,0"
        for arrow in self.page.arrows:
            start, end = self.page.boxes[arrow.start], self.page.boxes[arrow.end]
            self.count += 1
            middle = arc((start.x, start.y), (end.x, end.y), arrow.bend, 3)[1]
            through = f"({round(middle[0])},{round(middle[1])})" if arrow.bend else "(0,0)"
            ends = f"{self._end(start)},{self._end(end)},{1 if arrow.bend else 0}"
            # The tenth field marks an arrow to an initial value alone.
            yield f"1,{self.count},{ends},0,0,0,0,{128 if arrow.initial else 64},0,-1--1--1,,1|{through}|"

    def _next(self, box: Box) -> int:
        self.count += 1
        self.number_of[box.identity] = self.count
        return self.count

    def _end(self, box: Box) -> int:
        return self.label_of.get(box.identity) or self.number_of[box.identity]

    def _variable(self, box: Box) -> str:
        identity, name = self._next(box), self.names[box.key]
        if box.kind == "stock":
            return f"10,{identity},{name},{_at(box)},{round(box.width / 2)},{round(box.height / 2)},3,3,0,0,0,0,0,0"
        size = f"{_half_width(box)},{max(8, round(LINE_HEIGHT * len(box.lines) / 2))}"
        if box.kind == "ghost":
            grey = "128-128-128,0-0-0,|10||128-128-128"
            return f"10,{identity},{name},{_at(box)},{size},8,2,0,3,-1,0,0,0,{grey}"
        return f"10,{identity},{name},{_at(box)},{size},8,3,0,0,0,0,0,0"

    def _pipes(self, pipe: Pipe, first: int, valve: int) -> Iterator[str]:
        """Pipes from the valve to both ends, and through the corners between."""
        ends = [(self.number_of[pipe.end], 4, pipe.points[-1])]
        ends += [(valve, 0, point) for point in pipe.points[1:-1]]
        ends += [(self.number_of[pipe.start], 100, pipe.points[0])]
        for i, (to, role, (x, y)) in enumerate(ends):
            yield f"1,{first + i},{valve},{to},{role},0,0,22,0,0,0,-1--1--1,,1|({round(x)},{round(y)})|"


def _at(box: Box) -> str:
    return f"{round(box.x)},{round(box.y)}"


def _half_width(box: Box) -> int:
    return max(20, round(max(map(len, box.lines)) * CHARACTER_WIDTH / 2) + 2)
