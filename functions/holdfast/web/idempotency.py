"""The header ``Idempotency-Key``: a client that does not know what became of a request sends it again under the same key."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from holdfast.errors import Malformed

PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Sent again with the same key, an upload is not stored twice.",
}
"""As OpenAPI describes it."""


def idempotency_key(request: Request) -> str | None:
    """The key, None without one. Raises Malformed for what can be none."""
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Malformed("An Idempotency-Key is 1 to 255 printable ASCII characters.", slug="bad-idempotency-key")
    return key
