"""What the tests do in a cluster, and what they see there: policies, the operator's process, a kubelet's words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from kubernetes import client, config

from holdfast.policies.crd import crd
from holdfast.policies.model import API_VERSION, GROUP, KIND, PLURAL
from holdfast.policies.report import Report, to_message
from holdfast_operator.cluster import CONFIG_MAPS, CRON_JOBS, EVENTS, JOBS, PODS, POLICIES, Body, Cluster, Kind, Refusal
from tests.servers.kubernetes import Kubernetes
from tests.waiting import PATIENCE, until

T = TypeVar("T")

NOWHERE = {"nodeSelector": {"holdfast.dev/test": "nowhere"}}
"""The Jobs' pods run on no node, so that the tests may write what a kubelet would, and none writes otherwise."""

SELDOM = f"0 3 1 {(datetime.now(UTC).month + 5) % 12 + 1} *"
"""A schedule half a year away, or what is tested at its hour would have a run of its own."""

SPEC: dict[str, Any] = {
    "workspaces": {"names": ["ada_space"]},
    "archive": {"afterDays": 30},
    "destroy": {"afterDays": 365},
}


class Operator:
    """A process of the operator. `writes` are those of this process."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process, self._folder = process, folder

    @property
    def writes(self) -> list[str]:
        file = self._folder / "writes"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def begun(self) -> bool:
        """Whether it has read everything, and watches."""
        return "Initial authentication has finished" in self.log

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)


class World:
    """One installation in a namespace of its own."""

    repository = Path(__file__).parents[2]

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.kubernetes = kubernetes
        self.namespace = kubernetes.namespace()
        configuration = client.Configuration()
        config.load_kube_config(config_file=str(kubernetes.kubeconfig), client_configuration=configuration)
        self.cluster = Cluster(configuration, 8)

    # -- what is there -------------------------------------------------------------------------------------------------

    def get(self, kind: Kind, name: str, namespace: str | None = None) -> Body:
        found = self.cluster.get(kind, namespace or self.namespace, name)
        assert found is not None, f"{kind.plural} {name} is not there"
        return found

    def all(self, kind: Kind, namespace: str | None = None) -> list[Body]:
        return self.cluster.list(kind, namespace or self.namespace)[0]

    def any(self, kind: Kind) -> bool:
        """Whether there is one, however many there are."""
        return bool(self.cluster.list(kind, self.namespace, {"limit": "1"})[0])

    def cron_jobs(self, policy: str | None = None) -> dict[str, Body]:
        """By action; of one policy where several are there."""
        return {
            one["metadata"]["labels"]["holdfast.dev/action"]: one
            for one in self.all(CRON_JOBS)
            if policy is None or one["metadata"]["labels"].get("holdfast.dev/policy") == policy
        }

    def jobs(self, policy: str | None = None, purpose: str | None = None) -> list[Body]:
        return [
            one
            for one in self.all(JOBS)
            if (policy is None or one["metadata"]["labels"].get("holdfast.dev/policy") == policy)
            and (purpose is None or one["metadata"]["labels"].get("holdfast.dev/purpose") == purpose)
        ]

    def status(self, policy: str, namespace: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.get(POLICIES, policy, namespace).get("status") or {}
        return found

    def condition(self, policy: str, kind: str, namespace: str | None = None) -> tuple[str, str] | None:
        """Status and reason."""
        for one in self.status(policy, namespace).get("conditions", []):
            if one["type"] == kind:
                return one["status"], one["reason"]
        return None

    def becomes(self, policy: str, kind: str, status: str, reason: str, namespace: str | None = None) -> None:
        """Returns once the policy's condition is so."""
        until(lambda: self.condition(policy, kind, namespace) == (status, reason))

    def events(self, policy: str, namespace: str | None = None) -> list[tuple[str, str]]:
        return [
            (one["type"], one["reason"])
            for one in self.all(EVENTS, namespace)
            if one["involvedObject"]["name"] == policy and one["involvedObject"]["kind"] == KIND
        ]

    def bundle(self) -> dict[str, Any]:
        found = self.cluster.get(CONFIG_MAPS, self.namespace, "holdfast-policies")
        return {key: json.loads(text) for key, text in ((found or {}).get("data") or {}).items()}

    # -- what people do ------------------------------------------------------------------------------------------------

    def policy(self, name: str = "finished", namespace: str | None = None, **spec: Any) -> Body:
        body = policy(name, namespace or self.namespace, **spec)
        self.kubernetes.apply(body)
        return self.get(POLICIES, name, namespace)

    def patch(self, name: str, spec: dict[str, Any]) -> None:
        self.cluster.merge(POLICIES, self.namespace, name, {"spec": spec})

    def annotate(self, name: str, **annotations: str | None) -> None:
        named = {f"holdfast.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.cluster.merge(POLICIES, self.namespace, name, {"metadata": {"annotations": named}})

    def delete(self, name: str) -> None:
        self.cluster.delete(POLICIES, self.get(POLICIES, name))

    def close(self) -> None:
        self.cluster.close()

    def delete_all(self, kind: Kind) -> None:
        """In one request, however long it takes."""
        self.kubernetes.kubectl("delete", f"--raw={kind.url(self.namespace)}")

    def remove(self) -> None:
        """Policies first: the next test's operator may look at those of all namespaces."""
        self.kubernetes.kubectl("delete", PLURAL, "--all", "--namespace", self.namespace)
        self.close()
        self.kubernetes.kubectl("delete", "namespace", "--wait=false", self.namespace)

    # -- what the kubelet does -----------------------------------------------------------------------------------------

    def pod_of(self, job: Body) -> Body:
        """The Job's pod, once the Job controller made it."""

        def found() -> Body | None:
            return next(
                (one for one in self.all(PODS) if one["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]), None
            )

        pod = until(found)
        assert pod is not None
        return pod

    def ends(self, job: Body, message: str | Report, *, code: int = 0) -> None:
        """The Job's pod ends with this termination message; returns when the Job has."""
        pod = self.pod_of(job)
        text = message if isinstance(message, str) else to_message(message)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ended = {
            "exitCode": code,
            "startedAt": now,
            "finishedAt": now,
            "message": text,
            "reason": "Completed" if not code else "Error",
        }
        status = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [
                {
                    "name": pod["spec"]["containers"][0]["name"],
                    "image": pod["spec"]["containers"][0]["image"],
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": ended},
                }
            ],
        }

        def written() -> bool:
            try:
                found = self.get(PODS, pod["metadata"]["name"])
                return bool(self.cluster.replace_status(PODS, {**found, "status": status}))
            except Refusal as refusal:
                if refusal.status != 409:  # else the scheduler came first
                    raise
                return False

        until(written)
        until(lambda: self.over(job))

    def over(self, job: Body) -> bool:
        status = self.get(JOBS, job["metadata"]["name"]).get("status") or {}
        return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in status.get("conditions", []))

    # -- the operator --------------------------------------------------------------------------------------------------

    @contextmanager
    def operator(
        self,
        *options: str,
        die_after: int | None = None,
        kubeconfig: Path | None = None,
        previews: int = 0,
        clusterwide: bool = False,
    ) -> Iterator[Operator]:
        """Runs it for as long as the block lasts; unless it died as told, it must then end well, without a traceback. Unless told
        so, it does not look at what other tests have in the cluster."""
        with tempfile.TemporaryDirectory(prefix="holdfast-operator-") as made:
            folder = Path(made)
            environment = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_OPERATOR_")}
            environment |= {"KUBECONFIG": str(kubeconfig or self.kubernetes.kubeconfig), "HOLDFAST_TEST_WRITES": f"{folder}/writes"}
            if die_after is not None:
                environment["HOLDFAST_TEST_DIE_AFTER"] = str(die_after)
            given = [
                f"--namespace={self.namespace}",
                "--image=holdfast/worker:test",
                "--settle-seconds=0.2",
                f"--previews={previews}",
                f"--pod={json.dumps(NOWHERE)}",
                "--clusterwide" if clusterwide else "--no-clusterwide",
            ]
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.cluster.program", *given, *options],
                    env=environment,
                    cwd=self.repository,
                    stdout=log,
                    stderr=log,
                )
            operator = Operator(process, folder)
            try:
                until(lambda: operator.begun() or process.poll() is not None)
                yield operator
                if die_after is None:
                    assert operator.stop() == 0, operator.log[-4000:]
                assert "Traceback" not in operator.log, operator.log[-4000:]
            except BaseException:
                print(operator.log[-6000:], file=sys.stderr)
                raise
            finally:
                process.kill()
                process.wait()


def policy(name: str, namespace: str, **spec: Any) -> Body:
    """A policy as one writes it. A field that is None is left out."""
    given = {key: value for key, value in {**SPEC, **spec}.items() if value is not None}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name, "namespace": namespace}, "spec": given}


def install_crd(kubernetes: Kubernetes) -> None:
    """Returns when the API server serves it."""
    kubernetes.apply(crd())
    kubernetes.kubectl("wait", "--for=condition=Established", f"crd/{PLURAL}.{GROUP}", "--timeout=60s")
