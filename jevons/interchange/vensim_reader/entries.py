"""One entry of a Vensim model: its name, subscripts and kind, its units, and the elements of a subscript range."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from jevons.interchange.dimensions import canonical
from jevons.interchange.vensim_reader.literals import BRACKET, QUOTED, Unreadable, canonical_name, split_subscripts

_NAME = re.compile(rf"({QUOTED}|[^\W_][\w'$ ]*|_[\w'$ ]*)\s*")
_BRACKET = re.compile(rf"{BRACKET}\s*")
_EXCEPT = re.compile(r":EXCEPT:\s*", re.IGNORECASE)
_COMMA = re.compile(r",\s*")
_CHECK = re.compile(r":\s*(THE\s+CONDITION|TEST\s+INPUT)\s*:\s*", re.IGNORECASE)
_IS = re.compile(r":IS:\s*", re.IGNORECASE)
_KEYWORD = re.compile(r":\s*([^\W\d][\w ]*?)\s*:(?!=)\s*")
_ASSIGN = re.compile(r"(:=|==|=)\s*")
_COPY = re.compile(r"<->\s*")
_GET_SUBSCRIPT = re.compile(r"GET[ _](?:XLS|DIRECT)[ _]SUBSCRIPT\s*\((.*)\)\s*(?:->(.*))?", re.IGNORECASE)
_TEXTS = re.compile(r"'([^']*)'")
_SPAN = re.compile(r"\(\s*([^\s()-][^()-]*?)(\d{1,9})\s*-\s*([^\s()-][^()-]*?)(\d{1,9})\s*\)")
_SEPARATOR = re.compile(rf"{QUOTED}|[(),]")
_LIMITS = re.compile(r"(.*)\[([^\[\]]*)\]", re.DOTALL)

SPAN_LIMIT = 100_000


@dataclass
class Left:
    """What stands at the left of an entry, and the text at its right."""

    name: str
    kind: str
    right: str
    subscripts: list[str] = field(default_factory=list)
    excepts: list[list[str]] = field(default_factory=list)
    keyword: str | None = None


def read_left(equation: str) -> Left:
    """Cut an entry into its name, subscripts, kind and right-hand side."""
    match = _NAME.match(equation)
    if not match:
        raise Unreadable("an entry must begin with a name", equation[:60])
    left = Left(match[1].strip(), "", "")
    position = match.end()
    bracket = _BRACKET.match(equation, position)
    if bracket:
        left.subscripts = split_subscripts(bracket[1])
        position = bracket.end()
        position = _read_excepts(equation, position, left)
    check = _CHECK.match(equation, position)
    if check:
        left.kind = "constraint" if check[1].upper().startswith("THE") else "test input"
        left.right = equation[check.end() :]
        return left
    text = _IS.match(equation, position)
    if text:
        left.kind, left.right = "text", equation[text.end() :]
        return left
    keyword = _KEYWORD.match(equation, position)
    if keyword and (keyword.end() == len(equation) or _ASSIGN.match(equation, keyword.end())):
        left.keyword = canonical_name(keyword[1])
        position = keyword.end()
    assign = _ASSIGN.match(equation, position)
    rest = equation[position:]
    if assign:
        left.kind = {":=": "data", "==": "unchangeable", "=": "component"}[assign[1]]
        left.right = equation[assign.end() :]
        if left.keyword is not None:
            left.kind = "data"
        if not left.right.strip():
            raise Unreadable("nothing stands after the equals sign", equation[:60])
    elif not rest:
        left.kind = "data"
    elif rest.startswith("<->"):
        left.kind, left.right = "copy", equation[_COPY.match(equation, position).end() :]  # type: ignore[union-attr]
    elif rest.startswith("("):
        left.kind, left.right = "lookup", rest
    elif rest.startswith(":") and not bracket:
        left.kind, left.right = "range", rest[1:].strip()
    else:
        raise Unreadable("after the name an equals sign, a list of points, a colon or nothing is expected", rest[:60])
    return left


def _read_excepts(equation: str, position: int, left: Left) -> int:
    match: re.Match[str] | None = _EXCEPT.match(equation, position)
    while match:
        bracket = _BRACKET.match(equation, match.end())
        if not bracket:
            raise Unreadable("after :EXCEPT: subscripts in brackets are expected", equation[match.end() :][:60])
        left.excepts.append(split_subscripts(bracket[1]))
        position = bracket.end()
        match = _COMMA.match(equation, position)
    return position


def read_units(text: str) -> tuple[str, tuple[float | None, ...] | None]:
    """Units and limits of ``1/Month [0,?]``; limits that are no numbers stay in the units."""
    match = _LIMITS.fullmatch(text)
    if not match:
        return text, None
    limits: list[float | None] = []
    for part in match[2].split(","):
        word = part.strip()
        try:
            limits.append(None if word in ("?", "") else float(word))
        except ValueError:
            return text, None
    return match[1].strip(), tuple(limits)


def read_range(text: str) -> tuple[Any, list[str], dict[str, tuple[str, ...]]]:
    """Elements of a range, the ranges it maps to place by place, and those for which the file lists elements."""
    imported = _GET_SUBSCRIPT.fullmatch(text)
    if imported:
        values = _TEXTS.findall(imported[1])
        if len(values) != 5:
            raise Unreadable("GET SUBSCRIPT takes file, tab, first cell, last cell and prefix", text[:60])
        mapping, explicit = _read_mappings(imported[2] or "")
        return dict(zip(("file", "tab", "firstcell", "lastcell", "prefix"), values, strict=True)), mapping, explicit
    before, arrow, after = _outside(text, "->")
    mapping, explicit = _read_mappings(after) if arrow else ([], {})
    elements = []
    for part in _parts(before):
        span = _SPAN.fullmatch(part)
        elements.extend(_span(span) if span else split_subscripts(part))
    if not elements:
        raise Unreadable("a subscript range needs elements after its colon", text[:60])
    return elements, mapping, explicit


def _span(match: re.Match[str]) -> list[str]:
    first, last = int(match[2]), int(match[4])
    if match[1] != match[3]:
        raise Unreadable("the ends of a numbered range must be the same name with different numbers", match[0])
    if first >= last:
        raise Unreadable("the first number of a numbered range must be lower than its last", match[0])
    if last - first > SPAN_LIMIT:
        raise Unreadable(f"a numbered range has more than {SPAN_LIMIT:,} elements", match[0])
    return [f"{match[1]}{i}" for i in range(first, last + 1)]


def _read_mappings(text: str) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    mapping, explicit = [], {}
    for part in _parts(text):
        if not part.startswith("("):
            mapping.append(part)
            continue
        name, colon, elements = part[1:].removesuffix(")").partition(":")
        if colon:
            explicit[canonical(name)] = tuple(canonical(e) for e in split_subscripts(elements))
        else:
            mapping.append(name.strip())
    if any(not part for part in mapping):
        raise Unreadable("a mapping names the range it maps to", text[:60])
    return mapping, explicit


def _parts(text: str) -> list[str]:
    """Split at commas outside of parentheses and quotes."""
    parts, start, inside = [], 0, False
    for match in _SEPARATOR.finditer(text):
        if match[0] == "," and not inside:
            parts.append(text[start : match.start()])
            start = match.end()
        elif match[0] in "()":
            inside = match[0] == "("
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def _outside(text: str, mark: str) -> tuple[str, str, str]:
    position = 0
    for piece in re.finditer(rf"{QUOTED}|{re.escape(mark)}", text):
        if piece[0] == mark:
            position = piece.start()
            return text[:position], mark, text[position + len(mark) :]
    return text, "", ""
