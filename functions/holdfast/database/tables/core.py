"""The tables of identity, assets, commits, background work and the trail."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)

from holdfast.database.tables.base import Id, table
from holdfast.database.types import UtcDateTime, ascii_id, exact

# -- identity ----------------------------------------------------------------------------------------------------------

workspaces = table(
    "workspaces",
    Column("id", Id, primary_key=True, autoincrement=True),
    # The branch, `<user>_space`. Folded to one case it is unique for ever: a name is never given again.
    Column("name", exact(80), nullable=False),
    Column("name_folded", exact(80), nullable=False, unique=True),
    Column("state", ascii_id(16), nullable=False, server_default="active"),  # active | deleted
    Column("quota_bytes", BigInteger),  # all stored bytes, whatever their status; NULL: no limit
    Column("max_file_bytes", BigInteger),  # of one file; NULL: the installation's
    Column("used_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("used_versions", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)

users = table(
    "users",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("issuer", exact(255), nullable=False, server_default=""),  # "" is Holdfast itself
    Column("username", exact(64), nullable=False),
    # issuer and username folded to one case while the user is live; NULL afterwards, so that a shared user's name is free again.
    Column("name_folded", exact(330), unique=True),
    Column("password_hash", ascii_id(128)),
    Column("workspace_id", Id, ForeignKey("workspaces.id")),  # NULL: a platform admin without a workspace of his own
    Column("permissions", ascii_id(255), nullable=False, server_default=""),  # comma separated, sorted
    Column("platform_admin", Boolean, nullable=False, server_default=false()),
    # Tokens issued before this moment's count are void: raised by a new password and by "revoke all".
    Column("token_epoch", Integer, nullable=False, server_default=text("0")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Index(None, "workspace_id", "username"),
)

revoked_tokens = table(
    "revoked_tokens",
    Column("jti", ascii_id(32), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

login_failures = table(
    "login_failures",
    Column("subject", ascii_id(64), primary_key=True),  # sha256 of what is throttled: a user name, or a client's address
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("blocked_until", UtcDateTime),
)

invitations = table(
    "invitations",
    Column("code_sha256", ascii_id(64), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_by", exact(64)),
)

# -- assets ------------------------------------------------------------------------------------------------------------

assets = table(
    "assets",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    # As given. Another name that makes the same asset_path is refused, never merged.
    Column("primary_filename", exact(255), nullable=False),
    Column("last_number", Integer, nullable=False, server_default=text("0")),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("workspace_id", "asset_path"),
)

BY_ASSET = "ix_versions_asset_id_status_number"
"""The index of ``versions`` along which some assets' live ones are read."""

versions = table(
    "versions",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("asset_id", Id, ForeignKey("assets.id"), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, 3 … within the asset: the order of versions, whatever the clocks said
    Column("version_id", ascii_id(64), nullable=False),  # the commit that brought the primary file
    Column("upload_id", ascii_id(32), nullable=False, unique=True),
    Column("primary_filename", exact(255), nullable=False),
    Column("content_type", ascii_id(255), nullable=False),
    Column("size", BigInteger, nullable=False),  # of the primary file
    Column("sha256", ascii_id(64)),  # of the primary file; NULL until its bytes are hashed
    Column("object_key", ascii_id(200), nullable=False),
    Column("file_count", Integer, nullable=False),  # the primary and its associated files
    Column("total_bytes", BigInteger, nullable=False),
    Column("status", ascii_id(16), nullable=False),  # active | archived | destroyed
    Column("phase", ascii_id(16)),  # of a destroyed one: condemned | purging | erased
    # Whether it is the newest of its asset among those of its status: what lists show unless they are asked for all.
    Column("newest", Boolean, nullable=False),
    Column("held", Integer, nullable=False, server_default=text("0")),  # how many holds cover it
    Column("archive_ttl", Integer),  # days from upload; NULL: never by itself
    Column("destroy_ttl", Integer),  # days from the archive date
    Column("upload_date", UtcDateTime, nullable=False),
    Column("active_since", UtcDateTime, nullable=False),  # upload, or the last restore: what archive_ttl counts from
    Column("archive_date", UtcDateTime),  # when it was, or by its own TTL will be, archived
    Column("destroy_date", UtcDateTime),  # when it was, or by its own TTL will be, destroyed
    Column("purge_after", UtcDateTime),  # a condemned one's bytes stay until then
    Column("labels", JSON, nullable=False),
    Column("uploaded_by", exact(64), nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    Column("scan_result", ascii_id(16)),  # of its upload; NULL: nothing scanned it
    UniqueConstraint("asset_id", "number"),
    Index(BY_ASSET, "asset_id", "status", "number"),
    UniqueConstraint("workspace_id", "asset_path", "version_id"),
    Index("ix_versions_newest", "workspace_id", "status", "newest", "asset_path", "number"),
    Index("ix_versions_all", "workspace_id", "status", "asset_path", "number"),
    Index("ix_versions_expiring", "workspace_id", "status", "destroy_date"),
    Index("ix_versions_archiving", "workspace_id", "status", "archive_date"),
    Index("ix_versions_purge", "phase", "purge_after"),
)

files = table(
    "files",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("upload_id", ascii_id(32), nullable=False),
    Column("position", Integer, nullable=False),  # 0, 1, 2 … within the upload
    Column("object_key", ascii_id(200), nullable=False, unique=True),
    Column("primary", Boolean, nullable=False),
    Column("filename", exact(255), nullable=False),  # as given
    Column("path", exact(700), nullable=False),  # on the branch
    Column("content_type", ascii_id(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", ascii_id(64)),  # NULL: the job `hash-file` computes it once the file is published
    Column("version", Id, ForeignKey("versions.id")),  # NULL until it is published
    Column("commit_id", ascii_id(64)),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("replaced_at", UtcDateTime),  # a later file of the same name took its place within the version
    Column("crc32", BigInteger),  # CRC-32 of the bytes, as the store vouched for it when they were complete; NULL: it did not
    Column("scan_result", ascii_id(16)),  # what the malware scanner said of its upload; NULL: nothing scanned it
    UniqueConstraint("upload_id", "position"),
    Index(None, "version", "position"),
    Index("ix_files_path", "workspace_id", "path", "id"),
)

intents = table(
    "intents",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("upload_id", ascii_id(32), nullable=False, unique=True),
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("kind", ascii_id(16), nullable=False),  # upload | add-files
    # open → stored → grouped → published | failed;  open → failed.  A failed one's bytes are erased, then it is `erased`.
    # open → quarantined → stored | failed.
    Column("state", ascii_id(16), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    Column("primary_filename", exact(255), nullable=False),
    Column("target_version", ascii_id(64)),  # add-files: the version_id asked for; NULL: the newest active one
    Column("must_be_new", Boolean, nullable=False, server_default=false()),  # If-None-Match: *
    Column("archive_ttl", Integer),
    Column("destroy_ttl", Integer),
    Column("labels", JSON),  # NULL: none were sent
    Column("idempotency_key", exact(255)),  # free again (NULL) once the intent has failed
    Column("reserved", Integer, nullable=False),  # the keys data/<upload_id>/0 … reserved-1 may hold bytes
    Column("total_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),  # groups it was in that could not be published
    Column("group_id", ascii_id(32), index=True),
    Column("version", Id),  # what came of it
    Column("unchanged", Boolean, nullable=False, server_default=false()),
    Column("problem", JSON),  # what went wrong: {status, slug, detail, extra}
    Column("heartbeat_at", UtcDateTime, nullable=False),  # by the database's clock, while bytes flow
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("workspace_id", "user_id", "idempotency_key"),
    Index(None, "workspace_id", "state", "id"),
    Index(None, "state", "heartbeat_at"),
)

commit_groups = table(
    "commit_groups",
    Column("operation", ascii_id(32), primary_key=True),  # carried by the commit
    Column("workspace_id", Id, ForeignKey("workspaces.id"), nullable=False),
    Column("epoch", BigInteger, nullable=False),  # of the committer's lease
    Column("state", ascii_id(16), nullable=False),  # open | settled
    Column("puts", JSON, nullable=False),  # beside the intents' files: strays put back
    Column("deletes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "workspace_id", "state"),
    Index(None, "state", "created_at"),
)

strays = table(
    "strays",
    Column("workspace_id", Id, ForeignKey("workspaces.id"), primary_key=True),
    Column("path", exact(700), primary_key=True),
)

# -- the versions port's sql adapter -----------------------------------------------------------------------------------

branches = table(
    "branches",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", exact(80), nullable=False, unique=True),
    Column("head", ascii_id(64), nullable=False, server_default=""),  # the newest commit; "" before the first
    Column("number", BigInteger, nullable=False, server_default=text("0")),  # of that commit
)

commits = table(
    "commits",
    Column("id", ascii_id(64), primary_key=True),
    Column("branch_id", Id, ForeignKey("branches.id"), nullable=False),
    Column("number", BigInteger, nullable=False),  # 1, 2, 3 … along the branch
    Column("parent", ascii_id(64), nullable=False),
    Column("operation", ascii_id(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("branch_id", "operation"),
    UniqueConstraint("branch_id", "number"),
)

commit_entries = table(
    "commit_entries",
    # In this order, so that the key finds what any commit holds at a path: the path's highest number up to the commit's.
    Column("branch_id", Id, ForeignKey("branches.id"), primary_key=True),
    Column("path_sha256", ascii_id(64), primary_key=True),  # a path itself is too long for a key
    Column("number", BigInteger, primary_key=True),  # of the commit
    Column("path", exact(1024), nullable=False),
    Column("object_key", ascii_id(200)),  # NULL: the commit removes the path
    Column("size", BigInteger),
    Column("sha256", ascii_id(64)),  # NULL also where it was not known yet: a commit stays as it was made
    Column("content_type", ascii_id(255)),
    Column("upload_id", ascii_id(32)),
)

# -- background work, leases, audit ------------------------------------------------------------------------------------

leases = table(
    "leases",
    Column("name", ascii_id(80), primary_key=True),
    Column("holder", ascii_id(64), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

jobs = table(
    "jobs",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("kind", ascii_id(40), nullable=False),
    Column("workspace_id", Id),
    Column("user_id", Id),
    Column("payload", JSON, nullable=False),
    Column("state", ascii_id(16), nullable=False),  # pending | running | done | dead
    Column("priority", SmallInteger, nullable=False, server_default=text("5")),  # 0 … 10, higher first
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("run_after", UtcDateTime, nullable=False),  # by the database's clock
    Column("claim", ascii_id(32)),
    Column("lease_until", UtcDateTime),
    Column("error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index(None, "state", "priority", "run_after"),
    Index(None, "state", "lease_until"),
    Index(None, "workspace_id", "id"),
)

audit = table(
    "audit",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("workspace", exact(80)),  # by name and without foreign keys: the trail outlives what it is about
    Column("issuer", exact(255), nullable=False, server_default=""),
    Column("username", exact(64)),
    Column("operation", ascii_id(40), nullable=False),
    Column("asset_path", exact(400)),
    Column("version_id", ascii_id(64)),
    Column("success", Boolean, nullable=False),
    Column("details", JSON, nullable=False),
    Column("request_id", String(64)),
    Index(None, "workspace", "id"),
    Index("ix_audit_asset", "workspace", "asset_path", "id"),
)
