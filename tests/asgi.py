"""HTTP to an app in this process, for tests that are not asynchronous themselves."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any

import httpx
from starlette.types import ASGIApp

from holdfast.web.function import App

END_SECONDS = 60
"""For what is under way to be done. A request that hangs would have its test hang once more."""


class Http:
    """httpx's verbs, blocking, over the app itself. Threads may share it: their requests run at the same time, on one event loop.

    Leaving the block ends the app as its server would.
    """

    def __init__(self, app: App, headers: dict[str, str] | None = None) -> None:
        self._app, self.headers = app, headers or {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="http", daemon=True)

    def __enter__(self) -> Http:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(END_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        async with self._app.router.lifespan_context(self._app):
            pass

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """``options`` are httpx's: headers, files, data, content, json, params."""
        sending = send(self._app, method, path, headers={**self.headers, **(options.pop("headers", None) or {})}, **options)
        return asyncio.run_coroutine_threadsafe(sending, self._loop).result()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)


async def send(app: ASGIApp, method: str, path: str, **options: Any) -> httpx.Response:
    """One request to ``app``, on the running event loop."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://holdfast.test") as client:
        return await client.request(method, path, **options)
