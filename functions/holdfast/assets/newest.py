"""``versions.newest``: of each status, the version of an asset with the highest number has it, and no other."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, false, select, true, update

from holdfast.database.tables import versions
from holdfast.database.tables.core import BY_ASSET
from holdfast.database.types import along, among


def refresh_newest(connection: Connection, asset_id: int, statuses: Iterable[str]) -> None:
    """Sets it right after versions of the asset came to, or left, ``statuses``. To be called under the lock of the asset's row, in
    the transaction of the change. What it costs does not grow with the number of versions."""
    columns = (versions.c.id, versions.c.newest, versions.c.workspace_id, versions.c.asset_path)
    for status in sorted(set(statuses)):
        top = connection.execute(
            select(*columns)
            .where(versions.c.asset_id == asset_id, versions.c.status == status)
            .order_by(versions.c.number.desc())
            .limit(1)
        ).first()
        if top is None:
            continue
        connection.execute(
            update(versions)
            .where(versions.c.workspace_id == top.workspace_id, versions.c.status == status, versions.c.newest == true())
            .where(versions.c.asset_path == top.asset_path, versions.c.id != top.id)
            .values(newest=false())
        )
        if not top.newest:
            connection.execute(update(versions).where(versions.c.id == top.id).values(newest=true()))


def refresh_many(connection: Connection, asset_ids: Iterable[int], statuses: Iterable[str]) -> None:
    """The same for many assets: one statement where nothing has to change."""
    v, later = versions.c, versions.alias("later")
    topped = select(1).where(later.c.asset_id == v.asset_id, later.c.status == v.status, later.c.number > v.number).exists()
    wrong = select(v.id, v.newest).where(among(v.asset_id, asset_ids), v.status.in_(sorted(set(statuses))), v.newest == topped)
    rows = connection.execute(along(wrong, versions, BY_ASSET)).all()
    for mark in (False, True):
        if ids := [row.id for row in rows if row.newest is not mark]:
            connection.execute(update(versions).where(among(v.id, ids)).values(newest=mark))
