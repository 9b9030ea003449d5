"""The purge's third step, gone → erased: the store's disks are seen to be without the bytes; if need be they are compacted."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from holdfast import failpoints
from holdfast.database.tables import compactions, erasures
from holdfast.lifecycle import phases
from holdfast.lifecycle.purge_run import PurgeRun, Rows, note
from holdfast.storage.objects import Sight, StoreUnavailable

log = logging.getLogger(__name__)

BATCH = 25
"""Objects whose bytes are looked for at a time: large ones have thousands of pieces, and all has to be done within the lease."""
ARRIVAL_SECONDS = 10.0
"""How long a run waits for its deletes to reach the store's disks."""
WAITED_FOR = 1000
"""Of the deletes that have not arrived, the last ones: the store works through them in turn."""
INSIST_AFTER = timedelta(hours=1)
"""Deletes that have not reached the disks by then never will by themselves."""

_LOOK = ("purge.look.before", "purge.look.after")
failpoints.declare(*_LOOK)

e = erasures.c


def confirm(run: PurgeRun) -> None:
    """All that are gone. What cannot be confirmed is looked at again by a later run. Raises DatabaseUnavailable, TakenOver."""
    left, alive = _look(run, None)
    patience = time.monotonic() + ARRIVAL_SECONDS
    while alive and time.monotonic() < patience and not run.stopping():
        time.sleep(0.5)
        _, alive = _look(run, alive[-WAITED_FOR:])
    if alive:
        _insist(run, alive)
    if left and _compact(run):
        _look(run, None)


def _look(run: PurgeRun, only: Sequence[int] | None) -> tuple[int, list[int]]:
    """Looks for the bytes of what is gone (of ``only`` these), and writes down what it sees. How many are still somewhere, and
    which of them the delete has not reached."""
    left, alive, last = 0, list[int](), 0
    while not run.stopping():
        wanted: list[ColumnElement[bool]] = [e.state == "gone", e.id > last]
        if only is not None:
            wanted.append(e.id.in_(only))
        with run.services.database.read() as connection:
            batch = connection.execute(select(e.id, e.trace, e.last_error).where(*wanted).order_by(e.id).limit(BATCH)).all()
        if not batch:
            break
        last = batch[-1].id
        sights = _sights(run, batch)
        failpoints.hit(_LOOK[0])
        run.lease.write(partial(_note_sights, run, batch, sights))
        failpoints.hit(_LOOK[1])
        left += sum(sight.left is not None for sight in sights)
        alive += [row.id for row, sight in zip(batch, sights, strict=True) if sight.alive]
    return left, alive


def _sights(run: PurgeRun, batch: Rows) -> Sequence[Sight]:
    try:
        return run.services.compactor.look([row.trace for row in batch])
    except StoreUnavailable as error:
        run.failed(len(batch))
        return [Sight(row.trace, error.detail) for row in batch]


def _note_sights(run: PurgeRun, batch: Rows, sights: Sequence[Sight], connection: Connection) -> None:
    now = run.services.clock()
    until = phases.backups_until(now, run.services.settings.backup_days)
    proof = {"compacted_at": now, "compaction": run.services.compactor.name, "backups_until": until}
    for row, sight in zip(batch, sights, strict=True):
        if sight.left is None:
            note(connection, row.id, state="erased", trace=sight.trace, last_error=None, **proof)
        elif (sight.trace, sight.left) != (row.trace, row.last_error):
            note(connection, row.id, trace=sight.trace, last_error=sight.left)


def _insist(run: PurgeRun, alive: Sequence[int]) -> None:
    """Deletes what the store has acknowledged as deleted so long ago that it must have forgotten it."""
    forgotten = select(e.object_key, e.trace).where(e.id.in_(alive), e.gone_at <= run.services.clock() - INSIST_AFTER)
    with run.services.database.read() as connection:
        rows = connection.execute(forgotten).all()
    for row in rows:
        log.warning("the store has deleted %s, but not its bytes: they are deleted on its disks", row.object_key)
        try:
            run.services.compactor.insist(row.trace)
        except StoreUnavailable as error:
            log.warning("and that failed: %s", error.detail)


def _compact(run: PurgeRun) -> bool:
    """Asks for it, unless that was done lately. Whether it did."""
    if not run.services.compactor.compacts or run.stopping():
        return False
    asked = run.lease.write(partial(_note_compaction, run))
    if asked is None:
        return False
    try:
        run.services.compactor.compact()
    except StoreUnavailable as error:
        refused = update(compactions).where(compactions.c.id == asked).values(problem=error.detail[:255])
        run.lease.write(lambda connection: connection.execute(refused))
        run.failed(1)
        return False
    run.done.compacted = True
    return True


def _note_compaction(run: PurgeRun, connection: Connection) -> int | None:
    now = run.services.clock()
    last = connection.scalar(select(func.max(compactions.c.asked_at)).where(compactions.c.problem.is_(None)))
    if not phases.may_compact(last, now, run.services.settings.compaction_hours):
        return None
    added = connection.execute(insert(compactions).values(asked_at=now)).inserted_primary_key
    assert added is not None
    return int(added[0])
