"""``/shared-users``: the people whom a workspace's admin lets in (000)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.identity import shared
from holdfast.identity.names import RULE
from holdfast.web import body, paging
from holdfast.web.auth import claims
from holdfast.web.described import gives, problems_of, secured_router

router = secured_router()

_PERMISSIONS = f"Any of {', '.join(sorted(shared.GRANTABLE))}; never admin."


class NewSharedUser(BaseModel):
    username: str = Field(description=RULE)
    password: str = Field(description="8 to 1024 characters.")
    permissions: list[str] = Field(description=_PERMISSIONS, max_length=100)


class Permissions(BaseModel):
    username: str
    permissions: list[str] = Field(description=_PERMISSIONS, max_length=100)


class Username(BaseModel):
    username: str


class Created(BaseModel):
    status: Literal["success"]
    username: str


class Done(BaseModel):
    status: Literal["success"]


class SharedUser(BaseModel):
    username: str
    permissions: list[str]
    created_at: datetime


class SharedUsers(BaseModel):
    items: list[SharedUser]
    next_cursor: str | None


@router.post(
    "/shared-users",
    operation_id="shared_users_create",
    summary="Create a shared user of your workspace",
    response_model=Created,
    responses={**gives({"status": "success", "username": "grace"}), **problems_of(400, 409, 413, 415, 422)},
    openapi_extra=body.json_schema(
        NewSharedUser, example={"username": "grace", "password": "shared_password", "permissions": ["upload", "list"]}
    ),
)
async def create(request: Request) -> Response:
    who, state = claims(request), request.app.state
    asked = await body.json_body(request, NewSharedUser)
    await state.threads.run(shared.create, state.services, who, asked.username, asked.password, asked.permissions)
    return JSONResponse({"status": "success", "username": asked.username})


@router.put(
    "/shared-users",
    operation_id="shared_users_change",
    summary="Change a shared user's permissions, from his next request on",
    response_model=Done,
    responses={**gives({"status": "success"}), **problems_of(400, 404, 413, 415, 422)},
    openapi_extra=body.json_schema(Permissions, example={"username": "grace", "permissions": ["upload", "list", "archive"]}),
)
async def change(request: Request) -> Response:
    who, state = claims(request), request.app.state
    asked = await body.json_body(request, Permissions)
    await state.threads.run(shared.change, state.services, who, asked.username, asked.permissions)
    return JSONResponse({"status": "success"})


@router.delete(
    "/shared-users",
    operation_id="shared_users_delete",
    summary="Delete a shared user",
    response_model=Done,
    responses={**gives({"status": "success"}), **problems_of(400, 404, 413, 415, 422)},
    openapi_extra=body.json_schema(Username, example={"username": "grace"}),
)
async def delete(request: Request) -> Response:
    who, state = claims(request), request.app.state
    asked = await body.json_body(request, Username)
    await state.threads.run(shared.delete, state.services, who, asked.username)
    return JSONResponse({"status": "success"})


@router.get(
    "/shared-users",
    operation_id="shared_users_list",
    summary="The shared users of your workspace, by name",
    response_model=SharedUsers,
    responses={
        **gives(
            {
                "items": [
                    {"username": "grace", "permissions": ["list", "upload"], "created_at": "2026-11-21T14:03:00.000000+00:00"}
                ],
                "next_cursor": None,
            }
        ),
        **problems_of(422),
    },
)
async def members(request: Request, cursor: paging.Cursor = None, limit: paging.Limit = 100) -> Response:
    who, state = claims(request), request.app.state
    [after] = paging.decode(cursor, {}, (str,)) if cursor else ("",)
    found = await state.threads.run(shared.members, state.services, who, after, limit + 1)
    items = found[:limit]
    following = paging.encode((items[-1]["username"],), {}) if len(found) > limit else None
    return JSONResponse({"items": items, "next_cursor": following}, headers=paging.link(request, following))
