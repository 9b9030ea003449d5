"""A program for `test_serving`: a server that counts the bytes of a body, run as ours are."""

from __future__ import annotations

import sys

from fastapi import APIRouter
from starlette.requests import Request

from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web import body, server
from holdfast.web.function import create_app

router = APIRouter()


@router.post("/count")
async def count(request: Request) -> int:
    return len(await body.read(request))


if __name__ == "__main__":
    with server.listen("127.0.0.1", 0) as listener:
        app = create_app("count", router, services=Services(Settings()))
        sys.exit(server.run(app, listener, Settings(), lambda: print(server.url_of(listener), flush=True)))
