"""One transaction of a committer, under its workspace's lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from holdfast.audit import trail
from holdfast.usage.counters import Change


@dataclass(frozen=True, slots=True)
class Turn:
    """What its steps share."""

    connection: Connection
    workspace: Row[Any]
    """Its row of ``workspaces``, read in this transaction."""
    epoch: int
    """Of the lease."""
    now: datetime
    erase_again_after: int
    """Seconds after which no request can still be writing: when the bytes of a refused intent are erased a second time."""
    changes: list[Change] = field(default_factory=list)
    """What the usage counters are told at its end."""

    def audit(
        self, intent: Row[Any], user: Row[Any], *, version_id: str | None = None, success: bool = True, **details: Any
    ) -> dict[str, Any]:
        """The audit row that says what became of ``intent``, which is ``user``'s."""
        return trail.entry(
            intent.kind,
            self.now,
            workspace=self.workspace.name,
            username=user.username,
            issuer=user.issuer,
            asset_path=intent.asset_path,
            version_id=version_id,
            success=success,
            upload_id=intent.upload_id,
            **details,
        )
