"""What the chart tells ClamAV and Holdfast about each other: ClamAV's settings are run with the real clamd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.scanning.port import Result
from holdfast.settings import Settings
from tests.charts.rendering import Body, containers, of_kind, pods, render
from tests.servers.clamd import MALWARE, Clamd
from tests.servers.required import running

MIB = 1 << 20


def rendered(**values: str) -> list[Body]:
    return render(upgrade=False, **{f"clamav__{name}": value for name, value in {"enabled": "true", **values}.items()})


def settings(bodies: list[Body]) -> dict[str, str]:
    [found] = [one["data"] for name, one in of_kind(bodies, "ConfigMap").items() if name.endswith("-settings")]
    return {name: value for name, value in found.items() if "SCAN" in name or "CLAMD" in name}


def conf(bodies: list[Body]) -> str:
    text: str = of_kind(bodies, "ConfigMap")["holdfast-clamav"]["data"]["clamd.conf"]
    return text


def test_it_is_off_unless_asked_for() -> None:
    bodies = render()
    assert settings(bodies) == {}
    assert not [one for one in bodies if "clamav" in one["metadata"]["name"]]


@pytest.fixture
def small() -> Iterator[tuple[Clamd, dict[str, str]]]:
    """A clamd with the chart's settings for 1 MiB, and Holdfast's."""
    bodies = rendered(maxBytes=str(MIB), timeoutSeconds="50")
    for server in running(lambda: Clamd.start(conf(bodies))):
        yield server, settings(bodies)


def test_the_two_agree_about_what_is_too_large(small: tuple[Clamd, dict[str, str]]) -> None:
    from holdfast.services import Services

    server, told = small
    assert told.pop("HOLDFAST_CLAMD") == "holdfast-clamav:3310"
    values: dict[str, Any] = {name.removeprefix("HOLDFAST_").lower(): value for name, value in told.items()}
    made = Settings(**values, clamd=server.tcp)
    assert (made.scan, made.scan_max_bytes, made.scan_timeout_seconds) == ("clamd", MIB, 50)
    assert (made.scan_quarantine, made.scan_delete) == (True, False)
    services = Services(made)

    def result(content: bytes, said: int | None = None) -> Result:
        return services.scanner.scan(said or len(content), lambda: [content], lambda: None).result

    assert result(bytes(MIB)) is Result.CLEAN
    assert result(bytes(MIB - len(MALWARE)) + MALWARE) is Result.INFECTED
    assert result(bytes(MIB + 1)) is Result.TOO_LARGE
    assert result(bytes(MIB + 1), said=MIB) is Result.TOO_LARGE


def test_its_pod_is_as_restricted_as_the_others_and_writes_where_it_may() -> None:
    [deployment] = [template for where, template in pods(rendered()) if where == "Deployment holdfast-clamav"]
    assert [one["name"] for one in containers(deployment)] == ["signatures", "clamd", "freshclam"]
    for one in containers(deployment):
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert {mount["mountPath"] for mount in one["volumeMounts"]} == {"/signatures", "/settings", "/tmp"}
        assert {"cpu", "memory"} <= set(one["resources"]["requests"])
    assert deployment["spec"]["securityContext"]["runAsNonRoot"] is True
    [claim] = of_kind(rendered(), "PersistentVolumeClaim").values()
    [volume] = [one for one in deployment["spec"]["volumes"] if one["name"] == "data"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "2Gi"}}


def test_without_the_internet_somebody_else_brings_the_signatures() -> None:
    [deployment] = [template for where, template in pods(rendered(freshclam__enabled="false")) if "clamav" in where]
    assert [one["name"] for one in containers(deployment)] == ["clamd"]


def test_its_volume_can_be_one_on_nfs() -> None:
    bodies = render(clamav__enabled="true", storage__kind='"nfs"', storage__nfs='{"server": "nas", "path": "/e"}')
    [volume] = [one for name, one in of_kind(bodies, "PersistentVolume").items() if "clamav" in name]
    [claim] = of_kind(bodies, "PersistentVolumeClaim").values()
    assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == ""


def test_a_clamd_that_is_somebody_elses_is_only_told_of() -> None:
    bodies = rendered(external__address='"clamd.security:3310"')
    assert settings(bodies)["HOLDFAST_CLAMD"] == "clamd.security:3310"
    assert not [one for one in bodies if "clamav" in one["metadata"]["name"]]
