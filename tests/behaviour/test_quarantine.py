"""Uploads under a malware scanner: what is clean goes in, the rest is kept where nobody reads it, and a platform admin decides."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.asgi import Http
from tests.behaviour.erased import disagreements, used
from tests.behaviour.moments import bearer, path, upload
from tests.behaviour.unhashed import publish, store
from tests.security.tenants import platform_admin
from tests.servers.clamd import MALWARE, MEBIBYTES, SIGNATURE, Clamd
from tests.stacks import ROLES, SQL, SQLITE, WITH_MYSQL, Stack, User
from tests.waiting import until

from holdfast.assets import quarantine
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.database.types import db_later
from holdfast.identity.tokens import Account
from holdfast.scanning.port import Result, Verdict

FOUND = f"{SIGNATURE}.UNOFFICIAL"


def scanning(clamd: Clamd, **settings: Any) -> dict[str, Any]:
    return {"scan": "clamd", "clamd": clamd.tcp, **settings}


@contextmanager
def scanned(stack: Stack, user: User, clamd: Clamd, **settings: Any) -> Iterator[Http]:
    with stack.client(user, stack.services(**scanning(clamd, **settings))) as http:
        yield http


@contextmanager
def admin(stack: Stack, **settings: Any) -> Iterator[Http]:
    """HTTP of a platform admin."""
    with Http(stack.app(stack.services(**settings)), bearer(_root(stack))) as http:
        yield http


def _root(stack: Stack) -> str:
    with stack.database.read() as connection:
        found = connection.execute(select(t.users.c.id).where(t.users.c.username == "root")).first()
    if found is None:
        return platform_admin(stack, "root").token
    return stack.own.tokens.issue(Account(found.id, "root", "", frozenset(), 0))


def send(http: Http, *files: tuple[str, bytes], to: dict[str, Any] | None = None, **fields: str) -> Any:
    if to is not None:
        sent = [("associated_files", file) for file in files]
        return http.post(f"/add-associated-files/{to['asset_path']}", files=sent, data={"primary_version_id": to["version_id"]})
    sent = [("associated_files" if number else "primary_file", file) for number, file in enumerate(files)]
    return http.post("/fileupload", files=sent, data=fields)


def listed(stack: Stack, **query: str) -> list[dict[str, Any]]:
    with admin(stack) as http:
        found: list[dict[str, Any]] = http.get("/admin/quarantine", params=query).json()["items"]
    return found


def run_jobs(stack: Stack) -> None:
    for _ in range(2):
        with stack.database.engine.begin() as connection:
            connection.execute(update(t.jobs).where(t.jobs.c.state == "pending").values(run_after=db_later(-1)))
        settle(stack.services())


def bytes_of(stack: Stack) -> list[str]:
    return list(stack.own.objects.keys("data/"))


def trail(stack: Stack, user: User, *operations: str) -> list[dict[str, Any]]:
    with stack.client(user) as http:
        return [row for row in http.get("/audit").json()["items"] if row["operation"] in operations]


@WITH_MYSQL
def test_what_is_clean_goes_in_and_what_is_infected_is_kept_and_told(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with scanned(stack, ada, clamd) as http:
        version = upload(http, "note.txt", b"harmless", ("side.txt", b"harmless, too"))
        refused = send(http, ("bad.txt", b"harmless"), ("worse.txt", b"x" + MALWARE), labels='{"a": "b"}')
        assert refused.status_code == 422
        told = refused.json()
        assert told["type"].endswith("/infected")
        assert (told["filename"], told["signature"]) == ("worse.txt", FOUND)
        added = send(http, ("added.txt", MALWARE), to=version)
        assert added.status_code == 422
        shown = http.get("/assets").json()["items"]
        assert [(one["asset_path"], one["scan_result"]) for one in shown] == [("text/txt/note", "clean")]
        assert len(http.get(f"/filedownload/{path(version)}").json()["metadata"]["associated_filenames"]) == 1
        for name in ("bad.txt", "worse.txt"):
            where = {"file": name}
            assert http.get("/content/text/txt/bad", params=where).status_code == 404
    second, first = listed(stack)
    assert first == {
        "upload_id": first["upload_id"], "workspace": ada.branch, "asset_path": "text/txt/bad", "filename": "worse.txt",
        "size": len(b"harmless") + 1 + len(MALWARE), "result": "infected", "signature": FOUND, "detail": f"stream: {FOUND} FOUND",
        "state": "kept", "uploaded_by": "ada", "taken_at": first["taken_at"], "decided_at": None, "decided_by": None,
    }  # fmt: skip
    assert (second["filename"], second["asset_path"]) == ("added.txt", "text/txt/note")
    run_jobs(stack)
    kept = [key for key in bytes_of(stack) if first["upload_id"] in key or second["upload_id"] in key]
    assert len(kept) == 3, "and it stays"
    assert disagreements(stack) == []
    rows = trail(stack, ada, "quarantine")
    assert [row["details"]["upload_id"] for row in rows] == [second["upload_id"], first["upload_id"]]
    assert rows[1]["details"] == {
        "upload_id": first["upload_id"], "kept": True, "filename": "worse.txt", "result": "infected", "signature": FOUND,
    }  # fmt: skip
    assert not rows[0]["success"]
    assert used(stack, ada.workspace_id)[1] == 1


@WITH_MYSQL
def test_what_is_released_becomes_what_it_was_to_be(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with scanned(stack, ada, clamd) as http:
        version = upload(http, "note.txt", b"harmless")
        send(http, ("bad.txt", MALWARE), ("side.txt", b"side"), labels='{"a": "b"}', archive_ttl="30")
        send(http, ("more.txt", MALWARE), to=version)
        more, bad = listed(stack)
        with admin(stack) as by:
            for one in (bad, more):
                done = by.post(f"/admin/quarantine/{one['upload_id']}/release")
                assert done.status_code == 200
                assert done.json() == {**one, "state": "released", "decided_by": "root", "decided_at": done.json()["decided_at"]}
                assert done.json()["decided_at"] is not None
        settle(stack.services())
        released, note = until(lambda: two(http))
        assert (released["asset_path"], released["labels"]) == ("text/txt/bad", {"a": "b"})
        assert (released["scan_result"], note["scan_result"]) == ("infected", "clean")
        assert released["archive_date"] is not None
        assert [name for name, _ in released["associated_filenames"]] == ["side.txt"]
        assert http.get("/content/text/txt/bad").content == MALWARE
        until(lambda: [name for name, _ in two(http)[1]["associated_filenames"]] == ["more.txt"])
        assert note["version_id"] == version["version_id"]
    with admin(stack) as by:
        for method, step in (("POST", "/release"), ("DELETE", "")):
            again = by.request(method, f"/admin/quarantine/{bad['upload_id']}{step}")
            assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (409, "already-decided")
    assert disagreements(stack) == []
    assert [row["username"] for row in trail(stack, ada, "quarantine-release")] == ["root", "root"]


def two(http: Http) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = http.get("/assets").json()["items"]
    return items if len(items) == 2 else []


@WITH_MYSQL
def test_what_is_deleted_is_erased_and_stays_on_record(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with scanned(stack, ada, clamd) as http:
        held = {"matter": "m", "reason": "r", "selector": {"all": True}}
        assert http.post("/holds", json=held).status_code == 201
        send(http, ("bad.txt", MALWARE), ("side.txt", b"side"))
    [bad] = listed(stack)
    assert len(bytes_of(stack)) == 2
    with admin(stack) as by:
        done = by.request("DELETE", f"/admin/quarantine/{bad['upload_id']}")
        assert (done.status_code, done.json()["state"], done.json()["decided_by"]) == (200, "deleted", "root")
    run_jobs(stack)
    assert bytes_of(stack) == [], "a hold covers versions, and this never was one"
    assert listed(stack, state="kept") == []
    assert [one["upload_id"] for one in listed(stack, state="deleted")] == [bad["upload_id"]]
    assert disagreements(stack) == []
    with stack.database.read() as connection:
        assert connection.scalars(select(t.intents.c.state)).all() == ["erased"]
        assert connection.scalars(select(t.files.c.id)).all() == []
    [row] = trail(stack, ada, "quarantine-delete")
    assert (row["username"], row["details"]["upload_id"]) == ("root", bad["upload_id"])


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_the_switches(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    large = bytes(MEBIBYTES << 20) + b"x"
    with scanned(stack, ada, clamd) as http:
        assert send(http, ("large.bin", large)).json()["type"].endswith("/not-scannable")
    with scanned(stack, ada, clamd, scan_max_bytes=10) as http:
        assert send(http, ("eleven.txt", b"x" * 11)).status_code == 422
        assert send(http, ("ten.txt", b"x" * 10)).status_code == 200
    assert [(one["filename"], one["result"], one["state"]) for one in listed(stack)] == [
        ("eleven.txt", "too_large", "kept"),
        ("large.bin", "too_large", "kept"),
    ]
    with scanned(stack, ada, clamd, scan_delete=True, scan_max_bytes=1000) as http:
        assert send(http, ("bad.txt", MALWARE)).status_code == 422
        assert send(http, ("over.txt", b"x" * 1001)).status_code == 422
    with scanned(stack, ada, clamd, scan_quarantine=False) as http:
        assert send(http, ("worse.txt", MALWARE)).status_code == 422
    assert [(one["filename"], one["state"]) for one in listed(stack)][:3] == [
        ("worse.txt", "deleted"),
        ("over.txt", "kept"),
        ("bad.txt", "deleted"),
    ]
    with stack.client(ada) as http:
        unscanned = send(http, ("anything.txt", MALWARE))
        assert unscanned.status_code == 200, "where nothing is scanned, anything goes in"
        assert unscanned.json()["scan_result"] == "not_scanned"
    run_jobs(stack)
    assert len(bytes_of(stack)) == 5
    assert disagreements(stack) == []


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_scanner_that_is_away_lets_nothing_in_and_keeps_nothing(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with stack.client(ada, stack.services(scan="clamd", clamd="127.0.0.1:9")) as http:
        refused = http.post("/fileupload", files={"primary_file": ("a.txt", b"a")}, headers={"Idempotency-Key": "once"})
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (503, "scanner-unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert http.get("/assets").json()["items"] == []
    assert listed(stack) == []
    run_jobs(stack)
    assert bytes_of(stack) == []
    with scanned(stack, ada, clamd) as http:
        again = http.post("/fileupload", files={"primary_file": ("a.txt", b"a")}, headers={"Idempotency-Key": "once"})
        assert again.status_code == 200, "the same key is free again"


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_scanner_that_stands_still_holds_up_uploads_and_nothing_else(stack: Stack, own_clamd: Clamd) -> None:
    ada, said = stack.user("ada"), list[int]()
    with scanned(stack, ada, own_clamd, scan_timeout_seconds=5, threads=10) as http:
        with own_clamd.standing_still():
            waiting = [
                threading.Thread(target=lambda n=n: said.append(send(http, (f"a{n}.txt", b"a")).status_code)) for n in range(12)
            ]
            for thread in waiting:
                thread.start()
            until(lambda: len(bytes_of(stack)) == 12)
            assert http.get("/assets").json()["items"] == [], "there are threads left for the others"
            for thread in waiting:
                thread.join()
        assert said == [503] * 12
        assert send(http, ("a.txt", b"a")).status_code == 200


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_nothing_is_stored_unscanned_by_mistake(stack: Stack, clamd: Clamd) -> None:
    services = stack.services(**scanning(clamd))
    with pytest.raises(quarantine.Unscanned):
        stack.database.write(lambda connection: quarantine.take(services, connection, "x", None))
    with pytest.raises(quarantine.Unscanned):
        stack.database.write(lambda connection: quarantine.take(services, connection, "x", Verdict(Result.NOT_SCANNED)))
    assert stack.database.write(lambda connection: quarantine.take(services, connection, "x", Verdict(Result.CLEAN))) is None
    assert stack.database.write(lambda connection: quarantine.take(stack.own, connection, "x", None)) is None


@pytest.mark.parametrize("stack", [SQLITE, ROLES], indirect=True)
def test_what_is_kept_goes_with_its_workspace(stack: Stack) -> None:
    ada, eve = stack.user("ada"), stack.user("eve")
    hers, other = (store(stack, user, ("bad.txt", b"bad"), verdict=Verdict(Result.INFECTED, "Bad")) for user in (ada, eve))
    with stack.client(ada) as http:
        assert http.request("DELETE", "/workspace", json={"confirm": ada.branch}).status_code == 200
    run_jobs(stack)
    assert [(one["upload_id"], one["state"]) for one in listed(stack)] == [(other, "kept"), (hers, "deleted")]
    assert bytes_of(stack) == [f"data/{other}/0"]
    assert disagreements(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_verify_knows_what_is_kept(stack: Stack) -> None:
    upload_id = store(stack, stack.user("ada"), ("bad.txt", b"bad"), verdict=Verdict(Result.INFECTED, "Bad"))
    assert disagreements(stack) == []
    stack.own.objects.delete(f"data/{upload_id}/0")
    assert [(one.problem, one.subject) for one in disagreements(stack)] == [("quarantine-differs", f"data/{upload_id}/0")]
    stack.database.write(lambda connection: connection.execute(update(t.quarantine).values(state="released")))
    assert [one.subject for one in disagreements(stack)] == [upload_id, f"data/{upload_id}/0"]


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_the_list_has_pages(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with scanned(stack, ada, clamd) as http:
        for number in range(5):
            send(http, (f"bad{number}.txt", MALWARE))
    with admin(stack) as by:
        found, cursor = [], None
        while True:
            query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
            reply = by.get("/admin/quarantine", params=query).json()
            found += [one["filename"] for one in reply["items"]]
            cursor = reply["next_cursor"]
            if cursor is None:
                break
        assert found == [f"bad{number}.txt" for number in reversed(range(5))]
        assert by.post("/admin/quarantine/nothing/release").status_code == 404
        assert by.request("DELETE", "/admin/quarantine/n%C3%B6").status_code == 404
    for user in (ada, stack.user("eve")):
        with stack.client(user) as http:
            assert http.get("/admin/quarantine").status_code == 403
            assert http.request("DELETE", "/admin/quarantine/nothing").status_code == 403


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_what_cannot_be_published_any_more_is_erased_after_all(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with scanned(stack, ada, clamd) as http:
        version = upload(http, "note.txt", b"harmless")
        send(http, ("more.txt", MALWARE), to=version)
        assert http.post(f"/filearchive/{path(version)}").status_code == 200
    [one] = listed(stack)
    with admin(stack) as by:
        assert by.post(f"/admin/quarantine/{one['upload_id']}/release").status_code == 200
    until(lambda: [row for row in trail(stack, ada, "add-files") if row["details"].get("problem") == "not-active"])
    run_jobs(stack)
    assert len(bytes_of(stack)) == 1
    assert disagreements(stack) == []


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_version_is_no_business_of_the_quarantine(stack: Stack) -> None:
    version = publish(stack, stack.user("ada"), ("note.txt", b"note"))
    with stack.database.read() as connection:
        upload_id = connection.scalar(select(t.versions.c.upload_id).where(t.versions.c.version_id == version["version_id"]))
    with admin(stack) as by:
        assert by.request("DELETE", f"/admin/quarantine/{upload_id}").status_code == 404
