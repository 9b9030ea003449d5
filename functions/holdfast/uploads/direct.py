"""Parts that go straight from a client to the store: promised in SQL before their URLs are given out, and compared with what the
store has when the upload is completed.

A URL is signed for the length and the sha256 of its part, and the store compares the bytes with them; a part is promised once, and
stays as it was promised. So nothing else comes in, and what is in is not replaced by other bytes. Of a CRC-32 there would be the
client's word only, and one that is wrong would make a good version look damaged; so there is none, and the whole is bound by the
sha256s of its parts.

All parts but the last are of one size, which the client chooses with the first of them. From then on the session takes no chunks,
and one that has chunks takes no parts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from holdfast.database.tables import upload_pieces
from holdfast.database.tables import upload_sessions as s
from holdfast.errors import Conflict, Invalid, file_too_large
from holdfast.failpoints import hit
from holdfast.identity.access import Actor, Claims
from holdfast.storage.objects import AssemblyMissing, Held, Part, SignedPart
from holdfast.uploads import assembly, pieces, room, sessions

if TYPE_CHECKING:
    from holdfast.services import Services

MAX_PART = 5 << 30
"""S3's limit for one part, in bytes."""
AT_ONCE = 100
"""Parts of one request."""
SHOWN = 100
"""Numbers of parts in a message."""
HOLDS = timedelta(minutes=5)
"""How long a URL holds, as far as its session does."""

LIVES = 7
"""How many times ``upload_expiry`` new promises keep a session from its beginning on: whether bytes come, the store alone knows."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where part ``number`` can be PUT, with which headers."""

    number: int
    signed: SignedPart


@dataclass(frozen=True, slots=True)
class Links:
    """``expires``: until when a PUT to one of them may begin."""

    expires: datetime
    parts: Sequence[Link]


def promised(part_size: int, number: int, size: int, sha256: str) -> Part:
    """The part as its client promises it. Pure. Raises Invalid for one that is empty or longer than ``part_size``."""
    if not 0 < size <= part_size:
        raise Invalid(f"Part {number} has {size} bytes, and may have 1 to {part_size}.", slug="part-size", part=number)
    return Part(number, (number - 1) * part_size, size, sha256, None)


def links(services: Services, claims: Claims, upload_id: str, part_size: int, parts: Sequence[Part]) -> Links:
    """Writes down that the client will send these parts, and says where to. Asked again for the same ones, it gives new links to
    them. Blocks.

    Raises Unauthenticated, Forbidden, NotFound, Gone, Invalid, TooLarge, StoreUnavailable; and Conflict where the store has no
    address of its own (no-direct-parts), for a session that takes other bytes (other-kind, upload-complete), for another size
    than that of the parts before (part-size-differs), and for a part that was promised with other bytes (part-differs).
    """
    now = services.clock()
    with services.database.read() as connection:
        _, session = _open(connection, claims, upload_id, now)
    key, name = assembly.key(upload_id), assembly.opened(services, session)
    expires = min(now + HOLDS, session.expires_at)
    signed = [
        services.objects.part_link(key, name, part.number, size=part.size, sha256=part.sha256, expires=expires) for part in parts
    ]
    found = [Link(part.number, link) for part, link in zip(parts, signed, strict=True) if link is not None]
    if len(found) < len(parts):
        raise Conflict("The store of this installation has no address of its own: send chunks.", slug="no-direct-parts")
    hit("session.promise.before")
    services.database.write(lambda connection: _promise(services, connection, claims, upload_id, part_size, parts))
    hit("session.promise.after")
    return Links(expires, found)


def _open(connection: Connection, claims: Claims, upload_id: str, now: datetime, *, lock: bool = False) -> tuple[Actor, Row[Any]]:
    """Who asks, and the session, if it takes parts. Raises as ``links`` does."""
    actor, session = sessions.find(connection, claims, upload_id, lock=lock)
    sessions.check_open(session, now)
    if session.kind == sessions.CHUNKS:
        if not _has_chunks(connection, upload_id):
            return actor, session
        actor, session = sessions.find(connection, claims, upload_id, lock=lock)  # or they are parts promised since the first look
    if session.kind != sessions.DIRECT:
        raise Conflict("The upload was begun by other means, and takes no parts.", slug="other-kind")
    return actor, session


def _has_chunks(connection: Connection, upload_id: str) -> bool:
    p = upload_pieces.c
    safe = select(p.id).where(p.upload_id == upload_id, p.state.in_(pieces.SAFE)).limit(1)
    return connection.scalar(safe) is not None or bool(pieces.parts(connection, upload_id))


def _promise(
    services: Services,
    connection: Connection,
    claims: Claims,
    upload_id: str,
    part_size: int,
    parts: Sequence[Part],
) -> None:
    """Raises as ``links`` does."""
    now = services.clock()
    actor, session = _open(connection, claims, upload_id, now, lock=True)
    if session.kind == sessions.DIRECT and session.chunk_size != part_size:
        raise Conflict(
            f"The parts of this upload have {session.chunk_size} bytes.", slug="part-size-differs", part_size=session.chunk_size
        )
    known = {part.number: part for part in pieces.parts(connection, upload_id)}
    if other := next((part.number for part in parts if known.get(part.number, part) != part), None):
        raise Conflict(f"Part {other} was promised before, with other bytes: begin again.", slug="part-differs", part=other)
    new = [part for part in parts if part.number not in known]
    fit(part_size, [*known.values(), *new])
    most = actor.largest_file(services.settings.max_file_bytes)
    if any(part.offset + part.size > most for part in parts):
        raise file_too_large(most)
    values: dict[str, Any] = {"kind": sessions.DIRECT, "chunk_size": part_size}
    if new:
        values["offset"] = sum(part.size for part in known.values()) + sum(part.size for part in new)
        room.check(connection, actor, values["offset"], upload_id)
        # Who asks for the same links again and again sends nothing, and keeps no session.
        longest = session.created_at + LIVES * timedelta(seconds=services.settings.upload_expiry)
        values["expires_at"] = min(sessions.expiry(services, now), longest)
    connection.execute(update(s).where(s.c.upload_id == upload_id).values(values))
    pieces.register(connection, upload_id, *new)


def fit(part_size: int, parts: Collection[Part]) -> None:
    """Whether the parts can be those of one file: only the last may be short. Pure. Raises Invalid."""
    last = max(part.number for part in parts)
    short = sorted(part.number for part in parts if part.size < part_size and part.number < last)
    if short:
        raise Invalid(
            f"All parts but the last have {part_size} bytes; part {short[0]} has less, and part {last} comes after it.",
            slug="part-size",
            part=short[0],
        )


def stored(services: Services, session: Row[Any]) -> dict[int, Held]:
    """What the store has of a session's parts, by number. Blocks. Raises StoreUnavailable."""
    if session.kind == sessions.DIRECT:
        with suppress(AssemblyMissing):  # SeaweedFS says so, too, when no part has come
            held = services.objects.parts(assembly.key(session.upload_id), session.assembly)
            return {part.number: part for part in held}
    return {}


def settle(connection: Connection, session: Row[Any], there: Mapping[int, Held], count: int, size: int) -> None:
    """In the transaction that completes the session: what the store has is what was promised, and the object will be made of
    exactly these parts, whatever still comes. Raises as ``check`` does."""
    parts = pieces.parts(connection, session.upload_id)
    check(parts, there, count, size)
    pieces.replace(connection, session.upload_id, *(replace(part, tag=there[part.number].tag) for part in parts))


def check(parts: Sequence[Part], there: Mapping[int, Held], count: int, size: int) -> None:
    """Whether what is in the store is a file of ``size`` bytes in ``count`` parts, as it was promised. Pure. Raises Conflict
    (parts-missing, parts-differ) with the numbers that have to be sent again, and Invalid."""
    known = {part.number for part in parts} & there.keys()
    missing = [number for number in range(1, min(count, len(known) + SHOWN) + 1) if number not in known][:SHOWN]
    if missing:
        raise Conflict(f"{len(missing)} or more parts are not in the store: send them.", slug="parts-missing", missing=missing)
    if len(parts) > count:
        raise Invalid(
            f"total_chunks is {count}, and {len(parts)} parts were promised.", slug="count-mismatch", field="total_chunks"
        )
    total = sum(part.size for part in parts)
    if total != size:
        raise Invalid(f"The parts have {total} bytes together, not {size}.", slug="size-mismatch", field="total_size")
    differ = [part.number for part in parts if not _as_promised(part, there[part.number])][:SHOWN]
    if differ:
        raise Conflict(
            f"Part {differ[0]} is in the store with other bytes than were promised: send it again.",
            slug="parts-differ",
            parts=differ,
        )


def _as_promised(part: Part, held: Held) -> bool:
    return held.size == part.size and held.sha256 in (None, part.sha256)
