"""What Helm says to whoever installs the chart. Only an installation prints NOTES.txt, so it is rendered as an object here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import PROFILES, Body
from tests.docs.pages import CHART
from tests.servers.helm import Helm

ONE: Body = {"storage": {"kind": "nfs", "nfs": {"server": "nas", "path": "/e"}}}
EACH = [{"name": f"rack{i}", "servers": 2, "storage": {"nfs": {"server": f"nas{i}"}}} for i in (1, 2)]


def notes(folder: Path, values: Body) -> str:
    chart = folder / "holdfast"
    shutil.copytree(CHART, chart)
    (chart / "templates" / "NOTES.txt").rename(chart / "templates" / "_notes.tpl")
    text = (chart / "templates" / "_notes.tpl").read_text()
    (chart / "templates" / "_notes.tpl").write_text('{{- define "notes" -}}\n' + text + "{{- end -}}\n")
    (chart / "templates" / "said.yaml").write_text('kind: Notes\nsaid: {{ include "notes" . | toJson }}\n')
    [said] = [one["said"] for one in Helm.start().objects(chart, values) if one["kind"] == "Notes"]
    return str(said)


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, False),
        (ONE, True),
        ({**ONE, "seaweedfs": {"volume": {"racks": EACH}}}, False),
        ({**ONE, "seaweedfs": {"volume": {"storage": {"kind": "storageClass"}}}}, False),
        ({**ONE, "seaweedfs": {"replication": "001"}}, False),
    ],
)
def test_copies_that_are_on_one_server_are_warned_of(tmp_path: Path, values: Body, warned: bool) -> None:
    said = notes(tmp_path, values)
    assert ("2 racks of SeaweedFS share 1 NFS server (nas)" in said) is warned
    assert said.startswith("WARNING: " if warned else "Holdfast ")


HOST: Body = {"ingress": {"host": "a.example.org"}}
NO_WAY_IN: Body = {"ingress": {"enabled": False, "publicUrl": "https://a.example.org"}}
MONITORED: Body = {"monitoring": {"serviceMonitors": {"enabled": True}}}
STORED_ELSEWHERE: Body = {
    "existingSecret": "mine",
    "seaweedfs": {"enabled": False},
    "s3": {"external": {"endpoint": "https://s3.example.org"}},
}
TEST, REGISTER, INVITE = (
    "helm --namespace assets test holdfast",
    "holdfast register",
    "create job invite --from=cronjob/holdfast-invite",
)
APPROVE, KEEP, UNREAD = "get assetpolicies", "Keep the Secret holdfast-credentials", "Prometheus cannot read all"
ERASED = "never called erased before settings.HOLDFAST_COMPACTION"
OUTSIDE, CERTIFICATE, NO_ADDRESS = "Nothing leads to it from outside", "get secret holdfast-tls", "No address is set"


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        (HOST, {TEST, f"{REGISTER} YOUR_NAME --url http://a.example.org\n", INVITE, APPROVE, KEEP}, {OUTSIDE, CERTIFICATE, UNREAD}),
        ({}, {NO_ADDRESS, "`helm test` has no address to ask", INVITE}, {TEST, REGISTER, OUTSIDE}),
        ({"test": {"url": "http://ingress"}}, {NO_ADDRESS, TEST}, {"has no address to ask"}),
        (HOST | {"registration": "open"}, {TEST, REGISTER}, {INVITE}),
        (
            HOST | {"registration": "closed"},
            {"Nobody can register", "Clients reach it at http://a.example.org."},
            {TEST, REGISTER, INVITE},
        ),
        (
            NO_WAY_IN,
            {OUTSIDE, "and /holdfast to holdfast-seaweedfs-s3.", f"{REGISTER} YOUR_NAME --url https://a.example.org"},
            set(),
        ),
        (NO_WAY_IN | {"gateway": {"enabled": True, "parentRefs": [{"name": "g"}]}}, {REGISTER}, {OUTSIDE}),
        ({"ingress": {**HOST["ingress"], "tls": {"enabled": True}}}, {f"{REGISTER} YOUR_NAME --url https://a", CERTIFICATE}, set()),
        ({"operator": {"enabled": False}}, set(), {APPROVE}),
        ({"existingSecret": "mine"}, set(), {KEEP}),
        (
            {"platformAdmin": {"username": "root"}, "existingSecret": "mine"},
            {"The platform admin is root", "get secret mine --output"},
            set(),
        ),
        (HOST, set(), {ERASED}),
        (HOST | STORED_ELSEWHERE, {ERASED}, {KEEP}),
        (HOST | STORED_ELSEWHERE | {"settings": {"HOLDFAST_COMPACTION": "vouched"}}, set(), {ERASED}),
        (MONITORED, {UNREAD}, set()),
        (MONITORED | {"versions": "sql"}, set(), {UNREAD}),
        (MONITORED | {"networkPolicies": {"monitoringNamespaceLabels": {"name": "monitoring"}}}, set(), {UNREAD}),
        (MONITORED | {"versions": "sql", "networkPolicies": {"ingressNamespaceLabels": {"name": "ingress"}}}, {UNREAD}, set()),
    ],
)
def test_the_next_step_is_one_that_works_with_these_values(tmp_path: Path, values: Body, said: set[str], unsaid: set[str]) -> None:
    text = notes(tmp_path, values)
    assert {one for one in said if one not in text} == set()
    assert {one for one in unsaid if one in text} == set()
    assert "\n\n\n" not in text


@pytest.mark.parametrize("profile", PROFILES)
def test_there_is_a_next_step_for_every_profile(tmp_path: Path, profile: str) -> None:
    text = notes(tmp_path, yaml.safe_load(PROFILES[profile].read_text()))
    assert "kubectl --namespace assets wait --for=condition=Available" in text
    assert NO_ADDRESS not in text
    assert "Clients reach it at http" in text
    assert "\n\n\n" not in text
