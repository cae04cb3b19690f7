"""The generated equations of a model, as every peer gets them: source, numbers, grid of steps."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import Case
from numpy.typing import NDArray

from jevons.integrate import compile_model, fixed_grid, parameter_vector

Floats = NDArray[np.float64]

FIXED_POINT_ITERATIONS = 5_000
FIXED_POINT_TOLERANCE = 1e-14


@dataclass(frozen=True)
class Equations:
    """Source and numbers of a case.

    Attributes
    ----------
    source : str
        Functions rhs, observe, unknowns, initial and, where it has them, constants and switches.
    base : array
        Parameters at the model's values; `n_vector` long, the rest is filled by `constants`.
    places : array of int
        Where the varied parameters stand in `base`.
    columns : array of int
        Reported outputs among all that `observe` writes.
    nodes, steps, switches : array
        Dates between which steps are equal, steps between them, and state of the switches after each.
    report : array of int
        Nodes at the reported dates.
    """

    source: str
    n_stocks: int
    n_parameters: int
    n_vector: int
    n_outputs: int
    log: tuple[bool, ...]
    guesses: tuple[float, ...]
    tables: tuple[float, ...]
    start: float
    base: Floats
    places: NDArray[np.int64]
    columns: NDArray[np.int64]
    nodes: Floats
    steps: NDArray[np.int64]
    switches: Floats
    report: NDArray[np.int64]

    @property
    def has_constants(self) -> bool:
        return "def constants(" in self.source


def equations(case: Case) -> Equations:
    """The equations of a case."""
    system = compile_model(case.model)
    parameters = parameter_vector(case.model, system, None)
    nodes, steps, switches = fixed_grid(system, parameters, case.times, case.dt)
    base = np.zeros(system.n_vector)
    base[: parameters.size] = parameters
    return Equations(
        source=system.source,
        n_stocks=len(system.stocks),
        n_parameters=len(system.parameters),
        n_vector=base.size,
        n_outputs=len(system.outputs),
        log=system.log,
        guesses=system.guesses,
        tables=system.tables or (0.0,),
        start=system.start,
        base=base,
        places=np.array([system.parameters.index(n) for n in case.varied], dtype=np.int64),
        columns=np.array([system.outputs.index(n) for n in case.outputs], dtype=np.int64),
        nodes=nodes,
        steps=steps,
        switches=switches,
        report=np.searchsorted(nodes, case.times - 1e-8),
    )


class _Calls(ast.NodeTransformer):
    """Turns conditional expressions into calls, so that symbols can stand for numbers."""

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return _call("where", node.test, node.body, node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        name = "logical_and" if isinstance(node.op, ast.And) else "logical_or"
        result = node.values[0]
        for value in node.values[1:]:
            result = _call(name, result, value)
        return result

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return _call("logical_not", node.operand) if isinstance(node.op, ast.Not) else node


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def symbolic_functions(source: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """The functions of a generated source with other names for exp, pow, where, interpolate, ...

    They take lists, and write into lists, of whatever `names` computes with.
    """
    tree = ast.fix_missing_locations(_Calls().visit(ast.parse(source)))
    namespace: dict[str, Any] = {"float": float, **names}
    exec(compile(tree, "<equations>", "exec"), namespace)
    return namespace
