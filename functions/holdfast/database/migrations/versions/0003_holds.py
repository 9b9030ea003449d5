"""Legal holds. See ``holdfast.database.migrate`` for what a migration may do."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.schema import SchemaItem

from holdfast.database.types import UtcDateTime, ascii_id, exact

revision = "0003"
down_revision = "0002"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")


def _table(name: str, *columns: SchemaItem) -> Table:
    return Table(name, metadata, *columns, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


_there = [Table(name, metadata, Column("id", _Id, primary_key=True)) for name in ("workspaces", "users", "versions")]

_made = [
    _table(
        "holds",
        Column("id", _Id, primary_key=True, autoincrement=True),
        Column("hold_id", ascii_id(32), nullable=False, unique=True),
        Column("workspace_id", _Id, ForeignKey("workspaces.id")),
        Column("matter", exact(256), nullable=False),
        Column("reason", exact(1000), nullable=False),
        Column("selector", JSON, nullable=False),
        Column("state", ascii_id(16), nullable=False),
        Column("platform", Boolean, nullable=False, server_default=false()),
        Column("user_id", _Id, ForeignKey("users.id"), nullable=False),
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
        Column("hold", _Id, ForeignKey("holds.id"), primary_key=True),
        Column("version", _Id, ForeignKey("versions.id"), primary_key=True),
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
