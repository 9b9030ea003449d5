"""Paths, queries and JSON bodies that make no sense, or that are meant to break something."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.behaviour.moments import bearer
from tests.security.refusals import check_clean, check_refused, check_tells_nothing
from tests.security.tenants import settle, stored
from tests.stacks import SQL, SQLITE, Stack

VERSION = "0" * 64
STEPS = [
    ("GET", "filedownload"),
    ("POST", "filearchive"),
    ("POST", "filerestore"),
    ("POST", "delfile"),
    ("PUT", "ttl"),
    ("PUT", "labels"),
]

PATHS = [
    "../../../etc/passwd",
    "text/txt/..%2f..%2fetc",
    "text/txt/%2e%2e%2fnote",
    "text%2ftxt%2fnote",
    "text%2Ftxt/note",
    "text/txt/a%5cb",
    "text/txt/a%00b",
    "text/txt/a%0d%0ab",
    "text/txt/a%7fb",
    "text/txt/%c2%85",
    "text/txt/%ff%fe",
    "text/txt/%c0%af",
    "text/txt/%ed%a0%80",
    "text/txt/" + "a" * 400,
    "text/txt/" + "%C3%BC" * 250,
    "text/txt",
    "text//txt/note",
    "/text/txt/note",
    "text/txt/note/extra/parts",
    "text/txt/'; DROP TABLE versions; --",
    "text/txt/%25%5F",
    "text/txt/🪸",
    "text/txt/note@" + VERSION,
    "-",
    "null",
]

VERSIONS = [
    "null",
    "-1",
    "0",
    "%00",
    "..",
    "%2e%2e",
    "a" * 65,
    "a" * 5000,
    "🪸",
    "'%20OR%201=1",
    "%25",
    "newest",
    VERSION.replace("0", "%30"),
]

QUERIES: dict[str, list[tuple[str, str]]] = {
    "/assets": [
        *(("limit", value) for value in ("0", "-1", "1001", "x", "", "1e2", "9" * 40)),
        *(
            ("cursor", value)
            for value in ("x", "====", "W10", "bnVsbA", "e30", "W251bGxd", "a" * 4097, "\x00", "ü", "WyJ4IiwgInkiXQ")
        ),
        *(("status", value) for value in ("deleted", "", "active,archived", "\x00")),
        *(("min_size", value) for value in ("-1", "x", str(2**63), "1.5")),
        *(("uploaded_after", value) for value in ("yesterday", "2026-01-01T00:00:00", "9" * 30, "", "10000-01-01T00:00:00Z")),
        *(("label", value) for value in ("novalue", "=v", "../a=b", "a=" + "b" * 257, "a=\x00", "a.b[0]$=\x1b")),
        *(("media_type", value) for value in ("image", "/", "ü/ü", "a" * 256)),
        ("versions", "some"),
        ("prefix", "a" * 401),
    ],
    "/audit": [
        ("operation", "DROP TABLE"),
        ("operation", "a" * 41),
        ("success", "maybe"),
        ("since", "now"),
        ("username", "a" * 401),
        ("limit", "0"),
        ("cursor", "W10"),
    ],
    "/audit/head": [("limit", "0"), ("limit", "1001"), ("cursor", "W10"), ("workspace", "a" * 81)],
    "/shared-users": [("limit", "0"), ("limit", "1001"), ("cursor", "W10"), ("cursor", "\ud83e")],
    "/fileversions/text/txt/note/note.txt": [("limit", "0"), ("cursor", "W10"), ("cursor", "x" * 5000)],
}
HARMLESS: list[tuple[str, str, str]] = [
    ("/assets", "prefix", "\x00"),
    ("/assets", "prefix", "%_\\'"),
    ("/assets", "prefix", "\U0010ffff" * 10),
    ("/assets", "label", "a=%_\\'\""),
    ("/assets", "media_type", "text/'; --"),
    ("/assets", "uploaded_before", "9999-12-31T23:59:59+00:00"),
    ("/assets", "uploaded_before", "9999-12-31T23:59:59-14:00"),
    ("/assets", "uploaded_after", "0001-01-01T00:00:00+14:00"),
    ("/audit", "username", "\x00"),
    ("/audit", "asset_path", "🪸'"),
    ("/audit", "since", "0001-01-01T00:00:00+14:00"),
    ("/content/text/txt/note", "file", "\x00"),
    ("/content/text/txt/note", "file", "a" * 10_000),
    ("/content/text/txt/note", "version_id", "\x00"),
    ("/content/text/txt/note", "signature", "x"),
    ("/content/text/txt/note", "signature", "\ud83e\udeb8"),
]
"""These may be refused or answered: they are no more than strange."""


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_paths_and_ids_that_lead_nowhere_are_refused(stack: Stack) -> None:
    with stack.client() as http:
        ada = settle(stack, http, "ada")
        who, before = bearer(ada.admin.token), stored(stack)
        body: dict[str, Any] = {"PUT": {"json": {}}}
        for method, step in STEPS:
            for path in PATHS:
                check_refused(
                    stack, http.request(method, f"/{step}/{path}/{VERSION}", headers=who, **body.get(method, {})), 400, 404
                )
            for version in VERSIONS:
                reply = http.request(method, f"/{step}/text/txt/note/{version}", headers=who, **body.get(method, {}))
                check_refused(stack, reply, 400, 404)
        for path in PATHS:
            check_refused(stack, http.get(f"/content/{path}", headers=who), 400, 404)
            check_refused(stack, http.get(f"/fileversions/{path}/note.txt", headers=who), 400, 404)
            added = {"associated_files": ("a.txt", b"a")}
            check_refused(stack, http.post(f"/add-associated-files/{path}", headers=who, files=added), 400, 404)
        for name in ("%2e%2e", "%00", "%ff", "a" * 5000, "a%2fb", "%e2%80%ae.txt"):
            check_refused(stack, http.get(f"/fileversions/text/txt/note/{name}", headers=who), 400, 404)
        assert stored(stack) == before
        check_clean(stack)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_queries_that_make_no_sense_are_refused(stack: Stack) -> None:
    with stack.client() as http:
        who = bearer(settle(stack, http, "ada").admin.token)
        taken = []
        for route, wrong in QUERIES.items():
            for name, value in wrong:
                reply = http.get(asked(route, name, value), headers=who)
                if reply.status_code < 300:
                    taken.append((route, name, value))
                else:
                    check_refused(stack, reply, 422)
        assert taken == []
        for route, name, value in HARMLESS:
            reply = http.get(asked(route, name, value), headers=who)
            assert reply.status_code < 500, f"{route} {name}={value!r}: {reply.text}"
            check_tells_nothing(stack, reply.text)


def asked(route: str, name: str, value: str) -> str:
    return f"{route}?{urlencode({name: value.encode('utf-8', 'surrogatepass')})}"


def _bodies() -> list[tuple[str, bytes]]:
    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    wrong: list[Any] = [None, True, 1, "text", [], [{}], {}, {"username": 1}, {"username": None, "password": []}]
    wrong += [
        {"username": "x", "password": "x" * 8, "permissions": value} for value in ("list", {"list": True}, [1], [None], [["list"]])
    ]
    return [
        *((json.dumps(value), json.dumps(value).encode()) for value in wrong),
        ("nothing", b""),
        ("no JSON", b"username=ada"),
        ("half", b'{"username": "a'),
        ("two", b"{}{}"),
        ("no UTF-8", b'{"username": "\xff", "password": "\xff\xff\xff\xff\xff\xff\xff\xff"}'),
        ("UTF-16", '{"username": "x"}'.encode("utf-16")),
        ("a surrogate", rb'{"username": "\ud800", "password": "\ud800\ud800\ud800\ud800\ud800\ud800\ud800\ud800"}'),
        ("NaN", b'{"username": NaN, "password": Infinity}'),
        ("deep", deep[:60_000]),
        ("deep and closed", b"[" * 30_000 + b"]" * 30_000),
        ("huge", b'{"username": "' + b"a" * 100_000 + b'"}'),
        ("a number of a thousand digits", b'{"username": ' + b"9" * 1000 + b', "password": 1}'),
    ]


ROUTES = [
    ("POST", "/users"),
    ("POST", "/shared-users"),
    ("PUT", "/shared-users"),
    ("DELETE", "/shared-users"),
    ("PUT", "/me/password"),
    ("DELETE", "/workspace"),
]


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_json_that_is_not_what_it_should_be_is_refused(stack: Stack) -> None:
    with stack.client() as http:
        ada = settle(stack, http, "ada")
        note = f"{ada.active['asset_path']}/{ada.active['version_id']}"
        who, before = bearer(ada.admin.token), stored(stack)
        kind = {"Content-Type": "application/json"}
        for method, route in [*ROUTES, ("PUT", f"/ttl/{note}"), ("PUT", f"/labels/{note}")]:
            for why, content in _bodies():
                if why == "{}" and route.startswith(("/ttl", "/labels")):
                    continue  # leaves all TTLs as they are; takes all labels away
                if "permissions" in why and route.startswith(("/users", "/labels")):
                    continue  # the one knows no such field; labels may be called so
                reply = http.request(method, route, headers={**who, **kind}, content=content)
                assert 400 <= reply.status_code < 500, f"{method} {route} {why}: {reply.status_code} {reply.text[:300]}"
                check_refused(stack, reply)
            for content_type in ("", "text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonx"):
                check_refused(stack, http.request(method, route, headers={**who, "Content-Type": content_type}, content=b"{}"), 415)
            encoded = {**who, **kind, "Content-Encoding": "gzip"}
            check_refused(stack, http.request(method, route, headers=encoded, content=b"\x1f\x8b"), 415)
        assert stored(stack) == before


TTLS = [-1, 36_501, 10**30, 1.5, "5", True, [], {}, "", float("nan")]


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_ttls_and_labels_of_a_version_that_cannot_be_are_refused(stack: Stack) -> None:
    with stack.client() as http:
        ada = settle(stack, http, "ada")
        note = f"{ada.active['asset_path']}/{ada.active['version_id']}"
        who, before = {**bearer(ada.admin.token), "Content-Type": "application/json"}, stored(stack)
        for ttl in TTLS:
            for body in ({"archive_ttl": ttl}, {"destroy_ttl": ttl}):
                check_refused(stack, http.put(f"/ttl/{note}", headers=who, content=json.dumps(body)), 400, 422)
        check_refused(stack, http.put(f"/ttl/{note}", headers=who, content=b'{"held": 0}'), 422)
        labels: list[Any] = [{"a": 1}, {"a": None}, {"": "b"}, {"a b": "c"}, {"a": "\0"}, {"a": "b" * 257}, {"a" * 64: "b"}]
        for wrong in [*labels, {"a": "\u202a\x1b"}, {f"k{n}": "v" for n in range(33)}, {"a": ["b"]}]:
            check_refused(stack, http.put(f"/labels/{note}", headers=who, content=json.dumps(wrong)), 400, 422)
        assert stored(stack) == before


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_methods_that_a_path_does_not_have_are_405_problems(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        note = f"text/txt/note/{VERSION}"
        for method, route in (
            ("GET", "/fileupload"),
            ("DELETE", "/fileupload"),
            ("GET", "/token"),
            ("PATCH", "/users"),
            ("GET", f"/delfile/{note}"),
            ("DELETE", f"/filedownload/{note}"),
            ("POST", "/assets"),
            ("PUT", "/content/text/txt/note"),
            ("TRACE", "/me"),
            ("PROPFIND", "/"),
        ):
            check_refused(stack, http.request(method, route), 405)
        for route in ("/admin", "/.env", "/.git/config", "/static/../../etc/passwd", "/%2e%2e/", "/docs/x"):
            check_refused(stack, http.get(route), 400, 404)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_cursor_that_somebody_has_changed_is_refused_or_a_place_in_the_list(stack: Stack) -> None:
    """It is no secret, so anybody can write one with the right digest of the filters."""
    ada = stack.user("ada")
    with stack.client(ada) as http:
        for name in ("one.txt", "two.txt"):
            assert http.post("/fileupload", files={"primary_file": (name, b"content")}).status_code == 200
        for shared in ("grace", "hedy"):
            stack.user(shared, "list", of=ada)
        wrong: list[Any] = [None, -(2**63), 2**63 - 1, 2**63, "", "\0", [], {}]
        walked = 0
        for path in ("/assets", "/shared-users", "/audit"):
            cursor = http.get(path, params={"limit": 1}).json()["next_cursor"]
            digest, *position = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            for at in range(len(position)):
                for value in wrong:
                    changed = json.dumps([digest, *position[:at], value, *position[at + 1 :]])
                    reply = http.get(path, params={"cursor": urlsafe_b64encode(changed.encode()).decode().rstrip("=")})
                    assert reply.status_code in (200, 422), (path, value, reply.text)
                    walked += 1
        assert walked >= 24
