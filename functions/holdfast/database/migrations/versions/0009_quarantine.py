"""The quarantine. See ``holdfast.database.migrate`` for what a migration may do."""

from __future__ import annotations

from functools import partial

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Text

from holdfast.database.migrations.making import make
from holdfast.database.tables.base import Id, empty, table_in
from holdfast.database.types import UtcDateTime, ascii_id, exact

revision = "0009"
down_revision = "0008"

metadata = empty()
_table = partial(table_in, metadata)

_table("workspaces", Column("id", Id, primary_key=True))  # which the other refers to

_table(
    "quarantine",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("upload_id", ascii_id(32), nullable=False, unique=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("uploaded_by", exact(64), nullable=False),
    Column("kind", ascii_id(16), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    Column("filename", exact(255), nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("result", ascii_id(16), nullable=False),
    Column("signature", exact(255), nullable=False, server_default=""),
    Column("detail", Text, nullable=False),
    Column("state", ascii_id(16), nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", exact(64)),
    Index(None, "state", "id"),
)


def upgrade() -> None:
    make(metadata)
