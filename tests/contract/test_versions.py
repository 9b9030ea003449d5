"""What every adapter of the versions port keeps to."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from tests.databases import emptied, fresh_url, with_tables
from tests.servers.lakefs import LakeFS
from tests.servers.mariadb import MariaDB
from tests.standin.lakefs import Standin

from holdfast import failpoints
from holdfast.database.engine import Database
from holdfast.database.tables import branches, commit_entries, commits
from holdfast.storage.versions import CommitResult, Entry, EntryRefused, Versions
from holdfast.storage.versions.lakefs import LakeFSVersions
from holdfast.storage.versions.sql import SqlVersions

BRANCH = "ada_space"
PATH = "image/jpg/test/test.jpg"

Adapters = Callable[[], Versions]
"""Each call gives a new adapter on the same store, as another process would have it."""


@pytest.fixture(scope="session")
def standin() -> Iterator[Standin]:
    server = Standin.start()
    yield server
    server.stop()


def on_lakefs(server: LakeFS | Standin) -> Adapters:
    repository = server.repository()
    return lambda: LakeFSVersions(
        endpoint=server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
        repository=repository,
        bucket="bucket",
        prefix="prefix",
    )


@pytest.fixture
def lakefs_standin_adapters(standin: Standin) -> Adapters:
    return on_lakefs(standin)


@pytest.fixture
def lakefs_adapters(lakefs: LakeFS) -> Adapters:
    return on_lakefs(lakefs)


@pytest.fixture
def sqlite_adapters(request: pytest.FixtureRequest) -> Iterator[Adapters]:
    with with_tables(fresh_url(request, "sqlite")) as database:
        yield lambda: SqlVersions(database)


@pytest.fixture(scope="module")
def tables_on_mariadb(mariadb: MariaDB) -> Iterator[Database]:
    with with_tables(mariadb.create_database()) as database:
        yield database


@pytest.fixture
def mariadb_adapters(tables_on_mariadb: Database) -> Adapters:
    database = emptied(tables_on_mariadb, commit_entries, commits, branches)
    return lambda: SqlVersions(database)


ADAPTERS = {
    "sql-sqlite": "sqlite_adapters",
    "sql-mariadb": "mariadb_adapters",
    "lakefs-standin": "lakefs_standin_adapters",
    "lakefs": "lakefs_adapters",
}
"""By the name that a test's id shows: the fixture that gives its ``Adapters``, on a store of its own for each test."""


@pytest.fixture(params=list(ADAPTERS))
def adapters(request: pytest.FixtureRequest) -> Adapters:
    made: Adapters = request.getfixturevalue(ADAPTERS[request.param])
    made().create(BRANCH)
    return made


@pytest.fixture
def versions(adapters: Adapters) -> Versions:
    return adapters()


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


def new(path: str = PATH, content: bytes = b"content") -> Entry:
    """What one upload brings to a path."""
    upload_id = uuid.uuid4().hex
    return Entry(path, f"data/{upload_id}/0", len(content), hashlib.sha256(content).hexdigest(), "image/jpeg", upload_id)


operation = map("operation-{}".format, itertools.count()).__next__


def put(versions: Versions, *entries: Entry, branch: str = BRANCH) -> CommitResult:
    return versions.commit(branch, operation(), entries, [])


def commit_ids(result: CommitResult) -> set[str]:
    return {committed.commit_id for committed in result.entries.values()}


def the_commit(result: CommitResult) -> str:
    [commit_id] = commit_ids(result)
    return commit_id


def test_the_first_commit_holds_what_was_put(versions: Versions) -> None:
    entry = new()

    result = put(versions, entry)

    assert result.entries[PATH].entry == entry
    assert list(result.strays) == []
    assert versions.entry(the_commit(result), BRANCH, PATH) == entry


def test_a_second_commit_brings_a_new_version_and_the_first_keeps_its_own(versions: Versions) -> None:
    first, second = new(content=b"1"), new(content=b"two")
    before, after = put(versions, first), put(versions, second)

    assert the_commit(before) != the_commit(after)
    assert versions.entry(the_commit(before), BRANCH, PATH) == first
    assert versions.entry(the_commit(after), BRANCH, PATH) == second
    assert list(after.strays) == []


def test_equal_bytes_of_two_uploads_are_two_entries(versions: Versions) -> None:
    first, second = new(), new()
    assert first.sha256 == second.sha256

    before, after = put(versions, first), put(versions, second)

    assert the_commit(before) != the_commit(after)
    assert after.entries[PATH].entry == second
    assert versions.entry(the_commit(before), BRANCH, PATH) == first


def test_an_entry_whose_bytes_were_not_hashed_yet_stays_so(versions: Versions) -> None:
    unhashed, other = replace(new(), sha256=None), replace(new("other"), sha256=None)
    result = put(versions, unhashed, other)
    assert {path: committed.entry for path, committed in result.entries.items()} == {PATH: unhashed, "other": other}
    assert versions.entry(the_commit(result), BRANCH, PATH) == unhashed

    hashed = replace(unhashed, sha256=new().sha256)  # as it is put back by a later commit, which knows it
    later = put(versions, hashed)
    assert later.entries[PATH].entry == hashed
    assert versions.entry(the_commit(result), BRANCH, PATH) == unhashed


def test_what_is_deleted_is_gone_from_then_on_and_still_in_the_commits_before(versions: Versions) -> None:
    entry, other = new(), new("other")
    before = put(versions, entry)

    after = versions.commit(BRANCH, operation(), [other], [PATH])

    assert set(after.entries) == {"other"}
    assert list(after.strays) == []
    assert versions.entry(the_commit(after), BRANCH, PATH) is None
    assert versions.entry(the_commit(before), BRANCH, PATH) == entry


def test_deleting_what_is_not_there_is_no_error(versions: Versions) -> None:
    absent = ["never", "é" * 600, ""]

    assert versions.commit(BRANCH, operation(), [], absent) == CommitResult({})
    result = versions.commit(BRANCH, operation(), [new()], absent)

    assert set(result.entries) == {PATH}
    assert list(result.strays) == []


def test_a_large_group_is_one_commit(versions: Versions) -> None:
    old = [new(f"image/jpg/{number}/old.jpg") for number in range(40)]
    put(versions, *old)
    entries = [new(f"image/jpg/{number}/{number}.jpg") for number in range(100)]

    result = versions.commit(BRANCH, operation(), entries, [entry.path for entry in old])

    assert {path: committed.entry for path, committed in result.entries.items()} == {entry.path: entry for entry in entries}
    assert len(commit_ids(result)) == 1
    assert list(result.strays) == []
    assert all(versions.entry(the_commit(result), BRANCH, entry.path) is None for entry in old)


def test_the_same_operation_again_changes_nothing_and_says_the_same(adapters: Adapters) -> None:
    versions = adapters()
    gone, entries = new("gone"), [new(), new("other")]
    put(versions, gone)
    name = operation()
    result = versions.commit(BRANCH, name, entries, ["gone"])

    assert versions.commit(BRANCH, name, entries, ["gone"]) == result
    assert adapters().commit(BRANCH, name, entries, ["gone"]) == result

    later = put(versions, new())
    assert adapters().commit(BRANCH, name, entries, ["gone"]) == result
    assert versions.entry(the_commit(later), BRANCH, PATH) == later.entries[PATH].entry


@pytest.mark.parametrize("stop", ["stage.before", "stage.after", "commit.before", "commit.after", "readback.before"])
def test_whoever_repeats_an_operation_that_was_cut_off_finishes_it(adapters: Adapters, stop: str) -> None:
    class CutOffError(Exception):
        pass

    def cut() -> None:
        raise CutOffError

    name, old, entries = operation(), new("old"), [new(), new("other")]
    before = put(adapters(), old)
    failpoints.arm(f"versions.{stop}", cut)
    with pytest.raises(CutOffError):
        adapters().commit(BRANCH, name, entries, ["old"])
    failpoints.disarm()

    result = adapters().commit(BRANCH, name, entries, ["old"])

    assert {path: committed.entry for path, committed in result.entries.items()} == {entry.path: entry for entry in entries}
    assert list(result.strays) == []
    assert the_commit(result) != the_commit(before)
    assert adapters().commit(BRANCH, name, entries, ["old"]) == result


def test_two_adapters_on_one_branch_commit_every_entry_once(adapters: Adapters) -> None:
    rounds, size, committers = 5, 6, 2
    groups = [[[new(f"{who}/{turn}/{n}") for n in range(size)] for turn in range(rounds)] for who in range(committers)]
    start = Barrier(committers)

    def committer(who: int) -> list[CommitResult]:
        versions = adapters()
        start.wait()
        return [put(versions, *group) for group in groups[who]]

    with ThreadPoolExecutor(committers) as pool:
        results = [result for mine in pool.map(committer, range(committers)) for result in mine]

    found = {path: committed for result in results for path, committed in result.entries.items()}
    assert {path: committed.entry for path, committed in found.items()} == {
        entry.path: entry for group in itertools.chain(*groups) for entry in group
    }
    versions = adapters()
    for path, committed in found.items():
        assert versions.entry(committed.commit_id, BRANCH, path) == committed.entry
    again = put(versions, new("last"))
    assert list(again.strays) == [], "nothing is left staged, and nothing committed again"


@pytest.mark.parametrize(
    "path",
    ["image/jpg/a b/c d.jpg", "image/jpg/straße/été 漢字 🪸.jpg", "a+b%20c&d=e?f#g", "a,b;c", "quote'\"s\\", "x" * 1024, "é" * 512],
    ids=["spaces", "unicode", "url", "lists", "quotes", "1024 bytes", "1024 bytes of unicode"],
)
def test_any_path_of_at_most_1024_bytes_is_taken_as_it_is(adapters: Adapters, path: str) -> None:
    versions, entry, name = adapters(), new(path), operation()

    result = versions.commit(BRANCH, name, [entry], [])

    assert result.entries[path].entry == entry
    assert versions.entry(the_commit(result), BRANCH, path) == entry
    assert adapters().commit(BRANCH, name, [entry], []) == result
    gone = versions.commit(BRANCH, operation(), [new("other")], [path])
    assert list(gone.strays) == []
    assert versions.entry(the_commit(gone), BRANCH, path) is None


@pytest.mark.parametrize("path", ["x" * 1025, "é" * 513, ""], ids=["1025 bytes", "1026 bytes of unicode", "empty"])
def test_another_path_is_refused_and_only_that(versions: Versions, path: str) -> None:
    good = [new("good/1"), new("good/2")]

    with pytest.raises(EntryRefused) as refused:
        put(versions, good[0], new(path), good[1])

    assert refused.value.path == path
    result = put(versions, *good)
    assert {path: committed.entry for path, committed in result.entries.items()} == {entry.path: entry for entry in good}
    assert list(result.strays) == []


def test_paths_that_begin_alike_do_not_touch_each_other(versions: Versions) -> None:
    entries = [new(path) for path in ("a", "a/b", "a/b/c", "ab", "a b")]
    put(versions, *entries)

    after = versions.commit(BRANCH, operation(), [], ["a/b"])
    last = put(versions, new("z"))

    assert list(after.strays) == []
    held = {entry.path: versions.entry(the_commit(last), BRANCH, entry.path) for entry in entries}
    assert held == {entry.path: entry for entry in entries} | {"a/b": None}


def test_there_is_no_entry_where_nothing_was_put(versions: Versions) -> None:
    commit_id = the_commit(put(versions, new("a/b")))

    assert [versions.entry(commit_id, BRANCH, path) for path in ("a", "a/", "a/b/c", "b", "x" * 1025, "")] == [None] * 6


def test_a_path_keeps_type_size_and_hash_of_what_was_put(versions: Versions) -> None:
    entry = replace(new(content=b""), content_type="text/plain; charset=utf-8")

    result = put(versions, entry)

    assert versions.entry(the_commit(result), BRANCH, PATH) == entry


def test_branches_do_not_see_each_other(versions: Versions) -> None:
    versions.create("bob_space")
    ours, theirs = new(), new(content=b"bob's")

    mine = put(versions, ours)
    his = put(versions, theirs, branch="bob_space")

    assert versions.entry(the_commit(mine), BRANCH, PATH) == ours
    assert versions.entry(the_commit(his), "bob_space", PATH) == theirs
    assert list(his.strays) == []
    versions.create("carol_space")
    hers = put(versions, new("other"), branch="carol_space")
    assert versions.entry(the_commit(hers), "carol_space", PATH) is None


def test_one_operation_name_may_serve_two_branches(versions: Versions) -> None:
    versions.create("bob_space")
    name, ours, theirs = operation(), new(), new()

    mine = versions.commit(BRANCH, name, [ours], [])
    his = versions.commit("bob_space", name, [theirs], [])

    assert mine.entries[PATH].entry == ours
    assert his.entries[PATH].entry == theirs


def test_a_branch_that_is_there_is_left_as_it_is(adapters: Adapters) -> None:
    entry = new()
    put(adapters(), entry)

    adapters().create(BRANCH)

    after = put(adapters(), new("other"))
    assert adapters().entry(the_commit(after), BRANCH, PATH) == entry
    assert list(after.strays) == []


def test_a_store_that_works_passes_the_check(versions: Versions) -> None:
    versions.check()
