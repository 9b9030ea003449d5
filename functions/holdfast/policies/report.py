"""What a run says when it ends: its container's termination message, which the operator reads. JSON of at most 2 KiB, pure.

Neither side needs the other's credentials for it: the sweeper writes a file, and Kubernetes hands it over in the pod's status.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from holdfast.policies.words import Action

MOST_BYTES = 2048
"""Half of what Kubernetes keeps of a termination message, and what is left in a pod of two containers."""

MOST_REASONS = 5

MESSAGE_FILE = Path("/dev/termination-log")
"""Kubernetes' own default."""

Count = Annotated[int, Field(ge=0, le=2**53)]
Key = Annotated[str, Field(pattern=r"^[^/\s]{1,63}/[^/\s]{1,253}$")]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Digest = Annotated[str, Field(pattern=r"^[A-Za-z0-9:_-]{8,128}$")]
Reason = Annotated[str, Field(max_length=256)]


class State(StrEnum):
    """How a run ended. ``guarded``: the plan was more than the guard allows, and nothing was done; ``stopped``: was asked to."""

    DONE = "done"
    GUARDED = "guarded"
    FAILED = "failed"
    STOPPED = "stopped"
    PREVIEW = "preview"


class Amount(BaseModel):
    """Versions and their bytes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    items: Count = Field(default=0, description="Versions.")
    bytes: Count = Field(default=0, description="Their bytes, all files together.")


class Report(BaseModel):
    """One run of one action of one policy. Raises pydantic's ValidationError, for what comes from outside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    run: Word = Field(description="The run's id.")
    action: Action = Field(description="Which of the policy's actions it was.")
    policy: Key = Field(description="`namespace/name`.")
    state: State = Field(description="How it ended.")
    matched: Amount = Field(default=Amount(), description="Live versions that the policy matches, due or not.")
    planned: Amount = Field(default=Amount(), description="Of these, what this action was due for.")
    archived: Count = Field(default=0, description="Versions that were archived.")
    condemned: Count = Field(default=0, description="Versions that were condemned.")
    held: Count = Field(default=0, description="Due versions that a hold covers.")
    skipped: dict[Word, Count] = Field(default={}, description="Due versions that were left alone, by reason.")
    conflicts: dict[Key, Count] = Field(default={}, description="Versions about which another policy disagrees, by that policy.")
    seconds: float = Field(default=0, ge=0, le=10_000_000, description="How long it took.")
    digest: Digest | None = Field(default=None, description="The plan's digest.")
    as_of: datetime | None = Field(default=None, description="The instant for which it was planned, UTC.")
    reasons: Annotated[list[Reason], Field(max_length=MOST_REASONS)] = Field(default=[], description="What else is to be said.")


def reasons(first: Sequence[str], missing: Iterable[str]) -> list[str]:
    """``first``, and that the workspaces ``missing``, which the policy names, are not there; as many as may be said."""
    return [*first, *(f"There is no workspace {name}."[:256] for name in missing)][:MOST_REASONS]


def to_message(report: Report) -> str:
    """The report in at most ``MOST_BYTES`` of UTF-8. What does not fit is left out: reasons from the last on, then whichever counts
    are smallest, of conflicts before those of skipped."""
    while len((text := report.model_dump_json(by_alias=True, exclude_defaults=True)).encode()) > MOST_BYTES:
        report = _shorter(report)
    return text


def from_message(text: str) -> Report:
    """Raises ValueError for what is no report, or is longer than one may be."""
    if len(text.encode()) > MOST_BYTES:
        raise ValueError("a report has at most 2 KiB")
    return Report.model_validate_json(text)


def _shorter(report: Report) -> Report:
    if report.reasons:
        return report.model_copy(update={"reasons": report.reasons[:-1]})
    field, counts = ("conflicts", report.conflicts) if report.conflicts else ("skipped", report.skipped)
    least = min(counts, key=lambda name: (counts[name], name))
    return report.model_copy(update={field: {name: count for name, count in counts.items() if name != least}})
