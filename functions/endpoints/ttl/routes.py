"""``PUT /ttl/{asset_path}/{version_id}``: when a version ends by itself."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets.acting import act
from holdfast.assets.dates import MAX_TTL
from holdfast.assets.described import AssetMetadata
from holdfast.assets.transitions import SetTtl
from holdfast.web import body
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router

router = secured_router()


class Ttls(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    archive_ttl: int | None = Field(
        None, ge=0, le=MAX_TTL, description="Days from upload or restore; null: never; left out: as it is."
    )
    destroy_ttl: int | None = Field(
        None, ge=0, le=MAX_TTL, description="Days from the archive date; null: never; left out: as it is."
    )


@router.put(
    "/ttl/{asset_path:path}/{version_id}",
    operation_id="ttl",
    summary="Change a version's TTLs; its dates follow",
    response_model=AssetMetadata,
    responses=problems_of(400, 404, 409, 413, 415, 422),
    openapi_extra=body.json_schema(Ttls, example={"archive_ttl": 30, "destroy_ttl": None}),
)
async def ttl(request: Request, asset_path: str, version_id: str) -> Response:
    who, state = claims(request), request.app.state
    wanted = SetTtl((await body.json_body(request, Ttls)).model_dump(exclude_unset=True))
    return JSONResponse(await state.threads.run(act, state.services, who, asset_path, version_id, wanted))
