"""What a key may look like, the same for every adapter."""

from __future__ import annotations

import re

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
MAX_KEY = 200


def check_key(key: str) -> str:
    """``key`` itself: segments of ASCII letters, digits and ``_ . -`` that do not begin with ``.`` or ``-``, with single slashes
    between them, at most 200 characters. So no key leaves its folder, needs escaping in a URL, or is refused by a store.

    Raises ValueError, which is a fault of ours: no key comes from a client.
    """
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise ValueError(f"not a key: {key!r}")
    return key
