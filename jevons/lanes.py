"""From generated scalar functions to functions over lanes.

A lane function works on flat arrays in which the values of one quantity in all lanes lie side by side:
``x[i*lanes + lane]``. What does not differ between lanes is computed once; the rest becomes the body of one loop
over lanes, which a compiler turns into vector instructions. Functions of directions take one more leading
dimension, blocks of lanes, whose number is free at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from jevons.recursion import deep_recursion
from jevons.system import EXTRAPOLATE, FORWARD, HOLD, JUMPS

MOST_ELEMENTS = 220
"""Elements of arrays in one loop: LLVM stops telling them apart at 250, and such a loop is not made of vectors."""
MOST_POINTS = 64
"""Points of a table up to which interpolation is written out."""

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


@deep_recursion()
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
    assigned = [s for s in function.body if isinstance(s, ast.Assign)]
    if lanes > 1 and not blocks:
        assigned = [line for statement in assigned for line in _without_searches(statement)]
    arrays = {n.value.id for n in ast.walk(function) if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)}
    rewrite = _Lanes(set(laned) & arrays, set(laned) - arrays, lanes)
    moving = set(laned)
    once: list[ast.stmt] = []
    every: list[ast.Assign] = []
    for statement in assigned:
        target = statement.targets[0]
        name = target.id if isinstance(target, ast.Name) else target.value.id  # type: ignore[attr-defined]
        if name in moving or _names(statement.value) & moving:
            if isinstance(target, ast.Name):
                moving.add(name)
            every.append(rewrite.visit(statement))
        else:
            once.append(statement)
    loops = _split(every)
    shared = sorted(_crossing(loops))
    loops = [_with_workspace(loop, shared, lanes) for loop in loops] if shared else loops
    if blocks:
        loops = [[_Blocks(set(laned)).visit(statement) for statement in loop] for loop in loops]
    body: list[ast.stmt] = [_for("lane", str(lanes), loop) for loop in loops]
    if shared:
        body = [*_parse(f"workspace = empty({len(shared) * lanes})"), *body]
    if blocks and body:
        rows = [line for name in laned for line in _parse(f"{name}_block = {name}[block]")]
        body = [_for("block", f"{laned[-1]}.shape[0]", [*rows, *body])]
    function.body = [*_parse("prefer_wide_vectors()"), *once, *body]
    return ast.fix_missing_locations(function)


def _parse(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


def _for(variable: str, count: str, body: Sequence[ast.stmt]) -> ast.stmt:
    (loop,) = _parse(f"for {variable} in range({count}): pass")
    assert isinstance(loop, ast.For)
    loop.body = list(body)
    return loop


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _places(statements: Sequence[ast.stmt]) -> set[str]:
    """Elements of arrays that statements touch."""
    return {ast.unparse(n) for s in statements for n in ast.walk(s) if isinstance(n, ast.Subscript)}


def _split(statements: list[ast.Assign]) -> list[list[ast.Assign]]:
    """Statements in as few loops as keep the elements that each touches below what compilers can keep apart."""
    most = MOST_ELEMENTS
    while True:
        loops: list[list[ast.Assign]] = []
        touched: set[str] = set()
        for statement in statements:
            places = _places([statement])
            if not loops or len(touched | places) > most:
                loops.append([])
                touched = set()
            loops[-1].append(statement)
            touched |= places
        crossing = _crossing(loops)
        sizes = [len(_places(loop)) + len(crossing & set().union(*map(_names, loop))) for loop in loops]
        if max(sizes, default=0) <= MOST_ELEMENTS or most < MOST_ELEMENTS // 8:
            return loops
        most -= MOST_ELEMENTS // 16


def _crossing(loops: Sequence[Sequence[ast.Assign]]) -> set[str]:
    """Names made in one loop and used in a later one."""
    made: set[str] = set()
    crossing: set[str] = set()
    for loop in loops:
        used = {name for s in loop for name in _names(s.value)}
        crossing |= used & made
        made |= {s.targets[0].id for s in loop if isinstance(s.targets[0], ast.Name)}
    return crossing


def _with_workspace(loop: Sequence[ast.Assign], shared: Sequence[str], lanes: int) -> list[ast.Assign]:
    """The statements of a loop with the names it shares with others kept in an array between the loops."""
    made = {s.targets[0].id for s in loop if isinstance(s.targets[0], ast.Name)}
    used = {name for s in loop for name in _names(s.value)}
    place = {name: f"workspace[{i * lanes} + lane]" for i, name in enumerate(shared)}
    lines = [f"{name} = {place[name]}" for name in shared if name in used and name not in made]
    result: list[ast.stmt] = [line for text in lines for line in _parse(text)]
    for statement in loop:
        result.append(statement)
        target = statement.targets[0]
        if isinstance(target, ast.Name) and target.id in place:
            result += _parse(f"{place[target.id]} = {target.id}")
    return [s for s in result if isinstance(s, ast.Assign)]


def _without_searches(statement: ast.Assign) -> list[ast.Assign]:
    """A statement with interpolation in tables written out as sums, which lanes can do side by side."""
    unrolled = _Unrolled()
    rewritten = unrolled.visit(statement)
    return [*unrolled.lines, rewritten]


class _Unrolled(ast.NodeTransformer):
    """Replaces ``interpolate(tab, first, n, how, x)`` and its slope by branch-free sums over the intervals."""

    def __init__(self) -> None:
        self.lines: list[ast.Assign] = []

    def _add(self, text: str) -> None:
        self.lines += [s for s in _parse(text) if isinstance(s, ast.Assign)]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in ("interpolate", "interpolate_slope"):
            return node
        first, n, how = (int(ast.literal_eval(a)) for a in node.args[1:4])
        if n > MOST_POINTS or how >= JUMPS:
            return node
        extrapolate = how == EXTRAPOLATE
        if how in (HOLD, FORWARD):
            return self._steps(name, first, n, how, node.args[4])
        x = f"at_{first}_{len(self.lines)}_{name[-5:]}"
        self._add(f"{x} = {ast.unparse(node.args[4])}")
        for k in range(n - 1):
            xs, ys = f"tab[{first + k + 1}] - tab[{first + k}]", f"tab[{first + n + k + 1}] - tab[{first + n + k}]"
            self._add(f"slope_{first}_{k} = ({ys}) / ({xs})")
        slopes = [f"slope_{first}_{k}" for k in range(n - 1)]
        if name == "interpolate_slope":
            text = slopes[0]
            for k in range(1, n - 1):
                text = f"({slopes[k]} if {x} >= tab[{first + k}] else {text})"
            outside = f"0.0 if {x} < tab[{first}] or {x} >= tab[{first + n - 1}] else "
            text = text if extrapolate else f"({outside}{text})"
        else:
            text = f"tab[{first + n}]"
            for k in range(n - 1):
                part = f"{x} - tab[{first + k}]"
                if k > 0 or not extrapolate:
                    part = f"max({part}, 0.0)"
                if k < n - 2 or not extrapolate:
                    part = f"min({part}, tab[{first + k + 1}] - tab[{first + k}])"
                text += f" + {slopes[k]} * ({part})"
        return ast.parse(text, mode="eval").body

    def _steps(self, name: str, first: int, n: int, how: int, argument: ast.expr) -> ast.AST:
        """The value of the last point at or before `x`, or of the next at or after it."""
        if name == "interpolate_slope":
            return ast.Constant(0.0)
        x = f"at_{first}_{len(self.lines)}_steps"
        self._add(f"{x} = {ast.unparse(argument)}")
        text = f"tab[{first + n}]"
        reached = ">=" if how == HOLD else ">"
        for k in range(1, n):
            at = first + (k if how == HOLD else k - 1)
            text = f"(tab[{first + n + k}] if {x} {reached} tab[{at}] else {text})"
        return ast.parse(text, mode="eval").body


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
