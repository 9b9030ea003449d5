"""The one thread hop of a handler: all of its blocking work goes to a thread at once, so that nothing blocks the event loop.

A pool of our own instead of the framework's: its hop costs half, and a slow database uses up these threads and no others
(``/healthz`` needs none).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most ``count`` calls at once; further ones wait their turn. Context variables (the request id) go along."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="hop")

    def run(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Runs ``act`` in a thread; what it returns or raises is returned or raised where this is awaited."""
        call = partial(copy_context().run, act, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def run_through(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``run``, but when this task is cancelled it waits for ``act`` first: what ``act`` works with is then at rest."""
        work = self.run(act, *args, **kwargs)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # seen, so that it is not reported as lost
            raise

    def close(self, *, wait: bool = True) -> None:
        self._pool.shutdown(wait=wait)
