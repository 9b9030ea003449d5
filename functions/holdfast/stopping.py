"""Being asked to end: SIGTERM and SIGINT, as an event that long work looks at between its steps."""

from __future__ import annotations

import signal
import threading


def asked_to_stop() -> threading.Event:
    """Set when the process is asked to end, from now on. To be called in the main thread."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    return asked
