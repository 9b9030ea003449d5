"""What seals the trail: chains, seals, and the ids that were not seen yet."""

from __future__ import annotations

from functools import partial

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint, text

from holdfast.database.migrations.making import make
from holdfast.database.tables.base import Id, empty, table_in
from holdfast.database.types import UtcDateTime, ascii_id, exact

revision = "0005"
down_revision = "0004"

metadata = empty()
_table = partial(table_in, metadata)

_table(
    "audit_chains",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("workspace", exact(80), nullable=False),
    Column("chain", ascii_id(8), nullable=False),
    Column("number", BigInteger, nullable=False, server_default=text("0")),
    Column("hash", ascii_id(64), nullable=False, server_default=""),
    Column("pruned", BigInteger, nullable=False, server_default=text("0")),
    Column("pruned_hash", ascii_id(64), nullable=False, server_default=""),
    Column("checkpoint", Text),
    UniqueConstraint("workspace", "chain"),
)

_table(
    "audit_seals",
    Column("chain_id", Id, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("first_id", BigInteger, nullable=False),
    Column("ids", Text, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("digest", ascii_id(64), nullable=False),
    Column("latest_at", UtcDateTime, nullable=False),
    Column("previous", ascii_id(64), nullable=False),
    Column("sealed_at", UtcDateTime, nullable=False),
    Column("hash", ascii_id(64), nullable=False),
    Column("signed", Text, nullable=False),
    Index(None, "first_id"),
)

_table(
    "audit_unseen",
    Column("first_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_id", BigInteger, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)


def upgrade() -> None:
    make(metadata)
