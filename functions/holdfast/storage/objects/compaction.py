"""The compaction port: whether the bytes of a deleted object are still on a disk of the store, and asking it to give them up.

A store that writes into large volumes only marks a deleted object, and frees its bytes when it rewrites the volume. Whoever has to
prove that bytes are gone notes where they are (``trace``) before he deletes the object, and looks there (``look``) until nothing
is left. A trace is JSON, made and read by the adapter alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Trace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of one object. ``left`` says in words what is still there, None when no disk of the store holds its bytes any
    more. ``alive``: the delete has not reached the disks yet. ``trace`` is to be kept instead of the one that was given."""

    trace: Trace
    left: str | None
    alive: bool = False


class Compactor(Protocol):
    """``name`` goes on the evidence. ``compacts``: whether ``compact`` can do anything."""

    name: str
    compacts: bool

    def trace(self, key: str) -> Trace | None:
        """Where the bytes of the object are; None when the store's servers know no such object. An empty trace leads nowhere.
        Raises StoreUnavailable."""

    def look(self, traces: Sequence[Trace]) -> list[Sight]:
        """Looks for the bytes of deleted objects, in the order of ``traces``. A disk that cannot be asked counts as one that holds
        them. Raises StoreUnavailable when none can be asked."""

    def insist(self, trace: Trace) -> None:
        """Deletes on the disks what the delete of the object has not reached. Raises StoreUnavailable."""

    def compact(self) -> None:
        """Asks the store to rewrite its volumes without what is deleted. May return before that is done. Raises
        StoreUnavailable."""


class Taken:
    """A store whose word is taken for it, without a look at a disk. ``left``: what is said of every object, None for gone."""

    compacts = False

    def __init__(self, name: str, left: str | None = None) -> None:
        self.name = name
        self._left = left

    def trace(self, key: str) -> Trace:
        return {}

    def look(self, traces: Sequence[Trace]) -> list[Sight]:
        return [Sight(trace, self._left) for trace in traces]

    def insist(self, trace: Trace) -> None:
        pass

    def compact(self) -> None:
        pass
