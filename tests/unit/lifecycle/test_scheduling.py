"""Which runs the scheduler starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holdfast.lifecycle.runs import Cause
from holdfast.lifecycle.scheduling import Served, due
from holdfast.policies.model import AssetPolicy
from holdfast.policies.schedule import last_run, next_run, resolve
from holdfast.policies.validating import validated
from holdfast.policies.words import Action

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def policy(**spec: Any) -> AssetPolicy:
    whole = {"workspaces": {"all": True}, "archive": {"afterDays": 0}, "mode": "Enforce", "schedule": "0 3 * * *", **spec}
    return validated({"metadata": {"name": "one"}, "spec": whole})


def at(since: datetime, slot: datetime | None = None, *, approved: bool = False) -> dict[Action, Served]:
    return {Action.ARCHIVE: Served(since, slot, approved)}


THREE = NOON.replace(hour=3)


def test_a_run_is_due_once_its_time_has_come() -> None:
    assert due(policy(), at(THREE - HOUR), NOON) == [(Action.ARCHIVE, Cause("schedule", THREE))]
    assert due(policy(), at(THREE - HOUR), THREE - timedelta(minutes=1)) == []
    assert due(policy(), at(THREE - HOUR, THREE), NOON) == []


def test_what_was_missed_for_days_is_made_up_for_once() -> None:
    assert due(policy(), at(THREE - 200 * HOUR, THREE - 96 * HOUR), NOON) == [(Action.ARCHIVE, Cause("schedule", THREE))]


def test_a_time_before_the_policy_was_as_it_is_does_not_count() -> None:
    assert due(policy(), at(THREE + HOUR), NOON) == []
    assert due(policy(), at(THREE + HOUR, THREE - 24 * HOUR), NOON) == []


def test_an_approved_plan_goes_on_at_once() -> None:
    assert due(policy(), at(THREE - HOUR, THREE, approved=True), NOON) == [(Action.ARCHIVE, Cause("approval"))]


def test_a_schedule_that_is_none_starts_nothing() -> None:
    assert due(policy(schedule="at noon"), at(THREE - HOUR), NOON) == []
    assert due(policy(timeZone="Mars/Olympus"), at(THREE - HOUR), NOON) == []


def test_destroy_comes_an_hour_after_archive_and_the_time_zone_counts() -> None:
    expression = resolve("default/one", "0 3 * * *", "Europe/Berlin", Action.DESTROY)
    assert last_run(expression, "Europe/Berlin", NOON) == THREE  # four o'clock in Berlin's winter
    assert next_run(expression, "Europe/Berlin", NOON) == THREE + 24 * HOUR


@given(
    expression=st.sampled_from(
        ["* * * * *", "0 3 * * *", "30 2 * * *", "15 */4 * * *", "0 0 1 * *", "59 23 31 12 *", "0 12 * * 1-5"]
    ),
    zone=st.sampled_from(["Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    minutes=st.integers(0, 2 * 365 * 24 * 60),
)
def test_the_last_time_lies_before_now_and_none_lies_between(expression: str, zone: str, minutes: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes, seconds=17)
    last = last_run(expression, zone, now)
    assert last is not None
    assert last <= now < next_run(expression, zone, last)
