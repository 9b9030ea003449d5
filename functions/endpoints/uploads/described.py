"""What the OpenAPI document says of the tus operations."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from endpoints.uploads.headers import ALGORITHMS, CONTENT_TYPE, VERSION
from holdfast.web.described import BINARY, problems_of

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_NUMBER = {"type": "integer", "minimum": 0}


def responses_of(status: int, description: str, *problems: int, mismatch: bool = False) -> dict[int | str, dict[str, Any]]:
    """``mismatch``: tus' own status for a checksum that does not hold."""
    found: dict[int | str, dict[str, Any]] = {status: {"description": description}, **problems_of(*problems)}
    if mismatch:
        found[460] = {"description": "Checksum Mismatch", "content": _PROBLEM}
    return found


def _header(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": description}


_RESUMABLE = _header("Tus-Resumable", {"type": "string", "enum": [VERSION]}, "The version of the protocol.", required=True)
_LENGTH = _header("Upload-Length", _NUMBER, "Bytes of the whole.")
_CHECKSUM = _header(
    "Upload-Checksum", {"type": "string"}, f"Of the bytes of this request: one of {', '.join(ALGORITHMS)}, and it in Base64."
)
_BODY = {"required": False, "content": {CONTENT_TYPE: {"schema": BINARY}}}

CREATION: dict[str, Any] = {
    "response_class": Response,
    "status_code": 201,
    "responses": responses_of(
        201, "Location is the upload's URL", 400, 403, 404, 409, 410, 412, 413, 415, 422, 429, 503, mismatch=True
    ),
    "openapi_extra": {
        "parameters": [
            _RESUMABLE,
            _LENGTH,
            _header("Upload-Defer-Length", {"type": "string", "enum": ["1"]}, "The length is said later, with a PATCH."),
            _header(
                "Upload-Metadata",
                {"type": "string"},
                "Pairs of a key and a value in Base64: filename, filetype, archive_ttl, destroy_ttl, labels (a JSON object), "
                "sha256, if_none_match (`*`); others are kept.",
            ),
            _header("Upload-Concat", {"type": "string"}, "`partial`, or `final;` and the URLs of complete partial uploads."),
            _CHECKSUM,
        ],
        "requestBody": _BODY,
    },
}
HEADERS: dict[str, Any] = {
    "response_class": Response,
    "responses": responses_of(
        200,
        "Upload-Offset is how much of it is safe; of a complete one, Holdfast-Asset-Path and Holdfast-Version-Id are the "
        "version that it became, and Holdfast-Scan-Result its `scan_result`",
        400,
        404,
        410,
        412,
        422,
    ),
    "openapi_extra": {"parameters": [_RESUMABLE]},
}
PATCH: dict[str, Any] = {
    "response_class": Response,
    "status_code": 204,
    "responses": responses_of(
        204, "Upload-Offset is where the next bytes go", 400, 404, 409, 410, 412, 413, 415, 422, 503, mismatch=True
    ),
    "openapi_extra": {
        "parameters": [
            _RESUMABLE,
            _header("Upload-Offset", _NUMBER, "Where these bytes go: where the upload ends.", required=True),
            _LENGTH,
            _CHECKSUM,
        ],
        "requestBody": _BODY,
    },
}
TERMINATION: dict[str, Any] = {
    "response_class": Response,
    "status_code": 204,
    "responses": responses_of(204, "The upload is gone; a version that came of it stays", 400, 404, 409, 410, 412, 422),
    "openapi_extra": {"parameters": [_RESUMABLE]},
}
OPTIONS: dict[str, Any] = {
    "response_class": Response,
    "status_code": 204,
    "responses": responses_of(204, "Tus-Version, Tus-Extension, Tus-Max-Size and Tus-Checksum-Algorithm", 400, 422),
}
