"""The object that a session is on its way to be: opened in the store when the first part comes, once for all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from holdfast.assets import intents
from holdfast.database.tables import upload_sessions as s
from holdfast.uploads.pieces import TYPE
from holdfast.uploads.sessions import state_is

if TYPE_CHECKING:
    from holdfast.services import Services


def key(upload_id: str) -> str:
    """The object's key: the one that its intent will have reserved."""
    return intents.key(upload_id, 0)


def opened(services: Services, session: Row[Any]) -> str:
    """The store's id of the assembly, which is opened unless it is. Blocks. Raises StoreUnavailable.

    An assembly that was opened and not written down, because its process died or another was first, holds no bytes; the store
    forgets it with the object, at the latest.
    """
    if session.assembly is not None:
        known: str = session.assembly
        return known
    upload_id: str = session.upload_id
    made = services.objects.assemble(key(upload_id), TYPE)

    def act(connection: Connection) -> str | None:
        first = update(s).where(*state_is(upload_id, "open", "completing"), s.c.assembly.is_(None))
        connection.execute(first.values(assembly=made))
        return connection.scalar(select(s.c.assembly).where(s.c.upload_id == upload_id))

    chosen = services.database.write(act)
    if chosen != made:
        services.objects.abandon(key(upload_id), made)
    return chosen or made
