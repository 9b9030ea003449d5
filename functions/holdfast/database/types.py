"""Column types and expressions that mean the same on SQLite, MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, DateTime, Dialect, Select, String, Table, bindparam
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC with microseconds: DATETIME(6), on SQLite text that sorts. A naive one is refused (ValueError)."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if dialect.name in {"mysql", "mariadb"} else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime says nothing")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class _Exact(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        length = self.length
        if dialect.name not in {"mysql", "mariadb"}:
            return dialect.type_descriptor(String(length))
        # utf8mb4_bin, which both have, ignores trailing spaces: to it "ada " is ada.
        collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
        return dialect.type_descriptor(mysql.VARCHAR(length, charset="utf8mb4", collation=collation))


def exact(length: int) -> TypeEngine[str]:
    """Text that compares and sorts by its code points on every database: no folding of case or accents, and spaces count."""
    return _Exact(length)


def ascii_id(length: int) -> String:
    """An id of ours: one byte a character, compared exactly, but for trailing spaces, which MySQL ignores and no id has."""
    return String(length).with_variant(mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")


class db_now(FunctionElement[datetime]):  # noqa: N801  reads as the SQL function that it is
    """The database's present in UTC with microseconds (milliseconds on SQLite): the clock of leases and claims."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(db_now, "mysql")
@compiles(db_now, "mariadb")
def _mysql_now(_element: db_now, _compiler: Any, **_kw: Any) -> str:
    return "UTC_TIMESTAMP(6)"


@compiles(db_now, "sqlite")
def _sqlite_now(_element: db_now, _compiler: Any, **_kw: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class db_later(FunctionElement[datetime]):  # noqa: N801
    """``db_later(seconds)``: that many whole seconds after the database's present (before it, when negative)."""

    type = UtcDateTime()
    inherit_cache = True
    name = "db_later"

    def __init__(self, seconds: Any) -> None:
        super().__init__(seconds)


@compiles(db_later, "mysql")
@compiles(db_later, "mariadb")
def _mysql_later(element: db_later, compiler: Any, **kw: Any) -> str:
    return f"DATE_ADD(UTC_TIMESTAMP(6), INTERVAL {compiler.process(element.clauses, **kw)} SECOND)"


@compiles(db_later, "sqlite")
def _sqlite_later(element: db_later, compiler: Any, **kw: Any) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({compiler.process(element.clauses, **kw)}) || ' seconds')"


class _RowIds(UserDefinedType[Sequence[int]]):
    cache_ok = True

    def literal_processor(self, dialect: Dialect) -> Callable[[Sequence[int]], str]:
        return lambda ids: f"({', '.join(map(str, ids)) or 'NULL'})"


S = TypeVar("S", bound=Select[Any])


def along(statement: S, table: Table, index: str) -> S:
    """``statement``, which MySQL and MariaDB then carry out along this index of the table. For a few hundred ids they go by what
    they noted of the table at some time, which may be when it was small, and then read all of it for each statement."""
    hint = f"FORCE INDEX ({index})"
    return statement.with_hint(table, hint, "mysql").with_hint(table, hint, "mariadb")


def among(column: ColumnElement[int], ids: Iterable[int]) -> ColumnElement[bool]:
    """``column IN (ids)`` for many row ids, which stand in the statement's text: as parameters each would be named, rendered and
    escaped by itself, in every statement of a batch. Best for less than 1,000 (``lifecycle.sweeping.BATCH`` says why)."""
    return column.op("IN", is_comparison=True)(bindparam(None, list(ids), _RowIds(), literal_execute=True))
