"""Which Jobs are started and stopped, and whose words count."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator.policies import accepted, body, settings

from holdfast.policies.report import Amount, Report, State, to_message
from holdfast.policies.status import ActionStatus, Status, WaitingPlan
from holdfast.policies.words import Action
from holdfast_operator import cronjobs, jobs, names, reports
from holdfast_operator.cronjobs import Purpose
from holdfast_operator.jobs import Order

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DIGEST = "sha256:0123456789abcdef"


def previewed(generation: int = 1, at: datetime = NOW) -> ActionStatus:
    return ActionStatus(cron_job="c", schedule="s", planned=Amount(), planned_generation=generation, planned_time=at)


FRESH = Status(archive=previewed(), destroy=previewed())


def wanted(of: dict[str, Any], status: Status = FRESH, **changed: Any) -> list[tuple[Purpose, Action]]:
    orders = jobs.wanted(of, accepted(of), status, [], settings(**changed), NOW)
    return [(one.purpose, one.action) for one in orders]


def annotated(**annotations: str) -> dict[str, Any]:
    of = body(mode="Enforce")
    of["metadata"]["annotations"] = {f"holdfast.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return of


@pytest.mark.parametrize("spec", [{}, {"mode": "Enforce"}])
def test_a_new_policy_is_previewed_at_once_whatever_its_mode(spec: dict[str, Any]) -> None:
    assert wanted(body(**spec), Status()) == [(Purpose.PREVIEW, Action.ARCHIVE), (Purpose.PREVIEW, Action.DESTROY)]


def test_a_preview_of_another_generation_or_a_day_old_is_made_anew() -> None:
    assert wanted(body()) == []
    assert len(wanted(body(generation=2))) == 2
    old = Status(archive=previewed(at=NOW - timedelta(hours=24)), destroy=previewed())
    assert wanted(body(), old) == [(Purpose.PREVIEW, Action.ARCHIVE)]
    assert wanted(body(), Status(), previews=0) == []


def test_a_preview_that_is_there_is_not_started_again() -> None:
    of, chosen = body(), settings()
    orders = jobs.wanted(of, accepted(of), Status(), [], chosen, NOW)
    there = [jobs.name_of(chosen.name_prefix, "holdfast/finished", one) for one in orders]
    assert jobs.wanted(of, accepted(of), Status(), there, chosen, NOW) == []


def test_run_now_runs_both_actions_once_for_each_value() -> None:
    of = annotated(run_now="1")
    assert wanted(of) == [(Purpose.NOW, Action.ARCHIVE), (Purpose.NOW, Action.DESTROY)]
    assert wanted(of, FRESH.model_copy(update={"ran_now": "1"})) == []
    assert len(wanted(of, FRESH.model_copy(update={"ran_now": "0"}))) == 2


def test_an_approved_plan_runs_once_at_the_instant_for_which_it_was_made() -> None:
    plan = WaitingPlan(action=Action.ARCHIVE, digest=DIGEST, as_of=NOW, planned=Amount(items=9))
    status, of = FRESH.model_copy(update={"waiting": [plan]}), annotated(approve_plan=f"sha256:other,{DIGEST}")
    [order] = jobs.wanted(of, accepted(of), status, [], settings(), NOW)
    assert (order.purpose, order.arguments) == (Purpose.APPROVED, ["--approve", DIGEST, "--as-of", "2026-11-26T12:00:00+00:00"])
    started = plan.model_copy(update={"job": "holdfast-1"})
    assert wanted(of, status.model_copy(update={"waiting": [started]})) == []
    assert wanted(annotated(approve_plan="sha256:other"), status) == []


def job(of: dict[str, Any], purpose: Purpose = Purpose.NOW) -> dict[str, Any]:
    found = accepted(of)
    order = Order(Action.ARCHIVE, purpose, "x")
    return jobs.job(of, found, order, {"metadata": {"name": "c", "uid": "c1"}}, settings())


def test_a_running_job_stops_when_its_policy_no_longer_acts() -> None:
    enforcing = body(mode="Enforce")
    running, preview = job(enforcing), job(enforcing, Purpose.PREVIEW)
    for of, run_stops, preview_stops in (
        (enforcing, False, False),
        (body(mode="Enforce", suspend=True), True, True),
        (body(), True, False),
        (body(mode="Enforce", generation=2), False, True),
        (body(mode="Enforce", uid="u2"), True, True),
    ):
        assert jobs.must_stop(running, of, accepted(of)) is run_stops
        assert jobs.must_stop(preview, of, accepted(of)) is preview_stops


CRON_JOB = {
    "metadata": {
        "name": "c",
        "uid": "c1",
        "labels": {names.ACTION: "archive"},
        "annotations": {names.POLICY: "holdfast/finished"},
    }
}


def pod(message: str, job_uid: str = "j1", finished: str = "2026-11-26T12:00:00Z", container: str = cronjobs.CONTAINER) -> Any:
    return {
        "metadata": {"uid": f"p{finished}", "ownerReferences": [{"kind": "Job", "uid": job_uid, "controller": True}]},
        "status": {
            "containerStatuses": [{"name": container, "state": {"terminated": {"finishedAt": finished, "message": message}}}]
        },
    }


def said(state: State = State.DONE, **changed: Any) -> str:
    return to_message(Report(**{"run": "r1", "action": Action.ARCHIVE, "policy": "holdfast/finished", "state": state, **changed}))


def ended(purpose: Purpose = Purpose.NOW) -> dict[str, Any]:
    of = job(body(mode="Enforce"), purpose)
    of["metadata"]["uid"] = "j1"
    return of


def test_a_report_counts_along_the_chain_by_uid() -> None:
    assert reports.belongs(ended(), [CRON_JOB])
    found = reports.report(ended(), [pod(said(archived=3))])
    assert found is not None
    assert found.archived == 3


@pytest.mark.parametrize("broken", ["uid", "controller", "policy", "action"])
def test_a_job_of_another_chain_is_not_believed(broken: str) -> None:
    of, owner = ended(), deepcopy(CRON_JOB)
    if broken == "uid":
        owner["metadata"]["uid"] = "c2"
    elif broken == "controller":
        of["metadata"]["ownerReferences"][0]["controller"] = False
    elif broken == "policy":
        of["metadata"]["annotations"][names.POLICY] = "holdfast/other"
    else:
        of["metadata"]["labels"][names.ACTION] = "destroy"
    assert not reports.belongs(of, [owner])


@pytest.mark.parametrize(
    "spoken",
    [
        pod(said(), job_uid="j2"),
        pod(said(), container="spy"),
        pod(said(policy="holdfast/other")),
        pod(said(action=Action.DESTROY)),
        pod(said(State.PREVIEW)),
        pod("killed"),
        pod(""),
    ],
)
def test_what_others_say_or_about_others_is_not_believed(spoken: dict[str, Any]) -> None:
    assert reports.report(ended(), [spoken]) is None


def test_a_preview_tells_of_no_acts() -> None:
    assert reports.report(ended(Purpose.PREVIEW), [pod(said(State.DONE, archived=3))]) is None
    assert reports.report(ended(Purpose.PREVIEW), [pod(said(State.PREVIEW))]) is not None


def test_the_last_pods_word_counts() -> None:
    pods = [pod(said(archived=2), finished="2026-11-26T12:05:00Z"), pod(said(State.FAILED), finished="2026-11-26T12:00:00Z")]
    found = reports.report(ended(), pods)
    assert found is not None
    assert found.archived == 2


def test_a_suspended_job_is_stopped_once_its_pods_are_gone() -> None:
    of = ended()
    of["spec"]["suspend"] = True
    suspended = [{"type": "Suspended", "status": "True"}]
    for status, expected in (
        ({}, False),
        ({"conditions": suspended, "active": 1}, False),
        ({"conditions": suspended, "terminating": 1}, False),
        ({"conditions": suspended}, True),
    ):
        of["status"] = status
        assert jobs.stopped(of) is expected
