"""How many versions the next transaction of a sweep takes, so that none keeps others waiting for long, whatever the database is."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 0.065
"""What a transaction should take: a third of what one may, as a few of a thousand take three times as long as those before them."""
LEAST = 250
"""Versions of the first transaction, and of any that is not the last, however slow the database is: a transaction costs as much as
some seventy versions besides them, so that smaller ones would make the whole run take far longer."""


def following(size: int, done: int, seconds: float, most: int) -> int:
    """The size after one of ``size`` that did ``done`` versions in ``seconds``: smaller at once, larger by twice at most, and only
    after one that was full."""
    fitting = int(done * SECONDS / max(seconds, 1e-6))
    if seconds > SECONDS:
        return min(max(fitting, LEAST), size)
    return min(fitting, 2 * size, most) if done == size else size


class Pace:
    """Keeps the size from one transaction to the next; never more than ``most``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = min(LEAST, most)

    @contextmanager
    def kept(self, count: int) -> Iterator[None]:
        """Within it, a transaction over ``count`` versions is made."""
        began = time.perf_counter()
        yield
        self.size = following(self.size, count, time.perf_counter() - began, self._most)


def exempt() -> None:
    """What the process has loaded by now is exempt from garbage collection for good: looking at all of it takes 100 ms, and the
    transaction that this falls into keeps its locks for as much longer. For a process that sweeps and ends."""
    gc.collect()
    gc.freeze()
