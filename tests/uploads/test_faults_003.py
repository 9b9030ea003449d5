"""The faults of references 003 and 001, by their numbers: none of them is here. Those of scanning are tested with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from holdfast.background import settle
from holdfast.clock import system
from holdfast.database import tables as t
from holdfast.services import Services
from holdfast.storage.objects import StoreUnavailable
from holdfast.uploads import chunks
from tests.asgi import Http
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads.test_chunks import begin, complete, content_of, data, left_over, send, upload
from tests.waiting import until

BOTH = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
EMBEDDED = pytest.mark.parametrize("stack", [SQLITE], indirect=True)


@pytest.fixture
def services(stack: Stack) -> Services:
    return stack.services()


@pytest.fixture
def http(stack: Stack, services: Services) -> Iterator[Http]:
    with stack.client(stack.user("ada"), services) as http:
        yield http


def status_of(http: Http, file_id: str) -> str:
    found: str = http.get(f"/api/v1/file/status/{file_id}").json()["data"]["status"]
    return found


@EMBEDDED
@pytest.mark.parametrize("upload_id", ["../../etc/x", "/etc/passwd", "..", "a" * 32, "A" * 32, "", "x" * 5000, "\0", "%2e%2e"])
def test_fault_003_01_an_upload_id_is_no_path(stack: Stack, http: Http, upload_id: str) -> None:
    replies = [send(http, upload_id, 0, b"x"), complete(http, upload_id, 1, 1)]
    assert {reply.status_code for reply in replies} <= {404, 422}
    assert all(reply.json()["success"] is False for reply in replies)
    assert left_over(stack) == []


@EMBEDDED
def test_fault_003_02_a_store_that_fails_is_no_success_and_the_upload_can_be_tried_again(
    stack: Stack, services: Services, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")

    def away(*_: Any) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(services.objects, "writer", away)
        reply = complete(http, upload_id, 1, 7, filename="a.txt")
        assert reply.json()["data"]["status"] == status_of(http, upload_id) == "STARTED"
        assert reply.json()["data"]["download_url"] is None
    reply = http.post("/api/v1/file/upload/retry", data={"file_id": upload_id})
    assert (reply.status_code, reply.json()["data"]["status"]) == (200, "SUCCESS")
    assert content_of(http, reply.json()["data"]) == b"content"
    again = http.post("/api/v1/file/upload/retry", data={"file_id": upload_id})
    assert (again.status_code, again.json()["success"]) == (400, False)


@BOTH
def test_fault_003_03_what_the_client_says_of_the_bytes_is_held_against_them(stack: Stack, http: Http) -> None:
    upload_id, size = begin(http)
    content = data(size + 10)
    assert send(http, upload_id, 0, content[:size], chunk_sha256="0" * 64).status_code == 422
    assert send(http, upload_id, 0, content[:size]).status_code == 200
    missing = complete(http, upload_id, 2, len(content))
    assert (missing.status_code, missing.json()["missing"]) == (409, [1])
    assert send(http, upload_id, 1, content[size:]).status_code == 200
    assert complete(http, upload_id, 2, len(content) + 1).status_code == 422
    assert complete(http, upload_id, 1, size).status_code == 422
    assert complete(http, upload_id, 2, len(content), filename="../x").status_code == 422
    for _ in range(2):
        reply = complete(http, upload_id, 2, len(content), filename="x.bin", sha256="0" * 64)
        assert (reply.status_code, reply.json()["type"].rpartition("/")[2]) == (422, "sha256-mismatch")
    told = http.get(f"/api/v1/file/status/{upload_id}").json()["data"]
    assert (told["status"], told["problem"]) == ("FAILURE", "sha256-mismatch")
    assert http.get("/assets").json()["items"] == []
    assert left_over(stack) == []


@BOTH
def test_fault_003_04_a_chunk_that_is_too_long_leaves_the_good_one(stack: Stack, http: Http) -> None:
    upload_id, size = begin(http)
    content = data(size)
    assert send(http, upload_id, 0, content).status_code == 200
    assert send(http, upload_id, 0, data(size + 1, 2)).status_code == 413
    assert send(http, upload_id, 0, b"short", chunk_size="9").status_code == 422
    assert send(http, upload_id, 0, b"").status_code == 422
    found = complete(http, upload_id, 1, size, filename="x.bin").json()["data"]
    assert content_of(http, found) == content


@BOTH
def test_fault_003_05_complete_twice_is_one_version_and_a_chunk_afterwards_changes_nothing(stack: Stack, http: Http) -> None:
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")
    first, second = (complete(http, upload_id, 1, 7, filename="a.txt").json()["data"] for _ in range(2))
    assert first["version_id"] == second["version_id"]
    assert send(http, upload_id, 0, b"another").status_code == 409
    assert content_of(http, first) == b"content"
    with stack.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(t.versions)) == 1


@EMBEDDED
def test_fault_003_09_a_credential_is_kept_as_a_hash_and_told_nobody(
    stack: Stack, http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "a-secret-word"
    caplog.set_level("INFO", "holdfast")
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")
    whole = complete(http, upload_id, 1, 7, filename="a.txt", credential=json.dumps({"key": secret}))
    assert whole.json()["data"]["credential"] is True
    at = f"/api/v1/file/get/{upload_id}"
    assert http.get(at).status_code == http.get(at, params={"key": "wrong"}).status_code == 403
    by_query = http.get(at, params={"key": secret})
    by_header = http.get(at, headers={"X-File-Credential": json.dumps({"key": secret})})
    assert (by_query.status_code, by_header.status_code) == (200, 200)
    assert by_header.json()["data"]["download_url"]
    listed = http.get("/api/v1/file/all").json()["data"]
    assert [(one["id"], one["download_url"]) for one in listed] == [(upload_id, None)]
    logged = [f"{line.getMessage()} {vars(line)}" for line in caplog.records if line.name.startswith("holdfast")]
    assert len(logged) > 5
    said = [whole.text, by_query.text, by_header.text, json.dumps(listed), *logged]
    assert not [text for text in said if secret in text]
    assert http.request("DELETE", f"/api/v1/file/{upload_id}").status_code == 403
    with stack.database.read() as connection:
        rows = [repr(tuple(row)) for table in t.metadata.sorted_tables for row in connection.execute(select(table))]
    assert not [row for row in rows if secret in row]


@BOTH
def test_fault_003_11_an_upload_whose_process_died_is_finished_by_the_next(stack: Stack, http: Http) -> None:
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")
    claims = stack.own.tokens.verify(http.headers["Authorization"].removeprefix("Bearer "))
    chunks.complete(stack.own, claims, upload_id, count=1, size=7, values={"filename": "a.txt", "details": {}, "kept": True})
    assert status_of(http, upload_id) == "STARTED"
    assert left_over(stack) == []  # all jobs have run
    until(lambda: status_of(http, upload_id) == "SUCCESS")  # the committer was woken by the last of them


@EMBEDDED
def test_fault_003_13_long_types_and_large_sizes_are_taken(http: Http) -> None:
    docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    upload_id, _ = begin(http)
    assert complete(http, upload_id, 1, 3 * 2**31).status_code == 409
    send(http, upload_id, 0, b"content")
    found = complete(http, upload_id, 1, 7, filename="a.docx", content_type=docx).json()["data"]
    assert found["content_type"] == docx
    other, _ = begin(http)
    assert send(http, other, 10**18, b"x").status_code == 422
    assert (
        http.post("/api/v1/file/upload/chunk/", data={"upload_id": other, "chunk_index": "-1"}, files={"file": b"x"}).status_code
        == 422
    )


@BOTH
def test_fault_003_14_what_nobody_finishes_goes_by_itself(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        upload_id, size = begin(http)
        for index in range(8):
            send(http, upload_id, index, data(size))
    assert left_over(stack) != []
    later = stack.services(lambda: system() + timedelta(days=2))
    settle(later)
    assert left_over(stack) == []
    with stack.client(ada) as http:
        assert send(http, upload_id, 8, b"x").status_code == 410


@EMBEDDED
def test_fault_003_15_a_deleted_file_is_condemned_and_can_be_restored(http: Http) -> None:
    found = upload(http, b"content", "a.txt")
    assert http.request("DELETE", f"/api/v1/file/{found['id']}").status_code == 200
    assert http.get(f"/api/v1/file/get/{found['id']}").json()["data"]["download_url"] is None
    assert http.get(found["download_url"].removeprefix("http://holdfast.test")).status_code == 410
    assert http.post(f"/filerestore/{found['asset_path']}/{found['version_id']}").status_code == 200
    assert content_of(http, found) == b"content"


@EMBEDDED
@pytest.mark.parametrize("field", ["credential", "detail", "labels"])
@pytest.mark.parametrize("text", ["{", "[]", "1", '"x"', "nul", "{" * 5000])
def test_fault_003_16_bad_json_is_refused(stack: Stack, http: Http, field: str, text: str) -> None:
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")
    reply = complete(http, upload_id, 1, 7, **{field: text})
    assert (reply.status_code, reply.json()["success"]) == (422, False)
    assert http.get("/assets").json()["items"] == []


@EMBEDDED
def test_fault_003_17_lists_come_in_pages_and_groups(http: Http) -> None:
    made = [upload(http, bytes([n]), f"{n}.bin", appointment_id=str(n % 2), user_id="7")["id"] for n in range(5)]
    found, cursor = [], None
    while True:
        page = http.get("/api/v1/file/all", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        found += [one["id"] for one in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == made[::-1]
    assert [one["id"] for one in http.get("/api/v1/file/appointment/1").json()["data"]] == [made[3], made[1]]
    assert len(http.get("/api/v1/file/all", params={"user_id": "7"}).json()["data"]) == 5


@EMBEDDED
def test_a_public_link_lasts_and_leads_to_one_of_minutes(http: Http) -> None:
    found = upload(http, b"content", "a.txt")
    path = found["download_url"].removeprefix("http://holdfast.test")
    reply = http.get(path, headers={"Authorization": ""})
    assert reply.status_code == 307
    assert http.get(reply.headers["location"].removeprefix("http://holdfast.test")).content == b"content"
    assert http.get(path[:-1] + ("0" if path[-1] != "0" else "1")).status_code == 403


@EMBEDDED
def test_there_is_a_limit_to_unfinished_uploads(stack: Stack) -> None:
    with stack.client(stack.user("ada"), stack.services(upload_sessions=3)) as http:
        assert [http.post("/api/v1/file/upload/init/").status_code for _ in range(4)] == [200, 200, 200, 429]


@EMBEDDED
def test_another_user_finds_no_upload_of_mine(stack: Stack, http: Http) -> None:
    upload_id, _ = begin(http)
    with stack.client(stack.user("eve")) as other:
        assert send(other, upload_id, 0, b"x").status_code == 404
        assert complete(other, upload_id, 1, 1).status_code == 404
        assert other.get(f"/api/v1/file/get/{upload_id}").status_code == 404


@EMBEDDED
def test_both_spellings_of_a_path_work_without_a_redirect(http: Http) -> None:
    assert http.post("/api/v1/file/upload/init").status_code == 200
    assert http.get("/api/v1/file/all/").status_code == 200
