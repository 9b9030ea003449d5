"""What the purge counts, in prometheus-client's registry: ``/metrics`` of the process that purges shows it."""

from prometheus_client import Counter, Gauge

OBJECTS = Counter("holdfast_purge_objects", "Objects deleted from the store, and seen to be gone.")
BYTES = Counter("holdfast_purge_bytes", "Bytes of these objects.")
FAILURES = Counter("holdfast_purge_failures", "Attempts to delete an object, or to see it gone from the disks, that failed.")
VERSIONS = Counter("holdfast_purge_versions_erased", "Versions that are erased, with evidence.")
WAITING = Gauge("holdfast_purge_versions_waiting", "Versions whose purge has begun and is not at its end, after the last run.")
LAST = Gauge("holdfast_purge_last_run_timestamp_seconds", "When the last run of this process ended.")
