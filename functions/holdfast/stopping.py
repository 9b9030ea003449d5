"""Being asked to end: SIGTERM and SIGINT, as an event that long work looks at between its steps."""

from __future__ import annotations

import _thread
import signal
import threading


def asked_to_stop() -> threading.Event:
    """Set when the process is asked to end, from now on. To be called in the main thread."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        # Not here: the main thread, which this interrupts, may be about to wait for the event and hold its lock, which `set` takes.
        _thread.start_new_thread(asked.set, ())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return asked
