"""Policies, and the runs that carry them out."""

from __future__ import annotations

from functools import partial

from alembic import op
from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, Text, text

from holdfast.database.migrations.making import make
from holdfast.database.tables.base import Id, empty, table_in
from holdfast.database.types import UtcDateTime, ascii_id

revision = "0002"
down_revision = "0001"

metadata = empty()
_table = partial(table_in, metadata)

_table("workspaces", Column("id", Id, primary_key=True))  # which others refer to

_table(
    "policies",
    Column("namespace", ascii_id(63), primary_key=True),
    Column("name", ascii_id(253), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("resource", JSON, nullable=False),
    Column("enforcing", Boolean, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("preview", JSON),
)

_table(
    "runs",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("policy", ascii_id(317)),
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    Column("action", ascii_id(16), nullable=False),
    Column("trigger", ascii_id(16), nullable=False),
    Column("slot", UtcDateTime),
    Column("state", ascii_id(16), nullable=False),
    Column("as_of", UtcDateTime, nullable=False),
    Column("digest", ascii_id(64)),
    Column("plan", JSON),
    Column("guard", JSON),
    Column("item_count", BigInteger, nullable=False, server_default=text("0")),
    Column("byte_count", BigInteger, nullable=False, server_default=text("0")),
    Column("skipped", JSON, nullable=False),
    Column("undone", BigInteger, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index(None, "policy", "action", "id"),
    Index(None, "state"),
)

_table(
    "run_workspaces",
    Column("workspace_id", Id, ForeignKey("workspaces.id"), primary_key=True),
    Column("run", Id, ForeignKey("runs.id"), primary_key=True),
    Column("item_count", BigInteger, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
)

_table(
    "run_items",
    Column("run", Id, primary_key=True),
    Column("workspace_id", Id, primary_key=True),
    Column("version", Id, primary_key=True),
    Column("revision", Integer, nullable=False),
)


_archiving = Index(
    "ix_versions_archiving",
    *table_in(
        empty(),
        "versions",
        Column("workspace_id", Id),
        Column("status", ascii_id(16)),
        Column("archive_date", UtcDateTime),
    ).c,
)


def upgrade() -> None:
    make(metadata)
    _archiving.create(op.get_bind(), checkfirst=True)
