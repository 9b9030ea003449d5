"""The chart as data, in each profile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.web import catalogue
from tests.charts.rendering import PROFILES, Body, containers, of_kind, pods, refusal, render
from tests.docs import chart
from tests.docs.pages import CHART, ROOT
from tests.servers.helm import KUBERNETES, NAMESPACE, RELEASE, helm

FUNCTIONS = catalogue.functions()
every_profile = pytest.mark.parametrize("profile", PROFILES)


@every_profile
def test_it_lints(profile: str) -> None:
    said = helm("lint", "--strict", CHART, "--kube-version", KUBERNETES, "--values", PROFILES[profile])
    assert "0 chart(s) failed" in said


@every_profile
def test_every_function_has_its_deployment_service_and_paths(profile: str) -> None:
    bodies = render(PROFILES[profile])
    deployments, services = of_kind(bodies, "Deployment"), of_kind(bodies, "Service")
    [ingress] = of_kind(bodies, "Ingress").values()
    paths = {
        one["path"]: one["backend"]["service"]["name"] for rule in ingress["spec"]["rules"][:1] for one in rule["http"]["paths"]
    }
    for function in FUNCTIONS:
        name = f"holdfast-{function.slug}"
        [container] = deployments[name]["spec"]["template"]["spec"]["containers"]
        assert f"/{function.slug}:" in f"/{container['image'].rpartition('/')[2]}"
        assert set(function.paths) == {path for path, receiver in paths.items() if receiver == name}
        selector = services[name]["spec"]["selector"]
        assert selector.items() <= deployments[name]["spec"]["template"]["metadata"]["labels"].items()


@every_profile
def test_no_name_is_longer_than_kubernetes_takes(profile: str) -> None:
    """With the longest name of a release that is taken: what a controller adds to it has to fit into a label."""
    longest = {"Service": 63, "Job": 63, "StatefulSet": 52, "CronJob": 52}
    name = "a" * (52 - len("-seaweedfs-volume-rack1"))
    bodies = render(PROFILES[profile], fullnameOverride=f'"{name}"')
    found = [(one["kind"], one["metadata"]["name"]) for one in bodies]
    assert [(kind, one) for kind, one in found if len(one) > longest.get(kind, 253)] == []


@every_profile
def test_a_service_selects_exactly_the_pods_of_its_component(profile: str) -> None:
    bodies = render(PROFILES[profile])
    labels = {where: template["metadata"]["labels"] for where, template in pods(bodies)}
    for name, service in of_kind(bodies, "Service").items():
        wanted = service["spec"]["selector"]
        selected = {where for where, found in labels.items() if wanted.items() <= found.items()}
        assert selected, name
        assert len({labels[where]["app.kubernetes.io/component"] for where in selected}) == 1, name


@every_profile
def test_a_network_policy_is_about_pods_that_there_are(profile: str) -> None:
    bodies = render(PROFILES[profile])
    labels = [template["metadata"]["labels"] for _, template in pods(bodies)]
    for name, policy in of_kind(bodies, "NetworkPolicy").items():
        wanted = policy["spec"]["podSelector"]["matchLabels"]
        assert any(wanted.items() <= found.items() for found in labels), name


@every_profile
def test_every_pod_keeps_the_restricted_pod_security_standard(profile: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, and no token of the API server but the operator's."""
    for where, template in pods(render(PROFILES[profile])):
        spec = template["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, where
        assert security["runAsUser"] > 0, where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")), where
        assert {next(kind for kind in volume if kind != "name") for volume in spec.get("volumes", [])} <= {
            "configMap",
            "emptyDir",
            "persistentVolumeClaim",
            "secret",
        }, where
        assert spec.get("automountServiceAccountToken") is False or where == "Deployment holdfast-operator", where
        for container in containers(template):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (where, container["name"])


SHARED_ACCOUNTS = {"holdfast-seaweedfs-": "holdfast-seaweedfs", "holdfast-lakefs-setup-": "holdfast-lakefs"}
"""What shares an account, by the beginning of its name: one program's roles."""


@every_profile
def test_every_pod_has_an_account_of_its_own_and_no_account_but_the_operators_brings_a_token(profile: str) -> None:
    bodies = render(PROFILES[profile])
    accounts = of_kind(bodies, "ServiceAccount")
    used = set[str]()
    for where, template in pods(bodies):
        name = where.partition(" ")[2]
        account = template["spec"]["serviceAccountName"]
        assert account == next((own for beginning, own in SHARED_ACCOUNTS.items() if name.startswith(beginning)), name)
        used.add(account)
    of_jobs = {"holdfast-sweep"} if "holdfast-operator" in accounts else set()
    assert used | of_jobs == set(accounts), "the operator gives that one to the policies' Jobs"
    assert {"holdfast-migrate", "holdfast-test"} <= used
    for name, one in accounts.items():
        assert one.get("automountServiceAccountToken") is False or name == "holdfast-operator", name


def test_the_migration_of_an_upgrade_has_the_account_of_the_release() -> None:
    """It was there before the hook that uses it, as an object like any other."""
    bodies = render(upgrade=True)
    [job] = [one for one in of_kind(bodies, "Job").values() if "helm.sh/hook" in (one["metadata"].get("annotations") or {})]
    account = of_kind(bodies, "ServiceAccount")[job["spec"]["template"]["spec"]["serviceAccountName"]]
    assert account["metadata"]["name"] == "holdfast-migrate"
    assert "annotations" not in account["metadata"]


@every_profile
def test_every_container_says_what_it_needs_and_every_server_is_probed(profile: str) -> None:
    for where, template in pods(render(PROFILES[profile])):
        for container in containers(template):
            resources = container["resources"]
            assert {*resources["requests"]} >= {"cpu", "memory"}, (where, container["name"])
            assert "memory" in resources["limits"], (where, container["name"])
        for container in template["spec"]["containers"]:
            if container.get("ports") and container["name"] != "exporter":
                assert "livenessProbe" in container, (where, container["name"])


@every_profile
def test_secrets_come_from_the_secret_alone(profile: str) -> None:
    bodies = [body for body in render(PROFILES[profile]) if body["kind"] != "Secret"]
    text = json.dumps(bodies)
    assert '"stringData"' not in text
    for where, template in pods(bodies):
        for container in containers(template):
            for one in container.get("env", []):
                if any(word in one["name"] for word in ("PASSWORD", "SECRET", "_KEY")) and "OPERATOR" not in one["name"]:
                    assert set(one) == {"name", "valueFrom"}, (where, one["name"])


def test_a_function_gets_no_more_credentials_than_its_clients_need() -> None:
    deployments = of_kind(render(PROFILES["production"]), "Deployment")
    for function in FUNCTIONS:
        [container] = deployments[f"holdfast-{function.slug}"]["spec"]["template"]["spec"]["containers"]
        keys = {one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"] if "valueFrom" in one}
        assert any(key.startswith("s3-") for key in keys) == ("s3" in function.extras), function.name
        assert any(key.startswith("lakefs-") for key in keys) == ("lakefs" in function.extras), function.name
        databases = {key for key in keys if key.startswith("database-")}
        assert databases == ({f"database-{function.role}-password"} if function.role != "none" else set()), function.name
        assert ("HOLDFAST_DATABASE_URL" in {one["name"] for one in container["env"]}) == bool(databases), function.name
        assert "audit-private-key" not in keys, function.name


def test_the_generated_secret_has_every_key_that_something_asks_for() -> None:
    bodies = render(lakefs__database='"local"')
    [secret] = of_kind(bodies, "Secret").values()
    asked = {
        one["valueFrom"]["secretKeyRef"]["key"]
        for _, template in pods(bodies)
        for container in containers(template)
        for one in container.get("env", [])
        if "secretKeyRef" in one.get("valueFrom", {})
    }
    asked |= {
        item["key"]
        for _, template in pods(bodies)
        for volume in template["spec"].get("volumes", [])
        for item in volume.get("secret", {}).get("items", [])
    }
    [operator] = [one for _, pod in pods(bodies) for one in containers(pod) if one["name"] == "operator"]
    [sweep] = [one["value"] for one in operator["env"] if one["name"] == "HOLDFAST_OPERATOR_SECRET_ENV"]
    asked |= {named.partition("/")[2] for named in json.loads(sweep).values()}
    assert len(asked) > 20
    assert asked - set(secret["data"]) == set()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"seaweedfs__replication": '"020"'}, "needs 3 racks, and seaweedfs.volume.racks has 2"),
        ({"seaweedfs__replication": '"002"'}, "needs a rack with 3 servers, and the largest of seaweedfs.volume.racks has 2"),
        ({"seaweedfs__replication": '"100"'}, "asks for copies in other data centers, and this chart makes one"),
        ({"seaweedfs__replication": '"01"'}, "three digits from 0 to 2"),
        (
            {"seaweedfs__volume__racks": '[{"name": "a", "servers": 2}, {"name": "a", "servers": 2}]'},
            "two racks of one name are one",
        ),
        ({"seaweedfs__master__replicas": "2"}, "is 1, 3 or 5, not 2"),
        ({"mysql__enabled": "false"}, "mysql.external.host is needed"),
        ({"seaweedfs__enabled": "false"}, "s3.external.endpoint is needed"),
        ({"lakefs__enabled": "false"}, "lakefs.external.endpoint is needed"),
        (
            {"mysql__enabled": "false", "mysql__external__host": '"h"'},
            "existingSecret is needed where mysql.enabled is false",
        ),
        (
            {"seaweedfs__enabled": "false", "s3__external__endpoint": '"http://h"'},
            "existingSecret is needed where seaweedfs.enabled is false",
        ),
        (
            {"lakefs__enabled": "false", "lakefs__external__endpoint": '"http://h"'},
            "existingSecret is needed where lakefs.enabled is false",
        ),
        ({"qdrant__external__url": '"http://h"'}, "existingSecret is needed where qdrant.external.url is said"),
        (
            {"qdrant__enabled": "true", "qdrant__external__url": '"http://h"'},
            "qdrant.external.url is said, and qdrant.enabled is true",
        ),
        ({"lakefs__database": '"postgres"'}, "existingSecret is needed where lakefs.database is postgres"),
        ({"storage__kind": '"nfs"'}, "storage.nfs.server is needed"),
        ({"storage__kind": '"hostPath"'}, "storage.hostPath.path is needed"),
        ({"ingress__s3__by": '"host"'}, "ingress.s3.host is needed"),
        ({"gateway__enabled": "true"}, "gateway.parentRefs is needed"),
        ({"s3__bucket": '"assets"'}, "s3.bucket assets is the path of a function, too"),
        (
            {"seaweedfs__volume__racks": '[{"name": "a", "servers": 2}, {"name": "b", "servers": 0}]'},
            "needs 2 racks, and seaweedfs.volume.racks has 1",
        ),
        ({"seaweedfs__volume__racks": '[{"name": "Rack_A", "servers": 2}]'}, 'small letters, digits and dashes, not "Rack_A"'),
        ({"seaweedfs__volume__racks": '[{"name": "a"}]'}, "rack a says how many servers it has"),
        ({"seaweedfs__volume__racks": '[{"name": "a", "servers": 2, "node": {}}]'}, "node is nothing that a rack has"),
        (
            {"seaweedfs__volume__racks": '[{"name": "a", "servers": 2, "storage": {"kind": "nsf"}}, {"name": "b", "servers": 1}]'},
            'seaweedfs.volume.racks (a): storage.kind is storageClass, nfs or hostPath, not "nsf"',
        ),
        ({"mysql__storage": '{"kind": "nsf"}'}, 'mysql: storage.kind is storageClass, nfs or hostPath, not "nsf"'),
        ({"seaweedfs__master__storage": '{"sise": "1Gi"}'}, "seaweedfs.master: storage.sise is none of the values of storage: "),
        ({"mysql__external__host": '"h"'}, "mysql.external.host is said, and mysql.enabled is true"),
        ({"s3__external__endpoint": '"http://h"'}, "s3.external.endpoint is said, and seaweedfs.enabled is true"),
        ({"lakefs__external__endpoint": '"http://h"'}, "lakefs.external.endpoint is said, and lakefs.enabled is true"),
        ({"clamav__external__address": '"h:3310"'}, "clamav.external.address is said, and clamav.enabled is false"),
        ({"functions__overrides": '{"fileuplod": {}}'}, "functions.overrides names fileuplod, and there is no such function"),
        ({"functions__overrides": '{"token": {"replcas": 3}}'}, "functions.overrides.token.replcas is none of the values of"),
        ({"functions__overrides": '{"token": 3}'}, "functions.overrides.token holds values as functions does"),
        ({"functions__replicas": "-1"}, "functions/replicas"),
        ({"ingress__host": '"https://a.example.org/"'}, "ingress.host is the name of a host"),
        ({"ingress__s3": '{"by": "host", "host": "a:80"}'}, "ingress.s3.host is the name of a host"),
        (
            {"ingress__host": '"a.example.org"', "ingress__s3": '{"by": "host", "host": "a.example.org"}'},
            "ingress.s3.host is another one than ingress.host",
        ),
        ({"ingress__tls__enabled": "true"}, "ingress.host is needed with ingress.tls"),
        ({"s3__bucket": '"Holdfast/files"'}, "s3.bucket is 3 to 63 small letters"),
        ({"monitoring__rules__disabled": '["HighCpuUsage"]'}, "names HighCpuUsage, and there is no such alert"),
        ({"fullnameOverride": '"the-holdfast-of-our-photographers"'}, "is too long a name for a StatefulSet, by 4 characters"),
        ({"seaweedfs__volume__racks": f'[{{"name": "{"a" * 40}", "servers": 2}}]'}, "is too long a name for a StatefulSet"),
        ({"nonsense": "1"}, "'nonsense' not allowed"),
        ({"functions__replicas": '"two"'}, "functions/replicas"),
        ({"versions": '"git"'}, "versions"),
    ],
)
def test_values_that_cannot_be_are_refused_in_a_sentence(values: dict[str, str], says: str) -> None:
    assert says in refusal(**values)


def test_approvals_need_a_kubernetes_that_can_ask_for_a_verb() -> None:
    before: list[str | Path] = ["template", RELEASE, CHART, "--kube-version=1.29.9"]
    with pytest.raises(subprocess.CalledProcessError) as refused:
        helm(*before)
    assert "operator.approval needs Kubernetes 1.30, and this is v1.29.9" in refused.value.stderr
    assert "kind: ValidatingAdmissionPolicy" not in helm(*before, "--set=operator.approval=false")


def test_each_part_can_be_somebody_elses() -> None:
    bodies = render(
        mysql__enabled="false",
        mysql__external__host='"db.example.org"',
        seaweedfs__enabled="false",
        s3__external__endpoint='"https://s3.example.org"',
        lakefs__enabled="false",
        lakefs__external__endpoint='"http://lakefs.data:8000"',
        existingSecret='"mine"',
    )
    assert of_kind(bodies, "StatefulSet") == {}
    [settings] = [one for name, one in of_kind(bodies, "ConfigMap").items() if name.endswith("-settings")]
    assert settings["data"]["HOLDFAST_S3_ENDPOINT"] == "https://s3.example.org"
    assert settings["data"]["HOLDFAST_LAKEFS_ENDPOINT"] == "http://lakefs.data:8000"
    assert "HOLDFAST_COMPACTION" not in settings["data"]
    text = json.dumps(bodies)
    assert "@db.example.org:3306/" in text
    assert "holdfast-mysql" not in text
    assert "-seaweedfs-s3:8333" not in text


@pytest.mark.parametrize("kind", ["nfs", "hostPath"])
def test_each_volume_is_bound_to_its_pod_and_stays(kind: str) -> None:
    bodies = render(storage__kind=f'"{kind}"', storage__nfs='{"server": "nas", "path": "/e"}', storage__hostPath__path='"/v"')
    sets = {name: one["spec"] for name, one in of_kind(bodies, "StatefulSet").items() if "volumeClaimTemplates" in one["spec"]}
    claims = {f"data-{name}-{i}" for name, spec in sets.items() for i in range(spec["replicas"])}
    volumes = of_kind(bodies, "PersistentVolume").values()
    assert {one["spec"]["claimRef"]["name"] for one in volumes} == claims
    assert len({json.dumps(one["spec"][kind]) for one in volumes}) == len(claims)
    for one in volumes:
        assert one["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert kind != "nfs" or one["spec"]["mountOptions"] == ["nfsvers=4.1", "hard", "noatime"]


def test_the_migration_is_a_hook_at_an_upgrade_only() -> None:
    for upgrade in (False, True):
        [job] = [one for name, one in of_kind(render(upgrade=upgrade), "Job").items() if "migrate" in name]
        assert ("helm.sh/hook" in job["metadata"]["annotations"]) is upgrade
        assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "Sync"


def test_what_must_outlive_the_release_is_kept() -> None:
    kept = {
        one["kind"]
        for one in render(PROFILES["tests"], clamav__enabled="true")
        if (one["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {"CustomResourceDefinition", "PersistentVolume", "PersistentVolumeClaim", "Secret"}


def test_the_operator_has_the_rights_of_the_example_which_a_test_runs_it_with() -> None:
    """tests/cluster/test_rights.py shows that these are enough, and no more than enough."""
    bodies = render()
    for file, kinds in (("rbac.yaml", ("ClusterRole", "Role")), ("approval.yaml", ("ValidatingAdmissionPolicy",))):
        example = [*yaml.safe_load_all((ROOT / "k8s" / "operator" / file).read_text())]
        for kind in kinds:
            [wanted] = [one for one in of_kind(example, kind).values() if not one["metadata"]["name"].endswith("approver")]
            [found] = [one for one in of_kind(bodies, kind).values() if not one["metadata"]["name"].endswith("approver")]
            part = "rules" if "Role" in kind else "spec"
            assert found[part] == wanted[part], kind


def test_the_floors_are_the_operators_and_those_of_the_jobs_that_it_makes() -> None:
    floors = {"minUndoDays": "3", "maxPercent": "40", "minAfterDays": "2"}
    values: dict[str, Any] = {f"operator__floors__{name}": value for name, value in floors.items()}
    deployments = of_kind(render(**values), "Deployment")
    [container] = deployments["holdfast-operator"]["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    of_jobs = json.loads(env["HOLDFAST_OPERATOR_ENV"])
    for name, variable in (("minUndoDays", "MIN_UNDO_DAYS"), ("maxPercent", "MAX_PERCENT"), ("minAfterDays", "MIN_AFTER_DAYS")):
        assert env[f"HOLDFAST_OPERATOR_{variable}"] == of_jobs[f"HOLDFAST_POLICY_{variable}"] == floors[name], name


def test_an_operator_that_is_not_clusterwide_has_rights_where_it_looks_and_nowhere_else() -> None:
    everywhere, here = (
        render(operator__namespaces='{"team-a": ["ada_space"]}', operator__clusterwide=one) for one in ("true", "false")
    )
    [wide] = [one for name, one in of_kind(everywhere, "ClusterRole").items() if name.endswith("-operator")]
    roles = [one for one in here if one["kind"] == "Role" and one["metadata"]["name"] == wide["metadata"]["name"]]
    assert {one["metadata"]["namespace"]: one["rules"] for one in roles} == {NAMESPACE: wide["rules"], "team-a": wide["rules"]}
    bindings = [one for one in here if one["kind"] == "RoleBinding" and one["metadata"]["name"] == wide["metadata"]["name"]]
    assert {one["metadata"]["namespace"] for one in bindings} == {NAMESPACE, "team-a"}
    assert {json.dumps([one["roleRef"]["kind"], one["subjects"][0]["namespace"]]) for one in bindings} == {
        json.dumps(["Role", NAMESPACE])
    }
    assert of_kind(here, "ClusterRoleBinding") == {}
    [approval] = of_kind(here, "ValidatingAdmissionPolicyBinding").values()
    [expression] = approval["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert expression["values"] == [NAMESPACE, "team-a"]


FUNCTION_COMPONENTS = {f"function-{one.slug}" for one in FUNCTIONS}
STORES = {f"function-{one.slug}" for one in FUNCTIONS if "s3" in one.extras} | {"worker", "purge", "sweep", "test"}
WEED = {f"seaweedfs-{role}" for role in ("master", "volume", "filer", "s3", "admin", "worker", "backup", "bucket")}
REACHES: dict[str, tuple[set[str], bool]] = {
    "mysql": (
        FUNCTION_COMPONENTS - {"function-console", "function-docs", "function-jwks"}
        | {"worker", "purge", "sweep", "migrate", "seaweedfs-filer", "test"},
        False,
    ),
    "lakefs": (
        {
            "function-fileupload",
            "function-add-associated-files",
            "function-file-upload",
            "function-uploads",
            "function-users",
            "function-quarantine",
            "worker",
            "purge",
            "sweep",
        },
        False,
    ),
    "seaweedfs-s3": (STORES | {"lakefs"}, True),
    "seaweedfs-master": (WEED | {"purge"}, False),
    "seaweedfs-volume": (WEED | {"purge"}, False),
    "seaweedfs-filer": (WEED - {"seaweedfs-volume"} | {"purge"}, False),
    "seaweedfs-admin": ({"seaweedfs-worker"}, False),
    "seaweedfs-worker": ({"seaweedfs-admin"}, False),
    "seaweedfs-backup": (set(), False),
    "qdrant": ({"worker"}, False),  # which watches it; nothing searches yet
    "clamav": (
        {
            "function-fileupload",
            "function-add-associated-files",
            "function-file",
            "function-file-upload",
            "function-uploads",
            "worker",
        },
        False,
    ),
    "worker": (set(), False),
    "operator": (set(), False),
    **{one: ({"test"}, True) for one in FUNCTION_COMPONENTS},
}
"""Who reaches a component's own ports, and whether the ingress does: written by hand."""


@pytest.mark.parametrize("profiles", [[], ["everything"]], ids=["default", "everything"])
def test_who_reaches_whom_is_this_and_nothing_else(profiles: list[str]) -> None:
    bodies = render(*(PROFILES[one] for one in profiles), qdrant__enabled="true", clamav__enabled="true")
    found: dict[str, tuple[set[str], bool]] = {}
    read = set[str]()
    monitored = {"worker": {8080}, "operator": {9090}, "mysql": {9104}}
    if profiles:  # where it is said who monitors
        monitored |= {"lakefs": {8000}, "qdrant": {6333}, **{one: {8080} for one in FUNCTION_COMPONENTS}}
    for policy in of_kind(bodies, "NetworkPolicy").values():
        component = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        reached, outside = set[str](), False
        for rule in policy["spec"]["ingress"] or []:
            [source] = rule["from"]
            if "podSelector" in source:
                [expression] = source["podSelector"]["matchExpressions"]
                reached |= set(expression["values"])
                continue
            namespaces = source["namespaceSelector"].get("matchLabels")
            ingress, monitoring = ({"kubernetes.io/metadata.name": one} if profiles else None for one in ("ingress", "monitoring"))
            ports = {port["port"] for port in rule["ports"]}
            if ports == ({8080} if component in FUNCTION_COMPONENTS else {8333}) and namespaces == ingress:
                outside = True
            else:
                assert ports <= monitored.get(component, {9327}), component
                assert namespaces == monitoring, component
                read.add(component)
        found[component] = (reached, outside)
    assert found == REACHES
    of_a_port_for_all = {*FUNCTION_COMPONENTS, "lakefs", "qdrant"}
    without_metrics = {"seaweedfs-backup", "clamav"}
    assert read == set(found) - without_metrics - (set() if profiles else of_a_port_for_all)
    components = {template["metadata"]["labels"]["app.kubernetes.io/component"] for _, template in pods(bodies)}
    assert components - set(found) == {"migrate", "purge", "seaweedfs-bucket", "test"}, "who listens on nothing needs none"


def rules_of(component: str, **values: str) -> list[Body]:
    rules: list[Body] | None = of_kind(render(upgrade=False, **values), "NetworkPolicy")[f"holdfast-{component}"]["spec"]["ingress"]
    return rules or []


@pytest.mark.parametrize(("component", "port"), [("lakefs", 8000), ("qdrant", 6333), ("function-token", 8080)])
def test_metrics_on_the_port_of_the_data_are_read_by_named_namespaces_alone(component: str, port: int) -> None:
    labels = '{"name": "monitoring"}'
    named = rules_of(component, qdrant__enabled="true", networkPolicies__monitoringNamespaceLabels=labels)
    assert {
        "from": [{"namespaceSelector": {"matchLabels": json.loads(labels)}}],
        "ports": [{"protocol": "TCP", "port": port}],
    } in named
    assert len(rules_of(component, qdrant__enabled="true")) == len(named) - 1


@every_profile
def test_the_test_asks_an_address_that_is_not_its_own(profile: str) -> None:
    [container] = containers(of_kind(render(PROFILES[profile]), "Pod")["holdfast-test"])
    [url] = [one["value"] for one in container["env"] if one["name"] == "HOLDFAST_URL"]
    assert "localhost" not in url
    assert "127.0.0.1" not in url


@pytest.mark.parametrize("registration", ["open", "invite", "closed"])
def test_the_test_reaches_the_database_only_to_invite_itself(registration: str) -> None:
    bodies = render(registration=f'"{registration}"')
    [own, *_] = of_kind(bodies, "NetworkPolicy")["holdfast-mysql"]["spec"]["ingress"]
    reaches = "test" in own["from"][0]["podSelector"]["matchExpressions"][0]["values"]
    [container] = containers(of_kind(bodies, "Pod")["holdfast-test"])
    told = "HOLDFAST_DATABASE_URL" in {one["name"] for one in container["env"]}
    assert reaches == told == (registration == "invite")
    assert ("registration is closed" in container["command"][2]) == (registration == "closed")


ON: Body = yaml.safe_load(PROFILES["everything"].read_text())
NFS: Body = {"storage": {"kind": "nfs", "nfs": {"server": "nas", "path": "/e"}}}
MINE: Body = {"existingSecret": "mine"}
COUNTS_WITH: dict[str, Body] = {
    "functions.replicas": {"functions": {"autoscaling": {"enabled": False}}},
    "mysql.external": MINE | {"mysql": {"enabled": False, "external": {"host": "h"}}},
    "s3.external": MINE | {"seaweedfs": {"enabled": False}, "s3": {"external": {"endpoint": "http://h"}}},
    "lakefs.external": MINE | {"lakefs": {"enabled": False}},
    "qdrant.external": MINE | {"qdrant": {"enabled": False}},
    "clamav.enabled": {"clamav": {"external": {"address": ""}}},
    "lakefs.replicas": MINE | {"lakefs": {"database": "postgres"}},
    "ingress.s3.by": {"ingress": {"s3": {"host": "s.example.org"}}},
    "ingress.s3.host": {"ingress": {"s3": {"by": "host"}}},
    "storage.className": {"storage": {"kind": "storageClass"}},
    "storage.kind": {"storage": {"nfs": {"server": "nas", "path": "/e"}}},
    "storage.nfs": NFS,
    "storage.hostPath": {"storage": {"kind": "hostPath"}},
    "storage.size": {"seaweedfs": {"master": {"storage": {"size": None}}}},
    "lakefs.database": MINE,
    "mysql.enabled": MINE | {"mysql": {"external": {"host": "h"}}},
    "seaweedfs.enabled": MINE | {"s3": {"external": {"endpoint": "http://h"}}},
    "lakefs.enabled": MINE | {"lakefs": {"external": {"endpoint": "http://h"}}},
}
"""What else has to be said for a value to count, by the beginning of its path."""
UNLIKE: dict[str, Any] = {
    "seaweedfs.replication": "001",
    "seaweedfs.volume.racks": [{"name": "a", "servers": 3}, {"name": "b", "servers": 2}],
    "seaweedfs.master.replicas": 5,
    "gateway.parentRefs": [{"name": "other"}],
    "functions.overrides": {"token": {"replicas": 7, "drainSeconds": 9}},
    "operator.namespaces": {"team-b": ["bo_space"]},
    "monitoring.rules.disabled": ["WorkerDown"],
}
"""Values for those that do not take any."""


@pytest.mark.parametrize("value", [*chart.leaves(chart.values(CHART))], ids=lambda one: one.path)
def test_every_value_has_an_effect(value: chart.Value, tmp_path: Path) -> None:
    """With another value than its default the chart is another one, or there is one where it was refused."""
    given = merged(DEFAULTS, ON, *(one for beginning, one in COUNTS_WITH.items() if f"{value.path}.".startswith(f"{beginning}.")))
    assert outcome(merged(given, nested(value.path, unlike(value))), tmp_path) != outcome(
        merged(given, nested(value.path, value.default)), tmp_path, may_refuse=True
    )


DEFAULTS: Body = yaml.safe_load((CHART / "values.yaml").read_text())
RENDERED: dict[str, str] = {}
"""By values: what is compared with the chart as most values have it by default would else render that for each of them."""


def merged(*several: Body) -> Body:
    out: Body = {}
    for one in several:
        for name, value in one.items():
            known = out.get(name)
            out[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return out


def nested(path: str, value: Any) -> Body:
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


def outcome(given: Body, folder: Path, *, may_refuse: bool = False) -> str:
    """All objects but the Secret, which is another one each time, as text; or why there are none."""
    values = json.dumps(given, sort_keys=True)
    if values not in RENDERED:
        file = folder / "values.yaml"
        file.write_text(values)
        try:
            text = helm("template", RELEASE, CHART, f"--kube-version={KUBERNETES}", "--values", file)
        except subprocess.CalledProcessError as error:
            if not may_refuse:
                raise
            text = str(error.stderr)
        RENDERED[values] = "---\n".join(one for one in text.split("---\n") if "\nkind: Secret\n" not in one)
    return RENDERED[values]


def unlike(value: chart.Value) -> Any:
    """Another value that the schema allows."""
    if value.path in UNLIKE:
        return UNLIKE[value.path]
    if "enum" in value.schema:
        return next(one for one in value.schema["enum"] if one != value.default)
    if isinstance(value.default, bool):
        return not value.default
    if isinstance(value.default, int):
        return value.default + 1
    if value.schema["type"] == "array":
        return ["one", "two"] if value.schema["items"] == {"type": "string"} else [{"key": "a", "operator": "Exists"}]
    if value.schema["type"] == "object":
        return {"size": "77Gi"} if value.path.endswith(".storage") else {"a_b": "c"}
    return f"{value.default}x" if value.default else "other"
