"""001's appointments: groups of files, listed per user, and deleted with their files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from holdfast.uploads import groups
from tests.asgi import Http
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads.test_chunks import begin, complete, send, upload

BOTH = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
EMBEDDED = pytest.mark.parametrize("stack", [SQLITE], indirect=True)


@pytest.fixture
def http(stack: Stack) -> Iterator[Http]:
    with stack.client(stack.user("ada")) as http:
        yield http


def listed(http: Http, **query: Any) -> list[tuple[str, int, int]]:
    found, cursor = [], None
    while True:
        page = http.get("/api/v1/file/appointments", params={**query, "limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [(one["appointment_id"], one["files"], one["size"]) for one in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            return found


@BOTH
def test_groups_are_listed_per_user_and_deleted_with_their_files(http: Http) -> None:
    for name, group, user in (("a", "1", "7"), ("b", "1", "8"), ("c", "2", "7"), ("d", "3", "8"), ("e", None, "8")):
        upload(http, b"content", f"{name}.bin", user_id=user, **({"appointment_id": group} if group else {}))
    assert listed(http) == [("3", 1, 7), ("2", 1, 7), ("1", 2, 14)]
    assert listed(http, user_id="7") == [("2", 1, 7), ("1", 1, 7)]
    assert listed(http, user_id="nobody") == []
    gone = http.request("DELETE", "/api/v1/file/appointment/1")
    assert gone.json()["data"] == {"deleted": 2, "left": []}
    named = {one["primary_filename"] for one in http.get("/assets").json()["items"]}
    assert named == {"c.bin", "d.bin", "e.bin"}
    assert http.request("DELETE", "/api/v1/file/appointment/1").json()["data"] == {"deleted": 0, "left": []}
    assert listed(http) == [("3", 1, 7), ("2", 1, 7)]
    assert http.request("DELETE", "/api/v1/file/appointment/nobody").json()["data"] == {"deleted": 0, "left": []}


@BOTH
def test_the_files_of_a_user_are_listed_and_deleted_in_groups_or_not(stack: Stack, http: Http) -> None:
    for name, group, user in (("a", "1", "7"), ("b", "1", "8"), ("c", None, "7"), ("d", "3", "7"), ("e", None, None)):
        said = {key: value for key, value in (("appointment_id", group), ("user_id", user)) if value}
        upload(http, b"content", f"{name}.bin", **said)
    begin(http)  # nobody's yet

    def names(**query: str) -> list[str]:
        return [one["filename"] for one in http.get("/api/v1/file/all", params=query).json()["data"]]

    assert names(user_id="7") == ["d.bin", "c.bin", "a.bin"]
    for query in ("", "?user_id=", "?cursor=x", f"?user_id={'7' * 65}"):
        assert http.request("DELETE", f"/api/v1/file/all{query}").status_code == 422, query
    with stack.client(stack.user("eve")) as stranger:
        assert stranger.request("DELETE", "/api/v1/file/all?user_id=7").json()["data"] == {"deleted": 0, "left": []}
    assert names() == ["e.bin", "d.bin", "c.bin", "b.bin", "a.bin"]
    assert http.request("DELETE", "/api/v1/file/all?user_id=7").json()["data"] == {"deleted": 3, "left": []}
    assert (names(user_id="7"), names()) == ([], ["e.bin", "b.bin"])
    assert listed(http) == [("1", 1, 7)]


@EMBEDDED
def test_the_files_of_a_user_are_deleted_some_at_a_time_and_what_stays_is_told(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "BATCH", 2)
    private = upload(http, b"private", "private.bin", user_id="7", credential=json.dumps({"key": "secret"}))
    held = upload(http, b"held", "held.bin", user_id="7")
    version = {"asset_path": held["asset_path"], "version_id": held["version_id"]}
    assert http.post("/holds", json={"matter": "m", "reason": "r", "versions": [version]}).status_code == 201
    upload(http, b"free", "free.bin", user_id="7")
    page = http.request("DELETE", "/api/v1/file/all", params={"user_id": "7"}).json()
    assert page["data"]["deleted"] == 0
    assert {(one["id"], one["problem"]) for one in page["data"]["left"]} == {(private["id"], "credential"), (held["id"], "held")}
    others = http.request("DELETE", "/api/v1/file/all", params={"user_id": "8", "cursor": page["next_cursor"]})
    assert others.status_code == 422
    rest = http.request("DELETE", "/api/v1/file/all", params={"user_id": "7", "cursor": page["next_cursor"]}).json()
    assert (rest["data"], rest["next_cursor"]) == ({"deleted": 1, "left": []}, None)
    opened = http.request("DELETE", "/api/v1/file/all", params={"user_id": "7", "key": "secret"}).json()["data"]
    assert (opened["deleted"], [one["id"] for one in opened["left"]]) == (1, [held["id"]])


@EMBEDDED
def test_of_a_group_what_cannot_be_deleted_stays_and_is_told(http: Http) -> None:
    private = upload(http, b"private", "private.bin", appointment_id="1", credential=json.dumps({"key": "secret"}))
    held = upload(http, b"held", "held.bin", appointment_id="1")
    upload(http, b"free", "free.bin", appointment_id="1")
    version = {"asset_path": held["asset_path"], "version_id": held["version_id"]}
    assert http.post("/holds", json={"matter": "m", "reason": "r", "versions": [version]}).status_code == 201
    told = http.request("DELETE", "/api/v1/file/appointment/1").json()["data"]
    assert told["deleted"] == 1
    assert [(one["id"], one["problem"]) for one in told["left"]] == [(private["id"], "credential"), (held["id"], "held")]
    told = http.request("DELETE", "/api/v1/file/appointment/1", headers={"X-File-Credential": json.dumps({"key": "secret"})})
    assert (told.json()["data"]["deleted"], [one["id"] for one in told.json()["data"]["left"]]) == (1, [held["id"]])


@BOTH
def test_what_is_deleted_leaves_the_lists_and_what_is_restored_is_there_again(http: Http) -> None:
    def there() -> list[list[str]]:
        return [[one["id"] for one in http.get(f"/api/v1/file/{which}").json()["data"]] for which in ("all", "appointment/1")]

    kept = upload(http, b"kept", "kept.bin")["id"]
    made, same = (upload(http, b"content", "a.bin", appointment_id="1") for _ in range(2))
    assert made["version_id"] == same["version_id"]
    assert there() == [[same["id"], made["id"], kept], [same["id"], made["id"]]]
    assert http.request("DELETE", f"/api/v1/file/{same['id']}").status_code == 200
    assert (there(), listed(http)) == ([[kept], []], [])
    assert http.request("DELETE", "/api/v1/file/appointment/1").json()["data"] == {"deleted": 0, "left": []}
    assert http.post(f"/filerestore/{made['asset_path']}/{made['version_id']}").status_code == 200
    assert (there(), listed(http)) == ([[same["id"], made["id"], kept], [same["id"], made["id"]]], [("1", 2, 14)])
    assert http.request("DELETE", "/api/v1/file/appointment/1").json()["data"] == {"deleted": 2, "left": []}
    assert (there(), listed(http)) == ([[kept], []], [])


@BOTH
def test_an_upload_that_failed_is_forgotten_when_it_is_deleted(http: Http) -> None:
    upload_id, _ = begin(http)
    assert send(http, upload_id, 0, b"content").status_code == 200
    said = {"sha256": "0" * 64, "appointment_id": "1"}
    assert complete(http, upload_id, 1, 7, **said).status_code == 422
    assert [(one["id"], one["status"]) for one in http.get("/api/v1/file/all").json()["data"]] == [(upload_id, "FAILURE")]
    assert http.request("DELETE", "/api/v1/file/appointment/1").json()["data"] == {"deleted": 1, "left": []}
    assert (http.get("/api/v1/file/all").json()["data"], listed(http)) == ([], [])
    assert http.get(f"/api/v1/file/get/{upload_id}").status_code == 404
    assert http.request("DELETE", f"/api/v1/file/{upload_id}").status_code == 404
    assert complete(http, upload_id, 1, 7, **said).status_code == 422


@EMBEDDED
def test_a_group_that_no_path_can_name_is_refused(http: Http) -> None:
    upload_id, _ = begin(http)
    assert send(http, upload_id, 0, b"content").status_code == 200
    for name in (".", "..", "a/b", "/", "a\\b", "a\n", "x" * 65):
        assert complete(http, upload_id, 1, 7, appointment_id=name).status_code == 422
    names = ["4711", "a b", "%2F", "a;b?c#d&e", "...", "\u00e4\U0001f600", "x" * 64]
    for name in names:
        upload(http, name.encode(), appointment_id=name)
        assert len(http.get(f"/api/v1/file/appointment/{quote(name)}").json()["data"]) == 1
    assert [name for name, _, _ in listed(http)] == names[::-1]


@EMBEDDED
def test_a_large_group_is_deleted_some_at_a_time(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "BATCH", 2)
    made = [upload(http, bytes([n]), f"{n}.bin", appointment_id="1") for n in range(5)]
    held = {"asset_path": made[0]["asset_path"], "version_id": made[0]["version_id"]}
    assert http.post("/holds", json={"matter": "m", "reason": "r", "versions": [held]}).status_code == 201
    told, cursor = [], None
    while True:
        reply = http.request("DELETE", "/api/v1/file/appointment/1", params={"cursor": cursor} if cursor else {}).json()
        told.append((reply["data"]["deleted"], len(reply["data"]["left"])))
        if (cursor := reply["next_cursor"]) is None:
            break
    assert told == [(1, 1), (2, 0), (1, 0)]
