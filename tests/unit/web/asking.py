"""Requests as data: a real Starlette request whose body comes in the given pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.types import Message


def request(
    pieces: Iterable[bytes] = (),
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    cut: bool = False,
) -> Request:
    """``cut``: the client goes away after the last piece, instead of ending the body."""
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False})
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming, {"type": "http.disconnect"})

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "root_path": "",
    }
    return Request(scope, receive)
