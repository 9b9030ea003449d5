"""``/openapi.json`` and ``/docs``: the whole API over all functions, as a document and as a page."""

from __future__ import annotations

import json
from functools import cache

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from holdfast.web import document, reference

router = APIRouter()

_PAGE = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@router.get(
    "/openapi.json",
    operation_id="openapi",
    summary="The API as an OpenAPI document",
    responses={200: {"content": {"application/json": {"example": {"openapi": "3.1.0", "info": {"title": "Holdfast"}}}}}},
)
async def openapi(request: Request) -> Response:
    text = await request.app.state.threads.run(_document)
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-cache"})


@router.get(
    "/docs",
    operation_id="docs",
    summary="The API as a page",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def docs(request: Request) -> Response:
    return Response(await request.app.state.threads.run(_page), media_type="text/html", headers=_PAGE)


@cache
def _document() -> bytes:
    return json.dumps(document.openapi(), ensure_ascii=False, separators=(",", ":")).encode()


@cache
def _page() -> bytes:
    return reference.page(document.openapi()).encode()
