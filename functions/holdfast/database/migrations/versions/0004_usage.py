"""Usage counters, filled from the versions that are there. See ``holdfast.database.migrate`` for what a migration may do."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Table, text

from holdfast.database.types import ascii_id

revision = "0004"
down_revision = "0003"

metadata = MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"})

_Id = BigInteger().with_variant(Integer, "sqlite")

Table("workspaces", metadata, Column("id", _Id, primary_key=True))

_usage = Table(
    "usage_counters",
    metadata,
    Column("workspace_id", _Id, ForeignKey("workspaces.id"), primary_key=True),
    Column("media_type", ascii_id(255), primary_key=True),
    Column("bucket", ascii_id(16), primary_key=True),
    Column("versions", BigInteger, nullable=False, server_default=text("0")),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)

_BY_STATE = """
SELECT workspace_id, content_type, CASE status WHEN 'destroyed' THEN 'condemned' ELSE status END AS bucket,
  COUNT(*) AS versions, SUM(total_bytes) AS bytes
FROM versions WHERE phase IS NULL OR phase <> 'erased' GROUP BY workspace_id, content_type, bucket
"""
_HELD = """
SELECT workspace_id, content_type, 'held' AS bucket, COUNT(*) AS versions, SUM(total_bytes) AS bytes
FROM versions WHERE held > 0 GROUP BY workspace_id, content_type
"""
# Of each asset, the newest version that is not destroyed.
_CURRENT = """
SELECT v.workspace_id, v.content_type, 'current' AS bucket, COUNT(*) AS versions, SUM(v.total_bytes) AS bytes
FROM (SELECT asset_id, MAX(number) AS number FROM versions WHERE status IN ('active', 'archived') GROUP BY asset_id) top
JOIN versions v ON v.asset_id = top.asset_id AND v.number = top.number GROUP BY v.workspace_id, v.content_type
"""


def upgrade() -> None:
    """An earlier run may have died half-way: what it counted is counted again."""
    bind = op.get_bind()
    metadata.create_all(bind, tables=[_usage])
    bind.execute(_usage.delete())
    found: dict[tuple[int, str, str], list[int]] = {}
    for statement in (_BY_STATE, _HELD, _CURRENT):
        for row in bind.execute(text(statement)):
            media_type = row.content_type.partition(";")[0].strip().lower()
            sums = found.setdefault((row.workspace_id, media_type, row.bucket), [0, 0])
            sums[0] += row.versions
            sums[1] += int(row.bytes)
    rows = [
        {"workspace_id": workspace, "media_type": media_type, "bucket": bucket, "versions": versions, "bytes": size}
        for (workspace, media_type, bucket), (versions, size) in found.items()
    ]
    if rows:
        bind.execute(_usage.insert(), rows)
