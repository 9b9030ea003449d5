"""What the malware scanner said stays with the version and its files."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, inspect

from holdfast.database.migrations.making import reworded
from holdfast.database.types import ascii_id

revision = "0010"
down_revision = "0009"

_TABLES = ("files", "versions")


def upgrade() -> None:
    bind = op.get_bind()
    for table in _TABLES:
        if "scan_result" not in {column["name"] for column in inspect(bind).get_columns(table)}:
            op.add_column(table, Column("scan_result", ascii_id(16)))
    if bind.dialect.name == "sqlite":
        reworded(_TABLES, {r", *scan_result VARCHAR": ", \n\tscan_result VARCHAR"})
