"""``GET``, ``HEAD /content/{asset_path}``: the bytes of one file, for a token or for a signed link."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from holdfast.assets.downloading import content as find_content
from holdfast.assets.downloading import linked_content
from holdfast.web import content as bytes_of
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router

router = secured_router()

_BYTES = {"description": "The bytes.", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}

VersionId = Annotated[str | None, Query(description="Default: the newest active version.")]
FileName = Annotated[str | None, Query(description="Default: the primary file.")]


@router.api_route(
    "/content/{asset_path:path}",
    methods=["GET"],
    operation_id="content",
    summary="The bytes of a file; ranges and conditions as in RFC 9110",
    response_class=Response,
    responses={
        200: _BYTES,
        206: {**_BYTES, "description": "The range asked for."},
        304: {"description": "What you have is current."},
        **problems_of(400, 404, 410, 412, 416, 422),
    },
)
@router.api_route(
    "/content/{asset_path:path}",
    methods=["HEAD"],
    operation_id="content_head",
    summary="The headers that a GET would have",
    response_class=Response,
    responses={304: {"description": "What you have is current."}, **problems_of(400, 404, 410, 412, 422)},
)
async def content(request: Request, asset_path: str, version_id: VersionId = None, file: FileName = None) -> Response:
    state = request.app.state
    if "signature" in request.query_params:
        found = await state.threads.run(linked_content, state.services, asset_path, dict(request.query_params))
    else:
        found = await state.threads.run(find_content, state.services, claims(request), asset_path, version_id, file)
    return await bytes_of.reply(request, found, state.services.objects, state.threads)
