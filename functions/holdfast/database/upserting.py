"""Inserting rows, or changing those that are there: one statement on each kind of database, which deletes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table


def upsert(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], changes: Callable[[Any], Mapping[str, Any]]
) -> None:
    """Inserts ``rows``. Of one whose primary key is there, the row becomes what ``changes`` says, which is given the columns of the
    row that was to be inserted."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite  # 0.8 MiB, for which the containers on MySQL have no use

        new = sqlite.insert(table).values(rows)
        connection.execute(new.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes(new.excluded)))
    else:
        from sqlalchemy.dialects import mysql

        added = mysql.insert(table).values(rows)
        connection.execute(added.on_duplicate_key_update(changes(added.inserted)))
