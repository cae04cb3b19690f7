"""Names, equations and units as XMILE writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from jevons.elements import Table
from jevons.interchange.writers.equation_text import EquationPrinter

_OF_XMILE = (
    "abs and arccos arcsin arctan cos delay delay1 delay3 delayn dt else endif exp exprnd forcst history if in inf "
    "init int ln log log10 lognormal max min mod normal not or out pi poisson previous pulse ramp random self "
    "smth1 smth3 smthn sin sqrt starttime step stoptime tan then time trend uniform while"
)
_OF_READERS = (
    "active_initial elmcount final_time get_time_value if_then_else initial initial_time integer invert_matrix "
    "modulo power prod pulse_train quantum random_0_1 random_uniform random_normal safediv saveper sinh cosh sum "
    "tanh time_step vmax vmin xidz xpulse xramp zidz"
)
RESERVED = frozenset(f"{_OF_XMILE} {_OF_READERS}".split())

_KEPT = re.compile(r"[^\W\d_][^\W_]*(?:[ _][^\W_]+)*")
_QUOTABLE = re.compile(r"[^\"\\\[\].\s](?:[^\"\\\[\].\s]| (?! |$))*")
_CONTROLS = {"start": "STARTTIME", "end": "STOPTIME", "step": "DT", "every": "DT"}


def keeps(name: str) -> bool:
    """Whether a name may stay as it is, with blanks, letters of any alphabet, and what quotes protect."""
    return bool(_QUOTABLE.fullmatch(name)) and name.isprintable()


def reference(name: str) -> str:
    """A name in an equation: blanks become underscores, others are quoted; ``NOT...`` would be read as a word."""
    if _KEPT.fullmatch(name) and not name.lower().startswith("not"):
        return name.replace(" ", "_")
    return f'"{name}"' if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name.lower().startswith("not") else name


def references(names: Mapping[str, str], controls: Mapping[str, str]) -> dict[str, str]:
    """Every key as equations have it."""
    return {key: reference(name) for key, name in names.items()} | {k: _CONTROLS[r] for k, r in controls.items()}


class XmilePrinter(EquationPrinter):
    """Equations of XMILE 1.0."""

    language = "XMILE"
    time = "TIME"
    integer = "INT"
    words: ClassVar[Mapping[str, str]] = {"and": "AND", "or": "OR", "not": "NOT"}

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        return f"(IF {condition} THEN {then} ELSE {otherwise})"

    def looked_up(self, key: str, table: Table, argument: str) -> str:
        return f"{self.references[key]}({argument})"

    def uniform(self, seed: str) -> str:
        return f"UNIFORM(0, 1, {seed})"

    def normal(self, seed: str) -> str:
        return f"NORMAL(0, 1, {seed})"


def unit_text(unit: str) -> str:
    """A unit as XMILE writes it."""
    return unit.replace("**", "^")
