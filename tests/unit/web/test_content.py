from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import Message

from holdfast.errors import BytesMissing, PreconditionFailed, Problem, RangeUnsatisfiable
from holdfast.storage.objects.folder import FolderObjects
from holdfast.storage.objects.port import StoreUnavailable
from holdfast.web import problems
from holdfast.web.content import Content, Plan, disposition, matches, parse_range, plan, reply, safe_type
from holdfast.web.hop import Threads
from holdfast.web.streaming import CutShort
from tests.unit.web.asking import request

BYTES = bytes(range(256)) * 10_000
MANY = "9" * 20
BEYOND_ALL_DATES = [
    f"01 Jan {MANY} 00:00:00",
    f"{MANY} Jan 2026 00:00:00",
    f"01 Jan 2026 {MANY}:00:00",
    f"01 Jan 2026 00:00:00 +{MANY}",
]
AT = datetime(2026, 11, 21, 14, 3, 0, 900_000, UTC)
CONTENT = Content("data/u/0", len(BYTES), sha256(BYTES).hexdigest(), "image/png", "Größe.png", AT)
TAG = CONTENT.etag
WHOLE = Plan(200, 0, len(BYTES))


# Which bytes


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 4)),
        ("bytes=5-", (5, 5)),
        ("bytes=9-9", (9, 1)),
        ("bytes=5-1000000000000000000000", (5, 5)),
        ("bytes=-3", (7, 3)),
        ("bytes=-100", (0, 10)),
        ("Bytes = 2-5 ", (2, 4)),
        ("bytes=,2-5,", (2, 4)),
    ],
)
def test_one_range_is_served(header: str, span: tuple[int, int]) -> None:
    assert parse_range(header, 10) == span


@pytest.mark.parametrize(
    "header",
    [
        *(
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=\u0661-2",
            "items=0-1",
            "0-1",
        ),
        *("bytes=0-1,3-4", "bytes=0-1,a", "bytes=0-1,100-", "bytes=0-" + "9" * 5000),
    ],
)
def test_what_is_no_single_range_gets_the_whole(header: str) -> None:
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=10-,11-12", 10)])
def test_a_range_without_a_byte_is_416_with_the_size(header: str, size: int) -> None:
    with pytest.raises(RangeUnsatisfiable) as raised:
        parse_range(header, size)
    answered = problems.response(raised.value)
    assert (answered.status_code, answered.headers["content-range"]) == (416, f"bytes */{size}")


def test_the_last_bytes_of_nothing_are_all_of_it() -> None:
    assert parse_range("bytes=-5", 0) is None


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_a_range_gives_the_bytes_that_its_numbers_name(first: int, last: int, size: int) -> None:
    expected = [n for n in range(size) if first <= n <= last]
    if first > last:
        assert parse_range(f"bytes={first}-{last}", size) is None
    elif not expected:
        with pytest.raises(RangeUnsatisfiable):
            parse_range(f"bytes={first}-{last}", size)
    else:
        assert parse_range(f"bytes={first}-{last}", size) == (expected[0], len(expected))


@given(st.text(max_size=40) | st.from_regex(r"bytes=[-0-9, ]{0,20}", fullmatch=True), st.integers(0, 20))
def test_no_header_asks_for_bytes_that_are_not_there(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except RangeUnsatisfiable:
        return
    if span is not None:
        start, length = span
        assert 0 <= start < start + length <= size


# Under which condition


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, WHOLE),
        ({"if-none-match": TAG}, Plan(304)),
        ({"if-none-match": f"W/{TAG}"}, Plan(304)),
        ({"if-none-match": f'"other", W/"a,b" , {TAG}'}, Plan(304)),
        ({"if-none-match": "*"}, Plan(304)),
        ({"if-none-match": '"other"'}, WHOLE),
        ({"if-none-match": TAG, "range": "bytes=0-0"}, Plan(304)),
        ({"if-none-match": '"other"', "if-modified-since": "Sat, 21 Nov 2026 14:03:00 GMT"}, WHOLE),
        ({"if-modified-since": "Sat, 21 Nov 2026 14:03:00 GMT"}, Plan(304)),
        ({"if-modified-since": "Sat, 21 Nov 2026 14:02:59 GMT"}, WHOLE),
        ({"if-modified-since": "yesterday"}, WHOLE),
        *(({"if-modified-since": f"Mon, {date} GMT"}, WHOLE) for date in BEYOND_ALL_DATES),
        *(({"if-unmodified-since": f"Mon, {date} GMT"}, WHOLE) for date in BEYOND_ALL_DATES),
        ({"if-match": TAG}, WHOLE),
        ({"if-match": "*"}, WHOLE),
        ({"if-match": f'"other",{TAG}', "range": "bytes=1-2"}, Plan(206, 1, 2)),
        ({"if-unmodified-since": "Sat, 21 Nov 2026 14:03:00 GMT"}, WHOLE),
        ({"range": "bytes=1-2", "if-range": TAG}, Plan(206, 1, 2)),
        ({"range": "bytes=1-2", "if-range": f"W/{TAG}"}, WHOLE),
        ({"range": "bytes=1-2", "if-range": '"other"'}, WHOLE),
        ({"range": "bytes=1-2", "if-range": "Sat, 21 Nov 2026 14:03:00 GMT"}, WHOLE),
        ({"range": "bytes=99999999-", "if-range": '"other"'}, WHOLE),
    ],
)
def test_conditions_decide_what_is_sent(headers: dict[str, str], expected: Plan) -> None:
    assert plan(CONTENT, "GET", headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {"if-match": '"other"'},
        {"if-match": f"W/{TAG}"},
        {"if-match": ""},
        {"if-match": '"other"', "if-none-match": TAG},
        {"if-unmodified-since": "Sat, 21 Nov 2026 14:02:59 GMT"},
    ],
)
def test_a_condition_that_does_not_hold_is_412(headers: dict[str, str]) -> None:
    with pytest.raises(PreconditionFailed):
        plan(CONTENT, "GET", headers)


def test_until_the_hash_is_known_the_object_has_a_tag_of_its_own_which_goes_on_naming_it() -> None:
    before = replace(CONTENT, sha256=None)
    assert before.etag != replace(before, key="data/u/1").etag
    assert re.fullmatch(r'"object-[0-9a-f]{32}"', before.etag)
    assert plan(before, "GET", {"if-none-match": before.etag}) == Plan(304)
    assert plan(CONTENT, "GET", {"if-none-match": before.etag}) == Plan(304)
    assert plan(CONTENT, "GET", {"if-match": f'"x", {before.etag}'}) == WHOLE
    assert plan(CONTENT, "GET", {"range": "bytes=5-6", "if-range": before.etag}) == Plan(206, 5, 2)
    with pytest.raises(PreconditionFailed):
        plan(before, "GET", {"if-match": TAG})


def test_head_knows_no_ranges() -> None:
    assert plan(CONTENT, "HEAD", {"range": "bytes=1-2"}) == WHOLE


@given(st.text(max_size=60))
def test_no_condition_is_more_than_not_met(text: str) -> None:
    assert matches(text, [TAG], weakly=True) == (text.strip() == "*")


# Under which name


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("a.png", 'attachment; filename="a.png"'),
        ("Größe.png", "attachment; filename=\"Gr__e.png\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.png"),
        ('a".png', "attachment; filename=\"a_.png\"; filename*=UTF-8''a%22.png"),
        ("a\r\nX: y", "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ("50%25", "attachment; filename=\"50_25\"; filename*=UTF-8''50%2525"),
        ("\ud800", "attachment; filename=\"_\"; filename*=UTF-8''%3F"),
    ],
)
def test_a_name_cannot_leave_its_header(filename: str, expected: str) -> None:
    assert disposition(filename, "image/png") == expected


@given(st.text(max_size=50))
def test_any_name_makes_a_header_that_can_be_sent(filename: str) -> None:
    assert re.fullmatch(r"attachment; filename=\"[ !#-~]*\"(; filename\*=UTF-8''[!-~]*)?", disposition(filename, "text/html"))


@pytest.mark.parametrize(
    "kind", ["image/png", "application/pdf", "audio/mpeg", "video/mp4", "text/plain; charset=utf-8", "IMAGE/PNG"]
)
def test_what_cannot_run_a_script_may_be_shown_inline(kind: str) -> None:
    assert disposition("a", kind, inline=True).startswith("inline;")
    assert disposition("a", kind).startswith("attachment;")


@pytest.mark.parametrize(
    "kind", ["image/svg+xml", "text/html", "text/xml", "application/xhtml+xml", "", "text/plainx", "image/png,text/html"]
)
def test_what_can_run_a_script_is_always_saved(kind: str) -> None:
    assert disposition("a", kind, inline=True).startswith("attachment;")


@pytest.mark.parametrize("kind", ["", "image", "image/png\r\nX: y", "a/b; q=1", "image/png; charset=x y"])
def test_a_type_that_is_none_is_sent_as_bytes(kind: str) -> None:
    assert safe_type(kind) == "application/octet-stream"


# Sending


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(2)
    yield made
    made.close()


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    made = FolderObjects(tmp_path)
    writer = made.writer(CONTENT.key, CONTENT.content_type)
    left = memoryview(BYTES)
    while left:
        left = left[writer.feed(left) :]
        writer.flush()
    writer.finish()
    return made


class Faulty:
    """Objects whose stream ends after ``good`` chunks, with an error or without."""

    def __init__(self, good: int, error: Exception | None = None) -> None:
        self._good, self._error = good, error
        self.given = 0
        self.closed = False

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        try:
            for _ in range(self._good):
                self.given += 1
                yield b"x" * 1000
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


def sent(
    objects: Any, threads: Threads, method: str = "GET", *, gone_after: int = 10**9, **headers: str
) -> tuple[Response, list[Message]]:
    """The response, and the messages that it sends; the client goes away after ``gone_after`` of them."""
    messages: list[Message] = []
    asked = request(method=method, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def run() -> Response:
        gone = asyncio.Event()

        async def receive() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            messages.append(message)
            if len(messages) >= gone_after:
                gone.set()
                await asyncio.sleep(0)

        response = await reply(asked, CONTENT, objects, threads)
        await response(asked.scope, receive, send)
        return response

    return asyncio.run(run()), messages


def body(messages: list[Message]) -> bytes:
    return b"".join(message["body"] for message in messages[1:])


def test_the_whole_comes_with_its_headers(objects: FolderObjects, threads: Threads) -> None:
    response, messages = sent(objects, threads)
    assert (response.status_code, body(messages)) == (200, BYTES)
    assert dict(response.headers) == {
        "etag": f'"{sha256(BYTES).hexdigest()}"',
        "last-modified": "Sat, 21 Nov 2026 14:03:00 GMT",
        "cache-control": "private, no-cache",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "content-type": "image/png",
        "content-length": str(len(BYTES)),
        "content-disposition": "attachment; filename=\"Gr__e.png\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.png",
    }
    assert [message.get("more_body", False) for message in messages[1:]] == [True] * (len(messages) - 2) + [False]


def test_a_range_comes_with_its_place(objects: FolderObjects, threads: Threads) -> None:
    response, messages = sent(objects, threads, range="bytes=1000-1999999")
    assert (response.status_code, body(messages)) == (206, BYTES[1000:2_000_000])
    assert response.headers["content-range"] == f"bytes 1000-1999999/{len(BYTES)}"
    assert response.headers["content-length"] == str(2_000_000 - 1000)


def test_head_says_what_get_would_and_reads_nothing(threads: Threads) -> None:
    store = Faulty(0)
    response, messages = sent(store, threads, "HEAD")
    assert (response.status_code, response.headers["content-length"], body(messages)) == (200, str(len(BYTES)), b"")


def test_not_modified_says_nothing_about_a_body(threads: Threads) -> None:
    response, messages = sent(Faulty(0), threads, if_none_match=TAG)
    assert (response.status_code, body(messages)) == (304, b"")
    assert {"content-type", "content-length", "content-disposition"}.isdisjoint(response.headers)
    assert response.headers["etag"] == TAG


def test_an_error_before_the_first_byte_gets_its_own_reply(threads: Threads, tmp_path: Path) -> None:
    with pytest.raises(Problem):
        sent(Faulty(0, StoreUnavailable()), threads)
    with pytest.raises(BytesMissing):
        sent(FolderObjects(tmp_path), threads)


def test_an_error_within_the_body_is_never_a_clean_end(threads: Threads) -> None:
    with pytest.raises(StoreUnavailable):
        sent(Faulty(2, StoreUnavailable()), threads)
    with pytest.raises(CutShort):
        sent(Faulty(2), threads)


def test_nothing_is_read_for_a_client_that_is_gone(threads: Threads) -> None:
    store = Faulty(2000)
    _, messages = sent(store, threads, gone_after=3)
    assert (store.given, store.closed) == (2, True)
    assert messages[-1]["more_body"]
