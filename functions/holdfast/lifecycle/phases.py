"""The way from condemned to erased: what is allowed when, and what is said of it. Pure; ``purging`` carries it out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from holdfast.clock import isoformat


class Condemned(Protocol):
    """What of a version decides whether its purge may begin."""

    @property
    def phase(self) -> str | None: ...
    @property
    def purge_after(self) -> datetime | None: ...
    @property
    def held(self) -> int: ...


class Erased(Protocol):
    """The evidence of one object, as far as the summary needs it."""

    @property
    def size(self) -> int: ...
    @property
    def found(self) -> bool | None: ...
    @property
    def gone_at(self) -> datetime | None: ...
    @property
    def compacted_at(self) -> datetime | None: ...
    @property
    def compaction(self) -> str | None: ...
    @property
    def backups_until(self) -> datetime | None: ...


def is_due(version: Condemned, now: datetime) -> bool:
    """Whether its bytes may be erased: its undo window is over, and no hold covers it."""
    return version.phase == "condemned" and version.held == 0 and version.purge_after is not None and version.purge_after <= now


def within(sizes: Sequence[int], most_bytes: int | None) -> int:
    """How many of the versions of these sizes, from the first on, one run begins. One is always begun, however large it is."""
    if most_bytes is None:
        return len(sizes)
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > most_bytes and count:
            return count
    return len(sizes)


def may_compact(last: datetime | None, now: datetime, hours: int) -> bool:
    """Whether the store may be asked to compact again, as it was asked ``last``."""
    return last is None or now - last >= timedelta(hours=hours)


def backups_until(compacted: datetime, backup_days: int | None) -> datetime | None:
    """Until when a backup that was made before the bytes were gone may exist. None where nobody has said how long they are kept."""
    return None if backup_days is None else compacted + timedelta(days=backup_days)


def evidence(objects: Sequence[Erased]) -> dict[str, Any]:
    """What the trail says of an erased version, from the evidence of all its objects; there is at least one."""
    return {
        "objects": len(objects),
        "bytes": sum(one.size for one in objects),
        "missing": sum(one.found is False for one in objects),  # when the purge came to them
        "gone_at": isoformat(_latest([one.gone_at for one in objects])),
        "compacted_at": isoformat(_latest([one.compacted_at for one in objects])),
        "compaction": sorted({one.compaction for one in objects if one.compaction}),
        "backups_until": isoformat(_latest([one.backups_until for one in objects])),
    }


def _latest(moments: Sequence[datetime | None]) -> datetime | None:
    """None when any of them is not known."""
    known = [moment for moment in moments if moment is not None]
    return max(known) if len(known) == len(moments) else None
