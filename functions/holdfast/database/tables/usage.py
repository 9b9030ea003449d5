"""What is stored, counted while it changes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, text

from holdfast.database.tables.base import Id, table
from holdfast.database.types import ascii_id

usage = table(
    "usage_counters",
    Column("workspace_id", Id, ForeignKey("workspaces.id"), primary_key=True),
    Column("media_type", ascii_id(255), primary_key=True),  # of the primary file, without parameters
    Column("bucket", ascii_id(16), primary_key=True),  # see holdfast.usage.counters
    Column("versions", BigInteger, nullable=False, server_default=text("0")),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
)
