"""Qdrant's adapter against a server that answers as Qdrant's REST interface does: no server of Qdrant's own can be had as a package
(docs/guides/chart.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.servers.process import free_ports
from tests.serving import serving

from holdfast.storage.objects.port import StoreUnavailable
from holdfast.storage.vectors.qdrant import Qdrant

KEY = "their=key"


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(307)
            self.send_header("Location", "/collections")
            self.end_headers()
            return
        known = self.path in {"/collections", "/behind/a/proxy/collections"}
        status = (200 if known else 404) if self.headers.get("api-key") == KEY else 401
        body = json.dumps({"result": {"collections": []}, "status": "ok", "time": 0.0}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Answers)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("path", ["", "/", "/behind/a/proxy", "/behind/a/proxy/"])
def test_a_qdrant_that_lets_us_in_is_there(address: str, path: str) -> None:
    Qdrant(address + path, KEY).check()


@pytest.mark.parametrize(
    ("path", "key", "says"),
    [
        ("", "", "refuses the API key: it answers 401"),
        ("", "another", "refuses the API key: it answers 401"),
        ("/elsewhere", KEY, "answers 404"),
        ("/moved", KEY, "answers 307"),
    ],
)
def test_one_that_does_not_is_not_and_says_why(address: str, path: str, key: str, says: str) -> None:
    with pytest.raises(StoreUnavailable, match=says):
        Qdrant(address + path, key).check()


def test_one_that_is_not_there_is_not() -> None:
    [port] = free_ports(1)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        Qdrant(f"http://127.0.0.1:{port}", KEY).check()
