"""Which policies are accepted in an installation, and what the others are told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.policies import OWN, accepted, body, settings

from holdfast.policies.words import Action
from holdfast_operator.accepting import Refused, accept


def refused(of: dict[str, Any], **changed: Any) -> Refused:
    found = accept(of, settings(**changed), OWN)
    assert isinstance(found, Refused)
    return found


def test_each_action_that_the_policy_has_gets_a_schedule() -> None:
    assert set(accepted(body()).schedules) == set(Action)
    assert set(accepted(body(destroy=None)).schedules) == {Action.ARCHIVE}
    assert set(accepted(body(archive=None)).schedules) == {Action.DESTROY}


def test_a_spec_that_an_older_definition_let_in_is_named_field_by_field() -> None:
    found = refused(body(keepLast=-1, archive=None, mode="Perhaps"))
    assert found.reason == "InvalidSpec"
    assert "spec.keepLast" in found.message
    assert "spec.mode" in found.message


def test_the_installations_own_namespace_may_touch_everything() -> None:
    assert accepted(body(workspaces={"all": True}))


@pytest.mark.parametrize(
    ("namespace", "workspaces", "says"),
    [
        ("team-b", {"names": ["ada_space"]}, "policies of namespace team-b are not honoured"),
        ("team-a", {"names": ["ada_space", "bob_space"]}, "may not touch bob_space"),
        ("team-a", {"all": True}, "may not name all workspaces"),
    ],
)
def test_a_policy_elsewhere_reaches_no_workspace_but_its_namespaces_own(
    namespace: str, workspaces: dict[str, Any], says: str
) -> None:
    found = refused(body(namespace=namespace, workspaces=workspaces), namespaces={"team-a": ["ada_space"]})
    assert found.reason == "NotAllowed"
    assert says in found.message


def test_a_tenants_policy_may_touch_the_tenants_own() -> None:
    assert accepted(body(namespace="team-a"), settings(namespaces={"team-a": ["ada_space"]}))


@pytest.mark.parametrize(
    ("floor", "says"),
    [({"min_undo_days": 8}, "undoDays"), ({"max_percent": 9}, "maxPercent"), ({"min_after_days": 31}, "afterDays")],
)
def test_no_policy_goes_below_the_installations_floors(floor: dict[str, int], says: str) -> None:
    found = refused(body(), **floor)
    assert found.reason == "BelowFloor"
    assert says in found.message


def test_a_bad_schedule_is_a_reason() -> None:
    assert refused(body(schedule="whenever")).reason == "InvalidSchedule"
    assert refused(body(timeZone="Mars/Olympus")).reason == "InvalidSchedule"
