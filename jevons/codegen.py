"""From a model's structure to generated source: one scalar body for plain Python and for numba.

Elements become ``x[i]``, ``p[i]``, ``v12``: no text of a model ever reaches the generated source.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from jevons import functions as fn
from jevons.elements import InitialUnknown, Parameter, Table
from jevons.errors import ModelError
from jevons.functions import TIME
from jevons.model import Model
from jevons.structure import Structure, switch_times


@dataclass(frozen=True)
class System:
    """A model as numbers in, derivatives out. Plain text and arrays, so it pickles.

    Attributes
    ----------
    stocks, variables, parameters, unknowns : tuple of str
        Names by position; hidden stocks included. `variables` are auxiliaries and flows.
    log : tuple of bool
        Which stocks are integrated as logarithms.
    defaults : tuple of float
        Parameter values of the model.
    guesses : tuple of float
        Where the fixed point of the initial unknowns starts.
    tables : tuple of float
        Points of all tables, one after the other.
    knots : tuple of float
        Dates at which drivers bend.
    n_switches : int
    start : float
    source : str
        Functions rhs, observe, jacobian, switches, unknowns and initial.
    """

    stocks: tuple[str, ...]
    variables: tuple[str, ...]
    parameters: tuple[str, ...]
    unknowns: tuple[str, ...]
    log: tuple[bool, ...]
    defaults: tuple[float, ...]
    guesses: tuple[float, ...]
    tables: tuple[float, ...]
    knots: tuple[float, ...]
    n_switches: int
    start: float
    source: str

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names in the order `observe` writes them."""
        return self.stocks + self.variables


def interpolate(table: Any, first: int, n: int, extrapolate: int, x: float) -> float:
    """Linear interpolation in points stored as n arguments followed by n values."""
    if not extrapolate:
        if x <= table[first]:
            return float(table[first + n])
        if x >= table[first + n - 1]:
            return float(table[first + 2 * n - 1])
    k = _interval(table, first, n, x)
    x0, x1 = table[first + k], table[first + k + 1]
    y0, y1 = table[first + n + k], table[first + n + k + 1]
    return float(y0 + (y1 - y0) * ((x - x0) / (x1 - x0)))


def interpolate_slope(table: Any, first: int, n: int, extrapolate: int, x: float) -> float:
    """Slope of `interpolate`; at a knot that of the interval to the right."""
    if not extrapolate and (x < table[first] or x >= table[first + n - 1]):
        return 0.0
    k = _interval(table, first, n, x)
    return float((table[first + n + k + 1] - table[first + n + k]) / (table[first + k + 1] - table[first + k]))


def _interval(table: Any, first: int, n: int, x: float) -> int:
    low, high = 0, n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x >= table[first + middle]:
            low = middle
        else:
            high = middle
    return low


PYTHON_NAMES: dict[str, Any] = {
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "pow": math.pow,
    "tanh": math.tanh,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "floor": math.floor,
    "abs": abs,
    "max": max,
    "min": min,
    "interpolate": interpolate,
    "interpolate_slope": interpolate_slope,
}


def generate(model: Model) -> System:
    """Generate the source of a model.

    Raises
    ------
    ModelError
        For functions that cannot be used in an equation.
    """
    structure = model.structure
    writer = _Writer(structure)
    mistakes = writer.mistakes()
    if mistakes:
        raise ModelError(f"model {model.name!r}", mistakes)
    parameters: list[Parameter] = structure.of(Parameter)
    unknowns: list[InitialUnknown] = structure.of(InitialUnknown)
    return System(
        stocks=tuple(s.name for s in structure.stocks),
        variables=structure.order,
        parameters=tuple(p.name for p in parameters),
        unknowns=tuple(u.name for u in unknowns),
        log=tuple(s.log for s in structure.stocks),
        defaults=tuple(float(p.value) for p in parameters),
        guesses=tuple(float(u.guess) for u in unknowns),
        tables=tuple(writer.table_values),
        knots=tuple(sorted({x for t in structure.of(Table) if _is_driver(t) for x, _ in t.points})),
        n_switches=len(writer.switches),
        start=model.start,
        source=writer.source(),
    )


def _is_driver(table: Table) -> bool:
    return type(table).__name__ == "Driver"


Statement = tuple[sp.Symbol, sp.Expr]


class _Writer:
    """Writes the functions of one model."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.stocks = structure.stocks
        self.equations = {name: structure.equation(name) for name in structure.order}
        starts = (*structure.initial_order, *structure.unknown_order)
        self.starts = {name: structure.initial(name) for name in starts}
        self.fixed_points = {u.name: structure.initial(u.name) for u in structure.of(InitialUnknown)}
        self.switches = self._switches()
        self.names: dict[sp.Symbol, str] = {TIME: "t"}
        self._name_switches()
        self.table_values: list[float] = []
        self.table_places: dict[str, tuple[int, int, int]] = {}
        for table in structure.of(Table):
            xs = [float(x) for x, _ in table.points]
            ys = [float(y) for _, y in table.points]
            place = (len(self.table_values), len(xs), int(table.outside == "extrapolate"))
            self.table_places[table.name] = place
            self.table_values += xs + ys
        for i, parameter in enumerate(structure.of(Parameter)):
            self.names[parameter.symbol] = f"p[{i}]"
        for i, unknown in enumerate(structure.of(InitialUnknown)):
            self.names[unknown.symbol] = f"u[{i}]"
        for i, stock in enumerate(self.stocks):
            self.names[stock.symbol] = f"x{i}"
        for i, name in enumerate(structure.order):
            self.names[structure.elements[name].symbol] = f"v{i}"
        self.printer = _Printer(self.names, self.table_places)

    def mistakes(self) -> list[str]:
        """What cannot be printed."""
        found = []
        for name, expression in {**self.starts, **self.equations, **self.fixed_points}.items():
            try:
                self.printer.doprint(expression)
            except TypeError as error:
                found.append(f"{name!r}: {error}")
        return found

    def _switches(self) -> list[sp.Expr]:
        dates: dict[sp.Expr, None] = {}
        for expression in (*self.equations.values(), *self.starts.values(), *self.fixed_points.values()):
            dates.update(dict.fromkeys(switch_times(expression)))
        return list(dates)

    def _name_switches(self) -> None:
        """Put one symbol for each switch, so that its date is never taken for a common subexpression."""
        symbols = {}
        for i, date in enumerate(self.switches):
            symbols[fn.Switch(date)] = sp.Dummy(f"switch_{i}", real=True)
            self.names[symbols[fn.Switch(date)]] = f"s[{i}]"
        for expressions in (self.equations, self.starts, self.fixed_points):
            expressions.update({name: e.xreplace(symbols) for name, e in expressions.items()})

    def source(self) -> str:
        structure = self.structure
        symbols = structure.elements
        equations = [(symbols[n].symbol, self.equations[n]) for n in structure.order]
        derivatives = []
        for i, stock in enumerate(self.stocks):
            net = structure.net_flow(stock.name)
            rate = net / stock.symbol if stock.log else net
            derivatives.append((sp.Symbol(f"derivative_{i}"), rate))
        statements = self._common_subexpressions(equations)
        states = [f"x{i} = {f'exp(x[{i}])' if s.log else f'x[{i}]'}" for i, s in enumerate(self.stocks)]
        needed = self._needed(statements, derivatives)
        rhs = states + self._lines(needed)
        rhs += [f"dx[{i}] = {self.printer.doprint(e)}" for i, (_, e) in enumerate(derivatives)]
        observe = states + self._lines(statements)
        n = len(self.stocks)
        observe += [f"out[{i}] = x{i}" for i in range(n)]
        observe += [f"out[{n + i}] = v{i}" for i in range(len(equations))]
        return "\n".join(
            [
                *_function("rhs", "t, x, p, s, tab, dx", rhs),
                *_function("observe", "t, x, p, s, tab, out", observe),
                *_function("jacobian", "t, x, p, s, tab, jac", states + self._jacobian(needed, derivatives)),
                *_function("switches", "p, out", self._switch_lines()),
                *_function("unknowns", "t, p, s, tab, u, out", self._unknown_lines()),
                *_function("initial", "t, p, s, tab, u, out", self._initial_lines()),
            ]
        )

    def _lines(self, statements: Iterable[Statement]) -> list[str]:
        return [f"{self.names[s]} = {self.printer.doprint(e)}" for s, e in statements]

    def _switch_lines(self) -> list[str]:
        return [f"out[{i}] = {self.printer.doprint(date)}" for i, date in enumerate(self.switches)]

    def _unknown_lines(self) -> list[str]:
        lines = self._start_lines(self.structure.unknown_order)
        for i, unknown in enumerate(self.structure.of(InitialUnknown)):
            lines.append(f"out[{i}] = {self.printer.doprint(self.fixed_points[unknown.name])}")
        return lines

    def _initial_lines(self) -> list[str]:
        lines = self._start_lines(self.structure.initial_order)
        return lines + [f"out[{i}] = x{i}" for i in range(len(self.stocks))]

    def _start_lines(self, order: Sequence[str]) -> list[str]:
        elements = self.structure.elements
        return self._lines((elements[name].symbol, self.starts[name]) for name in order)

    def _common_subexpressions(self, equations: list[Statement]) -> list[Statement]:
        # A Piecewise is evaluated lazily; pulling its parts out could divide by the zero it guards against.
        lazy = {s for s, e in equations if e.has(sp.Piecewise)}
        strict = [(s, e) for s, e in equations if s not in lazy]
        temporaries = (sp.Dummy(f"common_{i}", real=True) for i in itertools.count())
        replacements, reduced = sp.cse([e for _, e in strict], symbols=temporaries, order="none")
        for i, (s, _) in enumerate(replacements):
            self.names[s] = f"c{i}"
        definitions = dict(replacements)
        reduced_by_symbol = dict(zip((s for s, _ in strict), reduced, strict=True))
        result: list[Statement] = []
        written: set[sp.Symbol] = set()

        def write_common(e: sp.Expr) -> None:
            for s in sorted(e.free_symbols & definitions.keys(), key=lambda s: self.names[s]):
                if s not in written:
                    written.add(s)
                    write_common(definitions[s])
                    result.append((s, definitions[s]))

        for s, e in equations:
            e = reduced_by_symbol.get(s, e)
            write_common(e)
            result.append((s, e))
        return result

    def _needed(self, statements: list[Statement], targets: list[Statement]) -> list[Statement]:
        wanted = {s for _, e in targets for s in e.free_symbols}
        kept = []
        for s, e in reversed(statements):
            if s in wanted:
                kept.append((s, e))
                wanted |= e.free_symbols
        return kept[::-1]

    def _jacobian(self, statements: list[Statement], derivatives: list[Statement]) -> list[str]:
        """Forward accumulation of derivatives with respect to the integrated states."""
        lines: list[str] = []
        directions: dict[sp.Symbol, dict[int, str]] = {}
        for i, stock in enumerate(self.stocks):
            directions[stock.symbol] = {i: f"x{i}" if stock.log else "1.0"}
        counter = 0
        n = len(self.stocks)
        for s, e in [*statements, *derivatives]:
            sums: dict[int, list[str]] = {}
            moving = [a for a in e.free_symbols if directions.get(a)]
            for argument in sorted(moving, key=self.names.__getitem__):
                partial = _derivative(e, argument)
                if partial == 0:
                    continue
                lines.append(f"q{counter} = {self.printer.doprint(partial)}")
                for j, text in directions[argument].items():
                    sums.setdefault(j, []).append(f"q{counter}*{text}")
                counter += 1
            if s in self.names:
                lines.append(f"{self.names[s]} = {self.printer.doprint(e)}")
                directions[s] = {}
                for j, terms in sums.items():
                    lines.append(f"d{self.names[s]}_{j} = {' + '.join(terms)}")
                    directions[s][j] = f"d{self.names[s]}_{j}"
            else:
                row = derivatives.index((s, e))
                lines += [f"jac[{row * n + j}] = {' + '.join(terms)}" for j, terms in sums.items()]
        return lines


def _derivative(e: sp.Expr, argument: sp.Symbol) -> sp.Expr:
    """Derivative of an expression, with floor and sign constant between their jumps."""
    held = {node: sp.Dummy(real=True) for node in e.atoms(sp.floor, sp.sign)}
    partial = sp.diff(e.xreplace(held), argument)
    return partial.xreplace({dummy: node for node, dummy in held.items()})


def _function(name: str, arguments: str, lines: list[str]) -> list[str]:
    return [f"def {name}({arguments}):", *(f"    {line}" for line in lines or ["pass"]), ""]


def fraction(e: sp.Mul) -> tuple[list[sp.Expr], list[tuple[sp.Expr, sp.Expr]]]:
    """Factors of a product above the line, and (base, exponent) of those below it, exponents positive."""
    above: list[sp.Expr] = []
    below: list[tuple[sp.Expr, sp.Expr]] = []
    for factor in e.args:
        base, exponent = factor.as_base_exp()
        if exponent.is_Number and exponent < 0 and not isinstance(factor, sp.exp):
            below.append((base, -exponent))
        else:
            above.append(factor)
    return above, below


class _Printer:
    """Prints sympy expressions as Python; numbers at full precision."""

    functions: Mapping[Any, str] = {
        sp.exp: "exp",
        sp.log: "log",
        sp.tanh: "tanh",
        sp.sinh: "sinh",
        sp.cosh: "cosh",
        sp.sin: "sin",
        sp.cos: "cos",
        sp.tan: "tan",
        sp.floor: "floor",
        sp.Abs: "abs",
        sp.Max: "max",
        sp.Min: "min",
    }

    def __init__(
        self,
        names: Mapping[sp.Symbol, str],
        tables: Mapping[str, tuple[int, int, int]],
    ) -> None:
        self.names = names
        self.tables = tables

    def doprint(self, e: Any) -> str:
        if isinstance(e, sp.Symbol):
            return self.names[e]
        if (e.is_number and not e.args) or isinstance(e, sp.Rational):
            return repr(float(e))
        if isinstance(e, sp.Add):
            return "(" + " + ".join(self.doprint(a) for a in e.args) + ")"
        if isinstance(e, sp.Mul):
            return self._product(e)
        if isinstance(e, sp.Pow):
            return self._power(e.base, e.exp)
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        if isinstance(e, (sp.And, sp.Or)):
            word = " and " if isinstance(e, sp.And) else " or "
            return "(" + word.join(self.doprint(a) for a in e.args) + ")"
        if isinstance(e, sp.Not):
            return f"(not {self.doprint(e.args[0])})"
        if isinstance(e, sp.core.relational.Relational):
            left, right = (self.doprint(a) for a in e.args)
            return f"({left} {e.rel_op} {right})"
        if isinstance(e, sp.logic.boolalg.BooleanAtom):
            return str(bool(e))
        if isinstance(e, (fn.Lookup, fn.LookupSlope)):
            name = "interpolate" if isinstance(e, fn.Lookup) else "interpolate_slope"
            first, n, extrapolate = self.tables[e.args[0].name]
            return f"{name}(tab, {first}, {n}, {extrapolate}, {self.doprint(e.args[1])})"
        if isinstance(e, sp.sign):
            text = self.doprint(e.args[0])
            return f"(-1.0 if {text} < 0.0 else 1.0 if {text} > 0.0 else {text})"
        if isinstance(e, sp.Heaviside):  # in derivatives of Max and Min
            text = self.doprint(e.args[0])
            return f"(0.0 if {text} < 0.0 else 1.0 if {text} > 0.0 else 0.5)"
        for kind, name in self.functions.items():
            if isinstance(e, kind):
                return f"{name}({', '.join(self.doprint(a) for a in e.args)})"
        raise TypeError(f"function {type(e).__name__} cannot be used in an equation")

    def _product(self, e: sp.Mul) -> str:
        above, below = fraction(e)
        top = "*".join(self.doprint(factor) for factor in above) or "1.0"
        bottom = "*".join(self._power(base, exponent) for base, exponent in below)
        return f"({top}/({bottom}))" if below else f"({top})"

    def _power(self, base: Any, exponent: Any) -> str:
        if base == sp.E:
            return f"exp({self.doprint(exponent)})"
        if exponent.is_Number and exponent < 0:
            return f"(1.0/{self._power(base, -exponent)})"
        text = self.doprint(base)
        if exponent == 1:
            return text
        if exponent == sp.Rational(1, 2):
            return f"sqrt({text})"
        if exponent == 2 and isinstance(base, sp.Symbol):
            return f"({text}*{text})"
        return f"pow({text}, {self.doprint(exponent)})"

    def _piecewise(self, e: sp.Piecewise) -> str:
        text = "float('nan')" if e.args[-1].cond != sp.true else self.doprint(e.args[-1].expr)
        pairs = e.args if e.args[-1].cond != sp.true else e.args[:-1]
        for value, condition in reversed(pairs):
            text = f"({self.doprint(value)} if {self.doprint(condition)} else {text})"
        return text
