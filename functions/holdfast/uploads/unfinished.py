"""Uploads that are under way: how far they are, and those that still take bytes, as whoever opened them sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select, true

from holdfast.clock import isoformat
from holdfast.database.tables import upload_parts, upload_pieces
from holdfast.database.tables import upload_sessions as s
from holdfast.identity.access import Claims, authorise
from holdfast.uploads import sessions

if TYPE_CHECKING:
    from holdfast.services import Services

EXAMPLE: Mapping[str, Any] = {
    "id": "0f8fad5bd9cb469fa16570867728950e",
    "filename": "film.mp4",
    "status": "PENDING",
    "received": 786432,
    "length": 2000000,
    "expires_at": "2026-11-22T14:03:00.000000+00:00",
}
"""One, as ``listed`` has it."""

STEPS: Mapping[str, str] = {"open": "receiving", "completing": "storing", "stored": "publishing"}
"""What is done with a session, by its state, until it is a version."""


def listed(services: Services, claims: Claims, *, before: int | None, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """The uploads of who asks that still take bytes, the newest first, and where the next page begins. ``received`` and ``length``
    in bytes: None where nobody knows it yet. Blocks. Raises Unauthenticated, Forbidden."""
    with services.database.read() as connection:
        actor = authorise(connection, claims, "list")
        mine = (s.c.workspace_id == actor.workspace_id, s.c.user_id == actor.user_id, s.c.state == "open")
        query = select(s).where(*mine, s.c.expires_at > services.clock())
        if before is not None:
            query = query.where(s.c.id < before)
        rows = connection.execute(query.order_by(s.c.id.desc()).limit(limit + 1)).all()
        came = received(connection, rows[:limit])
    items = [
        {
            "id": row.upload_id,
            "filename": row.filename or None,
            "status": "PENDING",
            "received": came[row.upload_id],
            "length": row.length,
            "expires_at": isoformat(row.expires_at),
        }
        for row in rows[:limit]
    ]
    return items, rows[limit - 1].id if len(rows) > limit else None


def received(connection: Connection, some: Sequence[Row[Any]]) -> dict[str, int | None]:
    """How many bytes of each session are safe, by upload id; None for parts that go straight to the store, which alone knows until
    the upload is complete. At most two statements, however many sessions they are."""
    chunked = [row.upload_id for row in some if row.state == "open" and row.kind == sessions.CHUNKS]
    came: Counter[str] = Counter()
    p = upload_pieces.c
    for table, counts in ((upload_parts, true()), (upload_pieces, p.state.in_(("kept", "joining")))):
        c = table.c
        query = select(c.upload_id, func.sum(c.size)).where(c.upload_id.in_(chunked), counts).group_by(c.upload_id)
        for upload_id, size in connection.execute(query) if chunked else ():
            came[upload_id] += int(size)
    return {row.upload_id: _received(row, came[row.upload_id]) for row in some}


def _received(session: Row[Any], in_chunks: int) -> int | None:
    if session.state != "open":
        length: int | None = session.length
        return length
    if session.kind == sessions.DIRECT:
        return None
    return in_chunks if session.kind == sessions.CHUNKS else int(session.offset)
