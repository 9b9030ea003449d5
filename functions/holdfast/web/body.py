"""Bodies that are read as a whole, because they are small: refused before they are read when they are not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from holdfast.errors import Malformed, TooLarge, UnsupportedMediaType
from holdfast.web import problems

Model = TypeVar("Model", bound=BaseModel)
LIMIT = 64 * 1024


async def read(request: Request, limit: int = LIMIT, *, idle: float = 60) -> bytes:
    """The body. Raises TooLarge above ``limit`` bytes, Malformed when nothing comes for ``idle`` seconds; ClientDisconnect."""
    too_large = TooLarge(f"The body is longer than {limit} bytes.", limit=limit)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise too_large
    body = bytearray()
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle):
                chunk = await anext(stream, b"")
        except TimeoutError as error:
            raise Malformed("The body stopped coming.", slug="incomplete-body") from error
        if not chunk:
            return bytes(body)
        if len(body) + len(chunk) > limit:
            raise too_large
        body += chunk


async def json_body(request: Request, model: type[Model], limit: int = LIMIT) -> Model:
    """The JSON body as ``model``. Raises UnsupportedMediaType, TooLarge, Malformed when it is no JSON, and Invalid when
    it is no such model."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("The body must not be compressed.")
    body = await read(request, limit)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise problems.invalid(error.errors(include_url=False, include_context=False), "body") from error


def json_schema(model: type[BaseModel], *, example: dict[str, Any]) -> dict[str, Any]:
    """``openapi_extra`` of an operation that reads its body with ``json_body``. What the model is made of stands where it is used,
    because the document's references do not lead into it."""
    schema = model.model_json_schema()
    return body_schema("application/json", _inlined(schema, schema.pop("$defs", {})), example=example)


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return _inlined({**definitions[schema["$ref"].removeprefix("#/$defs/")], **beside}, definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items()}


def body_schema(content_type: str, schema: dict[str, Any], *, example: dict[str, Any]) -> dict[str, Any]:
    """``openapi_extra`` of an operation that reads such a body; of a form, each file is ``{type: string, format: binary}``."""
    return {"requestBody": {"required": True, "content": {content_type: {"schema": schema, "example": example}}}}
