"""The end of a session that becomes nothing, and the erasing of what any session leaves in the store: the job ``erase-session``.

It runs twice, as the one of intents does (``assets.erasing``): at once, and when no request that could still be writing is alive.
Every key is in the registry, so nothing needs to be listed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select, update

from holdfast.assets import erasing, intents
from holdfast.database.tables import upload_parts, upload_pieces
from holdfast.database.tables import upload_sessions as s
from holdfast.errors import Problem
from holdfast.failpoints import hit
from holdfast.uploads import assembly
from holdfast.uploads.sessions import ENDED, load, state_is

if TYPE_CHECKING:
    from holdfast.services import Services

KIND = "erase-session"
BATCH = 500


def end(
    services: Services,
    upload_id: str,
    state: str,
    *before: str,
    problem: Problem | None = None,
    fence: Callable[[Connection], None] = lambda _: None,
) -> bool:
    """Moves a session that is in one of the states ``before`` to ``state``, one of its ends, and has its bytes erased; whether it
    did. ``fence``: of the lease under which it is done. Blocks. Raises what ``fence`` raises."""

    def act(connection: Connection) -> bool:
        fence(connection)
        return mark(services, connection, upload_id, state, *before, problem=problem)

    hit("session.end.before")
    ended = services.database.write(act)
    hit("session.end.after")
    return ended


def mark(
    services: Services, connection: Connection, upload_id: str, state: str, *before: str, problem: Problem | None = None
) -> bool:
    """As ``end``, in the caller's transaction."""
    values = {"state": state, "ended_at": services.clock(), "problem": intents.as_json(problem) if problem else None}
    if not connection.execute(update(s).where(*state_is(upload_id, *before)).values({**values, "epoch": s.c.epoch + 1})).rowcount:
        return False
    request(connection, upload_id, services.settings.intent_timeout_seconds)
    return True


def request(connection: Connection, upload_id: str, again_after: int) -> None:
    """Asks for the erasing, in the caller's transaction. ``again_after`` in seconds."""
    erasing.request(connection, upload_id, again_after, KIND)


def erase(services: Services, payload: dict[str, Any]) -> None:
    """The job. Idempotent. Raises StoreUnavailable, and is tried again then."""
    upload_id = payload["upload_id"]
    with services.database.read() as connection:
        session = load(connection, upload_id)
        keys = connection.scalars(select(upload_pieces.c.object_key).where(upload_pieces.c.upload_id == upload_id)).all()
    if session is None or session.state not in {*ENDED, "stored"}:
        return
    for key in keys:
        services.objects.delete(key)
    if session.state in ENDED:
        services.objects.delete(assembly.key(upload_id))
    else:  # who died while he made the object may have left a part of it
        services.objects.tidy(assembly.key(upload_id))
    if payload["last"]:
        hit("session.erase.before")
        services.database.write(lambda connection: _erased(services, connection, upload_id))
        hit("session.erase.after")


def _erased(services: Services, connection: Connection, upload_id: str) -> None:
    for table in (upload_pieces, upload_parts):
        connection.execute(delete(table).where(table.c.upload_id == upload_id))
    connection.execute(update(s).where(s.c.upload_id == upload_id).values(erased_at=services.clock()))


def expire(services: Services) -> int:
    """Ends sessions whose time is over, and says how many that were. Blocks."""
    now = services.clock()
    over = select(s.c.upload_id).where(s.c.state == "open", s.c.expires_at <= now).order_by(s.c.expires_at).limit(BATCH)

    def act(connection: Connection) -> int:
        found = connection.scalars(over).all()
        return sum(mark(services, connection, upload_id, "expired", "open") for upload_id in found)

    count = 0
    while done := services.database.write(act):
        count += done
    return count
