"""What clamd's answers mean (clamd(8), and its sources where that is silent), as a pure function."""

from __future__ import annotations

import re

from holdfast.scanning.port import Result, ScannerUnavailable, Verdict

EXCEEDED = "Heuristics.Limits.Exceeded"
"""What the signatures begin with that ``AlertExceedsMax yes`` reports: it did not look at all of it."""

_FOUND = re.compile(r"stream: (.+) FOUND")
_ERROR = re.compile(r"(?:stream: )?(.*?)\.? ERROR")


def verdict(answer: str) -> Verdict:
    """Of INSTREAM's answer, without what ends it. Raises ScannerUnavailable for what says nothing about the bytes: clamd was given
    them too slowly, or broke off."""
    said = answer.strip()
    if said == "stream: OK":
        return Verdict(Result.CLEAN, detail=said)
    if found := _FOUND.fullmatch(said):
        too_large = found[1].startswith(EXCEEDED)
        return Verdict(Result.TOO_LARGE, detail=said) if too_large else Verdict(Result.INFECTED, found[1], said)
    if "size limit exceeded" in said.lower():
        return Verdict(Result.TOO_LARGE, detail=said)
    if not said or "TIMED OUT" in said.upper():
        raise ScannerUnavailable("The malware scanner broke off.")
    failed = _ERROR.fullmatch(said)
    return Verdict(Result.ERROR, detail=failed[1] if failed else said)
