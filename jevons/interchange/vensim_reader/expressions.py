"""Vensim's expression language, read into PySD's abstract syntax without evaluating any text.

PySD's own reader is a backtracking grammar that calls Python's ``eval`` on what it matched, recurses dozens of frames a
parenthesis, and loses whether ``-2^2`` or ``(-2)^2`` was written. This one is a single pass over tokens with a stack of
its own. Its trees are PySD's, node by node.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from jevons.interchange.pysd_classes import syntax, vensim_functions
from jevons.interchange.vensim_reader.literals import (
    BRACKET,
    NUMBER,
    QUOTED,
    Unreadable,
    canonical_name,
    number,
    plain_value,
    read_table,
    split_names,
    split_subscripts,
)

DEPTH_LIMIT = 200
LENGTH_LIMIT = 200_000

PLAIN_NAME = r"[^\W\d][\w'$]*(?:[ \t]+[\w'$]+)*"

_TOKEN = re.compile(
    rf"[\s\\]*(?:(?P<number>{NUMBER})|(?P<name>{PLAIN_NAME})|(?P<quoted>{QUOTED})|(?P<string>'[^']*')"
    r"|(?P<word>:(?:AND|OR|NOT|NA):)|(?P<operator><>|<=|>=|[-+*/^=<>])|(?P<mark>[()\[,:]))",
    re.IGNORECASE,
)
_BRACKET = re.compile(BRACKET)
_OUTPUTS = re.compile(rf"((?:{QUOTED}|[^\"()\[\]:])+)\)")
_INTERNAL = frozenset({"reference", "subscripts_ref", "arithmetic", "logic", "with_lookup", "call", "lookup", "data"})


@dataclass(frozen=True)
class MacroOutputs:
    """Variables that a call of a macro defines beside its value: ``MACRO(x, y : first, second)``."""

    macro: str
    arguments: tuple[Any, ...]
    names: tuple[str, ...]


class _Operator(str):
    """An operator between operands, told from a quoted text by its class."""

    __slots__ = ()


_NEGATIVE = _Operator("negative")
_POSITIVE = _Operator("positive")
_COMPARISONS = frozenset({"=", "<", ">", "<=", ">=", "<>"})
_OPERATORS = {text: _Operator(text) for text in ("+", "-", "*", "/", "^", *_COMPARISONS, ":AND:", ":OR:", ":NOT:")}


@functools.cache
def _functions() -> dict[str, tuple[Callable[..., Any], int]]:
    """Functions that have a node of their own in PySD's syntax, with the number of their arguments."""
    found = {}
    for name, build in vensim_functions().items():
        if name not in _INTERNAL:
            parameters = inspect.signature(build).parameters.values()
            found[name] = (build, sum(p.default is inspect.Parameter.empty for p in parameters))
    return found


@dataclass
class _Frame:
    """What has been read since an opening parenthesis."""

    kind: str
    head: Any = None
    start: int = 0
    items: list[Any] = field(default_factory=list)
    arguments: list[Any] = field(default_factory=list)


def read_lookup(text: str) -> Any:
    """Table after the name of a lookup, parentheses included: points, or where they are kept."""
    found = read_table(text)
    if found and found[1] == len(text):
        return found[0]
    inner = text.strip()
    if re.match(r"\(\s*GET[ _]", inner, re.IGNORECASE) and inner.endswith(")"):
        return read_expression(inner[1:-1])
    raise Unreadable("a lookup must be a list of points such as ((0,1),(10,2))", inner[:60])


def read_expression(
    text: str,
    *,
    own: Collection[str] = (),
    notes: list[str] | None = None,
    outputs: list[MacroOutputs] | None = None,
) -> Any:
    """Abstract syntax of the right-hand side of an equation.

    Parameters
    ----------
    text : str
        Without comments; blanks and continued lines are ignored.
    own : collection of str
        Canonical names of the file's macros and lookups, which come before Vensim's functions of the same name.
    notes : list of str, optional
        Receives what was understood otherwise than PySD does.
    outputs : list of MacroOutputs, optional
        Receives the variables that calls of macros define after a colon.
    """
    value = plain_value(text)
    if value is not None:
        return value
    if len(text) > LENGTH_LIMIT:
        raise Unreadable(f"the equation has {len(text):,} characters, at most {LENGTH_LIMIT:,} are read")
    reader = _Reader(text, own)
    value = reader.read()
    if notes is not None:
        notes.extend(dict.fromkeys(reader.notes))
    if outputs is not None:
        outputs.extend(reader.outputs)
    return value


class _Reader:
    def __init__(self, text: str, own: Collection[str]) -> None:
        self.text = text
        self.own = own
        self.notes: list[str] = []
        self.outputs: list[MacroOutputs] = []
        self.stack = [_Frame("whole")]

    def read(self) -> Any:
        text, position, end = self.text, 0, len(self.text.rstrip(" \t\r\n\\"))
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise Unreadable(_stray(text[position:]), _around(text, position))
            position = match.end()
            kind = match.lastgroup
            if kind == "number":
                self._operand(number(match["number"]), match.start())
            elif kind in ("name", "quoted"):
                position = self._name(match[kind], match.start(), position)
            elif kind == "string":
                self._operand(match["string"][1:-1], match.start())
            elif kind == "word":
                word = match["word"].upper()
                if word == ":NA:":
                    self._operand(math.nan, match.start())
                else:
                    self.stack[-1].items.append(_OPERATORS[word])
            elif kind == "operator":
                self._operator(match["operator"])
            else:
                position = self._mark(match["mark"], match.start("mark"), position)
        if len(self.stack) > 1:
            frame = self.stack[-1]
            raise Unreadable("a parenthesis is never closed", _around(text, frame.start))
        return self._reduce(self.stack[0].items)

    def _operand(self, value: Any, position: int) -> None:
        items = self.stack[-1].items
        if items and type(items[-1]) is not _Operator:
            raise Unreadable("two values stand side by side without an operator", _around(self.text, position))
        items.append(value)

    def _operator(self, text: str) -> None:
        items = self.stack[-1].items
        if text in "+-" and (not items or type(items[-1]) is _Operator):
            items.append(_NEGATIVE if text == "-" else _POSITIVE)
        else:
            items.append(_OPERATORS[text])

    def _name(self, name: str, start: int, position: int) -> int:
        reference = syntax().ReferenceStructure(canonical_name(name), None)
        bracket = _BRACKET.match(self.text, _skip(self.text, position))
        if bracket:
            subscripts = split_subscripts(bracket[1])
            reference.subscripts = syntax().SubscriptsReferenceStructure(subscripts)
            position = bracket.end()
        after = _skip(self.text, position)
        if self.text[after : after + 1] == "(":
            self._open("lookup" if reference.reference == "with_lookup" else "call", reference, start)
            return after + 1
        self._operand(reference, start)
        return position

    def _open(self, kind: str, head: Any, start: int) -> None:
        if len(self.stack) > DEPTH_LIMIT:
            raise Unreadable(f"parentheses are nested more than {DEPTH_LIMIT} deep")
        items = self.stack[-1].items
        if items and type(items[-1]) is not _Operator:
            raise Unreadable("two values stand side by side without an operator", _around(self.text, start))
        self.stack.append(_Frame(kind, head, start))

    def _mark(self, mark: str, start: int, position: int) -> int:
        frame = self.stack[-1]
        if mark == "(":
            self._open("parenthesis", None, start)
        elif mark == "[":
            raise Unreadable("a bracket stands where a value is expected", _around(self.text, start))
        elif mark == ":":
            return self._outputs(frame, start, position)
        elif mark == ",":
            if frame.kind not in ("call", "lookup"):
                raise Unreadable("a comma stands outside of a function's parentheses", _around(self.text, start))
            frame.arguments.append(self._reduce(frame.items))
            frame.items = []
            if frame.kind == "lookup":
                return self._inline_table(frame, position)
        elif len(self.stack) == 1:
            raise Unreadable("a parenthesis is closed that was never opened", _around(self.text, start))
        else:
            self.stack.pop()
            self._operand(self._close(frame), frame.start)
        return position

    def _outputs(self, frame: _Frame, start: int, position: int) -> int:
        if frame.kind != "call" or frame.head.reference not in self.own:
            raise Unreadable(_stray(self.text[start:]), _around(self.text, start))
        match = _OUTPUTS.match(self.text, position)
        if not match:
            raise Unreadable("after a macro's colon the names of its outputs are expected", _around(self.text, start))
        names = split_names(match[1])
        frame.arguments.append(self._reduce(frame.items))
        frame.items = []
        self.outputs.append(MacroOutputs(frame.head.reference, tuple(frame.arguments), names))
        self.stack.pop()
        self._operand(syntax().CallStructure(frame.head, tuple(frame.arguments)), frame.start)
        return match.end()

    def _inline_table(self, frame: _Frame, position: int) -> int:
        found = read_table(self.text, position)
        if found is None:
            raise Unreadable("WITH LOOKUP needs a list of points after its argument", _around(self.text, position))
        table, position = found
        position = _skip(self.text, position)
        if self.text[position : position + 1] != ")":
            raise Unreadable("WITH LOOKUP takes one argument and one list of points", _around(self.text, position))
        self.stack.pop()
        self._operand(syntax().InlineLookupsStructure(frame.arguments[0], table), frame.start)
        return position + 1

    def _close(self, frame: _Frame) -> Any:
        if frame.kind == "parenthesis":
            return self._reduce(frame.items)
        if frame.kind == "lookup":
            raise Unreadable("WITH LOOKUP needs a list of points after its argument", _around(self.text, frame.start))
        if frame.items or frame.arguments:
            frame.arguments.append(self._reduce(frame.items))
        name = frame.head.reference
        known = _functions().get(name) if name not in self.own and frame.head.subscripts is None else None
        if known is None:
            return syntax().CallStructure(frame.head, tuple(frame.arguments))
        build, count = known
        if len(frame.arguments) != count:
            shown = name.replace("_", " ").upper()
            found = len(frame.arguments)
            reason = f"{shown} takes {count} argument{'s' if count > 1 else ''}, {found} given"
            raise Unreadable(reason, _around(self.text, frame.start))
        if name.startswith("get_") and not all(type(argument) is str for argument in frame.arguments):
            raise Unreadable(
                "where data are kept must be given as texts in single quotes", _around(self.text, frame.start)
            )
        return build(*frame.arguments)

    def _reduce(self, items: list[Any]) -> Any:
        """Value of what stands between two parentheses or commas."""
        if len(items) == 1 and type(items[0]) is not _Operator:
            return items[0]
        if not items:
            raise Unreadable("a value is missing", self.text.strip()[:60])
        return self._either(items)

    def _either(self, items: list[Any]) -> Any:
        words = {str(item) for item in items if type(item) is _Operator and item in (":AND:", ":OR:")}
        if not words:
            return self._negation(items)
        logic = syntax().LogicStructure
        if len(words) == 2:
            self.notes.append(":AND: binds before :OR:")
            parts, operators = _split(items, (":OR:",))
            return logic(operators, tuple(self._either(part) for part in parts))
        parts, operators = _split(items, (":AND:", ":OR:"))
        return logic(operators, tuple(self._negation(part) for part in parts))

    def _negation(self, items: list[Any]) -> Any:
        if items and type(items[0]) is _Operator and items[0] == ":NOT:":
            return syntax().LogicStructure([":NOT:"], (self._comparison(items[1:]),))
        return self._comparison(items)

    def _comparison(self, items: list[Any]) -> Any:
        parts, operators = _split(items, _COMPARISONS)
        if len(operators) > 1:
            raise Unreadable("a comparison of a comparison needs parentheses", self.text.strip()[:60])
        values = tuple(self._sum(part) for part in parts)
        return syntax().LogicStructure(operators, values) if operators else values[0]

    def _sum(self, items: list[Any]) -> Any:
        parts, operators = _split(items, ("+", "-"))
        values = tuple(self._product(part) for part in parts)
        return syntax().ArithmeticStructure(operators, values) if operators else values[0]

    def _product(self, items: list[Any]) -> Any:
        parts, operators = _split(items, ("*", "/"))
        values = tuple(self._power(part) for part in parts)
        return syntax().ArithmeticStructure(operators, values) if operators else values[0]

    def _power(self, items: list[Any]) -> Any:
        arithmetic = syntax().ArithmeticStructure
        parts, operators = _split(items, ("^",))
        signed = [self._sign(part) for part in parts]
        last = len(signed) - 1
        if last > DEPTH_LIMIT:
            raise Unreadable(f"more than {DEPTH_LIMIT} powers are chained", self.text.strip()[:60])
        if all(not negative or (i == last and _literal(value)) for i, (negative, value) in enumerate(signed)):
            values = tuple(-value if negative else value for negative, value in signed)
            return arithmetic(operators, values) if operators else values[0]
        negative, result = signed[last]
        if negative:
            result = -result if _literal(result) else arithmetic(["negative"], (result,))
        for negative, value in reversed(signed[:-1]):
            if negative and _literal(value):
                self.notes.append("a power binds before the sign in front of it")
            result = arithmetic(["^"], (value, result))
            if negative:
                result = arithmetic(["negative"], (result,))
        return result

    def _sign(self, items: list[Any]) -> tuple[bool, Any]:
        negative = False
        for i, item in enumerate(items):
            if type(item) is not _Operator:
                if i + 1 < len(items):
                    break
                return negative, item
            if item is _NEGATIVE:
                negative = not negative
            elif item is not _POSITIVE:
                break
        else:
            raise Unreadable("a value is missing beside an operator", self.text.strip()[:60])
        raise Unreadable(f"{items[0]} cannot stand here", self.text.strip()[:60])


def _literal(value: Any) -> bool:
    return isinstance(value, int | float)


def _split(items: list[Any], marks: Collection[str]) -> tuple[list[list[Any]], list[str]]:
    parts: list[list[Any]] = [[]]
    operators = []
    for item in items:
        if type(item) is _Operator and item in marks:
            operators.append(str(item))
            parts.append([])
        else:
            parts[-1].append(item)
    return parts, operators


def _skip(text: str, position: int) -> int:
    while position < len(text) and (text[position].isspace() or text[position] == "\\"):
        position += 1
    return position


def _around(text: str, position: int) -> str:
    return " ".join(text[max(position - 20, 0) : position + 40].split())


def _stray(text: str) -> str:
    rest = text.lstrip(" \t\r\n\\")
    if rest[:1] in "\"'":
        return "a quote is never closed"
    if rest[:1] == ":":
        return "a keyword between colons is not one of :AND:, :OR:, :NOT:, :NA:"
    if rest[:1] == "]":
        return "a bracket is closed that was never opened"
    return f"the character {rest[:1]!r} belongs to no name or operator (names with such characters need double quotes)"
