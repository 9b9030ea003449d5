"""Reading the evidence of erasures."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from holdfast.clock import isoformat
from holdfast.database.tables import erasures
from holdfast.errors import NotFound

if TYPE_CHECKING:
    from holdfast.services import Services

_COLUMNS = (
    "workspace", "asset_path", "version_id", "object_key", "size", "sha256", "state", "found", "requested_at", "deleted_at",
    "gone_at", "compacted_at", "compaction", "backups_until", "attempts", "last_error", "trace",
)  # fmt: skip


def of_version(services: Services, asset_path: str, version_id: str, workspace: str | None = None) -> list[dict[str, Any]]:
    """One for each object of the version, in the order in which they were stored; of ``workspace``, or of every one that has such
    a version. Raises NotFound when no purge of it has begun."""
    e = erasures.c
    wanted = select(*(e[name] for name in _COLUMNS)).where(e.asset_path == asset_path, e.version_id == version_id)
    if workspace is not None:
        wanted = wanted.where(e.workspace == workspace)
    with services.database.read() as connection:
        rows = connection.execute(wanted.order_by(e.id)).all()
    if not rows:
        raise NotFound("No purge of such a version has begun.")
    return [{name: _plain(value) for name, value in row._mapping.items()} for row in rows]


def _plain(value: Any) -> Any:
    return isoformat(value) if isinstance(value, datetime) else value
