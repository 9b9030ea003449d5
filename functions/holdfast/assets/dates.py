"""When a version is archived and destroyed by its own TTLs, and whether its time is over. Pure; the present is handed in.

``archive_ttl`` counts from when the version became active (its upload, or its last restore), ``destroy_ttl`` from its archive
date, both in whole days, as in 000. A TTL of None sets no date. Without an archive date there is no destroy date, because there is
nothing to count it from.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Protocol

from holdfast.errors import Gone, Invalid

MAX_TTL = 36_500
"""Days: a century. Longer is what None is for."""

_DECIMAL = re.compile("[0-9]{1,5}")


class Dated(Protocol):
    """What of a version says whether its time is over."""

    @property
    def status(self) -> str: ...
    @property
    def held(self) -> int: ...
    @property
    def destroy_date(self) -> datetime | None: ...


def parse_ttl(name: str, value: object) -> int | None:
    """The TTL called ``name`` as days: a whole number from 0 to ``MAX_TTL``, or its digits as a form sends them. None and the empty
    text are no TTL. Raises Invalid for anything else."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TTL:
        raise Invalid(f"{name} is a whole number of days from 0 to {MAX_TTL}.", field=name)
    return value


def after(start: datetime | None, days: int | None) -> datetime | None:
    """``days`` days after ``start``; None where either is."""
    return None if start is None or days is None else start + timedelta(days=days)


def of_active(active_since: datetime, archive_ttl: int | None, destroy_ttl: int | None) -> tuple[datetime | None, datetime | None]:
    """The archive date and the destroy date of a version that is active since then."""
    archive_date = after(active_since, archive_ttl)
    return archive_date, after(archive_date, destroy_ttl)


def readable(version: Dated, now: datetime) -> bool:
    """Whether its bytes may be given out: not destroyed, and its own destroy date is to come, is none, or is stopped by a hold."""
    if version.status == "destroyed":
        return False
    return version.destroy_date is None or version.held > 0 or now < version.destroy_date


def check_readable(version: Dated, now: datetime) -> None:
    """Raises Gone unless ``readable``."""
    if not readable(version, now):
        raise Gone("This version was destroyed." if version.status == "destroyed" else "This version's destroy date has passed.")


def expires(version: Dated) -> datetime | None:
    """When it becomes unreadable by its own TTLs; None when it does not, a hold covers it, or it is destroyed already."""
    return None if version.status == "destroyed" or version.held > 0 else version.destroy_date
