"""A lease that a thread keeps, however long the work under it takes: it can be short, so that after its process has died nobody
waits long for it."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from holdfast.database import leases
from holdfast.database.engine import Database
from holdfast.database.leases import Lease, LeaseLost

SECONDS = 30

log = logging.getLogger(__name__)


@contextmanager
def kept(database: Database, name: str, beat: float = SECONDS / 6) -> Iterator[Keeping | None]:
    """Within it the lease ``name`` is ours; None when somebody else has it. ``beat``: seconds from one prolonging to the next.
    Raises DatabaseUnavailable."""
    lease = leases.acquire(database, name, secrets.token_hex(8), SECONDS)
    if lease is None:
        yield None
        return
    keeping = Keeping(database, lease, beat)
    try:
        yield keeping
    finally:
        keeping.end()
        leases.release(database, lease)


class Keeping:
    """What ``kept`` gives. Calling it raises LeaseLost once the lease is known to be lost."""

    def __init__(self, database: Database, lease: Lease, beat: float) -> None:
        self._database, self._lease, self._beat = database, lease, beat
        self._ended, self._lost = threading.Event(), False
        self._thread = threading.Thread(target=self._prolong, name=f"keeps {lease.name}", daemon=True)
        self._thread.start()

    def __call__(self) -> None:
        if self._lost:
            raise LeaseLost(self._lease.name)

    def fence(self, connection: Connection) -> None:
        """In the transaction that is done under the lease. Raises LeaseLost."""
        leases.fence(connection, self._lease, SECONDS)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _prolong(self) -> None:
        while not self._ended.wait(self._beat):
            try:
                self._database.write(self.fence)
            except LeaseLost:
                self._lost = True
                return
            except Exception:  # then the next one may come in time
                log.warning("the lease %s could not be prolonged", self._lease.name, exc_info=True)
