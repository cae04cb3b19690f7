"""What of a model file cannot be translated: each reason once, with the variables it holds for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from jevons.errors import ListedError
from jevons.interchange.source import Refusal

MOST_LINES = 50
NAMES_SHOWN = 3
LONGEST_REASON = 400

_SUBSCRIPTS = re.compile(r"\[[^\]]*\]")


@dataclass
class _Group:
    """Elements of one variable that are refused for one reason."""

    line: int | None
    text: str
    reason: str
    names: list[str] = field(default_factory=list)
    count: int = 0

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        names = ", ".join(map(repr, self.names))
        more = f" and {self.count - len(self.names)} more" if self.count > len(self.names) else ""
        what = f" in `{self.text}`" if self.text else ""
        return f"{where}{names}{more}{': ' if names else ''}{self.reason}{what}"


class Refusals:
    """Collects refusals; elements of one array that are refused for the same reason count as one."""

    def __init__(self, found: Iterable[Refusal] = ()) -> None:
        self._groups: dict[tuple[object, ...], _Group] = {}
        for each in found:
            self.add(each.name, each.reason, line=each.line, text=each.text)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, name: str, reason: str, *, variable: str = "", line: int | None = None, text: str = "") -> None:
        """Enter a refusal.

        Parameters
        ----------
        name : str
            Element or variable; empty where the file as a whole is meant.
        reason : str
        variable : str
            Variable that the element belongs to.
        line : int, optional
        text : str
            What was found.
        """
        key = (variable or name, line, text, _SUBSCRIPTS.sub("", reason))
        group = self._groups.setdefault(key, _Group(line, text, _shortened(reason)))
        if name and name not in group.names:
            group.count += 1
            if len(group.names) < NAMES_SHOWN:
                group.names.append(name)

    def lines(self) -> list[str]:
        """One line a reason, in the order of the file, and how many more there are."""
        ordered = sorted(self._groups.values(), key=lambda g: (g.line is not None, g.line or 0, g.names))
        shown = [str(group) for group in ordered[:MOST_LINES]]
        left = len(ordered) - len(shown)
        return [*shown, f"... and {left:,} more"] if left else shown


def reason_of(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, RecursionError):
        return "the equation is nested too deeply"
    if isinstance(error, ListedError):
        return f"{error.subject}: {'; '.join(error.mistakes)}"
    return " ".join(str(error).split()) or type(error).__name__


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 3] + "..."
