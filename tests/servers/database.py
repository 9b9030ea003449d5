"""A MySQL-like server as the tests see it: URLs, and a fresh database for whoever asks."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import pymysql
from sqlalchemy import URL, make_url

NAME = "holdfast_test"


class DatabaseServer:
    """MySQL or MariaDB, as a user who may do everything (create databases, users, grants)."""

    def __init__(self, address: URL, stop: Callable[[], None] | None = None) -> None:
        """`address`: SQLAlchemy URL with user and password, no database. Without `stop` the server is not ours and goes on."""
        self.address = address
        self._stop = stop
        self._made: list[str] = []
        self._users: list[str] = []
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of one database: `mysql+pymysql://user:password@host:port/database`."""
        return self.address.set(database=database).render_as_string(hide_password=False)

    def create_database(self) -> str:
        """The URL of a fresh, empty database in utf8mb4 that nobody else uses."""
        name = f"{NAME}_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        self._made.append(name)
        return self.url(name)

    def remember(self, *users: str) -> None:
        """That a test makes these users, written as SQL has them."""
        self._users += users

    def answers(self) -> bool:
        """Whether a login succeeds."""
        try:
            self.execute("SELECT 1")
        except pymysql.MySQLError:
            return False
        return True

    def execute(self, *statements: str) -> None:
        """Run statements outside any database, each in its own transaction."""
        a = self.address
        with (
            pymysql.connect(
                host=a.host or "127.0.0.1", port=a.port or 3306, user=a.username, password=str(a.password or ""), autocommit=True
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

    def stop(self) -> None:
        """End the server with all its data; of one that is not ours, remove the databases and users that we made."""
        if self._stop:
            self._stop()
        else:
            self.execute(*(f"DROP DATABASE IF EXISTS {name}" for name in self._made))
            self.execute(*(f"DROP USER IF EXISTS {user}" for user in self._users))


def address(user: str, password: str, port: int) -> URL:
    """Where a server on this machine's loopback is reached with PyMySQL."""
    return make_url("mysql+pymysql://").set(username=user, password=password, host="127.0.0.1", port=port)
