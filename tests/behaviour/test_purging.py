"""The purge: the bytes of what is condemned go when its undo window is over, and what was done is proved."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.behaviour.erased import NOW, condemn, condemned, disagreements, keys, row, used
from tests.behaviour.moments import Moving, moving, path, upload
from tests.stacks import SQL, SQLITE, STANDIN, Stack

from holdfast.clock import isoformat, system
from holdfast.database import tables as t
from holdfast.errors import Conflict
from holdfast.lifecycle import evidence
from holdfast.lifecycle.lease import Held
from holdfast.lifecycle.purging import LEASE, purge


def test_a_condemned_versions_bytes_are_erased_and_the_evidence_says_so(stack: Stack) -> None:
    ada = stack.user("ada")
    services = stack.services(**NOW, backup_days=30)
    primary, side, replaced = (secrets.token_bytes(5000) for _ in range(3))
    with stack.client(ada, services) as http:
        kept = upload(http, "kept.txt", b"kept")
        version = upload(http, "doomed.bin", primary, ("side.bin", replaced))
        added = http.post(f"/add-associated-files/{version['asset_path']}", files=[("associated_files", ("side.bin", side))])
        assert added.status_code == 200, added.text
        condemn(http, version)
        objects = keys(stack, version)
        assert len(objects) == 3, "the replaced file, too"
        assert used(stack, ada.workspace_id) == (15004, 2)

        done = purge(services)
        assert (done.begun, done.objects, done.bytes, done.failures, done.erased, done.waiting) == (1, 3, 15000, 0, 1, 0)

        assert [stack.own.objects.size(key) for key in objects] == [None] * 3
        if stack.bucket is not None:
            assert [stack.bucket.on_disk(content[:64]) for content in (primary, side, replaced)] == [False] * 3
        assert used(stack, ada.workspace_id) == (4, 1)
        for route in (f"/filedownload/{path(version)}", f"/content/{version['asset_path']}?version_id={version['version_id']}"):
            assert http.get(route).status_code == 410
        assert http.post(f"/filerestore/{path(version)}").status_code == 409
        [listed] = http.get("/assets", params={"status": "destroyed"}).json()["items"]
        assert (listed["version_id"], listed["phase"]) == (version["version_id"], "erased")
        erase, purge_row = [
            one for one in http.get("/audit").json()["items"] if one["operation"] in ("purge", "erase") and one["success"]
        ]
        assert http.get(f"/content/{kept['asset_path']}").content == b"kept"
    assert (purge_row["operation"], purge_row["details"]["objects"]) == ("purge", 3)
    details = erase["details"]
    assert (details["objects"], details["bytes"], details["missing"]) == (3, 15000, 0)
    assert details["compaction"] == ["immediate" if stack.bucket is None else "seaweedfs"]
    shown = evidence.of_version(services, version["asset_path"], version["version_id"], ada.branch)
    assert [(one["object_key"], one["state"], one["found"]) for one in shown] == [(key, "erased", True) for key in objects]
    for one in shown:
        assert one["requested_at"] <= one["deleted_at"] <= one["gone_at"] <= one["compacted_at"] < one["backups_until"]
    assert details["backups_until"] == max(one["backups_until"] for one in shown)
    assert disagreements(stack) == []
    assert purge(services).begun == 0


def test_nothing_is_purged_before_its_undo_window_is_over(stack: Stack) -> None:
    ada = stack.user("ada")
    with moving(stack, ada, undo_days=2, compaction_hours=0) as (http, clock):
        version = condemned(http)
        services = stack.services(clock, compaction_hours=0)
        clock.move(days=1, hours=23)
        assert purge(services).begun == 0
        assert http.post(f"/filerestore/{path(version)}").status_code == 200
        assert http.post(f"/delfile/{path(version)}").status_code == 200
        clock.move(days=2, seconds=1)
        assert purge(services).erased == 1
        assert http.post(f"/filerestore/{path(version)}").status_code == 409


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_version_that_is_held_stays_condemned(stack: Stack) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http:
        version = condemned(http)
        hold(stack, version, 1)
        assert purge(services).begun == 0
        assert row(stack, version).phase == "condemned"
        hold(stack, version, 0)
        assert purge(services).erased == 1


def hold(stack: Stack, version: dict[str, Any], held: int) -> None:
    with stack.database.engine.begin() as connection:
        connection.execute(update(t.versions).where(t.versions.c.version_id == version["version_id"]).values(held=held))


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_where_compaction_cannot_be_confirmed_nothing_is_called_erased(stack: Stack) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW, compaction="unconfirmed")
    with stack.client(ada, services) as http:
        version = condemned(http)
        done = purge(services)
        assert (done.objects, done.erased, done.waiting, done.compacted) == (1, 0, 1, False)
    assert row(stack, version).phase == "purging"
    [one] = evidence.of_version(services, version["asset_path"], version["version_id"])
    assert (one["state"], one["compacted_at"]) == ("gone", None)
    assert "cannot be asked" in one["last_error"]
    assert used(stack, ada.workspace_id) == (5, 1)
    assert disagreements(stack) == []
    vouched = stack.services(**NOW, compaction="vouched")
    assert purge(vouched).erased == 1
    [one] = evidence.of_version(services, version["asset_path"], version["version_id"])
    assert (one["compaction"], one["last_error"]) == ("vouched", None)
    assert used(stack, ada.workspace_id) == (0, 0)


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_the_store_is_asked_to_compact_once_a_night(stack: Stack) -> None:
    ada, clock = stack.user("ada"), Moving()
    services = stack.services(clock, undo_days=0)
    assert stack.bucket is not None
    first, second = secrets.token_bytes(64), secrets.token_bytes(64)
    with stack.client(ada, services) as http:
        condemned(http, "one.bin", first)
        assert purge(services).erased == 1
        later = condemned(http, "two.bin", second)
        done = purge(services)
        assert (done.compacted, done.erased, done.waiting) == (False, 0, 1)
        assert stack.bucket.on_disk(second)
        assert "not been compacted" in evidence.of_version(services, later["asset_path"], later["version_id"])[0]["last_error"]
        clock.move(hours=21)
        done = purge(services)
        assert (done.compacted, done.erased, done.waiting) == (True, 1, 0)
        assert not stack.bucket.on_disk(second)


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_one_run_begins_no_more_than_it_may(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada, stack.services(**NOW)) as http:
        for number in range(5):
            condemned(http, f"{number}.txt", b"12345")
    assert purge(stack.services(**NOW, purge_max_versions=2)).erased == 2
    assert purge(stack.services(**NOW, purge_max_bytes=9)).erased == 1
    assert purge(stack.services(**NOW, purge_max_bytes=1)).erased == 1, "one is always begun"
    assert purge(stack.services(**NOW)).erased == 1


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_two_purges_do_not_overlap(stack: Stack) -> None:
    services = stack.services(**NOW)
    with Held(stack.database, LEASE), pytest.raises(Conflict):
        purge(services)
    assert purge(services).begun == 0


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_purge_that_is_asked_to_stop_ends_between_batches_and_the_next_goes_on(stack: Stack) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http:
        for number in range(3):
            condemned(http, f"{number}.txt")
    answers = iter([False, False])
    done = purge(services, stopping=lambda: next(answers, True))
    assert (done.begun, done.erased, done.waiting) == (2, 0, 2)
    assert disagreements(stack) == []
    assert purge(services).erased == 3


@pytest.mark.parametrize("stack", [SQLITE, STANDIN], indirect=True)
def test_an_object_that_was_missing_already_is_told_from_one_that_was_erased(stack: Stack) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http:
        version = condemned(http)
        [key] = keys(stack, version)
        stack.own.objects.delete(key)
        assert purge(services).erased == 1
        [one] = evidence.of_version(services, version["asset_path"], version["version_id"])
        [erase] = http.get("/audit", params={"operation": "erase"}).json()["items"]
    assert one["found"] is False
    assert erase["details"]["missing"] == 1


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_verify_finds_what_is_said_to_be_erased_and_is_not(stack: Stack) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http:
        version = condemned(http)
        [key] = keys(stack, version)
        assert purge(services).erased == 1
        writer = services.objects.writer(key, "text/plain")
        writer.feed(b"back again")
        writer.finish()
    assert [(found.problem, found.subject) for found in disagreements(stack)] == [("not-erased", key)]


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_deleted_workspaces_versions_are_purged_too(stack: Stack) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http:
        version = upload(http)
        assert http.request("DELETE", "/workspace", json={"confirm": ada.branch}).is_success
        assert purge(services).erased == 1
    assert row(stack, version).phase == "erased"
    assert used(stack, ada.workspace_id) == (0, 0)


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_the_same_upload_after_its_erasure_is_a_new_version(stack: Stack) -> None:
    ada, services = stack.user("ada"), stack.services(**NOW)
    with stack.client(ada, services) as http:
        version = condemned(http)
        assert purge(services).erased == 1
        again = upload(http)
        assert again["version_id"] != version["version_id"]
        assert http.get(f"/content/{again['asset_path']}").content == b"first"
    assert disagreements(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_without_a_backup_horizon_the_evidence_names_none(stack: Stack) -> None:
    services = stack.services(**NOW)
    with stack.client(stack.user("ada"), services) as http:
        version = condemned(http)
        purge(services)
        [erase] = http.get("/audit", params={"operation": "erase"}).json()["items"]
    assert erase["details"]["backups_until"] is None
    [one] = evidence.of_version(services, version["asset_path"], version["version_id"])
    assert one["backups_until"] is None
    assert one["compacted_at"] <= (isoformat(system() + timedelta(seconds=1)) or "")
    with stack.database.read() as connection:
        assert connection.scalars(select(t.erasures.c.attempts)).all() == [0]


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_a_bucket_that_keeps_what_is_deleted_is_not_ready_and_the_probe_is_told_why(stack: Stack) -> None:
    assert stack.bucket is not None
    bucket = stack.bucket.bucket()
    with stack.client(services=stack.services(s3_bucket=bucket)) as http:
        assert http.get("/readyz").status_code == 200
    stack.bucket.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    with stack.client(services=stack.services(s3_bucket=bucket)) as http:
        reply = http.get("/readyz")
    assert reply.status_code == 503
    assert "versioning" in reply.json()["reasons"]["objects"]


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_the_purge_deletes_with_its_own_identity_where_it_has_one(stack: Stack) -> None:
    assert stack.bucket is not None
    services = stack.services(**NOW)
    with stack.client(stack.user("ada"), services) as http:
        version = condemned(http)
    done = purge(stack.services(**NOW, purge_s3_access_key="unknown", purge_s3_secret_key="to the store"))
    assert (done.failures, done.objects) == (1, 0)
    assert stack.own.objects.size(keys(stack, version)[0]) == 5
    with stack.database.engine.begin() as connection:
        connection.execute(update(t.erasures).values(retry_at=None))
    own = {**NOW, "purge_s3_access_key": stack.bucket.access_key, "purge_s3_secret_key": stack.bucket.secret_key}
    assert purge(stack.services(**own)).erased == 1
