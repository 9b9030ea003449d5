"""A policy's conditions, in the operator's status and in that of the embedded default: what they say, and in which words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from holdfast.policies.model import AssetPolicy, Guard
from holdfast.policies.report import State
from holdfast.policies.status import ActionStatus, Condition, ConditionType, Conflict, Status, WaitingPlan
from holdfast.policies.words import Action

Aspect = tuple[ConditionType, bool, str, str]
"""A condition's type, whether it holds, its reason and its message."""

Since = Callable[[ConditionType, bool], datetime]
"""From when on a condition holds, or does not."""


def ready(policy: AssetPolicy, problem: tuple[str, str] | None, status: Status) -> Aspect:
    """``problem``: why the policy is not set up, as reason and message."""
    if problem is not None:
        return ConditionType.READY, False, *problem
    if policy.spec.suspend:
        return ConditionType.READY, True, "Suspended", "nothing is done and nothing is planned while suspended"
    plans = [f"{action} {one.planned.items} versions" for action in Action if (one := _action(status, action)) and one.planned]
    would = f": {'would ' if not policy.enforcing else 'last plan was to '}{' and '.join(plans)}" if plans else ""
    return ConditionType.READY, True, "Accepted", f"{'enforces' if policy.enforcing else 'shows what it would do'}{would}"


def enforcing(policy: AssetPolicy, acts: bool, status: Status) -> Aspect:
    """``acts``: whether it is enforced, and set up."""
    if policy.spec.suspend:
        return ConditionType.ENFORCING, False, "Suspended", "spec.suspend is true"
    if not policy.enforcing:
        return ConditionType.ENFORCING, False, "Preview", "spec.mode is Preview"
    if not acts:
        return ConditionType.ENFORCING, False, "NotReady", "see Ready"
    if status.last_run is not None and status.last_run.state is State.FAILED:
        return ConditionType.ENFORCING, True, "LastRunFailed", "; ".join(status.reasons) or "the last run failed"
    return ConditionType.ENFORCING, True, "Enforcing", ""


def guard(waiting: Sequence[WaitingPlan], limits: Guard, approve: str) -> Aspect:
    """``limits``: what stopped the plans that wait; ``approve``: how they are approved."""
    if not waiting:
        return ConditionType.GUARD_TRIPPED, False, "NoPlanWaits", ""
    plans = "; ".join(f"{one.action} of {one.planned.items} versions, and {_limit(limits, one)}" for one in waiting)
    return ConditionType.GUARD_TRIPPED, True, "PlanWaits", f"{plans}: {approve}"


def _limit(limits: Guard, plan: WaitingPlan) -> str:
    if plan.planned.items > limits.max_items:
        return f"maxItems is {limits.max_items}"
    return f"maxPercent is {limits.max_percent}"


def conflicting(conflicts: Sequence[Conflict]) -> Aspect:
    if not conflicts:
        return ConditionType.CONFLICTING, False, "NoConflicts", ""
    named = "; ".join(f"{one.policy} about {one.action} of {one.items} versions" for one in conflicts[:3])
    return ConditionType.CONFLICTING, True, "Disagreement", f"{named}: the later date counts"


def conditions(states: Sequence[Aspect], generation: int, since: Since) -> list[Condition]:
    """The conditions that say so."""
    return [
        Condition(
            type=kind,
            status="True" if holds else "False",
            reason=reason,
            message=message[:1024],
            observed_generation=generation,
            last_transition_time=since(kind, holds),
        )
        for kind, holds, reason, message in states
    ]


def _action(status: Status, action: Action) -> ActionStatus | None:
    found: ActionStatus | None = getattr(status, action)
    return found
