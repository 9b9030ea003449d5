"""``GET /fileversions/{asset_path}/{filename}``: every version of a file, also the archived and destroyed ones."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets.described import VERSION_EXAMPLE, FileVersion
from holdfast.assets.histories import history
from holdfast.web import paging
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router
from holdfast.web.origin import base_url

router = secured_router()


@router.get(
    "/fileversions/{asset_path:path}/{filename}",
    operation_id="fileversions",
    summary="All versions of a file, the newest first",
    description="The next page, if there is one, is in the reply's Link header.",
    response_model=list[FileVersion],
    responses={200: {"content": {"application/json": {"example": [VERSION_EXAMPLE]}}}, **problems_of(400, 404, 422)},
)
async def fileversions(
    request: Request, asset_path: str, filename: str, cursor: paging.Cursor = None, limit: paging.Limit = 1000
) -> Response:
    who, state = claims(request), request.app.state
    filters = {"asset_path": asset_path, "filename": filename}
    before = paging.row_after(cursor, filters)
    found, following = await state.threads.run(
        history, state.services, who, asset_path, filename, before=before, limit=limit, base_url=base_url(request)
    )
    next_cursor = paging.cursor_after(following, filters)
    return JSONResponse(found, headers={**paging.link(request, next_cursor), "Cache-Control": "no-store"})
