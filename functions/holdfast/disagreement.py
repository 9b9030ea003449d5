"""What a verification yields."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing that is not as it should be. ``subject`` names it: an object key, a chain of the audit trail, or workspace, path
    and version."""

    problem: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What whoever asked should know, though nothing disagrees: a sentence."""

    text: str
