"""The end of a test that its own timeout did not end.

pytest-timeout interrupts a test once. If what then cleans up hangs as well, say because it waits for the very request that hung,
the process would wait for ever, and whoever waits for the run would learn nothing. So somewhat later the process writes what each
of its threads was at, and is gone; pytest-xdist reports the test as failed and goes on in another process. The same becomes of one
that waits for its next test for so long.
"""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Generator

import pytest

GRACE = 120
"""Seconds after its timeout in which a test may clean up, and until the next one comes."""


class Hanging:
    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._stderr = os.dup(2)  # the real one: this is made while nothing is captured
        self._deadline: float | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        seconds = limit(item)
        self._allow(seconds + self._grace if seconds else None)
        try:
            return (yield)
        finally:
            self._allow(self._grace)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._allow(None)

    @pytest.hookimpl(trylast=True)
    def pytest_exception_interact(self) -> None:
        """Pytest has just cancelled it, for the sake of whoever debugs the failure by hand."""
        self._arm()

    def _allow(self, seconds: float | None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._arm()

    def _arm(self) -> None:
        if self._deadline is None:
            faulthandler.cancel_dump_traceback_later()
        else:
            left = max(self._deadline - time.monotonic(), 1)
            faulthandler.dump_traceback_later(left, exit=True, file=self._stderr)


def limit(item: pytest.Item) -> float:
    """Seconds that the test may take, or 0: what its mark says, else ``--timeout``, else the configuration."""
    marker = item.get_closest_marker("timeout")
    said = marker.args[0] if marker else item.config.getoption("timeout")
    return float(item.config.getini("timeout") or 0 if said is None else said)
