"""The purge's second step, pending → gone: where an object's bytes are is noted, it is deleted, and seen to be gone."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from holdfast import failpoints
from holdfast.database.tables import erasures
from holdfast.database.types import db_later, db_now
from holdfast.jobs.queue import backoff
from holdfast.lifecycle import metrics
from holdfast.lifecycle.purge_run import PurgeRun, Rows, note
from holdfast.storage.objects import StoreUnavailable, Trace

log = logging.getLogger(__name__)

BATCH = 50
AWAY = 3
"""Objects that fail one after the other, after which the store is left in peace until the next run."""

_TRACE, _GONE = (("purge.trace.before", "purge.trace.after"), ("purge.gone.before", "purge.gone.after"))
failpoints.declare(*_TRACE, *_GONE)

e = erasures.c
_due = (e.state == "pending", or_(e.retry_at.is_(None), e.retry_at <= db_now()))


def delete(run: PurgeRun) -> None:
    """All that are due. What fails is tried again by a later run. Raises DatabaseUnavailable, LeaseLost."""
    due = select(e.id, e.object_key, e.size, e.trace, e.attempts).where(*_due).order_by(e.id).limit(BATCH)
    while not run.stopping():
        with run.services.database.read() as connection:
            batch = connection.execute(due).all()
        if not batch:
            return
        gone = _attempt(run, _trace(run, batch), partial(_delete_one, run))
        failpoints.hit(_GONE[0])
        run.lease.write(partial(_note_gone, run, gone))
        failpoints.hit(_GONE[1])
        _count(run, gone)
        if len(gone) < len(batch) and _is_away(run, batch):
            return


def _trace(run: PurgeRun, batch: Rows) -> Rows:
    """Those of which it is known where their bytes are; it is written down before anything is deleted."""
    found: dict[int, tuple[Trace, bool]] = {}

    def look_up(row: Any) -> str | None:
        there = run.services.purge_objects.size(row.object_key) is not None
        trace = run.services.compactor.trace(row.object_key)
        if there and trace is None:
            return "The store's servers do not know the object: they may be another store's."
        found[row.id] = trace or {}, there
        return None

    _attempt(run, [row for row in batch if row.trace is None], look_up)
    if found:
        failpoints.hit(_TRACE[0])
        run.lease.write(partial(_note_traces, found))
        failpoints.hit(_TRACE[1])
    return [row for row in batch if row.trace is not None or row.id in found]


def _delete_one(run: PurgeRun, row: Any) -> str | None:
    objects = run.services.purge_objects
    objects.delete(row.object_key)
    return None if objects.size(row.object_key) is None else "The store still has the object after it was deleted."


def _attempt(run: PurgeRun, rows: Rows, act: Callable[[Any], str | None]) -> Rows:
    """Does it to each, and returns those with which it went well. What ``act`` raises or says of the others is written down, and
    they are tried again later. A store that fails several times in a row is not asked any more."""
    well, problems = list[Any](), dict[int, str]()
    in_a_row = 0
    for row in rows:
        try:
            problem = act(row)
        except StoreUnavailable as error:
            problem = error.detail
        if problem is None:
            well.append(row)
            in_a_row = 0
            continue
        log.warning("object %s cannot be erased yet: %s", row.object_key, problem)
        problems[row.id] = problem
        in_a_row += 1
        if in_a_row == AWAY:
            break
    if problems:
        run.lease.write(partial(_note_failures, [row for row in rows if row.id in problems], problems))
        run.failed(len(problems))
    return well


def _note_traces(found: Mapping[int, tuple[Trace, bool]], connection: Connection) -> None:
    for erasure_id, (trace, there) in sorted(found.items()):
        note(connection, erasure_id, trace=trace, found=there)


def _note_failures(rows: Rows, problems: Mapping[int, str], connection: Connection) -> None:
    for row in rows:
        wait = backoff(row.attempts + 1, random.random())  # noqa: S311  spreads, guards nothing
        note(connection, row.id, attempts=row.attempts + 1, retry_at=db_later(wait), last_error=problems[row.id])


def _note_gone(run: PurgeRun, rows: Rows, connection: Connection) -> None:
    now = run.services.clock()
    gone = {"state": "gone", "deleted_at": now, "gone_at": now, "last_error": None, "retry_at": None}
    connection.execute(update(erasures).where(e.id.in_([row.id for row in rows]), e.state == "pending").values(gone))


def _count(run: PurgeRun, gone: Rows) -> None:
    total = sum(row.size for row in gone)
    run.done.objects += len(gone)
    run.done.bytes += total
    metrics.OBJECTS.inc(len(gone))
    metrics.BYTES.inc(total)
    run.progress(run.done.objects)


def _is_away(run: PurgeRun, batch: Rows) -> bool:
    """Whether the store failed so often in a row that the batch was not gone through: some of it is still due then."""
    waiting = select(func.count()).where(e.id.in_([row.id for row in batch]), *_due)
    with run.services.database.read() as connection:
        return bool(connection.scalar(waiting))
