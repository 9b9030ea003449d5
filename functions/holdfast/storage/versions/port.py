"""The versions port: commits on one branch per workspace.

The port is told what a commit is to change and says what became of it. How a backend stages, commits, and settles a commit whose
reply was lost is the adapter's affair; what is then published is the committer's (``holdfast.assets.committer``).

A branch has one committer at a time by lease, but a committer that lost its lease may still be at work for a while. So ``commit``
trusts nothing but what it reads back: see ``CommitResult``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class EntryRefused(Exception):
    """The backend will never take this entry. The others of its group are not to blame."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a commit: which object holds its bytes, and which upload brought it."""

    path: str
    """Where it is on the branch, ``<asset_path>/<filename>``; at most 1,024 bytes."""
    key: str
    """The object's key in the objects port."""
    size: int
    """In bytes."""
    sha256: str | None
    """Hex; None where it was not known when the entry was committed, and in that commit it stays None."""
    content_type: str
    upload_id: str
    """Of the intent that brought it. Makes equal bytes of two uploads two different entries."""


@dataclass(frozen=True, slots=True)
class Committed:
    """An entry that a commit holds, and that commit."""

    commit_id: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What became of a group.

    ``entries`` has, by path, each entry of the group that is committed with its own upload_id and key, with the commit that brought
    it: ours, or another's that took what we had staged. A path that is missing there is not committed.
    ``strays`` are paths that the group's commit changed though the group did not ask for it (late stages of a committer that lost
    its lease): the next commit has to put them back.
    """

    entries: Mapping[str, Committed]
    strays: Sequence[str] = field(default=())


class Versions(Protocol):
    """Where commits live."""

    def create(self, branch: str) -> None:
        """Makes the branch, starting empty. A branch that is there is left as it is. Raises StoreUnavailable."""

    def commit(self, branch: str, operation: str, puts: Sequence[Entry], deletes: Sequence[str]) -> CommitResult:
        """Brings ``puts`` and removes the paths ``deletes`` in one commit that carries ``operation``.

        Idempotent by ``operation``: called again, also by another process, also while an earlier call is under way, it finds
        what is committed and completes the rest. Paths within ``puts`` and ``deletes`` are distinct; deleting a path that is not
        there is no error. Raises EntryRefused, StoreUnavailable (nothing is known then: call again).
        """

    def entry(self, commit_id: str, branch: str, path: str) -> Entry | None:
        """What ``commit_id`` holds at ``path``; None when nothing. Raises StoreUnavailable."""

    def check(self) -> None:
        """Raises StoreUnavailable unless commits can be made now (readiness)."""
