"""Vensim's text models (.mdl), read into PySD's abstract model, with what PySD's translator drops.

Every entry is read on its own: one that cannot be read is listed with its line and the reason, and the others are read
all the same. Nothing is evaluated, nothing is written.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jevons.interchange.dimensions import canonical
from jevons.interchange.pysd_classes import structures, syntax
from jevons.interchange.source import Refusal, SourceModel
from jevons.interchange.vensim_reader.entries import Left, read_left, read_range, read_units
from jevons.interchange.vensim_reader.expressions import MacroOutputs, read_expression, read_lookup
from jevons.interchange.vensim_reader.literals import Unreadable, canonical_name
from jevons.interchange.vensim_reader.repairs import Entry, Section, cut_text, display_name, load_text, name_of
from jevons.interchange.vensim_reader.settings import read_settings, read_sketch

CONTROLS = ("initial_time", "final_time", "time_step", "saveper")


def read_vensim_source(path: str | Path, *, encoding: str | None = None) -> SourceModel:
    """Parse a Vensim model.

    Parameters
    ----------
    path : str or Path
        File in Vensim's text form.
    encoding : str, optional
        Of the file; found from its first line otherwise, UTF-8 or Windows-1252 where it says nothing.

    Returns
    -------
    SourceModel
        What cannot be read is listed in ``refused``, what is read otherwise than it is written in ``repairs``.

    Raises
    ------
    JevonsError
        If there is no such file, or it is no Vensim model, or larger than is read.
    """
    file = Path(path)
    repairs: list[str] = []
    text = cut_text(load_text(file, encoding, (".mdl",), repairs), file, repairs)
    macros = {canonical_name(section.name) for section in text.sections[1:]}
    readers = [_SectionReader(section, macros, repairs) for section in text.sections]
    sections = [reader.read(file) for reader in readers]
    sections += _macros_of_outputs(readers, sections)
    main = readers[0]
    refused = sorted([*text.refused, *(r for reader in readers for r in reader.refused)], key=lambda r: r.line or 0)
    settings = read_settings(text.settings, repairs)
    views, valves = read_sketch(text.sketch, canonical)
    known = {view: tuple(name for name in names if name in main.lines) for view, names in views.items()}
    return SourceModel(
        path=file,
        language="vensim",
        abstract=structures().AbstractModel(original_path=file, sections=tuple(sections)),
        names=main.names,
        method=settings.method,
        time_unit=_time_unit(sections[0]),
        lines=main.lines,
        part_lines={part: line for reader in readers for part, line in reader.part_lines.items()},
        views={view: names for view, names in known.items() if names},
        groups={group: tuple(names) for group, names in main.groups.items()},
        valves=frozenset(valves & main.lines.keys()),
        unit_synonyms=settings.unit_synonyms,
        mappings=main.mappings,
        files=settings.files,
        refused=tuple(refused),
        repairs=tuple(sorted(repairs, key=_line_of)),
    )


def _time_unit(section: Any) -> str:
    units = {canonical(element.name): element.units for element in section.elements}
    return next((units[name] for name in ("time_step", "final_time", "initial_time") if units.get(name)), "")


def _output_name(macro: str, place: int) -> str:
    return f"{macro}:{place + 1}"


def _macros_of_outputs(readers: list[_SectionReader], sections: list[Any]) -> list[Any]:
    """For each output that a call asks for, the macro again, returning that output."""
    ae, am = syntax(), structures()

    by_name = {section.name: (reader, section) for reader, section in zip(readers[1:], sections[1:], strict=True)}
    made: dict[str, Any] = {}
    for user in readers:
        for outputs in user.outputs:
            if outputs.macro not in by_name:
                continue
            _, section = by_name[outputs.macro]
            if len(outputs.names) > len(section.returns):
                line = user.lines.get(canonical(outputs.names[0]))
                reason = (
                    f"macro {section.name!r} returns {len(section.returns)} outputs, {len(outputs.names)} asked for"
                )
                user.refused.append(Refusal(display_name(outputs.names[0]), line, "", reason))
            for i, returned in enumerate(section.returns[: len(outputs.names)]):
                name = _output_name(section.name, i)
                value = am.AbstractComponent(([], []), ae.ReferenceStructure(canonical_name(returned)))
                result = am.AbstractElement(name=name, components=[value])
                made[name] = dataclasses.replace(section, name=name, returns=[], elements=[*section.elements, result])
    return list(made.values())


def _line_of(repair: str) -> int:
    match = re.match(r"line (\d+)", repair)
    return int(match[1]) if match else 0


class _SectionReader:
    def __init__(self, section: Section, macros: set[str], repairs: list[str]) -> None:
        self.section = section
        self.repairs = repairs
        self.refused: list[Refusal] = []
        self.names: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.part_lines: dict[int, int] = {}
        self.groups: dict[str, dict[str, None]] = {}
        self.ranges: list[Any] = []
        self.elements: dict[str, Any] = {}
        self.constraints: list[Any] = []
        self.test_inputs: list[Any] = []
        self.mappings: dict[str, dict[str, tuple[str, ...]]] = {}
        self.lefts: list[tuple[Entry, Left]] = []
        self.own = set(macros)
        self.outputs: list[MacroOutputs] = []

    def read(self, file: Path) -> Any:
        for entry in self.section.entries:
            self._guard(entry, self._read_left)
        for entry, left in self.lefts:
            self._guard(entry, functools.partial(self._read_right, left))
        name = canonical_name(self.section.name)
        clean = re.sub(r"\W+", "", name).lstrip("0123456789")
        return structures().AbstractSection(
            name=name or "__main__",
            path=file.with_suffix(".py") if not name else file.parent / f"{clean}.py",
            type="macro" if name else "main",
            params=self.section.parameters,
            returns=self.section.returns,
            subscripts=self.ranges,
            elements=list(self.elements.values()),
            constraints=self.constraints,
            test_inputs=self.test_inputs,
            split=False,
            views_dict=None,
        )

    def _guard(self, entry: Entry, read: Callable[[Entry], None]) -> None:
        try:
            read(entry)
        except Unreadable as error:
            text = error.text or entry.equation[:80]
            self.refused.append(Refusal(name_of(entry.equation), entry.line, text, error.reason))

    def _read_left(self, entry: Entry) -> None:
        left = read_left(entry.equation)
        self.lefts.append((entry, left))
        if left.kind in ("range", "copy", "constraint", "test input", "text"):
            return
        if left.kind == "lookup":
            self.own.add(canonical_name(left.name))
        self._register(left.name, entry)

    def _register(self, written: str, entry: Entry) -> None:
        name = canonical(written)
        self.lines.setdefault(name, entry.line)
        self.names.setdefault(name, display_name(written))
        if entry.group:
            members = self.groups.setdefault(entry.group, {})
            members[name] = None

    def _read_right(self, left: Left, entry: Entry) -> None:
        am = structures()

        if left.kind == "range":
            elements, mapping, explicit = read_range(left.right)
            self.ranges.append(am.AbstractSubscriptRange(left.name, elements, mapping))
            if explicit:
                self.mappings[canonical(left.name)] = explicit
        elif left.kind == "copy":
            self.ranges.append(am.AbstractSubscriptRange(left.name, left.right.strip(), []))
        elif left.kind == "constraint":
            self.constraints.append(am.AbstractConstraint(left.name, left.subscripts, left.right.strip()))
        elif left.kind == "test input":
            self.test_inputs.append(am.AbstractTestInput(left.name, left.subscripts, left.right.strip()))
        elif left.kind == "text":
            self.repairs.append(f"line {entry.line}: {display_name(left.name)!r} is a text, not a quantity; left out")
        else:
            component = self._component(entry, left)
            self.part_lines[id(component)] = entry.line
            self._merge(entry, left, component)

    def _component(self, entry: Entry, left: Left) -> Any:
        ae, am = syntax(), structures()

        subscripts = (left.subscripts, left.excepts)
        if left.kind == "lookup":
            return am.AbstractLookup(subscripts, read_lookup(left.right))
        if left.kind == "data" and not left.right.strip():
            if left.keyword is None:
                self.repairs.append(f"line {entry.line}: {display_name(left.name)!r} has no equation, taken as data")
            return am.AbstractData(subscripts, ae.DataStructure(), keyword=left.keyword)
        notes: list[str] = []
        outputs: list[MacroOutputs] = []
        ast = read_expression(left.right, own=self.own, notes=notes, outputs=outputs)
        for output in outputs:
            self._add_outputs(entry, left, output)
        for note in dict.fromkeys(notes):
            self.repairs.append(f"line {entry.line}: {display_name(left.name)!r}: {note}")
        if left.kind == "data":
            return am.AbstractData(subscripts, ast, keyword=left.keyword)
        if left.kind == "unchangeable":
            return am.AbstractUnchangeableConstant(subscripts, ast)
        if isinstance(ast, ae.GetLookupsStructure):
            return am.AbstractLookup(subscripts, ast)
        return am.AbstractComponent(subscripts, ast)

    def _add_outputs(self, entry: Entry, left: Left, outputs: MacroOutputs) -> None:
        """A variable for each further output of a call: the value of a macro that returns it alone."""
        ae, am = syntax(), structures()

        self.outputs.append(outputs)
        for i, name in enumerate(outputs.names):
            call = ae.CallStructure(ae.ReferenceStructure(_output_name(outputs.macro, i)), outputs.arguments)
            component = am.AbstractComponent((list(left.subscripts), list(left.excepts)), call)
            self._register(name, entry)
            self._merge(entry, Left(name, "component", ""), component)

    def _merge(self, entry: Entry, left: Left, component: Any) -> None:
        am = structures()

        name = canonical_name(left.name)
        if name not in self.elements:
            kind = am.AbstractControlElement if name in CONTROLS else am.AbstractElement
            self.elements[name] = kind(name=left.name, components=[])
        element = self.elements[name]
        units, limits = read_units(entry.units)
        if units:
            element.units = units
        if limits:
            element.limits = limits
        if entry.documentation:
            element.documentation = entry.documentation
        element.components.append(component)
