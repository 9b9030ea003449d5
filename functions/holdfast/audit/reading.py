"""Reading the trail, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from holdfast.clock import isoformat
from holdfast.database.tables import audit
from holdfast.errors import Forbidden
from holdfast.identity.access import Actor, Claims, authorise

if TYPE_CHECKING:
    from holdfast.services import Services


@dataclass(frozen=True, slots=True)
class Filters:
    """What is shown; None narrows nothing. ``workspace`` is a workspace's name; moments are aware, ``until`` is not included."""

    workspace: str | None = None
    operation: str | None = None
    username: str | None = None
    asset_path: str | None = None
    success: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


def read(
    services: Services, claims: Claims, filters: Filters, before: int | None, limit: int
) -> tuple[Sequence[dict[str, Any]], int | None]:
    """One page, and what to hand in as ``before`` for the next one; None on the last. An admin sees his workspace, a platform admin
    the workspace that he names, or all of them. Blocks. Raises Unauthenticated, Forbidden."""
    with services.database.read() as connection:
        found = select(audit).order_by(audit.c.id.desc()).limit(limit + 1)
        workspace = visible(authorise(connection, claims), filters.workspace)
        narrowed = {
            audit.c.workspace: workspace,
            audit.c.operation: filters.operation,
            audit.c.username: filters.username,
            audit.c.asset_path: filters.asset_path,
            audit.c.success: filters.success,
        }
        found = found.where(*(column == value for column, value in narrowed.items() if value is not None))
        if filters.since is not None:
            found = found.where(audit.c.at >= filters.since)
        if filters.until is not None:
            found = found.where(audit.c.at < filters.until)
        if before is not None:
            found = found.where(audit.c.id < before)
        rows = connection.execute(found).all()
    page = rows[:limit]
    return [{**row._mapping, "at": isoformat(row.at)} for row in page], page[-1].id if len(rows) > limit else None


def visible(actor: Actor, asked: str | None) -> str | None:
    """Whose entries: of the workspace of that name; None: of all. Raises Forbidden."""
    if actor.platform_admin:
        return asked
    if not actor.may("admin") or asked not in {None, actor.workspace}:
        raise Forbidden("The trail is for the workspace's admin.", permission="admin")
    return actor.workspace
