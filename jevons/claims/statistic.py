"""What is computed for a claim: kinds of statistic, their entries and how they are written."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jevons.errors import nearest

BASELINE = "baseline"
KINDS = {
    "value": ({"variable", "year"}, {"per", "scenario"}),
    "ratio": ({"variable"}, {"years", "year", "scenarios", "scenario"}),
    "growth_per_year": ({"variable", "years"}, {"scenario"}),
    "difference": ({"variable"}, {"years", "year", "scenarios", "scenario"}),
    "share": ({"numerator", "denominator", "year"}, {"scenario"}),
    "contribution": ({"numerator", "denominator", "years"}, {"scenario"}),
    "rebound": ({"at", "horizon"}, {"shocks", "spread", "scenario"}),
    "arithmetic": ({"expression", "inputs"}, set()),
    "table": ({"file", "low", "median", "high"}, {"per"}),
    "none": (set(), set()),
}
"""Entries that each kind of statistic must and may have, besides kind and unit."""

_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg,
}  # fmt: skip


@dataclass(frozen=True)
class Statistic:
    """What is computed for a claim.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    unit : str
    entries : mapping
        The other entries, as in the file.
    """

    kind: str
    unit: str
    entries: Mapping[str, Any] = field(default_factory=dict)

    @property
    def years(self) -> tuple[int, ...]:
        """Calendar years that it needs."""
        given = [*self.entries.get("years", ()), *([self.entries["year"]] if "year" in self.entries else [])]
        return tuple(given)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Scenarios that it needs: those of a comparison, or its only one."""
        return tuple(self.entries.get("scenarios", (self.entries.get("scenario", BASELINE),)))

    @property
    def variables(self) -> tuple[str, ...]:
        """Variables and references that it names."""
        return tuple(self.entries[k] for k in ("variable", "numerator", "denominator", "per") if k in self.entries)

    @property
    def projected(self) -> bool:
        """Whether it is read from projections."""
        return self.kind in ("value", "ratio", "growth_per_year", "difference", "share", "contribution")

    def __str__(self) -> str:
        e, where = self.entries, "" if self.scenarios == (BASELINE,) else f" | {' over '.join(self.scenarios)}"
        years = list(self.years)
        if self.kind == "value":
            text = f"{e['variable']}[{e['year']}]" + (f" / {e['per']}" if "per" in e else "")
        elif self.kind in ("ratio", "difference") and "scenarios" in e:
            text = f"{self.kind}({e['variable']}[{e['year']}])"
        elif self.kind in ("ratio", "difference", "growth_per_year"):
            text = f"{self.kind}({e['variable']}[{years[0]}] to [{years[1]}])"
        elif self.kind == "share":
            text = f"{e['numerator']}[{e['year']}] / {e['denominator']}"
        elif self.kind == "contribution":
            text = f"change of {e['numerator']} / change of {e['denominator']}, {years[0]} to {years[1]}"
        elif self.kind == "rebound":
            what = e.get("scenario") or ", ".join(f"{k} x{x:g}" for k, x in e["shocks"].items())
            spread = f", spread over {e['spread']:g} yr" if e.get("spread") else ""
            return f"R({what} at {e['at']:g}{spread}; {e['horizon']:g} yr)"
        elif self.kind == "arithmetic":
            given = ", ".join(
                f"{k} = {x:g}" if not isinstance(x, list) else f"{k} = {x[0]:g} to {x[1]:g}"
                for k, x in e["inputs"].items()
            )
            return f"{e['expression']} with {given}"
        elif self.kind == "table":
            return f"{e['median']} in {e['file']}" + (f" / {e['per']}" if "per" in e else "")
        else:
            return ""
        return text + where


def calculate(expression: str, names: Mapping[str, float]) -> float:
    """Value of an arithmetic expression of numbers and names; text never becomes code.

    Raises
    ------
    ValueError
        For anything but + - * / ** of numbers and known names.
    """

    def value(node: ast.AST) -> float:
        if isinstance(node, ast.Expression):
            return value(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            return float(node.value)
        if isinstance(node, ast.Name):
            if node.id not in names:
                raise ValueError(f"{node.id!r} is no input{nearest(node.id, names)}")
            return float(names[node.id])
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.operand))
        raise ValueError(f"{ast.unparse(node)!r}, expected numbers, inputs and + - * / **")

    try:
        return value(ast.parse(expression, mode="eval"))
    except SyntaxError as error:
        raise ValueError(f"{expression!r} is no expression") from error
    except ZeroDivisionError as error:
        raise ValueError(f"{expression!r} divides by zero") from error
