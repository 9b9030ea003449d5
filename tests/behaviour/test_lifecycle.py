"""Archive, restore, destroy, TTLs and labels over HTTP."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.asgi import Http
from tests.behaviour.moments import bearer, moving, path, upload
from tests.stacks import SQL, SQLITE, WITH_MYSQL, Stack


def state(http: Http, step: str, version: dict[str, Any]) -> dict[str, Any]:
    reply = http.post(f"/{step}/{path(version)}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@WITH_MYSQL
def test_a_version_goes_from_active_to_condemned_and_back(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        version = upload(http, archive_ttl="30", destroy_ttl="10")
        archived = state(http, "filearchive", version)
        assert archived["status"] == "archived"
        assert moment(archived["destroy_date"]) - moment(archived["archive_date"]) == timedelta(days=10)
        condemned = state(http, "delfile", version)
        assert (condemned["status"], condemned["phase"], condemned["expires"]) == ("destroyed", "condemned", None)
        assert moment(condemned["purge_after"]) - moment(condemned["destroy_date"]) == timedelta(days=7)
        assert http.get(f"/filedownload/{path(version)}").status_code == 410
        back = state(http, "filerestore", version)
        assert (back["status"], back["phase"], back["purge_after"]) == ("archived", None, None)
        assert moment(back["archive_date"]) > moment(archived["archive_date"])
        again = state(http, "filerestore", version)
        assert again["status"] == "active"
        assert moment(again["archive_date"]) > moment(version["archive_date"])
        assert moment(again["destroy_date"]) - moment(again["archive_date"]) == timedelta(days=10)
        assert http.get(f"/filedownload/{path(version)}").status_code == 200
        trail = http.get("/audit").json()["items"]
    assert [row["operation"] for row in trail if row["version_id"] == version["version_id"]][:4] == [
        "restore",
        "restore",
        "destroy",
        "archive",
    ]
    assert trail[3]["details"]["archive_date"] == archived["archive_date"]


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        ([], "delfile"),
        ([], "filerestore"),
        (["filearchive"], "filearchive"),
        (["filearchive", "delfile"], "filearchive"),
        (["filearchive", "delfile"], "delfile"),
    ],
)
def test_a_step_that_the_state_does_not_allow_is_refused_and_put_on_the_trail(stack: Stack, steps: list[str], refused: str) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http)
        for step in steps:
            state(http, step, version)
        reply = http.post(f"/{refused}/{path(version)}")
        assert reply.status_code == 409
        latest = http.get("/audit", params={"limit": 1}).json()["items"][0]
    assert (latest["success"], latest["details"]["status"], latest["version_id"]) == (False, 409, version["version_id"])


def test_each_step_needs_its_permission_and_a_refusal_is_on_the_trail(stack: Stack) -> None:
    ada = stack.user("ada")
    archivist = stack.user("archivist", "archive", of=ada)
    destroyer = stack.user("destroyer", "destroy", of=ada)
    with stack.client(ada) as http:
        version = upload(http)
        sweeps = [
            (destroyer, "filearchive", 403),
            (archivist, "filearchive", 200),
            (archivist, "delfile", 403),
            (destroyer, "delfile", 200),
            (archivist, "filerestore", 403),
            (destroyer, "filerestore", 200),
            (destroyer, "filerestore", 403),
            (archivist, "filerestore", 200),
        ]
        for user, step, status in sweeps:
            assert http.post(f"/{step}/{path(version)}", headers=bearer(user.token)).status_code == status, (step, status)
        refusals = http.get("/audit", params={"success": "false"}).json()["items"]
    assert [(row["username"], row["details"]["status"]) for row in reversed(refusals)] == [
        (user.account.username, 403) for user, _, status in sweeps if status == 403
    ]


def test_another_tenants_version_is_not_there(stack: Stack) -> None:
    ada, eve = stack.user("ada"), stack.user("eve")
    with stack.client(ada) as http:
        version = upload(http)
        for method, route in [
            ("POST", "filearchive"),
            ("POST", "filerestore"),
            ("POST", "delfile"),
            ("GET", "filedownload"),
        ]:
            assert http.request(method, f"/{route}/{path(version)}", headers=bearer(eve.token)).status_code == 404
        assert http.put(f"/ttl/{path(version)}", json={"archive_ttl": 1}, headers=bearer(eve.token)).status_code == 404
        assert http.put(f"/labels/{path(version)}", json={}, headers=bearer(eve.token)).status_code == 404
        assert http.get(f"/content/{version['asset_path']}", headers=bearer(eve.token)).status_code == 404
        assert http.get(f"/fileversions/{version['asset_path']}/test.txt", headers=bearer(eve.token)).status_code == 404
        assert http.get("/assets", headers=bearer(eve.token)).json()["items"] == []


@WITH_MYSQL
def test_new_ttls_move_the_dates_and_null_removes_them(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http)
        assert version["archive_date"] is None
        found = http.put(f"/ttl/{path(version)}", json={"archive_ttl": 3, "destroy_ttl": 4}).json()
        uploaded = moment(version["upload_date"])
        assert moment(found["archive_date"]) == uploaded + timedelta(days=3)
        assert moment(found["destroy_date"]) == uploaded + timedelta(days=7)
        assert found["expires"] == {"at": found["destroy_date"], "by": "ttl"}
        found = http.put(f"/ttl/{path(version)}", json={"destroy_ttl": None}).json()
        assert moment(found["archive_date"]) == uploaded + timedelta(days=3)
        assert (found["destroy_date"], found["expires"]) == (None, None)


@pytest.mark.parametrize(
    "body", [{"archive_ttl": -1}, {"destroy_ttl": 36501}, {"archive_ttl": "3"}, {"other": 1}, [], {"archive_ttl": True}]
)
@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_ttls_that_cannot_be_are_refused(stack: Stack, body: object) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http)
        assert http.put(f"/ttl/{path(version)}", json=body).status_code == 422


@WITH_MYSQL
def test_labels_are_replaced_as_a_whole(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        version = upload(http, labels=json.dumps({"project": "apollo", "year": "1969"}))
        assert version["labels"] == {"project": "apollo", "year": "1969"}
        found = http.put(f"/labels/{path(version)}", json={"team": "Zoë 🚀"}).json()
        assert found["labels"] == {"team": "Zoë 🚀"}
        assert http.get(f"/filedownload/{path(version)}").json()["metadata"]["labels"] == {"team": "Zoë 🚀"}
        assert http.put(f"/labels/{path(version)}", json={"a b": "x"}).status_code == 422
        assert http.put(f"/labels/{path(version)}", json=["x"]).status_code == 422


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_version_whose_destroy_date_has_passed_is_gone_but_still_listed_and_can_be_rescued(stack: Stack) -> None:
    ada = stack.user("ada")
    with moving(stack, ada) as (http, clock):
        version = upload(http, archive_ttl="1", destroy_ttl="1")
        assert http.get(f"/filedownload/{path(version)}").status_code == 200
        clock.move(days=2, seconds=5)
        for route in (f"/filedownload/{path(version)}", f"/content/{version['asset_path']}"):
            assert http.get(route).status_code == 410
        assert http.post(f"/filearchive/{path(version)}").status_code == 410
        [listed] = http.get("/assets").json()["items"]
        assert listed["version_id"] == version["version_id"]
        assert http.put(f"/ttl/{path(version)}", json={"destroy_ttl": None}).status_code == 200
        assert http.get(f"/filedownload/{path(version)}").status_code == 200


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_fault_000_02_dates_are_judged_by_the_present_and_not_by_when_the_process_started(stack: Stack) -> None:
    with moving(stack, stack.user("ada")) as (http, clock):
        version = upload(http, archive_ttl="0", destroy_ttl="1")
        assert http.get(f"/filedownload/{path(version)}").status_code == 200
        clock.move(hours=23)
        assert http.get(f"/filedownload/{path(version)}").status_code == 200
        clock.move(hours=2)
        assert http.get(f"/filedownload/{path(version)}").status_code == 410


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_fault_000_03_dates_take_effect_in_every_workspace(stack: Stack) -> None:
    tenants = [stack.user(name) for name in ("ada", "grace", "zoe")]
    for tenant in tenants:
        with moving(stack, tenant) as (http, clock):
            version = upload(http, archive_ttl="0", destroy_ttl="2")
            clock.move(days=3)
            assert http.get(f"/filedownload/{path(version)}").status_code == 410


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_fault_000_07_steps_taken_at_once_come_one_after_the_other_and_all_end(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        version = upload(http)
        replies: list[tuple[str, int]] = []

        def take(step: str) -> None:
            replies.append((step, http.post(f"/{step}/{path(version)}").status_code))

        threads = [threading.Thread(target=take, args=(step,)) for step in ["filearchive", "delfile", "filerestore"] * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        found = http.get("/assets", params={"status": ["active", "archived", "destroyed"]}).json()["items"]
        trail = http.get("/audit", params={"success": "true"}).json()["items"]
    assert len(replies) == 12
    assert {status for _, status in replies} <= {200, 409}
    # What happened is one walk along the states, and it ends where the version is.
    at = "active"
    after = {("active", "archive"): "archived", ("archived", "destroy"): "destroyed"}
    back = {("archived", "restore"): "active", ("destroyed", "restore"): "archived"}
    for row in reversed([row for row in trail if row["operation"] != "upload"]):
        at = (after | back)[at, row["operation"]]
    assert [item["status"] for item in found] == [at]
    assert Counter(status for _, status in replies)[200] == len([row for row in trail if row["operation"] != "upload"])


@WITH_MYSQL
def test_the_newest_of_each_status_is_what_the_list_shows_after_every_step(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        versions = [upload(http, content=f"take {n}".encode()) for n in range(3)]

        def listed(status: str) -> list[str]:
            return [item["version_id"] for item in http.get("/assets", params={"status": status}).json()["items"]]

        ids = [version["version_id"] for version in versions]
        assert listed("active") == [ids[2]]
        state(http, "filearchive", versions[2])
        assert (listed("active"), listed("archived")) == ([ids[1]], [ids[2]])
        state(http, "filearchive", versions[0])
        assert (listed("active"), listed("archived")) == ([ids[1]], [ids[2]])
        state(http, "delfile", versions[2])
        assert (listed("archived"), listed("destroyed")) == ([ids[0]], [ids[2]])
        state(http, "filerestore", versions[2])
        state(http, "filerestore", versions[2])
        assert (listed("active"), listed("archived"), listed("destroyed")) == ([ids[2]], [ids[0]], [])
        assert upload(http, content=b"take 3")["status"] == "active"
        assert http.get(f"/content/{versions[0]['asset_path']}").content == b"take 3"
