"""The chart on a real cluster, on what others bring: a MariaDB, a store, credentials and invitations. The tests build on one
another, in order."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from hashlib import sha256

import httpx
import pytest

from tests.behaviour.readme_000 import bearer, log_in, upload
from tests.charts.guest import NAME, ON_POSTGRES, Guest
from tests.charts.release import A_LOOK, LAKEFS, Asking, explained
from tests.servers.helm import Helm
from tests.servers.kubernetes import Kubernetes
from tests.servers.prometheus import Promtool
from tests.waiting import until

Tell = Callable[[str], None]
FULL = f"{NAME}-holdfast"
UPLOADED = "holdfast_http_requests_total"
BROUGHT = {"database", "store", "vectors", *(["postgres" if ON_POSTGRES else "lakefs"] if LAKEFS else [])}
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def guest(node: Kubernetes, helm: Helm) -> Iterator[Guest]:
    """Not installed yet, in a namespace whose pods have to keep the restricted Pod Security Standard."""
    node.images("dev")
    namespace = node.namespace()
    node.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    guest = Guest(node, helm, namespace, node.address())
    guest.bring()
    yield guest
    guest.helm_asked("uninstall", NAME, "--ignore-not-found", "--wait", "--timeout=3m")
    node.kubectl("delete", "namespace", namespace, "--wait=false")


def test_it_comes_up_on_what_others_bring(guest: Guest, promtool: Promtool, tell: Tell) -> None:
    with explained(guest):
        tell(f"chart: on a database and a store of others, all ready {guest.install():.0f} s after helm install")
    on_disks = [one["metadata"]["name"] for one in guest.all("statefulsets,persistentvolumeclaims")]
    assert on_disks == ([f"{FULL}-lakefs"] if LAKEFS and ON_POSTGRES else [])
    brought = {one["metadata"]["name"] for one in guest.all("deployments") if not one["metadata"]["name"].startswith(FULL)}
    assert brought == BROUGHT
    kept = {one["metadata"]["name"] for one in guest.all("secrets") if one["type"] == "Opaque"}
    assert kept == BROUGHT | {"brought"}, "no credentials were generated"
    guest.is_well(promtool)
    answer = [f'holdfast_dependency_up{{dependency="{store}"}} 1.0' for store in ("database", "objects", "versions", "qdrant")]
    until(lambda: set(answer) <= set(_told(guest, guest.pods("worker")[0]).splitlines()), often=A_LOOK)  # it may not have asked yet


def test_helm_test_invites_itself(guest: Guest) -> None:
    with explained(guest):
        said = guest.helm("test", NAME, "--logs")
    assert "All of it as it should be." in said


def test_who_is_invited_stores_and_destroys_and_the_purge_erases(guest: Guest) -> None:
    content = secrets.token_bytes(3_000_000)
    with explained(guest), guest.client() as http:
        _register(guest, http)
        who = _invited(http)
        stored = upload(http, who, content)
        assert stored.status_code == 200, stored.text
        asset = stored.json()
        assert (asset["size"], asset["sha256"]) == (len(content), sha256(content).hexdigest())
        version = f"{asset['asset_path']}/{asset['version_id']}"

        link = http.get(f"/filedownload/{version}", headers=who).json()["primary_file"]["url"]
        assert httpx.URL(link).host == guest.store
        assert sha256(http.get(link).content).hexdigest() == asset["sha256"]
        assert http.get(link.partition("?")[0]).status_code == 403, "without its signature"

        for act, status in (("filearchive", "archived"), ("filerestore", "active"), ("filearchive", "archived")):
            reply = http.post(f"/{act}/{version}", headers=who)
            assert (reply.status_code, reply.json()["status"]) == (200, status), act
        again = http.get(f"/filedownload/{version}", headers=who).json()["primary_file"]["url"]
        assert sha256(http.get(again).content).hexdigest() == asset["sha256"]
        destroyed = http.post(f"/delfile/{version}", headers=who)
        assert (destroyed.status_code, destroyed.json()["status"]) == (200, "destroyed")
        assert http.get(f"/filedownload/{version}", headers=who).status_code == 410

        said = guest.ran("purge")
        assert "still being purged" not in said
        assert re.search(r"^erased +[1-9]", said, re.MULTILINE), said
        assert http.get(again).status_code == 404, "its bytes are gone"


def _register(guest: Guest, http: httpx.Client) -> None:
    """Somebody who was given a code in the way that Helm tells at the installation. The code is for one person."""
    wanted = {"username": "invited", "password": "admin_password"}
    assert http.post("/users", json=wanted).status_code == 403
    code = guest.ran("invite").strip()
    reply = http.post("/users", json=wanted | {"invitation": code})
    assert reply.status_code == 200, reply.text
    assert http.post("/users", json=wanted | {"username": "another", "invitation": code}).status_code == 403


def _invited(http: httpx.Client) -> dict[str, str]:
    return bearer(log_in(http, "invited", "admin_password")["access_token"])


def test_of_two_pods_either_serves_and_each_goes_without_a_request_that_is_lost(guest: Guest, tell: Tell) -> None:
    with explained(guest), guest.client() as http:
        who = _invited(http)
        ask = {str(number): lambda one: upload(one, who, secrets.token_bytes(2000)) for number in range(2)}
        before = [*guest.pods("function-fileupload"), *guest.pods("worker")]
        assert len(before) == 4
        with Asking(guest, ask) as asking:
            until(lambda: all(_stored(guest, pod) for pod in guest.pods("function-fileupload")), often=A_LOOK)
            for pod in before:
                guest.evict(pod)
                guest.settle()
            until(lambda: all(_stored(guest, pod) for pod in guest.pods("function-fileupload")), often=A_LOOK)
        assert not {*before} & {*guest.pods("function-fileupload"), *guest.pods("worker")}
        tell(f"chart: {len(asking.failed)} of {asking.count} uploads to two pods lost while these and two workers were evicted")
        assert asking.failed == []


def _stored(guest: Guest, pod: str) -> bool:
    """Whether this pod has taken an upload."""
    return f'{UPLOADED}{{method="POST",route="/fileupload",status="200"}}' in _told(guest, pod)


def _told(guest: Guest, pod: str) -> str:
    """Its metrics."""
    return guest.kubernetes.kubectl("get", f"--raw=/api/v1/namespaces/{guest.namespace}/pods/{pod}:8080/proxy/metrics")


def test_an_upgrade_migrates_their_database_and_an_uninstall_leaves_what_others_brought(guest: Guest) -> None:
    with explained(guest), guest.client() as http:
        who = _invited(http)
        asset = upload(http, who).json()
        guest.upgrade("--set=registration=closed")
        guest.settle()
        assert http.post("/users", json={"username": "late", "password": "admin_password"}).status_code == 403
        link = http.get(f"/filedownload/{asset['asset_path']}/{asset['version_id']}", headers=who).json()["primary_file"]["url"]
        assert sha256(http.get(link).content).hexdigest() == asset["sha256"]

        guest.helm("uninstall", NAME, "--wait", "--timeout=5m")
        ours = "deployments,cronjobs,services,secrets,configmaps,ingresses,networkpolicies,poddisruptionbudgets,serviceaccounts"
        assert guest.all(ours, "--selector=app.kubernetes.io/part-of=holdfast") == []
        assert {one["metadata"]["name"] for one in guest.all("deployments")} == BROUGHT
        assert {one["metadata"]["name"] for one in guest.all("secrets")} == BROUGHT | {"brought"}
        assert http.get(link).status_code == 200, "what was stored stays in the store of others"
