"""Parts that go straight from a client to the store have no CRC-32."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger

from holdfast.database.migrations.making import reworded

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        reworded(("upload_parts",), {r"(\bcrc32 BIGINT) NOT NULL": r"\1"})
    else:
        op.alter_column("upload_parts", "crc32", existing_type=BigInteger(), nullable=True)
