"""Every function and every command works with the rights of its role, and is refused what is another's: on real servers."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select, update

from holdfast.assets.verify import verify
from holdfast.audit.verify import verify as verify_trail
from holdfast.background import settle
from holdfast.database import tables as t
from holdfast.disagreement import Disagreement
from holdfast.identity import invitations, users, workspaces
from holdfast.lifecycle.purging import purge
from holdfast.lifecycle.sweeping import Request, sweep
from holdfast.policies import folder
from holdfast.policies.model import AssetPolicy
from holdfast.policies.validating import validated
from holdfast.policies.words import Action
from holdfast.storage.objects import StoreUnavailable
from holdfast.uploads import chunks
from holdfast.usage.counting import recount
from tests.asgi import Http
from tests.behaviour.moments import Moving, bearer, path, upload
from tests.cli.program import HOLDFAST, Program
from tests.roles.stack import FUNCTIONS, Roles, receiver
from tests.security.tenants import in_chunks, platform_admin
from tests.servers.clamd import MALWARE, Clamd
from tests.stacks import MYSQL, ROLES, WITH_ROLES, Stack
from tests.waiting import until

pytestmark = pytest.mark.parametrize("stack", [ROLES, f"{MYSQL}{WITH_ROLES}"], indirect=True)

PASSWORD = "admin_password"


class Asking:
    """HTTP that is expected to succeed, and remembers which functions it reached."""

    def __init__(self, http: Http) -> None:
        self.http, self.reached = http, set[str]()

    def __call__(self, method: str, where: str, **options: Any) -> Any:
        self.reached.add(receiver(where))
        reply = self.http.request(method, where, **options)
        assert reply.status_code == 200, f"{method} {where}: {reply.text}"
        return reply.json() if "json" in reply.headers.get("content-type", "") else reply.content

    def log_in(self) -> None:
        token = self("POST", "/token", data={"username": "ada", "password": PASSWORD})["access_token"]
        self.http.headers.update(bearer(token))


@contextmanager
def asking(stack: Stack, **settings: Any) -> Iterator[Asking]:
    with stack.client(services=stack.services(**settings)) as http:
        yield Asking(http)


def policy(name: str = "one", **spec: Any) -> AssetPolicy:
    guard = {"maxItems": 1_000_000, "maxPercent": 100}
    whole = {"workspaces": {"all": True}, "mode": "Enforce", "guard": guard, **spec}
    return validated({"metadata": {"name": name}, "spec": whole})


def of(stack: Stack) -> Roles:
    assert isinstance(stack, Roles)
    return stack


def test_every_function_works_as_its_role(stack: Stack) -> None:
    with asking(stack, audit_reads=True) as ask:
        assert ask.http.post("/token", data={"username": "ada", "password": "a guess"}).status_code == 401
        ask("POST", "/users", json={"username": "ada", "password": PASSWORD})
        ask.log_in()
        version = ask("POST", "/fileupload", files={"primary_file": ("a.txt", b"a"), "associated_files": ("b.txt", b"b")})
        where = path(version)
        ask("POST", f"/add-associated-files/{version['asset_path']}", files={"associated_files": ("c.txt", b"c")})
        ask("PUT", f"/labels/{where}", json={"project": "apollo"})
        ask("PUT", f"/ttl/{where}", json={"archive_ttl": 30})
        assert len(ask("GET", "/assets")["items"]) == 1
        ask("GET", f"/filedownload/{where}")
        assert ask("GET", f"/content/{version['asset_path']}") == b"a"
        ask("GET", f"/fileversions/{version['asset_path']}/a.txt")
        hold = ask.http.post("/holds", json={"matter": "Doe", "reason": "an order", "selector": {"paths": ["text/**"]}})
        ask.reached.add("holds")
        assert hold.status_code == 201, hold.text
        ask("DELETE", f"/holds/{hold.json()['id']}")
        for act in ("filearchive", "delfile", "filerestore"):
            ask("POST", f"/{act}/{where}")
        assert ask.http.get("/admin/quarantine").status_code == 403
        ask.reached.add("quarantine")
        in_chunks(ask.http, {}, b"a chunk")
        upload_id = in_chunks(ask.http, {}, b"", "init").json()["data"]["upload_id"]
        part = {"number": 1, "size": 1, "sha256": sha256(b"x").hexdigest()}
        promise = {"upload_id": upload_id, "part_size": 5 << 20, "parts": [part]}
        [link] = ask("POST", "/api/v1/file/upload/parts", json=promise)["data"]["parts"]
        assert httpx.put(link["url"], headers=link["headers"], content=b"x", trust_env=False).status_code == 200
        direct = {"upload_id": upload_id, "total_chunks": "1", "total_size": "1", "filename": "direct.txt"}
        ask("POST", "/api/v1/file/upload/complete/", data=direct)
        [_, file] = ask("GET", "/api/v1/file/all")["data"]
        ask("GET", f"/api/v1/file/get/{file['id']}")
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "3"}
        begun = ask.http.post("/uploads", headers=tus)
        rest = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        sent = ask.http.request("PATCH", urlsplit(begun.headers["location"]).path, headers=rest, content=b"new")
        assert (begun.status_code, sent.status_code) == (201, 204)
        ask.reached |= {"file_upload", "uploads"}
        shared = {"username": "grace", "password": "shared_password", "permissions": ["list"]}
        ask("POST", "/shared-users", json=shared)
        ask("DELETE", "/shared-users", json={"username": "grace"})
        for what in (
            "/usage",
            "/audit",
            "/audit/head",
            "/me",
            "/runs",
            "/openapi.json",
            "/docs",
            "/console/upload",
            "/.well-known/jwks.json",
        ):
            ask("GET", what)
        document = policy(archive={"afterDays": 1}, workspaces={"names": ["ada_space"]}).model_dump(mode="json", by_alias=True)
        ask("POST", "/policies/preview", json=document)
        assert {"download", "login"} <= {one["operation"] for one in ask("GET", "/audit?limit=100")["items"]}
        ask("PUT", "/me/password", json={"old_password": PASSWORD, "new_password": "a better one"})
        token = ask("POST", "/token", data={"username": "ada", "password": "a better one"})["access_token"]
        ask.http.headers.update(bearer(token))
        ask("POST", "/token/revoke", json={"all": True})
        token = ask("POST", "/token", data={"username": "ada", "password": "a better one"})["access_token"]
        ask.http.headers.update(bearer(token))
        ask("DELETE", "/workspace", json={"confirm": "ada_space"})
    assert ask.reached == set(FUNCTIONS)


def test_the_worker_finishes_an_upload_whose_request_died(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        upload_id = in_chunks(http, bearer(ada.token), b"content", "chunk").json()["data"]["upload_id"]
    whole: dict[str, Any] = {"count": 1, "size": 7, "values": {"filename": "a.txt", "details": {}, "kept": True}}
    chunks.complete(of(stack).of("write"), stack.own.tokens.verify(ada.token), upload_id, **whole)
    worker = of(stack).of("worker")

    def finished() -> bool:
        with stack.database.engine.begin() as connection:
            connection.execute(update(t.jobs).values(run_after=t.jobs.c.created_at))
        settle(worker)
        with stack.database.read() as connection:
            return connection.scalars(select(t.versions.c.primary_filename)).all() == ["a.txt"]

    until(finished)  # a job that cannot reach its store in time is tried again later


def test_what_is_not_clean_is_taken_released_and_deleted_by_their_roles(stack: Stack, clamd: Clamd) -> None:
    root = platform_admin(stack, "root")
    services = stack.services(scan="clamd", clamd=clamd.tcp)
    with Http(stack.app(services), bearer(stack.user("ada").token)) as http:
        for name in ("first.txt", "second.txt"):
            assert http.post("/fileupload", files={"primary_file": (name, MALWARE)}).status_code == 422
        http.headers.update(bearer(root.token))
        second, first = (one["upload_id"] for one in http.get("/admin/quarantine").json()["items"])
        assert http.post(f"/admin/quarantine/{first}/release").status_code == 200
        assert http.request("DELETE", f"/admin/quarantine/{second}").status_code == 200
    settle(services)
    with stack.database.read() as connection:
        assert connection.scalars(select(t.versions.c.primary_filename)).all() == ["first.txt"]
    assert len(list(stack.own.objects.keys("data/"))) == 1


def test_every_function_is_ready_as_its_role(stack: Stack) -> None:
    services = stack.services()
    not_ready = {}
    for name in FUNCTIONS:
        with Http(of(stack).function(name, services)) as http:
            reply = http.get("/readyz")
            if reply.status_code != 200:
                not_ready[name] = reply.text
    assert not_ready == {}
    assert list(stack.own.objects.keys("check/")) == []


def test_a_policys_runs_the_purge_and_what_is_checked_afterwards_work_as_their_roles(stack: Stack) -> None:
    clock = Moving()
    settings = stack.settings(undo_days=0, compaction="vouched", purge_seconds=0)
    sweeper, purger, worker, reader = (of(stack).of(role, clock, settings) for role in ("sweep", "purge", "worker", "read"))
    source, ada = settings.policies_folder, stack.user("ada")
    with Http(stack.app(worker), bearer(worker.tokens.issue(ada.account))) as http:
        versions = [upload(http, f"{name}.txt", name.encode()) for name in ("a", "b")]
        folder.put(source, policy(archive={"afterDays": 1}, destroy={"afterDays": 1}, undoDays=0))
        gone = policy("gone", mode="Preview", archive={"afterDays": 9})
        folder.put(source, gone)
        clock.move(days=2)
        shown = sweep(sweeper, source, "default/one", Action.ARCHIVE, Request(preview=True))
        assert (shown.state, shown.plan and shown.plan.due_items) == ("preview", 2)
        archived = sweep(sweeper, source, "default/one", Action.ARCHIVE)
        assert (archived.state, archived.done.items) == ("done", 2)
        http.headers.update(bearer(worker.tokens.issue(ada.account)))
        assert http.post(f"/runs/{archived.run}/undo").status_code in {200, 202}
        settle(worker)
        clock.move(days=2)
        assert sweep(sweeper, source, "default/one", Action.ARCHIVE).done.items == 2
        clock.move(days=2)
        folder.remove(source, gone)
        assert sweep(sweeper, source, "default/one", Action.DESTROY).done.items == 2
        clock.move(days=1)
        done = purge(purger)
        assert (done.begun, done.objects, done.erased, done.failures) == (2, 2, 2, 0)
        settle(worker)
        assert [one for one in verify(reader, deep=True) if isinstance(one, Disagreement)] == []
        assert [one for one in verify_trail(reader) if isinstance(one, Disagreement)] == []
    assert list(stack.own.objects.keys("data/")) == []
    with stack.database.read() as connection:
        assert connection.scalars(select(t.policies.c.name)).all() == ["one"]
        assert len(versions) == len(connection.execute(select(t.verifications)).all())


def test_what_was_given_up_is_erased_as_the_worker(stack: Stack) -> None:
    ada = stack.user("ada", quota_bytes=4)
    with stack.client(ada) as http:
        refused = http.post("/fileupload", files={"primary_file": ("a.txt", b"more than it may hold")})
        assert refused.status_code == 413, refused.text
    settle(stack.services())
    assert list(stack.own.objects.keys("data/")) == []


def test_what_the_operator_does_works_as_a_writer(stack: Stack) -> None:
    writer = of(stack).of("write")
    users.create_platform_admin(writer, "root", "the root password")
    users.reset_password(writer, "root", "a newer password")
    stack.user("ada")
    workspaces.set_quota(writer, "ada_space", 1000)
    assert len(invitations.create(writer, 1)) > 20
    assert recount(writer) == 0


def test_the_worker_starts_with_its_own_rights_and_makes_no_table(stack: Stack, tmp_path: Path) -> None:
    worker = of(stack).narrowed("worker", stack.settings(purge_seconds=0))
    given = {f"HOLDFAST_{name.upper()}": getattr(worker, name) for name in (*stack.values, "purge_seconds")}
    plain = {name: str(getattr(value, "get_secret_value", lambda value=value: value)()) for name, value in given.items()}
    program = Program(tmp_path, tmp_path, plain)
    with subprocess.Popen([HOLDFAST, "worker"], env=program.variables(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        said = [next(line for line in lines if line == "The worker is ready.\n")]
        process.send_signal(signal.SIGTERM)
        said += lines
    assert process.returncode == 0
    assert "denied" not in "".join(said)


def test_an_object_is_refused_to_who_may_not_write_or_delete_it(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        upload(http, "a.txt", b"a")
    [key] = stack.own.objects.keys("data/")
    refused = set()
    for role in ("read", "write", "sweep", "worker", "purge"):
        objects = of(stack).of(role).objects
        writer = objects.writer(f"data/{role}/0", "text/plain")
        writer.feed(b"x")
        try:
            writer.finish()
        except StoreUnavailable:
            refused.add((role, "write"))
        if role in {"worker", "purge"}:
            continue
        with pytest.raises(StoreUnavailable):
            objects.delete(key)
        assert objects.size(key) == 1
    assert refused == {(role, "write") for role in ("read", "sweep", "purge")}
    of(stack).of("purge").objects.delete(key)
    assert stack.own.objects.size(key) is None
