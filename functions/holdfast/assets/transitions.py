"""A version's life after its upload: which step is allowed from where, and what it changes. Pure; ``acting`` carries it out.

active ──archive──► archived ──destroy──► destroyed: condemned ──► purging ──► erased
   ◄────restore────    ◄─────────restore─────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from holdfast.assets import dates
from holdfast.errors import Conflict, Held


class WrongState(Conflict):
    """The version's state does not allow the step."""

    slug = "wrong-state"


class State(Protocol):
    """What of a version decides about its next step. TTLs are in days."""

    @property
    def status(self) -> str: ...
    @property
    def phase(self) -> str | None: ...
    @property
    def held(self) -> int: ...
    @property
    def archive_ttl(self) -> int | None: ...
    @property
    def destroy_ttl(self) -> int | None: ...
    @property
    def active_since(self) -> datetime: ...
    @property
    def archive_date(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Archive:
    """Out of default lists, still readable, and it takes no new files. ``by_own_date``: because its own archive date has passed, so
    that this date and what counts from it stay as they were promised. ``to_destroy``: as the first half of a deletion, which a hold
    refuses before anything has changed."""

    by_own_date: bool = False
    to_destroy: bool = False
    operation: ClassVar[str] = "archive"


@dataclass(frozen=True, slots=True)
class Destroy:
    """Unreadable at once; its bytes stay until they are purged."""

    operation: ClassVar[str] = "destroy"


@dataclass(frozen=True, slots=True)
class Restore:
    """One step back, with its clocks started anew."""

    operation: ClassVar[str] = "restore"


@dataclass(frozen=True, slots=True)
class SetTtl:
    """New TTLs: ``ttls`` has ``archive_ttl``, ``destroy_ttl`` or both, in days, None for no own date. One that it has not stays."""

    ttls: Mapping[str, int | None]
    operation: ClassVar[str] = "set-ttl"


@dataclass(frozen=True, slots=True)
class SetLabels:
    """These labels instead of the present ones."""

    labels: Mapping[str, str]
    operation: ClassVar[str] = "set-labels"


Action = Archive | Destroy | Restore | SetTtl | SetLabels


def needs(action: Action, version: State | None = None) -> frozenset[str]:
    """The permissions of which one allows ``action``; for a restore, which asks for the right of the step that it takes back, as
    narrowly as ``version`` tells."""
    match action:
        case Archive() | SetTtl():
            return frozenset({"archive"})
        case Destroy():
            return frozenset({"destroy"})
        case SetLabels():
            return frozenset({"upload"})
        case Restore():
            if version is None:
                return frozenset({"archive", "destroy"})
            return frozenset({"destroy" if version.status == "destroyed" else "archive"})


def step(version: State, action: Action, now: datetime, undo_days: int) -> dict[str, Any]:
    """The columns that ``action`` changes, with their new values. ``undo_days`` is how long a destroyed version can be restored.
    Raises Conflict when the version's state does not allow it, Held."""
    match action:
        case Archive(to_destroy=True) if version.held > 0:
            raise Held("A legal hold covers the version.")
        case Archive(by_own_date):
            return _archive(version, now, by_own_date)
        case Destroy():
            return _destroy(version, now, undo_days)
        case Restore():
            return _restore(version, now)
        case SetTtl(ttls):
            return _set_ttl(version, ttls)
        case SetLabels(labels):
            _refuse_destroyed(version)
            return {"labels": dict(labels)}


def _archive(version: State, now: datetime, by_own_date: bool) -> dict[str, Any]:
    _refuse_destroyed(version)
    if version.status == "archived":
        raise _conflict(version, "The version is archived already.")
    return {"status": "archived"} if by_own_date else _archived(version, now)


def _archived(version: State, now: datetime) -> dict[str, Any]:
    return {"status": "archived", "archive_date": now, "destroy_date": dates.after(now, version.destroy_ttl)}


def _destroy(version: State, now: datetime, undo_days: int) -> dict[str, Any]:
    _refuse_destroyed(version)
    if version.status != "archived":
        raise _conflict(version, "Only an archived version can be destroyed: archive it first.")
    if version.held > 0:
        raise Held("A legal hold covers the version.")
    return {"status": "destroyed", "phase": "condemned", "destroy_date": now, "purge_after": dates.after(now, undo_days)}


def _restore(version: State, now: datetime) -> dict[str, Any]:
    if version.status == "active":
        raise _conflict(version, "The version is active: there is nothing to restore.")
    if version.status == "destroyed":
        if version.phase != "condemned":
            raise _conflict(version, "The version's bytes are being erased or are gone: it cannot be restored any more.")
        return {**_archived(version, now), "active_since": now, "phase": None, "purge_after": None}
    archive_date, destroy_date = dates.of_active(now, version.archive_ttl, version.destroy_ttl)
    return {"status": "active", "active_since": now, "archive_date": archive_date, "destroy_date": destroy_date}


def _set_ttl(version: State, ttls: Mapping[str, int | None]) -> dict[str, Any]:
    _refuse_destroyed(version)
    archive_ttl, destroy_ttl = ttls.get("archive_ttl", version.archive_ttl), ttls.get("destroy_ttl", version.destroy_ttl)
    if version.status == "active":
        archive_date, destroy_date = dates.of_active(version.active_since, archive_ttl, destroy_ttl)
    else:
        archive_date, destroy_date = version.archive_date, dates.after(version.archive_date, destroy_ttl)
    return {"archive_ttl": archive_ttl, "destroy_ttl": destroy_ttl, "archive_date": archive_date, "destroy_date": destroy_date}


def _refuse_destroyed(version: State) -> None:
    if version.status == "destroyed":
        raise _conflict(version, "The version is destroyed.")


def _conflict(version: State, detail: str) -> WrongState:
    return WrongState(detail, current=version.status, phase=version.phase)
