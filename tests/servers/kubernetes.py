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
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from images import build
from tests.servers import weights
from tests.servers.mysql import CLUSTER
from tests.servers.process import Process, ServerFailedError, ServerMissingError, free_ports, fresh_folder, passing_folder, program

HOW = "set HOLDFAST_TEST_KUBECONFIG to the KUBECONFIG of a cluster for tests, such as kind's"
FIRST_TIME = 1800
"""Seconds: whoever is the first may have to build Kubernetes."""
VOLUMES = Path("/var/lib/holdfast-cluster/volumes")
SHARES = Path("/sys/fs/cgroup/cpu/kubepods/cpu.shares")
"""How much of the processors all pods get together (cgroup v1); each process outside, such as of the other tests, counts 1024. The
kubelet makes it as much as two of those, while of a starting installation thirty want to run: ``add_node`` makes it eight."""
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
TOOL = "holdfast-cluster"
"""Part of the command line of each of its processes."""
SHARED = Path(tempfile.gettempdir()) / "holdfast-kubernetes"
"""Beginning of the names of three files: whoever starts or ends the cluster has locked `.turn`, whoever uses it has a share of
`.use`, and `.ours` is there while it is one that tests started."""
USE = """
exec 8>"$1.turn" 9>"$1.use"
flock 8 || exit 1
case $("$0" status 8>&- 9>&-) in
    *kube-apiserver*) if flock --nonblock 9; then rm -f "$1.ours"; fi ;;
    *) touch "$1.ours" ;;
esac
flock --shared 9 && flock --unlock 8 && echo in use && sleep infinity 8>&- 9>&-
flock 8
if flock --nonblock 9 && [ -e "$1.ours" ]; then "$0" down 8>&- 9>&-; fi
"""
"""The processes of a test run share a cluster: the first starts it, and the last ends it. One that was there before any of them is
somebody else's, who goes on with it. It is not started here, or it would end with the guard of whoever did."""


class Kubernetes:
    """An API server with its controllers, as somebody who may do everything."""

    def __init__(self, kubeconfig: Path, stop: Callable[[], None] | None = None) -> None:
        self.kubeconfig = kubeconfig
        self._stop = stop
        self._made: list[str] = []
        self._brought: set[str] = set()

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
        process = Process("cluster", ["bash", "-c", USE, tool, SHARED], fresh_folder("kubernetes"), patience=60)
        process.wait_until(lambda: "in use" in process.said(), FIRST_TIME)
        try:
            return cls(kubeconfig(cls._up(tool, "--control-plane")), process.stop)
        except BaseException:
            process.stop()
            raise

    def add_node(self) -> None:
        """From now on pods run, in half a minute. A cluster that was named has its nodes."""
        if tool := self._tool():
            try:
                self._up(tool)
            except ServerFailedError:  # a busy machine may take longer than the tool waits
                self._up(tool)
            if SHARES.exists():
                SHARES.write_text("8192")
                weights.balance(TOOL)

    def image(self, tag: str, context: Path, dockerfile: Path, **arguments: str) -> None:
        """Makes an image and brings it to the node, within two minutes. On a cluster that was named it has to be there."""
        if tool := self._tool():
            given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
            subprocess.run([tool, "build", tag, context, "-f", dockerfile, *given], check=True, capture_output=True, text=True)

    def images(self, tag: str, names: Sequence[str] = ()) -> None:
        """Makes the project's images, all of them or some, and brings them to the node, each once. On a cluster that was named they
        have to be there."""
        if self._tool():
            wanted = [one for one in build.chosen(names) if one.reference("", tag) not in self._brought]
            self._brought |= {one.reference("", tag) for one in wanted}
            build.build(wanted, build.Builder("buildah"), "", tag, print)
            self.bring(*(image.reference("", tag) for image in wanted))

    def sizes(self, tag: str) -> dict[str, str]:
        """What each of the project's images takes, unpacked, with what it shares. Nobody knows on a cluster that was named."""
        if not self._tool():
            return {}
        known = build.Builder("buildah").sizes()
        return {one.name: known[one.reference("", tag)] for one in build.images()}

    def bring(self, *names: str) -> None:
        """Images that are on this machine to the node."""
        with passing_folder("images") as folder:
            (folder / "Dockerfile").write_text("ARG IMAGE\nFROM ${IMAGE}\n")
            for name in names:
                self.image(name, folder, folder / "Dockerfile", IMAGE=f"localhost/{name}")

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
    def _up(tool: Path, *options: str) -> str:
        """What the tool prints. Raises ServerFailedError."""
        ended = subprocess.run(
            ["flock", "--close", f"{SHARED}.turn", tool, "up", *options], check=False, capture_output=True, text=True
        )
        if ended.returncode:
            raise ServerFailedError(f"the cluster does not come up: {ended.stderr[-2000:]}")
        return ended.stdout

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
        """Remove the namespaces that we made, and end it if it is ours and nobody else uses it."""
        if self._made:
            self.kubectl("delete", "namespace", "--wait=false", "--ignore-not-found", *self._made)
        if self._stop:
            self._stop()


def kubeconfig(said: str) -> Path:
    """The path in what the tool printed."""
    return Path(said.rpartition("KUBECONFIG=")[2].strip())
