"""What runs did, for whoever may see it: a platform admin all, a workspace's admin what they did in his workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Row, Select, and_, or_, select

from holdfast.audit.trail import entry, record
from holdfast.clock import isoformat
from holdfast.database.tables import run_items, run_workspaces, versions, workspaces
from holdfast.database.tables import runs as t
from holdfast.errors import Conflict, NotFound
from holdfast.identity.access import Actor, Claims, authorise, demand
from holdfast.lifecycle import undoing
from holdfast.lifecycle.runs import UNFINISHED

if TYPE_CHECKING:
    from holdfast.services import Services


class Position(NamedTuple):
    """An item's place among those of its run: a workspace's come together, in the order of their rows."""

    workspace_id: int
    version: int


def list_runs(
    services: Services, claims: Claims, policy: str | None, action: str | None, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """One page, the latest first, and what to hand in as ``before`` for the next one; None on the last. Blocks. Raises
    Unauthenticated, Forbidden."""
    with services.database.read() as connection:
        actor = _actor(connection, claims)
        found = _visible(actor).order_by(t.c.id.desc()).limit(limit + 1)
        if policy is not None:
            found = found.where(t.c.policy == policy)
        if action is not None:
            found = found.where(t.c.action == action)
        if before is not None:
            found = found.where(t.c.id < before)
        rows = connection.execute(found).all()
    page = rows[:limit]
    return [_described(row, actor) for row in page], page[-1].id if len(rows) > limit else None


def one_run(
    services: Services, claims: Claims, run: int, after: Position | None, limit: int
) -> tuple[dict[str, Any], Position | None]:
    """The run with a page of its ``items``, and what to hand in as ``after`` for the next one; None on the last. Blocks. Raises
    Unauthenticated, Forbidden, NotFound."""
    with services.database.read() as connection:
        actor = _actor(connection, claims)
        row = _find(connection, actor, run)
        i, v, w = run_items.c, versions.c, workspaces.c
        columns = (v.asset_path, v.version_id, v.status, v.phase, v.total_bytes, (i.revision == v.revision).label("same"))
        found = (
            select(i.workspace_id, i.version, w.name.label("workspace"), *columns)
            .join_from(run_items, versions, i.version == v.id)
            .join(workspaces, w.id == i.workspace_id)
            .where(i.run == run)
            .order_by(i.workspace_id, i.version)
            .limit(limit + 1)
        )
        if not actor.platform_admin:
            found = found.where(i.workspace_id == actor.workspace_id)
        if after is not None:
            later = and_(i.workspace_id == after.workspace_id, i.version > after.version)
            found = found.where(or_(i.workspace_id > after.workspace_id, later))
        items = connection.execute(found).all()
    page = items[:limit]
    said = [
        {
            "workspace": item.workspace,
            "asset_path": item.asset_path,
            "version_id": item.version_id,
            "bytes": item.total_bytes,
            "status": item.status,
            "phase": item.phase,
            "undoable": bool(item.same) and item.phase in {None, "condemned"},
        }
        for item in page
    ]
    following = Position(page[-1].workspace_id, page[-1].version) if len(items) > limit else None
    return {**_described(row, actor), "items": said}, following


def undo(services: Services, claims: Claims, run: int) -> dict[str, Any]:
    """Has the run taken back in the background: all of it for a platform admin, what it did in his workspace for the workspace's
    admin. Returns the run. Blocks. Raises Unauthenticated, Forbidden, NotFound, Conflict (it is still under way)."""

    def act(connection: Connection) -> dict[str, Any]:
        actor = _actor(connection, claims)
        row = _find(connection, actor, run)
        if row.state in UNFINISHED:
            raise Conflict("The run is still under way. Suspend its policy, and undo it then.", slug="run-under-way")
        where = None if actor.platform_admin else [actor.workspace_id]
        undoing.request(connection, undoing.Undoing(run, where, actor.username, actor.issuer), actor.user_id)
        workspace = None if actor.platform_admin else actor.workspace
        now = services.clock()
        record(connection, entry("undo-run", now, workspace=workspace, username=actor.username, issuer=actor.issuer, run=run))
        return _described(row, actor)

    return services.database.write(act)


def _actor(connection: Connection, claims: Claims) -> Actor:
    actor = authorise(connection, claims)
    if not actor.platform_admin:
        demand(actor, "admin")
    return actor


def _visible(actor: Actor) -> Select[Any]:
    """Rows of ``runs``; of one workspace, with its own counts in place of the run's."""
    if actor.platform_admin:
        return select(t)
    own = run_workspaces.c
    counts = {"item_count": own.item_count, "byte_count": own.byte_count}
    columns = [counts[column.name].label(column.name) if column.name in counts else column for column in t.c]
    return select(*columns).join(run_workspaces, (own.run == t.c.id) & (own.workspace_id == actor.workspace_id))


def _find(connection: Connection, actor: Actor, run: int) -> Row[Any]:
    row = connection.execute(_visible(actor).where(t.c.id == run)).first()
    if row is None:
        raise NotFound("There is no such run.")
    return row


def _described(row: Row[Any], actor: Actor) -> dict[str, Any]:
    """A run as it is told. What it planned names others' assets, so it is for platform admins."""
    return {
        "id": row.id,
        "policy": row.policy,
        "action": row.action,
        "trigger": row.trigger,
        "state": row.state,
        "as_of": isoformat(row.as_of),
        "done": {"items": row.item_count, "bytes": row.byte_count},
        "undone": row.undone,
        "started_at": isoformat(row.started_at),
        "finished_at": isoformat(row.finished_at),
        **({"plan": row.plan, "guard": row.guard, "skipped": row.skipped, "error": row.error} if actor.platform_admin else {}),
    }
