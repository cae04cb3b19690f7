"""How long a command and an import take, in a process of their own, with caches empty and filled."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from measure import Result, say

WORK = "start of a process"


def starts(repetitions: int) -> list[Result]:
    """Wall time of commands, in turn."""
    jevons = shutil.which("jevons", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    python = sys.executable
    with tempfile.TemporaryDirectory(prefix="jevons-bench-") as folder:
        run = [jevons or "jevons", "run", "world", "--to", "2035", "--csv", str(Path(folder) / "run.csv")]
        peer = "import sympy, scipy.integrate, pandas"
        commands: list[tuple[str, list[str], bool, str]] = [
            ("`jevons run world --to 2035 --csv FILE`", run, False, ""),
            ("the same, caches empty", run, True, ""),
            ("`import jevons`", [python, "-c", "import jevons"], False, "jevons"),
            ("`import jevons`, caches empty", [python, "-c", "import jevons"], True, "jevons"),
            ("`import pysd`", [python, "-c", "import pysd"], False, "pysd"),
            (f"`{peer}`", [python, "-c", peer], False, ""),
            ("`pass`", [python, "-c", "pass"], False, ""),
        ]  # fmt: skip
        results = [Result(WORK, "command" if c[1] is run else "import", c[0]) for c in commands]
        warm = {**os.environ, **_caches(Path(folder) / "warm")}
        for result, (name, command, _, module) in zip(results, commands, strict=True):
            if module and importlib.util.find_spec(module) is None:
                result.failure = "not installed"
                continue
            say(f"  {WORK}: {name}")
            _seconds(result, command, warm)
            result.seconds.clear()
        for k in range(repetitions):
            for result, (_, command, cold, _) in zip(results, commands, strict=True):
                if result.failure:
                    continue
                if not cold:
                    _seconds(result, command, warm)
                    continue
                empty = Path(folder) / f"cold-{k}"
                _seconds(result, command, {**os.environ, **_caches(empty)})
                shutil.rmtree(empty, ignore_errors=True)
        for result, (_, _, cold, _) in zip(results, commands, strict=True):
            if cold:
                result.note = "new folder for numba's and jevons' caches and for Python's byte code"
    return results


def _caches(folder: Path) -> Mapping[str, str]:
    """Environment that puts every cache into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("JEVONS_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONPYCACHEPREFIX", "MPLCONFIGDIR")
    return {name: str(folder / name.lower()) for name in names}


def _seconds(result: Result, command: list[str], environment: Mapping[str, str]) -> None:
    began = time.perf_counter()
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    result.seconds.append(time.perf_counter() - began)
    if done.returncode:
        result.failure = f"failed: {' '.join(done.stderr.split())[-120:]}"
