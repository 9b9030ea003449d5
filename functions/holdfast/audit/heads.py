"""The heads of the chains: which seal each ends with, signed. Kept elsewhere they show that nothing was cut off or rewritten."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, select

from holdfast.audit.reading import visible
from holdfast.audit.sealing import sliced
from holdfast.clock import isoformat
from holdfast.database.leases import acquire
from holdfast.database.tables import audit_chains, audit_seals
from holdfast.identity.access import Claims, authorise

if TYPE_CHECKING:
    from holdfast.services import Services

_log = logging.getLogger(__name__)

HOUR = 60 * 60
LEASE = "audit-head-log"
_A_LINE = 25
"""Heads of one log line: collectors cut lines off at 16 KiB."""

_c, _s = audit_chains.c, audit_seals.c


def read(
    services: Services, claims: Claims, workspace: str | None, after: int | None, limit: int
) -> tuple[Sequence[dict[str, Any]], int | None]:
    """One page, and what to hand in as ``after`` for the next one; None on the last. An admin sees his workspace's chains, a
    platform admin those of the workspace that he names, or all. Blocks. Raises Unauthenticated, Forbidden."""
    with services.database.read() as connection:
        workspace = visible(authorise(connection, claims), workspace)
        found = _heads().order_by(_c.id).limit(limit + 1)
        if after is not None:
            found = found.where(_c.id > after)
        if workspace is not None:
            found = found.where(_c.workspace == workspace)
        rows = connection.execute(found).all()
    page = rows[:limit]
    shown = ("workspace", "chain", "number", "hash", "signed", "pruned", "checkpoint")
    items = [{**{name: getattr(row, name) for name in shown}, "sealed_at": isoformat(row.sealed_at)} for row in page]
    return items, page[-1].id if len(rows) > limit else None


def kept(text: str) -> list[str]:
    """The signed heads in a file: what ``/audit/head`` answered, a listing of its items, or lines of the log. Raises ValueError."""
    try:
        documents = [json.loads(text)]
    except ValueError:
        documents = [json.loads(line) for line in text.splitlines() if line.strip()]
    found: list[str] = []
    for one in documents:
        match one:
            case {"items": [*items]} | [*items]:
                found += (item["signed"] if isinstance(item, dict) else "" for item in items)
            case {"heads": [*heads]}:
                found += map(str, heads)
    return found


def log(services: Services) -> int:
    """Writes the heads that moved within the last two hours to the log, once an hour however many processes there are. How many.
    Raises DatabaseUnavailable."""
    if acquire(services.database, LEASE, secrets.token_hex(16), HOUR) is None:
        return 0
    since = services.clock() - timedelta(seconds=2 * HOUR)
    with services.database.read() as connection:
        signed = connection.scalars(_heads().with_only_columns(_s.signed).where(_s.sealed_at > since).order_by(_c.id)).all()
    for some in sliced(signed, _A_LINE):
        _log.info("audit heads", extra={"fields": {"heads": list(some)}})
    return len(signed)


def _heads() -> Select[Any]:
    columns = (_c.id, _c.workspace, _c.chain, _c.number, _c.hash, _c.pruned, _c.checkpoint, _s.sealed_at, _s.signed)
    return select(*columns).join(audit_seals, (_s.chain_id == _c.id) & (_s.number == _c.number))
