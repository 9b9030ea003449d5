"""Every metric that a rule or a panel names is one that a real server exports, with the labels by which it is asked for."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest
from sqlalchemy import insert, update
from tests.behaviour.erased import NOW, condemned
from tests.behaviour.moments import upload
from tests.cli.program import HOLDFAST
from tests.monitoring.chart import ALERTS, ROOT, alert, panels, parsed, selectors
from tests.monitoring.firing import samples
from tests.monitoring.test_rules import GIVEN
from tests.servers.mariadb import MariaDB
from tests.servers.process import free_ports, serving
from tests.servers.prometheus import MysqldExporter
from tests.servers.seaweedfs import SeaweedFS
from tests.stacks import SQL, Stack, User, made
from tests.unit.operator.policies import body
from tests.unit.operator.test_metrics import with_status
from tests.unit.operator.test_status import settled
from tests.waiting import until

from holdfast.clock import system
from holdfast.database import tables as t
from holdfast.jobs import queue
from holdfast.lifecycle.purging import purge
from holdfast.policies.status import Status
from holdfast_operator import metrics as operator_metrics

ELSEWHERE: Mapping[str, str] = {
    "up": "made by Prometheus, for each target",
    "kube_pod_status_ready": "kube-state-metrics",
    "kubelet_volume_stats_available_bytes": "the kubelet",
    "kubelet_volume_stats_capacity_bytes": "the kubelet",
    "node_cpu_seconds_total": "node-exporter",
    "node_memory_MemAvailable_bytes": "node-exporter",
    "node_memory_MemTotal_bytes": "node-exporter",
    "certmanager_certificate_expiration_timestamp_seconds": "cert-manager",
}
"""Metrics that no server of this test exports, with where they come from. lakeFS and Qdrant are asked for nothing but ``up``."""

LATE = ("SeaweedFS_master_under_replicated_volumes",)
"""SeaweedFS' leader counts for the first time after five minutes: its server may be older than that here, or not."""


@dataclass
class Scrape:
    """Labels and their values, by the names of samples."""

    labels: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))

    def add(self, text: str) -> None:
        for name, labels, _ in samples(text):
            of = self.labels[name]
            for label, value in labels.items():
                of[label].add(value)


def environment(stack: Stack, **more: str) -> dict[str, str]:
    """The stack's settings for a process of its own."""
    values = {**stack.values, **more}
    return {f"HOLDFAST_{name.upper()}": str(value) for name, value in values.items()}


def said(address: str) -> str:
    reply = httpx.get(address, timeout=30, trust_env=False)
    assert reply.status_code == 200
    return reply.text


def something_of_everything(stack: Stack) -> User:
    """Work in every state that the worker tells of."""
    ada = stack.user("ada")
    services = stack.services(**NOW)
    with stack.client(ada, services) as http:
        upload(http, "kept.txt", b"kept")
        condemned(http)
    purge(services)
    run = {"action": "archive", "trigger": "schedule", "as_of": system(), "skipped": {}, "started_at": system()}

    def act(connection: Any) -> None:
        for kind in ("erase", "undo"):
            queue.enqueue(connection, kind, {}, delay=3600)
        connection.execute(update(t.jobs).where(t.jobs.c.kind == "undo").values(state="dead"))
        for state in ("done", "failed"):
            connection.execute(insert(t.runs).values(**run, state=state, finished_at=system()))

    stack.database.write(act)
    return ada


@pytest.fixture(scope="module")
def scrape(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    seaweedfs: SeaweedFS,
    mariadb: MariaDB,
    mysqld_exporter: MysqldExporter,
) -> Scrape:
    scrape = Scrape()
    with made(request, SQL, tmp_path_factory.mktemp("scrape")) as stack:
        ada = something_of_everything(stack)
        [port] = free_ports(1)
        function = [sys.executable, "-m", "holdfast.web.container", "usage"]
        with serving(function, port, environment(stack, port=str(port))) as address:
            asked = httpx.get(f"http://{address}/usage", headers={"Authorization": f"Bearer {ada.token}"}, timeout=30)
            assert asked.status_code == 200
            scrape.add(said(f"http://{address}/metrics"))
        with serving([HOLDFAST, "worker"], port, environment(stack, worker_port=str(port), purge_seconds="0")) as address:
            until(lambda: all(name in said(f"http://{address}/metrics") for name in ("holdfast_observation", "versions")))
            scrape.add(said(f"http://{address}/metrics"))
    one = body("one", mode="Enforce")
    operator_metrics.show([with_status(one, settled(Status(), one))])
    operator_metrics.RECONCILED.labels("done")  # a series begins with the first policy that is looked at
    scrape.add(generate_latest().decode())
    operator_metrics.show([])
    assert httpx.get(f"{seaweedfs.filer}/", trust_env=False).status_code < 500
    scrape.add(said(seaweedfs.metrics))
    scrape.add(said(mysqld_exporter.metrics))
    return scrape


def expressions() -> list[tuple[str, str]]:
    """All that the chart asks, with who does."""
    of_rules = [(name, alert(name)["expr"]) for name in ALERTS]
    return [*of_rules, *((f"{panel.dashboard}: {panel.title}", one) for panel in panels() for one in panel.expressions)]


def test_every_metric_that_is_named_is_exported(scrape: Scrape) -> None:
    named = {(one.name, who) for who, expression in expressions() for one in selectors(parsed(expression))}
    assert len(named) > 100
    missing = {f"{name}, of {who}" for name, who in named if name not in scrape.labels and name not in (*ELSEWHERE, *LATE)}
    assert sorted(missing) == []


def test_what_is_said_to_come_from_elsewhere_is_named_and_does_not_come_from_here(scrape: Scrape) -> None:
    named = {one.name for _, expression in expressions() for one in selectors(parsed(expression))}
    assert {*ELSEWHERE, *LATE} <= named
    assert [name for name in ELSEWHERE if name in scrape.labels] == []


def test_every_label_by_which_one_is_asked_for_is_there(scrape: Scrape) -> None:
    wrong = set()
    for who, expression in expressions():
        for one in selectors(parsed(expression)):
            for matcher in one.matchers.matchers:
                there = scrape.labels.get(one.name)
                if there is not None and matcher.name not in GIVEN and matcher.name not in there:
                    wrong.add(f"{one.name}{{{matcher.name}}}, of {who}")
    assert sorted(wrong) == []


def test_the_values_by_which_seaweedfs_is_asked_are_its_own(scrape: Scrape) -> None:
    asked = {
        (one.name, matcher.name, matcher.value)
        for _, expression in expressions()
        for one in selectors(parsed(expression))
        for matcher in one.matchers.matchers
        if one.name.startswith("SeaweedFS_volumeServer") and matcher.name not in GIVEN
    }
    assert len(asked) >= 3
    assert [(name, label, value) for name, label, value in sorted(asked) if value not in scrape.labels[name][label]] == []


def test_every_metric_of_the_guide_is_exported(scrape: Scrape) -> None:
    named = set(re.findall(r"`(holdfast_\w+)`", (ROOT / "docs" / "guides" / "monitoring.md").read_text()))
    assert len(named) > 25
    exported = {re.sub(r"_(bucket|count|sum)$", "", name) for name in scrape.labels} | set(scrape.labels)
    assert sorted(named - exported) == []
