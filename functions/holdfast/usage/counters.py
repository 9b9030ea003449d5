"""The counters behind ``/usage``: bytes and versions by workspace, media type and bucket, changed in the transaction of each act.

    active, archived    the versions of that status
    condemned           destroyed, and not yet erased: their bytes are there
    held                those of all of them that a hold covers
    current             of each asset, the newest of its versions that are not destroyed

A version is superseded that is not destroyed and not current, so it needs no counter of its own. Bytes are those of all
files of a version. Whoever changes versions says what they left and what they entered:

    before = current(connection, asset_ids)
    …                                            # archived versions are destroyed, and `newest` is right again
    after = current(connection, asset_ids)
    apply(connection, moved(rows, "archived", "condemned"), moved(before, CURRENT, None), moved(after, None, CURRENT))

``apply`` is one statement, however many versions that were. Its rows are the last that a transaction locks, and in one order. A
transition by a set of rows that are of one state is two such lists; a purge that is done is ``moved(rows, CONDEMNED, None)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Row, Select, and_, select, true

from holdfast.database.tables import assets, usage, versions
from holdfast.database.types import along
from holdfast.database.upserting import upsert

ACTIVE, ARCHIVED, CONDEMNED, HELD, CURRENT = BUCKETS = ("active", "archived", "condemned", "held", "current")


class Counted(Protocol):
    """What of a version is counted. ``total_bytes``: of all its files."""

    @property
    def workspace_id(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    @property
    def total_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Version:
    """What is counted of a version, where no row says it in these words."""

    workspace_id: int
    content_type: str
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Change:
    """So many versions and bytes more in a bucket; less, when negative."""

    workspace_id: int
    media_type: str
    bucket: str
    versions: int
    bytes: int


def media_type_of(content_type: str) -> str:
    """``text/plain`` of ``Text/Plain; charset=utf-8``."""
    return content_type.partition(";")[0].strip().lower()


def bucket_of(status: str, phase: str | None) -> str | None:
    """Where a version is counted by its state; None once it is erased."""
    if status != "destroyed":
        return status
    return None if phase == "erased" else CONDEMNED


def moved(rows: Iterable[Counted], out_of: str | None, into: str | None) -> list[Change]:
    """The versions went out of one bucket and into another; None is none."""
    found = list(rows)
    out = [] if out_of is None or out_of == into else [_change(row, out_of, -1) for row in found]
    return out if into is None or out_of == into else [*out, *(_change(row, into, 1) for row in found)]


def grown(row: Counted, bucket: str, added_bytes: int) -> Change:
    """A version in the bucket has so many bytes more."""
    return Change(row.workspace_id, media_type_of(row.content_type), bucket, 0, added_bytes)


def current(connection: Connection, asset_ids: Collection[int]) -> Sequence[Row[Any]]:
    """The current version of each of the assets that has one. Goes by ``versions.newest``, which has to be right. To be called
    under the locks of the assets' rows."""
    v = versions.c
    if not asset_ids:
        return ()
    newest: Select[Any] = (
        select(v.id, v.asset_id, v.number, v.workspace_id, v.content_type, v.total_bytes)
        .select_from(assets)
        .join(versions, and_(v.workspace_id == assets.c.workspace_id, v.asset_path == assets.c.asset_path))
        .where(assets.c.id.in_(asset_ids), v.status.in_((ACTIVE, ARCHIVED)), v.newest == true())
    )
    for dialect in ("mysql", "mariadb"):  # from the assets to their versions: the other way round is all versions there are
        newest = newest.prefix_with("STRAIGHT_JOIN", dialect=dialect)
    newest = along(along(newest, assets, "PRIMARY"), versions, "ix_versions_newest")
    highest: dict[int, Row[Any]] = {}
    for row in connection.execute(newest):
        if row.asset_id not in highest or row.number > highest[row.asset_id].number:
            highest[row.asset_id] = row
    return list(highest.values())


def apply(connection: Connection, *changes: Iterable[Change]) -> None:
    """Adds the changes to the counters, in the caller's transaction."""
    versions_more, bytes_more = Counter[tuple[int, str, str]](), Counter[tuple[int, str, str]]()
    for change in (one for some in changes for one in some):
        key = (change.workspace_id, change.media_type, change.bucket)
        versions_more[key] += change.versions
        bytes_more[key] += change.bytes
    rows = [
        dict(zip(("workspace_id", "media_type", "bucket"), key, strict=True), versions=versions_more[key], bytes=bytes_more[key])
        for key in sorted(versions_more)
        if versions_more[key] or bytes_more[key]
    ]
    if rows:
        upsert(connection, usage, rows, lambda more: {name: usage.c[name] + more[name] for name in ("versions", "bytes")})


def _change(row: Counted, bucket: str, sign: int) -> Change:
    return Change(row.workspace_id, media_type_of(row.content_type), bucket, sign, sign * row.total_bytes)
