"""File names that somebody means badly, or that only look alike."""

from __future__ import annotations

import unicodedata

import httpx
import pytest

from tests.asgi import Http
from tests.behaviour.moments import bearer, fetch
from tests.security.refusals import END, FORM, check_clean, check_refused, nothing_stored, part
from tests.stacks import SQL, SQLITE, STANDIN, Stack

REFUSED = {
    "traversal": b"../../etc/passwd",
    "traversal in the middle": b"a/../../b.txt",
    "backslashes": rb"..\..\windows\win.ini",
    "absolute": b"/etc/passwd",
    "a folder": b"folder/file.txt",
    "a drive": rb"C:\boot.ini",
    "dot": b".",
    "dots": b"..",
    "blank": b"   ",
    "nothing": b"",
    "NUL": b"evil\0.txt",
    "NUL and an extension": b"evil.php\0.png",
    "a line break": b"evil%0D%0ASet-Cookie: a=b.txt",
    "an escape sequence": b"\x1b[2Jevil.txt",
    "a bell": b"ding\x07.txt",
    "delete": b"evil\x7f.txt",
    "a C1 control": "evil\x85.txt".encode(),
    "a line separator": "evil\u2028.txt".encode(),
    "right to left": "cod\u202eexe.txt".encode(),
    "an isolate": "cod\u2066exe.txt".encode(),
    "400 characters": b"a" * 396 + b".txt",
    "256 bytes in fewer characters": ("ü" * 126 + ".txt").encode(),
    "device": b"CON",
    "device with an extension": b"nul.txt",
    "device in other letters": b"LpT1.tar.gz",
    "no UTF-8": b"evil\xff\xfe.txt",
    "a surrogate": b"evil\xed\xa0\x80.txt",
    "an overlong slash": b"evil\xc0\xaf.txt",
}

TAKEN = {
    "quotes": 'it\'s "quoted".txt',
    "a semicolon": "a;filename=b.txt",
    "percent": "%2e%2e%2fetc%2fpasswd.txt",
    "markup": "<script>alert(1)<script>.html",
    "a command": "$(reboot)`id`.txt",
    "SQL": "'; DROP TABLE files; --.txt",
    "a dot in front": ".htaccess",
    "a dash in front": "-rf.txt",
    "dots within": "a..b.txt",
    "an @": "note@0000.txt",
    "a wildcard": "*?.txt",
    "a stream": "file.txt:stream",
    "spaces": " a  b .txt",
    "emoji": "🪸 reef.txt",
    "a family": "👨‍👩‍👧.txt",
    "right-to-left letters": "שלום.txt",
    "composed": "caf\u00e9.txt",
    "decomposed": "cafe\u0301.txt",
    "no extension": "README",
    "many extensions": "a.tar.gz.exe",
    "255 bytes": "a" * 251 + ".txt",
    "a template": "{{7*7}}${7*7}.txt",
}


def send(http: Http, name: bytes, field: bytes = b"primary_file") -> httpx.Response:
    first = b"" if field == b"primary_file" else part(b"primary_file", filename=b"first.txt")
    return http.post("/fileupload", headers=FORM, content=first + part(field, filename=name) + END)


@pytest.mark.parametrize("field", [b"primary_file", b"associated_files"])
@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_names_that_no_file_may_have_are_refused_and_nothing_is_stored(stack: Stack, field: bytes) -> None:
    with stack.client(stack.user("ada")) as http, nothing_stored(stack):
        for why, name in REFUSED.items():
            reply = send(http, name, field)
            assert reply.status_code in {400, 422}, f"{why}: {reply.status_code} {reply.text[:200]}"
            check_refused(stack, reply)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_file_that_is_added_may_have_no_other_names(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        assert send(http, b"note.txt").status_code == 200
        with nothing_stored(stack):
            for name in REFUSED.values():
                content = part(b"associated_files", filename=name) + END
                check_refused(stack, http.post("/add-associated-files/text/txt/note", headers=FORM, content=content), 400, 422)


@pytest.mark.parametrize("stack", [SQLITE, SQL, STANDIN], indirect=True)
def test_other_names_are_kept_as_given_and_lead_nowhere_else(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        for why, name in TAKEN.items():
            reply = send(http, name.replace('"', "%22").encode())
            if reply.status_code == 409:
                assert reply.json()["type"].endswith("/name-collision"), why
                assert why == "decomposed"  # after the composed one, which has the same place
                continue
            assert reply.status_code == 200, f"{why}: {reply.text}"
            version = reply.json()
            assert version["primary_filename"] == name
            _, _, stem = version["asset_path"].split("/")
            assert not stem.startswith(".")
            assert not {*"\\%<>'\"`$;:*?{} "} & set(stem), stem
            route = f"/filedownload/{version['asset_path']}/{version['version_id']}"
            primary = http.get(route).json()["primary_file"]
            assert primary["filename"] == name
            given = fetch(http, primary["url"])
            assert given.content == b"content"
            disposition = given.headers["content-disposition"]
            assert disposition.startswith("attachment")
            assert disposition.isascii()
            assert disposition.count('"') in {0, 2}
            by_name = http.get(f"/content/{version['asset_path']}", params={"file": name})
            assert by_name.content == b"content"
        check_clean(stack)


@pytest.mark.parametrize("stack", [SQLITE, SQL, STANDIN], indirect=True)
def test_names_that_differ_in_their_normal_form_only_are_never_merged(stack: Stack) -> None:
    composed, decomposed = "caf\u00e9.txt", unicodedata.normalize("NFD", "caf\u00e9.txt")
    with stack.client(stack.user("ada")) as http:
        assert send(http, composed.encode()).status_code == 200
        check_refused(stack, send(http, decomposed.encode()), 409)
        with nothing_stored(stack):
            both = part(b"primary_file", filename=b"x.txt") + part(b"associated_files", filename=composed.encode())
            both += part(b"associated_files", filename=decomposed.encode()) + END
            check_refused(stack, http.post("/fileupload", headers=FORM, content=both), 422)


USER_NAMES = ["ada@example.org", "../ada", "ada\0", "a" * 400, "ADA ", "\u202eada", "ad\u0430", "", "'; --", "-x"]


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_user_names_that_cannot_be_are_refused(stack: Stack) -> None:
    who = bearer(stack.user("ada").token)
    with stack.client() as http, nothing_stored(stack):
        for name in USER_NAMES:
            body = {"username": name, "password": "a good password"}
            check_refused(stack, http.post("/users", json=body), 422)
            shared = {**body, "permissions": ["list"]}
            check_refused(stack, http.post("/shared-users", headers=who, json=shared), 422)
            for method in ("PUT", "DELETE"):
                check_refused(stack, http.request(method, "/shared-users", headers=who, json=shared), 404, 422)
            check_refused(stack, http.post("/token", data=body), 401, 422)
