"""Taking a whole run back: what it archived is active again, what it condemned is archived, as long as nothing else has happened to
it and no byte is gone. The job ``undo-run``, batch by batch; stopped anywhere, it goes on when it is run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, and_, select, update

from holdfast.assets import transitions
from holdfast.assets.newest import refresh_many
from holdfast.audit import trail
from holdfast.clock import isoformat
from holdfast.database.tables import assets, run_items, run_workspaces, runs, versions, workspaces
from holdfast.failpoints import hit
from holdfast.jobs import queue
from holdfast.lifecycle import points
from holdfast.policies.words import Action
from holdfast.usage import counters

if TYPE_CHECKING:
    from holdfast.services import Services

assert points

KIND = "undo-run"
BATCH = 500
_MADE = {Action.ARCHIVE: ("archived", "active"), Action.DESTROY: ("destroyed", "archived")}
"""The status that a run gave, and the one that its undoing gives back."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """The job's payload: which run, in which workspaces, and who asked for it. ``workspace_ids`` None: in all that it touched."""

    run: int
    workspace_ids: Sequence[int] | None
    username: str
    issuer: str


def request(connection: Connection, undoing: Undoing, user_id: int) -> None:
    """Asks for it, in the caller's transaction."""
    payload = {"run": undoing.run, "workspaces": undoing.workspace_ids, "username": undoing.username, "issuer": undoing.issuer}
    queue.enqueue(connection, KIND, payload, user_id=user_id, priority=8)


def run(services: Services, payload: dict[str, Any]) -> None:
    """The job. Idempotent. Raises DatabaseUnavailable, and is tried again then."""
    undoing = Undoing(payload["run"], payload["workspaces"], payload["username"], payload["issuer"])
    with services.database.read() as connection:
        done = connection.execute(select(runs).where(runs.c.id == undoing.run)).first()
        touched = (
            select(run_workspaces.c.workspace_id, workspaces.c.name)
            .join(workspaces, workspaces.c.id == run_workspaces.c.workspace_id)
            .where(run_workspaces.c.run == undoing.run)
        )
        if undoing.workspace_ids is not None:
            touched = touched.where(run_workspaces.c.workspace_id.in_(undoing.workspace_ids))
        where = connection.execute(touched).all()
    if done is None:
        return
    for workspace in where:
        after = 0
        while (last := _batch(services, undoing, Action(done.action), workspace, after)) is not None:
            after = last


def _batch(services: Services, undoing: Undoing, action: Action, workspace: Any, after: int) -> int | None:
    """Takes some versions back; the last row id that it looked at, None at the end."""
    now = services.clock()
    i = run_items.c
    chosen = (
        select(i.version)
        .where(i.run == undoing.run, i.workspace_id == workspace.workspace_id, i.version > after)
        .order_by(i.version)
        .limit(BATCH)
    )
    with services.database.read() as connection:
        ids = connection.scalars(chosen).all()
    if not ids:
        return None

    def change(connection: Connection) -> None:
        count = _take_back(connection, undoing, action, workspace, ids, now)
        if count:
            connection.execute(update(runs).where(runs.c.id == undoing.run).values(undone=runs.c.undone + count))
        hit("undo.batch.commit.before")

    hit("undo.batch.before")
    services.database.write(change)
    hit("undo.batch.after")
    return int(ids[-1])


def _take_back(connection: Connection, undoing: Undoing, action: Action, workspace: Any, ids: Sequence[int], now: datetime) -> int:
    made, before = _MADE[action]
    asset_ids = sorted(connection.scalars(select(versions.c.asset_id).where(versions.c.id.in_(ids)).distinct()))
    connection.execute(select(assets.c.id).where(assets.c.id.in_(asset_ids)).order_by(assets.c.id).with_for_update())
    same = and_(run_items.c.version == versions.c.id, run_items.c.revision == versions.c.revision, run_items.c.run == undoing.run)
    rows = connection.execute(
        select(versions)
        .join(run_items, and_(same, run_items.c.workspace_id == versions.c.workspace_id))
        .where(versions.c.id.in_(ids), versions.c.status == made)
    ).all()
    groups = defaultdict[tuple[tuple[str, Any], ...], list[Row[Any]]](list)
    for row in rows:
        if row.phase in {None, "condemned"}:
            changes = transitions.step(row, transitions.Restore(), now, 0)
            groups[tuple(sorted(changes.items()))].append(row)
    was_current = counters.current(connection, asset_ids if groups and made == "destroyed" else ())
    for changed, members in groups.items():
        changes = dict(changed)
        ours = versions.c.id.in_([row.id for row in members])
        connection.execute(update(versions).where(ours).values(**changes, revision=versions.c.revision + 1))
        details: dict[str, Any] = {name: value if isinstance(value, str) else isoformat(value) for name, value in changes.items()}
        who = {"workspace": workspace.name, "username": undoing.username, "issuer": undoing.issuer}
        trail.record_versions(connection, trail.entry("restore", now, **who, **details, run=undoing.run), ours)
    moved = [row for members in groups.values() for row in members]
    if moved:
        refresh_many(connection, {row.asset_id for row in moved}, (made, before))
        now_current = counters.current(connection, asset_ids if made == "destroyed" else ())
        counters.apply(
            connection,
            counters.moved(moved, counters.bucket_of(made, "condemned"), before),
            counters.moved(was_current, counters.CURRENT, None),
            counters.moved(now_current, None, counters.CURRENT),
        )
    return len(moved)
