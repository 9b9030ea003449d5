"""One function: a FastAPI ``app`` and a Mangum ``handler`` around the routers that it owns; ``serve`` puts all into one app.

Handlers find what they work with at ``request.app.state``: ``services`` (the composition root), ``threads`` (their one hop), and
``registrar``, a function whose result is what uploads of the same moment share.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Literal

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from holdfast import __version__
from holdfast.services import Services
from holdfast.web import described, health, problems
from holdfast.web.gate import Gate
from holdfast.web.hop import Threads

Part = Literal["database", "direct", "objects", "objects-read", "versions"]
"""What a function may need to do its work; each is a member of ``Services`` with a ``check``. ``objects-read``: the objects, of who
may only read them."""


class App(FastAPI):
    """FastAPI with the gate around all of it: middleware that is added would stand within the handler of unexpected errors."""

    def build_middleware_stack(self) -> ASGIApp:
        return Gate(super().build_middleware_stack())


def create_app(
    name: str,
    *routers: APIRouter,
    services: Services | None = None,
    needs: Sequence[Part] = (),
    document: bool = True,
    alive: Callable[[], bool] = lambda: True,
) -> App:
    """An app that serves ``routers`` as service ``name``, and is ready while the parts that it ``needs`` answer.

    ``services`` default to those of the environment's settings. ``document``: whether it serves its own part of the OpenAPI
    document, which whoever mounts the function ``docs`` leaves to that. ``alive``: whether what the process does besides goes on.
    """
    services = services or Services()
    threads = Threads(services.settings.threads)
    readiness = health.Readiness({part: _check(services, part) for part in needs})

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        readiness.close()
        threads.close()
        services.close()

    app = App(
        title=f"Holdfast {name}",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/openapi.json" if document else None,
        docs_url=None,
        redoc_url=None,
        # Their routes as they are: a router that is included is searched twice for each request, one router after the other.
        routes=[route for router in (*routers, health.router(name, readiness, alive)) for route in router.routes],
    )
    app.state.services, app.state.threads, app.state.service = services, threads, name
    app.state.registrar = cache(lambda: services.registrar(threads))
    problems.install(app)
    described.install(app)
    return app


def _check(services: Services, part: Part) -> Callable[[], None]:
    """Makes the part only when it is asked for the first time, in a thread: that may import much."""
    if part == "objects-read":
        return lambda: services.objects.check_reading()  # noqa: PLW0108  makes it when it is called
    return lambda: getattr(services, part).check()


class Handler:
    """``handler(event, context)`` for AWS Lambda and its kin, by Mangum, which most containers never need."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._mangum: Callable[[Any, Any], Any] | None = None

    def __call__(self, event: Any, context: Any) -> Any:
        if self._mangum is None:
            from mangum import Mangum
            from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

            # Mangum would run the lifespan on every invocation; clients are made once per process.
            texts = [*DEFAULT_TEXT_MIME_TYPES, problems.ProblemResponse.media_type]  # whatever is no text is sent as base64
            self._mangum = Mangum(self._app, lifespan="off", text_mime_types=texts)
        return self._mangum(event, context)
