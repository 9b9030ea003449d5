"""A lease has one holder at a time, by the database's clock, on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import Connection, select, update
from tests.databases import ALL_KINDS, emptied, fresh_url, with_tables
from tests.waiting import until

from holdfast.database.connecting import DatabaseUnavailable
from holdfast.database.engine import Database
from holdfast.database.keeping import kept
from holdfast.database.leases import Lease, LeaseLost, acquire, fence, release
from holdfast.database.tables import leases
from holdfast.database.types import db_later, db_now


@pytest.fixture(scope="module", params=ALL_KINDS)
def tables(request: pytest.FixtureRequest) -> Iterator[Database]:
    with with_tables(fresh_url(request, request.param)) as database:
        yield database


@pytest.fixture
def database(tables: Database) -> Database:
    return emptied(tables, leases)


def end(database: Database, name: str = "a") -> None:
    database.write(lambda c: c.execute(update(leases).where(leases.c.name == name).values(expires_at=db_later(-1))))


def held(database: Database, holder: str, name: str = "a") -> Lease:
    lease = acquire(database, name, holder, 60)
    assert lease is not None
    return lease


def fenced(database: Database, lease: Lease) -> None:
    database.write(lambda connection: fence(connection, lease, 60))


def test_the_first_gets_it_and_the_second_does_not(database: Database) -> None:
    assert held(database, "one") == Lease("a", "one", 1)
    assert acquire(database, "a", "two", 60) is None
    assert held(database, "two", "b") == Lease("b", "two", 1)


def test_the_holder_prolongs_it_and_keeps_its_epoch(database: Database) -> None:
    lease = held(database, "one")
    end(database)
    assert held(database, "one") == lease
    assert acquire(database, "a", "two", 60) is None


def test_when_it_has_run_out_another_takes_it_with_the_next_epoch(database: Database) -> None:
    held(database, "one")
    end(database)
    assert held(database, "two") == Lease("a", "two", 2)
    assert acquire(database, "a", "one", 60) is None


def test_what_is_released_is_free_at_once(database: Database) -> None:
    release(database, held(database, "one"))
    assert held(database, "two").epoch == 2


def test_who_lost_it_releases_nothing(database: Database) -> None:
    late = held(database, "one")
    end(database)
    held(database, "two")
    release(database, late)
    assert acquire(database, "a", "three", 60) is None


def test_the_holder_passes_the_fence_and_is_prolonged(database: Database) -> None:
    lease = held(database, "one")
    end(database)
    fenced(database, lease)
    with database.read() as connection:
        assert connection.scalar(select(leases.c.name).where(leases.c.expires_at > db_now())) == "a"


def test_who_lost_it_fails_at_the_fence_and_nothing_of_his_transaction_is_kept(database: Database) -> None:
    late = held(database, "one")
    end(database)
    now = held(database, "two")

    def act(connection: Connection) -> None:
        connection.execute(update(leases).values(expires_at=db_later(-1)))
        fence(connection, late, 60)

    with pytest.raises(LeaseLost):
        database.write(act)
    fenced(database, now)
    assert acquire(database, "a", "three", 60) is None


def test_who_lost_it_and_got_it_again_fails_with_what_he_began_before(database: Database) -> None:
    late = held(database, "one")
    end(database)
    held(database, "two")
    end(database)
    assert held(database, "one").epoch == 3
    with pytest.raises(LeaseLost):
        fenced(database, late)


def test_of_many_who_want_it_at_once_one_gets_it(database: Database) -> None:
    for _ in range(3):
        with ThreadPoolExecutor(8) as threads:
            got = [lease for lease in threads.map(lambda n: acquire(database, "a", f"holder {n}", 60), range(8)) if lease]
        assert len(got) == 1
        end(database)


def expiry(database: Database) -> datetime:
    with database.read() as connection:
        found: datetime | None = connection.scalar(select(leases.c.expires_at).where(leases.c.name == "a"))
    assert found is not None
    return found


def test_a_kept_lease_is_prolonged_without_anybodys_help_and_then_given_back(database: Database) -> None:
    with kept(database, "a", beat=0.01) as held_by_us:
        assert held_by_us is not None
        first = expiry(database)
        until(lambda: expiry(database) > first)
        with kept(database, "a") as held_by_nobody_else:
            assert held_by_nobody_else is None
        database.write(held_by_us.fence)
        held_by_us()
    held(database, "the next")


def test_whoever_keeps_a_lease_hears_that_it_is_lost(database: Database) -> None:
    with kept(database, "a", beat=0.01) as ours:
        assert ours is not None
        database.write(lambda c: c.execute(update(leases).values(holder="another", epoch=leases.c.epoch + 1)))

        def heard() -> bool:
            try:
                ours()
            except LeaseLost:
                return True
            return False

        until(heard)
        with pytest.raises(LeaseLost):
            database.write(ours.fence)
    assert acquire(database, "a", "third", 60) is None, "the other's is not given back"


def test_a_database_that_is_away_for_a_moment_costs_no_lease(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    write = database.write

    def at_times(act: Callable[[Connection], object]) -> object:
        tried.append(1)
        if len(tried) in (2, 3):
            raise DatabaseUnavailable
        return write(act)

    monkeypatch.setattr(database, "write", at_times)
    with kept(database, "a", beat=0.01) as ours:
        assert ours is not None
        first = expiry(database)
        until(lambda: expiry(database) > first)
        ours()
