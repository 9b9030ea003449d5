"""The lakeFS adapter when lakeFS, or the way to it, fails: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import os
import traceback
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.servers.process import free_ports
from tests.standin.faults import BROKEN, DROP_AFTER, DROP_BEFORE, PREDICATE_FAILED, TOO_MANY, Answer, Fault, Slow
from tests.standin.lakefs import Standin

from holdfast.storage.objects.port import StoreUnavailable
from holdfast.storage.versions import CommitResult, Entry
from holdfast.storage.versions.lakefs import LakeFSVersions

BRANCH = "ada_space"
PATIENCE = 0.3
"""Seconds that these adapters wait for an answer."""


@pytest.fixture(scope="module")
def server() -> Iterator[Standin]:
    server = Standin.start()
    yield server
    server.stop()


class Place:
    """A fresh repository with our branch, on a stand-in whose faults can be scripted."""

    def __init__(self, standin: Standin) -> None:
        self.standin = standin
        self.script = standin.script
        self.repository = standin.repository()
        self.adapter(patience=10).create(BRANCH)

    def adapter(
        self, *, patience: float = PATIENCE, secret_key: str | None = None, repository: str | None = None
    ) -> LakeFSVersions:
        return LakeFSVersions(
            endpoint=self.standin.endpoint,
            access_key=self.standin.access_key,
            secret_key=secret_key or self.standin.secret_key,
            repository=repository or self.repository,
            bucket="bucket",
            read_timeout=patience,
        )

    def commits_of(self, operation: str) -> list[str]:
        history = self.standin.history(self.repository, BRANCH)
        return [commit.id for commit in history if commit.metadata.get("holdfast_operation") == operation]

    def commits_that_changed(self, path: str) -> int:
        trees = [commit.tree.get(path) for commit in self.standin.history(self.repository, BRANCH)]
        return sum(now != before for now, before in zip(trees, [*trees[1:], None], strict=True))


@pytest.fixture
def place(server: Standin) -> Iterator[Place]:
    place = Place(server)
    server.script.clear()
    yield place
    server.script.clear()


def new(path: str) -> Entry:
    upload_id = uuid.uuid4().hex
    return Entry(path, f"data/{upload_id}/0", 7, "5" * 64, "image/jpeg", upload_id)


def until_done(place: Place, operation: str, entries: list[Entry], deletes: list[str]) -> tuple[CommitResult, int]:
    """Calls as the committer does, each time with a new adapter; the result, and how many calls it took."""
    for calls in range(1, 5):
        try:
            return place.adapter().commit(BRANCH, operation, entries, deletes), calls
        except StoreUnavailable:
            continue
    raise AssertionError("it does not come to an end")


FAULTS: dict[str, Fault] = {
    "dropped before": DROP_BEFORE,
    "dropped after": DROP_AFTER,
    "predicate failed": PREDICATE_FAILED,
    "500": BROKEN,
    "503": Answer(503, "Throughput exceeded. Slow down and retry"),
    "429": TOO_MANY,
    "423": Answer(423, "locked"),
    "412": Answer(412, "Precondition failed"),
    "408": Answer(408, "timeout"),
    "too slow": Slow(1.5 * PATIENCE),
}


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("call", ["log", "stage", "delete", "commit", "diff"])
def test_a_fault_that_passes_costs_no_entry_and_no_second_commit(place: Place, call: str, fault: str) -> None:
    old, entries, operation = new("old"), [new("a"), new("b")], uuid.uuid4().hex
    place.adapter(patience=10).commit(BRANCH, uuid.uuid4().hex, [old], [])
    place.script.next(call, FAULTS[fault], FAULTS[fault])

    result, _ = until_done(place, operation, entries, ["old"])

    [commit_id] = place.commits_of(operation)
    assert {path: (found.commit_id, found.entry) for path, found in result.entries.items()} == {
        entry.path: (commit_id, entry) for entry in entries
    }
    assert result.strays == ()
    assert [place.commits_that_changed(path) for path in ("a", "b", "old")] == [1, 1, 2]


@pytest.mark.parametrize("fault", ["dropped before", "dropped after", "predicate failed", "429"])
@pytest.mark.parametrize("call", ["log", "stage", "commit", "diff"])
def test_a_short_fault_is_not_the_callers_affair(place: Place, call: str, fault: str) -> None:
    place.script.next(call, FAULTS[fault])

    result = place.adapter(patience=10).commit(BRANCH, "operation", [new("a")], [])

    assert list(result.entries) == ["a"]


@pytest.mark.parametrize("fault", ["dropped before", "dropped after", "500", "too slow"])
@pytest.mark.parametrize("call", ["head", "stat", "log"])
def test_settling_what_others_committed_survives_faults_too(place: Place, call: str, fault: str) -> None:
    entries, operation = [new("a"), new("b")], uuid.uuid4().hex
    taken = place.adapter(patience=10).commit(BRANCH, "another's", entries, [])
    place.script.next(call, FAULTS[fault])

    result, _ = until_done(place, operation, entries, [])

    assert result == taken
    assert place.commits_of(operation) == []


FINDS_ITS_COMMIT = {("commit", "dropped after"), ("commit", "too slow")}
"""The commit is made, and only its answer lost: a look at the log may settle it in the same call."""


@pytest.mark.parametrize("fault", ["dropped before", "dropped after", "500", "429", "too slow"])
@pytest.mark.parametrize("call", ["log", "stage", "delete", "commit", "diff"])
def test_a_fault_that_stays_is_unavailable_and_leaves_nothing_that_is_not_finished_later(
    place: Place, call: str, fault: str
) -> None:
    old, entries, operation = new("old"), [new("a"), new("b")], uuid.uuid4().hex
    place.adapter(patience=10).commit(BRANCH, uuid.uuid4().hex, [old], [])
    place.script.always(call, FAULTS[fault])
    for _ in range(2):
        with suppress(StoreUnavailable) if (call, fault) in FINDS_ITS_COMMIT else pytest.raises(StoreUnavailable):
            place.adapter().commit(BRANCH, operation, entries, ["old"])
    place.script.clear()

    result = place.adapter(patience=10).commit(BRANCH, operation, entries, ["old"])

    assert {path: found.entry for path, found in result.entries.items()} == {entry.path: entry for entry in entries}
    assert result.strays == ()
    assert [place.commits_that_changed(path) for path in ("a", "b", "old")] == [1, 1, 2]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("call", ["log", "stage", "commit"])
def test_keys_that_are_refused_are_no_fault_of_the_entry_and_not_tried_again(place: Place, call: str, status: int) -> None:
    place.script.always(call, Answer(status, "error authenticating request"))

    with pytest.raises(StoreUnavailable, match="does not accept our credentials"):
        place.adapter(patience=10).commit(BRANCH, "operation", [new("a")], [])

    assert place.script.calls.count(call) == 1


def test_wrong_keys_are_unavailable_everywhere(place: Place) -> None:
    versions = place.adapter(secret_key="wrong")
    for ask in (
        lambda: versions.create("another"),
        lambda: versions.commit(BRANCH, "operation", [new("a")], []),
        lambda: versions.entry("0" * 64, BRANCH, "a"),
        versions.check,
    ):
        with pytest.raises(StoreUnavailable, match="credentials"):
            ask()


def test_no_server_is_unavailable_everywhere() -> None:
    [port] = free_ports(1)
    versions = LakeFSVersions(
        endpoint=f"http://127.0.0.1:{port}", access_key="k", secret_key="s", repository="r", bucket="b", read_timeout=0.2
    )
    for ask in (
        lambda: versions.create(BRANCH),
        lambda: versions.commit(BRANCH, "operation", [new("a")], []),
        lambda: versions.entry("0" * 64, BRANCH, "a"),
        versions.check,
    ):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            ask()


def test_a_wrong_configuration_is_no_fault_of_the_entry(place: Place) -> None:
    place.script.always("stage", Answer(400, "physical address is not valid for block adapter: gs"))

    with pytest.raises(StoreUnavailable):
        place.adapter().commit(BRANCH, "operation", [new("a")], [])


def test_a_branch_that_nobody_made_is_unavailable_and_not_tried_again(place: Place) -> None:
    with pytest.raises(StoreUnavailable):
        place.adapter(patience=10).commit("nobody", "operation", [new("a")], [])

    assert place.script.calls == ["log"]


def test_a_missing_repository_is_not_an_entry_that_is_not_there(place: Place) -> None:
    with pytest.raises(StoreUnavailable):
        place.adapter(repository="nowhere").entry("0" * 64, BRANCH, "a")


@pytest.mark.parametrize("by", ["create", "check"])
def test_a_missing_repository_is_made(place: Place, by: str) -> None:
    name = f"made-by-{by}"
    if by == "check":
        place.adapter(repository=name).check()
    place.adapter(repository=name).create(BRANCH)

    result = place.adapter(repository=name).commit(BRANCH, "operation", [new("a")], [])

    assert list(result.entries) == ["a"]


def test_a_branch_starts_empty_also_when_somebody_committed_on_the_default_branch(place: Place) -> None:
    base = f"/repositories/{place.repository}/branches/main"
    body = {"physical_address": "s3://b/x", "checksum": "c", "size_bytes": 1}
    for number in range(3):
        place.standin.client.put(f"{base}/objects", params={"path": f"theirs/{number}"}, json=body).raise_for_status()
        place.standin.client.post(f"{base}/commits", json={"message": "theirs"}).raise_for_status()

    place.adapter().create("bob_space")

    assert [dict(commit.tree) for commit in place.standin.history(place.repository, "bob_space")] == [{}]


def test_creating_a_branch_again_after_a_lost_answer_is_no_error(place: Place) -> None:
    place.script.next("create_branch", DROP_AFTER)
    with pytest.raises(StoreUnavailable):
        place.adapter().create("bob_space")

    place.adapter().create("bob_space")

    assert place.adapter().commit("bob_space", "operation", [new("a")], []).strays == ()


def test_an_operation_is_found_under_commits_of_others(place: Place) -> None:
    entries = [new("a"), new("b")]
    versions = place.adapter(patience=10)
    result = versions.commit(BRANCH, "operation", entries, [])
    for number in range(50):
        versions.commit(BRANCH, f"later {number}", [new("a")], [])

    assert place.adapter(patience=10).commit(BRANCH, "operation", entries, []) == result
    assert len(place.commits_of("operation")) == 1


def test_what_somebody_else_staged_is_a_stray_and_no_entry_of_ours(place: Place) -> None:
    url = f"/repositories/{place.repository}/branches/{BRANCH}/objects"
    body = {"physical_address": "s3://elsewhere/x", "checksum": "c", "size_bytes": 1, "metadata": {}}
    place.standin.client.put(url, params={"path": "theirs"}, json=body).raise_for_status()
    forged = {"upload_id": "u", "key": "data/u/0"}
    place.standin.client.put(url, params={"path": "forged"}, json=body | {"metadata": forged}).raise_for_status()

    result = place.adapter().commit(BRANCH, "operation", [new("a")], [])

    assert result.strays == ("forged", "theirs")
    commit_id = result.entries["a"].commit_id
    assert [place.adapter().entry(commit_id, BRANCH, path) for path in ("theirs", "forged")] == [None, None]
    after = place.adapter().commit(BRANCH, "and undone", [], ["theirs", "forged"])
    assert after.strays == ()


def test_a_group_of_thousands_is_read_back_in_pages(place: Place) -> None:
    entries = [new(f"{number:05}") for number in range(2100)]
    first = place.adapter(patience=30).commit(BRANCH, "puts", entries, [])
    assert len(first.entries) == 2100

    last = place.adapter(patience=30).commit(BRANCH, "deletes", [new("a")], [entry.path for entry in entries])

    assert list(last.entries) == ["a"]
    assert last.strays == ()
    assert place.standin.history(place.repository, BRANCH)[0].tree.keys() == {"a"}


def test_equal_identity_at_another_address_is_never_staged_by_us(place: Place) -> None:
    entry = new("a")
    first = place.adapter().commit(BRANCH, "1", [entry], [])
    second = place.adapter().commit(BRANCH, "2", [replace(entry, key="data/other/0")], [])

    assert first.entries["a"].commit_id != second.entries["a"].commit_id, "the key is part of what makes entries equal"
    [newest, *_] = place.standin.history(place.repository, BRANCH)
    assert newest.tree["a"].address == "s3://bucket/data/other/0"


def test_a_forked_process_talks_for_itself(place: Place) -> None:
    versions = place.adapter(patience=10)
    versions.commit(BRANCH, "the parent's", [new("a")], [])
    child = os.fork()
    if not child:
        try:
            done = versions.commit(BRANCH, "the child's", [new(f"b/{number}") for number in range(10)], [])
            os._exit(0 if len(done.entries) == 10 else 1)
        except BaseException:
            traceback.print_exc()
            os._exit(2)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert list(versions.commit(BRANCH, "the parent's again", [new("c")], []).entries) == ["c"]
