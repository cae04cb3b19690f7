"""Loops of a model as links that can be switched off, and the model with its switches.

Beside the base run go the engineering run (`jevons.rebound.meter.with_engineering_run`) and a shocked copy. In the
copy a link that is on carries the copy's own value; one that is off carries what it carries in the engineering run:
on the way to a service that is the base run's value, for there services are held, elsewhere the engineering run's.
With all links off the copy is the engineering run; with all on it is the shocked run.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy as sp

from jevons.elements import Auxiliary, Element, Flow, InitialUnknown, Parameter, Range, Stock, Table
from jevons.errors import ScenarioError, nearest
from jevons.functions import symbol
from jevons.model import Model
from jevons.rebound.meter import roles_of, with_engineering_run
from jevons.rebound.shapley_values import MOST_PLAYERS
from jevons.structure import references
from jevons.toml_file import read_toml

ENGINEERING, SHOCKED = "engineering_", "shocked_"
_LOOP_KEYS, _LINK_KEYS = ("name", "what", "why", "links"), ("into", "from", "within")
OTHER_TABLES = ("sector",)
"""Tables that other readers take from the same file."""


@dataclass(frozen=True)
class Link:
    """What one equation reads of one element.

    Parameters
    ----------
    into : str
        Auxiliary or flow whose equation reads.
    source : str
        Element that is read. If it is the efficiency of the service `into` and the equation does not hold it, the
        link says that the service does not fall with its efficiency: off, it does, as in the engineering run.
    within : str
        Only where `source` is multiplied by this element; everywhere if empty.
    """

    into: str
    source: str
    within: str = ""

    def __str__(self) -> str:
        return f"{self.into} ← {self.source}{f' (times {self.within})' if self.within else ''}"


@dataclass(frozen=True)
class Loop:
    """Links that are switched together: a name, what they carry, and why they may be switched."""

    name: str
    what: str
    why: str
    links: tuple[Link, ...]


def read_loops(path: str | Path) -> list[Loop]:
    """Loops from a TOML file of ``[[loop]]`` tables.

    Raises
    ------
    ScenarioError
        With every mistake found.
    """
    path = Path(path)
    mistakes: list[str] = []
    entries = tables_of(path, "loop", mistakes, OTHER_TABLES)
    found = [_loop(place, entry, mistakes) for place, entry in entries]
    mistakes += repeated("loop", [loop.name for loop in found])
    links = [link for loop in found for link in loop.links]
    for link in dict.fromkeys(links):
        of = [loop.name for loop in found for own in loop.links if own == link]
        if len(of) > 1:
            mistakes.append(f"link {link} is given more than once ({', '.join(of)}), expected in one loop")
    if len(found) > MOST_PLAYERS:
        mistakes.append(f"{len(found)} loops, expected at most {MOST_PLAYERS}: all coalitions are run")
    if mistakes:
        raise ScenarioError(f"loops {path.name!r}", mistakes)
    return found


def tables_of(
    path: Path, kind: str, mistakes: list[str], others: Iterable[str] = ()
) -> list[tuple[str, dict[str, Any]]]:
    """The tables ``[[kind]]`` of a TOML file, each with its place in words; tables of other readers are left alone."""
    data = read_toml(path, f"{kind}s {str(path)!r}", ScenarioError)
    known = (kind, *others)
    mistakes += [
        f"unknown table {k!r}, expected one of {', '.join(known)}{nearest(k, known)}" for k in data if k not in known
    ]
    entries = data.get(kind, [])
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        mistakes.append(f"no [[{kind}]] table")
        return []
    return [(f"{kind} {i} ({e.get('name', 'no name')})", e) for i, e in enumerate(entries, start=1)]


def unknown_keys(place: str, table: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    """A message for every key that is not known."""
    for key in table:
        if key not in known:
            yield f"{place}: unknown key {key!r}, expected one of {', '.join(known)}{nearest(key, known)}"


def repeated(kind: str, names: Sequence[str]) -> list[str]:
    """A message for every name that is given more than once."""
    return [f"{kind} {n!r} is given more than once" for n in dict.fromkeys(names) if n and names.count(n) > 1]


def _loop(place: str, entry: Mapping[str, Any], mistakes: list[str]) -> Loop:
    mistakes += unknown_keys(place, entry, _LOOP_KEYS)
    words = {k: entry.get(k) for k in ("name", "what", "why")}
    mistakes += [f"{place}: {k} is {x!r}, expected text" for k, x in words.items() if not (isinstance(x, str) and x)]
    links = entry.get("links")
    if not isinstance(links, list) or not links:
        mistakes.append(f"{place}: links {links!r}, expected a list of tables such as {{ into = 'x', from = 'y' }}")
        links = []
    made = []
    for link in links:
        if not isinstance(link, dict):
            mistakes.append(f"{place}: link {link!r}, expected a table such as {{ into = 'x', from = 'y' }}")
            continue
        mistakes += unknown_keys(f"{place}: link", link, _LINK_KEYS)
        given = [link.get("into"), link.get("from"), link.get("within", "")]
        if all(isinstance(x, str) for x in given):
            made.append(Link(*map(str, given)))
        else:
            mistakes.append(f"{place}: link {dict(link)}, expected names under into and from")
    return Loop(str(words["name"]), str(words["what"]), str(words["why"]), tuple(made))


def switch(loop: int) -> str:
    """Name of the parameter that switches a loop, by its position: 1 is on, 0 is off."""
    return f"loop_{loop + 1}_switch"


@functools.lru_cache(maxsize=8)
def with_loop_switches(model: Model, loops: tuple[Loop, ...]) -> Model:
    """A model beside its engineering run (``engineering_``) and a shocked copy with switches (``shocked_``).

    All three share parameters; each loop has one more (`switch`), 1 as given. Only what efficiencies reach is copied.

    Equation   x carried = x held + switch (x own - x held); x held is the base run's on the way to a service, and
               the engineering run's elsewhere
    Valid for  switches of 0 and 1; between them the copy is no run of the model
    Source     definition: links are cut, as in tests of structure, without changing the base run

    Raises
    ------
    ScenarioError
        With every link that the model lacks, and every way on which the copy's services would still move, or its
        energy differ from the engineering run's, with all loops off.
    """
    graph = _Graph(model, loops)
    twin = with_engineering_run(model)
    elements: list[Element] = [
        Parameter(switch(i), "1", value=1.0, prior=Range(0.0, 1.0), status="assumed", source="definition: 1 is on",
                  doc=f"Switch of loop {loop.name}: {loop.what}.")
        for i, loop in enumerate(loops)
    ]  # fmt: skip
    copied = graph.affected - graph.efficiencies
    copied |= {f.name for f in model.elements.values() if isinstance(f, Flow) and {f.source, f.target} & copied}
    own = {symbol(n): symbol(SHOCKED + n) for n in copied}
    own |= {symbol(n): symbol(ENGINEERING + n) for n in graph.efficiencies}  # both runs have the same gains
    carried: dict[str, list[tuple[Link, int]]] = {}
    for i, loop in enumerate(loops):
        for link in loop.links:
            carried.setdefault(link.into, []).append((link, i))
    for name, element in model.elements.items():
        if name in copied:
            elements.append(_shocked(element, own, graph, carried.get(name, [])))
    return twin.with_elements(elements, name=f"{model.name} with loop switches")


class _Graph:
    """What reads what, and what it means for a model with all loops off."""

    def __init__(self, model: Model, loops: Sequence[Loop]) -> None:
        self.model, roles = model, roles_of(model)
        self.services = dict(roles.services)
        self.efficiencies = {*roles.efficiencies.values(), *roles.price_performance.values()}
        self.reads: dict[str, set[str]] = {}
        at_start: dict[str, set[str]] = {}
        for name, element in model.elements.items():
            found = {n for _, e in element.expressions() for n in references(e)} & set(model.elements)
            moving = isinstance(element, (Auxiliary, Flow))
            self.reads[name], at_start[name] = (found, set()) if moving else (set(), found)
        for flow in model.elements.values():
            if isinstance(flow, Flow):
                for stock in {flow.source, flow.target} - {None}:
                    self.reads[str(stock)].add(flow.name)
        both = {n: self.reads[n] | at_start[n] for n in self.reads}
        self.affected = _reached(self.efficiencies, _turned(both)) & _reached({roles.energy}, both)
        links = [link for loop in loops for link in loop.links]
        mistakes = [m for link in links for m in self._link_mistakes(link)]
        if mistakes:
            raise ScenarioError(f"loops of model {model.name!r}", mistakes)
        cut = {(link.into, link.source) for link in links if not link.within}
        self.left = {n: {m for m in read if (n, m) not in cut} for n, read in self.reads.items()}
        self.upstream = _reached(set(self.services), self.left)
        mistakes = [
            f"link {link}: carries nothing, the engineering run has the same efficiency"
            for link in links
            if link.source in self.efficiencies and link.into not in self.upstream
        ]
        mistakes += [*self._moving_services(), *self._uneven(links, roles.energy)]
        if mistakes:
            raise ScenarioError(f"loops of model {model.name!r}, all off", mistakes)

    def held(self, link: Link) -> sp.Symbol:
        """What a link carries when it is off."""
        base = link.into in self.upstream or link.source not in self.affected
        return symbol(link.source if base else ENGINEERING + link.source)

    def _link_mistakes(self, link: Link) -> Iterator[str]:
        names = self.model.elements
        missing = [n for n in (link.into, link.source, link.within) if n and n not in names]
        for n in missing:
            yield f"link {link}: {n!r} is not in the model{nearest(n, names)}"
        if missing or self.is_spending(link):
            return
        element = self.model[link.into]
        if not isinstance(element, (Auxiliary, Flow)):
            yield f"link {link}: {link.into!r} is a {type(element).__name__}, expected an auxiliary or a flow"
        elif link.source not in self.reads[link.into]:
            read = sorted(self.reads[link.into])
            yield (
                f"link {link}: the equation of {link.into!r} does not read {link.source!r}, it reads "
                f"{', '.join(read)}{nearest(link.source, read)}"
            )
        elif not {link.into, link.source} <= self.affected | self.efficiencies:
            yield f"link {link}: carries nothing, no efficiency reaches energy through it"
        elif link.within and not _products(element.equation, link):
            yield f"link {link}: {link.source!r} is nowhere multiplied by {link.within!r} in the equation"

    def is_spending(self, link: Link) -> bool:
        """Whether a link says that a service does not fall with its efficiency."""
        efficiency = self.services.get(link.into)
        return efficiency is not None and link.source == efficiency and link.source not in self.reads[link.into]

    def _moving_services(self) -> Iterator[str]:
        """Ways on which services move with all loops off, by more than their own efficiency."""
        forward = _turned(self.left)
        for service, efficiency in self.services.items():
            for start in sorted({*self.services, *self.efficiencies} - {efficiency}):
                path = _path(start, service, forward)
                if path and path[-2] in self.affected | self.efficiencies:
                    yield f"service {service!r} still moves: {' → '.join(path)}; put one of these links into a loop"
                    break

    def _uneven(self, links: Sequence[Link], energy: str) -> Iterator[str]:
        """Where energy would follow what the engineering run leaves free and the copy holds."""
        held = {n: set() if n in self.services else read for n, read in self.reads.items()}
        free = _reached({link.into for link in links if link.into in self.upstream}, _turned(held)) - set(self.services)
        forward = _turned(self.left)
        for x in sorted(self.affected - self.upstream):
            for y in sorted(self.left[x] & self.upstream & free):
                path = _path(x, energy, forward) if x != energy else [x]
                if path:
                    yield (
                        f"{y!r} runs freely in the engineering run and is held here, and energy follows it: "
                        f"{' → '.join([y, *path])}; put one of these links into a loop"
                    )


def _turned(reads: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """From 'reads' to 'is read by', or back."""
    result: dict[str, set[str]] = {n: set() for n in reads}
    for name, read in reads.items():
        for n in read:
            result[n].add(name)
    return result


def _reached(starts: Iterable[str], edges: Mapping[str, set[str]]) -> set[str]:
    """All that can be reached, starts included."""
    found, waiting = set(starts), list(starts)
    while waiting:
        for n in edges[waiting.pop()] - found:
            found.add(n)
            waiting.append(n)
    return found


def _path(start: str, end: str, edges: Mapping[str, set[str]]) -> list[str]:
    """A shortest path of one step or more, empty if there is none."""
    before: dict[str, str] = {}
    waiting = [start]
    while waiting:
        following = []
        for n in waiting:
            for m in sorted(edges[n] - set(before)):
                before[m] = n
                following.append(m)
        if end in before:
            path = [end]
            while path[0] != start or len(path) == 1:
                path.insert(0, before[path[0]])
            return path
        waiting = following
    return []


def _products(equation: Any, link: Link) -> list[sp.Expr]:
    """Products in an equation with both a link's source and the element it is within among their factors."""
    wanted = {symbol(link.source), symbol(link.within)}
    return [e for e in sp.sympify(equation).atoms(sp.Mul) if wanted <= set(e.args)]


def _shocked(
    element: Element, own: Mapping[sp.Symbol, sp.Symbol], graph: _Graph, links: Sequence[tuple[Link, int]]
) -> Element:
    name, doc = SHOCKED + element.name, element.doc

    def translated(expression: Any) -> sp.Expr:
        return sp.sympify(expression).xreplace(own)

    if isinstance(element, Stock):
        return Stock(name, element.unit, initial=translated(element.initial), log=element.log, doc=doc)
    if isinstance(element, InitialUnknown):
        return InitialUnknown(name, element.unit, equation=translated(element.equation), guess=element.guess, doc=doc)
    assert isinstance(element, (Auxiliary, Flow)) and not isinstance(element, Table)
    equation, blends = sp.sympify(element.equation), {}
    for link, i in sorted(links, key=lambda pair: not pair[0].within):  # parts of an equation before all of it
        source, on = symbol(link.source), symbol(switch(i))
        blend = sp.Dummy(real=True)
        if graph.is_spending(link):
            gain = source / own[source]
            blends[blend] = gain + on * (1 - gain)
            equation *= blend
            continue
        held = graph.held(link)
        blends[blend] = held + on * (own[source] - held)
        parts = _products(equation, link) if link.within else []
        if parts:
            equation = equation.xreplace({e: e.xreplace({source: blend}) for e in parts})
        else:
            equation = equation.xreplace({source: blend})
    equation = equation.xreplace(own).xreplace(blends)
    if isinstance(element, Auxiliary):
        return Auxiliary(name, element.unit, equation=equation, doc=doc)
    # A stock that does not matter to energy has no copy; the base run's must not receive the copy's flow.
    ends = {
        end: SHOCKED + stock
        for end, stock in (("source", element.source), ("target", element.target))
        if stock is not None and symbol(stock) in own
    }
    if not ends:  # its stocks do not matter to energy
        return Auxiliary(name, element.unit, equation=equation, doc=doc)
    return Flow(name, element.unit, equation=equation, doc=doc, **ends)
