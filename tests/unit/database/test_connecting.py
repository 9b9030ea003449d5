"""How a connection to SQLite's file is made ready."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from holdfast.database import connecting
from holdfast.database.connecting import prepare_sqlite


class Rivalled(sqlite3.Connection):
    """One whose change of the journal is refused, as SQLite refuses it while another process is at the same: at once, whatever
    the busy timeout is."""

    refusals: Iterator[str] = iter(())

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if "journal_mode" in sql and (refusal := next(Rivalled.refusals, None)) is not None:
            raise sqlite3.OperationalError(refusal)
        return super().execute(sql, *parameters)


def prepared(tmp_path: Path, *refusals: str) -> tuple[str, int]:
    Rivalled.refusals = iter(refusals)
    with closing(sqlite3.connect(tmp_path / "x.db", factory=Rivalled)) as connection:
        prepare_sqlite(connection)
        assert next(Rivalled.refusals, None) is None
        return connection.execute("PRAGMA journal_mode").fetchone()[0], connection.execute("PRAGMA foreign_keys").fetchone()[0]


def test_a_file_that_another_process_makes_at_once_is_asked_again(tmp_path: Path) -> None:
    assert prepared(tmp_path, "database is locked", "database is locked") == ("wal", 1)


def test_another_fault_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        prepared(tmp_path, "disk I/O error")


def test_one_that_stays_locked_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "BUSY_SECONDS", 0)
    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        prepared(tmp_path, *["database is locked"] * 100)
