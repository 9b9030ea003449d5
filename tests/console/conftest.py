"""Who sits in front of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.console.person import Person, at_the_page
from tests.servers.chromium import Chromium
from tests.servers.process import passing_folder
from tests.servers.required import running
from tests.stacks import SQLITE, Stack, made
from tests.uploads.killing import Served, served


@pytest.fixture(scope="package")
def chromium() -> Iterator[Chromium]:
    """Gone when another package's tests begin: while Playwright runs, its event loop is that of the thread, and nobody else can run
    one there."""
    yield from running(Chromium.start)


@pytest.fixture(scope="module")
def installation(request: pytest.FixtureRequest) -> Iterator[tuple[Stack, Served]]:
    """The embedded default, whose server nobody kills: starting one takes longer than most of what is done there."""
    with passing_folder("console") as folder, made(request, SQLITE, folder) as stack, served(stack) as server:
        yield stack, server


@pytest.fixture
def person(installation: tuple[Stack, Served], chromium: Chromium) -> Iterator[Person]:
    with at_the_page(*installation, chromium) as person:
        yield person


@pytest.fixture
def alone(stack: Stack, chromium: Chromium) -> Iterator[Person]:
    """With a server of his own."""
    with served(stack) as server, at_the_page(stack, server, chromium) as person:
        yield person
