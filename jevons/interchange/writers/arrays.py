"""Which variables of a model are written as arrays, and arrays as one variable for the diagram."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import sympy as sp

from jevons import subscripts
from jevons.interchange.writers.expanded import Expanded, Variable


@dataclass(frozen=True)
class Arrays:
    """Arrays of a model.

    Attributes
    ----------
    of : mapping
        Key of each element to its array and its labels.
    over : mapping
        Dimensions of each array.
    dimensions : mapping
        Elements of the dimensions that are used.
    """

    of: Mapping[str, tuple[str, tuple[str, ...]]]
    over: Mapping[str, tuple[str, ...]]
    dimensions: Mapping[str, tuple[str, ...]]


def find_arrays(expanded: Expanded, keeps: Callable[[str], bool], *, as_one: bool) -> Arrays:
    """Complete arrays, as far as a file can have them; the elements of others are variables of their own.

    Parameters
    ----------
    keeps : callable
        Whether a label may be written as it is.
    as_one : bool
        Whether an array is of one kind, without tables, and its flows belong to all of it, as in XMILE.
    """
    variables = {v.key: v for v in expanded.variables}
    found = subscripts.arrays(variables, expanded.subscripts)
    over = {}
    for base, columns in found.items():
        dimensions = expanded.subscripts[base]
        size = math.prod(len(expanded.dimensions[d]) for d in dimensions)
        if len(columns) == size and all(keeps(label) for labels in columns for label in labels):
            over[base] = dimensions
    of = {f"{base}[{','.join(labels)}]": (base, labels) for base in over for labels in found[base]}
    while as_one:
        keys: dict[str, list[str]] = {base: [] for base in over}
        for key, (base, _) in of.items():
            keys[base].append(key)
        uneven = {base for base in over if not _even(keys[base], variables, of)}
        uneven |= {of[f][0] for v in variables.values() if v.key not in of for f in v.inflows + v.outflows if f in of}
        if not uneven:
            break
        over = {base: dimensions for base, dimensions in over.items() if base not in uneven}
        of = {key: place for key, place in of.items() if place[0] in over}
    used = dict.fromkeys(d for dimensions in over.values() for d in dimensions)
    return Arrays(of, over, {d: expanded.dimensions[d] for d in used})


def _even(keys: list[str], variables: Mapping[str, Variable], of: Mapping[str, tuple[str, tuple[str, ...]]]) -> bool:
    """Whether all elements are of one kind and have the same flows at their own labels."""
    seen = set()
    for key in keys:
        variable, labels = variables[key], of[key][1]
        flows = [[of.get(flow, ("", ())) for flow in ends] for ends in (variable.inflows, variable.outflows)]
        if variable.kind == "points" or any(found != labels for ends in flows for _, found in ends):
            return False
        seen.add((variable.kind, *(tuple(base for base, _ in ends) for ends in flows)))
    return len(seen) == 1


def elements(expanded: Expanded, arrays: Arrays) -> dict[str, list[Variable]]:
    """The variables of each array."""
    found: dict[str, list[Variable]] = {base: [] for base in arrays.over}
    for variable in expanded.variables:
        if variable.key in arrays.of:
            found[arrays.of[variable.key][0]].append(variable)
    return found


def collapsed(expanded: Expanded, arrays: Arrays) -> Expanded:
    """The model with one variable for each array, for drawing; its equation is that of all elements."""

    def drawn(key: str) -> str:
        return arrays.of[key][0] if key in arrays.of else key

    merged: dict[str, Variable] = {}
    equations: dict[str, list[sp.Expr]] = {}
    for variable in expanded.variables:
        key = drawn(variable.key)
        equation = variable.equation
        if equation is not None:
            symbols = {s: sp.Symbol(drawn(s.name), real=True) for s in equation.free_symbols if s.name in arrays.of}
            equations.setdefault(key, []).append(equation.xreplace(symbols) if symbols else equation)
        flows = [tuple(dict.fromkeys(map(drawn, ends))) for ends in (variable.inflows, variable.outflows)]
        if key in merged:
            old = merged[key]
            flows = [tuple(dict.fromkeys(a + b)) for a, b in zip((old.inflows, old.outflows), flows, strict=True)]
            variable = replace(old, kind="flow" if "flow" in (old.kind, variable.kind) else old.kind)
        merged[key] = replace(variable, key=key, inflows=flows[0], outflows=flows[1])
    with_equations = [
        replace(v, equation=None if key not in equations else _all(equations[key])) for key, v in merged.items()
    ]
    return replace(expanded, variables=tuple(with_equations))


def _all(equations: list[sp.Expr]) -> sp.Basic:
    """Something with all the symbols and tables of several equations."""
    return equations[0] if len(equations) == 1 else sp.Tuple(*equations)
