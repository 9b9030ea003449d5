from __future__ import annotations

import os
import signal

import pytest

from holdfast.stopping import asked_to_stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_asked_to_end_says_so_and_goes_on(number: signal.Signals) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        asked = asked_to_stop()
        assert not asked.is_set()
        os.kill(os.getpid(), number)
        assert asked.wait(10)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
