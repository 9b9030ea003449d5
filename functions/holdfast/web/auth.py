"""Who asks? The bearer token of a request, and how OpenAPI says that one is needed.

A secured endpoint calls ``claims(request)`` first; rights are then asked of the database, in the thread that does the work
(``identity.access.authorise``):

    router = secured_router()  # of holdfast.web.described

    @router.get("/things", operation_id="things", responses=problems_of(404))
    async def things(request: Request) -> Response:
        who = claims(request)
        return await request.app.state.threads.run(list_things, request.app.state.services, who)

No dependency is declared on purpose: even an asynchronous one costs 20 us of each request, a third of what the framework takes for
the whole. OpenAPI learns of the scheme by metadata instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from holdfast.errors import Unauthenticated

if TYPE_CHECKING:
    from holdfast.identity.access import Claims
    from holdfast.services import Services


def bearer(request: Request) -> str:
    """The request's bearer token (RFC 6750, section 2.1). Raises Unauthenticated."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("This needs a bearer token. POST /token gives one.")
    return token


def claims(request: Request) -> Claims:
    """What the request's token claims, if it holds; where authentication is switched off, one without an Authorization is
    anybody's. Does not block. Raises Unauthenticated."""
    services: Services = request.app.state.services
    if services.anybody is not None and "authorization" not in request.headers:
        return services.anybody
    return services.tokens.verify(bearer(request))
