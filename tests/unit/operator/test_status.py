"""What a policy's status says, from what was reported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator.policies import accepted, body

from holdfast.policies.report import Amount, Report, State
from holdfast.policies.status import ConditionType, Conflict, Status
from holdfast.policies.words import Action
from holdfast_operator import status as statuses
from holdfast_operator.accepting import Refused
from holdfast_operator.status import Ended, Setup

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
DIGEST = "sha256:0123456789abcdef"


def settled(before: Status, of: dict[str, Any], at: datetime = NOW, **setup: Any) -> Status:
    names = {action: f"holdfast-{action}" for action in Action}
    others = setup.pop("others", [])
    return statuses.settled(before, accepted(of), Setup(names, **setup), lambda _key: True, others, at)


def ended(state: State = State.DONE, action: Action = Action.ARCHIVE, preview: bool = False, **said: Any) -> Ended:
    report = Report(run="r1", action=action, policy="holdfast/finished", state=state, **said)
    return Ended("job-1", action, preview, 1, NOW, report)


def condition(status: Status, kind: ConditionType) -> tuple[str, str]:
    [found] = [one for one in status.conditions if one.type is kind]
    return found.status, found.reason


def test_the_same_facts_make_the_same_status_at_another_time() -> None:
    of = body(mode="Enforce")
    once = settled(Status(), of)
    assert settled(once, of, LATER) == once
    assert statuses.known({"status": statuses.dump(once)}) == once


def test_a_transition_time_moves_only_when_the_status_flips() -> None:
    of = body(mode="Enforce")
    once = settled(Status(), of)
    renewed = settled(once, body(mode="Enforce", generation=2, keepLast=1), LATER)
    assert {one.last_transition_time for one in renewed.conditions} == {NOW}
    assert {one.observed_generation for one in renewed.conditions} == {2}
    broken = settled(renewed, of, LATER, problem=Refused("NameTaken", "it is there"))
    [ready] = [one for one in broken.conditions if one.type is ConditionType.READY]
    assert (ready.status, ready.reason, ready.last_transition_time) == ("False", "NameTaken", LATER)


@pytest.mark.parametrize(
    ("spec", "enforcing"),
    [({"mode": "Enforce"}, ("True", "Enforcing")), ({}, ("False", "Preview")), ({"suspend": True}, ("False", "Suspended"))],
)
def test_only_what_enforces_has_a_next_run(spec: dict[str, Any], enforcing: tuple[str, str]) -> None:
    status = settled(Status(), body(**spec))
    assert condition(status, ConditionType.ENFORCING) == enforcing
    assert condition(status, ConditionType.READY)[0] == "True"
    assert (status.next_run is not None) is (enforcing[0] == "True")
    assert status.archive is not None
    assert status.archive.schedule.endswith("* * *")


def test_the_next_run_is_the_earlier_of_both_and_stays_until_it_has_come() -> None:
    of = body(mode="Enforce", schedule="0 13 * * *")
    status = settled(Status(), of)
    assert status.next_run == NOW + timedelta(hours=1)
    assert settled(status, of, NOW + timedelta(minutes=59)) == status
    assert settled(status, of, NOW + timedelta(minutes=60)).next_run == NOW + timedelta(hours=2)


def test_a_run_is_told_with_its_numbers() -> None:
    of = body(mode="Enforce")
    said: dict[str, Any] = {
        "matched": Amount(items=9, bytes=90),
        "planned": Amount(items=4, bytes=40),
        "held": 1,
        "skipped": {"kept-last": 2},
    }
    status = statuses.with_ended(settled(Status(), of), ended(archived=3, digest=DIGEST, seconds=1.5, **said), True)
    status = statuses.with_ended(status, ended(action=Action.DESTROY, condemned=2), True)
    assert (status.archived, status.destroyed) == (3, 2)
    assert status.archive is not None
    assert status.archive.planned == Amount(items=4, bytes=40)
    assert status.last_run is not None
    assert (status.last_run.action, status.last_run.condemned) == (Action.DESTROY, 2)
    assert status.archive.last_run is not None
    assert status.destroy is not None
    assert status.destroy.last_run == status.last_run
    run = status.archive.last_run
    assert (run.archived, run.digest, run.seconds) == (3, DIGEST, 1.5), "an archive run is not forgotten when a destroy run follows"
    assert settled(status, of).archive == status.archive
    previewed = statuses.with_ended(status, ended(State.PREVIEW, preview=True), True)
    assert previewed.archive is not None
    assert previewed.archive.last_run == run


def test_a_preview_counts_what_matches_and_is_no_run() -> None:
    status = statuses.with_ended(settled(Status(), body()), ended(State.PREVIEW, preview=True, matched=Amount(items=7)), False)
    assert status.matched == Amount(items=7)
    assert status.last_run is None
    assert status.archive is not None
    assert (status.archive.planned_generation, status.archive.planned_time) == (1, NOW)


def test_a_guarded_run_waits_for_approval_until_a_run_is_done_or_the_spec_changes() -> None:
    of = body(mode="Enforce")
    guarded = ended(State.GUARDED, digest=DIGEST, as_of=NOW, planned=Amount(items=20_000))
    status = settled(statuses.with_ended(settled(Status(), of), guarded, True), of)
    assert condition(status, ConditionType.GUARD_TRIPPED) == ("True", "PlanWaits")
    [message] = [one.message for one in status.conditions if one.type is ConditionType.GUARD_TRIPPED]
    assert "archive of 20000 versions, and maxItems is 10000" in message
    assert f"holdfast.dev/approve-plan={DIGEST}" in message
    done = settled(statuses.with_ended(status, ended(), True), of)
    assert condition(done, ConditionType.GUARD_TRIPPED) == ("False", "NoPlanWaits")
    other_action = settled(statuses.with_ended(status, ended(action=Action.DESTROY), True), of)
    assert condition(other_action, ConditionType.GUARD_TRIPPED)[0] == "True"
    changed = settled(status, body(mode="Enforce", generation=2))
    assert condition(changed, ConditionType.GUARD_TRIPPED)[0] == "False"


def test_a_plan_within_max_items_was_stopped_by_percent() -> None:
    of = body(mode="Enforce")
    guarded = ended(State.GUARDED, digest=DIGEST, as_of=NOW, planned=Amount(items=50))
    status = settled(statuses.with_ended(settled(Status(), of), guarded, True), of)
    [message] = [one.message for one in status.conditions if one.type is ConditionType.GUARD_TRIPPED]
    assert "archive of 50 versions, and maxPercent is 10" in message


@pytest.mark.parametrize("state", [State.FAILED, State.STOPPED])
def test_an_approved_plan_waits_no_longer_once_its_job_has_ended_otherwise(state: State) -> None:
    of = body(mode="Enforce")
    guarded = ended(State.GUARDED, digest=DIGEST, as_of=NOW, planned=Amount(items=20_000))
    waiting = settled(statuses.with_ended(settled(Status(), of), guarded, True), of)
    another_failed = settled(statuses.with_ended(waiting, ended(state), True), of)
    assert [one.digest for one in another_failed.waiting] == [DIGEST], "a run that is not this plan's leaves it to be approved"
    approved = waiting.model_copy(update={"waiting": [one.model_copy(update={"job": "job-1"}) for one in waiting.waiting]})
    over = settled(statuses.with_ended(approved, ended(state, reasons=["The plan is another one by now."]), True), of)
    assert condition(over, ConditionType.GUARD_TRIPPED) == ("False", "NoPlanWaits")
    assert (over.waiting, over.reasons) == ([], ["The plan is another one by now."])


def test_a_run_that_left_no_report_failed_and_says_why() -> None:
    of = body(mode="Enforce")
    silent = Ended("job-1", Action.ARCHIVE, False, None, NOW, None, why="BackoffLimitExceeded: too often")
    status = settled(statuses.with_ended(settled(Status(), of), silent, True), of)
    assert status.last_run is not None
    assert status.last_run.state is State.FAILED
    assert condition(status, ConditionType.ENFORCING) == ("True", "LastRunFailed")
    assert status.reasons == ["BackoffLimitExceeded: too often"]


def test_conflicts_are_shown_whoever_found_them_and_previews_have_none() -> None:
    of = body(mode="Enforce")
    theirs = Conflict(policy="holdfast/b", action=Action.DESTROY, items=3, reported_by="other")
    status = settled(statuses.with_ended(settled(Status(), of), ended(conflicts={"holdfast/a": 5}), True), of, others=[theirs])
    assert [(one.policy, one.items) for one in status.conflicts] == [("holdfast/a", 5), ("holdfast/b", 3)]
    assert condition(status, ConditionType.CONFLICTING) == ("True", "Disagreement")
    gone = settled(statuses.with_ended(status, ended(), True), of)
    assert gone.conflicts == []
    assert settled(status, body(), others=[theirs]).conflicts == []


def test_a_refused_policy_has_nothing_set_up() -> None:
    status = statuses.refused(settled(Status(), body(mode="Enforce")), 2, Refused("NotAllowed", "not here"), LATER)
    assert condition(status, ConditionType.READY) == ("False", "NotAllowed")
    assert condition(status, ConditionType.ENFORCING) == ("False", "NotReady")
    assert (status.archive, status.next_run, status.observed_generation) == (None, None, 2)


def test_an_event_is_told_when_something_flips_or_is_wrong_for_another_reason() -> None:
    of = body(mode="Enforce")
    fresh = settled(Status(), of)
    assert statuses.transitions([], fresh.conditions) == []
    wrong = settled(fresh, of, LATER, problem=Refused("NameTaken", "it is there"))
    told = [(kind, one.type, one.reason) for kind, one in statuses.transitions(fresh.conditions, wrong.conditions)]
    assert ("Warning", ConditionType.READY, "NameTaken") in told
    assert statuses.transitions(wrong.conditions, wrong.conditions) == []
    right = statuses.transitions(wrong.conditions, fresh.conditions)
    assert ("Normal", ConditionType.READY) in [(kind, one.type) for kind, one in right]


def test_a_status_that_is_none_of_ours_counts_as_none() -> None:
    assert statuses.known({"status": {"conditions": [{"type": "Nonsense"}]}}) == Status()
