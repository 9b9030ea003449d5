"""What each function has beside its Deployment and Service, in the profile for several nodes."""

from __future__ import annotations

import pytest

from holdfast.web import catalogue
from tests.charts.rendering import PROFILES, Body, of_kind, render

FUNCTIONS = [f"holdfast-{one.slug}" for one in catalogue.functions()]


@pytest.fixture(scope="module")
def bodies() -> list[Body]:
    return render(PROFILES["production"], gateway__enabled="true", gateway__parentRefs='[{"name": "g"}]')


def test_each_function_is_scaled_and_disrupted_by_itself(bodies: list[Body]) -> None:
    scalers, budgets = of_kind(bodies, "HorizontalPodAutoscaler"), of_kind(bodies, "PodDisruptionBudget")
    deployments = of_kind(bodies, "Deployment")
    assert set(scalers) == set(FUNCTIONS)
    for name in FUNCTIONS:
        assert scalers[name]["spec"]["scaleTargetRef"]["name"] == name
        assert budgets[name]["spec"]["selector"] == deployments[name]["spec"]["selector"]
        assert "replicas" not in deployments[name]["spec"], "the autoscaler's number would be overwritten"


def test_each_function_is_spread_probed_and_drained(bodies: list[Body]) -> None:
    deployments = of_kind(bodies, "Deployment")
    for name in FUNCTIONS:
        spec = deployments[name]["spec"]["template"]["spec"]
        [spread] = spec["topologySpreadConstraints"]
        assert spread["labelSelector"] == deployments[name]["spec"]["selector"], name
        [container] = spec["containers"]
        probes = {probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert probes == {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}, name
        [sleep, seconds] = container["lifecycle"]["preStop"]["exec"]["command"]
        assert sleep == "sleep"
        assert spec["terminationGracePeriodSeconds"] > int(seconds), name


def test_each_function_has_an_account_of_its_own_without_a_token(bodies: list[Body]) -> None:
    accounts, deployments = of_kind(bodies, "ServiceAccount"), of_kind(bodies, "Deployment")
    for name in FUNCTIONS:
        spec = deployments[name]["spec"]["template"]["spec"]
        assert spec["serviceAccountName"] == name
        assert accounts[name]["automountServiceAccountToken"] is spec["automountServiceAccountToken"] is False


def test_the_gateway_leads_where_the_ingress_does(bodies: list[Body]) -> None:
    [ingress] = of_kind(bodies, "Ingress").values()
    wanted = {
        (rule.get("host"), path["path"], path["backend"]["service"]["name"])
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    found = list[tuple[str | None, str, str]]()
    ports = {name: {port["port"] for port in one["spec"]["ports"]} for name, one in of_kind(bodies, "Service").items()}
    for route in of_kind(bodies, "HTTPRoute").values():
        assert len(route["spec"]["rules"]) <= 16, "the Gateway API takes no more"
        [host] = route["spec"].get("hostnames", [None])
        for rule in route["spec"]["rules"]:
            [backend] = rule["backendRefs"]
            assert backend["port"] in ports[backend["name"]]
            found += [(host, match["path"]["value"], backend["name"]) for match in rule["matches"]]
    assert len(found) == len(set(found))
    assert set(found) == wanted
