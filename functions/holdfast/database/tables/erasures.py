"""The tables of erasing: what was looked at before it was condemned, and the evidence of what was erased. Never pruned."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Text, text

from holdfast.database.tables.base import Id, table
from holdfast.database.types import UtcDateTime, ascii_id, exact

erasures = table(
    "erasures",  # one row for each object of a version that is being purged, or was
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("version", Id, ForeignKey("versions.id"), nullable=False),
    Column("workspace", exact(80), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    Column("version_id", ascii_id(64), nullable=False),
    Column("object_key", ascii_id(200), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("sha256", ascii_id(64)),  # NULL: it was not known when the purge began
    Column("state", ascii_id(16), nullable=False),  # pending → gone (from the store's interface) → erased (from its disks, too)
    Column("trace", JSON(none_as_null=True)),  # where its bytes were, as the store's compactor knows it; NULL: not yet looked up
    Column("found", Boolean),  # whether there was an object when it was to be deleted; NULL: not yet looked at
    Column("requested_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),  # the store has acknowledged the delete
    Column("gone_at", UtcDateTime),  # and was seen to have no such object any more
    Column("compacted_at", UtcDateTime),  # and every replica was seen to be without its bytes
    Column("compaction", ascii_id(16)),  # on whose word: immediate | seaweedfs | vouched
    Column("backups_until", UtcDateTime),  # until then backups may hold the bytes; NULL: the installation does not say
    Column("attempts", Integer, nullable=False, server_default=text("0")),  # that failed
    Column("retry_at", UtcDateTime),  # by the database's clock; NULL: at once
    Column("last_error", Text),
    Index(None, "state", "id"),
    Index(None, "version", "state"),
)

compactions = table(
    "compactions",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("problem", String(255)),  # what the store said against it; NULL: nothing
)

verifications = table(
    "verifications",
    Column("version", Id, ForeignKey("versions.id"), primary_key=True, autoincrement=False),  # its last one
    Column("at", UtcDateTime, nullable=False),
    Column("mode", ascii_id(16), nullable=False),  # hashed | unhashed (no sha256 yet) | skipped (not in the sample, or off)
    Column("problem", Text),  # NULL: the bytes are what they were
)
