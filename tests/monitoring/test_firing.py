"""What is held against the alerts as a whole: they fire of what is told, and of nothing else."""

from __future__ import annotations

import pytest
from tests.monitoring.firing import firing
from tests.servers.prometheus import Promtool

NOW = 1_795_855_945.0
GIVEN = {
    "namespace": "media",
    "pod": "holdfast-worker-0",
    "app_kubernetes_io_name": "holdfast",
    "app_kubernetes_io_instance": "holdfast",
    "app_kubernetes_io_component": "worker",
}


@pytest.mark.parametrize(
    ("answers", "seen", "fires"),
    [
        (1, NOW - 20, set[str]()),
        (0, NOW - 20, {"StoreUnreachable"}),
        (1, NOW - 400, {"ObservationStale"}),
        (0, NOW - 400, {"StoreUnreachable", "ObservationStale"}),
    ],
)
def test_an_alert_fires_of_what_was_scraped(answers: int, seen: float, fires: set[str], promtool: Promtool) -> None:
    text = f"""# TYPE holdfast_dependency_up gauge
holdfast_dependency_up{{dependency="objects"}} {answers}
# TYPE holdfast_observation_timestamp_seconds gauge
holdfast_observation_timestamp_seconds {seen}
"""
    found = firing(promtool, [(GIVEN, text)], NOW)
    assert set(found) == fires
    assert all('namespace="media"' in labels for labels in found.values())
