"""Uploads that still take bytes: whoever opened them sees and cancels them, and nobody else."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256

import httpx
import pytest

from holdfast.clock import system
from holdfast.uploads import ending
from tests.asgi import Http
from tests.behaviour.moments import bearer
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads.test_chunks import begin, complete, data, left_over, send, upload

BOTH = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)


def opened(http: Http) -> list[tuple[str, int | None]]:
    """The open uploads that one sees, and how much of each came."""
    reply = http.get("/api/v1/file/all", params={"state": "open"})
    assert reply.status_code == 200, reply.text
    return [(one["id"], one["received"]) for one in reply.json()["data"]]


def cancelled(http: Http, upload_id: str) -> int:
    return http.request("DELETE", f"/api/v1/file/{upload_id}").status_code


@BOTH
@pytest.mark.parametrize("chunk", [6 * 2**20, 768 * 1024])
def test_an_open_upload_is_seen_and_cancelled_by_who_opened_it_alone(stack: Stack, chunk: int) -> None:
    ada = stack.user("ada")
    services = stack.services(upload_chunk=chunk)
    cleo, guest, eve = stack.user("cleo", "upload,list", of=ada), stack.user("guest", "list,destroy", of=ada), stack.user("eve")
    with stack.client(cleo, services) as http:
        upload_id, size = begin(http)
        for index in range(8 if chunk < 2**20 else 1):  # of the small ones seven become a part, and one is a piece
            assert send(http, upload_id, index, data(size)).status_code == 200
        assert http.get(f"/api/v1/file/status/{upload_id}").json()["data"]["status"] == "PENDING"
        assert http.get("/api/v1/file/all").json()["data"] == []
        assert opened(http) == [(upload_id, (index + 1) * size)]
        retried = http.post("/api/v1/file/upload/retry", data={"file_id": upload_id})
        assert (retried.status_code, retried.json()["type"].rpartition("/")[2]) == (409, "upload-open")
        for other in (ada, guest, eve):
            with stack.client(other, services) as stranger:
                assert stranger.get(f"/api/v1/file/status/{upload_id}").status_code == 404
                assert stranger.get(f"/api/v1/file/get/{upload_id}").status_code in (403, 404)
                assert cancelled(stranger, upload_id) == 404
                assert opened(stranger) == []
        assert cancelled(http, upload_id) == 200
        assert send(http, upload_id, index + 1, b"x").status_code == 410
        assert opened(http) == []
        assert http.get(f"/api/v1/file/status/{upload_id}").status_code == 404
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQL], indirect=True)
def test_promised_parts_can_be_cancelled(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload_id, _ = begin(http)
        promise = {"number": 1, "size": 7, "sha256": sha256(b"content").hexdigest()}
        wanted = {"upload_id": upload_id, "part_size": 5 * 2**20, "parts": [promise]}
        assert http.post("/api/v1/file/upload/parts", json=wanted).status_code == 200
        assert http.get(f"/api/v1/file/status/{upload_id}").json()["data"]["status"] == "PENDING"
        assert opened(http) == [(upload_id, None)]
        assert cancelled(http, upload_id) == 200
        assert http.post("/api/v1/file/upload/parts", json=wanted).status_code == 410
    assert left_over(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_uploads_of_every_kind_are_listed_in_pages(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        first, _ = begin(http)
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": f"filename {b64encode(b'a.txt').decode()}"}
        body = {**tus, "Content-Type": "application/offset+octet-stream"}
        second = http.post("/uploads", headers=body, content=b"1234").headers["location"].rpartition("/")[2]
        page = http.get("/api/v1/file/all", params={"state": "open", "limit": 1}).json()
        [one] = page["data"]
        assert (one["id"], one["filename"], one["received"], one["length"], one["status"]) == (second, "a.txt", 4, 9, "PENDING")
        assert one["expires_at"]
        rest = http.get("/api/v1/file/all", params={"state": "open", "limit": 1, "cursor": page["next_cursor"]}).json()
        assert ([one["id"] for one in rest["data"]], rest["next_cursor"]) == ([first], None)
        assert http.get("/api/v1/file/all", params={"cursor": page["next_cursor"]}).status_code == 422
        assert http.get("/api/v1/file/all", params={"state": "open", "user_id": "7"}).status_code == 422


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_an_upload_whose_time_is_over_is_not_listed_before_it_is_swept_away(stack: Stack) -> None:
    now = system()
    moment = [now]
    with stack.client(stack.user("ada"), stack.services(lambda: moment[0], upload_expiry=100)) as http:
        upload_id, _ = begin(http)
        moment[0] = now + timedelta(seconds=99)
        assert opened(http) == [(upload_id, 0)]
        moment[0] = now + timedelta(seconds=100)
        assert opened(http) == []
        assert send(http, upload_id, 0, b"x").status_code == 410


@BOTH
def test_openings_at_once_do_not_pass_the_limit(stack: Stack) -> None:
    services = stack.services(upload_sessions=5)
    with stack.client(stack.user("ada"), services) as http, ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: http.post("/api/v1/file/upload/init/").status_code, range(8)))
        assert sorted(replies) == [200] * 5 + [429] * 3
        assert len(opened(http)) == 5


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_name_that_cannot_be_is_refused_before_a_byte_is_sent(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload(http, b"content", "a_b.txt")

        def created(name: str, **said: str) -> httpx.Response:
            pairs = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in {"filename": name, **said}.items())
            return http.post("/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "9", "Upload-Metadata": pairs})

        upload_id, _ = begin(http)
        told = [created("a b.txt"), complete(http, upload_id, 1, 5, filename="a b.txt", content_type="text/plain")]
        assert [(one.status_code, one.json()["asset_path"]) for one in told] == [(409, "text/txt/a_b")] * 2
        assert [one.json()["type"].rpartition("/")[2] for one in told] == ["name-collision"] * 2
        new = {"filename": "a_b.txt", "content_type": "text/plain", "if_none_match": "*"}
        told = [created("a_b.txt", if_none_match="*"), complete(http, upload_id, 1, 5, **new)]
        assert [(one.status_code, one.json()["asset_path"]) for one in told] == [(412, "text/txt/a_b")] * 2

        assert created("a_b.txt").status_code == 201
        assert complete(http, upload_id, 1, 5, filename="c.txt").status_code == 409  # chunks are missing
        assert send(http, upload_id, 0, b"other").status_code == 200
        assert complete(http, upload_id, 1, 5, filename="c.txt").json()["data"]["status"] == "SUCCESS"
        assert complete(http, upload_id, 1, 5, filename="c.txt").json()["data"]["status"] == "SUCCESS"


@BOTH
def test_an_upload_whose_time_is_over_is_not_there_before_it_is_swept_away_as_after(stack: Stack) -> None:
    ada, late = stack.user("ada"), stack.services(lambda: system() + timedelta(days=2))
    with stack.client(ada) as http:
        upload_id, _ = begin(http)
        assert send(http, upload_id, 0, b"content").status_code == 200
        assert http.get(f"/api/v1/file/status/{upload_id}").status_code == 200
    with Http(stack.app(late), bearer(late.tokens.issue(ada.account))) as http:

        def told() -> list[int]:
            looks = [http.get(f"/api/v1/file/{step}/{upload_id}").status_code for step in ("status", "get")]
            retried = http.post("/api/v1/file/upload/retry", data={"file_id": upload_id})
            return [*looks, retried.status_code, cancelled(http, upload_id), send(http, upload_id, 1, b"x").status_code]

        before = told()
        assert before == [404, 404, 404, 404, 410]
        assert ending.expire(late) == 1
        assert told() == before


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_an_id_that_no_upload_has_is_not_found_however_long(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        for upload_id in ("x", "0" * 32, "0" * 65, "0" * 2000):
            for step in ("status/", "get/"):
                assert http.get(f"/api/v1/file/{step}{upload_id}").status_code == 404
            assert cancelled(http, upload_id) == 404
            assert http.request("HEAD", f"/uploads/{upload_id}", headers={"Tus-Resumable": "1.0.0"}).status_code == 404
