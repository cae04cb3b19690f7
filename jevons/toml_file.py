"""Reading a TOML file, so that what is wrong with it is said as everything else is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from jevons.errors import ListedError


def read_toml(path: Path, subject: str, error: type[ListedError]) -> dict[str, Any]:
    """The tables of a TOML file.

    Parameters
    ----------
    subject : str
        What the file is, for the message.
    error : type
        What is raised where it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise error(subject, [f"cannot be read ({reason.strerror})"]) from reason
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise error(subject, [f"is not TOML: {reason}"]) from reason
