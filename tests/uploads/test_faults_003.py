"""The faults of references 003 and 001, by their numbers: none of them is here. That of the images is tested with the chart."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, event, func, select, update

from holdfast.assets import quarantine
from holdfast.background import settle
from holdfast.clock import system
from holdfast.database import tables as t
from holdfast.database.types import db_later
from holdfast.services import Services
from holdfast.storage.objects import AssemblyMissing, ObjectExists, ObjectMissing, StoreUnavailable
from holdfast.uploads import chunks, completing, finishing, records
from tests.asgi import Http
from tests.behaviour.moments import bearer
from tests.behaviour.test_quarantine import listed, scanned
from tests.contract.test_scanning import answering
from tests.security.tenants import in_chunks
from tests.servers.clamd import MALWARE, Clamd
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads.test_chunks import begin, complete, content_of, data, left_over, send, upload
from tests.waiting import until

BOTH = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
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
def test_fault_003_06_what_is_more_than_is_scanned_is_not_clean(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with scanned(stack, ada, clamd, scan_max_bytes=10) as http:
        assert in_chunks(http, bearer(ada.token), b"x" * 10).status_code == 200
        refused = in_chunks(http, bearer(ada.token), b"x" * 11)
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, "not-scannable")
        assert [one["size"] for one in http.get("/assets").json()["items"]] == [10]


@EMBEDDED
def test_fault_003_06_what_the_scanner_stumbles_over_is_not_clean(stack: Stack) -> None:
    """Its word for that is no verdict: what it was asked about is kept, and nobody reads it."""

    def stumble(connection: socket.socket) -> None:
        while b"\0\0\0\0" not in connection.recv(1 << 16):
            pass
        connection.sendall(b"stream: Can't allocate memory ERROR\0")

    ada = stack.user("ada")
    with answering(stumble) as address, stack.client(ada, stack.services(scan="clamd", clamd=address)) as http:
        refused = in_chunks(http, bearer(ada.token), b"content")
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, "not-scannable")
        assert http.get("/assets").json()["items"] == []
    assert [(one["result"], one["state"]) for one in listed(stack)] == [("error", "kept")]


@EMBEDDED
def test_fault_003_07_a_second_infected_file_is_refused_and_quarantined_as_the_first(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with scanned(stack, ada, clamd) as http:
        for content in (MALWARE, b"again" + MALWARE):
            refused = in_chunks(http, bearer(ada.token), content)
            assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, "infected")
        assert http.get("/assets").json()["items"] == []
        assert [one for one in http.get("/api/v1/file/all").json()["data"] if one["download_url"]] == []
    assert [(one["result"], one["state"]) for one in listed(stack)] == [("infected", "kept")] * 2


@EMBEDDED
def test_malware_is_in_no_list_of_files_until_it_is_released_and_says_by_its_id_what_it_is(stack: Stack) -> None:
    def find(connection: socket.socket) -> None:
        while not connection.recv(1 << 16).endswith(b"\0\0\0\0"):
            pass
        connection.sendall(b"stream: Some.Malware FOUND\0")

    ada = stack.user("ada")
    with answering(find) as address, stack.client(ada, stack.services(scan="clamd", clamd=address)) as http:
        upload_id, _ = begin(http)
        assert send(http, upload_id, 0, b"content").status_code == 200
        assert complete(http, upload_id, 1, 7, filename="a.txt", appointment_id="4711").status_code == 422

        def lists() -> list[list[dict[str, Any]]]:
            return [http.get(f"/api/v1/file/{name}").json()["data"] for name in ("all", "appointment/4711", "appointments")]

        assert lists() == [[], [], []]
        told = http.get(f"/api/v1/file/status/{upload_id}").json()["data"]
        assert (told["status"], told["problem"]) == ("FAILURE", "infected")
        assert http.get(f"/api/v1/file/get/{upload_id}").json()["data"]["status"] == "FAILURE"
        quarantine.release(stack.own, None, upload_id)
        settle(stack.own)
        until(lambda: http.get(f"/api/v1/file/status/{upload_id}").json()["data"]["status"] == "SUCCESS")
        assert [len(some) for some in lists()] == [1, 1, 1]


def file_routes(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every one but the lasting link, which is for everybody who has it."""
    for path, operations in stack.app().openapi()["paths"].items():
        if path.startswith("/api/v1/file") and "/link/" not in path:
            yield from ((method.upper(), path) for method in operations)


@EMBEDDED
def test_fault_003_08_nobody_reads_or_changes_a_file_without_a_token_or_that_of_its_workspace(stack: Stack, http: Http) -> None:
    mine = upload(http, b"content", "a.txt", appointment_id="1", user_id="7")
    open_one, _ = begin(http)
    with stack.database.read() as connection:
        before = connection.execute(select(t.upload_sessions).order_by(t.upload_sessions.c.id)).all()
    told = {}
    sent: dict[str, dict[str, Any]] = {
        "chunk": {"data": {"upload_id": open_one, "chunk_index": "0"}, "files": {"file": ("blob", b"x")}},
        "complete": {"data": {"upload_id": open_one, "total_chunks": "1", "total_size": "1"}},
        "parts": {"json": {"upload_id": open_one, "part_size": 5 << 20, "parts": [{"number": 1, "size": 1, "sha256": "0" * 64}]}},
        "retry": {"data": {"file_id": mine["id"]}},
        "all": {"params": {"user_id": "7"}},
    }
    with stack.client() as nobody, stack.client(stack.user("eve")) as stranger:
        for method, template in file_routes(stack):
            path = template.replace("{file_id}", mine["id"]).replace("{appointment_id}", "1")
            options = sent.get(template.rstrip("/").rpartition("/")[2], {})
            assert nobody.request(method, path, **options).status_code == 401, template
            if not template.endswith(("/init/", "/health")):
                reply = stranger.request(method, path, **options)
                told[f"{method} {template}"] = (reply.status_code, reply.json()["data"] if reply.is_success else None)
                assert mine["id"] not in reply.text, template
    empty = {
        "GET /api/v1/file/all": [],
        "GET /api/v1/file/appointments": [],
        "GET /api/v1/file/appointment/{appointment_id}": [],
        "DELETE /api/v1/file/appointment/{appointment_id}": {"deleted": 0, "left": []},
        "DELETE /api/v1/file/all": {"deleted": 0, "left": []},
    }
    assert {route: found for route, found in told.items() if found[0] != 404} == {key: (200, data) for key, data in empty.items()}
    assert len(told) == len(empty) + 7
    with stack.database.read() as connection:
        assert connection.execute(select(t.upload_sessions).order_by(t.upload_sessions.c.id)).all() == before


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


@EMBEDDED
def test_fault_003_10_a_scanner_that_is_away_shows_and_nothing_is_published(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada, stack.services(scan="clamd", clamd="127.0.0.1:9")) as http:
        health = http.get("/api/v1/file/virus-scanner/health")
        assert (health.status_code, health.json()["success"]) == (503, False)
        reply = in_chunks(http, bearer(ada.token), b"content")
        assert reply.json()["data"]["status"] == status_of(http, reply.json()["data"]["id"]) == "STARTED"
        assert reply.json()["data"]["download_url"] is None
        assert http.get("/assets").json()["items"] == []


@BOTH
def test_fault_003_11_an_upload_whose_process_died_is_finished_by_the_next(stack: Stack, http: Http) -> None:
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")
    claims = stack.own.tokens.verify(http.headers["Authorization"].removeprefix("Bearer "))
    chunks.complete(stack.own, claims, upload_id, count=1, size=7, values={"filename": "a.txt", "details": {}, "kept": True})
    assert status_of(http, upload_id) == "STARTED"
    assert left_over(stack) == []  # all jobs have run
    until(lambda: status_of(http, upload_id) == "SUCCESS")  # the committer was woken by the last of them


@BOTH
def test_fault_003_12_a_request_that_fails_in_its_transaction_harms_none_beside_it(
    stack: Stack, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = [begin(http)[0] for _ in range(9)]
    for number, upload_id in enumerate(uploads):
        assert send(http, upload_id, 0, b"content %d" % number).status_code == 200
    bad, request = uploads[4], completing.request

    def broken(connection: Connection, upload_id: str) -> None:
        request(connection, upload_id)
        if upload_id == bad:
            raise ZeroDivisionError

    def completed(number: int) -> httpx.Response:
        return complete(http, uploads[number], 1, 9, filename=f"{number}.txt")

    with monkeypatch.context() as patched:
        patched.setattr(completing, "request", broken)
        with ThreadPoolExecutor(9) as pool:
            replies = list(pool.map(completed, range(9)))
    assert [reply.status_code for reply in replies] == [500 if number == 4 else 200 for number in range(9)]
    with stack.database.read() as connection:
        assert connection.scalar(select(t.upload_sessions.c.state).where(t.upload_sessions.c.upload_id == bad)) == "open"
    replies[4] = completed(4)
    assert [content_of(http, reply.json()["data"]) for reply in replies] == [b"content %d" % number for number in range(9)]


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
def test_fault_003_15_what_a_store_fails_to_delete_is_deleted_later(
    stack: Stack, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, size = begin(http)
    assert send(http, upload_id, 0, data(size)).status_code == 200
    found = upload(http, b"content", "a.txt")

    def away(*_: Any) -> None:
        raise StoreUnavailable

    later = stack.services(lambda: system() + timedelta(days=2))
    with monkeypatch.context() as patched:
        patched.setattr(type(stack.own.objects), "delete", away)
        assert http.request("DELETE", f"/api/v1/file/{found['id']}").status_code == 200
        settle(later)  # which gives up the other, as nobody finishes it
        assert send(http, upload_id, 1, b"x").status_code == 410
        assert left_over(stack) != []
    assert left_over(stack) == []


@EMBEDDED
def test_fault_003_16_a_name_says_nothing_to_a_browser_and_a_drawing_does_not_act_on_our_origin(http: Http) -> None:
    found = upload(http, b"<svg onload='alert(1)'/>", "b;c'=d.svg", content_type="image/svg+xml")
    link = found["download_url"].removeprefix("http://holdfast.test")
    direct = http.get(link).headers["location"].removeprefix("http://holdfast.test")
    for reply in (http.get(direct), http.get(f"/content/{found['asset_path']}", params={"inline": "true"})):
        assert (reply.status_code, reply.content) == (200, b"<svg onload='alert(1)'/>")
        assert re.match(r'attachment; filename="[^";]*(;[^";]*)?"(;|$)', reply.headers["content-disposition"])
        assert reply.headers["content-security-policy"].startswith("sandbox")
        assert reply.headers["x-content-type-options"] == "nosniff"


@BOTH
def test_fault_003_16_what_is_good_json_is_kept_and_told(http: Http) -> None:
    deep: Any = "x"
    for _ in range(records.MOST_LEVELS):
        deep = {"in": deep}
    for number, detail in enumerate([{"a": None, "b": [1, 2.5, "\U0001f600", "\0"], "c": {"d": {}}}, deep]):
        found = upload(http, b"%d" % number, f"{number}.txt", detail=json.dumps(detail))
        assert found["detail"] == http.get(f"/api/v1/file/get/{found['id']}").json()["data"]["detail"] == detail


@BOTH
@pytest.mark.parametrize("field", ["credential", "detail"])
@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', r'{"a": "\ud800"}', r'{"\udc00": 1}', '{"a":' * 30 + "1" + "}" * 30]
)
def test_fault_003_16_what_no_reply_could_hold_is_refused_and_stops_no_list(http: Http, field: str, text: str) -> None:
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")
    reply = complete(http, upload_id, 1, 7, **{field: text})
    assert (reply.status_code, reply.json()["success"]) == (422, False)
    assert complete(http, upload_id, 1, 7).json()["data"]["status"] == "SUCCESS"
    assert [one["id"] for one in http.get("/api/v1/file/all").json()["data"]] == [upload_id]
    refused = http.get(f"/api/v1/file/get/{upload_id}", headers={"X-File-Credential": text})
    assert (refused.status_code, refused.json()["success"]) == (422, False)


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
def test_the_envelope_is_around_every_reply_also_where_no_route_answers(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr(chunks, "begin", broken)
    monkeypatch.setattr(records, "listed", broken)
    for method, path, status in (
        ("POST", "/api/v1/file/upload/init/", 500),
        ("GET", "/api/v1/file/all", 500),
        ("POST", "/api/v1/file/all", 405),
        ("GET", "/api/v1/file/upload/init/", 405),
        ("GET", "/api/v1/file/no/such/thing", 404),
        ("GET", "/api/v1/file/appointment/a%2Fb", 400),
        ("GET", "/api/v1/file/all?limit=x", 422),
        ("GET", f"/api/v1/file/get/{'0' * 32}", 404),
    ):
        reply = http.request(method, path)
        told = reply.json()
        assert (reply.status_code, told["success"], told["status"]) == (status, False, status), (method, path)
        assert told["errors"], (method, path)
        assert told["message"] == told["detail"]
        assert reply.headers["content-type"] == "application/problem+json"
        assert "secret" not in reply.text
    assert "success" not in http.get("/no/such/thing").json()


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


@EMBEDDED
def test_a_completion_that_takes_long_goes_on_without_its_client(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    finish = finishing._finish

    def slow(*arguments: Any) -> None:
        assert go_on.wait(60)
        finish(*arguments)

    monkeypatch.setattr(finishing, "_finish", slow)
    with stack.client(stack.user("ada"), stack.services(commit_wait_seconds=1)) as http:
        upload_id, _ = begin(http)
        send(http, upload_id, 0, b"cont")
        send(http, upload_id, 0, b"content")
        before = http.get(f"/api/v1/file/status/{upload_id}").json()["data"]
        assert before == {"status": "PENDING", "progress": {"received": 7, "size": None, "step": "receiving"}}
        reply = complete(http, upload_id, 1, 7, filename="a.txt")
        assert (reply.status_code, reply.json()["data"]["status"]) == (200, "STARTED")
        told = http.get(f"/api/v1/file/status/{upload_id}").json()["data"]
        assert told == {"status": "STARTED", "progress": {"received": 7, "size": 7, "step": "storing"}}
        again = http.post("/api/v1/file/upload/retry", data={"file_id": upload_id})
        assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (400, "not-failed")
        go_on.set()
        until(lambda: status_of(http, upload_id) == "SUCCESS")
        assert http.get(f"/api/v1/file/status/{upload_id}").json()["data"] == {"status": "SUCCESS"}


@BOTH
@pytest.mark.parametrize("size", [2, 40])
def test_bytes_that_the_store_lost_are_told_and_nothing_hangs(stack: Stack, http: Http, size: int) -> None:
    """``size``: of the upload in chunks, few of which are less than a part, many are joined to parts first."""
    upload_id, chunk = begin(http)
    for index in range(size):
        assert send(http, upload_id, index, data(chunk)).status_code == 200
    with stack.database.read() as connection:
        query = select(t.upload_pieces.c.object_key).where(t.upload_pieces.c.state == "kept")
        last = connection.scalar(query.order_by(t.upload_pieces.c.position.desc()))
    assert last is not None
    stack.own.objects.delete(last)
    for _ in range(2):
        reply = complete(http, upload_id, size, size * chunk, filename="a.bin")
        assert (reply.status_code, reply.json()["type"].rpartition("/")[2]) == (422, "upload-damaged")
    told = http.get(f"/api/v1/file/status/{upload_id}").json()["data"]
    assert (told["status"], told["problem"]) == ("FAILURE", "upload-damaged")
    assert left_over(stack) == []


@EMBEDDED
@pytest.mark.parametrize("error", [ObjectMissing, ObjectExists, AssemblyMissing])
def test_a_store_that_has_other_objects_than_ours_fails_the_upload(
    stack: Stack, services: Services, http: Http, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")

    def other(*_: Any) -> None:
        raise error("the key")

    with monkeypatch.context() as patched:
        patched.setattr(services.objects, "writer", other)
        assert complete(http, upload_id, 1, 7, filename="a.txt").status_code == 422
    assert http.get(f"/api/v1/file/status/{upload_id}").json()["data"]["problem"] == "upload-damaged"
    assert left_over(stack) == []


@EMBEDDED
def test_who_lost_the_lease_of_an_upload_does_not_fail_it(
    stack: Stack, services: Services, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, _ = begin(http)
    send(http, upload_id, 0, b"content")

    def outlived(*_: Any) -> None:
        with stack.database.engine.begin() as connection:  # another process has taken the lease, and finishes the upload
            connection.execute(update(t.leases).where(t.leases.c.name == f"upload:{upload_id}").values(holder="another"))
        raise ObjectMissing("the key")

    with monkeypatch.context() as patched:
        patched.setattr(finishing, "_finish", outlived)
        assert finishing.run(services, upload_id)  # it is open
        with stack.database.engine.begin() as connection:
            mine = t.upload_sessions.c.upload_id == upload_id
            connection.execute(update(t.upload_sessions).where(mine).values(state="completing", kept=True))
        assert not finishing.run(services, upload_id)
    assert status_of(http, upload_id) == "STARTED"


@BOTH
def test_a_file_is_what_it_was_when_its_intent_is_long_gone(stack: Stack, http: Http) -> None:
    """A public link lasts as long as its file, whatever is kept of how it came."""
    found, same = (upload(http, PNG, "a") for _ in range(2))
    assert found["version_id"] == same["version_id"]
    refused, _ = begin(http)
    send(http, refused, 0, PNG + b"other")
    only_bytes_tell = {"filename": "a", "content_type": "text/plain", "if_none_match": "*"}
    assert complete(http, refused, 1, len(PNG) + 5, **only_bytes_tell).status_code == 412
    files = {one["id"]: one for one in http.get("/api/v1/file/all").json()["data"]}
    told = {found["id"]: "SUCCESS", same["id"]: "SUCCESS", refused: "FAILURE"}
    assert {upload_id: one["status"] for upload_id, one in files.items()} == told
    settle(stack.services(lambda: system() + timedelta(days=1)))
    since = db_later(-1000 * 24 * 60 * 60)

    def long_ago(connection: Connection) -> None:
        connection.execute(update(t.intents).values(heartbeat_at=since))
        connection.execute(update(t.upload_sessions).values(erased_at=since))

    stack.database.write(long_ago)
    settle(stack.own)
    with stack.database.read() as connection:
        assert set(connection.scalars(select(t.intents.c.upload_id))) == {same["id"], refused}
    assert {one["id"]: one for one in http.get("/api/v1/file/all").json()["data"]} == {
        **files, found["id"]: {**files[found["id"]], "sha256": sha256(PNG).hexdigest()},
        same["id"]: {**files[same["id"]], "sha256": sha256(PNG).hexdigest()},
    }  # fmt: skip
    assert {upload_id: status_of(http, upload_id) for upload_id in told} == told
    for one in (found, same):
        assert http.get(f"/api/v1/file/get/{one['id']}").json()["data"]["version_id"] == found["version_id"]
        assert http.get(one["download_url"].removeprefix("http://holdfast.test")).status_code == 307
    assert http.request("DELETE", f"/api/v1/file/{found['id']}").status_code == 200
    assert http.get(found["download_url"].removeprefix("http://holdfast.test")).status_code == 410


@EMBEDDED
def test_fault_003_17_a_list_asks_the_database_as_often_for_many_files_as_for_one(services: Services, http: Http) -> None:
    def asked() -> int:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(services.database.engine, "before_cursor_execute", note)
        try:
            assert len(http.get("/api/v1/file/all").json()["data"]) == there
        finally:
            event.remove(services.database.engine, "before_cursor_execute", note)
        return sum("FROM intents" in statement or "FROM versions" in statement for statement in seen)

    def least() -> int:
        """A committer that is done looks whether there is more, at the same time."""
        return min(asked() for _ in range(5))

    there = 1
    upload(http, b"content", "0.txt")
    one = least()
    for there in range(2, 8):
        upload(http, b"%d" % there, f"{there}.txt")
    assert 0 < least() == one
