"""The port for bytes by key; adapters in the modules beside it."""

from holdfast.storage.objects.port import ObjectExists, ObjectMissing, Objects, Stored, StoreUnavailable, Writer

__all__ = ["ObjectExists", "ObjectMissing", "Objects", "StoreUnavailable", "Stored", "Writer"]
