"""Link scores along a run: how much of each variable's change comes along each of its links.

References
----------
.. [Schoenberg2020] Schoenberg, W., Davidsen, P., Eberlein, R. (2020). Understanding model behavior using the Loops
   that Matter method. System Dynamics Review 36(2), 158-190.
.. [Schoenberg2023] Schoenberg, W., Hayward, J., Eberlein, R. (2023). Improving Loops that Matter. System Dynamics
   Review 39(2), 140-151.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from jevons import functions as fn
from jevons import integrate
from jevons.derivatives import derivative
from jevons.elements import Auxiliary, Flow, Parameter, Table
from jevons.errors import IntegrationError, JevonsError
from jevons.functions import TIME, symbol
from jevons.lowering import Literal
from jevons.printer import Printer
from jevons.recursion import deep_recursion
from jevons.run_settings import FIXED, choose
from jevons.structure import Structure, lower, references, switch_times
from jevons.system import PYTHON_NAMES, RunnableModel, interpolation_code
from jevons.trajectory import Trajectory

if TYPE_CHECKING:
    from jevons.model import Model

Floats = NDArray[np.float64]

STILL = 1e-8
"""A stock stands still where its rate, kept up for the whole run, would move it by less than this share of itself."""
ROUNDING = 1e-12
"""A sum this small beside the sum of its terms' sizes is zero."""
SAME_RUN = 1e-6
"""Largest relative difference between a run and the model's equations evaluated at its stocks."""
LONGEST_NAME = 40
"""Letters up to which a part of an equation is called by its own text."""
_SAME_DATE = 1e-9


def _scalar(function: Any) -> Any:
    return lambda *arguments: np.float64(function(*arguments))


_NAMESPACE: dict[str, Any] = {
    **{name: _scalar(function) for name, function in PYTHON_NAMES.items()},
    **{n: getattr(np, n) for n in ("exp", "log", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan", "floor", "ceil")},
    **{n: getattr(np, f"arc{n[1:]}") for n in ("asin", "acos", "atan")},
    "abs": np.abs, "pow": np.power, "number": np.float64, "float": float,
    "max": lambda *a: functools.reduce(np.maximum, a), "min": lambda *a: functools.reduce(np.minimum, a),
    "__builtins__": {},
}  # fmt: skip
"""What generated functions call: numpy scalars, which give NaN or infinity where mathematics ends."""


class _NumpyNumbers(ast.NodeTransformer):
    """Turns literals into numpy scalars, for quotients of which no part is a variable."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, float):
            return ast.Call(ast.Name("number", ast.Load()), [node], [])
        return node


@dataclass(frozen=True)
class LinkScores:
    """Score of every link at every date.

    Attributes
    ----------
    times : array of shape (dates,)
        In the model's unit of time.
    names : tuple of str
        Stocks, then flows, auxiliaries and parts of equations, each after what it needs.
    stocks : int
        How many of the names are stocks.
    links : tuple of (int, int)
        Places of source and target of each link.
    scores : array of shape (links, dates)
        Dimensionless; NaN where a derivative is not finite.
    rates : array of shape (names, dates)
        Derivative of each name with respect to time, in its unit per unit of time.
    """

    times: Floats
    names: tuple[str, ...]
    stocks: int
    links: tuple[tuple[int, int], ...]
    scores: Floats
    rates: Floats


def link_scores(model: Model, run: Trajectory, *, every: float | None = None, parts: bool = False) -> LinkScores:
    """Scores of all links at dates of a run.

    Equation   x → z of an equation: ∂z/∂x |x'/z'|;  flow f → stock: ± |f'/n'|, n the stock's net flow;
               z' = Σ ∂z/∂x x' + ∂z/∂t; 0 where x' = 0, z' = 0 or n' = 0
    Valid for  continuous time, between break points; at a break point the values just after it. Of a run in Euler steps
               these are the derivatives at its states, where the published method takes differences over a step
    Source     continuous form: [Schoenberg2020]_, appendix A; flows: [Schoenberg2023]_

    Parameters
    ----------
    every : float, optional
        Distance of the dates, a multiple of the run's; all of the run's dates by default.
    parts : bool
        Give a name of its own to each term and factor of an equation that shares a variable with another, so that
        loops which the equation holds in one link are told apart.

    Raises
    ------
    JevonsError
        If the run did not finish, is of another model or other parameter values, or lacks the dates.
    """
    if not run.status.ok:
        raise IntegrationError(run.status)
    missing = sorted(set(_visible(model)) - set(run.names))
    if missing:
        raise JevonsError(f"run of {run.model!r} lacks {', '.join(missing)} of model {model.name!r}")
    rows = _rows(run, every)
    graph, x, values, partials, explicit = _evaluated(model, run, rows, parts)
    span = float(run.times[-1]) - model.start
    still = STILL * np.abs(x) / span if span > 0 else np.zeros_like(x)
    rates, scores = graph.scores(values, partials, explicit, still)
    return LinkScores(run.times[rows], tuple(graph.names), len(x), tuple(graph.links), scores, rates)


def _visible(model: Model) -> Iterable[str]:
    structure = model.structure
    return (n for n in (*(s.name for s in structure.stocks), *structure.order) if n not in structure.hidden)


def _rows(run: Trajectory, every: float | None) -> NDArray[np.intp]:
    """Places of the dates that are `every` apart."""
    if every is None:
        return np.arange(run.times.size)
    spacing = float(np.diff(run.times).min()) if run.times.size > 1 else 0.0
    count = np.floor((run.times[-1] - run.times[0]) / every + 1e-6) + 1 if every > 0 else 1
    wanted = run.times[0] + every * np.arange(count)
    rows: NDArray[np.intp] = np.abs(run.times[:, None] - wanted).argmin(axis=0)
    if every <= 0 or np.abs(run.times[rows] - wanted).max() > 1e-6 * every:
        raise JevonsError(f"every {every:g}, expected a multiple of the run's distance of dates, {spacing:g}")
    return rows


def _evaluated(
    model: Model, run: Trajectory, rows: NDArray[np.intp], parts: bool
) -> tuple[_Graph, Floats, Floats, Floats, Floats]:
    """The graph, and stocks, values, partial and explicit derivatives of the run.

    A run does not say how it was made. One of a model with settings was most likely made by them; if it was not, it is
    one that restarts at break points.

    Raises
    ------
    JevonsError
        If the run is neither.
    """
    stocks = [s.name for s in model.structure.stocks]
    stepped = model.settings is not None and model.settings.method in FIXED
    mistake: JevonsError | None = None
    for as_set in (True, False) if stepped else (False,):
        graph = _graph(model, parts, as_set)
        try:
            known = run if set(stocks) <= set(run.names) else _with_hidden(model, run, as_set)
            x = np.array([known[name].to_numpy()[rows] for name in stocks]).reshape(len(stocks), rows.size)
            values, partials, explicit = graph.evaluate(model, run.times[rows], x)
            _check_same(graph, run, rows, values, partials)
        except JevonsError as error:
            mistake = mistake or error
            continue
        return graph, x, values, partials, explicit
    assert mistake is not None
    raise mistake


def _with_hidden(model: Model, run: Trajectory, as_set: bool) -> Trajectory:
    """The run made again, with the hidden stocks of delays among its names: by the model's settings, or adaptively."""
    plain = integrate.runnable(model, not as_set)
    names = plain.system.outputs
    seen = dataclasses.replace(plain, names=names, units={n: model.unit(n) for n in names})
    if as_set:
        return _stepped(model, seen, run)
    every = float(run.times[1] - run.times[0]) if run.times.size > 1 else 1.0
    end = float(run.times[-1]) if run.times.size > 1 else float(run.times[0]) + every
    again = integrate.run(seen, float(run.times[0]), end, every=every)
    if again.times.size < run.times.size or not np.allclose(
        again.times[: run.times.size], run.times, atol=1e-6 * every
    ):
        raise JevonsError("the run's dates are not evenly spaced, which delays need: make it with run(start, end)")
    return again


def _stepped(model: Model, seen: RunnableModel, run: Trajectory) -> Trajectory:
    """A run over the steps of the model's settings, at the dates of another."""
    system = seen.system
    p = integrate.parameter_vector(model, system, None)
    chosen = choose(model.settings, None, None, False, FIXED, "Euler").tied(system.parameters, p, None)
    grid = chosen.grid(model.start, run.times)
    dates = grid.dates[grid.places]
    values, status = integrate.fixed_steps(system, p, dates, FIXED[chosen.method], chosen.dt, grid=grid)
    if not status.ok:
        raise IntegrationError(status)
    return Trajectory(run.times, values[grid.rows], seen.names, seen.units, status, model.name, model.time_unit)


def _check_same(graph: _Graph, run: Trajectory, rows: NDArray[np.intp], values: Floats, partials: Floats) -> None:
    places = {name: i for i, name in enumerate(graph.names)}
    # a difference of large terms is known less well than its size says
    rounding = np.zeros_like(values)
    for i, inputs in enumerate(graph.inputs):
        for link in inputs:
            term = np.nan_to_num(partials[link], posinf=0.0, neginf=0.0) * values[graph.links[link][0]]
            rounding[graph.n_stocks + i] += ROUNDING * np.abs(term)
    wrong = []
    for name in run.names:
        given, found = run[name].to_numpy()[rows], values[places[name]]
        off = np.where(
            np.isnan(given), 0.0, np.abs(given - found)
        )  # a variable may be without a value in imported models
        if not (off <= SAME_RUN * np.nanmax(np.abs(given), initial=0.0) + rounding[places[name]]).all():
            at = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
            wrong.append(f"{name} at {run.times[rows][at]:g}: {given[at]:g} in the run, {found[at]:g} in the model")
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise JevonsError(
            f"the run is not one of this model with these parameter values ({'; '.join(wrong[:3])}{more}); "
            "for other values use model.with_values(values) and run that"
        )


@deep_recursion()
def _graph(model: Model, parts: bool, as_set: bool) -> _Graph:
    """The graph of a model; `as_set` with dates compared with time at every step, as its settings' runs do."""
    name = model.settings.time_step if model.settings else None
    literal = Literal(sp.Float(_SAME_DATE) if name is None else symbol(name) / 2) if as_set else None
    return _Graph(model.structure, parts, literal)


class _Graph:
    """Equations of a model, their partial derivatives, and the links they make."""

    def __init__(self, structure: Structure, parts: bool, literal: Literal | None = None) -> None:
        self.structure = structure
        stocks = [s.name for s in structure.stocks]
        nodes = {*stocks, *structure.order}
        equations: dict[str, sp.Expr] = {}
        for name in structure.order:
            element = structure.elements[name]
            assert isinstance(element, (Auxiliary, Flow))
            equation = sp.sympify(element.equation)
            equations[name] = _divided(equation, name, nodes, equations) if parts else equation
        self.names = [*stocks, *equations]
        place = {name: i for i, name in enumerate(self.names)}
        self.n_stocks = len(stocks)
        lowered = [
            lower(e, structure.elements, constants=structure.constants, literal=literal) for e in equations.values()
        ]
        self.switches = list(dict.fromkeys(date for e in lowered for date in switch_times(e)))
        held = {fn.Switch(date): sp.Dummy(f"switch_{i}", real=True) for i, date in enumerate(self.switches)}
        self.equations = [e.xreplace(held) for e in lowered]
        self.held = list(held.values())
        self.inputs: list[list[int]] = []  # links into each equation
        self.links: list[tuple[int, int]] = []
        self.partials: list[sp.Expr] = []
        for i, equation in enumerate(self.equations):
            self.inputs.append([])
            for source in sorted(references(equation) & place.keys(), key=place.__getitem__):
                partial = derivative(equation, symbol(source))
                if partial != 0:
                    self.inputs[-1].append(len(self.links))
                    self.links.append((place[source], self.n_stocks + i))
                    self.partials.append(partial)
        self.flows: list[list[tuple[int, int]]] = [[] for _ in stocks]  # (link, sign) into each stock
        for flow in structure.of(Flow):
            if flow.source != flow.target:
                for stock, sign in ((flow.target, 1), (flow.source, -1)):
                    if stock is not None:
                        self.flows[place[stock]].append((len(self.links), sign))
                        self.links.append((place[flow.name], place[stock]))
        self.explicit = [derivative(e, TIME) for e in self.equations]

    def evaluate(self, model: Model, times: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Values of all names, partial derivatives, and derivatives by time itself, at each date."""
        p = [np.float64(q.value) for q in self.structure.of(Parameter)]
        step, dates_of = self._compiled()
        dates = [0.0] * len(self.switches)
        dates_of(p, dates)
        shape = len(times)
        v = np.full((len(self.equations), shape), np.nan)
        q, r = np.full((len(self.partials), shape), np.nan), np.full((len(self.equations), shape), np.nan)
        points = [column for t in self.structure.of(Table) for column in zip(*t.points, strict=True)]
        tab = np.array([float(x) for column in points for x in column])
        with np.errstate(all="ignore"):
            for k, t in enumerate(times):
                on = [np.float64(t >= date - _SAME_DATE) for date in dates]
                step(t, x[:, k], p, on, tab, v[:, k], q[:, k], r[:, k])
        return np.vstack([x, v]), q, r

    def _compiled(self) -> tuple[Any, Any]:
        """The function of one date, and the function of the dates of switches; no text of the model is in them."""
        places, first = {}, 0  # as in `evaluate`: arguments, then values, one table after the other
        for table in self.structure.of(Table):
            n, xs = len(table.points), [float(x) for x, _ in table.points]
            places[table.name] = (first, n, interpolation_code(table.between, table.outside, xs))
            first += 2 * n
        names: dict[sp.Symbol, str] = {TIME: "t"}
        names |= {symbol(n): f"x[{i}]" for i, n in enumerate(self.names[: self.n_stocks])}
        names |= {symbol(n): f"v[{i}]" for i, n in enumerate(self.names[self.n_stocks :])}
        names |= {p.symbol: f"p[{i}]" for i, p in enumerate(self.structure.of(Parameter))}
        names |= {dummy: f"s[{i}]" for i, dummy in enumerate(self.held)}
        printer = Printer(names, places)
        lines = [f"v[{i}] = {printer.doprint(e)}" for i, e in enumerate(self.equations)]
        targets = [(f"q[{i}]", e) for i, e in enumerate(self.partials)]
        targets += [(f"r[{i}]", e) for i, e in enumerate(self.explicit)]
        plain = [(text, e) for text, e in targets if not e.has(sp.Piecewise)]  # cse would take conditions apart
        shared, reduced = sp.cse([e for _, e in plain], symbols=sp.numbered_symbols("c", sp.Dummy), order="none")
        for i, (s, _) in enumerate(shared):
            names[s] = f"c{i}"
        lines += [f"c{i} = {printer.doprint(e)}" for i, (_, e) in enumerate(shared)]
        lines += [f"{text} = {printer.doprint(e)}" for (text, _), e in zip(plain, reduced, strict=True)]
        lines += [f"{text} = {printer.doprint(e)}" for text, e in targets if e.has(sp.Piecewise)]
        dates = [f"out[{i}] = {printer.doprint(date)}" for i, date in enumerate(self.switches)]
        source = _function("step", "t, x, p, s, tab, v, q, r", lines) + _function("dates", "p, out", dates)
        namespace = dict(_NAMESPACE)
        tree = ast.fix_missing_locations(_NumpyNumbers().visit(ast.parse(source)))
        exec(compile(tree, "<generated links>", "exec"), namespace)
        return namespace["step"], namespace["dates"]

    def scores(self, values: Floats, partials: Floats, explicit: Floats, still: Floats) -> tuple[Floats, Floats]:
        """Rates of all names and scores of all links."""
        rates = np.zeros_like(values)
        scores = np.zeros((len(self.links), values.shape[1]))
        for stock, flows in enumerate(self.flows):
            for link, sign in flows:
                rates[stock] += sign * values[self.links[link][0]]
            rates[stock][np.abs(rates[stock]) <= still[stock]] = 0.0
        for i, inputs in enumerate(self.inputs):
            terms = np.array([_times(partials[link], rates[self.links[link][0]]) for link in inputs])
            rates[self.n_stocks + i] = _total(np.vstack([*terms, explicit[i]]))
            for link, term in zip(inputs, terms, strict=True):
                scores[link] = _share(term, rates[self.n_stocks + i]) * np.where(partials[link] < 0, -1.0, 1.0) + 0.0
        for flows in self.flows:
            if flows:
                terms = np.array([sign * rates[self.links[link][0]] for link, sign in flows])
                acceleration = _total(terms)
                for (link, sign), term in zip(flows, terms, strict=True):
                    scores[link] = sign * _share(term, acceleration) + 0.0  # no negative zeros
        return rates, scores


def _divided(e: sp.Expr, owner: str, nodes: set[str], parts: dict[str, sp.Expr]) -> sp.Expr:
    """The expression with its terms and factors that share a variable moved to `parts`, under names of their own."""
    if not e.args or not isinstance(e, (sp.Add, sp.Mul, sp.Pow, fn.SmoothFunction)):
        return e
    used = [references(a) & nodes for a in e.args]
    arguments = []
    for i, argument in enumerate(e.args):
        inner = _divided(argument, owner, nodes, parts)
        others = {name for j, names in enumerate(used) if j != i for name in names}
        if argument.args and used[i] & others:
            text = str(argument)
            if len(text) > LONGEST_NAME:
                text = f"part {1 + sum(n.endswith(f' of {owner}') for n in parts)} of {owner}"
            parts[text] = inner
            inner = symbol(text)
        arguments.append(inner)
    return e.func(*arguments)


def _times(partial: Floats, rate: Floats) -> Floats:
    """Their product; nothing comes along a link whose source stands still, even if its derivative is not finite."""
    with np.errstate(invalid="ignore"):
        return np.where(rate == 0, 0.0, partial * rate)


def _total(terms: Floats) -> Floats:
    """Sum over terms, exactly zero where they cancel."""
    total: Floats = terms.sum(axis=0)
    with np.errstate(invalid="ignore"):
        total[np.abs(total) < ROUNDING * np.abs(terms).sum(axis=0)] = 0.0  # infinity is not less than itself
    return total


def _share(term: Floats, total: Floats) -> Floats:
    """Size of a term against the total; 0 where either is 0."""
    with np.errstate(all="ignore"):
        return np.where((term == 0) | (total == 0), 0.0, np.abs(term / total))


def _function(name: str, arguments: str, lines: list[str]) -> str:
    return "\n".join([f"def {name}({arguments}):", *(f"    {line}" for line in lines or ["pass"]), ""])
