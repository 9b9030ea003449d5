"""`holdfast admin database-users`, on the real servers."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import make_url

from tests.cli.program import Program
from tests.servers.database import DatabaseServer

ROLES = ("read", "write", "sweep", "purge", "worker")
OWNER_PASSWORD = "the owner's own password"
_numbers = itertools.count(1)


class Installation:
    """A database with its owner, whose rights are those that `holdfast admin grants migrate` prints, and no others."""

    def __init__(self, server: DatabaseServer, folder: Path) -> None:
        self.server = server
        self.prefix = f"u{os.getpid()}_{next(_numbers)}_"
        self.url = make_url(server.create_database())
        self.owner = f"'{self.prefix}owner'@'%'"
        self.passwords = {role: f"pass word of {role} ' \" %" for role in ROLES}
        server.remember(self.owner, *(f"'{self.prefix}{role}'@'%'" for role in ROLES))
        own = self.url.set(username=f"{self.prefix}owner", password=OWNER_PASSWORD).render_as_string(hide_password=False)
        settings = {"HOLDFAST_DATABASE_URL": own, "HOLDFAST_DATABASE_USER_PREFIX": self.prefix}
        for role, password in self.passwords.items():  # as Kubernetes mounts a Secret
            (folder / role).write_text(password)
            settings[f"HOLDFAST_DATABASE_{role.upper()}_PASSWORD_FILE"] = str(folder / role)
        self.folder, self.holdfast = folder, Program(folder, folder, settings)
        printed = self.holdfast("admin", "grants", "migrate", "--user", self.owner).stdout.replace(";", "").splitlines()
        server.execute(f'CREATE USER {self.owner} IDENTIFIED BY "{OWNER_PASSWORD}"', *printed)
        self.holdfast("migrate")

    def settle(self, code: int = 0) -> list[str]:
        """What the command says."""
        said = self.holdfast("admin", "database-users", code=code)
        assert said.stdout == ""
        assert not any(password in said.stderr for password in (*self.passwords.values(), OWNER_PASSWORD))
        return said.stderr.replace(self.prefix, "").splitlines()

    def run(self, role: str, statement: str, password: str | None = None) -> None:
        with pymysql.connect(
            host="127.0.0.1",
            port=self.url.port or 3306,
            user=f"{self.prefix}{role}",
            password=password or self.passwords[role],
            database=self.url.database,
        ) as connection:
            connection.query(statement)


@pytest.fixture(params=["mariadb", "mysql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    return Installation(request.getfixturevalue(request.param), tmp_path)


def test_users_are_made_and_then_left_alone(installation: Installation) -> None:
    said = installation.settle()
    assert [line.split(" rights")[0].rstrip("0123456789") for line in said] == [f"{role}: made, " for role in ROLES]
    for role in ROLES:
        installation.run(role, "SELECT COUNT(*) FROM versions")
    assert installation.settle() == [f"{role}: as it should be." for role in ROLES]


def test_what_another_release_or_somebody_left_is_put_right(installation: Installation) -> None:
    installation.settle()
    read, database = f"'{installation.prefix}read'@'%'", installation.url.database
    installation.server.execute(
        f"GRANT DELETE, UPDATE ON `{database}`.`audit` TO {read}",
        f"GRANT CREATE ON `{database}`.* TO {read}",
        f"REVOKE SELECT ON `{database}`.`versions` FROM {read}",
    )
    installation.run("read", "DELETE FROM audit")
    assert installation.settle()[0] == "read: 1 rights granted, 3 rights revoked."
    installation.run("read", "SELECT COUNT(*) FROM versions")
    for statement in ("DELETE FROM audit", "CREATE TABLE more (id INT)"):
        with pytest.raises(pymysql.OperationalError, match="denied"):
            installation.run("read", statement)
    assert installation.settle()[0] == "read: as it should be."


def test_a_new_password_takes_the_place_of_the_old_one(installation: Installation) -> None:
    installation.settle()
    before = installation.passwords["sweep"]
    (installation.folder / "sweep").write_text("a newer password\n")
    assert installation.settle() == [f"{role}: {'another password' if role == 'sweep' else 'as it should be'}." for role in ROLES]
    installation.run("sweep", "SELECT 1", "a newer password")
    with pytest.raises(pymysql.OperationalError, match="denied"):
        installation.run("sweep", "SELECT 1", before)


def test_what_cannot_be_done_is_said(installation: Installation) -> None:
    (installation.folder / "purge").write_text("")
    assert installation.settle(code=2) == ["holdfast: Not set: HOLDFAST_DATABASE_PURGE_PASSWORD."]
    (installation.folder / "purge").write_text(installation.passwords["purge"])
    installation.settle()
    installation.server.execute(f"GRANT PROCESS ON *.* TO '{installation.prefix}worker'@'%'")
    [said] = [line for line in installation.settle(code=3) if "holdfast:" in line]
    assert "has rights on all databases, which somebody else gave him: PROCESS" in said
    installation.server.execute(f"REVOKE PROCESS ON *.* FROM '{installation.prefix}worker'@'%'")
    installation.server.execute(f"REVOKE CREATE USER ON *.* FROM {installation.owner}")
    (installation.folder / "read").write_text("another one")
    [said] = installation.settle(code=3)
    assert "The database's owner may not do it" in said
    empty = {**installation.holdfast.environment, "HOLDFAST_DATABASE_URL": installation.server.create_database()}
    [said] = Program(installation.folder, installation.folder, empty)("admin", "database-users", code=1).stderr.splitlines()
    assert "`holdfast migrate` makes them" in said


def test_sqlite_has_no_users(tmp_path: Path) -> None:
    assert "SQLite has no users" in Program(tmp_path, tmp_path)("admin", "database-users", code=2).stderr
