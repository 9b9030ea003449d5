"""What the counters should say: the versions themselves, counted. It reads all of them, so nobody waits for it but the operator."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, and_, func, select

from holdfast.database.tables import usage, versions, workspaces
from holdfast.usage import counters

if TYPE_CHECKING:
    from holdfast.services import Services

Key = tuple[int, str, str]
"""Workspace, media type, bucket."""
Count = tuple[int, int]
"""Versions, and their bytes."""


def counted(connection: Connection, workspace_id: int | None = None) -> dict[Key, Count]:
    """All counters that are not 0, of one workspace or of all."""
    v = versions.c
    mine = () if workspace_id is None else (v.workspace_id == workspace_id,)
    sums = (func.count().label("versions"), func.sum(v.total_bytes).label("bytes"))
    states: Select[Any] = (
        select(v.workspace_id, v.content_type, v.status, v.phase, (v.held > 0).label("held"), *sums)
        .where(*mine)
        .group_by(v.workspace_id, v.content_type, v.status, v.phase, v.held > 0)
    )
    live = v.status.in_((counters.ACTIVE, counters.ARCHIVED))
    top = select(v.asset_id, func.max(v.number).label("number")).where(*mine, live).group_by(v.asset_id).subquery()
    current: Select[Any] = (
        select(v.workspace_id, v.content_type, *sums)
        .join(top, and_(top.c.asset_id == v.asset_id, top.c.number == v.number))
        .group_by(v.workspace_id, v.content_type)
    )
    found: dict[Key, Count] = defaultdict(lambda: (0, 0))

    def add(row: Any, bucket: str) -> None:
        key = (row.workspace_id, counters.media_type_of(row.content_type), bucket)
        found[key] = found[key][0] + row.versions, found[key][1] + int(row.bytes)

    for row in connection.execute(states):
        bucket = counters.bucket_of(row.status, row.phase)
        if bucket is not None:
            add(row, bucket)
            if row.held:
                add(row, counters.HELD)
    for row in connection.execute(current):
        add(row, counters.CURRENT)
    return dict(found)


def said(connection: Connection, workspace_id: int | None = None) -> dict[Key, Count]:
    """What the counters say, of one workspace or of all, but for those that are 0."""
    rows = select(usage) if workspace_id is None else select(usage).where(usage.c.workspace_id == workspace_id)
    found = {(row.workspace_id, row.media_type, row.bucket): (row.versions, row.bytes) for row in connection.execute(rows)}
    return {key: count for key, count in found.items() if count != (0, 0)}


def recount(services: Services) -> int:
    """Makes the counters right, workspace by workspace, while everything else goes on: functions of an older release do not count.
    How many workspaces' were wrong. Raises DatabaseUnavailable."""
    with services.database.read() as connection:
        ids = connection.scalars(select(workspaces.c.id).order_by(workspaces.c.id)).all()
    return sum(services.database.write(lambda connection: _recount(connection, key)) for key in ids)  # noqa: B023  called at once


def _recount(connection: Connection, workspace_id: int) -> bool:
    """Under locks for which publishing waits, and every act before it ends: what it has changed is seen with what it has counted,
    or neither is."""
    connection.execute(select(workspaces.c.id).where(workspaces.c.id == workspace_id).with_for_update())
    connection.execute(select(usage.c.bucket).where(usage.c.workspace_id == workspace_id).with_for_update())
    right, wrong = counted(connection, workspace_id), said(connection, workspace_id)
    changes = []
    for key in right.keys() | wrong.keys():
        (count, size), (its_versions, its_size) = right.get(key, (0, 0)), wrong.get(key, (0, 0))
        changes.append(counters.Change(*key, count - its_versions, size - its_size))
    counters.apply(connection, changes)
    return right != wrong
