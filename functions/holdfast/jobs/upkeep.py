"""Jobs that are done are kept for a week, so that somebody can look; dead ones until somebody has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_

from holdfast.database.pruning import prune
from holdfast.database.tables import jobs
from holdfast.database.types import db_later

if TYPE_CHECKING:
    from holdfast.services import Services

KEPT = 7 * 24 * 60 * 60
"""Seconds."""


def clean(services: Services) -> int:
    """Removes jobs that were done that long ago. How many that were."""
    return prune(services.database, jobs.c.id, and_(jobs.c.state == "done", jobs.c.finished_at < db_later(-KEPT)))
