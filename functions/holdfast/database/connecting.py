"""What both ways to the database (``engine`` and ``direct``) agree on: how a connection is made, and which faults mean that the
database is away. Imports neither SQLAlchemy nor a driver, so that a function which needs only ``direct`` starts without them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from typing import Any

from holdfast.errors import Unavailable

BUSY_SECONDS = 30
"""How long SQLite waits for another writer, and MySQL for a row lock."""

IDLE_SECONDS = 10
"""A connection to a server that was not used for so long is asked whether it lives before it is used again: a server that was away
meanwhile has ended it."""

_SQLITE_PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON")
_BUSY_PAUSE = 0.05

LOST = frozenset({2002, 2003, 2006, 2013, 2014, 2055, 1053, 1040, 1152, 1159, 1161, 4031, 1927})
"""MySQL's and MariaDB's error numbers for a connection that cannot be had or was lost."""

DEADLOCK = frozenset({1213, 1205, 1020})
"""Theirs for a transaction that may be run again: deadlock's victim, lock wait time-out, MariaDB's "record has changed since last
read"."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer. What was under way is done whole or not at all."""

    slug = "database-unavailable"

    def __init__(self) -> None:
        super().__init__("The database does not answer at the moment.", retry_after=5)


def sqlite_trouble(error: BaseException | None) -> bool:
    """Whether SQLite says that its file cannot be used just now: locked for too long, full, read-only, or unreadable."""
    message = str(error)
    return any(said in message for said in ("database is locked", "unable to open", "disk I/O", "is full", "readonly"))


def prepare_sqlite(connection: Any) -> None:
    """What each connection of ``sqlite3`` has to be told first. Raises sqlite3.OperationalError, if the file stays locked after
    BUSY_SECONDS.

    A new file becomes one with a WAL under an exclusive lock, and where several processes are at that at once SQLite calls no busy
    handler, lest they wait for each other: it says "database is locked" straight away (sqlite.org/c3ref/busy_handler.html).
    """
    deadline = time.monotonic() + BUSY_SECONDS
    for pragma in _SQLITE_PRAGMAS:
        while True:
            try:
                connection.execute(pragma)
                break
            except Exception as error:  # sqlite3 is not imported for its name alone
                if "database is locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY_PAUSE)


def mysql_arguments(host: str | None, query: Mapping[str, Any]) -> dict[str, Any]:
    """PyMySQL's arguments besides address and credentials. ``query`` is the URL's: ``ssl_ca`` names the certificate authority that
    the server's certificate is checked against. Without it a connection to another host is encrypted but not verified, as MySQL's
    own certificate is self-signed; on loopback there is no TLS."""
    return {
        "charset": "utf8mb4",
        "connect_timeout": 5,
        "read_timeout": 60,
        "write_timeout": 60,
        "init_command": f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {BUSY_SECONDS}",
        **_tls(host, query.get("ssl_ca")),
    }


_contexts: dict[str | None, ssl.SSLContext] = {}


def _tls(host: str | None, authority: str | None) -> dict[str, Any]:
    if authority is None and host in {None, "localhost", "127.0.0.1", "::1"}:
        return {"ssl_disabled": True}
    if authority not in _contexts:  # one for all connections: PyMySQL would build one for each, which takes 20 ms
        context = ssl.create_default_context(cafile=authority)
        if authority is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _contexts[authority] = context
    return {"ssl": _contexts[authority]}
