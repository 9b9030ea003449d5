"""``/me`` and ``/me/password``: who am I, and a new password."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.identity import profile
from holdfast.web import body
from holdfast.web.auth import claims
from holdfast.web.described import gives, problems_of, secured_router

router = secured_router()


class Me(BaseModel):
    """``permissions`` are those of this moment. ``branch`` is empty for a platform admin, who has no workspace."""

    username: str
    branch: str
    permissions: list[str]
    platform_admin: bool


class NewPassword(BaseModel):
    old_password: str
    new_password: str = Field(description="8 to 1024 characters.")


class NewToken(BaseModel):
    access_token: str
    token_type: Literal["bearer"]


@router.get(
    "/me",
    operation_id="me",
    summary="Who am I, and what may I do",
    response_model=Me,
    responses=gives({"username": "ada", "branch": "ada_space", "permissions": ["admin"], "platform_admin": False}),
)
async def me(request: Request) -> Response:
    who, state = claims(request), request.app.state
    return JSONResponse(await state.threads.run(profile.me, state.services, who))


@router.put(
    "/me/password",
    operation_id="me_password",
    summary="Change your password",
    description="Voids all your tokens; the reply brings a new one.",
    response_model=NewToken,
    responses={
        **gives({"access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl", "token_type": "bearer"}),
        **problems_of(400, 413, 415, 422, 429),
    },
    openapi_extra=body.json_schema(NewPassword, example={"old_password": "admin_password", "new_password": "a better one"}),
)
async def password(request: Request) -> Response:
    who, state = claims(request), request.app.state
    asked = await body.json_body(request, NewPassword)
    address = request.client.host if request.client else None
    token = await state.threads.run(profile.change_password, state.services, who, asked.old_password, asked.new_password, address)
    return JSONResponse({"access_token": token, "token_type": "bearer"}, headers={"Cache-Control": "no-store"})
