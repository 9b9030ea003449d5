"""The headers of tus are read strictly."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from endpoints.uploads import headers as read
from holdfast.errors import Malformed

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=20)


@given(pairs=st.dictionaries(KEYS, st.binary(max_size=50), max_size=8))
def test_metadata_are_what_was_encoded(pairs: dict[str, bytes]) -> None:
    text = ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in pairs.items())

    assert read.metadata(text) == pairs


@given(text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60))
def test_whatever_comes_is_read_or_malformed(text: str) -> None:
    for parse in (read.metadata, read.partial_uploads, read.checksum):
        try:
            parse(text)
        except Malformed:
            continue


def test_metadata_that_are_too_long_are_refused() -> None:
    with pytest.raises(Malformed, match="at most"):
        read.metadata("a" * (read.MAX_TEXT + 1))


ONE, TWO = "0" * 32, "f" * 32


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, None),
        ("partial", []),
        (f"final;/uploads/{ONE}", [ONE]),
        (f"final;https://h/uploads/{ONE} /base/uploads/{TWO}/", [ONE, TWO]),
        (f"final; uploads/{ONE}  {f'/uploads/{ONE}'} ", [ONE, ONE]),
    ],
)
def test_what_is_concatenated(text: str | None, found: list[str] | None) -> None:
    assert read.partial_uploads(text) == found


@pytest.mark.parametrize(
    "text",
    ["", "PARTIAL", "final", "final;", f"final:/uploads/{ONE}", "final;/uploads/x", f"final;/uploads/{ONE}x", f"x;/uploads/{ONE}"],
)
def test_what_is_not_a_concatenation(text: str) -> None:
    with pytest.raises(Malformed):
        read.partial_uploads(text)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("sha1", hashlib.sha1(b"hello world").digest()),
        ("sha256", hashlib.sha256(b"hello world").digest()),
        ("crc32", zlib.crc32(b"hello world").to_bytes(4, "big")),
    ],
)
def test_a_checksum_is_of_all_that_came(algorithm: str, digest: bytes) -> None:
    for expected, holds in ((digest, True), (digest[:-1], False), (b"", False), (bytes(len(digest)), False)):
        checksum = read.checksum(f"{algorithm} {base64.b64encode(expected).decode()}")
        assert checksum is not None
        for piece in (b"hello", memoryview(b" "), b"world"):
            checksum.update(piece)
        assert checksum.holds() is holds


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ([], None),
        ([("upload-length", "5")], read.Length(5)),
        ([("Upload-Length", " 0 ")], read.Length(0)),
        ([("upload-defer-length", "1")], read.Length(None)),
    ],
)
def test_lengths(given_: list[tuple[str, str]], expected: read.Length | None) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in given_]

    assert read.length(Headers(raw=raw)) == expected


def test_a_header_that_came_twice_is_refused() -> None:
    with pytest.raises(Malformed, match="2 times"):
        read.count(Headers(raw=[(b"upload-offset", b"1"), (b"upload-offset", b"1")]), "Upload-Offset")


@pytest.mark.parametrize("text", [b"-1", b"", b"1.0", b"0x1", "\uff11".encode(), b"9" * 1001])
def test_counts_are_whole_numbers_in_ascii(text: bytes) -> None:
    with pytest.raises(Malformed):
        read.count(Headers(raw=[(b"upload-offset", text)]), "Upload-Offset")


def test_a_count_may_be_larger_than_any_upload_and_the_length_of_a_body_not() -> None:
    large = b"9" * 19
    assert read.count(Headers(raw=[(b"upload-offset", large)]), "Upload-Offset") == int(large)
    with pytest.raises(Malformed):
        read.coming(Headers(raw=[(b"content-length", large)]))
