"""What the chart asks a cluster for while it is rendered, of a stand-in for the API server that has no more than that."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.charts.rendering import Body
from tests.docs.pages import CHART
from tests.servers.helm import KUBERNETES, NAMESPACE, RELEASE, Helm
from tests.serving import serving

PLURALS = {
    "Secret": "secrets",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PersistentVolume": "persistentvolumes",
    "ServiceAccount": "serviceaccounts",
}


def installed(there: list[Body], values: Body, folder: Path) -> subprocess.CompletedProcess[str]:
    """What Helm says of an installation with these values in a cluster that has these objects. `folder`: an empty one."""
    with _cluster(there) as address:
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "stand-in", "cluster": {"server": address}}],
            "users": [{"name": "anybody", "user": {}}],
            "contexts": [{"name": "stand-in", "context": {"cluster": "stand-in", "user": "anybody"}}],
            "current-context": "stand-in",
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
        (folder / "values.yaml").write_text(yaml.safe_dump(values))
        where = [f"--kubeconfig={folder}/kubeconfig", f"--kube-version={KUBERNETES}", f"--namespace={NAMESPACE}"]
        return Helm.start().asked("template", RELEASE, CHART, "--dry-run=server", *where, f"--values={folder}/values.yaml")


@contextmanager
def _cluster(there: list[Body]) -> Iterator[str]:
    """The address of one, to the end of the block."""
    known = _replies(there)

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = known.get(self.path.partition("?")[0])
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            text = json.dumps(body or missing).encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None: ...

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Answering)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def _replies(there: list[Body]) -> dict[str, Body]:
    """By path: which kinds there are, each of them as a list, and each object."""
    resources, found = list[Body](), dict[str, Body]()
    for kind, plural in PLURALS.items():
        namespaced = kind != "PersistentVolume"
        resources.append({"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]})
        folder = f"/api/v1/namespaces/{NAMESPACE}/{plural}" if namespaced else f"/api/v1/{plural}"
        items = [one for one in there if one["kind"] == kind]
        found[folder] = {"apiVersion": "v1", "kind": f"{kind}List", "metadata": {}, "items": items}
        found |= {f"{folder}/{one['metadata']['name']}": one for one in items}
    return found | {"/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": resources}}
