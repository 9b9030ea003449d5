"""The history of a file: in which versions of its asset it is, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.assets import dates, reading
from holdfast.assets.links import Target
from holdfast.clock import isoformat
from holdfast.identity.access import Claims, authorise

if TYPE_CHECKING:
    from holdfast.services import Services


def history(
    services: Services, claims: Claims, asset_path: str, filename: str, *, before: int | None, limit: int, base_url: str
) -> tuple[list[dict[str, Any]], int | None]:
    """One page, and the number to hand in as ``before`` for the next one; None on the last. Who may not download gets no links, and
    nobody gets one to what is unreadable. Blocks. Raises Unauthenticated, Forbidden, NotFound."""
    now = services.clock()
    with services.database.read() as connection:
        actor = authorise(connection, claims, "list")
        rows = reading.versions_of(connection, actor, asset_path, filename, before=before, limit=limit + 1)
    page = rows[:limit]
    found = []
    for row in page:
        url = None
        if actor.may("download") and dates.readable(row, now):
            file = Target(row.file_key, row.filename, row.file_type, row.commit_id)
            url = services.links.make(services.objects, actor.workspace, row, file, base_url, now)
        found.append(
            {
                "key": row.path,
                "version_id": row.commit_id,
                "last_modified": isoformat(row.last_modified),
                "url": url,
                "status": row.status,
            }
        )
    return found, page[-1].number if len(rows) > limit else None
