"""Equations of XMILE, read into a tree: what PySD's grammar lacks or reads otherwise than the standard.

Reference: OASIS Standard, XML Interchange Language for System Dynamics (XMILE) Version 1.0, 2015, section 3.3.

Names, operators and keywords are the same in any case; ``{comments}`` are skipped; ``^`` binds from the right and
before a minus; ``MOD`` binds as ``*`` does; ``NOT`` binds as a minus does; ``AND`` binds before ``OR``. No text is ever
evaluated: numbers are read by `float`, everything else becomes a node.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DEEPEST = 100  # levels of nesting; a person writes fewer than 30
LONGEST = 200_000  # characters of one equation


class EquationError(Exception):
    """An equation that cannot be read; its message is the reason."""


@dataclass(frozen=True)
class Number:
    value: float | int


@dataclass(frozen=True)
class Name:
    """A name, its parts (``module.variable`` has two; a leading ``.`` gives an empty first one), and subscripts."""

    parts: tuple[str, ...]
    subscripts: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True)
class Call:
    function: Name
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Operation:
    """A chain of operators of one precedence, as written: ``a - b + c``; or one operator before its operand."""

    operators: tuple[str, ...]
    operands: tuple[Any, ...]


@dataclass(frozen=True)
class Rows:
    """Literal numbers for the elements of an array: ``1, 2; 3, 4``."""

    rows: tuple[tuple[float, ...], ...]


_WHITE = "\u0000-\u0020\u00a0_"  # control characters, too, may stand for a blank
_START = r"A-Za-z_$\u0080-\u009f\u00a1-\U0010ffff"
_TOKEN = re.compile(
    rf"""(?P<blank>[\u0000-\u0020\u00a0]+|\{{[^}}]*\}})
    |(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![{_START}0-9]))
    |(?P<name>\.?(?:"(?:[^"\\]|\\.)*"|[{_START}0-9](?:[{_START}0-9]|'(?=[{_START}0-9]))*)
        (?:\.(?:"(?:[^"\\]|\\.)*"|[{_START}0-9](?:[{_START}0-9]|'(?=[{_START}0-9]))*))*)
    |(?P<operator><>|<=|>=|//|[-+*/^=<>()\[\],;:@!'.])""",
    re.VERBOSE,
)
_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')
_KEYWORDS = frozenset({"if", "then", "else", "and", "or", "not", "mod"})
_BINDS = {"or": 1, "and": 2, "=": 3, "<>": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5}
_BINDS |= {"*": 6, "/": 6, "//": 6, "mod": 6}
_UNARY, _POWER = 7, 8
_CHAINS = {1: frozenset({"or"}), 2: frozenset({"and"}), 5: frozenset({"+", "-"}), 6: frozenset({"*", "/"})}


def canonical(name: str) -> str:
    r"""A name as references write it: lower case, and one ``_`` for any run of blanks.

    Source: XMILE 1.0, section 3.2.2.2: case does not matter; blanks, no-break spaces, line breaks (also written
    ``\n``) and underscores are the same, and any number of them counts as one. Full-width letters and other spaces
    are letters of their own.
    """
    if name.isalnum():
        return name.lower()
    return re.sub(r"[ _]+", "_", display(name)).strip("_").lower()


def display(name: str) -> str:
    """A name as the file writes it: without its quotes, on one line, with single blanks."""
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1]
    name = re.sub(r"\\(.)", lambda match: {"n": " ", "t": " ", "r": " "}.get(match[1], match[1]), name, flags=re.DOTALL)
    name = re.sub(r"[\u0000-\u0020\u00a0]+", " ", name).strip()
    return re.sub(rf"([{_WHITE}])[{_WHITE}]+", r"\1", name)


def without_comments(text: str) -> str:
    """Text without what stands in braces."""
    kept, at = [], 0
    while (opened := text.find("{", at)) >= 0:
        closed = text.find("}", opened)
        if closed < 0:
            break
        kept.append(text[at:opened])
        at = closed + 1
    return " ".join([*kept, text[at:]])


def shown(text: str) -> str:
    """Text short enough for a message."""
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."


def parse_equation(text: str, known: Callable[[str], bool] = lambda name: False) -> Any:
    """The tree of an equation.

    Parameters
    ----------
    text : str
    known : callable
        Whether a canonical name is one of the model's; words side by side that make up a known name are read as it.

    Raises
    ------
    EquationError
    """
    try:
        return _Parser(text, known).equation()
    except RecursionError:  # called from far down
        raise EquationError("nested too deep to be read from here") from None


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, operator, keyword, end
    text: str
    at: int


class _Parser:
    """Precedence climbing over the tokens of one equation."""

    def __init__(self, text: str, known: Callable[[str], bool]) -> None:
        if len(text) > LONGEST:
            raise EquationError(f"the equation has {len(text):,} characters; up to {LONGEST:,} are read")
        self.text, self.known = text, known
        self.tokens = _tokens(text)
        self.place = 0
        self.depth = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.place]

    def take(self, *texts: str) -> bool:
        """Go on if the token is one of these operators or keywords."""
        if self.now.kind in ("operator", "keyword") and self.now.text in texts:
            self.place += 1
            return True
        return False

    def need(self, text: str, where: str) -> None:
        if not self.take(text):
            raise EquationError(f"expected `{text.upper()}` {where}, found {self.found()}")

    def found(self) -> str:
        return "the end" if self.now.kind == "end" else f"`{shown(self.text[self.now.at :])[:40]}`"

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise EquationError(f"nested more than {DEEPEST} levels deep")

    def equation(self) -> Any:
        if self.now.kind == "end":
            raise EquationError("no equation")
        tree = self.expression(0)
        if self.now.text in (",", ";"):
            return self.rows(tree)
        if self.now.kind != "end":
            raise EquationError(f"expected an operator or the end, found {self.found()}")
        return tree

    def rows(self, first: Any) -> Rows:
        rows = [[_literal(first)]]
        while self.now.kind != "end":
            if self.take(";"):
                if self.now.kind == "end":
                    break
                rows.append([])
            elif not self.take(","):
                raise EquationError(f"expected a list of numbers, found {self.found()}")
            rows[-1].append(_literal(self.expression(0)))
        if len({len(row) for row in rows}) > 1:
            raise EquationError("the rows of numbers have different lengths")
        return Rows(tuple(tuple(row) for row in rows))

    def expression(self, least: int) -> Any:
        outside = self.depth
        self.deeper()
        left = self.prefixed()
        while True:
            operator = self.now.text if self.now.kind in ("operator", "keyword") else ""
            binds = _BINDS.get(operator, -1)
            if operator == "not" and self._trailing_not():
                left, self.place = Operation(("not",), (left,)), self.place + 1
                continue
            if binds < 0 or binds < least:
                break
            chain = _CHAINS.get(binds, frozenset())
            if operator in chain:
                operators, operands = [], [left]
                while self.now.text in chain and self.now.kind in ("operator", "keyword"):
                    operators.append(self.now.text)
                    self.place += 1
                    operands.append(self.expression(binds + 1))
                left = Operation(tuple(operators), tuple(operands))
            else:
                self.place += 1
                self.deeper()
                left = Operation((operator,), (left, self.expression(binds + 1)))
        self.depth = outside
        return left

    def _trailing_not(self) -> bool:
        """``x NOT`` before a THEN, a bracket or the end, as one converter from Vensim writes ``NOT x``."""
        after = self.tokens[self.place + 1]
        return after.kind == "end" or after.text in ("then", "else", ")", ",", "and", "or")

    def prefixed(self) -> Any:
        """Signs and NOT bind before products, and after powers."""
        signs = []
        while self.now.kind in ("operator", "keyword") and self.now.text in ("+", "-", "not"):
            if self.now.text != "+":
                signs.append(self.now.text)
                self.deeper()
            self.place += 1
        operand = self.power()
        for sign in reversed(signs):
            self.depth -= 1
            if sign == "-" and isinstance(operand, Number):
                operand = Number(-operand.value)
            else:
                operand = Operation(("negative" if sign == "-" else "not",), (operand,))
        return operand

    def power(self) -> Any:
        base = self.operand()
        if not self.take("^"):
            return base
        self.deeper()
        exponent = self.prefixed()
        self.depth -= 1
        return Operation(("^",), (base, exponent))

    def operand(self) -> Any:
        token = self.now
        if token.kind == "number":
            self.place += 1
            return Number(int(token.text) if token.text.isdigit() and len(token.text) < 16 else float(token.text))
        if self.take("("):
            inner = self.expression(0)
            self.need(")", f"for the bracket before `{shown(self.text[token.at + 1 :])[:20]}`")
            return inner
        if self.take("if"):
            condition = self.expression(0)
            self.need("then", "after the condition of an IF")
            first = self.expression(0)
            self.need("else", "in an IF")
            return Call(Name(("if_then_else",)), (condition, first, self.expression(0)))
        if token.kind == "name":
            return self.name()
        raise EquationError(f"expected a number, a name or a bracket, found {self.found()}")

    def name(self) -> Any:
        parts = self._words()
        subscripts = self.subscripts() if self.now.text == "[" else None
        if self.now.text == "'":
            raise EquationError("the transposition of an array (') is not supported")
        if self.now.text == "[":
            raise EquationError("an element of a queue, conveyor or table by its number is not supported")
        name = Name(parts, subscripts)
        if not self.take("("):
            return name
        arguments: list[Any] = []
        while not self.take(")"):
            if arguments and not self.take(","):
                raise EquationError(f"expected a comma or a bracket in the arguments of {name}, found {self.found()}")
            arguments.append(self.expression(0))
        return Call(name, tuple(arguments))

    def _words(self) -> tuple[str, ...]:
        """A name; words side by side are one name if the model knows it."""
        first = self.place
        self.place += 1
        words = [self.tokens[first].text]
        while self.now.kind == "name" or (self.now.kind == "number" and self.now.text.isdigit()):
            words.append(self.now.text)
            self.place += 1
        for count in range(len(words), 1, -1):
            joined = canonical(" ".join(words[:count]))
            if self.known(joined):
                self.place = first + count
                return (joined,)
        if len(words) > 1:
            what = " ".join(words)
            if self.now.text == "(":
                raise EquationError(f"{what!r} is neither a function nor a macro of the file")
            raise EquationError(f"no variable {what!r}: is an operator missing?")
        text = words[0]
        parts = tuple(canonical(f'"{quoted}"' if quoted else plain) for quoted, plain in _PART.findall(text))
        return ("", *parts) if text.startswith(".") else parts

    def subscripts(self) -> tuple[str, ...]:
        """The text of every subscript between brackets."""
        self.place += 1
        start, depth, items = self.now.at, 0, []
        while True:
            token = self.now
            if token.kind == "end":
                raise EquationError("a bracket [ is never closed")
            self.place += 1
            if token.kind != "operator":
                continue
            depth += (token.text in ("[", "(")) - (token.text in ("]", ")"))
            if depth < 0 or (token.text == "," and depth == 0):
                items.append(" ".join(without_comments(self.text[start : token.at]).split()))
                start = self.now.at
            if depth < 0:
                if token.text != "]" or not all(items):
                    raise EquationError(f"subscripts that cannot be read: `[{shown(', '.join(items))}{token.text}`")
                return tuple(items)


def _literal(tree: Any) -> float:
    if isinstance(tree, Number):
        return float(tree.value)
    raise EquationError("a list separated by commas may hold numbers only")


def _tokens(text: str) -> list[_Token]:
    if re.fullmatch(r"[\s?]*\?[\s?]*", text):
        raise EquationError("no equation yet")
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = {"{": "a comment { is never closed", '"': "a quote is never closed"}.get(text[at])
            raise EquationError(what or f"a character that no equation has: {text[at]!r}")
        kind, word = str(match.lastgroup), match[0]
        if kind == "name" and word.lower() in _KEYWORDS:
            kind, word = "keyword", word.lower()
        if kind != "blank":
            tokens.append(_Token(kind, word, at))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]
