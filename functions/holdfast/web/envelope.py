"""001's and 003's way of answering: every reply, good or bad, in one envelope."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from holdfast import errors
from holdfast.web import problems
from holdfast.web.described import BothSpellings, SecuredRouter, gives

_NO_STORE = {"Cache-Control": "no-store"}


def shows(data: Any, message: str = "", **besides: Any) -> dict[int | str, dict[str, Any]]:
    """``responses`` of an operation whose good reply is like ``success`` of the same."""
    return gives({"data": data, "message": message, "success": True, **besides})


def success(data: Any, message: str = "", **besides: Any) -> Response:
    """``{data, message, success: true}``, and what is said ``besides``."""
    return JSONResponse({"data": data, "message": message, "success": True, **besides}, headers=_NO_STORE)


class EnvelopeRoute(APIRoute):
    """Answers a problem with the problem's own members and the envelope's around them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def enveloped(request: Request) -> Response:
            try:
                return await handle(request)
            except errors.Problem as problem:
                problems.note(problem)
                return problems.response(problems.enveloped(problem))
            except RequestValidationError as error:
                return problems.response(problems.enveloped(problems.invalid(error.errors())))
            except ClientDisconnect:
                broken = errors.Malformed("The request ended before its body did.", slug="incomplete-body")
                return problems.response(problems.enveloped(broken))

        return enveloped


def enveloped_router() -> APIRouter:
    """A secured router whose operations answer so, at their paths with and without a slash at the end."""
    return _Enveloped(route_class=EnvelopeRoute)


class _Enveloped(BothSpellings, SecuredRouter):
    pass
