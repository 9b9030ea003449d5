"""The durable queue: rows of ``jobs``, written in the transaction of the act that they follow."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert

from holdfast.database.tables import jobs
from holdfast.database.types import db_later, db_now


def enqueue(
    connection: Connection,
    kind: str,
    payload: dict[str, Any],
    *,
    workspace_id: int | None = None,
    user_id: int | None = None,
    priority: int = 5,
    delay: int = 0,
) -> None:
    """Adds a job, in the caller's transaction. ``priority`` 0 to 10, higher first; ``delay`` in seconds."""
    connection.execute(
        insert(jobs).values(
            kind=kind,
            workspace_id=workspace_id,
            user_id=user_id,
            payload=payload,
            state="pending",
            priority=priority,
            run_after=db_later(delay),
            created_at=db_now(),
        )
    )
