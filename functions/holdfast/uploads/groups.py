"""001's appointments: groups of files. A group is there as soon as a file names it at completion, and as long as lists show one. So
is one of 001's users, whose files are those that name him."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from holdfast.clock import isoformat
from holdfast.database.tables import upload_sessions as s
from holdfast.errors import Problem, Unavailable
from holdfast.identity.access import Claims, authorise
from holdfast.uploads import records

if TYPE_CHECKING:
    from holdfast.services import Services

BATCH = 50
"""Files that one request deletes."""
EXAMPLE = {"appointment_id": "4711", "files": 3, "size": 6000000, "latest": "2026-11-21T14:03:00.000000+00:00"}
REMOVAL_EXAMPLE: dict[str, Any] = {
    "deleted": 2,
    "left": [
        {
            "id": "0f8fad5bd9cb469fa16570867728950e",
            "problem": "held",
            "status": 423,
            "detail": "A legal hold covers the version: 75e3ebf319076568710b534910c9e06c",
            "holds": ["75e3ebf319076568710b534910c9e06c"],
        }
    ],
}


@dataclass(slots=True)
class Removal:
    """What a request did to a group, or to a user's files: how many files are ``deleted``, and which are ``left``, each with its
    problem and the status and members that it would have been answered with by itself. ``following``: where to go on; None when all
    of it was seen."""

    deleted: int = 0
    left: list[dict[str, Any]] = field(default_factory=list)
    following: int | None = None


def listed(
    services: Services, claims: Claims, *, owner: str | None, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Groups of the workspace, or of what ``owner`` (001's user_id) has in it, the latest first, with how many files and bytes are
    in each; and where the next page begins. Blocks. Raises Unauthenticated, Forbidden."""
    newest = func.max(s.c.id)
    query = select(
        s.c.appointment_id, func.count().label("files"), func.sum(s.c.length).label("size"), newest.label("newest"),
        func.max(s.c.created_at).label("latest"),
    ).group_by(s.c.appointment_id)  # fmt: skip
    with services.database.read() as connection:
        actor = authorise(connection, claims, "list")
        query = query.where(*records.shown(actor, owner=owner), s.c.appointment_id.is_not(None))
        if before is not None:
            query = query.having(newest < before)
        rows = connection.execute(query.order_by(newest.desc()).limit(limit + 1)).all()
    items = [
        {"appointment_id": one.appointment_id, "files": one.files, "size": int(one.size or 0), "latest": isoformat(one.latest)}
        for one in rows[:limit]
    ]
    return items, rows[limit - 1].newest if len(rows) > limit else None


def remove(
    services: Services,
    claims: Claims,
    given: str | None,
    after: int | None = None,
    *,
    appointment_id: str | None = None,
    owner: str | None = None,
) -> Removal:
    """Deletes files of a group, or of what ``owner`` (001's user_id) has in the workspace, as ``records.remove`` does, some at a
    time, those that came ``after`` first. What cannot be deleted (it needs another credential than the one that is ``given``, or a
    legal hold covers it) stays, and is told. Blocks. Raises Unauthenticated, Forbidden, Unavailable."""
    with services.database.read() as connection:
        actor = authorise(connection, claims, "destroy")
        wanted = records.shown(actor, appointment_id=appointment_id, owner=owner)
        query = select(s.c.id, s.c.upload_id).where(*wanted, s.c.id > (after or 0))
        rows = connection.execute(query.order_by(s.c.id).limit(BATCH + 1)).all()
    done = Removal(following=rows[BATCH - 1].id if len(rows) > BATCH else None)
    for row in rows[:BATCH]:
        try:
            records.remove(services, claims, row.upload_id, given)
            done.deleted += 1
        except Unavailable:
            raise
        except Problem as problem:
            told = {"problem": problem.slug, "status": problem.status, "detail": problem.detail}
            done.left.append({**problem.extra, "id": row.upload_id, **told})
    return done
