"""What can be made to go wrong with a call to a stand-in."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """This status and message instead of the call's effect."""

    status: int
    message: str


@dataclass(frozen=True)
class Drop:
    """The connection is closed without an answer, before or after the call's effect."""

    after_effect: bool


@dataclass(frozen=True)
class Slow:
    """The effect comes at once, the answer after so many seconds."""

    seconds: float


Fault = Answer | Drop | Slow

PREDICATE_FAILED = Answer(500, "commit: predicate failed")
TOO_MANY = Answer(429, "Too many attempts, try again later")
BROKEN = Answer(500, "internal error")
DROP_BEFORE = Drop(after_effect=False)
DROP_AFTER = Drop(after_effect=True)


class Script:
    """Which faults the coming calls meet, by the call's name, and which calls were made. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[str, deque[Fault | None]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}
        self.calls: list[str] = []

    def next(self, call: str, *faults: Fault | None) -> None:
        """The next calls of this name meet these, one each, in this order; None: nothing goes wrong."""
        with self._lock:
            self._next[call].extend(faults)

    def always(self, call: str, fault: Fault) -> None:
        """From now on every call of this name meets this."""
        with self._lock:
            self._always[call] = fault

    def clear(self) -> None:
        """Nothing goes wrong any more, and no call was made yet."""
        with self._lock:
            self._next.clear()
            self._always.clear()
            self.calls.clear()

    def meet(self, call: str) -> Fault | None:
        """Notes that ``call`` was made, and says what it meets."""
        with self._lock:
            self.calls.append(call)
            return self._next[call].popleft() if self._next[call] else self._always.get(call)
