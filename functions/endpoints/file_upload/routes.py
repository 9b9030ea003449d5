"""``/api/v1/file/upload/…``: chunks in any order (001, 003), or parts straight to the store, become a file."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from holdfast.assets import names
from holdfast.clock import isoformat
from holdfast.errors import Invalid, TooLarge
from holdfast.identity import passwords
from holdfast.media import kind
from holdfast.storage.objects.parts import MAX_PARTS, MIN_PART
from holdfast.uploads import chunks, direct, outcome, records, sessions
from holdfast.web import body, envelope
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
    "appointment_id", "user_id", "sha256", "archive_ttl", "destroy_ttl", "labels", "if_none_match", "listed",
}  # fmt: skip
_MAX_DETAIL = 16_384
_AROUND = 1 << 20
"""Bytes of a form around its chunk: more than any that is meant well needs."""


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
    description="What comes back are the limits: every chunk but the last has `chunk_size` bytes, and there are at most "
    "`max_chunks`; every part that goes straight to the store but the last has the same size, from `min_part_size` to "
    "`max_part_size` bytes, and there are at most `max_parts`; the file has at most `max_size` bytes.",
    responses={**envelope.shows(chunks.BEGUN_EXAMPLE), **problems_of(413, 429, 503)},
)
async def init(request: Request) -> Response:
    data = await request.app.state.threads.run(chunks.begin, request.app.state.services, claims(request))
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
    async for part in Multipart(request, Limits(files=1, fields=4, body=most + _AROUND)):
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


class Promised(BaseModel):
    """A part that will be PUT to the store."""

    model_config = ConfigDict(extra="forbid", strict=True)

    number: int = Field(ge=1, le=MAX_PARTS)
    size: int = Field(ge=1, le=direct.MAX_PART, description="In bytes; `part_size`, unless it is the last part.")
    sha256: str = Field(pattern="^[0-9a-fA-F]{64}$")


class Parts(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    upload_id: str
    part_size: int = Field(ge=MIN_PART, le=direct.MAX_PART, description="Of all parts but the last, in bytes.")
    parts: list[Promised] = Field(min_length=1, max_length=direct.AT_ONCE)


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_PARTS = {
    "upload_id": records.EXAMPLE["upload_id"],
    "part_size": 16 << 20,
    "parts": [{"number": 1, "size": 16 << 20, "sha256": _EMPTY}],
}
_LINKS = {
    "upload_id": records.EXAMPLE["upload_id"],
    "expires": "2026-11-21T14:08:00.000000+00:00",
    "parts": [
        {
            "number": 1,
            "url": "https://files.example.org/assets/data/0f8fad5bd9cb469fa16570867728950e/0?partNumber=1&uploadId=7f&X-Amz-Signature=5d41",
            "headers": {"content-length": "16777216", "x-amz-checksum-sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
        }
    ],
}


@router.post(
    "/api/v1/file/upload/parts",
    operation_id="file_upload_parts",
    summary="Promise parts, and be told where to PUT them: straight to the store",
    description="409 `no-direct-parts` where the store has no address of its own.",
    responses={**envelope.shows(_LINKS), **problems_of(400, 404, 409, 410, 413, 415, 422, 503)},
    openapi_extra=body.json_schema(Parts, example=_PARTS),
)
async def parts(request: Request) -> Response:
    who, state = claims(request), request.app.state
    wanted = await body.json_body(request, Parts)
    some = [direct.promised(wanted.part_size, part.number, part.size, part.sha256.lower()) for part in wanted.parts]
    if len({part.number for part in some}) < len(some):
        raise Invalid("A part comes twice.", slug="duplicate-part", field="parts")
    found = await state.threads.run(direct.links, state.services, who, wanted.upload_id, wanted.part_size, some)
    told = [{"number": one.number, "url": one.signed.url, "headers": dict(one.signed.headers)} for one in found.parts]
    data = {"upload_id": wanted.upload_id, "expires": isoformat(found.expires), "parts": told}
    return envelope.success(data, "Each part may be PUT where its URL says, with its headers.")


@router.post(
    "/api/v1/file/upload/complete/",
    operation_id="file_upload_complete",
    summary="All chunks or parts were sent: the upload becomes a version of its asset",
    description="`if_none_match=*`: no new version of what is there (412). `listed=false`: the upload is no file of this "
    "interface, and has no link; `asset` is what its version is, as with `/fileupload`.",
    responses={**envelope.shows({**records.EXAMPLE, "asset": None}), **problems_of(400, 404, 409, 410, 412, 413, 415, 422, 503)},
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
    data = await state.threads.run(records.completed, state.services, who, upload_id, text, base_url(request))
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
        "kept": _one_of(found, "listed", "true", "false") == "true",
        "must_be_new": _one_of(found, "if_none_match", "", "*") == "*",
        "appointment_id": _group(found),
        "owner": _short(found, "user_id"),
    }


def _one_of(found: dict[str, str], name: str, usual: str, other: str) -> str:
    text = found.get(name) or usual
    if text not in (usual, other):
        raise Invalid(f"{name} is {other!r} or {usual!r}.", field=name)
    return text


def _group(found: dict[str, str]) -> str | None:
    """What is part of a path, by which the group's files are listed and deleted."""
    text = _short(found, "appointment_id")
    if text is not None and (text in (".", "..") or "/" in text or "\\" in text):
        raise Invalid("appointment_id holds no path.", field="appointment_id")
    return text


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
