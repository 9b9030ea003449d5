"""What becomes of a policy: created, changed, suspended, deleted, in the wrong place, and in somebody's way."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from functools import partial
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest

from holdfast.policies.report import Report, State
from holdfast.policies.words import Action
from holdfast_operator.cluster import CONFIG_MAPS, CRON_JOBS, JOBS, PODS, POLICIES
from tests.cluster.world import World, policy
from tests.servers.process import answers, free_ports
from tests.waiting import until

DIGEST = "sha256:0123456789abcdef"
AS_OF = datetime(2026, 11, 26, 3, tzinfo=UTC)


def report(
    world: World, state: State = State.DONE, action: Action = Action.ARCHIVE, name: str = "finished", **said: object
) -> Report:
    return Report.model_validate({"run": "r1", "action": action, "policy": f"{world.namespace}/{name}", "state": state, **said})


def test_a_policy_becomes_two_cronjobs_and_a_status_that_says_so(world: World) -> None:
    world.policy(mode="Enforce", schedule="15 3 * * *", timeZone="Europe/Berlin")
    with world.operator():
        until(lambda: world.status("finished").get("nextRun"))
        until(lambda: list(world.bundle()) == [f"{world.namespace}.finished.yaml"])
        world.becomes("finished", "Enforcing", "True", "Enforcing")
        cron_jobs, status = world.cron_jobs(), world.status("finished")
    assert {action: one["spec"]["schedule"] for action, one in cron_jobs.items()} == {
        "archive": "15 3 * * *",
        "destroy": "15 4 * * *",
    }
    for action, one in cron_jobs.items():
        assert one["spec"]["timeZone"] == "Europe/Berlin"
        assert one["spec"]["suspend"] is False
        assert status[action]["cronJob"] == one["metadata"]["name"]
        assert status[action]["schedule"] == one["spec"]["schedule"]
        [owner] = one["metadata"]["ownerReferences"]
        assert owner["kind"] == "AssetPolicy"
    assert status["observedGeneration"] == 1
    assert status["nextRun"] == min(status["archive"]["nextRun"], status["destroy"]["nextRun"])


def test_kubectl_shows_the_policy_at_a_glance(world: World) -> None:
    world.policy(mode="Enforce")
    with world.operator():
        world.becomes("finished", "Ready", "True", "Accepted")
    line = world.kubernetes.kubectl("get", "apol", "--no-headers", "--namespace", world.namespace).split()
    assert line[:3] == ["finished", "True", "Enforce"]


def test_each_action_comes_and_goes_with_the_spec(world: World) -> None:
    world.policy(mode="Enforce", destroy=None)
    with world.operator():
        until(lambda: set(world.cron_jobs()) == {"archive"})
        world.patch("finished", {"destroy": {"afterDays": 1}})
        until(lambda: set(world.cron_jobs()) == {"archive", "destroy"})
        world.patch("finished", {"archive": None})
        until(lambda: set(world.cron_jobs()) == {"destroy"} and "archive" not in world.status("finished"))
        world.patch("finished", {"schedule": "0 5 * * *"})
        until(lambda: world.cron_jobs()["destroy"]["spec"]["schedule"] == "0 6 * * *")
        until(lambda: world.status("finished")["observedGeneration"] == 4)


@pytest.mark.parametrize("spec", [{"suspend": True}, {"mode": "Preview"}])
def test_what_does_not_enforce_has_its_cronjobs_suspended(world: World, spec: dict[str, Any]) -> None:
    world.policy(mode="Enforce")
    with world.operator():
        until(lambda: world.status("finished").get("nextRun"))
        world.patch("finished", spec)
        until(lambda: all(one["spec"]["suspend"] for one in world.cron_jobs().values()))
        until(lambda: "nextRun" not in world.status("finished"))
        assert world.condition("finished", "Enforcing") in {("False", "Suspended"), ("False", "Preview")}
        world.patch("finished", {"suspend": False, "mode": "Enforce"})
        until(lambda: not any(one["spec"]["suspend"] for one in world.cron_jobs().values()))


def test_deleting_a_policy_removes_its_cronjobs_and_its_data_in_the_bundle(world: World) -> None:
    world.policy(mode="Enforce")
    world.policy("other", mode="Enforce")
    with world.operator():
        until(lambda: len(world.all(CRON_JOBS)) == 4 and len(world.bundle()) == 2)
        world.delete("finished")
        until(lambda: len(world.all(CRON_JOBS)) == 2 and len(world.bundle()) == 1)
    assert set(world.cron_jobs("other")) == {"archive", "destroy"}


def test_a_policy_that_went_while_nobody_looked_leaves_nothing(world: World) -> None:
    tenant = world.kubernetes.namespace()
    options = ["--namespaces", json.dumps({tenant: ["ada_space"]})]
    world.policy(namespace=tenant, mode="Enforce")
    with world.operator(*options):
        until(lambda: len(world.all(CRON_JOBS)) == 2)
    world.cluster.delete(POLICIES, world.get(POLICIES, "finished", tenant))
    with world.operator(*options):
        until(lambda: not world.all(CRON_JOBS) and not world.bundle())


def test_drift_is_repaired(world: World) -> None:
    world.policy(mode="Enforce")
    with world.operator():
        until(lambda: world.status("finished").get("nextRun") and world.bundle())
        name = world.cron_jobs()["archive"]["metadata"]["name"]
        spy = {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "spy", "image": "spy"}]}}}}}}
        for kind, drift in (
            ("merge", {"spec": {"schedule": "* * * * *", "suspend": True}}),
            ("merge", {"metadata": {"labels": None}}),
            ("strategic", spy),
        ):
            before = world.get(CRON_JOBS, name)
            args = ["patch", "cronjob", name, "--namespace", world.namespace, f"--type={kind}", "--patch", json.dumps(drift)]
            world.kubernetes.kubectl(*args)

            def repaired(before: dict[str, Any] = before) -> bool:
                found = world.get(CRON_JOBS, name)
                same = [found["spec"] == before["spec"], found["metadata"]["labels"] == before["metadata"]["labels"]]
                return all(same)

            until(repaired)
        world.cluster.delete(CRON_JOBS, world.get(CRON_JOBS, name))
        until(lambda: world.get(CRON_JOBS, name)["metadata"]["uid"] != before["metadata"]["uid"])
        config_map = world.get(CONFIG_MAPS, "holdfast-policies")
        spied = {"data": {f"{world.namespace}.finished.yaml": "{}", "spy": "x"}}
        world.cluster.merge(CONFIG_MAPS, world.namespace, "holdfast-policies", spied)
        until(lambda: world.get(CONFIG_MAPS, "holdfast-policies")["data"] == config_map["data"])
        world.cluster.delete(CONFIG_MAPS, config_map)
        until(lambda: world.get(CONFIG_MAPS, "holdfast-policies")["data"] == config_map["data"])


def foreign(world: World, name: str) -> dict[str, Any]:
    container = {"name": "c", "image": "i"}
    job = {"spec": {"template": {"spec": {"containers": [container], "restartPolicy": "Never"}}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": job},
    }


def test_a_cronjob_of_somebody_else_is_never_touched(world: World) -> None:
    world.policy(mode="Enforce")
    with world.operator():
        until(lambda: world.status("finished").get("nextRun") and world.bundle())
        name = world.cron_jobs()["archive"]["metadata"]["name"]
    world.cluster.delete(CRON_JOBS, world.get(CRON_JOBS, name))
    world.kubernetes.apply(foreign(world, name))
    theirs = world.get(CRON_JOBS, name)
    with world.operator() as operator:
        world.becomes("finished", "Ready", "False", "NameTaken")
        assert world.get(CRON_JOBS, name) == theirs
        assert world.condition("finished", "Enforcing") == ("False", "NotReady")
        until(lambda: ("Warning", "NameTaken") in world.events("finished"))  # which comes after the status
        until(lambda: operator.writes.count("create events") == 2)
        writes = len(operator.writes)
        world.annotate("finished", unrelated="x")
        world.cluster.delete(CRON_JOBS, theirs)
        world.becomes("finished", "Ready", "True", "Accepted")
        assert len(operator.writes) - writes <= 4  # the CronJob, the status, two Events
        until(lambda: len(world.cron_jobs()) == 2)


def test_a_policy_elsewhere_is_not_allowed_and_brings_nothing_there(world: World) -> None:
    tenant, nobody = world.kubernetes.namespace(), world.kubernetes.namespace()
    world.policy("mine", tenant, mode="Enforce")
    world.policy("all", tenant, mode="Enforce", workspaces={"all": True})
    world.policy("foreign", tenant, mode="Enforce", workspaces={"names": ["ada_space", "bob_space"]})
    world.policy("stray", nobody, mode="Enforce")
    options = ["--namespaces", json.dumps({tenant: ["ada_space"]}), "--env-from", '["store-credentials"]']
    with world.operator(*options, clusterwide=True):
        world.becomes("mine", "Ready", "True", "Accepted", tenant)
        for name, namespace in (("all", tenant), ("foreign", tenant), ("stray", nobody)):
            world.becomes(name, "Ready", "False", "NotAllowed", namespace)
        until(lambda: set(world.bundle()) == {f"{tenant}.mine.yaml"})
    for namespace in (tenant, nobody):
        assert [world.all(kind, namespace) for kind in (CRON_JOBS, JOBS, PODS)] == [[], [], []]
    assert {one["metadata"]["annotations"]["holdfast.dev/policy"] for one in world.all(CRON_JOBS)} == {f"{tenant}/mine"}
    world.kubernetes.kubectl("delete", "assetpolicies", "--all", "--namespace", tenant)
    world.kubernetes.kubectl("delete", "assetpolicies", "--all", "--namespace", nobody)


def test_a_bad_policy_is_a_condition_and_nothing_else(world: World) -> None:
    world.policy("zone", timeZone="Mars/Olympus")
    world.policy("cron", schedule="whenever")
    world.policy("good", mode="Enforce")
    with world.operator() as operator:
        world.becomes("good", "Ready", "True", "Accepted")
        for name in ("zone", "cron"):
            world.becomes(name, "Ready", "False", "InvalidSchedule")
        until(lambda: operator.writes.count("status assetpolicies") >= 3)
        assert operator.writes.count("status assetpolicies") == 3
        world.patch("zone", {"timeZone": "Etc/UTC"})
        world.becomes("zone", "Ready", "True", "Accepted")


def test_its_jobs_may_run_in_a_namespace_that_restricts_pods(world: World) -> None:
    world.kubernetes.kubectl("label", "namespace", world.namespace, "pod-security.kubernetes.io/enforce=restricted")
    world.policy(mode="Enforce")
    with world.operator():
        until(lambda: len(world.cron_jobs()) == 2)
        world.annotate("finished", run_now="1")
        job = until(lambda: world.jobs(purpose="now"))[0]
        spec = world.pod_of(job)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert not any("projected" in volume for volume in spec["volumes"])


# -- Jobs and what they report -----------------------------------------------------------------------------------------


def test_a_new_policy_is_previewed_at_once_and_again_when_it_changes(world: World) -> None:
    world.policy()
    with world.operator(previews=4):
        until(lambda: len(world.jobs(purpose="preview")) == 2)
        [archive, destroy] = world.jobs(purpose="preview")
        [container] = archive["spec"]["template"]["spec"]["containers"]
        assert container["command"][-1] == "--preview"
        assert world.bundle()[f"{world.namespace}.finished.yaml"]["metadata"]["generation"] == 1
        for job in (archive, destroy):
            action = Action(job["metadata"]["labels"]["holdfast.dev/action"])
            said: dict[str, Any] = {"matched": {"items": 12, "bytes": 5}, "planned": {"items": 3, "bytes": 1}}
            world.ends(job, report(world, State.PREVIEW, action=action, **said))
        until(lambda: world.status("finished")["destroy"].get("planned") and world.status("finished")["archive"].get("planned"))
        assert world.status("finished")["matched"] == {"items": 12, "bytes": 5}
        assert "lastRun" not in world.status("finished")
        world.patch("finished", {"keepLast": 1})
        until(lambda: len(world.jobs(purpose="preview")) == 4)


def matched(world: World, name: str) -> bool:
    return "matched" in world.status(name)


def test_previews_wait_for_one_another(world: World) -> None:
    for number in range(3):
        world.policy(f"p{number}", destroy=None)
    with world.operator(previews=1):
        for done in range(3):
            [job] = until(lambda: [one for one in world.jobs(purpose="preview") if not world.over(one)])
            assert len(world.jobs(purpose="preview")) == done + 1
            name = job["metadata"]["labels"]["holdfast.dev/policy"]
            world.ends(job, report(world, State.PREVIEW, policy=f"{world.namespace}/{name}"))
            until(partial(matched, world, name))


def test_run_now_runs_once_and_its_report_becomes_the_status(world: World) -> None:
    world.policy(mode="Enforce", destroy=None)
    with world.operator() as operator:
        until(lambda: world.status("finished").get("nextRun"))
        world.annotate("finished", run_now="tuesday")
        [job] = until(lambda: world.jobs(purpose="now"))
        until(lambda: world.status("finished").get("ranNow") == "tuesday")
        world.ends(job, report(world, archived=7, held=2, skipped={"kept-last": 1}, digest=DIGEST, seconds=1.5))
        until(lambda: world.status("finished").get("archived") == 7)
        run = world.status("finished")["lastRun"]
        assert (run["state"], run["archived"], run["held"], run["skipped"]) == ("done", 7, 2, {"kept-last": 1})
        assert run["digest"] == DIGEST
        until(lambda: "holdfast.dev/reported" in world.get(JOBS, job["metadata"]["name"])["metadata"]["annotations"])
        until(lambda: operator.writes[-1] == "merge jobs")
        assert len(world.jobs()) == 1


def test_a_scheduled_jobs_report_counts_too(world: World) -> None:
    world.policy(mode="Enforce", destroy=None, schedule="* * * * *")
    with world.operator():
        [job] = until(lambda: world.jobs(purpose="schedule"), 90)
        world.ends(job, report(world, archived=3))
        until(lambda: world.status("finished").get("archived") == 3)


def test_a_tripped_guard_goes_on_once_its_plan_is_approved(world: World) -> None:
    world.policy(mode="Enforce", destroy=None)
    with world.operator():
        until(lambda: world.status("finished").get("nextRun"))
        world.annotate("finished", run_now="1")
        [job] = until(lambda: world.jobs(purpose="now"))
        tripped: dict[str, Any] = {
            "digest": DIGEST,
            "asOf": AS_OF,
            "planned": {"items": 20_000, "bytes": 1},
            "reasons": ["maxItems is 10000"],
        }
        world.ends(job, report(world, State.GUARDED, **tripped))
        world.becomes("finished", "GuardTripped", "True", "PlanWaits")
        assert ("Warning", "PlanWaits") in until(lambda: world.events("finished"))
        assert world.status("finished")["reasons"] == ["maxItems is 10000"]
        world.annotate("finished", approve_plan="sha256:not-this-one")
        world.annotate("finished", approve_plan=f"sha256:not-this-one,{DIGEST}")
        [approved] = until(lambda: world.jobs(purpose="approved"))
        [container] = approved["spec"]["template"]["spec"]["containers"]
        assert container["command"][-4:] == ["--approve", DIGEST, "--as-of", "2026-11-26T03:00:00+00:00"]
        world.ends(approved, report(world, archived=20_000))
        world.becomes("finished", "GuardTripped", "False", "NoPlanWaits")
        assert len(world.jobs(purpose="approved")) == 1


@pytest.mark.parametrize("spec", [{"suspend": True}, {"mode": "Preview"}])
def test_a_running_job_stops_when_its_policy_no_longer_enforces(world: World, spec: dict[str, Any]) -> None:
    world.policy(mode="Enforce", destroy=None)
    with world.operator():
        until(lambda: world.status("finished").get("nextRun"))
        world.annotate("finished", run_now="1")
        [job] = until(lambda: world.jobs(purpose="now"))
        pod = world.pod_of(job)
        world.patch("finished", spec)
        until(lambda: not any(one["metadata"]["uid"] == pod["metadata"]["uid"] for one in world.all(PODS)))
        until(lambda: not world.jobs(purpose="now"))
        until(lambda: world.status("finished")["lastRun"]["state"] == "stopped")


def test_a_running_job_goes_with_its_policy(world: World) -> None:
    world.policy(mode="Enforce", destroy=None)
    with world.operator():
        until(lambda: world.status("finished").get("nextRun"))
        world.annotate("finished", run_now="1")
        until(lambda: world.jobs(purpose="now") and world.all(PODS))
        world.delete("finished")
        until(lambda: not world.all(CRON_JOBS) and not world.all(JOBS) and not world.all(PODS))


def test_what_is_no_report_is_a_failed_run(world: World) -> None:
    world.policy(mode="Enforce", destroy=None)
    with world.operator():
        until(lambda: world.status("finished").get("nextRun"))
        world.annotate("finished", run_now="1")
        [job] = until(lambda: world.jobs(purpose="now"))
        world.ends(job, "error: no route to host", code=4)
        world.becomes("finished", "Enforcing", "True", "LastRunFailed")
        assert world.status("finished")["lastRun"]["state"] == "failed"
        assert "PodFailurePolicy" in world.status("finished")["reasons"][0]


def test_a_job_that_only_looks_like_ours_is_not_believed(world: World) -> None:
    world.policy(mode="Enforce", destroy=None)
    with world.operator():
        until(lambda: world.status("finished").get("nextRun"))
        world.annotate("finished", run_now="1")
        [job] = until(lambda: world.jobs(purpose="now"))
        forged: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": job["spec"]["template"]}}
        forged["spec"]["template"]["metadata"]["labels"] = {
            name: value
            for name, value in job["metadata"]["labels"].items()
            if "job-name" not in name and "controller-uid" not in name
        }
        forged["metadata"] = {
            "name": "forged",
            "namespace": world.namespace,
            "labels": forged["spec"]["template"]["metadata"]["labels"],
            "annotations": job["metadata"]["annotations"],
        }
        world.ends(world.cluster.create(JOBS, forged), report(world, archived=99))
        world.ends(job, report(world, archived=1))
        until(lambda: world.status("finished").get("archived") == 1)


def test_conflicts_are_shown_on_both_sides_until_one_no_longer_enforces(world: World) -> None:
    world.policy("one", mode="Enforce", destroy=None)
    world.policy("other", mode="Enforce", destroy=None)
    with world.operator():
        until(lambda: world.status("one").get("nextRun") and world.status("other").get("nextRun"))
        world.annotate("one", run_now="1")
        [job] = until(lambda: world.jobs("one", "now"))
        world.ends(job, report(world, policy=f"{world.namespace}/one", conflicts={f"{world.namespace}/other": 4}))
        for name, opponent, found_by in (("one", "other", "self"), ("other", "one", "other")):
            world.becomes(name, "Conflicting", "True", "Disagreement")
            [conflict] = world.status(name)["conflicts"]
            assert conflict["policy"] == f"{world.namespace}/{opponent}"
            assert (conflict["items"], conflict.get("reportedBy", "self")) == (4, found_by)
        world.patch("other", {"mode": "Preview"})
        for name in ("one", "other"):
            world.becomes(name, "Conflicting", "False", "NoConflicts")


def test_nobody_but_who_may_approve_approves(world: World) -> None:
    def kubectl(*arguments: str) -> CompletedProcess[str]:
        return world.kubernetes.asked([*arguments, f"--namespace={world.namespace}"], None, check=False)

    manifest = (world.repository / "k8s/operator/approval.yaml").read_text()
    for name in ("holdfast-approve-plan", approver := "holdfast-plan-approver"):  # the lifecycle guide has the others
        manifest = manifest.replace(f" {name}\n", f" {name}-{world.namespace}\n")
    user, edits = f"--user=editor-{world.namespace}", f"holdfast-edits-{world.namespace}"
    annotate = ["annotate", "apol", "finished", "--overwrite", f"--as=editor-{world.namespace}"]
    approve = [*annotate, f"holdfast.dev/approve-plan={DIGEST}"]
    others = (f"holdfast.dev/approve-plan=other{number}" for number in itertools.count())  # for as long as nothing forbids it yet
    world.policy()
    world.kubernetes.kubectl("apply", "--filename=-", given=manifest)
    try:
        kubectl("create", "clusterrole", edits, "--verb=get,patch,update,create", "--resource=assetpolicies.holdfast.dev")
        kubectl("create", "rolebinding", "edits", f"--clusterrole={edits}", user)
        until(lambda: "needs the verb approve" in kubectl(*annotate, next(others)).stderr)
        assert "needs the verb approve" in kubectl(*approve).stderr
        assert kubectl(*annotate, "other=thing").returncode == 0
        approved = policy("approved", world.namespace)
        approved["metadata"]["annotations"] = {"holdfast.dev/approve-plan": DIGEST}
        create = ["create", "--filename=-", f"--as=editor-{world.namespace}"]
        made = world.kubernetes.asked([*create], json.dumps(approved), check=False)
        assert "needs the verb approve" in made.stderr, "nor in a policy that is new"
        kubectl("create", "rolebinding", "approves", f"--clusterrole={approver}-{world.namespace}", user)
        until(lambda: kubectl(*approve).returncode == 0)
    finally:
        world.kubernetes.kubectl("delete", "--ignore-not-found", "--filename=-", given=manifest)
        kubectl("delete", "clusterrole", edits)


def test_it_says_that_it_lives_and_what_it_did(world: World) -> None:
    world.policy(mode="Enforce")
    health, metrics = free_ports(2)
    with world.operator(f"--liveness-port={health}", f"--metrics-port={metrics}", "--resync-seconds=0.5"):
        until(lambda: answers(f"http://127.0.0.1:{health}/healthz"))
        state = httpx.get(f"http://127.0.0.1:{health}/healthz", trust_env=False).json()
        assert state["state"]["policies"] >= 1

        def counted() -> bool:
            said = httpx.get(f"http://127.0.0.1:{metrics}/metrics", trust_env=False).text
            ready = 'holdfast_operator_policies{mode="Enforce",ready="True"}'
            return ready in said and 'holdfast_operator_reconciles_total{result="done"}' in said

        until(counted)
