"""A thread that stops at a fail point until it is let go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast import failpoints

PATIENCE = 60


class Pause:
    """Stops the first thread that comes by."""

    def __init__(self) -> None:
        self._first = threading.Lock()
        self._reached, self._go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        if self._first.acquire(blocking=False):
            self._reached.set()
            assert self._go.wait(PATIENCE)

    def wait(self) -> None:
        """Until somebody has stopped here."""
        assert self._reached.wait(PATIENCE), "nobody came by"

    def let_go(self) -> None:
        self._go.set()


@contextmanager
def pause_at(point: str) -> Iterator[Pause]:
    """Whoever comes to ``point`` first stops there; he goes on at the end of the block at the latest."""
    pause = Pause()
    failpoints.arm(point, pause)
    try:
        yield pause
    finally:
        failpoints.disarm()
        pause.let_go()
