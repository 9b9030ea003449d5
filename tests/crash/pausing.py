"""A thread that stops at a fail point until it is let go, and which fail points somebody comes by."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select
from tests.stacks import Stack
from tests.waiting import until

from holdfast import failpoints
from holdfast.database import tables as t
from holdfast.database.types import db_now

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


@contextmanager
def noted() -> Iterator[list[str]]:
    """The fail points that anybody comes by in the block, each once, in the order of the first times; told at its end."""
    seen: dict[str, None] = {}
    for name in failpoints.names():
        failpoints.arm(name, lambda name=name: seen.setdefault(name))  # type: ignore[misc]
    came: list[str] = []
    try:
        yield came
    finally:
        failpoints.disarm()
        came += seen


def rest(stack: Stack) -> None:
    """Until nobody holds a lease any more: a committer keeps his a moment longer than an upload takes, and passes fail points."""

    def nobody() -> bool:
        with stack.database.read() as connection:
            return not connection.scalar(select(func.count()).where(t.leases.c.expires_at > db_now()))

    until(nobody, often=0.02)
