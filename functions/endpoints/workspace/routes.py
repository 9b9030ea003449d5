"""``/workspace``: what yours holds and may hold, and its end."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets import ending
from holdfast.identity import workspaces
from holdfast.web import body
from holdfast.web.auth import claims
from holdfast.web.described import gives, problems_of, secured_router

router = secured_router()


class Workspace(BaseModel):
    """Sizes in bytes. ``quota_bytes`` is null where there is no limit."""

    branch: str
    quota_bytes: int | None
    used_bytes: int
    used_versions: int
    max_file_bytes: int
    members: int
    created_at: datetime


class Confirmation(BaseModel):
    confirm: str = Field(description="The workspace's branch, typed.")


class Deleted(BaseModel):
    status: Literal["success"]


@router.get(
    "/workspace",
    operation_id="workspace",
    summary="Quota and usage of your workspace",
    response_model=Workspace,
    responses={
        **gives(
            {
                "branch": "ada_space",
                "quota_bytes": 1_000_000_000_000,
                "used_bytes": 52_428_800,
                "used_versions": 12,
                "max_file_bytes": 5_497_558_138_880,
                "members": 2,
                "created_at": "2026-11-21T14:03:00.000000+00:00",
            }
        ),
        **problems_of(404),
    },
)
async def usage(request: Request) -> Response:
    who, state = claims(request), request.app.state
    return JSONResponse(await state.threads.run(workspaces.usage, state.services, who))


@router.delete(
    "/workspace",
    operation_id="workspace_delete",
    summary="Delete your workspace with all that is in it",
    description="Needs the admin of the workspace. Inaccessible at once; its bytes go as any destroyed version's do. Its name is "
    "never given again. A hold on any of its versions stops it: `holds` names them.",
    response_model=Deleted,
    responses={**gives({"status": "success"}), **problems_of(400, 413, 415, 422, 423)},
    openapi_extra=body.json_schema(Confirmation, example={"confirm": "ada_space"}),
)
async def delete(request: Request) -> Response:
    who, state = claims(request), request.app.state
    asked = await body.json_body(request, Confirmation)
    await state.threads.run(ending.delete, state.services, who, asked.confirm)
    return JSONResponse({"status": "success"})
