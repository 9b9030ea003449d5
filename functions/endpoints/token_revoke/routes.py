"""``/token/revoke``: makes a token, or all of one's tokens, worthless at once."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.identity import profile
from holdfast.web import auth, body
from holdfast.web.described import gives, problems_of, secured_router

router = secured_router()


class Revocation(BaseModel):
    all: bool = Field(False, description="Every token of yours, not only the one that the request came with.")


class Done(BaseModel):
    status: Literal["success"]


def _optional(extra: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {**extra["requestBody"], "required": False}}


def _has_body(request: Request) -> bool:
    """As HTTP says it (RFC 9112, section 6)."""
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


@router.post(
    "/token/revoke",
    operation_id="token_revoke",
    summary="Log out",
    response_model=Done,
    responses={**gives({"status": "success"}), **problems_of(400, 413, 415, 422)},
    openapi_extra=_optional(body.json_schema(Revocation, example={"all": True})),
)
async def revoke(request: Request) -> Response:
    who, state = auth.claims(request), request.app.state
    everything = (await body.json_body(request, Revocation)).all if _has_body(request) else False
    if everything:
        await state.threads.run(profile.revoke_all, state.services, who)
    else:
        await state.threads.run(profile.revoke, state.services, who, state.services.tokens.expiry(auth.bearer(request)))
    return JSONResponse({"status": "success"})
