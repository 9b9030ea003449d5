"""``PUT /labels/{asset_path}/{version_id}``: the labels of a version, all at once."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, RootModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets import labels as rules
from holdfast.assets.acting import act
from holdfast.assets.described import AssetMetadata
from holdfast.assets.transitions import SetLabels
from holdfast.web import body
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router

router = secured_router()


class Labels(RootModel[dict[str, Any]]):
    model_config = ConfigDict(
        json_schema_extra={
            "additionalProperties": {"type": "string", "maxLength": rules.MAX_VALUE},
            "maxProperties": rules.MOST,
        }
    )


@router.put(
    "/labels/{asset_path:path}/{version_id}",
    operation_id="labels",
    summary="Give a version these labels instead of its present ones",
    response_model=AssetMetadata,
    responses=problems_of(400, 404, 409, 413, 415, 422),
    openapi_extra=body.json_schema(Labels, example={"project": "apollo"}),
)
async def labels(request: Request, asset_path: str, version_id: str) -> Response:
    who, state = claims(request), request.app.state
    wanted = SetLabels(rules.check((await body.json_body(request, Labels)).root))
    return JSONResponse(await state.threads.run(act, state.services, who, asset_path, version_id, wanted))
