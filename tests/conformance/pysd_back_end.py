"""PySD's Python back end as a judge: runs in processes of their own, kept on the disk by content."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

if TYPE_CHECKING:
    import pandas as pd

    from .cases import Case

LIMIT = 300.0
"""Seconds for one model, translation included."""

WORKER = Path(__file__).with_name("pysd_worker.py")

RECIPE = "1"
"""Part of the names of kept runs: raise it where `pysd_worker.py` comes to run models otherwise."""


@dataclass(frozen=True)
class PysdRun:
    """What PySD made of a model.

    Attributes
    ----------
    status : {'ran', 'refused', 'failed'}
        Refused: not translated. Failed: translated, not run.
    frame : DataFrame
        All variables; empty unless it ran.
    message : str
    translate_s, run_s : float
        Seconds.
    """

    status: str
    frame: pd.DataFrame
    message: str
    translate_s: float
    run_s: float


def cache_folder() -> Path:
    """Where runs are kept: `JEVONS_CONFORMANCE_CACHE`, or the user's cache."""
    named = os.environ.get("JEVONS_CONFORMANCE_CACHE", "")
    return Path(named) if named else Path(platformdirs.user_cache_dir("jevons")) / "conformance"


def run_pysd(cases: Sequence[Case], limit: float = LIMIT, workers: int = 2) -> dict[str, PysdRun]:
    """Runs of all cases by name; those that are kept are not repeated."""
    jobs = {case.name: {"columns": _columns_of(case)} for case in cases}
    return _runs(cases, jobs, "", limit, workers)


def run_pysd_floating(
    cases: Sequence[Case], plain: Mapping[str, PysdRun], limit: float = LIMIT, workers: int = 2
) -> dict[str, PysdRun]:
    """As `run_pysd`, at the dates of these runs, with all states made floating-point numbers before the first step."""
    ran = [case for case in cases if case.name in plain and plain[case.name].status == "ran"]
    jobs = {
        case.name: {
            "columns": _bases(plain[case.name].frame.columns),
            "dates": [float(date) for date in plain[case.name].frame.index],
        }
        for case in ran
    }
    return _runs(ran, jobs, "-floating", limit, workers)


def _columns_of(case: Case) -> list[str]:
    return [] if case.reference is None else [str(name) for name in case.reference.columns]


def _bases(names: Iterable[str]) -> list[str]:
    """Variables of flattened columns: what stands before the brackets of their subscripts."""
    bases = (name[: name.rindex("[")] if name.endswith("]") else name for name in names)
    return list(dict.fromkeys(bases))


def _runs(
    cases: Sequence[Case], jobs: Mapping[str, dict[str, Any]], suffix: str, limit: float, workers: int
) -> dict[str, PysdRun]:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    stems = {case.name: folder / (_key(case) + suffix) for case in cases}
    missing = [
        {
            "path": str(case.path.resolve()),
            "out": str(stems[case.name]),
            "data": [str(path) for path in case.data],
            "limit": limit,
            **jobs[case.name],
        }
        for case in cases
        if _stored(stems[case.name]) is None
    ]
    parts = [missing[k::workers] for k in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(_work, [part for part in parts if part]))
    found = {name: _stored(stem) for name, stem in stems.items()}
    return {name: run for name, run in found.items() if run is not None}


def _work(jobs: Iterable[dict[str, Any]]) -> None:
    text = "".join(json.dumps(job) + "\n" for job in jobs)
    subprocess.run([sys.executable, str(WORKER)], input=text, text=True, check=True, stdout=subprocess.DEVNULL)


def _key(case: Case) -> str:
    """Hash of all that a run depends on."""
    digest = hashlib.sha256(importlib.metadata.version("pysd").encode())
    digest.update(RECIPE.encode())
    if case.reference_path is not None:
        digest.update(case.reference_path.read_bytes())
    for file in (*sorted(case.path.parent.glob("*")), *sorted(case.path.parent.glob("*/*"))):
        if file == case.path or file in case.data or file.suffix.lower() in (".xls", ".xlsx", ".csv"):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return f"{case.path.stem[:40]}-{digest.hexdigest()[:24]}".replace(" ", "_")


def _stored(stem: Path) -> PysdRun | None:
    import pandas as pd

    description = stem.with_name(stem.name + ".json")
    if not description.exists():
        return None
    outcome = json.loads(description.read_text(encoding="utf-8"))
    frame = pd.DataFrame()
    if outcome["status"] == "ran":
        with np.load(stem.with_name(stem.name + ".npz")) as kept:
            frame = pd.DataFrame(kept["values"], index=pd.Index(kept["times"], name="time"), columns=kept["names"])
    return PysdRun(outcome["status"], frame, outcome["message"], outcome["translate_s"], outcome["run_s"])
