"""One way to the database for everything but the hottest reads (``holdfast.database.direct``): SQLAlchemy Core, two verbs.

``read``  a connection in autocommit: each statement sees what is committed.
``write`` a function run in one transaction, run again when the database gave it up as a deadlock's victim. What it announces
        (``announce``) is told to those of this process who listen, once it is committed.

SQLite is opened with WAL, foreign keys, a busy timeout and ``synchronous=FULL``, so that what is acknowledged survives power loss;
write transactions begin IMMEDIATE, because one that first reads and then writes could otherwise not wait for the lock. MySQL and
MariaDB run READ COMMITTED: every transition is a compare-and-set, so gap locks would only cost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from holdfast.database import connecting
from holdfast.database.connecting import (
    BUSY_SECONDS,
    DEADLOCK,
    LOST,
    DatabaseUnavailable,
    mysql_arguments,
    prepare_sqlite,
    sqlite_trouble,
)

T = TypeVar("T")

_ATTEMPTS = 8
_ANNOUNCED, _USED = "holdfast_announced", "holdfast_used"


class Database:
    """A pool of connections. Safe for many threads; make a new one after a fork."""

    def __init__(self, url: str, *, pool_size: int = 16) -> None:
        """``url`` is SQLAlchemy's: ``sqlite:////path/holdfast.db`` or ``mysql+pymysql://user:password@host:port/name``."""
        self.url: URL = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine: Engine = _sqlite(self.url) if self.is_sqlite else _mysql(self.url, pool_size, "READ COMMITTED")
        self._reader = _reader(self.engine, self.url, pool_size)
        self._listeners: list[tuple[str, Callable[[], None]]] = []

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading. Raises DatabaseUnavailable."""
        with translated(), self._reader.connect() as connection:
            yield connection

    def write(self, act: Callable[[Connection], T]) -> T:
        """Runs ``act`` in one transaction and returns what it returns. ``act`` may run several times, so it touches nothing but the
        database. Raises DatabaseUnavailable, and whatever ``act`` raises (then nothing of it is kept)."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._committed(act)
            except OperationalError as error:
                if code(error) not in DEADLOCK:
                    raise
                if attempt == _ATTEMPTS:
                    raise DatabaseUnavailable from error
                time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311  spreads the rivals, guards nothing
        raise AssertionError("unreachable")

    @property
    def pool(self) -> Pool:
        """The connections of ``read``."""
        return self._reader.pool

    def _committed(self, act: Callable[[Connection], T]) -> T:
        announced: set[str] = set()
        with translated(), self.engine.begin() as connection:
            connection.info[_ANNOUNCED] = announced
            result = act(connection)
        for topic, told in self._listeners:
            if topic in announced:
                told()
        return result

    def listen(self, topic: str, told: Callable[[], None]) -> None:
        """From now on ``told`` is called in the thread of each ``write`` that announced ``topic``: it neither blocks nor raises."""
        self._listeners.append((topic, told))

    def check(self) -> None:
        """Raises DatabaseUnavailable unless the database answers and can be written to (readiness)."""
        with self.read() as connection:
            if not self.is_sqlite and connection.scalar(text("SELECT @@read_only")):
                raise DatabaseUnavailable
            connection.scalar(text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()
        self._reader.dispose()


def announce(connection: Connection, topic: str) -> None:
    """Within ``write``: says that there is something new, should it be committed. Other processes hear nothing of it."""
    connection.info.get(_ANNOUNCED, set()).add(topic)


def code(error: DBAPIError) -> int | None:
    """MySQL's error number; None for SQLite's errors, which have none."""
    args = getattr(error.orig, "args", ())
    return args[0] if args and isinstance(args[0], int) else None


@contextmanager
def translated() -> Iterator[None]:
    """Within it, what means that the database is away is raised as DatabaseUnavailable."""
    try:
        yield
    except InterfaceError as error:
        raise DatabaseUnavailable from error
    except OperationalError as error:
        if error.connection_invalidated or code(error) in LOST or sqlite_trouble(error.orig):
            raise DatabaseUnavailable from error
        raise


def _sqlite(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, pool_size=16, max_overflow=48, pool_timeout=10
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself: `_begin` does
        prepare_sqlite(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _reader(engine: Engine, url: URL, pool_size: int) -> Engine:
    """For reads in autocommit. On MySQL over connections of its own: switching one to autocommit and back is five round trips."""
    if url.get_backend_name() == "sqlite":
        return engine.execution_options(isolation_level="AUTOCOMMIT")
    return _mysql(url, pool_size, "AUTOCOMMIT")


def _mysql(url: URL, pool_size: int, isolation_level: IsolationLevel) -> Engine:
    engine = create_engine(
        url.set(query={}),
        isolation_level=isolation_level,
        skip_autocommit_rollback=True,
        pool_size=pool_size,
        max_overflow=pool_size * 3,
        pool_timeout=10,
        pool_recycle=1800,
        pool_use_lifo=True,
        pool_reset_on_return=None,  # no transaction is left open here: Connection ends its own
        connect_args=mysql_arguments(url.host, dict(url.query)),
    )

    @event.listens_for(engine, "checkin")
    def _left(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _wake(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get(_USED, time.monotonic()) > connecting.IDLE_SECONDS:
            try:
                connection.ping(reconnect=False)
            except Exception as error:  # whatever it says; the pool then makes a new one
                raise DisconnectionError from error

    return engine
