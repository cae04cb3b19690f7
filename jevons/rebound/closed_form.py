"""A closed form: a formula with its derivation, the range in which it holds, and its source; callable with numbers.

A closed form is written as a function that derives it. Its docstring holds the fixed lines ``Equation``,
``Valid for`` and ``Source``; the formula itself is given apart, so that `ClosedForm.check` compares two things.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray

from jevons.errors import DerivationError, DomainError, nearest

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A symbol of a closed form: what it means, its unit, and the values it may take.

    Attributes
    ----------
    name : str
        As an argument and as a symbol (``eta``, ``s_E``).
    meaning, unit : str
    low, high : float
        Bounds, included where `closed` lists them; infinite where there is none.
    closed : tuple of float
    excluded : mapping of float to str
        Single values at which the formula is undefined, each with what to use instead.
    """

    name: str
    meaning: str
    unit: str = "1"
    low: float = -math.inf
    high: float = math.inf
    closed: tuple[float, ...] = ()
    excluded: Mapping[float, str] = field(default_factory=dict, hash=False)

    @property
    def symbol(self) -> sp.Symbol:
        return sp.Symbol(self.name, positive=True) if self.low >= 0 else sp.Symbol(self.name, real=True)

    @property
    def range(self) -> str:
        """Range in words."""
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'at least' if self.low in self.closed else 'above'} {self.low:g}")
        if self.high < math.inf:
            parts.append(f"{'at most' if self.high in self.closed else 'below'} {self.high:g}")
        elif self.high in self.closed:
            parts.append("infinite allowed")
        parts += [f"not {value:g} ({instead})" for value, instead in self.excluded.items()]
        return ", ".join(parts) if parts else "any finite number"

    def outside(self, values: Floats) -> NDArray[np.bool_]:
        """Which values the quantity may not take; NaN is one of them."""
        above = (values >= self.low) if self.low in self.closed else (values > self.low)
        below = (values <= self.high) if self.high in self.closed else (values < self.high)
        at = np.isin(values, list(self.excluded))
        wrong: NDArray[np.bool_] = ~(above & below) | at
        return wrong


@dataclass(frozen=True)
class Step:
    """One line of a derivation: an assumption, or what sympy found beside what is stated."""

    says: str
    equation: sp.Basic
    found: sp.Expr | None = None

    @property
    def holds(self) -> bool:
        """Assumptions hold; a deduction holds if what was found equals the right-hand side stated."""
        return self.found is None or equal(self.found, self.equation.rhs)

    def __str__(self) -> str:
        return f"{'assume' if self.found is None else 'deduce'}  {self.says}: {sp.sstr(self.equation)}"


class Derivation:
    """The steps by which a closed form follows from first principles."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.result: sp.Expr = sp.nan

    def assume(self, says: str, left: Any, right: Any) -> sp.Eq:
        """A first principle, as an equation of two positive quantities."""
        equation = sp.Eq(left, right, evaluate=False)
        self.steps.append(Step(says, equation))
        return equation

    def deduce(self, says: str, name: str, found: Any, stated: Any) -> sp.Expr:
        """What sympy found, beside what a person would write; the former goes on."""
        equation = sp.Eq(sp.Symbol(name), stated, evaluate=False)
        self.steps.append(Step(says, equation, sp.sympify(found)))
        return sp.sympify(found)

    def __str__(self) -> str:
        return "\n".join(f"{i}. {step}" for i, step in enumerate(self.steps, 1))


def equal(left: Any, right: Any) -> bool:
    """Whether two expressions are the same function, by symbolic simplification only."""
    difference = sp.sympify(left) - sp.sympify(right)
    attempts: tuple[Callable[[sp.Expr], sp.Expr], ...] = (
        sp.expand,
        sp.simplify,
        lambda e: sp.simplify(sp.powsimp(sp.expand_log(e, force=True), force=True)),
        lambda e: sp.simplify(sp.powdenest(sp.factor(sp.together(sp.expand_power_base(e))), force=True)),
    )
    return any(attempt(difference) == 0 for attempt in attempts)


def log_derivatives(
    equations: Sequence[sp.Eq], unknowns: Sequence[sp.Symbol], by: sp.Symbol, at: Mapping[Any, Any] | None = None
) -> dict[sp.Symbol, sp.Expr]:
    """Elasticities of the unknowns of a system, by implicit differentiation.

    Equation   F(ln x, ln y) = 0 gives dln x/dln y = -(∂F/∂ln x)^(-1) ∂F/∂ln y, F = ln(left) - ln(right)
    Valid for  positive sides and unknowns, a regular Jacobian
    Source     implicit function theorem

    Parameters
    ----------
    by : sympy.Symbol
        Quantity that changes.
    at : mapping, optional
        Point at which the derivatives are taken, for example all quantities in units of their base values.
    """
    point = dict(at or {})
    residuals = [sp.log(e.lhs) - sp.log(e.rhs) for e in equations]
    jacobian = sp.Matrix([[(x * sp.diff(f, x)).subs(point) for x in unknowns] for f in residuals])
    change = sp.Matrix([(by * sp.diff(f, by)).subs(point) for f in residuals])
    solution = jacobian.LUsolve(-change)
    return {x: sp.simplify(value) for x, value in zip(unknowns, solution, strict=True)}


def substituted(expression: sp.Expr, equations: Sequence[sp.Eq]) -> sp.Expr:
    """An expression in which every left-hand side is replaced by its right-hand side, as often as needed."""
    replacements = {e.lhs: e.rhs for e in equations}
    for _ in equations:
        expression = expression.subs(replacements)
    return expression


@dataclass(frozen=True, repr=False, eq=False)
class ClosedForm:
    """A formula of rebound theory; call it with its symbols as keyword arguments.

    Attributes
    ----------
    name, title : str
    quantities : tuple of Quantity
        Symbols with meaning, unit and range.
    expression : sympy.Expr
    principle : callable
        Derives the expression: adds its steps to a `Derivation` and returns what it arrives at.
    conditions : tuple of (sympy relational, str)
        What must hold between the quantities, besides their ranges, and the same in words.
    equation, valid_for, source : str
    references : tuple of str
        What the source cites, in full.

    Examples
    --------
    >>> from jevons.rebound.cost import direct_rebound
    >>> round(direct_rebound(eta=1.1, s_E=0.09, s_K=0.91, kappa=0, theta=1), 3)
    0.099
    """

    name: str
    title: str
    quantities: tuple[Quantity, ...]
    expression: sp.Expr
    principle: Callable[[Derivation], sp.Expr]
    conditions: tuple[tuple[Any, str], ...] = ()
    equation: str = ""
    valid_for: str = ""
    source: str = ""
    references: tuple[str, ...] = ()

    def __repr__(self) -> str:
        rows = [f"  {q.name} [{q.unit}]: {q.meaning}; {q.range}" for q in self.quantities]
        conditions = [f"  and {why}" for _, why in self.conditions]
        lines = [f"{self.name}: {self.title}", f"  {self.equation}", *rows, *conditions]
        return "\n".join(
            [
                *lines,
                f"  valid for {self.valid_for}",
                f"  source: {self.source}",
                *(f"    {r}" for r in self.references),
            ]
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # a derivation is found again by its place: functions and symbols do not travel
        return _found_again, (self.principle.__module__, self.name)

    @property
    def symbols(self) -> dict[str, Quantity]:
        return {q.name: q for q in self.quantities}

    def latex(self) -> str:
        """The expression in LaTeX."""
        return str(sp.latex(self.expression))

    def derive(self) -> Derivation:
        """Derive the expression from first principles, step by step."""
        derivation = Derivation()
        derivation.result = sp.sympify(self.principle(derivation))
        return derivation

    def check(self) -> Derivation:
        """Derive, and compare every deduction with what is stated, and the result with the expression.

        Raises
        ------
        DerivationError
        """
        derivation = self.derive()
        wrong = [f"found {sp.sstr(s.found)}, stated {s}" for s in derivation.steps if not s.holds]
        if not equal(derivation.result, self.expression):
            wrong.append(f"derived {sp.sstr(sp.simplify(derivation.result))}, expected {sp.sstr(self.expression)}")
        if wrong:
            raise DerivationError(f"derivation of {self.name!r}", wrong)
        return derivation

    @cached_property
    def _function(self) -> Callable[..., Any]:
        function: Callable[..., Any] = sp.lambdify([q.symbol for q in self.quantities], self.expression, "numpy")
        return function

    def __call__(self, **values: ArrayLike) -> Any:
        """Evaluate at numbers, or at arrays, which are broadcast.

        Returns
        -------
        float or array

        Raises
        ------
        DomainError
            If a value is missing, unknown or outside the range in which the formula holds.
        """
        arrays = self._checked(values)
        shape = np.broadcast_shapes(*(a.shape for a in arrays.values()))
        result = np.broadcast_to(np.asarray(self._function(*arrays.values()), dtype=np.float64), shape)
        return float(result) if not shape else np.array(result)

    def _checked(self, values: Mapping[str, ArrayLike]) -> dict[str, Floats]:
        known = self.symbols
        mistakes = [f"{n!r} is not a symbol of it{nearest(n, known)}" for n in values if n not in known]
        mistakes += [f"{q.name} ({q.meaning}) is missing" for q in self.quantities if q.name not in values]
        arrays = {q.name: np.asarray(values[q.name], dtype=np.float64) for q in self.quantities if q.name in values}
        for name, array in arrays.items():
            wrong = known[name].outside(array)
            if wrong.any():
                first = float(np.atleast_1d(array)[np.atleast_1d(wrong)][0])
                more = f" and {int(wrong.sum()) - 1} more" if wrong.sum() > 1 else ""
                mistakes.append(f"{name} = {first:g}{more}, expected {known[name].range} ({known[name].meaning})")
        if not mistakes:
            for condition, why in self.conditions:
                names = [q.name for q in self.quantities if q.symbol in condition.free_symbols]
                holds = sp.lambdify([known[n].symbol for n in names], condition, "numpy")(*(arrays[n] for n in names))
                if not np.all(holds):
                    mistakes.append(f"expected {why}")
        if mistakes:
            raise DomainError(f"closed form {self.name!r}", mistakes)
        return arrays


def _found_again(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


_CITED = re.compile(r"\[(\w+)\]_")
_LINE = re.compile(r"^(Equation|Valid for|Source)\s+(.*)$")


def _fixed_lines(doc: str) -> dict[str, str]:
    """The fixed lines of a docstring; a line further in goes on with the one before."""
    lines: dict[str, str] = {}
    current = None
    for line in doc.splitlines()[1:]:
        match = _LINE.match(line.strip())
        if match:
            current = match[1]
            lines[current] = match[2]
        elif current and line.startswith(" " * 8) and line.strip():
            lines[current] += " " + line.strip()
        else:
            current = None
    return lines


def _references(doc: str, cited: Sequence[str]) -> tuple[str, ...]:
    """What a docstring's section of references says of those cited."""
    entries = re.findall(r"^\.\. \[(\w+)\] (.*(?:\n   .*)*)", doc, re.M)
    texts = {key: f"[{key}] {' '.join(text.split())}" for key, text in entries}
    missing = [key for key in cited if key not in texts]
    if missing:
        raise DerivationError("references", [f"[{key}]_ is not listed{nearest(key, texts)}" for key in missing])
    return tuple(texts[key] for key in dict.fromkeys(cited))


def closed_form(
    expression: Any, *quantities: Quantity, conditions: Sequence[tuple[Any, str]] = ()
) -> Callable[[Callable[[Derivation], sp.Expr]], ClosedForm]:
    """Make a closed form of the function that derives it."""

    def make(principle: Callable[[Derivation], sp.Expr]) -> ClosedForm:
        doc = principle.__doc__ or ""
        lines = _fixed_lines(doc)
        source = lines.get("Source", "")
        module = sys.modules[principle.__module__].__doc__ or ""
        form = ClosedForm(
            name=principle.__name__,
            title=doc.split("\n", 1)[0].rstrip("."),
            quantities=quantities,
            expression=sp.sympify(expression),
            principle=principle,
            conditions=tuple(conditions),
            equation=lines.get("Equation", ""),
            valid_for=lines.get("Valid for", ""),
            source=_CITED.sub(r"[\1]", source),
            references=_references(module, _CITED.findall(source)),
        )
        object.__setattr__(form, "__doc__", doc)
        return form

    return make
