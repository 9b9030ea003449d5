"""A fresh database for a test, on each kind of server that Holdfast runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Connection, Table, delete, make_url

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


def fresh_file(folder: Path) -> str:
    """The URL of a SQLite file in ``folder`` with empty tables."""
    path = folder / "holdfast.db"
    path.write_bytes(_file_with_tables())
    return f"sqlite:///{path}"


@contextmanager
def with_tables(url: str) -> Iterator[Database]:
    """The database with all tables, for as long as the test lasts."""
    if url.startswith("sqlite:") and (path := make_url(url).database) and not Path(path).exists():
        Path(path).write_bytes(_file_with_tables())
    database = Database(url)
    try:
        upgrade(database)
        yield database
    finally:
        database.close()


@cache
def _file_with_tables() -> bytes:
    """A SQLite file as migrations from empty leave it, which are run once a process: they take longer than most tests."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/registry.db")
        try:
            upgrade(database)
        finally:
            database.close()
        return Path(folder, "registry.db").read_bytes()


def emptied(database: Database, *tables: Table) -> Database:
    """The database without the rows that the test before left: making tables takes longer than most tests."""

    def act(connection: Connection) -> None:
        for table in tables:
            connection.execute(delete(table))

    database.write(act)
    return database
