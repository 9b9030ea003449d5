"""What the steps of one run of the purge share: who does it, what it did so far, and how it writes down what it sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, update

from holdfast.database.tables import erasures
from holdfast.lifecycle import metrics
from holdfast.lifecycle.lease import Held

if TYPE_CHECKING:
    from holdfast.services import Services

Rows = Sequence[Any]
"""Of ``erasures``, with the columns that were asked for."""


@dataclass(slots=True)
class Purged:
    """What a run did: versions whose purge it began, objects (and their bytes) that are gone from the store, attempts that failed,
    whether it asked the store to compact, versions it saw erased, and versions that are still being purged."""

    begun: int = 0
    objects: int = 0
    bytes: int = 0
    failures: int = 0
    compacted: bool = False
    erased: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class PurgeRun:
    """``lease.write`` is how everything is written. ``stopping`` is asked between batches, ``progress`` told how many objects are
    gone so far."""

    services: Services
    lease: Held
    stopping: Callable[[], bool]
    progress: Callable[[int], None]
    done: Purged = field(default_factory=Purged)

    def failed(self, attempts: int) -> None:
        """Counts them."""
        self.done.failures += attempts
        metrics.FAILURES.inc(attempts)


def note(connection: Connection, erasure_id: int, **values: Any) -> None:
    """Writes it into the evidence of one object."""
    connection.execute(update(erasures).where(erasures.c.id == erasure_id).values(values))
