"""``GET /assets``: what is in a workspace."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets.described import AssetList
from holdfast.assets.listing import Filters, Position, list_assets, parse_label
from holdfast.web import paging
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router
from holdfast.web.moments import Moment

router = secured_router()

Status = Literal["active", "archived", "destroyed"]
Size = Annotated[int | None, Query(ge=0, lt=2**63, description="In bytes, of the primary file.")]


@router.get(
    "/assets",
    operation_id="assets",
    summary="List assets, by path",
    response_model=AssetList,
    responses=problems_of(422),
)
async def assets(
    request: Request,
    prefix: Annotated[str, Query(max_length=400, description="Of the asset path.")] = "",
    media_type: Annotated[str | None, Query(max_length=255, description="`image/png`, or `image/*`.")] = None,
    status: Annotated[list[Status], Query(max_length=3, description="Repeat it for several.")] = ["active"],  # noqa: B006
    min_size: Size = None,
    max_size: Size = None,
    uploaded_after: Moment = None,
    uploaded_before: Moment = None,
    expiring_before: Moment = None,
    label: Annotated[list[str], Query(max_length=8, description="`key=value`; repeat it, all have to match.")] = [],  # noqa: B006
    versions: Annotated[
        Literal["newest", "all"], Query(description="`newest`: of each asset only the newest version of each status.")
    ] = "newest",
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
) -> Response:
    who, state = claims(request), request.app.state
    filters = Filters(
        statuses=sorted(set(status)),
        newest_only=versions == "newest",
        prefix=prefix,
        media_type=media_type,
        min_size=min_size,
        max_size=max_size,
        uploaded_after=uploaded_after,
        uploaded_before=uploaded_before,
        expiring_before=expiring_before,
        labels=[parse_label(text) for text in label],
    )
    bound = asdict(filters)
    after = Position(*paging.decode(cursor, bound, (str, int))) if cursor else None
    found, last = await state.threads.run(list_assets, state.services, who, filters, after, limit)
    following = None if last is None else paging.encode((last.asset_path, last.number), bound)
    return JSONResponse({"items": found, "next_cursor": following}, headers=paging.link(request, following))
