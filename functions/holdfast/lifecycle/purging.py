"""The purge: erases the bytes of what is condemned once its undo window is over, and writes down the evidence.

    condemned ──► purging          one transaction a version: under its asset's lock, with an evidence row for each of its objects
                  pending ──► gone       where its bytes are is noted, the object is deleted, and seen to be gone (``deleting``)
                  gone ──► erased        the store's disks were seen to be without its bytes (``confirming``)
    purging ──► erased             when all objects of the version are; the workspace's counters go down, and the upload that it
                                   came by forgets what its client said

Each step can be taken again by whoever comes after a crash, and nothing of it goes back: from ``purging`` on a version can be
neither restored nor held. One process purges at a time (a lease); the steps themselves are safe with more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, select, update

from holdfast import failpoints
from holdfast.audit.trail import entry, record
from holdfast.clock import isoformat
from holdfast.database import tables as t
from holdfast.database.tables.uploads import FORGOTTEN
from holdfast.lifecycle import metrics, phases
from holdfast.lifecycle.confirming import confirm
from holdfast.lifecycle.deleting import delete
from holdfast.lifecycle.lease import Held, TakenOver
from holdfast.lifecycle.purge_run import Purged, PurgeRun
from holdfast.usage.counters import CONDEMNED, apply, moved

if TYPE_CHECKING:
    from holdfast.services import Services

log = logging.getLogger(__name__)

LEASE, LEASE_SECONDS = "purge", 300
BATCH = 50

_BEGIN, _FINISH = (("purge.begin.before", "purge.begin.after"), ("purge.finish.before", "purge.finish.after"))
failpoints.declare(*_BEGIN, *_FINISH)

v = t.versions.c


def purge(
    services: Services,
    *,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _objects: None,
) -> Purged:
    """One run. ``stopping`` is asked between batches, ``progress`` told how many objects are gone so far. What a store does not do
    now is tried again by a later run. Raises Conflict (another process is at it), DatabaseUnavailable."""
    with Held(services.database, LEASE, what="purge", seconds=LEASE_SECONDS) as lease:
        run = PurgeRun(services, lease, stopping, progress)
        try:
            _begin(run)
            delete(run)
            confirm(run)
            _finish(run)
        except TakenOver:
            log.warning("the purge was taken over by another process")
    with services.database.read() as connection:
        run.done.waiting = connection.scalar(select(func.count()).where(v.phase == "purging")) or 0
    metrics.WAITING.set(run.done.waiting)
    metrics.LAST.set_to_current_time()
    return run.done


# -- condemned → purging -----------------------------------------------------------------------------------------------


def _begin(run: PurgeRun) -> None:
    settings = run.services.settings
    due = (
        select(v.id, v.total_bytes)
        .where(v.phase == "condemned", v.purge_after <= run.services.clock(), v.held == 0)
        .order_by(v.purge_after, v.id)
        .limit(settings.purge_max_versions)
    )
    with run.services.database.read() as connection:
        found = connection.execute(due).all()
    for row in found[: phases.within([row.total_bytes for row in found], settings.purge_max_bytes)]:
        if run.stopping():
            return
        failpoints.hit(_BEGIN[0])
        run.done.begun += run.lease.write(partial(_begin_one, run, row.id))
        failpoints.hit(_BEGIN[1])


def _begin_one(run: PurgeRun, version_id: int, connection: Connection) -> int:
    version = _locked(connection, version_id)
    now = run.services.clock()
    if not phases.is_due(version, now) or not _moved(connection, version, "purging"):
        return 0
    objects = connection.execute(select(t.files).where(t.files.c.version == version.id).order_by(t.files.c.id)).all()
    subject = _subject(version)
    fresh = {"version": version.id, **subject, "state": "pending", "requested_at": now}
    rows = [{**fresh, "object_key": file.object_key, "size": file.size, "sha256": file.sha256} for file in objects]
    connection.execute(insert(t.erasures), rows)
    until = isoformat(version.purge_after)
    record(connection, entry("purge", now, username=None, **subject, phase="purging", purge_after=until, objects=len(rows)))
    return 1


# -- purging → erased --------------------------------------------------------------------------------------------------


def _finish(run: PurgeRun) -> None:
    unfinished = select(t.erasures.c.id).where(t.erasures.c.version == v.id, t.erasures.c.state != "erased").exists()
    ended = select(v.id).where(v.phase == "purging", ~unfinished).order_by(v.id).limit(BATCH)
    while not run.stopping():
        with run.services.database.read() as connection:
            batch = connection.scalars(ended).all()
        if not batch:
            return
        for version_id in batch:
            failpoints.hit(_FINISH[0])
            erased = run.lease.write(partial(_finish_one, run, version_id))
            failpoints.hit(_FINISH[1])
            run.done.erased += erased
            metrics.VERSIONS.inc(erased)


def _finish_one(run: PurgeRun, version_id: int, connection: Connection) -> int:
    version = _locked(connection, version_id)
    objects = connection.execute(select(t.erasures).where(t.erasures.c.version == version.id)).all()
    whole = objects and all(one.state == "erased" for one in objects)
    if version.phase != "purging" or not whole or not _moved(connection, version, "erased"):
        return 0
    w = t.workspaces.c
    counters = {"used_bytes": w.used_bytes - version.total_bytes, "used_versions": w.used_versions - 1}
    connection.execute(update(t.workspaces).where(w.id == version.workspace_id).values(counters))
    evidence = phases.evidence(objects)
    record(connection, entry("erase", run.services.clock(), username=None, **_subject(version), phase="erased", **evidence))
    apply(connection, moved([version], CONDEMNED, None))
    came_by = t.upload_sessions.c.upload_id == version.upload_id
    connection.execute(update(t.upload_sessions).where(came_by).values(FORGOTTEN))
    return 1


def _locked(connection: Connection, version_id: int) -> Row[Any]:
    """The version with its workspace's name, as it is under the lock of its asset's row."""
    asset_id = connection.scalar(select(v.asset_id).where(v.id == version_id))
    connection.execute(select(t.assets.c.id).where(t.assets.c.id == asset_id).with_for_update())
    return connection.execute(
        select(t.versions, t.workspaces.c.name.label("workspace"))
        .join(t.workspaces, t.workspaces.c.id == v.workspace_id)
        .where(v.id == version_id)
    ).one()


def _moved(connection: Connection, version: Row[Any], phase: str) -> bool:
    """The version to ``phase``, if nobody changed it since it was read."""
    changed = connection.execute(
        update(t.versions)
        .where(v.id == version.id, v.revision == version.revision, v.phase == version.phase)
        .values(phase=phase, revision=version.revision + 1)
    )
    return changed.rowcount == 1


def _subject(version: Row[Any]) -> dict[str, Any]:
    return {"workspace": version.workspace, "asset_path": version.asset_path, "version_id": version.version_id}
