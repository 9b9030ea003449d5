"""The versions port on the tables ``branches``, ``commits`` and ``commit_entries``: for the embedded run, and for clusters without
lakeFS.

A branch is a chain of commits, numbered from 1, and a commit's rows are what it changed. What a commit holds at a path is thus the
row of that path with the highest number up to the commit's own: one look-up in ``commit_entries``' primary key, however long the
chain is.

A group is one transaction. It locks the branch's row first, so that rivals queue up there and none works in vain; the head moves
by compare-and-set all the same, so that the chain cannot fork. Nothing is ever half there: ``strays`` is always empty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from holdfast import failpoints
from holdfast.database.connecting import DatabaseUnavailable
from holdfast.database.engine import Database
from holdfast.database.tables import branches, commit_entries, commits
from holdfast.database.types import db_now
from holdfast.storage.objects.port import StoreUnavailable
from holdfast.storage.versions.points import COMMIT_AFTER, COMMIT_BEFORE, READBACK_BEFORE, STAGE_AFTER, STAGE_BEFORE
from holdfast.storage.versions.port import CommitResult, Committed, Entry, EntryRefused

PATH_BYTES = 1024
"""The port's limit for a path."""

_AT_ONCE = 500  # paths in one IN: what a statement may hold is limited everywhere


class SqlVersions:
    """Versions in the registry's own database. Safe for many threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, branch: str) -> None:
        """See the port."""

        def act(connection: Connection) -> None:
            if connection.scalar(select(branches.c.id).where(branches.c.name == branch)) is None:
                connection.execute(insert(branches).values(name=branch))

        with _store():
            try:
                self._database.write(act)
            except IntegrityError:  # another made it in the meantime
                return

    def commit(self, branch: str, operation: str, puts: Sequence[Entry], deletes: Sequence[str]) -> CommitResult:
        """See the port. Raises LookupError for a branch that nobody created."""
        for entry in puts:
            if not _possible(entry.path):
                raise EntryRefused(entry.path, f"a path has 1 to {PATH_BYTES} bytes")
        deletes = [path for path in deletes if _possible(path)]

        def act(connection: Connection) -> None:
            failpoints.hit(STAGE_BEFORE)
            _commit(connection, branch, operation, puts, deletes)
            failpoints.hit(STAGE_AFTER)
            failpoints.hit(COMMIT_BEFORE)

        with _store():
            self._database.write(act)
            failpoints.hit(COMMIT_AFTER)
            failpoints.hit(READBACK_BEFORE)
            with self._database.read() as connection:
                return CommitResult(_read_back(connection, branch, operation, puts))

    def entry(self, commit_id: str, branch: str, path: str) -> Entry | None:
        """See the port."""
        newest = (
            select(commit_entries)
            .select_from(branches)
            .join(commits, and_(commits.c.branch_id == branches.c.id, commits.c.id == commit_id))
            .join(commit_entries, commit_entries.c.branch_id == branches.c.id)
            .where(branches.c.name == branch)
            .where(commit_entries.c.path_sha256 == _sha256(path), commit_entries.c.number <= commits.c.number)
            .order_by(commit_entries.c.number.desc())
            .limit(1)
        )
        with _store(), self._database.read() as connection:
            row = connection.execute(newest).mappings().first()
        return None if row is None or row["object_key"] is None else _entry(row)

    def check(self) -> None:
        """See the port."""
        with _store():
            self._database.check()


def commit_id(branch: str, parent: str, operation: str, puts: Sequence[Entry], deletes: Sequence[str]) -> str:
    """The commit's id: sha256 (hex) over everything that makes it what it is. The order within the group does not matter."""
    content = [branch, parent, operation, sorted(astuple(entry) for entry in puts), sorted(deletes)]
    return _sha256(json.dumps(content, ensure_ascii=True, separators=(",", ":")))


def _commit(connection: Connection, branch: str, operation: str, puts: Sequence[Entry], deletes: Sequence[str]) -> None:
    at = connection.execute(
        select(branches.c.id, branches.c.head, branches.c.number).where(branches.c.name == branch).with_for_update()
    ).first()
    if at is None:
        raise LookupError(f"no branch {branch!r}")
    same = select(commits.c.id).where(commits.c.branch_id == at.id, commits.c.operation == operation)
    if connection.scalar(same) is not None:
        return
    identity, number = commit_id(branch, at.head, operation, puts, deletes), at.number + 1
    connection.execute(
        insert(commits).values(
            id=identity, branch_id=at.id, number=number, parent=at.head, operation=operation, created_at=db_now()
        )
    )
    if rows := [_row(at.id, number, path, entry) for path, entry in _changes(puts, deletes)]:
        connection.execute(insert(commit_entries), rows)
    moved = connection.execute(
        update(branches).where(branches.c.id == at.id, branches.c.head == at.head).values(head=identity, number=number)
    )
    if moved.rowcount != 1:
        raise AssertionError(f"the head of {branch!r} moved under its lock")


def _read_back(connection: Connection, branch: str, operation: str, puts: Sequence[Entry]) -> Mapping[str, Committed]:
    """The puts that the operation's commit holds. What it holds for another upload, or under another key, is not ours."""
    found: dict[str, Committed] = {}
    for start in range(0, len(puts), _AT_ONCE):
        wanted = {entry.path: entry for entry in puts[start : start + _AT_ONCE]}
        rows = connection.execute(
            select(commits.c.id, commit_entries)
            .select_from(branches)
            .join(commits, and_(commits.c.branch_id == branches.c.id, commits.c.operation == operation))
            .join(commit_entries, and_(commit_entries.c.branch_id == branches.c.id, commit_entries.c.number == commits.c.number))
            .where(branches.c.name == branch, commit_entries.c.path_sha256.in_([_sha256(path) for path in wanted]))
        ).mappings()
        for row in rows:
            asked = wanted[row["path"]]
            if (row["upload_id"], row["object_key"]) == (asked.upload_id, asked.key):
                found[asked.path] = Committed(row["id"], _entry(row))
    return found


def _changes(puts: Sequence[Entry], deletes: Sequence[str]) -> Iterator[tuple[str, Entry | None]]:
    yield from ((entry.path, entry) for entry in puts)
    yield from ((path, None) for path in deletes)


def _row(branch_id: int, number: int, path: str, entry: Entry | None) -> dict[str, Any]:
    return {
        "branch_id": branch_id,
        "path_sha256": _sha256(path),
        "number": number,
        "path": path,
        "object_key": entry and entry.key,
        "size": entry and entry.size,
        "sha256": entry and entry.sha256,
        "content_type": entry and entry.content_type,
        "upload_id": entry and entry.upload_id,
    }


def _entry(row: Mapping[Any, Any]) -> Entry:
    return Entry(
        path=row["path"],
        key=row["object_key"],
        size=row["size"],
        sha256=row["sha256"],
        content_type=row["content_type"],
        upload_id=row["upload_id"],
    )


def _possible(path: str) -> bool:
    return 0 < len(path.encode()) <= PATH_BYTES


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _store() -> Iterator[None]:
    """To whoever uses the port the database is the store."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise StoreUnavailable from error
