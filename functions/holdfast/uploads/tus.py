"""What tus asks of sequential sessions besides appending: a look, a length that is said later, a file of no bytes, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, update

from holdfast.database.tables import upload_sessions as s
from holdfast.errors import Forbidden, Gone, Malformed, NotFound, file_too_large
from holdfast.failpoints import hit
from holdfast.identity.access import Actor, Claims
from holdfast.uploads import abandoned, completing, concatenation, ending, outcome, room, sessions
from holdfast.uploads.outcome import Outcome
from holdfast.uploads.sequential import WrongOffset

if TYPE_CHECKING:
    from holdfast.services import Services


def look(services: Services, claims: Claims, upload_id: str) -> tuple[Row[Any], Outcome]:
    """A session that takes bytes, or all of whose bytes came, and what has become of it. Blocks. Raises Unauthenticated, Forbidden,
    NotFound, Gone."""
    row, found = _look(services, claims, upload_id)
    if found.progress == "open":
        sessions.check_open(row, services.clock())
        if row.offset == row.length and not concatenation.is_partial(row):  # whoever was told its length has died
            completing.complete(services, upload_id, row.epoch)
            row, found = _look(services, claims, upload_id)
    if found.progress == "ended":
        raise gone()
    return row, found


def _look(services: Services, claims: Claims, upload_id: str) -> tuple[Row[Any], Outcome]:
    with services.database.read() as connection:
        _, row = find(connection, claims, upload_id)
        return row, outcome.of(connection, row)


def whole(services: Services, claims: Claims, upload_id: str, offset: int) -> Row[Any] | None:
    """The session, if all its bytes came and ``offset`` is their end: a client whose last reply was lost may send nothing there
    once more. Blocks. Raises Unauthenticated, Forbidden, NotFound, Gone."""
    with services.database.read() as connection:
        _, row = find(connection, claims, upload_id)
    return row if row.state in ("completing", "stored") and row.offset == offset and not concatenation.partials_of(row) else None


def find(connection: Connection, claims: Claims, upload_id: str, *, lock: bool = False) -> tuple[Actor, Row[Any]]:
    """As ``sessions.find``, for sequential ones that were not terminated. Raises Gone, too."""
    actor, row = sessions.find(connection, claims, upload_id, lock=lock)
    if row.kind != sessions.SEQUENTIAL:
        raise NotFound("There is no such upload.")
    if (row.details or {}).get("terminated"):
        raise gone()
    return actor, row


def gone() -> Gone:
    return Gone("The upload was cancelled, failed, or has expired.", slug="upload-ended")


def prepare(services: Services, claims: Claims, upload_id: str, offset: int, length: int | None, coming: int | None) -> bool:
    """What is to be known before bytes are taken at ``offset``. With a ``length``, that of the whole: it is set, unless it was
    known; whether it was set now. ``coming``: how many bytes the request brings, if it says so. Blocks.

    Raises Unauthenticated, Forbidden (a final upload takes none), NotFound, Gone, Conflict (WrongOffset; it is complete), Malformed
    for another length than before or one that is too short, TooLarge.
    """
    now = services.clock()

    def act(connection: Connection) -> bool:
        actor, row = find(connection, claims, upload_id, lock=True)
        if concatenation.partials_of(row):
            raise Forbidden("A final upload takes no bytes of its own.", slug="final-upload")
        sessions.check_open(row, now)
        if row.offset != offset:
            raise WrongOffset(row.offset)
        if length is None or length == row.length:
            return False
        if row.length is not None:
            raise Malformed(f"The length is {row.length}, and does not change.", slug="length-differs")
        if length < offset + (coming or 0):
            raise Malformed("There are more bytes than that.", slug="length-too-short")
        if length > (most := actor.largest_file(services.settings.max_file_bytes)):
            raise file_too_large(most)
        room.check(connection, actor, length, upload_id)
        connection.execute(update(s).where(s.c.upload_id == upload_id).values(length=length))
        return True

    hit("session.length.before")
    said = services.database.write(act)
    hit("session.length.after")
    return said


def take_length_back(services: Services, upload_id: str) -> None:
    """Of a request none of which counts. Blocks."""
    open_now = sessions.state_is(upload_id, "open")
    services.database.write(lambda connection: connection.execute(update(s).where(*open_now).values(length=None)))


def complete_empty(services: Services, session: Row[Any]) -> Row[Any]:
    """A file of no bytes is complete as soon as it is begun. Blocks."""
    completing.complete(services, session.upload_id, session.epoch)
    with services.database.read() as connection:
        return sessions.known(connection, session.upload_id)


def terminate(services: Services, claims: Claims, upload_id: str) -> None:
    """The upload is gone from now on. Its bytes are erased, unless they are those of a version: that stays, and ends as any other.
    Blocks. Raises Unauthenticated, Forbidden, NotFound, Gone, and Conflict while it is made a version, unless that was given up."""
    with services.database.read() as connection:
        _, row = find(connection, claims, upload_id)
    if row.state in sessions.ENDED:
        raise gone()
    if row.state == "open" and ending.end(services, upload_id, "cancelled", "open"):
        return

    if row.state != "stored":
        abandoned.cancel(services, upload_id)
        return

    def act(connection: Connection) -> None:
        _, now = find(connection, claims, upload_id, lock=True)
        details = {**(now.details or {}), "terminated": True}
        connection.execute(update(s).where(s.c.upload_id == upload_id).values(details=details))

    hit("session.end.before")
    services.database.write(act)
    hit("session.end.after")
