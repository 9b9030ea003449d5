"""Leases in SQL, by the database's clock: at most one holder of a name at a time, and an epoch that tells late ones apart.

A holder that was too slow may still believe in its lease. So whatever it does under the lease it does in a transaction that first
calls ``fence``: that fails when somebody else has taken the lease since, and locks the lease's row until the transaction ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from holdfast.database.engine import Database
from holdfast.database.tables import leases
from holdfast.database.types import db_later, db_now


class LeaseLost(Exception):
    """Somebody else holds the lease by now. What was to be done under it is not done."""


@dataclass(frozen=True, slots=True)
class Lease:
    """``epoch`` rises by one each time the lease changes hands."""

    name: str
    holder: str
    epoch: int


def acquire(database: Database, name: str, holder: str, seconds: int) -> Lease | None:
    """The lease for ``seconds`` seconds, or None while another holds it. The present holder's own call prolongs it."""

    def act(connection: Connection) -> Lease | None:
        row = connection.execute(select(leases.c.holder, leases.c.epoch).where(leases.c.name == name)).first()
        if row is None:
            connection.execute(insert(leases).values(name=name, holder=holder, epoch=1, expires_at=db_later(seconds)))
            return Lease(name, holder, 1)
        epoch = row.epoch + (row.holder != holder)
        taken = connection.execute(
            update(leases)
            .where(leases.c.name == name, leases.c.epoch == row.epoch, leases.c.holder == row.holder)
            .where(or_(leases.c.holder == holder, leases.c.expires_at <= db_now()))
            .values(holder=holder, epoch=epoch, expires_at=db_later(seconds))
        )
        return Lease(name, holder, epoch) if taken.rowcount else None

    try:
        return database.write(act)
    except IntegrityError:  # two made the first row at once: the other holds it
        return None


def taken(connection: Connection, name: str) -> bool:
    """Whether somebody holds the lease, as far as the database knows: who has died is missed when it runs out."""
    held = select(leases.c.name).where(leases.c.name == name, leases.c.expires_at > db_now())
    return connection.scalar(held) is not None


def fence(connection: Connection, lease: Lease, seconds: int) -> None:
    """Holds the lease's row for the rest of the transaction, and prolongs it. Raises LeaseLost."""
    held = connection.execute(
        update(leases)
        .where(leases.c.name == lease.name, leases.c.holder == lease.holder, leases.c.epoch == lease.epoch)
        .values(expires_at=db_later(seconds))
    )
    if not held.rowcount:
        raise LeaseLost(lease.name)


def release(database: Database, lease: Lease) -> None:
    """Lets the next holder in at once. Nothing happens if the lease was lost."""
    database.write(
        lambda connection: connection.execute(
            update(leases)
            .where(leases.c.name == lease.name, leases.c.holder == lease.holder, leases.c.epoch == lease.epoch)
            .values(expires_at=db_now())
        )
    )
