"""Final uploads of tus: several partial ones, one after the other.

A partial upload is a session that never becomes a version. It stays open when all its bytes came, until it expires, or until the
final uploads that it is in are stored. A final one is complete from its beginning: whoever finishes it copies the bytes of the
partial ones, which is the only time that bytes of a session are copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, update

from holdfast.database.tables import upload_sessions as s
from holdfast.errors import Conflict, Invalid
from holdfast.failpoints import hit
from holdfast.identity.access import Claims
from holdfast.uploads import completing, ending, sessions
from holdfast.uploads.sessions import Opening

if TYPE_CHECKING:
    from holdfast.services import Services

MOST = 256
"""Partial uploads that a final one may be of."""


def is_partial(session: Row[Any]) -> bool:
    return (session.details or {}).get("concat") == sessions.PARTIAL


def partials_of(session: Row[Any]) -> list[str]:
    """Of a final upload, the partial ones, in its order; none of any other."""
    found: list[str] = (session.details or {}).get("partials", [])
    return found


def open_final(services: Services, claims: Claims, opening: Opening, partials: Sequence[str]) -> Row[Any]:
    """Opens the session of a final upload, complete, and returns its row. Blocks. Raises what ``sessions.open_session`` raises,
    NotFound and Gone for a partial upload that is not there, Invalid for one that is no partial one, Conflict for one whose bytes
    did not all come."""
    if len(partials) > MOST:
        raise Invalid(f"A final upload is of at most {MOST} partial ones.", slug="too-many-partials")
    with services.database.read() as connection:
        length = sum(_whole(services, connection, claims, one).length for one in partials)
    details = {**(opening.details or {}), "partials": list(partials)}
    final = sessions.open_session(services, claims, replace(opening, length=length, details=details), *partials)
    upload_id: str = final.upload_id

    def act(connection: Connection) -> Row[Any]:
        expires = sessions.expiry(services, services.clock())
        for one in sorted(set(partials)):  # in one order, so that two final uploads do not wait for each other
            row = _whole(services, connection, claims, one, lock=True)
            finals = [*row.details.get("finals", []), upload_id]
            values = {"details": {**row.details, "finals": finals}, "expires_at": expires}
            connection.execute(update(s).where(s.c.upload_id == one).values(values))
        mine = sessions.state_is(upload_id, "open")
        connection.execute(update(s).where(*mine).values(state="completing", offset=length))
        completing.request(connection, upload_id)
        return sessions.known(connection, upload_id)

    hit("session.concatenate.before")
    try:
        opened = services.database.write(act)
    except Exception:
        ending.end(services, upload_id, "cancelled", "open")
        raise
    hit("session.concatenate.after")
    return opened


def _whole(services: Services, connection: Connection, claims: Claims, upload_id: str, *, lock: bool = False) -> Row[Any]:
    _, row = sessions.find(connection, claims, upload_id, lock=lock)
    sessions.check_open(row, services.clock())
    if not is_partial(row):
        raise Invalid("Only partial uploads are concatenated.", slug="not-partial")
    if row.length is None or row.offset != row.length:
        raise Conflict("A partial upload is not complete.", slug="partial-incomplete")
    return row


def release(services: Services, connection: Connection, final: Row[Any]) -> None:
    """In the transaction that stores a final upload: its partial ones end, unless they are in another one that is under way."""
    for one in sorted(set(partials_of(final))):
        row = sessions.load(connection, one, lock=True)
        if row is None:
            continue
        left = [other for other in row.details.get("finals", []) if other != final.upload_id]
        connection.execute(update(s).where(s.c.upload_id == one).values(details={**row.details, "finals": left}))
        if not left:
            ending.mark(services, connection, one, "cancelled", "open")
