"""``POST /filerestore/{asset_path}/{version_id}``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets.acting import act
from holdfast.assets.described import AssetMetadata
from holdfast.assets.transitions import Restore
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router

router = secured_router()


@router.post(
    "/filerestore/{asset_path:path}/{version_id}",
    operation_id="filerestore",
    summary="Take the last step back, from destroyed to archived or from archived to active",
    response_model=AssetMetadata,
    responses=problems_of(400, 404, 409),
)
async def filerestore(request: Request, asset_path: str, version_id: str) -> Response:
    who, state = claims(request), request.app.state
    return JSONResponse(await state.threads.run(act, state.services, who, asset_path, version_id, Restore()))
