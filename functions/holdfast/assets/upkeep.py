"""What the write path keeps for a while only: removed by the background reconciliation once it means nothing any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, or_

from holdfast.database.pruning import prune
from holdfast.database.tables import commit_groups, intents, upload_sessions
from holdfast.database.types import db_later

if TYPE_CHECKING:
    from holdfast.services import Services

KEPT = 30 * 24 * 60 * 60
"""Seconds for which an Idempotency-Key stands for its upload, and a settled intent can be asked for."""


def clean(services: Services) -> int:
    """Removes intents that ended, and groups that are settled, that long ago. How many rows that were.

    An upload session that is there longer is asked what came of it: its version says so, unless there is none, or the upload found
    one that was there already. Then its intent stays as long as the session."""
    long_ago = db_later(-KEPT)
    tells = and_(intents.c.state == "published", intents.c.unchanged.is_(False))
    asked = exists().where(upload_sessions.c.upload_id == intents.c.upload_id)
    ended = and_(intents.c.state.in_(["published", "erased"]), intents.c.heartbeat_at < long_ago, or_(tells, ~asked))
    settled = and_(commit_groups.c.state == "settled", commit_groups.c.created_at < long_ago)
    pruned = prune(services.database, intents.c.id, ended)
    return pruned + prune(services.database, commit_groups.c.operation, settled)
