"""Files that are kept between processes to save time: never needed, never trusted to be there.

They live in the user's cache folder, or in the folder that the environment variable ``JEVONS_CACHE_DIR`` names. What
cannot be read or written costs time only.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Where files are kept between processes."""
    named = os.environ.get("JEVONS_CACHE_DIR")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("jevons"))


def read_kept(name: str) -> str | None:
    """Text of a kept file, None if there is none."""
    try:
        return (cache_folder() / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def write_kept(name: str, text: str) -> Path | None:
    """Keep a text under a name, whole or not at all; None where that is not possible."""
    folder = cache_folder()
    path = folder / name
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8", suffix=".tmp") as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.replace(path)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        return None
    return path
