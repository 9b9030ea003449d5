"""The operator dies, misses events, or knows what is no longer so: in the end everything is as it would be without."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdfast.policies.report import Report, State
from holdfast.policies.words import Action
from holdfast_operator.bundling import Bundler
from holdfast_operator.cluster import CONFIG_MAPS, CRON_JOBS, JOBS, POLICIES, Body, Refusal
from holdfast_operator.knowledge import Knowledge
from holdfast_operator.reconciling import Reconciler
from holdfast_operator.settings import Settings
from holdfast_operator.stores import key_of
from tests.cluster.proxy import Proxy
from tests.cluster.world import SELDOM, Operator, World, policy
from tests.servers.kubernetes import Kubernetes
from tests.waiting import PATIENCE, until

ONE_AT_A_TIME = ["--workers=1"]
DIGEST = "sha256:" + "ab" * 32
STORIES = 4
"""That are told at once, each in a namespace of its own: their operators wait more than they compute."""


def end_state(world: World) -> dict[str, Any]:
    """All that the operator is responsible for, without what differs from run to run: uids, versions, times, the namespace."""
    state = {
        kind.plural: [shape(one) for one in sorted(world.all(kind), key=whose)] for kind in (CRON_JOBS, JOBS, CONFIG_MAPS, POLICIES)
    }
    state["configmaps"] = [one for one in state["configmaps"] if one["name"] == "holdfast-policies"]
    text = json.dumps(state).replace(world.namespace, "NAMESPACE")
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "TIME", text)
    names = sorted(set(re.findall(r"holdfast-[0-9a-f]{8}-(?:archive|destroy)(?:-[0-9a-f]{8})?", text)))
    policies = {one["metadata"]["name"]: one["metadata"]["annotations"] for one in world.all(CRON_JOBS)}
    for name in reversed(names):  # a hash of the namespace; what matters is whose it is
        of = policies.get("-".join(name.split("-")[:3]), {}).get("holdfast.dev/policy", "nobody").rpartition("/")[2]
        text = text.replace(name, "-".join([of, name.split("-")[2], *(["job"] if name.count("-") == 3 else [])]))
    found: dict[str, Any] = json.loads(text)
    return found


def whose(body: Body) -> list[str]:
    labels = body["metadata"].get("labels") or {}
    return [labels.get(f"holdfast.dev/{name}", "") for name in ("policy", "action", "purpose")] + [body["metadata"]["name"]]


def shape(body: Body) -> dict[str, Any]:
    meta = body["metadata"]
    out = {"name": meta["name"], "labels": meta.get("labels"), "annotations": meta.get("annotations"), "spec": body.get("spec")}
    out |= {"data": body.get("data"), "owners": [(one["kind"], one["name"]) for one in meta.get("ownerReferences") or []]}
    if body["kind"] == "AssetPolicy":
        out["status"] = body.get("status")
    if body["kind"] == "CronJob":
        out["begun"] = "lastScheduleTime" in (body.get("status") or {})
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID", json.dumps(out))
    cleaned: dict[str, Any] = json.loads(text)
    return cleaned


def first(world: World) -> None:
    """What is there when the operator comes for the first time."""
    world.policy("enforced", mode="Enforce", schedule=SELDOM)
    world.policy("shown", destroy=None, schedule=SELDOM)
    world.policy("bad", schedule="whenever")
    world.policy("leaving", mode="Enforce", archive=None, schedule=SELDOM)
    world.policy("resting", suspend=True, mode="Enforce", destroy=None, schedule=SELDOM)


def settled_first(world: World) -> bool:
    assert (len(world.all(CRON_JOBS)), len(world.bundle()), len(world.jobs(purpose="preview"))) == (5, 3, 4)
    return True


def then(world: World) -> None:
    """What happens while the operator is away: a preview ended, a run is asked for, specs change, a policy goes."""
    [job] = [one for one in world.jobs("enforced", "preview") if one["metadata"]["labels"]["holdfast.dev/action"] == "archive"]
    world.ends(job, report_of(world, State.PREVIEW, matched={"items": 5}, planned={"items": 2}))
    world.patch("shown", {"suspend": True})
    world.patch("bad", {"schedule": SELDOM})
    world.patch("resting", {"suspend": False})
    world.annotate("enforced", run_now="1")
    world.delete("leaving")


def settled_then(world: World) -> bool:
    policies = {name: world.status(name) for name in ("enforced", "shown", "bad")}
    jobs = {what: len(world.jobs(*what)) for what in (("enforced", "now"), ("bad", "preview"), ("shown", None), ("resting", None))}
    assert jobs == {("enforced", "now"): 2, ("bad", "preview"): 2, ("shown", None): 0, ("resting", None): 1}
    assert (len(world.all(CRON_JOBS)), len(world.bundle())) == (6, 3)
    assert "lastScheduleTime" in world.cron_jobs("resting")["archive"]["status"]
    assert policies["enforced"].get("matched") == {"items": 5, "bytes": 0}
    assert policies["enforced"].get("ranNow") == "1"
    assert policies["bad"]["conditions"][0]["status"] == "True"
    assert policies["shown"]["conditions"][0]["reason"] == "Suspended"
    assert sum("holdfast.dev/reported" in one["metadata"]["annotations"] for one in world.jobs()) == 1
    return True


def guarded(world: World) -> None:
    """A run that was asked for would have done too much, and its plan waits."""
    world.policy("enforced", mode="Enforce", destroy=None, schedule=SELDOM)
    with world.operator(*ONE_AT_A_TIME) as operator:
        until(lambda: world.status("enforced").get("nextRun"))
        world.annotate("enforced", run_now="1")
        [job] = until(lambda: world.jobs("enforced", "now"))
        said: dict[str, Any] = {"digest": DIGEST, "as_of": "2026-11-26T03:00:00Z", "planned": {"items": 20_000}}
        world.ends(job, report_of(world, State.GUARDED, **said))
        world.becomes("enforced", "GuardTripped", "True", "PlanWaits")
        quiet(operator)


def approved(world: World) -> None:
    world.annotate("enforced", approve_plan=DIGEST)


def settled_approved(world: World) -> bool:
    waiting = [one.get("job") for one in world.status("enforced")["waiting"]]
    assert waiting == [job["metadata"]["name"] for job in world.jobs("enforced", "approved")]
    assert len(world.jobs("enforced", "preview")) == 1  # which it starts when it comes, and not before the policies have settled
    return waiting != []


def carried_out(world: World) -> None:
    [job] = world.jobs("enforced", "approved")
    world.ends(job, report_of(world, State.DONE, digest=DIGEST, archived=20_000))


def settled_carried_out(world: World) -> bool:
    assert ["holdfast.dev/reported" in job["metadata"]["annotations"] for job in world.jobs("enforced", "approved")] == [True]
    assert world.status("enforced")["archived"] == 20_000
    assert world.condition("enforced", "GuardTripped") == ("False", "NoPlanWaits")
    return True


def report_of(world: World, state: State, **said: Any) -> Report:
    about = {"run": "r1", "action": Action.ARCHIVE, "policy": f"{world.namespace}/enforced", "state": state}
    return Report.model_validate({**about, **said})


Part = tuple[Callable[[World], None], Callable[[World], bool]]
"""What happens while the operator is away, and whether it has seen to that."""

CHANGES: list[Part] = [(first, settled_first), (then, settled_then)]
APPROVAL: list[Part] = [(approved, settled_approved), (carried_out, settled_carried_out)]


def story(world: World, parts: Sequence[Part], die_after: int | None) -> tuple[dict[str, Any], list[int]]:
    """All parts, with a death after so many writes of each; the end state, and how many writes each took."""
    counts = []
    for happens, settled in parts:
        happens(world)
        if die_after is not None:
            with world.operator(*ONE_AT_A_TIME, previews=9, die_after=die_after) as doomed:
                until(partial(over, doomed, settled, world))
                if doomed.process.poll() is None:
                    doomed.stop()
        with world.operator(*ONE_AT_A_TIME, previews=9) as operator:
            until(partial(settled, world))
            counts.append(len(quiet(operator)))
    return end_state(world), counts


def over(doomed: Operator, settled: Callable[[World], bool], world: World) -> bool:
    return doomed.process.poll() is not None or settled(world)


def quiet(operator: Operator) -> list[str]:
    """The operator's writes, once it has made none for a second."""
    seen: list[str] = operator.writes
    stop = threading.Event()
    for _ in range(int(PATIENCE)):
        stop.wait(1)
        if operator.writes == seen:
            return seen
        seen = operator.writes
    raise AssertionError(f"the operator does not come to rest: {seen[-20:]}")


def nothing(_world: World) -> None:
    """Happens before."""


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("before", "parts"), [(nothing, CHANGES), (guarded, APPROVAL)], ids=["changes", "an approval"])
def test_a_death_after_any_write_changes_nothing_in_the_end(
    served: Kubernetes, before: Callable[[World], None], parts: list[Part], tell: Callable[[str], None]
) -> None:
    def told(die_after: int | None) -> tuple[dict[str, Any], list[int]]:
        world = World(served)
        try:
            before(world)
            return story(world, parts, die_after)
        finally:
            world.remove()

    expected, counts = told(None)
    assert all(counts)
    tell(f"operator: dies after each of {counts} writes")
    with ThreadPoolExecutor(STORIES) as side_by_side:
        ends = side_by_side.map(told, range(max(counts) + 1))
        for die_after, (end, _) in enumerate(ends):
            assert end == expected, f"after {die_after} of {counts} writes"


def everything_changes(world: World) -> None:
    """Of policies `kept`, `changed` and `leaving`, behind the operator's back."""
    name = world.cron_jobs("kept")["archive"]["metadata"]["name"]
    world.cluster.delete(CRON_JOBS, world.get(CRON_JOBS, name))
    drifted = world.cron_jobs("kept")["destroy"]["metadata"]["name"]
    world.cluster.merge(CRON_JOBS, world.namespace, drifted, {"spec": {"suspend": True}})
    world.patch("changed", {"mode": "Preview"})
    world.delete("leaving")
    world.policy("coming", mode="Enforce", schedule=SELDOM)


def everything_followed(world: World) -> bool:
    kept, changed = world.cron_jobs("kept"), world.cron_jobs("changed")
    return all(
        [
            set(kept) == {"archive", "destroy"},
            not any(one["spec"]["suspend"] for one in kept.values()),
            all(one["spec"]["suspend"] for one in changed.values()),
            not world.cron_jobs("leaving"),
            set(world.cron_jobs("coming")) == {"archive", "destroy"},
            {name.split(".")[1] for name in world.bundle()} == {"kept", "changed", "coming"},
            world.condition("changed", "Enforcing") == ("False", "Preview"),
        ]
    )


def test_what_a_lost_watch_did_not_show_is_found(served: Kubernetes, tmp_path: Path) -> None:
    """A connection that is cut, or that is frozen and nobody was told: the end is the one of a run in which nothing was lost."""

    def told(fault: str | None) -> dict[str, Any]:
        world = World(served)
        folder = tmp_path / str(fault)
        folder.mkdir()
        proxy = Proxy(served.kubeconfig, folder)
        try:
            for name in ("kept", "changed", "leaving"):
                world.policy(name, mode="Enforce", schedule=SELDOM)
            resync = "--resync-seconds=2" if fault == "freeze" else "--resync-seconds=300"
            with world.operator(resync, kubeconfig=proxy.kubeconfig) as operator:
                until(lambda: len(world.all(CRON_JOBS)) == 6 and len(world.bundle()) == 3)
                quiet(operator)
                if fault is not None:
                    getattr(proxy, fault)()
                everything_changes(world)
                proxy.mend()
                until(lambda: everything_followed(world))
                quiet(operator)
            return end_state(world)
        finally:
            proxy.close()
            world.remove()

    with ThreadPoolExecutor(STORIES) as side_by_side:
        expected, *ends = side_by_side.map(told, [None, "cut", "freeze"])
    assert [policy["name"] for policy in expected["assetpolicies"]] == ["changed", "coming", "kept"]
    assert ends == [expected, expected]


# -- what is known is no longer so -------------------------------------------------------------------------------------


def reconciler(world: World) -> tuple[Reconciler, Knowledge]:
    """One that knows what it is told, and nothing else."""
    settings = Settings(image="holdfast/worker:test", namespace=world.namespace, previews=0)
    knowledge = Knowledge(settings, lambda _key: None, lambda: None)
    bundler = Bundler(world.cluster, settings, knowledge, threading.Event(), lambda _keys: None)
    return Reconciler(world.cluster, settings, knowledge, bundler), knowledge


def test_a_status_is_never_written_over_a_policy_that_changed_meanwhile(world: World) -> None:
    known, key = world.policy(mode="Enforce"), f"{world.namespace}/finished"
    world.patch("finished", {"mode": "Preview"})
    reconciling, knowledge = reconciler(world)
    knowledge.policies.put(known)
    with pytest.raises(Refusal, match="409"):
        reconciling.reconcile(key)
    assert world.status("finished") == {}
    knowledge.policies.put(world.get(POLICIES, "finished"))
    reconciling.reconcile(key)
    assert all(one["spec"]["suspend"] for one in world.cron_jobs().values())
    assert world.status("finished")["observedGeneration"] == 2


def test_a_cronjob_that_ran_meanwhile_does_not_begin_anew(world: World) -> None:
    world.policy(destroy=None)
    reconciling, knowledge = reconciler(world)
    reconciling.reconcile(f"{world.namespace}/finished")
    [known] = world.all(CRON_JOBS)
    ran = {"status": {"lastScheduleTime": "2026-11-26T03:00:00Z"}}
    world.cluster.merge(CRON_JOBS, world.namespace, known["metadata"]["name"], ran, sub="status")
    world.patch("finished", {"mode": "Enforce"})
    knowledge.policies.put(world.get(POLICIES, "finished"))
    with pytest.raises(Refusal, match="409"):
        reconciling.reconcile(f"{world.namespace}/finished")
    [found] = world.all(CRON_JOBS)
    assert found["spec"]["suspend"] is True
    assert found["status"] == ran["status"]


def test_cronjobs_that_nobody_knows_of_are_found_again(world: World) -> None:
    world.policy(mode="Enforce")
    reconciler(world)[0].reconcile(f"{world.namespace}/finished")
    before = world.cron_jobs()
    world.patch("finished", {"schedule": "0 0 * * *"})
    reconciler(world)[0].reconcile(f"{world.namespace}/finished")
    after = world.cron_jobs()
    assert {one["metadata"]["uid"] for one in before.values()} == {one["metadata"]["uid"] for one in after.values()}
    assert after["archive"]["spec"]["schedule"] == "0 0 * * *"


def test_a_cronjob_that_came_in_the_place_of_ours_is_not_touched(world: World) -> None:
    world.policy(mode="Enforce", destroy=None)
    reconciling, knowledge = reconciler(world)
    reconciling.reconcile(f"{world.namespace}/finished")
    [ours] = world.all(CRON_JOBS)
    world.cluster.delete(CRON_JOBS, ours)
    meta = {"name": ours["metadata"]["name"], "namespace": world.namespace}
    until(lambda: not world.all(CRON_JOBS))
    theirs = world.cluster.create(CRON_JOBS, {**ours, "metadata": meta, "spec": {**ours["spec"], "schedule": "1 1 1 1 *"}})
    world.patch("finished", {"schedule": "0 0 * * *"})
    knowledge.policies.put(world.get(POLICIES, "finished"))
    with pytest.raises(Refusal, match="409"):
        reconciling.reconcile(f"{world.namespace}/finished")
    assert world.all(CRON_JOBS)[0]["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]


def test_nothing_is_removed_on_hearsay(world: World) -> None:
    key = key_of(world.policy(mode="Enforce"))
    reconciler(world)[0].reconcile(key)
    blind, knowledge = reconciler(world)
    for one in world.all(CRON_JOBS):
        knowledge.cron_jobs.put(one)
    blind.reconcile(key)
    assert len(world.all(CRON_JOBS)) == 2


# -- at rest -----------------------------------------------------------------------------------------------------------


def test_at_rest_nothing_is_written_and_a_restart_writes_nothing_either(world: World) -> None:
    world.policy("enforced", mode="Enforce", schedule=SELDOM)
    world.policy("shown")
    world.policy("suspended", suspend=True)
    world.policy("bad", schedule="whenever")
    with world.operator("--resync-seconds=0.5", previews=9) as operator:
        until(lambda: len(world.jobs(purpose="preview")) == 4)
        seen = quiet(operator)
        version = world.cluster.list(CRON_JOBS, world.namespace)[1]
        for _ in range(3):
            assert quiet(operator) == seen
        changed = [one for one in world.all(CRON_JOBS) if int(one["metadata"]["resourceVersion"]) > int(version)]
        assert changed == []
    with world.operator("--resync-seconds=0.5", previews=9) as operator:
        assert [quiet(operator) for _ in range(3)] == [[], [], []]


def test_a_thousand_policies_are_a_handful_of_writes_of_the_bundle(world: World) -> None:
    for number in range(1000):
        world.cluster.create(POLICIES, policy(f"p{number:04}", world.namespace))
    with world.operator() as operator:
        until(lambda: operator.writes.count("status assetpolicies") == 1000, 300)
        writes = quiet(operator)
    assert writes.count("apply cronjobs") == 2000
    assert writes.count("status assetpolicies") == 1000
    assert writes.count("apply configmaps") <= 5
    assert len(world.bundle()) == 1000
    world.delete_all(POLICIES)
    with world.operator() as operator:
        until(lambda: not world.any(CRON_JOBS), 300)
        assert quiet(operator).count("apply configmaps") <= 5
