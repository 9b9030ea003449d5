"""Waiting for what another process or thread does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 120.0


def until(true: Callable[[], T], seconds: float = PATIENCE) -> T:
    """What it gives, once that is something. Fails with what it gave, or raised, last."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found, error = true(), None
        except (AssertionError, KeyError, IndexError, TypeError) as failed:
            found, error = None, failed
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"still {found!r} after {seconds} s") from error
        time.sleep(0.05)
