from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from holdfast.errors import Invalid, Malformed, Problem, TooLarge, UnsupportedMediaType
from holdfast.web.multipart import Limits, Multipart, boundary_of, names_of
from tests.unit.web.asking import request

FORM = {"Content-Type": "multipart/form-data; boundary=limit"}
Parts = list[tuple[str, str | None, str | None, bytes]]


def form(*parts: tuple[str, bytes], boundary: str = "limit") -> bytes:
    """Parts as their header lines and their bytes."""
    lines = [b"--" + boundary.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts]
    return b"".join(lines) + b"--" + boundary.encode() + b"--\r\n"


def file(name: str, filename: str, body: bytes) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: image/png', body


def field(name: str, value: str) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', value.encode()


async def _parts(asked: Request, limits: Limits | None, repeated: Iterable[str]) -> Parts:
    found = []
    async for part in Multipart(asked, limits, repeated=frozenset(repeated)):
        body = (await part.text()).encode() if part.filename is None else b"".join([bytes(c) async for c in part])
        found.append((part.name, part.filename, part.content_type, body))
    return found


def parts(
    pieces: Sequence[bytes] | bytes,
    limits: Limits | None = None,
    *,
    repeated: Iterable[str] = (),
    cut: bool = False,
    **headers: str,
) -> Parts:
    pieces = [pieces] if isinstance(pieces, bytes) else pieces
    asked = request(pieces, FORM | {name.replace("_", "-"): value for name, value in headers.items()}, cut=cut)
    return asyncio.run(_parts(asked, limits, repeated))


TRICKY = form(
    file("primary_file", "a.png", b"\x89PNG\r\n--limi\r\n--limitx\r\n-\r\n--\r\n\r\r\n"),
    field("archive_ttl", "30"),
    file("associated_files", "", b""),
    file("associated_files", "b.png", b"\r\n--limit" + b"-x" * 10),
    field("empty", ""),
)
WHOLE = parts(TRICKY, repeated={"associated_files"})


def test_parts_come_in_order_with_their_names_types_and_bytes() -> None:
    assert parts(form(file("primary_file", "a.png", b"\x00\r\n"), field("archive_ttl", "30"))) == [
        ("primary_file", "a.png", "image/png", b"\x00\r\n"),
        ("archive_ttl", None, None, b"30"),
    ]


def test_a_form_cut_into_two_anywhere_gives_the_same_parts() -> None:
    for at in range(len(TRICKY) + 1):
        assert parts([TRICKY[:at], TRICKY[at:]], repeated={"associated_files"}) == WHOLE, at


def test_a_form_that_comes_byte_by_byte_gives_the_same_parts() -> None:
    assert parts([bytes([byte]) for byte in TRICKY], repeated={"associated_files"}) == WHOLE


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n--limit", b"\r\n--limi", b"\r", b"--", b"\r\n"]), max_size=8),
    st.randoms(),
)
def test_any_bytes_cut_anyhow_come_out_as_they_went_in(pieces: list[bytes], chance: random.Random) -> None:
    content = b"".join(pieces)
    if b"\r\n--limit" in b"\r\n" + content:  # RFC 2046, 5.1.1: a boundary is chosen so that no line begins with it
        return
    body = form(file("f", "a", content), field("last", "x"))
    cuts = sorted(chance.randrange(len(body)) for _ in range(chance.randrange(6)))
    chunks = [body[a:b] for a, b in itertools.pairwise([0, *cuts, len(body)]) if a < b]
    assert parts(chunks) == [("f", "a", "image/png", content), ("last", None, None, b"x")]


def test_a_form_cut_off_anywhere_is_refused_and_never_taken_for_whole() -> None:
    end = TRICKY.rindex(b"--limit--") + len(b"--limit--")
    for at in range(end):
        with pytest.raises(Malformed):
            parts(TRICKY[:at], repeated={"associated_files"})
        with pytest.raises((Malformed, ClientDisconnect)):
            parts(TRICKY[:at], repeated={"associated_files"}, cut=True)


def test_one_changed_byte_gives_parts_or_a_4xx_and_nothing_else() -> None:
    chance = random.Random(7)
    for at in range(len(TRICKY)):
        broken = bytearray(TRICKY)
        broken[at] = chance.randrange(256)
        with suppress(Invalid, TooLarge, UnsupportedMediaType):  # all of them 4xx; Malformed is one of Invalid
            parts(bytes(broken), repeated={"associated_files"})


@given(st.binary(max_size=300))
def test_noise_gives_a_4xx(noise: bytes) -> None:
    with pytest.raises(Malformed):
        parts(noise)


def test_parts_that_nobody_reads_are_skipped() -> None:
    async def names() -> list[str]:
        return [part.name async for part in Multipart(request([TRICKY], FORM), repeated=frozenset({"associated_files"}))]

    assert asyncio.run(names()) == ["primary_file", "archive_ttl", "associated_files", "associated_files", "empty"]


def test_chunks_are_views_of_what_the_server_delivered() -> None:
    async def sizes() -> list[int]:
        body = form(file("f", "a", b"x" * 300_000))
        async for part in Multipart(request([body[:65_536], body[65_536:131_072], body[131_072:]], FORM)):
            return [len(chunk) async for chunk in part]
        return []

    assert len(asyncio.run(sizes())) == 3


@pytest.mark.parametrize(
    ("content_type", "problem"),
    [
        ("application/json", UnsupportedMediaType),
        ("", UnsupportedMediaType),
        ("multipart/mixed; boundary=limit", UnsupportedMediaType),
        ("multipart/form-data", Malformed),
        ("multipart/form-data; boundary=", Malformed),
        ("multipart/form-data; boundary=" + "x" * 71, Malformed),
        ("multipart/form-data; boundary=a; boundary=b", Malformed),
        ('multipart/form-data; boundary="a\rb"', Malformed),
        ("multipart/form-data; boundary=\xe9", Malformed),
    ],
)
def test_a_wrong_content_type_or_boundary_is_refused(content_type: str, problem: type[Problem]) -> None:
    with pytest.raises(problem):
        boundary_of(content_type)


def test_the_boundary_may_be_quoted_and_stand_anywhere() -> None:
    assert boundary_of('Multipart/Form-Data; charset=utf-8; Boundary="a b;c"') == b"a b;c"


def test_a_compressed_body_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        parts(TRICKY, content_encoding="gzip")


@pytest.mark.parametrize(
    ("disposition", "names"),
    [
        (b'form-data; name="f"', ("f", None)),
        (b'form-data; name=f; filename=""', ("f", "")),
        ('form-data; name="f"; filename="Größe 図.png"'.encode(), ("f", "Größe 図.png")),
        (b'form-data; name="f"; filename="a%22b%0D%0Ac%20d.png"', ("f", 'a"b\r\nc%20d.png')),
        (rb'form-data; name="f"; filename="a\"b\\c\d"', ("f", r'a"b\c\d')),
        (b"form-data; name=\"f\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe", ("f", "Größe")),
        (b'form-data; name="f"; filename="x"; filename*=iso-8859-1\'de\'Gr%F6%DFe', ("f", "Größe")),
        (b'form-data; name="f"; filename="x; filename*=utf-8\'\'evil"', ("f", "x; filename*=utf-8''evil")),
        (b'Form-Data ;NAME="f" ; FileName = "a"', ("f", "a")),
    ],
)
def test_names_are_read_as_clients_write_them(disposition: bytes, names: tuple[str, str | None]) -> None:
    assert names_of(disposition) == names


@pytest.mark.parametrize(
    "disposition",
    [
        b"",
        b"form-data",
        b'attachment; name="f"',
        b'form-data; filename="a"',
        b'form-data; name="f',
        b'form-data; name="f"; name="g"',
        b'form-data; name="f"; filename="a"; filename="b"',
        b'form-data; name="\xff"',
        b"form-data; name=\"f\"; filename*=utf-16''%00a",
        b"form-data; name=\"f\"; filename*=utf-8''%FF",
        b"form-data; name=\"f\"; filename*=utf-8''%zz",
        b'form-data; name="f" junk',
    ],
)
def test_names_that_can_be_read_in_two_ways_are_refused(disposition: bytes) -> None:
    with pytest.raises(Malformed):
        names_of(disposition)


SMALL = Limits(files=2, fields=2, value=10, header=200, headers=3, all_headers=400, body=10_000)


@pytest.mark.parametrize(
    "body",
    [
        form(*(file(f"f{n}", "a", b"") for n in range(3))),
        form(*(field(f"f{n}", "a") for n in range(3))),
        form(field("f", "x" * 11)),
        form(file("f", "a", b"x" * 10_000)),
        form(file("a", "a" * 100, b""), file("b", "a" * 100, b""), field("c", ""), field("d" * 100, "")),
    ],
    ids=["files", "fields", "value", "body", "all headers"],
)
def test_what_is_above_a_limit_is_refused_with_413(body: bytes) -> None:
    with pytest.raises(TooLarge):
        parts(body, SMALL)


@pytest.mark.parametrize(
    "head",
    ['Content-Disposition: form-data; name="f"\r\nA: 1\r\nB: 2\r\nC: 3', f'Content-Disposition: form-data; name="{"f" * 300}"'],
    ids=["number", "size"],
)
def test_a_part_with_too_many_or_too_long_headers_is_refused(head: str) -> None:
    with pytest.raises(Malformed):
        parts(form((head, b"")), SMALL)


def test_a_million_fields_are_refused_long_before_they_are_read() -> None:
    given_out = 0

    async def receive() -> Message:
        nonlocal given_out
        given_out += 1
        more = b"".join(
            b'--limit\r\nContent-Disposition: form-data; name="f%d-%d"\r\n\r\n\r\n' % (given_out, n) for n in range(1000)
        )
        return {"type": "http.request", "body": more, "more_body": given_out < 1000}

    scope = dict(request([], FORM).scope)
    with pytest.raises(TooLarge):
        asyncio.run(_parts(Request(scope, receive), None, ()))
    assert given_out == 1


def test_a_body_that_is_said_to_be_too_long_is_refused_unread() -> None:
    with pytest.raises(TooLarge):
        Multipart(request([], FORM | {"Content-Length": "10001"}), SMALL)


def test_a_body_that_stops_coming_is_given_up() -> None:
    async def receive() -> Message:
        await asyncio.sleep(3600)
        raise AssertionError("never")

    with pytest.raises(Malformed, match="stopped coming"):
        asyncio.run(_parts(Request(dict(request([], FORM).scope), receive), replace(SMALL, idle=0.01), ()))


def test_a_name_comes_twice_only_where_that_has_a_meaning() -> None:
    twice = form(file("f", "a", b"1"), file("f", "b", b"2"))
    assert [part[3] for part in parts(twice, repeated={"f"})] == [b"1", b"2"]
    with pytest.raises(Invalid, match="twice"):
        parts(twice)


@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="f"\r\nContent-Transfer-Encoding: base64',
        'Content-Disposition: form-data; name="f"\r\nContent-Disposition: form-data; name="g"',
        "Content-Type: text/plain",
    ],
    ids=["transfer encoding", "header twice", "no disposition"],
)
def test_a_part_whose_headers_mislead_is_refused(head: str) -> None:
    with pytest.raises(Malformed):
        parts(form((head, b"")))


def test_a_field_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(Malformed):
        parts(form(('Content-Disposition: form-data; name="f"', b"\xff")))
