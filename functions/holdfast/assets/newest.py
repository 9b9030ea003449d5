"""``versions.newest``: of each status, the version of an asset with the highest number has it, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, and_, false, func, or_, select, true, update

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


def refresh_many(connection: Connection, workspace_id: int, assets: Mapping[int, str], statuses: Iterable[str]) -> None:
    """The same for many assets of one workspace, given by row id with their paths: two statements where nothing has to change."""
    v, wanted = versions.c, sorted(set(statuses))
    tops = {
        (row.asset_id, row.status): row.number
        for row in connection.execute(
            select(v.asset_id, v.status, func.max(v.number).label("number"))
            .where(v.asset_id.in_(assets), v.status.in_(wanted))
            .group_by(v.asset_id, v.status)
        )
    }
    marked = connection.execute(
        select(v.id, v.asset_id, v.status, v.number)
        .where(v.workspace_id == workspace_id, v.status.in_(wanted), v.newest == true())
        .where(v.asset_path.in_(assets.values()))
    ).all()
    wrong = [row.id for row in marked if tops.get((row.asset_id, row.status)) != row.number]
    right = {(row.asset_id, row.status) for row in marked if tops.get((row.asset_id, row.status)) == row.number}
    if wrong:
        connection.execute(update(versions).where(v.id.in_(wrong)).values(newest=false()))
    if missing := [(*key, number) for key, number in tops.items() if key not in right]:
        these = (and_(v.asset_id == asset, v.status == status, v.number == number) for asset, status, number in missing)
        connection.execute(update(versions).where(or_(*these)).values(newest=true()))
