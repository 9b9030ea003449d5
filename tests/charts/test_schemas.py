"""The chart's objects and the examples of k8s/ against what a real API server takes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.policies.crd import crd
from holdfast.policies.model import AssetPolicy
from tests.charts.rendering import PROFILES, Body, render
from tests.docs.pages import ROOT
from tests.servers.helm import TOOLS
from tests.servers.kubernetes import Kubernetes
from tests.servers.process import program

POLICIES = sorted((ROOT / "k8s" / "policies").glob("*.yaml"))


@pytest.fixture(scope="session")
def schemas(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of JSON schemas from the API server's own OpenAPI document, one for each kind; unknown fields are refused."""
    folder = tmp_path_factory.mktemp("schemas")
    definitions = json.loads(kubernetes.kubectl("get", "--raw=/openapi/v2"))["definitions"]
    for definition in definitions.values():
        if "properties" in definition and "additionalProperties" not in definition:
            definition["additionalProperties"] = False
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            schema = {**definition, "definitions": {one: definitions[one] for one in _needed(name, definitions)}}
            # The API server's document has int-or-string as a string with a format.
            text = json.dumps(schema).replace('"type": "string", "format": "int-or-string"', '"type": ["string", "integer"]')
            text = text.replace('"format": "int-or-string", "type": "string"', '"type": ["string", "integer"]')
            file = "-".join(part for part in (kind["kind"], kind["group"].partition(".")[0], kind["version"]) if part)
            (folder / f"{file.lower()}.json").write_text(text)
    return folder


def _needed(name: str, definitions: dict[str, Any]) -> Iterator[str]:
    """All that a definition refers to, over any number of steps."""
    known, left = set[str](), [name]
    while left:
        text = json.dumps(definitions[left.pop()])
        for found in {part.partition('"')[0] for part in text.split("#/definitions/")[1:]} - known:
            known.add(found)
            left.append(found)
            yield found


@pytest.mark.parametrize("profile", PROFILES)
def test_kubeconform_takes_every_object(schemas: Path, profile: str) -> None:
    bodies = [one for one in render(PROFILES[profile]) if one["kind"] != "CustomResourceDefinition"]
    said = kubeconform(schemas, bodies)
    assert said["summary"] == {"valid": len(bodies), "invalid": 0, "errors": 0, "skipped": 0}, said["resources"][:3]


def test_kubeconform_refuses_an_unknown_field(schemas: Path) -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selektor": {"a": "b"}}}
    said = kubeconform(schemas, [body])
    assert said["summary"]["invalid"] == 1
    assert "selektor" in said["resources"][0]["msg"]


def kubeconform(schemas: Path, bodies: list[Body]) -> dict[str, Any]:
    """What it says of the objects: a ``summary`` of counts, and the ``resources`` that are not valid."""
    where = f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    ended = subprocess.run(
        [
            program("kubeconform", "install kubeconform", also_in=[TOOLS]),
            "-strict",
            "-summary",
            "-output=json",
            f"-schema-location={where}",
        ],
        input=yaml.safe_dump_all(bodies),
        check=False,
        capture_output=True,
        text=True,
    )
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


@pytest.mark.parametrize("profile", PROFILES)
def test_the_api_server_takes_every_object(kubernetes: Kubernetes, profile: str) -> None:
    """A dry run at the server, which applies defaults, validates and admits, and stores nothing."""
    namespace = kubernetes.namespace()
    kubernetes.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    bodies = render(PROFILES[profile])
    for one in bodies:
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = namespace
    said = kubernetes.asked(
        ["apply", "--dry-run=server", "--validate=strict", f"--namespace={namespace}", "--filename=-"],
        json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}),
    )
    assert len(said.stdout.splitlines()) == len(bodies)
    assert "would violate PodSecurity" not in said.stderr


@pytest.mark.parametrize("policy", POLICIES, ids=lambda one: one.stem)
def test_an_example_policy_is_accepted(kubernetes: Kubernetes, policy: Path) -> None:
    parsed = AssetPolicy.model_validate(yaml.safe_load(policy.read_text()) | {"metadata": {"name": policy.stem, "namespace": "a"}})
    assert parsed.metadata.name == policy.stem
    kubernetes.apply(crd())
    kubernetes.kubectl("wait", "--for=condition=Established", f"customresourcedefinition/{crd()['metadata']['name']}")
    kubernetes.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename", str(policy))
