"""Content-Lengths that lie, byte by byte over a socket: what came counts, or nothing does, and the offset says which. Bytes that
the server has not read when a client hangs up have not come."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1

import pytest

from tests.asgi import Http
from tests.security.refusals import END, part
from tests.security.test_bad_requests import check_answer
from tests.stacks import SQL, SQLITE, Stack
from tests.unit.web.served import said, served
from tests.uploads.speaking import BYTES, VERSION, content_of, create, offset_of
from tests.uploads.test_chunks import begin, complete, left_over

pytestmark = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)

LENGTH = 100
"""Of the upload by tus, in bytes."""
NONE = [b"-1", b"x", b"1e3", b"+5", b"0x10", b"5, 6", b"9" * 40, b"5\r\nContent-Length: 6", b"5\r\nTransfer-Encoding: chunked"]
"""What is no length, or two of them."""


@dataclass(frozen=True)
class Socket:
    """What goes over a socket to the real server: ``head`` is the head of a request as far as its Content-Length."""

    stack: Stack
    address: tuple[str, int]
    head: bytes

    def check(self, length: bytes, body: bytes, *statuses: int, end: bool = False) -> None:
        """What the reply to it is (``check_answer``); ``end``: the client hangs up after the body."""
        answer = said(self.address, self.head + length + b"\r\n\r\n", body, end=end, patience=60)
        if not answer.startswith(b"HTTP/1.1 204 ") or 204 not in statuses:
            check_answer(self.stack, answer, *statuses)


@contextmanager
def listening(stack: Stack, request: str, http: Http, **headers: str) -> Iterator[Socket]:
    lines = [
        f"{request} HTTP/1.1",
        "Host: h",
        "Connection: close",
        *(f"{name}: {value}" for name, value in {**http.headers, **headers}.items()),
    ]
    with served(stack.app()) as address:
        yield Socket(stack, address, "\r\n".join([*lines, "Content-Length: "]).encode())


@pytest.fixture
def http(stack: Stack) -> Iterator[Http]:
    with stack.client(stack.user("ada")) as http:
        yield http


def test_of_a_patch_that_lies_about_its_length_counts_what_came(stack: Stack, http: Http) -> None:
    content = bytes(range(LENGTH))
    path = create(http, LENGTH)
    with listening(stack, f"PATCH {path}", http, **BYTES, **{"Upload-Offset": "0"}) as socket:
        for none in NONE:
            socket.check(none, content[:5], 0, 400, end=True)
            assert offset_of(http, path) == 0
        for absurd in (LENGTH + 1, 10**17):
            socket.check(b"%d" % absurd, content, 413)
            assert offset_of(http, path) == 0
        socket.check(b"9" * 19, content, 400)
        assert offset_of(http, path) == 0
        socket.check(b"50", content[:4], 0, 400, end=True)
    at = offset_of(http, path)
    assert at in (0, 4), "what came counts, as far as it was read before the client hung up"
    said_to_be = {"Upload-Offset": str(at), "Upload-Checksum": f"sha1 {b64encode(sha1(content[at : at + 50]).digest()).decode()}"}
    with listening(stack, f"PATCH {path}", http, **BYTES, **said_to_be) as socket:
        socket.check(b"50", content[at : at + 16], 0, 400, end=True)
    assert offset_of(http, path) == at, "with a checksum all of a request counts, or nothing"
    with listening(stack, f"PATCH {path}", http, **BYTES, **{"Upload-Offset": str(at)}) as socket:
        socket.check(b"10", content[at : at + 15], 204, 400)  # what follows a body is another request, and no good one
    before, at = at, offset_of(http, path)
    assert at in (before, before + 10), "of the 15 bytes those count that were said, or none"
    last = http.request("PATCH", path, headers={**BYTES, "Upload-Offset": str(at)}, content=content[at:])
    assert (last.status_code, content_of(http, last)) == (204, content)
    assert left_over(stack) == []


def test_an_upload_whose_first_bytes_stop_coming_can_be_gone_on_with_and_one_of_no_length_is_none(stack: Stack, http: Http) -> None:
    with listening(stack, "POST /uploads", http, **BYTES, **{"Upload-Length": str(LENGTH)}) as socket:
        for none in NONE:
            socket.check(none, b"bytes", 0, 400, end=True)
        socket.check(b"%d" % (LENGTH + 1), b"bytes", 413)
        socket.check(b"9" * 19, b"bytes", 400)
        assert opened(http) == []
        socket.check(b"10", b"bytes", 0, 400, end=True)
    [one] = opened(http)
    path = f"/uploads/{one['id']}"
    assert offset_of(http, path) in (0, 5)
    assert http.request("DELETE", path, headers=VERSION).status_code == 204
    assert left_over(stack) == []


def test_a_chunk_that_lies_about_its_length_is_not_there(stack: Stack, http: Http) -> None:
    upload_id, _ = begin(http)
    form = part(b"upload_id", upload_id.encode()) + part(b"chunk_index", b"0") + part(b"file", b"content", filename=b"blob") + END
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    with listening(stack, "POST /api/v1/file/upload/chunk/", http, **kind) as socket:
        for none in NONE:
            socket.check(none, form, 0, 400, end=True)
        for short in (len(form) - 20, len(form) // 2, 10):
            socket.check(b"%d" % short, form, 400)
        socket.check(b"%d" % len(form), form[: len(form) // 2], 0, 400, end=True)
        for absurd in (10**17, 10**19):
            socket.check(b"%d" % absurd, form, 413)
        reply = complete(http, upload_id, 1, 7, filename="x.bin")
        assert (reply.status_code, reply.json()["missing"]) == (409, [0])
        socket.check(b"0", b"", 400)
    assert left_over(stack) == []
    with listening(stack, "POST /api/v1/file/upload/chunk/", http, **kind) as socket:
        answer = said(socket.address, socket.head + b"%d\r\n\r\n" % len(form), form, patience=60)
        assert answer.startswith(b"HTTP/1.1 200 ")
    assert content_of_chunks(http, upload_id) == b"content"
    assert left_over(stack) == []


def opened(http: Http) -> list[dict[str, str]]:
    """The user's uploads that still take bytes."""
    found: list[dict[str, str]] = http.get("/api/v1/file/all", params={"state": "open"}).json()["data"]
    return found


def content_of_chunks(http: Http, upload_id: str) -> bytes:
    found = complete(http, upload_id, 1, 7, filename="x.bin").json()["data"]
    return http.get(f"/content/{found['asset_path']}", params={"version_id": found["version_id"]}).content
