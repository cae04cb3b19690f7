"""Progress bars, and mapping over threads with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


def parallel(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    threads: int,
    label: str,
    progress: bool,
    unit: str = "run",
) -> list[Any]:
    """Map over threads in order, with a progress bar; compiled runs release the interpreter lock.

    Linear algebra runs on one thread meanwhile: its own threads would fight with these.
    """
    from threadpoolctl import threadpool_limits

    items = list(items)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return list(progress_bar(pool.map(function, items), label, unit, progress, len(items)))


def progress_bar(items: Iterable[Any], label: str, unit: str, progress: bool, total: int | None = None) -> Any:
    """The items, counted on a bar while they pass."""
    from tqdm.auto import tqdm

    return tqdm(items, total=total, desc=label, unit=unit, disable=not progress, leave=False)


@contextmanager
def progress_counter(label: str, unit: str, progress: bool, total: int) -> Iterator[Callable[[], None]]:
    """A bar, and the function that moves it by one."""
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=label, unit=unit, disable=not progress, leave=False) as bar:

        def count() -> None:
            bar.update(1)

        yield count
