"""pysimlin as a second judge, where it is installed: one process a model, runs kept on the disk by content."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .pysd_back_end import cache_folder

if TYPE_CHECKING:
    import pandas as pd

    from .cases import Case

LIMIT = 120.0
"""Seconds for one model."""

WORKER = Path(__file__).with_name("simlin_worker.py")


def run_simlin(case: Case) -> tuple[pd.DataFrame | None, str]:
    """All variables over time, or None and why not."""
    import pandas as pd

    if importlib.util.find_spec("simlin") is None:
        return None, "not installed"
    content = importlib.metadata.version("pysimlin").encode() + case.path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:24]
    kept = cache_folder() / f"simlin-{digest}"
    message, values = kept.with_suffix(".txt"), kept.with_suffix(".npz")
    if not message.exists():
        cache_folder().mkdir(parents=True, exist_ok=True)
        message.write_text(_run(case.path, values), encoding="utf-8")
    said = message.read_text(encoding="utf-8")
    if said:
        return None, said
    with np.load(values) as found:
        index = pd.Index(found["times"], name="time")
        return pd.DataFrame(found["values"], index=index, columns=found["names"]), ""


def _run(path: Path, out: Path) -> str:
    """Why it did not run; empty where it did."""
    command = [sys.executable, "-W", "ignore", str(WORKER), str(path.resolve()), str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"longer than {LIMIT:g} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
    return lines[-1].replace(f"{path.parent}/", "")[:300]
