"""The sealer beside the requests: seals every few seconds, and says how far it is."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from holdfast.audit import heads, sealing
from holdfast.web import metrics

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from holdfast.services import Services

EVERY = 4.0
"""Seconds between two looks for rows that are not sealed, so that one is sealed within 10 s of its commit."""
_LOOKS_PER_LOG = 15
"""Looks until it is asked whether the heads are to be logged again."""


class SealMetrics:
    """What this process sees of the trail: how far it is sealed, and how long the oldest row waits that is not."""

    def __init__(self) -> None:
        self.sealed_id = 0
        self.rows = 0
        self.age = 0.0

    def collect(self) -> Iterator[Metric]:
        """As prometheus-client's registry wants it. From any thread."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        yield GaugeMetricFamily("holdfast_audit_sealed_id", "Highest id up to which audit rows were seen.", self.sealed_id)
        yield GaugeMetricFamily("holdfast_audit_unsealed_age_seconds", "Age of the oldest audit row that is not sealed.", self.age)
        yield CounterMetricFamily("holdfast_audit_rows_sealed", "Audit rows that this process sealed.", self.rows)


SEALS = SealMetrics()
"""This process's."""
metrics.add(SEALS)


def of(services: Services) -> Callable[[threading.Event], None]:
    """What is to be done every few seconds. Raises KeyUnusable when the key of the settings cannot be used, which is to be known
    now."""
    if services.settings.audit_private_key.get_secret_value():
        assert services.signing
    looks = itertools.count()

    def act(_stopping: threading.Event) -> None:
        look(services)
        if next(looks) % _LOOKS_PER_LOG == 0:
            heads.log(services)

    return act


def look(services: Services) -> None:
    """Seals what there is, and notes how far that went. Raises what ``seal`` raises."""
    try:
        SEALS.rows += sealing.seal(services)
    finally:
        waiting = sealing.oldest(services)
        SEALS.age = 0.0 if waiting is None else max(0.0, (services.clock() - waiting).total_seconds())
        SEALS.sealed_id = max(sealing.unseen(services))[0] - 1
