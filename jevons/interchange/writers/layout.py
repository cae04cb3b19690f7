"""A stock-and-flow diagram of a model: where everything is drawn, one page a sector.

Stocks stand in rows in the order in which material moves, with straight pipes between them; auxiliaries are put near
what they feed, without overlap. What a sector takes from another one is drawn in it as a ghost. Positions are pixels,
y downwards. The same model always has the same diagram.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jevons.functions import Lookup
from jevons.interchange.writers.chains import find_chains
from jevons.interchange.writers.drawing import Drawing
from jevons.interchange.writers.expanded import Expanded, Variable, part
from jevons.interchange.writers.shapes import Page
from jevons.lowering import references


def lay_out(expanded: Expanded, names: Mapping[str, str]) -> tuple[Page, ...]:
    """Diagram of everything in a model, one page a sector.

    Parameters
    ----------
    names : mapping
        Key of every variable to the name that is drawn.
    """
    variables = {v.key: v for v in expanded.variables}
    chains = find_chains(expanded.variables)
    page_of = {v.key: v.sector for v in expanded.variables}
    for chain in chains:  # what material connects is drawn together
        for key in (*chain.stocks, *chain.flows):
            page_of[key] = variables[chain.stocks[0]].sector
    links = {(used, v.key): initial for v in expanded.variables for used, initial in _uses(v, variables)}
    pages = []
    for sector in expanded.sectors:
        inside = [key for key in variables if page_of[key] == sector]
        if inside:
            of_page = [c for c in chains if page_of[c.stocks[0]] == sector]
            pages.append(Drawing(sector, inside, of_page, variables, links, names).page())
    return tuple(pages)


def _uses(variable: Variable, variables: Mapping[str, Variable]) -> Iterator[tuple[str, bool]]:
    """What a variable's equation needs, and whether for its initial value alone."""
    if variable.equation is None:
        return
    found = references(variable.equation)
    found |= {part(e.args[0].name, "points") for e in variable.equation.atoms(Lookup)}
    for name in sorted(found & set(variables) - {variable.key}):
        yield name, variable.kind == "stock"
