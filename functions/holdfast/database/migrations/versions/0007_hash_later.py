"""A file's sha256 may follow later, and what the store vouched for meanwhile."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, inspect

from holdfast.database.migrations.making import reworded
from holdfast.database.types import ascii_id

revision = "0007"
down_revision = "0006"

_TABLES = ("files", "versions", "erasures")


def upgrade() -> None:
    bind = op.get_bind()
    if "crc32" not in {column["name"] for column in inspect(bind).get_columns("files")}:
        op.add_column("files", Column("crc32", BigInteger))
    if bind.dialect.name == "sqlite":
        reworded(_TABLES, {r"(\bsha256 VARCHAR\(64\)) NOT NULL": r"\1", r", *crc32 BIGINT": ", \n\tcrc32 BIGINT"})
        return
    for table in _TABLES:
        op.alter_column(table, "sha256", existing_type=ascii_id(64), nullable=True)
