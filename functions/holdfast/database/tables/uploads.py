"""The tables of resumable uploads. What a session has brought is here, and nowhere else: any process can go on with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, false, text

from holdfast.database.tables.base import Id, table
from holdfast.database.types import UtcDateTime, ascii_id, exact

BY_OWNER = "ix_upload_sessions_workspace_id_user_id_state_id"

upload_sessions = table(
    "upload_sessions",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("upload_id", ascii_id(32), nullable=False, unique=True),  # of its intent, too, once there is one
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("kind", ascii_id(16), nullable=False),  # sequential | chunks | direct
    # open → completing → stored | failed;  open → cancelled | expired.  What came of a stored one, its intent says.
    Column("state", ascii_id(16), nullable=False),
    Column("filename", exact(255), nullable=False, server_default=""),
    Column("content_type", ascii_id(255), nullable=False, server_default=""),  # as the client said
    Column("length", BigInteger),  # of the whole, in bytes; NULL: not said yet
    Column(
        "offset", BigInteger, nullable=False, server_default=text("0")
    ),  # bytes that are in the store, or promised to come there (direct); of a sequential one those that are safe, without a gap
    Column("chunk_size", BigInteger),  # of all chunks, or direct parts, but the last
    Column("chunk_count", Integer),  # said at completion
    Column("assembly", ascii_id(255)),  # the store's id of the object under way; NULL: none is yet
    Column("numbers", Integer, nullable=False, server_default=text("0")),  # part numbers given out so far
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),  # rises with each writer; those before may not go on
    Column("promised_sha256", ascii_id(64)),
    Column("archive_ttl", Integer),
    Column("destroy_ttl", Integer),
    Column("labels", JSON(none_as_null=True)),
    Column("must_be_new", Boolean, nullable=False, server_default=false()),
    Column("details", JSON(none_as_null=True)),  # what the face that opened it keeps with it
    Column("kept", Boolean, nullable=False, server_default=false()),  # for as long as its version is: the face knows it by its id
    Column("appointment_id", exact(64)),  # 001: the group that the file belongs to
    Column("owner", exact(64)),  # 001: its user_id, as the client names him
    Column("problem", JSON(none_as_null=True)),  # why it failed: {status, slug, detail, extra}
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("erased_at", UtcDateTime),  # nothing but the finished object, if there is one, is in the store any more
    Index(BY_OWNER, "workspace_id", "user_id", "state", "id"),
    Index(None, "state", "expires_at"),
    Index(None, "workspace_id", "kept", "id"),
    Index(None, "workspace_id", "appointment_id", "id"),
)

FORGOTTEN: Mapping[str, Any] = {
    "kept": False,
    "filename": "",
    "content_type": "",
    "labels": None,
    "details": {"terminated": True},  # of tus: it is not found under its address any more
    "appointment_id": None,
    "owner": None,
    "promised_sha256": None,
    "problem": None,
}
"""The columns of a session whose version is erased: nothing of what its client said is left in it."""

upload_parts = table(
    "upload_parts",
    Column("upload_id", ascii_id(32), ForeignKey("upload_sessions.upload_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", ascii_id(64), nullable=False),
    Column("crc32", BigInteger),  # NULL: its bytes go straight to the store
    Column("tag", ascii_id(255), nullable=False),  # empty: a promise of such a part, until the completion finds it
)

upload_pieces = table(
    "upload_pieces",  # bytes that are not enough for a part yet: small objects, registered before they are written
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("upload_id", ascii_id(32), ForeignKey("upload_sessions.upload_id"), nullable=False),
    Column("object_key", ascii_id(200), nullable=False, unique=True),
    Column("position", BigInteger, nullable=False),  # offset of its first byte, or index of the chunk that it is
    Column("size", BigInteger),  # NULL: it may be on its way
    Column("sha256", ascii_id(64)),
    Column("crc32", BigInteger),
    Column("state", ascii_id(16), nullable=False),  # coming → kept → joining → joined (into a part);  replaced
    Index(None, "upload_id", "state", "position"),
)
