"""``/console``: pages for people. They are files, and work with the rest of the API as any other client does.

What ``console/`` at the root of the repository is built into lies in ``static`` (``upload.js`` and its licences); the page and its
style sheet are written there by hand.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.errors import NotFound
from holdfast.web.content import matches
from holdfast.web.described import problems_of

router = APIRouter()

_STATIC = Path(__file__).with_name("static")
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}
_PAGE = "upload.html"
_HEADERS = {
    "Cache-Control": "no-cache",  # a page and its script are of one release: ask each time, which costs a 304
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "What you have is current."}}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str


def _file(path: Path) -> _File:
    content = path.read_bytes()
    return _File(content, _TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


_FILES = {path.name: _file(path) for path in _STATIC.iterdir()}


@router.get(
    "/console",
    operation_id="console",
    status_code=307,
    response_class=RedirectResponse,
    summary="The console: leads to its page",
    responses={307: {"description": "To the page"}},
)
async def console() -> Response:
    return RedirectResponse("console/upload", 307, headers=_HEADERS)  # relative, so that it holds behind any prefix


@router.get(
    "/console/upload",
    operation_id="console_upload",
    summary="A page that uploads files",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **_NOT_MODIFIED},
)
async def upload(request: Request) -> Response:
    return _reply(request, _FILES[_PAGE])


@router.get(
    "/console/static/{name}",
    operation_id="console_static",
    summary="What the console's pages consist of",
    response_class=Response,
    responses={
        200: {"content": {kind: {"schema": {"type": "string"}} for kind in sorted({*_TYPES.values()} - {"text/html"})}},
        **_NOT_MODIFIED,
        **problems_of(400, 404),
    },
)
async def static(request: Request, name: str) -> Response:
    file = _FILES.get(name)
    if file is None or name == _PAGE:
        raise NotFound("There is no such file.")
    return _reply(request, file)


def _reply(request: Request, file: _File) -> Response:
    headers = {**_HEADERS, "ETag": file.etag}
    condition = request.headers.get("if-none-match")
    if condition is not None and matches(condition, (file.etag,), weakly=True):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
