"""How SeaweedFS' roles are started and asked how they are: what cost somebody a day when it was otherwise."""

from __future__ import annotations

import re

import pytest

from tests.charts.rendering import PROFILES, WITH_SEAWEEDFS, Body, containers, of_kind, pods, render

every_store = pytest.mark.parametrize("profile", WITH_SEAWEEDFS)
"""The profiles with SeaweedFS."""
FLAGS: dict[str, dict[str, str]] = {
    "master": {"electionTimeout": "1s", "telemetry": "false", "mdir": "/data", "ip.bind": "0.0.0.0"},
    "volume": {"dataCenter": "dc1", "dir": "/data", "ip.bind": "0.0.0.0", "preStopSeconds": "5"},
    "filer": {"exposeDirectoryData": "false", "ui.deleteDir": "false", "ip.bind": "0.0.0.0"},
    "s3": {
        "config": "/run/identities/s3.json",  # without one it takes any key
        "iam": "false",
        "autoCreateBucket": "false",
        "allowDeleteBucketNotEmpty": "false",
        "port.iceberg": "0",
        "port.lance": "0",
    },
    "admin": {"iceberg.port": "0", "lance.port": "0", "dataDir": "/data"},
    "worker": {"jobType": "vacuum,ec,balance"},
    "filer.backup": {"initialSnapshot": "true"},
}
"""By role the flags whose defaults would be wrong, or that say where data is."""
NEVER = {"raftBootstrap", "externalUrl", "volumePreallocate", "resumeState"}
"""Wipes the masters' state at each start; breaks clients within the cluster; is what the image's entry point adds."""


def started(bodies: list[Body]) -> dict[str, list[dict[str, str]]]:
    """By role the flags of each pod that runs it."""
    found: dict[str, list[dict[str, str]]] = {}
    for _, template in pods(bodies):
        for one in containers(template):
            if one.get("command", [""])[0] == "weed":
                role, *flags = [word for word in one["command"][1:] if not word.startswith("-logtostderr")]
                found.setdefault(role, []).append(dict(word.removeprefix("-").split("=", 1) for word in flags))
    return found


def probes(bodies: list[Body], name: str) -> dict[str, str]:
    """Of the first container: the path that each asks for, or that a connection is enough."""
    [container, *_] = of_kind(bodies, "Deployment", "StatefulSet")[name]["spec"]["template"]["spec"]["containers"]
    asked = {probe: container[f"{probe}Probe"] for probe in ("startup", "readiness", "liveness")}
    return {probe: one["httpGet"]["path"] if "httpGet" in one else "tcpSocket" for probe, one in asked.items()}


@every_store
def test_every_role_is_started_with_what_it_needs(profile: str) -> None:
    found = started(render(PROFILES[profile]))
    assert {"master", "volume", "filer", "s3"} <= set(found) <= set(FLAGS)
    for role, pods_of_it in found.items():
        for flags in pods_of_it:
            assert FLAGS[role].items() <= flags.items(), role
            assert not NEVER & set(flags), role
            assert role == "filer.backup" or flags["metricsPort"] == "9327", role


def test_who_has_an_admin_server_has_workers_and_who_has_none_has_neither() -> None:
    """While one is connected the masters do no maintenance themselves."""
    assert {"admin", "worker"} <= set(started(render()))
    assert not {"admin", "worker"} & set(started(render(seaweedfs__admin__enabled="false")))
    assert of_kind(render(), "Deployment")["holdfast-seaweedfs-worker"]["spec"]["replicas"] > 0


@every_store
def test_masters_call_one_another_what_each_calls_itself(profile: str) -> None:
    """In one order everywhere; a lone one is told that there are no others."""
    bodies = render(PROFILES[profile])
    found = started(bodies)
    masters = of_kind(bodies, "StatefulSet")["holdfast-seaweedfs-master"]
    [flags] = found["master"]
    names = [
        f"{flags['ip'].replace('$(POD_NAME)', f'holdfast-seaweedfs-master-{i}')}:9333" for i in range(masters["spec"]["replicas"])
    ]
    assert flags["peers"] == (",".join(names) if len(names) > 1 else "none")
    told = {one["master"] for role in ("volume", "filer", "admin") for one in found.get(role, ())}
    assert told == {",".join(names)}
    for name in ("holdfast-seaweedfs-master", "holdfast-seaweedfs-volume", "holdfast-seaweedfs-filer-peers"):
        spec = of_kind(bodies, "Service")[name]["spec"]
        assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True), name
    for name, one in of_kind(bodies, "StatefulSet").items():
        if re.search("-seaweedfs-(master|volume|filer)", name):
            assert one["spec"]["podManagementPolicy"] == "Parallel", name
            [container] = one["spec"]["template"]["spec"]["containers"]
            [ip] = [word for word in container["command"] if word.startswith("-ip=")]
            assert ip.startswith(f"-ip=$(POD_NAME).{one['spec']['serviceName']}."), name


@every_store
def test_copies_racks_and_room_are_as_the_values_say(profile: str) -> None:
    bodies = render(PROFILES[profile])
    found = started(bodies)
    [master], [filer] = found["master"], found["filer"]
    assert master["defaultReplication"] == filer["defaultReplicaPlacement"]
    assert int(master["volumeSizeLimitMB"]) > 0
    racks = [flags["rack"] for flags in found["volume"]]
    assert len(racks) == len(set(racks)) > int(master["defaultReplication"][1])
    for flags in found["volume"]:
        assert int(flags["max"]) > 0, "left to itself it counts a shared export once per server"
        assert flags["minFreeSpace"]


def test_four_volume_servers_on_two_racks_keep_three_copies_by_default() -> None:
    bodies = render()
    servers = {name: one["spec"]["replicas"] for name, one in of_kind(bodies, "StatefulSet").items() if "-volume-" in name}
    assert servers == {"holdfast-seaweedfs-volume-rack1": 2, "holdfast-seaweedfs-volume-rack2": 2}
    [master] = started(bodies)["master"]
    assert master["defaultReplication"] == "011"
    assert of_kind(bodies, "StatefulSet")["holdfast-seaweedfs-master"]["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    ("role", "ready"),
    [("master", "/cluster/status"), ("volume-rack1", "/healthz"), ("filer", "/healthz"), ("s3", "/healthz")],
)
def test_no_health_of_others_restarts_a_role(role: str, ready: str) -> None:
    """A volume server answers 503 while masters are away, a filer while its database is, and a master nothing without a leader."""
    assert probes(render(), f"holdfast-seaweedfs-{role}") == {"startup": "tcpSocket", "readiness": ready, "liveness": "tcpSocket"}


@pytest.mark.parametrize("fsync", ["true", "false"])
def test_writes_to_the_bucket_are_on_disk_first(fsync: str) -> None:
    [job] = [one for name, one in of_kind(render(seaweedfs__fsync=fsync), "Job").items() if "-seaweedfs-bucket-" in name]
    [container] = containers(job["spec"]["template"])
    assert f'"fs.configure -locationPrefix=/buckets/$BUCKET/ -fsync={fsync} -apply"' in container["command"][-1]


def test_the_backup_follows_the_bucket_into_a_folder_for_each_day() -> None:
    bodies = render()
    [flags] = started(bodies)["filer.backup"]
    assert (flags["filerPath"], flags["retentionDays"]) == ("/buckets/holdfast", "30")
    configuration = of_kind(bodies, "ConfigMap")["holdfast-seaweedfs-backup"]["data"]["replication.toml"]
    assert "[sink.local]\nenabled = true\n" in configuration
    assert "is_incremental = true" in configuration
