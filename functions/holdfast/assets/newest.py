"""``versions.newest``: of each status, the version of an asset with the highest number has it, and no other."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, false, select, true, update

from holdfast.database.tables import versions


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
