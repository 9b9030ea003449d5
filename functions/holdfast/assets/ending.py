"""The end of a workspace, with all that is in it.

A deleted workspace is inaccessible at once: it is marked, and all its users are gone, in one transaction that also condemns its
first versions. The rest of a large one is condemned by a job in batches of ``BATCH`` assets, so no transaction is long. From then
on its bytes take the way of everything condemned. Its name is never given again. A hold stops all of it; what a hold that came
later has kept is condemned once that is released (``resume``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select, update

from holdfast.audit.trail import entry, record
from holdfast.database.tables import assets, users, versions, workspaces
from holdfast.errors import Forbidden, Invalid
from holdfast.holds import covering
from holdfast.identity.access import Claims, authorise
from holdfast.identity.users import end
from holdfast.jobs.queue import enqueue
from holdfast.policies.due import LIVE
from holdfast.usage import counters

if TYPE_CHECKING:
    from holdfast.services import Services

BATCH = 500
"""Assets whose versions one transaction condemns."""
CONDEMN = "condemn-workspace"
"""The job that goes on with a large workspace."""


@dataclass(frozen=True, slots=True)
class _Doomed:
    """A workspace that was deleted, and by whom; None: nobody knows any more."""

    workspace_id: int
    workspace: str
    username: str | None


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
        if ids := covering.ids_in(connection, workspace_id):
            raise covering.refusal("versions of the workspace", ids)
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


def condemn(services: Services, workspace_id: int, workspace: str, username: str | None, batch: int = BATCH) -> None:
    """Condemns what is left of a deleted workspace, batch by batch; ``username`` is who deleted it. Stopped anywhere, it goes on
    when it is called again. The job's payload are its arguments."""
    doomed = _Doomed(workspace_id, workspace, username)
    while services.database.write(lambda connection: _condemn_some(connection, services, doomed, batch)):
        pass


def resume(services: Services) -> None:
    """Condemns what is left of deleted workspaces: a hold may have kept it until it was released. Raises DatabaseUnavailable."""
    with services.database.read() as connection:
        left = select(versions.c.id).where(_open_in(workspaces.c.id)).exists()
        found = connection.execute(select(workspaces.c.id, workspaces.c.name).where(workspaces.c.state == "deleted", left)).all()
    for workspace in found:
        condemn(services, workspace.id, workspace.name, None)


def _open_in(workspace_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    return and_(versions.c.workspace_id == workspace_id, versions.c.status.in_(LIVE), versions.c.held == 0)


def _condemn_some(connection: Connection, services: Services, doomed: _Doomed, batch: int) -> bool:
    """Condemns all versions of up to ``batch`` assets, but no held one. Whether there may be more."""
    now, undo_days = services.clock(), services.settings.undo_days
    open_ = _open_in(doomed.workspace_id)
    asset_ids = connection.scalars(select(versions.c.asset_id).where(open_).distinct().limit(batch)).all()
    if not asset_ids:
        return False
    connection.execute(select(assets.c.id).where(assets.c.id.in_(asset_ids)).order_by(assets.c.id).with_for_update())
    before = counters.current(connection, asset_ids)
    v = versions.c
    columns = (v.workspace_id, v.asset_path, v.version_id, v.content_type, v.total_bytes, v.status)
    condemned = connection.execute(select(*columns).where(open_, v.asset_id.in_(asset_ids)).with_for_update()).all()
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
    counters.apply(
        connection,
        *(counters.moved([row for row in condemned if row.status == status], status, counters.CONDEMNED) for status in LIVE),
        counters.moved(before, counters.CURRENT, None),
        counters.moved(counters.current(connection, asset_ids), None, counters.CURRENT),
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
