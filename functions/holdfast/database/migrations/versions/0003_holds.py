"""Legal holds. See ``holdfast.database.migrate`` for what a migration may do."""

from __future__ import annotations

from functools import partial

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Table,
    UniqueConstraint,
    false,
    text,
)

from holdfast.database.tables.base import Id, empty, table_in
from holdfast.database.types import UtcDateTime, ascii_id, exact

revision = "0003"
down_revision = "0002"

metadata = empty()
_table = partial(table_in, metadata)

_there = [Table(name, metadata, Column("id", Id, primary_key=True)) for name in ("workspaces", "users", "versions")]

_made = [
    _table(
        "holds",
        Column("id", Id, primary_key=True, autoincrement=True),
        Column("hold_id", ascii_id(32), nullable=False, unique=True),
        Column("workspace_id", Id, ForeignKey("workspaces.id")),
        Column("matter", exact(256), nullable=False),
        Column("reason", exact(1000), nullable=False),
        Column("selector", JSON, nullable=False),
        Column("state", ascii_id(16), nullable=False),
        Column("platform", Boolean, nullable=False, server_default=false()),
        Column("user_id", Id, ForeignKey("users.id"), nullable=False),
        Column("placed_by", exact(64), nullable=False),
        Column("idempotency_key", exact(255)),
        Column("until", UtcDateTime),
        Column("created_at", UtcDateTime, nullable=False),
        Column("active_at", UtcDateTime),
        Column("released_at", UtcDateTime),
        Column("released_by", exact(64)),
        Column("position", JSON),
        Column("covered", BigInteger, nullable=False, server_default=text("0")),
        Column("lost", BigInteger, nullable=False, server_default=text("0")),
        Column("lost_versions", JSON, nullable=False),
        UniqueConstraint("user_id", "idempotency_key"),
        Index(None, "state", "workspace_id"),
        Index(None, "state", "until"),
        Index(None, "workspace_id", "id"),
        Index(None, "matter", "id"),
    ),
    _table(
        "hold_versions",
        Column("hold", Id, ForeignKey("holds.id"), primary_key=True),
        Column("version", Id, ForeignKey("versions.id"), primary_key=True),
        Index(None, "version"),
    ),
]


def upgrade() -> None:
    """Makes what is not there: on MySQL, where DDL commits by itself, an earlier run may have died half-way."""
    bind = op.get_bind()
    metadata.create_all(bind, tables=_made)
    for table in _made:
        for index in table.indexes:
            index.create(bind, checkfirst=True)
