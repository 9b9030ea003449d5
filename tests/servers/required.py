"""What becomes of a test whose server is missing: a failure where everything is required, else a skip that says how to get it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar

import pytest

from tests.servers.process import ServerFailedError, ServerMissingError

WITHOUT_LAKEFS = "without lakeFS"


class Server(Protocol):
    """What a fixture starts and stops."""

    def stop(self) -> None: ...


S = TypeVar("S", bound=Server)


def running(start: Callable[[], S], *, may_be_missing: bool = False, environment: Mapping[str, str] = os.environ) -> Iterator[S]:
    """Start a server for as long as a session fixture lasts.

    One that did not come up is started once more: between choosing its ports and using them, another process may have taken one. A
    server that is missing fails the test if `HOLDFAST_TEST_REQUIRED` is `all`, else it skips it. With `may_be_missing`, which
    is for lakeFS alone, it always skips it, and `cost_of_lakefs` counts it.
    """
    with missing(may_be_missing, environment):
        server = _started(start)
    try:
        yield server
    finally:
        server.stop()


def _started(start: Callable[[], S]) -> S:
    try:
        return start()
    except ServerFailedError:
        return start()


@contextmanager
def missing(may_be_missing: bool = False, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """What a ``ServerMissingError`` within means for the test, as ``running`` says; also for programs that are no servers."""
    try:
        yield
    except ServerMissingError as error:
        if may_be_missing:
            pytest.skip(f"{WITHOUT_LAKEFS}: {error}")
        if environment.get("HOLDFAST_TEST_REQUIRED") == "all":
            pytest.fail(f"HOLDFAST_TEST_REQUIRED=all, but {error}", pytrace=False)
        pytest.skip(str(error))


class Requiring:
    """A plugin of pytest: a ``ServerMissingError`` that a test or one of its fixtures lets out means what ``missing`` says."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None]:
        with missing():
            yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None]:
        with missing():
            yield


def cost_of_lakefs(skipped: Iterable[pytest.TestReport]) -> str | None:
    """One line that says how many tests a missing lakeFS cost; nothing if it cost none."""
    reasons = [report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)]
    lost = [reason for reason in reasons if WITHOUT_LAKEFS in reason]
    if not lost:
        return None
    return f"LAKEFS IS MISSING, WHICH COST {len(lost)} TEST{'S' * (len(lost) > 1)} ({lost[0].rpartition(f'{WITHOUT_LAKEFS}: ')[2]})"
