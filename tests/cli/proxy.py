"""Between the program and the server: a proxy that loses, cuts and delays what passes, as networks do."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.serving import serving

CHUNK = 64 * 1024


class Proxy(ThreadingHTTPServer):
    """Each list holds what befalls the next requests of its kind; when it is empty they pass as they are.

    `uploads`: `"put off"` answers 503 and passes nothing on, `"lost"` passes the request on and ends the connection instead of
    answering. `downloads`: the number of bytes after which the connection ends. `pace`: seconds before each chunk of an answer.
    `largest`: bytes of the largest request that passes, if there is one: as ingress-nginx does, it answers a larger one at once,
    with a page, and reads what still comes.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urlsplit(upstream).netloc
        self.uploads: list[str] = []
        self.downloads: list[int] = []
        self.pace = 0.0
        self.largest: int | None = None
        self.seen: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.0"

    def pass_on(self) -> None:
        self.server.seen.append((f"{self.command} {urlsplit(self.path).path}", {k.lower(): v for k, v in self.headers.items()}))
        size = int(self.headers.get("Content-Length", 0))
        if self.server.largest is not None and size > self.server.largest:
            self.answer(413, {"Content-Type": "text/html"}, b"<html><title>413 Request Entity Too Large</title></html>")
        body = self.rfile.read(size)
        if self.server.largest is not None and size > self.server.largest:
            return
        fate = self.server.uploads.pop(0) if self.command == "POST" and self.server.uploads else None
        if fate == "put off":
            self.answer(503, {"Retry-After": "0", "Content-Type": "application/problem+json"}, b'{"detail": "Not yet."}')
            return
        upstream = http.client.HTTPConnection(self.server.upstream)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        upstream.request(self.command, self.path, body, {**headers, "Connection": "close"})
        response = upstream.getresponse()
        if fate == "lost":
            response.read()
        else:
            self.reply(response)
        upstream.close()

    def reply(self, response: http.client.HTTPResponse) -> None:
        cut = self.server.downloads.pop(0) if self.command == "GET" and self.server.downloads else None
        self.answer(response.status, dict(response.getheaders()))
        passed = 0
        while chunk := response.read(CHUNK if cut is None else min(CHUNK, cut - passed)):
            time.sleep(self.server.pace)
            self.wfile.write(chunk)
            passed += len(chunk)

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815  the names that http.server looks for

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests read `seen`."""


@contextmanager
def between(upstream: str) -> Iterator[Proxy]:
    with serving(Proxy(upstream)) as proxy:
        yield proxy
