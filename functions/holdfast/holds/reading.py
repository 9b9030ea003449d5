"""Holds as they are: a list, one, and the versions that one covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from holdfast.database.tables import hold_versions, holds, versions, workspaces
from holdfast.holds import access
from holdfast.holds.described import describe
from holdfast.identity.access import Claims, authorise

if TYPE_CHECKING:
    from holdfast.services import Services


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; None narrows nothing."""

    matter: str | None = None
    state: str | None = None


def list_holds(
    services: Services, claims: Claims, filters: Filters, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """One page, the latest first, and what to hand in as ``before`` for the next one; None on the last. Blocks. Raises
    Unauthenticated, Forbidden."""
    wanted = {holds.c.matter: filters.matter, holds.c.state: filters.state}
    with services.database.read() as connection:
        found = access.rows().where(*access.visible(authorise(connection, claims)))
        found = found.where(*(column == value for column, value in wanted.items() if value is not None))
        if before is not None:
            found = found.where(holds.c.id < before)
        rows = connection.execute(found.order_by(holds.c.id.desc()).limit(limit + 1)).all()
    page = rows[:limit]
    return [describe(row) for row in page], page[-1].id if len(rows) > limit else None


def show(
    services: Services, claims: Claims, hold_id: str, after: int | None, limit: int
) -> tuple[dict[str, Any], list[dict[str, Any]], int | None]:
    """The hold; a page of the versions that it covers, in no order that means anything; and where the next page begins. Blocks.
    Raises Unauthenticated, Forbidden, NotFound."""
    with services.database.read() as connection:
        hold = access.find(connection, authorise(connection, claims), hold_id)
        rows = connection.execute(_covered(hold.id).where(hold_versions.c.version > (after or 0)).limit(limit + 1)).all()
        found = summary(connection, hold)
    page = rows[:limit]
    items = [{name: value for name, value in row._mapping.items() if name != "version"} for row in page]
    return found, items, page[-1].version if len(rows) > limit else None


def summary(connection: Connection, hold: Row[Any]) -> dict[str, Any]:
    """The hold with how many versions it covers (a released one: covered at last), and what it came too late for."""
    covered = connection.scalar(select(func.count()).where(hold_versions.c.hold == hold.id))
    return {
        **describe(hold),
        "covered": hold.covered if hold.state == "released" else covered,
        "lost": {"count": hold.lost, "versions": _named(connection, hold.lost_versions)},
    }


def _covered(hold: int) -> Any:
    columns = (versions.c.asset_path, versions.c.version_id, versions.c.status, versions.c.phase, versions.c.size)
    return (
        select(hold_versions.c.version, workspaces.c.name.label("workspace"), *columns)
        .join(versions, versions.c.id == hold_versions.c.version)
        .join(workspaces, workspaces.c.id == versions.c.workspace_id)
        .where(hold_versions.c.hold == hold)
        .order_by(hold_versions.c.version)
    )


def _named(connection: Connection, lost: Sequence[Sequence[Any]]) -> list[dict[str, str]]:
    """``lost`` are a workspace's row id, an asset path and a version id each."""
    ids = {workspace_id for workspace_id, _, _ in lost}
    there = select(workspaces.c.id, workspaces.c.name).where(workspaces.c.id.in_(ids))
    names = {row.id: row.name for row in connection.execute(there)} if ids else {}
    return [{"workspace": names[where], "asset_path": path, "version_id": version} for where, path, version in lost]
