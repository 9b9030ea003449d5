"""The port for commits; adapters in the modules beside it."""

from holdfast.storage.versions.port import CommitResult, Committed, Entry, EntryRefused, Versions

__all__ = ["CommitResult", "Committed", "Entry", "EntryRefused", "Versions"]
