"""How an ensemble grows: time a member, and peak memory, by the number of members; one and two Dask workers.

Each size runs in a process of its own, which is this file: python scaling.py MEMBERS THREADS [WORKERS].
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from cases import case
from measure import Result, say
from ours import streamed

MODEL = "world"
THREADS = 2
DASK_MEMBERS = 20_000
DASK_CHUNK = 1_024
WARM = 4_096


def scales(sizes: list[int]) -> list[Result]:
    """Measure all sizes, then Dask's workers."""
    results = []
    for members in sizes:
        say(f"  ensemble of {members:,}")
        results.append(_measured("time a member as an ensemble grows", f"{members:,} members", [members, THREADS]))
    members = min(DASK_MEMBERS, sizes[-1])
    for workers in (1, 2):
        say(f"  {workers} Dask workers")
        label = f"{workers} Dask worker{'s' * (workers > 1)} of one thread"
        results.append(_measured(f"time a member of {members:,} on Dask", label, [members, 1, workers]))
    return results


def _measured(work: str, peer: str, arguments: list[int]) -> Result:
    result = Result(work, MODEL, peer)
    command = [sys.executable, str(Path(__file__)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        missing = "ModuleNotFoundError" in lines[-1]
        result.failure = "not installed" if missing else f"failed: {lines[-1][:120]}"
        return result
    told = json.loads(done.stdout.splitlines()[-1])
    result.seconds = told["seconds"]
    result.error = told.get("error", float("nan"))
    result.seconds = [x / arguments[0] for x in result.seconds]
    size = f"peak memory {told['peak'] / 2**20:.0f} MiB, {told['before'] / 2**20:.0f} before"
    result.note = f"{result.median * arguments[0]:.3g} s in all; {size}"
    return result


def _peak() -> int:
    """Peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory before this program was loaded
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def _resident() -> int:
    """Resident memory now, in bytes; the peak where the system does not say."""
    file = Path("/proc/self/statm")
    return int(file.read_text().split()[1]) * resource.getpagesize() if file.exists() else _peak()


def _threads(members: int, threads: int) -> dict[str, Any]:
    chosen = case(MODEL)
    streamed(chosen, WARM, threads=threads)  # compiled and warm
    before, seconds = _resident(), []
    for _ in range(3 if members < 100_000 else 1):
        began = time.perf_counter()
        streamed(chosen, members, threads=threads)
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds, "before": before, "peak": _peak()}


def _dask(members: int, workers: int) -> dict[str, Any]:
    from distributed import Client, LocalCluster

    chosen = case(MODEL)
    seconds = []
    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        place = {"executor": client.get_executor(), "workers": workers, "chunk": DASK_CHUNK}
        streamed(chosen, 4 * workers * DASK_CHUNK, **place)  # compiled and warm in every worker
        before = _resident()
        for _ in range(3):
            began = time.perf_counter()
            found = streamed(chosen, members, **place)
            seconds.append(time.perf_counter() - began)
    expected = streamed(chosen, members, threads=2, chunk=DASK_CHUNK)
    values, wanted = (np.asarray(r.quantiles()["value"], dtype=float) for r in (found, expected))
    error = float(np.nanmax(np.abs(values - wanted) / np.maximum(np.abs(wanted), 1e-300)))
    return {"seconds": seconds, "before": before, "peak": _peak(), "error": error}


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:]]
    print(json.dumps(_dask(numbers[0], numbers[2]) if len(numbers) > 2 else _threads(*numbers)))
