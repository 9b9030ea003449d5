"""``/holds``: legal holds, by matter. What one covers is not deleted, by whatever path."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.holds import placing, reading, releasing
from holdfast.holds.scope import NewHold
from holdfast.web import body, paging
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router
from holdfast.web.idempotency import idempotency_key

router = secured_router()

State = Literal["placing", "active", "releasing", "released"]
Matter = Annotated[str | None, Query(max_length=256)]

_HOLD: dict[str, JsonValue] = {
    "id": "3f9c2a4be1d04c7c9d0f3b1a5e6c7d80",
    "matter": "Doe v. Example",
    "reason": "Preservation order of 21 November",
    "state": "active",
    "workspace": "ada_space",
    "scope": {"selector": {"paths": ["image/**"], "labels": {"project": "apollo"}}},
    "until": None,
    "placed_by": "ada",
    "created_at": "2026-11-21T14:03:00.000000+00:00",
    "active_at": "2026-11-21T14:03:00.140000+00:00",
    "released_at": None,
    "released_by": None,
}
_VERSION: dict[str, JsonValue] = {
    "workspace": "ada_space",
    "asset_path": "image/jpg/test",
    "version_id": "9ef0d7a74ce9d8ece8b103bba8096f05fb50c4e35c7d92b77ae57b78ef898e01",
}
_NEW: dict[str, Any] = {
    "matter": "Doe v. Example",
    "reason": "Preservation order of 21 November",
    "selector": {"paths": ["image/**"], "labels": {"project": "apollo"}},
}


class Hold(BaseModel):
    """``workspace`` is null for a hold on all of them."""

    id: str
    matter: str
    reason: str
    state: State
    workspace: str | None
    scope: dict[str, Any]
    until: datetime | None
    placed_by: str
    created_at: datetime
    active_at: datetime | None
    released_at: datetime | None
    released_by: str | None


class VersionName(BaseModel):
    workspace: str
    asset_path: str
    version_id: str


class Lost(BaseModel):
    """What matched, and whose bytes were being erased or were gone when the hold was placed: how many, and the first 100."""

    count: int
    versions: list[VersionName]


class Placed(Hold):
    model_config = ConfigDict(json_schema_extra={"example": {**_HOLD, "covered": 12, "lost": {"count": 0, "versions": []}}})

    covered: int
    lost: Lost


class Covered(VersionName):
    status: str
    phase: str | None
    size: int


class Shown(Placed):
    """``items``: the versions that it covers."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_HOLD,
                "covered": 1,
                "lost": {"count": 0, "versions": []},
                "items": [{**_VERSION, "status": "active", "phase": None, "size": 52_428}],
                "next_cursor": None,
            }
        }
    )

    items: list[Covered]
    next_cursor: str | None


class Holds(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"items": [_HOLD], "next_cursor": None}})

    items: list[Hold]
    next_cursor: str | None


@router.post(
    "/holds",
    operation_id="holds_place",
    summary="Place a legal hold",
    description="201: nothing deletes what it covers, nor is deleting it; `lost` names what it came too late for. 202: there is "
    "much to cover; `GET /holds/{id}` says when it is `active`. The same `Idempotency-Key` finds the same hold. Needs `admin`.",
    status_code=201,
    response_model=Placed,
    responses={202: {"description": "It is being placed.", "model": Placed}, **problems_of(400, 404, 413, 415, 422)},
    openapi_extra=body.json_schema(NewHold, example=_NEW),
)
async def place(request: Request) -> Response:
    who, state = claims(request), request.app.state
    key = idempotency_key(request)
    wanted = await body.json_body(request, NewHold)
    hold = await state.threads.run(placing.place, state.services, who, wanted, key)
    status = 202 if hold["state"] == "placing" else 201
    return JSONResponse(hold, status, headers={"Location": f"/holds/{hold['id']}"})


@router.get(
    "/holds",
    operation_id="holds",
    summary="Legal holds, the latest first",
    description="An admin sees those on his workspace, a platform admin all.",
    response_model=Holds,
    responses=problems_of(422),
)
async def holds(
    request: Request, matter: Matter = None, state: State | None = None, cursor: paging.Cursor = None, limit: paging.Limit = 100
) -> Response:
    who, app = claims(request), request.app.state
    filters = reading.Filters(matter, state)
    before = paging.row_after(cursor, asdict(filters))
    found, following = await app.threads.run(reading.list_holds, app.services, who, filters, before, limit)
    next_cursor = paging.cursor_after(following, asdict(filters))
    return JSONResponse({"items": found, "next_cursor": next_cursor}, headers=paging.link(request, next_cursor))


@router.get(
    "/holds/{hold_id}",
    operation_id="holds_show",
    summary="A legal hold, and the versions that it covers",
    response_model=Shown,
    responses=problems_of(400, 404, 422),
)
async def show(request: Request, hold_id: str, cursor: paging.Cursor = None, limit: paging.Limit = 100) -> Response:
    who, state = claims(request), request.app.state
    bound = {"hold": hold_id}
    after = paging.row_after(cursor, bound)
    hold, items, following = await state.threads.run(reading.show, state.services, who, hold_id, after, limit)
    next_cursor = paging.cursor_after(following, bound)
    shown = {**hold, "items": items, "next_cursor": next_cursor}
    return JSONResponse(shown, headers=paging.link(request, next_cursor))


@router.delete(
    "/holds/{hold_id}",
    operation_id="holds_release",
    summary="Release a legal hold",
    description="It stays on record, with who released it. 202: there is much to let go; `GET /holds/{id}` says when it is "
    "`released`. What a platform admin placed only a platform admin releases. Needs `admin`.",
    response_model=Placed,
    responses={202: {"description": "It is being released.", "model": Placed}, **problems_of(400, 404)},
)
async def release(request: Request, hold_id: str) -> Response:
    who, state = claims(request), request.app.state
    hold = await state.threads.run(releasing.release, state.services, who, hold_id)
    return JSONResponse(hold, 200 if hold["state"] == "released" else 202)
