"""Who may do what: every route against everybody.

``RIGHTS`` is written by hand, from the permissions of reference 000 (upload, download, list, archive, destroy; admin has them all
and manages the shared users) and from what each route is for. It is what the code is held against, never made from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from holdfast.policies.model import dump
from holdfast.web.serving import functions
from tests.asgi import Http
from tests.behaviour.moments import bearer
from tests.security.tenants import (
    PASSWORD,
    PERMISSIONS,
    Tenant,
    expired,
    in_chunks,
    platform_admin,
    set_password,
    settle,
    stored,
    tampered,
)
from tests.stacks import SQL, SQLITE, Stack

UNKNOWN = ("no token", "tampered token", "expired token")
ACTORS = (*UNKNOWN, "nothing", *PERMISSIONS, "admin", "stranger", "platform admin")
"""Shared users are called by their only permission; ``nothing`` has none. A stranger is the admin of another workspace."""

Ask = Callable[[Http, Tenant, dict[str, str]], httpx.Response]


@dataclass(frozen=True)
class Right:
    """Who may (with 200, or ``done``), besides the workspace's admin; what strangers and platform admins get. ``note`` tells rows
    of one route apart. A stranger's 200 is about his own workspace, never about the tenant's."""

    method: str
    route: str
    may: str
    stranger: int
    platform: int
    ask: Ask
    note: str = ""
    done: int = 200

    def expected(self, actor: str) -> int:
        if self.may == "everybody":
            return self.done
        if actor in UNKNOWN:
            return 401
        if actor in {"stranger", "platform admin"}:
            return self.stranger if actor == "stranger" else self.platform
        return self.done if actor == "admin" or self.may in {actor, "every user"} else 403


def get(path: str) -> Ask:
    return lambda http, tenant, who: http.get(path, headers=who)


def at(step: str, state: str, method: str = "POST", **options: Any) -> Ask:
    """A request about the tenant's version in that state: ``/<step>/<asset_path>/<version_id>``."""

    def ask(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
        version = getattr(tenant, state)
        return http.request(method, f"/{step}/{version['asset_path']}/{version['version_id']}", headers=who, **options)

    return ask


def shared_users(method: str, **body: Any) -> Ask:
    """About the tenant's member."""

    def ask(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
        return http.request(method, "/shared-users", headers=who, json={"username": tenant.member.account.username, **body})

    return ask


def share(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    return http.post("/shared-users", headers=who, json={**somebody_new(), "permissions": ["list"]})


def register(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    return http.post("/users", headers=who, json=somebody_new())


_numbers = count()


def somebody_new() -> dict[str, str]:
    return {"username": f"new{next(_numbers)}", "password": PASSWORD}


def content(method: str) -> Ask:
    def ask(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
        query = {"version_id": tenant.active["version_id"]}
        return http.request(method, f"/content/{tenant.active['asset_path']}", headers=who, params=query)

    return ask


def add_files(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    fields = {"primary_version_id": tenant.active["version_id"]}
    files = {"associated_files": ("added.txt", b"added")}
    return http.post(f"/add-associated-files/{tenant.active['asset_path']}", headers=who, files=files, data=fields)


def preview(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    return http.post("/policies/preview", headers=who, json=dump(tenant.policy))


def run(method: str, step: str) -> Ask:
    return lambda http, tenant, who: http.request(method, f"/runs/{tenant.run}{step}", headers=who)


def place(**where: Any) -> Ask:
    """A hold on everything there."""
    wanted = {"matter": "m", "reason": "r", "selector": {"all": True}, **where}
    return lambda http, tenant, who: http.post("/holds", headers=who, json=wanted)


def elsewhere(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    """A hold in the tenant's workspace, by name."""
    return place(workspace=tenant.admin.branch)(http, tenant, who)


def on_asset(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    names = [{name: tenant.active[name] for name in ("asset_path", "version_id")}]
    wanted = {"matter": "m", "reason": "r", "versions": names}
    return http.post("/holds", headers=who, json=wanted)


def the_hold(method: str) -> Ask:
    return lambda http, tenant, who: http.request(method, f"/holds/{tenant.hold['id']}", headers=who)


def chunks(last: str) -> Ask:
    """An upload of one's own."""
    return lambda http, tenant, who: in_chunks(http, who, b"new", last)


def the_file(method: str, step: str = "") -> Ask:
    return lambda http, tenant, who: http.request(method, f"/api/v1/file/{step}{tenant.file['id']}", headers=who)


def retry(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    return http.post("/api/v1/file/upload/retry", headers=who, data={"file_id": tenant.file["id"]})


def parts_of_none(http: Http, _tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    """What may be promised hangs on the store (``tests/uploads/test_direct.py``)."""
    part = {"number": 1, "size": 3, "sha256": "0" * 64}
    wanted = {"upload_id": "0" * 32, "part_size": 5 << 20, "parts": [part]}
    return http.post("/api/v1/file/upload/parts", headers=who, json=wanted)


def lasting(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
    return http.get(tenant.file["download_url"].removeprefix("http://holdfast.test"), headers=who)


def resumable(method: str, *, begun: bool = True, override: bool = False) -> Ask:
    """By tus, about an upload of one's own, which is ``begun`` for it: to others it is not there."""

    def ask(http: Http, tenant: Tenant, who: dict[str, str]) -> httpx.Response:
        said = {**who, "Tus-Resumable": "1.0.0", "Upload-Length": "3"}
        if not begun:
            return http.request(method, "/uploads", headers=said)
        reply = http.post("/uploads", headers=said)
        if reply.is_error:
            return reply
        said |= {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        if override:
            said["X-HTTP-Method-Override"] = method
        path = httpx.URL(reply.headers["location"]).path
        return http.request("POST" if override else method, path, headers=said, content=b"new" if method == "PATCH" else None)

    return ask


def no_method(method: str, path: str) -> Ask:
    """Of tus, which only a method that overrides it could make one."""
    return lambda http, _, who: http.request(method, path, headers={**who, "Tus-Resumable": "1.0.0"})


INIT = "/api/v1/file/upload/init/"
OTHER_SPELLING = re.compile("/api/v1/|/uploads.*/$")
"""A path with or without its slash at the end, where it is not declared."""


def the_quarantined(method: str, step: str = "") -> Ask:
    return lambda http, tenant, who: http.request(method, f"/admin/quarantine/{tenant.quarantined}{step}", headers=who)


CREDENTIALS = {"username": "known", "password": PASSWORD}

RIGHTS = [
    Right("GET", "/", "everybody", 200, 200, get("/")),
    Right("GET", "/healthz", "everybody", 200, 200, get("/healthz")),
    Right("GET", "/readyz", "everybody", 200, 200, get("/readyz")),
    Right("GET", "/metrics", "everybody", 200, 200, get("/metrics")),
    Right("GET", "/openapi.json", "everybody", 200, 200, get("/openapi.json")),
    Right("GET", "/docs", "everybody", 200, 200, get("/docs")),
    Right("GET", "/console", "everybody", 307, 307, get("/console"), done=307),
    Right("GET", "/console/upload", "everybody", 200, 200, get("/console/upload")),
    Right("GET", "/console/static/{name}", "everybody", 200, 200, get("/console/static/upload.js")),
    Right("GET", "/.well-known/jwks.json", "everybody", 200, 200, get("/.well-known/jwks.json")),
    Right("POST", "/token", "everybody", 200, 200, lambda http, tenant, who: http.post("/token", headers=who, data=CREDENTIALS)),
    Right("POST", "/users", "everybody", 200, 200, register),
    #
    Right("GET", "/me", "every user", 200, 200, get("/me")),
    Right(
        "PUT",
        "/me/password",
        "every user",
        200,
        200,
        lambda http, tenant, who: http.put("/me/password", headers=who, json={"old_password": PASSWORD, "new_password": PASSWORD}),
    ),
    Right("POST", "/token/revoke", "every user", 200, 200, lambda http, tenant, who: http.post("/token/revoke", headers=who)),
    Right("GET", "/workspace", "every user", 200, 404, get("/workspace")),
    Right(
        "DELETE",
        "/workspace",
        "admin",
        422,
        403,
        lambda http, tenant, who: http.request("DELETE", "/workspace", headers=who, json={"confirm": tenant.admin.branch}),
    ),
    Right("GET", "/shared-users", "admin", 200, 403, get("/shared-users")),
    Right("POST", "/shared-users", "admin", 200, 403, share),
    Right("PUT", "/shared-users", "admin", 404, 403, shared_users("PUT", permissions=["destroy"])),
    Right("DELETE", "/shared-users", "admin", 404, 403, shared_users("DELETE")),
    #
    Right(
        "POST",
        "/fileupload",
        "upload",
        200,
        403,
        lambda http, tenant, who: http.post("/fileupload", headers=who, files={"primary_file": ("new.txt", b"new")}),
    ),
    Right("POST", "/add-associated-files/{asset_path}", "upload", 404, 403, add_files),
    Right("PUT", "/labels/{asset_path}/{version_id}", "upload", 404, 403, at("labels", "active", "PUT", json={"a": "b"})),
    Right("GET", "/filedownload/{asset_path}/{version_id}", "download", 404, 403, at("filedownload", "active", "GET")),
    Right("GET", "/content/{asset_path}", "download", 404, 403, content("GET")),
    Right("HEAD", "/content/{asset_path}", "download", 404, 403, content("HEAD")),
    Right("GET", "/assets", "list", 200, 403, get("/assets?versions=all&status=active&status=archived&status=destroyed")),
    Right("GET", "/fileversions/{asset_path}/{filename}", "list", 200, 403, get("/fileversions/text/txt/note/note.txt")),
    Right("POST", "/filearchive/{asset_path}/{version_id}", "archive", 404, 403, at("filearchive", "active")),
    Right("PUT", "/ttl/{asset_path}/{version_id}", "archive", 404, 403, at("ttl", "active", "PUT", json={"archive_ttl": 1})),
    Right("POST", "/delfile/{asset_path}/{version_id}", "destroy", 404, 403, at("delfile", "archived")),
    Right("POST", "/filerestore/{asset_path}/{version_id}", "archive", 404, 403, at("filerestore", "archived"), "archived"),
    Right("POST", "/filerestore/{asset_path}/{version_id}", "destroy", 404, 403, at("filerestore", "destroyed"), "destroyed"),
    Right("GET", "/audit", "admin", 200, 200, get("/audit")),
    Right("GET", "/audit/head", "admin", 200, 200, get("/audit/head")),
    #
    Right("POST", "/policies/preview", "admin", 403, 200, preview),
    Right("GET", "/runs", "admin", 200, 200, get("/runs")),
    Right("GET", "/runs/{run_id}", "admin", 404, 200, run("GET", "")),
    Right("POST", "/runs/{run_id}/undo", "admin", 404, 202, run("POST", "/undo"), done=202),
    Right("GET", "/usage", "list", 200, 200, get("/usage")),
    #
    Right("GET", "/holds", "admin", 200, 200, get("/holds")),
    Right("POST", "/holds", "admin", 201, 422, place(), "in one's own workspace", done=201),
    Right("POST", "/holds", "admin", 403, 201, elsewhere, "in a workspace by name", done=201),
    Right(
        "POST",
        "/holds",
        "platform admin",
        403,
        201,
        place(all_workspaces=True, selector={"paths": ["image/**"]}),
        "in all workspaces",
        done=403,
    ),
    Right("POST", "/holds", "admin", 422, 422, on_asset, "on a version", done=201),
    Right("GET", "/holds/{hold_id}", "admin", 404, 200, the_hold("GET")),
    Right("DELETE", "/holds/{hold_id}", "admin", 404, 200, the_hold("DELETE")),
    #
    Right("POST", "/api/v1/file/upload/init/", "upload", 200, 403, lambda http, _, who: http.post(INIT, headers=who)),
    Right("POST", "/api/v1/file/upload/chunk/", "upload", 200, 403, chunks("chunk")),
    Right("POST", "/api/v1/file/upload/complete/", "upload", 200, 403, chunks("complete")),
    Right("POST", "/api/v1/file/upload/parts", "upload", 404, 403, parts_of_none, "of no upload", done=404),
    Right("POST", "/api/v1/file/upload/retry", "upload", 404, 403, retry, "of what is done", done=400),
    Right("GET", "/api/v1/file/get/{file_id}", "download", 404, 403, the_file("GET", "get/")),
    Right("GET", "/api/v1/file/status/{file_id}", "list", 404, 403, the_file("GET", "status/")),
    Right("GET", "/api/v1/file/all", "list", 200, 403, get("/api/v1/file/all")),
    Right("GET", "/api/v1/file/virus-scanner/health", "list", 200, 403, get("/api/v1/file/virus-scanner/health")),
    Right("GET", "/api/v1/file/appointment/{appointment_id}", "list", 200, 403, get("/api/v1/file/appointment/1")),
    Right("GET", "/api/v1/file/appointments", "list", 200, 403, get("/api/v1/file/appointments")),
    Right(
        "DELETE",
        "/api/v1/file/appointment/{appointment_id}",
        "destroy",
        200,
        403,
        lambda http, _, who: http.request("DELETE", "/api/v1/file/appointment/1", headers=who),
    ),
    Right(
        "DELETE",
        "/api/v1/file/all",
        "destroy",
        200,
        403,
        lambda http, _, who: http.request("DELETE", "/api/v1/file/all?user_id=1", headers=who),
    ),
    Right("DELETE", "/api/v1/file/{file_id}", "destroy", 404, 403, the_file("DELETE")),
    Right("GET", "/api/v1/file/link/{file_id}", "everybody", 307, 307, lasting, done=307),
    Right("GET", "/admin/quarantine", "platform admin", 403, 200, get("/admin/quarantine"), done=403),
    Right("DELETE", "/admin/quarantine/{upload_id}", "platform admin", 403, 200, the_quarantined("DELETE"), done=403),
    Right(
        "POST",
        "/admin/quarantine/{upload_id}/release",
        "platform admin",
        403,
        200,
        the_quarantined("POST", "/release"),
        done=403,
    ),
    #
    Right("OPTIONS", "/uploads", "everybody", 204, 204, resumable("OPTIONS", begun=False), done=204),
    Right("POST", "/uploads", "upload", 201, 403, resumable("POST", begun=False), done=201),
    Right(
        "OPTIONS",
        "/uploads/{upload_id}",
        "everybody",
        204,
        204,
        lambda http, tenant, who: http.request("OPTIONS", f"/uploads/{'0' * 32}", headers=who),
        done=204,
    ),
    Right("HEAD", "/uploads/{upload_id}", "upload", 200, 403, resumable("HEAD")),
    Right("PATCH", "/uploads/{upload_id}", "upload", 204, 403, resumable("PATCH"), done=204),
    Right("DELETE", "/uploads/{upload_id}", "upload", 204, 403, resumable("DELETE"), done=204),
    *(
        Right("POST", "/uploads/{upload_id}", "upload", done, 403, resumable(meant, override=True), meant, done=done)
        for meant, done in (("HEAD", 200), ("PATCH", 204), ("DELETE", 204))
    ),
    *(
        Right(method, "/uploads", "everybody", 405, 405, no_method(method, "/uploads"), done=405)
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE")
    ),
    *(
        Right(method, "/uploads/{upload_id}", "everybody", 405, 405, no_method(method, f"/uploads/{'0' * 32}"), done=405)
        for method in ("GET", "PUT")
    ),
]


def routes() -> Iterator[tuple[str, str]]:
    """What the functions answer, each in its own container."""
    for name in functions():
        for route in flat(import_module(f"endpoints.{name}.app").app.routes):
            assert isinstance(route, (APIRoute, Route)), f"{name} mounts something that the matrix cannot see: {route}"
            declared = isinstance(route, APIRoute)
            for method in route.methods or ():
                if declared and not route.include_in_schema and OTHER_SPELLING.match(route.path):
                    continue  # of one that is declared
                if declared or method != "HEAD":  # which the framework adds to its own routes
                    yield method, route.path.replace(":path}", "}")


def flat(routes: Iterable[Any]) -> Iterator[Any]:
    """The framework keeps a router that was included as one of the routes."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        yield from flat(inner.routes) if inner is not None else (route,)


def test_every_route_is_in_the_matrix_and_nothing_else() -> None:
    assert {(right.method, right.route) for right in RIGHTS} == set(routes())


READS, ACTS = ([right for right in RIGHTS if (right.method in {"GET", "HEAD"}) is reads] for reads in (True, False))


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_everybody_reads_what_is_his_and_nobody_anything_else(stack: Stack) -> None:
    """Reads leave everything as it is, so that all of them are asked of the same tenants."""
    with stack.client() as http:
        set_password(stack, stack.user("known"))
        tenant, stranger = (settle(stack, http, name, uploads=True) for name in ("tenant", "stranger"))
        callers = [(actor, *token) for actor in ACTORS for token in tokens(stack, actor, tenant, stranger)]
        got, expected = {}, {}
        for right in READS:
            for actor, spelling, token in callers:
                case = f"{right.method} {right.route} {right.note} by {spelling}"
                got[case], expected[case] = ask(stack, http, right, tenant, actor, case, token).status_code, right.expected(actor)
    assert got == expected


@pytest.mark.parametrize("right", ACTS, ids=lambda right: f"{right.method} {right.route} {right.note}".strip())
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_everybody_does_what_is_his_and_nobody_anything_else(stack: Stack, right: Right) -> None:
    with stack.client() as http:
        set_password(stack, stack.user("known"))
        names = (f"tenant{number}" for number in count())
        uploads = right.route.startswith("/api/v1/file")
        tenant, stranger = settle(stack, http, next(names), uploads=uploads), settle(stack, http, next(names))
        got, expected = {}, {}
        for actor in ACTORS:
            for spelling, token in tokens(stack, actor, tenant, stranger):
                reply = ask(stack, http, right, tenant, actor, spelling, token)
                got[spelling], expected[spelling] = reply.status_code, right.expected(actor)
                if reply.is_success and right.may != "everybody":
                    tenant = settle(stack, http, next(names), uploads=uploads)
                    if actor == "stranger":  # then it was his own that changed
                        stranger = settle(stack, http, next(names))
    assert got == expected


def ask(stack: Stack, http: Http, right: Right, tenant: Tenant, actor: str, case: str, token: str) -> httpx.Response:
    """The reply, once it is known that who was refused has changed nothing, and that who has no business there has learnt nothing,
    and changed nothing of the tenant's."""
    before = stored(stack)
    reply = right.ask(http, tenant, bearer(token) if token else {})
    if reply.is_error:
        assert stored(stack) == before, f"{case} changed something and was told {reply.status_code}"
        assert right.method == "HEAD" or reply.headers["content-type"] == "application/problem+json", case
    if actor in {*UNKNOWN, "stranger"}:
        asked = f"{reply.request.url} {reply.request.read()!r}"
        assert not [secret for secret in tenant.private if secret in reply.text and secret not in asked], case
        assert everything_of(before, tenant) == everything_of(stored(stack), tenant), case
    return reply


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_no_changed_token_holds(stack: Stack) -> None:
    with stack.client() as http:
        tenant, stranger = settle(stack, http, "tenant"), settle(stack, http, "stranger")
        before = stored(stack)
        for how, changed in tampered(tenant.admin, stranger.admin).items():
            who = bearer(changed)
            replies = [
                http.get("/me", headers=who),
                http.get("/assets", headers=who),
                http.post("/fileupload", headers=who, files={"primary_file": ("new.txt", b"new")}),
                http.request("DELETE", "/workspace", headers=who, json={"confirm": tenant.admin.branch}),
            ]
            assert [reply.status_code for reply in replies] == [401] * 4, how
            assert {reply.headers["www-authenticate"] for reply in replies} == {"Bearer"}
        assert stored(stack) == before
        schemes = ["", "Bearer", "Bearer ", f"Basic {tenant.admin.token}", tenant.admin.token, f"Bearer {tenant.admin.token} x"]
        assert [http.get("/me", headers={"Authorization": scheme}).status_code for scheme in schemes] == [401] * len(schemes)
        assert http.get("/me", params={"access_token": tenant.admin.token}).status_code == 401
        assert http.get("/me", headers={"Cookie": f"access_token={tenant.admin.token}"}).status_code == 401


def everything_of(found: dict[str, list[tuple[Any, ...]]], tenant: Tenant) -> list[str]:
    """The rows of ``stored`` that are about the tenant, as texts."""
    rows = [repr(row) for table in found.values() for row in table]
    return [row for row in rows if any(mine in row for mine in tenant.private)]


def tokens(stack: Stack, actor: str, tenant: Tenant, stranger: Tenant) -> Iterator[tuple[str, str]]:
    """What the actor may come with, and how to call it."""
    name = f"{actor.replace(' ', '_')}_of_{tenant.admin.account.username}"
    match actor:
        case "no token":
            yield actor, ""
        case "tampered token":
            changed = tampered(tenant.admin, stranger.admin)
            yield from ((f"{actor}: {how}", changed[how]) for how in ("signature", "claims", "alg none"))
        case "expired token":
            yield actor, expired(stack, tenant.admin)
        case "stranger":
            yield actor, stranger.admin.token
        case "admin":
            yield actor, tenant.admin.token
        case "platform admin":
            yield actor, platform_admin(stack, name).token
        case permission:
            user = stack.user(name, "" if permission == "nothing" else permission, of=tenant.admin)
            set_password(stack, user)
            yield actor, user.token
