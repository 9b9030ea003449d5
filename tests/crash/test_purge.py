"""A purge dies at each of its fail points, and the one that comes after it at each of its own; its store fails; somebody restores
or holds what it is at. What is being erased is erased in the end, with evidence, and nothing is both restored and erased."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import select, update
from tests.behaviour.erased import NOW, condemned, disagreements, keys, row
from tests.behaviour.moments import Moving
from tests.contract.faulty import Behaviour, FaultyStore
from tests.crash.explorer import Explorer
from tests.crash.impatience import impatient_services
from tests.crash.pairing import KINDS
from tests.crash.scenarios import PURGE
from tests.crash.test_every_crash import pairs_of
from tests.stacks import SQL, SQLITE, Stack

from holdfast import failpoints
from holdfast.database import tables as t
from holdfast.database.types import db_later
from holdfast.lifecycle import confirming, evidence
from holdfast.lifecycle.deleting import AWAY
from holdfast.lifecycle.purging import purge

PURGE_POINTS = [f"purge.{step}.{moment}" for step in ("begin", "trace", "gone", "look", "finish") for moment in ("before", "after")]
DELETES = ["objects.delete.before", "objects.delete.after"]


pytestmark = pytest.mark.usefixtures("frozen")


def erased_once(stack: Stack) -> None:
    """All that is there is erased, and each version has one row on the trail that says so."""
    with stack.database.read() as connection:
        states = set(connection.scalars(select(t.erasures.c.state)))
        erased = connection.scalars(select(t.audit.c.version_id).where(t.audit.c.operation == "erase")).all()
        versions = connection.scalars(select(t.versions.c.version_id).where(t.versions.c.phase == "erased")).all()
    assert states == {"erased"}
    assert sorted(erased) == sorted(versions)


@pytest.mark.timeout(0 if KINDS else 900)
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_purge_dies_at_every_fail_point(stack: Stack, tell: Callable[[str], None]) -> None:
    explorer = Explorer(stack, NOW)
    course = explorer.course(PURGE)
    assert [version["phase"] for version in course.before] == ["condemned"]
    assert [version["phase"] for version in course.done] == ["erased"]
    assert {name for name, _ in course.hits} >= {*PURGE_POINTS, *DELETES}
    traces = []
    for at in course.hits:
        [stage] = explorer.stages(PURGE, 1)
        traces.append(explorer.die_once(PURGE, course, stage, at))
    erased_once(stack)
    explorer.settle()
    singles = explorer.schedules
    pairs = list(pairs_of(stack, PURGE, traces))
    for first, second in pairs:
        [stage] = explorer.stages(PURGE, 1)
        explorer.die_twice(PURGE, course, stage, first, second)
    if pairs:
        erased_once(stack)
    explorer.settle()
    tell(f"{stack.name}, purge: {singles} schedules, {explorer.schedules - singles} pairs")
    assert len(explorer.missed) < explorer.schedules / 10


def in_time(stack: Stack) -> None:
    """What failed is due again."""
    with stack.database.engine.begin() as connection:
        connection.execute(update(t.erasures).values(retry_at=None))


def not_yet(stack: Stack) -> int:
    """What failed is due again in an hour, and not in the seconds that the first attempt's time to wait is: this machine may be
    that slow. How many those are."""
    with stack.database.engine.begin() as connection:
        failed = t.erasures.c.retry_at.is_not(None)
        return connection.execute(update(t.erasures).where(failed).values(retry_at=db_later(3600))).rowcount


@pytest.mark.parametrize("stack", [SQL], indirect=True)
@pytest.mark.parametrize("behaviour", ["fail", "hang", "refuse"])
@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
def test_a_store_that_is_away_leaves_everything_to_be_tried_again(stack: Stack, behaviour: Behaviour, method: str) -> None:
    assert stack.bucket is not None
    with stack.client(stack.user("ada"), stack.services(**NOW)) as http:
        versions = [condemned(http, f"{number}.txt") for number in range(AWAY + 2)]
    store = FaultyStore(lambda asked, _path: behaviour if asked == method else "pass on", stack.bucket.endpoint)
    try:
        services = impatient_services(stack, store.endpoint, **NOW)
        done = purge(services)
        assert (done.begun, done.objects, done.failures, done.erased, done.waiting) == (AWAY + 2, 0, AWAY, 0, AWAY + 2)
        tried = [one for v in versions for one in evidence.of_version(services, v["asset_path"], v["version_id"])]
        assert sorted(one["attempts"] for one in tried) == [0, 0, 1, 1, 1]
        assert [bool(one["last_error"]) for one in tried] == [one["attempts"] > 0 for one in tried]
        assert disagreements(stack) == []
        assert not_yet(stack) == AWAY
        store.behave = lambda _method, _path: "pass on"
        assert purge(services).objects == 2, "what failed waits for its time"
        in_time(stack)
        assert purge(services).waiting == 0
        assert {row(stack, version).phase for version in versions} == {"erased"}
        assert disagreements(stack) == []
    finally:
        store.close()


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_a_delete_whose_reply_is_lost_is_done_again(stack: Stack) -> None:
    assert stack.bucket is not None
    with stack.client(stack.user("ada"), stack.services(**NOW)) as http:
        version = condemned(http)
    store = FaultyStore(lambda asked, _path: "lose the reply" if asked == "DELETE" else "pass on", stack.bucket.endpoint)
    try:
        services = impatient_services(stack, store.endpoint, **NOW)
        assert purge(services).failures == 1
        assert stack.own.objects.size(keys(stack, version)[0]) is None
        store.behave = lambda _method, _path: "pass on"
        in_time(stack)
        assert purge(services).erased == 1
        [one] = evidence.of_version(services, version["asset_path"], version["version_id"])
        assert one["found"] is True, "where its bytes were was written down before the first attempt"
    finally:
        store.close()


@pytest.mark.parametrize("stack", [SQL], indirect=True)
@pytest.mark.parametrize("behaviour", ["fail", "refuse"])
@pytest.mark.parametrize("role", ["seaweedfs_master", "seaweedfs_filer"])
def test_servers_that_cannot_be_asked_let_nothing_be_called_erased(stack: Stack, behaviour: Behaviour, role: str) -> None:
    with stack.client(stack.user("ada"), stack.services(**NOW)) as http:
        version = condemned(http)
    server = FaultyStore(lambda _method, _path: behaviour, stack.values[role])
    try:
        done = purge(stack.services(**{**NOW, role: server.endpoint}))
        assert (done.objects, done.failures, done.erased, done.waiting) == (0, 1, 0, 1)
        assert stack.own.objects.size(keys(stack, version)[0]) == 5, "nothing is deleted of which one could not say where it was"
    finally:
        server.close()
    in_time(stack)
    assert purge(stack.services(**NOW)).erased == 1


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_a_delete_that_the_store_acknowledged_and_forgot_is_made_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filer that dies between its answer and its volume servers' being told."""
    monkeypatch.setattr(confirming, "ARRIVAL_SECONDS", 3.0)
    content, clock = secrets.token_bytes(5000), Moving()
    with stack.client(stack.user("ada"), stack.services(**NOW)) as http:
        version = condemned(http, "secret.bin", content)
    [key] = keys(stack, version)
    where = f"{stack.values['seaweedfs_filer']}/buckets/{stack.values['s3_bucket']}/{stack.values['s3_prefix']}/{key}"
    failpoints.arm("objects.delete.before", lambda: forget(where))
    try:
        services = stack.services(clock, **NOW)
        assert purge(services).erased == 0
    finally:
        failpoints.disarm()
    [one] = evidence.of_version(services, version["asset_path"], version["version_id"])
    assert "has not deleted" in one["last_error"]
    assert stack.bucket is not None
    assert stack.bucket.on_disk(content[:64])
    clock.move(hours=2)
    purge(services)
    assert purge(services).waiting == 0
    assert not stack.bucket.on_disk(content[:64])


def forget(where: str) -> None:
    httpx.delete(where, params={"skipChunkDeletion": "true"}, trust_env=False).raise_for_status()
