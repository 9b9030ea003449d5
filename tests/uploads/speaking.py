"""tus 1.0.0 as a test speaks it."""

from __future__ import annotations

import base64
import random
from typing import Any

import httpx

from tests.asgi import Http

VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = {**VERSION, "Content-Type": "application/offset+octet-stream"}


def data(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def metadata(**pairs: str) -> dict[str, str]:
    """The header that says them."""
    return {"Upload-Metadata": ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())}


def path_of(reply: httpx.Response) -> str:
    """Where the upload is that this reply created."""
    assert reply.status_code == 201, reply.text
    return httpx.URL(reply.headers["location"]).path


def create(http: Http, length: int | None, *, name: str | None = "some.bin", **headers: str) -> str:
    """Begins an upload and returns its path. ``length`` None: deferred."""
    said = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    about = metadata(filename=name) if name and "Upload-Metadata" not in headers else {}
    return path_of(http.post("/uploads", headers={**VERSION, **said, **about, **headers}))


def patch(http: Http, path: str, offset: int, content: Any, **headers: str) -> httpx.Response:
    said = {**BYTES, "Upload-Offset": str(offset), **headers}
    return http.request("PATCH", path, headers=said, content=content)


def head(http: Http, path: str) -> httpx.Response:
    return http.request("HEAD", path, headers=VERSION)


def offset_of(http: Http, path: str) -> int:
    reply = head(http, path)
    assert reply.status_code == 200
    return int(reply.headers["upload-offset"])


def send(http: Http, path: str, content: bytes, step: int | None = None) -> httpx.Response:
    """All of it, in requests of ``step`` bytes, and returns the last reply."""
    at, reply = 0, None
    while reply is None or at < len(content):
        piece = content[at : at + (step or len(content))]
        reply = patch(http, path, at, piece)
        assert reply.status_code == 204, reply.text
        at += len(piece)
        assert reply.headers["upload-offset"] == str(at)
    return reply


def content_of(http: Http, reply: httpx.Response) -> bytes:
    """Of the version that a reply names."""
    path, version = reply.headers["holdfast-asset-path"], reply.headers["holdfast-version-id"]
    got = http.get(f"/content/{path}", params={"version_id": version})
    assert got.status_code == 200, got.text
    return got.content
