"""Reads the XML of an XMILE file, and nothing else: no entity, no document type, no other file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jevons.errors import JevonsError, nearest
from jevons.interchange.xmile_reader.repairs import without_comments

LARGEST = 20_000_000  # bytes
SUFFIXES = (".xmile", ".stmx", ".itmx", ".xml")
_TOLERATED = frozenset({"NS_ERR_UNDEFINED_NAMESPACE", "ERR_HYPHEN_IN_COMMENT"})


def read_root(path: Path) -> tuple[Any, list[str]]:
    """The root element of a file, and what was mended: nothing else is opened, and entities are refused."""
    from lxml import etree  # type: ignore[import-untyped]

    if path.suffix.lower() not in SUFFIXES:
        raise JevonsError(f"{path.name!r} is no XMILE file: expected a name that ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        what = "is a folder" if path.is_dir() else f"does not exist{nearest(path.name, there)}"
        raise JevonsError(f"{str(path)!r} {what}")
    size = path.stat().st_size
    if size > LARGEST:
        raise JevonsError(f"{path.name!r} has {size:,} bytes; model files of up to {LARGEST:,} are read")
    text = _text(path.read_bytes(), path.name)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        line = text[: text.find("<!")].count("\n") + 1
        raise JevonsError(f"{path.name!r}, line {line}: XMILE has no document types and entities, and none are read")
    parser = etree.XMLParser(
        encoding="utf-8",
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(text.encode("utf-8", errors="replace"), parser)
    except etree.XMLSyntaxError:
        raise JevonsError(f"{path.name!r} holds no XML") from None
    repairs = []
    for error in parser.error_log:  # files of several programs lack the declaration of their prefixes
        if error.type_name == "ERR_TAG_NAME_MISMATCH":
            repairs.append(f"line {error.line}: {error.message.strip()}")
        elif error.level_name != "WARNING" and error.type_name not in _TOLERATED:
            raise JevonsError(f"{path.name!r}, line {error.line}: not XML: {error.message.strip()}")
    if root is None:
        raise JevonsError(f"{path.name!r} holds no XML")
    if local(root) != "xmile":
        raise JevonsError(f"{path.name!r} is no XMILE: its root element is <{local(root)}>, expected <xmile>")
    return root, repairs


def _text(data: bytes, name: str) -> str:
    declared = re.match(rb"(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)", data)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = declared[1].decode("ascii") if declared else "utf-8-sig"
    if encoding.lower() in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    if encoding.lower() not in ("utf-8-sig", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252"):
        raise JevonsError(f"{name!r}: encoding {encoding!r} is not read; expected UTF-8, UTF-16 or Latin-1")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig" or b"\0" in data:
            line = data[: error.start].count(b"\n") + 1
            raise JevonsError(f"{name!r}, line {line}: bytes that are not {encoding}") from None
        text = data.decode("cp1252", errors="replace")  # files that say UTF-8, and are Windows text
    start = re.match(r"\s*<\?xml.*?\?>", text, re.DOTALL)
    return "\n" * start[0].count("\n") + text[start.end() :] if start else text


def local(node: Any) -> str:
    return str(node.tag).rsplit("}", 1)[-1] if isinstance(node.tag, str) else ""


def children(node: Any, *names: str) -> Iterator[Any]:
    return (inner for inner in node if local(inner) in names)


def child(node: Any, *path: str) -> Any:
    for name in path:
        node = next(children(node, name), None) if node is not None else None
    return node


def words(node: Any, *path: str) -> str:
    found = child(node, *path)
    return "".join(found.itertext()) if found is not None else ""


def attribute(node: Any, *names: str) -> str:
    """An attribute, whatever the prefix of its name."""
    for key, value in node.attrib.items():
        if str(key).rsplit("}", 1)[-1].rsplit(":", 1)[-1] in names:
            return str(value)
    return ""


def or_nothing(node: Any) -> Any:
    """The node, or one without children."""
    from lxml import etree

    return node if node is not None else etree.Element("nothing")


def is_written(equation: Any) -> bool:
    """Whether there is anything but blanks and comments."""
    return equation is not None and bool(without_comments("".join(equation.itertext())).strip())


def is_true(node: Any) -> bool:
    return "false" not in "".join(node.itertext()).lower()
