from __future__ import annotations

import logging
import threading

import pytest

from holdfast.database.connecting import DatabaseUnavailable
from holdfast.jobs.repeating import Repeating


def test_it_goes_on_whatever_is_raised_until_it_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    errors: list[Exception] = [DatabaseUnavailable(), ValueError("a fault of ours")]
    third = threading.Event()
    stopping = []

    def act(asked: threading.Event) -> None:
        stopping.append(asked)
        if errors:
            raise errors.pop(0)
        third.set()

    repeating = Repeating("looking", act, 0.001)
    repeating.start()
    assert third.wait(60)
    assert not stopping[0].is_set()
    repeating.stop()
    done = len(stopping)
    assert stopping[0].is_set()
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert caplog.messages == ["looking has to wait: database-unavailable", "looking failed"]
    assert len(stopping) == done
