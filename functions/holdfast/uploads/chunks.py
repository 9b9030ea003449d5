"""Chunks of one size in any order, as 001 and 003 send them: to any process, several at once, and again if need be.

A chunk counts when all of it came and is what was said; before that nothing of the session is touched, so a chunk that is sent
again and breaks off harms none. Chunks that are not enough for a part are pieces; who brings the last one of a group joins it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from holdfast.database.tables import upload_parts, upload_pieces
from holdfast.database.tables import upload_sessions as s
from holdfast.errors import Conflict, Invalid, file_too_large
from holdfast.failpoints import hit
from holdfast.identity.access import Actor, Claims
from holdfast.storage.objects import AssemblyMissing, Part
from holdfast.storage.objects.parts import MAX_PARTS, MIN_PART
from holdfast.storage.objects.writing import write_part
from holdfast.uploads import assembly, completing, cutting, direct, finishing, pieces, room, sessions

if TYPE_CHECKING:
    from holdfast.services import Services

SHOWN = 100
"""Numbers of chunks in a message."""
BEGUN_EXAMPLE: Mapping[str, Any] = {
    "upload_id": "0f8fad5bd9cb469fa16570867728950e",
    "chunk_size": 786432,
    "max_chunks": 70000,
    "min_part_size": MIN_PART,
    "max_part_size": direct.MAX_PART,
    "max_parts": MAX_PARTS,
    "max_size": 5 << 40,
}
"""What ``begin`` returns."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is safe of a session under one index. ``joined``: in a part with others, and cannot be replaced any more."""

    index: int
    size: int
    sha256: str
    joined: bool


def begin(services: Services, claims: Claims) -> dict[str, Any]:
    """Opens a session, and returns what its client has to know: its id, and the limits, in bytes, of chunks, of parts that go
    straight to the store, and of the whole file. Blocks. Raises as ``sessions.open_session`` does."""
    size = services.settings.upload_chunk
    opened, most = sessions.open_limited(services, claims, sessions.Opening(sessions.CHUNKS, chunk_size=size))
    return {
        "upload_id": opened.upload_id,
        "chunk_size": size,
        "max_chunks": cutting.most_chunks(size),
        "min_part_size": MIN_PART,
        "max_part_size": direct.MAX_PART,
        "max_parts": MAX_PARTS,
        "max_size": most,
    }


def receive(
    services: Services,
    claims: Claims,
    upload_id: str,
    index: int,
    data: bytes | bytearray,
    *,
    said: int | None = None,
    promised: str | None = None,
) -> None:
    """Takes one chunk, which counts when this returns. ``said``: its size as the client said it; ``promised``: its sha256 (hex).
    Blocks. Raises Unauthenticated, Forbidden, NotFound, Gone, Conflict, Invalid, TooLarge, Unavailable: then everything is as it
    was."""
    actor, session = look(services, claims, upload_id, index, said)
    if len(data) > session.chunk_size:
        raise too_long(session)
    if not data:
        raise Invalid("The chunk is empty.", slug="empty-chunk", field="file")
    if said is not None and said not in (len(data), session.chunk_size):
        raise Invalid(f"The chunk has {len(data)} bytes, not {said}.", slug="size-mismatch", field="chunk_size")
    digest = sha256(data).hexdigest()
    if promised is not None and promised != digest:
        raise Invalid("The chunk does not have the sha256 that was said.", slug="sha256-mismatch", field="chunk_sha256")
    _keep(services, actor, session, index, memoryview(data), digest)


def too_long(session: Row[Any]) -> Invalid:
    return Invalid(f"A chunk has at most {session.chunk_size} bytes.", slug="chunk-too-large", limit=session.chunk_size)


def look(services: Services, claims: Claims, upload_id: str, index: int, said: int | None) -> tuple[Actor, Row[Any]]:
    """Who sends, and the session, if it may take a chunk of that index and size now. Blocks. Raises as ``receive`` does."""
    with services.database.read() as connection:
        actor, session = sessions.find(connection, claims, upload_id)
    sessions.check_open(session, services.clock())
    if session.kind != sessions.CHUNKS:
        raise other_kind()
    if not 0 <= index < cutting.most_chunks(session.chunk_size):
        most = cutting.most_chunks(session.chunk_size)
        raise Invalid(f"chunk_index is from 0 to {most - 1}.", field="chunk_index")
    if said is not None and not 0 < said <= session.chunk_size:
        raise too_long(session)
    limit = actor.largest_file(services.settings.max_file_bytes)
    if index * session.chunk_size >= limit:
        raise file_too_large(limit)
    return actor, session


def _keep(services: Services, actor: Actor, session: Row[Any], index: int, content: memoryview, digest: str) -> None:
    """In a thread: what came becomes part of the session."""
    with services.database.read() as connection:
        known = next(iter(held(connection, session, [index])), None)
        if known is not None and known.sha256 == digest:
            return
        if known is not None and known.joined:
            raise differs(index)
        room.check(connection, actor, session.offset + len(content), session.upload_id)
    if cutting.group(session.chunk_size) == 1:
        _keep_part(services, session, index, content, replaces=known is not None)
        return
    written = pieces.write(services, session.upload_id, index, content)
    some = _keep_piece(services, session, index, written)
    if some:
        number = index // cutting.group(session.chunk_size)
        size = sum(piece.size for piece in some)
        start = number * cutting.group(session.chunk_size) * session.chunk_size
        with _assembling(services, session):
            finishing.joined(services, session, some, number + 1, start, size)


def _keep_part(services: Services, session: Row[Any], index: int, content: memoryview, *, replaces: bool) -> None:
    """The chunk is a part. What is there under its number stops counting before it is replaced."""
    if replaces:
        services.database.write(lambda connection: _forget(services, connection, session, index + 1))
    name = assembly.opened(services, session)
    key, offset = assembly.key(session.upload_id), index * session.chunk_size
    with _assembling(services, session):
        part = write_part(services.objects.part(key, name, index + 1, offset, len(content)), [content])
    hit("session.part.before")
    services.database.write(lambda connection: _count(services, connection, session, part))
    hit("session.part.after")


@contextmanager
def _assembling(services: Services, session: Row[Any]) -> Iterator[None]:
    """Within it a part is written. Raises Conflict where another request has completed the upload meanwhile, or ended it, with
    which the store's assembly is gone; while the session is open that is a fault, and raised as it is."""
    try:
        yield
    except AssemblyMissing:
        services.database.write(lambda connection: _still_open(services, connection, session))
        raise


def _forget(services: Services, connection: Connection, session: Row[Any], number: int) -> None:
    # Of a complete upload nothing is forgotten: it would lack the part.
    _still_open(services, connection, session, -_size_of(session, number))
    pieces.forget(connection, session.upload_id, number)


def _count(services: Services, connection: Connection, session: Row[Any], part: Part) -> None:
    _still_open(services, connection, session, part.size - _size_of(session, part.number))
    pieces.replace(connection, session.upload_id, part)


def _size_of(session: Row[Any], number: int) -> ColumnElement[int]:
    """The size of the part that has the number; 0 when none has."""
    q = upload_parts.c
    return func.coalesce(select(q.size).where(q.upload_id == session.upload_id, q.number == number).scalar_subquery(), 0)


def _still_open(services: Services, connection: Connection, session: Row[Any], came: int | ColumnElement[int] = 0) -> None:
    """Locks the session's row, and says that something came: so many bytes more are in the store. Raises Conflict when it takes no
    more."""
    mine = sessions.state_is(session.upload_id, "open")
    kind = connection.scalar(select(s.c.kind).where(*mine).with_for_update())
    if kind is None:
        raise Conflict("The upload is complete, or was ended.", slug="upload-complete")
    if kind != sessions.CHUNKS:  # its parts go straight to the store since
        raise other_kind()
    expires = sessions.expiry(services, services.clock())
    connection.execute(update(s).where(*mine).values(expires_at=expires, offset=s.c.offset + came))


def _keep_piece(services: Services, session: Row[Any], index: int, written: dict[str, Any]) -> list[Row[Any]]:
    """The piece counts, in the place of an earlier one of its index. Returns those of its group if that is complete now: whoever
    gets them joins them. Raises Conflict."""
    many = cutting.group(session.chunk_size)
    first = index // many * many
    p = upload_pieces.c

    def act(connection: Connection) -> list[Row[Any]]:
        # What it replaces is in the store, too, until the session ends.
        _still_open(services, connection, session, written["size"])
        there = connection.execute(
            select(upload_pieces)
            .where(p.upload_id == session.upload_id, p.state.in_(pieces.SAFE), p.position >= first, p.position < first + many)
            .order_by(p.position)
        ).all()
        if (earlier := next((piece for piece in there if piece.position == index), None)) is not None:
            if earlier.sha256 == written["sha256"]:  # two requests with the chunk at once: the other was first
                pieces.drop(connection, written)
                return []
            if earlier.state != "kept":
                raise differs(index)
            pieces.joined(connection, [earlier], "replaced")
        pieces.keep(connection, written)
        group = connection.execute(
            select(upload_pieces)
            .where(p.upload_id == session.upload_id, p.state == "kept", p.position >= first, p.position < first + many)
            .order_by(p.position)
        ).all()
        if len(group) < many or any(piece.size != session.chunk_size for piece in group):
            return []
        pieces.joined(connection, group, "joining")
        return list(group)

    hit("session.kept.before")
    some = services.database.write(act)
    hit("session.kept.after")
    return some


def other_kind() -> Conflict:
    return Conflict("The upload takes no chunks.", slug="other-kind")


def differs(index: int) -> Conflict:
    return Conflict(f"Chunk {index} was sent before, with other bytes.", slug="chunk-differs", chunk_index=index)


def held(connection: Connection, session: Row[Any], indexes: Sequence[int] | None = None) -> list[Chunk]:
    """Chunks that are safe, by index; only those of ``indexes``, unless that is None."""
    if cutting.group(session.chunk_size) == 1:
        q = upload_parts.c
        found = select(upload_parts).where(q.upload_id == session.upload_id).order_by(q.number)
        if indexes is not None:
            found = found.where(q.number.in_([index + 1 for index in indexes]))
        return [Chunk(row.number - 1, row.size, row.sha256, joined=False) for row in connection.execute(found)]
    p = upload_pieces.c
    query = select(upload_pieces).where(p.upload_id == session.upload_id, p.state.in_(pieces.SAFE)).order_by(p.position)
    if indexes is not None:
        query = query.where(p.position.in_(indexes))
    return [Chunk(row.position, row.size, row.sha256, row.state != "kept") for row in connection.execute(query)]


def complete(services: Services, claims: Claims, upload_id: str, *, count: int, size: int, values: dict[str, Any]) -> Row[Any]:
    """All ``count`` chunks, or parts straight to the store, ``size`` bytes together, have been sent: the session is complete, with
    ``values`` for its columns. A session that is complete already is returned as it is, also one that has failed. Blocks. Raises as
    ``receive`` does; as ``sessions.check_place`` does, also while chunks are missing; and Conflict (chunks-missing) with the
    indexes that have to be sent, Invalid when their sizes make no file of ``size`` bytes; for parts, as ``direct.check`` does."""
    now = services.clock()
    with services.database.read() as connection:
        _, before = sessions.find(connection, claims, upload_id)
    there = direct.stored(services, before) if before.state == "open" else {}

    def act(connection: Connection) -> Row[Any]:
        actor, session = sessions.find(connection, claims, upload_id, lock=True)
        if session.state not in {"open", "cancelled", "expired"}:
            return session
        sessions.check_open(session, now)
        most = actor.largest_file(services.settings.max_file_bytes)
        if size > most:
            raise file_too_large(most)
        said = (values["filename"], values.get("content_type", ""), values.get("must_be_new", False))
        sessions.check_place(connection, actor, *said)
        if session.kind == sessions.DIRECT:
            direct.settle(connection, session, there, count, size)
        elif session.kind == sessions.CHUNKS:
            if count > (limit := cutting.most_chunks(session.chunk_size)):  # which the last chunk would find out
                raise Invalid(f"total_chunks is at most {limit}.", slug="too-many-chunks", field="total_chunks", limit=limit)
            check(session.chunk_size, held(connection, session), count, size)
        else:
            raise other_kind()
        done = {"state": "completing", "length": size, "chunk_count": count, "epoch": session.epoch + 1, **values}
        connection.execute(update(s).where(s.c.upload_id == upload_id).values(done))
        completing.request(connection, upload_id)
        return sessions.known(connection, upload_id)

    hit("session.complete.before")
    completed = services.database.write(act)
    hit("session.complete.after")
    return completed


def check(chunk_size: int, there: Sequence[Chunk], count: int, size: int) -> None:
    """Whether the chunks are a file of ``size`` bytes. Pure. Raises Conflict, Invalid."""
    known = {chunk.index: chunk for chunk in there}
    missing = [index for index in range(min(count, len(known) + SHOWN)) if index not in known][:SHOWN]
    if missing:
        raise Conflict(f"{len(missing)} or more chunks are missing: send them again.", slug="chunks-missing", missing=missing)
    more = sorted(index for index in known if index >= count)[:SHOWN]
    if more:
        raise Invalid(f"total_chunks is {count}, and chunk {more[0]} was sent.", slug="count-mismatch", field="total_chunks")
    short = [index for index in range(count - 1) if known[index].size != chunk_size][:SHOWN]
    if short:
        raise Invalid(
            f"All chunks but the last have {chunk_size} bytes; chunk {short[0]} has {known[short[0]].size}. Send it again.",
            slug="chunk-too-small",
            chunks=short,
        )
    total = sum(chunk.size for chunk in there)
    if total != size:
        raise Invalid(f"The chunks have {total} bytes together, not {size}.", slug="size-mismatch", field="total_size")
