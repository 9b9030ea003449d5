"""What Prometheus is told. The names begin with ``holdfast_operator_``."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

RECONCILED = Counter("holdfast_operator_reconciles", "Policies that were looked at, by how that ended.", ["result"])
WRITES = Counter("holdfast_operator_api_writes", "Writes to the API server.", ["verb", "kind"])
REPORTS = Counter("holdfast_operator_reports", "Jobs that ended, by what they said: a state, or `none`.", ["state"])
WATCHES_BROKEN = Counter("holdfast_operator_watches_broken", "Watches that did not end by themselves.", ["kind"])
WAITING = Gauge("holdfast_operator_queue", "Policies that wait to be looked at.")
POLICIES = Gauge("holdfast_operator_policies", "Policies, by whether they are ready, and by mode.", ["ready", "mode"])
LAST_RESYNC = Gauge("holdfast_operator_last_resync_timestamp_seconds", "When everything was last read anew.")
