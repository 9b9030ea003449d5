"""The hash of what a store really holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from holdfast.storage.objects.port import ObjectMissing, Objects


def sha256_of(objects: Objects, key: str, each: Callable[[], None] = lambda: None) -> str | None:
    """Reads the object, a chunk at a time, and returns its sha256 in hex; None when there is none. ``each`` is called after each
    chunk. Raises StoreUnavailable, and what ``each`` raises."""
    digest = hashlib.sha256()
    try:
        for chunk in objects.read(key):
            digest.update(chunk)
            each()
    except ObjectMissing:
        return None
    return digest.hexdigest()
