"""The half of the objects port that is about assemblies: objects whose parts come in several requests, to several processes.

A part that arrives damaged is refused, and completing names each part with its hash: an object has exactly the bytes that were
said, or is not there. Parts that nobody names vanish with the completion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.storage.objects.crc import combine
from holdfast.storage.objects.parts import MAX_PARTS, MIN_PART


class AssemblyMissing(LookupError):
    """There is no such assembly under the key: it never was, was abandoned, or has become an object."""


class PartsDiffer(Exception):
    """The store has other parts than those that were named. ``numbers``: which ones are missing or different; all of them when the
    store does not say. Nothing became visible, and the assembly can go on."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers = tuple(numbers)
        super().__init__(f"missing or other than said: {', '.join(map(str, self.numbers))}")


@dataclass(frozen=True, slots=True)
class Part:
    """``number`` counts from 1; numbers may be left out. ``offset``: bytes of the object before it. ``size`` in bytes, ``sha256``
    in hex, ``crc32`` zlib's, None for a part whose bytes we have not seen. ``tag`` is what the store calls it (S3's ETag); empty
    on folders, and for a part that came straight from a client, who may not know: the store is asked then."""

    number: int
    offset: int
    size: int
    sha256: str
    crc32: int | None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What the store says about a part that it has. ``sha256`` in hex; None when it does not tell."""

    number: int
    size: int
    tag: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Assembled:
    """A completed object: bytes, and the CRC32 of all of them, if that of each part is known. ``sha256`` (hex) is told where it
    costs nothing more, else None."""

    size: int
    crc32: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class SignedPart:
    """A URL to which one part can be PUT, and the headers that must go with it, all of them signed."""

    url: str
    headers: Mapping[str, str]


class PartWriter(Protocol):
    """One part on its way in. Used by one task at a time.

    ``feed`` only copies into the writer's memory, so it may run on the event loop; ``finish`` blocks. A writer that is dropped
    leaves nothing.
    """

    @property
    def room(self) -> int:
        """Bytes that still fit."""

    def feed(self, data: bytes | memoryview) -> int:
        """Takes as many bytes of ``data`` as fit, and returns how many that were."""

    def content(self) -> memoryview:
        """What has been fed, not copied: good until ``finish`` or ``abort``. Whoever stores it elsewhere aborts the writer."""

    def finish(self) -> Part:
        """Sends what was fed, all at once, and gives the memory back; the part is durable where the store can. Raises
        AssemblyMissing, and StoreUnavailable, after which it may be called again."""

    def abort(self) -> None:
        """Gives the memory back. Nothing was sent. Never raises."""


def check_parts(parts: Sequence[Part]) -> None:
    """Raises ValueError unless these could be an object on every store: one part at least and 10,000 at most, their numbers (up to
    10,000) rising, each beginning where the one before it ends, and none but the last below ``MIN_PART``."""
    if not parts or parts[0].number < 1 or parts[-1].number > MAX_PARTS:
        raise ValueError("not the parts of an object: there are none, or their numbers are not from 1 to 10,000")
    end = last = 0
    for part in parts:
        if part.number <= last or part.offset != end or part.size < 0:
            raise ValueError(f"part {part.number} does not follow the one before it")
        end, last = end + part.size, part.number
    if any(part.size < MIN_PART for part in parts[:-1]):
        raise ValueError(f"a part that is not the last has less than {MIN_PART} bytes")


def size_of(parts: Sequence[Part]) -> int:
    return sum(part.size for part in parts)


def crc32_of(parts: Iterable[Part]) -> int | None:
    """The CRC32 of all their bytes; None when that of one of them is not known."""
    crc = 0
    for part in parts:
        if part.crc32 is None:
            return None
        crc = combine(crc, part.crc32, part.size)
    return crc
