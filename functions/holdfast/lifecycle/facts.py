"""Reading what decides about versions: all live ones of a workspace in the order of their paths, in constant memory, or those of
some assets within a transaction.

The database hands each version over as one JSON array: PyMySQL takes a microsecond for each column of each row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Text, func, select, type_coerce

from holdfast.database.direct import Direct
from holdfast.database.portable import moment
from holdfast.database.tables import versions
from holdfast.database.tables.core import BY_ASSET
from holdfast.database.types import along, among
from holdfast.policies.due import LIVE, Facts

PAGE = 5000
"""Rows that one statement reads."""

_COLUMNS = tuple({"bytes": "total_bytes"}.get(name, name) for name in Facts._fields[:-3])
"""In the order of ``Facts``, which has the labels (MariaDB takes no JSON of another collation), the workspace's name and the rank
besides."""
_PATH, _NUMBER = (Facts._fields.index(name) for name in ("asset_path", "number"))
_MOMENTS = tuple(Facts._fields.index(name) for name in ("active_since", "archive_date", "destroy_date"))
_PAGE = (
    f"SELECT JSON_ARRAY({', '.join(_COLUMNS)}), labels FROM versions {{index ix_versions_all}} "  # noqa: S608  constants
    "WHERE workspace_id = :workspace AND status = :status AND asset_path > :after ORDER BY asset_path, number LIMIT :limit"
)
_path, _by_path_from_the_newest = itemgetter(_PATH), lambda row: (row[_PATH], -row[_NUMBER])
_labels = lru_cache(1024)(json.loads)


def of_workspace(direct: Direct, workspace_id: int, workspace: str) -> Iterator[Facts]:
    """Every live version, by asset path, and within an asset from the newest on. Raises DatabaseUnavailable.

    What changes meanwhile is seen or not; an asset's versions are seen as they were at one time, up to its status.
    """
    after, limit = "", PAGE
    while True:
        where = {"workspace": workspace_id, "after": after, "limit": limit}
        pages = [_told(direct.all(_PAGE, {**where, "status": status})) for status in LIVE]
        # Where a page is full, its last asset may go on behind it, and all that comes later is another page's.
        end = min((page[-1][_PATH] for page in pages if len(page) == limit), default=None)
        rows = [row for page in pages for row in page if end is None or row[_PATH] < end]
        if end is not None and not rows:
            limit *= 2  # one asset that is larger than a page
            continue
        yield from _ranked(workspace, rows)
        if end is None:
            return
        after, limit = max(map(_path, rows)), PAGE


def of_assets(connection: Connection, workspace: str, asset_ids: Collection[int]) -> Iterator[Facts]:
    """The same of some assets, as the transaction sees them."""
    packed = func.json_array(*(versions.c[name] for name in _COLUMNS))
    found = select(packed, type_coerce(versions.c.labels, Text))
    theirs = found.where(among(versions.c.asset_id, asset_ids), versions.c.status.in_(LIVE))
    return _ranked(workspace, _told(connection.execute(along(theirs, versions, BY_ASSET))))


def _told(rows: Iterable[Any]) -> list[list[Any]]:
    """What the arrays say, read together, which is twice as fast as one by one."""
    rows = list(rows)
    told: list[list[Any]] = json.loads(f"[{','.join([row[0] for row in rows])}]")
    for version, row in zip(told, rows, strict=True):
        version.append(_labels(row[1]))
    return told


def _ranked(workspace: str, rows: list[list[Any]]) -> Iterator[Facts]:
    """Any rows of some assets, all live ones of each, as what decides about them."""
    rows.sort(key=_by_path_from_the_newest)
    path, rank = "", 0
    for row in rows:
        rank = rank + 1 if row[_PATH] == path else 1
        path = row[_PATH]
        for place in _MOMENTS:
            if row[place] is not None:
                row[place] = moment(row[place])
        yield Facts._make((*row, workspace, rank))
