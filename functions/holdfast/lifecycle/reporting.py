"""What a sweep says when it has ended: as a report for the operator, and as the rows of a terminal. Pure."""

from __future__ import annotations

from holdfast.lifecycle.planning import HELD, Plan, breach
from holdfast.lifecycle.sweeping import Outcome
from holdfast.policies.report import Amount, Report, State, reasons
from holdfast.policies.words import Action

_STATES = {
    "done": State.DONE,
    "guarded": State.GUARDED,
    "stopped": State.STOPPED,
    "suspended": State.STOPPED,
    "preview": State.PREVIEW,
}


def report(outcome: Outcome, policy: str, action: Action) -> Report:
    """The report of a run of ``policy`` (namespace/name) that came to an end."""
    made, done = outcome.plan, outcome.done
    return Report(
        run=str(outcome.run or "preview"),
        action=action,
        policy=policy,
        state=_STATES.get(outcome.state, State.FAILED),
        matched=Amount() if made is None else Amount(items=made.matched_items, bytes=made.matched_bytes),
        planned=Amount() if made is None else Amount(items=made.due_items, bytes=made.due_bytes),
        archived=done.items if action is Action.ARCHIVE else 0,
        condemned=done.items if action is Action.DESTROY else 0,
        held=done.skipped[HELD] + (0 if made is None else made.excluded[HELD]),
        skipped=dict(done.skipped if made is None else done.skipped + made.excluded),
        conflicts={} if made is None else dict(made.conflicts),
        seconds=round(outcome.seconds, 3),
        digest=None if made is None else made.digest,
        as_of=None if made is None else made.as_of,
        reasons=reasons(_reasons(outcome), outcome.missing),
    )


def failed(error: Exception, detail: str, policy: str, action: Action) -> Report:
    """The report of a run that could not be begun, or broke off."""
    return Report(run="none", action=action, policy=policy, state=State.FAILED, reasons=[f"{type(error).__name__}: {detail}"[:256]])


def sentence(outcome: Outcome, policy: str, action: Action) -> str:
    """How it ended, in a line for the person at the terminal."""
    due = outcome.plan.due_items if outcome.plan is not None else 0
    did = f"{'Archived' if action is Action.ARCHIVE else 'Condemned'} {outcome.done.items} of {due} versions that were due."
    match outcome.state:
        case "done":
            return did
        case "stopped":
            return f"{did} Stopped before the end: the next run goes on."
        case "suspended":
            return f"{policy} is suspended: nothing was done."
        case "preview":
            return f"{due} versions would be {'archived' if action is Action.ARCHIVE else 'condemned'}. Nothing was done."
        case "changed":
            return "The plan is another one by now: nothing was done."
        case _:
            approve = f"holdfast policy approve {policy} {_digest(outcome.plan)}"
            return f"Nothing was done: {breach(outcome.guard or {})} To approve this plan: {approve}"


def _digest(plan: Plan | None) -> str:
    return "" if plan is None else plan.digest


def _reasons(outcome: Outcome) -> list[str]:
    if outcome.state == "guarded":
        return [breach(outcome.guard or {})]
    return ["The plan is another one by now."] if outcome.state == "changed" else []
