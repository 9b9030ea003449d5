"""The request headers of tus 1.0.0, read strictly: what a header says, or Malformed. Pure."""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from holdfast.errors import Malformed
from holdfast.web.problems import TUS_VERSION

VERSION = TUS_VERSION
CONTENT_TYPE = "application/offset+octet-stream"
MAX_TEXT = 16_384
"""Characters of Upload-Metadata and of Upload-Concat, which are kept."""

_COUNT = re.compile("[0-9]{1,18}")
_NUMBER = re.compile("[0-9]{1,1000}")
_KEY = re.compile("[!-+.-~-]{1,255}")  # printable ASCII without space and comma
_ID = re.compile("(?:.*/)?uploads/([0-9a-f]{32})/?")


def one(headers: Headers, name: str) -> str | None:
    """The header's value. Raises Malformed when it came twice: two values could be meant for two readers."""
    found = headers.getlist(name)
    if len(found) > 1:
        raise Malformed(f"{name} came {len(found)} times.", slug="invalid-header", header=name)
    return found[0].strip() if found else None


def count(headers: Headers, name: str) -> int | None:
    """A number of bytes, of any size: what is too large for an upload is a good number, and refused as that."""
    return _whole_number(headers, name, _NUMBER)


def coming(headers: Headers) -> int | None:
    """How many bytes the body has, as Content-Length says: no body has more than 18 digits."""
    return _whole_number(headers, "Content-Length", _COUNT)


def _whole_number(headers: Headers, name: str, form: re.Pattern[str]) -> int | None:
    text = one(headers, name)
    if text is None:
        return None
    if not form.fullmatch(text):
        raise invalid(name, "a whole number, and not negative")
    return int(text)


def invalid(name: str, expected: str) -> Malformed:
    return Malformed(f"{name} is {expected}.", slug="invalid-header", header=name)


@dataclass(frozen=True, slots=True)
class Length:
    """``size`` in bytes; None: it will be said later."""

    size: int | None


def length(headers: Headers) -> Length | None:
    """What Upload-Length and Upload-Defer-Length say; None when there is neither. Raises Malformed."""
    size, deferred = count(headers, "Upload-Length"), one(headers, "Upload-Defer-Length")
    if deferred not in (None, "1"):
        raise invalid("Upload-Defer-Length", "1")
    if size is not None and deferred is not None:
        raise Malformed("The length is either said or deferred.", slug="invalid-header", header="Upload-Defer-Length")
    return None if size is None and deferred is None else Length(size)


def metadata(text: str | None) -> dict[str, bytes]:
    """The pairs of an Upload-Metadata. Raises Malformed."""
    if not text:
        return {}
    if len(text) > MAX_TEXT:
        raise invalid("Upload-Metadata", f"at most {MAX_TEXT} characters long")
    found: dict[str, bytes] = {}
    for pair in text.split(","):
        key, _, value = pair.strip(" ").partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise invalid("Upload-Metadata", "a list of key-value pairs, with each key once")
        found[key] = _decoded(value, "Upload-Metadata")
    return found


def _decoded(text: str, name: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Error, ValueError) as error:
        raise Malformed(f"A value of {name} is not Base64.", slug="invalid-header", header=name) from error


def partial_uploads(text: str | None) -> list[str] | None:
    """The ids of the partial uploads that an Upload-Concat makes a final one of, in their order; none of a partial upload; None
    when there is no such header. Raises Malformed."""
    if text is None:
        return None
    if text == "partial":
        return []
    kind, _, urls = text.partition(";")
    if not text.isascii() or kind.strip() != "final" or not urls.strip() or len(text) > MAX_TEXT:
        raise invalid("Upload-Concat", "'partial', or 'final;' and a list of URLs")
    found = [_ID.fullmatch(_path(url)) for url in urls.split()]
    ids = [match[1] for match in found if match]
    if len(ids) < len(found):
        raise invalid("Upload-Concat", "a list of URLs that this server gave")
    return ids


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    """In the order of bytes of a network."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


ALGORITHMS: dict[str, Callable[[], _Hash]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),  # which the protocol asks for
    "sha256": hashlib.sha256,
    "crc32": _Crc32,
}


class Checksum:
    """What the bytes of a request have to be (``uploads.sequential.Checksum``)."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._hash = ALGORITHMS[algorithm]()
        self._expected = expected
        self.update = self._hash.update

    def holds(self) -> bool:
        return self._hash.digest() == self._expected


def checksum(text: str | None) -> Checksum | None:
    """Of an Upload-Checksum. Raises Malformed, also for an algorithm that is not known here."""
    if text is None:
        return None
    algorithm, _, value = text.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Malformed(
            f"The checksums that are known here are {', '.join(ALGORITHMS)}.", slug="unknown-checksum", header="Upload-Checksum"
        )
    return Checksum(algorithm, _decoded(value, "Upload-Checksum"))
