"""A store that answers slowly, with 500, or not at all: the client is told to come again, nothing is half there, and when the store
is back the same request ends well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.asgi import Http
from tests.contract.faulty import Behaviour, FaultyStore, once
from tests.crash.aging import end_back_off, expire_leases
from tests.crash.impatience import impatient_services
from tests.servers.process import free_ports
from tests.stacks import SQL, STANDIN, Stack, User
from tests.standin.faults import BROKEN, DROP_AFTER, DROP_BEFORE, PREDICATE_FAILED, TOO_MANY, Fault, Slow

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.database.types import db_later
from holdfast.disagreement import Disagreement
from holdfast.errors import Unavailable

KEY = {"Idempotency-Key": "once"}


def upload(http: Http) -> Any:
    files = [("primary_file", ("note.txt", b"hello")), ("associated_files", ("side.txt", b"beside"))]
    return http.post("/fileupload", files=files, headers=KEY)


def told_to_come_again(reply: Any, *slugs: str) -> None:
    assert reply.status_code == 503, reply.text
    assert int(reply.headers["retry-after"]) > 0
    assert reply.json()["type"].rpartition("/")[2] in slugs


def nothing_is_visible(stack: Stack, http: Http) -> None:
    assert http.get("/assets").json()["items"] == []
    with stack.database.read() as connection:
        assert connection.scalars(select(t.versions.c.id)).all() == []


def all_is_well(stack: Stack, http: Http) -> None:
    """After everything that was put off has had its time: one version, as it was sent, and nothing besides."""
    with stack.database.engine.begin() as connection:
        expire_leases(connection)
        connection.execute(update(t.intents).where(t.intents.c.state == "open").values(heartbeat_at=db_later(-1000)))
    for _ in range(2):
        settle(stack.own)
        with stack.database.engine.begin() as connection:
            end_back_off(connection)
    settle(stack.own)
    version = upload(http)
    assert version.status_code == 200, version.text
    [listed] = http.get("/assets", params={"versions": "all"}).json()["items"]
    assert listed["version_id"] == version.json()["version_id"]
    assert http.get("/content/text/txt/note", params={"file": "side.txt"}).content == b"beside"
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []
    assert len(list(stack.own.objects.keys("data/"))) == 2


@contextmanager
def impatient(stack: Stack, user: User, endpoint: str) -> Iterator[Http]:
    """HTTP to a process whose object store is at ``endpoint``, and that waits for it, and for commits, for a second at most."""
    services = impatient_services(stack, endpoint, commit_wait_seconds=1)
    with stack.client(user, services) as http:
        yield http


@pytest.mark.parametrize("stack", [SQL], indirect=True)
@pytest.mark.parametrize("behaviour", ["fail", "hang", "refuse"])
def test_an_object_store_that_does_not_take_bytes(stack: Stack, behaviour: Behaviour) -> None:
    assert stack.bucket is not None
    store, ada = FaultyStore(lambda _method, _path: behaviour, stack.bucket.endpoint), stack.user("ada")
    try:
        with impatient(stack, ada, store.endpoint) as http:
            told_to_come_again(upload(http), "store-unavailable")
            nothing_is_visible(stack, http)
            store.behave = lambda _method, _path: "pass on"
            all_is_well(stack, http)
    finally:
        store.close()


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_an_object_store_that_answers_slowly(stack: Stack) -> None:
    assert stack.bucket is not None
    store, ada = FaultyStore(lambda _method, _path: "slow", stack.bucket.endpoint), stack.user("ada")
    try:
        with stack.client(ada, impatient_services(stack, store.endpoint)) as http:
            assert upload(http).status_code == 200
            all_is_well(stack, http)
    finally:
        store.close()


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_an_object_store_that_nobody_answers_for(stack: Stack) -> None:
    [port] = free_ports(1)
    ada = stack.user("ada")
    with impatient(stack, ada, f"http://127.0.0.1:{port}") as http:
        told_to_come_again(upload(http), "store-unavailable")
        nothing_is_visible(stack, http)
    with stack.client(ada) as http:
        all_is_well(stack, http)


@pytest.mark.parametrize("stack", [SQL], indirect=True)
@pytest.mark.parametrize("which", ["/0", "/1"], ids=["the first file", "the last file"])
@pytest.mark.parametrize("behaviour", ["fail", "hang", "lose the reply"])
def test_an_object_store_that_fails_once(stack: Stack, behaviour: Behaviour, which: str) -> None:
    """Once is not often enough for the client to notice, unless it cost all the time that there is for an answer."""
    assert stack.bucket is not None
    store, ada = FaultyStore(once(behaviour, "PUT", which), stack.bucket.endpoint), stack.user("ada")
    try:
        with impatient(stack, ada, store.endpoint) as http:
            reply = upload(http)
            if behaviour == "hang":
                told_to_come_again(reply, "store-unavailable")
            else:
                assert reply.status_code == 200
            all_is_well(stack, http)
    finally:
        store.close()


@pytest.mark.parametrize("stack", [STANDIN], indirect=True)
@pytest.mark.parametrize("call", ["stage", "commit", "log"])
@pytest.mark.parametrize("fault", [BROKEN, DROP_BEFORE, Slow(1.5)], ids=["500", "drops", "slower than anybody waits"])
def test_a_version_store_with_a_lasting_fault(stack: Stack, call: str, fault: Fault) -> None:
    assert stack.standin is not None
    ada = stack.user("ada")
    with stack.client(ada, stack.services(commit_wait_seconds=1)) as http:
        stack.standin.script.always(call, fault)
        reply = upload(http)
        told_to_come_again(reply, "commit-pending")
        nothing_is_visible(stack, http)
        if not isinstance(fault, Slow):  # who is in no hurry gets his answer
            with pytest.raises(Unavailable):
                settle_at_once(stack)
            nothing_is_visible(stack, http)
        stack.standin.script.clear()
        all_is_well(stack, http)


@pytest.mark.parametrize("stack", [STANDIN], indirect=True)
@pytest.mark.parametrize("call", ["stage", "commit", "log", "head", "diff", "stat"])
@pytest.mark.parametrize(
    "fault",
    [BROKEN, DROP_BEFORE, DROP_AFTER, TOO_MANY, PREDICATE_FAILED, Slow(0.3)],
    ids=["500", "drops", "drops the reply", "429", "predicate failed", "slow"],
)
def test_a_version_store_that_fails_once(stack: Stack, call: str, fault: Fault) -> None:
    assert stack.standin is not None
    ada = stack.user("ada")
    with stack.client(ada) as http:
        stack.standin.script.next(call, fault)
        assert upload(http).status_code == 200
        stack.standin.script.clear()
        all_is_well(stack, http)


def settle_at_once(stack: Stack) -> None:
    with stack.database.engine.begin() as connection:
        expire_leases(connection)
    settle(stack.own)
