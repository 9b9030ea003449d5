"""The one thread hop of a handler: all of its blocking work goes to a thread at once, so that nothing blocks the event loop.

A pool of our own instead of the framework's: its hop costs half, and a slow database uses up these threads and no others
(``/healthz`` needs none).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most ``count`` calls at once; further ones wait their turn."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="hop")

    async def run(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``act`` in a thread; what it returns or raises is returned or raised here."""
        loop = asyncio.get_running_loop()
        if kwargs:
            return await loop.run_in_executor(self._pool, lambda: act(*args, **kwargs))
        return await loop.run_in_executor(self._pool, act, *args)

    def close(self) -> None:
        self._pool.shutdown(wait=True)
