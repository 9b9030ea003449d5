"""The light way to the database does what the engine does, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pymysql
import pytest
from sqlalchemy import insert, select
from tests.databases import ALL_KINDS, emptied, fresh_url, with_tables
from tests.servers.database import DatabaseServer

from holdfast.database.connecting import DatabaseUnavailable
from holdfast.database.direct import Direct, Transaction
from holdfast.database.engine import Database
from holdfast.database.tables import leases, workspaces

MOMENT = datetime(2026, 11, 21, 14, 3, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="module", params=ALL_KINDS)
def tables(request: pytest.FixtureRequest) -> Iterator[Database]:
    with with_tables(fresh_url(request, request.param)) as database:
        yield database


@pytest.fixture
def database(tables: Database) -> Database:
    return emptied(tables, leases, workspaces)


@pytest.fixture
def direct(database: Database) -> Iterator[Direct]:
    direct = Direct(database.url.render_as_string(hide_password=False))
    yield direct
    direct.close()


def put(direct: Direct | Transaction, name: str, moment: datetime = MOMENT, epoch: int = 1) -> int:
    statement = "INSERT INTO leases (name, holder, epoch, expires_at) VALUES (:name, 'me', :epoch, :moment)"
    return direct.execute(statement, {"name": name, "epoch": epoch, "moment": moment})


def names(direct: Direct) -> list[str]:
    return [name for (name,) in direct.all("SELECT name FROM leases ORDER BY name")]


def test_a_moment_comes_back_in_utc_with_microseconds_whatever_its_zone(database: Database, direct: Direct) -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    put(direct, "a", elsewhere)
    put(direct, "b", MOMENT.replace(microsecond=0))

    assert direct.one("SELECT expires_at FROM leases WHERE name = 'a'") == (MOMENT,)
    assert direct.one("SELECT expires_at FROM leases WHERE name = :name", {"name": "b"}) == (MOMENT.replace(microsecond=0),)
    assert direct.one("SELECT name FROM leases WHERE expires_at = :moment", {"moment": elsewhere}) == ("a",)
    with database.read() as connection:
        assert connection.scalar(select(leases.c.expires_at).where(leases.c.name == "a")) == MOMENT
        assert connection.scalar(select(leases.c.name).where(leases.c.expires_at == elsewhere)) == "a"


def test_what_the_engine_wrote_reads_the_same(database: Database, direct: Direct) -> None:
    database.write(lambda c: c.execute(insert(workspaces).values(name="ä_space", name_folded="ä", created_at=MOMENT)))

    row = direct.one("SELECT name, state, quota_bytes, used_bytes, created_at, deleted_at FROM workspaces")

    assert row == ("ä_space", "active", None, 0, MOMENT, None)


def test_a_naive_moment_is_refused(direct: Direct) -> None:
    with pytest.raises(ValueError, match="naive"):
        put(direct, "a", MOMENT.replace(tzinfo=None))
    assert names(direct) == []


def test_percent_signs_colons_and_quotes_mean_what_they_say(direct: Direct) -> None:
    statement = "SELECT :a, ':a', '100%', 'it''s {now}', 7 % 4, '%(a)s' FROM leases WHERE name LIKE '%x%' AND name LIKE :like"
    put(direct, "axe")
    assert direct.one(statement, {"a": "v:a%s'\\", "like": "a%"}) == ("v:a%s'\\", ":a", "100%", "it's {now}", 3, "%(a)s")
    assert direct.one(statement, {"a": "", "like": "b%"}) is None


def test_the_databases_clock_is_the_one_the_engine_uses(direct: Direct) -> None:
    assert direct.execute(
        "INSERT INTO leases (name, holder, epoch, expires_at) VALUES ('a', 'me', 1, {now + :seconds})", {"seconds": 60}
    )
    put(direct, "past", datetime.now(UTC) - timedelta(hours=1))
    assert direct.all("SELECT name FROM leases WHERE expires_at > {now}") == [("a",)]
    assert direct.all("SELECT name FROM leases WHERE expires_at > {now + :more}", {"more": 90}) == []
    found = direct.one("SELECT expires_at FROM leases WHERE expires_at > {now + :less} AND name = 'a'", {"less": -5})
    assert found is not None
    assert abs(found[0] - datetime.now(UTC) - timedelta(seconds=60)) < timedelta(seconds=30)


def test_an_update_counts_the_rows_it_found_even_if_it_changed_nothing(direct: Direct) -> None:
    put(direct, "a")
    assert direct.execute("UPDATE leases SET epoch = 1 WHERE name = 'a'") == 1
    assert direct.execute("UPDATE leases SET epoch = 1 WHERE name = 'b'") == 0


def test_a_transaction_is_kept_whole_or_not_at_all(direct: Direct) -> None:
    with direct.transaction() as transaction:
        put(transaction, "a")
        put(transaction, "b")
        assert transaction.one("SELECT count(*) FROM leases") == (2,)

    def act(transaction: Transaction) -> None:
        put(transaction, "c")
        raise LookupError

    with pytest.raises(LookupError):
        direct.write(act)
    assert names(direct) == ["a", "b"]
    assert direct.write(lambda transaction: put(transaction, "d")) == 1
    assert names(direct) == ["a", "b", "d"]


def test_a_transaction_that_raised_leaves_nothing_open_on_its_connection(database: Database, direct: Direct) -> None:
    def half(transaction: Transaction) -> None:
        put(transaction, "a")
        raise LookupError

    with pytest.raises(LookupError):
        direct.write(half)
    database.write(lambda connection: connection.execute(insert(leases).values(name="a", holder="x", epoch=1, expires_at=MOMENT)))
    assert names(direct) == ["a"]


def test_a_statement_that_is_wrong_raises_the_drivers_error_and_the_next_one_works(direct: Direct) -> None:
    for _ in range(3):
        with pytest.raises(Exception, match="nowhere"):
            direct.one("SELECT x FROM nowhere")
    assert names(direct) == []


def test_many_threads_count_without_loss(direct: Direct) -> None:
    put(direct, "a", epoch=0)
    put(direct, "b", epoch=0)

    def both(n: int) -> None:
        def act(transaction: Transaction) -> None:  # in either order: on MySQL some of them deadlock
            for name in ("ab", "ba")[n % 2]:
                transaction.execute("UPDATE leases SET epoch = epoch + 1 WHERE name = :name", {"name": name})

        direct.write(act)
        direct.execute("UPDATE leases SET epoch = epoch + 1 WHERE name = 'a'")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(both, range(80)))
    assert direct.all("SELECT name, epoch FROM leases ORDER BY name") == [("a", 160), ("b", 80)]


def test_no_more_connections_are_used_at_once_than_allowed(database: Database) -> None:
    direct = Direct(database.url.render_as_string(hide_password=False), pool_size=1)
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        with direct._lent():
            begun.release()
            go_on.wait(60)

    with ThreadPoolExecutor(5) as threads:
        holding = [threads.submit(hold) for _ in range(4)]
        for _ in holding:
            assert begun.acquire(timeout=60)
        fifth = threads.submit(lambda: direct.one("SELECT 1"))
        assert not fifth.done()
        go_on.set()
        assert fifth.result(60) == (1,)
    direct.close()


def test_nothing_listens_at_the_address() -> None:
    direct = Direct("mysql+pymysql://nobody:x@127.0.0.1:1/none")
    for act in (
        lambda: direct.one("SELECT 1"),
        lambda: direct.execute("DELETE FROM leases"),
        lambda: direct.write(lambda transaction: transaction.one("SELECT 1")),
    ):
        with pytest.raises(DatabaseUnavailable):
            act()


def test_an_sqlite_file_that_cannot_be_opened_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("folder")
    with pytest.raises(DatabaseUnavailable):
        Direct(f"sqlite:///{folder}").one("SELECT 1")


def kill_all_connections(server: DatabaseServer) -> None:
    """As a restart of the server does, or a proxy that forgets idle connections."""
    a = server.address
    with (
        pymysql.connect(
            host="127.0.0.1", port=a.port or 0, user=a.username, password=str(a.password), autocommit=True
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db IS NOT NULL")
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    server = request.getfixturevalue(request.param)
    assert isinstance(server, DatabaseServer)
    return server


@pytest.fixture(scope="module")
def server_tables(server: DatabaseServer) -> Iterator[Database]:
    with with_tables(server.create_database()) as database:
        yield database


@pytest.fixture
def server_direct(server_tables: Database) -> Iterator[Direct]:
    emptied(server_tables, leases).close()  # the engine's pool: these tests kill every connection there is
    direct = Direct(server_tables.url.render_as_string(hide_password=False))
    yield direct
    direct.close()


def filled(direct: Direct, connections: int) -> None:
    """A pool with so many idle connections."""
    start = threading.Barrier(connections)

    def borrow(_: int) -> None:
        with direct._lent():
            start.wait(60)

    with ThreadPoolExecutor(connections) as threads:
        list(threads.map(borrow, range(connections)))


def test_reads_and_transactions_do_not_notice_that_their_pooled_connections_died(
    server: DatabaseServer, server_direct: Direct
) -> None:
    acts: list[Callable[[], Any]] = [
        lambda: server_direct.one("SELECT count(*) FROM leases"),
        lambda: server_direct.write(lambda transaction: transaction.one("SELECT count(*) FROM leases")),
    ]
    for act in acts:
        filled(server_direct, 4)
        kill_all_connections(server)
        for _ in range(4):
            assert act() == (0,)


def test_a_write_whose_fate_is_unknown_is_not_repeated(server: DatabaseServer, server_direct: Direct) -> None:
    runs: list[int] = []

    def act(transaction: Transaction) -> None:
        runs.append(1)
        put(transaction, "a")
        kill_all_connections(server)

    with pytest.raises(DatabaseUnavailable):
        server_direct.write(act)
    assert len(runs) == 1
    assert names(server_direct) == []
    put(server_direct, "b")
    assert names(server_direct) == ["b"]


def test_on_a_server_a_transaction_sees_what_others_committed_meanwhile(server_direct: Direct) -> None:
    with server_direct.transaction() as transaction:
        assert transaction.one("SELECT count(*) FROM leases") == (0,)
        put(server_direct, "a")
        assert transaction.one("SELECT count(*) FROM leases") == (1,)
