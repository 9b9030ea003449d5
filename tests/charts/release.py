"""An installation of the chart on a real cluster, as whoever runs Helm and kubectl has it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.behaviour.readme_000 import bearer, log_in
from tests.charts.rendering import PROFILES
from tests.docs.pages import CHART, ROOT
from tests.monitoring.firing import firing
from tests.servers.helm import KUBERNETES, Helm
from tests.servers.kubernetes import Kubernetes
from tests.servers.process import Process, fresh_folder, program
from tests.servers.prometheus import Promtool
from tests.waiting import until

NAME = "holdfast"
LAKEFS = os.environ.get("HOLDFAST_TEST_LAKEFS_IMAGE", "")
"""Name of a lakeFS image, where there is one: versions are its commits then, and rows of the database otherwise. The shared tool
takes it from the images of this machine; on a cluster that was named it has to be there."""
MONITORED = [f"app.kubernetes.io/{one}" for one in ("name", "instance", "component")]
"""Labels of pods that the chart's monitors give to what these tell."""
OF_THE_MACHINE = {"VolumeServerDiskUsageHigh"}
"""Alerts that tell of the disk of the machine that is the node, which is as full as it is."""
A_LOOK = 0.5
"""Seconds from one look at all of it to the next: a look costs kubectl and the API server a tenth of a second."""
A_PAUSE = 0.1
"""Seconds from one upload to the next of somebody who uploads while pods die: without it he takes a whole processor from those that
are to come up."""
SOON = 600.0
"""Seconds for whatever pods have to start for, on two cores."""


class Release:
    """`address`: of the ingress, for clients."""

    def __init__(self, kubernetes: Kubernetes, helm: Helm, namespace: str, address: str, name: str = NAME) -> None:
        self.kubernetes, self._helm, self.namespace, self.address = kubernetes, helm, namespace, address
        self.name = name

    def values(self) -> list[str]:
        """What is said to Helm besides the profile: where the ingress and the volumes are."""
        said = {"ingress.publicUrl": self.address, "ingress.className": self.kubernetes.ingress_class}
        if url := self.kubernetes.ingress_inside:
            said["test.url"] = url
        folder = self.kubernetes.volumes(self.namespace)
        if LAKEFS:
            said |= {"versions": "lakefs", "lakefs.image": LAKEFS}
        said |= {"storage.hostPath.path": str(folder)} if folder else {"storage.kind": "storageClass"}
        return ["--values", str(PROFILES["tests"]), *(f"--set={name}={value}" for name, value in said.items())]

    def install(self, *more: str) -> float:
        """Seconds until all is ready. Raises AssertionError with what Helm says."""
        if folder := self.kubernetes.volumes(self.namespace):
            self._folders(folder)
        began = time.monotonic()
        self.helm("install", self.name, str(CHART), *self.values(), *more)
        self.settle()
        return time.monotonic() - began

    def upgrade(self, *more: str) -> None:
        self.helm("upgrade", self.name, str(CHART), *self.values(), *more)

    def helm(self, *arguments: str) -> str:
        ended = self.helm_asked(*arguments)
        assert ended.returncode == 0, f"helm {arguments[0]}: {ended.stderr}{ended.stdout}"
        return ended.stdout

    def helm_asked(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._helm.asked(*arguments, "--namespace", self.namespace, "--kubeconfig", self.kubernetes.kubeconfig)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return self.kubernetes.kubectl("--namespace", self.namespace, *arguments, given=given)

    def all(self, kind: str, *more: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "--output=json", *more))["items"]
        return items

    def settle(self, seconds: float = SOON) -> None:
        """Waits until every Deployment and StatefulSet is as it is written, and all their pods are ready, and none ends."""
        until(self._settled, seconds, often=A_LOOK)

    def _settled(self) -> bool:
        found = self.all("deployments,statefulsets,pods")
        workloads = [one for one in found if one["kind"] != "Pod"]
        pods = [one for one in found if one["kind"] == "Pod" and _owner(one) in {"ReplicaSet", "StatefulSet"}]
        pods_wanted = 0
        for one in workloads:
            spec, status, name = one["spec"], one["status"], one["metadata"]["name"]
            assert status.get("observedGeneration") == one["metadata"]["generation"], name
            wanted = spec["replicas"]
            assert status.get("readyReplicas", 0) == status.get("updatedReplicas", 0) == status["replicas"] == wanted, name
            pods_wanted += wanted
        assert len([one for one in pods if _ready(one)]) == pods_wanted  # those who count them notice later that one is gone
        return not any("deletionTimestamp" in one["metadata"] for one in pods)

    def pods(self, component: str) -> list[str]:
        """Names of those that are not ending, in order."""
        found = self.all("pods", f"--selector=app.kubernetes.io/component={component}")
        return sorted(one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"])

    def components(self) -> list[str]:
        """Of all pods that run, but for Jobs'."""
        return sorted(
            {
                one["metadata"]["labels"]["app.kubernetes.io/component"]
                for one in self.all("pods", "--field-selector=status.phase=Running")
                if "app.kubernetes.io/component" in one["metadata"]["labels"]
            }
        )

    def scraped(self) -> Iterator[tuple[dict[str, str], str]]:
        """What each pod tells at its port for metrics, through the API server, with the labels that the chart's monitors add.

        Raises AssertionError when one does not answer."""
        for pod in self.all("pods", "--field-selector=status.phase=Running"):
            ports = {port["name"]: port["containerPort"] for one in pod["spec"]["containers"] for port in one.get("ports", [])}
            known = pod["metadata"]["labels"]
            component = known.get("app.kubernetes.io/component", "")
            of_ours = component == "worker" or component.startswith("function-")
            if (port := ports.get("http" if of_ours else "metrics")) is not None:
                path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}:{port}/proxy/metrics"
                given = {name.replace(".", "_").replace("/", "_"): known[name] for name in MONITORED}
                given |= {"namespace": self.namespace, "pod": pod["metadata"]["name"]}
                try:
                    told = self.kubernetes.kubectl("get", f"--raw={path}")
                except subprocess.CalledProcessError as error:  # a pod that has just gone
                    raise AssertionError(error.stderr) from error
                yield given, told

    def is_well(self, promtool: Promtool) -> None:
        """Waits until no alert would fire if all stayed as it is told: the worker looks at each store every fifteen seconds."""

        def nothing_fires() -> bool:
            found = firing(promtool, self.scraped(), time.time())
            assert found.keys() <= OF_THE_MACHINE, found
            return True

        until(nothing_fires, 120, often=5)

    def memory(self) -> dict[tuple[str, str], dict[int, float]]:
        """MiB of each process of the running containers, by what the kernel says in them: by component and container. Those whose
        image has no shell are left out, and so is what asks."""
        found = {}
        for pod in self.all("pods", "--field-selector=status.phase=Running"):
            for container in pod["spec"]["containers"]:
                name, component = pod["metadata"]["name"], pod["metadata"]["labels"].get("app.kubernetes.io/component", "")
                looking = "grep -E '^(Name|VmRSS):' /proc/[0-9]*/status"
                reading = ["exec", name, f"--container={container['name']}", "--", "sh", "-c", looking]
                ended = self.kubernetes.asked([f"--namespace={self.namespace}", *reading], None, check=False)
                if said := re.findall(r"/proc/(\d+)/status:(?:Name:\s+(\S+)|VmRSS:\s+(\d+) kB)", ended.stdout):
                    ours = {pid for pid, program, _ in said if program in {"sh", "grep"} and pid != "1"}
                    sizes = {int(pid): int(kib) / 1024 for pid, _, kib in said if kib and pid not in ours}
                    found[component, f"{name}/{container['name']}"] = sizes
        return found

    def kill(self, *pods: str) -> None:
        """At once, as if their node had died."""
        self.kubectl("delete", "pod", "--grace-period=0", "--force", "--wait=false", *pods)

    def evict(self, pod: str) -> None:
        """Once its PodDisruptionBudget lets it go, as a node does that is drained."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.namespace}}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"

        def evicted() -> bool:
            ended = self.kubernetes.asked(["create", f"--raw={path}", "--filename=-"], json.dumps(body), check=False)
            assert ended.returncode == 0, ended.stderr
            return True

        until(evicted, often=A_LOOK)

    def ran(self, name: str) -> str:
        """What a Job says that is made from one of its CronJobs and completes."""
        job = f"{name}-{secrets.token_hex(3)}"
        full = NAME if NAME in self.name else f"{self.name}-{NAME}"
        self.kubectl("create", "job", job, f"--from=cronjob/{full}-{name}")
        self.kubectl("wait", "--for=condition=Complete", f"job/{job}", "--timeout=300s")
        return self.kubectl("logs", f"job/{job}")

    @contextmanager
    def forwarded(self, pod: str, port: int) -> Iterator[str]:
        """The address at which this machine reaches a port of a pod, to the end of the block."""
        told = ["--namespace", self.namespace, "port-forward", f"pod/{pod}", f":{port}"]
        command: list[str | Path] = [program("kubectl", "install kubectl"), f"--kubeconfig={self.kubernetes.kubeconfig}", *told]
        process = Process("forward", command, fresh_folder("forward"))
        try:
            process.wait_until(lambda: "Forwarding from 127.0.0.1:" in process.said())
            yield f"http://127.0.0.1:{process.said().partition('127.0.0.1:')[2].partition(' ')[0]}"
        finally:
            process.stop()

    def _folders(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        manifests = self.helm("template", self.name, str(CHART), f"--kube-version={KUBERNETES}", *self.values())
        made = subprocess.run(
            ["sh", ROOT / "k8s" / "nfs" / "make-folders.sh", folder], input=manifests, check=True, capture_output=True, text=True
        )
        assert "folders are ready" in made.stdout

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.address, timeout=60) as http:
            yield http

    def troubles(self) -> str:
        """What there is to see when something went wrong."""
        shown = [
            self.kubectl("get", "pods", "--output=wide"),
            self.kubectl("get", "events", "--sort-by=.lastTimestamp")[-4000:],
        ]
        return "\n".join(shown)


@contextmanager
def explained(release: Release) -> Iterator[None]:
    """Prints what the cluster shows when something fails within."""
    try:
        yield
    except BaseException:
        print(release.troubles())
        raise


@dataclass
class Uploading:
    """Somebody who uploads one small file after the other. `kept`: by version id the path and the hash of what was acknowledged;
    `failed`: when an upload was not, in seconds from the beginning; `put_off`: what a registration
    was answered before it worked."""

    release: Release
    username: str
    kept: dict[str, tuple[str, str]] = field(default_factory=dict)
    failed: list[float] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    put_off: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Uploading:
        with self.release.client() as http:
            self.who = until(lambda: self._registered(http))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _registered(self, http: httpx.Client) -> dict[str, str] | None:
        """Comes back later when he is told to, as whoever reads Retry-After does."""
        reply = http.post("/users", json={"username": self.username, "password": "admin_password"})
        if reply.status_code == 503:
            self.put_off.append(f"{reply.text}\n{self.release.kubectl('logs', 'deployment/holdfast-users', '--tail=3')}")
            return None
        assert reply.status_code in {200, 409}, reply.text  # 409: it was done although 503 was said
        return bearer(log_in(http, self.username, "admin_password")["access_token"])

    def now(self) -> float:
        return time.monotonic() - self._began

    def _go(self) -> None:
        number = 0
        with httpx.Client(base_url=self.release.address, timeout=45) as http:
            while not self._stopping.is_set():
                number += 1
                content = f"{self.username} {number}".encode() * 200
                try:
                    reply = http.post(
                        "/fileupload", headers=self.who, files={"primary_file": (f"{number % 20}.txt", content, "text/plain")}
                    )
                except httpx.HTTPError:
                    self.failed.append(self.now())
                    time.sleep(0.2)
                    continue
                if reply.status_code == 200:
                    asset = reply.json()
                    self.kept[asset["version_id"]] = (asset["asset_path"], sha256(content).hexdigest())
                    self.moments.append(self.now())
                    time.sleep(A_PAUSE)
                else:
                    self.failed.append(self.now())
                    time.sleep(0.2)

    def goes_on(self, seconds: float = SOON) -> None:
        """Waits until three more are acknowledged."""
        have = len(self.kept)
        until(lambda: len(self.kept) >= have + 3, seconds)

    def lost(self) -> list[str]:
        """Version ids of what was acknowledged and cannot be read as it was sent."""
        missing = []
        with self.release.client() as http:
            for version, (path, digest) in self.kept.items():
                reply = http.get(f"/filedownload/{path}/{version}", headers=self.who)
                url = reply.json()["primary_file"]["url"] if reply.status_code == 200 else None
                if url is None or sha256(http.get(url).content).hexdigest() != digest:
                    missing.append(version)
        return missing

    def gap(self, since: float) -> float:
        """The longest time after `since` in which nothing was acknowledged."""
        moments = [since, *(one for one in self.moments if one >= since), self.now()]
        return max(after - before for before, after in pairwise(moments))


class Asking:
    """Several who ask one thing each over and over, and note each reply that is no 200, and after how many seconds it came."""

    def __init__(self, release: Release, asks: dict[str, Callable[[httpx.Client], httpx.Response]]) -> None:
        self._release, self._asks = release, asks
        self.count, self.failed = 0, list[str]()
        self._began = time.monotonic()

    def __enter__(self) -> Asking:
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._go, args=one) for one in self._asks.items()]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _go(self, name: str, ask: Callable[[httpx.Client], httpx.Response]) -> None:
        with self._release.client() as http:
            while not self._stopping.is_set():
                try:
                    reply = ask(http)
                    said = None if reply.status_code == 200 else f"{name}: {reply.status_code} {reply.text[:200]}"
                except httpx.HTTPError as error:
                    said = f"{name}: {error!r}"
                self.count += 1
                if said:
                    self.failed.append(f"{time.monotonic() - self._began:.1f} s: {said}")
                time.sleep(0.05)


def _owner(pod: dict[str, Any]) -> str:
    """The kind of what made it."""
    return str(pod["metadata"].get("ownerReferences", [{}])[0].get("kind", ""))


def _ready(pod: dict[str, Any]) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", []))


def netloc(url: str) -> str:
    return urlsplit(url).netloc


class AtTheIngress(httpx.HTTPTransport):
    """``address``: of the ingress, for every host."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._there = httpx.URL(address)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(host=self._there.host, port=self._there.port)
        sent = httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions)
        return super().handle_request(sent)
