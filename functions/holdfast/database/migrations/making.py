"""What migrations that only add tables have in common."""

from __future__ import annotations

from alembic import op
from sqlalchemy import MetaData


def make(metadata: MetaData) -> None:
    """Makes of its tables and indexes what is not there: on MySQL, where DDL commits by itself, an earlier run may have died
    half-way."""
    bind = op.get_bind()
    metadata.create_all(bind)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(bind, checkfirst=True)
