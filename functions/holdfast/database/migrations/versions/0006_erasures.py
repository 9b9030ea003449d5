"""Erasing: its evidence, what was looked at before, and the index that finds what is due."""

from __future__ import annotations

from functools import partial

from alembic import op
from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Text, text

from holdfast.database.migrations.making import make
from holdfast.database.tables.base import Id, empty, table_in
from holdfast.database.types import UtcDateTime, ascii_id, exact

revision = "0006"
down_revision = "0005"

metadata = empty()
_table = partial(table_in, metadata)

_table("versions", Column("id", Id, primary_key=True))  # which others refer to

_table(
    "erasures",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("version", Id, ForeignKey("versions.id"), nullable=False),
    Column("workspace", exact(80), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    Column("version_id", ascii_id(64), nullable=False),
    Column("object_key", ascii_id(200), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", ascii_id(64), nullable=False),
    Column("state", ascii_id(16), nullable=False),
    Column("trace", JSON),
    Column("found", Boolean),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Column("gone_at", UtcDateTime),
    Column("compacted_at", UtcDateTime),
    Column("compaction", ascii_id(16)),
    Column("backups_until", UtcDateTime),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", UtcDateTime),
    Column("last_error", Text),
    Index(None, "state", "id"),
    Index(None, "version", "state"),
)

_table(
    "compactions",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("problem", String(255)),
)

_table(
    "verifications",
    Column("version", Id, ForeignKey("versions.id"), primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("mode", ascii_id(16), nullable=False),
    Column("problem", Text),
)


_due = Index(
    "ix_versions_purge",
    *table_in(empty(), "versions", Column("phase", ascii_id(16)), Column("purge_after", UtcDateTime)).c,
)


def upgrade() -> None:
    make(metadata)
    _due.create(op.get_bind(), checkfirst=True)
