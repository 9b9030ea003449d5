"""A clock that tests move, and uploads and links as clients use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
from tests.asgi import Http
from tests.stacks import Stack, User

from holdfast.clock import system


class Moving:
    """The present, and however much later a test makes it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return system() + self.ahead

    def move(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@contextmanager
def moving(stack: Stack, user: User, **settings: Any) -> Iterator[tuple[Http, Moving]]:
    """HTTP to a process whose clock moves, with a token that holds for a week."""
    clock = Moving()
    services = stack.services(clock, token_minutes=7 * 24 * 60, **settings)
    with Http(stack.app(services), bearer(services.tokens.issue(user.account))) as http:
        yield http, clock


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def upload(
    http: Http, name: str = "test.txt", content: bytes = b"first", *others: tuple[str, bytes], **fields: str
) -> dict[str, Any]:
    """Uploads, and returns the metadata."""
    files = [("primary_file", (name, content)), *(("associated_files", other) for other in others)]
    reply = http.post("/fileupload", files=files, data=fields)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def path(version: dict[str, Any]) -> str:
    """``asset_path/version_id``, as most routes end."""
    return f"{version['asset_path']}/{version['version_id']}"


def fetch(http: Http, url: str) -> httpx.Response:
    """What a link gives to somebody without a token."""
    if url.startswith("http://holdfast.test/"):
        return http.get(url.removeprefix("http://holdfast.test"), headers={"Authorization": ""})
    return httpx.get(url)
