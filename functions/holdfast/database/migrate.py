"""Brings a database to the tables of this release, whoever else is starting at the same time.

**Expand first.** While a release rolls out, functions of the release before it run on the new tables, and after a roll-back they do
so for good. So a migration only adds: tables, indexes, columns that are NULL or have a server default. What is not used any more
is removed by the release after the one that stopped using it. There is no downgrade: rolling back means running older functions,
and a database that is ahead of its functions is left as it is.

**May die half-way.** On MySQL each DDL statement commits by itself, so a migration is run again from its beginning: it looks
before it makes (``checkfirst``, ``if_not_exists``). On SQLite the whole upgrade is one transaction.

A new one: ``alembic revision --rev-id 0002 -m "what it brings"``. Revisions are four digits and count up; the same change goes into
``tables/``, and a test compares the two.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from holdfast.database.connecting import DatabaseUnavailable, mysql_arguments
from holdfast.database.engine import Database, code, translated

FOLDER = Path(__file__).parent / "migrations"

_NO_SUCH_TABLE = 1146
# Locks have one name space per server, and names of 64 characters. MySQL has no MD5() from 9.6 on.
_LOCK = "CONCAT('holdfast-migrate-', LEFT(SHA2(DATABASE(), 256), 32))"
_alembic = threading.Lock()  # Alembic's context is one per process


def head() -> str:
    """The revision of this release, such as ``0001``. Read from the files' names, as importing Alembic takes 100 ms."""
    return max(found.group(1) for path in (FOLDER / "versions").iterdir() if (found := re.fullmatch(r"(\d{4})_\w+\.py", path.name)))


def current(database: Database) -> str | None:
    """The database's revision; None for an empty one. Raises DatabaseUnavailable."""
    try:
        with database.read() as connection:
            revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return revision
    except (ProgrammingError, OperationalError) as error:
        if code(error) == _NO_SUCH_TABLE or "no such table" in str(error.orig):
            return None
        raise


def upgrade(database: Database, *, patience: int = 600) -> bool:
    """Brings the database to ``head()``, and says whether there was anything to do.

    Several processes may call it at once: one does the work, and the others wait for it, ``patience`` seconds at most on MySQL.
    Nothing happens when the database is at ``head()`` or ahead of it. Raises DatabaseUnavailable.
    """
    if (current(database) or "") >= head():
        return False
    with _alembic, _alone(database, patience) as connection:
        if (_revision(connection) or "") >= head():
            return False
        _run(connection)
        return True


def _revision(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _alone(database: Database, patience: int) -> Iterator[Connection]:
    """A connection while nobody else migrates: on SQLite in the one write transaction there can be, on MySQL under a named lock."""
    if database.is_sqlite:
        with translated(), database.engine.begin() as connection:
            yield connection
        return
    # A connection of its own, without a time-out for replies: changing a large table takes as long as it takes.
    arguments = mysql_arguments(database.url.host, dict(database.url.query)) | {"read_timeout": None, "write_timeout": None}
    engine = create_engine(database.url.set(query={}), poolclass=NullPool, connect_args=arguments)
    with translated(), engine.connect() as connection:
        deadline = time.monotonic() + patience
        while not connection.scalar(text(f"SELECT GET_LOCK({_LOCK}, 1)")):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable
        yield connection
        connection.commit()  # closing it gives the lock back
