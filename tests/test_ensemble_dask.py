"""Ensembles on a dask cluster of two worker processes of this machine, reached over TCP."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from small_ensembles import contents
from test_ensemble_resume import CHUNKS, chunks, job, wait_for

from jevons.ensemble.design import BLOCK

distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'jevons[distributed]'")

pytestmark = [
    pytest.mark.slow,
    # the cluster's own goodbyes, not ours
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tcp",
            dashboard_address=None,
            memory_limit=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1:")
        yield client


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    job().run(folder, progress=False)
    return contents(folder)


@pytest.mark.parametrize("keep", ["summary", "members"])
def test_a_cluster_gives_the_same_bytes(client, tmp_path, keep):
    job().run(tmp_path / "here", keep=keep, progress=False)
    result = job().run(tmp_path / "there", executor=client.get_executor(), workers=2, keep=keep, progress=False)
    assert result.ran == CHUNKS * BLOCK - 100
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_cluster_runs_without_a_folder(client):
    result = job().run(executor=client.get_executor(), workers=2, progress=False)
    assert result.statistics().equals(job().run(progress=False).statistics())


def test_both_workers_take_part(client):
    job(slow=True).run(executor=client.get_executor(), workers=2, progress=False)
    ran = client.run(lambda: "jevons.simulation" in __import__("sys").modules)
    assert len(ran) == 2 and all(ran.values())


def test_a_worker_killed_in_the_middle_costs_only_its_chunk(client, whole, tmp_path):
    folder = tmp_path / "run"
    pids = list(client.run(os.getpid).values())
    assert os.getpid() not in pids and len(set(pids)) == 2

    def assassin() -> None:
        wait_for(lambda: chunks(folder) >= 2)
        os.kill(pids[0], signal.SIGKILL)

    thread = threading.Thread(target=assassin)
    thread.start()
    job(slow=True).run(folder, executor=client.get_executor(), workers=2, progress=False)
    thread.join()
    assert contents(folder) == whole
