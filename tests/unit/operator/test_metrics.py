"""What the operator tells Prometheus of each policy."""

from __future__ import annotations

from typing import Any

from prometheus_client import generate_latest
from tests.unit.operator.policies import body
from tests.unit.operator.test_status import settled

from holdfast.policies.status import Status
from holdfast_operator import metrics


def with_status(of: dict[str, Any], status: Status) -> dict[str, Any]:
    return {**of, "status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}


def said() -> list[str]:
    return [line for line in generate_latest().decode().splitlines() if line.startswith("holdfast_operator_polic")]


def test_conditions_are_gauges_and_go_with_their_policy() -> None:
    one = body("one", mode="Enforce")
    metrics.show([with_status(one, settled(Status(), one)), body("new")])
    of = 'policy="one",policy_namespace="holdfast"'
    assert f'holdfast_operator_policy_condition{{{of},reason="Accepted",type="Ready"}} 1.0' in said()
    assert f'holdfast_operator_policy_condition{{{of},reason="NoPlanWaits",type="GuardTripped"}} 0.0' in said()
    assert 'holdfast_operator_policies{mode="Enforce",ready="True"} 1.0' in said()
    assert not any('policy="new"' in line for line in said()), "nothing is known of it yet"
    metrics.show([])
    assert said() == []
