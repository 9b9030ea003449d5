"""Erasing what an upload wrote that brings nothing: the job ``erase-upload``.

Runs twice. At once, so that a refused upload costs no room; and again when no request that could still be writing is alive, because
a write that was under way may end after the first run. Both name every key that the intent reserved, so nothing needs to be listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select, update

from holdfast.database.tables import files, intents
from holdfast.failpoints import hit
from holdfast.jobs import queue

if TYPE_CHECKING:
    from holdfast.services import Services

KIND = "erase-upload"


def request(connection: Connection, upload_id: str, again_after: int, kind: str = KIND) -> None:
    """Asks for it, in the caller's transaction. ``again_after`` in seconds. ``kind``: another job that erases twice."""
    queue.enqueue(connection, kind, {"upload_id": upload_id, "last": False})
    queue.enqueue(connection, kind, {"upload_id": upload_id, "last": True}, delay=again_after)


def run(services: Services, payload: dict[str, Any]) -> None:
    """The job. Idempotent. Raises StoreUnavailable, and is tried again then."""
    upload_id = payload["upload_id"]
    with services.database.read() as connection:
        intent = connection.execute(select(intents).where(intents.c.upload_id == upload_id)).first()
    if intent is None or not (intent.state == "failed" or (intent.state == "published" and intent.unchanged)):
        return
    for position in range(intent.reserved):
        services.objects.delete(f"data/{upload_id}/{position}")
    if payload["last"]:
        hit("erase.mark.before")
        services.database.write(lambda connection: _mark(connection, upload_id))
        hit("erase.mark.after")


def _mark(connection: Connection, upload_id: str) -> None:
    connection.execute(delete(files).where(files.c.upload_id == upload_id, files.c.version.is_(None)))
    connection.execute(update(intents).where(intents.c.upload_id == upload_id, intents.c.state == "failed").values(state="erased"))
