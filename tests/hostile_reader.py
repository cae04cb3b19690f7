"""Reads hostile model files, each in a process with little memory and time, and watches what it does.

``python hostile_reader.py FOLDER``: every file in the subfolders of FOLDER; one JSON object a file on the output.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import jevons as jv
from jevons.cli import main as command

MEMORY = 3 << 29
SECONDS = 60
MARK = "hostile_mark"
"""Stands in every name and text of a hostile file: no compiled source may hold it."""

FORBIDDEN = (
    "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "socket.", "os.remove",
    "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "shutil.",
    "pty.", "ftplib.",
    "urllib.", "http.", "webbrowser.", "ctypes.dlopen",
)  # fmt: skip


def main() -> None:
    load_everything()
    for folder in sorted(p for p in Path(sys.argv[1]).iterdir() if p.is_dir()):
        for file in sorted(p for p in folder.iterdir() if p.suffix in (".mdl", ".xmile") and p.stem == "hostile"):
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                signal.alarm(SECONDS)  # ends the process
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                print(json.dumps({"case": folder.name, **watched(file)}), flush=True)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if status:
                print(
                    json.dumps({"case": folder.name, "outcome": f"killed by signal {status & 127}", "seen": []}),
                    flush=True,
                )


def load_everything() -> None:
    """Load what reading, running and writing need, so that loading it is not mistaken for what a file does."""
    import tempfile

    from jevons.interchange.writers.xmile import write_xmile

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "m.mdl"
        control = "INITIAL TIME=0~~|FINAL TIME=1~~|TIME STEP=1~~|SAVEPER=1~~|"
        file.write_text("{UTF-8}\nx=INTEG(SMOOTH(Time,2),1)~~|\n" + control)
        model = jv.read_vensim(file)
        model.run()
        jv.read_xmile(write_xmile(model, Path(scratch) / "m.xmile"))


def watched(file: Path) -> dict[str, Any]:
    """What became of a file, and what was seen that must not be."""
    seen: list[str] = []
    readable = [str(file.parent), sys.prefix, sys.base_prefix, str(Path(jv.__file__).resolve().parents[1])]
    written = str(file.parent / "out.xmile")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if isinstance(path, int):
                return
            name = os.path.realpath(os.fsdecode(path))
            writes = (
                bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if isinstance(flags, int) else "w" in (mode or "")
            )
            if writes and name != written and not name.endswith((".pyc", "/null")) and "__pycache__" not in name:
                seen.append(f"writes {name}")
            elif not writes and not any(name.startswith(folder) for folder in readable):
                seen.append(f"reads {name}")
        elif event == "compile" and args[0] is not None:
            source = args[0].decode(errors="replace") if isinstance(args[0], bytes) else str(args[0])
            if MARK in source:
                seen.append(f"compiles {source[:80]}")
        elif event.startswith(FORBIDDEN):
            seen.append(event)

    began = time.monotonic()
    sys.addaudithook(hook)
    try:
        model = jv.read_model(file)
        outcome, message = "read", str(len(model.elements))
        model.run()
        command(["export", str(file), written])
    except SystemExit as end:
        if end.code:
            outcome = f"the command ended with {end.code}"
    except jv.JevonsError as error:
        outcome, message = "refused", str(error)
    except BaseException as error:
        outcome, message = f"raw {type(error).__name__}", str(error)[:300]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "outcome": outcome, "message": message[:2000], "length": len(message), "seen": seen,
        "seconds": time.monotonic() - began, "megabytes": peak,
    }  # fmt: skip


if __name__ == "__main__":
    main()
