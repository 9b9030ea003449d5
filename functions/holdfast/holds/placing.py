"""Placing a hold: its row first, then every version that is there already.

From its row on whatever is published or labelled is covered by whoever does that (``holdfast.holds.covering``). The versions that
were there before are walked in the order of an index, a batch in each transaction, under the locks of their assets; where the walk
has come to is in the hold's row, so that the job ``place-hold`` goes on after whoever dies. When all are covered the hold is
``active``: nothing deletes what it covers, and what it came too late for is named in it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from holdfast import failpoints
from holdfast.audit.trail import entry, record
from holdfast.clock import isoformat
from holdfast.database import tables as t
from holdfast.errors import Invalid, Unavailable
from holdfast.holds import access
from holdfast.holds.covering import COLUMNS, came, cover_by, lock
from holdfast.holds.reading import summary
from holdfast.holds.scope import NewHold, Scope
from holdfast.identity.access import Actor, Claims, authorise
from holdfast.jobs import queue
from holdfast.usage import counters

if TYPE_CHECKING:
    from holdfast.services import Services

KIND = "place-hold"
"""The job that goes on with a hold whose placing took too long, or whose process died."""
WAIT = 20
"""Seconds for which a request goes on by itself before it leaves the rest to the job."""
BATCH = 500
"""Versions that one transaction covers."""
MOST_LOST = 100
"""Lost versions that are named; all are counted."""

_BEFORE, _OPENED, _COVERING, _COVERED = "hold.place.before", "hold.place.after", "hold.cover.before", "hold.cover.after"
failpoints.declare(_BEFORE, _OPENED, _COVERING, _COVERED)

_log = logging.getLogger(__name__)
_v = t.versions.c


def place(
    services: Services, claims: Claims, wanted: NewHold, key: str | None = None, *, wait: float = WAIT, batch: int = BATCH
) -> dict[str, Any]:
    """Places the hold, and returns it: ``active``, or ``placing`` when that takes longer than ``wait`` seconds. ``key`` is the
    Idempotency-Key: the same one finds the same hold. Blocks. Raises Unauthenticated, Forbidden, NotFound, Invalid."""
    failpoints.hit(_BEFORE)
    try:
        hold = services.database.write(lambda connection: _opened(services, connection, claims, wanted, key))
    except IntegrityError:  # the same key at the same moment: it is there now
        hold = services.database.write(lambda connection: _opened(services, connection, claims, wanted, key))
    failpoints.hit(_OPENED)
    try:
        go_on(services, hold, deadline=time.monotonic() + wait, batch=batch)
    except Unavailable:
        _log.warning("the hold %s is left to the queue", hold, exc_info=True)
    with services.database.read() as connection:
        return summary(connection, connection.execute(access.rows().where(t.holds.c.id == hold)).one())


def go_on(services: Services, hold: int, *, deadline: float | None = None, batch: int = BATCH) -> bool:
    """Covers what is there, from where it was left; whether it came to the end before ``deadline``, of ``time.monotonic``. The job.
    Any number of processes may do so at once. Raises DatabaseUnavailable."""
    _wait_for_publishers(services, hold)
    while deadline is None or time.monotonic() < deadline:
        failpoints.hit(_COVERING)
        done = services.database.write(lambda connection: _cover_some(services, connection, hold, batch))
        failpoints.hit(_COVERED)
        if done:
            return True
    return False


def _opened(services: Services, connection: Connection, claims: Claims, wanted: NewHold, key: str | None) -> int:
    actor = authorise(connection, claims)
    workspace_id, workspace = access.place_in(connection, actor, wanted)
    scope = wanted.as_json()
    if key is not None and (known := _of_key(connection, actor, key)) is not None:
        if (known.workspace_id, known.matter, known.reason, known.selector) != (workspace_id, wanted.matter, wanted.reason, scope):
            raise Invalid("This Idempotency-Key was used for another hold.", slug="idempotency-key-reused")
        return int(known.id)
    now = services.clock()
    if wanted.until is not None and wanted.until <= now:
        raise Invalid("A hold's end lies in the future.", field="until")
    _check_names(connection, workspace_id, wanted)
    row: dict[str, Any] = {
        "hold_id": secrets.token_hex(16),
        "workspace_id": workspace_id,
        "matter": wanted.matter,
        "reason": wanted.reason,
        "selector": scope,
        "state": "placing",
        "platform": actor.platform_admin,
        "user_id": actor.user_id,
        "placed_by": actor.username,
        "idempotency_key": key,
        "until": wanted.until,
        "created_at": now,
        "lost_versions": [],
    }
    added = connection.execute(insert(t.holds).values(row))
    assert added.inserted_primary_key is not None
    hold = int(added.inserted_primary_key[0])
    queue.enqueue(connection, KIND, {"hold": hold}, workspace_id=workspace_id, user_id=actor.user_id, delay=WAIT)
    said: dict[str, Any] = {"hold": row["hold_id"], "matter": wanted.matter, "reason": wanted.reason, "scope": scope}
    said["until"] = isoformat(wanted.until)
    record(connection, entry("hold", now, workspace=workspace, username=actor.username, issuer=actor.issuer, **said))
    return hold


def _of_key(connection: Connection, actor: Actor, key: str) -> Row[Any] | None:
    here = (t.holds.c.user_id == actor.user_id, t.holds.c.idempotency_key == key)
    return connection.execute(select(t.holds).where(*here).with_for_update()).first()


def _check_names(connection: Connection, workspace_id: int | None, wanted: Scope) -> None:
    """A name that nothing has is a mistake that nobody would notice until it is too late. Raises Invalid."""
    paths = wanted.asset_paths()
    if paths is None:
        return
    here = (t.assets.c.workspace_id == workspace_id, t.assets.c.asset_path.in_(paths))
    known = set(connection.scalars(select(t.assets.c.asset_path).where(*here)))
    unknown = [path for path in paths if path not in known]
    if not unknown and wanted.versions is not None:
        pairs = [(name.asset_path, name.version_id) for name in wanted.versions]
        there = select(_v.asset_path, _v.version_id).where(_v.workspace_id == workspace_id, _v.asset_path.in_(paths))
        found = {(row.asset_path, row.version_id) for row in connection.execute(there)}
        unknown = [f"{path} {version}" for path, version in pairs if (path, version) not in found]
    if unknown:
        raise Invalid("Nothing in the workspace is called so.", slug="unknown-names", unknown=unknown[:100])


def _wait_for_publishers(services: Services, hold: int) -> None:
    """Returns when nobody publishes any more who could not see the hold: he has changed his workspace's row."""
    with services.database.read() as connection:
        found = connection.execute(select(t.holds.c.workspace_id).where(t.holds.c.id == hold)).one()
    mine = () if found.workspace_id is None else (t.workspaces.c.id == found.workspace_id,)
    last = 0

    def act(connection: Connection) -> int | None:
        some = select(t.workspaces.c.id).where(*mine, t.workspaces.c.id > last).order_by(t.workspaces.c.id).limit(BATCH)
        ids = connection.scalars(some.with_for_update()).all()
        return max(ids, default=None)

    while (seen := services.database.write(act)) is not None:
        last = seen


def _cover_some(services: Services, connection: Connection, hold: int, batch: int) -> bool:
    """The next batch. Whether there is nothing more to do: all is covered, or the hold is being released."""
    seen = connection.execute(select(t.holds).where(t.holds.c.id == hold)).one()
    if seen.state != "placing":
        return True
    scope = Scope.model_validate(seen.selector)
    page = _page(connection, seen, scope, batch)
    # Labels are asked for under the lock: somebody may be changing them who does not see the hold.
    rows = lock(connection, [row for row in page if scope.may_cover(row)])
    now = connection.execute(select(t.holds).where(t.holds.c.id == hold).with_for_update()).one()
    if (now.state, now.position) != (seen.state, seen.position):
        return bool(now.state != "placing")  # another process went on, or somebody releases it
    matching = [row for row in rows if scope.covers(row)]
    lost = [row for row in matching if row.phase in {"purging", "erased"}]
    new = cover_by(connection, hold, [row for row in matching if row.phase not in {"purging", "erased"}])
    counters.apply(connection, came(row for row in rows if row.id in new))
    this = update(t.holds).where(t.holds.c.id == hold)
    if page:
        names = [*now.lost_versions, *([row.workspace_id, row.asset_path, row.version_id] for row in lost)][:MOST_LOST]
        last = [page[-1].workspace_id, page[-1].asset_path, page[-1].version_id]
        connection.execute(this.values(position=last, lost=now.lost + len(lost), lost_versions=names))
        return False
    if (following := _workspace_after(connection, now)) is not None:
        connection.execute(this.values(position=[following, "", ""]))
        return False
    moment = services.clock()
    covered = connection.scalar(select(func.count()).where(t.hold_versions.c.hold == hold))
    connection.execute(this.values(state="active", active_at=moment))
    record(connection, _activated(connection, now, covered or 0, moment))
    return True


def _page(connection: Connection, hold: Row[Any], scope: Scope, batch: int) -> Sequence[Row[Any]]:
    """The next versions of the workspace where the walk is."""
    workspace_id, path, version_id = hold.position or (hold.workspace_id or 0, "", "")
    found = select(*COLUMNS).where(_v.workspace_id == workspace_id, *_after(path, version_id))
    if (paths := scope.asset_paths()) is not None:
        found = found.where(_v.asset_path.in_(paths))
    return connection.execute(found.order_by(_v.asset_path, _v.version_id).limit(batch)).all()


def _after(path: str, version_id: str) -> tuple[ColumnElement[bool], ...]:
    """A range that databases see as one."""
    return _v.asset_path >= path, or_(_v.asset_path > path, and_(_v.asset_path == path, _v.version_id > version_id))


def _workspace_after(connection: Connection, hold: Row[Any]) -> int | None:
    if hold.workspace_id is not None:
        return None
    last = hold.position[0] if hold.position else 0
    following: int | None = connection.scalar(select(func.min(t.workspaces.c.id)).where(t.workspaces.c.id > last))
    return following


def _activated(connection: Connection, hold: Row[Any], covered: int, now: Any) -> dict[str, Any]:
    workspace = connection.scalar(select(t.workspaces.c.name).where(t.workspaces.c.id == hold.workspace_id))
    said = {"hold": hold.hold_id, "matter": hold.matter, "covered": covered, "lost": hold.lost}
    return entry("hold-active", now, workspace=workspace, username=hold.placed_by, **said)
