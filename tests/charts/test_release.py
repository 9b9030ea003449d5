"""The chart on a real cluster, from `helm install` to an installation on old data. The tests build on one another, in order."""

from __future__ import annotations

import json
import re
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest
import yaml

from holdfast.web import catalogue
from tests.behaviour.readme_000 import PHOTOGRAPH, admin, bearer, examples, log_in, upload
from tests.charts.release import LAKEFS, NAME, Asking, AtTheIngress, Release, Uploading, explained, netloc
from tests.docs.pages import CHART
from tests.monitoring.chart import parsed, selectors
from tests.monitoring.test_scrape import ELSEWHERE, LATE, expressions
from tests.servers.prometheus import Promtool
from tests.waiting import until

Tell = Callable[[str], None]
GIBIBYTE = 1024 * 1024 * 1024
FUNCTIONS = catalogue.functions()
OF_ALL, WITHOUT, WITH_STORES = 6144, 80, 115
"""The most MiB at rest that are aimed at: of all that runs, of a function without the store's clients, and with them. Some without
come within two MiB of that, so they are told, and the others asserted."""
pytestmark = pytest.mark.timeout(1800)


def test_helm_install_brings_all_of_it_up(release: Release, tell: Tell) -> None:
    with explained(release):
        seconds = release.install()
        began = time.monotonic()
        with release.client() as http:
            who = admin(http, "first")
            assert upload(http, who).status_code == 200
        tell(f"chart: all ready {seconds:.0f} s after helm install, the first upload {time.monotonic() - began:.1f} s later")
        usage = release.memory()
        total = sum(sum(one.values()) for one in usage.values())
        tell(f"chart: {total:.0f} MiB at rest in {len(usage)} containers")
        assert total < OF_ALL
        first = {component: processes[1] for (component, _), processes in usage.items() if 1 in processes}
        of_ours = {one.slug: first[f"function-{one.slug}"] for one in FUNCTIONS}
        of_ours |= {name: first[name] for name in ("worker", "operator")}
        tell(f"chart: MiB at rest of each: {', '.join(f'{name} {mib:.1f}' for name, mib in of_ours.items())}")
        clients = {one.slug for one in FUNCTIONS if {"s3", "lakefs"} & set(one.extras)}
        assert {name for name in clients if of_ours[name] > WITH_STORES} == set()
        above = [one.slug for one in FUNCTIONS if one.slug not in clients and of_ours[one.slug] > WITHOUT]
        tell(f"chart: without the store's clients, and above {WITHOUT} MiB: {', '.join(above) or 'none'}")
        if sizes := release.kubernetes.sizes("dev"):
            tell(f"chart: images, unpacked: {', '.join(f'{name} {size}' for name, size in sizes.items())}")
        restarted = {
            one["metadata"]["name"]: status["restartCount"]
            for one in release.all("pods")
            for status in one["status"].get("containerStatuses", [])
            if status["restartCount"]
        }
        assert restarted == {}, "something was started twice to come up"


def test_helm_test_passes(release: Release) -> None:
    with explained(release):
        said = release.helm("test", NAME, "--logs")
    assert "All of it as it should be." in said


def test_the_flow_of_000_works_through_the_ingress(release: Release) -> None:
    with explained(release), release.client() as http:
        examples(http, f"admin-{secrets.token_hex(3)}", f"shared-{secrets.token_hex(3)}")


def test_links_lead_to_the_store_through_the_ingress(release: Release) -> None:
    with explained(release), release.client() as http:
        who = admin(http, "linker")
        asset = upload(http, who).json()
        found = http.get(f"/filedownload/{asset['asset_path']}/{asset['version_id']}", headers=who).json()
        url = found["primary_file"]["url"]
        assert netloc(url) == netloc(release.address)
        reply = httpx.get(url)
        assert (reply.status_code, reply.content, reply.headers["content-type"]) == (200, PHOTOGRAPH, "image/jpeg")
        assert httpx.get(url.partition("?")[0]).status_code == 403, "without its signature"
        assert httpx.put(url, content=b"x").status_code == 403
        assert httpx.delete(url).status_code == 403


def test_the_backup_has_what_was_just_uploaded_in_the_folder_of_its_day(release: Release) -> None:
    content = secrets.token_bytes(5000)
    with explained(release), release.client() as http:
        assert upload(http, admin(http, "kept-twice"), content).status_code == 200
        small = "find /data -type f -size -64k -exec sha256sum {} + || true"
        copied = re.compile(rf"^{sha256(content).hexdigest()}\s+/data/\d{{4}}-\d\d-\d\d/", re.MULTILINE)
        until(lambda: copied.search(release.kubectl("exec", "holdfast-seaweedfs-backup-0", "--", "sh", "-c", small)), often=1)


def test_the_admin_server_knows_the_volume_servers_and_tells_whoever_signed_in_alone(release: Release) -> None:
    secret = json.loads(release.kubectl("get", "secret", "holdfast-credentials", "--output=json"))
    password = b64decode(secret["data"]["seaweedfs-admin-password"]).decode()
    with explained(release), release.forwarded("holdfast-seaweedfs-admin-0", 23646) as address:
        with httpx.Client(base_url=address, timeout=60) as http:
            assert _signed_in(http, "a guess") is False
        with httpx.Client(base_url=address, timeout=60) as http:
            assert _signed_in(http, password) is True
            until(lambda: len(http.get(TOPOLOGY).json()["volume_servers"]) == 4, often=1)


TOPOLOGY = "/api/cluster/topology"


def _signed_in(http: httpx.Client, password: str) -> bool:
    """Whether the admin server tells what it knows after this attempt. Before, it does not."""
    assert (http.get("/").headers.get("location"), http.get(TOPOLOGY).status_code) == ("/login", 401)
    [token] = re.findall(r'name="csrf_token" value="(.*?)"', http.get("/login").text)
    reply = http.post("/login", data={"csrf_token": token, "username": "admin", "password": password})
    assert reply.status_code == 303
    return http.get(TOPOLOGY).status_code == 200


def test_a_gibibyte_goes_in_and_comes_out(release: Release, tell: Tell) -> None:
    block = secrets.token_bytes(1024 * 1024)
    digest = sha256()

    def body(boundary: str) -> Iterator[bytes]:
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="primary_file"; filename="large.bin"\r\n\r\n'.encode()
        for number in range(GIBIBYTE // len(block)):
            piece = number.to_bytes(8, "big") + block[8:]
            digest.update(piece)
            yield piece
        yield f"\r\n--{boundary}--\r\n".encode()

    with explained(release), release.client() as http:
        who = admin(http, "large")
        began = time.monotonic()
        headers = {**who, "Content-Type": "multipart/form-data; boundary=b"}
        reply = http.post("/fileupload", headers=headers, content=body("b"), timeout=900)
        assert reply.status_code == 200, reply.text
        took = time.monotonic() - began
        asset = reply.json()
        assert (asset["size"], asset["sha256"]) == (GIBIBYTE, digest.hexdigest())
        url = http.get(f"/filedownload/{asset['asset_path']}/{asset['version_id']}", headers=who).json()["primary_file"]["url"]
        received = sha256()
        with httpx.stream("GET", url, timeout=300) as stream:
            for piece in stream.iter_bytes():
                received.update(piece)
        assert received.digest() == digest.digest()
        tell(f"chart: an upload of 1 GiB through the ingress, three copies each on disk, took {took:.0f} s")


POLICY: dict[str, Any] = {
    "apiVersion": "holdfast.dev/v1alpha1",
    "kind": "AssetPolicy",
    "metadata": {"name": "all-at-once"},
    "spec": {
        "workspaces": {"names": ["keeper_space"]},
        "archive": {"afterDays": 0},
        "destroy": {"afterDays": 0, "from": "Archive"},
        "schedule": "* * * * *",
        "mode": "Enforce",
        "guard": {"maxItems": 100, "maxPercent": 100},
        "undoDays": 0,
    },
}


def test_a_policy_archives_and_destroys_and_the_purge_erases(release: Release, tell: Tell) -> None:
    """kubectl apply, the operator, CronJobs at their minutes, pods with the sweep's own rights, the purge with its own."""
    with explained(release), release.client() as http:
        who = admin(http, "keeper")
        asset = upload(http, who).json()
        version = f"{asset['asset_path']}/{asset['version_id']}"
        url = http.get(f"/filedownload/{version}", headers=who).json()["primary_file"]["url"]
        began = time.monotonic()
        release.kubectl("apply", "--filename=-", given=yaml.safe_dump(POLICY))
        counted = set[int]()
        until(lambda: _counted(release, counted) and http.get(f"/filedownload/{version}", headers=who).status_code == 410, 600)
        tell(f"chart: from kubectl apply to archived and destroyed by CronJobs {time.monotonic() - began:.0f} s")
        until(lambda: 1 in _counted(release, counted), 120)
        release.kubectl("delete", "assetpolicy", "all-at-once")
        until(lambda: not release.all("cronjobs", "--selector=holdfast.dev/policy=all-at-once"), 60)
        until(lambda: _purged(release, url), 600)


def _counted(release: Release, known: set[int]) -> set[int]:
    """Adds how many versions its last archiving run and its last destroying run were about, by the policy's status. The next such
    run, a minute later, says something else."""
    status = json.loads(release.kubectl("get", "assetpolicy", "all-at-once", "--output=json")).get("status", {})
    known |= {int(status.get(name, 0)) for name in ("archived", "destroyed")}
    return known


def _purged(release: Release, url: str) -> bool:
    release.ran("purge")
    return httpx.get(url).status_code == 404


IN_SOME_STATES = {
    "holdfast_jobs": "while something is in the queue",
    "holdfast_job_oldest_due_age_seconds": "while something is in the queue",
    "holdfast_operator_policies": "of policies that were there when the operator last read everything, every five minutes",
    "holdfast_operator_policy_condition": "of policies that were there when the operator last read everything, every five minutes",
}
"""When those are told that are not always told."""


def test_every_metric_that_a_rule_or_a_panel_names_is_told(release: Release, tell: Tell) -> None:
    """After all that was done above. What others than the release export is listed with its reason in tests/monitoring."""
    named = {one.name for _, expression in expressions() for one in selectors(parsed(expression))}
    not_here = {name for name in named if name in (*ELSEWHERE, *LATE) or name.startswith("mysql_")}  # no exporter beside MySQL
    told = set[str]()

    def all_are_told() -> bool:
        scraped = "\n".join(text for _, text in release.scraped())
        told.update(re.findall(r"^[a-zA-Z_:][\w:]*", scraped, re.MULTILINE))
        missing = sorted(named - told - not_here - set(IN_SOME_STATES))
        assert not missing, ", ".join(missing)
        return True

    with explained(release):
        until(all_are_told, often=5)  # some come with the next look that the worker, or a store, takes at itself
    tell(f"chart: {len(named & told)} metrics that rules and panels name are told by its pods")


def test_no_alert_would_fire_while_all_is_well(release: Release, promtool: Promtool) -> None:
    with explained(release):
        release.is_well(promtool)


def test_an_upgrade_and_a_rollback_lose_no_request(release: Release, tell: Tell) -> None:
    with explained(release), release.client() as http:
        who = admin(http, "asking")
        asset = upload(http, who).json()
        version = f"{asset['asset_path']}/{asset['version_id']}"
        asks: dict[str, Callable[[httpx.Client], httpx.Response]] = {
            "token": lambda one: one.post("/token", data={"username": "asking", "password": "admin_password"}),
            "list": lambda one: one.get("/assets", headers=who),
            "download": lambda one: one.get(f"/filedownload/{version}", headers=who),
            "upload": lambda one: upload(one, who, secrets.token_bytes(2000)),
        }
        before = _pods(release)
        with Asking(release, asks) as asking:
            began = time.monotonic()
            release.upgrade("--set=settings.HOLDFAST_LINK_MINUTES=7", "--set=functions.drainSeconds=16")
            release.settle()
            upgraded = time.monotonic() - began
            assert not before & _pods(release), "every function was replaced"
            release.helm("rollback", NAME, "1")
            release.settle()
        tell(
            f"chart: {len(asking.failed)} of {asking.count} requests lost while all functions were replaced "
            f"in {upgraded:.0f} s, and put back"
        )
        assert asking.failed == []
        bearer(log_in(http, "asking", "admin_password")["access_token"])


def _pods(release: Release) -> set[str]:
    """Of functions."""
    return {
        one["metadata"]["name"]
        for one in release.all("pods")
        if one["metadata"]["labels"].get("app.kubernetes.io/component", "").startswith("function-")
    }


VICTIMS = [
    "seaweedfs-volume",
    "seaweedfs-s3",
    "seaweedfs-filer",
    "seaweedfs-master",
    "mysql",
    "function-fileupload",
    "worker",
    "operator",
    *(["lakefs"] if LAKEFS else []),
]


def test_whatever_dies_nothing_acknowledged_is_lost_and_service_resumes(release: Release, tell: Tell) -> None:
    """Every pod is killed at once while somebody uploads, one after the other, when the one before serves again; but all three
    masters together."""
    with explained(release):
        with Uploading(release, "survivor") as uploading:
            for component in VICTIMS:
                uploading.goes_on()
                since, failed = uploading.now(), len(uploading.failed)
                pods = release.pods(component)
                release.kill(*(pods if component == "seaweedfs-master" else pods[:1]))
                uploading.goes_on()
                release.settle()
                uploading.goes_on()
                tell(
                    f"chart: {component} killed: no upload for {uploading.gap(since):.1f} s, "
                    f"{len(uploading.failed) - failed} refused"
                )
            others = [name for component in release.components() if component not in VICTIMS for name in release.pods(component)]
            volumes = release.pods("seaweedfs-volume")[1:]
            for pod in [*volumes, *others]:
                release.kill(pod)
                release.settle()
                if pod in volumes:
                    uploading.goes_on()
            uploading.goes_on()
            tell(f"chart: {len(volumes)} other volume servers and {len(others)} other pods killed one after the other")
        assert len(volumes) == 3
        assert len(others) > 20
        assert len(uploading.kept) > 6 * len(VICTIMS)
        assert uploading.lost() == []
        tell(f"chart: {len(uploading.kept)} acknowledged uploads, all there")


def test_a_volume_server_is_evicted_while_somebody_uploads(release: Release, tell: Tell) -> None:
    with explained(release):
        with Uploading(release, "drained") as uploading:
            uploading.goes_on()
            [victim, *_] = release.pods("seaweedfs-volume")
            since = uploading.now()
            release.evict(victim)
            uploading.goes_on()
            release.settle()
            uploading.goes_on()
        assert uploading.lost() == []
        tell(f"chart: a volume server evicted: no upload for {uploading.gap(since):.1f} s, {len(uploading.failed)} refused")
        for answer in uploading.put_off:
            tell(f"chart: his registration was put off first: {answer}")


def test_what_it_kept_is_there_again_after_uninstall_and_install(release: Release) -> None:
    with explained(release), release.client() as http:
        who = admin(http, "returning")
        asset = upload(http, who).json()
        stays = _what_stays(release)
        assert {kind for kind, _ in stays} == {"PersistentVolume", "PersistentVolumeClaim", "Secret", "CustomResourceDefinition"}
        assert ("Secret", "holdfast-credentials") in stays
        release.helm("uninstall", NAME, "--wait", "--timeout=5m")
        assert release.all("deployments,statefulsets") == []
        others = "services,ingresses,networkpolicies,serviceaccounts"
        assert release.all(others, "--selector=app.kubernetes.io/part-of=holdfast") == []
        assert _what_stays(release) == stays
        kept = release.kubectl("get", "secret", "holdfast-credentials", "--output=json")

        release.kubectl("delete", "secret", "holdfast-credentials")
        refused = release.helm_asked("install", NAME, str(CHART), *release.values())
        assert refused.returncode != 0
        assert "new credentials would not open it" in refused.stderr

        secret = json.loads(kept)
        secret["metadata"] = {name: secret["metadata"][name] for name in ("name", "labels", "annotations")}
        release.kubectl("create", "--filename=-", given=json.dumps(secret))
        host = f"s3.{release.namespace}.svc"
        release.install("--set=ingress.s3.by=host", f"--set=ingress.s3.host={host}")
        assert _what_stays(release) == stays, "no volume was made anew, and no credential"
        again = bearer(log_in(http, "returning", "admin_password")["access_token"])
        url = http.get(f"/filedownload/{asset['asset_path']}/{asset['version_id']}", headers=again).json()["primary_file"]["url"]
        assert httpx.URL(url).host == host, "of the S3 gateway, which has one of its own now"
        with httpx.Client(transport=AtTheIngress(release.address)) as store:
            assert store.get(url).content == PHOTOGRAPH
            assert store.get(url.partition("?")[0]).status_code == 403, "without its signature"


def _what_stays(release: Release) -> dict[tuple[str, str], object]:
    """By kind and name: the claims with their volumes, the volumes with their claims, the data of the Secrets that are to be
    kept, and which CustomResourceDefinition is there."""
    volumes = json.loads(release.kubernetes.kubectl("get", "persistentvolumes", "--output=json"))["items"]
    definitions = json.loads(release.kubernetes.kubectl("get", "customresourcedefinitions", "--output=json"))["items"]
    found = dict[tuple[str, str], object]()
    for one in [*volumes, *definitions, *release.all("persistentvolumeclaims,secrets")]:
        kind, name, spec = one["kind"], one["metadata"]["name"], one.get("spec", {})
        if kind == "PersistentVolume" and spec.get("claimRef", {}).get("namespace") == release.namespace:
            found[kind, name] = (spec["claimRef"]["name"], one["status"]["phase"])
        elif kind == "PersistentVolumeClaim":
            found[kind, name] = (spec["volumeName"], one["status"]["phase"])
        elif kind == "CustomResourceDefinition" and name == "assetpolicies.holdfast.dev":
            found[kind, name] = one["metadata"]["uid"]
        elif kind == "Secret" and one["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep":
            found[kind, name] = one["data"]
    return found
