"""What the time would do, done at once."""

from __future__ import annotations

from sqlalchemy import Connection, update

from holdfast.database import tables as t
from holdfast.database.types import db_later


def expire_leases(connection: Connection) -> None:
    """As if those who hold them had not been heard of for too long."""
    connection.execute(update(t.leases).values(expires_at=db_later(-1)))


def expire_claims(connection: Connection) -> None:
    """Of jobs, as if their workers had not been heard of for too long."""
    connection.execute(update(t.jobs).where(t.jobs.c.state == "running").values(lease_until=db_later(-1)))


def end_back_off(connection: Connection) -> int:
    """Jobs that are to be tried later may be tried now; how many."""
    return connection.execute(update(t.jobs).where(t.jobs.c.state == "pending").values(run_after=db_later(-1))).rowcount
