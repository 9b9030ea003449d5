"""Seals: each vouches for a batch of a chain's rows and for the seal before it. Everything here is pure.

Whoever changes, removes, inserts or reorders rows that are sealed has to change their seal, every seal after it, and the signature
of each; whoever cuts off the newest ones disagrees with any head that was kept elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from holdfast.audit.rows import AT, ID, Chain, Row, canonical
from holdfast.audit.spans import read, spans, written
from holdfast.database.portable import moment

FORM = "holdfast seal 1"
"""What a seal's hash covers, and how, has this name."""

MOST = 4096
"""Rows of one seal: their ids fit into a TEXT however they are scattered."""


@dataclass(frozen=True)
class Seal:
    """``ids``: see ``holdfast.audit.spans``; ``digest``: sha256 over the rows; ``previous``: the hash of the seal before, or ""."""

    chain: Chain
    number: int
    ids: str
    row_count: int
    digest: str
    latest_at: datetime
    previous: str
    sealed_at: datetime

    @cached_property
    def hash(self) -> str:
        """sha256 over all of it."""
        moments = [at.astimezone(UTC).isoformat(timespec="microseconds") for at in (self.latest_at, self.sealed_at)]
        covered = [FORM, *self.chain, self.number, self.ids, self.row_count, self.digest, self.previous, *moments]
        return sha256(json.dumps(covered, separators=(",", ":")).encode()).hexdigest()

    @property
    def first_id(self) -> int:
        """Of its rows the lowest."""
        return next(read(self.ids))[0]

    @property
    def says(self) -> dict[str, Any]:
        """What is signed of it, and kept as a head."""
        return {"workspace": self.chain.workspace, "chain": self.chain.chain, "number": self.number, "hash": self.hash}


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain ends: its newest seal's number and hash; 0 and "" of one that has none."""

    number: int = 0
    hash: str = ""


def sealed(rows: Mapping[Chain, Sequence[Row]], ends: dict[Chain, End], now: datetime) -> Iterator[Seal]:
    """Seals for the chains' rows, which come in the order of their ids, on top of ``ends``, which are moved on. ``now`` is for
    people: nothing hangs on it."""
    for chain, own in rows.items():
        for start in range(0, len(own), MOST):
            part = own[start : start + MOST]
            end = ends.get(chain, End())
            seal = Seal(
                chain=chain,
                number=end.number + 1,
                ids=written(spans(row[ID] for row in part)),
                row_count=len(part),
                digest=sha256(canonical(part)).hexdigest(),
                latest_at=moment(max(row[AT] for row in part)),
                previous=end.hash,
                sealed_at=now,
            )
            ends[chain] = End(seal.number, seal.hash)
            yield seal
