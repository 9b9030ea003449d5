"""The functions work with a database user who may only add to the trail; who seals and prunes it cannot change a row either."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import timedelta

import pymysql
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from holdfast.audit import retention
from holdfast.audit.trail import entry, record
from holdfast.audit.verify import verify
from holdfast.background import settle
from holdfast.clock import system
from holdfast.database.grants import Role, grants
from holdfast.disagreement import Disagreement
from holdfast.services import Services
from tests.servers.database import DatabaseServer
from tests.stacks import MYSQL, SQL, Stack

pytestmark = pytest.mark.parametrize("stack", [SQL, MYSQL], indirect=True)

PASSWORD = "a password of the tests"
_numbers = itertools.count(1)


class Users:
    """Makes users of the stack's database, and takes them away again."""

    def __init__(self, stack: Stack, server: DatabaseServer) -> None:
        self._stack, self._server = stack, server
        self._made: list[str] = []

    def services(self, role: Role) -> Services:
        """Those of a process whose user may do what ``role`` may."""
        name = f"holdfast_{os.getpid()}_{next(_numbers)}"
        user = f"'{name}'@'127.0.0.1'"
        url = make_url(self._stack.values["database_url"])
        self._server.execute(f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'", *grants(role, str(url.database), user))
        self._made.append(user)
        own = url.set(username=name, password=PASSWORD).render_as_string(hide_password=False)
        return self._stack.services(database_url=own)

    def remove(self) -> None:
        self._server.execute(*(f"DROP USER {user}" for user in self._made))


@pytest.fixture
def users(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Users]:
    users = Users(stack, request.getfixturevalue(stack.name.split("+")[0]))
    yield users
    stack.close()
    users.remove()


def refused(services: Services, statement: str) -> bool:
    with pytest.raises(DBAPIError) as error:
        services.database.write(lambda connection: connection.execute(text(statement)))
    assert isinstance(error.value.orig, pymysql.OperationalError)
    return bool(error.value.orig.args[0] == 1142)  # the command is denied to this user for this table


def test_the_functions_add_to_the_trail_and_cannot_change_it(stack: Stack, users: Users) -> None:
    functions, ada = users.services("write"), stack.user("ada")
    with stack.client(ada, functions) as http:
        version = http.post("/fileupload", files={"primary_file": ("a.txt", b"a")}).json()
        where = f"{version['asset_path']}/{version['version_id']}"
        assert http.post(f"/filearchive/{where}").status_code == 200
        assert http.post(f"/delfile/{where}").status_code == 200
        assert http.post(f"/filerestore/{where}").status_code == 200
        trail = http.get("/audit").json()["items"]
        assert [one["operation"] for one in trail] == ["restore", "destroy", "archive", "upload"]
        assert http.get("/audit/head").json()["items"] == []
    assert refused(functions, "UPDATE audit SET username = 'eve'")
    assert refused(functions, "DELETE FROM audit")
    for table in ("audit_chains", "audit_seals", "audit_unseen"):
        assert refused(functions, f"DELETE FROM {table}")


def test_the_worker_seals_and_prunes_and_cannot_change_it_either(stack: Stack, users: Users) -> None:
    worker = users.services("worker")
    old = system() - timedelta(days=200)
    for _ in range(2):
        rows = [entry(one, old, workspace="ada_space", username="ada") for one in ("login", "upload")]
        stack.database.write(lambda connection, rows=rows: record(connection, *rows))  # type: ignore[misc]
        assert settle(worker).sealed == 2
    assert retention.clean(worker) == 1
    assert [one for one in verify(worker) if isinstance(one, Disagreement)] == []
    assert refused(worker, "UPDATE audit SET username = 'eve'")
