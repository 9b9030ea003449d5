"""``/``, ``/healthz``, ``/readyz`` and ``/metrics``, which every function has and no ingress shows.

Alive (``/healthz``) is whoever runs the event loop: it needs no thread and asks no store, so that a slow database never gets a
process killed. Ready (``/readyz``) is who can do his work now: all parts that the function needs are asked at once. A part that
answers slowly is there: the requests that wait for it will be served, where a proxy that finds nobody ready refuses them all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Response

from holdfast import __version__
from holdfast.errors import Problem, Unavailable
from holdfast.web import metrics
from holdfast.web.hop import Threads

log = logging.getLogger(__name__)


class Readiness:
    """Which of the parts do not answer. ``limit``: seconds for which an answer is waited for; ``slow``: seconds that the check of a
    part may take that answered the last time, until it is away; ``keep``: seconds for which an answer is used again.

    A check that hangs is not started a second time, so that it holds one thread and no more; the threads are these checks' own.
    """

    def __init__(
        self, checks: Mapping[str, Callable[[], None]], *, limit: float = 3.0, slow: float = 30.0, keep: float = 2.0
    ) -> None:
        self._checks = checks
        self._limit, self._slow, self._keep = limit, slow, keep
        self._threads = Threads(max(1, len(checks)))
        self._running: dict[str, asyncio.Future[None]] = {}
        self._begun: dict[str, float] = {}
        self._there: set[str] = set()
        self._asking: asyncio.Task[list[str]] | None = None
        self._asked = float("-inf")
        self._last: list[str] = []
        self.reasons: dict[str, str] = {}
        """What the parts that fail said of it, where they wrote it for a reader."""

    async def away(self) -> list[str]:
        """Names of the parts that fail, or take too long."""
        if self._asking is None or (self._asking.done() and time.monotonic() - self._asked >= self._keep):
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> list[str]:
        for name, check in self._checks.items():
            if name not in self._running:
                self._running[name], self._begun[name] = self._threads.run(check), time.monotonic()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._limit)
        away = [name for name in self._checks if not self._answered(name)]
        if away != self._last:
            log.warning("not ready: %s", ", ".join(away)) if away else log.info("ready again")
        self._asked, self._last = time.monotonic(), away
        return away

    def _answered(self, name: str) -> bool:
        if not self._running[name].done():
            return name in self._there and time.monotonic() - self._begun[name] < self._slow
        error = self._running.pop(name).exception()
        self._there -= {name}
        if error is None:
            self._there.add(name)
        self.reasons.pop(name, None)
        if isinstance(error, Problem):
            self.reasons[name] = error.detail
        if error is not None and name not in self._last:
            log.warning("%s is away", name, exc_info=error)
        return error is None

    def close(self) -> None:
        """Does not wait for a check that hangs."""
        self._threads.close(wait=False)


def router(service: str, readiness: Readiness, alive: Callable[[], bool] = lambda: True) -> APIRouter:
    """``alive``: whether what the process does beside the event loop goes on. Asked on the loop, so it must not block."""
    # No response models, also in the endpoints of ``token``: the first one makes FastAPI import the whole of ``pydantic.v1``.
    routes = APIRouter(include_in_schema=False)

    @routes.get("/", response_model=None)
    async def root() -> dict[str, str]:
        return {"status": "ok", "service": service, "version": __version__}

    @routes.get("/healthz", response_model=None)
    async def healthy() -> dict[str, str]:
        if not alive():
            raise Unavailable("What runs in the background stands still.", slug="stalled")
        return {"status": "ok"}

    @routes.get("/readyz", response_model=None)
    async def ready() -> dict[str, str]:
        away = await readiness.away()
        if away:
            reasons = {name: readiness.reasons[name] for name in away if name in readiness.reasons}
            raise Unavailable(f"Not ready: {', '.join(away)}.", slug="not-ready", retry_after=2, away=away, reasons=reasons)
        return {"status": "ok"}

    @routes.get("/metrics", response_model=None)
    async def exposition() -> Response:
        text, content_type = await asyncio.to_thread(metrics.exposition)  # the first one imports a lot
        return Response(text, headers={"Content-Type": content_type})

    return routes
