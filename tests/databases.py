"""A fresh database for a test, on each kind of server that Holdfast runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Table, delete

from holdfast.database.engine import Database
from holdfast.database.migrate import upgrade
from tests.servers.database import DatabaseServer

KINDS = ["sqlite", "mariadb"]
"""What every behaviour is tested on."""
ALL_KINDS = [*KINDS, "mysql"]
"""What the database's own tests run on besides."""


def fresh_url(request: pytest.FixtureRequest, kind: str) -> str:
    """The URL of an empty database."""
    if kind == "sqlite":
        folders: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        return f"sqlite:///{folders.mktemp('database')}/registry.db"
    server: DatabaseServer = request.getfixturevalue(kind)
    return server.create_database()


@contextmanager
def with_tables(url: str) -> Iterator[Database]:
    """The database with all tables, for as long as the test lasts."""
    database = Database(url)
    try:
        upgrade(database)
        yield database
    finally:
        database.close()


def emptied(database: Database, *tables: Table) -> Database:
    """The database without the rows that the test before left: making tables takes longer than most tests."""

    def act(connection: Connection) -> None:
        for table in tables:
            connection.execute(delete(table))

    database.write(act)
    return database
