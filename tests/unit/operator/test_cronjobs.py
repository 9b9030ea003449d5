"""What a policy's CronJobs and Jobs are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest
import yaml
from tests.unit.operator.policies import accepted, body, settings

from holdfast.cli.failures import UNAVAILABLE
from holdfast.lifecycle.lease import LEASE_SECONDS
from holdfast.policies.model import AssetPolicy
from holdfast.policies.words import Action
from holdfast_operator import bundle, cronjobs, jobs, names
from holdfast_operator.cronjobs import Purpose, differs
from holdfast_operator.jobs import Order


def made(of: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    of, chosen = of or body(mode="Enforce"), settings(**changed)
    found = accepted(of, chosen)
    return cronjobs.cron_job(of, found.policy, Action.ARCHIVE, found.schedules[Action.ARCHIVE], False, chosen)


def pod(of: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = of["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def test_it_runs_the_sweep_of_its_policy_and_action_with_the_policies_as_data() -> None:
    [container] = pod(made())["containers"]
    assert container["command"] == ["holdfast", "sweep", "--policy", "holdfast/finished", "--action", "archive"]
    assert {"name": "HOLDFAST_POLICIES", "value": "/etc/holdfast/policies"} in container["env"]
    [volume] = [one for one in pod(made())["volumes"] if one["name"] == "policies"]
    assert volume["configMap"]["name"] == "holdfast-policies"


def test_it_has_the_labels_of_the_issue() -> None:
    labels = made()["metadata"]["labels"]
    assert labels == {
        "app.kubernetes.io/managed-by": "holdfast-operator",
        "holdfast.dev/policy": "finished",
        "holdfast.dev/action": "archive",
    }


def test_runs_neither_overlap_nor_pile_up_nor_last_for_ever() -> None:
    spec = made()["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"] == "Etc/UTC"
    job = spec["jobTemplate"]["spec"]
    assert {"activeDeadlineSeconds", "ttlSecondsAfterFinished", "backoffLimit", "podFailurePolicy"} <= set(job)
    assert {"startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= set(spec)


@pytest.mark.parametrize(
    ("before", "after", "anew"),
    [
        ({"suspend": True}, {"suspend": False}, True),
        ({"suspend": True}, {"suspend": True, "schedule": "0 4 * * *"}, False),
        ({"suspend": False}, {"suspend": True}, False),
        ({"suspend": False}, {"suspend": False}, False),
        ({"suspend": False}, {"suspend": False, "schedule": "0 4 * * *"}, True),
        ({"suspend": False}, {"suspend": False, "timeZone": "Europe/Berlin"}, True),
        ({"suspend": False}, {"suspend": False, "concurrencyPolicy": "Allow"}, False),
    ],
)
def test_it_begins_anew_when_its_times_are_others(before: dict[str, Any], after: dict[str, Any], anew: bool) -> None:
    spec = made()["spec"]
    assert cronjobs.begins_anew({"spec": spec | after}, {"spec": spec | before}) is anew


@pytest.mark.parametrize(
    ("schedule", "last", "now", "expected"),
    [
        ("0 3 * * *", "2026-11-25T03:00:00Z", "2026-11-26T02:59:00Z", None),
        ("0 3 * * *", "2026-11-25T03:00:00Z", "2026-11-26T03:01:00Z", None),  # it may be late
        ("0 3 * * *", "2026-11-25T03:00:00Z", "2026-11-26T03:02:00Z", "2026-11-26T03:00:00Z"),
        ("0 3 * * *", "2026-11-20T03:00:00Z", "2026-11-26T15:00:00Z", "2026-11-26T03:00:00Z"),
        ("0,1 3 * * *", "2026-11-26T03:00:00Z", "2026-11-26T15:00:00Z", "2026-11-26T03:01:00Z"),
        ("0,1 3 * * *", "2026-11-26T03:00:59Z", "2026-11-26T15:00:00Z", None),  # which is what is said of one that was missed
        ("0 3 * * *", None, "2026-11-26T15:00:00Z", None),  # it was made after that
    ],
)
def test_a_time_was_missed_when_it_has_come_and_it_did_not_run_since(
    schedule: str, last: str | None, now: str, expected: str | None
) -> None:
    meta, spec = {"creationTimestamp": "2026-11-26T12:00:00Z"}, {"schedule": schedule, "timeZone": "Etc/UTC", "suspend": False}
    found: dict[str, Any] = {"metadata": meta, "spec": spec, "status": {"lastScheduleTime": last} if last else {}}
    due = cronjobs.missed(found, datetime.fromisoformat(now))
    assert due == (datetime.fromisoformat(expected) if expected else None)
    assert cronjobs.missed({**found, "spec": {**spec, "suspend": True}}, datetime.fromisoformat(now)) is None
    if due is not None:
        noted = {**found, "status": {"lastScheduleTime": cronjobs.before(due).isoformat()}}
        assert cronjobs.missed(noted, datetime.fromisoformat(now)) is None, "said once"


def test_a_run_that_was_missed_may_start_until_the_next_one_comes() -> None:
    weekly = body(mode="Enforce", schedule="0 3 * * 0")
    assert made(weekly)["spec"]["startingDeadlineSeconds"] > 7 * 86_400
    assert made(weekly, starting_deadline_seconds=30 * 86_400)["spec"]["startingDeadlineSeconds"] == 30 * 86_400
    assert made(body(mode="Enforce", schedule="* * * * *"))["spec"]["startingDeadlineSeconds"] == 100 * 60


def test_its_tries_outlast_the_lease_of_a_pod_that_died() -> None:
    spec = made()["spec"]["jobTemplate"]["spec"]
    [codes] = [rule["onExitCodes"]["values"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert UNAVAILABLE not in codes
    retried = sum(10 * 2**number for number in range(spec["backoffLimit"]))  # seconds, as the Job controller waits
    assert retried > 2 * LEASE_SECONDS


def test_its_pod_has_no_token_of_the_api_server() -> None:
    assert pod(made())["automountServiceAccountToken"] is False


def test_credentials_come_from_secrets_of_the_installation_and_a_previews_from_its_own() -> None:
    chosen = settings(env_from=["holdfast-sweeper"], preview_env_from=["holdfast-preview"])
    of = body(mode="Enforce")
    run, preview = (
        cronjobs.job_spec(accepted(of).policy, Action.ARCHIVE, purpose, {}, [], chosen)["template"]["spec"]["containers"][0][
            "envFrom"
        ]
        for purpose in (Purpose.SCHEDULE, Purpose.PREVIEW)
    )
    assert run == [{"secretRef": {"name": "holdfast-sweeper"}}]
    assert preview == [{"secretRef": {"name": "holdfast-preview"}}]


def test_single_keys_of_secrets_become_variables_too() -> None:
    chosen = settings(secret_env={"HOLDFAST_S3_SECRET_KEY": "s/sweep"}, preview_secret_env={"HOLDFAST_S3_SECRET_KEY": "s/read"})
    of = body(mode="Enforce")
    run, preview = (
        cronjobs.job_spec(accepted(of).policy, Action.ARCHIVE, purpose, {}, [], chosen)["template"]["spec"]["containers"][0]["env"]
        for purpose in (Purpose.SCHEDULE, Purpose.PREVIEW)
    )
    assert {"name": "HOLDFAST_S3_SECRET_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "sweep"}}} in run
    assert {"name": "HOLDFAST_S3_SECRET_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "read"}}} in preview


def test_the_installations_labels_are_on_the_pod_and_replace_none_of_its_own() -> None:
    given = {"app.kubernetes.io/component": "sweep", names.MANAGED_BY: "somebody"}
    labels = made(pod_labels=given)["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "sweep"
    assert labels[names.MANAGED_BY] == names.MANAGER


def test_the_installation_may_add_to_the_pod() -> None:
    changed = pod(made(pod={"nodeSelector": {"disk": "ssd"}, "volumes": [{"name": "data", "emptyDir": {}}]}))
    assert changed["nodeSelector"] == {"disk": "ssd"}
    assert [one["name"] for one in changed["volumes"]] == ["policies", "tmp", "data"]


def test_a_policy_owns_its_cronjob_where_it_lives_in_the_same_namespace() -> None:
    assert [one["uid"] for one in made()["metadata"]["ownerReferences"]] == ["u1"]
    foreign = made(body(namespace="team-a"), namespaces={"team-a": ["ada_space"]})
    assert foreign["metadata"]["ownerReferences"] == []
    assert foreign["metadata"]["namespace"] == "holdfast"


def test_what_the_api_server_adds_is_no_difference_and_what_somebody_changes_is() -> None:
    wanted = made()
    found = deepcopy(wanted)
    found["metadata"]["uid"] = "c1"
    pod(found)["schedulerName"] = "default-scheduler"
    pod(found)["containers"][0].pop("envFrom")
    assert not differs(wanted, found)
    changes: list[Callable[[Any], object]] = [
        lambda one: one["spec"].update(schedule="0 0 * * *"),
        lambda one: one["metadata"].update(labels={}),
        lambda one: pod(one)["containers"].append({"name": "spy"}),
        lambda one: pod(one)["containers"][0]["command"].append("--approve"),
    ]
    for change in changes:
        drifted = deepcopy(found)
        change(drifted)
        assert differs(wanted, drifted)


def test_a_job_belongs_to_its_cronjob_and_is_named_by_what_it_is_for() -> None:
    of, chosen = body(mode="Enforce"), settings()
    found, owner = accepted(of), made() | {}
    owner["metadata"] = {**owner["metadata"], "uid": "c1"}
    order = Order(Action.ARCHIVE, Purpose.APPROVED, "sha256:a", ["--approve", "sha256:a"])
    job = jobs.job(of, found, order, owner, chosen)
    assert job["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": owner["metadata"]["name"], "uid": "c1", "controller": True}
    ]
    assert job["metadata"]["name"] == jobs.job(of, found, order, owner, chosen)["metadata"]["name"]
    assert job["spec"]["template"]["spec"]["containers"][0]["command"][-2:] == ["--approve", "sha256:a"]


def test_the_bundle_is_yaml_that_says_what_the_policies_say() -> None:
    policies = [accepted(body(name=name, generation=3)).policy for name in ("a", "b.c")]
    made_of = bundle.make([("2026", policy) for policy in policies])
    assert set(made_of.data) == {"holdfast.a.yaml", "holdfast.b.c.yaml"}
    for policy in policies:
        read = AssetPolicy.model_validate(yaml.safe_load(made_of.data[names.bundle_key(policy.key)]))
        assert read == policy
        assert made_of.generations[policy.key] == 3


def test_the_newest_policies_are_left_out_when_there_is_no_room() -> None:
    wide: dict[str, Any] = {"workspaces": {"names": [f"{number:03}{'w' * 250}" for number in range(50)]}}
    policies = [(f"2026-01-{number:03}", accepted(body(name=f"p{number:03}", **wide)).policy) for number in range(100)]
    made_of = bundle.make(reversed(policies))
    assert sum(len(text) for text in made_of.data.values()) < bundle.MOST_BYTES
    assert made_of.left_out
    assert max(made_of.generations) < min(made_of.left_out)
    assert len(json.dumps(bundle.config_map("holdfast", "holdfast", made_of.data))) < 2**20 + 2**18
