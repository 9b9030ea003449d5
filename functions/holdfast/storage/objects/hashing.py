"""The hash of what a store really holds."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from holdfast.storage.objects.port import ObjectMissing, Objects


@dataclass(frozen=True, slots=True)
class Sums:
    """What an object's bytes come to. ``size`` in bytes, ``sha256`` in hex, ``crc32`` as zlib counts it."""

    size: int
    sha256: str
    crc32: int


def sha256_of(objects: Objects, key: str, each: Callable[[], None] = lambda: None) -> str | None:
    """Reads the object, a chunk at a time, and returns its sha256 in hex; None when there is none. ``each`` is called after each
    chunk. Raises StoreUnavailable, and what ``each`` raises."""
    digest = hashlib.sha256()
    try:
        for chunk in chunks_of(objects, key, each):
            digest.update(chunk)
    except ObjectMissing:
        return None
    return digest.hexdigest()


def sums_of(objects: Objects, key: str, each: Callable[[], None] = lambda: None) -> Sums | None:
    """As ``sha256_of``, with its size and CRC-32."""
    size, digest, crc32 = 0, hashlib.sha256(), 0
    try:
        for chunk in chunks_of(objects, key, each):
            size += len(chunk)
            digest.update(chunk)
            crc32 = zlib.crc32(chunk, crc32)
    except ObjectMissing:
        return None
    return Sums(size, digest.hexdigest(), crc32)


def chunks_of(objects: Objects, key: str, each: Callable[[], None]) -> Iterator[bytes]:
    """The object's bytes. ``each`` is called after each chunk. Raises ObjectMissing, StoreUnavailable, and what ``each`` raises."""
    with closing(objects.read(key)) as chunks:
        for chunk in chunks:
            yield chunk
            each()
