"""``/uploads``: resumable uploads by the tus protocol, version 1.0.0, with all of its extensions but trailers and the
concatenation of unfinished uploads.

The metadata that mean something here: ``filename`` (``name``), ``filetype`` (``type``, ``content_type``), ``archive_ttl``,
``destroy_ttl``, ``labels`` (a JSON object), ``sha256`` (of the whole, which is checked before it becomes a version), and
``if_none_match`` (``*``: no new version of what is there). All of them are checked when the upload is created; others are kept.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from email.utils import format_datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path
from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response

from endpoints.uploads import headers as read
from endpoints.uploads.described import CREATION, HEADERS, OPTIONS, PATCH, TERMINATION
from endpoints.uploads.headers import ALGORITHMS, CONTENT_TYPE, VERSION
from endpoints.uploads.speaking import Answer, TusRoute, answered
from holdfast.assets import names
from holdfast.errors import Forbidden, Gone, Invalid, Malformed, Problem, Unavailable, UnsupportedMediaType
from holdfast.media import kind
from holdfast.uploads import concatenation, outcome, sequential, sessions, tus
from holdfast.uploads.sessions import Opening
from holdfast.web.auth import claims
from holdfast.web.described import BothSpellings, SecuredRouter
from holdfast.web.origin import base_url

EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
IDLE_SECONDS = 60.0
"""A body of which nothing comes for so long has ended; what came is kept."""


class _Secured(BothSpellings, SecuredRouter):
    pass


router = _Secured(route_class=TusRoute)
_public = BothSpellings(route_class=TusRoute)

UploadId = Annotated[str, Path(min_length=1, description="As the upload's Location has it.")]


@router.post("/uploads", operation_id="uploads_create", summary="Begin a resumable upload (tus)", **CREATION)
async def uploads_create(request: Request) -> Response:
    return await answered(_ROOT, request)


@_public.options("/uploads", operation_id="uploads_options", summary="What this tus server can do", **OPTIONS)
async def uploads_options(request: Request) -> Response:
    return await answered(_ROOT, request)


@router.head("/uploads/{upload_id}", operation_id="uploads_head", summary="How far an upload is", **HEADERS)
async def uploads_head(request: Request, upload_id: UploadId) -> Response:
    return await answered(_ITEM, request, upload_id)


@router.patch("/uploads/{upload_id}", operation_id="uploads_patch", summary="Send bytes at an upload's end", **PATCH)
async def uploads_patch(request: Request, upload_id: UploadId) -> Response:
    return await answered(_ITEM, request, upload_id)


@router.delete("/uploads/{upload_id}", operation_id="uploads_delete", summary="Terminate an upload", **TERMINATION)
async def uploads_delete(request: Request, upload_id: UploadId) -> Response:
    return await answered(_ITEM, request, upload_id)


@router.post(
    "/uploads/{upload_id}",
    operation_id="uploads_post",
    summary="Any of these, named by X-HTTP-Method-Override",
    include_in_schema=False,
)
async def uploads_post(request: Request, upload_id: UploadId) -> Response:
    return await answered(_ITEM, request, upload_id)


@_public.options("/uploads/{upload_id}", operation_id="upload_options", summary="As of /uploads", **OPTIONS)
async def upload_options(request: Request, upload_id: UploadId) -> Response:
    return await answered(_ITEM, request, upload_id)


async def uploads_other(request: Request) -> Response:
    """A method that means nothing here, unless X-HTTP-Method-Override names another."""
    return await answered(_ROOT, request)


async def upload_other(request: Request, upload_id: UploadId) -> Response:
    return await answered(_ITEM, request, upload_id)


_public.add_api_route("/uploads", uploads_other, methods=["GET", "HEAD", "PUT", "PATCH", "DELETE"], include_in_schema=False)
_public.add_api_route("/uploads/{upload_id}", upload_other, methods=["GET", "PUT"], include_in_schema=False)
router.include_router(_public)


async def _abilities(request: Request, *_: str) -> Response:
    told = {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(request.app.state.services.settings.max_file_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(status_code=204, headers=told)


async def _create(request: Request) -> Response:
    who, state = claims(request), request.app.state
    concat = read.one(request.headers, "Upload-Concat")
    partials = read.partial_uploads(concat)
    length = read.length(request.headers)
    if partials and length is not None:
        raise Malformed("The length of a final upload is that of its partial ones.", slug="invalid-header", header="Upload-Length")
    if not partials and length is None:
        raise Malformed("Upload-Length or Upload-Defer-Length is missing.", slug="invalid-header", header="Upload-Length")
    checksum = read.checksum(read.one(request.headers, "Upload-Checksum"))
    brings = _brings_bytes(request)
    if partials and brings:
        raise Forbidden("A final upload takes no bytes of its own.", slug="final-upload")
    opening = _opening(request, None if length is None else length.size, concat)
    if partials:
        session = await state.threads.run(concatenation.open_final, state.services, who, opening, partials)
    else:
        session = await state.threads.run(sessions.open_session, state.services, who, opening)
    upload_id = session.upload_id
    if brings:
        try:
            session = await _append(request, upload_id, 0, checksum)
        except Problem:
            await state.threads.run(tus.terminate, state.services, who, upload_id)  # nobody knows its address
            raise
    elif session.length == 0 and partials is None:
        session = await state.threads.run(tus.complete_empty, state.services, session)
    told = {**_progress(session, offset=not partials), **await _published(request, session)}
    return Response(status_code=201, headers={"Location": f"{base_url(request)}/uploads/{upload_id}", **told})


async def _head(request: Request, upload_id: str) -> Response:
    who, state = claims(request), request.app.state
    session, found = await state.threads.run(tus.look, state.services, who, upload_id)
    details = session.details or {}
    told = {name: details[key] for name, key in (("Upload-Metadata", "metadata"), ("Upload-Concat", "concat")) if details.get(key)}
    if found.problem is not None:
        raise Gone(f"The upload has failed: {found.problem.detail}", slug=found.problem.slug)
    if session.length is None:
        told["Upload-Defer-Length"] = "1"
    else:
        told["Upload-Length"] = str(session.length)
    finished = found.metadata is not None
    told |= _progress(session, offset=finished or not concatenation.partials_of(session))
    return Response(status_code=200, headers={**told, **_version(found.metadata)})


async def _patch(request: Request, upload_id: str) -> Response:
    who, state = claims(request), request.app.state
    if _media_type(request) != CONTENT_TYPE:
        raise UnsupportedMediaType(f"The Content-Type of a PATCH is {CONTENT_TYPE}.")
    offset = read.count(request.headers, "Upload-Offset")
    if offset is None:
        raise Malformed("Upload-Offset is missing.", slug="invalid-header", header="Upload-Offset")
    length = read.count(request.headers, "Upload-Length")
    checksum = read.checksum(read.one(request.headers, "Upload-Checksum"))
    if _coming(request) == 0 and (done := await state.threads.run(tus.whole, state.services, who, upload_id, offset)) is not None:
        return Response(status_code=204, headers={**_progress(done), **await _published(request, done)})
    said = await state.threads.run(tus.prepare, state.services, who, upload_id, offset, length, _coming(request))
    try:
        session = await _append(request, upload_id, offset, checksum)
    except sequential.ChecksumMismatch:
        if said:
            await state.threads.run(tus.take_length_back, state.services, upload_id)
        raise
    return Response(status_code=204, headers={**_progress(session), **await _published(request, session)})


async def _append(request: Request, upload_id: str, offset: int, checksum: read.Checksum | None) -> Row[Any]:
    state, chunks = request.app.state, _chunks(request)
    return await sequential.append(
        state.services, state.threads, claims(request), upload_id, offset, chunks, coming=_coming(request), checksum=checksum
    )


async def _delete(request: Request, upload_id: str) -> Response:
    who, state = claims(request), request.app.state
    await state.threads.run(tus.terminate, state.services, who, upload_id)
    return Response(status_code=204)


_ROOT: dict[str, Answer] = {"POST": _create, "OPTIONS": _abilities}
_ITEM: dict[str, Answer] = {"HEAD": _head, "PATCH": _patch, "DELETE": _delete, "OPTIONS": _abilities}


def _opening(request: Request, length: int | None, concat: str | None) -> Opening:
    """What the client says of its file. Raises Malformed, Invalid."""
    raw = read.one(request.headers, "Upload-Metadata")
    pairs = {key: _text(key, value) for key, value in read.metadata(raw).items() if key in _MEANT}
    said = sessions.content_type(pairs.get("filetype") or pairs.get("type") or pairs.get("content_type") or "")
    given = pairs.get("filename", pairs.get("name"))
    if given is None:
        given = f"{secrets.token_hex(16)}.{kind.extension_of_type(said) or 'bin'}"
    if pairs.get("if_none_match", "*") != "*":
        raise Invalid("if_none_match is '*', or not there.", field="if_none_match")
    return Opening(
        sessions.SEQUENTIAL,
        filename=names.file_name(given),
        content_type=said,
        length=length,
        wishes=sessions.wishes(pairs.get("archive_ttl"), pairs.get("destroy_ttl"), pairs.get("labels")),
        must_be_new="if_none_match" in pairs,
        promised_sha256=sessions.sha256(pairs.get("sha256")),
        details={"face": "tus", "metadata": raw, "concat": concat},
    )


_MEANT = {
    "filename", "name", "filetype", "type", "content_type", "archive_ttl", "destroy_ttl", "labels", "sha256", "if_none_match",
}  # fmt: skip


def _text(key: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"{key} is not UTF-8.", field=key) from error


def _media_type(request: Request) -> str:
    return (read.one(request.headers, "Content-Type") or "").partition(";")[0].strip().lower()


def _coming(request: Request) -> int | None:
    return read.coming(request.headers)


def _brings_bytes(request: Request) -> bool:
    """Whether a creation has a body. Raises UnsupportedMediaType when that is of another type."""
    there = request.headers.get("transfer-encoding") is not None or bool(_coming(request))
    if there and _media_type(request) != CONTENT_TYPE:
        raise UnsupportedMediaType(f"The Content-Type of bytes is {CONTENT_TYPE}.")
    return there


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body. Raises Malformed when nothing comes for too long, ClientDisconnect."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise Malformed("The body stopped coming.", slug="incomplete-body") from error
        if chunk is None:
            return
        if chunk:
            yield chunk


def _progress(session: Row[Any], *, offset: bool = True) -> dict[str, str]:
    told = {"Upload-Offset": str(session.offset)} if offset else {}
    if session.state == "open":
        told["Upload-Expires"] = format_datetime(session.expires_at, usegmt=True)
    return told


def _version(metadata: dict[str, Any] | None) -> dict[str, str]:
    if metadata is None:
        return {}
    return {
        "Holdfast-Asset-Path": quote(metadata["asset_path"]),
        "Holdfast-Version-Id": metadata["version_id"],
        "Holdfast-Scan-Result": metadata["scan_result"],
    }


async def _published(request: Request, session: Row[Any]) -> dict[str, str]:
    """Headers about the version that a complete upload becomes. Raises the problem that it ends in; what takes longer than a
    request should goes on without one."""
    if session.state not in ("completing", "stored"):
        return {}
    state = request.app.state
    try:
        async with asyncio.timeout(state.services.settings.commit_wait_seconds):
            return _version(await outcome.finish(state.services, state.threads, session))
    except (TimeoutError, Unavailable):
        return {}
