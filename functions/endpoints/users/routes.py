"""``/users``: registration (000). Whoever registers gets a workspace of his own."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.identity.names import RULE
from holdfast.web import body
from holdfast.web.described import gives, problems_of

router = APIRouter()


class Registration(BaseModel):
    """``invitation`` is needed where registration is by invitation."""

    username: str = Field(description=RULE)
    password: str = Field(description="8 to 1024 characters.")
    invitation: str | None = Field(None, max_length=100)


class Registered(BaseModel):
    status: Literal["success"]
    username: str


@router.post(
    "/users",
    operation_id="users",
    summary="Register",
    response_model=Registered,
    responses={**gives({"status": "success", "username": "ada"}), **problems_of(400, 403, 409, 413, 415, 422, 503)},
    openapi_extra=body.json_schema(Registration, example={"username": "ada", "password": "admin_password"}),
)
async def register(request: Request) -> Response:
    from holdfast.identity import users

    asked = await body.json_body(request, Registration)
    state = request.app.state
    await state.threads.run(users.register, state.services, asked.username, asked.password, asked.invitation)
    return JSONResponse({"status": "success", "username": asked.username})
