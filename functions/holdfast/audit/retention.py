"""Retention: logins and downloads leave the trail after a time, whole seals of them, the oldest first.

What was sealed before is remembered as the number and the hash of the last seal that went, signed, so that the chain can be
verified across it. Acts are never pruned. The newest seal of a chain stays, so that a chain always has an end to be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, select, update

from holdfast import failpoints
from holdfast.audit.sealing import SECONDS, alone, sliced
from holdfast.audit.spans import read
from holdfast.audit.trail import ACCESS
from holdfast.clock import isoformat
from holdfast.database.leases import Lease, LeaseLost, fence
from holdfast.database.tables import audit, audit_chains, audit_seals

if TYPE_CHECKING:
    from holdfast.services import Services

failpoints.declare("audit.prune.before", "audit.prune.after")

BATCH = 4096
"""About so many rows are removed by one transaction."""

_c, _s = audit_chains.c, audit_seals.c


def clean(services: Services) -> int:
    """Removes rows that are kept for a while only. How many. Nothing while another process seals. Raises DatabaseUnavailable,
    KeyUnusable."""
    count = 0
    with services.database.read() as connection:
        due = bool(connection.execute(_due(services).limit(1)).first())
    if not due:
        return 0
    with alone(services) as lease:
        if lease is None:
            return 0
        try:
            while pruned := _prune(services, lease):
                count += pruned
        except LeaseLost:
            pass
    return count


def _due(services: Services) -> Any:
    """The oldest seals that have had their time, each with its chain."""
    old = services.clock() - timedelta(days=services.settings.audit_access_days)
    return (
        select(audit_seals, _c.workspace, _c.chain)
        .join(audit_chains, _c.id == _s.chain_id)
        .where(_c.chain == "access", _s.number == _c.pruned + 1, _s.number < _c.number, _s.latest_at < old)
        .order_by(_s.chain_id)
    )


def _prune(services: Services, lease: Lease) -> int:
    """The oldest seals of the first chain that has such."""
    with services.database.read() as connection:
        first = connection.execute(_due(services).limit(1)).first()
        if first is None:
            return 0
        old = services.clock() - timedelta(days=services.settings.audit_access_days)
        newest = select(_c.number).where(_c.id == first.chain_id).scalar_subquery()
        following = select(audit_seals).where(_s.chain_id == first.chain_id, _s.number >= first.number, _s.number < newest)
        seals = _together(connection.execute(following.order_by(_s.number).limit(100)).all(), old)
    last = seals[-1]
    says = {"workspace": first.workspace, "chain": first.chain, "number": last.number, "hash": last.hash}
    checkpoint = services.signing.sign("checkpoint", says | {"at": isoformat(services.clock())})
    ids = [one for seal in seals for start, end in read(seal.ids) for one in range(start, end + 1)]

    def act(connection: Connection) -> int:
        fence(connection, lease, SECONDS)
        gone = 0
        for some in sliced(ids, 1000):
            gone += connection.execute(delete(audit).where(audit.c.id.in_(some), audit.c.operation.in_(ACCESS))).rowcount
        connection.execute(delete(audit_seals).where(_s.chain_id == last.chain_id, _s.number <= last.number))
        moved = {"pruned": last.number, "pruned_hash": last.hash, "checkpoint": checkpoint}
        connection.execute(update(audit_chains).where(_c.id == last.chain_id).values(**moved))
        return max(1, gone)  # that rows were gone before is no end of it

    failpoints.hit("audit.prune.before")
    gone = services.database.write(act)
    failpoints.hit("audit.prune.after")
    return gone


def _together(seals: Sequence[Row[Any]], old: Any) -> list[Row[Any]]:
    """Those that go in one transaction: from the first on while they are old, and few enough rows."""
    found: list[Row[Any]] = []
    rows = 0
    for one in seals:
        rows += one.row_count
        if one.latest_at >= old or (found and rows > BATCH):
            break
        found.append(one)
    return found
