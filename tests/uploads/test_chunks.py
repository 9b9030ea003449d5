"""Uploads in chunks, as 001's and 003's clients send them, on every stack."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select, update

from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.uploads import chunks, completing, cutting
from tests.asgi import Http
from tests.stacks import SQL, SQLITE, WITH_MYSQL, Stack
from tests.uploads import speaking as tus

CHUNK = 64 * 1024


def data(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def begin(http: Http) -> tuple[str, int]:
    reply = http.post("/api/v1/file/upload/init/")
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["success"] is True
    assert set(body["data"]) == set(chunks.BEGUN_EXAMPLE)
    assert body["data"]["max_chunks"] == cutting.most_chunks(body["data"]["chunk_size"]) >= 10_000
    return body["data"]["upload_id"], body["data"]["chunk_size"]


def send(http: Http, upload_id: str, index: int, content: bytes, **fields: str) -> httpx.Response:
    form = {"upload_id": upload_id, "chunk_index": str(index), "chunk_size": str(len(content)), **fields}
    return http.post("/api/v1/file/upload/chunk/", data=form, files={"file": ("blob", content)})


def complete(http: Http, upload_id: str, count: int, size: int, **fields: str) -> httpx.Response:
    form = {"upload_id": upload_id, "total_chunks": str(count), "total_size": str(size), **fields}
    return http.post(
        "/api/v1/file/upload/complete/", data={"file_extension": "bin", "content_type": "application/octet-stream", **form}
    )


def upload(http: Http, content: bytes, filename: str = "whole.bin", **fields: str) -> dict[str, Any]:
    """All of it, in whatever order."""
    upload_id, size = begin(http)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    order = list(range(len(pieces)))
    random.Random(len(content)).shuffle(order)
    for index in order:
        reply = send(http, upload_id, index, pieces[index], chunk_sha256=sha256(pieces[index]).hexdigest())
        assert reply.status_code == 200, reply.text
        assert reply.json()["data"] == {"upload_id": upload_id, "chunk_index": index}
    reply = complete(http, upload_id, len(pieces), len(content), filename=filename, **fields)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()["data"]
    return found


def content_of(http: Http, found: dict[str, Any]) -> bytes:
    reply = http.get(f"/content/{found['asset_path']}", params={"version_id": found["version_id"]})
    assert reply.status_code == 200, reply.text
    return reply.content


@WITH_MYSQL
@pytest.mark.parametrize("size", [1, CHUNK, 5 * 2**20, 11 * 2**20 + 17])
def test_chunks_in_any_order_become_a_version(stack: Stack, size: int) -> None:
    content = data(size)
    services = stack.services(upload_chunk=CHUNK if size <= CHUNK else 768 * 1024)
    with stack.client(stack.user("ada"), services) as http:
        found = upload(http, content, detail='{"a": 1}')
        assert (found["status"], found["size"], found["filename"]) == ("SUCCESS", size, "whole.bin")
        assert (found["detail"], found["credential"]) == ({"a": 1}, False)
        assert content_of(http, found) == content
        settle(services)
        again = http.get(f"/api/v1/file/get/{found['id']}").json()["data"]
        assert again["sha256"] == sha256(content).hexdigest()
    assert left_over(stack) == []


def left_over(stack: Stack) -> list[str]:
    """What is in the store besides the files of versions, once all jobs are done, also those that wait."""

    def due(connection: Connection) -> None:
        connection.execute(update(t.jobs).where(t.jobs.c.state == "pending").values(run_after=t.jobs.c.created_at))

    stack.database.write(due)
    settle(stack.own)
    with stack.database.read() as connection:
        known = set(connection.scalars(select(t.files.c.object_key)))
    return [*(key for key in stack.own.objects.keys("") if key not in known), *stack.unfinished()]


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_the_limits_are_announced_and_hold(stack: Stack) -> None:
    ada = stack.user("ada", max_file_bytes=CHUNK + 5)
    with stack.client(ada, stack.services(upload_chunk=CHUNK)) as http:
        limits = http.post("/api/v1/file/upload/init/").json()["data"]
        upload_id = limits["upload_id"]
        assert (limits["chunk_size"], limits["max_size"]) == (CHUNK, CHUNK + 5)
        assert send(http, upload_id, limits["max_chunks"], b"x").status_code == 422
        assert complete(http, upload_id, limits["max_chunks"], CHUNK).json()["missing"]
        many = complete(http, upload_id, limits["max_chunks"] + 1, CHUNK)
        assert (many.status_code, many.json()["limit"]) == (422, limits["max_chunks"])
        assert send(http, upload_id, 0, data(limits["chunk_size"] + 1)).status_code in (413, 422)
        assert send(http, upload_id, 0, data(limits["chunk_size"])).status_code == 200
        assert send(http, upload_id, 1, b"123456").status_code == 200
        assert complete(http, upload_id, 2, limits["max_size"] + 1).status_code == 413
        assert send(http, upload_id, 1, b"12345").status_code == 200
        assert complete(http, upload_id, 2, limits["max_size"]).status_code == 200
        parts = {
            "upload_id": http.post("/api/v1/file/upload/init/").json()["data"]["upload_id"],
            "part_size": limits["min_part_size"],
        }
        one = {"number": 1, "size": 1, "sha256": "0" * 64}
        for wrong in (
            {**parts, "part_size": limits["min_part_size"] - 1, "parts": [one]},
            {**parts, "part_size": limits["max_part_size"] + 1, "parts": [one]},
            {**parts, "parts": [{**one, "number": limits["max_parts"] + 1}]},
        ):
            assert http.post("/api/v1/file/upload/parts", json=wrong).status_code == 422


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_the_job_that_finishes_an_upload_says_whose_it_is(stack: Stack) -> None:
    ada = stack.user("ada")
    shared = stack.user("bob", "upload,list", of=ada)
    with stack.client(shared) as http:
        upload(http, b"in chunks", "a.bin")
        tus.send(http, tus.create(http, 6, name="b.bin"), b"by tus")
    with stack.database.read() as connection:
        found = connection.execute(select(t.jobs.c.workspace_id, t.jobs.c.user_id).where(t.jobs.c.kind == completing.KIND)).all()
    assert [tuple(row) for row in found] == [(ada.workspace_id, shared.account.user_id)] * 2


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_large_chunks_are_parts(stack: Stack) -> None:
    content = data(23 * 2**20)
    with stack.client(stack.user("ada"), stack.services(upload_chunk=6 * 2**20)) as http:
        found = upload(http, content, sha256=sha256(content).hexdigest())
        assert found["sha256"] == sha256(content).hexdigest()
        assert content_of(http, found) == content
    assert left_over(stack) == []


def test_chunks_at_once_from_many_processes(stack: Stack) -> None:
    content = data(13 * 2**20)
    ada = stack.user("ada")
    with stack.client(ada, stack.services()) as one, stack.client(ada, stack.services()) as other:
        upload_id, size = begin(one)
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        with ThreadPoolExecutor(8) as pool:
            jobs = [(one, other)[n % 2] for n in range(2 * len(pieces))]
            sent = pool.map(lambda n: send(jobs[n], upload_id, n // 2, pieces[n // 2]), range(2 * len(pieces)))
            assert [reply.text for reply in sent if reply.status_code != 200] == []
        replies = [complete(http, upload_id, len(pieces), len(content), filename="x.bin") for http in (one, other)]
        assert [reply.status_code for reply in replies] == [200, 200]
        assert replies[0].json()["data"]["version_id"] == replies[1].json()["data"]["version_id"]
        assert content_of(one, replies[0].json()["data"]) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_completed_by_many_at_once_it_is_one_version_which_all_are_told(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada, stack.services()) as one, stack.client(ada, stack.services()) as other, ThreadPoolExecutor(8) as pool:
        for number in range(5):
            upload_id, size = begin(one)
            content = data(size + 1, number)
            for index, piece in enumerate((content[:size], content[size:])):
                assert send(one, upload_id, index, piece).status_code == 200
            at_once = Barrier(8)

            def finish(which: int, upload_id: str = upload_id, size: int = size, at_once: Barrier = at_once) -> httpx.Response:
                at_once.wait()
                return complete((one, other)[which % 2], upload_id, 2, size + 1, filename="x.bin")

            replies = list(pool.map(finish, range(8)))
            assert [reply.status_code for reply in replies] == [200] * 8, [reply.text for reply in replies]
            told = {(reply.json()["data"]["status"], reply.json()["data"]["version_id"]) for reply in replies}
            assert len(told) == 1
            assert content_of(one, replies[0].json()["data"]) == content
        with stack.database.read() as connection:
            assert len(connection.execute(select(t.versions)).all()) == number + 1
    assert left_over(stack) == []


@pytest.mark.parametrize("chunk", [6 * 2**20, 768 * 1024])
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_part_that_comes_when_another_request_has_completed_the_upload_is_refused(
    stack: Stack, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests bring the same chunk at once; by the time that the second's bytes reach the store the upload is complete."""
    content, ada = data(chunk * (7 if chunk < 2**20 else 1)), stack.user("ada")
    late, prompt = stack.services(upload_chunk=chunk), stack.services(upload_chunk=chunk)
    with stack.client(ada, late) as http, stack.client(ada, prompt) as other:
        upload_id, size = begin(http)
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        for index, piece in enumerate(pieces[:-1]):
            assert send(http, upload_id, index, piece).status_code == 200
        replies: list[httpx.Response] = []
        open_part = late.objects.part

        def part(*arguments: Any) -> Any:
            if not replies:
                replies.append(send(other, upload_id, len(pieces) - 1, pieces[-1]))
                replies.append(complete(other, upload_id, len(pieces), len(content), filename="x.bin"))
            return open_part(*arguments)

        monkeypatch.setattr(late.objects, "part", part)
        reply = send(http, upload_id, len(pieces) - 1, pieces[-1])
        assert [one.status_code for one in replies] == [200, 200], [one.text for one in replies]
        assert reply.status_code == 409, reply.text
        assert reply.json()["type"].endswith("/upload-complete")
        assert content_of(http, replies[1].json()["data"]) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_complete_upload_forgets_no_part_for_a_chunk_that_would_replace_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = 6 * 2**20
    content, ada = data(chunk), stack.user("ada")
    late, prompt = stack.services(upload_chunk=chunk), stack.services(upload_chunk=chunk)
    with stack.client(ada, late) as http, stack.client(ada, prompt) as other:
        upload_id, _ = begin(http)
        assert send(http, upload_id, 0, content).status_code == 200
        replies: list[httpx.Response] = []
        look = chunks.held

        def held(connection: Connection, session: Any, indexes: Any = None) -> Any:
            found = look(connection, session, indexes)
            if indexes is not None and not replies:  # the chunk that replaces has seen what it replaces
                replies.append(complete(other, upload_id, 1, len(content), filename="x.bin"))
            return found

        monkeypatch.setattr(chunks, "held", held)
        reply = send(http, upload_id, 0, data(chunk, seed=2))
        assert (reply.status_code, replies[0].status_code) == (409, 200), replies[0].text
        assert content_of(http, replies[0].json()["data"]) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_chunk_with_other_bytes_replaces_one_that_is_kept_and_none_that_is_joined(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload_id, size = begin(http)
        many = cutting.group(size)
        content = data(size * many + 5)
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        assert send(http, upload_id, 0, data(size, seed=2)).status_code == 200
        assert send(http, upload_id, many, b"other").status_code == 200
        for index, piece in enumerate(pieces):  # the first is replaced before its group is whole, the last never has a group
            assert send(http, upload_id, index, piece).status_code == 200
        differs = send(http, upload_id, 1, data(size, seed=3))
        assert (differs.status_code, differs.json()["type"].rpartition("/")[2]) == (409, "chunk-differs")
        assert differs.json()["chunk_index"] == 1
        assert send(http, upload_id, 1, pieces[1]).status_code == 200
        found = complete(http, upload_id, len(pieces), len(content), filename="x.bin").json()["data"]
        assert content_of(http, found) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_chunk_that_leaves_a_gap_is_named_and_can_be_sent_again(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload_id, size = begin(http)
        content = data(size + 5)
        assert send(http, upload_id, 0, content[: size - 1]).status_code == 200
        assert send(http, upload_id, 1, content[size:]).status_code == 200
        gap = complete(http, upload_id, 2, len(content) - 1, filename="x.bin")
        assert (gap.status_code, gap.json()["type"].rpartition("/")[2]) == (422, "chunk-too-small")
        assert gap.json()["chunks"] == [0]
        assert send(http, upload_id, 0, content[:size]).status_code == 200
        found = complete(http, upload_id, 2, len(content), filename="x.bin").json()["data"]
        assert content_of(http, found) == content
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_no_chunks_and_no_bytes_are_an_empty_file(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload_id, _ = begin(http)
        reply = complete(http, upload_id, 0, 0, filename="x.bin")
        assert (reply.status_code, reply.json()["data"]["status"]) == (200, "SUCCESS")
        assert content_of(http, reply.json()["data"]) == b""
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_an_upload_that_is_not_listed_is_a_version_and_no_file(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        once = {"filename": "once.bin", "listed": "false", "if_none_match": "*"}
        found = upload(http, b"content", **once)
        assert (found["status"], found["download_url"]) == ("SUCCESS", None)
        assert found["asset"] == http.get("/assets").json()["items"][0] | {"unchanged": False}
        assert content_of(http, found) == b"content"
        assert http.get("/api/v1/file/all").json()["data"] == []
        assert http.get(f"/api/v1/file/get/{found['id']}").status_code == 404
        second, _ = begin(http)
        send(http, second, 0, b"other")
        assert complete(http, second, 1, 5, **once).status_code == 412
        third, _ = begin(http)
        for wrong in ({"listed": "no"}, {"if_none_match": "x"}):
            assert complete(http, third, 1, 5, **wrong).status_code == 422
