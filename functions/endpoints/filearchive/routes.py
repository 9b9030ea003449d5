"""``POST /filearchive/{asset_path}/{version_id}``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets.acting import act
from holdfast.assets.described import AssetMetadata
from holdfast.assets.transitions import Archive
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router

router = secured_router()


@router.post(
    "/filearchive/{asset_path:path}/{version_id}",
    operation_id="filearchive",
    summary="Archive a version",
    response_model=AssetMetadata,
    responses=problems_of(400, 404, 409, 410),
)
async def filearchive(request: Request, asset_path: str, version_id: str) -> Response:
    who, state = claims(request), request.app.state
    return JSONResponse(await state.threads.run(act, state.services, who, asset_path, version_id, Archive()))
