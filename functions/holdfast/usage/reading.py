"""``GET /usage``, from the counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from holdfast.database.tables import usage, workspaces
from holdfast.errors import Forbidden, NotFound
from holdfast.identity.access import Actor, Claims, authorise, demand
from holdfast.usage import counters

if TYPE_CHECKING:
    from holdfast.services import Services


@dataclass(frozen=True, slots=True)
class Position:
    """The key of a page's last item."""

    workspace_id: int
    media_type: str


def read(
    services: Services, claims: Claims, workspace: str | None, after: Position | None, limit: int
) -> tuple[dict[str, Any], Position | None]:
    """``total`` and a page of ``items``, one for each media type of each workspace; and where the next page begins, None on the
    last. Whoever may list sees his workspace, a platform admin all of them, or the one that he names. Blocks. Raises
    Unauthenticated, Forbidden, NotFound."""
    with services.database.read() as connection:
        mine = _visible(connection, authorise(connection, claims), workspace)
        total = connection.execute(select(*_sums()).where(*mine)).one()
        rows = connection.execute(_page(mine, after).limit(limit + 1)).all()
    page = rows[:limit]
    items = [{"workspace": row.workspace, "media_type": row.media_type, **_described(row)} for row in page]
    following = Position(page[-1].workspace_id, page[-1].media_type) if len(rows) > limit else None
    return {"total": _described(total), "items": items}, following


def _visible(connection: Connection, actor: Actor, asked: str | None) -> tuple[ColumnElement[bool], ...]:
    if not actor.platform_admin:
        demand(actor, "list")
        if asked not in {None, actor.workspace}:
            raise Forbidden("Only a platform admin sees other workspaces' usage.", permission="admin")
        return (usage.c.workspace_id == actor.workspace_id,)
    if asked is None:
        return ()
    found = connection.scalar(select(workspaces.c.id).where(workspaces.c.name == asked))
    if found is None:
        raise NotFound(f"There is no workspace '{asked}'.")
    return (usage.c.workspace_id == found,)


def _page(mine: tuple[ColumnElement[bool], ...], after: Position | None) -> Select[Any]:
    u = usage.c
    found = (
        select(u.workspace_id, u.media_type, workspaces.c.name.label("workspace"), *_sums())
        .join(workspaces, workspaces.c.id == u.workspace_id)
        .where(*mine)
        .group_by(u.workspace_id, u.media_type, workspaces.c.name)
        .having(func.sum(u.versions) > 0)
        .order_by(u.workspace_id, u.media_type)
    )
    if after is None:
        return found
    same = and_(u.workspace_id == after.workspace_id, u.media_type > after.media_type)
    return found.where(u.workspace_id >= after.workspace_id, or_(u.workspace_id > after.workspace_id, same))


def _sums() -> list[ColumnElement[Any]]:
    return [
        func.coalesce(func.sum(case((usage.c.bucket == bucket, usage.c[what]), else_=0)), 0).label(f"{bucket}_{what}")
        for bucket in counters.BUCKETS
        for what in ("versions", "bytes")
    ]


def _described(row: Any) -> dict[str, Any]:
    def count(bucket: str) -> dict[str, int]:
        return {what: int(getattr(row, f"{bucket}_{what}")) for what in ("versions", "bytes")}

    live, current = (count(counters.ACTIVE), count(counters.ARCHIVED)), count(counters.CURRENT)
    superseded = {what: sum(part[what] for part in live) - current[what] for what in current}
    shown = {bucket: count(bucket) for bucket in counters.BUCKETS if bucket != counters.CURRENT}
    return {**shown, "superseded": superseded}
