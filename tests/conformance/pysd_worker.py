"""Runs models by PySD, each in a process of its own: ``python pysd_worker.py``, one job in JSON a line on the input."""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysd

COMPANIONS = {".xls", ".xlsx", ".xlsm", ".csv", ".tab", ".txt", ".nc", ".dat"}


def work(job: dict[str, Any]) -> None:
    """Translate and run one model; write what came out beside each other as `out`.npz and `out`.json."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    sys.setrecursionlimit(20_000)
    outcome: dict[str, Any] = {"status": "refused", "message": "", "translate_s": 0.0, "run_s": 0.0}
    frame = pd.DataFrame()
    with tempfile.TemporaryDirectory(prefix="pysd-") as scratch:
        source = Path(job["path"])
        shutil.copy(source, scratch)
        for file in (*source.parent.glob("*"), *source.parent.glob("*/*")):
            if file.suffix.lower() in COMPANIONS and file.is_file():
                beside = Path(scratch) / file.relative_to(source.parent)
                beside.parent.mkdir(exist_ok=True)
                shutil.copy(file, beside)
        copy = Path(scratch) / source.name
        try:
            began = time.perf_counter()
            read = pysd.read_vensim if source.suffix.lower() == ".mdl" else pysd.read_xmile
            data = {"data_files": [str(Path(scratch) / Path(file).name) for file in job["data"]]} if job["data"] else {}
            if source.suffix.lower() in (".stmx", ".xml", ".itmx"):
                copy = copy.rename(copy.with_suffix(".xmile"))
            model = read(str(copy), **data)
            outcome["translate_s"] = time.perf_counter() - began
            outcome["status"] = "failed"
            outcome["variables"] = len(model.namespace)
            frame = _run_floating(model, job, outcome) if job.get("dates") else _run(model, job, outcome)
            outcome["status"] = "ran"
        except BaseException as error:
            outcome["message"] = f"{type(error).__name__}: {error}"[:2000]
            outcome["where"] = traceback.format_exc()[-600:]
    np.savez_compressed(
        job["out"] + ".npz",
        times=np.asarray(frame.index, dtype=float),
        names=np.asarray([str(name) for name in frame.columns], dtype=str),
        values=frame.to_numpy(dtype=float),
    )
    Path(job["out"] + ".json").write_text(json.dumps(outcome), encoding="utf-8")


def _run(model: Any, job: dict[str, Any], outcome: dict[str, Any]) -> pd.DataFrame:
    every = [name for name in model._default_return_columns(None) if name.lower() != "time"]
    for columns in (every, job["columns"] or None):
        try:
            began = time.perf_counter()
            frame = model.run(return_columns=columns, flatten_output=True, progress=False)
            outcome["run_s"] = time.perf_counter() - began
            break
        except BaseException as error:
            if columns is not every or not job["columns"]:
                raise
            outcome["message"] = f"not every variable: {type(error).__name__}: {error}"[:2000]
            model.reload()
    return _numbers(frame)


def _run_floating(model: Any, job: dict[str, Any], outcome: dict[str, Any]) -> pd.DataFrame:
    """A run at given dates whose states are floating-point numbers from the start.

    PySD keeps a state that starts at a whole number as an integer, and cuts what the first step adds to a whole number.
    """
    for element in model._dynamicstateful_elements:
        state = element.state
        if np.asarray(state).dtype.kind in "biu":
            element.state = state.astype(float) if hasattr(state, "astype") else float(state)
    began = time.perf_counter()
    frame = model.run(
        initial_condition="current",
        return_timestamps=job["dates"],
        return_columns=job["columns"],
        flatten_output=True,
        progress=False,
    )
    outcome["run_s"] = time.perf_counter() - began
    return _numbers(frame)


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = {name: pd.to_numeric(frame[name], errors="coerce") for name in frame.columns}
    return pd.DataFrame(numbers, index=frame.index, dtype=float)


def main() -> None:
    """Work off the jobs; one that takes too long is ended."""
    fork = multiprocessing.get_context("fork")
    for line in sys.stdin:
        job = json.loads(line)
        process = fork.Process(target=work, args=(job,))
        process.start()
        process.join(job["limit"])
        if process.is_alive():
            process.kill()
            process.join()
            message = f"longer than {job['limit']:g} s"
            outcome = {"status": "failed", "message": message, "translate_s": 0.0, "run_s": 0.0}
            Path(job["out"] + ".json").write_text(json.dumps(outcome), encoding="utf-8")
        elif not Path(job["out"] + ".json").exists():
            outcome = {
                "status": "failed",
                "message": f"ended with {process.exitcode}",
                "translate_s": 0.0,
                "run_s": 0.0,
            }
            Path(job["out"] + ".json").write_text(json.dumps(outcome), encoding="utf-8")
        print(job["out"], flush=True)


if __name__ == "__main__":
    main()
