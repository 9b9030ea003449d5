"""The sealer: reads the rows that nobody sealed yet, and seals them. One at a time, by lease; any number may try.

Rows are found by their ids. ``audit_unseen`` holds the ids in which no row was seen yet: all that are to come, and those that were
passed over because their transaction was not committed when a higher id was. So a row that is committed late is sealed late, and
none is taken for sealed because of where it stands. Rows themselves are only read.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from holdfast import failpoints
from holdfast.audit.rows import COLUMNS, ID, Chain, Row, grouped, read
from holdfast.audit.seals import End, Seal, sealed
from holdfast.audit.spans import Span, gaps, spans
from holdfast.database.leases import Lease, LeaseLost, acquire, fence, release
from holdfast.database.tables import audit_chains, audit_seals, audit_unseen
from holdfast.database.types import db_later, db_now

if TYPE_CHECKING:
    from holdfast.services import Services

T = TypeVar("T")

failpoints.declare("audit.lease.after", "audit.seal.before", "audit.seal.after", "audit.forget.before", "audit.forget.after")

LEASE = "seal"
SECONDS = 15
"""For which the lease is held; each transaction under it begins them anew."""
BATCH = 8192
"""Rows that one transaction seals."""
FORGOTTEN = 60 * 60
"""Seconds after which an id that was passed over is taken for one that was rolled back. A transaction that commits after so long
leaves a row that stays unsealed, and ``verify`` names it."""
TO_COME = 2**63 - 1
"""The last id that there can be."""
_RANGES = 100


def seal(services: Services) -> int:
    """Seals what is committed, and says how many rows that were: 0 also while another process seals. Raises DatabaseUnavailable,
    and KeyUnusable when there is no key to sign with."""
    if oldest(services) is None:
        return 0
    with alone(services) as lease:
        return 0 if lease is None else _Round(services, lease).run()


def oldest(services: Services) -> datetime | None:
    """Of the rows that are not sealed the earliest moment; None when all are. Raises DatabaseUnavailable."""
    found = []
    for some in sliced([*unseen(services)], _RANGES):
        condition, values = _within(some)
        found += services.direct.all(f"SELECT at FROM audit WHERE {condition} ORDER BY id LIMIT 1", values)  # noqa: S608
    return min((at for (at,) in found), default=None)


def unseen(services: Services) -> dict[Span, datetime | None]:
    """The ids in which no row was seen yet, rising, and since when that is known; None of those to come."""
    rows = services.direct.all("SELECT first_id, last_id, seen_at FROM audit_unseen ORDER BY first_id")
    return {(first, last): None if last == TO_COME else seen_at for first, last, seen_at in rows} or {(1, TO_COME): None}


@contextmanager
def alone(services: Services) -> Iterator[Lease | None]:
    """The lease under which chains grow and are pruned; None while another process has it."""
    lease = acquire(services.database, LEASE, secrets.token_hex(16), SECONDS)
    failpoints.hit("audit.lease.after")
    try:
        yield lease
    finally:
        if lease is not None:
            release(services.database, lease)


def sliced(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``items`` in parts of ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))


class _Round:
    """What one holder of the lease does with it."""

    def __init__(self, services: Services, lease: Lease) -> None:
        self._services = services
        self._lease = lease
        self._unseen = unseen(services)
        self._ends: dict[Chain, End] = {}
        self._ids: dict[Chain, int] = {}

    def run(self) -> int:
        """Seals to the end. How many rows, also when the lease was lost meanwhile: then another goes on."""
        count = 0
        try:
            for some in sliced([*self._unseen], _RANGES):
                left = list(some)
                while rows := self._read(left):
                    left = self._seal(rows, left)
                    count += len(rows)
                    if len(rows) < BATCH:
                        break
            self._forget()
        except LeaseLost:
            pass
        return count

    def _read(self, among: Sequence[Span]) -> list[Row]:
        condition, values = _within(among)
        statement = f"SELECT {COLUMNS} FROM audit WHERE {condition} ORDER BY id LIMIT {BATCH}"  # noqa: S608
        return read(self._services.direct.all(statement, values))

    def _seal(self, rows: Sequence[Row], among: Sequence[Span]) -> list[Span]:
        """Returns what of ``among`` is unseen now."""
        by_chain = grouped(rows)
        self._know(by_chain)
        before = set(self._ids)
        seals = list(sealed(by_chain, self._ends, self._services.clock()))
        signed = [self._services.signing.sign("seal", one.says) for one in seals]
        taken = spans(row[ID] for row in rows)
        left = {span: [*gaps(span, taken)] for span in among}
        known = {one: self._unseen[span] for span in among for one in left[span]}

        def act(connection: Connection) -> tuple[dict[Chain, int], datetime]:
            fence(connection, self._lease, SECONDS)
            now = connection.execute(select(db_now())).scalar_one()
            ids = self._ids | _begin(connection, {one.chain for one in seals} - before)
            connection.execute(insert(audit_seals), [_row(ids, one, said) for one, said in zip(seals, signed, strict=True)])
            ends = {one.chain: one for one in seals}.values()
            connection.execute(_MOVE, [{"of": ids[one.chain], "to": one.number, "is": one.hash} for one in ends])
            connection.execute(delete(audit_unseen).where(audit_unseen.c.first_id.in_([first for first, _ in among])))
            connection.execute(
                insert(audit_unseen),
                [{"first_id": first, "last_id": last, "seen_at": seen or now} for (first, last), seen in known.items()],
            )
            return ids, now

        failpoints.hit("audit.seal.before")
        self._ids, now = self._services.database.write(act)
        failpoints.hit("audit.seal.after")
        for span in among:
            del self._unseen[span]
        self._unseen |= {span: seen or (None if span[1] == TO_COME else now) for span, seen in known.items()}
        return [*known]

    def _know(self, chains: Iterable[Chain]) -> None:
        """Reads where those chains end that were not met before."""
        for some in sliced([*{one.workspace for one in chains if one not in self._ends}], 1000):
            with self._services.database.read() as connection:
                for row in connection.execute(select(audit_chains).where(audit_chains.c.workspace.in_(some))):
                    chain = Chain(row.workspace, row.chain)
                    self._ids.setdefault(chain, row.id)
                    self._ends.setdefault(chain, End(row.number, row.hash))

    def _forget(self) -> None:
        """Ids that were passed over long ago, and looked into once more just now."""
        u = audit_unseen.c
        old = select(u.first_id).where(u.last_id < TO_COME, u.seen_at < db_later(-FORGOTTEN))
        with self._services.database.read() as connection:
            found = connection.scalars(old.limit(BATCH)).all()

        def act(connection: Connection) -> None:
            fence(connection, self._lease, SECONDS)
            connection.execute(delete(audit_unseen).where(u.first_id.in_(found)))

        if found:
            failpoints.hit("audit.forget.before")
            self._services.database.write(act)
            failpoints.hit("audit.forget.after")


_MOVE = update(audit_chains).where(audit_chains.c.id == bindparam("of")).values(number=bindparam("to"), hash=bindparam("is"))


def _begin(connection: Connection, chains: set[Chain]) -> dict[Chain, int]:
    """The ids of chains that have none yet."""
    if not chains:
        return {}
    connection.execute(insert(audit_chains), [one._asdict() for one in sorted(chains)])
    c = audit_chains.c
    rows = connection.execute(select(c.id, c.workspace, c.chain).where(c.workspace.in_({one.workspace for one in chains})))
    return {Chain(row.workspace, row.chain): row.id for row in rows}


def _row(ids: dict[Chain, int], one: Seal, signed: str) -> dict[str, object]:
    return {
        "chain_id": ids[one.chain],
        "number": one.number,
        "first_id": one.first_id,
        "ids": one.ids,
        "row_count": one.row_count,
        "digest": one.digest,
        "latest_at": one.latest_at,
        "previous": one.previous,
        "sealed_at": one.sealed_at,
        "hash": one.hash,
        "signed": signed,
    }


def _within(among: Sequence[Span]) -> tuple[str, dict[str, int]]:
    """A condition on ids, and its parameters."""
    condition = " OR ".join(f"id BETWEEN :a{number} AND :b{number}" for number in range(len(among)))
    ends = {f"a{number}": first for number, (first, _) in enumerate(among)}
    return condition, ends | {f"b{number}": last for number, (_, last) in enumerate(among)}
