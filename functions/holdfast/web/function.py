"""One function: a FastAPI ``app`` and a Mangum ``handler`` around the routers that it owns; ``serve`` puts all into one app.

Handlers find what they work with at ``request.app.state``: ``services`` (the composition root) and ``threads`` (their one hop).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

from holdfast import __version__
from holdfast.services import Services
from holdfast.web import described, problems
from holdfast.web.hop import Threads


def create_app(name: str, *routers: APIRouter, services: Services | None = None) -> FastAPI:
    """An app that serves ``routers`` as service ``name``. ``services`` default to those of the environment's settings."""
    services = services or Services()
    threads = Threads(services.settings.threads)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> Any:
        yield
        threads.close()
        services.close()

    app = FastAPI(title=f"Holdfast {name}", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.services, app.state.threads, app.state.service = services, threads, name
    problems.install(app)
    described.install(app)
    for router in routers:
        app.include_router(router)
    return app


class Handler:
    """``handler(event, context)`` for AWS Lambda and its kin, by Mangum, which most containers never need."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._mangum: Callable[[Any, Any], Any] | None = None

    def __call__(self, event: Any, context: Any) -> Any:
        if self._mangum is None:
            from mangum import Mangum

            # Mangum would run the lifespan on every invocation; clients are made once per process.
            self._mangum = Mangum(self._app, lifespan="off")
        return self._mangum(event, context)
