"""The combinations of database, object store and version store that Holdfast promises to behave alike on.

    def test_something(stack: Stack) -> None:       # once on each of STACKS
        ada = stack.user("ada")
        with stack.client(ada) as http:
            http.post("/fileupload", files=…)

A stack is a fresh installation: nobody else sees its database, its part of the bucket or its repository. Servers start once per
run. A test for some stacks only: ``@pytest.mark.parametrize("stack", [SQL, MYSQL], indirect=True)``; for MySQL, and for the roles
of the chart's processes, besides STACKS: ``@WITH_MYSQL``.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, delete, insert, text

from holdfast.clock import Clock, system
from holdfast.database import tables
from holdfast.database.engine import Database
from holdfast.identity.names import user_key
from holdfast.identity.tokens import Account
from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web.function import App, create_app
from holdfast.web.serving import routers
from tests.asgi import Http
from tests.databases import fresh_file, with_tables
from tests.servers import lakefs
from tests.servers.database import DatabaseServer
from tests.servers.lakefs import LakeFS
from tests.servers.process import passing_folder
from tests.servers.seaweedfs import SeaweedFS
from tests.standin.lakefs import Standin

SQLITE = "sqlite+folder+sql"
SQL = "mariadb+seaweedfs+sql"
STANDIN = "mariadb+seaweedfs+lakefs-standin"
LAKEFS = "mariadb+seaweedfs+lakefs"
MYSQL = "mysql+seaweedfs+sql"

WITH_LAKEFS = [LAKEFS] if lakefs.is_here() else [STANDIN, LAKEFS]
"""The stand-in stands in where the real one is missing; that it behaves alike is tested call by call (``tests/contract``), and at
every crash."""

STACKS = [SQLITE, SQL, *WITH_LAKEFS]
"""What every behaviour is tested on."""

WITH_ROLES = " as roles"
ROLES = f"{SQL}{WITH_ROLES}"
"""As the chart runs it (``tests/roles``): each function with the database user and the S3 identity of its role."""

WITH_MYSQL = pytest.mark.parametrize("stack", [*STACKS, MYSQL, ROLES], indirect=True)
"""Marks a behaviour that hangs on what MySQL and MariaDB do differently: comparing and sorting texts, JSON, moments, locks. These
behaviours are also those that are run as roles."""

SECRET = "a secret of the tests, which is long enough"


@dataclass(frozen=True)
class User:
    """``account`` is what tokens are issued for."""

    account: Account
    workspace_id: int
    token: str

    @property
    def branch(self) -> str:
        return self.account.branch


@dataclass
class Stack:
    """An installation. ``bucket``: the object store, where it is not a folder. ``standin``: its lakeFS, where that is the
    stand-in, for its faults."""

    name: str
    values: dict[str, Any]
    bucket: SeaweedFS | None = None
    standin: Standin | None = None
    _closing: ExitStack = field(default_factory=ExitStack)

    def settings(self, **changes: Any) -> Settings:
        return Settings(**{**self.values, **changes})

    def services(self, clock: Clock = system, **changes: Any) -> Services:
        """As another process of the installation would have them. ``changes`` of the settings. Closed at the end of the test."""
        services = Services(self.settings(**changes), clock)
        self._closing.callback(services.close)
        return services

    @cached_property
    def own(self) -> Services:
        """For the test's own looks at what is stored."""
        return self.services()

    @property
    def database(self) -> Database:
        return self.own.database

    def app(self, services: Services | None = None) -> App:
        """All functions in one, as ``holdfast serve`` has them."""
        return create_app("holdfast", *routers(), services=services or self.services(), needs=("database", "objects", "versions"))

    @contextmanager
    def client(self, user: User | None = None, services: Services | None = None) -> Iterator[Http]:
        """HTTP to a process of the installation, with the user's token. May be shared by threads."""
        headers = {"Authorization": f"Bearer {user.token}"} if user else {}
        with Http(self.app(services), headers) as http:
            yield http

    def user(self, name: str, permissions: str = "admin", *, of: User | None = None, **workspace: Any) -> User:
        """A user with a workspace of his own, or a shared user of ``of``'s. ``workspace``: columns, such as ``quota_bytes``."""
        moment = system()
        with self.database.engine.begin() as connection:
            if of is None:
                branch = f"{name}_space"
                row = {"name": branch, "name_folded": branch.casefold(), "created_at": moment, **workspace}
                workspace_id = _insert(connection, tables.workspaces, row)
            else:
                branch, workspace_id = of.branch, of.workspace_id
            row = {
                "username": name,
                "name_folded": user_key(name),
                "workspace_id": workspace_id,
                "permissions": permissions,
                "created_at": moment,
            }
            user_id = _insert(connection, tables.users, row)
        account = Account(user_id, name, branch, frozenset(permissions.split(",")), 0)
        return User(account, workspace_id, self.own.tokens.issue(account))

    def unfinished(self) -> list[str]:
        """What the object store holds of writes that did not come to their end, where the objects port does not show it."""
        if self.bucket is None:
            return [str(path) for path in (self.values["data"] / "objects" / "temporary").glob("*")]
        found = self.bucket.client.list_multipart_uploads(Bucket=self.values["s3_bucket"], Prefix=self.values["s3_prefix"] + "/")
        return [upload["Key"] for upload in found.get("Uploads", [])]

    def close(self) -> None:
        self._closing.close()


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    key = connection.execute(insert(table).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


class Databases:
    """Migrated databases, emptied before they are given out again: making one takes a second, emptying it a few milliseconds."""

    def __init__(self) -> None:
        self._free: dict[str, list[str]] = defaultdict(list)
        self._lock = threading.Lock()

    @contextmanager
    def fresh(self, kind: str, server: DatabaseServer) -> Iterator[str]:
        """The URL of a database of ``server`` with empty tables."""
        with self._lock:
            url = self._free[kind].pop() if self._free[kind] else None
        if url is None:
            url = server.create_database()
            with with_tables(url):
                pass
        else:
            empty(url)
        try:
            yield url
        finally:
            with self._lock:
                self._free[kind].append(url)


def empty(url: str) -> None:
    """Removes all rows of all tables."""
    database = Database(url)
    try:
        with database.engine.begin() as connection:
            if not database.is_sqlite:
                connection.execute(text("SET foreign_key_checks = 0"))
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(delete(table))
    finally:
        database.close()


@pytest.fixture(scope="session")
def databases() -> Databases:
    return Databases()


@pytest.fixture(scope="session")
def lakefs_standin() -> Iterator[Standin]:
    standin = Standin.start()
    yield standin
    standin.stop()


@contextmanager
def made(
    request: pytest.FixtureRequest, name: str, folder: Path, kind: type[Stack] | None = None, store_fixture: str = "seaweedfs"
) -> Iterator[Stack]:
    """A fresh stack; a server of it that is missing is dealt with as everywhere (``tests/servers/required.py``)."""
    database, objects, versions = name.split("+")
    pool: Databases = request.getfixturevalue("databases")
    # A busy machine may take a minute for a commit; where waiting itself is tested, it is set.
    values: dict[str, Any] = {"data": folder, "token_secret": SECRET, "registration": "open", "commit_wait_seconds": 60}
    stack = (kind or Stack)(name, values)
    with ExitStack() as closing:
        if database == "sqlite":
            values["database_url"] = fresh_file(folder)
        else:
            values["database_url"] = closing.enter_context(pool.fresh(database, request.getfixturevalue(database)))
        if objects == "seaweedfs":
            store: SeaweedFS = request.getfixturevalue(store_fixture)
            stack.bucket = store
            bucket, prefix = store.namespace()
            keys = {"s3_access_key": store.access_key, "s3_secret_key": store.secret_key}
            values.update(objects="s3", s3_endpoint=store.endpoint, s3_bucket=bucket, s3_prefix=prefix, **keys)
            values.update(compaction="seaweedfs", seaweedfs_master=store.master, seaweedfs_filer=store.filer)
        if versions != "sql":
            fixture = "lakefs_standin" if versions == "lakefs-standin" else "lakefs"
            server: LakeFS | Standin = request.getfixturevalue(fixture)
            stack.standin = server if isinstance(server, Standin) else None
            keys = {"lakefs_access_key": server.access_key, "lakefs_secret_key": server.secret_key}
            values.update(versions="lakefs", lakefs_endpoint=server.endpoint, lakefs_repository=server.repository(), **keys)
        closing.callback(stack.close)
        if stack.standin is not None:
            closing.callback(stack.standin.script.clear)
        yield stack


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    if request.param.endswith(WITH_ROLES):
        made_with_roles: Callable[[str], AbstractContextManager[Stack]] = request.getfixturevalue("with_roles")
        with made_with_roles(request.param.removesuffix(WITH_ROLES)) as stack:
            yield stack
        return
    with passing_folder("stack") as folder, made(request, request.param, folder) as stack:
        yield stack
