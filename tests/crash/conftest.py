"""Stacks on which nothing waits for a disk: what dies here is our process, and neither the machine nor a server."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from tests.servers.database import DatabaseServer
from tests.servers.process import passing_folder
from tests.stacks import Stack, made


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack that the test is parametrised with."""
    name: str = request.param
    database = name.partition("+")[0]
    server: DatabaseServer | None = None if database == "sqlite" else request.getfixturevalue(database)
    with passing_folder("stack") as folder:
        if server is not None:
            server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
        try:
            with made(request, name, folder) as stack:
                yield stack
        finally:
            if server is not None:
                server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")


@pytest.fixture(scope="session")
def frozen() -> None:
    """What the process has loaded by now is looked at by no collection any more, whose time would be most of some tests' time."""
    gc.collect()
    gc.freeze()
