"""The text of a Vensim model: decoded, cleared of comments, and cut into entries that each know their line."""

from __future__ import annotations

import bisect
import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

from jevons.errors import JevonsError, nearest
from jevons.interchange.source import Refusal
from jevons.interchange.vensim_reader.literals import QUOTED

SIZE_LIMIT = 20_000_000
ENTRY_LIMIT = 200_000
LENGTH_LIMIT = 1_000_000
MACRO_LIMIT = 2_000
BRACE_LIMIT = 1_000_000

_SKETCH = re.compile(r"\\{2,3}---///")
_SETTINGS = re.compile(r"///---\\{2,3}")
_HEADER = re.compile(r"\s*\{([^{}\n]{1,40})\}")
# A quoted name stays on its line, unless it is continued: a quote that nobody closes must not swallow the next entries.
_QUOTED = re.compile(r'"[^"\\\n]*+(?:\\[\s\S][^"\\\n]*+)*+"')
_SPECIAL = re.compile(r'[~|"{]')
_GAP = re.compile(r"\s*")
_FIELD = re.compile(r"[^~|]*")
_MACRO = re.compile(r"\s*:MACRO:\s*([^():~|]+?)\s*\(([^()~|]*)\)", re.IGNORECASE)
_MACRO_END = re.compile(r"\s*:END\s+OF\s+MACRO:", re.IGNORECASE)
_CONTINUED = re.compile(r"\\[ \t]*\n[ \t]*")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Entry:
    """One ``equation ~ units ~ comment |`` of the file.

    Attributes
    ----------
    equation : str
        Without comments, in one line.
    units, documentation : str
    line : int
    group : str
        Heading above it; empty before the first.
    """

    equation: str
    units: str
    documentation: str
    line: int
    group: str


@dataclass
class Section:
    """The model itself (without a name) or a macro."""

    name: str = ""
    parameters: list[str] = field(default_factory=list)
    returns: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


@dataclass
class ModelText:
    """A file cut into its parts; ``sections[0]`` is the model, others are macros."""

    sections: list[Section]
    sketch: str
    settings: str
    refused: list[Refusal]
    repairs: list[str]


class UnreadableFileError(JevonsError):
    """A file that is no model, or none that may be read."""


def load_text(path: Path, encoding: str | None, suffixes: tuple[str, ...], repairs: list[str]) -> str:
    """Text of a model file, with one kind of line end; refuses what is no text, or too large."""
    if path.is_dir():
        raise UnreadableFileError(f"{path} is a directory, a model file was expected")
    if not path.exists():
        there = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = nearest(path.name, [name for name in there if name.lower().endswith(suffixes)])
        raise UnreadableFileError(f"{path} does not exist{hint}")
    if not path.is_file():
        raise UnreadableFileError(f"{path} is no ordinary file, a model file was expected")
    if path.suffix.lower() not in suffixes:
        raise UnreadableFileError(f"{path} ends with {path.suffix!r}, expected {' or '.join(suffixes)}")
    try:
        with path.open("rb") as stream:
            raw = stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}") from None
    if len(raw) > SIZE_LIMIT:
        raise UnreadableFileError(f"{path} has {path.stat().st_size:,} bytes, at most {SIZE_LIMIT:,} are read")
    text = _decode(raw, path, encoding, repairs)
    if len(_CONTROL.findall(text)) > len(text) // 100:
        raise UnreadableFileError(f"{path} is no text; a Vensim model saved as .mdl was expected")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(raw: bytes, path: Path, encoding: str | None, repairs: list[str]) -> str:
    if encoding is not None:
        try:
            return raw.decode(encoding)
        except (LookupError, UnicodeDecodeError) as error:
            raise UnreadableFileError(f"{path} cannot be read as {encoding!r}: {error}") from None
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(mark):
            try:
                return raw.decode(name)
            except UnicodeDecodeError:
                break
    if b"\0" in raw:
        raise UnreadableFileError(
            f"{path} holds NUL bytes, so it is no text; a Vensim model saved as .mdl was expected"
        )
    declared = _HEADER.match(raw[:200].decode("ascii", errors="replace"))
    candidates = ["utf-8", "cp1252"]
    if declared:
        try:
            candidates.insert(0, codecs.lookup(declared[1].strip()).name)
        except LookupError:
            repairs.append(f"line 1: encoding {declared[1]!r} is unknown, read as UTF-8 or Windows-1252")
    for name in candidates:
        try:
            text = raw.decode(name)
        except UnicodeDecodeError:
            continue
        if name != candidates[0]:
            repairs.append(f"line 1: the text is not {candidates[0]}, read as {name}")
        return text
    repairs.append("line 1: the text is neither UTF-8 nor Windows-1252, read as Latin-1")
    return raw.decode("latin-1")


def cut_text(text: str, path: Path, repairs: list[str]) -> ModelText:
    """Sections, entries, sketch and settings of the text of a Vensim model."""
    before, *after = _SETTINGS.split(text, maxsplit=1)
    equations, *views = _SKETCH.split(before, maxsplit=1)
    sketch, settings = "".join(views), "".join(after)
    header = _HEADER.match(equations)
    start = header.end() if header else 0
    model = ModelText([Section()], sketch, settings, [], repairs)
    _Cutter(equations, model).run(start)
    if not any(section.entries for section in model.sections) and not model.refused:
        raise UnreadableFileError(
            f"{path} holds no equation; Vensim's text form `name = equation ~ units ~ comment |` was expected"
        )
    return model


class _Cutter:
    def __init__(self, text: str, model: ModelText) -> None:
        self.text = text
        self.model = model
        self.section = model.sections[0]
        self.group = ""
        self.count = 0
        if text.count("{") > BRACE_LIMIT:
            raise UnreadableFileError(f"the model has more than {BRACE_LIMIT:,} opening braces")
        self.braces = _braces(text)
        self.newlines = [match.start() for match in re.finditer("\n", text)]

    def line(self, position: int) -> int:
        return bisect.bisect_left(self.newlines, position) + 1

    def refuse(self, name: str, position: int, text: str, reason: str) -> None:
        self.model.refused.append(Refusal(name, self.line(position), _BLANKS.sub(" ", text.strip())[:80], reason))

    def run(self, position: int) -> None:
        text = self.text
        while True:
            position = self._macro_marks(self._gap(position))
            if position >= len(text):
                break
            position = self._entry(position)
        if self.section is not self.model.sections[0]:
            self.refuse(self.section.name, len(text), "", "the macro has no :END OF MACRO:")

    def _gap(self, position: int) -> int:
        """Where the next word begins, after blanks and comments."""
        while True:
            position = _after(_GAP, self.text, position)
            if position not in self.braces:
                return position
            position = self.braces[position] + 1

    def _macro_marks(self, position: int) -> int:
        while True:
            end = _MACRO_END.match(self.text, position)
            start = None if end else _MACRO.match(self.text, position)
            if end:
                self.section = self.model.sections[0]
                position = self._gap(end.end())
            elif start:
                inputs, _, outputs = _CONTINUED.sub(" ", start[2]).partition(":")
                self.section = Section(_BLANKS.sub(" ", start[1]), _listed(inputs), _listed(outputs))
                self.model.sections.append(self.section)
                if len(self.model.sections) > MACRO_LIMIT:
                    raise UnreadableFileError(f"the model has more than {MACRO_LIMIT:,} macros")
                position = self._gap(start.end())
            else:
                return position

    def _equation(self, begin: int) -> tuple[str, int, int, bool]:
        """An equation without comments, where it ends, the number of comments, and whether its quotes are closed."""
        text = self.text
        pieces, position, start, comments, closed = [], begin, begin, 0, True
        while True:
            match = _SPECIAL.search(text, position)
            if match is None:
                end = len(text)
                break
            end = match.start()
            mark = match[0]
            if mark in "~|":
                break
            position = end + 1
            if mark == '"' and closed:
                quoted = _QUOTED.match(text, end)
                closed = quoted is not None
                position = quoted.end() if quoted else position
            elif mark == "{" and end in self.braces:
                pieces.append(text[start:end])
                start = position = self.braces[end] + 1
                comments += 1
        pieces.append(text[start:end])
        return _BLANKS.sub(" ", _CONTINUED.sub(" ", " ".join(pieces))).strip(), end, comments, closed

    def _entry(self, begin: int) -> int:
        text = self.text
        self.count += 1
        if self.count > ENTRY_LIMIT:
            raise UnreadableFileError(f"the model has more than {ENTRY_LIMIT:,} entries")
        equation, end, comments, closed = self._equation(begin)
        fields: list[str] = []
        while end < len(text) and text[end] == "~":
            if len(fields) == 3:
                end = text.find("|", end)
                end = len(text) if end < 0 else end
                break
            start, end = end + 1, _after(_FIELD, text, end + 1)
            fields.append(_BLANKS.sub(" ", _CONTINUED.sub(" ", text[start:end])).strip())
        if equation.startswith("***"):
            self.group = equation.strip("* ").lstrip(".")
        elif end >= len(text):
            if equation:
                self.refuse(name_of(equation[:1000]), begin, equation[:1000], "the entry does not end with |")
        elif len(equation) > LENGTH_LIMIT:
            reason = f"the entry has {len(equation):,} characters, at most {LENGTH_LIMIT:,} are read"
            self.refuse(name_of(equation[:1000]), begin, equation[:1000], reason)
        elif not closed:
            self.refuse(name_of(equation[:1000]), begin, equation[:1000], "a quote is never closed")
        elif equation:
            if comments:
                what = "a comment" if comments == 1 else f"{comments} comments"
                self.model.repairs.append(f"line {self.line(begin)}: {what} in braces left out")
            units, documentation = [*fields, "", ""][:2]
            self.section.entries.append(Entry(equation, units, documentation, self.line(begin), self.group))
        return end + 1


def _braces(text: str) -> dict[int, int]:
    """Where each brace that is closed is closed; comments may hold comments."""
    pairs, opened = {}, []
    for match in re.finditer("[{}]", text):
        if match[0] == "{":
            opened.append(match.start())
        elif opened:
            pairs[opened.pop()] = match.start()
    return pairs


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _listed(text: str) -> list[str]:
    return [_BLANKS.sub(" ", part).strip() for part in text.split(",") if part.strip()]


def name_of(equation: str) -> str:
    """Name at the left of an equation, as far as it can be told."""
    match = re.match(rf"{QUOTED}|[^=:\[(<]+", equation)
    return display_name(match[0])[:60] if match else ""


def display_name(written: str) -> str:
    """Name as people read it: without quotes, blanks single."""
    name = " ".join(written.split())
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].strip().replace('\\"', '"')
    return name
