"""The port for bytes by key; adapters in the modules beside it."""

from holdfast.storage.objects.compaction import Compactor, Sight, Trace
from holdfast.storage.objects.port import ObjectExists, ObjectMissing, Objects, Stored, StoreUnavailable, Writer

__all__ = [
    "Compactor",
    "ObjectExists",
    "ObjectMissing",
    "Objects",
    "Sight",
    "StoreUnavailable",
    "Stored",
    "Trace",
    "Writer",
]
