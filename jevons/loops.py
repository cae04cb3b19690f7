"""Feedback loops: which links a model has, with what sign, and the circles they form."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import Auxiliary, Driver, Flow, InitialUnknown, Parameter, Stock, Table
from jevons.functions import TIME
from jevons.recursion import deep_recursion
from jevons.structure import references

if TYPE_CHECKING:
    import pandas as pd

    from jevons.model import Model
    from jevons.trajectory import Trajectory

REINFORCING, BALANCING, CHANGES, UNKNOWN = "reinforcing", "balancing", "changes sign", "unknown"
MOST_DATES = 9
"""Dates of a run at which signs are looked at."""
MOST_CYCLES = 20_000
"""Cycles that are looked at before the search gives up counting."""

DELAY = 2.0
"""Seconds before a bar appears that nobody asked for."""

_LETTERS = {REINFORCING: "R", BALANCING: "B", CHANGES: "±", UNKNOWN: "?"}
_POLARITIES = {1: REINFORCING, -1: BALANCING}
_SIGNS = {1: "+", -1: "-"}

Signs = tuple[int | None, ...]
"""Sign of a link at each date; 0 where it does nothing, None where it cannot be computed."""


@dataclass(frozen=True)
class Loop:
    """A feedback loop.

    Attributes
    ----------
    path : tuple of str
        Names in the direction of cause, each once.
    polarity : {'reinforcing', 'balancing', 'changes sign', 'unknown'}
    links : tuple of int
        Sign of the link that leaves each name; 0 where it changes or is unknown.
    """

    path: tuple[str, ...]
    polarity: str
    links: tuple[int, ...]

    def __repr__(self) -> str:
        return f"{_LETTERS[self.polarity]}: {' → '.join([*self.path, self.path[0]])}"


class Loops(list[Loop]):
    """Loops, shortest first, and how many there are.

    Attributes
    ----------
    total : int
        Loops of up to `length` names; at least so many where not `complete`.
    length : int
        Length up to which loops were looked for.
    complete : bool
        Whether every loop up to the length asked for was counted.
    """

    def __init__(self, loops: Iterable[Loop], total: int, length: int, complete: bool) -> None:
        super().__init__(loops)
        self.total = total
        self.length = length
        self.complete = complete

    def __repr__(self) -> str:
        least = "" if self.complete else "at least "
        shown = "" if len(self) == self.total else f", {len(self)} shown"
        return "\n".join([*map(repr, self), f"{least}{self.total} loops of up to {self.length} names{shown}"])


def feedback_loops(
    model: Model,
    max_length: int = 12,
    limit: int = 200,
    run: Trajectory | None = None,
    progress: bool | None = None,
) -> Loops:
    """Feedback loops with polarity, shortest first.

    Parameters
    ----------
    model : Model
        Hidden stocks of delays are part of it, under their hidden names.
    max_length : int
        Most names in a loop.
    limit : int
        Most loops returned; the result says how many there are.
    run : Trajectory, optional
        Where to look at signs that depend on the state; the start of the model otherwise.
    progress : bool, optional
        Show a bar; after two seconds by default.

    Returns
    -------
    Loops
        A list of `Loop`. A loop changes sign when the product of its links does; its sign is that of all dates
        at which every link acts.
    """
    import networkx as nx

    graph = _link_signs(model, run, progress)
    names = _nodes(model)
    number = {name: i for i, name in enumerate(names)}
    digraph = nx.DiGraph((number[a], number[b]) for a, b in graph)
    found: list[tuple[int, ...]] = []
    total, length, complete = 0, 0, True
    for length in _bar(range(1, min(max_length, len(names)) + 1), "loops", "length", progress):
        cycles: Iterator[list[int]] = nx.simple_cycles(digraph, length_bound=length)
        looked = list(itertools.islice(cycles, MOST_CYCLES + 1))
        complete = len(looked) <= MOST_CYCLES
        exact = sorted(_rotated(cycle) for cycle in looked if len(cycle) == length)
        found += exact[: max(0, limit - len(found))]
        total += len(exact)
        if not complete:
            break
    loops = (_loop([names[i] for i in cycle], graph) for cycle in found)
    return Loops(loops, total, max_length if complete else length, complete)


def links(model: Model, run: Trajectory | None = None) -> pd.DataFrame:
    """Links between stocks, flows and auxiliaries.

    Returns
    -------
    pandas.DataFrame
        Columns source, target and sign: ``+``, ``-``, ``changes sign`` or ``unknown``. A link whose effect is
        zero for the model's parameter values is left out.
    """
    import pandas as pd

    rows = [(a, b, _verdict(signs, _SIGNS)) for (a, b), signs in _link_signs(model, run).items()]
    return pd.DataFrame(rows, columns=["source", "target", "sign"])


def _nodes(model: Model) -> list[str]:
    """Stocks first, so that loops begin with one."""
    structure = model.structure
    return [e.name for e in (*structure.stocks, *structure.of(Flow), *structure.of(Auxiliary))]


def _rotated(cycle: list[int]) -> tuple[int, ...]:
    first = cycle.index(min(cycle))
    return tuple(cycle[first:] + cycle[:first])


def _loop(path: list[str], graph: Mapping[tuple[str, str], Signs]) -> Loop:
    steps = [graph[a, b] for a, b in zip(path, [*path[1:], path[0]], strict=True)]
    dates = max(map(len, steps))
    spread = [signs * dates if len(signs) == 1 else signs for signs in steps]
    products = tuple(None if None in at else math.prod(at) for at in zip(*spread, strict=True))
    signs = tuple({"+": 1, "-": -1}.get(_verdict(s, _SIGNS), 0) for s in steps)
    return Loop(tuple(path), _verdict(products, _POLARITIES), signs)


def _verdict(signs: Signs, words: Mapping[int, str]) -> str:
    acting = {sign for sign in signs if sign}
    if len(acting) > 1:
        return CHANGES
    if not acting:
        return UNKNOWN
    return words[acting.pop()]


def _bar(values: Any, what: str, unit: str, progress: bool | None) -> Any:
    from tqdm.auto import tqdm

    delay = 0.0 if progress else DELAY
    return tqdm(values, desc=what, unit=unit, delay=delay, disable=progress is False, leave=False)


@deep_recursion()
def _link_signs(model: Model, run: Trajectory | None, progress: bool | None = False) -> dict[tuple[str, str], Signs]:
    """Sign of every link, once where it is the same everywhere, else at each date."""
    structure = model.structure
    graph: dict[tuple[str, str], Signs] = {}
    for flow in structure.of(Flow):
        if flow.source != flow.target:
            for stock, sign in ((flow.target, 1), (flow.source, -1)):
                if stock is not None:
                    graph[flow.name, stock] = (sign,)
    values = {p.symbol: _exact(p.value) for p in structure.of(Parameter)}
    nodes = set(_nodes(model))
    known: dict[sp.Symbol, sp.Expr] = {}
    for element in (*structure.stocks, *structure.of(Driver)):
        positive = element.log if isinstance(element, Stock) else _positive_table(element)
        if positive:
            known[element.symbol] = sp.Dummy(element.name, positive=True)
    points: list[dict[str, float]] | None = None
    for name in _bar(structure.order, "links", "equation", progress):
        equation = structure.equation(name)
        valued = equation.xreplace(values)
        for source in sorted(references(valued) & nodes):
            partial = _derivative(valued, fn.symbol(source))
            if partial == 0:
                continue
            sure = _symbolic_sign(partial, known, structure.elements)
            if sure is None:
                points = _points(model, run) if points is None else points
                graph[source, name] = tuple(_sign_at(partial, point, structure.elements) for point in points)
            elif sure:
                graph[source, name] = (sure,)
        stand_in = _stand_in(name, _simple(valued, known, structure.elements))
        if stand_in is not None:
            known[fn.symbol(name)] = stand_in
    return graph


def _exact(value: float) -> sp.Expr:
    return sp.Integer(int(value)) if float(value).is_integer() else sp.Float(value)


def _positive_table(table: Table) -> bool:
    return table.outside == "clamp" and all(y > 0 for _, y in table.points)


def _derivative(e: sp.Expr, argument: sp.Symbol) -> sp.Expr:
    """Partial derivative, with floor and sign constant between their jumps."""
    held = {node: sp.Dummy(real=True) for node in e.atoms(sp.floor, sp.sign)}
    partial = sp.diff(e.xreplace(held), argument)
    return partial.xreplace({dummy: node for node, dummy in held.items()})


def _simple(e: sp.Expr, known: Mapping[sp.Symbol, sp.Expr], elements: Mapping[str, Any]) -> sp.Expr:
    """An expression in which all that has a known sign is a symbol with that sign."""
    made: dict[sp.Expr, sp.Expr] = {}

    def dummy(node: sp.Expr) -> sp.Expr:
        if isinstance(node, fn.LookupSlope):
            if elements[node.args[0].name].between != "linear":
                return sp.S.Zero
            points = elements[node.args[0].name].points
            rises = [b - a for (_, a), (_, b) in itertools.pairwise(points)]
            if min(rises) >= 0:
                return made.setdefault(node, sp.Dummy(nonnegative=True))
            return made.setdefault(node, sp.Dummy(nonpositive=True) if max(rises) <= 0 else node)
        if isinstance(node, fn.Lookup):
            return made.setdefault(
                node, sp.Dummy(positive=True) if _positive_table(elements[node.args[0].name]) else node
            )
        return made.setdefault(node, sp.Dummy(nonnegative=True))

    kinds = (fn.LookupSlope, fn.Lookup, fn.Switch, sp.Heaviside)
    replaced: sp.Expr = e.replace(lambda node: isinstance(node, kinds), dummy)
    return replaced.xreplace(known)


def _symbolic_sign(partial: sp.Expr, known: Mapping[sp.Symbol, sp.Expr], elements: Mapping[str, Any]) -> int | None:
    e = _simple(partial, known, elements)
    if e.is_zero:
        return 0
    if e.is_nonnegative:
        return 1
    return -1 if e.is_nonpositive else None


def _stand_in(name: str, e: sp.Expr) -> sp.Expr | None:
    """A symbol with the sign of an equation, for use in what depends on it."""
    for assumption in ("positive", "negative", "nonnegative", "nonpositive"):
        if getattr(e, f"is_{assumption}"):
            return sp.Dummy(name, **{assumption: True})
    return None


def _sign_at(partial: sp.Expr, point: Mapping[str, float], elements: Mapping[str, Any]) -> int | None:
    value = _value(partial, point, elements)
    return None if value is None else (value > 0) - (value < 0)


def _points(model: Model, run: Trajectory | None) -> list[dict[str, float]]:
    """Values of all names at the dates to look at; names that cannot be computed are missing."""
    structure = model.structure
    constants = {p.name: float(p.value) for p in structure.of(Parameter)}
    if run is None or not run.times.size:
        guesses = {u.name: float(u.guess) for u in structure.of(InitialUnknown)}
        point = {TIME.name: model.start, **constants, **guesses}
        _fill(point, ((n, structure.initial(n)) for n in structure.initial_order), structure.elements)
        points = [point]
    else:
        step = max(1, math.ceil(len(run.times) / MOST_DATES))
        points = [
            {TIME.name: float(run.times[row]), **constants, **dict(zip(run.names, run.values[row], strict=True))}
            for row in range(0, len(run.times), step)
        ]
    for point in points:
        _fill(point, ((n, structure.equation(n)) for n in structure.order), structure.elements)
    return points


def _fill(point: dict[str, float], equations: Iterable[tuple[str, sp.Expr]], elements: Mapping[str, Any]) -> None:
    for name, equation in equations:
        value = point.get(name, _value(equation, point, elements))
        if value is not None:
            point[name] = value


def _value(e: sp.Expr, point: Mapping[str, float], elements: Mapping[str, Any]) -> float | None:
    """Value of a lowered expression, or None where a name is missing or mathematics ends."""
    needed = {s for s in e.free_symbols if not isinstance(elements.get(s.name), Table)}
    if not all(math.isfinite(point.get(s.name, math.nan)) for s in needed):
        return None

    def number(node: Any) -> Any:
        if isinstance(node, fn.Switch):
            return sp.Integer(bool(point[TIME.name] >= node.args[0]))
        value, slope = _interpolated(elements[node.args[0].name], float(node.args[1]))
        return sp.Float(value if isinstance(node, fn.Lookup) else slope)

    kinds = (fn.Lookup, fn.LookupSlope, fn.Switch)
    try:
        valued = e.xreplace({s: sp.Float(point[s.name]) for s in needed})
        value = float(valued.replace(lambda node: isinstance(node, kinds), number))
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _interpolated(table: Table, x: float) -> tuple[float, float]:
    """Value and slope of a table; at a knot the slope to the right."""
    first, last = table.points[0], table.points[-1]
    stepped = table.between != "linear"
    if (table.outside == "clamp" or stepped) and not first[0] <= x < last[0]:
        return (first if x < first[0] else last)[1], 0.0
    inner = sum(x >= a for a, _ in table.points[1:-1])
    (x0, y0), (x1, y1) = table.points[inner : inner + 2]
    if stepped:
        return (y0 if table.between == "hold" or x <= x0 else y1), 0.0
    slope = (y1 - y0) / (x1 - x0)
    return y0 + slope * (x - x0), slope
