"""The durable queue: rows of ``jobs``, written in the transaction of the act that they follow.

    pending → running → done
                      → pending   it failed, and is tried again later; or its worker's lease ran out
                      → dead      it failed too often; the last error is kept

A job is run at least once: a worker may die between the act and ``done``, so what a job does is idempotent. Whoever claims a job
gets a token, and what he says of the job later counts only while the row has that token: a worker that was too slow changes
nothing. All by the database's clock.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Update, and_, case, delete, func, insert, select, update

from holdfast.clock import isoformat
from holdfast.database.engine import Database, announce
from holdfast.database.tables import jobs
from holdfast.database.types import db_later, db_now
from holdfast.errors import Conflict, NotFound

ADDED = "jobs"
"""What is announced (``database.engine``) when a job was added that is due at once."""
MAX_ATTEMPTS = 20
"""With the waits of ``backoff``, about half a day."""

_FIRST_WAIT, _LONGEST_WAIT = 5, 3600
_ERROR_CHARACTERS = 2000
_SHOWN: Select[Any] = select(
    jobs.c.id, jobs.c.kind, jobs.c.state, jobs.c.workspace_id, jobs.c.user_id, jobs.c.payload, jobs.c.attempts, jobs.c.error,
    jobs.c.created_at, jobs.c.finished_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """A job that this worker has claimed. ``attempts`` counts the claims, this one included."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    workspace_id: int | None
    user_id: int | None
    attempts: int
    claim: str


def enqueue(
    connection: Connection,
    kind: str,
    payload: Mapping[str, Any],
    *,
    workspace_id: int | None = None,
    user_id: int | None = None,
    priority: int = 5,
    delay: int = 0,
) -> int:
    """Adds a job, in the caller's transaction, and returns its id. ``priority`` 0 to 10, higher first; ``delay`` in seconds."""
    row = _row(kind, payload, workspace_id, user_id, priority) | {"run_after": db_later(delay), "created_at": db_now()}
    added = connection.execute(insert(jobs).values(row))
    _announce(connection, delay)
    assert added.inserted_primary_key is not None
    return int(added.inserted_primary_key[0])


def enqueue_many(
    connection: Connection,
    kind: str,
    payloads: Sequence[Mapping[str, Any]],
    *,
    workspace_id: int | None = None,
    user_id: int | None = None,
    priority: int = 5,
    delay: int = 0,
) -> None:
    """As ``enqueue`` for each, in two statements: the driver batches rows only when they hold nothing but values."""
    if not payloads:
        return
    now, later = connection.execute(select(db_now(), db_later(delay))).one()
    when = {"run_after": later, "created_at": now}
    connection.execute(insert(jobs), [_row(kind, payload, workspace_id, user_id, priority) | when for payload in payloads])
    _announce(connection, delay)


def claim(database: Database, kinds: Collection[str], lease_seconds: int) -> Job | None:
    """The next job of one of these kinds, leased for so long; None when none is due. Highest priority first, then by its time, then
    by id. Jobs that others are just claiming are passed over. Raises DatabaseUnavailable."""
    token = secrets.token_hex(16)

    def act(connection: Connection) -> Job | None:
        _return_expired(connection)
        priority = connection.scalar(highest())
        while priority is not None:
            row = connection.execute(due(kinds, priority)).first()
            if row is not None:
                connection.execute(
                    update(jobs)
                    .where(jobs.c.id == row.id)
                    .values(state="running", claim=token, lease_until=db_later(lease_seconds), attempts=row.attempts + 1)
                )
                return Job(row.id, row.kind, row.payload, row.workspace_id, row.user_id, row.attempts + 1, token)
            priority = connection.scalar(highest(below=priority))
        return None

    return database.write(act)


def heartbeat(database: Database, job: Job, lease_seconds: int) -> bool:
    """Prolongs the lease; False when the job is somebody else's by now. Raises DatabaseUnavailable."""
    return _changed(database, _mine(job).values(lease_until=db_later(lease_seconds)))


def done(database: Database, job: Job) -> bool:
    """Says that it is done; False when the job was somebody else's by now. Raises DatabaseUnavailable."""
    return _changed(database, _mine(job).values(state="done", claim=None, lease_until=None, error=None, finished_at=db_now()))


def fail(database: Database, job: Job, error: str) -> bool:
    """Says that it failed, and why: it is tried again later, or is dead after ``MAX_ATTEMPTS``. False when the job was somebody
    else's by now. Raises DatabaseUnavailable."""
    if job.attempts >= MAX_ATTEMPTS:
        outcome = {"state": "dead", "finished_at": db_now()}
    else:
        outcome = {"state": "pending", "run_after": db_later(backoff(job.attempts, _chance()))}
    return _changed(database, _mine(job).values(outcome | _let_go(error)))


def postpone(database: Database, job: Job, error: str) -> bool:
    """Says that it could not be tried, and why: it is tried again in a minute or two, and that does not count as an attempt. False
    when the job was somebody else's by now. Raises DatabaseUnavailable."""
    later = {"state": "pending", "run_after": db_later(round(60 + 60 * _chance())), "attempts": job.attempts - 1}
    return _changed(database, _mine(job).values(later | _let_go(error)))


def page(database: Database, state: str, before: int | None, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """Jobs that are so, the latest first, and what to hand in as ``before`` for the next page; None on the last. Raises
    DatabaseUnavailable."""
    wanted = _SHOWN.where(jobs.c.state == state)
    if before is not None:
        wanted = wanted.where(jobs.c.id < before)
    with database.read() as connection:
        rows = connection.execute(wanted.order_by(jobs.c.id.desc()).limit(limit + 1)).all()
    return [_described(row) for row in rows[:limit]], rows[limit - 1].id if len(rows) > limit else None


def again(database: Database, job_id: int) -> dict[str, Any]:
    """A dead job is tried again, as if it had never failed. Returns how it stands. Raises NotFound, Conflict (it is not dead),
    DatabaseUnavailable."""
    anew = {"state": "pending", "attempts": 0, "run_after": db_now(), "finished_at": None}

    def act(connection: Connection) -> dict[str, Any]:
        _dead(connection, job_id)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(anew))
        announce(connection, ADDED)
        return _described(connection.execute(_SHOWN.where(jobs.c.id == job_id)).one())

    return database.write(act)


def forget(database: Database, job_id: int) -> dict[str, Any]:
    """A dead job is deleted, and what it was to do stays undone. Returns how it stood. Raises as ``again``."""

    def act(connection: Connection) -> dict[str, Any]:
        row = _dead(connection, job_id)
        connection.execute(delete(jobs).where(jobs.c.id == job_id))
        return _described(row)

    return database.write(act)


def _dead(connection: Connection, job_id: int) -> Row[Any]:
    row = connection.execute(_SHOWN.where(jobs.c.id == job_id).with_for_update()).first()
    if row is None:
        raise NotFound("There is no such job.")
    if row.state != "dead":
        raise Conflict(f"The job is {row.state}: only dead ones are tried again, or deleted, by hand.", slug="job-not-dead")
    return row


def _described(row: Row[Any]) -> dict[str, Any]:
    moments = {name: value and isoformat(value) for name in ("created_at", "finished_at") for value in [getattr(row, name)]}
    return {**row._asdict(), **moments}


def backoff(attempts: int, chance: float) -> int:
    """Seconds to wait after so many attempts: doubling up to an hour, of which ``chance`` (0 to 1) takes off up to a half, so that
    what failed together does not come back together."""
    longest: int = min(_FIRST_WAIT * 2 ** min(attempts - 1, 20), _LONGEST_WAIT)
    return round(longest * (1 - chance / 2))


def highest(below: int | None = None) -> Select[int]:
    """The highest priority that any pending job has (``below`` another), due or not: one look into the index."""
    query = select(func.max(jobs.c.priority)).where(jobs.c.state == "pending")
    return query if below is None else query.where(jobs.c.priority < below)


def due(kinds: Collection[str], priority: int) -> Select[Any]:
    """The next due job of a priority, locked. Within one priority the index has the jobs in the order that is asked for, and those
    that are not due yet lie behind."""
    return (
        select(jobs.c.id, jobs.c.kind, jobs.c.payload, jobs.c.workspace_id, jobs.c.user_id, jobs.c.attempts)
        .where(jobs.c.state == "pending", jobs.c.priority == priority, jobs.c.run_after <= db_now(), jobs.c.kind.in_(sorted(kinds)))
        .order_by(jobs.c.run_after, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def expired() -> Select[Any]:
    """Some jobs whose worker's lease has run out, locked."""
    return (
        select(jobs.c.id)
        .where(jobs.c.state == "running", jobs.c.lease_until <= db_now())
        .order_by(jobs.c.lease_until)
        .limit(100)
        .with_for_update(skip_locked=True)
    )


def _return_expired(connection: Connection) -> None:
    ids = connection.scalars(expired()).all()
    if ids:
        spent = jobs.c.attempts >= MAX_ATTEMPTS  # also a job that kills its workers has to end
        connection.execute(
            update(jobs)
            .where(jobs.c.id.in_(ids))
            .values(
                state=case((spent, "dead"), else_="pending"),
                finished_at=case((spent, db_now()), else_=None),
                error=case((spent, "Its worker did not finish it."), else_=jobs.c.error),
                claim=None,
                lease_until=None,
            )
        )


def _row(kind: str, payload: Mapping[str, Any], workspace_id: int | None, user_id: int | None, priority: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "workspace_id": workspace_id,
        "user_id": user_id,
        "payload": dict(payload),
        "state": "pending",
        "priority": priority,
    }


def _announce(connection: Connection, delay: int) -> None:
    if delay <= 0:
        announce(connection, ADDED)


def _let_go(error: str) -> dict[str, Any]:
    return {"claim": None, "lease_until": None, "error": error[:_ERROR_CHARACTERS]}


def _chance() -> float:
    return random.random()  # noqa: S311  spreads the jobs, guards nothing


def _mine(job: Job) -> Update:
    return update(jobs).where(and_(jobs.c.id == job.id, jobs.c.state == "running", jobs.c.claim == job.claim))


def _changed(database: Database, statement: Update) -> bool:
    return database.write(lambda connection: connection.execute(statement).rowcount == 1)
