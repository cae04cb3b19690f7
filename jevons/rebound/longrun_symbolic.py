"""The long-run elasticity as a formula, where the model is small and its long run has one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from jevons.functions import TIME, ModelFunction, symbol
from jevons.model import Model

MOST_STOCKS = 4
MOST_OPERATIONS = 400
"""Models with more stocks, or larger equations after all auxiliaries are put in, are not tried."""
MOST_SIMPLIFIED = 250
"""Operations up to which an expression is simplified."""

_REFUSED = (ModelFunction, sp.Piecewise, sp.floor, sp.sign, sp.Abs, sp.Max, sp.Min, sp.Heaviside)


@dataclass(frozen=True)
class _Equations:
    """Net flows f of the stocks that matter and the output, in stocks, parameters and time alone."""

    stocks: list[sp.Symbol]
    flows: list[sp.Expr]
    output: sp.Expr
    initial: dict[sp.Symbol, sp.Expr]
    names: dict[sp.Symbol, sp.Symbol]

    def with_values(self, values: Mapping[str, sp.Expr]) -> _Equations:
        """The same with some parameters replaced by numbers."""
        put = {new: values[old.name] for new, old in self.names.items() if old.name in values}
        flows = [f.xreplace(put) for f in self.flows]
        initial = {x: e.xreplace(put) for x, e in self.initial.items()}
        return _Equations(self.stocks, flows, self.output.xreplace(put), initial, self.names)


def elasticity_formulas(
    model: Model, output: str, parameter: str, stocks: Sequence[str], ones: Collection[str], zeros: Collection[str]
) -> Iterator[tuple[sp.Expr, dict[str, float]]]:
    """Candidates for d ln(output)/d ln(parameter) in the long run, each with the values it holds for; general first.

    Equation   0 = f(x, t) - g x solved for x in logarithms, one stock after the other, and ln E(x) differentiated;
               or E_y/E · (-J⁻¹ ∂h/∂lnA) + ∂lnE/∂lnA at the start of the model, if that is its equilibrium
    Valid for  the values given with each: none, or parameters at 0, or efficiencies at 1 (the form at the start)
    Source     implicit function theorem

    Parameters
    ----------
    ones, zeros : collection of str
        Parameters whose value is 1 and is replaced by it at the start, and parameters whose value is 0.
    """
    system = _equations(model, output, stocks)
    if system is None:
        return
    a = next(new for new, old in system.names.items() if old == symbol(parameter))
    given = {1.0: set(ones), 0.0: set(zeros) - {parameter}}
    without = system.with_values(dict.fromkeys(given[0.0], sp.S.Zero))
    at_start = dict.fromkeys(given[1.0], sp.S.One)
    attempts: list[tuple[Callable[[], sp.Expr | None], dict[str, float]]] = [
        (functools.partial(_solved, system, a), {}),
        (functools.partial(_at_start, system, a, at_start), dict.fromkeys(given[1.0], 1.0)),
        (functools.partial(_solved, without, a), dict.fromkeys(given[0.0], 0.0)),
    ]
    for attempt, conditions in attempts:
        formula = attempt()
        if formula is not None and not formula.has(TIME, sp.nan, sp.zoo, sp.oo):
            yield formula.xreplace(system.names), conditions


def _equations(model: Model, output: str, stocks: Sequence[str]) -> _Equations | None:
    structure = model.structure
    if len(stocks) > MOST_STOCKS:
        return None
    positive: dict[sp.Symbol, sp.Symbol] = {}
    for name, parameter in model.parameters.items():
        positive[symbol(name)] = sp.Dummy(name, positive=True) if parameter.value > 0 else sp.Dummy(name, real=True)
    for name in stocks:
        positive[symbol(name)] = sp.Dummy(name, positive=True)
    names = {new: old for old, new in positive.items()}
    put_in = dict(positive)
    for name in structure.order:
        put_in[symbol(name)] = structure.equation(name).xreplace(put_in)
    flows = [structure.net_flow(name).xreplace(put_in) for name in stocks]
    result = symbol(output).xreplace(put_in)
    everything = [*flows, result]
    free = set().union(*(e.free_symbols for e in everything)) - {TIME} - set(names)
    if free or any(e.has(*_REFUSED) or e.count_ops() > MOST_OPERATIONS for e in everything):
        return None
    at_start = dict(positive)
    for name in structure.initial_order:
        at_start[symbol(name)] = structure.initial(name).xreplace(at_start)
    initial = {positive[symbol(name)]: at_start[symbol(name)] for name in stocks}
    return _Equations([positive[symbol(name)] for name in stocks], flows, result, initial, names)


def _solved(system: _Equations, a: sp.Symbol) -> sp.Expr | None:
    """Solve for every stock, then differentiate the output."""
    growth = _growth_rates(system)
    if growth is None:
        return None
    waiting = [(f, x, g) for f, x, g in zip(system.flows, system.stocks, growth, strict=True)]
    solved: dict[sp.Symbol, sp.Expr] = {}
    unknown = list(system.stocks)
    while unknown:
        step = _next(waiting, unknown)
        if step is None:
            return None
        used, x, value = step
        waiting = [
            (f.xreplace({x: value}), stock.xreplace({x: value}), g)
            for i, (f, stock, g) in enumerate(waiting)
            if i != used
        ]
        solved = {name: e.xreplace({x: value}) for name, e in solved.items()} | {x: value}
        unknown.remove(x)
    return _shortest(a * sp.diff(_logarithm(system.output.xreplace(solved)), a))


def _growth_rates(system: _Equations) -> list[sp.Expr] | None:
    """Rates of balanced growth from J g = −∂h/∂t; as they hold in every state, they are taken where ln x = t = 0."""
    rates = [f / x for f, x in zip(system.flows, system.stocks, strict=True)]
    if not any(r.has(TIME) for r in rates):
        return [sp.S.Zero] * len(rates)
    there = {TIME: sp.S.Zero, **dict.fromkeys(system.stocks, sp.S.One)}
    j = sp.Matrix([[(x * sp.diff(r, x)).xreplace(there) for x in system.stocks] for r in rates])
    push = sp.Matrix([-sp.diff(r, TIME).xreplace(there) for r in rates])
    if j.det() == 0:
        return None
    return [_shortest(e) for e in j.LUsolve(push)]


def _next(
    equations: Sequence[tuple[sp.Expr, sp.Expr, sp.Expr]], unknown: Sequence[sp.Symbol]
) -> tuple[int, sp.Symbol, sp.Expr] | None:
    """An equation f = g x that gives one unknown: linear in itself, or in its logarithm."""
    for i, (flow, stock, growth) in enumerate(equations):
        terms = sp.Add.make_args(sp.expand(flow - growth * stock))
        for x in unknown:
            value = _from_terms(terms, x)
            if value is None and len(terms) == 2:
                value = _from_logarithms(_logarithm(terms[0]) - _logarithm(-terms[1]), x)
            if value is None and flow.has(sp.log):
                value = _from_logarithms(sp.expand(flow / stock - growth), x)
            if value is not None:
                return i, x, value
    return None


def _from_terms(terms: Sequence[sp.Expr], x: sp.Symbol) -> sp.Expr | None:
    """Solution of a sum that is linear in x."""
    slope, rest = sp.S.Zero, sp.S.Zero
    for term in terms:
        ratio = term / x
        if not term.has(x):
            rest += term
        elif not ratio.has(x):
            slope += ratio
        else:
            return None
    return None if slope == 0 or rest == 0 else sp.factor_terms(-rest) / sp.factor_terms(slope)


def _from_logarithms(equation: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    """Solution of an equation that is linear in ln x."""
    y = sp.Dummy(real=True)
    together = equation.replace(sp.log, lambda e: sp.log(sp.factor_terms(e)))
    in_logarithm = sp.expand_log(together, force=True).xreplace({sp.log(x): y})
    if in_logarithm.has(x) or not in_logarithm.has(y):
        return None
    slope = sp.diff(in_logarithm, y)
    if slope.has(y) or sp.simplify(slope) == 0:
        return None
    return sp.exp(sp.expand(-in_logarithm.xreplace({y: sp.S.Zero})) / slope)


def _logarithm(e: sp.Expr) -> sp.Expr:
    return sp.expand_log(sp.log(e), force=True)


def _shortest(e: sp.Expr) -> sp.Expr:
    """Simplified, where that does not take long."""
    return sp.factor(sp.simplify(e)) if e.count_ops() < MOST_SIMPLIFIED else e


def _at_start(system: _Equations, a: sp.Symbol, values: Mapping[str, sp.Expr]) -> sp.Expr | None:
    """Implicit differentiation at the start of the model, if that is an equilibrium."""
    if any(f.has(TIME) for f in [*system.flows, system.output]):
        return None
    ones = {new: values[old.name] for new, old in system.names.items() if old.name in values}
    start = {x: e.xreplace(ones) for x, e in system.initial.items()}

    def there(e: sp.Expr) -> sp.Expr:
        return _shortest(e.xreplace(ones).xreplace(start))

    if any(there(f) != 0 for f in system.flows):
        return None
    rates = [f / x for f, x in zip(system.flows, system.stocks, strict=True)]
    j = sp.Matrix([[there(x * sp.diff(r, x)) for x in system.stocks] for r in rates])
    push = sp.Matrix([there(a * sp.diff(r, a)) for r in rates])
    if j.det() == 0:
        return None
    slopes = [there(x * sp.diff(system.output, x)) for x in system.stocks]
    total = there(a * sp.diff(system.output, a))
    total += sum(s * d for s, d in zip(slopes, j.LUsolve(-push), strict=True))
    return _shortest(total / there(system.output))
