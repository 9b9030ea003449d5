"""The CRC32 of two pieces is zlib's of both."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from holdfast.storage.objects.assembly import Part, crc32_of, size_of
from holdfast.storage.objects.crc import combine


@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_combining_is_what_zlib_computes_of_both(first: bytes, second: bytes) -> None:
    assert combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_pieces_may_be_long() -> None:
    first, second = bytes(range(256)) * 30_000, b"ab" * 5_000_001

    assert combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_nothing_changes_nothing() -> None:
    assert combine(0x12345678, 0, 0) == 0x12345678
    assert combine(0, 0x12345678, 99) == 0x12345678


@given(pieces=st.lists(st.binary(max_size=50), max_size=20))
def test_parts_have_the_crc32_of_all_their_bytes(pieces: list[bytes]) -> None:
    parts = [Part(number, 0, len(piece), "", zlib.crc32(piece)) for number, piece in enumerate(pieces, 1)]

    assert (size_of(parts), crc32_of(parts)) == (len(b"".join(pieces)), zlib.crc32(b"".join(pieces)))
