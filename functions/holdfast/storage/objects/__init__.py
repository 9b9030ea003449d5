"""The port for bytes by key; adapters in the modules beside it."""

from holdfast.storage.objects.assembly import Assembled, AssemblyMissing, Held, Part, PartsDiffer, PartWriter, SignedPart
from holdfast.storage.objects.compaction import Compactor, Sight, Trace
from holdfast.storage.objects.port import ObjectExists, ObjectMissing, Objects, Stored, StoreUnavailable, Writer

__all__ = [
    "Assembled",
    "AssemblyMissing",
    "Compactor",
    "Held",
    "ObjectExists",
    "ObjectMissing",
    "Objects",
    "Part",
    "PartWriter",
    "PartsDiffer",
    "Sight",
    "SignedPart",
    "StoreUnavailable",
    "Stored",
    "Trace",
    "Writer",
]
