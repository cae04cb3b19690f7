"""Where chunks run: threads of this process, worker processes, or an executor of the user's."""

from __future__ import annotations

import concurrent.futures as futures
import multiprocessing
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor

from jevons.ensemble.design import BLOCK
from jevons.ensemble.task import Advance, Chunk, Task, run_chunk
from jevons.errors import JevonsError

Spans = Sequence[tuple[int, int]]  # first and last block of each chunk

MOST_DEATHS = 3


class ExecutorBrokenError(JevonsError):
    """The user's executor no longer runs anything."""


def in_process(task: Task, spans: Spans, threads: int, advance: Advance) -> Iterator[Chunk]:
    """Run chunks one after another on threads of this process."""
    for first, last in spans:
        yield run_chunk(task, first, last, threads, advance)


def in_workers(task: Task, spans: Spans, workers: int, threads: int) -> Iterator[Chunk]:
    """Run chunks in worker processes, one at a time in each.

    Every worker is a pool of its own: when it dies, no other loses anything, and it is known which chunk it ran.
    A worker gets its next chunk when the caller asks for more, that is, has stored the last one.

    Raises
    ------
    JevonsError
        If a chunk ended its worker `MOST_DEATHS` times.
    """
    waiting = deque(spans)
    deaths: Counter[tuple[int, int]] = Counter()
    pools = [_worker() for _ in range(min(workers, len(spans)))]
    running: dict[Future[Chunk], tuple[int, tuple[int, int]]] = {}

    def feed(i: int) -> None:
        if not waiting:
            return
        span = waiting.popleft()
        try:
            future = pools[i].submit(run_chunk, task.cut(*span), *span, threads)
        except futures.BrokenExecutor:  # died idle
            pools[i] = _worker()
            future = pools[i].submit(run_chunk, task.cut(*span), *span, threads)
        running[future] = (i, span)

    try:
        for i in range(len(pools)):
            feed(i)
        while running:
            for done in futures.wait(running, return_when=futures.FIRST_COMPLETED).done:
                i, span = running.pop(done)
                try:
                    chunk = done.result()
                except futures.BrokenExecutor as error:
                    deaths[span] += 1
                    if deaths[span] == MOST_DEATHS:
                        raise JevonsError(_deadly(span)) from error
                    pools[i].shutdown(wait=False)
                    pools[i] = _worker()
                    waiting.appendleft(span)
                else:
                    yield chunk
                feed(i)
    finally:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)


def in_executor(executor: Executor, task: Task, spans: Spans, at_once: int, threads: int) -> Iterator[Chunk]:
    """Run chunks in an executor, `at_once` of them submitted and not yet stored.

    Raises
    ------
    ExecutorBrokenError
        If the executor fails, rather than a chunk in it.
    """
    waiting = deque(spans)
    running: set[Future[Chunk]] = set()

    def feed() -> None:
        while waiting and len(running) < at_once:
            span = waiting.popleft()
            running.add(executor.submit(run_chunk, task.cut(*span), *span, threads))

    try:
        feed()
        while running:
            for done in futures.wait(running, return_when=futures.FIRST_COMPLETED).done:
                chunk = done.result()
                running.discard(done)
                yield chunk
                feed()
    except (JevonsError, GeneratorExit):
        raise
    except Exception as error:
        raise ExecutorBrokenError(f"the executor failed ({type(error).__name__}: {error})") from error
    finally:
        for future in running:
            future.cancel()


def _worker() -> ProcessPoolExecutor:
    # forking a process with threads can deadlock its child
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next chunk for ever."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _deadly(span: tuple[int, int]) -> str:
    return (
        f"the chunk of members {span[0] * BLOCK} to {span[1] * BLOCK - 1} ended its worker process {MOST_DEATHS} times."
        " Look for too little memory (a smaller chunk needs less), and, in a script, for a run that is not below "
        "if __name__ == '__main__': worker processes import the script"
    )
