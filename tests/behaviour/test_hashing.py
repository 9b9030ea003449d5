"""A version may be published before its bytes were hashed: what holds until then, and what from then on."""

from __future__ import annotations

import logging
import threading
import zlib
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.asgi import Http
from tests.behaviour.erased import NOW, condemn, disagreements, keys, row
from tests.behaviour.moments import path, upload
from tests.behaviour.policies import governed, outside_the_sample
from tests.behaviour.unhashed import hashes, jobs, publish
from tests.stacks import SQLITE, WITH_MYSQL, Stack
from tests.waiting import until

from holdfast.assets import erasing, hashing
from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.database.types import db_later
from holdfast.disagreement import Remark
from holdfast.errors import Unavailable
from holdfast.lifecycle import evidence
from holdfast.lifecycle.purging import purge


def hexdigest(content: bytes) -> str:
    return sha256(content).hexdigest()


def run_jobs(stack: Stack) -> None:
    """All of them, whenever they are due."""
    with stack.database.engine.begin() as connection:
        connection.execute(update(t.jobs).where(t.jobs.c.state == "pending").values(run_after=db_later(-1)))
    settle(stack.services())


def spoil(stack: Stack, key: str, content: bytes | None) -> None:
    stack.own.objects.delete(key)
    if content is not None:
        writer = stack.own.objects.writer(key, "text/plain")
        writer.feed(content)
        writer.finish()


def remarks(stack: Stack) -> list[str]:
    return [one.text for one in verify(stack.own) if isinstance(one, Remark)]


def content(http: Http, version: dict[str, Any], **headers: str) -> Any:
    where = {"version_id": version["version_id"]}
    return http.get(f"/content/{version['asset_path']}", params=where, headers={k.replace("_", "-"): v for k, v in headers.items()})


@WITH_MYSQL
def test_the_sha256_of_a_version_follows(stack: Stack) -> None:
    ada = stack.user("ada")
    version = publish(stack, ada, ("note.txt", b"note"), ("side.txt", b"side"))
    assert version["sha256"] is None
    added = publish(stack, ada, ("more.txt", b"more"), to=version)
    assert (added["version_id"], added["sha256"]) == (version["version_id"], None)
    with stack.client(ada) as http:
        [listed] = http.get("/assets").json()["items"]
        assert listed["sha256"] is None
        assert http.get(f"/filedownload/{path(version)}").json()["metadata"]["sha256"] is None
        assert disagreements(stack) == [], "what is not known disagrees with nothing"
        assert remarks(stack) == ["The sha256 of 3 files is not known yet."]
        run_jobs(stack)
        assert jobs(stack) == [("done", 1)] * 3
        expected = {"note.txt": hexdigest(b"note"), "side.txt": hexdigest(b"side"), "more.txt": hexdigest(b"more")}
        assert hashes(stack, version) == expected
        [listed] = http.get("/assets").json()["items"]
        assert listed == {**added, "sha256": hexdigest(b"note"), "unchanged": False}, "and nothing else of it has changed"
        assert http.get(f"/filedownload/{path(version)}").json()["metadata"]["sha256"] == hexdigest(b"note")
    assert disagreements(stack) == [], "the commit says still that it does not know"
    assert remarks(stack) == []


def test_what_is_hashed_already_asks_for_nothing(stack: Stack) -> None:
    ada = stack.user("ada")
    version = publish(stack, ada, ("note.txt", b"note"), unhashed=False)
    assert version["sha256"] == hexdigest(b"note")
    assert jobs(stack) == []


def test_the_tag_changes_once_and_the_one_before_stays_true(stack: Stack) -> None:
    ada = stack.user("ada")
    version, other = publish(stack, ada, ("note.txt", b"0123456789")), publish(stack, ada, ("other.txt", b"0123456789"))
    with stack.client(ada) as http:
        before = content(http, version).headers["etag"]
        assert before.startswith('"object-')
        assert before != content(http, other).headers["etag"], "nobody knows yet that they are the same"
        assert content(http, version).headers["etag"] == before
        assert content(http, version, if_none_match=before).status_code == 304
        assert content(http, other, if_none_match=before).status_code == 200
        run_jobs(stack)
        after = content(http, version).headers["etag"]
        assert after == f'"{hexdigest(b"0123456789")}"'
        for tag in (before, after):
            assert content(http, version, if_none_match=tag).status_code == 304
            assert content(http, version, if_match=tag).status_code == 200
            rest = content(http, version, range="bytes=5-", if_range=tag)
            assert (rest.status_code, rest.content) == (206, b"56789"), "a download that was begun before is gone on with"
        assert content(http, other, if_match=before).status_code == 412
        assert content(http, other, if_match=after).status_code == 200


def test_an_upload_is_only_unchanged_when_both_are_known(stack: Stack) -> None:
    ada = stack.user("ada")
    first = publish(stack, ada, ("note.txt", b"note"))
    second = publish(stack, ada, ("note.txt", b"note"))
    assert second["version_id"] != first["version_id"]
    with stack.client(ada) as http:
        third = upload(http, "note.txt", b"note")
        assert not third["unchanged"]
        assert upload(http, "note.txt", b"note")["unchanged"]
        fourth = publish(stack, ada, ("note.txt", b"note"))
        assert not fourth["unchanged"]
        run_jobs(stack)
        again = upload(http, "note.txt", b"note")
        assert (again["unchanged"], again["version_id"]) == (True, fourth["version_id"])
        assert publish(stack, ada, ("note.txt", b"note"), unhashed=False)["unchanged"]
    run_jobs(stack)
    assert disagreements(stack) == []


@WITH_MYSQL
@pytest.mark.parametrize("spoilt", [b"nota", b"notes", None])
def test_bytes_that_are_not_what_was_vouched_for_are_told_and_get_no_sha256(stack: Stack, spoilt: bytes | None) -> None:
    ada = stack.user("ada")
    version, sound = publish(stack, ada, ("note.txt", b"note")), publish(stack, ada, ("sound.txt", b"sound"))
    [key] = keys(stack, version)
    spoil(stack, key, spoilt)
    for attempt in (1, 2):
        run_jobs(stack)
        assert jobs(stack) == [("pending", attempt), ("done", 1)]
    assert hashes(stack, version) == {"note.txt": None}
    assert hashes(stack, sound) == {"sound.txt": hexdigest(b"sound")}
    with stack.client(ada) as http:
        trail = http.get("/audit", params={"asset_path": version["asset_path"]}).json()["items"]
    [told] = [one for one in trail if one["operation"] == "hash-mismatch"]
    assert (told["success"], told["version_id"], told["username"]) == (False, version["version_id"], None)
    assert told["details"]["object_key"] == key
    problems = {one.problem for one in disagreements(stack)}
    deep = {b"nota": "checksum-differs", b"notes": "size-differs", None: "bytes-missing"}[spoilt]
    assert problems == {"hash-mismatch", deep}
    spoil(stack, key, b"note")
    run_jobs(stack)
    assert hashes(stack, version) == {"note.txt": hexdigest(b"note")}, "it was only unreadable for a while"
    assert disagreements(stack) == []


def test_without_a_crc32_the_size_is_all_there_is_to_compare(stack: Stack) -> None:
    ada = stack.user("ada")
    version = publish(stack, ada, ("note.txt", b"note"), crc32=None)
    wrong = publish(stack, ada, ("wrong.txt", b"wrong"), crc32=zlib.crc32(b"right"))
    assert [one.problem for one in disagreements(stack)] == ["checksum-differs"]
    run_jobs(stack)
    assert hashes(stack, version) == {"note.txt": hexdigest(b"note")}
    assert hashes(stack, wrong) == {"wrong.txt": None}


def test_a_policy_waits_for_the_sha256_before_it_condemns(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    with governed(stack, stack.user("ada")) as at:
        unhashed = publish(stack, at.user, ("late.txt", b"late"), ("side.txt", b"side"))
        upload(at.http, "known.txt", b"known")
        at.apply(archive={"afterDays": 0}, destroy={"afterDays": 0})
        assert at.sweep("archive").done.items == 2
        with caplog.at_level(logging.ERROR):
            outcome = at.sweep("destroy")
        assert (outcome.done.items, dict(outcome.done.skipped)) == (1, {"notHashed": 1})
        assert "not condemned" not in caplog.text, "it is nothing that anybody has to see to"
        with stack.database.read() as connection:
            v = t.verifications.c
            said = connection.execute(select(v.mode, v.problem).where(v.version == row(stack, unhashed).id)).one()
        assert said == ("unhashed", "The sha256 of late.txt is not known yet.")
        run_jobs(stack)
        assert at.sweep("destroy").done.items == 1
        assert row(stack, unhashed).phase == "condemned"


def test_what_is_not_in_the_sample_is_not_waited_for(stack: Stack) -> None:
    with governed(stack, stack.user("ada"), verify_before_destroy="sampled", verify_sample_percent=1) as at:
        published = (publish(stack, at.user, (f"{number}.txt", b"late")) for number in count())
        version = outside_the_sample(published, at.services.settings)
        at.apply(archive={"afterDays": 0}, destroy={"afterDays": 0})
        at.sweep("archive")
        assert at.sweep("destroy").done.items == 1
        assert row(stack, version).phase == "condemned"


def test_what_is_on_its_way_out_is_hashed_as_long_as_it_can_come_back(stack: Stack) -> None:
    ada = stack.user("ada")
    restored, purged = publish(stack, ada, ("back.txt", b"back")), publish(stack, ada, ("gone.txt", b"gone"))
    with stack.client(ada) as http:
        condemn(http, restored)
    with stack.client(ada, stack.services(**NOW)) as http:
        condemn(http, purged)
    purge(stack.services(**NOW))
    assert row(stack, purged).phase in {"purging", "erased"}
    run_jobs(stack)
    assert jobs(stack) == [("done", 1)] * 2
    assert hashes(stack, restored) == {"back.txt": hexdigest(b"back")}
    assert hashes(stack, purged) == {"gone.txt": None}
    [object_] = evidence.of_version(stack.own, purged["asset_path"], purged["version_id"])
    assert object_["sha256"] is None
    assert disagreements(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_job_that_is_run_again_changes_nothing(stack: Stack) -> None:
    version = publish(stack, stack.user("ada"), ("note.txt", b"note"))
    with stack.database.read() as connection:
        file = connection.scalar(select(t.files.c.id))
    for _ in range(2):
        hashing.run(stack.own, {"file": file})
    spoil(stack, keys(stack, version)[0], b"else")
    hashing.run(stack.own, {"file": file})
    assert hashes(stack, version) == {"note.txt": hexdigest(b"note")}
    hashing.run(stack.own, {"file": 4711})


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_jobs_that_take_long_keep_no_others_waiting(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, enough = stack.user("ada"), threading.Event()
    for number in range(4):
        publish(stack, ada, (f"note{number}.txt", b"note"))
    monkeypatch.setattr(hashing, "run", lambda _services, _payload: enough.wait(60))
    services = stack.services(reconcile_seconds=3600)
    services.start(scheduling=False)
    try:
        until(lambda: ("running", 1) in jobs(stack))
        stack.database.write(lambda connection: erasing.request(connection, "nobodys", 0))
        until(lambda: jobs(stack, erasing.KIND) == [("done", 1)] * 2)
        assert jobs(stack).count(("running", 1)) == 1
    finally:
        enough.set()
        services.close()


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_process_that_is_to_end_does_not_hash_to_the_end(stack: Stack) -> None:
    version = publish(stack, stack.user("ada"), ("note.txt", bytes(3 << 20)))
    services = stack.services()
    with stack.database.read() as connection:
        file = connection.scalar(select(t.files.c.id))
    services.closing.set()
    with pytest.raises(Unavailable):
        hashing.run(services, {"file": file})
    assert hashes(stack, version) == {"note.txt": None}
