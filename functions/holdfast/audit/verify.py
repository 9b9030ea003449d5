"""Is the trail as it was sealed? Computes every seal anew, from the rows up, and compares heads that were kept elsewhere. Changes
nothing, needs constant memory, and may run while rows are written, sealed and pruned.

First along each chain: numbers without a gap, each seal with the hash of the one before, signed by a key that is known. Then once
over all rows in the order of their ids, together with the seals in the order of their first ids: a row is the next that one of the
open seals expects, or nobody sealed it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, exists, func, select

from holdfast.audit import rows
from holdfast.audit.rows import ID, Chain, canonical, chain_of
from holdfast.audit.sealing import TO_COME, unseen
from holdfast.audit.seals import MOST, Seal
from holdfast.audit.signing import Signing, Unsigned
from holdfast.audit.spans import Span, read
from holdfast.database.tables import audit_chains, audit_seals, audit_unseen
from holdfast.disagreement import Disagreement

if TYPE_CHECKING:
    from holdfast.services import Services

BATCH = 2000

Heads = Mapping[Chain, Mapping[int, str]]
"""By chain, the hash that the seal of each number had."""

_c, _s, _u = audit_chains.c, audit_seals.c, audit_unseen.c


def verify(services: Services, heads: Iterable[str] = ()) -> Iterator[Disagreement | int]:
    """Yields each disagreement, and after each batch the number of rows looked at so far (for progress). ``heads`` are signed heads
    from elsewhere. Raises DatabaseUnavailable, KeyUnusable."""
    known, refused = _of(services.signing, heads)
    yield from refused
    to_come = unseen(services)
    yield from _chains(services, known)
    yield from _bookkeeping(services)
    yield from _Rows(services, to_come).verified()


def _of(signing: Signing, heads: Iterable[str]) -> tuple[Heads, list[Disagreement]]:
    found: dict[Chain, dict[int, str]] = {}
    refused = []
    for signed in heads:
        try:
            said = signing.read("seal", signed)
        except Unsigned as error:
            refused.append(Disagreement("head-unsigned", f"{signed[:32]}…", str(error)))
        else:
            found.setdefault(Chain(said["workspace"], said["chain"]), {})[said["number"]] = said["hash"]
    return found, refused


# -- along the chains --------------------------------------------------------------------------------------------------


def _chains(services: Services, heads: Heads) -> Iterator[Disagreement]:
    last = 0
    met = set()
    while True:
        with services.database.read() as connection:
            batch = connection.execute(select(audit_chains).where(_c.id > last).order_by(_c.id).limit(BATCH)).all()
        for row in batch:
            chain = Chain(row.workspace, row.chain)
            known = heads.get(chain, {})
            if known:
                met.add(chain)
            found = list(_along(services, row, known))
            if found:  # it may have been pruned meanwhile
                with services.database.read() as connection:
                    now = connection.execute(select(audit_chains).where(_c.id == row.id)).one()
                if now.pruned != row.pruned:
                    found = list(_along(services, now, known))
            yield from found
        if not batch:
            break
        last = batch[-1].id
    for chain in heads.keys() - met:
        yield Disagreement("chain-missing", named(chain), f"a head of it is number {max(heads[chain])}")


def _along(services: Services, row: Row[Any], heads: Mapping[int, str]) -> Iterator[Disagreement]:
    chain = Chain(row.workspace, row.chain)
    subject = named(chain)
    number, previous = row.pruned, row.pruned_hash
    yield from _checkpoint(services.signing, row)
    if heads.get(number, previous) != previous:
        yield Disagreement("chain-rewritten", subject, f"seal {number} is not the one of the head")
    while number < row.number:
        some = select(audit_seals).where(_s.chain_id == row.id, _s.number > number, _s.number <= row.number)
        with services.database.read() as connection:
            batch = connection.execute(some.order_by(_s.number).limit(BATCH)).all()
        if not batch:
            yield Disagreement("seal-removed", subject, f"seals {number + 1} to {row.number} are gone")
            break
        for one in batch:
            if one.number != number + 1:
                yield Disagreement("seal-removed", subject, f"seals {number + 1} to {one.number - 1} are gone")
            elif one.previous != previous:
                yield Disagreement("link-broken", subject, f"seal {one.number} does not follow seal {number}")
            yield from _seal(services.signing, chain, one)
            if heads.get(one.number, one.hash) != one.hash:
                yield Disagreement("chain-rewritten", subject, f"seal {one.number} is not the one of the head")
            number, previous = one.number, one.hash
    if number == row.number and previous != row.hash:
        yield Disagreement("end-differs", subject, f"the chain does not end with seal {number}")
    if heads and max(heads) > row.number:
        yield Disagreement("tail-cut", subject, f"it ends with seal {row.number}, and had {max(heads)}")


def _checkpoint(signing: Signing, row: Row[Any]) -> Iterator[Disagreement]:
    if row.pruned == 0 and row.checkpoint is None and row.pruned_hash == "":
        return
    chain = Chain(row.workspace, row.chain)
    says = {"workspace": row.workspace, "chain": row.chain, "number": row.pruned, "hash": row.pruned_hash}
    if row.chain != "access":
        yield Disagreement("checkpoint-wrong", named(chain), "acts are never pruned")
    try:
        said = signing.read("checkpoint", row.checkpoint or "")
    except Unsigned as error:
        yield Disagreement("checkpoint-wrong", named(chain), str(error))
    else:
        if {name: said.get(name) for name in says} != says:
            yield Disagreement("checkpoint-wrong", named(chain), "it was signed for another seal")


def _seal(signing: Signing, chain: Chain, one: Row[Any]) -> Iterator[Disagreement]:
    """Whether a seal is the one that was signed, as far as it can be told without its rows."""
    seal = _of_row(chain, one)
    if seal.hash != one.hash:
        yield Disagreement("seal-edited", named(chain), f"seal {one.number} is not what its hash says")
        return
    try:
        if signing.read("seal", one.signed) != seal.says:
            yield Disagreement("seal-unsigned", named(chain), f"seal {one.number}: another one was signed")
    except Unsigned as error:
        yield Disagreement("seal-unsigned", named(chain), f"seal {one.number}: {error}")


def _of_row(chain: Chain, one: Row[Any]) -> Seal:
    return Seal(
        chain=chain,
        number=one.number,
        ids=one.ids,
        row_count=one.row_count,
        digest=one.digest,
        latest_at=one.latest_at,
        previous=one.previous,
        sealed_at=one.sealed_at,
    )


def _bookkeeping(services: Services) -> Iterator[Disagreement]:
    """What the sealer holds for unseen, and what hangs on no chain, would be left out of everything else."""
    seen_too = exists().where(_s.first_id.between(_u.first_id, _u.last_id))
    to_come = exists().where(_u.last_id == TO_COME)  # which is among the unseen as soon as there is a seal
    sealed_too = select(func.count()).select_from(audit_seals).where(seen_too | ~to_come)
    loose = select(func.count()).select_from(audit_seals).join(audit_chains, _c.id == _s.chain_id, isouter=True)
    with services.database.read() as connection:
        if found := connection.scalar(sealed_too):
            yield Disagreement("unseen-differs", "audit_unseen", f"{found} seals are of ids that nobody has seen, it says")
        if found := connection.scalar(loose.where((_c.id.is_(None)) | (_s.number > _c.number) | (_s.number <= _c.pruned))):
            yield Disagreement("seal-inserted", "audit_seals", f"{found} seals are outside of every chain")


# -- over the rows -----------------------------------------------------------------------------------------------------


class _Open:
    """A seal while its rows come by."""

    def __init__(self, chain: Chain, row: Row[Any]) -> None:
        self.chain, self.row = chain, row
        self.ids = (one for first, last in read(row.ids) for one in range(first, last + 1))
        self.expected = next(self.ids)
        self.digest = sha256()
        self.count = 0
        self.missing: list[int] = []

    def take(self, row: rows.Row) -> None:
        """The bytes of the rows so far are those of one array."""
        self.digest.update((b"," if self.count else b"[") + canonical([row])[1:-1])
        self.count += 1

    def differs(self) -> bool:
        """Whether the rows that came by are others than those that were sealed."""
        self.digest.update(b"]")
        return (self.digest.hexdigest(), self.count) != (self.row.digest, self.row.row_count)

    def advance(self) -> bool:
        """Whether there is another row to expect."""
        following = next(self.ids, None)
        if following is not None:
            self.expected = following
        return following is not None


class _Rows:
    """The pass over all rows. ``to_come``: the ids that nobody had seen when it began; what is sealed of them since is left out."""

    def __init__(self, services: Services, to_come: Iterable[Span]) -> None:
        self._services = services
        self._to_come = list(to_come)
        self._seals = self._read_seals()
        self._next = next(self._seals, None)
        self._open: list[tuple[int, int, _Open]] = []
        self._order = count()

    def verified(self) -> Iterator[Disagreement | int]:
        seen, last = 0, -(2**63)
        while batch := rows.read(self._services.direct.all(_ROWS, {"last": last, "limit": BATCH})):
            for row in batch:
                yield from self._row(row)
            seen, last = seen + len(batch), batch[-1][ID]
            yield seen
        yield from self._before(None)

    def _row(self, row: rows.Row) -> Iterator[Disagreement]:
        identity = row[ID]
        yield from self._before(identity)
        if self._open and self._open[0][0] == identity:
            one = heapq.heappop(self._open)[2]
            one.take(row)
            yield from self._go_on(one)
        elif not self._unseen(identity) and self._is_there(identity):
            yield Disagreement("row-inserted", named(chain_of(row)), f"row {identity} is in no seal")

    def _before(self, identity: int | None) -> Iterator[Disagreement]:
        """Opens the seals that have begun by ``identity``; what they expected before it is gone."""
        while True:
            if self._next is not None and (identity is None or self._next.expected <= identity):
                opened, self._next = self._next, next(self._seals, None)
                heapq.heappush(self._open, (opened.expected, next(self._order), opened))
            elif self._open and (identity is None or self._open[0][0] < identity):
                one = heapq.heappop(self._open)[2]
                one.missing.append(one.expected)
                yield from self._go_on(one)
            else:
                return

    def _go_on(self, one: _Open) -> Iterator[Disagreement]:
        if one.advance():
            heapq.heappush(self._open, (one.expected, next(self._order), one))
            return
        subject, number = named(one.chain), one.row.number
        if one.missing:
            if self._still_there(one):
                detail = f"of seal {number} {len(one.missing)} rows are gone, the first of them is {one.missing[0]}"
                yield Disagreement("row-removed", subject, detail)
        elif one.differs():
            detail = f"the rows of seal {number}, {one.row.first_id} to {one.expected}, are not what was sealed"
            yield Disagreement("row-edited", subject, detail)

    def _still_there(self, one: _Open) -> bool:
        """Retention may have taken the seal with its rows since it was read."""
        with self._services.database.read() as connection:
            same = select(_s.number).where(_s.chain_id == one.row.chain_id, _s.number == one.row.number)
            return connection.execute(same).first() is not None

    def _is_there(self, identity: int) -> bool:
        """Retention may have taken the row with its seal since it was read."""
        return self._services.direct.one("SELECT id FROM audit WHERE id = :id", {"id": identity}) is not None

    def _unseen(self, identity: int) -> bool:
        return any(span[0] <= identity <= span[1] for span in self._to_come)

    def _read_seals(self) -> Iterator[_Open]:
        """In the order of their first ids."""
        after = (0, 0, 0)
        while True:
            key = (_s.first_id, _s.chain_id, _s.number)
            beyond = (key[0] > after[0]) | (
                (key[0] == after[0]) & ((key[1] > after[1]) | ((key[1] == after[1]) & (key[2] > after[2])))
            )
            some = select(audit_seals, _c.workspace, _c.chain).join(audit_chains, _c.id == _s.chain_id)
            with self._services.database.read() as connection:
                batch = connection.execute(some.where(beyond).order_by(*key).limit(100)).all()
            for row in batch:
                if not self._unseen(row.first_id) and _readable(row):
                    yield _Open(Chain(row.workspace, row.chain), row)
            if not batch:
                return
            after = (batch[-1].first_id, batch[-1].chain_id, batch[-1].number)


_ROWS = f"SELECT {rows.COLUMNS} FROM audit WHERE id > :last ORDER BY id LIMIT :limit"  # noqa: S608


def _readable(row: Row[Any]) -> bool:
    """Whether a seal names as many rows as it says; one that does not was reported along its chain."""
    try:
        return bool(0 < sum(last - first + 1 for first, last in read(row.ids)) == row.row_count <= MOST)
    except ValueError:
        return False


def named(chain: Chain) -> str:
    """A chain for people: ``ada_space: acts``."""
    return f"{chain.workspace or '(no workspace)'}: {chain.chain}"
