"""A run's lease: of all who would do the same, one does it."""

from __future__ import annotations

import hashlib
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection

from holdfast.database import leases
from holdfast.database.engine import Database
from holdfast.errors import Conflict, Unavailable

T = TypeVar("T")

LEASE_SECONDS = 60


class UnderWay(Conflict):
    """Another one is under way, or died so lately that its lease has not run out yet."""

    slug = "run-under-way"


class TakenOver(Conflict):
    """The lease ran out while its holder was held up, and another one has it by now. What was to be done under it is not done."""

    slug = "run-taken-over"


def of_sweep(policy: str | None, action: str) -> str:
    """The name of the lease of a policy's action; None for the assets' own TTLs."""
    return f"sweep:{'ttl' if policy is None else hashlib.sha256(policy.encode()).hexdigest()[:32]}:{action}"


class Held:
    """The lease called ``name``, for as long as the block lasts. Entering it raises UnderWay while another has it. ``what``: what
    it is the lease of. ``seconds``: longer than any step within it takes."""

    def __init__(self, database: Database, name: str, *, what: str = "run of this policy", seconds: int = LEASE_SECONDS) -> None:
        self._database, self._name = database, name
        self._what, self._seconds = what, seconds
        self._holder = f"{socket.gethostname()[:40]}:{secrets.token_hex(8)}"
        self._lease: leases.Lease | None = None
        self._prolonged = 0.0

    def __enter__(self) -> Held:
        self._lease = leases.acquire(self._database, self._name, self._holder, self._seconds)
        if self._lease is None:
            raise UnderWay(f"Another {self._what} is under way.")
        self._prolonged = time.monotonic()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._lease is not None:
            with suppress(Unavailable):  # then it runs out by itself
                leases.release(self._database, self._lease)

    def prolonged(self, items: Iterable[T]) -> Iterator[T]:
        """``items``, while the lease is kept alive. Raises TakenOver."""
        for number, item in enumerate(items):
            if number % 1000 == 0:
                self.keep()
            yield item

    def keep(self) -> None:
        """Prolongs the lease, if that was not done just now. Raises TakenOver."""
        if time.monotonic() - self._prolonged > self._seconds / 4:
            self.write(lambda _connection: None)

    def write(self, act: Callable[[Connection], T]) -> T:
        """``act`` in one transaction that holds the lease, and prolongs it. Raises TakenOver."""
        lease = self._lease
        assert lease is not None

        def fenced(connection: Connection) -> T:
            leases.fence(connection, lease, self._seconds)
            return act(connection)

        try:
            done = self._database.write(fenced)
        except leases.LeaseLost as lost:
            raise TakenOver(f"Another {self._what} has taken over.") from lost
        self._prolonged = time.monotonic()
        return done
