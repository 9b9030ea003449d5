"""Group commit: what several requests ask for at the same moment is done in one go, with one thread hop and one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from holdfast.web.hop import Threads

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")


class Together(Generic[I, R]):
    """Nobody waits for company: the first item is done at once, and what comes meanwhile is done together after it.

    ``act`` blocks. It returns for each item, in their order, what the item's request gets or what is raised there; what ``act``
    itself raises, all of them get. Belongs to one event loop.
    """

    def __init__(self, threads: Threads, act: Callable[[Sequence[I]], Sequence[R | BaseException]]) -> None:
        self._threads, self._act = threads, act
        self._waiting: list[tuple[I, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: I) -> R:
        """The item's result. When this is cancelled, the item may be done all the same."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            results: Sequence[R | BaseException]
            try:
                results = await self._threads.run(self._act, [item for item, _ in taken])
            except BaseException as error:  # whatever it is, it is the requests' affair
                results = [error] * len(taken)
            for (_, future), result in zip(taken, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, BaseException):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        self._running = None
