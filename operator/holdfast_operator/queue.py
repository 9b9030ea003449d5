"""Which policies are to be looked at: each by one worker at a time, and later when looking failed."""

from __future__ import annotations

import heapq
import threading
import time
from collections import OrderedDict

from holdfast_operator import metrics

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 60.0


class Queue:
    """Keys in the order in which they came. One that comes while somebody works on it comes again afterwards. Safe for threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._later: list[tuple[float, str]] = []
        self._at_work: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._closed = False

    def add(self, key: str, after: float = 0.0) -> None:
        """``after``: seconds."""
        with self._changed:
            if after > 0:
                heapq.heappush(self._later, (time.monotonic() + after, key))
            else:
                self._now(key)
            self._changed.notify()

    def take(self) -> str | None:
        """The next key, once there is one; None when the queue was closed. ``done`` or ``failed`` has to follow."""
        with self._changed:
            while not self._closed:
                while self._later and self._later[0][0] <= time.monotonic():
                    self._now(heapq.heappop(self._later)[1])
                if self._ready:
                    key, _ = self._ready.popitem(last=False)
                    self._at_work.add(key)
                    metrics.WAITING.set(len(self._ready))
                    return key
                self._changed.wait(self._later[0][0] - time.monotonic() if self._later else None)
            return None

    def done(self, key: str) -> None:
        with self._changed:
            self._failures.pop(key, None)
            self._leave(key)

    def failed(self, key: str) -> None:
        """It comes again after a pause that doubles with each failure."""
        with self._changed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            self._leave(key)
        self.add(key, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(count - 1, 20)))

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _now(self, key: str) -> None:
        if key in self._at_work:
            self._again.add(key)
        else:
            self._ready[key] = None

    def _leave(self, key: str) -> None:
        self._at_work.discard(key)
        if key in self._again:
            self._again.discard(key)
            self._ready[key] = None
            self._changed.notify()
