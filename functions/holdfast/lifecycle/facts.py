"""Reading what decides about versions: all live ones of a workspace in the order of their paths, in constant memory, or those of
some assets within a transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from holdfast.database.direct import Direct
from holdfast.database.tables import versions
from holdfast.policies.due import Facts

LIVE = ("active", "archived")
PAGE = 5000
"""Rows that one statement reads."""

_COLUMNS = (
    "asset_path", "number", "id", "asset_id", "version_id", "content_type", "status", "held", "archive_ttl", "destroy_ttl",
    "active_since", "archive_date", "destroy_date", "total_bytes", "labels",
)  # fmt: skip
_PAGE = (
    f"SELECT {', '.join(_COLUMNS)} FROM versions {{index ix_versions_all}} "  # noqa: S608  constants
    "WHERE workspace_id = :workspace AND status = :status AND asset_path > :after ORDER BY asset_path, number LIMIT :limit"
)
_path, _by_path_from_the_newest = itemgetter(0), lambda row: (row[0], -row[1])
_NONE: dict[str, str] = {}


def of_workspace(direct: Direct, workspace_id: int, workspace: str) -> Iterator[Facts]:
    """Every live version, by asset path, and within an asset from the newest on. Raises DatabaseUnavailable.

    What changes meanwhile is seen or not; an asset's versions are seen as they were at one time, up to its status.
    """
    after, limit = "", PAGE
    while True:
        pages = [
            direct.all(_PAGE, {"workspace": workspace_id, "status": status, "after": after, "limit": limit}) for status in LIVE
        ]
        # Where a page is full, its last asset may go on behind it, and all that comes later is another page's.
        end = min((page[-1][0] for page in pages if len(page) == limit), default=None)
        rows = [row for page in pages for row in page if end is None or row[0] < end]
        if end is not None and not rows:
            limit *= 2  # one asset that is larger than a page
            continue
        yield from ranked(workspace, sorted(rows, key=_by_path_from_the_newest))
        if end is None:
            return
        after, limit = max(map(_path, rows)), PAGE


def of_assets(connection: Connection, workspace: str, asset_ids: Collection[int]) -> Iterator[Facts]:
    """The same of some assets, as the transaction sees them."""
    found = select(*(versions.c[name] for name in _COLUMNS)).where(versions.c.asset_id.in_(asset_ids), versions.c.status.in_(LIVE))
    rows = [tuple(row) for row in connection.execute(found)]
    return ranked(workspace, sorted(rows, key=_by_path_from_the_newest))


def ranked(workspace: str, rows: Iterable[Sequence[Any]]) -> Iterator[Facts]:
    """Rows of ``_COLUMNS``, each asset's together and its newest first, as what decides about them."""
    for _, of_asset in groupby(rows, _path):
        for rank, row in enumerate(of_asset, 1):
            path, number, id_, asset_id, version_id, *rest, labels = row
            if not isinstance(labels, dict):
                labels = json.loads(labels) if labels != "{}" else _NONE
            yield Facts._make((id_, asset_id, number, workspace, path, version_id, *rest, labels, rank))
