"""Resumable uploads: their sessions, and what each has brought so far."""

from __future__ import annotations

from functools import partial

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, false, text

from holdfast.database.migrations.making import make
from holdfast.database.tables.base import Id, empty, table_in
from holdfast.database.types import UtcDateTime, ascii_id, exact

revision = "0008"
down_revision = "0007"

metadata = empty()
_table = partial(table_in, metadata)

_table("workspaces", Column("id", Id, primary_key=True))  # which others refer to
_table("users", Column("id", Id, primary_key=True))

_table(
    "upload_sessions",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("upload_id", ascii_id(32), nullable=False, unique=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("kind", ascii_id(16), nullable=False),
    Column("state", ascii_id(16), nullable=False),
    Column("filename", exact(255), nullable=False, server_default=""),
    Column("content_type", ascii_id(255), nullable=False, server_default=""),
    Column("length", BigInteger),
    Column("offset", BigInteger, nullable=False, server_default=text("0")),
    Column("chunk_size", BigInteger),
    Column("chunk_count", Integer),
    Column("assembly", ascii_id(255)),
    Column("numbers", Integer, nullable=False, server_default=text("0")),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    Column("promised_sha256", ascii_id(64)),
    Column("archive_ttl", Integer),
    Column("destroy_ttl", Integer),
    Column("labels", JSON(none_as_null=True)),
    Column("must_be_new", Boolean, nullable=False, server_default=false()),
    Column("details", JSON(none_as_null=True)),
    Column("kept", Boolean, nullable=False, server_default=false()),
    Column("appointment_id", exact(64)),
    Column("owner", exact(64)),
    Column("problem", JSON(none_as_null=True)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("erased_at", UtcDateTime),
    Index(None, "workspace_id", "user_id", "state", "id"),
    Index(None, "state", "expires_at"),
    Index(None, "workspace_id", "kept", "id"),
    Index(None, "workspace_id", "appointment_id", "id"),
)

_table(
    "upload_parts",
    Column("upload_id", ascii_id(32), ForeignKey("upload_sessions.upload_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", ascii_id(64), nullable=False),
    Column("crc32", BigInteger, nullable=False),
    Column("tag", ascii_id(255), nullable=False),
)

_table(
    "upload_pieces",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("upload_id", ascii_id(32), ForeignKey("upload_sessions.upload_id"), nullable=False),
    Column("object_key", ascii_id(200), nullable=False, unique=True),
    Column("position", BigInteger, nullable=False),
    Column("size", BigInteger),
    Column("sha256", ascii_id(64)),
    Column("crc32", BigInteger),
    Column("state", ascii_id(16), nullable=False),
    Index(None, "upload_id", "state", "position"),
)


def upgrade() -> None:
    make(metadata)
