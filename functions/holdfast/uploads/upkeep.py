"""What resumable uploads keep for a while only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.assets.upkeep import KEPT
from holdfast.database.pruning import prune
from holdfast.database.tables import upload_sessions as s
from holdfast.database.types import db_later
from holdfast.uploads import ending

if TYPE_CHECKING:
    from holdfast.services import Services


def clean(services: Services) -> int:
    """Ends sessions whose time is over; removes those of which nothing is left and nobody has to know any more. How many rows."""
    ending.expire(services)
    over = (s.c.erased_at < db_later(-KEPT)) & (s.c.kept.is_(False))
    return prune(services.database, s.c.id, over)
