"""One committer per workspace: whoever holds its lease commits what has been stored, in groups.

    settle what a predecessor left open ─► form a group (SQL) ─► commit it (versions port) ─► publish it (SQL) ─► again

Everybody committing for himself reaches a fiftieth of the store's rate on lakeFS, because a commit takes whatever is staged on the
branch and concurrent ones fail; one committer for all reaches nine tenths.

Whatever dies in between is found again: an open group is committed anew under the same operation id, which finds what the first try
did, and published once (``leases.fence`` and the group's state see to that). A committer that lost its lease to a slow store may go
on for a while; it publishes nothing, and what it still stages is put back by the next commit (``strays``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import DatabaseError

from holdfast.assets import forming, intents, publishing
from holdfast.assets.forming import Group
from holdfast.assets.turn import Turn
from holdfast.assets.waiting import Coming, Waiters, outcomes
from holdfast.clock import Clock
from holdfast.database import leases
from holdfast.database import tables as t
from holdfast.database.engine import Database
from holdfast.database.leases import Lease, LeaseLost
from holdfast.errors import Invalid, Unavailable
from holdfast.failpoints import hit
from holdfast.storage.versions import CommitResult, EntryRefused, Versions
from holdfast.usage import counters

log = logging.getLogger(__name__)

T = TypeVar("T")

LEASE_SECONDS = 30
LINGER_SECONDS = 0.05
"""How long a committer without work keeps the lease: the next upload of a busy workspace then needs no new one."""
GATHER_SECONDS = 0.1
"""How long a group waits for small uploads that are on their way in this process: a group costs a dozen times what one more member
of it costs. A client that is alone waits for nobody."""
THREADS = 8
"""Workspaces that one process commits for at once."""


class Committer:
    """Commits for any workspace. One for a process; safe for many threads."""

    def __init__(self, database: Database, versions: Versions, clock: Clock, holder: str, erase_again_after: int) -> None:
        """``holder`` names this process in leases. ``erase_again_after``: seconds after which no request can still be writing."""
        self.waiters = Waiters()
        self.coming = Coming()
        self._database, self._versions, self._clock = database, versions, clock
        self._holder, self._erase_again_after = holder, erase_again_after
        self._branches: set[str] = set()
        self._lock = threading.Lock()
        self._wake: dict[int, threading.Event] = {}
        self._running: set[int] = set()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="committer")

    def nudge(self, workspace_id: int) -> None:
        """Says that something is stored in the workspace. Returns at once; somebody commits it soon, here or elsewhere."""
        with self._lock:
            if workspace_id in self._wake:
                self._wake[workspace_id].set()
                return
            wake = self._wake[workspace_id] = threading.Event()
        self._pool.submit(self._work, workspace_id, wake)

    def close(self) -> None:
        """Finishes the groups under way. What is stored and not yet grouped is found by the next process."""
        self._pool.shutdown(wait=True)

    def _work(self, workspace_id: int, wake: threading.Event) -> None:
        try:
            while True:
                wake.clear()
                self.run(workspace_id, wake)
                with self._lock:
                    if not wake.is_set():
                        del self._wake[workspace_id]
                        return
        except Unavailable as problem:  # what waits for it asks again; reconcile does in any case
            log.warning("commit of workspace %s put off: %s", workspace_id, problem.slug)
            self._drop(workspace_id)
        except BaseException:
            log.exception("commit of workspace %s failed", workspace_id)
            self._drop(workspace_id)
            raise

    def _drop(self, workspace_id: int) -> None:
        with self._lock:
            self._wake.pop(workspace_id, None)

    def run(self, workspace_id: int, wake: threading.Event | None = None) -> bool:
        """Commits all that is stored in the workspace; with ``wake``, also what is stored while it lingers. False when another
        commits for it, in this process or elsewhere. Raises StoreUnavailable and DatabaseUnavailable: what is not committed then
        stays as it is."""
        with self._lock:
            if workspace_id in self._running:  # the lease would let us in: its holder is the process
                return False
            self._running.add(workspace_id)
        try:
            return self._run(workspace_id, wake)
        finally:
            with self._lock:
                self._running.remove(workspace_id)

    def _run(self, workspace_id: int, wake: threading.Event | None) -> bool:
        lease = leases.acquire(self._database, f"commit:{workspace_id}", self._holder, LEASE_SECONDS)
        if lease is None:
            return False
        hit("commit.lease.after")
        try:
            for operation in self._open_groups(workspace_id):
                self._carry(lease, workspace_id, self._load(operation))
            idle = False
            while True:
                if wake:
                    self._gather(workspace_id, wake)
                hit("commit.form.before")
                formed = self._under(lease, workspace_id, forming.form)
                hit("commit.form.after")
                self._tell(formed.settled)
                if formed.group is not None:
                    self._carry(lease, workspace_id, formed.group)
                elif not formed.settled and (wake is None or idle):
                    break
                if wake:  # another process's uploads wake nobody here: before it goes, it looks once more
                    idle = not formed.more and not wake.wait(LINGER_SECONDS)
                    wake.clear()
        except LeaseLost:
            log.warning("lease lost: %s", lease.name)
            return False
        except Unavailable:  # the next to try need not wait for the lease to end
            with suppress(Unavailable):
                leases.release(self._database, lease)
            raise
        leases.release(self._database, lease)
        return True

    def _gather(self, workspace_id: int, wake: threading.Event) -> None:
        deadline = time.monotonic() + GATHER_SECONDS
        while self.coming.soon(workspace_id) and (left := deadline - time.monotonic()) > 0:
            wake.clear()
            wake.wait(left)

    def _open_groups(self, workspace_id: int) -> list[str]:
        with self._database.read() as connection:
            mine = (t.commit_groups.c.workspace_id == workspace_id, t.commit_groups.c.state == "open")
            return list(connection.scalars(select(t.commit_groups.c.operation).where(*mine)))

    def _load(self, operation: str) -> Group:
        with self._database.read() as connection:
            return forming.load(connection, operation)

    def _carry(self, lease: Lease, workspace_id: int, group: Group) -> None:
        """Commits the group and publishes it."""
        operation = group.operation
        while True:
            try:
                result = self._commit(group)
                break
            except EntryRefused as refused:
                log.warning("entry refused: %s", refused.reason)
                problem = Invalid("The store does not take a file of this name.", slug="bad-filename")
                path = refused.path
                hit("commit.eject.before")
                ejected = self._under(lease, workspace_id, lambda turn: publishing.eject(turn, operation, path, problem))  # noqa: B023
                hit("commit.eject.after")
                self._tell(ejected)
                group = self._load(operation)
        hit("commit.publish.before")
        try:
            settled = self._publish(lease, workspace_id, operation, result)
        except LeaseLost:
            # Our commit may have come after our successor's, and on top of them: his next one puts the paths back.
            paths = [*(entry.path for entry in group.puts), *group.deletes]
            self._database.write(lambda connection: publishing.remember(connection, workspace_id, paths))
            raise
        hit("commit.publish.after")
        self._tell(settled)

    def _publish(self, lease: Lease, workspace_id: int, operation: str, result: CommitResult) -> list[str]:
        try:
            return self._under(lease, workspace_id, lambda turn: publishing.publish(turn, operation, result))
        except DatabaseError:
            log.exception("group cannot be published as a whole")
            return self._one_by_one(lease, workspace_id, operation, result)

    def _commit(self, group: Group) -> CommitResult:
        if not group.puts and not group.deletes:
            return CommitResult({})
        if group.branch not in self._branches:
            hit("commit.branch.before")
            self._versions.create(group.branch)
            hit("commit.branch.after")
            self._branches.add(group.branch)
        return self._versions.commit(group.branch, group.operation, group.puts, group.deletes)

    def _one_by_one(self, lease: Lease, workspace_id: int, operation: str, result: CommitResult) -> list[str]:
        """The one that cannot be published fails alone."""
        with self._database.read() as connection:
            members = connection.scalars(select(t.intents.c.upload_id).where(t.intents.c.group_id == operation)).all()
        settled: list[str] = []
        for upload_id in members:
            only = frozenset({upload_id})
            hit("commit.publish.one.before")
            try:
                settled += self._under(lease, workspace_id, lambda turn: publishing.publish(turn, operation, result, only=only))  # noqa: B023
            except DatabaseError:
                log.exception("intent cannot be published")
                hit("commit.eject.before")
                self._under(lease, workspace_id, lambda turn: _fail(turn, operation, upload_id))  # noqa: B023
                hit("commit.eject.after")
                settled.append(upload_id)
            else:
                hit("commit.publish.one.after")
        return settled + self._under(lease, workspace_id, lambda turn: publishing.publish(turn, operation, result))

    def _under(self, lease: Lease, workspace_id: int, act: Callable[[Turn], T]) -> T:
        """One transaction under the lease. Raises LeaseLost."""

        def fenced(connection: Connection) -> T:
            leases.fence(connection, lease, LEASE_SECONDS)
            turn = Turn(connection, _workspace(connection, workspace_id), lease.epoch, self._clock(), self._erase_again_after)
            done = act(turn)
            counters.apply(connection, turn.changes)
            return done

        return self._database.write(fenced)

    def _tell(self, upload_ids: Iterable[str]) -> None:
        awaited = self.waiters.awaited(upload_ids)
        if awaited:
            with self._database.read() as connection:
                found = outcomes(connection, awaited)
            self.waiters.tell(found)


def _workspace(connection: Connection, workspace_id: int) -> Row[Any]:
    return connection.execute(select(t.workspaces).where(t.workspaces.c.id == workspace_id)).one()


def _fail(turn: Turn, operation: str, upload_id: str) -> None:
    problem = Unavailable("The upload could not be registered. Send it again.", slug="publish-failed", retry_after=5)
    intents.fail_all(turn.connection, [upload_id], "grouped", problem, turn.erase_again_after)
    publishing.forgo(turn, operation, [upload_id])
