"""What the OpenAPI documents of all functions say alike: that a token is needed, and what a problem looks like."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI

SCHEME = "password"

BINARY = {"type": "string", "format": "binary"}
"""The schema of a file in a form."""

_SCHEMES = {SCHEME: {"type": "oauth2", "flows": {"password": {"tokenUrl": "/token", "scopes": {}}}}}

_PROBLEM = {
    "title": "Problem",
    "description": "Problem details (RFC 9457). Clients may switch on `type`; `detail` is for the person who reads it.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "example": {
        "type": "https://holdfast.dev/problems/forbidden",
        "title": "Not allowed",
        "status": 403,
        "detail": "This needs the permission 'archive'.",
    },
}


class SecuredRouter(APIRouter):
    """See ``secured_router``."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        extra = {"security": [{SCHEME: []}], **(options.pop("openapi_extra", None) or {})}
        options["responses"] = {**problems_of(401, 403), **(options.get("responses") or {})}
        super().add_api_route(path, endpoint, openapi_extra=extra, **options)


class BothSpellings(APIRouter):
    """Answers at each of its paths with and without a slash at the end: a redirect would lose the body. The document has the
    spelling that is declared."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().add_api_route(path, endpoint, **options)
        other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        super().add_api_route(other, endpoint, **{**options, "include_in_schema": False, "operation_id": None})


def secured_router() -> APIRouter:
    """A router all of whose operations say that they need a token. They ask for it with ``holdfast.web.auth.claims``."""
    return SecuredRouter()


def gives(example: Any, schema: dict[str, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """``responses`` of an operation that answers 200 with JSON like ``example``. Its ``schema`` is the ``response_model``'s, where
    there is one."""
    described = {"example": example} if schema is None else {"schema": schema, "example": example}
    return {200: {"description": "Successful Response", "content": {"application/json": described}}}


def takes_files(required: str, fields: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """``requestBody`` of an operation whose form brings associated files besides ``fields``, by name their schemas, and must have
    the part ``required``."""
    files = {"associated_files": {"type": "array", "items": BINARY}}
    schema = {"type": "object", "required": [required], "additionalProperties": False, "properties": {**files, **fields}}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses`` of an operation that may answer with these problems."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Puts into ``app``'s document what its operations refer to."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        components = document.setdefault("components", {})
        components.setdefault("securitySchemes", _SCHEMES)
        schemas = components.setdefault("schemas", {})
        schemas.setdefault("Problem", _PROBLEM)
        _replace_validation_errors(document)
        return document

    setattr(app, "openapi", openapi)  # noqa: B010  how FastAPI has its document extended, which mypy would not have


def _replace_validation_errors(document: dict[str, Any]) -> None:
    """The framework describes a 422 of its own for every operation with parameters; ours is a problem as any other."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            found = operation.get("responses", {}).get("422")
            if found is not None and "application/json" in found.get("content", {}):
                operation["responses"]["422"] = problems_of(422)[422]
