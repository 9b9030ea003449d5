"""From a complete session to a stored intent: its bytes become one object, what was promised is checked, and the core's write path
goes on from there.

Runs in the request that brought the last byte, and, should that have died, as the job ``finish-upload``; under a lease, and each of
its steps can be done again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from holdfast.assets import intents, names, quarantine
from holdfast.assets.intents import StoredFile, Storing, Wishes
from holdfast.database.keeping import Keeping, kept
from holdfast.database.leases import LeaseLost
from holdfast.database.tables import upload_sessions as s
from holdfast.errors import Invalid, Problem, Unavailable
from holdfast.failpoints import hit
from holdfast.media import kind
from holdfast.storage.objects import AssemblyMissing, ObjectExists, ObjectMissing, Part, PartsDiffer
from holdfast.storage.objects.hashing import chunks_of, sha256_of, sums_of
from holdfast.storage.objects.parts import MIN_PART
from holdfast.storage.objects.writing import write, write_part
from holdfast.uploads import assembly, concatenation, cutting, ending, pieces, sessions

if TYPE_CHECKING:
    from holdfast.services import Services

log = logging.getLogger(__name__)

HEAD = 4096


@dataclass(frozen=True, slots=True)
class Whole:
    """The finished object. ``sha256``: None when nobody has read it yet."""

    size: int
    crc32: int | None
    sha256: str | None


def run(services: Services, upload_id: str) -> bool:
    """Finishes a session that is ``completing``; whether it is no longer that. False while another process is at it. Blocks.
    Raises StoreUnavailable and DatabaseUnavailable: to be called again."""
    with kept(services.database, lease(upload_id)) as keeping:
        if keeping is None:
            return False
        with services.database.read() as connection:
            session = sessions.load(connection, upload_id)
        if session is None or session.state != "completing":
            return True
        try:
            if (problem := _finished(services, session, keeping)) is not None:
                ending.end(services, upload_id, "failed", "completing", problem=problem, fence=keeping.fence)
        except LeaseLost:
            return False
        return True


def _finished(services: Services, session: Row[Any], keeping: Keeping) -> Problem | None:
    """Finishes it, or says why that can never be: trying again would find the store as it is. Raises Unavailable, LeaseLost."""
    try:
        _finish(services, session, keeping)
    except Unavailable:
        raise
    except (AssemblyMissing, ObjectExists, ObjectMissing):
        log.exception("the store lost bytes of the upload %s, or has others", session.upload_id)
        return pieces.Damaged()
    except Problem as problem:
        return problem
    return None


def lease(upload_id: str) -> str:
    """The lease of whoever finishes the upload, or reads it for a final one."""
    return f"upload:{upload_id}"


def again(services: Services, upload_id: str) -> None:
    """The job. Raises Unavailable while somebody else is at it, to be tried later."""
    if not run(services, upload_id):
        raise Unavailable("Another process finishes the upload.")


def _finish(services: Services, session: Row[Any], keeping: Keeping) -> None:
    whole = _assembled(services, session, keeping)
    if session.length is not None and whole.size != session.length:
        raise Invalid(f"The upload has {whole.size} bytes, not {session.length}.", slug="size-mismatch")
    key = assembly.key(session.upload_id)
    digest = whole.sha256
    if session.promised_sha256 is not None:
        digest = digest or _read(services, key, whole, keeping)
        if digest != session.promised_sha256:
            raise Invalid("The upload does not have the sha256 that was promised.", slug="sha256-mismatch")
    head = b"".join(services.objects.read(key, 0, HEAD)) if whole.size else b""
    mime = kind.content_type(session.filename, head, session.content_type)
    file = StoredFile(0, True, session.filename, mime, whole.size, digest, whole.crc32)
    _store(services, session, file, keeping)


def _read(services: Services, key: str, whole: Whole, keeping: Keeping) -> str:
    """The sha256 of the object, whose bytes are those that the parts were made of. Raises Invalid when they are not."""
    if whole.crc32 is None:  # nobody said what it should be, and counting it would take a third as long as the hash
        digest = sha256_of(services.objects, key, keeping)
        if digest is None:
            raise pieces.Damaged
        return digest
    sums = sums_of(services.objects, key, keeping)
    if sums is None or (sums.size, sums.crc32) != (whole.size, whole.crc32):
        raise pieces.Damaged
    return sums.sha256


def _assembled(services: Services, session: Row[Any], keeping: Keeping) -> Whole:
    """The session's bytes as one object under its key."""
    if partials := concatenation.partials_of(session):
        return _concatenated(services, session, partials, keeping)
    join(services, session)
    with services.database.read() as connection:
        rest, parts = pieces.kept(connection, session.upload_id), pieces.parts(connection, session.upload_id)
        name = connection.scalar(select(s.c.assembly).where(s.c.upload_id == session.upload_id))
    if not parts:
        return _written(services, session, rest)
    assert name is not None
    if rest:
        parts.append(_last(services, session, rest, parts[-1]))
    try:
        made = services.objects.complete(assembly.key(session.upload_id), name, parts)
    except PartsDiffer as difference:
        raise pieces.Damaged(f"What is in the store is not what was sent: {difference}. Send it again.") from difference
    return Whole(made.size, made.crc32, made.sha256)


def _written(services: Services, session: Row[Any], rest: Any) -> Whole:
    """All of it is less than a part."""
    writer = services.objects.writer(assembly.key(session.upload_id), pieces.TYPE)
    stored = write(writer, pieces.read(services, rest))
    return Whole(stored.size, None, stored.sha256)


def _concatenated(services: Services, session: Row[Any], partials: Sequence[str], keeping: Keeping) -> Whole:
    """A final upload: the bytes of its partial ones, copied. Raises Unavailable while another final upload reads one of them."""
    for one in dict.fromkeys(partials):
        _partial(services, one)
    chunks = chain.from_iterable(chunks_of(services.objects, assembly.key(one), keeping) for one in partials)
    stored = write(services.objects.writer(assembly.key(session.upload_id), pieces.TYPE), chunks)
    return Whole(stored.size, None, stored.sha256)


def _partial(services: Services, upload_id: str) -> None:
    """Makes sure that a partial upload is one object. Raises Unavailable, and Invalid when it has ended."""
    with kept(services.database, lease(upload_id)) as keeping:
        if keeping is None:
            raise Unavailable("Another upload reads a partial upload of this one.")
        with services.database.read() as connection:
            partial = sessions.load(connection, upload_id)
        if partial is None or partial.state != "open":
            raise Invalid("A partial upload is gone.", slug="partial-gone")
        if services.objects.size(assembly.key(upload_id)) != partial.length:
            _assembled(services, partial, keeping)


def _last(services: Services, session: Row[Any], rest: Any, before: Part) -> Part:
    size = sum(piece.size for piece in rest)
    return joined(services, session, rest, before.number + 1, before.offset + before.size, size)


def joined(services: Services, session: Row[Any], some: Any, number: int, offset: int, size: int) -> Part:
    """Pieces as a part, which is registered. To be called by one at a time for one number."""
    writer = services.objects.part(assembly.key(session.upload_id), assembly.opened(services, session), number, offset, size)
    part = write_part(writer, pieces.read(services, some))

    def act(connection: Connection) -> None:
        pieces.replace(connection, session.upload_id, part)
        pieces.joined(connection, some)

    hit("session.part.before")
    services.database.write(act)
    hit("session.part.after")
    return part


def join(services: Services, session: Row[Any]) -> None:
    """Groups of chunks that are all there and in no part yet: whoever had all of one died before it joined them."""
    if session.kind != sessions.CHUNKS or cutting.group(session.chunk_size) == 1:
        return
    many = cutting.group(session.chunk_size)
    with services.database.read() as connection:
        waiting = pieces.kept(connection, session.upload_id)
    groups: dict[int, list[Row[Any]]] = {}
    for piece in waiting:
        groups.setdefault(piece.position // many, []).append(piece)
    for number, some in sorted(groups.items()):
        size = sum(piece.size for piece in some)
        if size >= MIN_PART:
            joined(services, session, some, number + 1, number * many * session.chunk_size, size)


def _store(services: Services, session: Row[Any], file: StoredFile, keeping: Keeping) -> None:
    """One transaction: the session is stored, and its intent is there, stored too."""
    now = services.clock()
    wishes = Wishes(session.archive_ttl, session.destroy_ttl, session.labels)
    path = names.asset_path(file.filename, file.content_type)
    storing = Storing(session.upload_id, session, path, [file], wishes)
    storing = replace(storing, verdict=quarantine.scan(services, storing, keeping))

    def act(connection: Connection) -> None:
        keeping.fence(connection)
        done = update(s).where(*sessions.state_is(session.upload_id, "completing"))
        if connection.execute(done.values(state="stored", ended_at=now)).rowcount:
            intents.arrive(connection, storing, must_be_new=session.must_be_new, now=now)
            quarantine.take(services, connection, session.upload_id, storing.verdict)
            ending.request(connection, session.upload_id, services.settings.intent_timeout_seconds)
            concatenation.release(services, connection, session)

    hit("session.store.before")
    services.database.write(act)
    hit("session.store.after")
    services.committer.nudge(session.workspace_id)
