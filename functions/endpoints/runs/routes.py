"""``/runs``: what each run of a policy did, and taking one back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.lifecycle import history
from holdfast.web import paging
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router

router = secured_router()

Id = Annotated[int, Path(ge=1, lt=2**63)]

_EXAMPLE: dict[str, JsonValue] = {
    "id": 7,
    "policy": "media/finished-projects",
    "action": "archive",
    "trigger": "schedule",
    "state": "done",
    "as_of": "2026-11-21T03:12:00.000000+00:00",
    "done": {"items": 120, "bytes": 52_428_800},
    "undone": 0,
    "started_at": "2026-11-21T03:12:00.000000+00:00",
    "finished_at": "2026-11-21T03:12:01.000000+00:00",
}
_ITEM: dict[str, JsonValue] = {
    "workspace": "ada_space",
    "asset_path": "image/jpg/test",
    "version_id": "9ef0d7a74ce9d8ece8b103bba8096f05fb50c4e35c7d92b77ae57b78ef898e01",
    "bytes": 48211,
    "status": "archived",
    "phase": None,
    "undoable": True,
}


class Counts(BaseModel):
    items: int = Field(description="Versions.")
    bytes: int = Field(description="Of all their files.")


class Run(BaseModel):
    """What it did; for a workspace's admin, in his workspace. ``plan``, ``guard``, ``skipped`` and ``error`` are for platform
    admins, since a plan names others' assets."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: int
    policy: str | None = Field(description="namespace/name; null where the assets' own TTLs were carried out.")
    action: Literal["archive", "destroy"]
    trigger: Literal["schedule", "manual", "approval", "ttl"]
    state: Literal["planning", "running", "done", "stopped", "failed", "guarded", "approved", "changed"]
    as_of: datetime = Field(description="The instant that it was planned for.")
    done: Counts
    undone: int = Field(description="Versions that were taken back.")
    started_at: datetime
    finished_at: datetime | None
    plan: dict[str, Any] | None = None
    guard: dict[str, Any] | None = Field(None, description="What stopped it, with the numbers.")
    skipped: dict[str, int] | None = Field(None, description="Planned versions that were passed over, by reason.")
    error: str | None = None


class Runs(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"items": [_EXAMPLE], "next_cursor": None}})

    items: list[Run]
    next_cursor: str | None


class Item(BaseModel):
    workspace: str
    asset_path: str
    version_id: str
    bytes: int
    status: Literal["active", "archived", "destroyed"]
    phase: Literal["condemned", "purging", "erased"] | None
    undoable: bool = Field(description="Whether it is still as the run left it, and can be taken back.")


class Whole(Run):
    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "items": [_ITEM], "next_cursor": None}})

    items: list[Item]
    next_cursor: str | None


@router.get(
    "/runs",
    operation_id="runs",
    summary="Runs of policies, the latest first",
    response_model=Runs,
    response_model_exclude_unset=True,
    responses=problems_of(422),
)
async def runs(
    request: Request,
    policy: Annotated[str | None, Query(max_length=317, description="namespace/name.")] = None,
    action: Literal["archive", "destroy"] | None = None,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
) -> Response:
    who, state = claims(request), request.app.state
    bound = {"policy": policy, "action": action}
    before = paging.row_after(cursor, bound)
    found, following = await state.threads.run(history.list_runs, state.services, who, policy, action, before, limit)
    next_cursor = paging.cursor_after(following, bound)
    return JSONResponse({"items": found, "next_cursor": next_cursor}, headers=paging.link(request, next_cursor))


@router.get(
    "/runs/{run_id}",
    operation_id="run",
    summary="One run, with what it archived or condemned",
    response_model=Whole,
    responses=problems_of(404, 422),
)
async def run(request: Request, run_id: Id, cursor: paging.Cursor = None, limit: paging.Limit = 100) -> Response:
    who, state = claims(request), request.app.state
    bound = {"run": run_id}
    after = history.Position(*paging.decode(cursor, bound, (int, int))) if cursor else None
    found, following = await state.threads.run(history.one_run, state.services, who, run_id, after, limit)
    next_cursor = None if following is None else paging.encode(following, bound)
    return JSONResponse({**found, "next_cursor": next_cursor}, headers=paging.link(request, next_cursor))


@router.post(
    "/runs/{run_id}/undo",
    operation_id="run_undo",
    summary="Take a whole run back",
    description="What it archived becomes active again and what it condemned archived, as long as nothing else has happened to it. "
    "Done in the background; `undone` of the run counts. A platform admin takes all of it back, a workspace's admin what the run "
    "did in his workspace.",
    status_code=202,
    response_model=Run,
    responses=problems_of(404, 409, 422),
)
async def undo(request: Request, run_id: Id) -> Response:
    who, state = claims(request), request.app.state
    return JSONResponse(await state.threads.run(history.undo, state.services, who, run_id), 202)
