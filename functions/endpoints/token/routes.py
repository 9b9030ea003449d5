"""``/token``: a user name and a password for a token (OAuth2 password flow, RFC 6749 section 4.3)."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.errors import Invalid
from holdfast.identity import login
from holdfast.web import body, forms
from holdfast.web.described import gives, problems_of
from holdfast.web.multipart import Limits

router = APIRouter()

_LIMITS = Limits(files=0, fields=32, value=64 * 1024)


class Credentials(BaseModel):
    """Further fields of the flow (``grant_type``, ``scope``, ``client_id``) may come along and change nothing."""

    username: str
    password: str


class Token(BaseModel):
    """``expires_in`` is in seconds. ``branch`` is empty for a platform admin, who has no workspace."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    username: str
    branch: str


@router.post(
    "/token",
    operation_id="token",
    summary="Log in",
    response_model=None,  # importing what FastAPI makes of one would be half of this function's own start
    responses={
        **gives(
            {
                "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
                "token_type": "bearer",
                "expires_in": 1800,
                "username": "ada",
                "branch": "ada_space",
            },
            Token.model_json_schema(),
        ),
        **problems_of(400, 401, 413, 415, 422, 429),
    },
    openapi_extra=body.body_schema(
        "application/x-www-form-urlencoded",
        Credentials.model_json_schema(),
        example={"username": "ada", "password": "admin_password"},
    ),
)
async def token(request: Request) -> Response:
    fields, state = await forms.fields(request, _LIMITS), request.app.state
    missing = [name for name in ("username", "password") if not fields.get(name)]
    if missing:
        raise Invalid(f"The form has no {missing[0]}.")
    address = request.client.host if request.client else None
    issued, account = await state.threads.run(login.login, state.services, fields["username"], fields["password"], address)
    return JSONResponse(
        {
            "access_token": issued,
            "token_type": "bearer",
            "expires_in": 60 * state.services.tokens.minutes,
            "username": account.username,
            "branch": account.branch,
        },
        headers={"Cache-Control": "no-store"},
    )
