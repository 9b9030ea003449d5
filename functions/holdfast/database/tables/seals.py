"""The tables that make the trail one that can be checked: chains, their seals, and what was not seen yet.

The trail's own rows are never changed, so what seals them stands beside them: no user of the database needs UPDATE on ``audit``.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint, text

from holdfast.database.tables.base import Id, table
from holdfast.database.types import UtcDateTime, ascii_id, exact

audit_chains = table(
    "audit_chains",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("workspace", exact(80), nullable=False),  # by name; "": of no workspace
    Column("chain", ascii_id(8), nullable=False),  # acts | access
    Column("number", BigInteger, nullable=False, server_default=text("0")),  # of its newest seal
    Column("hash", ascii_id(64), nullable=False, server_default=""),  # of that seal
    Column("pruned", BigInteger, nullable=False, server_default=text("0")),  # the seals up to this number are gone, with their rows
    Column("pruned_hash", ascii_id(64), nullable=False, server_default=""),
    Column("checkpoint", Text),  # that, signed
    UniqueConstraint("workspace", "chain"),
)

audit_seals = table(
    "audit_seals",
    Column("chain_id", Id, primary_key=True),
    Column("number", BigInteger, primary_key=True),  # 1, 2, 3 … along the chain
    # The rows that it seals, by their ids: see holdfast.audit.spans.
    Column("first_id", BigInteger, nullable=False),
    Column("ids", Text, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("digest", ascii_id(64), nullable=False),  # sha256 over those rows, in the order of their ids
    Column("latest_at", UtcDateTime, nullable=False),  # of those rows: what retention goes by
    Column("previous", ascii_id(64), nullable=False),  # the hash of the seal before
    Column("sealed_at", UtcDateTime, nullable=False),
    Column("hash", ascii_id(64), nullable=False),
    Column("signed", Text, nullable=False),  # which seal of which chain has this hash: what a head says
    Index(None, "first_id"),
)

audit_unseen = table(
    "audit_unseen",
    # Ids in which the sealer has seen no row yet: what is to come, and what was taken by a transaction that is not committed.
    Column("first_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_id", BigInteger, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),  # by the database's clock, since when rows behind it are known
)
