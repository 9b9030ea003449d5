"""The chart's alerts: each fires and stays silent as its promtool test shows, and says what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from tests.monitoring.chart import ALERTS, RULES, RUNBOOKS, TESTS, alert, panels, parsed, selectors
from tests.servers.prometheus import Promtool

SEVERITIES = {"info", "warning", "critical"}
GIVEN = {"namespace", "service", "pod", "app_kubernetes_io_name", "app_kubernetes_io_instance", "app_kubernetes_io_component"}
"""Labels that the chart's monitors give to every series."""
NODES = {"HighCPUUsage", "HighMemoryUsage"}
"""Alerts of node-exporter, whose only name of a node is ``instance``."""


OF_000 = {
    "HighFilerRequestLatency": ("histogram_quantile(0.99", "> 2", "5m", "warning"),
    "LowFilerQPS": ("rate(SeaweedFS_filerStore_request_total", "SeaweedFS_s3_request_total", "10m", "warning"),
    "HighS3RequestLatency": ("histogram_quantile(0.95", "> 3", "5m", "critical"),
    "HighVolumeServerLatency": ("histogram_quantile(0.99", "> 1", "5m", "warning"),
    "VolumeServerDiskUsageHigh": ("/ ignoring(type)", "* 100 > 85", "10m", "critical"),
    "HighMemoryUsage": ("node_memory_MemAvailable_bytes", "* 100 > 80", "10m", "warning"),
    "HighCPUUsage": ('mode="idle"', "* 100 > 80", "10m", "warning"),
}
"""The seven alerts of reference 000: what of each expression is its own or was wrong there, its `for`, and its severity."""
OF_AN_OPERATOR = {
    "a policy fails": {"PolicyRunFailed", "PolicyNotReady"},
    "its guard tripped": {"PolicyGuardTripped"},
    "the purge is behind": {"PurgeBehind", "PurgeNotRunning", "ErasureStuck"},
    "the committer is stuck": {"CommitterStuck"},
    "the queue's age": {"JobQueueStuck"},
    "the trail is not sealed": {"AuditUnsealed"},
    "copies are missing": {"SeaweedFSUnderReplicated"},
    "a disk fills": {"VolumeNearlyFull", "VolumeServerDiskUsageHigh"},
    "a certificate expires": {"CertificateExpiring"},
    "something is down": {f"{one}Down" for one in ("Function", "Worker", "Operator", "SeaweedFSRole", "LakeFS", "MySQL", "Qdrant")},
    "what others bring is unreachable": {"StoreUnreachable", "QdrantUnreachable"},
}


@pytest.mark.parametrize("name", OF_000)
def test_an_alert_of_000_is_there_as_it_was_meant(name: str) -> None:
    one, other, wait, severity = OF_000[name]
    rule = alert(name)
    assert one in rule["expr"]
    assert other in rule["expr"]
    assert (rule["for"], rule["labels"]["severity"]) == (wait, severity)


def test_what_000_called_the_filers_latency_is_two_alerts() -> None:
    assert {one.name for one in selectors(parsed(alert("HighFilerRequestLatency")["expr"]))} == {
        "SeaweedFS_filer_request_seconds_bucket",
        "SeaweedFS_filer_request_seconds_count",
    }
    assert "SeaweedFS_filerStore_request_seconds_bucket" in alert("HighFilerStoreLatency")["expr"]


@pytest.mark.parametrize("wanted", OF_AN_OPERATOR)
def test_what_whoever_operates_the_system_wants_to_know_has_an_alert(wanted: str) -> None:
    assert OF_AN_OPERATOR[wanted] <= set(ALERTS)


def test_promtool_accepts_every_rule(promtool: Promtool) -> None:
    said = promtool("check", "rules", *sorted(RULES.glob("*.yaml")), cwd=RULES)
    assert said.count("SUCCESS: 1 rules found") == len(ALERTS) > 30


@pytest.mark.parametrize("name", [*ALERTS, "system"])
def test_an_alert_fires_and_stays_silent(name: str, promtool: Promtool) -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS / f"{name}.yaml", cwd=TESTS)


def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((TESTS / f"{name}.yaml").read_text())["tests"]
    return found


@pytest.mark.parametrize("name", ALERTS)
def test_its_test_has_it_fire_after_a_while_and_be_silent_on_a_system_that_is_well(name: str) -> None:
    found = {case["name"]: case for case in cases(name)}
    firing = [look.get("exp_samples") for look in found["fires"]["promql_expr_test"]]
    assert [bool(samples) for samples in firing] == [False, True], "first it waits for `for`"
    for silent in ("stays silent on a system that is well", "stays silent on a system that is idle"):
        assert found[silent]["input_series"]
        assert all(not look.get("exp_samples") for look in found[silent]["promql_expr_test"])


def test_the_test_of_all_rules_at_once_has_all_rules() -> None:
    files = yaml.safe_load((TESTS / "system.yaml").read_text())["rule_files"]
    assert sorted(files) == [f"../rules/{name}.yaml" for name in ALERTS]
    assert sorted(path.stem for path in TESTS.glob("*.yaml")) == sorted([*ALERTS, "system"])


@pytest.mark.parametrize("name", ALERTS)
def test_it_says_what_it_is_and_where_to_read_on(name: str) -> None:
    rule = alert(name)
    assert rule["alert"] == name
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["for"]
    said = rule["annotations"]
    assert said["summary"]
    assert said["description"].endswith(".")
    assert said["runbook"] == f"docs/runbooks/{name}.md"
    assert set(said) <= {"summary", "description", "runbook", "when"}


@pytest.mark.parametrize("name", ALERTS)
def test_its_text_names_only_labels_that_it_fires_with(name: str) -> None:
    """000's named what its sum had dropped."""
    said = alert(name)["annotations"]
    named = set(re.findall(r"\$labels\.(\w+)", said["summary"] + said["description"]))
    [firing] = [look["exp_samples"] for look in cases(name)[0]["promql_expr_test"] if look.get("exp_samples")]
    for sample in firing:
        assert named <= set(re.findall(r"(\w+)=", sample["labels"]))


@pytest.mark.parametrize("name", ALERTS)
def test_it_takes_no_job_or_instance_for_granted(name: str) -> None:
    expression = alert(name)["expr"]
    assert not re.search(r"\bjob\b", expression)
    if name not in NODES:
        assert not re.search(r"\binstance\b", expression)


@pytest.mark.parametrize("name", ALERTS)
def test_it_asks_only_series_of_holdfast_and_of_one_component(name: str) -> None:
    """Another SeaweedFS is none of our business, and each role of ours exports what belongs to the others, too, at zero."""
    for one in selectors(parsed(alert(name)["expr"])):
        asked = {matcher.name for matcher in one.matchers.matchers}
        if one.name.startswith(("holdfast_", "SeaweedFS_", "mysql_")) and asked:
            assert {"app_kubernetes_io_name", "app_kubernetes_io_component"} <= asked
        if one.name == "up":
            assert "app_kubernetes_io_name" in asked


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.stem != "README") == ALERTS


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_answers_what_one_wants_to_know_at_night(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "What it means",
        "What users notice",
        "What to look at",
        "What to do",
        "When it is harmless",
    ]
    rule = alert(name)
    assert f"Severity: {rule['labels']['severity']}, after {rule['for']}." in text


def test_a_runbook_names_only_alerts_commands_and_settings_that_there_are() -> None:
    from tests.docs.pages import commands_page

    from holdfast.settings import Settings

    commands = set(re.findall(r"^## holdfast (.+)$", commands_page(), re.MULTILINE))
    kinds = re.compile(
        r"\b(?:Function|Worker|Store|Observation|Job|Committer|Audit|Policy|Purge|Erasure|Operator|SeaweedFS|LakeFS|MySQL|Qdrant"
        r"|High|Low|Backup|Certificate|VolumeServer|VolumeNearly)[A-Z]\w+\b"
    )
    for path in RUNBOOKS.glob("*.md"):
        text = path.read_text()
        assert set(kinds.findall(text)) <= set(ALERTS), path.name
        for setting in re.findall(r"HOLDFAST_([A-Z_]+)", text):
            assert setting.lower() in Settings.model_fields, path.name
        for called in re.findall(r"(?:^|-- |`)holdfast ([a-z-]+(?: [a-z-]+){0,2})", text, re.MULTILINE):
            words = called.split()
            assert commands & {" ".join(words[: n + 1]) for n in range(len(words))}, (path.name, called)


def test_every_expression_of_a_dashboard_can_be_read() -> None:
    for panel in panels():
        for expression in panel.expressions:
            assert list(selectors(parsed(expression))), panel.title
