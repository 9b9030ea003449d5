"""What each role may do in the database: every verb on every table, tried on the real servers, against a table written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pymysql
import pytest
from sqlalchemy import make_url

from holdfast.database.grants import Role
from holdfast.database.tables import metadata
from tests.roles.stack import Users
from tests.servers.database import DatabaseServer
from tests.stacks import Databases

READ, WRITE, SWEEP, PURGE, WORKER = "read", "write", "sweep", "purge", "worker"

# By table: who may insert, who may update, who may delete. Everybody may read everything.
MAY: dict[str, tuple[set[str], set[str], set[str]]] = {
    "alembic_version": (set(), set(), set()),
    "assets": ({WRITE, WORKER}, {WRITE, WORKER, SWEEP, PURGE}, set()),
    "audit": ({READ, WRITE, SWEEP, PURGE, WORKER}, set(), {WORKER}),
    "audit_chains": ({WORKER}, {WORKER}, set()),
    "audit_seals": ({WORKER}, set(), {WORKER}),
    "audit_unseen": ({WORKER}, set(), {WORKER}),
    "branches": ({WRITE, WORKER}, {WRITE, WORKER}, set()),
    "commit_entries": ({WRITE, WORKER}, set(), set()),
    "commit_groups": ({WRITE, WORKER}, {WRITE, WORKER}, {WORKER}),
    "commits": ({WRITE, WORKER}, set(), set()),
    "compactions": ({PURGE}, {PURGE}, set()),
    "erasures": ({PURGE}, {PURGE}, set()),
    "files": ({WRITE, WORKER}, {WRITE, WORKER}, {WORKER}),
    "hold_versions": ({WRITE, WORKER}, set(), {WRITE, WORKER}),
    "holds": ({WRITE}, {WRITE, WORKER}, set()),
    "intents": ({WRITE, WORKER}, {WRITE, WORKER}, {WORKER}),
    "invitations": ({WRITE}, {WRITE}, set()),
    "jobs": ({WRITE, WORKER}, {WORKER}, {WORKER}),
    "leases": ({WRITE, SWEEP, PURGE, WORKER}, {WRITE, SWEEP, PURGE, WORKER}, set()),
    "login_failures": ({WRITE}, {WRITE}, {WORKER}),
    "policies": ({SWEEP}, {SWEEP}, {WORKER}),
    "quarantine": ({WRITE, WORKER}, {WRITE, WORKER}, set()),
    "revoked_tokens": ({WRITE}, set(), {WORKER}),
    "run_items": ({SWEEP, WORKER}, set(), set()),
    "run_workspaces": ({SWEEP, WORKER}, {SWEEP, WORKER}, set()),
    "runs": ({SWEEP, WORKER}, {SWEEP, WORKER}, set()),
    "strays": ({WRITE, WORKER}, set(), {WRITE, WORKER}),
    "upload_parts": ({WRITE, WORKER}, set(), {WRITE, WORKER}),
    "upload_pieces": ({WRITE}, {WRITE, WORKER}, {WORKER}),
    "upload_sessions": ({WRITE}, {WRITE, PURGE, WORKER}, {WORKER}),
    "usage_counters": ({WRITE, SWEEP, PURGE, WORKER}, {WRITE, SWEEP, PURGE, WORKER}, set()),
    "users": ({WRITE}, {WRITE}, set()),
    "verifications": ({SWEEP, WORKER}, {SWEEP, WORKER}, set()),
    "versions": ({WRITE, WORKER}, {WRITE, SWEEP, PURGE, WORKER}, set()),
    "workspaces": ({WRITE}, {WRITE, PURGE, WORKER}, set()),
}

_REFUSED = {1142, 1143, 1044, 1227}


def test_the_table_is_of_all_tables() -> None:
    assert set(MAY) == {*metadata.tables, "alembic_version"}


@pytest.mark.parametrize("kind", ["mariadb", "mysql"])
@pytest.mark.parametrize("role", get_args(Role))
def test_a_role_may_do_what_is_written_here_and_nothing_else(
    role: Role, kind: str, request: pytest.FixtureRequest, databases: Databases, users: Callable[[str], Users]
) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    with databases.fresh(kind, server) as url:
        users(kind).settle(url)
        user, database = users(kind).of[role], make_url(url).database
        found: dict[str, tuple[set[str], set[str], set[str]]] = {table: (set(), set(), set()) for table in MAY}
        with pymysql.connect(
            host="127.0.0.1", port=server.address.port or 3306, user=user.name, password=user.password, database=database
        ) as connection:
            for table in MAY:
                column = "version_num" if table == "alembic_version" else next(iter(metadata.tables[table].primary_key)).name
                assert allowed(connection, f"SELECT * FROM `{table}` WHERE 1 = 0")
                tried = (
                    f"INSERT INTO `{table}` SELECT * FROM `{table}` WHERE 1 = 0",
                    f"UPDATE `{table}` SET `{column}` = `{column}` WHERE 1 = 0",
                    f"DELETE FROM `{table}` WHERE 1 = 0",
                )
                for who, statement in zip(found[table], tried, strict=True):
                    if allowed(connection, statement):
                        who.add(role)
                for statement in (f"DROP TABLE `{table}`", f"TRUNCATE `{table}`", f"ALTER TABLE `{table}` COMMENT 'x'"):
                    assert not allowed(connection, statement)
            assert not allowed(connection, "CREATE TABLE more (id INT)")
            assert not allowed(connection, "CREATE USER eve")
    assert found == {table: tuple(who & {role} for who in verbs) for table, verbs in MAY.items()}


def allowed(connection: pymysql.Connection, statement: str) -> bool:
    """Whether the server carries it out. Fails if it refuses it for anything but a right that is missing."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(statement)
        except pymysql.OperationalError as error:
            if error.args[0] in _REFUSED:
                return False
            raise
    return True
