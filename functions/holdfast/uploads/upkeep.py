"""What resumable uploads keep for a while only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, true, update

from holdfast.assets.upkeep import KEPT
from holdfast.database.pruning import BATCH, prune
from holdfast.database.tables import intents as i
from holdfast.database.tables import upload_sessions as s
from holdfast.database.tables import versions as v
from holdfast.database.tables.uploads import FORGOTTEN
from holdfast.database.types import db_later
from holdfast.uploads import ending

if TYPE_CHECKING:
    from holdfast.services import Services


def clean(services: Services) -> int:
    """Ends sessions whose time is over; removes those of which nothing is left and nobody has to know any more. How many rows."""
    ending.expire(services)
    forget(services)
    over = (s.c.erased_at < db_later(-KEPT)) & (s.c.kept.is_(False))
    return prune(services.database, s.c.id, over)


def forget(services: Services) -> int:
    """Sessions that found their version there, and whose version is erased since, forget what their client said, as the one that
    brought it does in the purge. How many. To find them takes the intents that are older than others are kept, and no more."""
    found = (
        select(s.c.id)
        .join(i, i.c.upload_id == s.c.upload_id)
        .join(v, v.c.id == i.c.version)
        .where(i.c.state == "published", i.c.heartbeat_at < db_later(-KEPT), i.c.unchanged == true())
        .where(v.c.phase == "erased", s.c.kept == true())
        .limit(BATCH)
    )

    def act(connection: Connection) -> int:
        ids = connection.scalars(found).all()
        connection.execute(update(s).where(s.c.id.in_(ids)).values(FORGOTTEN))
        return len(ids)

    count = 0
    while done := services.database.write(act):
        count += done
    return count
