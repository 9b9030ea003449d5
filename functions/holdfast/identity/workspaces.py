"""Workspaces: what one holds and may hold. How it ends: ``holdfast.assets.ending``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select, update

from holdfast.audit.trail import entry, record
from holdfast.clock import isoformat
from holdfast.database.tables import users, workspaces
from holdfast.errors import Invalid, NotFound
from holdfast.identity.access import Claims, authorise

if TYPE_CHECKING:
    from holdfast.services import Services


def usage(services: Services, claims: Claims) -> dict[str, Any]:
    """What the caller's workspace holds and may hold, in bytes. Raises NotFound for a platform admin, who has none."""
    with services.database.read() as connection:
        actor = authorise(connection, claims)
        row = connection.execute(
            select(workspaces.c.used_versions, workspaces.c.created_at).where(workspaces.c.id == actor.workspace_id)
        ).first()
        members = connection.scalar(
            select(func.count()).where(users.c.workspace_id == actor.workspace_id, users.c.deleted_at.is_(None))
        )
    if row is None:
        raise NotFound("You have no workspace of your own.")
    own, general = actor.max_file_bytes, services.settings.max_file_bytes
    return {
        "branch": actor.workspace,
        "quota_bytes": actor.quota_bytes,
        "used_bytes": actor.used_bytes,
        "used_versions": row.used_versions,
        "max_file_bytes": general if own is None else own,
        "members": members,
        "created_at": isoformat(row.created_at),
    }


def set_quota(services: Services, branch: str, quota_bytes: int | None) -> None:
    """How much a workspace may hold, in bytes, whatever its status; None: no limit. What it holds already stays. Raises Invalid,
    NotFound."""
    _set_limit(services, branch, "quota_bytes", quota_bytes)


def set_max_file(services: Services, branch: str, max_file_bytes: int | None) -> None:
    """How large one file of a workspace may be, in bytes; None: the installation's maximum. Raises Invalid, NotFound."""
    _set_limit(services, branch, "max_file_bytes", max_file_bytes)


def _set_limit(services: Services, branch: str, limit: str, value: int | None) -> None:
    if value is not None and not 0 <= value < 2**63:
        raise Invalid("A limit is a number of bytes, 0 or more.")

    def act(connection: Connection) -> None:
        mine = (workspaces.c.name == branch, workspaces.c.state == "active")
        if not connection.execute(update(workspaces).where(*mine).values({limit: value})).rowcount:
            raise NotFound(f"There is no workspace '{branch}'.")
        record(connection, entry("set-limit", services.clock(), workspace=branch, username=None, limit=limit, bytes=value))

    services.database.write(act)
