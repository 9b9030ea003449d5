"""Jobs that are no hooks: Kubernetes lets nobody change the pods of one that is there, so another spec is a Job of another name.

And what the migration does while the database does not let it in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.charts.rendering import Body, of_kind, render
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


MYSQL = """#!/bin/sh
echo "$*" >>{folder}/asked
[ "$1" = -e ] || exec cat >>{folder}/statements
{answers}
"""
"""A client that answers the first question with `answers`, and takes down all statements."""


def prepared(folder: Path, answers: str = "", **values: str) -> subprocess.CompletedProcess[str]:
    """What becomes of the migration's first step with such a client."""
    (folder / "mysql").write_text(MYSQL.format(folder=folder, answers=answers))
    (folder / "sleep").write_text("#!/bin/sh\n")
    for program in ("mysql", "sleep"):
        (folder / program).chmod(0o755)
    [step] = of_kind(render(upgrade=False, **values), "Job")["holdfast-migrate"]["spec"]["template"]["spec"]["initContainers"]
    given = {one["name"]: one.get("value", "secret") for one in step["env"]}
    return subprocess.run(
        step["command"],
        env={**given, "PATH": f"{folder}:{os.environ['PATH']}"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("exporter", ["true", "false"])
def test_the_exporter_of_mysql_has_a_user_of_its_own_who_reads_no_data(exporter: str, tmp_path: Path) -> None:
    assert prepared(tmp_path, mysql__exporter__enabled=exporter).returncode == 0
    said = [line.strip() for line in (tmp_path / "statements").read_text().splitlines() if "exporter" in line]
    assert (said != []) == (exporter == "true")
    assert [line.partition(" TO ")[0] for line in said if line.startswith("GRANT")] == (
        ["GRANT PROCESS, REPLICATION CLIENT ON *.*", "GRANT SELECT ON performance_schema.*"] if said else []
    )
    for container in of_kind(render(mysql__exporter__enabled=exporter), "StatefulSet")["holdfast-mysql"]["spec"]["template"][
        "spec"
    ]["containers"]:
        if container["name"] == "exporter":
            assert "--mysqld.username=holdfast_exporter" in container["args"]
            assert [one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"]] == ["database-exporter-password"]


def test_the_migration_waits_for_a_database_that_is_not_there_yet(tmp_path: Path) -> None:
    away = "ERROR 2003 (HY000): Can't connect to MySQL server on 'holdfast-mysql:3306' (111)"
    ended = prepared(tmp_path, f'[ "$(wc -l <{tmp_path}/asked)" -gt 3 ] || {{ echo "{away}" >&2; exit 1; }}')
    assert (ended.returncode, ended.stderr.count(away)) == (0, 3)
    assert "CREATE DATABASE IF NOT EXISTS `holdfast`" in (tmp_path / "statements").read_text()


def test_old_data_with_new_credentials_ends_the_migration_with_a_sentence(tmp_path: Path) -> None:
    """Where Helm cannot see it: an existing Secret that is another, or folders of an export that had data in them."""
    denied = "ERROR 1045 (28000): Access denied for user 'root'@'10.244.0.9' (using password: YES)"
    ended = prepared(tmp_path, f'echo "{denied}" >&2; exit 1')
    assert ended.returncode == 1
    assert "bring back the Secret of that: new credentials do not open it." in ended.stderr
    assert "database-owner-password of the Secret holdfast-credentials" in ended.stderr
    assert not (tmp_path / "statements").exists()
