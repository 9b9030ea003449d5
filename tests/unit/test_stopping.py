from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from holdfast.stopping import asked_to_stop

AT_THE_WORST_MOMENT = """
import signal

from holdfast.stopping import asked_to_stop

asked = asked_to_stop()
with asked._cond:  # as `wait` does, before it waits
    signal.raise_signal(signal.SIGTERM)
assert asked.wait(10)
print("ended")
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_asked_to_end_says_so_and_goes_on(number: signal.Signals) -> None:
    asked = asked_to_stop()
    assert not asked.is_set()
    os.kill(os.getpid(), number)
    assert asked.wait(10)


def test_one_that_is_asked_just_as_it_begins_to_wait_ends_too() -> None:
    """Where the handler itself set the event, it would wait for a lock that the thread holds which it has interrupted."""
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_WORST_MOMENT], capture_output=True, text=True, timeout=60, check=True, env=dict(os.environ)
    )
    assert done.stdout == "ended\n"
