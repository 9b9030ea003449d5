"""What every function counts about its requests, and ``/metrics`` itself.

The counts are plain numbers of the event loop's thread, because a request must not pay for a lock and a label look-up per metric.
prometheus-client turns them, and whatever else is in its registry, into text; it is imported when that is first asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Upper bounds in seconds."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LABELS = ("route", "method", "status")


class HttpMetrics:
    """Counts by route template, method and status: their number is bounded by what we wrote, not by what clients send."""

    def __init__(self) -> None:
        self.in_progress = 0
        self._cells: dict[tuple[str, str, int], list[float]] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answered request. ``route`` is its template, empty when none matched."""
        key = route, method, status
        cell = self._cells.get(key)
        if cell is None:
            key = route or "unmatched", method if method in METHODS else "other", status
            cell = self._cells.setdefault(key, [0.0] * (len(BUCKETS) + 2))
        cell[bisect_left(BUCKETS, seconds)] += 1
        cell[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        """As prometheus-client's registry wants it. From any thread."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily("holdfast_http_requests", "Answered requests.", labels=LABELS)
        durations = HistogramMetricFamily("holdfast_http_request_seconds", "Time to the end of the reply.", labels=LABELS)
        bounds = [*map(str, BUCKETS), "+Inf"]
        for (route, method, status), cell in list(self._cells.items()):
            labels = [route, method, str(status)]
            totals = list(accumulate(cell[:-1]))
            requests.add_metric(labels, totals[-1])
            durations.add_metric(labels, list(zip(bounds, totals, strict=True)), cell[-1])
        yield requests
        yield durations
        yield GaugeMetricFamily("holdfast_http_requests_in_progress", "Requests being answered.", self.in_progress)


HTTP = HttpMetrics()
"""This process's."""


class Source(Protocol):
    """What a subject counts, as prometheus-client's registry wants it."""

    def collect(self) -> Iterator[Metric]:
        """From any thread."""


_sources: list[Source] = [HTTP]


def add(source: Source) -> None:
    """From now on ``source`` is among this process's metrics."""
    _sources.append(source)


def exposition() -> tuple[bytes, str]:
    """All metrics of this process as text, and its content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

    while _sources:
        REGISTRY.register(_sources.pop(0))
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
