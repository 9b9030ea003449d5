"""The identity functions in one app, asked over HTTP, on each kind of database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from endpoints.jwks.routes import router as jwks
from endpoints.me.routes import router as me
from endpoints.shared_users.routes import router as shared_users
from endpoints.token.routes import router as token
from endpoints.token_revoke.routes import router as token_revoke
from endpoints.users.routes import router as users
from endpoints.workspace.routes import router as workspace
from holdfast.database.engine import Database
from holdfast.database.tables import audit, metadata
from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web.function import create_app
from tests.databases import KINDS, with_tables
from tests.servers.database import DatabaseServer

ROUTERS = (token, users, shared_users, me, token_revoke, jwks, workspace)
PASSWORD = "admin_password"


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


class House:
    """A running Holdfast as its clients see it, and its services as the tests do."""

    def __init__(self, url: str, data: Path, **settings: Any) -> None:
        self.clock = Clock()
        given = {"registration": "open", "login_failures": 3, "login_wait_seconds": 60, **settings}
        self.services = Services(Settings(data=data, database_url=url, **given), self.clock)
        self.app = create_app("identity", *ROUTERS, services=self.services)

    def ask(
        self, method: str, path: str, token: str | None = None, *, address: str = "192.0.2.1", **request: Any
    ) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://holdfast") as client:
                headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
                return await client.request(method, path, headers={**headers, **request.pop("headers", {})}, **request)

        return asyncio.run(once())

    def register(self, username: str = "ada", password: str = PASSWORD) -> str:
        """A new user's token."""
        assert self.ask("POST", "/users", json={"username": username, "password": password}).status_code == 200
        return self.token(username, password)

    def login(self, username: str = "ada", password: str = PASSWORD, **options: Any) -> httpx.Response:
        return self.ask("POST", "/token", data={"username": username, "password": password}, **options)

    def token(self, username: str = "ada", password: str = PASSWORD) -> str:
        reply = self.login(username, password)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["access_token"])

    def share(self, admin: str, username: str, *permissions: str) -> str:
        """A new shared user's token."""
        body = {"username": username, "password": PASSWORD, "permissions": permissions}
        assert self.ask("POST", "/shared-users", admin, json=body).status_code == 200
        return self.token(username)

    def trail(self) -> list[tuple[str, str | None, str | None, bool]]:
        """What was done, where, by whom, and whether it came about."""
        with self.services.database.read() as connection:
            rows = connection.execute(
                select(audit.c.operation, audit.c.workspace, audit.c.username, audit.c.success).order_by(audit.c.id)
            )
            return [(row.operation, row.workspace, row.username, row.success) for row in rows]


@pytest.fixture(scope="package", params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One for all tests of a kind: making its tables takes longer than most tests."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('identity')}/registry.db"
    else:
        server: DatabaseServer = request.getfixturevalue(request.param)
        url = server.create_database()
    with with_tables(url) as made:
        yield made


@pytest.fixture
def database_url(database: Database) -> str:
    """Of an empty database."""
    with database.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    return database.url.render_as_string(hide_password=False)


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    house = House(database_url, tmp_path)
    yield house
    house.services.close()


@pytest.fixture
def ada(house: House) -> str:
    """The token of a registered user, who is the admin of ``ada_space``."""
    return house.register("ada")
