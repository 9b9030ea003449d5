"""What the sql adapter does beyond the port's contract."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, func, select
from tests.databases import KINDS, fresh_url, with_tables

from holdfast.database.engine import Database
from holdfast.database.tables import branches, commit_entries, commits
from holdfast.storage.versions.port import Entry, EntryRefused
from holdfast.storage.versions.sql import SqlVersions, commit_id


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with with_tables(fresh_url(request, request.param)) as database:
        yield database


def entry(path: str, upload: str = "u1") -> Entry:
    return Entry(path, f"data/{upload}/0", 5, "0" * 64, "image/jpeg", upload)


def test_the_id_of_a_commit_says_what_it_holds_whatever_the_order() -> None:
    a, b = entry("a"), entry("b")
    assert commit_id("ada", "", "op", [a, b], ["x", "y"]) == commit_id("ada", "", "op", [b, a], ["y", "x"])
    ids = {
        commit_id("ada", "", "op", [a, b], ["x"]),
        commit_id("bob", "", "op", [a, b], ["x"]),
        commit_id("ada", "p", "op", [a, b], ["x"]),
        commit_id("ada", "", "op2", [a, b], ["x"]),
        commit_id("ada", "", "op", [a], ["x"]),
        commit_id("ada", "", "op", [a, b], []),
        commit_id("ada", "", "op", [a, entry("b", "u2")], ["x"]),
    }
    assert len(ids) == 7
    assert all(len(one) == 64 for one in ids)


def test_a_large_group_takes_as_few_statements_as_a_small_one(database: Database) -> None:
    versions = SqlVersions(database)
    versions.create("ada")
    counts: list[int] = []
    for size in (1, 400):
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any, seen: list[str] = seen) -> None:
            seen.append(statement)

        event.listen(database.engine, "before_cursor_execute", note)
        result = versions.commit("ada", f"op{size}", [entry(f"p{n}", f"u{size}") for n in range(size)], [])
        event.remove(database.engine, "before_cursor_execute", note)
        assert len(result.entries) == size
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 7


def test_rivals_on_one_branch_make_one_unbroken_chain(database: Database) -> None:
    versions = SqlVersions(database)
    versions.create("ada")
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda n: versions.commit("ada", f"op{n}", [entry("same", f"u{n}")], []), range(40)))
    ids = [result.entries["same"].commit_id for result in results]
    assert len(set(ids)) == 40
    with database.read() as connection:
        head, number = connection.execute(select(branches.c.head, branches.c.number)).one()
        chain = connection.execute(select(commits.c.id, commits.c.parent).order_by(commits.c.number)).all()
    assert number == 40
    assert [row.parent for row in chain] == ["", *(row.id for row in chain)][:-1]
    assert chain[-1].id == head
    assert {row.id for row in chain} == set(ids)
    for n, one in enumerate(ids):
        assert versions.entry(one, "ada", "same") == entry("same", f"u{n}")


def test_one_operation_called_by_many_at_once_is_one_commit(database: Database) -> None:
    versions = SqlVersions(database)
    versions.create("ada")
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: versions.commit("ada", "op", [entry("a"), entry("b")], ["c"]), range(16)))
    assert len({result.entries["a"].commit_id for result in results}) == 1
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(commits)) == 1
        assert connection.scalar(select(func.count()).select_from(commit_entries)) == 3


def test_a_branch_created_by_many_at_once_is_there_once(database: Database) -> None:
    versions = SqlVersions(database)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: versions.create("ada"), range(16)))
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(branches)) == 1


def test_paths_are_told_apart_by_their_code_points(database: Database) -> None:
    versions = SqlVersions(database)
    versions.create("ada")
    paths = ["image/jpg/A/x", "image/jpg/a/x", "image/jpg/ä/x", "image/jpg/a\u0308/x", "image/jpg/a/x "]
    result = versions.commit("ada", "op", [entry(path, f"u{n}") for n, path in enumerate(paths)], [])
    at = result.entries[paths[0]].commit_id
    assert [versions.entry(at, "ada", path) for path in paths] == [entry(path, f"u{n}") for n, path in enumerate(paths)]


def test_a_path_longer_than_the_port_allows_is_refused_and_nothing_of_its_group_is_committed(database: Database) -> None:
    versions = SqlVersions(database)
    versions.create("ada")
    fits, too_long = "ä" * 512, "ä" * 512 + "b"
    with pytest.raises(EntryRefused) as refused:
        versions.commit("ada", "op", [entry(fits), entry(too_long)], [])
    assert refused.value.path == too_long
    result = versions.commit("ada", "op", [entry(fits)], [])
    assert result.entries[fits].entry == entry(fits)


def test_a_branch_that_nobody_created_takes_no_commit(database: Database) -> None:
    with pytest.raises(LookupError):
        SqlVersions(database).commit("nobody", "op", [entry("a")], [])
