"""An app under the real server, on a free loopback port, in a thread of the test run."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from starlette.types import ASGIApp

from holdfast.settings import Settings
from holdfast.web import server


@contextmanager
def served(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """Yields host and port; afterwards the server ends as it does at SIGTERM."""
    listener = server.listen("127.0.0.1", 0)
    ready = threading.Event()
    running = server.server(app, Settings(grace_seconds=5), ready.set)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert ready.wait(10)
        yield listener.getsockname()
    finally:
        running.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


def said(address: tuple[str, int], *pieces: bytes, end: bool = False, patience: float = 3) -> bytes:
    """What the server answers to these bytes, until it closes or says nothing more for ``patience`` seconds; ``end``: we hang up,
    unless the server, which need not read to the end what it refuses, has hung up before."""
    with socket.create_connection(address, timeout=patience) as connection:
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
            if end:
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(TimeoutError, ConnectionResetError):
            while more := connection.recv(65_536):
                answer += more
        return answer
