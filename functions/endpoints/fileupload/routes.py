"""``POST /fileupload``: a primary file and its associated files become a version of their asset."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets.described import AssetMetadata
from holdfast.assets.receiving import UPLOAD, receive
from holdfast.web import idempotency
from holdfast.web.described import BINARY, problems_of, secured_router, takes_files

router = secured_router()

_FIELDS: dict[str, dict[str, Any]] = {
    "primary_file": BINARY,
    "archive_ttl": {"type": "integer", "minimum": 0, "maximum": 36500, "description": "Days from upload."},
    "destroy_ttl": {"type": "integer", "minimum": 0, "maximum": 36500, "description": "Days from the archive date."},
    "labels": {"type": "string", "description": "A JSON object of texts.", "example": '{"project": "apollo"}'},
}
_HEADERS = [
    idempotency.PARAMETER,
    {
        "name": "If-None-Match",
        "in": "header",
        "schema": {"type": "string", "enum": ["*"]},
        "description": "Refuses (412) to make a new version of what is there.",
    },
]


@router.post(
    "/fileupload",
    operation_id="fileupload",
    summary="Upload a primary file with its associated files",
    response_model=AssetMetadata,
    openapi_extra={"requestBody": takes_files("primary_file", _FIELDS), "parameters": _HEADERS},
    responses=problems_of(400, 409, 412, 413, 415, 422, 503),
)
async def fileupload(request: Request) -> Response:
    return JSONResponse(await receive(request, UPLOAD))
