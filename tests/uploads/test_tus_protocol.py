"""The tus protocol, version 1.0.0: one test for each MUST of the document (https://tus.io/protocols/resumable-upload) that is about
servers. Each says in its name what must be."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from holdfast.storage.objects import StoreUnavailable
from holdfast.uploads import tus
from tests.asgi import Http
from tests.stacks import SQLITE, Stack
from tests.uploads.speaking import (
    BYTES,
    VERSION,
    content_of,
    create,
    data,
    head,
    metadata,
    offset_of,
    patch,
    path_of,
    send,
)

pytestmark = pytest.mark.parametrize("stack", [SQLITE], indirect=True)


@pytest.fixture
def http(stack: Stack) -> Iterator[Http]:
    with stack.client(stack.user("ada")) as http:
        yield http


# Core protocol: headers


def asked(http: Http, path: str) -> dict[str, Callable[[dict[str, str]], httpx.Response]]:
    """Every kind of request, with what it needs besides ``Tus-Resumable``."""
    return {
        "create": lambda said: http.post("/uploads", headers={"Upload-Length": "1", **said}),
        "head": lambda said: http.request("HEAD", path, headers=said),
        "patch": lambda said: http.request("PATCH", path, headers={**BYTES, "Upload-Offset": "0", **said}, content=b"x"),
        "override": lambda said: http.post(path, headers={"X-HTTP-Method-Override": "HEAD", **said}),
        "delete": lambda said: http.request("DELETE", path, headers=said),
    }


@pytest.mark.parametrize("kind", ["create", "head", "patch", "override", "delete"])
def test_tus_resumable_is_in_every_response(http: Http, kind: str) -> None:
    for said, path in ((VERSION, create(http, 1)), (VERSION, "/uploads/none"), ({"Tus-Resumable": "0.2.2"}, create(http, 1))):
        assert asked(http, path)[kind](said).headers["tus-resumable"] == "1.0.0"


def test_tus_resumable_is_in_responses_that_refuse(http: Http, stack: Stack) -> None:
    with stack.client() as nobody:
        assert nobody.post("/uploads", headers={**VERSION, "Upload-Length": "1"}).headers["tus-resumable"] == "1.0.0"
    for reply in (
        http.post("/uploads", headers=VERSION),
        http.post("/uploads", headers={**VERSION, "Upload-Length": "-1"}),
        http.post(create(http, 1), headers=VERSION),
        patch(http, create(http, 5), 3, b"x"),
    ):
        assert reply.is_client_error
        assert reply.headers["tus-resumable"] == "1.0.0"


def test_tus_resumable_is_in_the_response_to_a_method_that_means_nothing(http: Http) -> None:
    item = create(http, 1)
    meaningless = {"/uploads": ["GET", "HEAD", "PUT", "PATCH", "DELETE"], item: ["GET", "PUT"]}
    for path, methods in meaningless.items():
        for method in methods:
            for spelling in (path, f"{path}/"):
                reply = http.request(method, spelling, headers=VERSION)
                assert (reply.status_code, reply.headers["tus-resumable"]) == (405, "1.0.0"), (method, spelling)
                assert method not in reply.headers["allow"].split(", ")
    assert offset_of(http, item) == 0


def test_tus_resumable_is_in_the_response_to_an_error_that_nobody_thought_of(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    path = create(http, 1)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr(tus, "look", broken)
    monkeypatch.setattr(tus, "prepare", broken)
    for reply in (head(http, path), patch(http, path, 0, b"x")):
        assert (reply.status_code, reply.headers["tus-resumable"]) == (500, "1.0.0")
        assert reply.headers["content-type"] == "application/problem+json"
        assert "secret" not in reply.text


def test_both_spellings_of_a_path_are_answered_without_a_redirect(http: Http) -> None:
    reply = http.post("/uploads/", headers={**VERSION, "Upload-Length": "3"})
    path = f"{path_of(reply)}/"

    assert http.request("OPTIONS", "/uploads/").status_code == http.request("OPTIONS", path).status_code == 204
    assert patch(http, path, 0, b"ab").status_code == 204
    assert offset_of(http, path) == 2
    overridden = http.post(path, headers={**BYTES, "X-HTTP-Method-Override": "PATCH", "Upload-Offset": "2"}, content=b"c")
    assert content_of(http, overridden) == b"abc"
    assert http.request("DELETE", path, headers=VERSION).status_code == 204


@pytest.mark.parametrize("version", ["0.2.2", "1.0.1", "2.0.0", "1", "", None])
@pytest.mark.parametrize("kind", ["create", "head", "patch", "override", "delete"])
def test_another_version_is_412_with_tus_version_and_is_not_processed(
    http: Http, stack: Stack, kind: str, version: str | None
) -> None:
    path = create(http, 1)

    reply = asked(http, path)[kind]({"Tus-Resumable": version} if version is not None else {"Tus-Resumable": "none"})

    assert reply.status_code == 412
    assert reply.headers["tus-version"] == "1.0.0"
    assert offset_of(http, path) == 0


def test_a_request_without_a_version_is_412(http: Http) -> None:
    reply = http.post("/uploads", headers={"Upload-Length": "1"})

    assert reply.status_code == 412
    assert reply.headers["tus-version"] == "1.0.0"


@pytest.mark.parametrize("second", ["2.0.0", "1.0.0", ""])
def test_two_versions_are_412_and_nothing_is_processed(http: Http, second: str) -> None:
    path = create(http, 5)

    said: dict[str, Any] = {**BYTES, "Upload-Offset": "0", "tus-resumable": second}
    reply = http.request("PATCH", path, headers=said, content=b"x")

    assert reply.status_code == 412
    assert reply.headers["tus-version"] == "1.0.0"
    assert offset_of(http, path) == 0


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "", "1e3", "0x1", "+1", "1,1"])
def test_upload_offset_is_a_whole_number_and_not_negative(http: Http, text: str) -> None:
    path = create(http, 5)

    assert patch(http, path, 0, b"x", **{"Upload-Offset": text}).status_code == 400
    assert offset_of(http, path) == 0


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "", "1e3", "0x1", "+1", "1,1"])
def test_upload_length_is_a_whole_number_and_not_negative(http: Http, text: str) -> None:
    assert http.post("/uploads", headers={**VERSION, "Upload-Length": text}).status_code == 400


@pytest.mark.parametrize("name", ["HEAD", "PATCH", "DELETE", "OPTIONS", "patch"])
def test_the_method_override_is_taken_for_the_method(http: Http, name: str) -> None:
    path = create(http, 5)

    reply = http.post(path, headers={**BYTES, "X-HTTP-Method-Override": name, "Upload-Offset": "0"}, content=b"12")

    done = {"HEAD": 200, "PATCH": 204, "DELETE": 204, "OPTIONS": 204}
    assert reply.status_code == done[name.upper()]
    assert head(http, path).headers.get("upload-offset") == {"PATCH": "2", "DELETE": None}.get(name.upper(), "0")


def test_the_method_override_wins_over_the_method(http: Http) -> None:
    path = create(http, 5)

    reply = http.request("DELETE", path, headers={**VERSION, "X-HTTP-Method-Override": "HEAD"})

    assert reply.status_code == 200
    assert offset_of(http, path) == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS"])
def test_the_actual_method_is_ignored_when_it_is_overridden(http: Http, stack: Stack, method: str) -> None:
    path = create(http, 5)
    said = {**BYTES, "X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}

    assert http.request(method, path, headers=said, content=b"12").status_code == 204
    assert offset_of(http, path) == 2
    told = {**VERSION, "X-HTTP-Method-Override": "POST", "Upload-Length": "5"}
    assert offset_of(http, path_of(http.request(method, "/uploads", headers=told))) == 0
    with stack.client() as nobody:
        assert nobody.request(method, path, headers={**said, "Upload-Offset": "2"}, content=b"3").status_code == 401
    assert offset_of(http, path) == 2


# Core protocol: requests


def test_head_always_has_the_offset(http: Http) -> None:
    path = create(http, 3)
    assert head(http, path).headers["upload-offset"] == "0"
    patch(http, path, 0, b"ab")
    assert head(http, path).headers["upload-offset"] == "2"
    patch(http, path, 2, b"c")
    assert head(http, path).headers["upload-offset"] == "3"


def test_head_has_the_length_when_it_is_known(http: Http) -> None:
    assert head(http, create(http, 3)).headers["upload-length"] == "3"
    assert "upload-length" not in head(http, create(http, None)).headers


def test_head_of_what_is_not_there_has_no_offset(http: Http, stack: Stack) -> None:
    cancelled = create(http, 3)
    http.request("DELETE", cancelled, headers=VERSION)
    for path, status in (("/uploads/" + "0" * 32, 404), ("/uploads/x", 404), (cancelled, 410)):
        reply = head(http, path)
        assert reply.status_code == status
        assert "upload-offset" not in reply.headers
    strange = create(http, 3)
    with stack.client(stack.user("bob")) as stranger:
        reply = head(stranger, strange)
        assert reply.status_code == 404
        assert "upload-offset" not in reply.headers


def test_head_is_not_cached(http: Http) -> None:
    path = create(http, 3)
    assert head(http, path).headers["cache-control"] == "no-store"
    assert head(http, "/uploads/" + "0" * 32).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", "application/offset+octet-streams", ""])
def test_a_patch_of_another_content_type_is_415(http: Http, kind: str) -> None:
    path = create(http, 3)

    assert patch(http, path, 0, b"abc", **{"Content-Type": kind}).status_code == 415
    assert offset_of(http, path) == 0


@pytest.mark.parametrize("offset", [0, 1, 3, 4, 100])
def test_a_patch_at_another_offset_is_409_and_changes_nothing(http: Http, offset: int) -> None:
    path = create(http, 100)
    patch(http, path, 0, b"ab")

    assert patch(http, path, offset, b"cd").status_code == 409

    assert offset_of(http, path) == 2
    assert content_of(http, patch(http, path, 2, bytes(98))) == b"ab" + bytes(98)


@pytest.mark.parametrize("text", ["9" * 18, "9" * 19, "9" * 30])
def test_a_patch_at_an_offset_that_no_upload_has_is_409(http: Http, text: str) -> None:
    path = create(http, 5)

    assert patch(http, path, 0, b"x", **{"Upload-Offset": text}).status_code == 409
    assert offset_of(http, path) == 0


def test_a_patch_that_succeeds_is_204_with_the_new_offset(http: Http) -> None:
    path = create(http, 100)

    reply = patch(http, path, 0, b"abc")

    assert (reply.status_code, reply.headers["upload-offset"], reply.content) == (204, "3", b"")


def test_a_patch_of_no_bytes_leaves_the_offset(http: Http) -> None:
    path = create(http, 100)

    reply = patch(http, path, 0, b"")

    assert (reply.status_code, reply.headers["upload-offset"]) == (204, "0")


def test_a_client_whose_last_reply_was_lost_may_send_nothing_at_the_end(http: Http) -> None:
    path = create(http, 3)
    done = patch(http, path, 0, b"abc")

    again = patch(http, path, 3, b"")

    assert (again.status_code, again.headers["upload-offset"]) == (204, "3")
    assert again.headers["holdfast-version-id"] == done.headers["holdfast-version-id"]
    assert patch(http, path, 3, b"d").status_code == 409
    assert patch(http, path, 2, b"").status_code == 409


def test_a_patch_against_what_is_not_there_is_404(http: Http) -> None:
    assert patch(http, "/uploads/" + "0" * 32, 0, b"x").status_code == 404


def test_options_has_the_versions_and_needs_neither_a_token_nor_a_version(http: Http, stack: Stack) -> None:
    path = create(http, 1)
    with stack.client() as nobody:
        for where in ("/uploads", path):
            for said in ({}, VERSION, {"Tus-Resumable": "0.2.2"}):
                reply = nobody.request("OPTIONS", where, headers=said)
                assert reply.status_code == 204
                assert reply.headers["tus-version"] == "1.0.0"


# Extensions: what is there is announced


@pytest.mark.parametrize(
    "extension",
    ["creation", "creation-with-upload", "creation-defer-length", "expiration", "checksum", "termination", "concatenation"],
)
def test_each_extension_is_announced(http: Http, extension: str) -> None:
    assert extension in http.request("OPTIONS", "/uploads").headers["tus-extension"].split(",")


def test_what_is_not_supported_is_not_announced(http: Http) -> None:
    announced = http.request("OPTIONS", "/uploads").headers["tus-extension"].split(",")

    assert not {"checksum-trailer", "concatenation-unfinished"} & set(announced)


def test_tus_max_size_is_the_largest_file(stack: Stack) -> None:
    with stack.client(services=stack.services(max_file_bytes=1000)) as http:
        assert http.request("OPTIONS", "/uploads").headers["tus-max-size"] == "1000"


# Creation


def test_creation_is_201_with_an_absolute_location(http: Http) -> None:
    reply = http.post("/uploads", headers={**VERSION, "Upload-Length": "3"})

    assert reply.status_code == 201
    assert reply.headers["location"].startswith("http://holdfast.test/uploads/")
    assert head(http, path_of(reply)).status_code == 200


def test_the_location_is_right_behind_a_proxy(stack: Stack) -> None:
    with stack.client(stack.user("ada"), stack.services(public_url="https://files.example.org/base/")) as http:
        reply = http.post("/uploads", headers={**VERSION, "Upload-Length": "3"})

        assert reply.headers["location"].startswith("https://files.example.org/base/uploads/")


def test_creation_needs_a_length_or_that_it_is_deferred(http: Http) -> None:
    assert http.post("/uploads", headers=VERSION).status_code == 400
    both = {"Upload-Length": "3", "Upload-Defer-Length": "1"}
    assert http.post("/uploads", headers={**VERSION, **both}).status_code == 400


@pytest.mark.parametrize("text", ["0", "2", "true", "", "1 "])
def test_upload_defer_length_is_1(http: Http, text: str) -> None:
    assert http.post("/uploads", headers={**VERSION, "Upload-Defer-Length": text}).status_code == (201 if text == "1 " else 400)


def test_head_says_that_the_length_is_deferred_as_long_as_it_is(http: Http) -> None:
    path = create(http, None)
    assert head(http, path).headers["upload-defer-length"] == "1"
    patch(http, path, 0, b"ab")
    assert head(http, path).headers["upload-defer-length"] == "1"

    patch(http, path, 2, b"c", **{"Upload-Length": "4"})

    assert "upload-defer-length" not in head(http, path).headers
    assert head(http, path).headers["upload-length"] == "4"
    assert content_of(http, patch(http, path, 3, b"d")) == b"abcd"


def test_upload_defer_length_is_left_out_when_it_is_not_deferred(http: Http) -> None:
    assert "upload-defer-length" not in head(http, create(http, 3)).headers


def test_the_length_does_not_change_once_it_is_said(http: Http) -> None:
    path = create(http, None)
    patch(http, path, 0, b"a", **{"Upload-Length": "4"})

    assert patch(http, path, 1, b"b", **{"Upload-Length": "5"}).status_code == 400
    assert head(http, path).headers["upload-length"] == "4"
    assert offset_of(http, path) == 1
    assert patch(http, path, 1, b"b", **{"Upload-Length": "4"}).status_code == 204


def test_a_length_that_is_said_last_completes_the_upload(http: Http) -> None:
    path = create(http, None)
    patch(http, path, 0, b"abc")

    assert content_of(http, patch(http, path, 3, b"", **{"Upload-Length": "3"})) == b"abc"


@pytest.mark.parametrize("length", ["2", "3"])
def test_a_length_below_what_is_there_is_refused(http: Http, length: str) -> None:
    path = create(http, None)
    patch(http, path, 0, b"abc")

    assert patch(http, path, 3, b"d", **{"Upload-Length": length}).status_code == 400
    assert head(http, path).headers["upload-defer-length"] == "1"


def test_an_upload_of_no_bytes_is_complete_after_its_creation(http: Http) -> None:
    reply = http.post("/uploads", headers={**VERSION, "Upload-Length": "0"})

    assert content_of(http, reply) == b""
    assert offset_of(http, path_of(reply)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "filename", "filename YQ", "filename Y Q==", "filename YQ==,filename Yg==", "filename YQ==,,x YQ==", ",",
        "a,b,a", "x !",
    ],
)  # fmt: skip
def test_upload_metadata_is_pairs_of_unique_keys_and_base64(http: Http, text: str) -> None:
    reply = http.post("/uploads", headers={**VERSION, "Upload-Length": "3", "Upload-Metadata": text})

    assert reply.status_code in (400, 422)


def test_a_value_of_the_metadata_may_be_empty_or_left_out(http: Http) -> None:
    for text in ("filename YS50eHQ=,is_confidential", "filename YS50eHQ=,is_confidential ", "is_confidential"):
        assert head(http, create(http, 3, name=None, **{"Upload-Metadata": text})).headers["upload-metadata"] == text.strip()


def test_head_has_the_metadata_as_they_were_said(http: Http) -> None:
    said = metadata(filename="ä b.png", other="kept")

    assert head(http, create(http, 3, **said)).headers["upload-metadata"] == said["Upload-Metadata"]
    assert "upload-metadata" not in head(http, create(http, 3, name=None)).headers


def test_a_length_above_the_largest_is_413(stack: Stack) -> None:
    with stack.client(stack.user("ada"), stack.services(max_file_bytes=1000)) as http:
        assert http.post("/uploads", headers={**VERSION, "Upload-Length": "1001"}).status_code == 413
        path = create(http, None)
        assert patch(http, path, 0, b"a", **{"Upload-Length": "1001"}).status_code == 413
        assert patch(http, path, 0, bytes(1001)).status_code == 413
        assert create(http, 1000)


@pytest.mark.parametrize("text", ["9" * 18, str(2**63), "9" * 30])
def test_a_length_that_no_database_holds_is_413(http: Http, text: str) -> None:
    assert http.post("/uploads", headers={**VERSION, "Upload-Length": text}).status_code == 413
    path = create(http, None)
    assert patch(http, path, 0, b"a", **{"Upload-Length": text}).status_code == 413
    assert head(http, path).headers["upload-defer-length"] == "1"
    assert offset_of(http, path) == 0


# Creation with upload


def test_creation_with_upload_says_the_offset(http: Http) -> None:
    reply = http.post("/uploads", headers={**BYTES, "Upload-Length": "5"}, content=b"abc")

    assert (reply.status_code, reply.headers["upload-offset"]) == (201, "3")
    assert content_of(http, patch(http, path_of(reply), 3, b"de")) == b"abcde"


def test_creation_with_upload_says_the_offset_when_the_length_is_deferred(http: Http) -> None:
    reply = http.post("/uploads", headers={**BYTES, "Upload-Defer-Length": "1"}, content=b"abc")

    assert (reply.status_code, reply.headers["upload-offset"]) == (201, "3")
    assert head(http, path_of(reply)).headers["upload-defer-length"] == "1"
    assert content_of(http, patch(http, path_of(reply), 3, b"de", **{"Upload-Length": "5"})) == b"abcde"


def test_creation_with_all_of_the_upload_completes_it(http: Http) -> None:
    reply = http.post("/uploads", headers={**BYTES, "Upload-Length": "5"}, content=b"abcde")

    assert (reply.status_code, reply.headers["upload-offset"]) == (201, "5")
    assert content_of(http, reply) == b"abcde"


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", None])
def test_creation_with_bytes_of_another_type_is_415(http: Http, kind: str | None) -> None:
    said = {**VERSION, "Upload-Length": "5", **({"Content-Type": kind} if kind else {})}

    assert http.post("/uploads", headers=said, content=b"abc").status_code == 415


def test_creation_with_more_bytes_than_its_length_is_413(http: Http) -> None:
    assert http.post("/uploads", headers={**BYTES, "Upload-Length": "2"}, content=b"abc").status_code == 413


# Expiration


def expires(reply: httpx.Response) -> datetime:
    text = reply.headers["upload-expires"]
    assert text.endswith(" GMT")
    return parsedate_to_datetime(text)


def test_upload_expires_is_in_every_patch_and_in_the_creation(stack: Stack) -> None:
    with stack.client(stack.user("ada"), stack.services(upload_expiry=3600)) as http:
        before = datetime.now(UTC).replace(microsecond=0)
        created = http.post("/uploads", headers={**VERSION, "Upload-Length": "3"})
        patched = [patch(http, path_of(created), offset, content) for offset, content in ((0, b"a"), (1, b"b"), (2, b""))]
        part = create(http, 2, **{"Upload-Concat": "partial"})
        patched += [patch(http, part, offset, b"x") for offset in (0, 1)]  # the last leaves it open for its final one

        assert [reply.headers["upload-offset"] for reply in patched] == ["1", "2", "2", "1", "2"]
        for reply in (created, *patched):
            assert timedelta(hours=1) <= expires(reply) - before <= timedelta(hours=1, minutes=5)


def test_an_upload_that_has_expired_is_410(stack: Stack) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        path = create(http, 3)
    later = stack.services(clock=lambda: datetime.now(UTC) + timedelta(days=2))
    token = later.tokens.issue(ada.account)
    with stack.client(services=later) as http:
        http.headers = {"Authorization": f"Bearer {token}"}
        assert patch(http, path, 0, b"abc").status_code == 410
        assert head(http, path).status_code == 410
        assert "upload-offset" not in head(http, path).headers


@pytest.mark.parametrize(("path", "status"), [("/uploads/a/b", 404), ("/uploads/a%2fb", 400), ("/uploads/" + "a" * 65, 404)])
def test_the_version_is_on_a_reply_where_no_upload_can_be_too(http: Http, path: str, status: int) -> None:
    for method in ("HEAD", "PATCH", "DELETE"):
        reply = http.request(method, path, headers={**BYTES, "Upload-Offset": "0"})
        assert (reply.status_code, reply.headers["tus-resumable"]) == (status, "1.0.0"), method
    assert "tus-resumable" not in http.get("/uploadsx").headers


# Checksum

SUMS = {
    "sha1": lambda content: hashlib.sha1(content).digest(),
    "sha256": lambda content: hashlib.sha256(content).digest(),
    "crc32": lambda content: zlib.crc32(content).to_bytes(4, "big"),
}


def checksum(algorithm: str, content: bytes) -> dict[str, str]:
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(SUMS[algorithm](content)).decode()}"}


def test_the_checksums_are_announced_and_sha1_is_among_them(http: Http) -> None:
    assert http.request("OPTIONS", "/uploads").headers["tus-checksum-algorithm"].split(",") == ["sha1", "sha256", "crc32"]


@pytest.mark.parametrize("algorithm", SUMS)
def test_a_checksum_that_holds_is_204(http: Http, algorithm: str) -> None:
    path = create(http, 11)

    reply = patch(http, path, 0, b"hello world", **checksum(algorithm, b"hello world"))

    assert reply.status_code == 204
    assert content_of(http, reply) == b"hello world"


def test_the_documents_own_example_holds(http: Http) -> None:
    said = {"Upload-Checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="}

    assert patch(http, create(http, 11), 0, b"hello world", **said).status_code == 204


@pytest.mark.parametrize("algorithm", SUMS)
@pytest.mark.parametrize("size", [11, 12 << 20])
def test_a_checksum_that_does_not_hold_is_460_and_nothing_of_the_chunk_is_kept(http: Http, algorithm: str, size: int) -> None:
    content = data(size)
    path = create(http, 3 + size)
    patch(http, path, 0, b"abc")

    reply = patch(http, path, 3, content, **checksum(algorithm, b"another"))

    assert reply.status_code == 460
    assert reply.json()["status"] == 460
    assert offset_of(http, path) == 3
    again = patch(http, path, 3, content, **checksum(algorithm, content))
    assert content_of(http, again) == b"abc" + content


@pytest.mark.parametrize("text", ["md5 YQ==", "SHA1 YQ==", "sha1", "sha1 !", "", "sha1  Kq5sNclPz7QV2+lfQIuc6R7oRu0= x"])
def test_a_checksum_that_cannot_be_read_is_400_and_nothing_of_the_chunk_is_kept(http: Http, text: str) -> None:
    path = create(http, 11)

    reply = patch(http, path, 0, b"hello world", **{"Upload-Checksum": text})

    assert reply.status_code in (400, 460)
    assert offset_of(http, path) == 0


def test_a_length_that_comes_with_a_chunk_that_does_not_hold_is_not_kept(http: Http) -> None:
    path = create(http, None)

    assert patch(http, path, 0, b"abc", **checksum("sha1", b"x"), **{"Upload-Length": "3"}).status_code == 460
    assert head(http, path).headers["upload-defer-length"] == "1"


def test_a_creation_whose_checksum_does_not_hold_creates_nothing(http: Http, stack: Stack) -> None:
    reply = http.post("/uploads", headers={**BYTES, "Upload-Length": "5", **checksum("sha1", b"x")}, content=b"abc")

    assert reply.status_code == 460
    assert "location" not in reply.headers


# Termination


def test_a_deletion_is_204_and_the_upload_is_gone(http: Http) -> None:
    path = create(http, 5)
    patch(http, path, 0, b"abc")

    assert http.request("DELETE", path, headers=VERSION).status_code == 204

    assert head(http, path).status_code == 410
    assert patch(http, path, 3, b"de").status_code == 410
    assert http.request("DELETE", path, headers=VERSION).status_code == 410


def test_a_complete_upload_can_be_deleted_and_its_version_stays(http: Http) -> None:
    path = create(http, 5)
    done = send(http, path, b"abcde")

    assert http.request("DELETE", path, headers=VERSION).status_code == 204

    assert head(http, path).status_code == 410
    assert content_of(http, done) == b"abcde"


def test_a_deletion_of_what_is_not_there_is_404(http: Http) -> None:
    assert http.request("DELETE", "/uploads/" + "0" * 32, headers=VERSION).status_code == 404


# Concatenation


def partial(http: Http, content: bytes, length: int | None = None) -> str:
    path = create(http, len(content) if length is None else length, name=None, **{"Upload-Concat": "partial"})
    send(http, path, content)
    return path


def about(http: Http, path: str) -> dict[str, str]:
    """What its HEAD says."""
    return {name: value for name, value in head(http, path).headers.items() if name != "x-request-id"}


def away(*_: Any, **__: Any) -> None:
    raise StoreUnavailable


@contextmanager
def unfinished(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Http, tuple[str, str], str]]:
    """HTTP to a process, two partial uploads, and the final one of them, which cannot be finished, since the store is away."""
    services = stack.services()
    with stack.client(stack.user("ada"), services) as http:
        partials = partial(http, b"hello"), partial(http, b" world")
        with monkeypatch.context() as patched:
            for name in ("writer", "part"):
                patched.setattr(services.objects, name, away)
            yield http, partials, path_of(final(http, *partials))


def final(http: Http, *partials: str, **headers: str) -> httpx.Response:
    urls = " ".join(partials)
    return http.post("/uploads", headers={**VERSION, "Upload-Concat": f"final;{urls}", **headers})


def test_a_final_upload_is_its_partial_ones_in_their_order(http: Http) -> None:
    first, second = partial(http, b"hello"), partial(http, b" world")

    reply = final(http, first, f"http://holdfast.test{second}", **metadata(filename="greeting.txt"))

    assert reply.status_code == 201
    assert content_of(http, reply) == b"hello world"
    assert reply.headers["holdfast-asset-path"] == "text/txt/greeting"
    length = head(http, path_of(reply)).headers
    assert (length["upload-length"], length["upload-offset"]) == ("11", "11")


def test_partial_uploads_may_be_large_and_in_several_chunks(http: Http) -> None:
    contents = [data((6 << 20) + 5, 1), data(100, 2), data((11 << 20) + 1, 3)]

    reply = final(http, *[partial(http, content) for content in contents])

    assert content_of(http, reply) == b"".join(contents)


def test_a_partial_upload_does_not_become_a_version(http: Http) -> None:
    path = partial(http, b"hello")

    assert "holdfast-asset-path" not in head(http, path).headers
    assert http.get("/assets").json()["items"] == []


def test_head_of_partial_and_final_uploads_has_upload_concat_as_it_was_said(http: Http) -> None:
    first, second = partial(http, b"hello"), partial(http, b" world")
    assert head(http, first).headers["upload-concat"] == "partial"

    done = final(http, first, second)

    assert head(http, path_of(done)).headers["upload-concat"] == f"final;{first} {second}"
    assert "upload-concat" not in head(http, create(http, 1)).headers


def test_head_of_a_partial_upload_has_the_offset(http: Http) -> None:
    path = create(http, 9, **{"Upload-Concat": "partial"})
    patch(http, path, 0, b"hello")

    assert offset_of(http, path) == 5


def test_a_final_upload_takes_no_length(http: Http) -> None:
    assert final(http, partial(http, b"hello"), **{"Upload-Length": "5"}).status_code == 400
    assert final(http, partial(http, b"hello"), **{"Upload-Defer-Length": "1"}).status_code == 400


def test_a_patch_against_a_final_upload_is_403_and_changes_nothing(http: Http) -> None:
    first = partial(http, b"hello")
    done = final(http, first)

    for offset in (0, 5):
        assert patch(http, path_of(done), offset, b"x").status_code == 403
    assert final(http, first).status_code in (201, 410)
    assert content_of(http, done) == b"hello"


def test_a_patch_against_a_final_upload_that_is_not_finished_is_403_and_leaves_its_partial_ones(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unfinished(stack, monkeypatch) as (http, partials, done):
        before = [about(http, path) for path in partials]
        for offset in (0, 5, 11):
            assert patch(http, done, offset, b"x").status_code == 403
        assert [about(http, path) for path in partials] == before
        assert [found["upload-offset"] for found in before] == ["5", "6"]


def test_head_of_a_final_upload_that_is_not_finished_has_its_length_and_no_offset(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unfinished(stack, monkeypatch) as (http, partials, done):
        told = head(http, done)
        assert (told.status_code, told.headers["upload-length"]) == (200, "11")
        assert told.headers["upload-concat"] == f"final;{' '.join(partials)}"
        assert not {"upload-offset", "holdfast-version-id"} & set(told.headers)


def test_a_final_upload_of_unfinished_ones_is_refused(http: Http) -> None:
    path = create(http, 9, **{"Upload-Concat": "partial"})
    patch(http, path, 0, b"hello")

    assert final(http, path).status_code == 409
    assert final(http, create(http, None, **{"Upload-Concat": "partial"})).status_code == 409


def test_one_partial_upload_may_come_several_times(http: Http) -> None:
    first, second = partial(http, b"ab"), partial(http, b"-")

    assert content_of(http, final(http, first, second, first)) == b"ab-ab"


def test_metadata_of_partial_uploads_do_not_reach_the_final_one(http: Http) -> None:
    path = create(http, 5, **{"Upload-Concat": "partial"}, **metadata(filename="part.txt"))
    send(http, path, b"hello")

    done = final(http, path)

    assert "upload-metadata" not in head(http, path_of(done)).headers
    assert "part" not in done.headers["holdfast-asset-path"]


@pytest.mark.parametrize(
    "text", ["partial;", "Partial", "final", "final;", "final; ", "final;/x", "final;/uploads/x", "final;http://[x/uploads/y", "x"]
)
def test_upload_concat_that_cannot_be_read_is_400(http: Http, text: str) -> None:
    assert http.post("/uploads", headers={**VERSION, "Upload-Length": "5", "Upload-Concat": text}).status_code == 400
    assert http.post("/uploads", headers={**VERSION, "Upload-Concat": text}).status_code == 400


def test_only_ones_own_partial_uploads_are_concatenated(http: Http, stack: Stack) -> None:
    mine, whole = partial(http, b"secret"), create(http, 5)
    with stack.client(stack.user("bob")) as stranger:
        assert final(stranger, mine).status_code == 404
    assert final(http, "/uploads/" + "0" * 32).status_code == 404
    patch(http, whole, 0, b"hell")
    assert final(http, whole).status_code == 422
    cancelled = partial(http, b"x")
    http.request("DELETE", cancelled, headers=VERSION)
    assert final(http, cancelled).status_code == 410
