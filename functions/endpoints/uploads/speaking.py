"""How tus requests are answered: the protocol's version on every reply, its own status codes, and methods in disguise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from endpoints.uploads.headers import VERSION
from holdfast import errors
from holdfast.uploads.sequential import ChecksumMismatch
from holdfast.web import problems

OVERRIDE = "x-http-method-override"


class Mismatch(errors.Problem):
    """The bytes of a request are not those that its Upload-Checksum is of; a status of tus' own."""

    status, slug, title = 460, "checksum-mismatch", "Checksum mismatch"


class MethodNotAllowed(errors.Problem):
    status, slug, title = 405, "method-not-allowed", "Method not allowed"


class UnsupportedVersion(errors.PreconditionFailed):
    """The request is not of the version of tus that is spoken here, or does not say of which it is."""

    slug = "unsupported-version"

    def __init__(self) -> None:
        super().__init__(f"Tus-Resumable has to be {VERSION}.")


def method_of(request: Request) -> str:
    """The method that is meant, for clients that cannot send it."""
    return request.headers.get(OVERRIDE, request.method).upper()


Answer = Callable[..., Awaitable[Response]]


async def answered(answers: Mapping[str, Answer], request: Request, *arguments: str) -> Response:
    """The answer to the method that is meant. Raises MethodNotAllowed."""
    answer = answers.get(method_of(request))
    if answer is None:
        raise MethodNotAllowed(f"Here are {', '.join(answers)}.", allowed=list(answers))
    return await answer(request, *arguments)


class TusRoute(APIRoute):
    """Refuses what is of another version of the protocol before anything is done, and says its own on every reply."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def spoken(request: Request) -> Response:
            try:
                if method_of(request) != "OPTIONS" and request.headers.getlist("tus-resumable") != [VERSION]:
                    raise UnsupportedVersion
                reply = await handle(request)
            except errors.Problem as problem:
                reply = _refused(problem)
            except RequestValidationError as error:
                reply = _refused(problems.invalid(error.errors()))
            except ClientDisconnect:
                reply = _refused(errors.Malformed("The request ended before its body did.", slug="incomplete-body"))
            except Exception as error:  # whose reply has to name the version like any other
                reply = problems.response(problems.unexpected(error))
            reply.headers["Tus-Resumable"] = VERSION
            reply.headers["Cache-Control"] = "no-store"
            return reply

        return spoken


def _refused(problem: errors.Problem) -> Response:
    problems.note(problem)
    if isinstance(problem, ChecksumMismatch):
        problem = Mismatch(problem.detail)
    reply = problems.response(problem)
    if isinstance(problem, UnsupportedVersion):
        reply.headers["Tus-Version"] = VERSION
    if isinstance(problem, MethodNotAllowed):
        reply.headers["Allow"] = ", ".join(problem.extra["allowed"])
    return reply
