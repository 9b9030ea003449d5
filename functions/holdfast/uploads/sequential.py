"""Bytes at the end of a session, as tus sends them: any number at a time, from one request after the other, to any process.

    claim (SQL: a new epoch) ─► [bytes ─► part ─► registered (SQL), the offset with it] … ─► rest: the last part, or a piece

Whoever claims a session later has it: what an earlier writer still does changes nothing, for each of its steps names its epoch. A
part number is used once, so what it still sends is no part of the object either. What was not registered when a process dies has to
be sent again: less than two parts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, Row, update

from holdfast.database.tables import upload_sessions as s
from holdfast.errors import Conflict, Invalid, TooLarge
from holdfast.failpoints import hit
from holdfast.identity.access import Claims
from holdfast.storage.objects import AssemblyMissing, Part, PartWriter
from holdfast.storage.objects.buffer import Buffer
from holdfast.storage.objects.parts import MIN_PART
from holdfast.uploads import assembly, completing, concatenation, cutting, pieces, room, sessions
from holdfast.web.hop import Threads

if TYPE_CHECKING:
    from holdfast.services import Services


class Checksum(Protocol):
    """What the bytes of one request have to be."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def holds(self) -> bool:
        """Whether the bytes so far are those that were meant."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``most`` bytes may the session have, and ``problem`` says why."""

    most: int
    problem: TooLarge


class Interrupted(Conflict):
    """Another request writes to the session by now: this one's bytes no longer count."""

    slug = "upload-taken-over"

    def __init__(self) -> None:
        super().__init__("Another request goes on with this upload. Ask for its offset.")


class WrongOffset(Conflict):
    """``offset``: where the session really ends."""

    slug = "wrong-offset"

    def __init__(self, offset: int) -> None:
        super().__init__(f"The upload has {offset} bytes so far.", offset=offset)


class ChecksumMismatch(Invalid):
    slug = "checksum-mismatch"

    def __init__(self) -> None:
        super().__init__("The bytes are not those that the checksum is of. Nothing of them was kept.")


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes in memory: of a part to be, or, where the whole file is less than a part, of a piece. ``loaded`` of them, at the
    front, are safe already, as pieces."""

    room: PartWriter | Buffer
    loaded: int

    @property
    def used(self) -> int:
        return len(self.room.content())

    def content(self) -> memoryview:
        return self.room.content()

    def release(self) -> None:
        self.room.release() if isinstance(self.room, Buffer) else self.room.abort()


@dataclass(slots=True)
class _Progress:
    """What this request has done to the session. ``pending`` is in the store and not registered: it waits for the checksum."""

    upload_id: str
    epoch: int
    number: int
    offset: int
    tail: list[Row[Any]]
    pending: list[Part] = field(default_factory=list)
    joined: list[Row[Any]] = field(default_factory=list)


async def append(
    services: Services,
    threads: Threads,
    claims: Claims,
    upload_id: str,
    offset: int,
    chunks: AsyncIterable[bytes | memoryview],
    *,
    coming: int | None = None,
    checksum: Checksum | None = None,
) -> Row[Any]:
    """Appends ``chunks`` to a session that has ``offset`` bytes, and returns its row afterwards. A session whose length is reached
    is complete then.

    ``coming``: how many bytes that will be, if it is known. With a ``checksum`` all of them count, or none.
    Raises Unauthenticated, Forbidden, NotFound, Gone, Conflict (WrongOffset, Interrupted, or it is complete), TooLarge,
    ChecksumMismatch, Unavailable, and what ``chunks`` raise; whatever came before then counts, unless there is a checksum.
    """
    session, tail, limit = await threads.run_through(_claim, services, claims, upload_id, offset, coming)
    work = _Append(services, threads, session, tail, limit, coming, checksum)
    try:
        await work.take(chunks)
    except BaseException as error:
        await asyncio.shield(threads.run_through(work.rescue, error))
        raise
    return await threads.run_through(work.end)


def _claim(
    services: Services, claims: Claims, upload_id: str, offset: int, coming: int | None
) -> tuple[Row[Any], list[Row[Any]], Limit]:
    now = services.clock()

    def act(connection: Connection) -> tuple[Row[Any], list[Row[Any]], Limit]:
        actor, row = sessions.find(connection, claims, upload_id, lock=True)
        sessions.check_open(row, now)
        if row.kind != sessions.SEQUENTIAL:
            raise Conflict("The upload takes chunks.", slug="other-kind")
        if row.offset != offset:
            raise WrongOffset(row.offset)
        most = actor.largest_file(services.settings.max_file_bytes) if row.length is None else row.length
        limit = Limit(most, TooLarge(f"The upload would have more than {most} bytes.", limit=most))
        left = room.left(connection, actor, upload_id)
        if left is not None and left < most:
            limit = Limit(left, room.exceeded())
        if offset + (coming or 0) > limit.most:
            raise limit.problem
        values = {"epoch": row.epoch + 1, "numbers": row.numbers + 1}
        connection.execute(update(s).where(s.c.upload_id == upload_id).values(values))
        row = sessions.known(connection, upload_id)
        return row, list(pieces.kept(connection, upload_id)), limit

    claimed = services.database.write(act)
    hit("session.claim.after")
    return claimed


class _Append:
    """One request's work. ``take`` is on the event loop; the other public methods block, in a thread."""

    def __init__(
        self,
        services: Services,
        threads: Threads,
        session: Row[Any],
        tail: list[Row[Any]],
        limit: Limit,
        coming: int | None,
        checksum: Checksum | None,
    ) -> None:
        self._services, self._threads, self._session = services, threads, session
        self._limit, self._left, self._checksum = limit, coming, checksum
        self._progress = _Progress(session.upload_id, session.epoch, session.numbers, session.offset, tail)
        self._received = session.offset  # registered or not
        self._assembly: str | None = session.assembly
        self._held: Held | None = None

    async def take(self, chunks: AsyncIterable[bytes | memoryview]) -> None:
        async for chunk in chunks:
            self._received += len(chunk)
            if self._received > self._limit.most:
                raise self._limit.problem
            if self._checksum is not None:
                self._checksum.update(chunk)
            rest = memoryview(chunk)
            while rest:
                if self._held is None:
                    self._held = await self._threads.run_through(self._begin)
                taken = self._held.room.feed(rest)
                rest = rest[taken:]
                if self._left is not None:
                    self._left -= taken
                if rest and self._is_part(self._held):  # full, and more is there: what remains at the end is `end`'s
                    await self._threads.run_through(self._flush, self._held)

    def _begin(self) -> Held:
        """Room for the next part, with the bytes of the pieces before it already in it."""
        progress = self._progress
        loaded = sum(piece.size for piece in progress.tail)
        capacity = cutting.cut(progress.number, None if self._left is None else self._left + loaded)
        if capacity >= MIN_PART and self._assembly is None:
            self._assembly = assembly.opened(self._services, self._session)
        if self._assembly is None:
            held = Held(Buffer(capacity), loaded)
        else:
            key, start = assembly.key(progress.upload_id), progress.offset - loaded
            held = Held(self._services.objects.part(key, self._assembly, progress.number, start, capacity), loaded)
        for chunk in pieces.read(self._services, progress.tail):
            held.room.feed(chunk)
        return held

    def _end_of_file(self) -> bool:
        return self._session.length is not None and self._received == self._session.length

    def _is_whole(self, offset: int) -> bool:
        return offset == self._session.length and not concatenation.is_partial(self._session)

    def _is_part(self, held: Held) -> bool:
        """Whether what is held can be one: it is long enough, or the last of several."""
        last = self._end_of_file() and self._left in (None, 0)
        return held.used >= cutting.least(self._progress.number) or (last and self._assembly is not None)

    def _flush(self, held: Held) -> None:
        """Sends a part, and registers it unless a checksum has still to hold. Raises Interrupted."""
        progress = self._progress
        assert not isinstance(held.room, Buffer)
        try:
            part = held.room.finish()
        except AssemblyMissing:
            self._next_number()  # whoever took the session over has completed it already; else it is a fault
            raise
        self._held = None
        progress.pending.append(part)
        progress.joined += progress.tail
        progress.tail = []
        progress.offset = part.offset + part.size
        if self._checksum is None:
            self._register()
        else:
            progress.number = self._next_number()

    def _next_number(self) -> int:
        number = self._services.database.write(
            lambda connection: sessions.give_number(connection, self._progress.upload_id, self._progress.epoch)
        )
        hit("session.number.after")
        if number is None:
            raise Interrupted
        return number

    def _register(self, piece: dict[str, Any] | None = None) -> None:
        """One transaction: parts and a piece count, the offset says so, and the session is complete if that is its end. Raises
        Interrupted."""
        progress = self._progress
        offset = progress.offset + (piece["size"] if piece else 0)

        def act(connection: Connection) -> int:
            number = sessions.give_number(connection, progress.upload_id, progress.epoch)
            if number is None:
                raise Interrupted
            expires = sessions.expiry(self._services, self._services.clock())
            connection.execute(update(s).where(s.c.upload_id == progress.upload_id).values(offset=offset, expires_at=expires))
            for part in progress.pending:
                pieces.register(connection, progress.upload_id, part)
            pieces.joined(connection, progress.joined)
            if piece is not None:
                pieces.keep(connection, piece)
            if self._is_whole(offset):
                completing.mark(connection, progress.upload_id, progress.epoch)
            return number

        hit("session.part.before")
        progress.number = self._services.database.write(act)
        hit("session.part.after")
        progress.offset, progress.pending, progress.joined = offset, [], []

    def _settle(self) -> None:
        """What is still held becomes a part or a piece; all counts from then on."""
        held, piece = self._held, None
        if held is not None and held.used > held.loaded:
            if self._is_part(held):
                self._flush(held)
            else:
                new = held.content()[held.loaded :]
                piece = pieces.write(self._services, self._progress.upload_id, self._progress.offset, new)
        if piece is not None or self._progress.pending:
            self._register(piece)
        self._drop()

    def end(self) -> Row[Any]:
        """All bytes came. Raises ChecksumMismatch, Interrupted."""
        if self._checksum is not None and not self._checksum.holds():
            self._drop()
            raise ChecksumMismatch
        self._settle()
        brought_none = self._progress.offset == self._session.offset
        if brought_none and self._is_whole(self._progress.offset):  # else `_register` has: its length was said after its last byte
            completing.complete(self._services, self._progress.upload_id, self._progress.epoch)
        with self._services.database.read() as connection:
            return sessions.known(connection, self._progress.upload_id)

    def rescue(self, error: BaseException) -> None:
        """The request broke off: what came is kept as far as it can be."""
        try:
            if self._checksum is None and not isinstance(error, (Interrupted, TooLarge)):
                self._settle()
        except Exception:  # the one that is under way says more
            self._drop()
        finally:
            self._drop()

    def _drop(self) -> None:
        if self._held is not None:
            self._held.release()
            self._held = None
