"""What unfinished uploads have in the store counts towards the quota, whichever way it came, until they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update

from holdfast.clock import system
from holdfast.database import tables as t
from holdfast.uploads import ending, room
from tests.asgi import Http
from tests.behaviour.test_access_paths import explained
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads import speaking as tus
from tests.uploads.test_chunks import CHUNK, begin, complete, send
from tests.uploads.test_direct import ask, said

BOTH = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
QUOTA = 1000


def full(reply: httpx.Response) -> bool:
    """Whether it was refused for the quota."""
    return (reply.status_code, reply.json().get("type", "").rpartition("/")[2]) == (413, "quota-exceeded")


async def by_and_by(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield tus.data(size)


def received(stack: Stack) -> int:
    return sum(stack.own.objects.size(key) or 0 for key in stack.own.objects.keys("data/"))


@BOTH
def test_sessions_of_tus_have_together_no_more_than_the_quota(stack: Stack) -> None:
    with stack.client(stack.user("ada", quota_bytes=QUOTA)) as http:
        paths = [tus.create(http, QUOTA, name=f"{number}.bin") for number in range(5)]
        replies = [tus.patch(http, path, 0, tus.data(900)) for path in paths]
        assert (replies[0].status_code, [full(reply) for reply in replies[1:]]) == (204, [True] * 4)
        assert tus.patch(http, paths[1], 0, by_and_by(60, 60)).status_code == 413  # its length is not said
        assert received(stack) == 900
        assert full(http.post("/uploads", headers={**tus.VERSION, "Upload-Length": "101", **tus.metadata(filename="x")}))
        assert tus.patch(http, paths[1], 0, tus.data(100)).status_code == 204
        assert full(tus.patch(http, paths[0], 900, tus.data(100)))
        assert http.request("DELETE", paths[1], headers=tus.VERSION).status_code == 204
        assert tus.patch(http, paths[0], 900, tus.data(100)).status_code == 204  # a version: it was counted, and is
        assert full(tus.patch(http, paths[2], 0, b"x"))


@BOTH
def test_a_length_that_is_said_later_is_within_the_quota(stack: Stack) -> None:
    with stack.client(stack.user("ada", quota_bytes=QUOTA)) as http:
        assert tus.patch(http, tus.create(http, QUOTA), 0, tus.data(900)).status_code == 204
        later = tus.create(http, None, name="later.bin")
        assert full(tus.patch(http, later, 0, b"x", **{"Upload-Length": "101"}))
        assert tus.offset_of(http, later) == 0


@BOTH
def test_partial_uploads_become_one_within_the_quota_that_they_fill(stack: Stack) -> None:
    with stack.client(stack.user("ada", quota_bytes=QUOTA)) as http:
        parts = [tus.create(http, 500, name=None, **{"Upload-Concat": "partial"}) for _ in range(2)]
        for part in parts:
            assert tus.patch(http, part, 0, tus.data(500)).status_code == 204
        final = {**tus.VERSION, "Upload-Concat": f"final;{' '.join(parts)}", **tus.metadata(filename="whole.bin")}
        assert http.post("/uploads", headers=final).status_code == 201


@BOTH
@pytest.mark.parametrize("chunk", [CHUNK, 6 * 2**20])
def test_chunks_of_several_uploads_have_together_no_more_than_the_quota(stack: Stack, chunk: int) -> None:
    ada = stack.user("ada", quota_bytes=2 * chunk)
    cleo = stack.user("cleo", "upload,list,destroy", of=ada)
    services = stack.services(upload_chunk=chunk)
    with stack.client(ada, services) as http, stack.client(cleo, services) as other:
        first, second, theirs = begin(http)[0], begin(http)[0], begin(other)[0]
        assert send(http, first, 0, tus.data(chunk)).status_code == 200
        assert send(other, theirs, 0, tus.data(chunk)).status_code == 200
        assert full(send(http, second, 0, b"x"))
        assert full(send(http, first, 1, b"x"))
        assert send(http, first, 0, tus.data(chunk)).status_code == 200  # it is there
        assert received(stack) <= 2 * chunk
        assert http.post("/api/v1/file/upload/init/").json()["data"]["max_size"] == 0
        assert other.request("DELETE", f"/api/v1/file/{theirs}").status_code == 200
        assert send(http, second, 0, tus.data(chunk)).status_code == 200
        assert complete(http, first, 1, chunk, filename="first.bin").json()["data"]["status"] == "SUCCESS"
        assert full(send(http, begin(http)[0], 0, b"x"))


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_large_chunk_that_is_sent_anew_counts_once_and_a_small_one_as_often_as_the_store_has_it(stack: Stack) -> None:
    with stack.client(stack.user("ada", quota_bytes=12 * 2**20), stack.services(upload_chunk=6 * 2**20)) as http:
        large = begin(http)[0]
        assert [send(http, large, 0, tus.data(6 * 2**20 - n)).status_code for n in range(4)] == [200] * 4
    with stack.client(stack.user("bob", quota_bytes=QUOTA), stack.services(upload_chunk=CHUNK)) as http:
        small = begin(http)[0]
        replies = [send(http, small, 0, tus.data(300, seed)) for seed in range(4)]
        assert ([reply.status_code for reply in replies[:3]], full(replies[3])) == ([200] * 3, True)


@BOTH
def test_uploads_that_expire_or_fail_give_their_room_back(stack: Stack) -> None:
    ada = stack.user("ada", quota_bytes=QUOTA)
    with stack.client(ada, stack.services(upload_chunk=CHUNK)) as http:
        path, expired, failed = tus.create(http, 800), begin(http)[0], begin(http)[0]
        assert send(http, expired, 0, tus.data(400)).status_code == 200
        assert send(http, failed, 0, tus.data(400)).status_code == 200
        assert full(tus.patch(http, path, 0, tus.data(800)))
        wrong = complete(http, failed, 1, 400, filename="a.bin", sha256="0" * 64)
        assert wrong.status_code == 422, wrong.text
        assert full(tus.patch(http, path, 0, tus.data(800)))
        assert tus.patch(http, path, 0, tus.data(600)).status_code == 204
        over = update(t.upload_sessions).where(t.upload_sessions.c.upload_id == expired)
        stack.database.write(lambda connection: connection.execute(over.values(expires_at=system() - timedelta(seconds=1))))
        assert ending.expire(stack.own) == 1
        assert tus.patch(http, path, 600, tus.data(200)).status_code == 204


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_promised_parts_count_before_they_come(stack: Stack) -> None:
    part = 5 << 20
    with stack.client(stack.user("ada", quota_bytes=2 * part)) as http:
        first, second = begin(http)[0], begin(http)[0]
        promises = {number: said(bytes(part), number) for number in (1, 2)}
        assert ask(http, first, promises[1]).status_code == 200
        assert ask(http, first, promises[1]).status_code == 200  # again, which is the same
        assert ask(http, second, promises[1]).status_code == 200
        assert full(ask(http, second, promises[2]))
        assert full(ask(http, first, promises[2]))
        assert ask(http, first, promises[1]).status_code == 200
        assert http.request("DELETE", f"/api/v1/file/{second}").status_code == 200
        assert ask(http, first, promises[2]).status_code == 200


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_what_others_have_is_one_statement_along_the_indexes(stack: Stack) -> None:
    ada, bob = stack.user("ada", quota_bytes=QUOTA), stack.user("bob")
    with stack.client(ada) as http:
        open_some(http, 3)
    with stack.client(bob) as http:
        open_some(http, 3)
    with stack.database.read() as connection:
        select = room._received(ada.workspace_id, ["0" * 32])
        plans = explained(connection, lambda: connection.execute(select))
    assert [(plan["table"], plan["type"], plan["key"]) for plan in plans] == [
        ("users", "ref", "ix_users_workspace_id_username"),
        ("upload_sessions", "ref", "ix_upload_sessions_workspace_id_user_id_state_id"),
    ]


def open_some(http: Http, count: int) -> None:
    for number in range(count):
        tus.create(http, 10, name=f"{number}.bin")
