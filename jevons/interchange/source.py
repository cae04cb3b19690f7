"""A model file as parsed: PySD's abstract model, and what its translator drops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """Something in a model file that cannot be translated.

    Attributes
    ----------
    name : str
        Variable, as the file writes it; empty where the file as a whole is meant.
    line : int or None
    text : str
        What was found, shortened.
    reason : str
    """

    name: str
    line: int | None
    text: str
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        what = f" in `{self.text}`" if self.text else ""
        return f"{where}{self.name!r}: {self.reason}{what}" if self.name else f"{where}{self.reason}{what}"


@dataclass(frozen=True)
class SourceModel:
    """A parsed model file.

    Names are canonical (as PySD writes references: lower case, blanks as ``_``) unless said otherwise.

    Attributes
    ----------
    path : Path
    language : {'vensim', 'xmile'}
    abstract : pysd AbstractModel
        First section: the model; others: macros.
    names : mapping
        Canonical name to the name as the file writes it.
    method : str
        ``Euler``, ``RK2``, ``RK4``, or ``adaptive`` (steps chosen by the program).
    save_step : float or None
        Saving interval where the file gives it outside of the equations.
    time_unit : str
    lines : mapping
        Line of the first definition.
    part_lines : mapping
        Line of each part of a definition, by `id` of its component in `abstract` (Vensim).
    views, groups : mapping
        View or group to the names on it.
    valves : frozenset
        Names drawn as flows (Vensim).
    kinds : mapping
        ``stock``, ``flow``, ``aux`` or ``gf`` (XMILE).
    stock_flows : mapping
        Stock to its (inflows, outflows) (XMILE).
    non_negative : frozenset
        Stocks and flows that the file keeps from falling below zero (XMILE).
    unit_synonyms : tuple of tuples
        Words that mean the same unit.
    mappings : mapping
        Range to the ranges for which the file lists what stands for each of its elements: labels, or ranges, in their
        order (Vensim). Ranges that map place by place are in the abstract model.
    files : mapping
        Short name of a data file (``?data``) to its name (Vensim).
    refused : tuple of Refusal
        What could not be parsed.
    repairs : tuple of str
        What was rewritten before parsing, with the line.
    """

    path: Path
    language: str
    abstract: Any
    names: Mapping[str, str]
    method: str = "Euler"
    save_step: float | None = None
    time_unit: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    part_lines: Mapping[int, int] = field(default_factory=dict)
    views: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    valves: frozenset[str] = frozenset()
    kinds: Mapping[str, str] = field(default_factory=dict)
    stock_flows: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    non_negative: frozenset[str] = frozenset()
    unit_synonyms: tuple[tuple[str, ...], ...] = ()
    mappings: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()
    repairs: tuple[str, ...] = ()
