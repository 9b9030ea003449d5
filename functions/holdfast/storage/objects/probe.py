"""The readiness checks that the adapters share."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from holdfast.storage.objects.port import ObjectMissing, Objects, StoreUnavailable

PREFIX = "check"
"""A probe that died between its steps leaves an object of a few bytes under this prefix, which ``keys`` shows like any other."""


def probe(objects: Objects, remove: Callable[[str], None]) -> None:
    """Writes, reads and removes a small object under a key of its own. Raises StoreUnavailable when one of these fails."""
    key, content = f"{PREFIX}/{secrets.token_hex(8)}", secrets.token_bytes(16)
    writer = objects.writer(key, "application/octet-stream")
    writer.feed(content)
    try:
        writer.finish()
    except StoreUnavailable:
        writer.abort()
        raise
    try:
        found = b"".join(objects.read(key))
    except ObjectMissing as error:
        raise StoreUnavailable("The object store loses what it has acknowledged.") from error
    finally:
        remove(key)
    if found != content:
        raise StoreUnavailable("The object store gives back other bytes than it was given.")


def probe_reading(objects: Objects) -> None:
    """Asks for an object that is not there. Raises StoreUnavailable when the store does not say so."""
    if objects.size(f"{PREFIX}/{secrets.token_hex(8)}") is not None:
        raise StoreUnavailable("The object store has an object that nobody wrote.")
