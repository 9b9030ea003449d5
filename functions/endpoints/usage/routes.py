"""``GET /usage``: what workspaces hold, by media type."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.usage.reading import Position, read
from holdfast.web import paging
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router

router = secured_router()

Workspace = Annotated[str | None, Query(max_length=80, description="For platform admins; without it they see all.")]


class Count(BaseModel):
    """``bytes``: of all files of the versions."""

    versions: int
    bytes: int


class Counts(BaseModel):
    """A version is active, archived or condemned (destroyed, and its bytes are there). It may be held besides; and it is superseded
    when it is not destroyed, and neither is a newer version of its asset."""

    active: Count
    archived: Count
    condemned: Count
    held: Count
    superseded: Count


class Item(Counts):
    workspace: str
    media_type: str


_COUNTS: dict[str, JsonValue] = {
    "active": {"versions": 12, "bytes": 52_428_800},
    "archived": {"versions": 3, "bytes": 1_048_576},
    "condemned": {"versions": 0, "bytes": 0},
    "held": {"versions": 1, "bytes": 4_096},
    "superseded": {"versions": 2, "bytes": 524_288},
}
_ITEM: dict[str, JsonValue] = {"workspace": "ada_space", "media_type": "image/jpeg", **_COUNTS}


class Usage(BaseModel):
    """``total`` is of all pages."""

    model_config = ConfigDict(json_schema_extra={"example": {"total": _COUNTS, "items": [_ITEM], "next_cursor": None}})

    total: Counts
    items: list[Item]
    next_cursor: str | None


@router.get(
    "/usage",
    operation_id="usage",
    summary="Versions and bytes by workspace and media type",
    description="Needs `list`, and shows one's own workspace; a platform admin sees all of them.",
    response_model=Usage,
    responses=problems_of(404, 422),
)
async def usage(request: Request, workspace: Workspace = None, cursor: paging.Cursor = None, limit: paging.Limit = 100) -> Response:
    who, state = claims(request), request.app.state
    bound = {"workspace": workspace}
    after = Position(*paging.decode(cursor, bound, (int, str))) if cursor else None
    found, following = await state.threads.run(read, state.services, who, workspace, after, limit)
    next_cursor = None if following is None else paging.encode((following.workspace_id, following.media_type), bound)
    return JSONResponse({**found, "next_cursor": next_cursor}, headers=paging.link(request, next_cursor))
