"""Which type a file is of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.media import kind

JPEG, PNG, ZIP = b"\xff\xd8\xff\xe0" + bytes(8), b"\x89PNG\r\n\x1a\n" + bytes(24), b"PK\x03\x04" + bytes(26)


@pytest.mark.parametrize(
    ("name", "head", "said", "found"),
    [
        ("a.png", JPEG, "image/png", "image/jpeg"),
        ("a", PNG, None, "image/png"),
        ("a.md", b"# text", "text/plain", "text/markdown"),
        ("a.unknown", b"text", "application/x-mine; charset=utf-8", "application/x-mine"),
        ("a", b"text", None, "application/octet-stream"),
        ("a", b"text", "no type\r\nX: y", "application/octet-stream"),
        ("a", b"", "", "application/octet-stream"),
        ("a.whl", ZIP, None, kind.type_of_extension("whl") or "application/zip"),
        ("a.exe.zip", ZIP, None, "application/zip"),
    ],
)
def test_bytes_before_the_name_before_what_the_client_says(name: str, head: bytes, said: str | None, found: str) -> None:
    assert kind.content_type(name, head, said) == found


@given(st.text(), st.binary(max_size=64), st.none() | st.text())
def test_it_is_always_a_plain_type(name: str, head: bytes, said: str | None) -> None:
    found = kind.content_type(name, head, said)
    assert found.isascii()
    assert found.isprintable()
    assert found.count("/") == 1
    assert len(found) <= 127
    assert " " not in found


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.JPEG", "jpg"),
        ("a.tar.gz", "gz"),
        ("a", ""),
        (".hidden", ""),
        ("a.", ""),
        ("a.b c", ""),
        ("a.htm", "html"),
        ("..jpg", ""),
    ],
)
def test_extensions_have_one_spelling(name: str, extension: str) -> None:
    assert kind.extension(name) == extension


@given(st.text())
def test_an_extension_is_safe_in_a_path(name: str) -> None:
    found = kind.extension(name)
    assert found == "" or (found.isascii() and found == found.lower() and "/" not in found and len(found) <= 16)
