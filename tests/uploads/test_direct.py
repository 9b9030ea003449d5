"""Parts straight to the store, by a client that knows HTTP and nothing of S3, on MariaDB and SeaweedFS."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Barrier
from typing import Any

import httpx
import pytest

from holdfast.background import settle
from holdfast.clock import system
from holdfast.errors import Conflict
from holdfast.storage.objects import Held
from holdfast.uploads import direct, ending
from tests.asgi import Http
from tests.behaviour.moments import moving
from tests.behaviour.test_quarantine import scanning
from tests.servers.clamd import MALWARE, Clamd
from tests.stacks import ROLES, SQL, SQLITE, WITH_LAKEFS, Stack
from tests.uploads.test_chunks import begin, complete, content_of, left_over, send

PART = 5 << 20
CONTENT = random.Random(5).randbytes(PART + 1000)
PIECES = (CONTENT[:PART], CONTENT[PART:])
ON_SERVERS = pytest.mark.parametrize("stack", [SQL], indirect=True)
Link = dict[str, Any]


@pytest.fixture
def http(stack: Stack) -> Iterator[Http]:
    with stack.client(stack.user("ada")) as http:
        yield http


@pytest.fixture
def upload(http: Http) -> str:
    return begin(http)[0]


def said(content: bytes, number: int) -> dict[str, Any]:
    return {"number": number, "size": len(content), "sha256": sha256(content).hexdigest()}


def ask(http: Http, upload: str, *parts: dict[str, Any], size: Any = PART) -> httpx.Response:
    return http.post("/api/v1/file/upload/parts", json={"upload_id": upload, "part_size": size, "parts": parts})


def links(http: Http, upload: str, pieces: Sequence[bytes] = PIECES, first: int = 1) -> list[Link]:
    reply = ask(http, upload, *(said(piece, number) for number, piece in enumerate(pieces, first)))
    assert reply.status_code == 200, reply.text
    found: list[Link] = reply.json()["data"]["parts"]
    assert [link["number"] for link in found] == list(range(first, first + len(pieces)))
    return found


def put(link: Link, content: bytes) -> int:
    """Its headers say how long the part is; a client that sends another number of bytes says so."""
    headers = {**link["headers"], "content-length": str(len(content))}
    return httpx.put(link["url"], headers=headers, content=content, trust_env=False).status_code


def put_all(http: Http, upload: str, pieces: Sequence[bytes] = PIECES) -> list[Link]:
    found = links(http, upload, pieces)
    assert [put(link, piece) for link, piece in zip(found, pieces, strict=True)] == [200] * len(pieces)
    return found


def finish(http: Http, upload: str, pieces: Sequence[bytes] = PIECES, **fields: str) -> httpx.Response:
    return complete(http, upload, len(pieces), len(b"".join(pieces)), **{"filename": "whole.bin", **fields})


def slug(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["type"].rpartition("/")[2]


@ON_SERVERS
def test_links_are_asked_for_several_at_a_time_from_the_first_on(stack: Stack, http: Http) -> None:
    for _ in range(20):
        upload, at_once = begin(http)[0], Barrier(8)

        def first(number: int, upload: str = upload, at_once: Barrier = at_once) -> int:
            at_once.wait()
            return ask(http, upload, said(CONTENT[:PART], number)).status_code

        with ThreadPoolExecutor(8) as clients:
            assert list(clients.map(first, range(1, 9))) == [200] * 8


@pytest.mark.parametrize("stack", [SQL, *WITH_LAKEFS, ROLES], indirect=True)
@pytest.mark.parametrize("promise", [False, True])
def test_parts_become_a_version(stack: Stack, http: Http, upload: str, promise: bool) -> None:
    expected = sha256(CONTENT).hexdigest()
    for link, piece in zip(reversed(links(http, upload)), reversed(PIECES), strict=True):
        assert put(link, piece) == 200
    reply = finish(http, upload, PIECES, **({"sha256": expected} if promise else {}))
    assert reply.status_code == 200, reply.text
    found = reply.json()["data"]
    assert (found["status"], found["size"], found["sha256"]) == ("SUCCESS", len(CONTENT), expected if promise else None)
    assert content_of(http, found) == CONTENT
    again = finish(http, upload)
    assert (again.status_code, again.json()["data"]["version_id"]) == (200, found["version_id"])
    settle(stack.own)
    assert http.get(f"/api/v1/file/get/{upload}").json()["data"]["sha256"] == expected
    assert left_over(stack) == []


@ON_SERVERS
def test_a_small_file_is_one_part(stack: Stack, http: Http, upload: str) -> None:
    put_all(http, upload, [b"small"])
    assert content_of(http, finish(http, upload, [b"small"]).json()["data"]) == b"small"
    assert left_over(stack) == []


@ON_SERVERS
def test_a_promise_of_the_whole_that_does_not_hold_is_no_version(stack: Stack, http: Http, upload: str) -> None:
    put_all(http, upload)
    assert slug(finish(http, upload, sha256="0" * 64)) == (422, "sha256-mismatch")
    assert slug(finish(http, upload)) == (422, "sha256-mismatch")
    assert http.get("/assets").json()["items"] == []
    assert left_over(stack) == []


@ON_SERVERS
def test_nothing_comes_in_that_was_not_promised(http: Http, upload: str) -> None:
    first, last = links(http, upload)
    assert put(last, b"x" * 1000) == 400
    assert put(last, PIECES[1][:-1]) == put(last, PIECES[1] + b"x") == put(first, PIECES[1]) == 403
    other = {**last["headers"], "x-amz-checksum-sha256": first["headers"]["x-amz-checksum-sha256"]}
    assert put({**last, "headers": other}, PIECES[1]) == 403
    reply = finish(http, upload)
    assert slug(reply) == (409, "parts-missing")
    assert reply.json()["missing"] == [1, 2]


@ON_SERVERS
def test_what_is_missing_is_named_and_nothing_is_lost(http: Http, upload: str) -> None:
    first, last = links(http, upload)
    assert put(last, PIECES[1]) == 200
    assert finish(http, upload).json()["missing"] == [1]
    assert slug(complete(http, upload, 3, len(CONTENT))) == (409, "parts-missing")
    assert slug(complete(http, upload, 10**18, len(CONTENT))) == (409, "parts-missing")
    assert put(first, PIECES[0]) == 200
    assert slug(complete(http, upload, 1, PART)) == (422, "count-mismatch")
    assert slug(complete(http, upload, 2, len(CONTENT) + 1)) == (422, "size-mismatch")
    assert content_of(http, finish(http, upload).json()["data"]) == CONTENT


@ON_SERVERS
def test_a_part_that_is_in_is_not_replaced(http: Http, upload: str) -> None:
    [_, last] = put_all(http, upload)
    other = b"y" * len(PIECES[1])
    assert put(last, other) == 400
    assert put(last, PIECES[1]) == 200
    assert content_of(http, finish(http, upload).json()["data"]) == CONTENT


@ON_SERVERS
def test_a_part_is_promised_once(http: Http, upload: str) -> None:
    """Or the URL of the earlier promise would still take what it was for."""
    links(http, upload)
    for other in (b"o" * len(PIECES[1]), b"shorter"):
        assert slug(ask(http, upload, said(other, 2))) == (409, "part-differs")
    put_all(http, upload)
    assert slug(ask(http, upload, said(b"o" * len(PIECES[1]), 2))) == (409, "part-differs")
    assert content_of(http, finish(http, upload).json()["data"]) == CONTENT


@ON_SERVERS
def test_what_comes_after_completion_changes_nothing(stack: Stack, http: Http, upload: str) -> None:
    found = put_all(http, upload)
    done = finish(http, upload).json()["data"]
    assert [put(link, piece) for link, piece in zip(found, PIECES, strict=True)] == [404, 404]
    assert slug(ask(http, upload, said(PIECES[0], 1))) == slug(ask(http, upload, said(b"more", 3))) == (409, "upload-complete")
    assert content_of(http, done) == CONTENT
    assert left_over(stack) == []


@ON_SERVERS
def test_links_are_renewed_and_never_outlive_the_session(stack: Stack, upload: str) -> None:
    ada = stack.user("grace")
    now = system()
    moment = [now]
    with stack.client(ada, stack.services(lambda: moment[0], upload_expiry=360)) as http:
        upload = begin(http)[0]
        moment[0] = now - timedelta(seconds=301)
        [_, old] = links(http, upload)
        assert put(old, PIECES[1]) == 403
        moment[0] = now
        reply = ask(http, upload, said(PIECES[1], 2)).json()["data"]
        assert put(reply["parts"][0], PIECES[1]) == 200
        expires = datetime.fromisoformat(reply["expires"])
        # Of the promises the last new ones count, which came with the clock of then: asking again keeps no session.
        assert expires == now + timedelta(seconds=360 - 301)
        moment[0] = now + timedelta(seconds=60)
        assert slug(ask(http, upload, said(PIECES[1], 2))) == slug(finish(http, upload)) == (410, "upload-ended")


@ON_SERVERS
def test_promises_of_which_no_byte_comes_keep_an_upload_for_a_while_only(stack: Stack) -> None:
    with moving(stack, stack.user("grace"), upload_expiry=3600) as (http, clock):
        upload = begin(http)[0]
        for number in range(1, 14):
            clock.move(minutes=30)
            assert ask(http, upload, said(bytes(PART), number)).status_code == 200
        clock.move(minutes=29)
        assert ask(http, upload, said(bytes(PART), 14)).status_code == 200
        clock.move(minutes=2)
        assert slug(ask(http, upload, said(bytes(PART), 15))) == (410, "upload-ended")


@ON_SERVERS
def test_an_expired_upload_and_its_links_leave_nothing(stack: Stack, http: Http, upload: str) -> None:
    found = links(http, upload)
    assert put(found[0], PIECES[0]) == 200
    late = stack.services(lambda: system() + timedelta(days=2))
    assert ending.expire(late) == 1
    assert left_over(stack) == []
    assert [put(link, piece) for link, piece in zip(found, PIECES, strict=True)] == [404, 404]
    assert slug(ask(http, upload, said(PIECES[1], 2))) == slug(finish(http, upload)) == (410, "upload-ended")
    assert left_over(stack) == []


@ON_SERVERS
def test_a_strangers_upload_is_not_there(stack: Stack, http: Http, upload: str) -> None:
    links(http, upload)
    eve, colleague = stack.user("eve"), stack.user("bob", "upload", of=stack.user("carol"))
    for who in (eve, colleague):
        with stack.client(who) as other:
            assert ask(other, upload, said(PIECES[0], 1)).status_code == finish(other, upload).status_code == 404


@ON_SERVERS
def test_an_upload_takes_chunks_or_parts(stack: Stack, http: Http, upload: str) -> None:
    links(http, upload)
    assert slug(send(http, upload, 0, b"x")) == (409, "other-kind")
    in_chunks = begin(http)[0]
    assert send(http, in_chunks, 0, b"x").status_code == 200
    assert slug(ask(http, in_chunks, said(PIECES[0], 1))) == (409, "other-kind")
    assert complete(http, in_chunks, 1, 1, filename="x.bin").status_code == 200
    with stack.client(stack.user("grace"), stack.services(upload_chunk=PART)) as large:
        upload = begin(large)[0]
        assert send(large, upload, 0, b"x").status_code == 200
        assert slug(ask(large, upload, said(PIECES[0], 1))) == (409, "other-kind")
    tus = http.post("/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "5"})
    assert slug(ask(http, tus.headers["location"].rpartition("/")[2], said(b"12345", 1))) == (409, "other-kind")


@ON_SERVERS
def test_parts_that_are_no_file_are_refused(stack: Stack, http: Http, upload: str) -> None:
    part = said(PIECES[0], 1)
    wrong: list[tuple[dict[str, Any], ...]] = [
        (),
        (part, part),
        ({**part, "number": 0},),
        ({**part, "number": 10_001},),
        ({**part, "number": True},),
        ({**part, "size": 0},),
        ({**part, "size": PART + 1},),
        ({**part, "size": 6 << 30},),
        ({**part, "sha256": "0"},),
        ({**part, "crc32": 1},),
        (said(b"short", 1), said(PIECES[0], 2)),
        tuple(said(PIECES[0], number) for number in range(1, 102)),
    ]
    for parts in wrong:
        assert ask(http, upload, *parts).status_code == 422, parts
    for size in (PART - 1, (5 << 30) + 1, "5242880", -1):
        assert ask(http, upload, part, size=size).status_code == 422
    assert ask(http, upload, *(said(b"x", number) for number in range(10_000))).status_code == 413
    assert ask(http, "../../x", part).status_code == 404
    assert send(http, upload, 0, b"x").status_code == 200  # none of them made it an upload of parts

    upload = begin(http)[0]
    links(http, upload, PIECES[:1])
    assert slug(ask(http, upload, part, size=PART + 1)) == (409, "part-size-differs")
    links(http, upload, PIECES[1:], first=3)
    assert slug(ask(http, upload, said(PIECES[0], 4))) == (422, "part-size")
    assert ask(http, upload, said(PIECES[0], 2)).status_code == 200


@ON_SERVERS
def test_a_file_that_is_larger_than_allowed_is_not_begun(stack: Stack) -> None:
    with stack.client(stack.user("ada", max_file_bytes=PART)) as http:
        upload = begin(http)[0]
        assert ask(http, upload, said(PIECES[1], 2)).status_code == 413
        assert ask(http, upload, said(PIECES[0], 1)).status_code == 200


@ON_SERVERS
def test_what_came_straight_to_the_store_is_scanned(stack: Stack, clamd: Clamd) -> None:
    with stack.client(stack.user("ada"), stack.services(**scanning(clamd))) as http:
        upload, pieces = begin(http)[0], [CONTENT[:PART], MALWARE]
        put_all(http, upload, pieces)
        assert slug(finish(http, upload, pieces)) == (422, "infected")
        assert http.get("/assets").json()["items"] == []


def test_a_part_that_the_store_has_otherwise_is_named() -> None:
    parts = [direct.promised(PART, number, len(piece), "0" * 64) for number, piece in enumerate(PIECES, 1)]
    there = {1: Held(1, PART, "tag", "0" * 64), 2: Held(2, 999, "tag")}
    for held in (there[2], Held(2, 1000, "tag", "1" * 64)):
        with pytest.raises(Conflict, match="other bytes") as refused:
            direct.check(parts, {**there, 2: held}, 2, len(CONTENT))
        assert refused.value.extra == {"parts": [2]}
    direct.check(parts, {**there, 2: Held(2, 1000, "tag")}, 2, len(CONTENT))


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_folder_has_no_address_and_says_so(stack: Stack, http: Http, upload: str) -> None:
    assert slug(ask(http, upload, said(PIECES[0], 1))) == (409, "no-direct-parts")
    assert send(http, upload, 0, b"x").status_code == 200
    assert complete(http, upload, 1, 1, filename="x.bin").status_code == 200
    assert left_over(stack) == []
