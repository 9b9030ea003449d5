"""Jobs that are no hooks: Kubernetes lets nobody change the pods of one that is there, so another spec is a Job of another name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.charts.rendering import Body, of_kind
from tests.docs.pages import CHART
from tests.servers.helm import Helm

POSTGRES: Body = {"lakefs": {"database": "postgres"}, "existingSecret": "mine"}


def jobs(chart: Path, values: Body) -> dict[str, Body]:
    """The specs at an upgrade, by name."""
    found = of_kind(Helm.start().objects(chart, values, upgrade=True), "Job").items()
    return {name: one["spec"] for name, one in found if "helm.sh/hook" not in one["metadata"].get("annotations", {})}


@pytest.mark.parametrize(
    ("values", "other"),
    [
        ({"seaweedfs": {"master": {"replicas": 5}}}, {"seaweedfs-bucket"}),
        ({"seaweedfs": {"fsync": False}}, {"seaweedfs-bucket"}),
        ({"seaweedfs": {"image": "registry.example.org/seaweedfs:5"}}, {"seaweedfs-bucket"}),
        ({"image": {"pullPolicy": "Always"}}, {"seaweedfs-bucket", "lakefs-setup"}),
        ({"image": {"pullSecrets": ["registry"]}}, {"seaweedfs-bucket", "lakefs-setup"}),
        ({"functions": {"replicas": 3}}, set()),
    ],
)
def test_other_values_make_another_job_and_change_none(values: Body, other: set[str]) -> None:
    before, after = jobs(CHART, POSTGRES), jobs(CHART, {**POSTGRES, **values})
    assert {name: spec for name, spec in before.items() if name in after} == {
        name: spec for name, spec in after.items() if name in before
    }
    assert {name.removeprefix("holdfast-").rpartition("-")[0] for name in set(before) - set(after)} == other
    assert len(before) == len(after) == 2


def test_another_version_of_the_chart_leaves_the_jobs_as_they_are(tmp_path: Path) -> None:
    newer = tmp_path / "holdfast"
    shutil.copytree(CHART, newer)
    about = newer / "Chart.yaml"
    about.write_text(about.read_text().replace("0.1.0", "0.2.0"))
    assert jobs(newer, POSTGRES) == jobs(CHART, POSTGRES)
