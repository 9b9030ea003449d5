"""The operator does all its work with the rights of k8s/operator/rbac.yaml, or with those that the chart gives to one that looks at
no other namespaces, and has no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.policies.report import Report, State
from holdfast.policies.words import Action
from holdfast_operator.cluster import CRON_JOBS
from tests.cluster.world import World
from tests.docs.pages import CHART
from tests.servers.helm import KUBERNETES, Helm
from tests.waiting import until

CLUSTERWIDE, ALONE = "clusterwide", "alone"


@pytest.fixture(params=[CLUSTERWIDE, ALONE])
def kind(request: pytest.FixtureRequest) -> str:
    """Of operator, by what it looks at."""
    return str(request.param)


@pytest.fixture
def account(world: World, helm: Helm, kind: str, tmp_path: Path) -> Iterator[Path]:
    """A KUBECONFIG of the operator's service account, with exactly these rights."""
    manifest = of_the_example(world) if kind == CLUSTERWIDE else of_the_chart(world, helm)
    world.kubernetes.kubectl("apply", "--filename=-", given=manifest)
    token = world.kubernetes.kubectl("create", "token", "holdfast-operator", f"--namespace={world.namespace}").strip()
    config = json.loads(world.kubernetes.kubectl("config", "view", "--raw", "--output=json"))
    config["users"] = [{"name": "operator", "user": {"token": token}}]
    config["contexts"][0]["context"]["user"] = "operator"
    config["current-context"] = config["contexts"][0]["name"]
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    yield file
    world.kubernetes.kubectl("delete", "--ignore-not-found", "--filename=-", given=manifest)


def of_the_example(world: World) -> str:
    """Cluster roles have names of their own, so that those of other tests are others."""
    manifest = (world.repository / "k8s/operator/rbac.yaml").read_text()
    manifest = manifest.replace("namespace: holdfast\n", f"namespace: {world.namespace}\n")
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        manifest = manifest.replace(
            f"kind: {kind}\nmetadata:\n  name: holdfast-operator\n", f"kind: {kind}\nmetadata:\n  name: {world.namespace}\n"
        )
    return manifest.replace("kind: ClusterRole\n  name: holdfast-operator\n", f"kind: ClusterRole\n  name: {world.namespace}\n")


def of_the_chart(world: World, helm: Helm) -> str:
    options = ["--set=operator.clusterwide=false", "--show-only=templates/operator/rbac.yaml", f"--kube-version={KUBERNETES}"]
    bodies = helm.bodies("template", "holdfast", CHART, f"--namespace={world.namespace}", *options)
    for one in bodies:
        one["metadata"]["namespace"] = world.namespace
    assert {one["kind"] for one in bodies} == {"ServiceAccount", "Role", "RoleBinding"}
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})


def test_it_needs_no_more(world: World, kind: str, account: Path) -> None:
    world.policy(mode="Enforce", destroy=None)
    options = ["--watch-seconds=2", "--resync-seconds=2"]
    with world.operator(*options, kubeconfig=account, previews=4, clusterwide=kind == CLUSTERWIDE) as operator:
        [preview] = until(lambda: world.jobs(purpose="preview"))
        said = {"run": "r1", "action": Action.ARCHIVE, "policy": f"{world.namespace}/finished"}
        world.ends(preview, Report.model_validate({**said, "state": State.PREVIEW, "matched": {"items": 2}}))
        until(lambda: "matched" in world.status("finished"))
        world.annotate("finished", run_now="1")
        [job] = until(lambda: world.jobs(purpose="now"))
        world.pod_of(job)
        world.patch("finished", {"mode": "Preview"})
        until(lambda: not world.jobs(purpose="now"))
        [cron_job] = world.all(CRON_JOBS)
        spy = {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "spy", "image": "spy"}]}}}}}}
        where = ["cronjob", cron_job["metadata"]["name"], f"--namespace={world.namespace}"]
        world.kubernetes.kubectl("patch", *where, "--type=strategic", "--patch", json.dumps(spy))
        until(lambda: len(world.all(CRON_JOBS)[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]) == 1)
        assert ("Normal", "Preview") in until(lambda: world.events("finished"))
        world.delete("finished")
        until(lambda: not world.all(CRON_JOBS) and not world.bundle())
        assert "forbidden" not in operator.log.lower()


NEVER = [
    ("get", "secrets"),
    ("create", "pods"),
    ("delete", "pods"),
    ("update", "assetpolicies.holdfast.dev"),
    ("patch", "assetpolicies.holdfast.dev"),
    ("delete", "assetpolicies.holdfast.dev"),
    ("approve", "assetpolicies.holdfast.dev"),
    ("get", "configmaps"),
    ("create", "deployments.apps"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
]


def test_it_has_no_others(world: World, account: Path) -> None:
    assert may(world, "list", "assetpolicies.holdfast.dev", world.namespace), "it is asked about somebody who is there"
    assert [one for one in NEVER if may(world, *one, world.namespace)] == []


def test_its_rights_end_at_its_namespace(world: World, kind: str, account: Path) -> None:
    own = ("cronjobs.batch", "jobs.batch", "pods", "configmaps")
    assert [one for one in own if may(world, "list", one, "default")] == []
    assert may(world, "list", "assetpolicies.holdfast.dev", "default") is (kind == CLUSTERWIDE)


def may(world: World, verb: str, resource: str, namespace: str) -> bool:
    user = f"--as=system:serviceaccount:{world.namespace}:holdfast-operator"
    asked = world.kubernetes.asked(["auth", "can-i", verb, resource, f"--namespace={namespace}", user], None, check=False)
    return {"yes": True, "no": False}[asked.stdout.strip()]
