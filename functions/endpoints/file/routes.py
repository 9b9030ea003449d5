"""``/api/v1/file/…``: files that came in chunks, as 001 and 003 know them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.errors import Invalid
from holdfast.uploads import groups, records, scanner, unfinished
from holdfast.web import envelope, paging
from holdfast.web.auth import claims
from holdfast.web.described import problems_of
from holdfast.web.origin import base_url

router = envelope.enveloped_router()

HEADER = "x-file-credential"
"""A private file's credential as a JSON object. In the query, as 001 has it, it works too; no log shows a query."""

FileId = Annotated[str, Path(min_length=1)]
Following = Annotated[str | None, Query(max_length=paging.MAX_CURSOR, description="`next_cursor` of the reply before.")]
_CREDENTIAL = {
    "parameters": [
        {
            "name": "X-File-Credential",
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": "A private file's credential, a JSON object. Its pairs may come as the query instead.",
        }
    ]
}


def _credential(request: Request, besides: Collection[str] = ()) -> str | None:
    """``besides``: names in the query that are no part of it."""
    if (given := request.headers.get(HEADER)) is not None:
        return records.credential(records.json_object("X-File-Credential", given))
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name not in besides]
    if len({name for name, _ in pairs}) != len(pairs):
        raise Invalid("A pair of the credential came twice.", field="credential")
    return records.credential(dict(pairs))


@router.get(
    "/api/v1/file/get/{file_id}",
    operation_id="file_get",
    summary="A file, with a fresh link to it",
    responses={**envelope.shows(records.EXAMPLE), **problems_of(400, 404, 410, 422)},
    openapi_extra=_CREDENTIAL,
)
async def get(request: Request, file_id: FileId) -> Response:
    who, state = claims(request), request.app.state
    found = await state.threads.run(records.get, state.services, who, file_id, _credential(request), base_url(request))
    return envelope.success(found)


@router.get(
    "/api/v1/file/status/{file_id}",
    operation_id="file_status",
    summary="How far an upload is: PENDING, STARTED, SUCCESS or FAILURE",
    responses={**envelope.shows(records.STATUS_EXAMPLE), **problems_of(400, 404, 422)},
    openapi_extra=_CREDENTIAL,
)
async def status(request: Request, file_id: FileId) -> Response:
    who, state = claims(request), request.app.state
    return envelope.success(await state.threads.run(records.status, state.services, who, file_id, _credential(request)))


@router.get(
    "/api/v1/file/all",
    operation_id="file_all",
    summary="Files of the workspace, the newest first",
    description="`state=open`: your own uploads that still take bytes instead, however they are sent, each with its `id`, "
    "`filename`, `status`, `received` and `length` in bytes (null: not known yet) and `expires_at`.",
    responses={**envelope.shows([records.EXAMPLE], next_cursor=None), **problems_of(422)},
)
async def everything(
    request: Request,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    user_id: Annotated[str | None, Query(max_length=64, description="Only files of that user_id.")] = None,
    state: Annotated[Literal["open"] | None, Query(description="Your own uploads that still take bytes.")] = None,
) -> Response:
    if state is not None:
        return await _open(request, cursor, limit, user_id)
    return await _page(request, cursor, limit, None, user_id)


@router.get(
    "/api/v1/file/appointment/{appointment_id}",
    operation_id="file_appointment",
    summary="Files of a group, the newest first",
    responses={**envelope.shows([records.EXAMPLE], next_cursor=None), **problems_of(400, 422)},
)
async def of_appointment(
    request: Request,
    appointment_id: Annotated[str, Path(min_length=1, max_length=64)],
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
) -> Response:
    return await _page(request, cursor, limit, appointment_id, None)


@router.get(
    "/api/v1/file/appointments",
    operation_id="file_appointments",
    summary="Groups of files, the latest first",
    responses={**envelope.shows([groups.EXAMPLE], next_cursor=None), **problems_of(422)},
)
async def appointments(
    request: Request,
    cursor: paging.Cursor = None,
    limit: paging.Limit = 100,
    user_id: Annotated[str | None, Query(max_length=64, description="Only groups with files of that user_id.")] = None,
) -> Response:
    who, state = claims(request), request.app.state
    bound = {"owner": user_id}
    before = paging.row_after(cursor, bound)
    items, following = await state.threads.run(groups.listed, state.services, who, owner=user_id, before=before, limit=limit)
    return envelope.success(items, next_cursor=paging.cursor_after(following, bound))


@router.delete(
    "/api/v1/file/appointment/{appointment_id}",
    operation_id="file_appointment_delete",
    summary="Delete a group's files, some at a time, each as by itself",
    responses={**envelope.shows(groups.REMOVAL_EXAMPLE, next_cursor=None), **problems_of(400, 422)},
    openapi_extra=_CREDENTIAL,
)
async def delete_appointment(
    request: Request,
    appointment_id: Annotated[str, Path(min_length=1, max_length=64)],
    cursor: Following = None,
) -> Response:
    return await _remove(request, cursor, ("cursor",), appointment_id=appointment_id)


@router.delete(
    "/api/v1/file/all",
    operation_id="file_all_delete",
    summary="Delete the files of one user_id, some at a time, each as by itself",
    responses={**envelope.shows(groups.REMOVAL_EXAMPLE, next_cursor=None), **problems_of(400, 422)},
    openapi_extra=_CREDENTIAL,
)
async def delete_of_user(
    request: Request,
    user_id: Annotated[str, Query(min_length=1, max_length=64, description="As it was said at completion.")],
    cursor: Following = None,
) -> Response:
    return await _remove(request, cursor, ("cursor", "user_id"), owner=user_id)


async def _remove(request: Request, cursor: str | None, besides: Collection[str], **of: str) -> Response:
    who, state = claims(request), request.app.state
    after = paging.row_after(cursor, of)
    done = await state.threads.run(groups.remove, state.services, who, _credential(request, besides), after, **of)
    next_cursor = paging.cursor_after(done.following, of)
    return envelope.success({"deleted": done.deleted, "left": done.left}, next_cursor=next_cursor)


async def _open(request: Request, cursor: str | None, limit: int, owner: str | None) -> Response:
    if owner is not None:
        raise Invalid("An upload has a user_id once it is complete.", field="user_id")
    who, state = claims(request), request.app.state
    bound = {"state": "open"}
    before = paging.row_after(cursor, bound)
    items, following = await state.threads.run(unfinished.listed, state.services, who, before=before, limit=limit)
    return envelope.success(items, next_cursor=paging.cursor_after(following, bound))


async def _page(request: Request, cursor: str | None, limit: int, appointment_id: str | None, owner: str | None) -> Response:
    who, state = claims(request), request.app.state
    bound = {"appointment_id": appointment_id, "owner": owner}
    before = paging.row_after(cursor, bound)
    items, following = await state.threads.run(
        records.listed,
        state.services,
        who,
        base_url(request),
        before=before,
        limit=limit,
        appointment_id=appointment_id,
        owner=owner,
    )
    next_cursor = paging.cursor_after(following, bound)
    return envelope.success(items, next_cursor=next_cursor)


@router.get(
    "/api/v1/file/virus-scanner/health",
    operation_id="file_scanner_health",
    summary="Whether uploads are scanned for malware, and the scanner answers",
    responses={**envelope.shows(scanner.EXAMPLE), **problems_of(503)},
)
async def scanner_health(request: Request) -> Response:
    who, state = claims(request), request.app.state
    return envelope.success(await state.threads.run(scanner.health, state.services, who))


@router.delete(
    "/api/v1/file/{file_id}",
    operation_id="file_delete",
    summary="Cancel an upload, or archive and destroy what came of it",
    responses={**envelope.shows(None), **problems_of(400, 404, 409, 410, 422, 423)},
    openapi_extra=_CREDENTIAL,
)
async def delete(request: Request, file_id: FileId) -> Response:
    who, state = claims(request), request.app.state
    await state.threads.run(records.remove, state.services, who, file_id, _credential(request))
    return envelope.success(None, "The file is deleted.")


_public = APIRouter(route_class=envelope.EnvelopeRoute)


@_public.get(
    "/api/v1/file/link/{file_id}",
    operation_id="file_link",
    status_code=307,
    response_class=RedirectResponse,
    summary="A public file by its lasting link: leads to one of a few minutes",
    responses={307: {"description": "To the file"}, **problems_of(400, 403, 404, 410, 422)},
)
async def link(request: Request, file_id: FileId, signature: Annotated[str, Query(min_length=1, max_length=128)]) -> Response:
    state = request.app.state
    url = await state.threads.run(records.public_link, state.services, file_id, signature, base_url(request))
    return RedirectResponse(url, 307, headers={"Cache-Control": "no-store"})


router.include_router(_public)
