"""A bar of an ensemble's members, with rate, time left and failures."""

from __future__ import annotations

from types import TracebackType
from typing import Any

_DELAY = 2.0  # seconds before a bar appears that nobody asked for


class Progress:
    """Counts members that are done.

    Parameters
    ----------
    total : int
    show : bool or None
        None shows the bar after two seconds.
    """

    def __init__(self, total: int, show: bool | None) -> None:
        from tqdm.auto import tqdm

        self._failed = 0
        self._bar: Any = tqdm(
            total=total, unit="member", unit_scale=True, smoothing=0.1, desc="ensemble",
            delay=0.0 if show else _DELAY, disable=show is False,
        )  # fmt: skip

    def skip(self, members: int, failed: int) -> None:
        """Members that were done before; they do not count in the rate."""
        if not self._bar.disable:
            self._bar.initial += members
        self.advance(members, failed)

    def advance(self, members: int, failed: int) -> None:
        self._failed += failed
        if self._failed and not self._bar.disable:
            self._bar.set_postfix(failed=self._failed, refresh=False)
        self._bar.update(members)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
