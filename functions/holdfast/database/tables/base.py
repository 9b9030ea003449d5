"""What every table is made with.

Ids are BIGINT and grow; what a client sees of them is never the number alone. Moments are UTC with microseconds. Every state that
can change has a ``revision``: a transition is an UPDATE that names the revision it saw, so a late one changes nothing.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import BigInteger, Integer, MetaData, Table
from sqlalchemy.schema import SchemaItem


def empty() -> MetaData:
    """Without tables; keys and indexes in it get our names."""
    return MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


metadata = empty()

Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself in INTEGER only."""


def table_in(metadata: MetaData, name: str, *columns: SchemaItem) -> Table:
    """A table, the same on every database."""
    return Table(name, metadata, *columns, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


table = partial(table_in, metadata)
"""``table(name, *columns)``: a table of ours."""
