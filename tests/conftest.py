"""The servers that tests ask for by name. Each starts when the first test asks, once per run; see `tests/servers`."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.servers.kubernetes import Kubernetes
from tests.servers.lakefs import LakeFS
from tests.servers.mariadb import MariaDB
from tests.servers.mysql import MySQL
from tests.servers.required import cost_of_lakefs, running
from tests.servers.seaweedfs import SeaweedFS
from tests.stacks import databases, lakefs_standin, stack

__all__ = ["databases", "lakefs_standin", "stack"]

settings.register_profile("holdfast", deadline=None)  # no test fails because the machine is busy
settings.load_profile("holdfast")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    yield from running(MariaDB.start)


@pytest.fixture(scope="session")
def mysql() -> Iterator[MySQL]:
    yield from running(MySQL.start)


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    yield from running(SeaweedFS.start)


@pytest.fixture(scope="session")
def lakefs(seaweedfs: SeaweedFS) -> Iterator[LakeFS]:
    yield from running(lambda: LakeFS.start(seaweedfs), may_be_missing=True)


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[Kubernetes]:
    yield from running(Kubernetes.start)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    yield  # so that it comes after everything else
    if line := cost_of_lakefs(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line, red=True, bold=True)
