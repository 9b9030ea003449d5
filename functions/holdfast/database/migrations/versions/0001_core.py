"""All tables of the first release, as they were then. See ``holdfast.database.migrate`` for what a migration may do."""

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
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.schema import SchemaItem

from holdfast.database.types import UtcDateTime, ascii_id, exact

revision = "0001"
down_revision = None

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


_table(
    "workspaces",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("name", exact(80), nullable=False),
    Column("name_folded", exact(80), nullable=False, unique=True),
    Column("state", ascii_id(16), nullable=False, server_default="active"),
    Column("quota_bytes", BigInteger),
    Column("max_file_bytes", BigInteger),
    Column("used_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("used_versions", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
)

_table(
    "users",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("issuer", exact(255), nullable=False, server_default=""),
    Column("username", exact(64), nullable=False),
    Column("name_folded", exact(330), unique=True),
    Column("password_hash", ascii_id(128)),
    Column("workspace_id", _Id, ForeignKey("workspaces.id")),
    Column("permissions", ascii_id(255), nullable=False, server_default=""),
    Column("platform_admin", Boolean, nullable=False, server_default=false()),
    Column("token_epoch", Integer, nullable=False, server_default=text("0")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    Index(None, "workspace_id", "username"),
)

_table(
    "revoked_tokens",
    Column("jti", ascii_id(32), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

_table(
    "login_failures",
    Column("subject", ascii_id(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("blocked_until", UtcDateTime),
)

_table(
    "invitations",
    Column("code_sha256", ascii_id(64), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_by", exact(64)),
)

_table(
    "assets",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("workspace_id", _Id, ForeignKey("workspaces.id"), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    Column("primary_filename", exact(255), nullable=False),
    Column("last_number", Integer, nullable=False, server_default=text("0")),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("workspace_id", "asset_path"),
)

_table(
    "versions",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("workspace_id", _Id, ForeignKey("workspaces.id"), nullable=False),
    Column("asset_id", _Id, ForeignKey("assets.id"), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    Column("number", Integer, nullable=False),
    Column("version_id", ascii_id(64), nullable=False),
    Column("upload_id", ascii_id(32), nullable=False, unique=True),
    Column("primary_filename", exact(255), nullable=False),
    Column("content_type", ascii_id(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", ascii_id(64), nullable=False),
    Column("object_key", ascii_id(200), nullable=False),
    Column("file_count", Integer, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("status", ascii_id(16), nullable=False),
    Column("phase", ascii_id(16)),
    Column("newest", Boolean, nullable=False),
    Column("held", Integer, nullable=False, server_default=text("0")),
    Column("archive_ttl", Integer),
    Column("destroy_ttl", Integer),
    Column("upload_date", UtcDateTime, nullable=False),
    Column("active_since", UtcDateTime, nullable=False),
    Column("archive_date", UtcDateTime),
    Column("destroy_date", UtcDateTime),
    Column("purge_after", UtcDateTime),
    Column("labels", JSON, nullable=False),
    Column("uploaded_by", exact(64), nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("asset_id", "number"),
    Index(None, "asset_id", "status", "number"),
    UniqueConstraint("workspace_id", "asset_path", "version_id"),
    Index("ix_versions_newest", "workspace_id", "status", "newest", "asset_path", "number"),
    Index("ix_versions_all", "workspace_id", "status", "asset_path", "number"),
    Index("ix_versions_expiring", "workspace_id", "status", "destroy_date"),
)

_table(
    "files",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("workspace_id", _Id, ForeignKey("workspaces.id"), nullable=False),
    Column("upload_id", ascii_id(32), nullable=False),
    Column("position", Integer, nullable=False),
    Column("object_key", ascii_id(200), nullable=False, unique=True),
    Column("primary", Boolean, nullable=False),
    Column("filename", exact(255), nullable=False),
    Column("path", exact(700), nullable=False),
    Column("content_type", ascii_id(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", ascii_id(64), nullable=False),
    Column("version", _Id, ForeignKey("versions.id")),
    Column("commit_id", ascii_id(64)),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("replaced_at", UtcDateTime),
    UniqueConstraint("upload_id", "position"),
    Index(None, "version", "position"),
    Index("ix_files_path", "workspace_id", "path", "id"),
)

_table(
    "intents",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("upload_id", ascii_id(32), nullable=False, unique=True),
    Column("workspace_id", _Id, ForeignKey("workspaces.id"), nullable=False),
    Column("user_id", _Id, ForeignKey("users.id"), nullable=False),
    Column("kind", ascii_id(16), nullable=False),
    Column("state", ascii_id(16), nullable=False),
    Column("asset_path", exact(400), nullable=False),
    Column("primary_filename", exact(255), nullable=False),
    Column("target_version", ascii_id(64)),
    Column("must_be_new", Boolean, nullable=False, server_default=false()),
    Column("archive_ttl", Integer),
    Column("destroy_ttl", Integer),
    Column("labels", JSON),
    Column("idempotency_key", exact(255)),
    Column("reserved", Integer, nullable=False),
    Column("total_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("group_id", ascii_id(32), index=True),
    Column("version", _Id),
    Column("unchanged", Boolean, nullable=False, server_default=false()),
    Column("problem", JSON),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("workspace_id", "user_id", "idempotency_key"),
    Index(None, "workspace_id", "state", "id"),
    Index(None, "state", "heartbeat_at"),
)

_table(
    "commit_groups",
    Column("operation", ascii_id(32), primary_key=True),
    Column("workspace_id", _Id, ForeignKey("workspaces.id"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("state", ascii_id(16), nullable=False),
    Column("puts", JSON, nullable=False),
    Column("deletes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "workspace_id", "state"),
    Index(None, "state", "created_at"),
)

_table(
    "strays",
    Column("workspace_id", _Id, ForeignKey("workspaces.id"), primary_key=True),
    Column("path", exact(700), primary_key=True),
)

_table(
    "branches",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("name", exact(80), nullable=False, unique=True),
    Column("head", ascii_id(64), nullable=False, server_default=""),
    Column("number", BigInteger, nullable=False, server_default=text("0")),
)

_table(
    "commits",
    Column("id", ascii_id(64), primary_key=True),
    Column("branch_id", _Id, ForeignKey("branches.id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("parent", ascii_id(64), nullable=False),
    Column("operation", ascii_id(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("branch_id", "operation"),
    UniqueConstraint("branch_id", "number"),
)

_table(
    "commit_entries",
    Column("branch_id", _Id, ForeignKey("branches.id"), primary_key=True),
    Column("path_sha256", ascii_id(64), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("path", exact(1024), nullable=False),
    Column("object_key", ascii_id(200)),
    Column("size", BigInteger),
    Column("sha256", ascii_id(64)),
    Column("content_type", ascii_id(255)),
    Column("upload_id", ascii_id(32)),
)

_table(
    "leases",
    Column("name", ascii_id(80), primary_key=True),
    Column("holder", ascii_id(64), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

_table(
    "jobs",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("kind", ascii_id(40), nullable=False),
    Column("workspace_id", _Id),
    Column("user_id", _Id),
    Column("payload", JSON, nullable=False),
    Column("state", ascii_id(16), nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default=text("5")),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("run_after", UtcDateTime, nullable=False),
    Column("claim", ascii_id(32)),
    Column("lease_until", UtcDateTime),
    Column("error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index(None, "state", "priority", "run_after"),
    Index(None, "state", "lease_until"),
    Index(None, "workspace_id", "id"),
)

_table(
    "audit",
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("workspace", exact(80)),
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


def upgrade() -> None:
    """Makes what is not there: on MySQL, where DDL commits by itself, an earlier run may have died half-way."""
    bind = op.get_bind()
    metadata.create_all(bind)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(bind, checkfirst=True)
