"""Legal holds, and which versions each one covers."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, UniqueConstraint, false, text

from holdfast.database.tables.base import Id, table
from holdfast.database.types import UtcDateTime, ascii_id, exact

holds = table(
    "holds",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("hold_id", ascii_id(32), nullable=False, unique=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id")),  # NULL: all workspaces, those to come included
    Column("matter", exact(256), nullable=False),
    Column("reason", exact(1000), nullable=False),
    Column("selector", JSON, nullable=False),  # see holdfast.holds.selector
    # placing → active → releasing → released;  placing → releasing.  What is published is covered from `placing` on.
    Column("state", ascii_id(16), nullable=False),
    Column("platform", Boolean, nullable=False, server_default=false()),  # placed by a platform admin: only one releases it
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("placed_by", exact(64), nullable=False),
    Column("idempotency_key", exact(255)),
    Column("until", UtcDateTime),  # NULL: until it is released
    Column("created_at", UtcDateTime, nullable=False),
    Column("active_at", UtcDateTime),
    Column("released_at", UtcDateTime),
    Column("released_by", exact(64)),  # NULL of a released one: its `until` had passed
    Column("position", JSON),  # while placing: the last version that was looked at; NULL: none yet
    Column("covered", BigInteger, nullable=False, server_default=text("0")),  # of a released one: versions that it covered at last
    Column("lost", BigInteger, nullable=False, server_default=text("0")),  # versions whose bytes were being erased, or were gone
    Column("lost_versions", JSON, nullable=False),  # the first of them
    UniqueConstraint("user_id", "idempotency_key"),
    Index(None, "state", "workspace_id"),
    Index(None, "state", "until"),
    Index(None, "workspace_id", "id"),
    Index(None, "matter", "id"),
)

hold_versions = table(
    "hold_versions",
    Column("hold", Id, ForeignKey("holds.id"), primary_key=True),
    Column("version", Id, ForeignKey("versions.id"), primary_key=True),
    Index(None, "version"),
)
