"""How an installation stands, as gauges of the process that does the background work; every other one would say the same.

A thread looks every few seconds, and a scrape shows what was seen last, so that no scrape waits for a store. What could not be
seen is left out: an old number would look as if nothing happened.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.monitoring.reading import Standing, read
from holdfast.web import metrics

if TYPE_CHECKING:
    import threading

    from prometheus_client.core import Metric

    from holdfast.services import Services

EVERY = 15.0
"""Seconds between two looks."""
DEPENDENCIES = ("database", "objects", "versions")
"""Members of ``Services`` that have a ``check``. Where uploads are scanned, so has ``scanner``, and where there is a Qdrant,
``qdrant``."""

_log = logging.getLogger(__name__)


class StandingMetrics:
    """What this process saw last: ``standing`` is None when nothing could be seen, ``up`` says which stores answered."""

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.seen_at = 0.0
        self.up: dict[str, bool] = {}

    def collect(self) -> Iterator[Metric]:
        """As prometheus-client's registry wants it. From any thread."""
        from prometheus_client.core import GaugeMetricFamily

        up = GaugeMetricFamily("holdfast_dependency_up", "Whether a store answered when last asked.", labels=["dependency"])
        for name, answers in list(self.up.items()):
            up.add_metric([name], float(answers))
        yield up
        standing = self.standing
        if standing is not None:
            yield GaugeMetricFamily(
                "holdfast_observation_timestamp_seconds", "When the gauges of all were last read.", self.seen_at
            )
            yield from shown(standing)


def shown(standing: Standing) -> Iterator[Metric]:
    """The gauges that say so. Pure."""
    from prometheus_client.core import GaugeMetricFamily as Gauge

    jobs = Gauge("holdfast_jobs", "Jobs of the queue; dead ones failed too often.", labels=["kind", "state"])
    for (kind, state), count in standing.jobs.items():
        jobs.add_metric([kind, state], count)
    due = Gauge("holdfast_job_oldest_due_age_seconds", "For how long the oldest job that is due waits.", labels=["kind"])
    for kind, waiting in standing.due.items():
        due.add_metric([kind], waiting.seconds)
    yield from (jobs, due)
    for name, what, by_state in (
        ("intent", "Uploads that are not published", standing.intents),
        ("erasure", "Objects that are being erased", standing.erasures),
    ):
        counts = Gauge(f"holdfast_{name}s", f"{what}.", labels=["state"])
        ages = Gauge(f"holdfast_{name}_oldest_age_seconds", f"{what}: since when the oldest is.", labels=["state"])
        for state, waiting in by_state.items():
            counts.add_metric([state], waiting.count)
            ages.add_metric([state], waiting.seconds)
        yield from (counts, ages)
    yield Gauge(
        "holdfast_commit_group_oldest_age_seconds", "Age of the oldest commit that is not settled.", standing.groups.seconds
    )
    yield Gauge("holdfast_purge_versions_overdue", "Versions that a purge should have begun with.", standing.overdue.count)
    yield Gauge("holdfast_purge_overdue_age_seconds", "For how long the oldest of them is overdue.", standing.overdue.seconds)
    if standing.purge_ended is not None:
        ended = standing.purge_ended.timestamp()
        yield Gauge("holdfast_purge_last_end_timestamp_seconds", "When the last purge of any process ended.", ended)
    yield from _runs(standing)
    yield Gauge("holdfast_workspaces", "Workspaces that are there.", standing.workspaces)
    yield Gauge("holdfast_stored_bytes", "Bytes of their versions, whatever their status.", standing.stored_bytes)
    yield Gauge("holdfast_stored_versions", "Their versions that are not erased.", standing.stored_versions)


def _runs(standing: Standing) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily as Gauge

    labels = ["policy", "action"]
    state = Gauge("holdfast_policy_last_run", "1 for the state of a policy's newest run.", labels=[*labels, "state"])
    at = Gauge("holdfast_policy_last_run_timestamp_seconds", "When that run ended, or began.", labels=labels)
    success = Gauge("holdfast_policy_last_success_timestamp_seconds", "When a run was last done to its end.", labels=labels)
    for run in standing.runs:
        state.add_metric([run.policy, run.action, run.state], 1)
        at.add_metric([run.policy, run.action], run.at.timestamp())
        if run.succeeded is not None:
            success.add_metric([run.policy, run.action], run.succeeded.timestamp())
    yield from (state, at, success)


STANDING = StandingMetrics()
"""This process's."""
metrics.add(STANDING)


def observe(services: Services) -> None:
    """Reads how the installation stands, for whoever scrapes next. Raises DatabaseUnavailable."""
    try:
        STANDING.standing = read(services)
    except Exception:
        STANDING.standing = None
        raise
    STANDING.seen_at = time.time()


def ask(services: Services, stopping: threading.Event) -> None:
    """Asks each store whether it answers, and the scanner."""
    settings = services.settings
    optional = {"scanner": settings.scan != "off", "qdrant": bool(settings.qdrant_url)}
    for name in (*DEPENDENCIES, *(one for one, there in optional.items() if there)):
        if stopping.is_set():
            return
        try:
            getattr(services, name).check()
        except Exception as error:  # whatever it is, the store cannot be used
            if STANDING.up.get(name, True):
                _log.warning("%s does not answer: %s", name, error)
            STANDING.up[name] = False
        else:
            STANDING.up[name] = True
