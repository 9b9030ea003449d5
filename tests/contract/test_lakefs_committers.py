"""Two committers at work on one branch of lakeFS at once, as when a lease is lost: every order of their steps, one by one.

Each committer has three steps: it stages, commits, and reads back. What must hold is judged by the branch itself, read without the
adapter: see ``Branch.judge``.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tests.contract.turns import Turns
from tests.servers.lakefs import LakeFS
from tests.standin.faults import DROP_AFTER, PREDICATE_FAILED, Fault
from tests.standin.lakefs import Standin

from holdfast import failpoints
from holdfast.storage.versions import CommitResult, Entry
from holdfast.storage.versions.lakefs import LakeFSVersions
from holdfast.storage.versions.points import COMMIT_BEFORE, READBACK_BEFORE, STAGE_BEFORE

NAME = "ada_space"
STOPS = (STAGE_BEFORE, COMMIT_BEFORE, READBACK_BEFORE)
SCHEDULES = sorted(set(itertools.permutations("AAABBB")))
"""All 20 orders of three steps of A and three of B."""


@dataclass(frozen=True)
class Group:
    operation: str
    puts: Sequence[Entry]
    deletes: Sequence[str]


Tree = dict[str, str]
"""By path, the upload that brought what is there."""


class Branch:
    """A fresh branch of a fresh repository that holds ``old`` and ``shared``."""

    def __init__(self, server: LakeFS | Standin) -> None:
        self.server = server
        self.repository = server.repository()
        self.adapter().create(NAME)
        self.adapter().commit(NAME, "setup", [new("old"), new("shared")], [])

    def adapter(self) -> LakeFSVersions:
        """A new one, as another process would have it."""
        server = self.server
        return LakeFSVersions(
            endpoint=server.endpoint,
            access_key=server.access_key,
            secret_key=server.secret_key,
            repository=self.repository,
            bucket="bucket",
        )

    def commit(self, group: Group) -> CommitResult:
        return self.adapter().commit(NAME, group.operation, group.puts, group.deletes)

    def history(self) -> list[tuple[str, str, Tree]]:
        """Commits with their operations and all they hold, the oldest first, without the repository's own first one."""
        first, *commits = reversed(self._get(f"/refs/{NAME}/commits", amount=100)["results"])
        told, parent, tree = [], first["id"], Tree()
        for commit in commits:
            query = {"type": "two_dot", "include_right_stats": "true"}
            tree = dict(tree)
            for change in self._get(f"/refs/{parent}/diff/{commit['id']}", **query)["results"]:
                tree.pop(change["path"], None)
                if change["type"] != "removed":
                    tree[change["path"]] = change["right"]["metadata"]["upload_id"]
            told.append((commit["id"], commit["metadata"]["holdfast_operation"], tree))
            parent = commit["id"]
        return told

    def judge(self, groups: Sequence[Group], results: Sequence[CommitResult]) -> None:
        """Asserts of each group's result that it tells what the branch holds, and of the branch that nothing came twice."""
        history = self.history()
        before = dict(zip((commit_id for commit_id, _, _ in history), [{}, *(tree for _, _, tree in history)], strict=False))
        trees = {commit_id: tree for commit_id, _, tree in history}
        brought = {
            path: [c for c, tree in trees.items() if tree.get(path) != before[c].get(path)]
            for path in {path for tree in trees.values() for path in tree}
        }
        for group, result in zip(groups, results, strict=True):
            wanted: dict[str, str | None] = {entry.path: entry.upload_id for entry in group.puts} | dict.fromkeys(group.deletes)
            for entry in group.puts:
                bringers = [c for c in brought.get(entry.path, []) if trees[c].get(entry.path) == entry.upload_id]
                assert len(bringers) <= 1, "committed twice"
                found = result.entries.get(entry.path)
                assert (found is None) == (not bringers), "what is committed is told, and what is told is committed"
                if found is not None:
                    assert (found.commit_id, found.entry) == (bringers[0], entry)
            made = [commit_id for commit_id, operation, _ in history if operation == group.operation]
            strays = set()
            for commit_id in made:
                now, was = trees[commit_id], before[commit_id]
                changed = {path for path in now.keys() | was.keys() if now.get(path) != was.get(path)}
                strays |= {path for path in changed | wanted.keys() if path not in wanted or now.get(path) != wanted[path]}
            assert set(result.strays) == strays
            assert len(made) <= 1
        nothing_left = self.commit(Group("last", [new("last")], []))
        assert nothing_left.strays == ()

    def _get(self, url: str, **query: Any) -> Any:
        return self.server.client.get(f"/repositories/{self.repository}{url}", params=query).raise_for_status().json()


def new(path: str) -> Entry:
    upload_id = uuid.uuid4().hex
    return Entry(path, f"data/{upload_id}/0", 7, "5" * 64, "image/jpeg", upload_id)


def group(*puts: str, deletes: Sequence[str] = ()) -> Group:
    return Group(uuid.uuid4().hex, [new(path) for path in puts], deletes)


SCENARIOS: dict[str, Callable[[], tuple[Group, Group]]] = {
    "different paths": lambda: (group("a1", "a2", deletes=["old"]), group("b1", "b2")),
    "the same path": lambda: (group("a1", "shared"), group("b1", "shared")),
    "one puts what the other deletes": lambda: (group("a1", "shared"), group("b1", deletes=["shared", "a1"])),
    "one path each, the same": lambda: (group("shared"), group("shared")),
    "both delete the same": lambda: (group("a1", deletes=["shared", "old"]), group("b1", deletes=["shared"])),
    "the same operation": lambda: (same := group("a1", "shared", deletes=["old"]), same),
}


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    server = Standin.start()
    yield server
    server.stop()


@pytest.fixture(params=["lakefs-standin", "lakefs"])
def server(request: pytest.FixtureRequest) -> LakeFS | Standin:
    found: LakeFS | Standin = request.getfixturevalue("standin" if request.param == "lakefs-standin" else "lakefs")
    return found


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


def play(branch: Branch, groups: Sequence[Group], schedule: Sequence[str]) -> list[CommitResult]:
    acts = {name: (lambda group=group: branch.commit(group)) for name, group in zip("AB", groups, strict=True)}
    try:
        results = Turns(acts, STOPS).play(schedule)
    finally:
        failpoints.disarm()
    return [results[name] for name in acts]


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_every_order_of_two_committers_steps(server: LakeFS | Standin, scenario: str) -> None:
    assert len(SCHEDULES) == 20
    for schedule in SCHEDULES:
        branch, groups = Branch(server), SCENARIOS[scenario]()
        branch.judge(groups, play(branch, groups, schedule))


FAULTS: dict[str, Fault] = {
    "predicate failed": PREDICATE_FAILED,
    "dropped after": DROP_AFTER,
}


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("scenario", ["different paths", "the same path", "one puts what the other deletes"])
def test_every_order_of_two_committers_steps_when_the_first_commit_fails(standin: Standin, scenario: str, fault: str) -> None:
    for schedule in SCHEDULES:
        branch, groups = Branch(standin), SCENARIOS[scenario]()
        standin.script.next("commit", FAULTS[fault])
        results = play(branch, groups, schedule)
        standin.script.clear()
        branch.judge(groups, results)


def test_a_late_stage_is_a_stray_of_the_next_commit_and_can_be_put_back(server: LakeFS | Standin) -> None:
    branch = Branch(server)
    late, ours = group("shared"), group("b1")
    results = play(branch, [late, ours], "AB" + "BB")

    [(_, _, before), (commit_id, operation, now)] = branch.history()
    assert operation == ours.operation
    assert results[1].strays == ("shared",)
    assert results[0].entries["shared"].commit_id == commit_id, "what another's commit took is told with that commit's id"
    assert results[0].strays == ()
    held = branch.adapter().entry(branch.history()[0][0], NAME, "shared")
    assert held is not None
    assert held.upload_id == before["shared"] != now["shared"]
    undone = branch.commit(Group("undo", [held], []))
    assert undone.entries["shared"].entry == held
    assert undone.strays == ()


def test_a_group_whose_stage_was_overwritten_before_anybody_committed_is_staged_again(server: LakeFS | Standin) -> None:
    branch, ours, theirs = Branch(server), group("shared"), group("shared")

    results = play(branch, [ours, theirs], "ABBA")

    assert [result.entries["shared"].entry for result in results] == [ours.puts[0], theirs.puts[0]]
    assert [operation for _, operation, _ in branch.history()] == ["setup", theirs.operation, ours.operation]


def test_a_committer_that_died_after_staging_leaves_a_stray_and_his_successor_finds_it(server: LakeFS | Standin) -> None:
    class DiedError(Exception):
        pass

    def die() -> None:
        raise DiedError

    branch, dead, other = Branch(server), group("a1", "a2", deletes=["old"]), group("b1")
    failpoints.arm(COMMIT_BEFORE, die)
    with pytest.raises(DiedError):
        branch.commit(dead)
    failpoints.disarm()

    theirs = branch.commit(other)
    settled = branch.commit(dead)

    assert theirs.strays == ("a1", "a2", "old")
    assert {found.commit_id for found in settled.entries.values()} == {theirs.entries["b1"].commit_id}
    branch.judge([dead, other], [settled, theirs])
