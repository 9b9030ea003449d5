"""An S3 endpoint on loopback that misbehaves when told to, and otherwise passes everything on to a real one."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Behaviour = Literal["pass on", "lose the reply", "fail", "hang", "refuse", "cut short", "slow"]
SLOW = 0.2
"""Seconds: short of what anybody gives up after."""
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length")


class FaultyStore:
    """``behave(method, path)`` says what becomes of each request; ``seen`` holds the requests so far."""

    def __init__(self, behave: Callable[[str, str], Behaviour], target: str = "") -> None:
        self.behave = behave
        self.seen: list[tuple[str, str]] = []
        self._target = urlsplit(target).netloc
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                store.seen.append((self.command, self.path))
                behaviour = store.behave(self.command, self.path)
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if behaviour == "hang":
                    store._closing.wait()
                    self.close_connection = True
                elif behaviour in ("fail", "refuse"):
                    status, code = (500, "InternalError") if behaviour == "fail" else (403, "SignatureDoesNotMatch")
                    self._reply(status, [], b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode())
                else:
                    if behaviour == "slow":
                        time.sleep(SLOW)
                    self._pass_on(body, behaviour)

            def _pass_on(self, body: bytes, behaviour: Behaviour) -> None:
                connection = http.client.HTTPConnection(store._target)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                if behaviour == "lose the reply":
                    self.close_connection = True
                    return
                kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
                length = int(answer.headers.get("content-length") or len(content))
                self._reply(answer.status, kept, content[: len(content) // 2] if behaviour == "cut short" else content, length)

            def _reply(self, status: int, headers: list[tuple[str, str]], content: bytes, length: int | None = None) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content) if length is None else length))
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = length is not None and length != len(content)

        return Handler


def once(behaviour: Behaviour, method: str, in_path: str = "") -> Callable[[str, str], Behaviour]:
    """Behaves so at the first request of that method whose path holds ``in_path``, and well at all others."""
    left = [behaviour]

    def behave(asked: str, path: str) -> Behaviour:
        return left.pop() if left and asked == method and in_path in path else "pass on"

    return behave
