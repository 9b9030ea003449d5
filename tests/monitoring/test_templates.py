"""What the chart renders for Prometheus, Alertmanager and Grafana; and the umbrella chart, with a stub of kube-prometheus-stack."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.monitoring.chart import ALERTS, CHART, ROOT, alert, parsed, selectors
from tests.monitoring.test_rules import GIVEN, NODES
from tests.servers.helm import Helm
from tests.servers.prometheus import Promtool

KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "AlertmanagerConfig"}
STORED: dict[str, Any] = {"storage": {"kind": "hostPath", "hostPath": {"path": "/var/lib/holdfast"}}}
EMAIL = {"enabled": True, "to": "ops@example.org", "from": "holdfast@example.org", "smarthost": "smtp.example.org:587"}
ALL: dict[str, Any] = {
    **STORED,
    "mysql": {"exporter": {"enabled": True}},
    "qdrant": {"enabled": True},
    "monitoring": {
        "labels": {"release": "kps"},
        "serviceMonitors": {"enabled": True},
        "rules": {"enabled": True},
        "dashboards": {"enabled": True},
        "email": {**EMAIL, "username": "holdfast", "passwordSecret": {"name": "smtp"}},
    },
}
A_QDRANT_OF_OTHERS = ALL | {"existingSecret": "mine", "qdrant": {"enabled": False, "external": {"url": "http://h"}}}
STUB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: stub}
data:
  values: {{ .Values | toJson | quote }}
"""


def named(objects: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] in kinds}


def rules(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    [found] = named(objects, "PrometheusRule").values()
    return {rule["alert"]: rule for group in found["spec"]["groups"] for rule in group["rules"]}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What makes long-lived pods, by component: the template of the pods."""
    templates = (one["spec"]["template"] for one in objects if one["kind"] in ("Deployment", "StatefulSet"))
    return {template["metadata"]["labels"]["app.kubernetes.io/component"]: template for template in templates}


def ports(template: dict[str, Any]) -> set[str]:
    return {port["name"] for container in template["spec"]["containers"] for port in container.get("ports", []) if "name" in port}


@pytest.fixture(scope="module")
def everything(helm: Helm) -> list[dict[str, Any]]:
    """What the chart renders with all that there is."""
    return helm.objects(CHART, ALL)


def test_nothing_of_it_is_there_unasked(helm: Helm) -> None:
    objects = helm.objects(CHART, STORED)
    assert not {one["kind"] for one in objects} & KINDS
    assert not [name for name in named(objects, "ConfigMap") if "dashboard" in name]


def test_every_component_is_read_at_a_port_that_it_has(everything: list[dict[str, Any]]) -> None:
    objects = everything
    monitors = named(objects, "PodMonitor")
    read = {}
    for one in monitors.values():
        component = one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]
        [endpoint] = one["spec"]["podMetricsEndpoints"]
        read[component] = endpoint["port"]
    there = pods(objects)
    assert {component: port in ports(there[component]) for component, port in read.items()} == dict.fromkeys(read, True)
    functions = {component for component in there if component.startswith("function-")}
    # The backup has no metrics.
    assert set(read) == set(there) - functions - {"seaweedfs-backup"}
    [monitor] = named(objects, "ServiceMonitor").values()
    [expression] = monitor["spec"]["selector"]["matchExpressions"]
    assert set(expression["values"]) == functions
    services = [one for one in objects if one["kind"] == "Service"]
    for component in functions:
        [service] = [one for one in services if one["metadata"]["labels"]["app.kubernetes.io/component"] == component]
        assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_qdrant_is_read_with_the_key_that_it_asks_for(everything: list[dict[str, Any]]) -> None:
    endpoints = {name: one["spec"]["podMetricsEndpoints"][0] for name, one in named(everything, "PodMonitor").items()}
    asked = {name: one["authorization"] for name, one in endpoints.items() if "authorization" in one}
    [container] = pods(everything)["qdrant"]["spec"]["containers"]
    [key] = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if one["name"] == "QDRANT__SERVICE__API_KEY"]
    assert asked == {"holdfast-qdrant": {"type": "Bearer", "credentials": key}}


def test_every_label_by_which_the_rules_ask_is_given_by_the_monitors(everything: list[dict[str, Any]]) -> None:
    objects = everything
    for one in named(objects, "ServiceMonitor", "PodMonitor").values():
        given = one["spec"].get("targetLabels") or one["spec"]["podTargetLabels"]
        assert {re.sub(r"\W", "_", label) for label in given} == {label for label in GIVEN if label.startswith("app_")}
    components = {*pods(objects), "purge"}
    for name in ALERTS:
        for selector in selectors(parsed(alert(name)["expr"])):
            for matcher in selector.matchers.matchers:
                if matcher.name == "app_kubernetes_io_component" and "Equal" in str(matcher.op) and "Not" not in str(matcher.op):
                    assert matcher.value in components, name


def test_all_rules_are_there_with_links_to_their_runbooks(helm: Helm, promtool: Promtool, tmp_path: Path) -> None:
    linked = {"monitoring": {**ALL["monitoring"], "runbookUrl": "https://docs.example.org/"}}
    objects = helm.objects(CHART, A_QDRANT_OF_OTHERS | linked)
    of_others = rules(objects)
    found = of_others | rules(helm.objects(CHART, ALL | linked))
    assert sorted(found) == ALERTS
    assert set(ALERTS) - set(of_others) == {"QdrantDown"}, "which the chart has nothing to ask for, then"
    for name, rule in found.items():
        assert rule["annotations"]["runbook_url"] == f"https://docs.example.org/docs/runbooks/{name}.md"
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert {key: rule[key] for key in ("expr", "for", "labels")} == {key: alert(name)[key] for key in ("expr", "for", "labels")}
    [made] = named(objects, "PrometheusRule").values()
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(made["spec"]))
    assert "SUCCESS" in promtool("check", "rules", "rules.yaml", cwd=tmp_path)


def test_a_rule_about_what_is_not_deployed_or_not_wanted_is_left_out(helm: Helm) -> None:
    some = {
        **ALL,
        "versions": "sql",
        "qdrant": {"enabled": False},
        "mysql": {"exporter": {"enabled": False}},
        "operator": {"enabled": False},
    }
    some["seaweedfs"] = {"backup": {"enabled": False}}
    some["monitoring"] = {**ALL["monitoring"], "rules": {"enabled": True, "disabled": sorted(NODES)}}
    gone = set(ALERTS) - set(rules(helm.objects(CHART, some)))
    of_the_operator = {"OperatorDown", "OperatorStale", "PolicyNotReady", "PolicyGuardTripped", "PolicyConflicting"}
    assert gone == {"LakeFSDown", "QdrantDown", "QdrantUnreachable", "MySQLDown", "BackupNotRunning"} | of_the_operator | NODES


def test_the_operators_find_all_by_the_labels_that_they_select(everything: list[dict[str, Any]]) -> None:
    found = [one for one in everything if one["kind"] in KINDS]
    assert {one["kind"] for one in found} == KINDS
    assert all(one["metadata"]["labels"]["release"] == "kps" for one in found)


def test_dashboards_are_as_they_are_in_the_chart(everything: list[dict[str, Any]]) -> None:
    found = {name: one for name, one in named(everything, "ConfigMap").items() if "dashboard" in name}
    assert sorted(found) == ["holdfast-dashboard-holdfast", "holdfast-dashboard-seaweedfs"]
    for one in found.values():
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        [(file, text)] = one["data"].items()
        assert json.loads(text) == json.loads((CHART / "dashboards" / file).read_text())


OF_000 = {
    "Filer": ["Request duration p90", "Request duration p95", "Request duration p99", "Requests per second"],
    "S3 gateway": [
        "Request duration p90",
        "Request duration p95",
        "Request duration p99",
        "Bucket traffic received",
        "Bucket traffic sent",
        "Requests per second",
        "Monthly cost of these requests on AWS",
    ],
    "Volume servers": [
        "Request duration p99",
        "Requests per second",
        "Volumes",
        "Used disk by collection and type",
        "Used disk by server",
    ],
    "Filer store": ["Request duration p99", "Requests per second"],
    "Filer instances": ["Go memory", "Go garbage collection", "Goroutines", "Process memory", "Open file descriptors"],
}
"""The rows of reference 000's dashboard with their panels."""


def test_the_panels_of_000_are_there() -> None:
    shown = json.loads((CHART / "dashboards" / "seaweedfs.json").read_text())["panels"]
    by_row: dict[str, list[str]] = {}
    row = ""
    for one in shown:
        if one["type"] == "row":
            row = one["title"]
        else:
            by_row.setdefault(row, []).append(one["title"])
    assert {name: by_row[name] for name in OF_000} == OF_000
    assert sum(map(len, OF_000.values())) == 23
    assert len({one["id"] for one in shown}) == len(shown)


def test_alerts_go_by_e_mail_as_000_sent_them(everything: list[dict[str, Any]]) -> None:
    [found] = named(everything, "AlertmanagerConfig").values()
    route, [receiver] = found["spec"]["route"], found["spec"]["receivers"]
    assert route == {
        "receiver": "email",
        "groupBy": ["alertname", "job", "severity"],
        "groupWait": "30s",
        "groupInterval": "5m",
        "repeatInterval": "1h",
    }
    [email] = receiver["emailConfigs"]
    assert email["sendResolved"] is True
    assert email["requireTLS"] is True
    assert email["authPassword"] == {"name": "smtp", "key": "password"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"to": ""}, "monitoring.email.to is needed"), ({"username": "holdfast"}, "monitoring.email.passwordSecret.name")],
)
def test_an_e_mail_that_could_not_be_sent_is_refused_in_a_sentence(helm: Helm, changed: dict[str, str], said: str) -> None:
    assert said in helm.refusal(CHART, {**STORED, "monitoring": {"email": {**EMAIL, **changed}}})


def stack(tmp_path: Path) -> Path:
    """The umbrella chart with its dependencies in place: ours, and a stub of the other."""
    umbrella = tmp_path / "holdfast-stack"
    shutil.copytree(ROOT / "charts" / "holdfast-stack", umbrella)
    shutil.copytree(CHART, umbrella / "charts" / "holdfast")
    stub = umbrella / "charts" / "kube-prometheus-stack"
    (stub / "templates").mkdir(parents=True)
    dependencies = yaml.safe_load((umbrella / "Chart.yaml").read_text())["dependencies"]
    [wanted] = [one for one in dependencies if one["name"] == stub.name]
    (stub / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": stub.name, "version": wanted["version"]}))
    (stub / "templates" / "values.yaml").write_text(STUB)
    return umbrella


def test_the_umbrella_chart_hands_both_charts_what_they_need(helm: Helm, tmp_path: Path) -> None:
    umbrella = stack(tmp_path)
    objects = helm.objects(umbrella, {"holdfast": STORED})
    assert not {one["kind"] for one in objects} & KINDS, "their definitions need not be there yet"
    assert len([name for name in named(objects, "ConfigMap") if "dashboard" in name]) == 2
    handed = json.loads(named(objects, "ConfigMap")["stub"]["data"]["values"])
    assert handed["prometheus"]["prometheusSpec"]["ruleSelectorNilUsesHelmValues"] is False

    monitored = yaml.safe_load((umbrella / "monitored.yaml").read_text())
    monitored["holdfast"].update(STORED)
    kinds = {one["kind"] for one in helm.objects(umbrella, monitored)}
    assert {"ServiceMonitor", "PodMonitor", "PrometheusRule"} <= kinds
    assert "stub" not in named(
        helm.objects(umbrella, {"holdfast": STORED, "kube-prometheus-stack": {"enabled": False}}), "ConfigMap"
    )
