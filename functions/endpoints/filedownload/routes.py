"""``GET /filedownload/{asset_path}/{version_id}``: a version's metadata, links to its files, and their content if asked for."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.assets import described
from holdfast.assets.downloading import Download, download
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router
from holdfast.web.embedding import Embedded, Piece, length
from holdfast.web.origin import base_url
from holdfast.web.streaming import ContentResponse

router = secured_router()


@router.get(
    "/filedownload/{asset_path:path}/{version_id}",
    operation_id="filedownload",
    summary="A version's metadata and links to its files",
    response_model=described.Download,
    responses=problems_of(400, 404, 410, 422),
)
async def filedownload(request: Request, asset_path: str, version_id: str, return_file_content: bool = False) -> Response:
    who, state = claims(request), request.app.state
    found = await state.threads.run(download, state.services, who, asset_path, version_id, base_url(request))
    if not return_file_content:
        return JSONResponse(found.as_json(), headers={"Cache-Control": "no-store"})
    pieces = _with_content(found)
    source = await Embedded.open(state.services.objects, state.threads, pieces)
    headers = {"Content-Type": "application/json", "Content-Length": str(length(pieces)), "Cache-Control": "no-store"}
    return ContentResponse(source, 200, headers)


def _with_content(found: Download) -> list[Piece]:
    """The reply's text with the files in their places."""
    pieces: list[Piece] = []
    text = '{"metadata":' + json.dumps(found.metadata)
    for part in found.parts:
        text += f',"{part.name}":{json.dumps(part.described)[:-1]},"content":"'
        pieces += [text.encode(), (part.key, part.size)]
        text = '"}'
    return [*pieces, (text + "}").encode()]
