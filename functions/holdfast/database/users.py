"""The users of MySQL or MariaDB that an installation's processes log in as, one a role, made and kept as the roles' rights say
(``holdfast.database.grants``). It needs a user who may make users, and who has with grant option what he is to grant: the role
``migrate`` there.

Everything is looked at before it is changed, so that it can be run at every installation and upgrade, and beside running processes:
nobody loses a right for a moment. Passwords go to the server in the statements that set them, and nowhere else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from holdfast.database.connecting import LOST, DatabaseUnavailable, mysql_arguments
from holdfast.database.grants import Rights, Role, rights
from holdfast.database.url import DatabaseURL
from holdfast.errors import Forbidden

_NOBODY = frozenset({1045, 1698})
"""MySQL's and MariaDB's error numbers for a login with a wrong password, or as nobody."""
_DENIED = frozenset({*_NOBODY, 1044, 1142, 1143, 1227, 1370, 1410})
"""Theirs for what a user may not do."""


@dataclass(frozen=True, slots=True)
class User:
    """``host``: from where he may log in, as MySQL writes it, such as ``%``."""

    name: str
    host: str
    password: str

    def __repr__(self) -> str:
        return f"'{self.name}'@'{self.host}'"


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done about one user: whether he was made or got another password, and how many rights on tables were granted and
    revoked."""

    role: Role
    user: str
    made: bool
    password: bool
    granted: int
    revoked: int


def settle(owner: DatabaseURL, users: Mapping[Role, User]) -> Iterator[Settled]:
    """Makes the users what their roles say, on the database that ``owner`` names and as its user, and yields each when he is.

    The tables have to be there. Raises DatabaseUnavailable; Forbidden, when the owner may not do it, or somebody else gave a user
    rights on all databases; and PyMySQL's errors for whatever else the server refuses, such as a table that is not there."""
    import pymysql

    database = owner.database or ""
    try:
        with closing(_connect(owner, owner.user or "", owner.password or "", database)) as connection:
            for role, user in users.items():
                made, password = _log_in(connection, owner, user)
                granted, revoked = _grant(connection, database, user, rights(role), _held(owner, user, database))
                yield Settled(role, user.name, made, password, granted, revoked)
    except pymysql.OperationalError as error:
        if error.args[0] in LOST:
            raise DatabaseUnavailable from error
        if error.args[0] in _DENIED:
            said = f"The database's owner may not do it: {error.args[1]}. `holdfast admin grants migrate` prints what he needs."
            raise Forbidden(said, slug="database-refuses") from error
        raise


def _log_in(connection: Any, owner: DatabaseURL, user: User) -> tuple[bool, bool]:
    """Sees to it that he is there and that this is his password: whether he was made, and whether he has another one now."""
    if _can_log_in(owner, user):
        return False, False
    made = _run(connection, "CREATE USER IF NOT EXISTS %s@%s IDENTIFIED BY %s", user.name, user.host, user.password) == 0
    if not made:
        _run(connection, "ALTER USER %s@%s IDENTIFIED BY %s", user.name, user.host, user.password)
    return made, not made


def _can_log_in(owner: DatabaseURL, user: User) -> bool:
    import pymysql

    try:
        _connect(owner, user.name, user.password, None).close()
    except pymysql.OperationalError as error:
        if error.args[0] in _NOBODY:
            return False
        raise
    return True


def _held(owner: DatabaseURL, user: User, database: str) -> Rights:
    """What he has, as he sees it himself: to see what another has, one would need rights on the server's own tables. A right on the
    whole database is one on the table ``*``. Raises Forbidden for one on all databases, which is none that was granted here."""
    held: dict[str, set[str]] = defaultdict(set)
    with closing(_connect(owner, user.name, user.password, None)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT privilege_type FROM information_schema.user_privileges WHERE privilege_type <> 'USAGE'")
        if everywhere := [str(row[0]) for row in cursor.fetchall()]:
            said = f"{user} has rights on all databases, which somebody else gave him: {', '.join(everywhere)}. Revoke them."
            raise Forbidden(said, slug="database-refuses")
        cursor.execute("SELECT privilege_type FROM information_schema.schema_privileges WHERE table_schema = %s", (database,))
        held["*"].update(str(right) for (right,) in cursor.fetchall())
        cursor.execute(
            "SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE table_schema = %s", (database,)
        )
        for table, right in cursor.fetchall():
            held[str(table)].add(str(right))
    return {table: frozenset(some) for table, some in held.items() if some}


def _grant(connection: Any, database: str, user: User, wanted: Rights, held: Rights) -> tuple[int, int]:
    """First what is missing, and then what is too much: how many rights each were."""
    missing, surplus = beyond(wanted, held), beyond(held, wanted)
    for table, some in missing.items():
        _run(connection, f"GRANT {', '.join(some)} ON {_quoted(database)}.{_quoted(table)} TO %s@%s", user.name, user.host)
    for table, some in surplus.items():
        _run(connection, f"REVOKE {', '.join(some)} ON {_quoted(database)}.{_quoted(table)} FROM %s@%s", user.name, user.host)
    return sum(map(len, missing.values())), sum(map(len, surplus.values()))


def beyond(some: Rights, others: Rights) -> dict[str, list[str]]:
    """The rights of ``some`` that ``others`` are without, sorted. Pure."""
    found = {table: sorted(some[table] - others.get(table, frozenset())) for table in sorted(some)}
    return {table: more for table, more in found.items() if more}


def _quoted(name: str) -> str:
    return "*" if name == "*" else f"`{name.replace('`', '``')}`"


def _run(connection: Any, statement: str, *arguments: str) -> int:
    """Runs it, and says of how much the server warned."""
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return int(cursor.warning_count)


def _connect(owner: DatabaseURL, user: str, password: str, database: str | None) -> Any:
    import pymysql

    return pymysql.connect(
        host=owner.host or "localhost",
        port=owner.port or 3306,
        user=user,
        password=password,
        database=database,
        autocommit=True,
        **mysql_arguments(owner.host, owner.query),
    )
