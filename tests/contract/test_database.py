"""What the engine, the column types and the clock keep to, on every database."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from tests.databases import ALL_KINDS, emptied, fresh_url, with_tables
from tests.servers.database import DatabaseServer

from holdfast.database import connecting
from holdfast.database.connecting import DatabaseUnavailable
from holdfast.database.engine import Database, announce
from holdfast.database.tables import leases, metadata, workspaces
from holdfast.database.types import db_later, db_now

MOMENT = datetime(2026, 11, 21, 14, 3, 0, 123456, tzinfo=UTC)

ADD_MANY = """
import sys
from sqlalchemy import text
from holdfast.database.engine import Database
database, name, times = Database(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.stdin.readline()
for _ in range(times):
    def act(connection):
        [epoch] = connection.execute(text("SELECT epoch FROM leases WHERE name = 'a'")).one()
        connection.execute(text("UPDATE leases SET epoch = :epoch WHERE name = 'a'"), {"epoch": epoch + 1})
    database.write(act)
print("done")
"""


@pytest.fixture(scope="module", params=ALL_KINDS)
def tables(request: pytest.FixtureRequest) -> Iterator[Database]:
    with with_tables(fresh_url(request, request.param)) as database:
        yield database


@pytest.fixture
def database(tables: Database) -> Database:
    return emptied(tables, leases, workspaces)


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
def on_server(server_tables: Database) -> Database:
    return emptied(server_tables, leases, workspaces)


def add(database: Database, name: str, expires_at: Any = MOMENT, epoch: int = 0) -> None:
    row = {"name": name, "holder": "me", "epoch": epoch, "expires_at": expires_at}
    database.write(lambda connection: connection.execute(insert(leases).values(row)))


def names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(leases.c.name).order_by(leases.c.name)))


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_moment_comes_back_in_utc_with_microseconds_whatever_its_zone(database: Database) -> None:
    add(database, "a", MOMENT.astimezone(timezone(timedelta(hours=-8))))
    with database.read() as connection:
        assert connection.scalar(select(leases.c.expires_at)) == MOMENT
        assert connection.scalar(select(leases.c.expires_at)).tzinfo is UTC  # type: ignore[union-attr]


def test_a_naive_moment_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="naive"):
        add(database, "a", MOMENT.replace(tzinfo=None))


def test_moments_sort_and_compare_to_the_microsecond(database: Database) -> None:
    moments = [MOMENT.replace(microsecond=n) for n in (0, 1, 9, 10, 100000, 999999)]
    for n, moment in enumerate(moments):
        add(database, str(n), moment)
    with database.read() as connection:
        assert list(connection.scalars(select(leases.c.expires_at).order_by(leases.c.expires_at))) == moments
        for n, moment in enumerate(moments):
            assert connection.scalar(select(func.count()).where(leases.c.expires_at <= moment)) == n + 1


def test_the_databases_clock_is_utc_and_moves(database: Database) -> None:
    with database.read() as connection:
        seen = [connection.scalar(select(db_now())) for _ in range(3)]
    moments = [moment for moment in seen if moment is not None]
    assert len(moments) == 3
    assert moments[0].tzinfo is UTC
    assert all(one <= other for one, other in pairwise(moments))
    assert abs(moments[0] - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("seconds", [0, 1, -1, 3600, -86400, 40 * 86400])
def test_later_is_that_many_seconds_after_the_present(database: Database, seconds: int) -> None:
    with database.read() as connection:
        now, later = connection.execute(select(db_now(), db_later(seconds))).one()
    assert abs(later - now - timedelta(seconds=seconds)) < timedelta(seconds=1)


def test_a_row_can_say_how_much_later(database: Database) -> None:
    add(database, "a", epoch=90)
    with database.read() as connection:
        now, later = connection.execute(select(db_now(), db_later(leases.c.epoch))).one()
    assert abs(later - now - timedelta(seconds=90)) < timedelta(seconds=1)


def test_what_the_clock_wrote_compares_with_what_it_says(database: Database) -> None:
    add(database, "past", db_later(-5))
    add(database, "future", db_later(3600))
    add(database, "now", db_now())
    with database.read() as connection:
        due = select(leases.c.name).where(leases.c.expires_at <= db_now()).order_by(leases.c.name)
        assert list(connection.scalars(due)) == ["now", "past"]


# -- text --------------------------------------------------------------------------------------------------------------


def test_names_are_told_apart_by_their_code_points(database: Database) -> None:
    spellings = ["ada", "Ada", "ADA", "adä", "ada\u0308", "ada ", " ada", "ada\t", "🪸"]
    for spelling in spellings:
        row = {"name": spelling, "name_folded": spelling, "created_at": MOMENT}
        database.write(lambda connection, row=row: connection.execute(insert(workspaces).values(row)))  # type: ignore[misc]
    with database.read() as connection:
        assert list(connection.scalars(select(workspaces.c.name).order_by(workspaces.c.name))) == sorted(spellings)
        for spelling in spellings:
            assert connection.scalars(select(workspaces.c.name).where(workspaces.c.name == spelling)).all() == [spelling]


def test_every_text_column_of_a_server_compares_exactly(on_server: Database) -> None:
    """What is not a name or an id is JSON or a message, in the table's own collation, and is not searched."""
    with on_server.read() as connection:
        columns = connection.execute(
            text(
                "SELECT data_type, collation_name FROM information_schema.columns"
                " WHERE table_schema = DATABASE() AND collation_name IS NOT NULL AND table_name <> 'alembic_version'"
            )
        ).all()
    assert len(columns) > 50
    exact = {"ascii_bin", "utf8mb4_nopad_bin", "utf8mb4_0900_bin"}
    assert {tuple(column) for column in columns} <= {
        *(("varchar", collation) for collation in exact),
        ("varchar", "utf8mb4_bin"),
        ("longtext", "utf8mb4_bin"),
        ("text", "utf8mb4_bin"),
    }


def test_every_table_of_a_server_is_transactional(on_server: Database) -> None:
    with on_server.read() as connection:
        engines = connection.execute(
            text("SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE()")
        ).all()
    assert {name for name, _ in engines} >= set(metadata.tables)
    assert {engine for _, engine in engines} == {"InnoDB"}


def test_the_longest_names_fit_into_every_key(database: Database) -> None:
    """Four bytes a character, in every indexed column at once."""
    longest = "🪸" * 80
    row = {"name": longest, "name_folded": longest, "created_at": MOMENT}
    database.write(lambda connection: connection.execute(insert(workspaces).values(row)))
    with pytest.raises(IntegrityError):
        database.write(lambda connection: connection.execute(insert(workspaces).values(row | {"name": "other"})))


# -- transactions ------------------------------------------------------------------------------------------------------


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def act(connection: Connection) -> None:
        connection.execute(insert(leases).values(name="a", holder="me", epoch=1, expires_at=MOMENT))
        raise LookupError

    with pytest.raises(LookupError):
        database.write(act)
    with database.read() as connection:
        assert names(connection) == []


def test_what_a_transaction_announces_is_told_once_it_is_committed(database: Database) -> None:
    told: list[str] = []
    database.listen("cakes", lambda: told.append("cakes"))
    database.listen("pies", lambda: told.append("pies"))

    def act(connection: Connection) -> None:
        announce(connection, "cakes")
        announce(connection, "cakes")
        assert told == []

    database.write(act)
    assert told == ["cakes"]
    database.write(lambda connection: connection.execute(select(1)))

    def fail(connection: Connection) -> None:
        announce(connection, "cakes")
        raise KeyError

    with pytest.raises(KeyError):
        database.write(fail)
    assert told == ["cakes"]


def test_a_read_sees_what_was_committed_a_moment_ago(database: Database) -> None:
    with database.read() as connection:
        assert names(connection) == []
        add(database, "a")
        assert names(connection) == ["a"]


def test_on_a_server_a_transaction_sees_what_others_committed_meanwhile(on_server: Database) -> None:
    def act(connection: Connection) -> list[str]:
        assert names(connection) == []
        add(on_server, "a")
        return names(connection)

    assert on_server.write(act) == ["a"]


def test_a_count_of_changed_rows_includes_those_that_were_like_that(database: Database) -> None:
    add(database, "a", epoch=1)
    same = update(leases).where(leases.c.name == "a").values(epoch=1)
    assert database.write(lambda connection: connection.execute(same).rowcount) == 1


def test_foreign_keys_hold(database: Database) -> None:
    orphan = insert(metadata.tables["assets"]).values(workspace_id=12345, asset_path="a", primary_filename="a", created_at=MOMENT)
    with pytest.raises(IntegrityError):
        database.write(lambda connection: connection.execute(orphan))


def test_a_deadlocks_victim_is_run_again(on_server: Database) -> None:
    add(on_server, "a")
    add(on_server, "b")
    both_hold_one, runs = threading.Barrier(2), []

    def cross(first: str, second: str) -> None:
        mine: list[int] = []

        def act(connection: Connection) -> None:
            runs.append(first)
            mine.append(1)
            for name in (first, second):
                connection.execute(update(leases).where(leases.c.name == name).values(epoch=leases.c.epoch + 1))
                if name == first and len(mine) == 1:
                    both_hold_one.wait(60)

        on_server.write(act)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(cross, "ab", "ba"))
    assert len(runs) == 3, "the one that the server chose ran twice"
    with on_server.read() as connection:
        assert list(connection.scalars(select(leases.c.epoch))) == [2, 2]


def test_two_processes_that_write_to_one_sqlite_file_lose_nothing(request: pytest.FixtureRequest) -> None:
    with with_tables(fresh_url(request, "sqlite")) as database:
        add(database, "a")
        command = [sys.executable, "-c", ADD_MANY, database.url.render_as_string(), "a", "100"]
        processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        said = [process.communicate()[0] for process in processes]
        assert said == ["done\n"] * 2
        with database.read() as connection:
            assert connection.scalar(select(leases.c.epoch)) == 200


def test_sqlite_survives_power_loss_and_waits_for_other_writers(request: pytest.FixtureRequest) -> None:
    with with_tables(fresh_url(request, "sqlite")) as database, database.read() as connection:
        said = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")}
        assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        assert connection.scalar(text("PRAGMA busy_timeout")) == 30_000


# -- the database is away ----------------------------------------------------------------------------------------------


def test_a_database_that_works_passes_the_check(database: Database) -> None:
    database.check()


def test_nothing_listens_at_the_address() -> None:
    database = Database("mysql+pymysql://nobody:x@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable):
        database.check()
    with pytest.raises(DatabaseUnavailable):
        database.write(lambda connection: connection.execute(text("SELECT 1")))


def test_a_connection_that_dies_within_a_transaction_is_unavailability(server: DatabaseServer, on_server: Database) -> None:
    def act(connection: Connection) -> None:
        connection.execute(insert(leases).values(name="a", holder="me", epoch=1, expires_at=MOMENT))
        server.execute(f"KILL {connection.scalar(text('SELECT CONNECTION_ID()'))}")
        connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        on_server.write(act)
    with on_server.read() as connection:
        assert names(connection) == []


def test_a_connection_that_died_while_nobody_used_it_is_replaced(
    server: DatabaseServer, on_server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the server: nobody's request fails by it, neither the first that reads nor the first that writes."""
    monkeypatch.setattr(connecting, "IDLE_SECONDS", -1)

    def mine(connection: Connection) -> int:
        return int(connection.execute(text("SELECT CONNECTION_ID()")).scalar_one())

    with on_server.read() as connection:
        reader = mine(connection)
    writer = on_server.write(mine)
    server.execute(f"KILL {reader}", f"KILL {writer}")
    with on_server.read() as connection:
        assert mine(connection) != reader
    assert on_server.write(mine) != writer


def test_a_server_that_only_reads_fails_the_check(on_server: Database, server: DatabaseServer) -> None:
    server.execute("SET GLOBAL read_only = 1")
    try:
        with pytest.raises(DatabaseUnavailable):
            on_server.check()
    finally:
        server.execute("SET GLOBAL read_only = 0")
    on_server.check()


def test_an_sqlite_folder_that_cannot_be_written_to_is_unavailability(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("folder")
    with pytest.raises(DatabaseUnavailable):
        Database(f"sqlite:///{folder}").check()
