"""uvicorn as we run it: a listener that is ours, a SIGTERM that lets requests end, and nothing on standard error but our log."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn import Server as Uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from holdfast.errors import Malformed
from holdfast.settings import Settings
from holdfast.web import problems

KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep an idle connection (60 s), so that none sends a request into one that is just being closed."""


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises OSError, when somebody else has the port for one."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=2048)


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: ASGIApp, listener: socket.socket, settings: Settings, ready: Callable[[], None]) -> int:
    """Serves until SIGTERM or SIGINT and then lets running requests end. Returns the exit code. ``ready`` is called when it accepts
    requests."""
    running = server(app, settings, ready)
    with _ending(running):
        running.run(sockets=[listener])
    return 0 if running.started else 1


def server(app: ASGIApp, settings: Settings, ready: Callable[[], None]) -> Uvicorn:
    """The server by itself; it ends when its ``should_exit`` becomes true."""
    config = Config(
        app,
        loop="uvloop",
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.grace_seconds,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
    )
    return _Server(config, ready)


class _Protocol(HttpToolsProtocol):
    """Also what is no HTTP request at all gets a problem; uvicorn would answer with plain text."""

    def send_400_response(self, msg: str) -> None:
        refusal = problems.response(Malformed("This is no HTTP request.", slug="invalid-http"))
        head = b"".join(b"%s: %s\r\n" % header for header in [*refusal.raw_headers, (b"connection", b"close")])
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(refusal.body))
        self.transport.close()


class _Server(Uvicorn):
    def __init__(self, config: Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


@contextmanager
def _ending(server: Uvicorn) -> Iterator[None]:
    """uvicorn raises the signal again once it has ended gracefully: without a handler of ours that would kill the process, and
    exit code 143 would call a clean end a failure."""

    def end(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
