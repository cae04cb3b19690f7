"""Units of a model whose units were typed by people: what agrees, what does not, and what the missing ones must be."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import sympy as sp

from jevons import units
from jevons.diagnostics.unit_equations import ERROR, WARNING, Claim, Contradiction, Reader, Solver, minimal
from jevons.diagnostics.unit_text import SCALE, Unit, UnitTextError, Vocabulary
from jevons.elements import Driver, Element, Flow, Table
from jevons.errors import nearest
from jevons.functions import TIME

if TYPE_CHECKING:
    import pandas as pd

    from jevons.model import Model

CONSISTENT, MISMATCH, UNKNOWN = "consistent", "mismatch", "unknown"
_ARGUMENT = " (argument)"
_SHOWN = 12
_COLUMNS = [
    "name", "unit", "inferred", "verdict", "severity", "part", "message", "found", "expected", "where", "with",
]  # fmt: skip


@dataclass(frozen=True)
class UnitFinding:
    """Something about a unit that ought to be looked at.

    Attributes
    ----------
    name : str
        Element.
    what : str
        ``equation``, ``initial value``, ``flow of 'x'``, ``unit``.
    severity : {'error', 'warning'}
    message : str
        What does not agree.
    where : str
        The smallest expression in which it does not.
    found, expected : str
        Units; empty where the text of a unit itself is the matter.
    with_others : tuple of str
        Elements whose equations are needed for the contradiction, this one left out.
    """

    name: str
    what: str
    severity: str
    message: str
    where: str = ""
    found: str = ""
    expected: str = ""
    with_others: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.severity}: {self.name!r}: {self.what}: {self.message}"
        text += f": found {self.found}, expected {self.expected}" if self.found else ""
        text += f", in `{self.where}`" if self.where else ""
        if self.with_others:
            text += f" (contradicts {', '.join(map(repr, self.with_others))})"
        return text


@dataclass(frozen=True)
class UnitReport:
    """Units of every element of a model.

    Attributes
    ----------
    model : str
    written : mapping of str to str
        Unit as the model has it, by element.
    verdicts : mapping of str to str
        ``consistent``, ``mismatch`` or ``unknown``, by element: unknown where a unit that it needs cannot be told.
    findings : tuple of UnitFinding
        Errors first.
    inferred : mapping of str to str
        Units that were missing and follow from the equations.
    arguments : mapping of str to str
        Units of the arguments of tables that do not say theirs, as far as they follow.
    free : mapping of str to str
        Missing units that nothing decides, in terms of each other (``[x]`` is the unit of `x`).
    """

    model: str
    written: Mapping[str, str]
    verdicts: Mapping[str, str]
    findings: tuple[UnitFinding, ...]
    inferred: Mapping[str, str]
    arguments: Mapping[str, str]
    free: Mapping[str, str]

    @property
    def errors(self) -> tuple[UnitFinding, ...]:
        return tuple(f for f in self.findings if f.severity == ERROR)

    @property
    def warnings(self) -> tuple[UnitFinding, ...]:
        return tuple(f for f in self.findings if f.severity == WARNING)

    @property
    def contradictions(self) -> tuple[UnitFinding, ...]:
        """Errors that only several equations together show."""
        return tuple(f for f in self.findings if f.with_others)

    def to_frame(self) -> pd.DataFrame:
        """One row a finding, and one for every element without: name, unit, inferred, verdict, severity, message …"""
        import pandas as pd

        found: dict[str, list[UnitFinding]] = {}
        for f in self.findings:
            found.setdefault(f.name, []).append(f)
        nothing = UnitFinding("", "", "", "")
        rows = [
            {
                "name": name, "unit": self.written[name], "inferred": self.inferred.get(name, ""),
                "verdict": verdict, "severity": f.severity, "part": f.what, "message": f.message,
                "found": f.found, "expected": f.expected, "where": f.where, "with": ", ".join(f.with_others),
            }
            for name, verdict in self.verdicts.items()
            for f in found.get(name, [nothing])
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=_COLUMNS)

    def summary(self) -> str:
        """The report in words."""
        count = Counter(self.verdicts.values())
        verdicts = ", ".join(f"{count[v]} {v}" for v in (CONSISTENT, MISMATCH, UNKNOWN) if count[v])
        lines = [f"units of {self.model!r}: {len(self.verdicts)} elements: {verdicts or 'none'}"]
        for title, found in (("errors", self.errors), ("warnings", self.warnings)):
            if found:
                lines += [f"{len(found)} {title if len(found) > 1 else title[:-1]}"]
                lines += [f"  - {str(f).partition(': ')[2]}" for f in found[:_SHOWN]]
                lines += [f"  … and {len(found) - _SHOWN} more (`to_frame()`)"] if len(found) > _SHOWN else []
        for title, given in (("missing units that follow from the equations", self.inferred),
                             ("missing units that nothing decides", self.free)):  # fmt: skip
            if given:
                lines += [f"{len(given)} {title}"]
                lines += [f"  {name}: {unit}" for name, unit in list(given.items())[:_SHOWN]]
                lines += [f"  … and {len(given) - _SHOWN} more"] if len(given) > _SHOWN else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        head, *rest = self.summary().splitlines()
        rows = "".join(
            f"<tr><td>{html.escape(f.severity)}</td><th scope='row'>{html.escape(f.name)}</th>"
            f"<td>{html.escape(f'{f.what}: {f.message}')}</td><td>{html.escape(f.found)}</td>"
            f"<td>{html.escape(f.expected)}</td><td><code>{html.escape(f.where)}</code></td></tr>"
            for f in self.findings
        )
        heads = "".join(f"<th scope='col'>{h}</th>" for h in ("", "element", "what", "found", "expected", "in"))
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        missing = [f"{html.escape(k)}: {html.escape(u)}" for k, u in {**self.inferred, **self.free}.items()]
        told = f"<p>Missing units: {'; '.join(missing)}</p>" if missing else ""
        return f"<p>{html.escape(head)}</p>{table}{told}" if rest else f"<p>{html.escape(head)}</p>"


def unit_report(model: Model, synonyms: Iterable[Iterable[str]] | None = None) -> UnitReport:
    """Check the units of a model, and infer those that are missing.

    Equation   each equation says that two products of units are one, Σ e_i ln u_i = 0: linear in the exponents, and
               solved by elimination over the rational numbers (Kennedy 1994)
    Valid for  units that multiply; offsets (°C and K) and sizes (hours and days) are different units
    Source     Kennedy, A. (1994), Dimension types, ESOP '94, LNCS 788, 348-362

    Parameters
    ----------
    model : Model
        With units as a person typed them: any word or phrase is a unit. Units of a model that was checked when it
        was built are read as there, with their size.
    synonyms : iterable of groups of words, optional
        Words that mean the same unit; those of the model's file otherwise. Years, months, people, dollars and
        ``Dmnl`` need none, nor do plurals.

    Returns
    -------
    UnitReport
        Errors are what Vensim calls so: sums, comparisons, equations, times and arguments of exp and ln that do
        not fit. Warnings: numbers that stand for something with a unit, powers, arguments of tables. Zero fits
        every unit, and a number alone has the unit of what it defines.
    """
    return _Report(model, synonyms).report()


class _Report:
    def __init__(self, model: Model, synonyms: Iterable[Iterable[str]] | None) -> None:
        self.model = model
        self.checked = bool(model.check_units)
        given = model.unit_synonyms if synonyms is None else synonyms
        elements = model.elements.values()
        texts = [e.unit for e in elements] + [e.x_unit for e in elements if isinstance(e, Table)] + [model.time_unit]
        self.vocabulary = Vocabulary([] if self.checked else texts, given)
        self.findings: list[UnitFinding] = []
        self.missing: dict[str, None] = {}
        self.time = self._parsed(TIME.name, model.time_unit)
        self.units: dict[str, Unit] = {e.name: self._parsed(e.name, e.unit) for e in elements}
        self.arguments = {
            e.name: self._parsed(f"{e.name}{_ARGUMENT}", e.x_unit) for e in elements if isinstance(e, Table)
        }

    def report(self) -> UnitReport:
        reader = Reader(self._unit_of, self.time)
        for element in self.model.elements.values():
            self._read(reader, element)
        solver = Solver()
        self._solve(solver, reader.claims)
        inferred: dict[str, str] = {}
        arguments: dict[str, str] = {}
        free: dict[str, str] = {}
        for name in self.missing:
            unit = solver.unit(name)
            if name.endswith(_ARGUMENT):
                arguments.update({} if unit.unknown else {name.removesuffix(_ARGUMENT): str(unit)})
            elif name in self.model.elements:
                (free if unit.unknown else inferred)[name] = str(unit)
        self.findings += self._misspelt()
        order = {name: i for i, name in enumerate(self.model.elements)}
        self.findings.sort(key=lambda f: (f.severity != ERROR, order.get(f.name, -1)))
        return UnitReport(
            self.model.name,
            {name: e.unit for name, e in self.model.elements.items()},
            self._verdicts(reader.claims, solver),
            tuple(self.findings),
            inferred,
            arguments,
            free,
        )

    def _read(self, reader: Reader, element: Element) -> None:
        unit = self.units[element.name]
        for what, expression in element.expressions():
            e = sp.sympify(expression)
            if isinstance(e, sp.Expr):
                reader.equation(element.name, what, e, unit)
        if isinstance(element, Flow):
            for end in dict.fromkeys((element.source, element.target)):
                if end is not None:
                    reader.about(element.name, f"flow of {end!r}")
                    reader.claim("a stock's unit per unit of time", element.name, unit, self.units[end] / self.time)
        if isinstance(element, Driver):
            reader.about(element.name, "argument")
            reader.claim("a series over time", element.name, self.arguments[element.name], self.time)

    def _solve(self, solver: Solver, claims: list[Claim]) -> None:
        """Report what is plainly wrong, infer from the rest, report what then contradicts."""
        plain = [c for c in claims if not (c.found / c.expected).unknown]
        self.findings += [_finding(c, c.found, c.expected) for c in plain]
        to_solve = [(i, c) for i, c in enumerate(claims) if (c.found / c.expected).unknown]
        firm = sorted((ic for ic in to_solve if ic[1].firm), key=lambda ic: ic[1].severity != ERROR)
        wrong: list[tuple[Claim, tuple[int, ...]]] = []
        for i, claim in firm:
            try:
                solver.add(i, claim.found / claim.expected)
            except Contradiction as contradiction:
                places = minimal(contradiction.places, lambda k: claims[k].found / claims[k].expected)
                wrong.append((claim, places))
        for claim, places in wrong:
            others = dict.fromkeys(claims[k].name for k in places if claims[k].name != claim.name)
            self.findings.append(
                _finding(claim, solver.reduced(claim.found), solver.reduced(claim.expected), tuple(others))
            )
        for _, claim in to_solve:
            found, expected = solver.reduced(claim.found), solver.reduced(claim.expected)
            quotient = found / expected
            if not claim.firm and not quotient.unknown and not quotient.one:
                self.findings.append(_finding(claim, found, expected))

    def _verdicts(self, claims: list[Claim], solver: Solver) -> dict[str, str]:
        wrong = {f.name for f in self.findings if f.severity == ERROR}
        open_claims = {
            c.name for c in claims if c.firm and (solver.reduced(c.found).unknown or solver.reduced(c.expected).unknown)
        }
        verdicts = {}
        for name in self.model.elements:
            undecided = name in open_claims or bool(solver.reduced(self.units[name]).unknown)
            verdicts[name] = MISMATCH if name in wrong else UNKNOWN if undecided else CONSISTENT
        return verdicts

    def _unit_of(self, symbol: sp.Symbol) -> Any:
        if symbol == TIME:
            return self.time
        element = self.model.elements[symbol.name]
        if isinstance(element, Table) and not isinstance(element, Driver):
            return self.arguments[symbol.name], self.units[symbol.name]
        return self.units[symbol.name]

    def _parsed(self, name: str, text: str) -> Unit:
        if self.checked:
            return _sized(text)
        try:
            unit = self.vocabulary.parse(text)
        except UnitTextError as error:
            owner = name.removesuffix(_ARGUMENT)
            self.findings.append(UnitFinding(owner, "unit", ERROR, str(error)))
            unit = None
        if unit is None:
            self.missing[name] = None
            return Unit({}, {name: Fraction(1)})
        return unit

    def _misspelt(self) -> Iterator[UnitFinding]:
        """Units used once that look like one used often."""
        uses = self.vocabulary.uses
        common = [base for base, count in uses.items() if count > 1]
        for base in (b for b, count in uses.items() if count == 1 and len(b) > 3):
            hint = nearest(base, [c for c in common if abs(len(c) - len(base)) < 3 and c[0].lower() == base[0].lower()])
            if hint:
                owner = next((n for n, u in self.units.items() if base in u.powers), "")
                if owner:
                    yield UnitFinding(owner, "unit", WARNING, f"unit {base!r} is used once{hint}")


def _sized(text: str) -> Unit:
    """A unit of the registry in its base units, with its size."""
    factor, base = units.registry().get_base_units(units.parse_unit(text))
    powers: dict[str, Fraction | float] = {
        str(name): Fraction(float(e)).limit_denominator(1000) for name, e in dict(base._units).items()
    }
    return Unit({**powers, SCALE: math.log(float(factor))} if factor != 1 else powers, {})


def _finding(claim: Claim, found: Unit, expected: Unit, others: tuple[str, ...] = ()) -> UnitFinding:
    size = (found / expected).powers
    message = claim.message
    if set(size) == {SCALE}:
        message += f" (same dimension, {math.exp(float(size[SCALE])):g} times too large)"
    return UnitFinding(claim.name, claim.what, claim.severity, message, claim.where, str(found), str(expected), others)
