from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client.core import CollectorRegistry
from prometheus_client.exposition import generate_latest

from holdfast.errors import Unavailable
from holdfast.monitoring import metrics
from holdfast.monitoring.metrics import DEPENDENCIES, StandingMetrics
from holdfast.monitoring.reading import LastRun, Standing, Waiting
from holdfast.services import Services

AT = datetime(2026, 11, 26, tzinfo=UTC)


def text(seen: StandingMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(seen)
    return generate_latest(registry).decode()


def test_how_an_installation_stands_is_told_in_samples() -> None:
    seen = StandingMetrics()
    seen.standing = Standing(
        jobs={("erase", "dead"): 2},
        due={"erase": Waiting(3, 4.5)},
        intents={"stored": Waiting(1, 2.0)},
        groups=Waiting(1, 7.0),
        overdue=Waiting(5, 6.0),
        erasures={"gone": Waiting(8, 9.0)},
        purge_ended=AT,
        runs=[LastRun("ns/one", "archive", "failed", AT, None)],
        workspaces=1,
        stored_bytes=10,
        stored_versions=11,
    )
    said = text(seen).splitlines()
    for line in (
        'holdfast_jobs{kind="erase",state="dead"} 2.0',
        'holdfast_job_oldest_due_age_seconds{kind="erase"} 4.5',
        'holdfast_intents{state="stored"} 1.0',
        'holdfast_intent_oldest_age_seconds{state="stored"} 2.0',
        "holdfast_commit_group_oldest_age_seconds 7.0",
        "holdfast_purge_versions_overdue 5.0",
        "holdfast_purge_overdue_age_seconds 6.0",
        'holdfast_erasures{state="gone"} 8.0',
        'holdfast_erasure_oldest_age_seconds{state="gone"} 9.0',
        f"holdfast_purge_last_end_timestamp_seconds {AT.timestamp()!r}".replace("1795651200.0", "1.7956512e+09"),
        'holdfast_policy_last_run{action="archive",policy="ns/one",state="failed"} 1.0',
        "holdfast_stored_bytes 10.0",
    ):
        assert line in said
    assert not any(line.startswith("holdfast_policy_last_success_timestamp_seconds{") for line in said), "there was none"


def test_each_store_is_asked_and_one_that_fails_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise Unavailable("no answer")

    seen = StandingMetrics()
    monkeypatch.setattr(metrics, "STANDING", seen)
    parts = {
        name: SimpleNamespace(check=fails if name == "objects" else lambda: None) for name in (*DEPENDENCIES, "scanner", "qdrant")
    }
    stores = {"database": True, "objects": False, "versions": True}
    for scan, url, up in (
        ("off", "", stores),
        ("clamd", "", {**stores, "scanner": True}),
        ("clamd", "http://qdrant:6333", {**stores, "scanner": True, "qdrant": True}),
    ):
        settings = SimpleNamespace(scan=scan, qdrant_url=url)
        metrics.ask(cast(Services, SimpleNamespace(**parts, settings=settings)), threading.Event())
        assert seen.up == up
    assert 'holdfast_dependency_up{dependency="objects"} 0.0' in text(seen)
