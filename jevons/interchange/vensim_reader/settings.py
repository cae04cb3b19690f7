"""What stands after the equations of a Vensim model: settings, and what the sketch tells of views and flows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from jevons.interchange.vensim_reader.literals import QUOTED

# Codes of the fourth number of line 15, as published in the source of XMUtil. 2 is Vensim's difference equations:
# Euler's method that reports auxiliaries one step late. Of 1 and 5, and of 3 and 4, one adjusts its step; both are
# taken to use TIME STEP.
METHODS = {0: "Euler", 1: "RK4", 2: "Euler", 3: "RK2", 4: "RK2", 5: "RK4"}

# Bits of a record's shape and of its own bits.
_ATTACHED = 32
_ARROWS_IN = 1

_RECORD = re.compile(rf"(10|11),\d+,({QUOTED}|[^,]*),(.*)")


@dataclass(frozen=True)
class Settings:
    """Settings that bear on the numbers of a run.

    Attributes
    ----------
    method : str
    unit_synonyms : tuple of tuples
    files : mapping
        Short name of a file (``?data``) to its name.
    """

    method: str
    unit_synonyms: tuple[tuple[str, ...], ...]
    files: Mapping[str, str]


def read_settings(text: str, repairs: list[str]) -> Settings:
    """Settings in what follows the sketch."""
    method, synonyms, files = "Euler", [], {}
    for line in text.split("\n"):
        code, _, rest = line.strip().partition(":")
        if code == "15":
            numbers = [part.strip() for part in rest.split(",")]
            known = len(numbers) > 3 and numbers[3].isdecimal() and int(numbers[3][:9]) in METHODS
            if known:
                method = METHODS[int(numbers[3])]
            else:
                repairs.append(f"settings: the method of integration {line.strip()[:40]!r} is unknown, Euler taken")
        elif code == "22":
            words = tuple(word.strip() for word in rest.split(",") if word.strip())
            if len(words) > 1:
                synonyms.append(words)
        elif code == "30":
            alias, _, name = rest.partition("=")
            if alias.strip() and name.strip():
                files[alias.strip()] = name.strip()
    return Settings(method, tuple(synonyms), files)


def read_sketch(text: str, canonical: Callable[[str], str]) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Views with the variables defined on them, and the variables that are drawn as flows.

    Parameters
    ----------
    text : str
        All views.
    canonical : callable
        Canonical name of what the sketch writes.
    """
    views: dict[str, dict[str, None]] = {}
    flows: set[str] = set()
    for title, records in _views(text):
        shown = views.setdefault(title, {})
        drawn = any(kind == 11 and numbers[4] & _ATTACHED for kind, _, numbers in records)
        for kind, name, numbers in records:
            if kind != 10:
                continue
            variable = canonical(name)
            if numbers[5] & _ARROWS_IN and variable not in shown:
                shown[variable] = None
            if drawn and numbers[4] & _ATTACHED:
                flows.add(variable)
    return {title: tuple(names) for title, names in views.items() if names}, frozenset(flows)


_Record = tuple[int, str, list[int]]


def _views(text: str) -> Iterator[tuple[str, list[_Record]]]:
    title = ""
    records: list[_Record] = []
    for line in text.split("\n"):
        if line.startswith("*"):
            if records:
                yield title, records
            title, records = line[1:].strip(), []
            continue
        match = _RECORD.match(line)
        if match:
            numbers = [int(x) if re.fullmatch(r"-?\d{1,9}", x) else 0 for x in match[3].split(",")[:6]]
            if len(numbers) == 6:
                records.append((int(match[1]), match[2], numbers))
    if records:
        yield title, records
