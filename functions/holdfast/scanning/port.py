"""The scanner's port, and what it may find.

It fails closed: only ``clean``, or scanning that is switched off (``not_scanned``), lets bytes through. A scanner that does not
answer, or answers too late, is no verdict: whoever asked asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from holdfast.errors import Unavailable


class Result(StrEnum):
    """What was found."""

    CLEAN = "clean"
    INFECTED = "infected"
    TOO_LARGE = "too_large"
    """It is larger than what is scanned, or something in it is, or in it is more than is looked at: it was not looked at whole."""
    ERROR = "error"
    """The scanner answered that it cannot scan it."""
    NOT_SCANNED = "not_scanned"
    """Scanning is switched off."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``signature`` names what was found in an infected file; ``detail`` is what the scanner said; ``filename`` the file that it is
    about, where there were several."""

    result: Result
    signature: str = ""
    detail: str = ""
    filename: str = ""

    @property
    def passes(self) -> bool:
        """Whether the bytes may become a version."""
        return self.result in {Result.CLEAN, Result.NOT_SCANNED}


class ScannerUnavailable(Unavailable):
    """The scanner does not answer, or too late. Nothing is known of what was sent."""

    slug = "scanner-unavailable"

    def __init__(self, detail: str = "The malware scanner does not answer at the moment.", *, retry_after: int = 30) -> None:
        super().__init__(detail, retry_after=retry_after)


class Scanner(Protocol):
    """Safe for many threads."""

    def scan(self, size: int, chunks: Callable[[], Iterable[bytes]], each: Callable[[], None]) -> Verdict:
        """Looks at the ``size`` bytes that ``chunks()`` gives, if it looks at any: in constant memory. ``each`` is called every few
        seconds at least, also while the scanner thinks. Blocks. Raises ScannerUnavailable, and what the two callables raise."""

    def check(self) -> str | None:
        """What the scanner says it is; None where nothing is scanned. Raises ScannerUnavailable (readiness)."""
