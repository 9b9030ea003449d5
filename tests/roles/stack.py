"""An installation as the chart runs it: each function an app of its own, with the database user and the S3 identity of its role,
and the worker's for what runs beside them."""

from __future__ import annotations

import importlib.util
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, get_args
from unittest.mock import patch

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import make_url
from starlette.types import Receive, Scope, Send

from holdfast.clock import Clock, system
from holdfast.database.grants import Role
from holdfast.database.url import parse
from holdfast.database.users import Settled, settle
from holdfast.database.users import User as DatabaseUser
from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web import catalogue
from holdfast.web.function import App
from tests.charts.identities import identities, keys
from tests.servers.database import DatabaseServer
from tests.servers.required import running
from tests.servers.seaweedfs import SHARED, SeaweedFS
from tests.stacks import Stack, made

FUNCTIONS = {one.name: one for one in catalogue.functions()}


@dataclass
class Roles(Stack):
    """``users``: those of the database, by role; ``bucket`` has the identities."""

    users: Mapping[Role, DatabaseUser] = field(default_factory=dict)

    def of(self, role: Role, clock: Clock = system, settings: Settings | None = None) -> Services:
        """The services of a process of this role. Closed at the end of the test."""
        services = Services(self.narrowed(role, settings or self.settings()), clock)
        self._closing.callback(services.close)
        return services

    def narrowed(self, role: Role, settings: Settings) -> Settings:
        """The settings, with the database user and the S3 identity of the role."""
        user = self.users[role]
        url = make_url(self.values["database_url"]).set(username=user.name, password=user.password)
        access_key, secret_key = keys(role)
        changed = {
            "database_url": url.render_as_string(hide_password=False),
            "s3_access_key": access_key,
            "s3_secret_key": SecretStr(secret_key),
        }
        return settings.model_copy(update=changed)

    def services(self, clock: Clock = system, **changes: Any) -> Services:
        """The worker's."""
        return self.of("worker", clock, self.settings(**changes))

    @cached_property
    def own(self) -> Services:
        """The owner's, for the test's own looks at what is stored."""
        services = Services(self.settings())
        self._closing.callback(services.close)
        return services

    def app(self, services: Services | None = None) -> App:
        """The functions, each an app of its own, behind something that finds a request's function as an ingress does.
        ``services``: whose clock and settings they have, but for who they are."""
        whose = services or self.services()
        return Ingress({one.name: self.function(one.name, whose) for one in FUNCTIONS.values()}).app

    def function(self, name: str, whose: Services) -> App:
        """One function, made as its container makes it, but for where its settings come from."""
        role = FUNCTIONS[name].role
        services = self.without_stores(whose) if role == "none" else self.of(role, whose.clock, whose.settings)
        with patch("holdfast.web.function.Services", lambda: services):
            app: App = fresh(f"endpoints.{name}.app").app
        return app

    def without_stores(self, whose: Services) -> Services:
        """The services of a process that is told of no database and has no credentials of a store. Closed as those of `of`."""
        nothing = {
            "database_url": "mysql+pymysql://nobody@127.0.0.1:1/nothing",
            "s3_access_key": "",
            "s3_secret_key": SecretStr(""),
        }
        services = Services(whose.settings.model_copy(update=nothing), whose.clock)
        self._closing.callback(services.close)
        return services


def fresh(name: str) -> ModuleType:
    """The module made anew, beside the one that others import, whose app would be ended with this one."""
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Ingress:
    """``app``: sends each request to the function whose path it is; ends them all when it ends."""

    def __init__(self, functions: Mapping[str, App]) -> None:
        self._functions = functions
        self.app = App(openapi_url=None, docs_url=None, redoc_url=None, lifespan=self._lifespan)
        self.app.mount("/", self._pass_on)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._functions[receiver(scope["path"])](scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            for app in self._functions.values():
                await running.enter_async_context(app.router.lifespan_context(app))
            yield


def receiver(path: str) -> str:
    """The function that an ingress sends ``path`` to: whose path is it, or the longest that it lies beneath. What is nobody's, such
    as ``/readyz``, is sent to the function that needs most."""
    fitting = [(len(one), name) for name, f in FUNCTIONS.items() for one in f.paths if path == one or path.startswith(f"{one}/")]
    return max(fitting, default=(0, "fileupload"))[1]


class Users:
    """The users of the roles on a server; their names are this run's own."""

    def __init__(self, server: DatabaseServer) -> None:
        prefix = f"t{os.getpid()}_{next(_numbers)}_"
        self.of: dict[Role, DatabaseUser] = {
            role: DatabaseUser(f"{prefix}{role}", "%", secrets.token_hex(12)) for role in get_args(Role)
        }
        server.remember(*map(repr, self.of.values()))

    def settle(self, url: str) -> list[Settled]:
        """Gives them their rights on a database."""
        return list(settle(parse(url), self.of))


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def seaweedfs_with_identities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """Its identities are the chart's, for any part of the bucket that all share."""
    folder = tmp_path_factory.mktemp("chart") / "part"
    yield from running(lambda: SeaweedFS.start(identities(folder, SHARED, prefix="*")))


@pytest.fixture(scope="session")
def users(request: pytest.FixtureRequest) -> Callable[[str], Users]:
    """The roles' users on a server, by the name of its fixture."""
    return cache(lambda kind: Users(request.getfixturevalue(kind)))


@pytest.fixture
def with_roles(
    request: pytest.FixtureRequest, tmp_path: Path, users: Callable[[str], Users]
) -> Callable[[str], AbstractContextManager[Roles]]:
    """Makes a stack of ``tests/stacks`` whose processes have roles."""

    @contextmanager
    def make(name: str) -> Iterator[Roles]:
        with made(request, name, tmp_path, Roles, "seaweedfs_with_identities") as stack:
            assert isinstance(stack, Roles)
            theirs = users(name.partition("+")[0])
            theirs.settle(stack.values["database_url"])
            stack.users = theirs.of
            yield stack

    return make
