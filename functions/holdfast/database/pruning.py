"""Removing rows that mean nothing any more, in transactions too short for anybody to wait for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, delete, select

from holdfast.database.engine import Database

BATCH = 1000


def prune(database: Database, key: Column[Any], old: ColumnElement[bool]) -> int:
    """Deletes the rows of ``key``'s table that are ``old``, a batch at a time; ``key`` is its primary key. How many that were."""

    def act(connection: Connection) -> int:
        found = connection.scalars(select(key).where(old).limit(BATCH)).all()
        if found:
            connection.execute(delete(key.table).where(key.in_(found)))
        return len(found)

    count = 0
    while pruned := database.write(act):
        count += pruned
    return count
