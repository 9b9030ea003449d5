"""The chart's objects and the examples of k8s/ against what a real API server takes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Set
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
from tests.servers.process import ServerMissingError, program
from tests.waiting import until

DEFINITIONS, HOW = ROOT / ".tools" / "definitions", "sh tests/servers/install.sh servers"
POLICIES = sorted((ROOT / "k8s" / "policies").glob("*.yaml"))


OTHERS = {"AlertmanagerConfig", "HTTPRoute", "PodMonitor", "PrometheusRule", "ServiceMonitor"}
"""Kinds of the Prometheus operator and of the Gateway API, which a cluster does not know by itself."""


@pytest.fixture(scope="session")
def others(kubernetes: Kubernetes) -> Iterator[None]:
    """The cluster knows OTHERS, as their projects define them. What it did not know before it forgets again."""
    if not DEFINITIONS.is_dir():
        raise ServerMissingError(f"the definitions of others are not here: {HOW}")
    reading = ["create", "--dry-run=client", "--output=json"]  # YAML as Kubernetes reads it, in which = is a text
    wanted = [json.loads(kubernetes.kubectl(*reading, f"--filename={file}")) for file in sorted(DEFINITIONS.glob("*.yaml"))]
    assert {one["spec"]["names"]["kind"] for one in wanted} == OTHERS
    known = json.loads(kubernetes.kubectl("get", "customresourcedefinitions", "--output=json"))["items"]
    missing = [one for one in wanted if one["metadata"]["name"] not in {other["metadata"]["name"] for other in known}]
    names = [f"customresourcedefinition/{one['metadata']['name']}" for one in missing]
    if missing:
        kubernetes.apply(*missing)
        kubernetes.kubectl("wait", "--for=condition=Established", *names)
    yield
    if missing:
        kubernetes.kubectl("delete", "--wait=false", *names)


@pytest.fixture(scope="session")
def schemas(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of JSON schemas from the API server's own OpenAPI document, one for each kind; unknown fields are refused."""
    return written(openapi(kubernetes), tmp_path_factory.mktemp("schemas"))


@pytest.fixture(scope="session")
def schemas_of_all(kubernetes: Kubernetes, others: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, of OTHERS as well: the server describes what is new to it a moment later."""
    definitions = until(lambda: openapi(kubernetes, OTHERS))
    return written(definitions, tmp_path_factory.mktemp("schemas-of-all"))


def openapi(kubernetes: Kubernetes, kinds: Set[str] = frozenset()) -> dict[str, Any]:
    """The definitions of the API server's document, if these kinds are among them."""
    definitions: dict[str, Any] = json.loads(kubernetes.kubectl("get", "--raw=/openapi/v2"))["definitions"]
    return definitions if kinds <= {name.rpartition(".")[2] for name in definitions} else {}


def written(definitions: dict[str, Any], folder: Path) -> Path:
    for definition in definitions.values():
        close(definition)
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            schema = {**definition, "definitions": {one: definitions[one] for one in _needed(name, definitions)}}
            # The API server's document has int-or-string as a string with a format.
            text = json.dumps(schema).replace('"type": "string", "format": "int-or-string"', '"type": ["string", "integer"]')
            text = text.replace('"format": "int-or-string", "type": "string"', '"type": ["string", "integer"]')
            file = "-".join(part for part in (kind["kind"], kind["group"].partition(".")[0], kind["version"]) if part)
            (folder / f"{file.lower()}.json").write_text(text)
    return folder


def close(schema: dict[str, Any]) -> None:
    """Refuses unknown fields in an object, and in all that is described within it, as it is in a CustomResourceDefinition."""
    if "properties" in schema and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema["additionalProperties"] = False
    within = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for one in within:
        if isinstance(one, dict):
            close(one)


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
def test_kubeconform_takes_every_object(request: pytest.FixtureRequest, profile: str) -> None:
    bodies = [one for one in render(PROFILES[profile]) if one["kind"] != "CustomResourceDefinition"]
    ours = not OTHERS & {one["kind"] for one in bodies}
    assert ours == (profile != "everything")
    schemas: Path = request.getfixturevalue("schemas" if ours else "schemas_of_all")
    said = kubeconform(schemas, bodies)
    assert said["summary"] == {"valid": len(bodies), "invalid": 0, "errors": 0, "skipped": 0}, said["resources"][:3]


def test_kubeconform_refuses_an_unknown_field(schemas: Path) -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selektor": {"a": "b"}}}
    said = kubeconform(schemas, [body])
    assert said["summary"]["invalid"] == 1
    assert "selektor" in said["resources"][0]["msg"]


@pytest.mark.parametrize(
    ("kind", "version", "spec", "wrong"),
    [
        ("PodMonitor", "monitoring.coreos.com/v1", {"selector": {}, "podMetricsEndpoints": [{"portt": "http"}]}, "portt"),
        ("HTTPRoute", "gateway.networking.k8s.io/v1", {"rules": [{"matches": [{"paths": {}}]}]}, "paths"),
    ],
)
def test_kubeconform_refuses_an_unknown_field_of_others(
    schemas_of_all: Path, kind: str, version: str, spec: Body, wrong: str
) -> None:
    said = kubeconform(schemas_of_all, [{"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}])
    assert said["summary"]["invalid"] == 1
    assert wrong in said["resources"][0]["msg"]


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
def test_the_api_server_takes_every_object(kubernetes: Kubernetes, request: pytest.FixtureRequest, profile: str) -> None:
    """A dry run at the server, which applies defaults, validates and admits, and stores nothing. What it admits no pod without, the
    accounts, is there."""
    namespace = kubernetes.namespace()
    kubernetes.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    bodies = render(PROFILES[profile])
    if OTHERS & {one["kind"] for one in bodies}:
        request.getfixturevalue("others")
    for one in bodies:
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = namespace
    accounts = [
        {**one, "metadata": {**one["metadata"], "namespace": namespace}} for one in bodies if one["kind"] == "ServiceAccount"
    ]
    kubernetes.apply(*accounts)
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
