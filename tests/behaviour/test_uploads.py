"""Uploads over HTTP, on every stack: what becomes of what a client sends, and what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.asgi import Http
from tests.stacks import SQLITE, WITH_MYSQL, Stack, User

from holdfast.assets.verify import verify
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement

File = tuple[str, bytes]


@pytest.fixture
def ada(stack: Stack) -> User:
    return stack.user("ada")


@pytest.fixture
def http(stack: Stack, ada: User) -> Iterator[Http]:
    with stack.client(ada) as http:
        yield http
    settle(stack.own)
    assert [found for found in verify(stack.own, deep=True) if isinstance(found, Disagreement)] == []


def upload(http: Http, primary: File, *associated: File, headers: dict[str, str] | None = None, **fields: str) -> Any:
    files = [("primary_file", primary), *(("associated_files", file) for file in associated)]
    return http.post("/fileupload", files=files, data=fields, headers=headers)


def add(http: Http, version: dict[str, Any], *associated: File, newest: bool = False, headers: dict[str, str] | None = None) -> Any:
    files = [("associated_files", file) for file in associated]
    fields = {} if newest else {"primary_version_id": version["version_id"]}
    return http.post(f"/add-associated-files/{version['asset_path']}", files=files, data=fields, headers=headers)


def ok(reply: Any) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def refused(reply: Any, status: int, slug: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert problem["type"].endswith(f"/{slug}"), problem
    return problem


def content(http: Http, version: dict[str, Any], file: str | None = None) -> bytes:
    """The bytes that a client reads: of the primary file, or of the associated one of that name."""
    asked = {"version_id": version["version_id"], **({"file": file} if file else {})}
    reply = http.get(f"/content/{version['asset_path']}", params=asked)
    assert reply.status_code == 200, reply.text
    return bytes(reply.content)


def names(version: dict[str, Any]) -> list[str]:
    return sorted(name for name, _ in version["associated_filenames"])


def versions(stack: Stack) -> int:
    with stack.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(t.versions)) or 0


@WITH_MYSQL
def test_an_upload_is_read_back_as_it_was_sent(http: Http) -> None:
    made = ok(upload(http, ("note.txt", b"hello"), ("side.txt", b"beside"), ("empty.txt", b"")))
    assert made["asset_path"] == "text/txt/note"
    assert (made["status"], made["size"], made["unchanged"], made["branch"]) == ("active", 5, False, "ada_space")
    assert names(made) == ["empty.txt", "side.txt"]
    assert content(http, made) == b"hello"
    assert content(http, made, "side.txt") == b"beside"
    assert content(http, made, "empty.txt") == b""


def test_an_upload_without_ttls_has_no_dates(http: Http) -> None:
    """Fault 9 of 000: it failed with 500."""
    made = ok(upload(http, ("note.txt", b"hello")))
    assert (made["archive_date"], made["destroy_date"], made["expires"]) == (None, None, None)


def test_ttls_count_from_the_upload_and_from_the_archive_date(http: Http) -> None:
    made = ok(upload(http, ("note.txt", b"hello"), archive_ttl="30", destroy_ttl="5"))
    uploaded, archived, destroyed = (datetime.fromisoformat(made[f"{what}_date"]) for what in ("upload", "archive", "destroy"))
    assert (archived - uploaded, destroyed - archived) == (timedelta(days=30), timedelta(days=5))
    assert uploaded.tzinfo == UTC


@pytest.mark.parametrize("ttl", ["-1", "1.5", "soon", "99999", "9" * 40])
def test_a_ttl_that_is_none_is_refused_and_nothing_is_stored(stack: Stack, http: Http, ttl: str) -> None:
    refused(upload(http, ("note.txt", b"hello"), archive_ttl=ttl), 422, "invalid")
    assert versions(stack) == 0


class TestTheSameAgain:
    def test_equal_bytes_make_no_new_version(self, stack: Stack, http: Http) -> None:
        first = ok(upload(http, ("note.txt", b"hello"), ("side.txt", b"beside")))
        again = ok(upload(http, ("note.txt", b"hello"), ("side.txt", b"beside")))
        assert again["unchanged"] is True
        assert {**again, "unchanged": False} == first
        assert ok(upload(http, ("note.txt", b"hello")))["version_id"] == first["version_id"], "what is not sent does not count"
        assert versions(stack) == 1

    def test_a_changed_associated_file_makes_one(self, stack: Stack, http: Http) -> None:
        ok(upload(http, ("note.txt", b"hello"), ("side.txt", b"beside")))
        second = ok(upload(http, ("note.txt", b"hello"), ("side.txt", b"another")))
        assert second["unchanged"] is False
        assert versions(stack) == 2

    @WITH_MYSQL
    def test_labels_and_ttls_that_came_along_are_taken_over(self, http: Http) -> None:
        ok(upload(http, ("note.txt", b"hello"), archive_ttl="30", destroy_ttl="5", labels='{"a": "1"}'))
        again = ok(upload(http, ("note.txt", b"hello"), archive_ttl="10", labels='{"b": "2"}'))
        uploaded, archived, destroyed = (datetime.fromisoformat(again[f"{what}_date"]) for what in ("upload", "archive", "destroy"))
        assert again["unchanged"] is True
        assert again["labels"] == {"b": "2"}
        assert (archived - uploaded, destroyed - archived) == (timedelta(days=10), timedelta(days=5)), "what was not sent stays"

    def test_an_archived_version_does_not_count(self, stack: Stack, http: Http) -> None:
        first = ok(upload(http, ("note.txt", b"hello")))
        ok(http.post(f"/filearchive/{first['asset_path']}/{first['version_id']}"))
        second = ok(upload(http, ("note.txt", b"hello")))
        assert second["unchanged"] is False
        assert second["version_id"] != first["version_id"]

    def test_its_bytes_are_erased(self, stack: Stack, http: Http) -> None:
        ok(upload(http, ("note.txt", b"hello")))
        ok(upload(http, ("note.txt", b"hello")))
        settle(stack.own)
        assert len(list(stack.own.objects.keys())) == 1


class TestIfNoneMatch:
    STAR = {"If-None-Match": "*"}

    def test_it_refuses_a_new_version_of_what_is_there(self, stack: Stack, http: Http) -> None:
        ok(upload(http, ("note.txt", b"one"), headers=self.STAR))
        refused(upload(http, ("note.txt", b"two"), headers=self.STAR), 412, "precondition-failed")
        assert versions(stack) == 1

    def test_an_archived_version_is_there_and_a_destroyed_one_is_not(self, http: Http) -> None:
        first = ok(upload(http, ("note.txt", b"one")))
        where = f"{first['asset_path']}/{first['version_id']}"
        ok(http.post(f"/filearchive/{where}"))
        refused(upload(http, ("note.txt", b"two"), headers=self.STAR), 412, "precondition-failed")
        ok(http.post(f"/delfile/{where}"))
        ok(upload(http, ("note.txt", b"two"), headers=self.STAR))

    @WITH_MYSQL
    def test_of_many_at_once_one_gets_through(self, stack: Stack, http: Http) -> None:
        with ThreadPoolExecutor(6) as pool:
            replies = list(pool.map(lambda n: upload(http, ("note.txt", b"%d" % n), headers=self.STAR), range(6)))
        assert sorted(reply.status_code for reply in replies) == [200, 412, 412, 412, 412, 412]
        assert versions(stack) == 1

    def test_a_tag_is_no_condition_for_an_upload(self, http: Http) -> None:
        refused(upload(http, ("note.txt", b"one"), headers={"If-None-Match": '"abc"'}), 400, "bad-condition")


class TestIdempotencyKey:
    KEY = {"Idempotency-Key": "k1"}

    def test_the_same_request_is_answered_again_and_not_stored_twice(self, stack: Stack, http: Http) -> None:
        first = ok(upload(http, ("note.txt", b"one"), ("side.txt", b"beside"), headers=self.KEY))
        ok(upload(http, ("note.txt", b"two")))
        assert ok(upload(http, ("note.txt", b"one"), ("side.txt", b"beside"), headers=self.KEY)) == first
        assert versions(stack) == 2

    @pytest.mark.parametrize(
        "other",
        [
            {"primary": ("note.txt", b"two")},
            {"primary": ("other.txt", b"one")},
            {"side": (("side.txt", b"beside"),)},
            {"archive_ttl": "7"},
            {"labels": '{"a": "b"}'},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_another_request_with_the_key_is_refused(self, stack: Stack, http: Http, other: dict[str, Any]) -> None:
        ok(upload(http, ("note.txt", b"one"), headers=self.KEY))
        sent = {"primary": ("note.txt", b"one"), "side": (), **other}
        reply = upload(http, sent.pop("primary"), *sent.pop("side"), headers=self.KEY, **sent)
        refused(reply, 422, "idempotency-key-reused")
        assert versions(stack) == 1

    def test_another_condition_is_another_request(self, stack: Stack, http: Http) -> None:
        ok(upload(http, ("note.txt", b"one"), headers=self.KEY))
        again = upload(http, ("note.txt", b"one"), headers={**self.KEY, "If-None-Match": "*"})
        refused(again, 422, "idempotency-key-reused")
        assert versions(stack) == 1

    def test_it_is_answered_again_when_the_quota_is_used_up(self, stack: Stack) -> None:
        poor = stack.user("poor", quota_bytes=5)
        with stack.client(poor) as http:
            first = ok(upload(http, ("note.txt", b"12345"), headers=self.KEY))
            refused(upload(http, ("note.txt", b"12345")), 413, "quota-exceeded")
            assert ok(upload(http, ("note.txt", b"12345"), headers=self.KEY)) == first

    def test_files_added_to_another_version_are_another_request(self, http: Http) -> None:
        older = ok(upload(http, ("note.txt", b"one")))
        newest = ok(upload(http, ("note.txt", b"two")))
        added = ok(add(http, newest, ("side.txt", b"beside"), newest=True, headers=self.KEY))
        assert ok(add(http, newest, ("side.txt", b"beside"), newest=True, headers=self.KEY)) == added
        assert ok(add(http, newest, ("side.txt", b"beside"), headers=self.KEY)) == added
        refused(add(http, older, ("side.txt", b"beside"), headers=self.KEY), 422, "idempotency-key-reused")

    def test_no_condition_is_ignored(self, http: Http) -> None:
        version = ok(upload(http, ("note.txt", b"one")))
        refused(add(http, version, ("side.txt", b"beside"), headers={"If-None-Match": "*"}), 400, "bad-condition")

    def test_it_holds_for_added_files_too_and_for_one_asset(self, http: Http) -> None:
        one, two = ok(upload(http, ("one.txt", b"1"))), ok(upload(http, ("two.txt", b"2")))
        added = ok(add(http, one, ("side.txt", b"beside"), headers=self.KEY))
        assert ok(add(http, one, ("side.txt", b"beside"), headers=self.KEY)) == added
        refused(add(http, two, ("side.txt", b"beside"), headers=self.KEY), 422, "idempotency-key-reused")

    @WITH_MYSQL
    def test_at_the_same_time_it_is_one_upload(self, stack: Stack, http: Http) -> None:
        with ThreadPoolExecutor(6) as pool:
            replies = list(pool.map(lambda _: ok(upload(http, ("note.txt", b"one"), headers=self.KEY)), range(6)))
        assert all(reply == replies[0] for reply in replies)
        assert versions(stack) == 1

    def test_after_a_refusal_it_is_free_again(self, http: Http) -> None:
        ok(upload(http, ("note.txt", b"one")))
        both = {**self.KEY, "If-None-Match": "*"}
        refused(upload(http, ("note.txt", b"two"), headers=both), 412, "precondition-failed")
        ok(upload(http, ("note.txt", b"two"), headers=self.KEY))

    def test_it_is_each_users_own(self, stack: Stack, http: Http, ada: User) -> None:
        bob = stack.user("bob", "upload,download", of=ada)
        ok(upload(http, ("note.txt", b"one"), headers=self.KEY))
        ok(upload(http, ("note.txt", b"two"), headers={**self.KEY, "Authorization": f"Bearer {bob.token}"}))
        assert versions(stack) == 2

    @pytest.mark.parametrize("key", ["", "x" * 256, "tab\t"])
    def test_a_key_that_is_none(self, http: Http, key: str) -> None:
        refused(upload(http, ("note.txt", b"one"), headers={"Idempotency-Key": key}), 400, "bad-idempotency-key")


class TestLimits:
    def test_a_file_above_the_workspaces_maximum_is_refused(self, stack: Stack, http: Http) -> None:
        small = stack.user("small", max_file_bytes=4)
        headers = {"Authorization": f"Bearer {small.token}"}
        ok(upload(http, ("note.txt", b"1234"), headers=headers))
        assert refused(upload(http, ("note.txt", b"12345"), headers=headers), 413, "too-large")["limit"] == 4
        refused(upload(http, ("note.txt", b"4321"), ("side.txt", b"12345"), headers=headers), 413, "too-large")
        settle(stack.own)
        assert versions(stack) == 1

    def test_the_quota_counts_all_files_of_all_versions(self, stack: Stack, http: Http) -> None:
        poor = stack.user("poor", quota_bytes=10)
        headers = {"Authorization": f"Bearer {poor.token}"}
        ok(upload(http, ("note.txt", b"12345"), ("side.txt", b"123"), headers=headers))
        refused(upload(http, ("note.txt", b"123"), headers=headers), 413, "too-large")
        full = ok(upload(http, ("note.txt", b"12"), headers=headers))
        refused(upload(http, ("other.txt", b"1"), headers=headers), 413, "quota-exceeded")
        refused(add(http, full, ("more.txt", b"1"), headers=headers), 413, "quota-exceeded")

    @WITH_MYSQL
    def test_uploads_at_once_do_not_exceed_it_together(self, stack: Stack, http: Http) -> None:
        poor = stack.user("poor", quota_bytes=10)
        headers = {"Authorization": f"Bearer {poor.token}"}
        with ThreadPoolExecutor(5) as pool:
            replies = list(pool.map(lambda n: upload(http, (f"note{n}.txt", b"1234"), headers=headers), range(5)))
        assert sorted(reply.status_code for reply in replies) == [200, 200, 413, 413, 413]


class TestNames:
    @WITH_MYSQL
    def test_fault_17_photo_jpeg_does_not_replace_photo_jpg(self, stack: Stack, http: Http) -> None:
        jpeg = b"\xff\xd8\xff\xe0" + bytes(20)
        first = ok(upload(http, ("photo.jpg", jpeg)))
        assert first["asset_path"] == "image/jpg/photo"
        refused(upload(http, ("photo.jpeg", jpeg + b"2")), 409, "name-collision")
        refused(upload(http, ("photo.JPG", jpeg + b"3")), 409, "name-collision")
        assert versions(stack) == 1

    def test_fault_17_a_blank_and_an_underscore_are_not_one_name(self, http: Http) -> None:
        ok(upload(http, ("a b.txt", b"1")))
        refused(upload(http, ("a_b.txt", b"2")), 409, "name-collision")

    def test_fault_17_an_associated_file_does_not_overwrite_the_primary(self, stack: Stack, http: Http) -> None:
        refused(upload(http, ("note.txt", b"1"), ("note.txt", b"2")), 422, "name-collision")
        refused(upload(http, ("a b.txt", b"1"), ("a_b.txt", b"2")), 422, "name-collision")
        made = ok(upload(http, ("note.txt", b"1")))
        refused(add(http, made, ("note.txt", b"2")), 409, "name-collision")
        assert content(http, made) == b"1"

    def test_two_associated_files_of_one_name_are_refused(self, stack: Stack, http: Http) -> None:
        refused(upload(http, ("note.txt", b"1"), ("side.txt", b"2"), ("side.txt", b"3")), 422, "name-collision")
        settle(stack.own)
        assert versions(stack) == 0
        assert list(stack.own.objects.keys()) == []

    def test_another_associated_name_that_makes_the_same_path_is_refused(self, http: Http) -> None:
        made = ok(upload(http, ("note.txt", b"1"), ("my side.txt", b"2")))
        refused(add(http, made, ("my_side.txt", b"3")), 409, "name-collision")


class TestAddedFiles:
    @WITH_MYSQL
    def test_they_join_the_newest_active_version(self, http: Http) -> None:
        ok(upload(http, ("note.txt", b"1")))
        second = ok(upload(http, ("note.txt", b"2")))
        added = ok(add(http, second, ("side.txt", b"beside"), newest=True))
        assert added["version_id"] == second["version_id"]
        assert content(http, second, "side.txt") == b"beside"

    @WITH_MYSQL
    def test_one_of_the_same_name_is_replaced(self, http: Http) -> None:
        made = ok(upload(http, ("note.txt", b"1"), ("side.txt", b"old"), ("stays.txt", b"stays")))
        added = ok(add(http, made, ("side.txt", b"new")))
        assert names(added) == ["side.txt", "stays.txt"]
        assert content(http, made, "side.txt") == b"new"

    def test_equal_ones_change_nothing(self, http: Http) -> None:
        made = ok(upload(http, ("note.txt", b"1"), ("side.txt", b"beside")))
        assert ok(add(http, made, ("side.txt", b"beside"))) == {**made, "unchanged": True}

    def test_fault_16_files_for_an_old_version_stay_out_of_the_newest(self, http: Http) -> None:
        first = ok(upload(http, ("note.txt", b"1"), ("side.txt", b"first's")))
        second = ok(upload(http, ("note.txt", b"2"), ("side.txt", b"second's")))
        added = ok(add(http, first, ("side.txt", b"first's new"), ("more.txt", b"more")))
        assert added["version_id"] == first["version_id"]
        assert names(added) == ["more.txt", "side.txt"]
        assert content(http, first, "side.txt") == b"first's new"
        assert content(http, second, "side.txt") == b"second's"
        again = ok(add(http, first, ("side.txt", b"first's newest")))
        assert names(again) == ["more.txt", "side.txt"]
        assert content(http, first, "side.txt") == b"first's newest"

    def test_fault_16_many_at_once_are_all_there(self, http: Http) -> None:
        made = ok(upload(http, ("note.txt", b"1")))
        with ThreadPoolExecutor(8) as pool:
            for reply in pool.map(lambda n: add(http, made, (f"side{n}.txt", b"%d" % n)), range(8)):
                ok(reply)
        assert names(ok(add(http, made, ("last.txt", b"")))) == ["last.txt", *(f"side{n}.txt" for n in range(8))]

    def test_an_archived_version_takes_none(self, http: Http) -> None:
        made = ok(upload(http, ("note.txt", b"1")))
        ok(http.post(f"/filearchive/{made['asset_path']}/{made['version_id']}"))
        refused(add(http, made, ("side.txt", b"1")), 409, "not-active")
        refused(add(http, made, ("side.txt", b"1"), newest=True), 409, "not-active")

    def test_what_is_not_there_takes_none(self, http: Http) -> None:
        made = ok(upload(http, ("note.txt", b"1")))
        refused(add(http, {**made, "version_id": "0" * 64}, ("side.txt", b"1")), 404, "not-found")
        refused(add(http, {**made, "asset_path": "text/txt/other"}, ("side.txt", b"1")), 404, "not-found")


def test_fault_1_a_new_version_leaves_its_neighbours_alone(http: Http) -> None:
    neighbours = [
        ok(upload(http, (f"{name}.txt", name.encode()), ("side.txt", b"its"))) for name in ("test2", "mytest", "test.txt")
    ]
    ok(upload(http, ("test.txt", b"1"), ("old.txt", b"old")))
    second = ok(upload(http, ("test.txt", b"2")))
    assert names(second) == []
    for neighbour in neighbours[:2]:
        assert content(http, neighbour, "side.txt") == b"its"


def test_fault_8_versions_of_one_second_keep_their_order(http: Http) -> None:
    made = [ok(upload(http, ("note.txt", b"%d" % n))) for n in range(5)]
    listed = http.get("/fileversions/text/txt/note/note.txt").json()
    found = listed if isinstance(listed, list) else listed.get("versions", listed.get("items"))
    assert [one["version_id"] for one in found] == [one["version_id"] for one in reversed(made)]
    assert http.get("/content/text/txt/note").content == b"4"


@WITH_MYSQL
def test_fault_13_uploads_of_a_workspace_at_once_do_not_mix(http: Http) -> None:
    def one(n: int) -> dict[str, Any]:
        return ok(upload(http, (f"note{n % 4}.txt", b"%d" % n), ("side.txt", b"of %d" % n)))

    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(one, range(24)))
    assert len({(one["asset_path"], one["version_id"]) for one in made}) == 24
    for n, version in enumerate(made):
        assert content(http, version) == b"%d" % n
        assert content(http, version, "side.txt") == b"of %d" % n


def test_fault_15_with_a_bad_associated_file_nothing_is_stored(stack: Stack, http: Http) -> None:
    refused(upload(http, ("note.txt", b"1"), ("good.txt", b"2"), ("../evil.txt", b"3")), 422, "bad-filename")
    settle(stack.own)
    assert versions(stack) == 0


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_what_a_refused_upload_left_is_erased_twice(stack: Stack, http: Http) -> None:
    refused(upload(http, ("note.txt", b"1"), ("side.txt", b"2"), archive_ttl="soon"), 422, "invalid")
    with stack.database.read() as connection:
        waiting = connection.scalars(select(t.jobs.c.payload).order_by(t.jobs.c.id)).all()
    assert [job["last"] for job in waiting] == [False, True], "at once, and when no write can be under way any more"
    settle(stack.own)
    assert list(stack.own.objects.keys()) == []


@WITH_MYSQL
def test_an_upload_that_is_refused_is_on_the_trail(stack: Stack) -> None:
    ada = stack.user("ada")
    bob = stack.user("bob", "list,download", of=ada)
    with stack.client(bob) as http:
        assert http.post("/fileupload", files={"primary_file": ("a.txt", b"a")}).status_code == 403
    with stack.client(ada) as http:
        bad = http.post("/fileupload", files={"primary_file": ("a.txt", b"a")}, data={"archive_ttl": "soon"})
        assert bad.status_code == 422
        rows = http.get("/audit", params={"operation": "upload"}).json()["items"]
    assert [(row["username"], row["success"], row["details"]["problem"]) for row in rows] == [
        ("ada", False, "invalid"),
        ("bob", False, "forbidden"),
    ]
