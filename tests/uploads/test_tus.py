"""Uploads by tus on every stack: what they become, and what interrupts them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest

from tests.asgi import Http
from tests.stacks import SQL, SQLITE, WITH_MYSQL, Stack
from tests.uploads.speaking import BYTES, VERSION, content_of, create, data, head, metadata, offset_of, patch, path_of, send
from tests.uploads.test_chunks import left_over

MIB = 1 << 20


@WITH_MYSQL
@pytest.mark.parametrize(
    ("size", "step"),
    [(1, None), (3 * MIB, MIB), (5 * MIB, 5 * MIB), (13 * MIB + 7, None), (13 * MIB + 7, 2 * MIB), (17 * MIB, 8 * MIB)],
    ids=str,
)
def test_bytes_in_steps_become_a_version(stack: Stack, size: int, step: int | None) -> None:
    content = data(size)
    with stack.client(stack.user("ada")) as http:
        path = create(http, size)

        done = send(http, path, content, step)

        assert done.headers["holdfast-asset-path"] == "application/bin/some"
        assert content_of(http, done) == content
        said = head(http, path).headers
        for name in ("holdfast-asset-path", "holdfast-version-id"):
            assert said[name] == done.headers[name]
        assert (said["upload-offset"], said["upload-length"]) == (str(size), str(size))
        assert "upload-expires" not in said
    assert left_over(stack) == []


@WITH_MYSQL
def test_metadata_are_the_versions_own(stack: Stack) -> None:
    content = b"%PDF-1.7 no more than that"
    said = metadata(
        filename="Jahresbericht ä.pdf",
        filetype="application/pdf",
        archive_ttl="5",
        destroy_ttl="7",
        labels=json.dumps({"project": "apollo"}),
        sha256=sha256(content).hexdigest(),
        if_none_match="*",
        relativePath="null",
    )
    with stack.client(stack.user("ada")) as http:
        done = send(http, create(http, len(content), **said), content)

        [version] = http.get("/assets").json()["items"]
    assert version["primary_filename"] == "Jahresbericht ä.pdf"
    assert version["content_type"] == "application/pdf"
    assert version["labels"] == {"project": "apollo"}
    assert version["sha256"] == sha256(content).hexdigest()
    assert version["version_id"] == done.headers["holdfast-version-id"]
    uploaded, archived, destroyed = (datetime.fromisoformat(version[f"{act}_date"]) for act in ("upload", "archive", "destroy"))
    assert (archived - uploaded, destroyed - archived) == (timedelta(days=5), timedelta(days=7))


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("filename", "../x", 422),
        ("filename", "a/b", 422),
        ("filename", "", 422),
        ("filename", "x" * 300, 422),
        ("filename", "a\0b", 422),
        ("archive_ttl", "-1", 422),
        ("archive_ttl", "x", 422),
        ("destroy_ttl", "1.5", 422),
        ("labels", "[]", 422),
        ("labels", "{", 422),
        ("labels", '{"a": 1}', 422),
        ("sha256", "abc", 422),
        ("if_none_match", "x", 422),
        ("filetype", "ä", 422),
    ],
)
@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_metadata_are_checked_before_the_first_byte(stack: Stack, name: str, value: str, status: int) -> None:
    with stack.client(stack.user("ada")) as http:
        reply = http.post("/uploads", headers={**VERSION, "Upload-Length": "3", **metadata(**{name: value})})

        assert reply.status_code == status, reply.text
        assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_promise_that_does_not_hold_fails_the_upload_and_leaves_nothing(stack: Stack) -> None:
    for content in (b"other bytes", data(6 * MIB)):
        with stack.client(stack.user(f"ada{len(content)}")) as http:
            path = create(http, len(content), **metadata(filename="a.bin", sha256="0" * 64))

            reply = patch(http, path, 0, content)

            assert reply.status_code == 422
            assert reply.json()["type"].endswith("/sha256-mismatch")
            assert head(http, path).status_code == 410
            assert http.get("/assets").json()["items"] == []
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_no_new_version_of_what_is_there_if_that_was_wished(stack: Stack) -> None:
    said = metadata(filename="a.bin", if_none_match="*")
    with stack.client(stack.user("ada")) as http:
        begun_before = create(http, 1, **said)
        done = send(http, create(http, 1, **said), b"x")
        assert (done.status_code, done.headers["holdfast-scan-result"]) == (204, "not_scanned")

        refused = begin(http, **said)
        assert (refused.status_code, refused.json()["asset_path"]) == (412, "application/bin/a")
        assert patch(http, begun_before, 0, b"y").status_code == 412

        assert head(http, begun_before).status_code == 410
        assert len(http.get("/assets").json()["items"]) == 1
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_what_is_destroyed_is_not_there_for_who_wishes_something_new(stack: Stack) -> None:
    said = metadata(filename="a.bin", if_none_match="*")
    with stack.client(stack.user("ada")) as http, stack.client(stack.user("grace")) as other:
        version = path_of_version(send(http, create(http, 1, **said), b"x"))
        assert begin(other, **said).status_code == 201
        assert http.post(f"/filearchive/{version}").status_code == 200
        assert begin(http, **said).status_code == 412
        assert http.post(f"/delfile/{version}").status_code == 200
        assert send(http, create(http, 1, **said), b"y").status_code == 204


def begin(http: Http, **said: str) -> httpx.Response:
    """An upload of one byte."""
    return http.post("/uploads", headers={**VERSION, "Upload-Length": "1", **said})


def path_of_version(reply: httpx.Response) -> str:
    return f"{reply.headers['holdfast-asset-path']}/{reply.headers['holdfast-version-id']}"


# What interrupts it


async def breaking(content: bytes, step: int = 64 * 1024) -> AsyncIterator[bytes]:
    """A body that ends too early, as a connection does."""
    for at in range(0, len(content), step):
        yield content[at : at + step]
    raise ConnectionError


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
@pytest.mark.parametrize("size", [0, 5, 3 * MIB, 7 * MIB, 14 * MIB + 3])
def test_what_came_before_a_connection_broke_counts(stack: Stack, size: int) -> None:
    content = data(20 * MIB)
    with stack.client(stack.user("ada")) as http:
        path = create(http, len(content))
        assert patch(http, path, 0, breaking(content[:size])).status_code == 500

        offset = offset_of(http, path)

        assert offset == size
        assert content_of(http, patch(http, path, offset, content[offset:])) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_many_small_patches_through_several_processes(stack: Stack) -> None:
    content, ada = data(12 * MIB), stack.user("ada")
    with stack.client(ada, stack.services()) as one, stack.client(ada, stack.services()) as other:
        path = create(one, len(content))
        at, done = 0, None
        for number in range(24):
            done = patch((one, other)[number % 2], path, at, content[at : at + MIB // 2])
            assert done.status_code == 204
            at = int(done.headers["upload-offset"])
        assert done is not None
        assert content_of(one, done) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_of_requests_at_once_one_goes_on_and_the_file_is_right(stack: Stack) -> None:
    content, ada = data(11 * MIB), stack.user("ada")
    with stack.client(ada, stack.services()) as one, stack.client(ada, stack.services()) as other:
        path = create(one, len(content))

        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(lambda http: patch(http, path, 0, content).status_code, [one, other, one, other]))

        assert set(sent) <= {204, 409}
        done = head(one, path)
        offset = int(done.headers["upload-offset"])
        if offset < len(content):
            done = patch(one, path, offset, content[offset:])
        assert content_of(one, done) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_more_bytes_than_the_length_are_refused_and_what_was_there_stays(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        path = create(http, 5)
        patch(http, path, 0, b"ab")

        assert patch(http, path, 2, b"cdef").status_code == 413

        assert offset_of(http, path) == 2
        assert content_of(http, patch(http, path, 2, b"cde")) == b"abcde"


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_body_of_unknown_length(stack: Stack) -> None:
    content = data(11 * MIB)
    with stack.client(stack.user("ada")) as http:
        path = create(http, None)
        assert patch(http, path, 0, pieces(content[: 6 * MIB], content[6 * MIB :])).status_code == 204
        assert offset_of(http, path) == len(content)

        done = patch(http, path, len(content), b"", **{"Upload-Length": str(len(content))})

        assert content_of(http, done) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_terminated_upload_leaves_nothing(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        path = create(http, 20 * MIB)
        patch(http, path, 0, data(7 * MIB))

        assert http.request("DELETE", path, headers=VERSION).status_code == 204
    assert left_over(stack) == []


@WITH_MYSQL
def test_parallel_uploads_are_concatenated(stack: Stack) -> None:
    contents = [data(6 * MIB + 5, 1), data(100, 2), data(MIB, 3)]
    with stack.client(stack.user("ada")) as http:

        def partial(content: bytes) -> str:
            path = create(http, len(content), name=None, **{"Upload-Concat": "partial"})
            send(http, path, content)
            return path

        with ThreadPoolExecutor(3) as pool:
            urls = list(pool.map(partial, contents))
        said = {"Upload-Concat": f"final;{' '.join(urls)}", **metadata(filename="whole.bin")}
        done = http.post("/uploads", headers={**VERSION, **said})

        assert content_of(http, done) == b"".join(contents)
        assert [head(http, url).status_code for url in urls] == [410] * 3
        assert len(http.get("/assets").json()["items"]) == 1
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_unfinished_uploads_of_one_user_are_limited(stack: Stack) -> None:
    with stack.client(stack.user("ada"), stack.services(upload_sessions=2)) as http:
        first, _ = create(http, 3), create(http, 3)
        reply = http.post("/uploads", headers={**VERSION, "Upload-Length": "3"})
        assert reply.status_code == 429
        assert reply.headers["tus-resumable"] == "1.0.0"

        send(http, first, b"abc")

        assert create(http, 3)


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_headers_that_came_twice_are_refused(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        path = create(http, 5)
        for name in ("Upload-Offset", "Upload-Checksum", "Content-Type"):
            assert twice(http, path, name) == 400
        assert offset_of(http, path) == 0


def twice(http: Http, path: str, name: str) -> int:
    """The status of a PATCH with that header in two spellings, which httpx keeps apart."""
    values = {"Upload-Offset": "0", "Upload-Checksum": "sha1 YQ==", "Content-Type": BYTES["Content-Type"]}
    said: dict[str, Any] = {**BYTES, "Upload-Offset": "0", name: values[name], name.lower(): values[name]}
    return http.request("PATCH", path, headers=said, content=b"abc").status_code


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_an_upload_without_a_name_gets_one_of_its_own(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        paths = [send(http, create(http, 1, name=None), b"x").headers["holdfast-asset-path"] for _ in range(2)]
        typed = http.post("/uploads", headers={**BYTES, "Upload-Length": "1", **metadata(filetype="text/plain")}, content=b"x")

        assert len(set(paths)) == 2
        assert typed.headers["holdfast-asset-path"].startswith("text/txt/")
        assert path_of(typed)
