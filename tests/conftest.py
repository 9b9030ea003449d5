"""The servers that tests ask for by name. Each starts when the first test asks, once per run; see `tests/servers`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.lakefs import LakeFS
from tests.servers.mariadb import MariaDB
from tests.servers.mysql import MySQL
from tests.servers.required import cost_of_lakefs, running
from tests.servers.seaweedfs import SeaweedFS


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if line := cost_of_lakefs(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line, red=True, bold=True)
