"""Complete uploads whose job was given up: they are told to have failed, and can be deleted, or retried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, update

from holdfast.database import tables as t
from holdfast.uploads import completing, finishing
from tests.asgi import Http
from tests.stacks import SQL, SQLITE, Stack
from tests.uploads import speaking as tus
from tests.uploads.test_chunks import begin, complete, left_over, send

BOTH = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)


@pytest.fixture
def http(stack: Stack) -> Iterator[Http]:
    with stack.client(stack.user("ada")) as http:
        yield http


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing can be finished, for a reason that nobody thought of, until this is undone."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(finishing, "_finish", fail)
    return monkeypatch


def give_up(stack: Stack) -> None:
    jobs = t.jobs.c
    dies = update(t.jobs).where(jobs.kind == completing.KIND, jobs.state == "pending").values(state="dead")
    stack.database.write(lambda connection: connection.execute(dies))


def told(http: Http, upload_id: str) -> tuple[str, str | None]:
    data = http.get(f"/api/v1/file/status/{upload_id}").json()["data"]
    return data["status"], data.get("problem")


def delete_file(http: Http, upload_id: str) -> httpx.Response:
    return http.request("DELETE", f"/api/v1/file/{upload_id}")


def stuck_chunks(http: Http) -> str:
    upload_id, _ = begin(http)
    assert send(http, upload_id, 0, b"content").status_code == 200
    assert complete(http, upload_id, 1, 7, filename="a.txt").status_code == 500
    return upload_id


def stuck_tus(http: Http) -> str:
    path = tus.create(http, 7)
    assert tus.patch(http, path, 0, b"content").status_code == 500
    return path


@BOTH
@pytest.mark.parametrize("forgotten", [False, True])
def test_an_upload_in_chunks_that_was_given_up_has_failed_and_can_be_deleted(
    stack: Stack, http: Http, broken: pytest.MonkeyPatch, forgotten: bool
) -> None:
    upload_id = stuck_chunks(http)
    assert told(http, upload_id) == ("STARTED", None)
    assert delete_file(http, upload_id).status_code == 409
    give_up(stack)
    if forgotten:  # by an admin
        stack.database.write(lambda connection: connection.execute(delete(t.jobs).where(t.jobs.c.state == "dead")))
    assert told(http, upload_id) == ("FAILURE", "upload-given-up")
    assert left_over(stack) != []
    assert delete_file(http, upload_id).status_code == 200
    assert http.get(f"/api/v1/file/status/{upload_id}").status_code == 404
    broken.undo()
    assert left_over(stack) == []
    assert http.get("/api/v1/file/all").json()["data"] == []


@BOTH
def test_an_upload_by_tus_that_was_given_up_can_be_terminated(stack: Stack, http: Http, broken: pytest.MonkeyPatch) -> None:
    path = stuck_tus(http)
    assert tus.head(http, path).status_code == 200
    assert http.request("DELETE", path, headers=tus.VERSION).status_code == 409
    give_up(stack)
    assert tus.head(http, path).status_code == 410
    assert http.request("DELETE", path, headers=tus.VERSION).status_code == 204
    broken.undo()
    assert left_over(stack) == []
    assert http.request("DELETE", path, headers=tus.VERSION).status_code == 410


@BOTH
def test_an_upload_that_was_given_up_can_be_retried(stack: Stack, http: Http, broken: pytest.MonkeyPatch) -> None:
    upload_id = stuck_chunks(http)
    give_up(stack)
    broken.undo()
    assert http.post("/api/v1/file/upload/retry", data={"file_id": upload_id}).json()["data"]["status"] == "SUCCESS"
    assert told(http, upload_id) == ("SUCCESS", None)


@BOTH
def test_one_that_is_being_retried_is_not_deleted(stack: Stack, http: Http, broken: pytest.MonkeyPatch) -> None:
    upload_id = stuck_chunks(http)
    give_up(stack)
    replies: list[httpx.Response] = []

    def meanwhile(*_: Any) -> None:
        replies.append(delete_file(http, upload_id))
        raise ZeroDivisionError

    broken.setattr(finishing, "_finish", meanwhile)
    with pytest.raises(ZeroDivisionError):
        finishing.run(stack.own, upload_id)
    assert [reply.status_code for reply in replies] == [409]
    assert told(http, upload_id) == ("FAILURE", "upload-given-up")
