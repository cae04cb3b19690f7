"""Interrupted ensembles: killed at any moment, out of disk, without workers; a rerun ends with the same bytes."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from small_ensembles import Deadly, Slow, contents, relaxation

from jevons import JevonsError
from jevons.ensemble import workers
from jevons.ensemble.design import BLOCK, Design
from jevons.ensemble.result import read_ensemble
from jevons.ensemble.run import Ensemble
from jevons.ensemble.task import Variant
from jevons.errors import EnsembleError

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")

CHUNKS = 8
SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from test_ensemble_resume import job
{before}
if __name__ == "__main__":
    job(slow={slow}).run({folder!r}, **{options!r}, progress=False)
"""


def job(slow: bool = False, seed: int = 1) -> Ensemble:
    """An ensemble of eight chunks; a slow one has the same numbers and takes seconds."""
    model = relaxation()
    design = Design.latin_hypercube(model, ["size", "tau"], CHUNKS * BLOCK - 100, seed=seed)
    ensemble = Ensemble(model, design, outputs=["x", "level"], times=[1.0, 2.0])
    if slow:
        slow_down(ensemble, Slow)
    return ensemble


def slow_down(ensemble: Ensemble, kind: type) -> None:
    for name, variant in ensemble.variants.items():
        simulation = pickle.loads(pickle.dumps(variant.simulation))
        simulation.__class__ = kind
        ensemble.variants[name] = Variant(simulation, variant.columns, variant.names, variant.factors)


def start(
    tmp_path: Path, folder: Path, slow: bool = True, before: str = "", **options: object
) -> subprocess.Popen[str]:
    script = tmp_path / f"job{random.randrange(10**9)}.py"
    tests = str(Path(__file__).parent)
    script.write_text(
        SCRIPT.format(tests=tests, before=before, slow=slow, folder=str(folder), options=options), encoding="utf-8"
    )
    return subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, text=True)


def chunks(folder: Path) -> int:
    return len(list(folder.glob("chunk-*.nc")))


def wait_for(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=30)  # workers that outlive it hold its output open


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of runs that nothing interrupted, by what they keep."""
    found = {}
    for keep in ("summary", "members"):
        folder = tmp_path_factory.mktemp(keep)
        job().run(folder, keep=keep, progress=False)
        found[keep] = contents(folder)
    return found


def test_a_whole_run_leaves_chunks_a_manifest_and_a_summary(whole):
    names = [name.rsplit("-", 1)[0] if "chunk" in name else name for name in sorted(whole["summary"])]
    assert names == [*(f"chunk-{i:06d}" for i in range(CHUNKS)), "manifest.json", "summary.nc"]


@posix
@pytest.mark.parametrize("keep", ["summary", "members"])
def test_a_run_killed_at_several_moments_ends_with_the_same_bytes(whole, tmp_path, keep):
    folder = tmp_path / "run"
    moments = random.Random(keep)
    for reached in (1, 3, 5):
        process = start(tmp_path, folder, keep=keep)
        wait_for(lambda: chunks(folder) >= reached or process.poll() is not None)  # noqa: B023
        time.sleep(moments.uniform(0.0, 0.3))
        kill(process)
        assert process.returncode == -signal.SIGKILL and chunks(folder) >= reached
        for name, data in contents(folder).items():
            assert name.startswith(".") or whole[keep][name] == data  # nothing half-written under a final name
        with pytest.raises(JevonsError, match="is not finished"):
            read_ensemble(folder)
    result = job().run(folder, keep=keep, progress=False)
    assert contents(folder) == whole[keep]
    assert 0 < result.ran < result.labels.members and "were stored already" in repr(result)


@posix
def test_a_kill_while_files_are_written_leaves_no_half_file(whole, tmp_path):
    """The process kills itself inside the writing of a chunk, of the summary, before and after the final name."""
    before = """
import os, pathlib, signal
at, moment = {at!r}, {moment!r}
def die(name):
    if name.startswith(at):
        os.kill(os.getpid(), signal.SIGKILL)
replace, fsync, opened = pathlib.Path.replace, os.fsync, pathlib.Path.open
def new_replace(self, target):
    if moment == "before the name":
        die(target.name)
    result = replace(self, target)
    if moment == "after the name":
        die(target.name)
    return result
pathlib.Path.replace = new_replace
"""
    folder = tmp_path / "run"
    for at, moment in (
        ("chunk-000001", "before the name"),
        ("chunk-000004", "after the name"),
        ("summary.nc", "before the name"),
        ("summary.nc", "after the name"),
    ):
        process = start(tmp_path, folder, slow=False, before=before.format(at=at, moment=moment))
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert bool(list(folder.glob(f"{at}*"))) == (moment == "after the name")
    assert {n: x for n, x in contents(folder).items() if not n.startswith(".")} == whole["summary"]
    job().run(folder, progress=False)
    assert contents(folder) == whole["summary"]


@posix
def test_workers_end_with_the_process_that_started_them(whole, tmp_path):
    folder = tmp_path / "run"
    process = start(tmp_path, folder, workers=2)
    wait_for(lambda: chunks(folder) >= 1 or process.poll() is not None)
    workers = psutil.Process(process.pid).children()
    kill(process)
    wait_for(lambda: not any(alive(worker) for worker in workers), 20)
    job().run(folder, progress=False, threads=1)
    assert len(workers) >= 2 and contents(folder) == whole["summary"]


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@posix
def test_a_killed_worker_loses_only_its_chunk(whole, tmp_path):
    folder = tmp_path / "run"
    killed = []

    def assassin() -> None:
        wait_for(lambda: chunks(folder) >= 2)
        for victim in multiprocessing.active_children():
            if victim.name.startswith("SpawnProcess"):
                killed.append(victim.pid)
                os.kill(victim.pid, signal.SIGKILL)
                break

    thread = threading.Thread(target=assassin)
    thread.start()
    result = job(slow=True).run(folder, workers=2, progress=False)
    thread.join()
    assert killed and result.ran == result.labels.members
    assert contents(folder) == whole["summary"]


@posix
def test_a_chunk_that_kills_its_workers_is_named(tmp_path):
    model = relaxation()
    size = np.ones(3 * BLOCK)
    size[BLOCK + 5] = 1.5
    ensemble = Ensemble(model, Design.rows([{"size": x} for x in size]), outputs="x", times=[1.0])
    slow_down(ensemble, Deadly)
    with pytest.raises(JevonsError, match=r"members 1024 to 2047 ended its worker process 3 times(.|\n)*__main__"):
        ensemble.run(tmp_path / "run", workers=1, progress=False)
    assert chunks(tmp_path / "run") >= 1


@posix
def test_a_broken_executor_says_what_is_kept(whole, tmp_path):
    folder = tmp_path / "run"
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context, initializer=workers._end_with_parent) as pool:

        def assassin() -> None:
            wait_for(lambda: chunks(folder) >= 2)
            for process in list(pool._processes.values()):
                os.kill(process.pid, signal.SIGKILL)

        thread = threading.Thread(target=assassin)
        thread.start()
        with pytest.raises(JevonsError, match=r"executor failed \(BrokenProcessPool(.|\n)*of 8 chunks are kept"):
            job(slow=True).run(folder, executor=pool, progress=False)
        thread.join()
    result = job().run(folder, progress=False)
    assert contents(folder) == whole["summary"] and result.ran < result.labels.members


def test_a_broken_executor_without_a_folder_says_that_nothing_is_kept():
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(JevonsError, match="nothing is kept: give run a folder"):
        job().run(executor=pool, progress=False)


@posix
def test_a_full_disk_keeps_what_is_whole_and_says_what_to_do(whole, tmp_path):
    folder = tmp_path / "run"
    # no file may grow beyond half a chunk, once three chunks are there
    limit = len(next(iter(whole["members"].values()))) // 2
    before = f"""
import pathlib, resource, threading, time
def lower():
    while len(list(pathlib.Path({str(folder)!r}).glob("chunk-*.nc"))) < 3:
        time.sleep(0.001)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
threading.Thread(target=lower, daemon=True).start()
"""
    process = start(tmp_path, folder, before=before, keep="members")
    text = process.communicate()[1]
    assert process.returncode == 1
    kept = chunks(folder)
    assert 3 <= kept < CHUNKS
    for part in (f"no room in folder {folder}", f"{kept} of 8 chunks are kept", "Make room for about", "run again"):
        assert part in text
    assert contents(folder) == {n: whole["members"][n] for n in contents(folder)}
    job().run(folder, keep="members", progress=False)
    assert contents(folder) == whole["members"]


READ_ONLY = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[2])
from test_ensemble_resume import job
import h5netcdf, h5py, scipy.special, tqdm.auto
ensemble = job()
ensemble._chunks = None  # not to be reached
if os.geteuid() == 0:
    os.setuid(65534)
from jevons import JevonsError
try:
    ensemble.run(sys.argv[1], progress=False)
except JevonsError as error:
    print(error)
"""


@posix
def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs():
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        parent, folder = Path(name), Path(name) / "run"
        folder.mkdir()
        parent.chmod(0o755)
        folder.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, str(folder), str(Path(__file__).parent)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        folder.chmod(0o755)
        assert f"folder {folder} cannot be written (Permission denied)" in done.stdout, done.stderr
        assert "Give a folder that can be written" in done.stdout
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "turned"])
def test_a_damaged_chunk_is_reported_and_computed_again(whole, tmp_path, damage):
    job().run(tmp_path, progress=False)
    (path,) = tmp_path.glob("chunk-000003-*.nc")
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[:-100]
    else:
        data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.warns(UserWarning, match=r"chunk-000003-\w+.nc is damaged (.|\n)* computed again"):
        result = job().run(tmp_path, progress=False)
    assert result.ran == BLOCK and contents(tmp_path) == whole["summary"]


def test_a_finished_folder_gives_its_result_without_running(whole, tmp_path):
    first = job().run(tmp_path, progress=False)
    again = job(slow=True).run(tmp_path, progress=False, workers=2)
    assert again.ran == 0 and again.statistics().equals(first.statistics())
    assert contents(tmp_path) == whole["summary"]


def test_another_job_is_refused_with_every_difference(tmp_path):
    job().run(tmp_path, progress=False)
    before = contents(tmp_path)
    with pytest.raises(EnsembleError, match=r"holds another ensemble") as caught:
        job(seed=2).run(tmp_path, progress=False, chunk=2048, quantiles=[0.5])
    assert "design.seed: found 1, this job has 2" in str(caught.value)
    assert "settings.chunk: found 1024, this job has 2048" in str(caught.value)
    assert "settings.quantiles" in str(caught.value) and "4 mistakes" in str(caught.value)
    other = relaxation().with_values({"shift": 0.5})
    ensemble = Ensemble(other, job().design, outputs=["x", "level"], times=[1.0, 2.0])
    with pytest.raises(EnsembleError, match=r"scenarios.as is: found"):
        ensemble.run(tmp_path, progress=False)
    assert contents(tmp_path) == before


def test_folders_that_hold_no_ensemble_are_told_apart(tmp_path):
    with pytest.raises(JevonsError, match="holds no ensemble"):
        read_ensemble(tmp_path)
    (tmp_path / "chunk-000000.nc").write_bytes(b"")
    with pytest.raises(EnsembleError, match=r"chunks but no manifest.json"):
        job().run(tmp_path, progress=False)
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(JevonsError, match="cannot be read"):
        job().run(tmp_path, progress=False)
