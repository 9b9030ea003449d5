"""A run's lease: of all who would do the same, one does it."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from sqlalchemy import Connection

from holdfast.database import leases
from holdfast.database.engine import Database
from holdfast.errors import Conflict

T = TypeVar("T")

LEASE_SECONDS = 60


class Held:
    """The lease called ``name``, for as long as the block lasts. Entering it raises Conflict while another has it. ``what``: what
    it is the lease of. ``seconds``: longer than any step within it takes."""

    def __init__(self, database: Database, name: str, *, what: str = "run of this policy", seconds: int = LEASE_SECONDS) -> None:
        self._database, self._name = database, name
        self._what, self._seconds = what, seconds
        self._holder = f"{socket.gethostname()[:40]}:{secrets.token_hex(8)}"
        self._lease: leases.Lease | None = None
        self._prolonged = 0.0

    def __enter__(self) -> Held:
        self.prolong()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._lease is not None:
            leases.release(self._database, self._lease)

    def prolong(self) -> None:
        """Raises Conflict when another run has it."""
        lease = leases.acquire(self._database, self._name, self._holder, self._seconds)
        if lease is None or (self._lease is not None and lease.epoch != self._lease.epoch):
            raise Conflict(f"Another {self._what} is under way.", slug="run-under-way")
        self._lease, self._prolonged = lease, time.monotonic()

    def prolonged(self, items: Iterable[T]) -> Iterator[T]:
        """``items``, while the lease is kept alive."""
        for number, item in enumerate(items):
            if number % 1000 == 0 and time.monotonic() - self._prolonged > self._seconds / 4:
                self.prolong()
            yield item

    def write(self, act: Callable[[Connection], T]) -> T:
        """``act`` in one transaction that holds the lease. Raises LeaseLost."""
        lease = self._lease
        assert lease is not None

        def fenced(connection: Connection) -> T:
            leases.fence(connection, lease, self._seconds)
            return act(connection)

        done = self._database.write(fenced)
        self._prolonged = time.monotonic()
        return done
