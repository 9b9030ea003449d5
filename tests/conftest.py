"""The servers that tests ask for by name. Each starts when the first test asks, once per run; see `tests/servers`."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

import pytest
from hypothesis import settings

from tests import certificates, statements
from tests.hanging import Hanging
from tests.roles.stack import seaweedfs_with_identities, users, with_roles
from tests.servers.clamd import Clamd
from tests.servers.helm import Helm
from tests.servers.kubernetes import Kubernetes
from tests.servers.lakefs import LakeFS
from tests.servers.mariadb import MariaDB
from tests.servers.mysql import MySQL
from tests.servers.prometheus import MysqldExporter, Promtool
from tests.servers.required import Requiring, cost_of_lakefs, running
from tests.servers.seaweedfs import SeaweedFS
from tests.stacks import databases, lakefs_standin, stack

__all__ = ["databases", "lakefs_standin", "seaweedfs_with_identities", "stack", "users", "with_roles"]

TOLD = "told"

settings.register_profile("holdfast", deadline=None)  # no test fails because the machine is busy
settings.load_profile("holdfast")
statements.share()
certificates.share()


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


@pytest.fixture(scope="session")
def node(kubernetes: Kubernetes) -> Kubernetes:
    """The same, and pods run."""
    kubernetes.add_node()
    return kubernetes


@pytest.fixture(scope="session")
def helm() -> Iterator[Helm]:
    yield from running(Helm.start)


@pytest.fixture(scope="session")
def promtool() -> Iterator[Promtool]:
    yield from running(Promtool.start)


@pytest.fixture(scope="session")
def mysqld_exporter(mariadb: MariaDB) -> Iterator[MysqldExporter]:
    yield from running(lambda: MysqldExporter.start(mariadb))


@pytest.fixture(scope="session")
def clamd() -> Iterator[Clamd]:
    yield from running(Clamd.start)


@pytest.fixture
def own_clamd() -> Iterator[Clamd]:
    """For a test that kills it."""
    yield from running(Clamd.start)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says a line about a long test on the terminal when it has ended, in whichever process it runs."""
    return lambda line: record_property(TOLD, line)


CLUSTER = {"node", "kubernetes"}
"""Fixtures of the tests that need a cluster."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the cluster come first, since one process has all of them and they take longest; then the crash tests, which
    fork, and that costs the more the larger the process has become; then what has a time limit of its own, as it takes long, or at
    the end one process would be at it and the others at nothing."""

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("xdist_group"):
            return 0
        if "crash" in item.path.parts:
            return 1
        return 2 if item.get_closest_marker("timeout") else 3

    items.sort(key=place)


def pytest_itemcollected(item: pytest.Item) -> None:
    """There is one cluster on a machine, and one of its tests runs at a time (``--dist loadgroup``): while an upgrade is not to
    lose a request, nobody else makes its API server busy."""
    if CLUSTER & set(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.xdist_group("kubernetes"))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Telling(config))
    config.pluginmanager.register(Requiring())
    if not config.getoption("usepdb"):
        config.pluginmanager.register(Hanging())
    with suppress(ValueError):  # outside the main thread
        # Of a run in the background SIGINT is ignored, also by what it starts, and some tests send it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Telling:
    """Says at once what there is to say, also which test failed, and after how many minutes: a run that is stopped from outside has
    no summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._began = config, time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if not isinstance(terminal, pytest.TerminalReporter):
            return
        lines = [str(line) for name, line in report.user_properties if name == TOLD and report.when == "call"]
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            lines.append(f"FAILED {report.nodeid}: {str(getattr(crash, 'message', report.longrepr))[:300]}")
        for line in lines:
            terminal.ensure_newline()
            terminal.write_line(f"{line} [{(time.monotonic() - self._began) / 60:.0f} min]")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    yield  # so that it comes after everything else
    if line := cost_of_lakefs(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line, red=True, bold=True)
