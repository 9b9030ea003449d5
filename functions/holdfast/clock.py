"""The time, in UTC, as one thing that can be handed in.

Domain dates (upload, archive, destroy) come from a clock, so that a test can move it. Leases do not: they live by the database's
clock (``holdfast.database.leases``), because two processes' clocks differ.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""A function that returns the present as an aware datetime in UTC."""


def system() -> datetime:
    """The present, read anew at each call."""
    return datetime.now(UTC)


def isoformat(moment: datetime | None) -> str | None:
    """ISO 8601 with microseconds and the offset, as every reply writes it: ``2026-11-21T14:03:00.000000+00:00``."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")
