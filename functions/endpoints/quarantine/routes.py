"""``/admin/quarantine``: uploads that the malware scanner did not let in. A platform admin releases or deletes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets import quarantine
from holdfast.web import paging
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router

router = secured_router()

State = Literal["kept", "released", "deleted"]

_EXAMPLE: dict[str, JsonValue] = {
    "upload_id": "3f9c2a4be1d04c7c9d0f3b1a5e6c7d80",
    "workspace": "ada_space",
    "asset_path": "application/exe/setup",
    "filename": "setup.exe",
    "size": 48211,
    "result": "infected",
    "signature": "Win.Test.EICAR_HDB-1",
    "detail": "stream: Win.Test.EICAR_HDB-1 FOUND",
    "state": "kept",
    "uploaded_by": "ada",
    "taken_at": "2026-11-21T14:03:00.000000+00:00",
    "decided_at": None,
    "decided_by": None,
}


class Quarantined(BaseModel):
    """``filename`` is the file that was not clean, ``size`` that of all files of the upload, in bytes."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    upload_id: str
    workspace: str
    asset_path: str
    filename: str
    size: int
    result: Literal["infected", "too_large", "error"] = Field(description="`too_large`, `error`: it could not be scanned.")
    signature: str = Field(description="What was found; empty where nothing was.")
    detail: str = Field(description="What the scanner said.")
    state: State
    uploaded_by: str
    taken_at: datetime
    decided_at: datetime | None
    decided_by: str | None = Field(description="null: the installation's settings, or its command line.")


class Quarantine(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"items": [_EXAMPLE], "next_cursor": None}})

    items: list[Quarantined]
    next_cursor: str | None


@router.get(
    "/admin/quarantine",
    operation_id="quarantine",
    summary="Uploads that were not let in, the latest first",
    description="For platform admins.",
    response_model=Quarantine,
    responses=problems_of(422),
)
async def page(
    request: Request,
    state: Annotated[State | None, Query(description="Default: all.")] = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
) -> Response:
    who, app = claims(request), request.app.state
    filters = {"state": state}
    before = paging.row_after(cursor, filters)
    found, following = await app.threads.run(quarantine.page, app.services, who, state, before, limit)
    next_cursor = paging.cursor_after(following, filters)
    return JSONResponse({"items": found, "next_cursor": next_cursor}, headers=paging.link(request, next_cursor))


@router.delete(
    "/admin/quarantine/{upload_id}",
    operation_id="quarantine_delete",
    summary="Delete what was not let in",
    description="Its bytes are erased; that it was there stays on record. For platform admins.",
    response_model=Quarantined,
    responses=problems_of(400, 404, 409),
)
async def delete(request: Request, upload_id: str) -> Response:
    who, app = claims(request), request.app.state
    return JSONResponse(await app.threads.run(quarantine.delete, app.services, who, upload_id))


@router.post(
    "/admin/quarantine/{upload_id}/release",
    operation_id="quarantine_release",
    summary="Let in what was not let in",
    description="The upload goes on as if it had just come, and becomes a version if it still can. For platform admins.",
    response_model=Quarantined,
    responses=problems_of(400, 404, 409),
)
async def release(request: Request, upload_id: str) -> Response:
    who, app = claims(request), request.app.state
    return JSONResponse(await app.threads.run(quarantine.release, app.services, who, upload_id))
