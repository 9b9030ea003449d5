"""What migrations have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from alembic import op
from sqlalchemy import MetaData, text


def make(metadata: MetaData) -> None:
    """Makes of its tables and indexes what is not there: on MySQL, where DDL commits by itself, an earlier run may have died
    half-way."""
    bind = op.get_bind()
    metadata.create_all(bind)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(bind, checkfirst=True)


def reworded(tables: Iterable[str], changes: Mapping[str, str]) -> None:
    """Of SQLite: changes what it keeps of the tables' definitions, by regular expressions and what takes their place. It can only
    take a NOT NULL back by copying the table, or so: its documentation ("Making Other Kinds Of Table Schema Changes") recommends
    that for changes that leave the rows as they are. The definition gets the form, too, that it has in a database made anew."""
    bind = op.get_bind()
    schema = bind.execute(text("PRAGMA schema_version")).scalar_one()
    bind.execute(text("PRAGMA writable_schema = ON"))
    for table in tables:
        named = {"name": table}
        sql = bind.execute(text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), named).scalar_one()
        for pattern, instead in changes.items():
            sql = re.sub(pattern, instead, sql)
        bind.execute(text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :name"), {**named, "sql": sql})
    # Or connections that are open would go on with the definition that they know.
    bind.execute(text(f"PRAGMA schema_version = {schema + 1}"))
    bind.execute(text("PRAGMA writable_schema = OFF"))
