"""Units as people type them: any word or phrase is a base unit; synonyms and plurals are one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

SCALE = "\0scale"
"""Pseudo base whose exponent is the natural logarithm of a unit's size; only units of a registry have one."""

DIMENSIONLESS = ("dmnl", "dimensionless", "unitless", "fraction", "dimless", "no units", "-")
SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("Year", "years", "yr", "yrs"),
    ("Month", "months", "mo"),
    ("Week", "weeks", "wk"),
    ("Day", "days"),
    ("Hour", "hours", "hr", "hrs"),
    ("Minute", "minutes"),
    ("Second", "seconds", "sec"),
    ("Person", "people", "persons"),
    ("$", "Dollar", "Dollars", "USD", "US$"),
)
_SCALE_TOLERANCE = 1e-9
_SHORTEST_PLURAL = 4
_MARKS = {"·": "*", "×": "*", "⋅": "*", "²": "^2", "³": "^3", "**": "^", "−": "-"}
_TOKEN = re.compile(r"\s*(?:(?P<mark>[*/^()])|(?P<phrase>[^*/^()]+))")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


class UnitTextError(Exception):
    """A text that is no unit; says why."""


@dataclass(frozen=True)
class Unit:
    """A product of powers of base units and of units that are not known yet.

    Attributes
    ----------
    powers : mapping of str to Fraction
        Exponent by base unit; none of them is zero.
    unknown : mapping of str to Fraction
        Exponent by the name of what has no unit yet.
    """

    powers: Mapping[str, Fraction | float]
    unknown: Mapping[str, Fraction]

    def __mul__(self, other: Unit) -> Unit:
        return self._joined(other, 1)

    def __truediv__(self, other: Unit) -> Unit:
        return self._joined(other, -1)

    def __pow__(self, exponent: Fraction | int) -> Unit:
        return Unit(
            _clean({k: e * exponent for k, e in self.powers.items()}),
            _clean({k: e * exponent for k, e in self.unknown.items()}),
        )

    def _joined(self, other: Unit, sign: int) -> Unit:
        parts = []
        for mine, theirs in ((self.powers, other.powers), (self.unknown, other.unknown)):
            total = dict(mine)
            for k, e in theirs.items():
                total[k] = total.get(k, Fraction(0)) + sign * e
            parts.append(_clean(total))
        return Unit(*parts)

    @property
    def one(self) -> bool:
        """Whether it is a plain number."""
        return not self.powers and not self.unknown

    def __str__(self) -> str:
        shown = {
            **{k: e for k, e in self.powers.items() if k != SCALE},
            **{f"[{k}]": e for k, e in self.unknown.items()},
        }
        over = [_power(k, e) for k, e in shown.items() if e > 0]
        under = [_power(k, -e) for k, e in shown.items() if e < 0]
        top = "*".join(over) or "1"
        if not under:
            return top
        return f"{top}/{under[0]}" if len(under) == 1 else f"{top}/({'*'.join(under)})"


ONE = Unit({}, {})


def _clean(powers: Mapping[str, Fraction | float]) -> dict[str, Fraction]:
    kept: dict[str, Any] = dict(powers)
    return {k: e for k, e in kept.items() if (abs(e) > _SCALE_TOLERANCE if k == SCALE else e != 0)}


def _power(name: str, exponent: Fraction | float) -> str:
    if exponent == 1:
        return name
    text = str(exponent)
    return f"{name}^{text if '/' not in text else f'({text})'}"


class Vocabulary:
    """What the words of a model's units mean.

    Parameters
    ----------
    texts : iterable of str
        All units of the model: a plural is merged with its singular where both are used.
    synonyms : iterable of iterables of str
        Groups of words that mean the same; the first is shown. They come before the default ones.
    """

    def __init__(self, texts: Iterable[str], synonyms: Iterable[Iterable[str]] = ()) -> None:
        self._synonyms: dict[str, str] = {}
        groups = [tuple(w for w in group if str(w).strip()) for group in synonyms]
        for group in (*groups, *SYNONYMS):
            if any(_key(w) in DIMENSIONLESS or _key(w) == "1" for w in group):
                self._synonyms.update({_key(w): "1" for w in group})
                continue
            shown = next(
                (self._synonyms[_key(w)] for w in group if _key(w) in self._synonyms), group[0] if group else ""
            )
            self._synonyms.update({_key(w): shown for w in group})
        self._shown: dict[str, str] = {}
        self._words: set[str] = set()
        texts = list(texts)
        for text in texts:
            for phrase in _phrases(text):
                self._words.update(_key(phrase).split())
        self._singular = {w: _singular(w, self._words) for w in self._words}
        self.uses: dict[str, int] = {}
        for text in texts:
            try:
                unit = self.parse(text)
            except UnitTextError:
                continue
            for base in unit.powers if unit is not None else ():
                self.uses[base] = self.uses.get(base, 0) + 1

    def parse(self, text: str) -> Unit | None:
        """The unit of a text; None where it says nothing.

        Raises
        ------
        UnitTextError
        """
        cleaned = _cleaned(text)
        if not cleaned:
            return None
        tokens = list(_tokens(cleaned))
        unit, rest = self._product(tokens, 0)
        if rest != len(tokens):
            raise UnitTextError(f"unit {text!r}: found {tokens[rest]!r} where an operator or the end was expected")
        return unit

    def base(self, phrase: str) -> str:
        """The base unit that a phrase means; ``1`` for a plain number."""
        key = _key(phrase)
        if key in DIMENSIONLESS:
            return "1"
        if key in self._synonyms:
            return self._synonyms[key]
        key = " ".join(self._singular.get(w, w) for w in key.split())
        if key in self._synonyms:
            return self._synonyms[key]
        return self._shown.setdefault(key, " ".join(phrase.split()))

    def _product(self, tokens: list[str], place: int) -> tuple[Unit, int]:
        unit, place = self._factor(tokens, place)
        while place < len(tokens) and tokens[place] in "*/":
            over = tokens[place] == "*"
            factor, place = self._factor(tokens, place + 1)
            unit = unit * factor if over else unit / factor
        return unit, place

    def _factor(self, tokens: list[str], place: int) -> tuple[Unit, int]:
        if place >= len(tokens):
            raise UnitTextError(f"unit {''.join(tokens)!r}: it ends where a unit was expected")
        token = tokens[place]
        if token == "(":
            unit, place = self._product(tokens, place + 1)
            if place >= len(tokens) or tokens[place] != ")":
                raise UnitTextError(f"unit {''.join(tokens)!r}: a bracket is not closed")
            place += 1
        elif token in "*/^)":
            raise UnitTextError(f"unit {''.join(tokens)!r}: found {token!r} where a unit was expected")
        else:
            unit, place = self._atom(token), place + 1
        if place < len(tokens) and tokens[place] == "^":
            exponent, place = _exponent(tokens, place + 1)
            unit = unit**exponent
        return unit, place

    def _atom(self, phrase: str) -> Unit:
        if _NUMBER.fullmatch(phrase):
            if float(phrase) != 1:
                raise UnitTextError(f"unit {phrase!r}: a number is no unit; write it into the equation")
            return ONE
        base = self.base(phrase)
        return ONE if base == "1" else Unit({base: Fraction(1)}, {})


def _exponent(tokens: list[str], place: int) -> tuple[Fraction, int]:
    digits = "".join(tokens[place : place + 1])
    if digits == "(" and ")" in tokens[place:]:
        end = tokens.index(")", place)
        digits, place = "".join(tokens[place + 1 : end]), end
    try:
        return Fraction(digits.replace(" ", "")), place + 1
    except (ValueError, ZeroDivisionError):
        raise UnitTextError(f"unit {''.join(tokens)!r}: exponent {digits!r}, expected a number") from None


def _cleaned(text: str) -> str:
    """A text without comments, ranges and units of other notations' making."""
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]?", " ", str(text))
    for mark, plain in _MARKS.items():
        text = text.replace(mark, plain)
    text = re.sub(r"\bper\b", "/", text, flags=re.IGNORECASE)
    text = " ".join(text.replace('"', "").split()).strip(" ,;~|")
    return f"1{text}" if text.startswith("/") else text


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        token = (match["mark"] or match["phrase"] or "").strip()
        if token:
            yield token


def _phrases(text: str) -> Iterator[str]:
    return (t for t in _tokens(_cleaned(text)) if t not in "*/^()" and not _NUMBER.fullmatch(t))


def _key(phrase: str) -> str:
    return " ".join(str(phrase).replace("_", " ").casefold().split())


def _singular(word: str, words: set[str]) -> str:
    """The singular of a word where the model uses it, too."""
    if len(word) >= _SHORTEST_PLURAL and word.endswith("s"):
        options = [word[:-1]]
        options += [word[:-2]] if word.endswith("es") else []
        options += [f"{word[:-3]}y"] if word.endswith("ies") else []
        for option in options:
            if option in words:
                return option
    return word
