"""Credentials of an installation that finds something in its cluster: those of before are kept, and none are made for old data."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest
import yaml

from tests.charts.lookups import installed
from tests.charts.rendering import PROFILES, Body, containers, of_kind, pods, render
from tests.servers.helm import NAMESPACE

LABELS = {"app.kubernetes.io/name": "holdfast", "app.kubernetes.io/instance": "holdfast"}
VOLUMES: Body = {"storage": {"kind": "nfs", "nfs": {"server": "nas", "path": "/e"}}}


def a(kind: str, name: str, labels: dict[str, str] | None = None, **more: object) -> Body:
    namespace = {} if kind == "PersistentVolume" else {"namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels or {}, **namespace}, **more}


def secret(name: str, *keys: str) -> Body:
    return a("Secret", name, type="Opaque", data={key: b64encode(f"kept {key}".encode()).decode() for key in keys})


CLAIM, VOLUME = a("PersistentVolumeClaim", "data-holdfast-mysql-0", LABELS), a("PersistentVolume", f"{NAMESPACE}-holdfast-mysql-0")


def asked(bodies: list[Body]) -> set[str]:
    """The keys of the Secret that pods ask for, and those that the operator gives to Jobs."""
    all_containers = [one for _, template in pods(bodies) for one in containers(template)]
    variables = [one for container in all_containers for one in container.get("env", [])]
    found = {one["valueFrom"]["secretKeyRef"]["key"] for one in variables if "secretKeyRef" in one.get("valueFrom", {})}
    volumes = [volume for _, template in pods(bodies) for volume in template["spec"].get("volumes", [])]
    found |= {item["key"] for volume in volumes for item in volume.get("secret", {}).get("items", [])}
    for one in variables:
        if one["name"] == "HOLDFAST_OPERATOR_SECRET_ENV":
            found |= {named.partition("/")[2] for named in json.loads(one["value"]).values()}
    return found


@pytest.mark.parametrize(
    ("there", "values", "named"),
    [
        ([CLAIM], {}, "claim data-holdfast-mysql-0"),
        ([VOLUME], VOLUMES, f"volume {NAMESPACE}-holdfast-mysql-0"),
        ([CLAIM, VOLUME], VOLUMES, "claim data-holdfast-mysql-0"),
    ],
)
def test_old_data_is_not_taken_over_with_new_credentials(there: list[Body], values: Body, named: str, tmp_path: Path) -> None:
    said = installed(there, values, tmp_path)
    assert f"There is data of an earlier installation ({named}) but not its Secret holdfast-credentials" in said.stderr
    assert "new credentials would not open it" in said.stderr
    assert said.returncode != 0


@pytest.mark.parametrize(
    ("there", "values"),
    [
        ([], VOLUMES),
        ([a("PersistentVolumeClaim", "data-holdfast-mysql-0", LABELS | {"app.kubernetes.io/instance": "another"})], {}),
        ([a("PersistentVolumeClaim", "data-holdfast-mysql-0")], {}),
        ([a("PersistentVolume", "elsewhere-holdfast-mysql-0")], VOLUMES),
        ([VOLUME], {}),
        ([CLAIM, VOLUME, secret("holdfast-credentials", "token-secret")], VOLUMES),
        ([CLAIM, VOLUME], VOLUMES | {"existingSecret": "mine"}),
    ],
)
def test_what_is_no_data_of_this_release_or_comes_with_its_secret_is_installed(
    there: list[Body], values: Body, tmp_path: Path
) -> None:
    assert installed(there, values, tmp_path).stderr == ""


def test_what_was_generated_before_stays_and_what_is_new_is_added(tmp_path: Path) -> None:
    before = secret("holdfast-credentials", "token-secret", "audit-private-key", "somebodys-own")
    said = installed([CLAIM, before], {}, tmp_path)
    [after] = of_kind([one for one in yaml.safe_load_all(said.stdout) if one], "Secret").values()
    assert before["data"].items() <= after["data"].items()
    assert after["data"]["link-secret"]
    assert after["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_secret_of_ones_own_is_asked_for_every_key_that_something_needs_and_for_no_other(profile: str, tmp_path: Path) -> None:
    values = yaml.safe_load(PROFILES[profile].read_text()) | {"existingSecret": "mine"}
    needed = sorted(asked(render(PROFILES[profile], existingSecret='"mine"')))
    said = installed([secret("mine", "of-no-use")], values, tmp_path)
    assert f"The Secret mine, which existingSecret names, lacks {', '.join(needed)}." in said.stderr
    assert installed([secret("mine", *needed)], values, tmp_path).stderr == ""
    said = installed([secret("mine", *needed[1:])], values, tmp_path)
    assert f"lacks {needed[0]}." in said.stderr


def test_a_secret_of_ones_own_that_is_not_there_is_missed_where_a_cluster_is_asked(tmp_path: Path) -> None:
    values, account = {"existingSecret": "mine"}, a("ServiceAccount", "default")
    said = installed([account, secret("another", "token-secret")], values, tmp_path)
    assert f"There is no Secret mine in the namespace {NAMESPACE}, which existingSecret names: make it first, with " in said.stderr
    assert "token-secret" in said.stderr
    assert said.returncode != 0
    assert installed([account], {}, tmp_path).stderr == "", "one is generated"
