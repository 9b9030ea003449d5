"""A hold as every reply shows it, made from its row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from holdfast.clock import isoformat


def describe(hold: Row[Any]) -> dict[str, Any]:
    """``hold`` is a row as ``access.rows`` has it."""
    return {
        "id": hold.hold_id,
        "matter": hold.matter,
        "reason": hold.reason,
        "state": hold.state,
        "workspace": hold.workspace,
        "scope": hold.selector,
        "until": isoformat(hold.until),
        "placed_by": hold.placed_by,
        "created_at": isoformat(hold.created_at),
        "active_at": isoformat(hold.active_at),
        "released_at": isoformat(hold.released_at),
        "released_by": hold.released_by,
    }
