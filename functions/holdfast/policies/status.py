"""An AssetPolicy's ``status``: what the operator, or ``serve``, says of it. Small: counts and at most five reasons, no samples."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from holdfast.policies.report import Amount, Count, Digest, Reason, State
from holdfast.policies.words import Action

Name = Annotated[str, Field(max_length=253)]
Key = Annotated[str, Field(max_length=317)]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class ConditionType(StrEnum):
    """``Ready``: the policy is accepted and set up; ``Enforcing``: it acts; ``GuardTripped``: a plan waits for approval;
    ``Conflicting``: another enforcing policy disagrees about a version."""

    READY = "Ready"
    ENFORCING = "Enforcing"
    GUARD_TRIPPED = "GuardTripped"
    CONFLICTING = "Conflicting"


class Condition(_Part):
    """One aspect of the policy's state, in the shape that Kubernetes' conditions have."""

    type: ConditionType = Field(description="Which aspect.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$")] = Field(
        description="Why, in one word for programs."
    )
    message: Annotated[str, Field(max_length=1024)] = Field(default="", description="Why, in a sentence for people.")
    observed_generation: int = Field(default=0, ge=0, description="The generation of the spec that this is about.")
    last_transition_time: datetime = Field(description="When `status` last flipped.")


class Run(_Part):
    """What one run did."""

    id: Annotated[str, Field(max_length=64)] = Field(description="The run's id, as in the runs of the registry.")
    action: Action = Field(description="`archive` or `destroy`.")
    state: State = Field(description="How it ended.")
    time: datetime = Field(description="When it ended.")
    archived: Count = Field(default=0, description="Versions that it archived.")
    condemned: Count = Field(default=0, description="Versions that it condemned.")
    held: Count = Field(default=0, description="Due versions that a hold covers.")
    skipped: Annotated[dict[Annotated[str, Field(max_length=64)], Count], Field(max_length=20)] = Field(
        default={}, description="Due versions that it left alone, by reason."
    )
    seconds: float = Field(default=0, ge=0, description="How long it took.")
    digest: Digest | None = Field(default=None, description="The digest of its plan.")


class ActionStatus(_Part):
    """One action's CronJob."""

    cron_job: Name = Field(description="Its name, in the namespace of the installation.")
    schedule: Annotated[str, Field(max_length=256)] = Field(description="The schedule in effect, in the policy's time zone.")
    next_run: datetime | None = Field(default=None, description="When it runs next. Absent while it does not.")
    planned: Amount | None = Field(default=None, description="What the last preview or run found due.")
    planned_generation: int | None = Field(default=None, ge=0, description="The generation of the spec that `planned` is about.")
    planned_time: datetime | None = Field(default=None, description="When `planned` was found.")
    last_run: Run | None = Field(default=None, description="The last run of this action that was no preview.")


class WaitingPlan(_Part):
    """A plan that the guard stopped."""

    action: Action = Field(description="`archive` or `destroy`.")
    digest: Digest = Field(description="What `holdfast.dev/approve-plan` has to name.")
    as_of: datetime = Field(description="The instant for which it was planned.")
    planned: Amount = Field(description="What it would do.")
    job: Name | None = Field(default=None, description="The Job that was started when it was approved.")


class Conflict(_Part):
    """Another enforcing policy that disagrees."""

    policy: Key = Field(description="Its `namespace/name`.")
    action: Action = Field(description="About which date.")
    items: Count = Field(description="Versions about which both disagree.")
    reported_by: Literal["self", "other"] = Field(default="self", description="Whose run found it.")


class Status(_Part):
    """What is known of an AssetPolicy."""

    observed_generation: int | None = Field(default=None, ge=0, description="The generation of the spec that this is about.")
    installation: Name | None = Field(default=None, description="Namespace of the installation that wrote this.")
    conditions: Annotated[list[Condition], Field(max_length=8)] = Field(
        default=[], description="Ready, Enforcing, GuardTripped and Conflicting."
    )
    archive: ActionStatus | None = Field(default=None, description="The CronJob that archives.")
    destroy: ActionStatus | None = Field(default=None, description="The CronJob that destroys.")
    matched: Amount | None = Field(default=None, description="Live versions that `match`, due or not.")
    last_run: Run | None = Field(default=None, description="The last run of either action that was no preview.")
    next_run: datetime | None = Field(default=None, description="When the next of both actions runs.")
    archived: Count | None = Field(default=None, description="Versions that the last archive run archived.")
    destroyed: Count | None = Field(default=None, description="Versions that the last destroy run condemned.")
    waiting: Annotated[list[WaitingPlan], Field(max_length=2)] = Field(default=[], description="Plans that the guard stopped.")
    conflicts: Annotated[list[Conflict], Field(max_length=20)] = Field(
        default=[], description="Enforcing policies that disagree about a version."
    )
    reasons: Annotated[list[Reason], Field(max_length=5)] = Field(default=[], description="What the last run had to say besides.")
    ran_now: Annotated[str, Field(max_length=256)] | None = Field(
        default=None, description="The value of `holdfast.dev/run-now` that was acted upon."
    )
