"""An installation of the chart, which the tests of test_release.py use one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.policies.model import GROUP, PLURAL
from tests.charts.release import LAKEFS, Release
from tests.cluster.world import install_crd
from tests.servers.helm import Helm
from tests.servers.kubernetes import Kubernetes


@pytest.fixture(scope="module")
def release(node: Kubernetes, helm: Helm) -> Iterator[Release]:
    """Not installed yet, in a namespace whose pods have to keep the restricted Pod Security Standard."""
    node.images("dev")
    if LAKEFS:
        node.bring(LAKEFS)
    namespace = node.namespace()
    node.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    _hand_over_the_definition(node, namespace)
    release = Release(node, helm, namespace, node.address())
    yield release
    release.helm_asked("uninstall", "holdfast", "--ignore-not-found", "--wait", "--timeout=3m")
    node.kubectl("delete", "namespace", namespace, "--wait=false")
    node.kubectl("delete", "persistentvolume", "--wait=false", "--selector=app.kubernetes.io/part-of=holdfast")


def _hand_over_the_definition(kubernetes: Kubernetes, namespace: str) -> None:
    """There is one CustomResourceDefinition in a cluster. Whoever needed it first, it becomes the release's: Helm asks for that."""
    install_crd(kubernetes)
    crd = f"customresourcedefinition/{PLURAL}.{GROUP}"
    owner = ["meta.helm.sh/release-name=holdfast", f"meta.helm.sh/release-namespace={namespace}"]
    kubernetes.kubectl("annotate", "--overwrite", crd, *owner)
    kubernetes.kubectl("label", "--overwrite", crd, "app.kubernetes.io/managed-by=Helm")
