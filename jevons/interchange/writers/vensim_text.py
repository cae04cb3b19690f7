"""Names, equations and units as Vensim writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import sympy as sp

from jevons.elements import Table
from jevons.interchange.writers.equation_text import EquationPrinter, number

_WORDS = """
abs, active initial, allocate available, allocate by priority, arccos, arcsin, arctan, cos, cosh, delay1, delay1i,
delay3, delay3i, delay batch, delay conveyor, delay fixed, delay information, delay material, delay n, delay
profile, depreciate by schedule, depreciate straightline, elmcount, exp, final time, find zero, forecast, game,
gamma ln, get 123 data, get data at time, get data between times, get data first time, get data last time, get data
maximum, get data mean, get data median, get data minimum, get data stdv, get data total points, get time value, get
vdf constants, if then else, initial, initial time, integ, integer, internal rate of return, interpolate, invert
matrix, ln, log, lookup area, lookup backward, lookup extrapolate, lookup forward, lookup invert, lookup slope, max,
message, min, modulo, na, net present value, npv, power, prod, pulse, pulse train, quantum, ramp, random 0 1, random
beta, random binomial, random exponential, random gamma, random lookup, random negative binomial, random normal,
random pink noise, random poisson, random triangular, random uniform, random weibull, reinitial, sample if true,
saveper, shift if true, simultaneous, sin, sinh, smooth, smooth3, smooth3i, smoothi, smooth n, sqrt, ssum, step,
stdv, sum, tabbed array, tabxl, tan, tanh, time, time step, time shift, trend, tstep, vector elm map, vector lookup,
vector rank, vector reorder, vector select, vector sort order, vmax, vmin, with lookup, xidz, zidz
"""
RESERVED = frozenset(re.sub(r"\s+", "_", word.strip()) for word in _WORDS.split(","))
LONGEST_NAME = 127

_PLAIN = re.compile(r"[^\W\d_](?:[\w'$]| (?! |$))*")
_QUOTABLE = re.compile(r"[^\"\\\[\]~|{}!\s](?:[^\"\\\[\]~|{}!\s]| (?! |$))*")
_CONTROLS = {"start": "INITIAL TIME", "end": "FINAL TIME", "step": "TIME STEP", "every": "SAVEPER"}
_LINE = 100


def keeps(name: str) -> bool:
    """Whether a name may stay as it is, plain or in quotes."""
    return bool(_QUOTABLE.fullmatch(name)) and name.isprintable()


def reference(name: str) -> str:
    """A name in the file, in quotes where it has more than letters, digits, blanks, ``_``, ``'`` and ``$``."""
    return name if _PLAIN.fullmatch(name) else f'"{name}"'


def references(names: Mapping[str, str], controls: Mapping[str, str]) -> dict[str, str]:
    """Every key as equations have it."""
    return {key: reference(name) for key, name in names.items()} | {k: _CONTROLS[r] for k, r in controls.items()}


class VensimPrinter(EquationPrinter):
    """Equations of Vensim."""

    language = "Vensim"
    time = "Time"
    integer = "INTEGER"
    words: ClassVar[Mapping[str, str]] = {"and": ":AND:", "or": ":OR:", "not": ":NOT:"}
    functions: ClassVar[Mapping[Any, str]] = {**EquationPrinter.functions, sp.loggamma: "GAMMA LN"}

    def rounding(self) -> str:
        return "0.001*TIME STEP"

    def choice(self, condition: str, then: str, otherwise: str) -> str:
        return f"IF THEN ELSE({condition}, {then}, {otherwise})"

    def looked_up(self, key: str, table: Table, argument: str) -> str:
        """Value of a table; beyond its ends the line through the last two points, where it goes on."""
        name = self.references[key]
        between = getattr(table, "between", "linear")
        if between != "linear":
            return f"{'LOOKUP BACKWARD' if between == 'hold' else 'LOOKUP FORWARD'}({name}, {argument})"
        inside = f"{name}({argument})"
        if table.outside != "extrapolate" or len(table.points) < 2:
            return inside
        points = table.points
        terms = []
        for function, edge, other in (("MIN", points[0], points[1]), ("MAX", points[-1], points[-2])):
            slope = (edge[1] - other[1]) / (edge[0] - other[0])
            if slope:
                terms.append(f" + {number(slope)}*{function}({argument} - {number(edge[0])}, 0)")
        return f"({inside}{''.join(terms)})"

    def uniform(self, seed: str) -> str:
        return f"RANDOM UNIFORM(0, 1, {seed})"

    def normal(self, seed: str) -> str:
        return f"RANDOM NORMAL(-10, 10, 0, 1, {seed})"


def unit_text(unit: str) -> str:
    """A unit as Vensim writes it, powers as products."""
    if unit in ("", "1"):
        return "Dmnl" if unit else ""

    def product(match: re.Match[str]) -> str:
        operator, word, power = match[1], match[2], int(match[3])
        return operator + (operator if operator == "/" else "*").join([word] * power)

    text = re.sub(r"(^|[*/(])\s*([^\W\d]\w*)\s*\*\*\s*(\d+)", product, unit).replace("**", "^")
    return free_text(text).replace("~", "-").replace(",", ";")


def free_text(text: str) -> str:
    """Documentation without what ends a field, an entry or the file."""
    text = re.sub(r":((?:END OF )?MACRO):", r"\1", text, flags=re.IGNORECASE)
    return re.sub(r"\\{2,}|/{3,}", " ", text.replace("|", "/").replace("~", "-")).strip()


def wrapped(text: str) -> str:
    """A long equation over several lines, each ended by a backslash, broken only between terms and arguments."""
    lines, line, quoted = [], "", False
    for piece in re.split(r'("|, | \+ )', text):
        if piece == '"':
            quoted = not quoted
        line += piece
        if len(line) > _LINE and piece in (", ", " + ") and not quoted:
            lines.append(line)
            line = ""
    return "\\\n\t\t".join([*lines, line])
