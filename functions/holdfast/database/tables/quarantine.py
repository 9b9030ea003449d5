"""The table of what was not let in. Each row is an intent's, whose state is ``quarantined`` as long as the bytes are kept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Text

from holdfast.database.tables.base import Id, table
from holdfast.database.types import UtcDateTime, ascii_id, exact

quarantine = table(
    "quarantine",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("upload_id", ascii_id(32), nullable=False, unique=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("uploaded_by", exact(64), nullable=False),
    Column("kind", ascii_id(16), nullable=False),  # upload | add-files
    Column("asset_path", exact(400), nullable=False),
    Column("filename", exact(255), nullable=False),  # the file that was not clean, of those that came with the upload
    Column("total_bytes", BigInteger, nullable=False),  # of all of them
    Column("result", ascii_id(16), nullable=False),  # infected | too_large | error
    Column("signature", exact(255), nullable=False, server_default=""),  # what was found in it
    Column("detail", Text, nullable=False),  # what the scanner said
    Column("state", ascii_id(16), nullable=False),  # kept → released | deleted
    Column("taken_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("decided_by", exact(64)),  # NULL of a decided one: the installation's settings, or its command line
    Index(None, "state", "id"),
)
