"""``POST /add-associated-files/{asset_path}``: files join an active version."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets import names
from holdfast.assets.described import AssetMetadata
from holdfast.assets.receiving import ADD_FILES, receive, refuse_add
from holdfast.identity.access import Actor
from holdfast.web import idempotency
from holdfast.web.described import problems_of, secured_router, takes_files

router = secured_router()

_FIELDS = {"primary_version_id": {"type": "string", "description": "Default: the newest active version."}}


@router.post(
    "/add-associated-files/{asset_path:path}",
    operation_id="add_associated_files",
    summary="Add associated files to a version",
    response_model=AssetMetadata,
    openapi_extra={"requestBody": takes_files("associated_files", _FIELDS), "parameters": [idempotency.PARAMETER]},
    responses=problems_of(400, 404, 409, 410, 413, 415, 422, 503),
)
async def add_associated_files(request: Request, asset_path: str) -> Response:
    path = str(names.parse_asset_path(asset_path))

    def check(connection: Connection, actor: Actor) -> None:
        refuse_add(connection, actor, path)

    return JSONResponse(await receive(request, ADD_FILES, asset_path=path, check=check))
