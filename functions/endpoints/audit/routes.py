"""``GET /audit``: who did what, and what came of it. ``GET /audit/head``: where each chain of that ends, signed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.audit import heads
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


class Head(BaseModel):
    """``chain``: acts or access. ``number``, ``hash``, ``sealed_at``: of its newest seal; ``signed`` says the same as a JWS. The
    seals up to ``pruned`` are gone, with their rows, by ``checkpoint``, a JWS too."""

    workspace: str
    chain: str
    number: int
    hash: str
    sealed_at: datetime
    signed: str
    pruned: int
    checkpoint: str | None


_HEAD_EXAMPLE: dict[str, JsonValue] = {
    "workspace": "ada_space",
    "chain": "acts",
    "number": 12,
    "hash": "6c1f0a5c3b7e4d2f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f",
    "sealed_at": "2026-11-21T14:03:04.000000+00:00",
    "signed": "eyJhbGciOiJFUzI1NiIsImtpZCI6IuKApiJ9.eyJ3b3Jrc3BhY2UiOiJhZGFfc3BhY2UifQ.c2lnbmF0dXJl",
    "pruned": 0,
    "checkpoint": None,
}


class Heads(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"items": [_HEAD_EXAMPLE], "next_cursor": None}})

    items: list[Head]
    next_cursor: str | None


@router.get(
    "/audit",
    operation_id="audit",
    summary="The audit trail, the latest entry first",
    description="Acts, logins and refusals; downloads and lists of assets where the setting `audit_reads` is on.",
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
    before = paging.row_after(cursor, bound)
    found, following = await state.threads.run(read, state.services, who, filters, before, limit)
    next_cursor = paging.cursor_after(following, bound)
    return JSONResponse({"items": found, "next_cursor": next_cursor}, headers=paging.link(request, next_cursor))


@router.get(
    "/audit/head",
    operation_id="audit_head",
    summary="Where each chain of the trail ends, signed",
    description="Kept elsewhere, it shows later that nothing was cut off or rewritten: `holdfast audit verify --head`.",
    response_model=Heads,
    responses=problems_of(422),
)
async def head(request: Request, workspace: Workspace = None, cursor: paging.Cursor = None, limit: paging.Limit = 100) -> Response:
    who, state = claims(request), request.app.state
    bound = {"workspace": workspace}
    after = paging.row_after(cursor, bound)
    found, following = await state.threads.run(heads.read, state.services, who, workspace, after, limit)
    next_cursor = paging.cursor_after(following, bound)
    return JSONResponse({"items": found, "next_cursor": next_cursor}, headers=paging.link(request, next_cursor))
