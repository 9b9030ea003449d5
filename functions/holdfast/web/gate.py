"""What every request passes, whatever answers it: its id, a look at its path, its place in the metrics, its line in the log.

Plain ASGI around the whole app, so that also the reply to an unexpected error has the id, and counted as what it is.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable
from time import perf_counter
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.errors import Malformed
from holdfast.requests import request_id
from holdfast.web import problems
from holdfast.web.metrics import HTTP, HttpMetrics

log = logging.getLogger("holdfast.access")

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; their lines would hide the others."""
SECRETS = frozenset({"signature", "token", "secret", "code", "credential"})
"""Names of path parameters that no log may show."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SLASH = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Gate:
    def __init__(self, app: ASGIApp, metrics: HttpMetrics = HTTP) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        status, ended = 500, False
        identity = id_of(scope["headers"])
        request_id.set(identity.decode())

        async def sending(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identity)]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                ended = True
            await send(message)

        self._metrics.in_progress += 1
        try:
            refusal = None if b"%" not in (scope.get("raw_path") or b"%") else refusal_of(scope)
            refused = problems.response_at(scope["path"], refusal) if refusal else None
            await (refused or self._app)(scope, receive, sending)
        except Exception:
            # After a whole reply (a 500, by then logged) there is nothing left to do; any other connection the server breaks off.
            if not ended:
                raise
        finally:
            seconds = perf_counter() - began
            self._metrics.in_progress -= 1
            route = getattr(scope.get("route"), "path", "")
            self._metrics.count(route, scope["method"], status, seconds)
            if route not in QUIET and log.isEnabledFor(logging.INFO):
                log.info("request", extra={"fields": _line(scope, route, status, seconds, ended)})


def id_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The client's ``X-Request-Id`` when it is a sane one, a new one else."""
    for name, value in headers:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return value
    return secrets.token_hex(16).encode()


def refusal_of(scope: Scope) -> Malformed | None:
    """Why a path is not taken at all: an encoded slash or control character within a segment, or bytes that are not UTF-8.

    The router sees the decoded path, in which ``a%2Fb`` and ``a/b`` are one. So that they cannot be mixed up, neither here nor in
    a proxy on the way, the first is none of ours. Mangum has no raw path: what it gives is already decoded.
    """
    raw: bytes | None = scope.get("raw_path")
    try:
        decoded = scope["path"] if raw is None else unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return Malformed("The path is not UTF-8.", slug="invalid-path")
    if _CONTROL.search(decoded) or (raw is not None and _SLASH.search(raw)):
        return Malformed("The path holds an encoded slash, backslash or control character.", slug="invalid-path")
    return None


def _line(scope: Scope, route: str, status: int, seconds: float, ended: bool) -> dict[str, Any]:
    """Never the query: it may hold a link's signature, a code or a credential."""
    client = scope.get("client")
    line = {
        "method": scope["method"],
        "path": route if SECRETS & scope.get("path_params", {}).keys() else scope["path"],
        "status": status,
        "ms": round(seconds * 1000, 2),
        "client": client[0] if client else None,
    }
    if not ended:
        line["cut_short"] = True
    return line
