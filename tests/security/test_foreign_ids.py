"""What somebody else's paths, ids, cursors, keys and links are good for: nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.asgi import Http
from tests.behaviour.moments import bearer, fetch
from tests.security.tenants import Tenant, settle, stored
from tests.stacks import SQL, SQLITE, Stack

pytestmark = pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)


def test_another_tenants_version_is_answered_as_one_that_never_was(stack: Stack) -> None:
    """Word by word, or the answer would tell that there is one."""
    with stack.client() as http:
        ada, eve = settle(stack, http, "ada"), settle(stack, http, "eve")
        who, before = bearer(eve.admin.token), stored(stack, ada.admin.workspace_id)
        for version in (ada.active, ada.archived, ada.destroyed):
            for method, route, body in (
                ("GET", "filedownload", None),
                ("POST", "filearchive", None),
                ("POST", "filerestore", None),
                ("POST", "delfile", None),
                ("PUT", "ttl", {"archive_ttl": 1}),
                ("PUT", "labels", {"a": "b"}),
            ):
                said = {}
                for version_id in (version["version_id"], "0" * 64):
                    reply = http.request(method, f"/{route}/{version['asset_path']}/{version_id}", headers=who, json=body)
                    assert reply.status_code == 404, route
                    said[version_id] = reply.json()["detail"], reply.json()["type"]
                assert len(set(said.values())) == 1, route
            reply = http.get(f"/content/{version['asset_path']}", headers=who, params={"version_id": version["version_id"]})
            assert reply.status_code == 404
        assert stored(stack, ada.admin.workspace_id) == before


def test_files_are_not_added_to_another_tenants_version(stack: Stack) -> None:
    with stack.client() as http:
        ada, eve = settle(stack, http, "ada"), settle(stack, http, "eve")
        before = stored(stack)
        reply = http.post(
            f"/add-associated-files/{eve.active['asset_path']}",
            headers=bearer(eve.admin.token),
            files={"associated_files": ("mine.txt", b"mine")},
            data={"primary_version_id": ada.active["version_id"]},
        )
        assert reply.status_code == 404
        assert stored(stack) == before


def test_a_cursor_shows_its_reader_what_is_his(stack: Stack) -> None:
    with stack.client() as http:
        ada, eve = settle(stack, http, "ada"), settle(stack, http, "eve")
        for tenant in (ada, eve):
            for name in ("a.txt", "b.txt", "note.txt"):
                _upload(http, tenant, name)
            stack.user(f"{tenant.admin.account.username}_zoe", "list", of=tenant.admin)
        for route in ("/assets?limit=1", "/shared-users?limit=1", "/audit?limit=1"):
            cursor = http.get(route, headers=bearer(ada.admin.token)).json()["next_cursor"]
            reply = http.get(f"{route}&{urlencode({'cursor': cursor})}", headers=bearer(eve.admin.token))
            assert reply.status_code == 200, route
            assert not [secret for secret in ada.private if secret in reply.text], route
        page = http.get("/fileversions/text/txt/note/note.txt?limit=1", headers=bearer(ada.admin.token))
        reply = http.get(page.links["next"]["url"], headers=bearer(eve.admin.token))
        assert not [secret for secret in ada.private if secret in reply.text]


def _upload(http: Http, tenant: Tenant, name: str, **headers: str) -> dict[str, Any]:
    """With a content that no other call sends for it."""
    content = f"{tenant.admin.account.username} sends {name}".encode()
    who = {**bearer(tenant.admin.token), **headers}
    reply = http.post("/fileupload", headers=who, files={"primary_file": (name, content)})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_an_idempotency_key_is_its_senders_own(stack: Stack) -> None:
    with stack.client() as http:
        ada, eve = settle(stack, http, "ada"), settle(stack, http, "eve")
        key = {"Idempotency-Key": "the same"}
        first = _upload(http, ada, "key.txt", **key)
        second = _upload(http, eve, "key.txt", **key)
        assert (first["branch"], second["branch"]) == ("ada_space", "eve_space")
        assert first["version_id"] != second["version_id"]
        assert _upload(http, ada, "key.txt", **key)["version_id"] == first["version_id"]
        colleague = stack.user("colleague", "upload", of=ada.admin)
        reply = http.post(
            "/fileupload", headers={**bearer(colleague.token), **key}, files={"primary_file": ("other.txt", b"the colleague's")}
        )
        assert reply.json()["asset_path"] == "text/txt/other"


def test_a_link_is_for_one_file_of_one_workspace(stack: Stack) -> None:
    with stack.client() as http:
        ada, eve = settle(stack, http, "ada"), settle(stack, http, "eve")
        eves = f"/filedownload/{eve.active['asset_path']}/{eve.active['version_id']}"
        url = http.get(eves, headers=bearer(eve.admin.token)).json()["primary_file"]["url"]
        assert fetch(http, url).content == b"eve's note.txt"
        base, query = url.partition("?")[0], dict(parse_qsl(urlsplit(url).query))
        if stack.values.get("objects") == "s3":
            keys = list(stack.own.objects.keys())
            [own] = [key for key in keys if base.endswith(key)]
            tries = [url.replace(own, key) for key in keys if key != own]
        else:
            changes: list[dict[str, str]] = [
                {"workspace": "ada_space"},
                {"version_id": ada.active["version_id"]},
                {"workspace": "ada_space", "version_id": ada.active["version_id"]},
                {"file": "more.txt"},
                {"expires": "9999999999"},
            ]
            tries = [f"{base}?{urlencode({**query, **change})}" for change in changes]
        assert len(tries) >= 5
        for changed in tries:
            reply = fetch(http, changed)
            assert reply.status_code == 403, changed
            assert b"ada's" not in reply.content


def test_the_trail_of_another_workspace_is_not_shown_on_demand(stack: Stack) -> None:
    with stack.client() as http:
        ada, eve = settle(stack, http, "ada"), settle(stack, http, "eve")
        asked = http.get("/audit", headers=bearer(eve.admin.token), params={"workspace": ada.admin.branch})
        assert asked.status_code == 403
        assert http.get("/audit", headers=bearer(ada.admin.token), params={"workspace": ada.admin.branch}).status_code == 200
