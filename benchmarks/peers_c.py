"""The limit: a C program made from the same equations, members in the lanes of vector units, on threads."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from equations import FIXED_POINT_ITERATIONS, FIXED_POINT_TOLERANCE, Equations
from measure import NotInstalled
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-std=gnu11")
VARIANTS = tuple((f"-DB={lanes}", *more) for lanes in (8, 16, 32) for more in ((), ("-mprefer-vector-width=512",)))
"""Lanes and width of vectors that are tried; the fastest program is taken."""
TRIAL, SHORTEST = 256, 0.02
"""Members of a trial at first, and seconds that it must last."""
_CALLS = {"abs": "fabs", "max": "larger", "min": "smaller"}
_SAME = {"exp", "log", "sqrt", "pow", "tanh", "sinh", "cosh", "sin", "cos", "tan", "floor", "interpolate"}
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_SIGNATURES = {
    "constants": "lanes *restrict p",
    "rhs": "double t, const lanes *restrict x, const lanes *restrict p, const double *restrict s, lanes *restrict dx",
    "observe": "double t, const lanes *restrict x, const lanes *restrict p, const double *restrict s, "
    "lanes *restrict out",
    "unknowns": "double t, const lanes *restrict p, const double *restrict s, const lanes *restrict u, "
    "lanes *restrict out",
    "initial": "double t, const lanes *restrict p, const double *restrict s, const lanes *restrict u, "
    "lanes *restrict out",
}


def to_c(source: str, chosen: Iterable[int]) -> str:
    """The generated functions as C, each one loop over lanes; `observe` writes the chosen outputs only."""
    places = {column: j for j, column in enumerate(chosen)}
    functions = [f for f in ast.parse(source).body if isinstance(f, ast.FunctionDef) and f.name in _SIGNATURES]
    texts = [_function(f, places if f.name == "observe" else None) for f in functions]
    if not any(f.name == "constants" for f in functions):
        texts.append("static inline void constants(lanes *restrict p) { (void)p; }")
    return "\n\n".join(texts)


def _function(function: ast.FunctionDef, chosen: dict[int, int] | None) -> str:
    lines: list[str] = []
    declared: set[str] = set()
    for statement in function.body:
        if isinstance(statement, ast.Pass):
            continue
        assert isinstance(statement, ast.Assign), ast.dump(statement)
        target = statement.targets[0]
        value = _expression(statement.value)
        if isinstance(target, ast.Name):
            kind = "" if target.id in declared else "double "
            declared.add(target.id)
            lines.append(f"{kind}{target.id} = {value};")
            continue
        assert isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name)
        place = _index(target)
        if chosen is None:
            lines.append(f"{target.value.id}[{place}][b] = {value};")
        elif place in chosen:
            lines.append(f"{target.value.id}[{chosen[place]}][b] = {value};")
    head = f"static void {function.name}({_SIGNATURES[function.name]})\n{{"
    loop = "#pragma omp simd\n    for (int b = 0; b < B; b++) {"
    return "\n".join([head, loop, *(f"        {line}" for line in lines), "    }", "}"])


def _index(node: ast.Subscript) -> int:
    assert isinstance(node.slice, ast.Constant)
    assert isinstance(node.slice.value, int)
    return node.slice.value


def _expression(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=bool() as value):
            return str(int(value))
        case ast.Constant(value=value):
            return repr(float(value))  # type: ignore[arg-type]
        case ast.Name(id=name):
            return name
        case ast.Subscript(value=ast.Name(id=name)):
            return f"{name}[{_index(node)}]" + ("" if name in ("s", "tab") else "[b]")
        case ast.BinOp(left=left, op=op, right=right):
            return f"({_expression(left)} {_OPERATORS[type(op)]} {_expression(right)})"
        case ast.UnaryOp(op=op, operand=operand):
            return f"({'!' if isinstance(op, ast.Not) else '-'}{_expression(operand)})"
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return f"({_expression(test)} ? {_expression(body)} : {_expression(orelse)})"
        case ast.BoolOp(op=op, values=values):
            return "(" + (" && " if isinstance(op, ast.And) else " || ").join(map(_expression, values)) + ")"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return f"({_expression(left)} {_COMPARISONS[type(op)]} {_expression(right)})"
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, arguments)
    raise ValueError(f"no C for {ast.dump(node)[:80]}")


def _call(name: str, arguments: list[ast.expr]) -> str:
    if name == "float":
        return "NAN"
    if name == "interpolate":
        first, n, extrapolate = (ast.literal_eval(a) for a in arguments[1:4])
        return f"interpolate(tab, {first}, {n}, {extrapolate}, {_expression(arguments[4])})"
    if name in ("max", "min"):
        text = _expression(arguments[0])
        for argument in arguments[1:]:
            text = f"{_CALLS[name]}({text}, {_expression(argument)})"
        return text
    if name not in _SAME and name not in _CALLS:
        raise ValueError(f"no C for the function {name}")
    return f"{_CALLS.get(name, name)}({', '.join(map(_expression, arguments))})"


def program(equations: Equations) -> str:
    """Text of the C program."""
    start_row = (
        equations.switches[0] if equations.nodes[0] == equations.start else np.zeros(equations.switches.shape[1])
    )
    switch_rows = ", ".join("{" + (_list(row) or "0.0") + "}" for row in equations.switches)
    fields = {
        "N_STOCKS": equations.n_stocks,
        "N_VECTOR": equations.n_vector,
        "N_UNKNOWNS": len(equations.guesses),
        "N_VARIED": equations.places.size,
        "N_CHOSEN": equations.columns.size,
        "N_NODES": equations.nodes.size,
        "N_SWITCHES": equations.switches.shape[1],
        "N_REPORTS": equations.report.size,
        "ITERATIONS": FIXED_POINT_ITERATIONS,
        "TOLERANCE": FIXED_POINT_TOLERANCE,
        "TABLES": _list(equations.tables),
        "BASE": _list(equations.base),
        "GUESSES": _list(equations.guesses) or "0.0",
        "LOG": _list(map(int, equations.log)),
        "PLACES": _list(map(int, equations.places)),
        "NODES": _list(equations.nodes),
        "STEPS": _list(map(int, equations.steps)),
        "SWITCHES": switch_rows,
        "START_SWITCHES": _list(start_row) or "0.0",
        "REPORT": _list(map(int, equations.report)),
        "FUNCTIONS": to_c(equations.source, map(int, equations.columns)),
        "CONSTANTS": "constants(p);",
    }
    text = Path(__file__).with_name("ensemble.c.in").read_text(encoding="utf-8")
    for name, value in fields.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def _list(values: Iterable[float]) -> str:
    return ", ".join(repr(x.item() if isinstance(x, np.generic) else x) for x in values)


class CProgram:
    """The compiled program, in a folder of its own that lives as long as it does."""

    def __init__(self, equations: Equations, compiler: str = "gcc") -> None:
        if shutil.which(compiler) is None:
            raise NotInstalled(f"{compiler} is not there")
        self.shape = (equations.report.size, equations.columns.size)
        self._folder = tempfile.TemporaryDirectory(prefix="jevons-bench-")
        self.folder = Path(self._folder.name)
        source = self.folder / "ensemble.c"
        source.write_text(program(equations), encoding="utf-8")
        centre, members = equations.base[equations.places], TRIAL
        tried: list[tuple[float, Path, tuple[str, ...]]] = []
        for k, more in enumerate(VARIANTS):
            self.binary = self.folder / f"ensemble-{k}"
            command = [compiler, *FLAGS, *more, str(source), "-o", str(self.binary), "-lm"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode and k == 0:
                raise RuntimeError(f"{compiler}: {done.stderr[:300]}")
            if done.returncode == 0:
                while self.seconds(np.tile(centre, (members, 1))) < SHORTEST and not tried:
                    members *= 2
                trial = np.tile(centre, (members, 1))
                tried.append((min(self.seconds(trial) for _ in range(5)), self.binary, (*FLAGS, *more)))
        _, self.binary, self.flags = min(tried)

    def run(self, rows: Floats, threads: int = 2) -> Floats:
        """Values: members, dates, outputs."""
        out = self.folder / "out"
        self._call(rows, threads, str(out))
        return np.fromfile(out).reshape(len(rows), *self.shape)

    def seconds(self, rows: Floats, threads: int = 2) -> float:
        """Wall time of the computing alone, measured by the program."""
        return self._call(rows, threads)

    def _call(self, rows: Floats, threads: int, *more: str) -> float:
        path = self.folder / "rows"
        np.ascontiguousarray(rows).tofile(path)
        command = [str(self.binary), str(path), str(len(rows)), str(threads), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)
