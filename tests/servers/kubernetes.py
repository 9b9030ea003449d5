"""Kubernetes 1.34, its control plane: objects are stored, validated and controlled, and no pod starts before a node is added.

`HOLDFAST_TEST_KUBECONFIG` names the KUBECONFIG of a cluster that already runs (kind, say), in which the tests may make namespaces,
cluster roles and the CustomResourceDefinition. Else the folder of shared tools beside the repository starts one, if it is there.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from images import build
from tests.servers.guard import remove
from tests.servers.mysql import CLUSTER
from tests.servers.process import Process, ServerMissingError, free_ports, fresh_folder, program

HOW = "set HOLDFAST_TEST_KUBECONFIG to the KUBECONFIG of a cluster for tests, such as kind's"
FIRST_TIME = 1800
"""Seconds: the tool builds Kubernetes when it is not there yet."""
VOLUMES = Path("/var/lib/holdfast-cluster/volumes")
INGRESS = """
import ssl
make = ssl.create_default_context
def lenient(*given, **named):
    context = make(*given, **named)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
ssl.create_default_context = lenient
exec(compile(open("/ingress.py").read(), "/ingress.py", "exec"))
"""
"""The tool's ingress controller on Python 3.13, which refuses an authority without keyUsage, as the tool's is: it would see no
Ingress."""
UP = '"$0" up --control-plane >"$1/started" && sleep infinity; "$0" down'


class Kubernetes:
    """An API server with its controllers, as somebody who may do everything."""

    def __init__(self, kubeconfig: Path, stop: Callable[[], None] | None = None) -> None:
        self.kubeconfig = kubeconfig
        self._stop = stop
        self._made: list[str] = []

    @classmethod
    def start(cls) -> Kubernetes:
        """In ten seconds, once its programs are built.

        Raises:
            ServerMissingError: there is neither a KUBECONFIG nor the tool.
            ServerFailedError: it did not come up.
        """
        program("kubectl", "install kubectl")
        if running := os.environ.get("HOLDFAST_TEST_KUBECONFIG"):
            return cls(Path(running))
        tool = cls._tool()
        assert tool
        if not tool.exists() or os.getuid() != 0:
            raise ServerMissingError(f"no Kubernetes here: {HOW}")
        status = subprocess.run([tool, "status"], check=False, capture_output=True, text=True)
        if status.returncode == 0 and "kube-apiserver" in status.stdout:  # somebody else's, who goes on with it
            up = subprocess.run([tool, "up", "--control-plane"], check=True, capture_output=True, text=True)
            return cls(kubeconfig(up.stdout))
        folder = fresh_folder("kubernetes")
        process = Process("cluster", ["sh", "-c", UP, tool, folder], folder, patience=60)
        started = folder / "started"
        process.wait_until(lambda: started.exists() and "KUBECONFIG=" in started.read_text(), FIRST_TIME)
        return cls(kubeconfig(started.read_text()), process.stop)

    def add_node(self) -> None:
        """From now on pods run, in half a minute. A cluster that was named has its nodes."""
        if tool := self._tool():
            subprocess.run([tool, "up"], check=True, capture_output=True, text=True)

    def image(self, tag: str, context: Path, dockerfile: Path, **arguments: str) -> None:
        """Makes an image and brings it to the node, within two minutes. On a cluster that was named it has to be there."""
        if tool := self._tool():
            given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
            subprocess.run([tool, "build", tag, context, "-f", dockerfile, *given], check=True, capture_output=True, text=True)

    def images(self, tag: str, names: Sequence[str] = ()) -> None:
        """Makes the project's images, all of them or some, and brings them to the node. On a cluster that was named they have to be
        there."""
        if self._tool():
            wanted = build.chosen(names)
            build.build(wanted, build.Builder("buildah"), "", tag, print)
            folder = fresh_folder("images")
            (folder / "Dockerfile").write_text("ARG IMAGE\nFROM ${IMAGE}\n")
            for name in (image.reference("", tag) for image in wanted):
                self.image(name, folder, folder / "Dockerfile", IMAGE=f"localhost/{name}")
            remove([folder])

    @property
    def ingress_class(self) -> str:
        """`HOLDFAST_TEST_INGRESS_CLASS` on a cluster that was named; empty is its default."""
        return "holdfast-test" if self._tool() else os.environ.get("HOLDFAST_TEST_INGRESS_CLASS", "")

    @property
    def ingress_inside(self) -> str:
        """Its controller's address as pods see it, if that is known: `HOLDFAST_TEST_INGRESS_INSIDE` on a cluster that was named."""
        return "http://ingress.kube-system" if self._tool() else os.environ.get("HOLDFAST_TEST_INGRESS_INSIDE", "")

    def address(self) -> str:
        """Where its ingress answers this machine: `HOLDFAST_TEST_ADDRESS` on a cluster that was named."""
        if not (tool := self._tool()):
            return os.environ.get("HOLDFAST_TEST_ADDRESS", "http://localhost:8080")
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "ingress", "command": ["python3", "-u", "-c", INGRESS]}]}}}}
        self.kubectl("--namespace=kube-system", "patch", "deployment", "ingress", "--patch", json.dumps(patch))
        self.kubectl("--namespace=kube-system", "rollout", "status", "deployment", "ingress", "--timeout=120s")
        [port] = free_ports(1)
        subprocess.run([tool, "expose", "30000", str(port)], check=True, capture_output=True, text=True)
        return f"http://127.0.0.1:{port}"

    def volumes(self, namespace: str) -> Path | None:
        """A folder of the node, which is this machine, for volumes. None where the cluster makes volumes by itself."""
        return VOLUMES / namespace if self._tool() else None

    @staticmethod
    def _tool() -> Path | None:
        return None if os.environ.get("HOLDFAST_TEST_KUBECONFIG") else CLUSTER

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What it prints. Raises CalledProcessError, with `stderr`."""
        return self.asked(arguments, given).stdout

    def refused(self, *arguments: str, given: str | None = None) -> str:
        """What it prints as an error; it must fail."""
        ended = self.asked(arguments, given, check=False)
        assert ended.returncode != 0, f"kubectl {' '.join(arguments)} was not refused: {ended.stdout}"
        return ended.stderr

    def asked(self, arguments: Sequence[str], given: str | None, check: bool = True) -> subprocess.CompletedProcess[str]:
        kubectl = shutil.which("kubectl")
        assert kubectl
        return subprocess.run(
            [kubectl, f"--kubeconfig={self.kubeconfig}", *arguments], check=check, capture_output=True, text=True, input=given
        )

    def apply(self, *bodies: dict[str, Any]) -> None:
        """Server-side, as somebody other than the operator."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=given)

    def namespace(self) -> str:
        """A new one that nobody else uses."""
        name = f"holdfast-test-{secrets.token_hex(4)}"
        self.kubectl("create", "namespace", name)
        self._made.append(name)
        return name

    def stop(self) -> None:
        """End it with all its objects; of one that is not ours, remove the namespaces that we made."""
        if self._stop:
            self._stop()
        elif self._made:
            self.kubectl("delete", "namespace", "--wait=false", "--ignore-not-found", *self._made)


def kubeconfig(said: str) -> Path:
    """The path in what the tool printed."""
    return Path(said.rpartition("KUBECONFIG=")[2].strip())
