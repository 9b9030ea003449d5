"""A file's sha256 may follow later, and what the store vouched for meanwhile."""

from __future__ import annotations

import re

from alembic import op
from sqlalchemy import BigInteger, Column, inspect, text

from holdfast.database.types import ascii_id

revision = "0007"
down_revision = "0006"

_TABLES = ("files", "versions", "erasures")


def upgrade() -> None:
    bind = op.get_bind()
    if "crc32" not in {column["name"] for column in inspect(bind).get_columns("files")}:
        op.add_column("files", Column("crc32", BigInteger))
    if bind.dialect.name == "sqlite":
        _let_be_null_on_sqlite()
        return
    for table in _TABLES:
        op.alter_column(table, "sha256", existing_type=ascii_id(64), nullable=True)


def _let_be_null_on_sqlite() -> None:
    """SQLite can only take a NOT NULL back by copying the table, or as here, by changing what it keeps of its definition: its
    documentation ("Making Other Kinds Of Table Schema Changes") recommends that for changes that leave the rows as they are. The
    definition gets the form, too, that it has in a database made anew."""
    bind = op.get_bind()
    schema = bind.execute(text("PRAGMA schema_version")).scalar_one()
    bind.execute(text("PRAGMA writable_schema = ON"))
    for table in _TABLES:
        named = {"name": table}
        sql = bind.execute(text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), named).scalar_one()
        sql = re.sub(r"(\bsha256 VARCHAR\(64\)) NOT NULL", r"\1", sql)
        sql = re.sub(r", *crc32 BIGINT", ", \n\tcrc32 BIGINT", sql)
        bind.execute(text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :name"), {**named, "sql": sql})
    # Or connections that are open would go on with the definition that they know.
    bind.execute(text(f"PRAGMA schema_version = {schema + 1}"))
    bind.execute(text("PRAGMA writable_schema = OFF"))
