"""``GET /filedownload/{asset_path}/{version_id}``: a version's metadata, links to its files, and their content if asked for."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from holdfast.assets import described
from holdfast.assets.downloading import Download, download
from holdfast.errors import Invalid
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router
from holdfast.web.embedding import Embedded, Piece, length
from holdfast.web.origin import base_url
from holdfast.web.streaming import ContentResponse

router = secured_router()

# Declared here and read by hand: this is the hottest route, and what the framework would do for the three takes as long as the
# database does.
_PARAMETERS = [
    {"name": "asset_path", "in": "path", "required": True, "schema": {"type": "string"}},
    {"name": "version_id", "in": "path", "required": True, "schema": {"type": "string"}},
    {
        "name": "return_file_content",
        "in": "query",
        "required": False,
        "schema": {"type": "boolean", "default": False},
        "description": "Whether the reply has the files' bytes in base64.",
    },
]
_BOOLEANS = {**dict.fromkeys(("true", "1", "yes", "on"), True), **dict.fromkeys(("false", "0", "no", "off"), False)}
_HEADERS = {"Cache-Control": "no-store"}


@router.get(
    "/filedownload/{asset_path:path}/{version_id}",
    operation_id="filedownload",
    summary="A version's metadata and links to its files",
    response_model=described.Download,
    responses=problems_of(400, 404, 410, 422),
    openapi_extra={"parameters": _PARAMETERS},
)
async def filedownload(request: Request) -> Response:
    who, state, path = claims(request), request.app.state, request.path_params
    with_content = _boolean(request.query_params.get("return_file_content", "false")) if request.scope["query_string"] else False
    found = await state.threads.run(download, state.services, who, path["asset_path"], path["version_id"], base_url(request))
    if not with_content:
        return Response(json.dumps(found.as_json()), headers=_HEADERS, media_type="application/json")
    pieces = _with_content(found)
    source = await Embedded.open(state.services.objects, state.threads, pieces)
    return ContentResponse(source, 200, {**_HEADERS, "Content-Type": "application/json", "Content-Length": str(length(pieces))})


def _boolean(text: str) -> bool:
    """As the framework reads one (000's clients write ``False``). Raises Invalid."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise Invalid("return_file_content is true or false.", field="return_file_content") from None


def _with_content(found: Download) -> list[Piece]:
    """The reply's text with the files in their places."""
    pieces: list[Piece] = []
    text = '{"metadata":' + json.dumps(found.metadata)
    for part in found.parts:
        text += f',"{part.name}":{json.dumps(part.described)[:-1]},"content":"'
        pieces += [text.encode(), (part.key, part.size)]
        text = '"}'
    return [*pieces, (text + "}").encode()]
