"""A policy's status, from what it was, what has been reported since, and what is set up. Pure.

``lastTransitionTime`` moves only when a condition's status flips, so that the same facts make the same status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from holdfast.policies.conditions import Aspect, Since, conditions, conflicting, enforcing, guard, ready
from holdfast.policies.model import APPROVE_PLAN, AssetPolicy
from holdfast.policies.report import Report, State
from holdfast.policies.schedule import next_run
from holdfast.policies.status import ActionStatus, Condition, ConditionType, Conflict, Run, Status, WaitingPlan
from holdfast.policies.words import Action
from holdfast_operator.accepting import Accepted, Refused

_MOST_CONFLICTS, _MOST_SKIPPED = 10, 20


@dataclass(frozen=True, slots=True)
class Ended:
    """A Job that ended, or was stopped, at ``time``; ``report`` if it left one; else ``why``, for people."""

    job: str
    action: Action
    preview: bool
    generation: int | None
    time: datetime
    report: Report | None
    stopped: bool = False
    why: str = ""


def known(body: Mapping[str, Any]) -> Status:
    """The status that a resource has. What is no status of ours counts as none."""
    try:
        return Status.model_validate(body.get("status") or {})
    except ValidationError:
        return Status()


def dump(status: Status) -> dict[str, Any]:
    """As the API server keeps it: what is empty is absent."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


def refused(before: Status, generation: int, why: Refused, now: datetime) -> Status:
    """Of a policy that is not accepted: nothing of it is set up."""
    states: list[Aspect] = [
        (ConditionType.READY, False, why.reason, why.message),
        (ConditionType.ENFORCING, False, "NotReady", "the policy is not accepted"),
        (ConditionType.GUARD_TRIPPED, False, "NoPlanWaits", ""),
        (ConditionType.CONFLICTING, False, "NoConflicts", ""),
    ]
    return before.model_copy(
        update={
            "observed_generation": generation,
            "conditions": conditions(states, generation, since(before.conditions, now)),
            "archive": None,
            "destroy": None,
            "next_run": None,
            "waiting": [],
            "conflicts": [],
        }
    )


def with_ended(status: Status, ended: Ended, enforcing: bool) -> Status:
    """The status once the Job's report is taken in."""
    report, action = ended.report, ended.action
    known_: ActionStatus = getattr(status, action) or ActionStatus(cron_job="", schedule="")
    run = None if ended.preview else _run(ended)
    update: dict[str, Any] = {"reasons": report.reasons if report else [ended.why[:256]] if ended.why else []}
    if run is not None:
        update[action] = known_ = known_.model_copy(update={"last_run": run})
    if report and report.state is not State.FAILED:
        previewed = report.state is State.PREVIEW
        update["matched"] = report.matched
        update[action] = known_.model_copy(
            update={
                "planned": report.planned,
                "planned_generation": ended.generation if previewed else known_.planned_generation,
                "planned_time": ended.time,
            }
        )
        if enforcing:
            update["conflicts"] = [one for one in status.conflicts if one.action is not action] + _own(report)
    if run is not None:
        update |= _ran(status, ended, run)
    return status.model_copy(update=update)


def _run(ended: Ended) -> Run:
    report, action = ended.report, ended.action
    state = report.state if report else State.STOPPED if ended.stopped else State.FAILED
    skipped = sorted((report.skipped if report else {}).items(), key=lambda one: (-one[1], one[0]))[:_MOST_SKIPPED]
    return Run(
        id=report.run if report else ended.job[:64],
        action=action,
        state=state,
        time=ended.time,
        archived=report.archived if report else 0,
        condemned=report.condemned if report else 0,
        held=report.held if report else 0,
        skipped=dict(skipped),
        seconds=report.seconds if report else 0,
        digest=report.digest if report else None,
    )


def _ran(status: Status, ended: Ended, run: Run) -> dict[str, Any]:
    report, action = ended.report, ended.action
    update: dict[str, Any] = {"last_run": run}
    if action is Action.ARCHIVE:
        update["archived"] = run.archived
    else:
        update["destroyed"] = run.condemned
    others = [plan for plan in status.waiting if plan.action is not action]
    if report and report.state is State.GUARDED and report.digest and report.as_of:
        plan = WaitingPlan(action=action, digest=report.digest, as_of=report.as_of, planned=report.planned)
        update["waiting"] = sorted([*others, plan], key=lambda one: one.action)
    elif run.state is State.DONE:
        update["waiting"] = others
    else:  # what was approved and was not carried out waits for nobody's approval any more
        update["waiting"] = [plan for plan in status.waiting if plan.job != ended.job]
    return update


def _own(report: Report) -> list[Conflict]:
    largest = sorted(report.conflicts.items(), key=lambda one: (-one[1], one[0]))[: _MOST_CONFLICTS // 2]
    return [Conflict(policy=key, action=report.action, items=items) for key, items in largest]


@dataclass(frozen=True, slots=True)
class Setup:
    """How a policy's CronJobs are: their names, and what is wrong with any of them. ``left_out``: there was no room for the
    policy."""

    cron_jobs: Mapping[Action, str]
    problem: Refused | None = None
    left_out: bool = False


def settled(
    status: Status,
    accepted: Accepted,
    setup: Setup,
    enforces: Callable[[str], bool],
    others: Iterable[Conflict],
    now: datetime,
) -> Status:
    """Of an accepted policy. ``enforces``: whether the policy of that key does, by its spec; ``others``: conflicts with this
    one that other policies' runs found."""
    policy = accepted.policy
    generation = policy.metadata.generation
    same_spec = status.observed_generation == generation
    acts = policy.enforcing and setup.problem is None and not setup.left_out
    update: dict[str, Any] = {"observed_generation": generation}
    for action in Action:
        update[action] = _action(getattr(status, action), accepted, setup, action, acts, same_spec, now)
    runs = [one.next_run for action in Action if (one := update[action]) is not None and one.next_run is not None]
    update["next_run"] = min(runs, default=None)
    update["waiting"] = status.waiting if same_spec and policy.enforcing else []
    own = [one for one in status.conflicts if one.reported_by == "self"] if policy.enforcing else []
    found = [*own, *others] if policy.enforcing else []
    update["conflicts"] = [one for one in found if enforces(one.policy)][: 2 * _MOST_CONFLICTS]
    after = status.model_copy(update=update)
    states = _states(policy, setup, after, acts)
    return after.model_copy(update={"conditions": conditions(states, generation, since(status.conditions, now))})


def _action(
    before: ActionStatus | None, accepted: Accepted, setup: Setup, action: Action, acts: bool, same_spec: bool, now: datetime
) -> ActionStatus | None:
    if action not in accepted.schedules:
        return None
    schedule, zone = accepted.schedules[action], accepted.policy.spec.time_zone
    before = before or ActionStatus(cron_job="", schedule="")
    at = before.next_run if same_spec and before.schedule == schedule else None
    if at is None or at <= now:
        at = next_run(schedule, zone, now) if acts else None
    return before.model_copy(
        update={"cron_job": setup.cron_jobs.get(action, ""), "schedule": schedule, "next_run": at if acts else None}
    )


def _states(policy: AssetPolicy, setup: Setup, status: Status, acts: bool) -> list[Aspect]:
    problem = None if setup.problem is None else (setup.problem.reason, setup.problem.message)
    if problem is None and setup.left_out:
        problem = ("TooManyPolicies", "there is no room for this policy in the ConfigMap, so it does not act")
    approve = f"approve with annotation {APPROVE_PLAN}={','.join(one.digest for one in status.waiting)}"
    return [
        ready(policy, problem, status),
        enforcing(policy, acts, status),
        guard(status.waiting, policy.spec.guard, approve),
        conflicting(status.conflicts),
    ]


def since(before: Sequence[Condition], now: datetime) -> Since:
    """A condition is as it is since its status flipped, or since now."""
    old = {one.type: one for one in before}
    return lambda kind, holds: old[kind].last_transition_time if kind in old and (old[kind].status == "True") is holds else now


def transitions(before: Sequence[Condition], after: Sequence[Condition]) -> list[tuple[str, Condition]]:
    """``Normal`` or ``Warning``, and the condition that flipped, or is wrong for another reason than before. That all is well
    with a new policy goes without saying."""
    old = {one.type: one for one in before}
    bad = {ConditionType.READY: "False", ConditionType.GUARD_TRIPPED: "True", ConditionType.CONFLICTING: "True"}
    out = []
    for one in after:
        was, wrong = old.get(one.type), bad.get(one.type) == one.status
        flipped = was.status != one.status if was else wrong
        if flipped or (wrong and was is not None and was.reason != one.reason):
            out.append(("Warning" if wrong else "Normal", one))
    return out
