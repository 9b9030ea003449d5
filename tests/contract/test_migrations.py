"""The migrations make the tables that the code names, on every database, whoever calls them and how often."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from tests.databases import ALL_KINDS, fresh_url

from holdfast.database import migrate
from holdfast.database.engine import Database
from holdfast.database.tables import files, leases, metadata, workspaces

UPGRADE = """
import sys
from holdfast.database.engine import Database
from holdfast.database.migrate import upgrade
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(upgrade(database))
"""


@pytest.fixture(params=ALL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(request: pytest.FixtureRequest, kind: str) -> Iterator[Database]:
    database = Database(fresh_url(request, kind))
    yield database
    database.close()


def definitions(connection: Connection) -> dict[str, list[str]]:
    """By table, the sorted lines of the statement that the database says makes it: types, defaults, collations, keys, engine.
    Finer than Alembic, which sees neither collations nor fractions of a second, and takes an empty default for none."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
    else:
        names = inspect(connection).get_table_names()
        rows = [connection.execute(text(f"SHOW CREATE TABLE {name}")).one() for name in names]
    return {
        name: sorted(line.strip().rstrip(",") for line in statement.splitlines())
        for name, statement in rows
        if not name.startswith("alembic")
    }


def test_the_migrations_make_exactly_the_tables_of_the_code(request: pytest.FixtureRequest, kind: str, database: Database) -> None:
    assert migrate.upgrade(database)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        migrated = definitions(connection)
    assert len(migrated) >= len(metadata.tables) > 15

    database.close()
    other = Database(str(database.url) + ".other") if kind == "sqlite" else Database(fresh_url(request, kind))
    metadata.create_all(other.engine)
    with other.read() as connection:
        assert migrated == definitions(connection)
    other.close()


def test_an_empty_database_has_no_revision_and_an_upgraded_one_the_head(database: Database) -> None:
    assert migrate.current(database) is None
    assert migrate.upgrade(database) is True
    assert migrate.current(database) == migrate.head()


def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    migrate.upgrade(database)
    with database.read() as connection:
        before = definitions(connection)
    assert migrate.upgrade(database) is False
    with database.read() as connection:
        assert definitions(connection) == before


def test_fault_000_24_an_upgrade_that_died_half_way_is_completed(database: Database) -> None:
    migrate.upgrade(database)
    with database.engine.begin() as connection:
        whole = definitions(connection)
        connection.execute(text("DELETE FROM alembic_version"))
        connection.execute(text("DROP TABLE commit_entries"))
        connection.execute(text("DROP TABLE audit"))
        at = "" if database.is_sqlite else " ON jobs"
        connection.execute(text(f"DROP INDEX ix_jobs_workspace_id_id{at}"))
    assert migrate.upgrade(database) is True
    with database.read() as connection:
        assert definitions(connection) == whole


def test_old_rows_stay_and_a_process_that_runs_meanwhile_may_leave_the_sha256_out_from_then_on(database: Database) -> None:
    row = {
        "id": 1, "workspace_id": 1, "upload_id": "u", "position": 0, "object_key": "data/u/0", "primary": True, "filename": "a",
        "path": "a", "content_type": "text/plain", "size": 1, "sha256": "5" * 64, "stored_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    at_revision(database, "0006")
    with database.engine.begin() as connection:
        connection.execute(insert(workspaces).values(id=1, name="a", name_folded="a", created_at=datetime(2026, 1, 1, tzinfo=UTC)))
        connection.execute(insert(files).values(row))
    with database.read() as old:
        with pytest.raises(IntegrityError), database.engine.begin() as connection:
            connection.execute(insert(files).values({**row, "id": 2, "position": 1, "object_key": "data/u/1", "sha256": None}))
        assert old.scalar(select(files.c.sha256)) == "5" * 64
        assert migrate.upgrade(database)
        old.execute(insert(files).values({**row, "id": 2, "position": 1, "object_key": "data/u/1", "sha256": None}))
        found = old.execute(select(files.c.sha256, files.c.crc32).order_by(files.c.id)).all()
        assert [tuple(one) for one in found] == [("5" * 64, None), (None, None)]
        if database.is_sqlite:
            assert old.scalar(text("PRAGMA integrity_check")) == "ok"
            assert old.scalar(text("PRAGMA writable_schema")) == 0


def at_revision(database: Database, revision: str) -> None:
    """Brings an empty database there."""
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    config.set_main_option("path_separator", "os")
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_a_database_that_is_ahead_of_its_functions_is_left_as_it_is(database: Database) -> None:
    migrate.upgrade(database)
    database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    assert migrate.upgrade(database) is False
    assert migrate.current(database) == "9999"


def test_processes_that_start_at_once_upgrade_it_once(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(said) == ["False", "False", "False", "True"]
    assert migrate.current(database) == migrate.head()
    with database.engine.begin() as connection:
        connection.execute(leases.insert().values(name="x", holder="y", epoch=1, expires_at=text("'2026-01-01 00:00:00'")))


def test_head_is_what_alembic_says_and_needs_no_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    config.set_main_option("path_separator", "os")
    assert migrate.head() == ScriptDirectory.from_config(config).get_current_head()


def test_an_upgraded_database_is_checked_without_alembic(database: Database) -> None:
    migrate.upgrade(database)
    url = database.url.render_as_string(hide_password=False)
    script = UPGRADE + "print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, url], input="\n", capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ready", "False", "False"]
