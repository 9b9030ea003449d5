"""The OpenAPI document of all functions together: what ``/openapi.json`` serves and ``holdfast openapi`` prints."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from holdfast import __version__
from holdfast.web import described, serving

DESCRIPTION = (
    "An asset store for Kubernetes: every upload is a version, every version has a declared end of life. "
    "Errors are `application/problem+json` (RFC 9457). `POST /token` gives the bearer token that most operations need."
)


def openapi() -> dict[str, Any]:
    """A new document at each call; making it imports every function's routes."""
    app = FastAPI(title="Holdfast", version=__version__, description=DESCRIPTION)
    described.install(app)
    for router in serving.routers():
        app.include_router(router)
    return app.openapi()
