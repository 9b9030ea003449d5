"""What Prometheus is told. The names begin with ``holdfast_operator_``."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import Counter, Gauge

from holdfast_operator import status as statuses

RECONCILED = Counter("holdfast_operator_reconciles", "Policies that were looked at, by how that ended.", ["result"])
WRITES = Counter("holdfast_operator_api_writes", "Writes to the API server.", ["verb", "kind"])
REPORTS = Counter("holdfast_operator_reports", "Jobs that ended, by what they said: a state, or `none`.", ["state"])
WATCHES_BROKEN = Counter("holdfast_operator_watches_broken", "Watches that did not end by themselves.", ["kind"])
WAITING = Gauge("holdfast_operator_queue", "Policies that wait to be looked at.")
POLICIES = Gauge("holdfast_operator_policies", "Policies, by whether they are ready, and by mode.", ["ready", "mode"])
CONDITION = Gauge(
    "holdfast_operator_policy_condition",
    "A policy's conditions: 1 where one holds, 0 where it does not.",
    ["policy_namespace", "policy", "type", "reason"],
)
LAST_RESYNC = Gauge("holdfast_operator_last_resync_timestamp_seconds", "When everything was last read anew.")


def show(policies: Iterable[Mapping[str, Any]]) -> None:
    """Counts the policies, and says of each which of its conditions hold, in place of what was said of them before."""
    counts: Counts[tuple[str, str]] = Counts()
    conditions: dict[tuple[str, ...], float] = {}
    for body in policies:
        meta, known = body["metadata"], statuses.known(body).conditions
        ready = next((one.status for one in known if one.type == "Ready"), "Unknown")
        counts[ready, str((body.get("spec") or {}).get("mode", ""))] += 1
        for one in known:
            if one.status != "Unknown":
                conditions[meta["namespace"], meta["name"], str(one.type), one.reason] = float(one.status == "True")
    POLICIES.clear()
    CONDITION.clear()
    for labels, count in counts.items():
        POLICIES.labels(*labels).set(count)
    for of, holds in conditions.items():
        CONDITION.labels(*of).set(holds)
