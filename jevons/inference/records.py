"""Finished pieces of a long job, one JSON line each, in a file that outlives the job."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.metadata
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError


class Records:
    """A file to which finished pieces are appended; a first line says which job they belong to.

    When `append` returns, the piece survives a kill and a loss of power. Numbers come back bit for bit. A last line
    that was torn by a kill is dropped. One job at a time may write to a file.

    Parameters
    ----------
    path : path
        Made with its folder if it is not there.
    header : mapping
        What the job is: everything that its pieces depend on.
    resume : bool
        Go on from what the file holds.

    Raises
    ------
    CalibrationError
        If the file holds pieces and `resume` is not given; if they belong to another job, with every difference;
        if a line is damaged; if the file cannot be written.
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = Path(path)
        self.header: dict[str, Any] = json.loads(_line(header))
        self._writing = threading.Lock()
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = self.path.read_bytes() if self.path.exists() else b""
        first = _line(self.header)
        if b"\n" not in content:
            if not first.startswith(content):
                raise self._mistake("is no file of records: its first line is none of theirs; give another folder")
            self._create(first)
            return
        if not resume:
            done = len(self._whole(content)) - 1
            raise self._mistake(f"holds {done} finished records: resume to go on from them, or give another folder")
        self._require_same(self._whole(content)[0])
        with self._told(), self.path.open("r+b") as file:
            file.truncate(content.rindex(b"\n") + 1)

    def read(self) -> list[dict[str, Any]]:
        """The finished pieces, in the order in which they were appended."""
        with self._told():
            content = self.path.read_bytes()
        return self._whole(content)[1:]

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a finished piece; when this returns it is on the disk."""
        line = _line(record)
        with self._writing, self._told(), self.path.open("r+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if (file.write(line) or 0) < len(line):
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())

    def _create(self, first: bytes) -> None:
        with self._told():
            with self.path.open("wb") as file:
                file.write(first)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(PermissionError):  # Windows opens no folders
                folder = os.open(self.path.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def _whole(self, content: bytes) -> list[dict[str, Any]]:
        """Header and pieces; what follows the last line's end was torn."""
        found = []
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            try:
                piece = json.loads(line)
                if not isinstance(piece, dict):
                    raise TypeError(f"found {type(piece).__name__}, expected an object")
            except (ValueError, TypeError) as error:
                raise self._mistake(f"line {number} is damaged ({error}); give another folder") from error
            found.append(piece)
        return found

    def _require_same(self, found: Mapping[str, Any]) -> None:
        nothing = "nothing"
        differences = [
            f"{key}: found {found.get(key, nothing)!r}, expected {self.header.get(key, nothing)!r}"
            for key in dict.fromkeys([*self.header, *found])
            if found.get(key, nothing) != self.header.get(key, nothing)
        ]
        if differences:
            raise CalibrationError(f"{self.path} belongs to another job", [*differences, "give another folder"])

    def _mistake(self, text: str) -> CalibrationError:
        return CalibrationError(str(self.path), [text])

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the system, in this package's words."""
        try:
            yield
        except OSError as error:
            raise self._mistake(f"cannot be read or written ({error.strerror})") from error


def open_records(folder: str | Path | None, name: str, header: Mapping[str, Any], resume: bool) -> Records | None:
    """The records of a job in a folder; none without a folder, from which nothing can be resumed."""
    if folder is None:
        if resume:
            raise CalibrationError(str(header.get("job", name)), ["resume needs the folder to go on from, found none"])
        return None
    return Records(Path(folder) / name, header, resume=resume)


def code_versions() -> dict[str, str]:
    """Versions of the packages that decide the last bits of a search."""
    return {name: importlib.metadata.version(name) for name in ("jevons", "numpy", "scipy", "numba")}


def digest(numbers: NDArray[np.float64]) -> str:
    """A short name for an array, other for every other bit."""
    return hashlib.sha256(np.ascontiguousarray(numbers, dtype=np.float64).tobytes()).hexdigest()[:16]


def _line(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, default=_plain) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written to a file of records")
