"""Workspaces: what one holds and may hold, and its end.

A deleted workspace is inaccessible at once: it is marked, and all its users are gone, in one transaction that also condemns its
first versions. The rest of a large one is condemned by a job in batches of ``BATCH`` assets, so no transaction is long. From then
on its bytes take the way of everything condemned. Its name is never given again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, case, func, or_, select, update

from holdfast.audit.trail import entry, record
from holdfast.clock import isoformat
from holdfast.database.tables import users, versions, workspaces
from holdfast.errors import Forbidden, Held, Invalid, NotFound
from holdfast.identity.access import Claims, authorise
from holdfast.identity.users import end
from holdfast.jobs.queue import enqueue

if TYPE_CHECKING:
    from holdfast.services import Services

BATCH = 500
"""Assets whose versions one transaction condemns."""
CONDEMN = "condemn-workspace"
"""The job that goes on with a large workspace."""


@dataclass(frozen=True, slots=True)
class _Doomed:
    """A workspace that was deleted, and by whom."""

    workspace_id: int
    workspace: str
    username: str


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


def delete(services: Services, claims: Claims, confirm: str, batch: int = BATCH) -> None:
    """Ends the caller's workspace with all that is in it; ``confirm`` is its branch, typed. Raises Forbidden, Invalid when the
    confirmation is another name, Held when a legal hold covers any version of it."""
    now = services.clock()

    def act(connection: Connection) -> None:
        actor = authorise(connection, claims, "admin")
        if confirm != actor.workspace:
            raise Invalid(f"To delete the workspace, confirm with its name: '{actor.workspace}'.", slug="confirmation")
        workspace_id = actor.workspace_id
        marked = connection.execute(
            update(workspaces)
            .where(workspaces.c.id == workspace_id, workspaces.c.state == "active")
            .values(state="deleted", deleted_at=now)
        )
        if not marked.rowcount:
            raise Forbidden("The workspace is being deleted already.")
        held = connection.scalar(select(func.count()).where(versions.c.workspace_id == workspace_id, versions.c.held > 0))
        if held:
            raise Held(f"A legal hold covers {held} versions of the workspace.", held=held)
        members = connection.scalars(select(users.c.id).where(users.c.workspace_id == workspace_id, users.c.deleted_at.is_(None)))
        end(connection, now, *members.all())
        record(
            connection,
            entry("delete-workspace", now, workspace=actor.workspace, username=actor.username, issuer=actor.issuer),
        )
        doomed = _Doomed(workspace_id, actor.workspace, actor.username)
        if _condemn_some(connection, services, doomed, batch):
            enqueue(connection, CONDEMN, asdict(doomed), workspace_id=workspace_id, user_id=actor.user_id)

    services.database.write(act)


def condemn(services: Services, workspace_id: int, workspace: str, username: str, batch: int = BATCH) -> None:
    """Condemns what is left of a deleted workspace, batch by batch; ``username`` is who deleted it. Stopped anywhere, it goes on
    when it is called again. The job's payload are its arguments."""
    doomed = _Doomed(workspace_id, workspace, username)
    while services.database.write(lambda connection: _condemn_some(connection, services, doomed, batch)):
        pass


def _condemn_some(connection: Connection, services: Services, doomed: _Doomed, batch: int) -> bool:
    """Condemns all versions of up to ``batch`` assets, but no held one. Whether there may be more."""
    now, undo_days = services.clock(), services.settings.undo_days
    open_ = and_(
        versions.c.workspace_id == doomed.workspace_id, versions.c.status.in_(("active", "archived")), versions.c.held == 0
    )
    asset_ids = connection.scalars(select(versions.c.asset_id).where(open_).distinct().limit(batch)).all()
    if not asset_ids:
        return False
    condemned = connection.execute(
        select(versions.c.asset_path, versions.c.version_id).where(open_, versions.c.asset_id.in_(asset_ids)).with_for_update()
    ).all()
    connection.execute(
        update(versions)
        .where(open_, versions.c.asset_id.in_(asset_ids))
        .ordered_values(  # MySQL assigns from left to right: what asks for the status comes before it changes
            (versions.c.archive_date, case((versions.c.status == "active", now), else_=versions.c.archive_date)),
            (versions.c.destroy_date, now),
            (versions.c.purge_after, now + timedelta(days=undo_days)),
            (versions.c.status, "destroyed"),
            (versions.c.phase, "condemned"),
            (versions.c.revision, versions.c.revision + 1),
        )
    )
    _mark_newest(connection, list(asset_ids))
    record(
        connection,
        *(
            entry(
                "destroy",
                now,
                workspace=doomed.workspace,
                username=doomed.username,
                asset_path=row.asset_path,
                version_id=row.version_id,
                reason="workspace deleted",
            )
            for row in condemned
        ),
    )
    return len(asset_ids) == batch


def _mark_newest(connection: Connection, asset_ids: list[int]) -> None:
    """Makes ``newest`` true again: one version of each asset and status, the one with the highest number."""
    highest = (
        select(versions.c.asset_id, versions.c.status, func.max(versions.c.number).label("number"))
        .where(versions.c.asset_id.in_(asset_ids))
        .group_by(versions.c.asset_id, versions.c.status)
        .subquery()
    )
    same = and_(
        highest.c.asset_id == versions.c.asset_id, highest.c.status == versions.c.status, highest.c.number == versions.c.number
    )
    newest = connection.scalars(select(versions.c.id).join(highest, same)).all()
    connection.execute(
        update(versions)
        .where(versions.c.asset_id.in_(asset_ids))
        .where(or_(versions.c.newest, versions.c.id.in_(newest)))
        .values(newest=versions.c.id.in_(newest))
    )
