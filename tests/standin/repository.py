"""A lakeFS repository in memory: branches, what is staged on them, commits. Its rules are those measured on lakeFS 1.84."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

PATH_LIMIT = 1024
DELETE_LIMIT = 1000


class RefusedError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Record:
    """An entry. Two are equal when size, checksum, content type and metadata are: the address and the time do not count."""

    size: int
    checksum: str
    content_type: str
    metadata: tuple[tuple[str, str], ...]
    address: str = field(compare=False)
    mtime: int = field(compare=False)


Tree = Mapping[str, Record]


@dataclass(frozen=True)
class Commit:
    id: str
    parents: tuple[str, ...]
    message: str
    metadata: Mapping[str, str]
    created: int
    tree: Tree
    generation: int


@dataclass
class Branch:
    head: Commit
    staged: dict[str, Record | None] = field(default_factory=dict)
    """None: to be removed."""


class Repository:
    """One repository. Not for several threads at once."""

    def __init__(self, name: str, storage: str, default_branch: str) -> None:
        self.name = name
        self.storage = storage
        self.default_branch = default_branch
        self._commits: dict[str, Commit] = {}
        self._serial = itertools.count()
        first = self._add((), "Repository created", {}, {})
        self._branches = {default_branch: Branch(first)}

    def branch(self, name: str) -> Branch:
        if name not in self._branches:
            raise RefusedError(404, "branch not found")
        return self._branches[name]

    def create_branch(self, name: str, source: str) -> Commit:
        start = self.resolve(source)
        if name in self._branches:
            raise RefusedError(409, "branch already exists: not unique")
        self._branches[name] = Branch(start)
        return start

    def resolve(self, ref: str) -> Commit:
        """The commit that a branch's name or a commit's id stands for."""
        if ref in self._branches:
            return self._branches[ref].head
        if ref in self._commits:
            return self._commits[ref]
        raise RefusedError(404, "not found")

    def stage(self, branch: str, path: str, record: Record) -> None:
        """Nothing is verified: neither that there is an object, nor its size or checksum."""
        if not path:
            raise RefusedError(400, 'parameter "path" in query has an error: empty value is not allowed')
        if not record.address.startswith("s3://"):
            raise RefusedError(400, "physical address is not valid for block adapter: s3")
        staged = self.branch(branch).staged
        _check_length(path)
        staged[path] = record

    def stage_deletes(self, branch: str, paths: list[str]) -> list[dict[str, object]]:
        """What failed, by path: all of them, when one is too long; none, when there is no branch."""
        if len(paths) > DELETE_LIMIT:
            raise RefusedError(400, f"request size exceeded, max paths is set to {DELETE_LIMIT}")
        on = self._branches.get(branch)
        if on is None:
            return []
        try:
            for path in paths:
                _check_length(path)
        except RefusedError as refused:
            return [{"path": each, "message": refused.message, "status_code": 500} for each in paths]
        for path in paths:
            if path in on.head.tree or on.staged.get(path) is not None:
                on.staged[path] = None
        return []

    def commit(self, branch: str, message: str, metadata: Mapping[str, str]) -> Commit:
        """Takes everything that is staged on the branch, by whomever. What is equal to what is there stays as it is there."""
        on = self.branch(branch)
        tree = dict(on.head.tree)
        for path, record in on.staged.items():
            if record is None:
                tree.pop(path, None)
            elif tree.get(path) != record:
                tree[path] = record
        if tree == on.head.tree:
            raise RefusedError(400, "commit: no changes" if on.staged else "no changes")
        on.head = self._add((on.head,), message, metadata, tree)
        on.staged = {}
        return on.head

    def lookup(self, ref: str, path: str) -> Record:
        """At a branch's name, what is staged counts."""
        found = self.resolve(ref).tree.get(path)
        _check_length(path)
        if ref in self._branches:
            found = self._branches[ref].staged.get(path, found)
        if found is None:
            raise RefusedError(404, "not found")
        return found

    def log(self, ref: str, *, after: str | None, paths: list[str]) -> Iterator[Commit]:
        """From ``ref`` back; below ``after``; only what changed one of ``paths``, if there are any."""
        line = self._line(self.resolve(ref))
        if after:
            below = self.resolve(after).id
            line = itertools.islice(itertools.dropwhile(lambda commit: commit.id != below, line), 1, None)
        for commit in line:
            parents = [self._commits[parent].tree for parent in commit.parents]
            if not paths or any(commit.tree.get(path) != parent.get(path) for parent in parents for path in paths):
                yield commit

    def diff(self, left: str, right: str) -> list[tuple[str, str, Record]]:
        """Path, ``added``, ``removed`` or ``changed``, and what the later has (for what it has not: what the earlier had)."""
        before, now = self.resolve(left).tree, self.resolve(right).tree
        found = []
        for path in sorted(before.keys() | now.keys(), key=str.encode):
            if path not in now:
                found.append((path, "removed", before[path]))
            elif path not in before:
                found.append((path, "added", now[path]))
            elif before[path] != now[path]:
                found.append((path, "changed", now[path]))
        return found

    def _line(self, commit: Commit) -> Iterator[Commit]:
        yield commit
        while commit.parents:
            commit = self._commits[commit.parents[0]]
            yield commit

    def _add(self, parents: tuple[Commit, ...], message: str, metadata: Mapping[str, str], tree: Tree) -> Commit:
        serial = next(self._serial)
        name = hashlib.sha256(json.dumps([self.name, serial, message]).encode()).hexdigest()
        generation = 1 + max((parent.generation for parent in parents), default=0)
        commit = Commit(name, tuple(p.id for p in parents), message, dict(metadata), 1_700_000_000 + serial, tree, generation)
        self._commits[name] = commit
        return commit


def _check_length(path: str) -> None:
    if (length := len(path.encode())) > PATH_LIMIT:
        raise RefusedError(400, f"argument path: invalid value: validation error: {length} is above maximum length ({PATH_LIMIT})")
