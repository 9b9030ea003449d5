"""No scanning."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from holdfast.scanning.port import Result, Verdict


class NoScanner:
    """Implements ``holdfast.scanning.port.Scanner``: looks at nothing, and says so."""

    def scan(self, size: int, chunks: Callable[[], Iterable[bytes]], each: Callable[[], None]) -> Verdict:
        return Verdict(Result.NOT_SCANNED)

    def check(self) -> str | None:
        return None
