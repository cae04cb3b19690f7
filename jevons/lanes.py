"""From generated scalar functions to functions over lanes.

A lane function works on flat arrays in which the values of one quantity in all lanes lie side by side:
``x[i*lanes + lane]``. What does not differ between lanes is computed once; the rest becomes the body of one loop
over lanes, which a compiler turns into vector instructions. Functions of directions take one more leading
dimension, blocks of lanes, whose number is free at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "constants": ("p",),
    "rhs": ("t", "x", "p", "s", "dx"),
    "observe": ("t", "x", "p", "s", "out"),
    "switches": ("p", "out"),
    "unknowns": ("p", "s", "u", "out"),
    "initial": ("p", "s", "u", "out"),
}
"""Arguments that differ between lanes when every lane is a member of an ensemble."""

DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    "constants_tangent": ("pd",),
    "rhs_tangent": ("td", "xd", "pd", "dxd"),
    "observe_tangent": ("td", "xd", "pd", "outd"),
    "switches_tangent": ("pd", "outd"),
    "unknowns_tangent": ("pd", "ud", "outd"),
    "initial_tangent": ("pd", "ud", "outd"),
}
"""Arguments that differ between lanes when every lane is a direction of one member's derivative."""


def over_lanes(source: str, laned: Mapping[str, tuple[str, ...]], lanes: int, *, blocks: bool = False) -> str:
    """Rewrite the functions named in `laned` to run over lanes; others are left out.

    Parameters
    ----------
    source : str
        Generated functions: straight lines of assignments.
    laned : mapping
        For each function the arguments that differ between lanes: arrays, or numbers that become arrays.
    lanes : int
        Number of lanes, a constant of the compiled code.
    blocks : bool
        Whether the laned arguments have a leading dimension of blocks.
    """
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name in laned]
    return "\n".join(ast.unparse(_function(f, laned[f.name], lanes, blocks)) for f in functions)


def _function(function: ast.FunctionDef, laned: tuple[str, ...], lanes: int, blocks: bool) -> ast.FunctionDef:
    arrays = {n.value.id for n in ast.walk(function) if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)}
    rewrite = _Lanes(set(laned) & arrays, set(laned) - arrays, lanes)
    moving = set(laned)
    once: list[ast.stmt] = []
    every: list[ast.stmt] = []
    for statement in function.body:
        if isinstance(statement, ast.Pass):
            continue
        assert isinstance(statement, ast.Assign)
        (target,) = statement.targets
        name = target.id if isinstance(target, ast.Name) else target.value.id  # type: ignore[attr-defined]
        if name in moving or any(isinstance(n, ast.Name) and n.id in moving for n in ast.walk(statement.value)):
            if isinstance(target, ast.Name):
                moving.add(name)
            every.append(rewrite.visit(statement))
        else:
            once.append(statement)
    body = once
    if every:
        loop = ast.parse(f"for lane in range({lanes}): pass").body[0]
        assert isinstance(loop, ast.For)
        loop.body = every
        wide = ast.parse("prefer_wide_vectors()").body
        body = [*wide, *once, loop]
        if blocks:
            outer = ast.parse(f"for block in range({laned[-1]}.shape[0]): pass").body[0]
            assert isinstance(outer, ast.For)
            rows = [ast.parse(f"{name}_block = {name}[block]").body[0] for name in laned]
            loop.body = [_Blocks(set(laned)).visit(statement) for statement in every]
            outer.body = [*rows, loop]
            body = [*wide, *once, outer]
    function.body = body or [ast.Pass()]
    return ast.fix_missing_locations(function)


class _Lanes(ast.NodeTransformer):
    """Rewrites ``x[3]`` to the element of this lane, and ``t`` to ``t[lane]``."""

    def __init__(self, arrays: set[str], numbers: set[str], lanes: int) -> None:
        self.arrays, self.numbers, self.lanes = arrays, numbers, lanes

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id in self.arrays:
            place = ast.literal_eval(node.slice) * self.lanes
            offset = ast.parse(f"{place} + lane" if place else "lane", mode="eval").body
            return ast.Subscript(node.value, offset, node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.numbers:
            return ast.Subscript(node, ast.Name("lane", ast.Load()), node.ctx)
        return node


class _Blocks(ast.NodeTransformer):
    """Renames arrays to their row of this block."""

    def __init__(self, arrays: set[str]) -> None:
        self.arrays = arrays

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(f"{node.id}_block", node.ctx) if node.id in self.arrays else node
