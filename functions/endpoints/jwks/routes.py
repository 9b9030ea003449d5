"""``/.well-known/jwks.json``: the public keys of our tokens, for whoever verifies them without asking us."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

router = APIRouter()


@router.get(
    "/.well-known/jwks.json",
    operation_id="jwks",
    summary="Public keys of tokens",
    responses={
        200: {
            "description": "A JSON Web Key Set (RFC 7517); without keys while tokens are signed with a secret.",
            "content": {"application/json": {"example": {"keys": []}}},
        }
    },
)
async def jwks(request: Request) -> Response:
    return JSONResponse(request.app.state.services.tokens.jwks(), headers={"Cache-Control": "public, max-age=300"})
