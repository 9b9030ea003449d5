"""What the README of reference 000 shows with curl works here as it is written: the same paths, forms and fields, over a socket."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from tests.behaviour.readme_000 import NOTES, PHOTOGRAPH, admin, bearer, examples, log_in, upload
from tests.stacks import SQLITE, Stack
from tests.unit.web.served import served

from holdfast.clock import system
from holdfast.services import Services


@contextmanager
def listening(stack: Stack, services: Services | None = None) -> Iterator[httpx.Client]:
    """A client of the stack's functions under the real server."""
    with served(stack.app(services)) as (host, port), httpx.Client(base_url=f"http://{host}:{port}", timeout=60) as http:
        yield http


def test_the_examples_of_the_readme(stack: Stack) -> None:
    with listening(stack) as http:
        examples(http)


def test_links_give_the_bytes_to_whoever_has_them_with_type_and_name(stack: Stack) -> None:
    with listening(stack) as http:
        who = admin(http)
        files = [
            ("primary_file", ("test.jpg", PHOTOGRAPH, "image/jpeg")),
            ("associated_files", ("te st;ü.json", NOTES, "application/json")),
        ]
        asset = http.post("/fileupload", headers=who, files=files).json()
        found = http.get(f"/filedownload/{asset['asset_path']}/{asset['version_id']}", headers=who).json()
        [listed] = http.get("/fileversions/image/jpg/test/test.jpg", headers=who).json()
        store = stack.values.get("s3_endpoint") or str(http.base_url)
        for url in (found["primary_file"]["url"], found["associated_file_1"]["url"], listed["url"]):
            assert urlsplit(url).netloc == urlsplit(store).netloc
        primary, associated, from_list = (
            httpx.get(url) for url in (found["primary_file"]["url"], found["associated_file_1"]["url"], listed["url"])
        )
    assert (primary.status_code, primary.content, primary.headers["content-type"]) == (200, PHOTOGRAPH, "image/jpeg")
    assert 'filename="test.jpg"' in primary.headers["content-disposition"]
    assert (associated.status_code, associated.content) == (200, NOTES)
    assert "UTF-8''te%20st%3B%C3%BC.json" in associated.headers["content-disposition"]
    assert from_list.content == PHOTOGRAPH


def test_a_changed_link_gives_nothing(stack: Stack) -> None:
    with listening(stack) as http:
        who = admin(http)
        mine, other = upload(http, who).json(), upload(http, admin(http, "eve"), b"eve's own").json()
        url = http.get(f"/filedownload/image/jpg/test/{mine['version_id']}", headers=who).json()["primary_file"]["url"]
        address, _, query = url.partition("?")
        replies = [httpx.get(address), httpx.get(f"{address}?{query[:-1]}{'0' if query[-1] != '0' else '1'}")]
        if stack.values.get("objects") == "s3":
            keys = list(stack.own.objects.keys())
            [own] = [key for key in keys if address.endswith(key)]
            [foreign] = [key for key in keys if key != own]
            replies.append(httpx.get(url.replace(own, foreign)))
        else:
            replies.append(httpx.get(url.replace(mine["version_id"], other["version_id"])))
    assert [reply.status_code // 100 for reply in replies] == [4, 4, 4]
    assert not any(PHOTOGRAPH in reply.content or b"eve's own" in reply.content for reply in replies)


def test_a_link_expires(stack: Stack) -> None:
    """Its minutes are cut by the version's own destroy date, which here comes in two seconds."""
    uploaded_yesterday = stack.services(lambda: system() - timedelta(days=1) + timedelta(seconds=2), token_minutes=4320)
    with listening(stack, uploaded_yesterday) as before:
        admin(before)
        token = uploaded_yesterday.tokens.issue(stack.user("ada").account)
        asset = upload(before, bearer(token), archive_ttl="0", destroy_ttl="1").json()
    with listening(stack) as http:
        found = http.get(f"/filedownload/image/jpg/test/{asset['version_id']}", headers=bearer(token))
        assert found.status_code == 200, found.text
        url = found.json()["primary_file"]["url"]
        assert httpx.get(url).content == PHOTOGRAPH
        refused = _until_refused(url)
    assert PHOTOGRAPH not in refused.content


def _until_refused(url: str) -> httpx.Response:
    for _ in range(200):
        reply = httpx.get(url)
        if reply.status_code != 200:
            assert reply.status_code in {403, 410}
            return reply
        time.sleep(0.1)
    raise AssertionError("the link still holds after 20 s")


ALL = ["upload", "download", "list", "archive", "destroy"]


@pytest.mark.parametrize("granted", [*ALL, None])
def test_a_shared_user_does_what_his_permissions_say_and_nothing_else(stack: Stack, granted: str | None) -> None:
    with listening(stack) as http:
        boss = admin(http)
        active = upload(http, boss, archive_ttl="30").json()["version_id"]
        to_destroy = upload(http, boss, b"another").json()["version_id"]
        assert http.post(f"/filearchive/image/jpg/test/{to_destroy}", headers=boss).status_code == 200
        shared = {"username": "shared_user", "password": "shared_password", "permissions": [granted] if granted else []}
        assert http.post("/shared-users", headers=boss, json=shared).status_code == 200
        who = bearer(log_in(http, "shared_user", "shared_password")["access_token"])
        notes = {"associated_files": ("test.json", NOTES, "application/json")}
        got = {
            "add": http.post("/add-associated-files/image/jpg/test", headers=who, files=notes),
            "upload": upload(http, who, b"from the shared user"),
            "download": http.get(f"/filedownload/image/jpg/test/{active}", headers=who),
            "list": http.get("/fileversions/image/jpg/test/test.jpg", headers=who),
            "destroy": http.post(f"/delfile/image/jpg/test/{to_destroy}", headers=who),
            "archive": http.post(f"/filearchive/image/jpg/test/{active}", headers=who),
        }
        expected = {name: 200 if granted == ("upload" if name == "add" else name) else 403 for name in got}
        assert {name: reply.status_code for name, reply in got.items()} == expected
        refused = [reply for reply in got.values() if reply.status_code == 403]
        assert all(set(reply.json()) >= {"type", "title", "status", "detail"} for reply in refused)
        no_admin = http.post("/shared-users", headers=who, json={**shared, "username": "friend"})
        assert no_admin.status_code == 403


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_admin_cannot_be_granted(stack: Stack) -> None:
    with listening(stack) as http:
        boss = admin(http)
        shared = {"username": "shared_user", "password": "shared_password", "permissions": ["admin"]}
        assert http.post("/shared-users", headers=boss, json=shared).status_code in {403, 422}
        assert http.post("/shared-users", headers=boss, json={**shared, "permissions": ["list"]}).status_code == 200
        for permissions in (["admin"], ["list", "admin"], ["ADMIN"], ["list,admin"], ["everything"]):
            changed = http.put("/shared-users", headers=boss, json={"username": "shared_user", "permissions": permissions})
            assert changed.status_code in {403, 422}, permissions
        who = bearer(log_in(http, "shared_user", "shared_password")["access_token"])
        assert http.get("/me", headers=who).json()["permissions"] == ["list"]


@pytest.mark.parametrize("wrong", ["admin_passwore", "", "admin_password "])
@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_wrong_password_gets_no_token(stack: Stack, wrong: str) -> None:
    with listening(stack) as http:
        admin(http)
        reply = http.post("/token", data={"username": "admin", "password": wrong})
    assert reply.status_code == (401 if wrong else 422)
    assert "access_token" not in json.dumps(reply.json())
