"""Faults of reference 000's installation that the chart must not have, by their numbers in docs/seed-faults.md."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.charts.rendering import PROFILES, WITH_SEAWEEDFS, Body, containers, of_kind, pods, render

every_profile = pytest.mark.parametrize("profile", PROFILES)
every_store = pytest.mark.parametrize("profile", WITH_SEAWEEDFS)
"""The profiles with SeaweedFS."""


def commands(bodies: list[Body]) -> dict[str, list[str]]:
    """The words of each container of SeaweedFS, by whose it is."""
    return {
        f"{where} {one['name']}": one["command"]
        for where, template in pods(bodies)
        for one in containers(template)
        if one.get("command", [""])[0] == "weed"
    }


@every_store
def test_fault_000_25_the_store_makes_its_own_tables_and_waits_for_no_application(profile: str) -> None:
    bodies = render(PROFILES[profile])
    configuration = of_kind(bodies, "ConfigMap")["holdfast-seaweedfs-filer"]["data"]["filer.toml"]
    assert "[mysql2]" in configuration
    assert "CREATE TABLE IF NOT EXISTS `%s`" in configuration
    assert "dsn" not in configuration
    [waiting] = of_kind(bodies, "StatefulSet")["holdfast-seaweedfs-filer"]["spec"]["template"]["spec"]["initContainers"]
    assert waiting["command"][0] == "sh"
    assert "mysql -e" in waiting["command"][-1]


def test_fault_000_26_nothing_is_alone_in_production_and_the_backup_is_on_a_server_of_its_own() -> None:
    bodies = render(PROFILES["production"])
    alone = {
        name
        for name, one in of_kind(bodies, "Deployment", "StatefulSet").items()
        if one["spec"].get("replicas", 2) < 2 and not name.endswith(("-operator", "-admin", "-seaweedfs-worker", "-backup"))
    }
    assert alone == set(), "requests depend on it"
    servers = {name: one["spec"]["nfs"]["server"] for name, one in of_kind(bodies, "PersistentVolume").items()}
    backup = {server for name, server in servers.items() if "-backup-" in name}
    assert len(backup) == 1
    assert not backup & {server for name, server in servers.items() if "-backup-" not in name}


@every_store
def test_fault_000_27_maintenance_is_of_every_collection_and_links_lead_to_what_is_published(profile: str) -> None:
    bodies = render(PROFILES[profile])
    assert not [word for words in commands(bodies).values() for word in words if "collection" in word.lower()]
    settings = of_kind(bodies, "ConfigMap")["holdfast-settings"]["data"]
    address = settings["HOLDFAST_S3_PUBLIC_ENDPOINT"]
    [ingress] = of_kind(bodies, "Ingress").values()
    host = re.sub(r"^https?://", "", address).partition(":")[0]
    published = [
        path["path"]
        for rule in ingress["spec"]["rules"]
        if rule.get("host") in (None, host)
        for path in rule["http"]["paths"]
        if path["backend"]["service"]["name"] == "holdfast-seaweedfs-s3"
    ]
    assert published in ([f"/{settings['HOLDFAST_S3_BUCKET']}"], ["/"])


@every_profile
def test_fault_000_30_nothing_is_published_but_by_the_ingress_and_the_admin_page_asks_for_a_password(profile: str) -> None:
    bodies = render(PROFILES[profile])
    assert {one["spec"].get("type", "ClusterIP") for one in of_kind(bodies, "Service").values()} == {"ClusterIP"}
    ports: list[dict[str, Any]] = [port for _, pod in pods(bodies) for one in containers(pod) for port in one.get("ports", [])]
    assert not any("hostPort" in port for port in ports)
    admin = of_kind(bodies, "StatefulSet").get("holdfast-seaweedfs-admin")
    if admin is not None:
        [container] = admin["spec"]["template"]["spec"]["containers"]
        assert "WEED_ADMIN_PASSWORD" in {one["name"] for one in container["env"]}


@every_store
def test_fault_000_31_arguments_are_a_list_of_words_that_no_shell_splits(profile: str) -> None:
    found = commands(render(PROFILES[profile]))
    assert len(found) > 4
    for where, words in found.items():
        for word in words:
            assert not re.search(r"[\s\\]", word), (where, word)
