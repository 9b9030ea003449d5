"""The hash of what a store really holds."""

from __future__ import annotations

import hashlib

from holdfast.storage.objects.port import ObjectMissing, Objects


def sha256_of(objects: Objects, key: str) -> str | None:
    """Reads the object, a chunk at a time, and returns its sha256 in hex; None when there is none. Raises StoreUnavailable."""
    digest = hashlib.sha256()
    try:
        for chunk in objects.read(key):
            digest.update(chunk)
    except ObjectMissing:
        return None
    return digest.hexdigest()
