"""From a model's structure to generated source: one scalar body for plain Python and for numba.

Elements become ``x[i]``, ``p[i]``, ``v12``: no text of a model ever reaches the generated source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy as sp

from jevons import functions as fn
from jevons.derivatives import Statement, Tangents, derivative
from jevons.elements import Driver, InitialUnknown, Parameter, Table
from jevons.errors import ModelError
from jevons.functions import TIME
from jevons.lowering import Literal
from jevons.model import Model
from jevons.printer import Printer
from jevons.recursion import deep_recursion
from jevons.rewriting import Rewriting
from jevons.structure import Structure, switch_times
from jevons.system import System, interpolation_code

MOST_NOISY_DATES = 200_000
"""Dates at which noise may change where integration restarts at each."""
MOST_JACOBIAN = 60_000
"""Statements times states up to which the Jacobian is written out; beyond it is taken by differences."""
_SAME_DATE = 1e-9


@deep_recursion()
def generate(model: Model, break_points: bool = True) -> System:
    """Generate the source of a model.

    Parameters
    ----------
    break_points : bool
        Whether dates become switches and knots, at which integration restarts. Without, they are compared with time
        wherever an equation is evaluated: for steps over a given grid.

    Raises
    ------
    ModelError
        For functions that cannot be used in an equation.
    """
    structure = model.structure
    writer = _Writer(structure, None if break_points else _literal(model))
    mistakes = writer.mistakes()
    if mistakes:
        raise ModelError(f"model {model.name!r}", mistakes)
    parameters: list[Parameter] = structure.of(Parameter)
    unknowns: list[InitialUnknown] = structure.of(InitialUnknown)
    source = writer.source()
    return System(
        stocks=tuple(s.name for s in structure.stocks),
        variables=structure.order,
        parameters=tuple(p.name for p in parameters),
        unknowns=tuple(u.name for u in unknowns),
        log=tuple(s.log for s in structure.stocks),
        defaults=tuple(float(p.value) for p in parameters),
        guesses=tuple(float(u.guess) for u in unknowns),
        tables=tuple(writer.table_values),
        knots=_knots(model) if break_points else (),
        n_switches=len(writer.switches),
        n_constants=len(writer.constants),
        start=model.start,
        source=source,
    )


@deep_recursion()
def generate_tangents(model: Model, break_points: bool = True) -> str:
    """Source of the directional derivatives of a model's generated functions (`break_points` as in `generate`).

    Functions constants_tangent, rhs_tangent, observe_tangent, switches_tangent, unknowns_tangent and
    initial_tangent: the arguments and results of their namesakes, and of each the derivative along one direction
    (``xd`` beside ``x``, ``pd`` beside ``p``, ``td`` beside ``t``).
    """
    return _Writer(model.structure, None if break_points else _literal(model)).tangents()


def _literal(model: Model) -> Literal:
    """How dates are compared with time: one may lie ahead by half of the model's step, where it names one."""
    name = getattr(model.settings, "time_step", None)
    return Literal(sp.Float(_SAME_DATE) if name is None else fn.symbol(name) / 2)


def _knots(model: Model) -> tuple[float, ...]:
    """Dates at which drivers bend, and every date of the model's grid where noise changes at each."""
    structure, settings = model.structure, model.settings
    dates = {float(x) for t in structure.of(Driver) for x, _ in t.points}
    noisy = any(
        sp.sympify(e).has(fn.Noise) for element in structure.elements.values() for _, e in element.expressions()
    )
    if noisy and settings is not None:
        steps = max(0, round((settings.end - model.start) / settings.dt))
        if steps > MOST_NOISY_DATES:
            found = f"noise changes at {steps:,} dates, expected at most {MOST_NOISY_DATES:,} for adaptive methods"
            raise ModelError(f"model {model.name!r}", [f"{found}; run it by fixed steps, or with a larger dt"])
        dates |= {model.start + k * settings.dt for k in range(steps + 1)}
    return tuple(sorted(dates))


class _Writer:
    """Writes the functions of one model."""

    def __init__(self, structure: Structure, literal: Literal | None) -> None:
        self.structure, self.literal = structure, literal
        self.stocks = structure.stocks
        self.equations = {name: structure.equation(name, literal) for name in structure.order}
        starts = dict.fromkeys((*structure.initial_order, *structure.unknown_order))
        self.starts = {name: structure.initial(name, literal) for name in starts}
        self.fixed_points = {u.name: structure.initial(u.name, literal) for u in structure.of(InitialUnknown)}
        self.switches = self._switches()
        self.names: dict[sp.Symbol, str] = {TIME: "t"}
        self._name_switches()
        self._parameters = frozenset(p.symbol for p in structure.of(Parameter))
        self.rewriting = Rewriting(self._parameters, self.names)
        self.constants = self.rewriting.constants
        self.table_values: list[float] = []
        self.table_places: dict[str, tuple[int, int, int]] = {}
        for table in structure.of(Table):
            xs = [float(x) for x, _ in table.points]
            ys = [float(y) for _, y in table.points]
            place = (len(self.table_values), len(xs), interpolation_code(table.between, table.outside, xs))
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
        self.printer = Printer(self.names, self.table_places)

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
        n = len(self.stocks)
        statements, derivatives = self._dynamics()
        states = [f"x{i} = {f'exp(x[{i}])' if s.log else f'x[{i}]'}" for i, s in enumerate(self.stocks)]
        needed = self._needed(statements, derivatives)
        rhs = states + self._lines(needed)
        rhs += [f"dx[{i}] = {self.printer.doprint(e)}" for i, (_, e) in enumerate(derivatives)]
        observe = states + self._lines(statements)
        observe += [f"out[{i}] = x{i}" for i in range(n)]
        observe += [f"out[{n + i}] = v{i}" for i in range(len(self.structure.order))]
        constants = self._lines((symbol, e) for e, symbol in self.constants.items())
        shallow = not any(self.rewriting.nested(e) for _, e in needed)
        written = self.literal is None and shallow and len(needed) * n <= MOST_JACOBIAN
        rates = self._rate_lines(derivatives) if self.literal else []
        jacobian = self._jacobian(needed, derivatives) or ["pass"] if written else []
        return "\n".join(
            [
                *_function("constants", "p, tab", constants),
                *_function("rhs", "t, x, p, s, tab, dx", rhs),
                *_function("observe", "t, x, p, s, tab, out", observe),
                *(_function("rates", "out, dx", rates) if rates else []),
                *(_function("jacobian", "t, x, p, s, tab, jac", states + jacobian) if jacobian else []),
                *_function("switches", "p, out", self._switch_lines()),
                *_function("unknowns", "t, p, s, tab, u, out", self._unknown_lines()),
                *_function("initial", "t, p, s, tab, u, out", self._initial_lines()),
            ]
        )

    def tangents(self) -> str:
        """Source of the directional derivatives."""
        elements, n = self.structure.elements, len(self.stocks)
        statements, derivatives = self._dynamics()
        dates = {symbol: self.names[symbol] for symbol in self.names if self.names[symbol].startswith("s[")}

        def tangents(*moving: str) -> Tangents:
            directions = {s: f"{text[0]}d{text[1:]}" for s, text in self.names.items() if text[0] in moving}
            directions = {s: d for s, d in directions.items() if s not in dates and ("[" in d or s == TIME)}
            return Tangents(dict(self.names), self.printer_of, directions)

        constants = tangents("p")
        constants.statements((symbol, e) for e, symbol in self.constants.items())
        rhs, observe = tangents("p", "t"), tangents("p", "t")
        for function in (rhs, observe):
            for i, stock in enumerate(self.stocks):
                function.state(stock.symbol, i, stock.log)
        rhs.statements(self._needed(statements, derivatives))
        rhs.targets([(f"dx[{i}]", f"dxd[{i}]", e) for i, (_, e) in enumerate(derivatives)])
        observe.statements(statements)
        symbols = [s.symbol for s in self.stocks] + [elements[name].symbol for name in self.structure.order]
        observe.targets([(f"out[{i}]", f"outd[{i}]", symbol) for i, symbol in enumerate(symbols)])
        switches = tangents("p")
        switches.targets([(f"out[{i}]", f"outd[{i}]", date) for i, date in enumerate(self.switches)])
        unknowns, initial = tangents("p", "u"), tangents("p", "u")
        fixed_points = [self.fixed_points[u.name] for u in self.structure.of(InitialUnknown)]
        unknowns.statements((elements[name].symbol, self.starts[name]) for name in self.structure.unknown_order)
        unknowns.targets([(f"out[{i}]", f"outd[{i}]", e) for i, e in enumerate(fixed_points)])
        initial.statements((elements[name].symbol, self.starts[name]) for name in self.structure.initial_order)
        initial.targets([(f"out[{i}]", f"outd[{i}]", symbols[i]) for i in range(n)])
        return "\n".join(
            [
                *_function("constants_tangent", "p, tab, pd", constants.lines()),
                *_function("rhs_tangent", "t, x, p, s, tab, dx, td, xd, pd, dxd", rhs.lines()),
                *_function("observe_tangent", "t, x, p, s, tab, out, td, xd, pd, outd", observe.lines()),
                *_function("switches_tangent", "p, out, pd, outd", switches.lines()),
                *_function("unknowns_tangent", "t, p, s, tab, u, out, pd, ud, outd", unknowns.lines()),
                *_function("initial_tangent", "t, p, s, tab, u, out, pd, ud, outd", initial.lines()),
            ]
        )

    def printer_of(self, names: dict[sp.Symbol, str]) -> Printer:
        """A printer with names of its own."""
        return Printer(names, self.table_places)

    def _dynamics(self) -> tuple[list[Statement], list[Statement]]:
        """Statements of auxiliaries and flows with what they share, and derivatives of the integrated states."""
        elements = self.structure.elements
        equations = self.rewriting.without_constants(
            (elements[n].symbol, self.equations[n]) for n in self.structure.order
        )
        derivatives = []
        for i, stock in enumerate(self.stocks):
            net = self.structure.net_flow(stock.name)
            derivatives.append((sp.Symbol(f"derivative_{i}"), net / stock.symbol if stock.log else net))
        return self.rewriting.shared(equations), derivatives

    def _lines(self, statements: Iterable[Statement]) -> list[str]:
        return [f"{self.names[s]} = {self.printer.doprint(e)}" for s, e in statements]

    def _rate_lines(self, derivatives: list[Statement]) -> list[str]:
        """Derivatives of the states from the outputs, where these are known already."""
        symbols = [*(s.symbol for s in self.stocks), *(self.structure.elements[n].symbol for n in self.structure.order)]
        printer = self.printer_of({symbol: f"out[{i}]" for i, symbol in enumerate(symbols)})
        return [f"dx[{i}] = {printer.doprint(e)}" for i, (_, e) in enumerate(derivatives)]

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
                partial = derivative(e, argument)
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


def _function(name: str, arguments: str, lines: list[str]) -> list[str]:
    return [f"def {name}({arguments}):", *(f"    {line}" for line in lines or ["pass"]), ""]
