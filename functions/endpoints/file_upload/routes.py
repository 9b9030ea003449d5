"""``/api/v1/file/upload/…``: chunks in any order become a file (001, 003)."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from holdfast.assets import names
from holdfast.errors import Invalid, TooLarge
from holdfast.identity import passwords
from holdfast.media import kind
from holdfast.uploads import chunks, cutting, outcome, records, sessions
from holdfast.web import envelope
from holdfast.web.auth import claims
from holdfast.web.described import BINARY, problems_of
from holdfast.web.forms import fields
from holdfast.web.multipart import Limits, Multipart
from holdfast.web.origin import base_url

router = envelope.enveloped_router()

_NUMBER = re.compile("[0-9]{1,19}")
_EXTENSION = re.compile(r"\.?[A-Za-z0-9+-]{1,16}")
_COMPLETE = {
    "upload_id", "total_chunks", "total_size", "file_extension", "content_type", "credential", "detail", "filename",
    "appointment_id", "user_id", "sha256", "archive_ttl", "destroy_ttl", "labels",
}  # fmt: skip
_MAX_DETAIL = 16_384


def _form(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}


def _number(found: dict[str, str], name: str) -> int:
    text = found.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise Invalid(f"{name} is a whole number, and not negative.", field=name)
    return int(text)


def _required(found: dict[str, str], name: str) -> str:
    if not found.get(name):
        raise Invalid(f"{name} is missing.", field=name)
    return found[name]


@router.post(
    "/api/v1/file/upload/init/",
    operation_id="file_upload_init",
    summary="Begin an upload in chunks",
    responses={
        **envelope.shows({"upload_id": records.EXAMPLE["upload_id"], "chunk_size": 786432, "max_chunks": 70000}),
        **problems_of(413, 429, 503),
    },
)
async def init(request: Request) -> Response:
    who, state = claims(request), request.app.state
    size = state.services.settings.upload_chunk
    opening = sessions.Opening(sessions.CHUNKS, chunk_size=size)
    opened = await state.threads.run(sessions.open_session, state.services, who, opening)
    data = {"upload_id": opened.upload_id, "chunk_size": size, "max_chunks": cutting.most_chunks(size)}
    return envelope.success(data, "The upload has begun.")


@router.post(
    "/api/v1/file/upload/chunk/",
    operation_id="file_upload_chunk",
    summary="Send a chunk: in any order, and again if need be",
    responses={
        **envelope.shows({"upload_id": records.EXAMPLE["upload_id"], "chunk_index": 0}),
        **problems_of(400, 404, 409, 410, 413, 415, 422, 503),
    },
    openapi_extra=_form(
        ["upload_id", "chunk_index", "file"],
        {"upload_id": _TEXT, "chunk_index": _COUNT, "chunk_size": _COUNT, "chunk_sha256": _TEXT, "file": BINARY},
    ),
)
async def chunk(request: Request) -> Response:
    """The fields may come before the file or after it."""
    who, state = claims(request), request.app.state
    most = state.services.settings.upload_chunk
    found: dict[str, str] = {}
    taken: bytearray | None = None
    async for part in Multipart(request, Limits(files=1, fields=4)):
        if part.filename is None:
            if part.name not in {"upload_id", "chunk_index", "chunk_size", "chunk_sha256"}:
                raise Invalid(f"There is no field {part.name[:100]!r}.", slug="unknown-field")
            found[part.name] = await part.text()
            continue
        if part.name != "file":
            raise Invalid(f"There is no file field {part.name[:100]!r}.", slug="unknown-field")
        taken = bytearray()
        async for data in part:
            if len(taken) + len(data) > most:
                raise TooLarge(f"A chunk has at most {most} bytes.", slug="chunk-too-large", limit=most)
            taken += data
    if taken is None:
        raise Invalid("There is no file in the form.", slug="no-file", field="file")
    upload_id, index = _required(found, "upload_id"), _number(found, "chunk_index")
    said = _number(found, "chunk_size") if "chunk_size" in found else None
    promised = sessions.sha256(found.get("chunk_sha256"), "chunk_sha256")
    await state.threads.run(chunks.receive, state.services, who, upload_id, index, taken, said=said, promised=promised)
    return envelope.success({"upload_id": upload_id, "chunk_index": index}, "The chunk is safe.")


@router.post(
    "/api/v1/file/upload/complete/",
    operation_id="file_upload_complete",
    summary="All chunks were sent: the upload becomes a version of its asset",
    responses={**envelope.shows(records.EXAMPLE), **problems_of(400, 404, 409, 410, 412, 413, 415, 422, 503)},
    openapi_extra=_form(
        ["upload_id", "total_chunks", "total_size"],
        {name: _COUNT if name.startswith("total") else _TEXT for name in sorted(_COMPLETE)},
    ),
)
async def complete(request: Request) -> Response:
    who, state = claims(request), request.app.state
    found = await fields(request, Limits(files=0, fields=len(_COMPLETE)))
    if unknown := sorted(set(found) - _COMPLETE):
        raise Invalid(f"There is no field {unknown[0][:100]!r}.", slug="unknown-field")
    upload_id, count, size = _required(found, "upload_id"), _number(found, "total_chunks"), _number(found, "total_size")
    values = _columns(found, upload_id)
    text = records.credential(records.json_object("credential", found.get("credential")))
    if text is not None:
        values["details"]["credential"] = await state.threads.run(passwords.hashed, text)
    session = await state.threads.run(chunks.complete, state.services, who, upload_id, count=count, size=size, values=values)
    await outcome.try_to_finish(state.services, state.threads, session)
    data = await state.threads.run(records.get, state.services, who, upload_id, text, base_url(request), "upload")
    return envelope.success(data, "The upload is complete.")


def _columns(found: dict[str, str], upload_id: str) -> dict[str, Any]:
    """What the client says of the file, checked, as columns of the session."""
    said = sessions.content_type(found.get("content_type", ""))
    extension = found.get("file_extension", "")
    if extension and not _EXTENSION.fullmatch(extension):
        raise Invalid("file_extension is 1 to 16 letters or digits.", field="file_extension")
    ending = extension.lstrip(".").lower() or kind.extension_of_type(said) or "bin"
    filename = names.file_name(found.get("filename") or f"{upload_id}.{ending}")
    detail = records.json_object("detail", found.get("detail"))
    if len(found.get("detail", "")) > _MAX_DETAIL:
        raise Invalid(f"detail has at most {_MAX_DETAIL} characters.", field="detail")
    wishes = sessions.wishes(found.get("archive_ttl"), found.get("destroy_ttl"), found.get("labels"))
    return {
        "filename": filename,
        "content_type": said,
        "promised_sha256": sessions.sha256(found.get("sha256")),
        "archive_ttl": wishes.archive_ttl,
        "destroy_ttl": wishes.destroy_ttl,
        "labels": wishes.labels,
        "details": {"detail": detail or None},
        "kept": True,
        "appointment_id": _short(found, "appointment_id"),
        "owner": _short(found, "user_id"),
    }


def _short(found: dict[str, str], name: str) -> str | None:
    text = found.get(name) or None
    if text is not None and (len(text) > 64 or not text.isprintable()):
        raise Invalid(f"{name} is at most 64 printable characters.", field=name)
    return text


@router.post(
    "/api/v1/file/upload/retry",
    operation_id="file_upload_retry",
    summary="Finish a failed upload again",
    responses={**envelope.shows(records.EXAMPLE), **problems_of(400, 404, 409, 410, 412, 413, 415, 422, 503)},
    openapi_extra=_form(["file_id"], {"file_id": _TEXT, "credential": _TEXT}),
)
async def retry(request: Request) -> Response:
    who, state = claims(request), request.app.state
    found = await fields(request, Limits(files=0, fields=2))
    text = records.credential(records.json_object("credential", found.get("credential")))
    file_id = _required(found, "file_id")
    session = await state.threads.run(records.retry, state.services, who, file_id, text)
    await outcome.try_to_finish(state.services, state.threads, session)
    data = await state.threads.run(records.get, state.services, who, file_id, text, base_url(request), "upload")
    return envelope.success(data, "The upload is being finished.")
