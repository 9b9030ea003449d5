"""An installation of the chart, which the tests of test_release.py use one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.charts.release import Release
from tests.servers.helm import Helm
from tests.servers.kubernetes import Kubernetes


@pytest.fixture(scope="module")
def release(kubernetes: Kubernetes, helm: Helm) -> Iterator[Release]:
    """Not installed yet, in a namespace whose pods have to keep the restricted Pod Security Standard. It goes with the module: its
    operator looks at policies everywhere, those of other tests too."""
    kubernetes.add_node()
    kubernetes.images("dev")
    namespace = kubernetes.namespace()
    kubernetes.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    _hand_over_the_definition(kubernetes, namespace)
    release = Release(kubernetes, helm, namespace, kubernetes.address())
    yield release
    release.helm_asked("uninstall", "holdfast", "--ignore-not-found", "--wait", "--timeout=3m")
    kubernetes.kubectl("delete", "namespace", namespace, "--wait=false")
    kubernetes.kubectl("delete", "persistentvolume", "--wait=false", "--selector=app.kubernetes.io/part-of=holdfast")


def _hand_over_the_definition(kubernetes: Kubernetes, namespace: str) -> None:
    """There is one CustomResourceDefinition in a cluster. If other tests made it, it becomes the release's, as Helm asks for it."""
    crd = "customresourcedefinition/assetpolicies.holdfast.dev"
    if kubernetes.kubectl("get", "--ignore-not-found", crd):
        owner = ["meta.helm.sh/release-name=holdfast", f"meta.helm.sh/release-namespace={namespace}"]
        kubernetes.kubectl("annotate", "--overwrite", crd, *owner)
        kubernetes.kubectl("label", "--overwrite", crd, "app.kubernetes.io/managed-by=Helm")
