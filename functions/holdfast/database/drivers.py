"""The two drivers behind ``holdfast.database.direct``, each imported when the first connection is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from holdfast.database import light, portable
from holdfast.database.connecting import (
    BUSY_SECONDS,
    DEADLOCK,
    LOST,
    DatabaseUnavailable,
    mysql_arguments,
    prepare_sqlite,
    sqlite_trouble,
)
from holdfast.database.url import DatabaseURL


class Lost(Exception):
    """The connection is dead, or could not be had. Whether the statement was carried out is not known."""


class Deadlock(Exception):
    """The transaction may be run again, once it is rolled back."""


class Driver(Protocol):
    """How a database is spoken to. Raises Lost and Deadlock; what else the driver raises says that the statement is wrong."""

    read_only: str
    """A statement that says whether nothing can be written."""

    def connect(self) -> Any:
        """A DBAPI connection in autocommit."""

    def run(self, connection: Any, statement: str, parameters: Mapping[str, Any]) -> Any:
        """The cursor with the statement's result."""

    def begin(self, connection: Any) -> None:
        """Begins a transaction that may write."""

    def commit(self, connection: Any) -> None:
        """Ends it."""


class MySQL:
    """MySQL and MariaDB through PyMySQL: READ COMMITTED, and counting the rows found rather than changed, as SQLAlchemy does."""

    read_only = "SELECT @@read_only"

    def __init__(self, url: DatabaseURL) -> None:
        self._url = url

    def connect(self) -> Any:
        try:
            return self._connect()
        except RuntimeError:  # what PyMySQL raises when it lacks a library
            if not light.complete_pymysql():
                raise
            return self._connect()

    def _connect(self) -> Any:
        import pymysql
        from pymysql.constants import CLIENT, FIELD_TYPE
        from pymysql.converters import conversions

        url = self._url
        try:
            connection = pymysql.connect(
                host=url.host or "localhost",
                port=url.port or 3306,
                user=url.user,
                password=url.password or "",
                database=url.database,
                autocommit=True,
                client_flag=CLIENT.FOUND_ROWS,
                conv={**conversions, FIELD_TYPE.DATETIME: portable.moment, FIELD_TYPE.TIMESTAMP: portable.moment},
                **mysql_arguments(url.host, url.query),
            )
            connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        except pymysql.err.Error as error:
            raise _mysql_fault(error) from error
        return connection

    def run(self, connection: Any, statement: str, parameters: Mapping[str, Any]) -> Any:
        cursor = connection.cursor()
        values = {name: portable.utc(value) if isinstance(value, datetime) else value for name, value in parameters.items()}
        try:
            cursor.execute(portable.mysql(statement), values)
        except Exception as error:
            raise _mysql_fault(error) from error
        return cursor

    def begin(self, connection: Any) -> None:
        try:
            connection.begin()
        except Exception as error:
            raise _mysql_fault(error) from error

    def commit(self, connection: Any) -> None:
        try:
            connection.commit()
        except Exception as error:
            raise _mysql_fault(error) from error


def _mysql_fault(error: Exception) -> Exception:
    from pymysql.err import InterfaceError, MySQLError

    number = error.args[0] if isinstance(error, MySQLError) and error.args else None
    if number in LOST or isinstance(error, InterfaceError):
        return Lost(str(error))
    return Deadlock(str(error)) if number in DEADLOCK else error


class SQLite:
    """A file, through the standard library. A fault of the file is not the connection's: another one would meet it too."""

    read_only = "SELECT 0"

    def __init__(self, url: DatabaseURL) -> None:
        """Raises ValueError for a database in memory: each connection would have one of its own."""
        if not url.database or url.database == ":memory:":
            raise ValueError("SQLite needs a file here")
        self._file = url.database

    def connect(self) -> Any:
        import sqlite3

        sqlite3.register_converter("DATETIME", portable.moment)  # heard only by connections that detect types: ours
        Path(self._file).parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = sqlite3.connect(
                self._file,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                detect_types=sqlite3.PARSE_DECLTYPES,
            )
            prepare_sqlite(connection)
        except sqlite3.Error as error:
            raise _sqlite_fault(error) from error
        return connection

    def run(self, connection: Any, statement: str, parameters: Mapping[str, Any]) -> Any:
        values = {
            name: portable.utc(value).isoformat(" ", "microseconds") if isinstance(value, datetime) else value
            for name, value in parameters.items()
        }
        try:
            return connection.execute(portable.sqlite(statement), values)
        except Exception as error:
            raise _sqlite_fault(error) from error

    def begin(self, connection: Any) -> None:
        self.run(connection, "BEGIN IMMEDIATE", {})

    def commit(self, connection: Any) -> None:
        self.run(connection, "COMMIT", {})


def _sqlite_fault(error: Exception) -> Exception:
    return DatabaseUnavailable() if sqlite_trouble(error) else error
