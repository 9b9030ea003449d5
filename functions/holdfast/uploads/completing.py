"""The last byte has come: from here the session needs its client no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from holdfast.database.tables import upload_sessions as s
from holdfast.failpoints import hit
from holdfast.jobs import queue
from holdfast.uploads.sessions import state_is

if TYPE_CHECKING:
    from holdfast.services import Services

KIND = "finish-upload"
JOB = "job"
"""Where a session's details name its job."""
LATER = 30
"""Seconds after which the job looks whether the request that brought the last byte has finished the upload, or died."""


def complete(services: Services, upload_id: str, epoch: int) -> bool:
    """Marks the session complete, unless a later writer took it over; whether it is. Blocks."""

    def act(connection: Connection) -> bool:
        return mark(connection, upload_id, epoch)

    hit("session.complete.before")
    completed = services.database.write(act)
    hit("session.complete.after")
    return completed


def mark(connection: Connection, upload_id: str, epoch: int) -> bool:
    """``complete`` in the caller's transaction: the one that says where the last byte ends, for a client that sees its offset there
    does not come again."""
    done = update(s).where(*state_is(upload_id, "open"), s.c.epoch == epoch).values(state="completing")
    if not connection.execute(done).rowcount:
        return False
    request(connection, upload_id)
    return True


def request(connection: Connection, upload_id: str) -> None:
    """In the transaction that marks it: the job that finishes it should nobody else. It says whose upload it is, for whoever reads
    of jobs that were given up; and the session says which job it is."""
    mine = s.c.upload_id == upload_id
    session = connection.execute(select(s.c.workspace_id, s.c.user_id, s.c.details).where(mine)).one()
    who = {"workspace_id": session.workspace_id, "user_id": session.user_id}
    job = queue.enqueue(connection, KIND, {"upload_id": upload_id}, **who, delay=LATER)
    connection.execute(update(s).where(mine).values(details={**(session.details or {}), JOB: job}))


def job_of(session: Row[Any]) -> int | None:
    """The job that finishes the session; None when it is not known."""
    found: int | None = (session.details or {}).get(JOB)
    return found
