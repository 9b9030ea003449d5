"""``GET /audit``: who did what, and what came of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.audit.reading import Filters, read
from holdfast.web import paging
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router
from holdfast.web.moments import Moment

router = secured_router()

Text = Annotated[str | None, Query(max_length=400)]
Operation = Annotated[str | None, Query(pattern="^[a-z-]{1,40}$", description="`upload`, `archive`, `login` …")]
Workspace = Annotated[str | None, Query(max_length=80, description="For platform admins; without it they see all.")]


class Entry(BaseModel):
    id: int
    at: datetime
    workspace: str | None
    issuer: str
    username: str | None
    operation: str
    asset_path: str | None
    version_id: str | None
    success: bool
    details: dict[str, Any]
    request_id: str | None


_EXAMPLE: dict[str, JsonValue] = {
    "id": 17,
    "at": "2026-11-21T14:03:00.000000+00:00",
    "workspace": "ada_space",
    "issuer": "",
    "username": "ada",
    "operation": "archive",
    "asset_path": "image/jpg/test",
    "version_id": "9ef0d7a74ce9d8ece8b103bba8096f05fb50c4e35c7d92b77ae57b78ef898e01",
    "success": True,
    "details": {"status": "archived", "archive_date": "2026-11-21T14:03:00.000000+00:00", "destroy_date": None},
    "request_id": "5b87515cb9d410337db02adbc70ded22",
}


class Entries(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"items": [_EXAMPLE], "next_cursor": None}})

    items: list[Entry]
    next_cursor: str | None


@router.get(
    "/audit",
    operation_id="audit",
    summary="The audit trail, the latest entry first",
    description="Acts, logins and refusals; downloads where the setting `audit_reads` is on.",
    response_model=Entries,
    responses=problems_of(422),
)
async def audit(
    request: Request,
    workspace: Workspace = None,
    operation: Operation = None,
    username: Text = None,
    asset_path: Text = None,
    success: bool | None = None,
    since: Moment = None,
    until: Moment = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
) -> Response:
    who, state = claims(request), request.app.state
    filters = Filters(workspace, operation, username, asset_path, success, since, until)
    bound = asdict(filters)
    [before] = paging.decode(cursor, bound, (int,)) if cursor else (None,)
    found, following = await state.threads.run(read, state.services, who, filters, before, limit)
    next_cursor = None if following is None else paging.encode((following,), bound)
    return JSONResponse({"items": found, "next_cursor": next_cursor}, headers=paging.link(request, next_cursor))
