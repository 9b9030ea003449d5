"""Forms that are broken, endless, or say what cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.asgi import Http
from tests.security.refusals import END, FORM, check_refused, nothing_stored, part
from tests.stacks import SQL, SQLITE, Stack

PRIMARY = part(b"primary_file", filename=b"note.txt")

TTLS = ["-1", "1.5", "1e3", "NaN", "Infinity", "9" * 30, "36501", " 5", "5 ", "٣", "0x10", "null", "true", "1_0", "--5", "'"]

LABELS = [
    "no JSON",
    "[]",
    '"text"',
    "null" * 2,
    "1",
    "{",
    '{"a": 1}',
    '{"a": null}',
    '{"a": ["b"]}',
    '{"a": {"b": "c"}}',
    '{"": "b"}',
    '{"../a": "b"}',
    '{"a b": "c"}',
    '{"a\\u0000": "b"}',
    '{"a": "b\\u0000"}',
    '{"a": "\\ud800"}',
    '{"a": "line\\u2028break"}',
    '{"a": "\\u001b[2J"}',
    '{"' + "a" * 64 + '": "b"}',
    '{"a": "' + "b" * 257 + '"}',
    "{" + ", ".join(f'"k{n}": "v"' for n in range(33)) + "}",
    "[" * 30_000,
    '{"a":' * 10_000,
]

FORMS = {
    "no parts": END,
    "nothing at all": b"",
    "a preamble only": b"hello",
    "no primary file": part(b"archive_ttl", b"5") + END,
    "associated files only": part(b"associated_files", filename=b"a.txt") + END,
    "the primary file as a field": part(b"primary_file", b"text") + END,
    "two primary files": PRIMARY + part(b"primary_file", filename=b"other.txt") + END,
    "a field that is a file": PRIMARY + part(b"archive_ttl", b"5", filename=b"a.txt") + END,
    "a field twice": PRIMARY + part(b"archive_ttl", b"5") + part(b"archive_ttl", b"6") + END,
    "an unknown field": PRIMARY + part(b"branch", b"eve_space") + END,
    "an unknown file": PRIMARY + part(b"file", filename=b"a.txt") + END,
    "another's version": PRIMARY + part(b"primary_version_id", b"0" * 64) + END,
    "two associated files of one name": PRIMARY + 2 * part(b"associated_files", filename=b"a.txt") + END,
    "an associated file with the primary's name": PRIMARY + part(b"associated_files", filename=b"note.txt") + END,
    "names with one safe form": PRIMARY + b"".join(part(b"associated_files", filename=n) for n in (b"a b", b"a_b")) + END,
    "no last boundary": PRIMARY,
    "the last boundary cut": PRIMARY + b"--b",
    "cut within a file": PRIMARY[:-8],
    "cut within a header": PRIMARY[:30],
    "another boundary": PRIMARY.replace(b"--b", b"--c") + b"--c--\r\n",
    "bare line feeds": (PRIMARY + END).replace(b"\r\n", b"\n"),
    "no disposition": b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END,
    "no headers": b"--b\r\n\r\nx\r\n" + END,
    "a disposition without a name": b'--b\r\nContent-Disposition: form-data; filename="a"\r\n\r\nx\r\n' + END,
    "another disposition": b'--b\r\nContent-Disposition: attachment; name="primary_file"; filename="a"\r\n\r\nx\r\n' + END,
    "two dispositions": part(b"primary_file", filename=b"a.txt", Content_Disposition='form-data; name="x"') + END,
    "two file names": part(b"primary_file", filename=b'a.txt"; filename="../b.txt') + END,
    "a file name in no charset": part(b"primary_file", filename=b"a.txt\"; filename*=x-evil''%FF") + END,
    "a file name that is base64": part(b"primary_file", filename=b"a.txt", Content_Transfer_Encoding="base64") + END,
    "a header without end": part(b"primary_file", filename=b"a.txt", X_Long="x" * 100_000) + END,
    "many headers": part(b"primary_file", filename=b"a.txt", X_A="x\r\n" + "X-B: x\r\n" * 1000 + "X-C: x") + END,
    "101 files": PRIMARY + b"".join(part(b"associated_files", filename=b"%d.txt" % n) for n in range(101)) + END,
    "a field of a megabyte": PRIMARY + part(b"labels", b"x" * 1_000_000) + END,
    "a field that is no UTF-8": PRIMARY + part(b"labels", b'{"a": "\xff"}') + END,
    "a field with NUL": PRIMARY + part(b"archive_ttl", b"5\0") + END,
}

TYPES = [
    "",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=" + "b" * 71,
    "multipart/form-data; boundary=b; boundary=c",
    'multipart/form-data; boundary="b',
    "multipart/form-data; boundary=b\u00e9",
    "multipart/mixed; boundary=b",
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain; boundary=b",
    "application/octet-stream",
]


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_what_is_no_upload_is_refused_and_nothing_is_stored(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http, nothing_stored(stack):
        for why, content in FORMS.items():
            reply = http.post("/fileupload", headers=FORM, content=content)
            assert reply.status_code in {400, 413, 422}, f"{why}: {reply.status_code} {reply.text[:300]}"
            check_refused(stack, reply)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_files_to_add_come_in_no_worse_a_form(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        assert http.post("/fileupload", headers=FORM, content=PRIMARY + END).status_code == 200
        with nothing_stored(stack):
            for why, content in FORMS.items():
                if why == "associated files only":
                    continue
                reply = http.post("/add-associated-files/text/txt/note", headers=FORM, content=content)
                assert 400 <= reply.status_code < 500, f"{why}: {reply.status_code} {reply.text[:300]}"
                check_refused(stack, reply)


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_ttls_and_labels_that_cannot_be_are_refused_and_nothing_is_stored(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http, nothing_stored(stack):
        for ttl in TTLS:
            for field in (b"archive_ttl", b"destroy_ttl"):
                check_refused(stack, http.post("/fileupload", headers=FORM, content=PRIMARY + part(field, ttl.encode()) + END), 422)
        for labels in LABELS:
            content = PRIMARY + part(b"labels", labels.encode("utf-8", "surrogatepass")) + END
            check_refused(stack, http.post("/fileupload", headers=FORM, content=content), 413, 422)


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_content_types_that_are_no_form_are_refused(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http, nothing_stored(stack):
        for content_type in TYPES:
            typed = {"Content-Type": content_type.encode("latin-1")}
            check_refused(stack, http.post("/fileupload", headers=typed, content=PRIMARY + END), 400, 415)
        for encoding in ("gzip", "br", "deflate", "zstd", "gzip, identity"):
            headers = {**FORM, "Content-Encoding": encoding}
            check_refused(stack, http.post("/fileupload", headers=headers, content=PRIMARY + END), 415)


@pytest.mark.parametrize("field", [part(b"x", b""), part(b"primary_file", b""), PRIMARY, b"--b\r\n"])
@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_form_of_a_million_fields_is_refused_before_most_of_it_is_read(stack: Stack, field: bytes) -> None:
    sent = 0

    async def million() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1000
            yield field * 1000

    with stack.client(stack.user("ada")) as http, nothing_stored(stack):
        check_refused(stack, http.post("/fileupload", headers=FORM, content=million()), 400, 413, 422)
    assert sent <= 2000


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_a_login_of_a_million_fields_is_refused(stack: Stack) -> None:
    with stack.client() as http:
        encoded = {"Content-Type": "application/x-www-form-urlencoded"}
        check_refused(stack, http.post("/token", headers=encoded, content=b"a=b&" * 1_000_000), 413)
        check_refused(stack, http.post("/token", headers=encoded, content=b"a&" * 30_000), 413)
        check_refused(stack, http.post("/token", headers=FORM, content=part(b"x", b"") * 1000 + END), 413, 422)
        for content in (b"username=a&username=b&password=c", b"username=%ff&password=x", b"\xff\xfe", b"username=a", b"", b"%"):
            check_refused(stack, http.post("/token", headers=encoded, content=content), 400, 401, 422)


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_wrong_upload_headers_are_refused(stack: Stack) -> None:
    with stack.client(stack.user("ada")) as http:
        upload = PRIMARY + END
        with nothing_stored(stack):
            for key in ("", "x" * 256, "a\tb", "ü"):
                check_refused(stack, _post(http, upload, **{"Idempotency-Key": key}), 400)
            for condition in ('"etag"', "", "W/*", "*, *"):
                check_refused(stack, _post(http, upload, **{"If-None-Match": condition}), 400)
        assert _post(http, upload, **{"Idempotency-Key": "'; DROP TABLE intents; --"}).status_code == 200


def _post(http: Http, content: bytes, **headers: str) -> httpx.Response:
    encoded = {name: value.encode() for name, value in (FORM | headers).items()}
    return http.post("/fileupload", headers=encoded, content=content)
