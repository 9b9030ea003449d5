"""Errors to HTTP, in one place: ``application/problem+json`` (RFC 9457), with ``detail`` as the seeds' clients read it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from holdfast import errors

log = logging.getLogger(__name__)

TYPE = "https://holdfast.dev/problems/"
_BY_STATUS = {
    400: errors.Malformed,
    404: errors.NotFound,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
    422: errors.Invalid,
}


ENVELOPED = "/api/v1/"
"""What every path of the interface of 001 and 003 begins with. Their clients read an envelope, also where no route answers."""


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


TUS, TUS_VERSION = "/uploads", "1.0.0"
"""Where tus is spoken, and which: every reply there says so, also where no route answers."""


def response(problem: errors.Problem, *, instance: str | None = None) -> Response:
    """The problem as a response, with ``Retry-After`` and ``WWW-Authenticate`` where they belong."""
    body: dict[str, Any] = {
        "type": TYPE + problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.extra,
    }
    if instance:
        body["instance"] = instance
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(problem, errors.RangeUnsatisfiable):
        headers["Content-Range"] = f"bytes */{problem.extra['size']}"
    return ProblemResponse(body, problem.status, headers)


def enveloped(problem: errors.Problem) -> errors.Problem:
    """The problem with the envelope's members beside its own."""
    found = problem.extra.get("errors")
    told = [one["msg"] for one in found] if isinstance(found, list) else [problem.detail]
    problem.extra = {**problem.extra, **_envelope(problem.detail, told)}
    return problem


def _envelope(message: str, told: Sequence[str]) -> dict[str, Any]:
    return {"errors": told, "message": message, "success": False}


def response_at(path: str, problem: errors.Problem) -> Response:
    """The problem as the clients of that path read it."""
    reply = response(enveloped(problem) if path.startswith(ENVELOPED) else problem)
    reply.headers.update(_spoken(path))
    return reply


def _spoken(path: str) -> dict[str, str]:
    return {"Tus-Resumable": TUS_VERSION} if path == TUS or path.startswith(f"{TUS}/") else {}


def install(app: FastAPI) -> None:
    """Makes ``app`` answer every error so."""
    app.add_exception_handler(errors.Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _disconnect)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.Problem)
    note(error)
    return response(error)


def note(problem: errors.Problem) -> None:
    """Into the log, what is not the client's fault."""
    if problem.status >= 500:
        log.warning("%s", problem.slug, exc_info=problem)


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return response(invalid(error.errors()))


def invalid(found: Sequence[Mapping[str, Any]], *where: str) -> errors.Invalid:
    """Pydantic's errors as one problem; ``where``: what their locations are in. It never repeats what was sent."""
    told = [{"loc": [*where, *map(str, e["loc"])], "msg": e["msg"], "type": e["type"]} for e in found[:20]]
    if any(e["type"] == "json_invalid" for e in told):
        return errors.Malformed("The body is not JSON.")
    first = told[0] if told else {"loc": [*where], "msg": "invalid"}
    return errors.Invalid(f"{'.'.join(first['loc'])}: {first['msg']}", errors=told)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said, path = str(error.detail), request.url.path
    kind = _BY_STATUS.get(error.status_code)
    if kind is not None:
        return response_at(path, kind(said))
    around = _envelope(said, [said]) if path.startswith(ENVELOPED) else {}
    body = {"type": "about:blank", "title": said, "status": error.status_code, "detail": said, **around}
    return ProblemResponse(body, error.status_code, {**(error.headers or {}), **_spoken(path)})


async def _disconnect(_request: Request, _error: Exception) -> Response:
    return response(errors.Malformed("The request ended before its body did.", slug="incomplete-body"))


async def _unexpected(request: Request, error: Exception) -> Response:
    return response_at(request.url.path, unexpected(error))


def unexpected(error: Exception) -> errors.Problem:
    """All that a client is told of an error that nobody thought of; the rest goes to the log."""
    log.error("unexpected", exc_info=error)
    return errors.Problem("Something went wrong on our side. The request id in the reply's header finds it in the logs.")
