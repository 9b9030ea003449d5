"""Waiting for what another process or thread does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 120.0
OFTEN, SELDOM = 0.05, 1.0
"""Seconds from one look to the next, at first and at last: who looks all the time takes the processor from what he waits for."""


def until(true: Callable[[], T], seconds: float = PATIENCE, *, often: float = OFTEN) -> T:
    """What it gives, once that is something. Fails with what it gave, or raised, last. ``often``: seconds from one look to the next
    at first, more where a look is dear."""
    began = time.monotonic()
    while True:
        try:
            found, error = true(), None
        except (AssertionError, KeyError, IndexError, TypeError) as failed:
            found, error = None, failed
        if found:
            return found
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"still {found!r} after {seconds} s") from error
        time.sleep(min(max(often, waited / 20), SELDOM))
