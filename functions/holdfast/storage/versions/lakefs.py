"""The versions port on lakeFS: a branch per workspace, an entry per file, our own keys as addresses.

What makes this more than a translation is that lakeFS' commit takes everything staged on the branch, by whomever, and has no
idempotency key. So ``commit`` writes the operation into the commit's metadata, and believes only what a commit holds:

1. a commit of the operation in the branch's log means that an earlier call got through: read it back;
2. else stage the group and commit;
3. a lost answer, "predicate failed" (somebody committed at the same moment) and the like: begin again at 1. "No changes" means
   that all of it is in the branch's head already: others' commits took it, and the log of each path says which.

An entry's metadata holds its upload_id and key. lakeFS takes two entries for equal when size, checksum, content type and metadata
are (the address does not count, and the first stays); with the key among them, equal entries have equal addresses, so the key in
what a difference shows is the address's, too.

lakeFS takes no entry without a checksum. One whose sha256 is not known yet gets ``UNHASHED`` and its upload_id instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from holdfast import failpoints
from holdfast.storage.objects.port import StoreUnavailable
from holdfast.storage.versions import points
from holdfast.storage.versions.lakefs_api import PAGE, Api, Commit, Refusal, Stat, Unanswered
from holdfast.storage.versions.port import CommitResult, Committed, Entry, EntryRefused

OPERATION: Final = "holdfast_operation"
"""Where a commit's metadata holds the operation."""

LOOK_BACK: Final = 100
"""How many commits back an operation is looked for. Whoever takes a branch over settles his predecessor's operation before he
commits anything, so only a committer that lost its lease can have put commits on top of it, and each such one stops after one."""

UNHASHED: Final = "unhashed-"
"""What a checksum begins with that says nothing about the bytes."""

PATH_LIMIT: Final = 1024
"""Bytes of a path that lakeFS takes."""

THREADS: Final = 8
"""Calls at a time for one group. More do not stage faster."""

TRIES: Final = 8
PAUSE: Final = 0.05
"""Seconds before the second try; twice that before the third, and so on."""

OTHERS_FAULT: Final = frozenset({401, 403, 404, 408, 409, 412, 423, 425, 429})
"""What 4xx says nothing about the entry that it was answered to."""

T = TypeVar("T")
R = TypeVar("R")


class LakeFSVersions:
    """Implements ``holdfast.storage.versions.port.Versions``. Threads may share it; nothing needs closing."""

    def __init__(
        self,
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        repository: str,
        bucket: str,
        prefix: str = "",
        connect_timeout: float = 3,
        read_timeout: float = 25,
    ) -> None:
        """``endpoint``: without path. ``repository``: made when it is missing, by ``create`` or ``check``. ``bucket``, ``prefix``:
        those of the objects port. Timeouts in seconds; a commit begins no new try after ``read_timeout``. Makes no call."""
        self._storage = f"s3://{bucket}/{prefix.strip('/')}".rstrip("/")
        self._namespace = f"{self._storage}/lakefs/{repository}"
        self._patience = read_timeout
        self._api = Api(
            endpoint, access_key, secret_key, repository, timeouts=(connect_timeout, read_timeout), connections=4 * THREADS
        )
        self._root: str | None = None

    def create(self, branch: str) -> None:
        with _as_store_unavailable():
            try:
                self._api.create_branch(branch, self._first_commit())
            except Refusal as refusal:
                if refusal.status != 409:
                    raise

    def commit(self, branch: str, operation: str, puts: Sequence[Entry], deletes: Sequence[str]) -> CommitResult:
        wanted = {entry.path: entry for entry in puts}
        # What cannot be there need not go; asked to delete it, lakeFS would refuse the whole list.
        unwanted = [path for path in deletes if path and len(path.encode()) <= PATH_LIMIT]
        give_up = time.monotonic() + self._patience
        with _as_store_unavailable():
            for attempt in range(1, TRIES + 1):
                try:
                    if result := self._try(branch, operation, wanted, unwanted):
                        return result
                except (Unanswered, Refusal) as error:
                    if attempt == TRIES or time.monotonic() > give_up or not _passing(error):
                        raise
                time.sleep(PAUSE * attempt)
        raise StoreUnavailable("Another commit kept this one from being made.")

    def entry(self, commit_id: str, branch: str, path: str) -> Entry | None:
        if not path or len(path.encode()) > PATH_LIMIT:
            return None
        with _as_store_unavailable():
            return self._entry(path, self._api.stat(commit_id, path))

    def check(self) -> None:
        with _as_store_unavailable():
            self._api.healthy()
            self._default_branch()

    def _try(self, branch: str, operation: str, wanted: Mapping[str, Entry], unwanted: Sequence[str]) -> CommitResult | None:
        """One way through the steps in the module's docstring. None when it has to be gone again."""
        commit = self._find(branch, operation)
        if commit is None:
            self._stage(branch, wanted, unwanted)
            failpoints.hit(points.COMMIT_BEFORE)
            try:
                commit = self._api.commit(branch, f"{len(wanted)} put, {len(unwanted)} removed", {OPERATION: operation})
            except Refusal as refusal:
                if refusal.status != 400 or "no changes" not in refusal.message:
                    raise
            failpoints.hit(points.COMMIT_AFTER)
        failpoints.hit(points.READBACK_BEFORE)
        return self._taken_by_others(branch, wanted, unwanted) if commit is None else self._read_back(commit, wanted, unwanted)

    def _find(self, branch: str, operation: str) -> Commit | None:
        log = self._api.log(branch, LOOK_BACK)
        return next((commit for commit in log if commit.metadata.get(OPERATION) == operation), None)

    def _stage(self, branch: str, wanted: Mapping[str, Entry], unwanted: Sequence[str]) -> None:
        failpoints.hit(points.STAGE_BEFORE)
        _each(partial(self._stage_one, branch), wanted.values())
        for start in range(0, len(unwanted), PAGE):
            self._api.stage_deletes(branch, unwanted[start : start + PAGE])
            failpoints.hit(points.STAGE_ENTRY_AFTER)
        failpoints.hit(points.STAGE_AFTER)

    def _stage_one(self, branch: str, entry: Entry) -> None:
        metadata = {"upload_id": entry.upload_id, "key": entry.key}
        stat = Stat(entry.size, entry.sha256 or UNHASHED + entry.upload_id, entry.content_type, metadata)
        try:
            self._api.stage(branch, entry.path, self._address(entry.key), stat)
        except Refusal as refusal:
            about_entry = 400 <= refusal.status < 500 and refusal.status not in OTHERS_FAULT
            if about_entry and "physical address" not in refusal.message:  # that one is about our configuration
                raise EntryRefused(entry.path, refusal.message) from refusal
            raise
        failpoints.hit(points.STAGE_ENTRY_AFTER)

    def _read_back(self, commit: Commit, wanted: Mapping[str, Entry], unwanted: Sequence[str]) -> CommitResult:
        """What ``commit`` changed, and where it did not change a path of the group, who did before."""
        changes = {change.path: change.now for change in self._api.changes(commit.parents[0], commit.id)}
        entries = {}
        strays = set(changes) - set(wanted) - set(unwanted)
        for path in (wanted.keys() | unwanted) & changes.keys():
            found = self._entry(path, changes[path])
            if path in wanted and found is not None and _same(found, wanted[path]):
                entries[path] = Committed(commit.id, found)
            elif path in wanted or changes[path] is not None:
                strays.add(path)
        # What it did not change, its parent holds as well.
        before, missed = self._holds(commit.parents[0], [path for path in (*wanted, *unwanted) if path not in changes], wanted)
        return CommitResult(entries | before, tuple(sorted(strays | missed)))

    def _taken_by_others(self, branch: str, wanted: Mapping[str, Entry], unwanted: Sequence[str]) -> CommitResult | None:
        """The group as the branch's head has it; None when the head does not have all of it."""
        entries, missed = self._holds(self._api.head(branch), [*wanted, *unwanted], wanted)
        return None if missed else CommitResult(entries)

    def _holds(self, commit_id: str, paths: Sequence[str], wanted: Mapping[str, Entry]) -> tuple[dict[str, Committed], set[str]]:
        """Of ``paths``: which hold what is wanted, with the commits that brought it; and which hold something else, or nothing.
        A path that is not in ``wanted`` should hold nothing, and is in neither when it does."""
        entries, missed = {}, set()
        for path, stat in zip(paths, _each(partial(self._api.stat, commit_id), paths), strict=True):
            found = self._entry(path, stat)
            if path in wanted and found is not None and _same(found, wanted[path]):
                entries[path] = found
            elif path in wanted or stat is not None:
                missed.add(path)
        brought = self._brought(commit_id, entries.keys())
        return {path: Committed(brought[path], found) for path, found in entries.items()}, missed

    def _brought(self, commit_id: str, paths: Collection[str]) -> dict[str, str]:
        """By path, the commit that brought what ``commit_id`` holds there: the newest mostly, whose difference is one call. To
        search the log for a path takes lakeFS several times that."""
        if not paths:
            return {}
        [newest] = self._api.log(commit_id, 1)
        changed = {change.path for change in self._api.changes(newest.parents[0], newest.id)}
        older = [path for path in paths if path not in changed]
        found = _each(lambda path: self._api.log(commit_id, 1, path=path)[0].id, older)
        return dict.fromkeys(paths, newest.id) | dict(zip(older, found, strict=True))

    def _entry(self, path: str, stat: Stat | None) -> Entry | None:
        """The entry that we staged, as lakeFS has it; None when there is nothing, or something that we did not stage."""
        if stat is None or not stat.metadata.keys() >= {"key", "upload_id"}:
            return None
        key = stat.metadata["key"]
        if stat.address not in (None, self._address(key)):
            return None
        sha256 = None if stat.checksum.startswith(UNHASHED) else stat.checksum
        return Entry(path, key, stat.size, sha256, stat.content_type, stat.metadata["upload_id"])

    def _address(self, key: str) -> str:
        return f"{self._storage}/{key}"

    def _default_branch(self) -> str:
        """Of the repository, which is made when it is missing."""
        try:
            return self._api.default_branch()
        except Refusal as refusal:
            if refusal.status != 404:
                raise
        try:
            self._api.create_repository(self._namespace)
        except Refusal as refusal:
            if refusal.status != 409:
                raise
        return self._api.default_branch()

    def _first_commit(self) -> str:
        """The repository's first, empty commit: the end of its default branch's log."""
        if self._root is None:
            default = self._default_branch()
            page = self._api.log(default, PAGE)
            while page[-1].parents:
                page = self._api.log(default, PAGE, after=page[-1].id)
            self._root = page[-1].id
        return self._root


def _same(found: Entry, wanted: Entry) -> bool:
    return (found.upload_id, found.key) == (wanted.upload_id, wanted.key)


def _passing(error: Unanswered | Refusal) -> bool:
    """Whether the same call may well succeed a moment later."""
    return isinstance(error, Unanswered) or error.status >= 500 or error.status in {408, 409, 412, 423, 425, 429}


def _each(call: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """``call`` of each item, several at a time, in the items' order. Raises what the first failing item raised.

    The threads live as long as the call: starting them costs less than one request, and a process that was forked has none.
    """
    items = list(items)
    if len(items) < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(min(THREADS, len(items)), "lakefs") as pool:
        return list(pool.map(call, items))


@contextmanager
def _as_store_unavailable() -> Iterator[None]:
    """Whatever lakeFS could not do is one thing to the port: it may be different later."""
    try:
        yield
    except Unanswered as error:
        raise StoreUnavailable("The version store does not answer at the moment.") from error
    except Refusal as refusal:
        if refusal.status in (401, 403):
            raise StoreUnavailable("The version store does not accept our credentials.") from refusal
        raise StoreUnavailable("The version store cannot do this at the moment.") from refusal
